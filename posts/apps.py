"""The one application of the project; registers the system checks when it is ready."""

from django.apps import AppConfig


class PostsConfig(AppConfig):
    name = "posts"

    def ready(self) -> None:
        from posts import checks  # noqa: F401  (registers the system checks)
