"""What a run refused and what it brought: paged lists, filters and downloads.

In: requests of staff about one run. Out: pages of bounded cost, rejects as JSON Lines and CSV. No
list is counted, none is skipped through by offset. Writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db.models import F, Q
from django.http import Http404, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from posts.importing import report, run_facts
from posts.models import ImportedPost, ImportReject, ImportRun, Post, Revision

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

#: Lines of a page of rejects or posts.
PAGE = 100
#: Problems that one page looks at for a code, and that are counted by code.
WINDOW = 10_000
#: Revisions that one page looks at for held ones; each costs a look at its post.
HELD_WINDOW = 2_000

REVISION_COLUMNS = (
    *("number", "run_id", "run_file", "run_line", "created_at", "post_id"),
    *("post__title", "post__visibility", "post__live_revision_id", "post__proposed_revision_id"),
    *("post__imported__key", "post__imported__post_id", "post__imported__waiting_revision_id"),
)


class Brought(NamedTuple):
    """A revision a run brought: its place in the input, what it was and what it is now."""

    revision: Revision
    place: str
    was: str
    now: str


class Kept(NamedTuple):
    """A post an undo kept, as far as it is still there, and the reason."""

    reject: ImportReject
    post: Post | None


class RunLists:
    """The lists of RunAdmin that may be long."""

    def problems_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Show the rejects of a run, `PAGE` a page, by code if one is asked for."""
        run = self.run_or_404(request, run_id)
        _require(request, "posts.view_importreject")
        code = request.GET.get("code", "").replace("\x00", "")[:50]
        after = number_of(request, "after")
        rejects, further = problems(run, after=after, code=code)
        is_undo = run.kind == ImportRun.Kind.UNDO
        what = "Kept posts" if is_undo else "Rejects"
        context = self.run_context(request, run, f"{what} of run {run.pk}")
        context |= {
            "here": what,
            "rejects": kept_posts(run, rejects) if is_undo else rejects,
            "summary": run_facts.rejects_of(run, WINDOW),
            "code": code,
            "is_first": not after,
            "problems_url": reverse("admin:posts_importrun_problems", args=[run.pk]),
            "further_url": f"?{urlencode({'code': code, 'after': further})}" if further else "",
        }
        return TemplateResponse(request, "admin/posts/run_problems.html", context)

    def rejects_view(
        self, request: HttpRequest, run_id: int, ending: str = "jsonl"
    ) -> StreamingHttpResponse:
        """Answer with all rejects of a run, with `?chain=1` also of those it went on with."""
        run = self.run_or_404(request, run_id)
        _require(request, "posts.view_importreject")
        is_chain = request.GET.get("chain") == "1" and run.kind == ImportRun.Kind.IMPORT
        rejects = run_facts.stored_rejects(run_facts.chain(run) if is_chain else [run.pk])
        lines, kind = {
            "jsonl": (report.json_lines, "application/jsonl"),
            "csv": (report.csv_lines, "text/csv"),
        }[ending]
        name = f"rejects-run-{run.pk}{'-and-before' * is_chain}.{ending}"
        return StreamingHttpResponse(
            lines(rejects),
            content_type=f"{kind}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def posts_view(self, request: HttpRequest, run_id: int) -> HttpResponse:
        """Show the revisions a run brought, `PAGE` a page: all, those held, those of one post."""
        run = self.run_or_404(request, run_id)
        _require(request, "posts.view_post")
        _require(request, "posts.view_revision")
        only_held = request.GET.get("only") == "held"
        post_id = number_of(request, "post")
        after = number_of(request, "after")
        rows, further = revisions(run, after=after, only_held=only_held, post_id=post_id)
        kept = {"only": "held"} if only_held else {}
        context = self.run_context(request, run, f"Posts of run {run.pk}")
        context |= {
            "here": "Posts",
            "brought": [_brought(run, revision) for revision in rows],
            "only_held": only_held,
            "post_id": post_id,
            "is_first": not after,
            "window": HELD_WINDOW,
            "further_url": f"?{urlencode({**kept, 'after': further})}" if further else "",
            "posts_url": reverse("admin:posts_importrun_posts", args=[run.pk]),
        }
        return TemplateResponse(request, "admin/posts/run_posts.html", context)


def _require(request: HttpRequest, permission: str) -> None:
    if not request.user.has_perm(permission):
        raise PermissionDenied


def number_of(request: HttpRequest, name: str) -> int:
    """Return a number given in the address, 0 for none. Raises `Http404` for one that is none."""
    text = request.GET.get(name, "0")
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise Http404(f"{name} is no number.")
    return int(text)


def problems(
    run: ImportRun, *, after: int = 0, code: str = ""
) -> tuple[list[ImportReject], int | None]:
    """Return rejects behind a sequence number, and the number to go on behind. At most two queries.

    With a code at most `WINDOW` problems are looked at; a page may then be short or empty although
    there is more.
    """
    rows = ImportReject.objects.filter(run=run, sequence__gt=after)
    found = rows
    if code:
        found = rows.filter(code=code, sequence__lte=after + WINDOW)
    page = list(found.order_by("sequence")[: PAGE + 1])
    if len(page) > PAGE:
        return page[:PAGE], page[PAGE - 1].sequence
    if code and rows.filter(sequence__gt=after + WINDOW).exists():
        return page, after + WINDOW
    return page, None


def kept_posts(run: ImportRun, rejects: list[ImportReject]) -> list[Kept]:
    """Return the posts that rejects of an undo are about. One query."""
    posts = {
        identity.key: identity.post
        for identity in ImportedPost.objects.filter(
            source=run.source_id, key__in=[reject.key for reject in rejects], post__isnull=False
        )
        .select_related("post")
        .only("key", "post__title")
    }
    return [Kept(reject, posts.get(reject.key)) for reject in rejects]


def revisions(
    run: ImportRun, *, after: int = 0, only_held: bool = False, post_id: int = 0
) -> tuple[list[Revision], int | None]:
    """Return revisions of a run behind one, and the one to go on behind. At most three queries.

    Held are those that wait beside or behind a page that people edited or approved; of a run's
    revisions at most `HELD_WINDOW` are looked at for them.
    """
    if not (after or post_id):
        after = run_facts.newest_before(run)
    rows = Revision.objects.filter(run=run, pk__gt=after).order_by("pk")
    end = None
    if post_id:
        rows = rows.filter(post=post_id)
    elif only_held:
        end = rows.values_list("pk", flat=True)[HELD_WINDOW - 1 : HELD_WINDOW].first()
        if end is not None:
            rows = rows.filter(pk__lte=end)
        rows = rows.filter(
            Q(post__proposed_revision=F("pk")) | Q(post__imported__waiting_revision=F("pk"))
        ).exclude(post__live_revision=F("pk"))
    page = list(rows.select_related("post__imported").only(*REVISION_COLUMNS)[: PAGE + 1])
    if len(page) > PAGE:
        return page[:PAGE], page[PAGE - 1].pk
    return page, end


def _brought(run: ImportRun, revision: Revision) -> Brought:
    post = revision.post
    imported = getattr(post, "imported", None)
    now = "an earlier version"
    if revision.pk == post.live_revision_id:
        now = "live, waits for a verdict" * (revision.pk == post.proposed_revision_id) or "live"
    elif revision.pk == post.proposed_revision_id:
        now = "held: waits for a verdict"
    elif imported is not None and revision.pk == imported.waiting_revision_id:
        now = "held: waits behind a person's proposal"
    name = run_facts.input_name(run, revision.run_file)
    place = f"{name}:{revision.run_line}" if revision.run_line else name
    was = "created the post" if revision.number == 1 else f"version {revision.number}"
    return Brought(revision, place, was, now)
