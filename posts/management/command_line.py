"""What commands need of the command line: values that are checked, and a way to stop."""

from __future__ import annotations

import argparse
import signal
import sys
from types import FrameType
from typing import Any

from posts.importing.formats import csv_columns


def positive(text: str) -> int:
    """Read a whole number of 1 or more; for `type=` of an argument."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number of 1 or more")
    return int(text)


def mapped_column(text: str) -> tuple[str, str]:
    """Read FIELD=COLUMN: a field of a record, and the name of a column as its header has it."""
    try:
        return csv_columns.mapped(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


class StopSignals:
    """The first SIGINT or SIGTERM asks to stop after the batch; the second stops at once."""

    def __init__(self) -> None:
        self.was_asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        except ValueError:
            # Outside the main thread nobody can send a signal.
            self._before = {}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.was_asked:
            raise KeyboardInterrupt
        self.was_asked = True
        sys.stderr.write("\nStopping after this batch; once more stops at once.\n")
