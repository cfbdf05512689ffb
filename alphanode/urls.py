"""Routes of the site: the admin, and everything else from `posts`."""

from django.urls import include, path

from posts.admin import site

urlpatterns = [
    path("admin/", site.urls),
    path("", include("posts.urls")),
]
