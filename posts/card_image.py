"""The picture that other sites show beside a link to a note: 1200 by 630 pixels, PNG.

In: what stands on it. Out: bytes, the same for the same input. Drawn in the site's paper and ink
with a free font that lies beside this module (its licence with it). No queries.
"""

from __future__ import annotations

import hashlib
import io
import math
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from django.core.cache import cache
from PIL import Image, ImageDraw, ImageFont

WIDTH, HEIGHT = 1200, 630
CONTENT_TYPE = "image/png"
#: Raised when the same card is drawn otherwise, so that no kept one is shown again.
VERSION = 1
CACHE_SECONDS = 30 * 24 * 3600
FONT = Path(__file__).parent / "fonts" / "SourceSerifPro-Semibold.ttf"

# static/css/tokens.css, in light.
PAPER, INK, QUIET = "#f4f4ea", "#1c2422", "#565f59"
RULE, RULE_STRONG, SIGNAL = "#cdd2c5", "#89938a", "#2b3fa8"

MARGIN, TEXT_LEFT, TEXT_RIGHT = 64, 232, WIDTH - 64
RULER_TOP, TITLE_TOP, FOOT_TOP = 118, 160, 516
#: The stamp stands so far above the line of facts, and the title ends above the stamp.
STAMP_RISE, TITLE_ENDS = 40, 460
TITLE_SIZES = (76, 66, 58, 50, 44)
LABEL_SIZE = 30
LINE_HEIGHT = 1.16
COLOURS = 64
#: The mark is drawn larger and reduced, which smooths its one stroke.
OVERSIZE = 8


class Card(NamedTuple):
    """What stands on the picture; `facts` are short texts, `review` is empty when nobody did."""

    site: str
    title: str
    facts: tuple[str, ...]
    review: str = ""


def png(card: Card) -> bytes:
    """Return the card as PNG, from the cache when it was drawn before."""
    facts = repr((VERSION, card)).encode()
    key = f"posts.card.{hashlib.sha256(facts).hexdigest()[:32]}"
    drawn: bytes | None = cache.get(key)
    if drawn is None:
        drawn = draw(card)
        cache.set(key, drawn, CACHE_SECONDS)
    return drawn


def draw(card: Card) -> bytes:
    """Return the card as PNG, drawn anew."""
    image = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    pen = ImageDraw.Draw(image)
    line = (MARGIN + TEXT_LEFT) // 2 + 36
    pen.line([(line, 0), (line, HEIGHT)], fill=RULE, width=2)
    _draw_ruler(pen)
    image.paste(_mark(64), (MARGIN, 36))
    pen.text((TEXT_LEFT, 68), card.site, fill=INK, font=_font(38), anchor="lm")
    if can_write(card.title):
        _draw_title(pen, card.title)
    facts = [fact for fact in card.facts if fact and can_write(fact)]
    pen.text(
        (TEXT_LEFT, FOOT_TOP + 68),
        _shortened("  ·  ".join(facts), _font(LABEL_SIZE), TEXT_RIGHT - TEXT_LEFT),
        fill=QUIET,
        font=_font(LABEL_SIZE),
        anchor="ls",
    )
    _draw_stamp(pen, card.review if can_write(card.review) else "reviewed")
    out = io.BytesIO()
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(out, "PNG", optimize=True)
    return out.getvalue()


def can_write(text: str) -> bool:
    """Say whether the font has a shape for every letter: Latin, Greek and Cyrillic it has."""
    missing = _shape("\U0010ffff")
    return all(letter.isspace() or _shape(letter) != missing for letter in text)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    # The basic layout gives the same picture with or without Pillow's optional libraries.
    return ImageFont.truetype(str(FONT), size, layout_engine=ImageFont.Layout.BASIC)


@lru_cache(maxsize=512)
def _shape(letter: str) -> bytes:
    return bytes(_font(24).getmask(letter))


def _draw_ruler(pen: ImageDraw.ImageDraw) -> None:
    pen.line([(MARGIN, RULER_TOP), (TEXT_RIGHT, RULER_TOP)], fill=RULE_STRONG, width=2)
    for number, x in enumerate(range(MARGIN, TEXT_RIGHT + 1, 12)):
        height = 16 if number % 10 == 0 else 10 if number % 5 == 0 else 6
        pen.line([(x, RULER_TOP - height), (x, RULER_TOP)], fill=RULE_STRONG, width=2)


