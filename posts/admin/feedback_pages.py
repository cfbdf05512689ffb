"""Which page of findings, reports, notes and notices answers which address, below `admin/`."""

from __future__ import annotations

from posts.admin import findings, notes, notices, reader_reports

#: (address, view, name)
pages = (
    ("findings/", findings.sources_view, "findings"),
    ("findings/<int:source_id>/", findings.source_view, "findings_source"),
    ("findings/<int:source_id>/export.jsonl", findings.export_view, "findings_export"),
    ("reports/", reader_reports.list_view, "reports"),
    ("reports/<int:report_id>/", reader_reports.report_view, "reports_one"),
    ("notes/add/<int:revision_id>/", notes.add_view, "note_add"),
    ("notes/<int:note_id>/resolve/", notes.resolve_view, "note_resolve"),
    ("notices/", notices.list_view, "notices"),
    ("notices/read/", notices.read_view, "notices_read"),
    ("notices/mail/", notices.mail_view, "notices_mail"),
)
