"""Second factors of the cast: an application that counts, and a login that gives its code."""

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.test import Client

from families.models import User
from tests.factories import PASSWORD

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
LOGIN, ASKED = "/connexion/", "/connexion/double-authentification/"
FACTORS, CODES = "/double-authentification/", "/double-authentification/codes/"


def enrol(user: User) -> list[str]:
    """Gives the user an application that counts from SECRET; the recovery codes that came with it."""
    TOTP.activate(user, SECRET)
    return RecoveryCodes.activate(user).get_unused_codes()


def code(step: int = 0, secret: str = SECRET) -> str:
    """What the application shows now, or `step` half minutes later."""
    now = list(yield_hotp_counters_from_time())[1]
    return format_hotp_value(hotp_value(secret, now + step))


def log_in(user: User, *, factor: str = "", client: Client | None = None, password: str = PASSWORD) -> Client:
    """A browser that gave the password, then the code where there is one to give."""
    client = client or Client()
    client.post(LOGIN, {"login": user.username, "password": password})
    if factor:
        client.post(ASKED, {"code": factor})
    return client


def who(client: Client) -> str:
    """The pk of who is logged in; empty for nobody."""
    return str(client.session.get("_auth_user_id", ""))


def factors_of(user: User) -> set[str]:
    return set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
