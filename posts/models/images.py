"""Images: remote ones by their URL, stored ones by their bytes, and who uses them.

Nothing here fetches, decodes or stores anything; `posts.images` does.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from posts import content


class StoredImage(models.Model):
    """An image whose bytes this site has: an upload, or the copy of a remote one. Never changes.

    The bytes are those `posts.images.checking` encoded, so they hold pixels and nothing else.
    """

    class Format(models.TextChoices):
        JPEG = "jpeg", "JPEG"
        PNG = "png", "PNG"
        WEBP = "webp", "WebP"

    digest = models.CharField(max_length=64, unique=True, help_text="SHA-256 of the stored bytes.")
    format = models.CharField(max_length=4, choices=Format.choices)
    width = models.PositiveIntegerField(help_text="Pixels.")
    height = models.PositiveIntegerField(help_text="Pixels.")
    bytes = models.PositiveIntegerField()
    file = models.FileField(max_length=200)
    has_avif = models.BooleanField(
        default=False, help_text="Every AVIF rendition is there, so pages offer them."
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
        help_text="Empty for the copy of a remote image.",
    )
    created_at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["id"], name="stored_without_avif", condition=Q(has_avif=False)),
        ]

    def __str__(self) -> str:
        return f"{self.digest[:12]}, {self.width} × {self.height}"


class Rendition(models.Model):
    """A stored image in one width and format. The row is written when its file is whole."""

    class Format(models.TextChoices):
        JPEG = "jpg", "JPEG"
        WEBP = "webp", "WebP"
        AVIF = "avif", "AVIF"

    stored = models.ForeignKey(
        StoredImage, models.PROTECT, related_name="renditions", db_index=False
    )
    format = models.CharField(max_length=4, choices=Format.choices)
    width = models.PositiveIntegerField(help_text="Pixels.")
    bytes = models.PositiveIntegerField()
    file = models.FileField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="rendition_once", fields=["stored", "format", "width"]),
        ]

    def __str__(self) -> str:
        return f"{self.width}.{self.format} of image {self.stored_id}"


class ImageSource(models.Model):
    """One image that revisions name by its URL, whoever shows it: host, licence, credit, size.

    The URL of an upload is `upload:` and its digest.
    """

    class Licence(models.TextChoices):
        UNKNOWN = "unknown", "unknown"
        CLEARED = "cleared", "cleared"
        REFUSED = "refused", "refused"

    url = models.CharField(max_length=content.URL_MAX, unique=True)
    host = models.CharField(max_length=255, db_index=True)
    licence = models.CharField(max_length=10, choices=Licence.choices, default=Licence.UNKNOWN)
    credit = models.CharField(max_length=300, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, when known.")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, when known.")
    checked_at = models.DateTimeField(null=True, blank=True)
    fault = models.CharField(
        max_length=300, blank=True, help_text="What the last check found wrong; empty when nothing."
    )
    stored = models.ForeignKey(
        StoredImage,
        models.PROTECT,
        related_name="sources",
        null=True,
        blank=True,
        db_index=False,
        help_text="The bytes, where this site has them.",
    )

    class Meta:
        indexes = [
            # Partial, so that an import, which stores no bytes, does not write it.
            models.Index(
                fields=["stored"], name="image_source_stored", condition=Q(stored__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.url


class PostImage(models.Model):
    """An image of a post's live revision: what `image:N` in its body refers to."""

    post = models.ForeignKey("Post", models.PROTECT, related_name="post_images", db_index=False)
    image = models.ForeignKey(ImageSource, models.PROTECT, related_name="post_images")
    position = models.PositiveSmallIntegerField(help_text="From 1, the N of image:N.")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="post_image_position", fields=["post", "position"]),
        ]

    def __str__(self) -> str:
        return f"image {self.position} of post {self.post_id}"


class RevisionImage(models.Model):
    """An upload that a revision names, live or not: while there is one, the bytes stay."""

    revision = models.ForeignKey(
        "Revision", models.PROTECT, related_name="revision_images", db_index=False
    )
    stored = models.ForeignKey(StoredImage, models.PROTECT, related_name="revision_images")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="revision_image_once", fields=["revision", "stored"]),
        ]

    def __str__(self) -> str:
        return f"image {self.stored_id} of revision {self.revision_id}"
