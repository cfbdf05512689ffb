"""One complete record written for the tests, as a text export and as a JSON line.

Helpers that read bytes the way an import does. Must not know the sample documents.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from posts.content import Problem
from posts.importing.formats import READERS, Input
from posts.importing.records import RawRecord, Record, validate

SAMPLE = Path(__file__).parent / "data" / "text-export" / "alphanode-000417.txt"


def export_text() -> str:
    """Return the sample document."""
    return SAMPLE.read_text("utf-8")


def read(data: bytes, format_name: str) -> list[tuple[Record | None, list[Problem], RawRecord]]:
    """Return what an import makes of these bytes, record by record."""
    reader = READERS[format_name]
    return [
        (*validate(reader, raw), raw)
        for raw in reader.records(io.BytesIO(data), Input("sample", None))
    ]


def read_export(document: str | bytes) -> tuple[Record | None, list[Problem]]:
    """Return what an import makes of one text export."""
    data = document.encode() if isinstance(document, str) else document
    ((record, problems, _),) = read(data, "text-export")
    return record, problems


def read_line(fields: dict[str, Any] | str | bytes) -> tuple[Record | None, list[Problem]]:
    """Return what an import makes of one JSON line."""
    if isinstance(fields, dict):
        fields = json.dumps(fields)
    data = fields.encode() if isinstance(fields, str) else fields
    ((record, problems, _),) = read(data, "jsonl")
    return record, problems


def codes(problems: list[Problem], severity: str | None = None) -> list[str]:
    """Return the codes found, of one severity if it is given."""
    return [p.code for p in problems if severity is None or p.severity == severity]


def line_fields(**changes: Any) -> dict[str, Any]:
    """Return the fields of a complete JSON line without any contradiction; None removes one."""
    fields: dict[str, Any] = {
        "key": "alphanode-000417",
        "title": "Replacing a nightly export with a stream",
        "lede": "A nightly export is easy to love.",
        "body": "## Moving over\n\nRead only what is new.\n\n- run both\n- compare\n\n"
        "![Plan with Go visual reference 1](image:1)\n\nKeep the old command.",
        "slug": "replacing-a-nightly-export",
        "language": "en",
        "published_at": "2026-02-03T04:05:06Z",
        "topic": "Plan / Go",
        "summary": "A short plan.",
        "ai_outline": {
            "context": "for a team",
            "problem": "Plan",
            "stack": "Go",
            "recommended_action": "switch",
        },
        "ai_brief": "Written as a plan.",
        "stack": ["Go", "pipelines", "go"],
        "tools": ["pprof", "git"],
        "tags": ["streams", "exports"],
        "code_language": "go",
        "difficulty": "intermediate",
        "reading_time": 4,
        "view_count": 20519,
        "score": {"quality": 71, "freshness": 64, "depth": 58, "clarity": 90},
        "revision": {"status": "reviewed", "version": "1.4.2", "last_reviewed": "2024-02-29"},
        "reference": "anp-ref-000417-2290",
        "hash": "0f1e2d3c4b5a69788796a5b4",
        "flags": {
            "ai_generated_style": True,
            "has_images": True,
            "image_heavy": False,
            "needs_human_review": True,
        },
        "checklist": ["run both", "compare"],
        "entities": [{"name": "Go", "type": "stack"}, {"name": "Plan", "type": "problem"}],
        "image_sources": [
            {
                "source": "example.org",
                "url": "https://example.org/plan.png",
                "caption": "Plan with Go visual reference 1",
                "alt": "two arrows",
            }
        ],
        "payload": {
            "source_id": "alphanode-000417",
            "generator": "sample",
            "paragraphs": 2,
            "scenario": "for a team",
            "seed": 417,
        },
        "notes": ["made up"],
    }
    for name, value in changes.items():
        if value is None:
            del fields[name]
        else:
            fields[name] = value
    return fields
