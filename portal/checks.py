"""What must be right before families send files, at every `manage.py` command; before families come, at
`check --deploy`."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from portal.files import private_files, scanning

HINT = "Par exemple : s3://CLÉ:SECRET@s3.fr-par.scw.cloud/portail?region=fr-par"


def private_storage(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A whole address of the store of private files, or none."""
    return [
        Error(trouble, hint=HINT, id="portal.E001")
        for trouble in private_files.troubles(settings.PRIVATE_STORAGE_URL, demo=settings.DEMO)
    ]


def scanner(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An address of the virus scanner that can be one, or none."""
    return [Error(trouble, id="portal.E010") for trouble in scanning.troubles(settings.CLAMD_ADDRESS)]


def trusted_proxies(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Said, not guessed: how many proxies tell the address from which a request comes."""
    count = settings.TRUSTED_PROXY_COUNT
    if not settings.BEHIND_PROXY or (count is not None and count >= 0):
        return []
    return [
        Error(
            "TRUSTED_PROXY_COUNT ne dit pas combien de serveurs mandataires sont devant le portail : "
            "les essais de connexion de toutes les familles compteraient pour une seule adresse.",
            hint="Par exemple TRUSTED_PROXY_COUNT=1 ; 0 si aucun n'écrit X-Forwarded-For.",
            id="portal.E002",
        )
    ]
