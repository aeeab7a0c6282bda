"""Settings of the portal, read from the environment (twelve-factor, see README « Run it for real »).

Nothing here is secret. `PORTAL_DEMO=1` is the only switch that relaxes anything: it is set by
`make demo` and by the tests, and allows plain HTTP, a generated secret key and the demo outbox.
"""

import os
import secrets
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF

from portal import environment
from portal.database import tuning
from portal.environment import Environment
from portal.files import modes, private_files

# `ModelAdmin[Child]`, `ModelForm[Child]`: what the types name must exist before the first class is made.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment()

DEMO = env.switch("PORTAL_DEMO", default=False)
DEBUG = env.switch("PORTAL_DEBUG", default=False)
VAR_DIR = Path(env.str("PORTAL_VAR", default=str(BASE_DIR / "var")))


def _demo_key(name: str) -> str:
    """A key of a demo or test machine, made once and kept under var/, for its owner alone.

    Several processes may start at once: each writes a file of its own, and the first to link it wins.
    """
    path = VAR_DIR / name
    if not path.exists():
        modes.make_private(path.parent)
        with NamedTemporaryFile("w", dir=path.parent) as own, suppress(FileExistsError):
            own.write(secrets.token_urlsafe(50))
            own.flush()
            os.link(own.name, path)
    return path.read_text()


# What a town's portal lacks is said all at once, in French, before anything works: portal/launching.py.
SECRET_KEY = env.str("SECRET_KEY", default="") or (_demo_key("secret_key") if DEMO else "")
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])

# What encrypts health notes and IBANs (docs/upgrading.md), the newest first; older ones until `rotate_keys`.
FIELD_KEYS = env.list("FIELD_KEYS", default=[]) or ([_demo_key("field_key")] if DEMO else [])

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "testserver"] if DEMO else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
BEHIND_PROXY = env.switch("BEHIND_PROXY", default=not DEMO)

INSTALLED_APPS = [
    "portal.apps.PortalConfig",
    "portal.reservations",
    "families",
    "catering",
    "leisure",
    "billing",
    "portal.apps.PortalAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "families.apps.SessionsConfig",
    "crispy_forms",
    "crispy_bootstrap5",
    "csp",
    "django_tasks",
    "portal.apps.TasksConfig",
    "simple_history",
]

MIDDLEWARE = [
    "portal.health.AliveMiddleware",
    "portal.web.request_ids.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.web.compression.CompressTextsMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.web.headers.PermissionsPolicyMiddleware",
    "portal.web.bodies.BoundedBodyMiddleware",
    "portal.town_time.TownTimeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "portal.web.query_strings.ReadableQueryMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.web.headers.PrivatePagesMiddleware",
    "families.signing_in.lifetimes.SessionLifetimeMiddleware",
    "portal.waiting.inside.InsideMiddleware",
    "portal.open_to_public.OpeningSoonMiddleware",
    "portal.web.interrupted.KeepInterruptedFormMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "families.signing_in.second_factor.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "families.custody.middleware.OwnHouseholdMiddleware",
    "portal.reservations.pages.late_offers.LateOffersMiddleware",
    "portal.reservations.pages.trying.TrialMiddleware",
    "families.which_home.ChosenHouseholdMiddleware",
]

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.town.context",
            ],
            # `{% csrf_token %}`, which also says for which household a form was shown; what heads each page.
            "builtins": ["families.templatetags.form_tokens", "portal.templatetags.addresses"],
        },
    },
]

# Database -------------------------------------------------------------------------------------------

