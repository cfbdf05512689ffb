"""Starting management commands that outlive the request which asked for them.

In: a command and its arguments. Out: whether a process was started. It ends by itself; whatever it
does has to be safe to go on with after it was killed, because nobody looks after it.
"""

from __future__ import annotations

import subprocess
import sys
import threading

from django.conf import settings


def begin(*command: str) -> bool:
    """Start a management command in a process of its own, outside this one's session.

    False where `settings.BULK_PROCESS` is off or no process can be started.
    """
    if not settings.BULK_PROCESS:
        return False
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "django", *command],
            cwd=settings.BASE_DIR,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    # Somebody has to take note of its end, or it stays in the process table.
    threading.Thread(target=process.wait, daemon=True).start()
    return True
