"""Secrets of second factors stand encrypted, and follow the newest key."""

from io import StringIO

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.management import call_command

from families.signing_in import factor_secrets
from tests.factories import UserFactory
from tests.portal.database.test_encrypted import NEW


def kept() -> dict[str, str]:
    """What the database holds of each authenticator's secret."""
    return {
        one.type: one.data.get("secret") or one.data["seed"] for one in Authenticator.objects.order_by("pk")
    }


def test_no_secret_stands_in_clear_and_its_owner_s_codes_work(db, agent):
    secret = generate_totp_secret()
    TOTP.activate(agent, secret)
    codes = RecoveryCodes.activate(agent).get_unused_codes()
    assert secret not in str(kept())
    assert all(text.startswith("enc1:") for text in kept().values())
    again = Authenticator.objects.get(user=agent, type="recovery_codes").wrap()
    assert again.get_unused_codes() == codes


def test_another_key_takes_them_over(db, agent, settings):
    secret = generate_totp_secret()
    TOTP.activate(agent, secret)
    codes = RecoveryCodes.activate(agent).get_unused_codes()
    before = kept()
    old = settings.FIELD_KEYS
    settings.FIELD_KEYS = [NEW, *old]
    out = StringIO()
    call_command("rotate_keys", "--essai", stdout=out)
    assert "secrets de double authentification : 2 valeurs" in out.getvalue()
    call_command("rotate_keys", stdout=out)
    assert "secrets de double authentification : 2 lignes rechiffrées" in out.getvalue()
    settings.FIELD_KEYS = [NEW]
    assert all(before[kind] != text for kind, text in kept().items())
    assert factor_secrets.decrypt(kept()["totp"]) == secret
    assert Authenticator.objects.get(type="recovery_codes").wrap().get_unused_codes() == codes
    assert factor_secrets.encrypt_again() == (0, 0)


def test_without_its_key_no_code_fits_and_nothing_is_written_over(db, settings):
    user = UserFactory()
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    before = kept()
    settings.FIELD_KEYS = [NEW]
    assert secret not in {factor_secrets.decrypt(before["totp"]) for _ in range(3)}
    assert len({factor_secrets.decrypt(before["totp"]) for _ in range(3)}) == 3
    assert factor_secrets.encrypt_again() == (0, 1)
    assert kept() == before
