"""The one application of the project; registers what it needs when it is ready."""

from django.apps import AppConfig


class PostsConfig(AppConfig):
    name = "posts"

    def ready(self) -> None:
        from posts import accounts, checks, lookups  # noqa: F401  (registers checks and lookups)

        accounts.watch()
