"""Remote images: one row a URL, and their use in live revisions. Nothing here fetches anything."""

from __future__ import annotations

from django.db import models

from posts import content


class ImageSource(models.Model):
    """One remote image, whoever shows it: host, licence, credit, size, own copy."""

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
    copy = models.FileField(upload_to="images/", blank=True)

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
