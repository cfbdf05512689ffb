"""Events in words: who did what to which revision, and why.

In: events of one page. Out: lines with texts and addresses. A handful of queries a page, whatever
is on it. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import Group
from django.urls import NoReverseMatch, reverse

from posts import accounts, history
from posts.models import BulkAction, Decision, Event, Revision
from posts.transitions import TRANSITIONS

if TYPE_CHECKING:
    from django.contrib.auth.models import User

#: Kind -> what somebody did, before the words for what it was done to.
DID = {
    "approve": "approved",
    "request_changes": "requested changes of",
    "reject": "rejected",
    "withdraw": "withdrew the decision on",
    "publish": "published",
    "schedule": "scheduled",
    "unpublish": "took back to private",
    "archive": "archived",
    "unarchive": "brought back from the archive",
    "write": "wrote",
    "revise": "saved",
    "restore": "restored an older text as",
    "merge": "merged an imported version into",
    "tags": "changed the editorial tags of",
    "slug": "changed the address of",
    "import started": "started",
    "import complete": "completed",
    "import stopped": "stopped",
    "import failed": "saw the end by a failure of",
    "undo started": "started the undo",
    "undo complete": "completed the undo",
    "undo stopped": "stopped the undo",
    "undo failed": "saw the end by a failure of the undo",
    "erase": "erased posts that had come by",
    history.ERASED: "removed the events of erased posts from",
    accounts.CREATED: "created",
    accounts.FLAGS: "changed the rights of",
    accounts.RENAMED: "changed names of",
    accounts.PASSWORD: "set the password of",
    accounts.GROUPS: "changed the groups of",
    accounts.PERMISSIONS: "changed the permissions of",
    accounts.DELETED: "deleted an account of",
    accounts.GROUP_CREATED: "created a group of",
    accounts.GROUP_RENAMED: "renamed a group of",
    accounts.GROUP_PERMISSIONS: "changed the permissions of a group of",
    accounts.GROUP_DELETED: "deleted a group of",
}
#: Kinds that are about a revision, not about the post as a whole.
ABOUT_REVISION = {
    *(row.name for row in TRANSITIONS.values() if row.verdict),
    *("write", "revise", "restore", "merge", "publish"),
}
_MADE_REVISION = ("write", "revise", "restore", "merge")
#: Data that the words tell already, or that only machines need.
_TOLD = {
    *("revision", "number", "parent", "bulk_action", "live", "proposed", "approved", "waiting"),
    *("listed_at", "visibility", "newest_revision", "findings", "digest", "group"),
}


@dataclass(slots=True)
class Line:
    """One event: the words before, the thing with its address, the words after, the reason."""

    event: Event
    actor: str
    did: str
    revision: str = ""
    revision_url: str = ""
    subject: str = ""
    subject_url: str = ""
    facts: str = ""
    reasons: list[str] = field(default_factory=list)
    bulk: int | None = None


def kinds() -> list[tuple[str, str]]:
    """Return the kinds there are, with words for a list to choose from."""
    return sorted((kind, kind.replace("_", " ")) for kind in DID)


def lines_of(ids: Sequence[int], user: User) -> list[Line]:
    """Return the events with these numbers in words, in this order. At most seven queries."""
    rows = (
        Event.objects.select_related("actor", "person", "post", "run__source")
        .only(
            *(f.attname for f in Event._meta.concrete_fields),
            *("actor__username", "person__username", "post__title"),
            *("run__message", "run__kind", "run__source__name"),
        )
        .in_bulk(ids)
    )
    events = [rows[pk] for pk in ids if pk in rows]
    words = _Words(events, user)
    return [words.line(event) for event in events]


class _Words:
    """What the lines of a page need beside the events, looked up once for all of them."""

    def __init__(self, events: Sequence[Event], user: User) -> None:
        self.user = user
        targets = {event.data.get("revision") for event in events} - {None}
        revisions = Revision.objects.without_content()
        self.revisions = revisions.in_bulk(targets) if targets else {}
        made = [event for event in events if event.kind in _MADE_REVISION]
        self.made: dict[tuple[int | None, int], Revision] = {}
        if made:
            for revision in revisions.filter(
                post_id__in={event.post_id for event in made},
                number__in={_number_made(event) for event in made},
            ):
                self.made[revision.post_id, revision.number] = revision
        verdicts = [event for event in events if event.kind in _VERDICTS]
        self.decisions: dict[tuple[Any, ...], Decision] = {}
        if verdicts:
            for decision in Decision.objects.filter(
                revision_id__in=targets, decided_at__in={event.at for event in verdicts}
            ):
                key = (decision.revision_id, decision.verdict, decision.decided_at)
                self.decisions[key] = decision
        bulk = {event.data.get("bulk_action") for event in events} - {None}
        self.bulk = BulkAction.objects.defer("filters").in_bulk(bulk) if bulk else {}
        groups = set(_groups_in(events))
        self.groups = (
            dict(Group.objects.filter(pk__in=groups).values_list("pk", "name")) if groups else {}
        )

    def line(self, event: Event) -> Line:
        line = Line(
            event=event,
            actor=_actor(event),
            did=DID.get(event.kind, f"did “{event.kind}” to"),
        )
        if event.post_id is not None:
            self._about_post(line, event)
        elif event.run_id is not None:
            self._about_run(line, event)
        elif event.person_id is not None:
            line.subject = f"the account {event.person}"
            line.subject_url = self._url("auth.view_user", "auth_user_change", event.person_id)
        else:
            line.subject = "this site"
        line.facts = self._facts(event)
        bulk = self.bulk.get(event.data.get("bulk_action"))
        if bulk is not None:
            line.bulk = bulk.pk
            if bulk.reason and bulk.reason not in line.reasons:
                line.reasons.append(bulk.reason)
        return line

    def _about_post(self, line: Line, event: Event) -> None:
        line.subject = event.post.title
        line.subject_url = self._url("posts.view_post", "posts_post_change", event.post_id)
        if event.kind not in ABOUT_REVISION:
            return
        revision = self.revisions.get(event.data.get("revision")) or self.made.get(
            (event.post_id, _number_made(event))
        )
        if revision is None:
            return
        line.revision = f"revision {revision.number}"
        line.revision_url = self._url(
            "posts.view_revision", "posts_post_revision", event.post_id, revision.number
        )
        decision = self.decisions.get((event.data.get("revision"), event.kind, event.at))
        said = [decision.reason, decision.comment] if decision is not None else []
        if event.kind in _MADE_REVISION:
            said = [revision.comment]
        line.reasons += [text for text in said if text]

    def _about_run(self, line: Line, event: Event) -> None:
        line.subject = f"run {event.run_id} from {event.run.source.name}"
        line.subject_url = self._url("posts.view_importrun", "posts_importrun_change", event.run_id)
        if event.kind.endswith(("failed", "stopped")) and event.run.message:
            line.reasons.append(event.run.message)

    def _facts(self, event: Event) -> str:
        """Return the numbers and codes of an event that the words leave out."""
        data = event.data
        facts = []
        if isinstance(moved := data.get("visibility"), list) and moved[0] != moved[1]:
            facts.append(f"{moved[0]} → {moved[1]}")
        if event.kind == "tags":
            return f"{len(data['added'])} added, {len(data['removed'])} removed"
        if "group" in data:
            facts.append(f"group {self._group(data['group'])}")
        for name, value in data.items():
            if name in _TOLD:
                continue
            if event.kind == accounts.GROUPS:
                shown = ", ".join(self._group(number) for number in value)
            elif isinstance(value, list):
                is_time = name in ("published_at", "archive_at")
                are_change = (event.kind == accounts.FLAGS or is_time) and len(value) == 2
                shown = (" → " if are_change else ", ").join(_plain(one) for one in value)
            else:
                shown = _plain(value)
            facts.append(f"{name.replace('_', ' ')}: {shown}")
        return "; ".join(facts)

    def _group(self, number: int) -> str:
        return self.groups.get(number, f"no. {number}, which is gone")

    def _url(self, permission: str, name: str, *arguments: Any) -> str:
        """Return the address of a page if this person may see it and there is one."""
        if not self.user.has_perm(permission):
            return ""
        try:
            return reverse(f"admin:{name}", args=arguments)
        except NoReverseMatch:
            return ""


_VERDICTS = {row.name for row in TRANSITIONS.values() if row.verdict}


def _actor(event: Event) -> str:
    if event.actor is not None:
        return str(event.actor)
    # A password is also set by the link of a mail, or made anew while somebody signs in.
    return "Nobody signed in" if event.kind == accounts.PASSWORD else "A command"


def _number_made(event: Event) -> int:
    return event.data.get("number", 1)


def _groups_in(events: Iterable[Event]) -> Iterable[int]:
    for event in events:
        if "group" in event.data:
            yield event.data["group"]
        if event.kind == accounts.GROUPS:
            yield from (*event.data.get("added", ()), *event.data.get("removed", ()))


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
