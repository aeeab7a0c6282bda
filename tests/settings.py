"""The portal's own settings, with what only tests need."""

import os

os.environ.setdefault("PORTAL_DEMO", "1")

from portal.settings import *  # noqa: E402, F403
from portal.settings import BASE_DIR, STORAGES, TEMPLATES, VAR_DIR  # noqa: E402

# Hashing is slow on purpose; tests log in hundreds of times.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
TASKS = {"default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend", "QUEUES": ["default", "mail"]}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
MEDIA_ROOT = VAR_DIR / "test-media"


class UnknownVariable(str):
    """A template variable that nothing provides is a mistake, not an empty string."""

    def __mod__(self, name: str) -> str:
        raise AssertionError(f"Unknown template variable: {name}")

    def __contains__(self, item: object) -> bool:
        return item == "%s"
