"""Settings of every installation, read top to bottom once; what differs comes from the environment.

In: environment variables and, when present, a `.env` file beside manage.py (a real variable wins).
Out: Django's settings. The variables are described in docs/operations.md. A wrong value stops the
start-up. No code elsewhere reads the environment.
"""

import sys
from pathlib import Path
from typing import Any

import structlog
from csp.constants import NONE, SELF
from structlog.typing import Processor

from alphanode import environment as env
from alphanode.logs import drop_personal_fields

BASE_DIR = Path(__file__).resolve().parent.parent

# True in a test run. The tests have an environment file of their own, so that nobody's `.env`
# changes what they see.
TESTING = "pytest" in sys.modules
env.read_env_file(BASE_DIR / ("tests/test.env" if TESTING else ".env"))


# --- What this installation is --------------------------------------------------------------------

SECRET_KEY = env.read_secret("SECRET_KEY")
DEBUG = env.read_switch("DEBUG", default=False)
ALLOWED_HOSTS = env.read_hosts(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"], patterns=True
)

# The address readers use, in absolute links, feeds and sitemaps. With https the SECURITY block
# below turns on TLS rules.
PUBLIC_URL = env.read_public_url("PUBLIC_URL", default="http://127.0.0.1:8000")

# What the site is called, whom to write to, and on what terms its texts may be used. Without a
# contact there is no security.txt; without a licence the page about it says that none is stated.
SITE_NAME = env.read_text("SITE_NAME", default="alphanode", longest=40) or "alphanode"
CONTACT_EMAIL = env.read_plain_email_address("CONTACT_EMAIL")
LICENCE_NAME = env.read_text("LICENCE_NAME", default="", longest=100)
LICENCE_URL = env.read_web_address("LICENCE_URL")

# Articles show images from these hosts and no others, over https. picsum.photos redirects to
# fastly.picsum.photos, and a Content-Security-Policy looks at every hop.
IMAGE_HOSTS = env.read_hosts(
    "IMAGE_HOSTS",
    default=[
        "picsum.photos",
        "fastly.picsum.photos",
        "images.unsplash.com",
        "loremflickr.com",
        "placehold.co",
    ],
)

# On: a local drawing stands in for every remote image, so that a demo or a test needs no network.
IMAGE_PLACEHOLDER = env.read_switch("IMAGE_PLACEHOLDER", default=False)

# On: `remote_images check` may ask IMAGE_HOSTS whether their images are still there.
IMAGE_CHECKS = env.read_switch("IMAGE_CHECKS", default=False)

# Hosts of whose images `remote_images mirror` keeps copies, where a person has cleared the licence.
# None by default: a copy is a matter of law before it is one of bytes.
IMAGE_MIRROR_HOSTS = env.read_hosts("IMAGE_MIRROR_HOSTS", default=[])

# Where images that editors upload are kept, with their renditions. No address leads into it: the
# bytes are served by views that ask who may see them.
MEDIA_ROOT = env.read_folder("MEDIA_FOLDER", default="media", root=BASE_DIR)

# Where `write_dumps` puts the monthly dumps and `/dumps/` finds them.
DUMPS_FOLDER = env.read_folder("DUMPS_FOLDER", default="dumps", root=BASE_DIR)

# How long a reviewer can take back a decision before it takes effect; 0 means no time at all.
REVIEW_UNDO_SECONDS = env.read_whole_number("REVIEW_UNDO_SECONDS", default=10, minimum=0)

# On: a reviewer may approve what they wrote, restored or merged themselves.
REVIEW_OWN_WORK = env.read_switch("REVIEW_OWN_WORK", default=False)

# On: a bulk action of an editor that takes longer than a moment is carried out by a process of its
# own. Off, where no process may be started: by the page that shows its progress.
BULK_PROCESS = env.read_switch("BULK_PROCESS", default=True)

# The largest file that the import page takes, in MB. It is tried within the request that brings it.
IMPORT_UPLOAD_MB = env.read_whole_number("IMPORT_UPLOAD_MB", default=5, minimum=0)

