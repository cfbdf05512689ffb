"""The admin: review, writing, import runs and names, on a site of its own.

Out: `site`, with everything registered. Changes state through `posts.review` and `posts.writing`
only.
"""

from posts.admin import catalogue, imports, posts
from posts.admin.site import site

__all__ = ["catalogue", "imports", "posts", "site"]
