"""The audit trail: events of people and of the site, ends of chains, seals, indexes for its list.

Hashes of events cover number and source from here on. Nothing was released before, so events that
are there get new hashes, once; there are no seals yet, and with seals no migration could do this.

Lock: exclusive on posts_event. Duration: the indexes and 50 microseconds an event, about two minutes
for a million. Rollback: removes the new tables and the events of people and of the site; the other
events stay with the hashes they have.
"""

import datetime as dt
import hashlib

import django.db.models.deletion
import msgspec
from django.conf import settings
from django.db import migrations, models

from posts.db import InstallTriggers

HASHED = (
    *("id", "post_id", "run_id", "person_id", "source_id", "sequence", "kind", "actor_id", "at"),
    *("revision_digest", "data", "previous_hash"),
)


def let_events_change(schema_editor):
    on = " ON posts_event" if schema_editor.connection.vendor == "postgresql" else ""
    for verb in ("update", "delete"):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS posts_event_refuse_{verb}{on}")


def check_now(schema_editor):
    # PostgreSQL refuses to change a table while checks of its rows are put off.
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        schema_editor.execute("SET CONSTRAINTS ALL DEFERRED")


def hash_of(event):
    values = [getattr(event, name) for name in HASHED]
    values[HASHED.index("at")] = event.at.astimezone(dt.UTC).replace(tzinfo=None)
    data = msgspec.json.encode(event.data, order="sorted").decode()
    values[HASHED.index("data")] = data
    texts = [None if value is None else str(value) for value in values]
    return hashlib.sha256(msgspec.json.encode(texts)).hexdigest()


def hash_anew(apps, schema_editor):
    Event = apps.get_model("posts", "Event")
    ChainEnd = apps.get_model("posts", "ChainEnd")
    ImportedPost = apps.get_model("posts", "ImportedPost")
    if not Event.objects.exists():
        return
    let_events_change(schema_editor)
    for subject in ("post", "run"):
        after, previous = (0, 0), ""
        while True:
            events = list(
                Event.objects.filter(**{f"{subject}__isnull": False, f"{subject}__gte": after[0]})
                .exclude(**{subject: after[0], "sequence__lte": after[1]})
                .select_related("run")
                .order_by(subject, "sequence")[:2000]
            )
            if not events:
                break
            sources = dict(
                ImportedPost.objects.filter(
                    post__in={event.post_id for event in events}
                ).values_list("post_id", "source_id")
            )
            ends = {}
            for event in events:
                place = (getattr(event, f"{subject}_id"), event.sequence)
                if place[0] != after[0]:
                    previous = ""
                event.source_id = event.run.source_id if event.run else sources.get(event.post_id)
                event.previous_hash = previous
                previous = event.hash = hash_of(event)
                after = place
                ends[place[0]] = event
            Event.objects.bulk_update(events, ["source", "previous_hash", "hash"], batch_size=200)
            for subject_id, event in ends.items():
                ChainEnd.objects.update_or_create(
                    subject=subject,
                    subject_id=subject_id,
                    defaults={
                        "source_id": event.source_id,
                        "sequence": event.sequence,
                        "event_id": event.pk,
                        "hash": event.hash,
                    },
                )
    check_now(schema_editor)


def remove_new_events(apps, schema_editor):
    Event = apps.get_model("posts", "Event")
    let_events_change(schema_editor)
    remains = apps.get_model("posts", "ErasedEvent").objects.all()
    if remains.exists():
        on = " ON posts_erasedevent" if schema_editor.connection.vendor == "postgresql" else ""
        schema_editor.execute(f"DROP TRIGGER IF EXISTS posts_erasedevent_refuse_delete{on}")
        remains._raw_delete(remains.db)
    new = Event.objects.filter(post__isnull=True, run__isnull=True)
    new._raw_delete(new.db)
    check_now(schema_editor)


class Migration(migrations.Migration):
    dependencies = [
        ("posts", "0006_claim_checks"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # For the way back, on which this one comes last.
        InstallTriggers(again=True),
        migrations.CreateModel(
            name="ChainEnd",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "subject",
                    models.CharField(
                        choices=[
                            ("post", "post"),
                            ("run", "run"),
                            ("person", "person"),
                            ("site", "site"),
                        ],
                        max_length=6,
                    ),
                ),
                ("subject_id", models.PositiveBigIntegerField()),
                ("sequence", models.PositiveIntegerField()),
                ("event_id", models.PositiveBigIntegerField()),
                ("hash", models.CharField(blank=True, max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="ErasedEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_id", models.PositiveBigIntegerField(unique=True)),
                ("hash", models.CharField(max_length=64)),
            ],
        ),
        migrations.CreateModel(
            name="Seal",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveBigIntegerField(unique=True)),
                ("first_event", models.PositiveBigIntegerField()),
                ("last_event", models.PositiveBigIntegerField()),
                ("count", models.PositiveBigIntegerField()),
                ("digest", models.CharField(max_length=64)),
                ("previous_hash", models.CharField(blank=True, max_length=64)),
                ("hash", models.CharField(max_length=64)),
                ("made_at", models.DateTimeField()),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="event",
            name="event_has_one_subject",
        ),
        migrations.AddField(
            model_name="event",
            name="person",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="account_events",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="source",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="posts.importsource",
            ),
        ),
        migrations.AlterField(
            model_name="event",
            name="actor",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["at", "id"], name="event_newest"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["kind", "at", "id"], name="event_by_kind"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("actor__isnull", False)),
                fields=["actor", "at", "id"],
                name="event_by_actor",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("source__isnull", False)),
                fields=["source", "at", "id"],
                name="event_by_source",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(("person__isnull", False)),
                fields=("person", "sequence"),
                name="event_of_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("person__isnull", True), ("post__isnull", True), ("run__isnull", True)
                ),
                fields=("sequence",),
                name="event_of_site",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("post__isnull", True), ("run__isnull", True)),
                    models.Q(("person__isnull", True), ("post__isnull", True)),
                    models.Q(("person__isnull", True), ("run__isnull", True)),
                    _connector="OR",
                ),
                name="event_has_one_subject",
            ),
        ),
        migrations.AddField(
            model_name="chainend",
            name="source",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="posts.importsource",
            ),
        ),
        migrations.AddField(
            model_name="erasedevent",
            name="logged",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="erased", to="posts.event"
            ),
        ),
        migrations.AddConstraint(
            model_name="seal",
            constraint=models.UniqueConstraint(
                fields=("first_event",), name="seal_range_begins_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="seal",
            constraint=models.CheckConstraint(
                condition=models.Q(("first_event__lte", models.F("last_event"))),
                name="seal_range_in_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="chainend",
            constraint=models.UniqueConstraint(
                fields=("subject", "subject_id"), name="chain_end_subject"
            ),
        ),
        migrations.RunPython(hash_anew, remove_new_events),
        InstallTriggers(again=True),
    ]