# How often one address may search in a minute; 0 means as often as it likes.
SEARCHES_A_MINUTE = env.read_whole_number("SEARCHES_A_MINUTE", default=60, minimum=0)

# How mail leaves: by default it is written to the terminal.
email = env.read_email_url("EMAIL_URL", default="consolemail://")
EMAIL_BACKEND = email["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = email["EMAIL_HOST"], email["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = email["EMAIL_HOST_USER"], email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = email["EMAIL_USE_TLS"], email["EMAIL_USE_SSL"]
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.read_email_address("EMAIL_FROM", default="alphanode@localhost")


# --- Application ----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "posts.apps.PostsConfig",
    "taggit",
    # The admin site of this project is posts.admin.site; SimpleAdminConfig does not look for a
    # default one.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
]

# Outermost first. The four that write headers stand outside WhiteNoise and everything that can
# answer early, so that a static file, a redirect, a 404 and a 500 carry the same headers as an
# article.
MIDDLEWARE = [
    "alphanode.middleware.ResponseHeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    # Pages shrink to a fifth. A compressed page can be made to tell a secret beside what its
    # visitor sends (BREACH); public pages hold none, and the admin's tokens are masked anew for
    # each answer.
    "django.middleware.gzip.GZipMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "posts.actors.ActorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "posts.views.former.FormerUrlMiddleware",
]

ROOT_URLCONF = "alphanode.urls"
WSGI_APPLICATION = "alphanode.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            # The admin needs these three. They are lazy: a public page that names neither user nor
            # messages sets no cookie and gets no `Vary: Cookie`.
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# Messages to editors stay in their session. The default keeps them in a cookie for the whole site,
# which public pages would then receive.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"

DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True

# Imported tags hold spaces ("large content archives"); taggit's own parser splits a text without
# commas at each space.
TAGGIT_TAGS_FROM_STRING = "posts.models.tags.parse_comma_tags"


# --- Database -------------------------------------------------------------------------------------

database = env.read_database(
    "DATABASE_URL", default=f"sqlite:///{BASE_DIR / 'alphanode.sqlite3'}", root=BASE_DIR
)
database_options = database.setdefault("OPTIONS", {})

if database["ENGINE"] == "alphanode.sqlite3":
    # What Django's own backend does by itself; tools that know it by name have to be told.
    database.setdefault("TEST", {})["NAME"] = ":memory:"
    # A transaction takes the write lock when it begins. Taking it later, at the first write, fails
    # at once with "database is locked" when another writer came between, without waiting for the
    # timeout.
    database_options.setdefault("transaction_mode", "IMMEDIATE")
    database_options.setdefault("timeout", 20)  # seconds
    database_options.setdefault(
        "init_command",
        "PRAGMA journal_mode = WAL;"  # readers go on while an import writes
        "PRAGMA synchronous = NORMAL;"  # with WAL a power cut loses commits, never the file
        "PRAGMA cache_size = -64000;"  # 64 MB
        "PRAGMA mmap_size = 268435456;"  # 256 MB
        "PRAGMA temp_store = MEMORY;"
        "PRAGMA journal_size_limit = 67108864",  # 64 MB: an import's log shrinks again afterwards
    )
else:
    database["CONN_HEALTH_CHECKS"] = True
    database_options.setdefault("application_name", "alphanode")
    # `?pool=off` in DATABASE_URL is for a server behind PgBouncer, which pools already.
    pool_switch = str(database_options.pop("pool", "on")).lower()
    if pool_switch not in env.TRUE_WORDS + env.FALSE_WORDS:
        env.refuse("DATABASE_URL", f"?pool={pool_switch}", "?pool=on or ?pool=off")
    # No pool in tests: its threads keep connections to a test database open, and PostgreSQL refuses
    # to drop a database that somebody is connected to.
    if pool_switch in env.TRUE_WORDS and not TESTING:
        # One connection for each thread of a worker (gunicorn.conf.py) and one to spare: a smaller
        # pool makes requests wait for each other until they time out.
        database_options["pool"] = {"min_size": 2, "max_size": 5, "timeout": 10}

