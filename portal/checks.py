"""What must be right before families come, each with the line to write.

    configuration(…)    settings: what is wrong keeps every process outside the demo from starting
    advice(…)           settings that work, and that a town seldom means
    surroundings(…)     who does not answer, or not as he should: the mail server, the bucket of private files
    database_answers(…) likewise, for who installs

`portal/launching.py` asks: an Error keeps from starting, a Warning is written when a server or worker does.
`manage.py check --deploy` says the second, with `--database default` the third.
"""

import os
import pwd
import socket
from collections.abc import Collection, Iterator
from email.utils import parseaddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Advice
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.db import OperationalError, connection
from django.http.request import validate_host

from billing.payments.checks import payment_provider
from families.funds import choosing
from portal.database import field_keys
from portal.files import private_files, scanning

HINT = "Par exemple : s3://CLÉ:SECRET@s3.fr-par.scw.cloud/portail?region=fr-par"
# Not a key itself: it would stay in the logs.
A_KEY = "… (à tirer par : python3 -c 'import secrets; print(secrets.token_urlsafe(50))')"
# Names that lead nowhere outside this machine, and domains that are nobody's (RFC 2606).
HERE = {"localhost", "127.0.0.1", "::1"}
NOBODYS = ("example.org", "example.com", "example.net", "example")
# Each process would count attempts for itself.
OF_ONE_PROCESS = ("LocMemCache", "DummyCache", "FileBasedCache")
SENDS_NOTHING = ("console", "dummy", "filebased", "locmem")
ANSWERS_WITHIN_SECONDS = 3.0