DATABASE_NAMED = bool(env("DATABASE_URL", default=""))  # SQLite as well: but said, not by default
DATABASES = {
    "default": tuning.tuned(
        env.address(
            "DATABASE_URL",
            environment.database,
            f"sqlite:///{VAR_DIR / 'portal.sqlite3'}",
            "postgres://portail:MOT_DE_PASSE@SERVEUR/portail",
        ),
        kept=env.whole("CONN_MAX_AGE", default=600),
        # To be turned off behind a pooler that shares connections by transaction.
        prepared=env.switch("PREPARED_STATEMENTS", default=True),
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"


def _own_name() -> str:
    """What tells this portal from others: the host families know it by or, without one, its database."""
    known = urlsplit(env.str("PORTAL_URL", default="")).netloc
    return known or Path(str(DATABASES["default"]["NAME"])).stem


CACHES = {
    # Rate limits are counted here: few rows kept would mean limits forgotten.
    "default": env.address(
        "CACHE_URL",
        env.cache_url_config,
        "dbcache://portal_cache?max_entries=100000",
        "redis://localhost:6379/0",
    ),
}
SESSION_ENGINE = "portal.web.table_sessions"
if "redis" in CACHES["default"]["BACKEND"].lower():
    # Sessions and counters lie there too. Two portals may share one Redis: keys carry the portal's name.
    CACHES["default"]["BACKEND"] = "portal.web.redis_cache.RedisCache"
    CACHES["default"].setdefault("KEY_PREFIX", env.str("CACHE_PREFIX", default="") or _own_name())
    SESSION_ENGINE = "portal.web.redis_sessions"

# When more families come than the portal serves well, some wait at its gate (docs/waiting-room.md).
WAITING_ROOM = env.switch("WAITING_ROOM", default=True)

# Accounts -------------------------------------------------------------------------------------------

AUTH_USER_MODEL = "families.User"
AUTHENTICATION_BACKENDS = ["families.accounts.AccountBackend"]
PASSWORD_HASHERS = [
    "families.passwords.ArgonHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
# CNIL, délibération 2022-100 du 21 juillet 2022: length and strength, no forced renewal.
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "families.passwords.StrengthValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"

ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_ADAPTER = "families.accounts.AccountAdapter"
ACCOUNT_FORMS = {
    "login": "families.forms.LoginForm",
    "signup": "families.forms.SignupForm",
    "reset_password": "families.forms.RecoveryForm",
    "add_email": "families.forms.ChangeEmailForm",
    "change_password": "families.forms.ChangePasswordForm",
    "reset_password_from_key": "families.forms.NewPasswordForm",
    "reauthenticate": "families.forms.ConfirmIdentityForm",
}
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # the password again before the e-mail address changes
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a letter after each change of password or address
ACCOUNT_USERNAME_MIN_LENGTH = 4
ACCOUNT_USERNAME_BLACKLIST = ["admin", "administrateur", "mairie", "portail", "support", "root"]
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {
    # Wrong passwords are counted by families/signing_in/counters.py, right ones are not.
    "login": None,
    "login_failed": None,
    "signup": "30/h/ip",  # counts each try, also those with a mistake to correct
    "correct_address": "20/h/ip,5/h/key",
    "reset_password": "10/h/ip,3/h/key",
    "reset_password_from_key": "20/m/ip",
    "change_password": "5/m/user",
    "manage_email": "10/m/user",
    "confirm_email": "1/3m/key",
}
# Staff: a second factor for every page of the desk, and the proof again before the gravest acts.
STAFF_SECOND_FACTOR = env.switch("STAFF_SECOND_FACTOR", default=not DEMO)
ASK_AGAIN = STAFF_SECOND_FACTOR
MFA_ADAPTER = "families.signing_in.factors.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "families.signing_in.factor_forms.CodeForm",
    "reauthenticate": "families.signing_in.factor_forms.CodeAgainForm",
    "activate_totp": "families.signing_in.factor_forms.AddApplicationForm",
    "authenticate_webauthn": "families.signing_in.factor_forms.PasskeyForm",
    "reauthenticate_webauthn": "families.signing_in.factor_forms.PasskeyAgainForm",
    "add_webauthn": "families.signing_in.factor_forms.AddPasskeyForm",
    "edit_webauthn": "families.signing_in.factor_forms.RenamePasskeyForm",
}
MFA_TOTP_TOLERANCE = 1  # a code that changes while it is typed is accepted, once
# An address that waits to be confirmed is nobody's yet: neither it nor a factor keeps the other away.
MFA_ALLOW_UNVERIFIED_EMAIL = True
# None where nobody has said it, with which no portal behind a proxy starts.
TRUSTED_PROXY_COUNT: int | None = env.whole("TRUSTED_PROXY_COUNT", default=None)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXY_COUNT or 0

# A parent's day, from breakfast to bedtime, counted from login.
SESSION_COOKIE_AGE = 18 * 3600
SESSION_SAVE_EVERY_REQUEST = False
PASSWORD_RESET_TIMEOUT = 3600

# Language and time ----------------------------------------------------------------------------------

LANGUAGE_CODE = "fr"
# Until the town is known: see portal/town_time.py.
TIME_ZONE = "Europe/Paris"
USE_I18N = True
USE_TZ = True
FORMAT_MODULE_PATH = ["portal.french.formats"]
LOCALE_PATHS = [BASE_DIR / "templates" / "locale"]

# Files ----------------------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    ("bootstrap", str(files("bootstrap") / "css")),
]
MEDIA_ROOT = VAR_DIR / "media"  # public files: the town's crest
MEDIA_URL = "/media/"
PRIVATE_ROOT = VAR_DIR / "private"  # proofs, certificates, invoices: served only by views that check
PRIVATE_STORAGE_URL = env.str("PRIVATE_STORAGE_URL", default="")  # or in an S3-compatible store
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "private": private_files.storage(PRIVATE_STORAGE_URL, PRIVATE_ROOT),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
# Copies of the database and of the files (docs/backup.md).
BACKUP_DIR = Path(env.str("BACKUP_DIR", default=str(VAR_DIR / "sauvegardes")))
BACKUP_KEYS = env.list("BACKUP_KEYS", default=[])  # the newest first; none: archives in clear
BACKUP_DAYS = env.whole("BACKUP_DAYS", default=7)
BACKUP_WEEKS = env.whole("BACKUP_WEEKS", default=4)
CLAMD_ADDRESS = env.str("CLAMD_ADDRESS", default="")  # the town's virus scanner: host:port, or its socket
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024  # forms; files stream to disk, where a page takes them
FILE_UPLOAD_HANDLERS = ["portal.web.bodies.NoFiles"]  # until the middleware knows the page and who asks
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000

# Mail and tasks -------------------------------------------------------------------------------------

# Seconds for each answer of the mail server, docs/mail.md.
EMAIL_TIMEOUT = env.whole("EMAIL_TIMEOUT", default=20)
MAIL_SERVER_NAMED = "EMAIL_URL" in env.ENVIRON
if DEMO and not MAIL_SERVER_NAMED:
    EMAIL_BACKEND = "portal.letters.outbox.OutboxBackend"
else:
    vars().update(
        env.address(
            "EMAIL_URL",
            env.email_url_config,
            "smtp://localhost:25",
            "smtp+tls://UTILISATEUR:MOT_DE_PASSE@SERVEUR:587",
        )
    )
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="portail@example.org")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
# Where answers and mails that come back arrive: imaps://user:password@host/INBOX. Empty: nobody reads them.
MAILBOX_URL = env.str("MAILBOX_URL", default="")
PORTAL_URL: str = env.str("PORTAL_URL", default="http://127.0.0.1:8000")

TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mail"]}}

# Quotients asked of the CAF and the MSA (docs/quotients.md) -------------------------------------------

# The town's key of the API Particulier; empty: nobody is asked, and nothing of it is shown.
API_PARTICULIER_TOKEN = env.str("API_PARTICULIER_TOKEN", default="")
API_PARTICULIER_SIRET = env.str("API_PARTICULIER_SIRET", default="")  # the town hall's, on whose behalf
API_PARTICULIER_URL = env.str("API_PARTICULIER_URL", default="https://particulier.api.gouv.fr")

# Paying online (docs/payments.md) ---------------------------------------------------------------------

# demo, stripe or payfip; empty: no online payment.
PAYMENT_PROVIDER = env.str("PAYMENT_PROVIDER", default="demo" if DEMO else "")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="https://api.stripe.com")
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
# Two while one replaces the other.
STRIPE_WEBHOOK_SECRETS = env.list("STRIPE_WEBHOOK_SECRET", default=[])
STRIPE_PAYMENT_METHODS = env.list("STRIPE_PAYMENT_METHODS", default=["card"])  # and sepa_debit
PAYFIP_SERVICE_URL = env.str("PAYFIP_SERVICE_URL", default="https://www.payfip.gouv.fr/tpa/services/securite")
PAYFIP_PAGE_URL = env.str("PAYFIP_PAGE_URL", default="https://www.payfip.gouv.fr/tpa/paiementws.web")
PAYFIP_CLIENT = env.str("PAYFIP_CLIENT", default="")  # the six digits of the town's contract
PAYFIP_MODE = env.str("PAYFIP_MODE", default="T")  # T: test, X: activation, W: real payments
# Of each further régie by its code, where the town has several: STRIPE_SECRET_KEY__LOISIRS.
REGIE_CONTRACTS: dict[str, dict[str, object]] = {}
for _setting, _variable, _read in (
    ("PAYMENT_PROVIDER", "PAYMENT_PROVIDER", env.str),
    ("STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY", env.str),
    ("STRIPE_WEBHOOK_SECRETS", "STRIPE_WEBHOOK_SECRET", env.list),
    ("STRIPE_PAYMENT_METHODS", "STRIPE_PAYMENT_METHODS", env.list),
    ("PAYFIP_CLIENT", "PAYFIP_CLIENT", env.str),
    ("PAYFIP_MODE", "PAYFIP_MODE", env.str),
):
    for _key in [key for key in os.environ if key.startswith(f"{_variable}__")]:
        REGIE_CONTRACTS.setdefault(_key.removeprefix(f"{_variable}__"), {})[_setting] = _read(_key)

