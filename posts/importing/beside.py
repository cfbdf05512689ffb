"""Preparing records in a process of its own, while this one writes the batch before.

In: raw records with the name of their format. Out: what `preparation.prepare` returns for each.
Decoding needs the processor and so does the driver of the database; two threads of one Python take
turns, two processes do not. The process knows no database, and ends when its parent does.
"""

from __future__ import annotations

import gc
import logging
import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from multiprocessing.connection import Connection
from types import TracebackType

import msgspec

from posts.content import Problem
from posts.importing.formats import READERS
from posts.importing.preparation import Prepared, prepare
from posts.importing.records import RawRecord

#: Name of the format and record, as it is asked for.
Asked = tuple[str, RawRecord]
#: The record ready for writing, None when it is refused, and what was found in it.
Answer = tuple[Prepared | None, list[Problem]]

#: Batches between two looks for cycles, of which an import makes few.
COLLECTED_EVERY = 8
#: Seconds a process may take to end after it was asked to.
END_SECONDS = 5

_encode = msgspec.msgpack.Encoder().encode
_asked = msgspec.msgpack.Decoder(list[Asked])
_answers = msgspec.msgpack.Decoder(list[Answer])
_log = logging.getLogger(__name__)


@contextmanager
def garbage_collected_by_batch() -> Iterator[Callable[[], object]]:
    """Let cycles be looked for behind some batches, by calling what this gives behind each.

    A batch makes tens of thousands of objects that are all in use; looking through them again and
    again, and through everything else that lives, took a twentieth of an import.
    """
    batches = count(1)

    def at_end_of_batch() -> None:
        if next(batches) % COLLECTED_EVERY == 0:
            gc.collect(1)

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield at_end_of_batch
    finally:
        if was_enabled:
            gc.enable()


class Beside:
    """A process that prepares one batch at a time. Use it as a context.

    When the process dies, `collect` returns None from then on and the caller prepares for itself:
    the run goes on, only slower.
    """

    def __init__(self, source: str) -> None:
        # A fresh interpreter: a fork would inherit open connections to the database.
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, source), name="prepare records", daemon=True
        )
        self._process.start()
        theirs.close()
        self._has_started = False
        self._is_alive = True

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pipe.close()
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()

    def is_ready(self) -> bool:
        """Say whether the process can be asked now; starting it takes a moment."""
        if self._is_alive and not self._has_started:
            try:
                if self._pipe.poll():
                    self._pipe.recv_bytes()
                    self._has_started = True
            except (OSError, EOFError) as error:
                self._died(error)
        return self._is_alive and self._has_started

    def submit(self, asked: Sequence[Asked]) -> None:
        """Ask for a batch; `collect` must have answered the one before."""
        try:
            self._pipe.send_bytes(_encode(asked))
        except OSError as error:
            self._died(error)

    def collect(self) -> list[Answer] | None:
        """Wait for the answers to the last batch; None when the process is gone."""
        if not self._is_alive:
            return None
        try:
            return _answers.decode(self._pipe.recv_bytes())
        except (OSError, EOFError) as error:
            self._died(error)
            return None

    def _died(self, error: Exception) -> None:
        self._is_alive = False
        _log.warning(
            "The process that prepares records ended (%s). The import goes on without it.",
            type(error).__name__,
        )


def _serve(pipe: Connection, source: str) -> None:
    """Answer batches until the other side is gone."""
    # A signal for the whole group asks the parent to finish its batch, and it needs us for that.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with suppress(EOFError, OSError), garbage_collected_by_batch() as collect_garbage:
        pipe.send_bytes(b"ready")
        while True:
            asked = _asked.decode(pipe.recv_bytes())
            pipe.send_bytes(_encode([prepare(READERS[name], raw, source) for name, raw in asked]))
            collect_garbage()
