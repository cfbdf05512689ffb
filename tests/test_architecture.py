"""The rules of ARCHITECTURE.md that a reader of the code relies on, held by reading the code.

Each rule has a home where the forbidden thing is allowed. A rule that fails says what to do; a
detector that no longer detects fails too, on a snippet of its own.
"""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

#: Modules that answer readers; they read and never change anything.
SITE = (
    *("posts/views/", "posts/api/"),
    *(
        "posts/changes.py",
        "posts/dumps.py",
        "posts/feeds.py",
        "posts/similar.py",
        "posts/search/",
    ),
    *("posts/metabox.py", "posts/markdown.py", "posts/pagination.py", "posts/querysets.py"),
    *("posts/selection.py", "posts/calendar.py", "posts/neighbours.py", "posts/linked_data.py"),
)
#: Modules that judge content the same way with any database and none.
WITHOUT_DJANGO = (
    *("posts/content.py", "posts/commonmark.py"),
    "posts/reflection.py",
    *("posts/claims.py", "posts/claim_rules.py", "posts/outline.py"),
    *("posts/alignment.py", "posts/worddiff.py", "posts/blockdiff.py"),
    *("posts/compare.py", "posts/merging.py"),
    *(f"posts/search/{name}.py" for name in ("words", "language", "passages")),
    "posts/importing/formats/",
    "posts/importing/vocabulary/",
    "posts/importing/synthesizer",
    *(
        f"posts/importing/{name}.py"
        for name in ("beside", "consistency", "intake", "plain_blocks", "records", "shapes")
    ),
    *("posts/importing/html_markdown.py", "posts/importing/conversion/"),
)
STATE = ("visibility", "live_revision", "proposed_revision", "approved_revision", "listed_at")
STATE_COLUMNS = {*STATE, *(f"{name}_id" for name in STATE if name.endswith("_revision"))}

#: What looks like a violation and is none, and why. A line that is gone must go from here too.
EXCEPTIONS = {
    ("posts/admin/review.py", "assigns proposed_revision"): "fills a relation with its own row",
    ("posts/views/subjects.py", "filters on post_tags__listed_at__lte"): "beside indexable()",
    ("posts/views/subjects.py", "filters on post_entities__listed_at__lte"): "beside indexable()",
}

Found = Iterator[tuple[int, str]]
Detector = Callable[[ast.Module], Found]


def sources(*folders: str) -> list[str]:
    """Return the paths of Python files below folders or beginning so, relative to the root."""
    found = (
        str(path.relative_to(ROOT))
        for folder in ("posts", "alphanode", "manage.py")
        for path in ([ROOT / folder] if folder.endswith(".py") else (ROOT / folder).rglob("*.py"))
    )
    return sorted(path for path in found if path.startswith(folders))


def violations(detect: Detector, paths: Iterable[str], homes: tuple[str, ...] = ()) -> str:
    """Return a line for everything a detector finds outside its homes."""
    return "\n".join(
        f"{path}:{line}: {what}"
        for path in paths
        if not (homes and path.startswith(homes))
        for line, what in detect(parsed(path))
        if (path, what) not in EXCEPTIONS
    )


def parsed(path: str) -> ast.Module:
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


# --- Detectors --------------------------------------------------------------------------------


