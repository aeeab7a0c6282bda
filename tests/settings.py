"""The portal's own settings, with what only tests need."""

import os
import sys
from pathlib import Path
from types import FrameType

os.environ.setdefault("PORTAL_DEMO", "1")

from portal.settings import *  # noqa: F403
from portal.settings import BASE_DIR, DATABASES, STORAGES, TEMPLATES, VAR_DIR

# A thread of the live server that kept its connection would keep the test database from being dropped.
DATABASES["default"]["CONN_MAX_AGE"] = 0

if DATABASES["default"]["ENGINE"] != "django.db.backends.sqlite3":
    # Nobody misses what a test wrote when the server falls. Tables that were never counted look so big that
    # queries would be compiled first.
    DATABASES["default"].setdefault("OPTIONS", {})["options"] = "-c synchronous_commit=off -c jit=off"

# Hashing is slow on purpose; tests log in hundreds of times.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
TASKS = {
    "default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend", "QUEUES": ["default", "mail"]}
}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
MEDIA_ROOT = VAR_DIR / "test-media"


# Only `make demo` and a deployment collect static files; the tests read them where they are, when they are
# asked for: each test's client would list them all first.
STATIC_ROOT = BASE_DIR / "static"
WHITENOISE_AUTOREFRESH = True


class UnknownVariable(str):
    """Makes a variable that nothing provides fail in this project's templates, instead of showing nothing.

    Others' templates (Django's admin, allauth, crispy-forms) rely on the empty string, so they get it. Which
    template is being rendered is known only to the node above us on the stack.
    """

    def __bool__(self) -> bool:
        return self._template() is not None

    def __contains__(self, item: object) -> bool:
        return item == "%s"

    def __mod__(self, variable: object) -> str:
        raise AssertionError(f"Unknown variable {variable} in {self._template()}")

    def _template(self) -> Path | None:
        """This project's template that asks; None when it is somebody else's."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_name != "render_annotated":
            frame = frame.f_back
        if frame is None:
            return None
        origin = Path(frame.f_locals["self"].origin.name)
        return origin.relative_to(OWN_TEMPLATES) if origin.is_relative_to(OWN_TEMPLATES) else None


OWN_TEMPLATES = BASE_DIR / "templates"
TEMPLATES[0]["OPTIONS"]["string_if_invalid"] = UnknownVariable()
