"""The one application of the project; registers checks and watches accounts when it is ready."""

from django.apps import AppConfig


class PostsConfig(AppConfig):
    name = "posts"

    def ready(self) -> None:
        from posts import accounts, checks  # noqa: F401  (registers the system checks)

        accounts.watch()
