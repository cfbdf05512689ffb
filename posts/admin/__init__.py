"""The admin: review, writing, import runs, names, people and the audit, on a site of its own.

Out: `site`, with everything registered. Changes state through `posts.review` and `posts.writing`
only.
"""

from posts.admin import audit, catalogue, imports, people, posts, stored_images
from posts.admin.site import site

__all__ = ["audit", "catalogue", "imports", "people", "posts", "site", "stored_images"]
