"""Django's settings for the console, made from Auscult's own; a wrong value stops the start."""

from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from models.errors import SettingsError
from records.settings import Settings, read_settings
from records.setup import database_config

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
SHORTEST_SECRET = 32
IDLE_SECONDS = 15 * 60
LONGEST_SESSION_SECONDS = 12 * 3600


def read_secret(path: Path) -> str:
    """Return the console's secret; empty where there is none yet, which Django refuses to use."""
    if not path.is_file():
        return ""
    secret = path.read_text(encoding="utf-8").strip()
    if len(secret) < SHORTEST_SECRET:
        raise SettingsError(
            f"{path}: the console's secret has {len(secret)} characters, "
            f"{SHORTEST_SECRET} are the least"
        )
    return secret


def is_loopback(host: str) -> bool:
    """Say whether a host name or address is this machine only."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def console_url(settings: Settings) -> str:
    """Return the address that people open; only loopback may go without https."""
    url = settings.console_url or f"http://{settings.host}:{settings.console_port}"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"AUSCULT_CONSOLE_URL {url!r} is no http or https address")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingsError(
            f"the console at {url} would send passwords in the clear: set AUSCULT_CONSOLE_URL to "
            "the https address of the proxy before it, or AUSCULT_HOST to 127.0.0.1"
        )
    return url


AUSCULT = read_settings()
BASE_URL = console_url(AUSCULT)
_host = urlsplit(BASE_URL).hostname or ""
# a browser drops secure cookies, and follows no redirect to https, on plain-http loopback:
# with these set nobody could log in to a console that only this machine can reach
_secure = BASE_URL.startswith("https:")

DEBUG = False
SECRET_KEY = read_secret(AUSCULT.console_secret)
ALLOWED_HOSTS = list(LOOPBACK_NAMES) if is_loopback(_host) else [_host]
ROOT_URLCONF = "monitoring.console.urls"
ASGI_APPLICATION = "monitoring.console.server.application"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "records",
    "monitoring.console",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "monitoring.console.middleware.end_long_sessions",
    "monitoring.console.middleware.keep_to_ourselves",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {"default": database_config(AUSCULT.database)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "models"
LOGOUT_REDIRECT_URL = "login"

SESSION_COOKIE_AGE = IDLE_SECONDS
SESSION_SAVE_EVERY_REQUEST = True
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_NAME = "auscult_session"
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_SECURE = _secure
CSRF_COOKIE_SECURE = _secure
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [f"https://{urlsplit(BASE_URL).netloc}"] if _secure else []
SECURE_SSL_REDIRECT = _secure
SECURE_HSTS_SECONDS = 31_536_000 if _secure else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _secure
# browsers' preload lists are for public sites, which a hospital's console isn't
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

STATIC_URL = "static/"

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    # a 404's line would repeat whatever was typed into the address bar
    "loggers": {"django.request": {"level": "ERROR"}},
    "root": {"handlers": ["stderr"], "level": AUSCULT.log_level.upper()},
}
