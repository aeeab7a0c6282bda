"""A family that registered twice, and the act that makes one household of it."""

from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from families.custody import openings
from families.joining import joining
from families.models import AccessOpening, Household, User
from portal.reservations.models import Enrolment
from tests.conftest import Family
from tests.factories import (
    ChildFactory,
    DietChoiceFactory,
    EnrolmentFactory,
    GuardianFactory,
    HouseholdFactory,
    UserFactory,
)

WHY = "Inscrits deux fois à la rentrée."


def double_of(who: Family, *, login: str = "double", enrolled: bool = True, **home: Any) -> Family:
    """The same adult and the same child, typed again in a household of their own, enrolled there as here."""
    child, guardian = who.child, who.guardian
    household = HouseholdFactory(**home)
    user = UserFactory(username=login) if login else None
    adult = GuardianFactory(
        household=household, user=user, first_name=guardian.first_name, last_name=guardian.last_name
    )
    again = ChildFactory(
        first_name=child.first_name.upper(),
        last_name=child.last_name,
        birth_date=child.birth_date,
        households=[household],
    )
    enrolment = None
    if enrolled and who.enrolment:
        like = Enrolment.objects.get(pk=who.enrolment.pk)
        enrolment = EnrolmentFactory(
            household=household,
            child=again,
            activity=like.activity,
            establishment=like.establishment,
            school_year=like.school_year,
            requested_by=user,
            starts_on=date(2026, 9, 1),
        )
        DietChoiceFactory(child=again)
    return Family(household, adult, user or who.user, again, enrolment)


def look(kept: Household, emptied: Household, **answers: str) -> joining.Foreseen:
    """The preview, with these answers."""
    return joining.foresee(joining.read(kept, emptied, answers), at=timezone.now())


def make_one(
    kept: Household, emptied: Household, *, by: User, at: datetime | None = None, **answers: str
) -> list[str]:
    """Looks, then joins; returns what was said."""
    at = at or timezone.now()
    kept.refresh_from_db()
    emptied.refresh_from_db()
    asked = joining.read(kept, emptied, answers)
    shown = joining.foresee(asked, at=at)
    said: list[str] = joining.join(asked, shown.fingerprint, reason=WHY, by=by, at=at).said
    kept.refresh_from_db()
    emptied.refresh_from_db()
    return said


def confirmed(*, at: datetime | None = None) -> User:
    """A second agent confirms every access that waits."""
    colleague, _ = User.objects.get_or_create(username="collegue", defaults={"is_staff": True})
    colleague.groups.add(Group.objects.get_or_create(name="Agent")[0])
    for opening in AccessOpening.objects.waiting().order_by("pk"):
        openings.confirm(opening, by=colleague, at=at or timezone.now())
    return colleague
