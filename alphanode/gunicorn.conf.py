"""How gunicorn runs the site: `gunicorn -c alphanode/gunicorn.conf.py`.

In: PORT and WEB_CONCURRENCY, gunicorn's own variables. Out: gunicorn's settings. Must not import
Django: a database connection that is opened before the workers fork is shared by all of them.
"""

import multiprocessing
from pathlib import Path

import environ

env = environ.Env()

wsgi_app = "alphanode.wsgi:application"

# `bind` is not set here: gunicorn's default is 127.0.0.1:8000, and 0.0.0.0:$PORT where a host sets
# PORT.

worker_class = "gthread"
workers = env.int("WEB_CONCURRENCY", default=multiprocessing.cpu_count())
# The database pool in settings.py has one connection more than this. A test keeps the two together.
threads = 4

timeout = 30  # seconds
graceful_timeout = 30  # seconds
keepalive = 5  # seconds

# A worker is replaced now and then, so that a slow leak never becomes an outage; the jitter keeps
# them from all going at once.
max_requests = 10_000
max_requests_jitter = 1_000

# The heartbeat is a file that each worker touches. On a disk that stalls, a healthy worker looks
# dead.
heartbeat_dir = Path("/dev/shm")  # noqa: S108 (gunicorn makes the file private and unlinks it)
if heartbeat_dir.is_dir():
    worker_tmp_dir = str(heartbeat_dir)

# Newer versions open a socket in the home directory through which a running server can be steered.
# Nobody here uses it, so it would only be one more door.
control_socket_disable = True

# Errors only. Access lines hold addresses of readers and are the proxy's business.
accesslog = None
errorlog = "-"


def worker_exit(server: object, worker: object) -> None:
    """Write the page views that a worker has counted since its last turn."""
    from posts import page_views

    page_views.write()
