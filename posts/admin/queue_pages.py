"""Which page of the review queue answers which address, below `admin/`."""

from __future__ import annotations

from posts.admin import queue_loop, queue_saved
from posts.admin.queue import queue_view

#: (address, view, name)
pages = (
    ("queue/", queue_view, "queue"),
    ("queue/next/", queue_loop.next_view, "queue_next"),
    ("queue/undo/", queue_loop.undo_view, "queue_undo"),
    ("queue/unskip/", queue_loop.unskip_view, "queue_unskip"),
    ("queue/filters/save/", queue_saved.save_view, "queue_filter_save"),
    (
        "queue/filters/<int:filter_id>/delete/",
        queue_saved.delete_view,
        "queue_filter_delete",
    ),
    ("queue/<int:post_id>/", queue_loop.draft_view, "queue_draft"),
    ("queue/<int:post_id>/decide/<slug:action>/", queue_loop.decide_view, "queue_decide"),
    ("queue/<int:post_id>/skip/", queue_loop.skip_view, "queue_skip"),
    ("queue/<int:post_id>/leave/", queue_loop.leave_view, "queue_leave"),
    ("queue/<int:post_id>/renew/", queue_loop.renew_view, "queue_renew"),
    ("queue/<int:post_id>/ahead/", queue_loop.ahead_view, "queue_ahead"),
)
