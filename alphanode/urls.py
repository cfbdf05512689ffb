"""Routes of the site: the admin, and everything else from `posts`."""

from django.urls import include, path

from posts.admin import people, site

urlpatterns = [
    path("admin/", include(people.reset_urls)),
    path("admin/", site.urls),
    path("", include("posts.urls")),
]