def imported(tree: ast.Module) -> Found:
    """Every module, or name of a module, that is imported anywhere in a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                yield node.lineno, "." * node.level + f"{node.module or ''}.{name.name}"


def imports_of(*modules: str) -> Detector:
    """Return a detector of imports of modules or of anything in them."""

    def detect(tree: ast.Module) -> Found:
        for line, name in imported(tree):
            if name.startswith(".") or any(f"{name}.".startswith(f"{m}.") for m in modules):
                yield line, f"imports {name}"

    return detect


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                yield node, node.func.attr
            elif isinstance(node.func, ast.Name):
                yield node, node.func.id


def call_of(*names: str) -> Detector:
    def detect(tree: ast.Module) -> Found:
        for node, name in calls(tree):
            if name in names:
                yield node.lineno, f"calls {name}()"

    return detect


def asks_for_the_vendor(tree: ast.Module) -> Found:
    """Every use of a connection's vendor but showing it in a text."""
    shown = {
        id(part)
        for text in ast.walk(tree)
        if isinstance(text, ast.JoinedStr)
        for part in ast.walk(text)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "vendor" and id(node) not in shown:
            yield node.lineno, "asks for the vendor of a connection"


def writes_state(tree: ast.Module) -> Found:
    """Assignments to a post's state and updates of its columns."""
    for node in ast.walk(tree):
        is_target = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
        if is_target and isinstance(node, ast.Attribute) and node.attr in STATE_COLUMNS:
            yield node.lineno, f"assigns {node.attr}"
    for call, name in calls(tree):
        given = {keyword.arg for keyword in call.keywords}
        if name in ("update", "update_or_create") and given & STATE_COLUMNS:
            yield call.lineno, f"updates {', '.join(sorted(given & STATE_COLUMNS))}"
        texts = {node.value for node in ast.walk(call) if isinstance(node, ast.Constant)}
        if name in ("bulk_update", "update_rows", "setattr") and texts & STATE_COLUMNS:
            yield call.lineno, f"writes {', '.join(sorted(texts & STATE_COLUMNS))}"


def reads_environment(tree: ast.Module) -> Found:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
            yield node.lineno, f"reads {node.attr}"
    for line, name in imported(tree):
        if name in ("os.environ", "os.environb", "os.getenv"):
            yield line, f"imports {name}"


def marks_safe(tree: ast.Module) -> Found:
    for line, name in imported(tree):
        if name.endswith(".mark_safe"):
            yield line, "imports mark_safe"
    yield from call_of("mark_safe", "SafeString", "SafeText")(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__html__":
            yield node.lineno, "defines __html__"


def filters_on_state(tree: ast.Module) -> Found:
    """Conditions on visibility or the gate that are not `published()` or `indexable()`."""
    for call, name in calls(tree):
        if name not in ("filter", "exclude", "get", "Q", "get_or_create", "When", "aget"):
            continue
        for keyword in call.keywords:
            parts = (keyword.arg or "").split("__")
            if {"visibility", "listed_at"} & set(parts):
                yield call.lineno, f"filters on {keyword.arg}"


def has_no_docstring(tree: ast.Module) -> Found:
    if tree.body and not ast.get_docstring(tree):
        yield 1, "has no docstring"


def unsafe_template_lines(text: str) -> Iterator[int]:
    for number, line in enumerate(text.splitlines(), start=1):
        if re.search(r"\|\s*safe(seq)?\b|autoescape\s+off", line):
            yield number


# --- Detectors detect -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detect", "snippet"),
    [
        (imports_of("posts.review"), "import posts.review"),
        (imports_of("posts.review"), "from posts import querysets, review"),
        (imports_of("posts.review"), "from posts.review import act"),
        (imports_of("posts.review"), "def later():\n    from posts import review as r"),
        (imports_of("posts.importing"), "from posts.importing.engine import run_import"),
        (imports_of("posts.review"), "from . import review"),
        (imports_of("django"), "import django.db.models as models"),
        (asks_for_the_vendor, "if connection.vendor == 'sqlite': pass"),
        (asks_for_the_vendor, "query = {'sqlite': 1}[connections['default'].vendor]"),
        (call_of("cursor"), "with connections['default'].cursor() as cursor: pass"),
        (call_of("bulk_create"), "Tag.objects.bulk_create(tags)"),
        (call_of("print"), "print('done')"),
        (writes_state, "post.listed_at = now"),
        (writes_state, "post.title, post.live_revision_id = 'x', 7"),
        (writes_state, "posts.update(visibility='published')"),
        (writes_state, "Post.objects.filter(pk=1).update(title='x', approved_revision_id=7)"),
        (writes_state, "Post.objects.bulk_update(posts, ['listed_at'])"),
        (writes_state, "setattr(post, 'proposed_revision', None)"),
        (reads_environment, "import os\nos.environ['DEBUG']"),
        (reads_environment, "from os import environ"),
        (reads_environment, "os.getenv('DEBUG')"),
        (marks_safe, "mark_safe(text)"),
        (marks_safe, "from django.utils.safestring import mark_safe as plain"),
        (marks_safe, "class Text(str):\n    def __html__(self): return self"),
        (marks_safe, "safestring.SafeString(text)"),
        (filters_on_state, "Post.objects.filter(visibility='published')"),
        (filters_on_state, "PostTag.objects.exclude(content_object__listed_at__isnull=True)"),
        (filters_on_state, "Q(listed_at__lte=now)"),
        (has_no_docstring, "x = 1"),
    ],
)
def test_detector_detects(detect, snippet):
    assert list(detect(ast.parse(snippet)))


@pytest.mark.parametrize(
    ("detect", "snippet"),
    [
        (imports_of("posts.review"), "from posts import reviewers"),
        (imports_of("posts.review"), "from posts.models.review import Decision"),
        (writes_state, "state = State(visibility='private')\nx = post.listed_at"),
        (writes_state, "visibility = models.CharField()"),
        (filters_on_state, "posts.order_by('-listed_at').filter(title='x')"),
        (filters_on_state, "Post.objects.published(now).indexable(now)"),
        (asks_for_the_vendor, "text = f'{connection.vendor} {name}'"),
        (marks_safe, "def as_html(tags) -> SafeString: return format_html('<b>{}</b>', tags)"),
        (call_of("print"), "pprint('x')"),
        (has_no_docstring, ""),
    ],
)
def test_detector_leaves_the_innocent_alone(detect, snippet):
    assert not list(detect(ast.parse(snippet)))


@pytest.mark.parametrize(
    "line",
    ["{{ body|safe }}", "{{ body | safe }}", "{% autoescape off %}", "{{ x|safeseq|join:'' }}"],
)
def test_unsafe_template_is_detected(line):
    assert list(unsafe_template_lines(line)) == [1]


def test_rules_look_at_the_files_there_are():
    assert {"posts/content.py", "posts/views/article.py", "alphanode/settings.py"} <= set(
        sources("posts/", "alphanode/")
    )


@pytest.mark.parametrize(("path", "what"), EXCEPTIONS)
def test_exception_is_still_needed(path, what):
    detectors = (writes_state, reads_environment, filters_on_state)

    found = {said for detect in detectors for _, said in detect(parsed(path))}

    assert what in found, f"Remove this line from EXCEPTIONS: {path}, {what}."


# --- The flow: nothing points upwards ---------------------------------------------------------


def test_public_site_changes_nothing():
    upwards = imports_of("posts.importing", "posts.review", "posts.writing", "posts.transitions")

    found = violations(upwards, sources(*SITE))

    assert not found, f"Pages read: take what they show from posts.querysets.\n{found}"


def test_importer_knows_no_pages():
    pages = imports_of(
        *("posts.views", "posts.admin", "posts.metabox", "posts.markdown"),
        *("django.template", "django.shortcuts", "django.http", "django.contrib.admin"),
    )

    found = violations(pages, sources("posts/importing/"))

    assert not found, f"The importer reports by callbacks; commands render.\n{found}"


def test_app_does_not_know_its_project():
    found = violations(imports_of("alphanode"), sources("posts/"))

    assert not found, f"Read django.conf.settings instead of importing alphanode.\n{found}"


def test_content_and_formats_know_no_django():
    found = violations(imports_of("django", "posts.models", "posts.db"), sources(*WITHOUT_DJANGO))

    assert not found, f"Move what needs the database to posts/importing/batch.py.\n{found}"


# --- One home for every kind of rule ----------------------------------------------------------


def test_databases_differ_in_one_module():
    homes = (
        *("posts/db.py", "posts/db_history.py", "posts/search/database.py"),
        "posts/migrations/",
    )

    found = violations(asks_for_the_vendor, sources("posts/", "alphanode/"), homes)

    assert not found, f"Put both branches side by side into posts/db.py.\n{found}"


def test_raw_statements_have_few_homes():
    homes = (
        *("posts/db.py", "posts/db_archive.py", "posts/db_history.py"),
        "posts/search/database.py",
        *("posts/importing/", "posts/migrations/"),
    )

    found = violations(call_of("cursor"), sources("posts/", "alphanode/"), homes)

    assert not found, f"Use the ORM, or add a function to posts/db.py.\n{found}"


def test_rows_are_created_in_bulk_by_few():
    homes = (
        *("posts/projection.py", "posts/page_views.py"),
        *("posts/importing/", "posts/migrations/"),
    )

    found = violations(call_of("bulk_create"), sources("posts/"), homes)

    assert not found, f"Bulk writers are {', '.join(homes)}: add a function there.\n{found}"


def test_state_changes_by_its_doors():
    homes = (
        *("posts/moves.py", "posts/writing.py", "posts/gate.py", "posts/projection.py"),
        *("posts/importing/", "posts/migrations/"),
    )

    found = violations(writes_state, sources("posts/"), homes)

    assert not found, f"Call posts.review.act or posts.writing; nothing else moves a post.\n{found}"


def test_state_is_asked_for_by_name():
    """Staff see every state: the admin and its command may sort posts by visibility."""
    homes = (
        *("posts/querysets.py", "posts/models/", "posts/migrations/", "posts/admin/"),
        "posts/management/commands/review_posts.py",
    )

    found = violations(filters_on_state, sources("posts/", "alphanode/"), homes)

    assert not found, f"Use published() or indexable(), or add a method beside them.\n{found}"


def test_other_sites_are_asked_by_one_module():
    clients = imports_of("http.client", "urllib.request", "ssl", "requests", "httpx")

    found = violations(clients, sources("posts/"), ("posts/images/fetching.py",))

    assert not found, f"Use posts.images.fetching, which cannot be led into this network.\n{found}"


def test_images_are_decoded_in_few_places():
    homes = ("posts/images/", "posts/card_image.py")

    found = violations(imports_of("PIL"), sources("posts/"), homes)

    assert not found, f"Add a function to posts/images, where limits are kept.\n{found}"


def test_environment_is_read_by_the_settings():
    """Which settings module there is, a start-up file has to say before there are settings."""
    homes = ("alphanode/environment.py", "alphanode/settings.py", "alphanode/wsgi.py")

    found = violations(reads_environment, sources("posts/", "alphanode/"), homes)

    assert not found, f"Add a setting to alphanode/settings.py and read settings.X.\n{found}"


def test_html_is_declared_safe_by_the_renderer_only():
    homes = ("posts/markdown.py", "posts/linked_data.py")

    found = violations(marks_safe, sources("posts/", "alphanode/"), homes)

    assert not found, f"Build HTML in a template or by format_html.\n{found}"


def test_no_template_turns_escaping_off():
    templates = [
        path
        for folder in ("templates", "posts/templates")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    ]

    found = "\n".join(
        f"{path.relative_to(ROOT)}:{line}"
        for path in templates
        for line in unsafe_template_lines(path.read_text(encoding="utf-8"))
    )

    assert templates
    assert not found, f"What is HTML already comes from posts.markdown as such.\n{found}"


def test_nothing_prints():
    found = violations(call_of("print"), sources("posts/", "alphanode/"))

    assert not found, f"Commands write to self.stdout, everything else logs.\n{found}"


# --- Words ------------------------------------------------------------------------------------


def test_every_module_says_what_it_is():
    paths = [path for path in sources("posts/", "alphanode/") if "/migrations/" not in path]

    found = violations(has_no_docstring, paths)

    assert not found, f"Say in five lines what it is, what flows in and out.\n{found}"


def test_every_migration_says_why_and_how_to_take_it_back():
    found = violations(has_no_docstring, sources("posts/migrations/"))

    assert not found, f"Say why, the lock and duration on real data, the rollback.\n{found}"