def _draw_title(pen: ImageDraw.ImageDraw, title: str) -> None:
    title = title[:1].upper() + title[1:]
    for size in TITLE_SIZES:
        font = _font(size)
        lines = _wrapped(title, font)
        most = int((TITLE_ENDS - TITLE_TOP) // (size * LINE_HEIGHT))
        if len(lines) <= most:
            break
    if len(lines) > most:
        rest = " ".join(lines[most - 1 :])
        lines = [*lines[: most - 1], _shortened(rest, font, TEXT_RIGHT - TEXT_LEFT, always=True)]
    for number, text in enumerate(lines):
        top = TITLE_TOP + number * size * LINE_HEIGHT
        pen.text((TEXT_LEFT, top), text, fill=INK, font=font, anchor="la")


def _wrapped(text: str, font: ImageFont.FreeTypeFont) -> list[str]:
    """Return lines that fit beside the margin; a word longer than a line is cut."""
    lines: list[str] = []
    for word in text.split():
        whole = _shortened(word, font, TEXT_RIGHT - TEXT_LEFT)
        if lines and _width(f"{lines[-1]} {whole}", font) <= TEXT_RIGHT - TEXT_LEFT:
            lines[-1] = f"{lines[-1]} {whole}"
        else:
            lines.append(whole)
    return lines


def _width(text: str, font: ImageFont.FreeTypeFont) -> int:
    """Return how far the ink reaches: some letters, such as the ellipsis, pass their advance."""
    return math.ceil(max(font.getbbox(text)[2], font.getlength(text)))


def _shortened(
    text: str, font: ImageFont.FreeTypeFont, width: float, *, always: bool = False
) -> str:
    """Return the text, or as much of it as fits with an ellipsis; with one anyway if `always`."""
    if not always and _width(text, font) <= width:
        return text
    while text and _width(f"{text}…", font) > width:
        text = text[:-1]
    return f"{text.rstrip(' ,;:.–-')}…"


def _draw_stamp(pen: ImageDraw.ImageDraw, review: str) -> None:
    """Draw the state of review as on the page: solid and double, or dashed."""
    font = _font(LABEL_SIZE)
    text = _shortened(review or "not reviewed", font, TEXT_RIGHT - TEXT_LEFT - 60)
    left, top = TEXT_LEFT, FOOT_TOP - STAMP_RISE
    right, bottom = left + _width(text, font) + 40, top + 58
    if review:
        pen.rectangle([left, top, right, bottom], outline=SIGNAL, width=4)
        pen.rectangle([left - 6, top - 6, right + 6, bottom + 6], outline=SIGNAL, width=2)
    else:
        for x in range(left, right, 14):
            for y in (top, bottom):
                pen.line([(x, y), (min(x + 8, right), y)], fill=RULE_STRONG, width=2)
        for y in range(top, bottom, 14):
            for x in (left, right):
                pen.line([(x, y), (x, min(y + 8, bottom))], fill=RULE_STRONG, width=2)
    colour = SIGNAL if review else QUIET
    pen.text((left + 20, (top + bottom) / 2), text, fill=colour, font=font, anchor="lm")


#: templates/posts/_mark.html: one stroke of four curves, each with its two handles and its end.
_STROKE_START = (28.0, 5.0)
_STROKE = (
    ((24.0, 15.0), (18.0, 26.0), (11.0, 26.0)),
    ((6.0, 26.0), (3.0, 21.5), (3.0, 16.0)),
    ((3.0, 10.5), (6.0, 6.0), (11.0, 6.0)),
    ((18.0, 6.0), (24.0, 17.0), (28.0, 27.0)),
)
_NODE, _NODE_RADIUS, _STROKE_WIDTH, _BOX = (20.6, 16.0), 4.6, 2.5, 32


@lru_cache(maxsize=1)
def _mark(size: int) -> Image.Image:
    scale = size * OVERSIZE / _BOX
    image = Image.new("RGB", (size * OVERSIZE, size * OVERSIZE), PAPER)
    pen = ImageDraw.Draw(image)
    width = _STROKE_WIDTH * scale / 2
    for x, y in _stroke_points():
        centre = (x * scale, y * scale)
        pen.circle(centre, width, fill=INK)
    pen.circle((_NODE[0] * scale, _NODE[1] * scale), _NODE_RADIUS * scale, fill=SIGNAL)
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _stroke_points() -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    start = _STROKE_START
    for one, two, end in _STROKE:
        for step in range(201):
            t = step / 200
            weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
            corners = (start, one, two, end)
            points.append(
                (
                    sum(w * corner[0] for w, corner in zip(weights, corners, strict=True)),
                    sum(w * corner[1] for w, corner in zip(weights, corners, strict=True)),
                )
            )
        start = end
    return points
