"""The rules of the check of claims: what agrees, what is contradicted, what stays open.

In: the facts of one revision. Out: a verdict a rule, and what was found in words. Where the
evidence proves neither, nothing is contradicted. Pure; `posts.claims` holds the list of claims.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import cached_property, lru_cache

from posts import content
from posts.content import Snapshot, Statistics
from posts.outline import Outline, outline, unescaped

#: A claimed reading time agrees between the half and the double of ours (110 to 440 words a
#: minute: slow study and skimming), and when rounding alone could make the difference.
SANE_FACTOR = 2
ROUNDING_MINUTES = 1

#: Figures from which an article may be called image heavy. The documents with fewer all say that
#: they are not; where their own line is, above this, they do not tell.
IMAGE_HEAVY = 3

#: Characters of an article that names are looked for in.
TEXT_MAX = 200_000
#: Longest mean word of a text whose words are separated by white space, generously; other texts
#: are not counted in words. Shorter texts than the second number are.
WORD_MAX, SHORT_TEXT = 20, 200

#: How often a name is looked at inside longer words before the whole text is searched at once.
_TRIES = 20


class Verdict(IntEnum):
    """What the check of one claim came to."""

    NOT_CLAIMED = 0
    VERIFIED = 1
    CONTRADICTED = 2
    UNVERIFIABLE = 3

    @property
    def words(self) -> str:
        return ("not claimed", "verified", "contradicted", "cannot be verified")[self]


_NOT, _YES, _NO, _OPEN = Verdict

_SOURCE_ID = re.compile(r"[^\W\d_]+-([0-9]{1,18})")
_REFERENCE = re.compile(r"anp-ref-([0-9]{1,18})-[0-9]{4}")
_ASKS_FOR_REVIEW = re.compile(
    r"\b(?:should|must|needs? to|has to|have to|is to|are to) (?:be )?(?:\w+ )?review(?:ed)?\b"
    r"|\b(?:needs?|requires?) (?:an? )?(?:human |editorial )?review\b"
    r"|\b(?:not (?:been )?(?:yet )?|un)reviewed\b",
    re.IGNORECASE,
)
_TASK = re.compile(r"\[[ xX]\] ")
_WORD = re.compile(r"[^\W_]+")


def number_of_id(source_id: str) -> int | None:
    """Return the number in a source id such as `alphanode-030904`."""
    match = _SOURCE_ID.fullmatch(source_id)
    return int(match[1]) if match else None


def number_of_reference(reference: str) -> int | None:
    """Return the number in a reference such as `anp-ref-030904-8519`."""
    match = _REFERENCE.fullmatch(reference)
    return int(match[1]) if match else None


class Facts:
    """One revision as the rules look at it; what is costly is found out when a rule asks."""

    def __init__(
        self, snapshot: Snapshot, statistics: Statistics, key: str, minutes: int | None
    ) -> None:
        self.snapshot = snapshot
        self.meta = snapshot.meta
        self.statistics = statistics
        self.key = key
        self.minutes = content.reading_minutes(snapshot) if minutes is None else minutes
        self.body: Outline = outline(snapshot.body)
        self.figures = len(self.body.figures)
        #: Images inside a paragraph or a sample of code, which the outline cannot tell apart.
        self.has_loose_images = snapshot.body.count("](image:") > self.figures

    @cached_property
    def text(self) -> str:
        """The words of the article in lower case, for looking names up."""
        snapshot = self.snapshot
        return f"{snapshot.title}\n{snapshot.lede}\n{snapshot.body[:TEXT_MAX]}".lower()

    @cached_property
    def plain_text(self) -> str:
        """The same in one line and without escapes; few names need it."""
        return " ".join(unescaped(self.text).split())

    @property
    def prose(self) -> int:
        """Paragraphs, the introduction included."""
        return self.body.paragraphs + bool(self.snapshot.lede)

    @property
    def has_spaced_words(self) -> bool:
        """Whether white space separates the words; in Chinese or Thai it does not."""
        body = self.snapshot.body
        most = (len(body) - SHORT_TEXT) // WORD_MAX
        return body.count(" ") >= most or len(body.split()) >= most

    @cached_property
    def number(self) -> int | None:
        """The number in the source id, or in the key where there is none."""
        return number_of_id(self.meta.payload.source_id or self.key)

    def mentions(self, name: str) -> bool:
        """Say whether the article has this name as words of its own."""
        text, wanted = self.text, content.normal_tag(name)
        if _has_words(text, wanted):
            return True
        if wanted.isalnum() or (" " not in wanted and "\\" not in text):
            return False
        # Its words may be there with a line break or an escape between them.
        words = _WORD.findall(wanted)
        return all(word in text for word in words) and _has_words(self.plain_text, wanted)

    @cached_property
    def tools_mentioned(self) -> int:
        return sum(map(self.mentions, self.meta.tools))


def _has_words(text: str, wanted: str) -> bool:
    """Say whether a text has these words; letters beyond ASCII may stand at them without space."""
    place = text.find(wanted)
    for _ in range(_TRIES):
        if place < 0:
            return False
        end = place + len(wanted)
        before, after = text[place - 1 : place], text[end : end + 1]
        if not (_is_letter(before) and _is_letter(wanted[0])) and not (
            _is_letter(after) and _is_letter(wanted[-1])
        ):
            return True
        place = text.find(wanted, place + 1)
    start, stop = (
        "(?<![a-z0-9])" if _is_letter(wanted[0]) else "",
        "(?![a-z0-9])" if _is_letter(wanted[-1]) else "",
    )
    return re.search(f"{start}{re.escape(wanted)}{stop}", text) is not None


def _is_letter(character: str) -> bool:
    return character.isalnum() and character.isascii()


def counted(number: int, singular: str, plural: str = "") -> str:
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def yes_or_no(value: bool | None) -> str:
    return "yes" if value else "no"


# --- Reading time and paragraphs ---------------------------------------------------------------


def reading_time(facts: Facts) -> Verdict:
    claimed, ours = facts.statistics.reading_time, facts.minutes
    if claimed is None:
        return _NOT
    is_sane = ours <= claimed * SANE_FACTOR and claimed <= ours * SANE_FACTOR
    if is_sane or abs(claimed - ours) <= ROUNDING_MINUTES:
        return _YES
    return _NO if facts.has_spaced_words else _OPEN


def say_reading_time(facts: Facts) -> str:
    if not facts.has_spaced_words:
        return "words without white space between them are not counted here"
    words = content.count_words(facts.snapshot.lede) + content.count_words(facts.snapshot.body)
    said = (
        f"{counted(words, 'word')}: {counted(facts.minutes, 'minute')} at "
        f"{content.READING_SPEED} words a minute"
    )
    claimed = facts.statistics.reading_time
    if claimed and words >= claimed:
        said += f"; {counted(claimed, 'minute')} would be {words // claimed:,} a minute"
    return said


def paragraphs(facts: Facts) -> Verdict:
    """Documents count the introduction or the final note, not both; others count all."""
    claimed = facts.meta.payload.paragraphs
    if claimed is None:
        return _NOT
    return _YES if claimed in (facts.prose - 1, facts.prose) else _NO


def say_paragraphs(facts: Facts) -> str:
    return f"{counted(facts.prose, 'paragraph')} of prose, the introduction included"


# --- Images ------------------------------------------------------------------------------------


def has_images(facts: Facts) -> Verdict:
    claimed = facts.meta.flags.has_images
    if claimed is None:
        return _NOT
    if claimed == bool(facts.figures):
        return _OPEN if not claimed and facts.has_loose_images else _YES
    return _OPEN if claimed and facts.has_loose_images else _NO


def image_heavy(facts: Facts) -> Verdict:
    claimed = facts.meta.flags.image_heavy
    if claimed is None:
        return _NOT
    if facts.figures >= IMAGE_HEAVY:
        return _YES if claimed else _OPEN
    if facts.has_loose_images:
        return _OPEN
    return _NO if claimed else _YES


def image_sources(facts: Facts) -> Verdict:
    rows = len(facts.meta.image_sources)
    if not rows:
        return _NOT
    shown = {figure.number for figure in facts.body.figures}
    if shown == set(range(1, rows + 1)):
        return _YES
    return _OPEN if facts.has_loose_images else _NO


def say_figures(facts: Facts) -> str:
    said = f"{counted(facts.figures, 'figure')} in the article"
    return said + (", and images inside its text" if facts.has_loose_images else "")


def say_heavy(facts: Facts) -> str:
    return f"{say_figures(facts)}; heavy is {IMAGE_HEAVY} or more"


# --- Checklist and tools -----------------------------------------------------------------------


def _bare(items: Iterable[str]) -> list[list[str]]:
    """Return the words of a list's items: their marks and their case are no difference."""
    return [_WORD.findall(_TASK.sub("", item).casefold()) for item in items]


