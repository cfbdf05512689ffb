"""Tidies what only makes pages quicker or is past its time; changes nothing that anybody reads."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from posts import counters, edit_windows


class Command(BaseCommand):
    help = (
        "Fold due counters and remove old unsaved texts. Planned posts appear and go by "
        "themselves, so this may run at any time, as often as wanted, or never."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        folded = 0
        while some := counters.fold(now=now):
            folded += some
        removed = edit_windows.prune(now=now)
        self.stdout.write(f"counter changes folded: {folded:,}")
        self.stdout.write(f"old edit windows removed: {removed:,}")
