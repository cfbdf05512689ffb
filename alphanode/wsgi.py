"""The WSGI application that a server runs: `alphanode.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")

application = get_wsgi_application()