def checklist(facts: Facts) -> Verdict:
    claimed = facts.meta.checklist
    if not claimed:
        return _NOT
    if claimed in facts.body.lists:
        return _YES
    wanted = _bare(claimed)
    as_long = (items for items in facts.body.lists if len(items) == len(claimed))
    return _YES if any(_bare(items) == wanted for items in as_long) else _NO


def say_checklist(facts: Facts) -> str:
    if not facts.body.lists:
        return "no list in the article"
    wanted = {tuple(words) for words in _bare(facts.meta.checklist)}
    most = max(
        len(wanted.intersection(tuple(words) for words in _bare(items)))
        for items in facts.body.lists
    )
    of_it = f"{most:,} of {counted(len(facts.meta.checklist), 'item')}"
    if len(facts.body.lists) == 1:
        return f"a list of {len(facts.body.lists[0]):,} in the article, with {of_it} of this one"
    return f"{len(facts.body.lists):,} lists in the article, the nearest with {of_it} of this one"


def tools(facts: Facts) -> Verdict:
    """An article may use what it does not name; that it names none of them is a contradiction."""
    if not facts.meta.tools:
        return _NOT
    mentioned = facts.tools_mentioned
    if mentioned == len(facts.meta.tools):
        return _YES
    is_whole = len(facts.snapshot.body) <= TEXT_MAX
    return _NO if is_whole and not mentioned else _OPEN


