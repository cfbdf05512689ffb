"""Count what is listed already, by month, difficulty and topic, and what is going to change.

Reads listed posts only. Lock: rows of counters. Duration: some seconds for a million listed posts.
Best while nobody reviews: a gate that moves between this and the new code is not in these numbers.
Rollback: empties them; running it again counts anew.
"""

import functools
import hashlib
import itertools
from collections import Counter as Tally

from django.db import migrations
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import TruncMonth
from django.utils import timezone
from django.utils.text import slugify

NAMED = ("month:", "difficulty:")
AT_ONCE = 1000


def is_named(prefix):
    return Q(name__startswith=prefix)


def clear(apps, schema_editor):
    """Remove what `count` writes."""
    for model in (apps.get_model("posts", "CounterDelta"), apps.get_model("posts", "Counter")):
        for prefix in NAMED:
            model.objects.filter(name__startswith=prefix).delete()
    apps.get_model("posts", "CounterDelta").objects.filter(topic__isnull=False).delete()
    apps.get_model("posts", "Topic").objects.all().delete()


def topic_row(Topic, name, uses):
    subject, separator, stack = name.rpartition(" / ")
    stack = " ".join(stack.lower().split())
    if not separator or not subject.strip() or len(stack) > 100:
        subject, stack = name, ""
    words = slugify(name)[:100].strip("-_")
    slug = f"{words}-{hashlib.sha256(name.encode()).hexdigest()[:10]}".strip("-")
    return Topic(name=name, slug=slug, subject=subject.strip(), stack=stack, use_count=uses)


def count(apps, schema_editor):
    """Count what is listed now; append deltas for gates that open or close later."""
    clear(apps, schema_editor)
    Post, Topic = apps.get_model("posts", "Post"), apps.get_model("posts", "Topic")
    Counter = apps.get_model("posts", "Counter")
    CounterDelta = apps.get_model("posts", "CounterDelta")
    now = timezone.now()
    with_gate = Post.objects.filter(listed_at__isnull=False).order_by()
    listed = with_gate.filter(
        Q(archive_at__isnull=True) | Q(archive_at__gt=now), listed_at__lte=now
    )
    months = listed.annotate(month=TruncMonth("listed_at")).values_list("month")
    difficulties = listed.exclude(difficulty="").values_list("difficulty")
    numbers = {f"month:{month:%Y-%m}": uses for month, uses in months.annotate(uses=Count("pk"))}
    numbers |= {
        f"difficulty:{name}"[:40]: uses for name, uses in difficulties.annotate(uses=Count("pk"))
    }
    Counter.objects.bulk_create(Counter(name=name, value=uses) for name, uses in numbers.items())

    # Every topic with a gate, whether open now or not: deltas to come refer to it.
    uses_of = Tally(dict(listed.exclude(topic="").values_list("topic").annotate(uses=Count("pk"))))
    rows = []
    for name in with_gate.exclude(topic="").values_list("topic", flat=True).distinct().iterator():
        rows.append(topic_row(Topic, name, uses_of[name]))
        if len(rows) == AT_ONCE:
            Topic.objects.bulk_create(rows, ignore_conflicts=True)
            rows = []
    Topic.objects.bulk_create(rows, ignore_conflicts=True)

    topic_id = Subquery(Topic.objects.filter(name=OuterRef("topic")).values("pk"))
    to_open = with_gate.filter(Q(archive_at__isnull=True) | Q(archive_at__gt=F("listed_at")))
    changes = [(to_open.filter(listed_at__gt=now), "listed_at", +1)]
    changes += [(to_open.filter(archive_at__gt=now), "archive_at", -1)]
    for posts, moment, amount in changes:
        fields = (moment, "listed_at", "difficulty", topic_id)
        found = posts.values_list(*fields).iterator()
        while batch := list(itertools.islice(found, AT_ONCE)):
            deltas = []
            for due_at, listed_at, difficulty, topic in batch:
                one = functools.partial(CounterDelta, amount=amount, due_at=due_at)
                deltas.append(one(name=f"month:{listed_at:%Y-%m}"))
                if difficulty:
                    deltas.append(one(name=f"difficulty:{difficulty}"[:40]))
                if topic:
                    deltas.append(one(topic_id=topic))
            CounterDelta.objects.bulk_create(deltas, batch_size=500)


class Migration(migrations.Migration):
    dependencies = [("posts", "0015_archive_index")]

    operations = [migrations.RunPython(count, clear)]