DATABASES = {"default": database}


# --- Cache ----------------------------------------------------------------------------------------

REDIS_URL = env.read_redis_url("REDIS_URL")

CACHES: dict[str, dict[str, Any]]
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "KEY_PREFIX": "alphanode",
        }
    }
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": "alphanode",
            "OPTIONS": {"MAX_ENTRIES": 5000},
        }
    }


# --- Static files ---------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]

# Names with a hash and compressed copies, made by collectstatic. While developing and in tests the
# files are served from where they are written, so neither needs collectstatic.
serve_static_sources = DEBUG or TESTING
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if serve_static_sources
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = serve_static_sources
WHITENOISE_AUTOREFRESH = serve_static_sources
WHITENOISE_ALLOW_ALL_ORIGINS = False  # nothing here is for other sites to load


# === SECURITY =====================================================================================
# Everything that protects readers and editors, in one place. The checklist with the test of each
# line: docs/security.md

public_url_is_https = PUBLIC_URL.startswith("https://")

# What a page may load: files of this site and images of IMAGE_HOSTS. No inline script or style and
# no nonce, so a page can be cached and shared as it is.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", *(f"https://{host}" for host in IMAGE_HOSTS)],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    },
}

X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "strict-origin-when-cross-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
# Permissions-Policy, Cross-Origin-Resource-Policy and the default Cache-Control:
# alphanode/middleware.py

# TLS. Which scheme a request came by is gunicorn's to say: it believes X-Forwarded-Proto only from
# the proxies named in FORWARDED_ALLOW_IPS, so SECURE_PROXY_SSL_HEADER, which believes everybody,
# stays off.
SECURE_SSL_REDIRECT = public_url_is_https
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$"]  # probes come from inside, by plain http
SECURE_HSTS_SECONDS = 31_536_000 if public_url_is_https else 0  # one year
# These two bind every other site of the domain, so they are left to whoever owns it.
SECURE_HSTS_INCLUDE_SUBDOMAINS = False
SECURE_HSTS_PRELOAD = False
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# Cookies exist for the admin only: a public page neither sets nor receives one.
SESSION_COOKIE_NAME = "alphanode_session"
SESSION_COOKIE_PATH = "/admin/"
SESSION_COOKIE_SECURE = public_url_is_https
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "alphanode_csrf"
CSRF_COOKIE_PATH = "/admin/"
CSRF_COOKIE_SECURE = public_url_is_https
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 10},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]

# The link in a mail that sets a new password.
PASSWORD_RESET_TIMEOUT = 2 * 60 * 60  # seconds

# Limits of what a request may send. The longest body is an article; the most fields are an admin
# list with every row ticked, three to a row.
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024  # bytes, files not counted
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 20
FILE_UPLOAD_PERMISSIONS = 0o644
# Of an uploaded image; what follows is not kept, and posts/images/checking.py then refuses it. How
# many pixels it may have stands there too.
IMAGE_UPLOAD_MAX_BYTES = 20 * 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "posts.images.limits.CappedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# === end of SECURITY ==============================================================================


# --- Logging --------------------------------------------------------------------------------------
# Every line goes to stderr: stdout belongs to the results of commands. JSON for machines, or
# aligned and coloured text while developing. Personal data is dropped in alphanode/logs.py.

log_processors: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    drop_personal_fields,
]
log_renderers: list[Processor] = (
    [structlog.dev.ConsoleRenderer()]
    if DEBUG
    else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
)

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *log_processors,
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "structured": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": log_processors,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *log_renderers,
            ],
        },
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structured"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Django gives these handlers of its own, one of which mails whole requests to
        # administrators.
        "django": {"handlers": [], "level": "INFO", "propagate": True},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
        # A warning for each HEAD request, whose body Django leaves to the server to drop.
        "gunicorn.http.wsgi": {"level": "ERROR"},
    },
}
