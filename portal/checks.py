"""What must be right before families send files; run by every `manage.py` command."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from portal.files import private_files

HINT = "Par exemple : s3://CLÉ:SECRET@s3.fr-par.scw.cloud/portail?region=fr-par"


def private_storage(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A whole address of the store of private files, or none."""
    return [
        Error(trouble, hint=HINT, id="portal.E001")
        for trouble in private_files.troubles(settings.PRIVATE_STORAGE_URL, demo=settings.DEMO)
    ]
