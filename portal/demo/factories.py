"""Invented people, by factory-boy: the demo town's families, and what the tests' cast is made of.

Reseed with `factory.random.reseed_random(…)` and the same people come again.
"""

from datetime import date
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from factory.declarations import LazyAttribute, LazyFunction, PostGeneration, Sequence, SubFactory
from factory.django import DjangoModelFactory
from factory.faker import Faker

from families.models import (
    AuthorisedPerson,
    Child,
    ChildHealth,
    Custody,
    FamilyQuotient,
    Guardian,
    Household,
    User,
)

PASSWORD = "demo-2026-portail"  # noqa: S105 the demo tells it to everybody


def address_of(user: User) -> EmailAddress:
    """The verified address that allauth asks for before it lets `user` in (unsaved)."""
    return EmailAddress(user=user, email=user.email, verified=True, primary=True)


def _verify(user: User, create: bool, extracted: Any, **kwargs: Any) -> None:
    if create and extracted is not False:
        address_of(user).save()


class UserFactory(DjangoModelFactory[User]):
    """A login with a verified e-mail address and PASSWORD."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    username = Sequence(lambda n: f"famille{n:04d}")
    email = LazyAttribute(lambda user: f"{user.username}@example.org")
    password = LazyFunction(lambda: make_password(PASSWORD))

    verified_address = PostGeneration(_verify)


class HouseholdFactory(DjangoModelFactory[Household]):
    class Meta:
        model = Household

    street = Faker("street_address", locale="fr_FR")
    postcode = "01999"
    city = "Valmirelle-les-Prés"
    state = Household.State.ACCEPTED


class QuotientFactory(DjangoModelFactory[FamilyQuotient]):
    class Meta:
        model = FamilyQuotient

    household = SubFactory(HouseholdFactory)
    value = Faker("pydecimal", min_value=150, max_value=2400, right_digits=0)
    valid_from = date(2026, 1, 1)


class GuardianFactory(DjangoModelFactory[Guardian]):
    """An adult with an own login; `user=None` for one who has not created it."""

    class Meta:
        model = Guardian

    household = SubFactory(HouseholdFactory)
    user = SubFactory(UserFactory)
    first_name = Faker("first_name", locale="fr_FR")
    last_name = Faker("last_name", locale="fr_FR")
    # 06 39 98 00 00 to 06 39 98 99 99: kept by the Arcep for fiction.
    phone = Sequence(lambda n: f"06 39 98 {n // 100 % 100:02d} {n % 100:02d}")


def _live_in(child: Child, create: bool, extracted: Any, **kwargs: Any) -> None:
    for household in (extracted or []) if create else []:
        Custody.objects.create(child=child, household=household)


class ChildFactory(DjangoModelFactory[Child]):
    """A child; `households=[…]` says where it lives."""

    class Meta:
        model = Child
        skip_postgeneration_save = True

    first_name = Faker("first_name", locale="fr_FR")
    last_name = Faker("last_name", locale="fr_FR")
    birth_date = date(2018, 5, 14)

    households = PostGeneration(_live_in)


class HealthFactory(DjangoModelFactory[ChildHealth]):
    class Meta:
        model = ChildHealth

    child = SubFactory(ChildFactory)
    doctor = Faker("name", locale="fr_FR")


class AuthorisedPersonFactory(DjangoModelFactory[AuthorisedPerson]):
    class Meta:
        model = AuthorisedPerson

    child = SubFactory(ChildFactory)
    name = Faker("name", locale="fr_FR")
    relationship = "Grand-parent"
    phone = Sequence(lambda n: f"06 39 98 {n // 100 % 100:02d} {n % 100:02d}")
