"""Who wrote the texts of a source: machines, as it was held of all, until somebody says otherwise.

Lock: the two tables for a moment; PostgreSQL keeps the default beside the rows, SQLite writes a few
rows anew. Rollback: drops the columns; the code before this calls every imported text generated.
"""

from django.db import migrations, models

WRITERS = [("machines", "machines"), ("people", "people")]


class Migration(migrations.Migration):
    dependencies = [("posts", "0022_departures")]

    operations = [
        migrations.AddField(
            model_name="importsource",
            name="writers",
            field=models.CharField(
                choices=WRITERS,
                default="machines",
                help_text="Who wrote its texts; every page of them says so.",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="importupload",
            name="writers",
            field=models.CharField(
                blank=True,
                choices=WRITERS,
                help_text="Who wrote the texts; empty: what is known of the source stays.",
                max_length=10,
            ),
        ),
    ]
