"""Figures of the import benchmark as medians and ratios, and as the table of docs/performance.md.

In: the results as the JSON holds them. Out: a summary, Markdown. A ratio is taken inside each
round, where both sides saw the same load, and the median is of the ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

BEGIN = "<!-- import benchmark: begin; written by make bench-import -->"
END = "<!-- import benchmark: end -->"

RAW_NAMES = {"copy": "raw `COPY` of the same rows", "executemany": "raw `executemany`"}
NAMES = {
    **RAW_NAMES,
    "new": "import, new posts",
    "unchanged": "import, the same file again",
    "changed": "import, 10 % changed",
    "bulk_create": "`bulk_create` of the same rows",
    "save": "`save()` and `tags.set()` a post",
    "wagtail": "Wagtail, `save_revision().publish()` a post",
}
VENDORS = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}

Round = dict[str, dict[str, Any]]


def rate(timing: dict[str, Any]) -> float:
    return float(timing["posts"] / timing["seconds"])


def summary(results: dict[str, Any]) -> dict[str, Any]:
    """Return medians of posts a second and of ratios, for each database that was measured."""
    found: dict[str, Any] = {}
    for vendor in VENDORS:
        if vendor not in results:
            continue
        rounds: list[Round] = results[vendor]["rounds"]
        raw = "copy" if vendor == "postgresql" else "executemany"

        def each(ratio: Callable[[Round], float], rounds: list[Round] = rounds) -> float:
            return round(median(ratio(one) for one in rounds), 3)

        told: dict[str, Any] = {
            "posts_per_second": {
                name: round(median(rate(one[name]) for one in rounds if name in one))
                for name in rounds[0]
            },
            "new_to_raw": each(lambda one, raw=raw: rate(one["new"]) / rate(one[raw])),
            "unchanged_to_new": each(lambda one: rate(one["unchanged"]) / rate(one["new"])),
            "changed_to_new_time": each(
                lambda one: one["changed"]["seconds"] / one["new"]["seconds"]
            ),
            "new_to_others": {
                name: round(rate(rounds[0]["new"]) / rate(rounds[0][name]), 2)
                for name in ("bulk_create", "save", "wagtail")
                if name in rounds[0]
            },
        }
        if vendor == "postgresql":
            again = [one["unchanged"] for one in rounds]
            told["unchanged_content_rows"] = max(sum(one["content_rows"].values()) for one in again)
            # Whatever else the server does only adds, so the least is the nearest.
            told["unchanged_wal_bytes_per_100_posts"] = round(
                min(one["wal_bytes"] * 100 / one["posts"] for one in again)
            )
        found[vendor] = told
    return found


def table(results: dict[str, Any]) -> str:
    """Return the table as Markdown: ratios first, then rates, then what it was measured on."""
    told = results["summary"]
    vendors = [vendor for vendor in VENDORS if vendor in told]
    lines = list(_rows(results, vendors))
    names = [name for name in NAMES if any(name in told[v]["posts_per_second"] for v in vendors)]
    lines += ["", *_heading("posts a second", vendors)]
    for name in names:
        cells = [_cell(told[v]["posts_per_second"].get(name), "{:,}") for v in vendors]
        lines.append(f"| {NAMES[name]} | {' | '.join(cells)} |")
    lines += _formats(results)
    lines += ["", *_circumstances(results)]
    return "\n".join(lines) + "\n"


def _rows(results: dict[str, Any], vendors: list[str]) -> Iterator[str]:
    told = results["summary"]

    def row(title: str, name: str, pattern: str) -> str:
        cells = [_cell(told[vendor].get(name), pattern) for vendor in vendors]
        return f"| {title} | {' | '.join(cells)} |"

    yield from _heading("ratio", vendors)
    yield row("new posts a second, to a raw write of the same rows", "new_to_raw", "{:.2f}")
    yield row("unchanged posts a second, to new ones", "unchanged_to_new", "{:.1f}")
    yield row("time with 10 % changed, to that of all new", "changed_to_new_time", "{:.2f}")
    for name in ("bulk_create", "save", "wagtail"):
        if any(name in told[vendor]["new_to_others"] for vendor in vendors):
            cells = [_cell(told[v]["new_to_others"].get(name), "{:.1f}") for v in vendors]
            yield f"| new posts a second, to {NAMES[name]} | {' | '.join(cells)} |"
    if "postgresql" in told:
        yield row("content rows written for unchanged posts", "unchanged_content_rows", "{:,}")
        yield row("WAL for 100 unchanged posts", "unchanged_wal_bytes_per_100_posts", "{:,} bytes")
    for several in zip(*(results["memory"][vendor] for vendor in vendors), strict=True):
        cells = [f"{one['peak_kib'] / 1024:,.0f} MiB" for one in several]
        posts = several[0]["posts"]
        yield f"| peak memory of the command, {posts:,} posts | {' | '.join(cells)} |"


def _formats(results: dict[str, Any]) -> Iterator[str]:
    """Yield the table of foreign formats: posts a second, and what is their text's conversion."""
    formats: dict[str, dict[str, Any]] = results.get("formats", {})
    if not formats:
        return
    vendor = VENDORS[next(vendor for vendor in VENDORS if vendor in results)]
    yield ""
    yield (
        f"| format, {results['posts_of_formats']:,} posts, {vendor} | posts a second | "
        "without converting texts | texts converted a second, one core |"
    )
    yield "|---|---:|---:|---:|"
    for name, one in formats.items():
        whole, without = (
            one[part]["items"] / one[part]["seconds"] for part in ("whole", "without")
        )
        made = one["conversion"]
        converted = made["number"] / made["seconds"] if made["number"] else None
        cells = [whole, without if converted else None, converted]
        yield f"| {name} | {' | '.join(_cell(cell, '{:,.0f}') for cell in cells)} |"


def _heading(title: str, vendors: list[str]) -> list[str]:
    names = " | ".join(VENDORS[vendor] for vendor in vendors)
    return [f"| {title} | {names} |", f"|---|{'---:|' * len(vendors)}"]


def _cell(value: float | None, pattern: str) -> str:
    return "–" if value is None else pattern.format(value)


def _circumstances(results: dict[str, Any]) -> Iterator[str]:
    machine, versions = results["machine"], dict(results["versions"])
    for vendor in VENDORS:
        if vendor in results:
            versions[VENDORS[vendor]] = results[vendor]["server"]["version"]
    for one in results.get("postgresql", {}).get("rounds", ())[:1]:
        if "wagtail" in one:
            versions["wagtail"] = one["wagtail"]["version"]
    before, after = results["load_average_before"][0], results["load_average_after"][0]
    yield (
        f"Measured on {results['measured_on']}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['system']}; load average {before} before and "
        f"{after} after. Versions: "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + "."
    )
    yield (
        f"{results['posts']:,} posts, {results['small']:,} for those that write one at a time; "
        f"medians of {results['rounds']} rounds, of the first alone for the slow ones; WAL the "
        "least of them. Command: "
        f"`{results['command']}`."
    )
    for name, reason in results["left_out"].items():
        yield f"Left out: {name} ({reason})."


def put_into(page: Path, text: str, *, begin: str = BEGIN, end: str = END) -> None:
    """Replace what stands between the markers of a page; a page without them gets both."""
    old = page.read_text(encoding="utf-8") if page.exists() else "# Performance\n"
    if begin not in old:
        old = f"{old.rstrip()}\n\n{begin}\n{end}\n"
    before, _, rest = old.partition(begin)
    _, _, after = rest.partition(end)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"{before}{begin}\n\n{text}\n{end}{after}", encoding="utf-8")
