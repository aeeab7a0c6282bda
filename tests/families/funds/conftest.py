"""A town that has a key, and the service that it asks."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from families.funds import consents, rounds
from families.funds.interface import Identity
from families.models import QuotientConsent
from tests.conftest import NOW, Family
from tests.fakes.particulier_server import FakeParticulier

SIRET = "21350238800019"


def identity(who: Family, **changed: Any) -> Identity:
    """Of the adult who logs in."""
    adult = who.household.guardians.get(user=who.user)
    usual = Identity(
        birth_name=adult.last_name,
        first_names=(adult.first_name,),
        birth_date=date(1989, 12, 3),
        sex="F",
        town="Rennes",
        department="35",
    )
    return replace(usual, **changed)


def agreed(who: Family) -> QuotientConsent:
    adult = who.household.guardians.get(user=who.user)
    return consents.give(adult, identity(who), by=who.user, at=NOW)


@pytest.fixture
def particulier(settings, monkeypatch) -> Iterator[FakeParticulier]:
    """The API Particulier, asked by the real client; nobody waits between two questions."""
    monkeypatch.setattr(rounds, "pause", lambda seconds: None)
    fake = FakeParticulier("jeton")
    with fake.running():
        settings.API_PARTICULIER_TOKEN = fake.token
        settings.API_PARTICULIER_SIRET = SIRET
        settings.API_PARTICULIER_URL = fake.url
        yield fake
