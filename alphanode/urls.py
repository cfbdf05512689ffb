"""Routes of the site: the admin, and everything else from `posts`; pages for what goes wrong."""

from django.urls import include, path

from posts.admin import people, site

urlpatterns = [
    path("admin/", include(people.reset_urls)),
    path("admin/", site.urls),
    path("", include("posts.urls")),
]

# The site's own pages for what goes wrong; Django's would know neither its name nor its robots.
handler403 = "posts.views.errors.forbidden"
handler404 = "posts.views.errors.not_found"
handler500 = "posts.views.errors.server_error"
