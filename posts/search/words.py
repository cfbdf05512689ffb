"""Words of a text as the index knows them: normalised, cut, reduced to their stems. Pure.

Both databases get and are asked for the very same tokens, so that a query finds the same notes on
both, and a highlight marks what was found. Knows neither Django nor a database.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import snowballstemmer

#: Changes when the same text gives other tokens; entries of an older version are made anew.
VERSION = 1
#: Characters of a token; what is longer is no word that anybody types.
TOKEN_MAX = 40
#: Words whose stems are remembered; beyond, all are forgotten.
_REMEMBERED_MAX = 100_000
#: Letters of Chinese, Japanese and Korean writing: each is a word, and a run of them a phrase.
_IDEOGRAPH = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_IDEOGRAPH}]|[^\W_{_IDEOGRAPH}]+")

_stemmer = snowballstemmer.stemmer("english")
# A stemmer holds the word it works on, and requests are answered by several threads.
_one_at_a_time = threading.Lock()


class Token(NamedTuple):
    """A word of a text: where it stands, and its stem."""

    start: int
    end: int
    stem: str


def normalised(word: str) -> str:
    """Return a word in lower case without accents, at most `TOKEN_MAX` characters."""
    if not word.isascii():
        parts = unicodedata.normalize("NFKD", word.casefold())
        bare = "".join(part for part in parts if not unicodedata.combining(part))
        word = unicodedata.normalize("NFC", bare)
    return word.lower()[:TOKEN_MAX]


class _Stems(dict[str, str]):
    """Stems of words as they are written. A plain look-up: entries ask for hundreds of words."""

    def __missing__(self, word: str) -> str:
        found = normalised(word)
        if found.isascii() and found.isalpha():
            with _one_at_a_time:
                found = str(_stemmer.stemWord(found))
        if len(self) >= _REMEMBERED_MAX:
            self.clear()
        self[word] = found
        return found


_stems = _Stems()


def stem(word: str) -> str:
    """Return what the index holds for a word as it is written: normalised, then its stem."""
    return _stems[word]


def tokens(text: str) -> Iterator[Token]:
    """Yield the words of a text in order."""
    for match in _TOKEN.finditer(text):
        yield Token(match.start(), match.end(), _stems[match[0]])


def stems(text: str) -> list[str]:
    """Return the stems of a text in order, with repeats."""
    return [_stems[word] for word in _TOKEN.findall(text)]


def plain_words(text: str) -> list[str]:
    """Return the words of a text, normalised but whole, in order."""
    return [normalised(word) for word in _TOKEN.findall(text)]


def different_words(text: str) -> set[str]:
    """Return the different words of a text, normalised but whole."""
    return {normalised(word) for word in set(_TOKEN.findall(text))}


_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def one_typo_away(word: str) -> set[str]:
    """Return what a word may have been before one letter was lost, added, changed or swapped.

    Some 70 spellings a letter of the word; the vocabulary says which are words.
    """
    splits = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    lost = {a + letter + b for a, b in splits for letter in _LETTERS}
    changed = {a + letter + b[1:] for a, b in splits if b for letter in _LETTERS}
    added = {a + b[1:] for a, b in splits if b}
    swapped = {a + b[1] + b[0] + b[2:] for a, b in splits if len(b) > 1}
    return (lost | changed | added | swapped) - {word, ""}
