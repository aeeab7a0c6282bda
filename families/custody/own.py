"""Staff who are also parents never decide about their own household: asked by every verb of decision.

    check(by, [household.pk], right="families.change_household", at=at)

Where nobody else has the right, whoever decides says first why (`declare`): it is kept, and written to the
town's address; it holds for an hour.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet

from families.models import AccessOpening, Custody, Guardian, Household, OwnDecision, User
from portal import town
from portal.database import trials
from portal.database.composed import Composed, Given
from portal.database.kept import once_a_page
from portal.letters import mailing

DECLARED_FOR = timedelta(hours=1)
SOMEBODY_ELSE = "C'est votre propre foyer, ou celui d'un de vos enfants : un collègue décide à votre place."
NOBODY_ELSE = (
    "C'est votre propre foyer, ou celui d'un de vos enfants, et personne d'autre n'a ce droit : "
    "indiquez d'abord pourquoi vous décidez vous-même."
)


class OwnHousehold(PermissionDenied):
    """A decision about one's own household. `str()` is a sentence for the agent; `household` (a key) is that
    for which one may declare to decide alone, None where a colleague decides."""

    def __init__(self, text: str, household: int | None = None) -> None:
        self.household = household
        super().__init__(text)


@once_a_page
def households_of(user: User) -> frozenset[int]:
    """The keys of the households about which `user` has no say: those in which he or she is a guardian, or
    waits to be one, and those that share, or shared, a child with them."""
    mine = set(_homes_of(adult=user.pk))
    if not mine:
        return frozenset()
    shared = Custody.objects.filter(child__custodies__household__in=mine)
    return frozenset(mine | set(shared.values_list("household_id", flat=True)))


@Composed
def _homes_of() -> "QuerySet[Any, int]":
    waits = AccessOpening.objects.waiting().filter(user=Given("adult")).order_by()
    there = Guardian.objects.filter(user=Given("adult")).order_by().values_list("household_id", flat=True)
    return there.union(waits.values_list("household_id", flat=True))


def check(by: User | None, households: Collection[int], *, right: str, at: datetime) -> None:
    """Raises OwnHousehold where `by` is a member of staff, and a parent in one of these households (keys)."""
    if by is None or not by.is_staff or trials.current() is not None:
        return  # a trial household is nobody's: who tries answers what it asks for
    own = households_of(by) & set(households)
    if not own:
        return
    if _somebody_else(by, own, right):
        raise OwnHousehold(SOMEBODY_ELSE)
    declared = OwnDecision.objects.filter(user=by, at__gt=at - DECLARED_FOR, household__in=own)
    if missing := own - set(declared.values_list("household_id", flat=True)):
        raise OwnHousehold(NOBODY_ELSE, min(missing))


def kept_from(user: User, *, right: str, at: datetime) -> frozenset[int]:
    """The keys of the households of which `user`, a parent there, does not read what colleagues wrote for one
    another: all of the own, but where nobody else has the right and why was said within the hour."""
    mine = households_of(user) if user.is_staff else frozenset[int]()
    if not mine:
        return mine
    said = OwnDecision.objects.filter(user=user, at__gt=at - DECLARED_FOR, household__in=mine)
    declared = set(said.values_list("household_id", flat=True))
    return mine - {one for one in declared if not _somebody_else(user, {one}, right)}


def others(right: str, *, but: User | None) -> list[User]:
    """The other members of staff who have a right."""
    staff = User.objects.filter(is_staff=True, is_active=True)
    if but is not None:
        staff = staff.exclude(pk=but.pk)
    return [one for one in staff.order_by("pk") if one.has_perm(right)]


def _somebody_else(by: User, own: Collection[int], right: str) -> bool:
    return any(not households_of(one) & set(own) for one in others(right, but=by))


@transaction.atomic
def declare(by: User, household: Household, *, reason: str, at: datetime) -> OwnDecision:
    """Says why somebody decides alone about the own household; tells the town. Raises ValueError without a
    reason."""
    if not reason.strip():
        raise ValueError("a decision about the own household has a reason")
    said = OwnDecision.objects.create(
        user=by,
        user_name=by.get_full_name() or by.username,
        household=household,
        reason=reason.strip()[:300],
        at=at,
    )
    mailing.post("families/own_decision", [town.current().email], {"name": "", "said": said})
    return said
