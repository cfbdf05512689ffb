"""When posts left the lists, so that the sitemap can date it and dumps that hold them can stop.

Lock: none worth naming, the table is new. Duration: a moment, and one pass over posts that have a
time of archiving. What left before this and is archived by hand is not known; run `write_dumps`
once. Rollback: drops the table; the code before this does not read it.
"""

from django.db import migrations, models

AT_ONCE = 1000


def note_planned(apps, schema_editor):
    """Note the ends that posts have by their time of archiving, come or not."""
    Departure = apps.get_model("posts", "Departure")
    ending = apps.get_model("posts", "Post").objects.filter(
        listed_at__isnull=False, archive_at__isnull=False
    )
    rows = ending.order_by("pk").values_list("pk", "listed_at", "archive_at").iterator(AT_ONCE)
    Departure.objects.bulk_create(
        (Departure(post_number=pk, listed_at=listed, left_at=left) for pk, listed, left in rows),
        batch_size=AT_ONCE,
    )


class Migration(migrations.Migration):
    dependencies = [("posts", "0021_images")]

    operations = [
        migrations.CreateModel(
            name="Departure",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "post_number",
                    models.BigIntegerField(help_text="The id of the post, which may be erased."),
                ),
                ("listed_at", models.DateTimeField(help_text="When that stretch began.")),
                ("left_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(
                        models.Func(
                            models.F("post_number"),
                            output_field=models.IntegerField(),
                            template="(%(expressions)s / 10000)",
                        ),
                        models.F("left_at"),
                        name="departure_shard",
                    ),
                    models.Index(fields=["left_at", "listed_at"], name="departure_newest"),
                    models.Index(fields=["post_number"], name="departure_post"),
                ],
            },
        ),
        migrations.RunPython(note_planned, migrations.RunPython.noop),
    ]
