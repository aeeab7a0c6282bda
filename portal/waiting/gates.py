"""The one gate of a process, as the settings say."""

import logging

from django.conf import settings
from django.db import DatabaseError

from portal import town
from portal.models import Town
from portal.waiting import page
from portal.waiting.gate import Application, Gate
from portal.waiting.meter import Meter
from portal.waiting.page import Pages
from portal.waiting.room import Room
from portal.waiting.shared_file import SharedFile
from portal.waiting.shared_redis import SharedRedis
from portal.waiting.store import Store
from portal.waiting.tickets import Tickets
from portal.web.headers import PERMISSIONS_POLICY

logger = logging.getLogger(__name__)
FILE = "waiting-room"


def _compose() -> Pages:
    """As the town looks; neutral where no database answers."""
    try:
        return page.compose(town.current())
    except DatabaseError:
        return page.compose(Town())


def store(tickets: Tickets) -> Store:
    """In Redis where the cache is there, for all servers; else in a file, for the processes of this one."""
    cache = settings.CACHES["default"]
    if cache["BACKEND"].endswith(".RedisCache"):
        where = cache["LOCATION"]
        url = where if isinstance(where, str) else where[0]
        return SharedRedis(url, f"portail:{tickets.name('line')}")
    return SharedFile(settings.VAR_DIR / FILE)


def guarded(application: Application) -> Application:
    """`application` behind its gate; itself where WAITING_ROOM says that there is none."""
    if not settings.WAITING_ROOM:
        return application
    tickets = Tickets(settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS)
    room = Room(store(tickets), Meter(), tickets.name)
    secure = settings.SESSION_COOKIE_SECURE
    headers = [
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", settings.X_FRAME_OPTIONS),
        ("Referrer-Policy", settings.SECURE_REFERRER_POLICY),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Permissions-Policy", PERMISSIONS_POLICY),
    ]
    if settings.SECURE_HSTS_SECONDS:
        rest = "; includeSubDomains" if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else ""
        rest += "; preload" if settings.SECURE_HSTS_PRELOAD else ""
        headers.append(("Strict-Transport-Security", f"max-age={settings.SECURE_HSTS_SECONDS}{rest}"))
    return Gate(
        application,
        room,
        tickets,
        _compose,
        secure=secure,
        https=settings.SECURE_PROXY_SSL_HEADER,
        headers=headers,
    )
