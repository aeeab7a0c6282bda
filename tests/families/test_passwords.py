"""How passwords are hashed."""

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher, get_hasher

from families.models import User
from families.passwords import ArgonHasher
from portal import settings as portal_settings
from tests.conftest import Family
from tests.factories import PASSWORD
from tests.families.test_login import log_in

OURS = "argon2$argon2id$v=19$m=19456,t=2,p=1$"


@pytest.fixture
def real_hashers(settings) -> None:
    """The portal's own, which other tests do without."""
    settings.PASSWORD_HASHERS = portal_settings.PASSWORD_HASHERS


def test_a_password_is_hashed_by_argon2id_as_owasp_asks_for_at_least(real_hashers):
    user = User()
    user.set_password(PASSWORD)
    assert user.password.startswith(OURS)
    assert isinstance(get_hasher(), ArgonHasher)


@pytest.mark.django_db
@pytest.mark.parametrize("of_before", [Argon2PasswordHasher, PBKDF2PasswordHasher])
def test_a_hash_of_before_opens_and_is_made_anew_at_login(roux: Family, real_hashers, of_before):
    old = of_before().encode(PASSWORD, "selselselselselselselsel")
    User.objects.filter(pk=roux.user.pk).update(password=old)
    log_in("roux", "faux")
    roux.user.refresh_from_db()
    assert roux.user.password == old
    for _ in range(2):
        assert log_in("roux").url == "/"
    roux.user.refresh_from_db()
    assert roux.user.password.startswith(OURS)


@pytest.mark.django_db
def test_an_unknown_login_hashes_once_like_a_known_one(roux: Family, real_hashers, monkeypatch):
    User.objects.filter(pk=roux.user.pk).update(password=ArgonHasher().encode(PASSWORD, "selselselselsel1"))
    hashed = []
    for name in ("encode", "verify"):
        does = getattr(ArgonHasher, name)
        monkeypatch.setattr(
            ArgonHasher, name, lambda *given, _does=does: hashed.append(given) or _does(*given)
        )
    for login in ("roux", "personne", "roux@example.org", "personne@example.org"):
        log_in(login, "faux")
        assert len(hashed) == 1, login
        hashed.clear()
