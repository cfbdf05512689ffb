"""What only PostgreSQL has: an identity index that answers alone, and faster compression.

Classification of an incoming record reads the digests from the index and never the table. Keys
and names of sources sort by their bytes, as on SQLite, whatever the locale of the server. lz4
costs less processor time than the default for bodies and meta; a server built without it keeps
its default. Lock: exclusive on each table. Duration: the identity index is built anew, so on a
filled table minutes. Rollback: the constraint without the included columns.
"""

from django.db import migrations

from posts.db import OnPostgreSQL

CONSTRAINT = "ALTER TABLE posts_importedpost DROP CONSTRAINT imported_identity"
SORT = [
    'ALTER TABLE posts_importedpost ALTER COLUMN key TYPE varchar(200) COLLATE "C"',
    'ALTER TABLE posts_importsource ALTER COLUMN name TYPE varchar(80) COLLATE "C"',
]
COMPRESS = """
    DO $$ BEGIN
        IF (SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression')
        THEN
            ALTER TABLE posts_revision
                ALTER COLUMN body SET COMPRESSION lz4, ALTER COLUMN meta SET COMPRESSION lz4;
        END IF;
    END $$
"""


class Migration(migrations.Migration):
    dependencies = [("posts", "0002_immutable_rows")]

    operations = [
        OnPostgreSQL(
            forwards=[
                CONSTRAINT,
                *SORT,
                """
                ALTER TABLE posts_importedpost ADD CONSTRAINT imported_identity
                UNIQUE (source_id, key)
                INCLUDE (post_id, base_digest, record_digest, statistics_digest, is_tombstone)
                """,
                COMPRESS,
            ],
            backwards=[
                CONSTRAINT,
                """
                ALTER TABLE posts_importedpost ADD CONSTRAINT imported_identity
                UNIQUE (source_id, key)
                """,
            ],
        )
    ]
