"""HTML to measure converters with: articles, traps with what they hold, and hostile inputs.

In: nothing. Out: made-up texts, the same on every run.
"""

from __future__ import annotations

import random
from collections import Counter

SEED = 1
ARTICLES = 100
#: Bytes of a hostile input, unless its name says another size.
HOSTILE_BYTES = 160_000

#: HTML -> what a reader has to get: how many of each kind, and the words.
TRAPS: dict[str, tuple[dict[str, int], str]] = {
    "<p>1. one</p><p># two</p><p>- three</p>": ({}, "1.one#two-three"),
    "<p>a * b * c _ d _ [x](y) `z` &lt;b&gt; &amp;copy;</p>": ({}, "a*b*c_d_[x](y)`z`<b>&copy;"),
    "<p>a<br>---<br>b</p>": ({}, "a---b"),
    "<b>a </b>b<b>c</b>d<i>e</i>": ({}, "abcde"),
    "<p>x <a href='http://h.example/a_(b)'>y [z]</a>!<a href='/c'>d</a></p>": (
        {"link": 2},
        "xy[z]!d",
    ),
    "<ul><li>a<ul><li>b<ol><li>c</ol></ul><li><p>d<p>e</ul>": ({"list": 3}, "abcde"),
    "<ul><li>a</ul><ul><li>b</ul><ol><li>c</ol><ol start=7><li>d</ol>": ({"list": 4}, "abcd"),
    "<ul><li><h3>a</h3><blockquote><p>b</blockquote><pre>c\n\nd</pre></ul>": (
        {"list": 1, "heading": 1, "quote": 1, "code": 1},
        "abcd",
    ),
    "<pre><code class='language-py'>```\n\n~~~\n</code></pre>": ({"code": 1}, "```~~~"),
    "<table><tr><th>a|b<th>c<tr><td><code>d|e</code><td>f<br>g</table>": (
        {"table": 1},
        "a|bcd|efg",
    ),
    "<table><tr><td>a<td>b<tr><td>c</table>": ({"table": 1}, "abc"),
    "<table><tr><td rowspan=2>a<td>b<tr><td>c</table>": ({"table": 1}, "abc"),
    "<h2>a<br>b #</h2><h2>c<p>d</p></h2>": ({"heading": 2}, "ab#cd"),
    "<blockquote>a<ul><li>b</ul></blockquote><blockquote>c</blockquote>": (
        {"quote": 2, "list": 1},
        "abc",
    ),
    "<a href='/x'><h2>a</h2></a><a href='/y'><img src='http://h.example/i.png' alt='z'></a>": (
        {"link": 2, "image": 1, "heading": 1},
        "a",
    ),
    "<p>a</p><iframe src='http://h.example/v'></iframe><script>no()</script>": (
        {"link": 1},
        "aEmbeddedpage:h.example",
    ),
}


def counts(trap: str) -> Counter[str]:
    return Counter(TRAPS[trap][0])


def articles() -> list[str]:
    """Return articles of about 6 kB, each with everything an article has."""
    chance = random.Random(SEED)  # noqa: S311  (texts, no secrets)
    letters = "abcdefghijklmnoprstuvw"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(2_000)]

    def some(count: int) -> str:
        return " ".join(chance.choices(words, k=count))

    def paragraph() -> str:
        return (
            f"<p>{some(30)} <b>{some(2)}</b>, {some(12)} <a href='http://h.example/{some(1)}'>"
            f"{some(3)}</a> {some(10)} <code>{some(1)}</code> {some(20)}.</p>\n"
        )

    def part() -> str:
        items = "".join(f"<li>{some(8)}</li>\n" for _ in range(4))
        cells = "".join(f"<tr><td>{some(2)}</td><td>{some(2)}</td></tr>" for _ in range(3))
        return (
            f"<h2>{some(4)}</h2>\n{paragraph() * 2}<ul>{items}</ul>\n"
            f"<figure><img src='http://h.example/{some(1)}.png' alt='{some(3)}'>"
            f"<figcaption>{some(6)}</figcaption></figure>\n"
            f"<pre><code class='language-py'>{some(20)}\n{some(6)}\n</code></pre>\n"
            f"<table><tr><th>{some(1)}</th><th>{some(1)}</th></tr>{cells}</table>\n"
        )

    return ["".join(part() for _ in range(3)) for _ in range(ARTICLES)]


def hostile() -> dict[str, str]:
    """Return inputs that cost a careless converter the square of their length, or its stack."""

    def much(text: str) -> str:
        return (text * (HOSTILE_BYTES // len(text) + 1))[:HOSTILE_BYTES]

    return {
        "<": much("<"),
        "<a": much("<a "),
        "10,000 open div": "<div>" * 10_000,
        "10,000 open b": "<b>" * 10_000,
        "900 open b before 20,000 p": "".join(f"<b {n}>" for n in range(900)) + "<p>x" * 20_000,
        "20,000 attributes": "<p " + " ".join(f"a{n}=1" for n in range(20_000)) + ">x",
        "entities": much("&lt;&copy;&#65;"),
        "[": much("["),
        "<b>a</b><i>b</i>": much("<b>a</b><i>b</i>"),
        "<p>x": much("<p>x"),
        "300 nested tables": "<table><tr><td>" * 300 + "x",
        "cells over 100 rows": "<table>" + "<tr><td colspan=100 rowspan=100>x" * 3_000,
        "inline picture of 5 MB": f"<img src='data:image/png;base64,{'A' * 5_000_000}'>",
    }