# Safety ---------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
SESSION_COOKIE_HTTPONLY = True
# On which devices an account has logged in before (families/signing_in/devices.py).
DEVICE_COOKIE_NAME = "appareil" if DEMO else "__Host-appareil"
if not DEMO:
    SECURE_SSL_REDIRECT = env.switch("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^sante/"]
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
    # Taken by browsers over HTTPS only, from this host only, for all of it.
    SESSION_COOKIE_NAME = "__Host-session"
    CSRF_COOKIE_NAME = "__Host-csrf"
    MESSAGE_STORAGE = "portal.web.host_messages.HostFallbackStorage"
    if BEHIND_PROXY:
        SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

CRISPY_ALLOWED_TEMPLATE_PACKS = "bootstrap5"
CRISPY_TEMPLATE_PACK = "bootstrap5"
# History is read: going back to an old version would write states behind the verbs' back.
SIMPLE_HISTORY_REVERT_DISABLED = True

# What a monitor must say to read more than « ok » (docs/monitoring.md); none: nobody reads it.
HEALTH_TOKEN = env.str("HEALTH_TOKEN", default="")

# Lines for people, or « json » for a program that collects them; docs/monitoring.md.
LOG_FORMAT = env.str("LOG_FORMAT", default="")
ACCESS_LOG = env.switch("ACCESS_LOG", default=not DEMO)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"chosen": {"()": "portal.web.logs.formatter", "kind": LOG_FORMAT}},
    "filters": {"ends of tasks": {"()": "portal.web.logs.EndsOfTasks"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "chosen"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "django": {"handlers": ["console"], "level": "WARNING", "propagate": False},
        "django_tasks": {"filters": ["ends of tasks"]},
        "portal": {"level": "INFO"},
    },
}

# Failures told to a Sentry of the town's, without anybody's data; nothing of it is loaded otherwise.
SENTRY_DSN = env.str("SENTRY_DSN", default="")
if SENTRY_DSN:
    from portal.web import error_reports

    error_reports.start(SENTRY_DSN)

# What could not be read, and what could be: said before anything works.
UNREAD_VARIABLES = env.unread