def say_tools(facts: Facts) -> str:
    return f"{facts.tools_mentioned:,} of {len(facts.meta.tools):,} named in the article"


# --- Identity ----------------------------------------------------------------------------------


def source_id(facts: Facts) -> Verdict:
    claimed = facts.meta.payload.source_id
    if not claimed:
        return _NOT
    if not facts.key:
        return _OPEN
    return _YES if claimed == facts.key else _NO


def say_source_id(facts: Facts) -> str:
    return f"imported under the key {facts.key}" if facts.key else "no key to compare with"


def reference(facts: Facts) -> Verdict:
    if not facts.meta.reference:
        return _NOT
    number = number_of_reference(facts.meta.reference)
    wanted = facts.meta.payload.seed if facts.number is None else facts.number
    if number is None or wanted is None:
        return _OPEN
    return _YES if number == wanted else _NO


def say_reference(facts: Facts) -> str:
    number = number_of_reference(facts.meta.reference)
    if number is None:
        return "a reference of another form, nothing to compare"
    wanted = facts.meta.payload.seed if facts.number is None else facts.number
    if wanted is None:
        return "no number in source id or seed to compare with"
    return f"number {number} in it, number {wanted} in source id or seed"


def seed(facts: Facts) -> Verdict:
    claimed = facts.meta.payload.seed
    if claimed is None:
        return _NOT
    wanted = _beside_seed(facts)
    if wanted is None:
        return _OPEN
    return _YES if claimed == wanted else _NO


def _beside_seed(facts: Facts) -> int | None:
    return number_of_reference(facts.meta.reference) if facts.number is None else facts.number


def say_seed(facts: Facts) -> str:
    wanted = _beside_seed(facts)
    if wanted is None:
        return "no number in source id or reference to compare with"
    return f"number {wanted} in source id or reference"


# --- Review ------------------------------------------------------------------------------------


def needs_review(facts: Facts) -> Verdict:
    """The notes can ask for a review; that they do not ask proves nothing."""
    claimed = facts.meta.flags.needs_human_review
    if claimed is None:
        return _NOT
    for note in facts.meta.notes:
        if _asks_for_review(note):
            return _YES if claimed else _NO
    return _OPEN


@lru_cache(maxsize=500)  # the notes of an archive are a few
def _asks_for_review(note: str) -> bool:
    return bool(_ASKS_FOR_REVIEW.search(note))


def say_needs_review(facts: Facts) -> str:
    for note in facts.meta.notes:
        if _asks_for_review(note):
            return f"its own note: “{note}”"
    return "no note asks for a review"