def private_storage(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A whole address of the store of private files, or none."""
    return [
        Error(trouble, hint=HINT, id="portal.E001")
        for trouble in private_files.troubles(settings.PRIVATE_STORAGE_URL, demo=settings.DEMO)
    ]


def scanner(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """An address of the virus scanner that can be one, or none."""
    return [Error(trouble, id="portal.E010") for trouble in scanning.troubles(settings.CLAMD_ADDRESS)]


def quotient_source(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """A key of the API Particulier that knows on whose behalf it asks, or none."""
    return [
        Error(trouble, hint="API_PARTICULIER_SIRET=21350238800019", id="portal.E021")
        for trouble in choosing.troubles()
    ]


def configuration(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Everything without which a town's portal must not start; the demo's is only to be readable."""
    if settings.DEMO:
        return [*_unread()]
    judged = (
        _unread(),
        *(_keys(), _hosts(), _address(), _sender(), _database(), _proxies(), _debug(), _folder()),
        private_storage(app_configs),
        scanner(app_configs),
        quotient_source(app_configs),
        payment_provider(app_configs),
    )
    return [trouble for found in judged for trouble in found]


def advice(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """What works, and is seldom meant."""
    return [] if settings.DEMO else [*_mail(), *_cache(), *_any_host()]


def surroundings(
    app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Asks those who are called upon later; takes a few seconds where nobody answers.

    As checks of databases do, says nothing unless `databases` are named: it looks beyond the settings.
    """
    return [] if settings.DEMO or not databases else [*_mail_server(), *_bucket()]


def database_answers(
    app_configs: Any, databases: Collection[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """For who installs; a server waits for it, and says so itself."""
    if settings.DEMO or not databases:
        return []
    try:
        connection.ensure_connection()
    except OperationalError as error:
        return [
            Error(
                f"La base de DATABASE_URL ne répond pas : {error}",
                hint="DATABASE_URL=postgres:///portail (par la prise de cette machine) ou"
                " postgres://portail:MOT_DE_PASSE@SERVEUR/portail",
                id="portal.E013",
            )
        ]
    return []


def somebody_else(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Whether root works in the folder of another user, who then could not read what it writes."""
    folder = settings.VAR_DIR
    if settings.DEMO or os.geteuid() != 0 or not folder.is_dir() or not (owner := folder.stat().st_uid):
        return []
    try:
        name = pwd.getpwuid(owner).pw_name
    except KeyError:
        name = str(owner)
    return [
        Advice(
            f"{folder} appartient à « {name} » : ce que root y écrit, le portail ne pourra pas le lire.",
            hint=f"Lancez cette commande par cet utilisateur : runuser -u {name} -- … (ou « portail … »).",
            id="portal.W004",
        )
    ]


# Settings -----------------------------------------------------------------------------------------------


def _keys() -> Iterator[CheckMessage]:
    if not _secret_key():
        yield Error(
            "SECRET_KEY n'est pas donnée : elle signe les sessions et les liens des messages.",
            hint=f"SECRET_KEY={A_KEY}",
            id="portal.E003",
        )
    if not settings.FIELD_KEYS:
        yield Error(
            "FIELD_KEYS n'est pas donnée : cette clé, une autre que SECRET_KEY, chiffre les informations de"
            " santé et les IBAN.",
            hint=f"FIELD_KEYS={A_KEY}",
            id="portal.E004",
        )
    for trouble in field_keys.troubles(settings.FIELD_KEYS):
        yield Error(f"FIELD_KEYS : {trouble}.", hint=f"FIELD_KEYS={A_KEY}", id="portal.E004")
    for trouble in field_keys.troubles(settings.BACKUP_KEYS):
        yield Error(f"BACKUP_KEYS : {trouble}.", hint=f"BACKUP_KEYS={A_KEY}", id="portal.E020")


def _secret_key() -> str:
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:  # Django's word for « none »
        return ""


def _hosts() -> Iterator[CheckMessage]:
    hint = "ALLOWED_HOSTS=famille.ville.fr"
    if not settings.ALLOWED_HOSTS:
        yield Error(
            "ALLOWED_HOSTS ne nomme personne : le portail ne répondrait à aucune adresse.",
            hint=hint,
            id="portal.E005",
        )
    for name in settings.ALLOWED_HOSTS:
        if "/" in name or (":" in name and not name.startswith("[")):
            yield Error(
                f"ALLOWED_HOSTS : « {name} » n'est pas un nom seul, sans https:// ni port.",
                hint=hint,
                id="portal.E005",
            )


def _address() -> Iterator[CheckMessage]:
    """The portal's own, which every letter carries."""
    url = settings.PORTAL_URL
    said = urlsplit(url)
    name = said.hostname or ""
    needed = "https" if settings.SECURE_SSL_REDIRECT else "http"
    if said.scheme not in {needed, "https"} or not name or said.path.strip("/") or said.query:
        wrong = f"PORTAL_URL ({url}) n'est pas une adresse {needed}:// suivie d'un nom seul"
    elif name in HERE:
        wrong = f"PORTAL_URL ({url}) ne mène nulle part hors de ce serveur"
    elif name.endswith(".example"):
        wrong = f"PORTAL_URL ({url}) est encore l'exemple de la documentation"
    elif settings.ALLOWED_HOSTS and not validate_host(name, settings.ALLOWED_HOSTS):
        wrong = f"PORTAL_URL ({url}) n'est pas dans ALLOWED_HOSTS, et le portail ne répondrait pas"
    else:
        return
    yield Error(
        f"{wrong} : c'est l'adresse des liens de tous les messages.",
        hint=f"PORTAL_URL=https://{_own_name()}",
        id="portal.E006",
    )


def _own_name() -> str:
    """A name by which the portal is called, for the lines that are proposed."""
    named = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if not set("*:/").intersection(host)]
    return next((host for host in named if not host.endswith(".example")), "famille.ville.fr")


def _sender() -> Iterator[CheckMessage]:
    sender = settings.DEFAULT_FROM_EMAIL
    name, _, domain = parseaddr(sender)[1].lower().rpartition("@")
    if name and not any(domain == none or domain.endswith(f".{none}") for none in NOBODYS):
        return
    yield Error(
        f"DEFAULT_FROM_EMAIL ({sender}) n'est pas une adresse de la commune : ses messages seraient refusés.",
        hint="DEFAULT_FROM_EMAIL=portail@ville.fr",
        id="portal.E007",
    )


def _unread() -> Iterator[CheckMessage]:
    """What is written may hold a password, and is not repeated."""
    for name, example in settings.UNREAD_VARIABLES.items():
        yield Error(f"{name} ne se lit pas.", hint=f"{name}={example}", id="portal.E014")


def _database() -> Iterator[CheckMessage]:
    if settings.DATABASE_NAMED:
        return
    yield Error(
        "DATABASE_URL n'est pas donnée : le portail travaillerait dans une base SQLite neuve et vide.",
        hint="DATABASE_URL=postgres://portail:MOT_DE_PASSE@localhost/portail"
        f" (ou, pour un village, DATABASE_URL=sqlite:///{settings.VAR_DIR / 'portal.sqlite3'})",
        id="portal.E008",
    )


def _proxies() -> Iterator[CheckMessage]:
    """Said, not guessed: how many proxies tell the address from which a request comes."""
    count = settings.TRUSTED_PROXY_COUNT
    if not settings.BEHIND_PROXY or (count is not None and count >= 0):
        return
    yield Error(
        "TRUSTED_PROXY_COUNT ne dit pas combien de serveurs mandataires sont devant le portail : "
        "les essais de connexion de toutes les familles compteraient pour une seule adresse.",
        hint="TRUSTED_PROXY_COUNT=1 (0 si aucun n'écrit X-Forwarded-For)",
        id="portal.E002",
    )


def _debug() -> Iterator[CheckMessage]:
    if settings.DEBUG:
        yield Error(
            "PORTAL_DEBUG montrerait aux visiteurs le programme et ses réglages à chaque erreur.",
            hint="PORTAL_DEBUG=0",
            id="portal.E009",
        )


def _folder() -> Iterator[CheckMessage]:
    folder: Path = settings.VAR_DIR
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return
    yield Error(
        f"PORTAL_VAR ({folder}) : l'utilisateur qui lance le portail ne peut pas y écrire.",
        hint="PORTAL_VAR=/var/lib/portail, un dossier qui appartient à cet utilisateur",
        id="portal.E011",
    )


def _mail() -> Iterator[CheckMessage]:
    backend = settings.EMAIL_BACKEND
    if any(f".{kind}." in backend for kind in SENDS_NOTHING):
        yield Advice(
            "EMAIL_URL n'envoie rien : les familles ne recevront aucun message.",
            hint="EMAIL_URL=smtp+tls://UTILISATEUR:MOT_DE_PASSE@SERVEUR:587",
            id="portal.W001",
        )
    elif not settings.MAIL_SERVER_NAMED:
        yield Advice(
            "EMAIL_URL n'est pas donnée : les messages sont confiés au serveur de courrier de cette machine.",
            hint="EMAIL_URL=smtp+tls://UTILISATEUR:MOT_DE_PASSE@SERVEUR:587"
            " (EMAIL_URL=smtp://localhost:25 si c'est voulu)",
            id="portal.W001",
        )


def _cache() -> Iterator[CheckMessage]:
    if settings.CACHES["default"]["BACKEND"].rpartition(".")[2] in OF_ONE_PROCESS:
        yield Advice(
            "CACHE_URL : ce cache n'est pas commun à tous les processus, chacun compterait les essais de"
            " connexion pour lui et l'ouvrier paraîtrait arrêté.",
            hint="CACHE_URL=rediscache://localhost/0 (ou rien : la base sert de cache)",
            id="portal.W002",
        )


def _any_host() -> Iterator[CheckMessage]:
    if "*" in settings.ALLOWED_HOSTS:
        yield Advice(
            "ALLOWED_HOSTS=* : le portail répond sous n'importe quel nom.",
            hint="ALLOWED_HOSTS=famille.ville.fr",
            id="portal.W003",
        )


# Those who are called upon ------------------------------------------------------------------------------


def _mail_server() -> Iterator[CheckMessage]:
    if not settings.EMAIL_BACKEND.endswith(".smtp.EmailBackend"):
        return
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    try:
        socket.create_connection(
            (settings.EMAIL_HOST, settings.EMAIL_PORT), timeout=ANSWERS_WITHIN_SECONDS
        ).close()
    except OSError:
        yield Advice(
            f"Le serveur de courrier {where} ne répond pas : les messages attendront.",
            hint="EMAIL_URL=smtp+tls://UTILISATEUR:MOT_DE_PASSE@SERVEUR:587",
            id="portal.W005",
        )


def _bucket() -> Iterator[CheckMessage]:
    if not settings.PRIVATE_STORAGE_URL or private_storage(None):
        return
    try:
        refusal = storages["private"].refusal()  # type: ignore[attr-defined]  # PrivateS3Storage's
    except OSError:
        yield Advice(
            "Le stockage de PRIVATE_STORAGE_URL ne répond pas : justificatifs et factures sont hors"
            " d'atteinte.",
            hint=HINT,
            id="portal.W006",
        )
    else:
        if refusal:
            yield Error(f"PRIVATE_STORAGE_URL : {refusal}", hint=HINT, id="portal.E012")
