"""The benchmark of the conversion: its traps are kept, its inputs are the same on every run."""

import sys

import pytest

from benchmarks import conversion_bench
from benchmarks.conversion_texts import TRAPS, articles, hostile
from benchmarks.structure import bare
from posts.importing.html_markdown import converted


@pytest.mark.parametrize("trap", TRAPS)
def test_trap_is_kept(trap):
    assert conversion_bench.is_kept(trap, converted(trap).markdown)


def test_lost_trap_is_noticed():
    assert not conversion_bench.is_kept("<p>1. one</p><p># two</p><p>- three</p>", "1. one")


def test_texts_are_the_same_on_every_run():
    assert articles() == articles()
    assert max(map(len, hostile().values())) < 6_000_000


def test_job_that_fails_says_why(monkeypatch):
    monkeypatch.setattr(conversion_bench.peers, "PYTHON", sys.executable)

    assert "KeyError" in conversion_bench.job("nobody", ["x"])


def test_words_are_equal_whether_or_not_space_parts_an_accent():
    assert bare("a\u0308 \u0338") == bare("a\u0308\u0338")
