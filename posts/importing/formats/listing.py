"""Which inputs there are: what the paths stand for, in order, kept in a few bytes each.

In: paths as the user named them. Out: a sequence of inputs, each made when it is asked for, so
that a folder of a million files takes about 20 MB. Opens nothing, follows no folder links.
"""

from __future__ import annotations

import heapq
import os
import stat
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from posts.content import escaped
from posts.importing.formats.opening import Input

#: Names packed together: few enough to unpack quickly, many enough to share their beginnings.
_BLOCK = 1_000
#: Names of one folder sorted at once; of more, sorted parts are merged, because a text object
#: takes several times its letters.
_SORTED_AT_ONCE = 10_000
#: Characters of a name as messages and rows hold it.
NAME_MAX = 1_000
_UNKNOWN = -1
_STANDARD_INPUT = "-"
_ENDS_LENGTH = ":"
#: Behind the name of a folder in a list; sorts before every letter, so the order is the names'.
_IS_FOLDER = b"\0"


class Inputs:
    """The inputs in order, by index or one after the other; iterating begins anew each time."""

    def __init__(self, paths: Sequence[str]) -> None:
        #: What each input is told of the columns of tables: field -> column.
        self.columns: Mapping[str, str] = {}
        self._blocks: list[bytes] = []
        self._sizes = array("q")
        self._unpacked: tuple[int, list[str]] = (-1, [])
        found = _found(paths)
        while part := list(islice(found, _BLOCK)):
            self._sizes.extend(size for _, size in part)
            names = "\0".join(name for name, _ in part)
            self._blocks.append(zlib.compress(names.encode("utf-8", "surrogatepass"), 1))

    @property
    def size(self) -> int | None:
        """Bytes of all inputs as stored; None when one cannot tell, such as standard input."""
        return None if _UNKNOWN in self._sizes else sum(self._sizes)

    def bytes_before(self, index: int) -> int:
        """Return the bytes of the inputs before an index, as far as they are known."""
        return sum(size for size in self._sizes[:index] if size != _UNKNOWN)

    def starting_at(self, first: int) -> Iterator[tuple[int, Input]]:
        """Yield index and input from an index on."""
        for number in range(first, len(self)):
            yield number, self[number]

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[Input]:
        for _, source in self.starting_at(0):
            yield source

    def __getitem__(self, index: int) -> Input:
        """Return one input. Raises `IndexError` behind the last one."""
        size = self._sizes[index]
        block, place = divmod(index % len(self), _BLOCK)
        if self._unpacked[0] != block:
            text = zlib.decompress(self._blocks[block]).decode("utf-8", "surrogatepass")
            self._unpacked = (block, text.split("\0"))
        packed = self._unpacked[1][place]
        beginning, _, name = packed.partition(_ENDS_LENGTH)
        within = name[int(beginning) :].replace(os.sep, "/") if beginning else ""
        return Input(
            printable(name),
            None if name == _STANDARD_INPUT and not beginning else Path(name),
            None if size == _UNKNOWN else size,
            bool(beginning),
            printable(within or os.path.basename(name)),
            self.columns,
        )


class OneFile:
    """A single input whose name is not that of the file it lies in, such as an upload."""

    def __init__(self, name: str, path: Path) -> None:
        shown = printable(name)
        self._input = Input(shown, path, path.stat().st_size, member=shown)
        #: What it is told of the columns of a table: field -> column.
        self.columns: Mapping[str, str] = {}

    @property
    def size(self) -> int | None:
        return self._input.size

    def bytes_before(self, index: int) -> int:
        return 0

    def starting_at(self, first: int) -> Iterator[tuple[int, Input]]:
        if first == 0:
            yield 0, self[0]

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Input]:
        yield self[0]

    def __getitem__(self, index: int) -> Input:
        """Return the input. Raises `IndexError` for another place than the first."""
        return msgspec.structs.replace((self._input,)[index], columns=self.columns)


def inputs(paths: Sequence[str]) -> Inputs:
    """Return what the paths stand for: a folder is all its files in sorted order, any depth.

    Hidden files and folders are left out, and so is what is neither a file nor a link to one.
    A path that does not exist stays as it is, and so does a folder that cannot be listed: opening
    it tells the reason.
    """
    return Inputs(paths)


def printable(name: str) -> str:
    """Return a file name as text that can be stored and shown on a terminal.

    Bytes that are no UTF-8 become `\\xe9`, controls such as escape `\\x1b`; of a name that is too
    long the end stays.
    """
    text = escaped(os.fsencode(name).decode("utf-8", "backslashreplace"))
    return text if len(text) <= NAME_MAX else f"…{text[1 - NAME_MAX :]}"


def kind_of_file(name: str) -> str:
    """Return what a name says about its file, as one word that files can be counted by."""
    stem, _, ending = name.rpartition("/")[2].rpartition(".")
    return f"{ending.lower()}-file" if stem else "file-without-ending"


def _found(paths: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield packed names and sizes of all that the paths stand for.

    Packed is a name behind the length of the folder it was found in, if it was.
    """
    for path in paths:
        if path == _STANDARD_INPUT:
            yield _ENDS_LENGTH + path, _UNKNOWN
        elif os.path.isdir(path):
            beginning = f"{len(os.path.join(path, ''))}{_ENDS_LENGTH}"
            for name, size in _members(path):
                yield beginning + name, size
        else:
            yield _ENDS_LENGTH + path, _size(path)


def _size(path: str) -> int:
    try:
        found = os.stat(path)
    except OSError:
        return _UNKNOWN
    return found.st_size if stat.S_ISREG(found.st_mode) else _UNKNOWN


def _members(folder: str) -> Iterator[tuple[str, int]]:
    """Yield path and size of the files below a folder; a stack, for folders of any depth."""
    entries = _listed(folder)
    if entries is None:
        yield folder, 0
        return
    above = [(os.path.join(folder, ""), iter(entries))]
    while above:
        beginning, rest = above[-1]
        packed = next(rest, None)
        if packed is None:
            above.pop()
            continue
        path = beginning + packed.removesuffix(_IS_FOLDER).decode("utf-8", "surrogatepass")
        if not packed.endswith(_IS_FOLDER):
            yield path, _size(path)
            continue
        entries = _listed(path)
        if entries is None:
            yield path, 0
        else:
            above.append((path + os.sep, iter(entries)))


def _listed(folder: str) -> Iterable[bytes] | None:
    """Return the names in a folder in the order of their characters; None when it has no list."""
    parts: list[bytes] = []
    names: list[bytes] = []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                if entry.name.startswith("."):
                    continue
                name = entry.name.encode("utf-8", "surrogatepass")
                if entry.is_dir(follow_symlinks=False):
                    names.append(name + _IS_FOLDER)
                elif _is_file(entry):
                    names.append(name)
                if len(names) == _SORTED_AT_ONCE:
                    parts.append(b"/".join(sorted(names)))
                    names = []
    except OSError:
        return None
    names.sort()
    return heapq.merge(names, *map(_split, parts)) if parts else names


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # such as a link to itself
        return False


def _split(part: bytes) -> Iterator[bytes]:
    """Yield the names of a part one by one; `bytes.split` would make objects of all of them."""
    start = 0
    while (end := part.find(b"/", start)) >= 0:
        yield part[start:end]
        start = end + 1
    yield part[start:]
