"""What the town hall answers to families: the only writer of the states of households and of their requests.

Each verb is repeatable: answering what is already answered raises AlreadyAnswered and changes nothing.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from django.db import transaction
from django.db.models import Model, OuterRef, QuerySet
from django.utils import timezone

from families import diets, emails, quotients, residences
from families.addresses import Address
from families.custody import own
from families.models import AlreadyAnswered as AlreadyAnswered
from families.models import ChangeRequest, Child, Household, User
from portal import town
from portal.french.spelling import folded

Asked = TypeVar("Asked", Household, ChangeRequest)
ADDRESS = ("street", "street_more", "postcode", "city")


class Preparations(Protocol):
    """What families prepare in an app above before the town hall has answered: lent by it."""

    # Its tables that lead to a child.
    models: tuple[type[Model], ...]

    def only_prepared(self, child: Child) -> bool:
        """Whether all that these tables hold of the child still waits."""

    def carry(self, copy: Child, known: Child, household: int) -> None:
        """What the household prepared for `copy` is for `known` from now on. Within a transaction."""

    def accepted(self, household: Household, at: datetime, *, child: Child | None = None) -> None:
        """The household is opened, or one more child accepted: what needs nobody's answer stands. Within the
        same transaction."""

    def refused(self, household: Household, by: User, at: datetime) -> None:
        """The household stays closed: what it prepared is over."""

    def sent_again(self, household: Household) -> None:
        """It asks again: what was over with the refusal waits with it. Within the same transaction."""


_preparations: list[Preparations] = []


def lend(preparations: Preparations) -> None:
    """For an app above, once it is ready."""
    _preparations.append(preparations)


def awaited(household: int | OuterRef, child: int | OuterRef) -> QuerySet[ChangeRequest]:
    """The request by which a household (by key) asks that this child be one of its own, while the town hall
    has not answered: until then the child is there, and what is asked for it is only prepared."""
    waiting = ChangeRequest.objects.filter(kind=ChangeRequest.Kind.CHILD, state=ChangeRequest.State.REQUESTED)
    return waiting.filter(household=household, child=child)


class ReasonMissing(Exception):
    """A refusal says why. `str()` is a sentence for the agent."""


def seems_resident(postcode: str, city: str) -> bool:
    """What a new household's address says before an agent checks it: neither the town's name nor the
    postcode of its town hall, where one is written, is an address elsewhere."""
    here = town.current()
    postcodes = re.findall(r"\b\d{5}\b", here.address)
    return not postcodes or postcode in postcodes or folded(city) == folded(here.name)


def residence_after(change: ChangeRequest) -> bool | None:
    """Whether the household would come to live in the town (True) or no longer (False); None: as before.

    An agent's own word on the residence stands as long as the two addresses seem alike.
    """
    household = change.household
    here = seems_resident(change.postcode, change.city)
    if here == seems_resident(household.postcode, household.city) or here == household.resident:
        return None
    return here


def accept_household(household: Household, *, by: User, at: datetime) -> Household:
    """Opens the portal to a household. Raises AlreadyAnswered."""
    own.check(by, [household.pk], right="families.change_household", at=at)
    with transaction.atomic():
        household = _waiting(Household, household.pk)
        _answer(household, Household.State.ACCEPTED, "", by, at)
        for one in _preparations:
            one.accepted(household, at)
        emails.household_accepted(household)
    return household


def refuse_household(household: Household, *, reason: str, by: User, at: datetime) -> Household:
    """Raises ReasonMissing, AlreadyAnswered."""
    reason = _needed(reason)
    own.check(by, [household.pk], right="families.change_household", at=at)
    with transaction.atomic():
        household = _waiting(Household, household.pk)
        _answer(household, Household.State.REFUSED, reason, by, at)
        for one in _preparations:
            one.refused(household, by, at)
        emails.household_refused(household)
    return household


@transaction.atomic
def send_again(household: Household, address: Mapping[str, str]) -> Household:
    """A refused household asks once more, with its address as corrected. What was answered stands until the
    next answer: the town hall reads when and why it refused. Raises AlreadyAnswered."""
    Household.objects.lock([household.pk])
    household = Household.objects.get(pk=household.pk)
    if not household.is_refused:
        raise AlreadyAnswered("Votre demande n'est plus refusée : rien n'est à renvoyer.")
    for name in ADDRESS:
        setattr(household, name, address[name])
    household.resident = seems_resident(household.postcode, household.city)
    household.state = Household.State.REQUESTED
    household.save()
    for one in _preparations:
        one.sent_again(household)
    return household


def accept_change(change: ChangeRequest, *, by: User, at: datetime) -> ChangeRequest:
    """Takes over the address or the quotient that was asked for; one more child's preparations stand. (Of one
    more adult see `families.custody.newcomers`.) Raises AlreadyAnswered."""
    own.check(by, [change.household_id], right="families.change_changerequest", at=at)
    with transaction.atomic():
        change = _waiting(ChangeRequest, change.pk)
        if change.kind == ChangeRequest.Kind.ADDRESS:
            _take_over_address(change, at)
        elif change.kind == ChangeRequest.Kind.QUOTIENT:
            _take_over_quotient(change)
        _answer(change, ChangeRequest.State.ACCEPTED, "", by, at)
        if change.child is not None:
            for one in _preparations:
                one.accepted(change.household, at, child=change.child)
        emails.change_accepted(change)
    return change


def refuse_change(change: ChangeRequest, *, reason: str, by: User, at: datetime) -> ChangeRequest:
    """Raises ReasonMissing, AlreadyAnswered."""
    reason = _needed(reason)
    own.check(by, [change.household_id], right="families.change_changerequest", at=at)
    with transaction.atomic():
        change = _waiting(ChangeRequest, change.pk)
        _answer(change, ChangeRequest.State.REFUSED, reason, by, at)
        emails.change_refused(change)
    return change


def withdraw_change(change: ChangeRequest, *, by: User, at: datetime) -> ChangeRequest:
    """The family takes back what it asked. Raises AlreadyAnswered."""
    with transaction.atomic():
        change = _waiting(ChangeRequest, change.pk)
        _answer(change, ChangeRequest.State.WITHDRAWN, "", by, at)
    return change


@dataclass(frozen=True)
class Twins:
    """A child as a household typed it, and the children known elsewhere that it may be."""

    child: Child
    known: list[Child]


def known_twins(household: Household) -> list[Twins]:
    """Children of this household that are already known elsewhere: same names, same day of birth. Several may
    be meant: somebody at the town hall says which."""
    mine = list(Child.objects.living_in(household, timezone.localdate()))
    others = (
        Child.objects.filter(birth_date__in={child.birth_date for child in mine}, joined_to=None)
        .exclude(pk__in=[child.pk for child in mine])
        .order_by("pk")
    )
    found = defaultdict(list)
    for child in others:
        found[identity(child)].append(child)
    return [Twins(child, found[identity(child)]) for child in mine if identity(child) in found]


def is_used(child: Child) -> bool:
    """Whether an app above this one refers to the child, by more than what its family prepared."""
    prepared = {model for one in _preparations if one.only_prepared(child) for model in one.models}
    above = (
        link
        for link in Child._meta.related_objects
        if link.related_model._meta.app_label != "families" and link.related_model not in prepared
    )
    return any(
        link.related_model._default_manager.filter(**{link.field.name: child}).exists() for link in above
    )


def carry_prepared(copy: Child, known: Child, household: int, *, at: datetime) -> None:
    """What a household prepared for its copy of a child is for the child known elsewhere from now on."""
    ChangeRequest.objects.filter(child=copy).update(child=known)
    diets.carry(copy, known, household, at=at)
    for one in _preparations:
        one.carry(copy, known, household)


def identity(child: Child) -> tuple[str, str, str]:
    """By what a child typed twice is recognised: names however they are written, and the day of birth."""
    return folded(child.first_name), folded(child.last_name), child.birth_date.isoformat()


def same_as(child: Child) -> list[Child]:
    """The children known already by which this one may be typed twice."""
    rows = Child.objects.filter(birth_date=child.birth_date, joined_to=None, erased_at=None)
    return [one for one in rows.exclude(pk=child.pk).order_by("pk") if identity(one) == identity(child)]


def _waiting(model: type[Asked], pk: int) -> Asked:
    row = model.objects.select_for_update().get(pk=pk)
    if row.state != model.State.REQUESTED:
        raise AlreadyAnswered(f"« {row} » a déjà reçu une réponse : {row.get_state_display().lower()}.")
    return row


def _answer(row: Household | ChangeRequest, state: str, reason: str, by: User, at: datetime) -> None:
    row.state, row.refusal_reason, row.decided_by, row.decided_at = state, reason, by, at
    row.save()


def _needed(reason: str) -> str:
    if not reason.strip():
        raise ReasonMissing("Indiquez le motif du refus : la famille le lira.")
    return reason.strip()


def _take_over_address(change: ChangeRequest, at: datetime) -> None:
    """The address at once; where it changes the residence, from the day of the move, or else from today."""
    household, moved = change.household, residence_after(change)
    before, since = Address.of(household), change.valid_from or timezone.localdate(at)
    for name in ADDRESS:
        setattr(household, name, getattr(change, name))
    household.save()
    residences.move(household, before, since=since, at=at)
    if moved is not None:
        residences.settle(household, resident=moved, since=since, at=at)


def _take_over_quotient(change: ChangeRequest) -> None:
    """It was known when it was asked for, however long the answer took."""
    start, value = change.valid_from, change.quotient
    if start is None or value is None:
        raise ValueError("the database keeps no request for a quotient without its value and its start")
    known_on = timezone.localdate(change.requested_at)
    quotients.take_over(change.household, value, start, known_on=known_on)
