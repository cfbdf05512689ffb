"""The WSGI application that a server runs: `alphanode.wsgi:application`."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import resolve

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "alphanode.settings")

application = get_wsgi_application()

# Loads every view. What is there now stays: looking through all of it for cycles, which requests
# that make thousands of objects bring about, would stop every reader for a tenth of a second.
resolve("/")
gc.collect()
gc.freeze()
