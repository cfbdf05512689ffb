"""Triggers that refuse to change a revision, a decision or an event.

Lock: a moment on each table. Duration: independent of rows. Rollback: drops the triggers.
"""

from django.db import migrations

from posts.db import InstallTriggers


class Migration(migrations.Migration):
    dependencies = [("posts", "0001_initial")]

    operations = [InstallTriggers()]
