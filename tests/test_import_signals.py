"""A signal to stop that comes when an import has nothing more to stop."""

import io
import json
import signal

import pytest
from django.core.management import call_command

from posts.importing import report
from posts.models import ImportRun, Post

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_behind_the_last_batch_lets_the_command_tell_what_it_did(
    tmp_path, monkeypatch, number
):
    """It ended by the signal, with a traceback for Ctrl-C, and the summary was never seen."""
    path = tmp_path / "notes.jsonl"
    path.write_text(json.dumps({"key": "n-1", "title": "A note", "body": "Text."}) + "\n")
    summary_object = report.summary_object

    def interrupted(*arguments, **more):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            raise AssertionError("the signal would end the command here")
        signal.raise_signal(number)
        return summary_object(*arguments, **more)

    monkeypatch.setattr(report, "summary_object", interrupted)
    out = io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command(
            *("import_posts", str(path), "--source", "notes", "--json"),
            stdout=out,
            stderr=io.StringIO(),
        )

    assert ended.value.code == 0
    assert json.loads(out.getvalue())["created"] == 1
    assert (Post.objects.count(), ImportRun.objects.get().state) == (1, "complete")
