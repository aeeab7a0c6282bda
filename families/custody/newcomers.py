"""One more child, one more adult: what a household asks, and what becomes of it with the town hall's answer.

    ask_child(household, said, by=guardian, at=now)      the child is there at once, and waits for the answer
    ask_guardian(household, said, by=guardian, at=now)   nobody is written to before the town hall says yes
    accept(change, by=agent, at=now)      refuse(change, reason=…, by=agent, at=now)
    withdraw(change, by=guardian, at=now)

While a child waits its family fills its file and prepares its enrolments, as a new account does; nothing of
it stands (`approval.awaited`). Refused or withdrawn it leaves the household; corrected and sent again it is
the same child, with all that was said of it. Which child known elsewhere it may be, the desk sees as it does
of a new account, and joins the two (`families/admin/twins.py`).
"""

from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.utils import timezone

from families import approval, emails, login_names
from families.custody import ending, homes, openings
from families.models import ChangeRequest, Child, Custody, Guardian, Household, User
from portal.french.spelling import bare

Kind, State = ChangeRequest.Kind, ChangeRequest.State
KINDS = (Kind.CHILD, Kind.GUARDIAN)
MOST_WAITING = 12


class NewcomerRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


class NewChild(NamedTuple):
    first_name: str
    last_name: str
    birth_date: date


class NewAdult(NamedTuple):
    first_name: str
    last_name: str
    email: str


def ask_child(
    household: Household, said: NewChild, *, by: User, at: datetime, again: ChangeRequest | None = None
) -> ChangeRequest | None:
    """The child, and its request; None where the household itself still waits: the town hall sees them
    together. `again` is the request that was refused, or taken back. Raises NewcomerRefused."""
    with transaction.atomic():
        if again is not None:
            _custody(again)
        home = _held(household)
        if (
            ChangeRequest.objects.filter(household=home, kind=Kind.CHILD, state=State.REQUESTED).count()
            >= MOST_WAITING
        ):
            raise NewcomerRefused("Plusieurs demandes attendent déjà : la mairie va y répondre.")
        today = timezone.localdate(at)
        for one in Child.objects.living_in(home, today).filter(birth_date=said.birth_date):
            if bare(one.first_name) == bare(said.first_name) and bare(one.last_name) == bare(said.last_name):
                raise NewcomerRefused(f"{one} est déjà l'un de vos enfants.")
        child = _sent_again(home, again)
        if child is None:
            child = Child.objects.create(**said._asdict())
            Custody.objects.create(child=child, household=home, since=today)
        else:
            _comes_back(child, home, said, today)
        if not home.is_accepted:
            return None
        change = ChangeRequest.objects.create(
            household=home, kind=Kind.CHILD, child=child, requested_by=by, **said._asdict()
        )
        emails.change_requested(change)
    return change


def ask_guardian(household: Household, said: NewAdult, *, by: User, at: datetime) -> ChangeRequest:
    """Raises NewcomerRefused. Whether the address has an account is told to nobody here."""
    with transaction.atomic():
        home = _held(household)
        if not home.is_accepted:
            raise NewcomerRefused(
                "La mairie valide d'abord votre compte : vous inviterez cette personne ensuite."
            )
        if ChangeRequest.objects.filter(household=home, kind=Kind.GUARDIAN, state=State.REQUESTED).exists():
            raise NewcomerRefused("Une invitation attend déjà la réponse de la mairie.")
        address = login_names.normal_form(said.email)
        if _sees(home, address):
            raise NewcomerRefused("La personne qui a cette adresse voit déjà votre foyer.")
        change = ChangeRequest.objects.create(
            household=home,
            kind=Kind.GUARDIAN,
            requested_by=by,
            **said._replace(email=address)._asdict(),
        )
        emails.change_requested(change)
    return change


def accept(change: ChangeRequest, *, by: User, at: datetime) -> ChangeRequest:
    """Raises AlreadyAnswered, OpeningRefused."""
    with transaction.atomic():
        change = approval.accept_change(change, by=by, at=at)
        if change.kind == Kind.GUARDIAN and change.requested_by is not None:
            openings.invite(_adult(change), change.email, by=change.requested_by, at=at)
    return change


def refuse(change: ChangeRequest, *, reason: str, by: User, at: datetime) -> ChangeRequest:
    """Raises ReasonMissing, AlreadyAnswered."""
    with transaction.atomic():
        held = _custody(change)
        change = approval.refuse_change(change, reason=reason, by=by, at=at)
        _leaves(held, "Ajout refusé", by=by, at=at)
    return change


def withdraw(change: ChangeRequest, *, by: User, at: datetime) -> ChangeRequest:
    """The family takes it back. Raises AlreadyAnswered."""
    with transaction.atomic():
        held = _custody(change)
        change = approval.withdraw_change(change, by=by, at=at)
        _leaves(held, "Ajout retiré par la famille", by=by, at=at)
    return change


def leave_out(child: Child, home: Household, *, by: User, at: datetime) -> None:
    """A household that was refused sends its request again without this child: it leaves, and what was
    prepared for it is over. Called within the transaction that sends again."""
    _leaves(homes.held(child.pk, home.pk), "Retiré de la demande par la famille", by=by, at=at)


def as_typed(change: ChangeRequest) -> dict[str, Any]:
    """What was typed, for the form that corrects it."""
    names = NewChild._fields if change.kind == Kind.CHILD else NewAdult._fields
    return {name: getattr(change, name) for name in names}


def _held(household: Household) -> Household:
    """Raises NewcomerRefused for a household that was refused."""
    Household.objects.lock([household.pk])
    home = Household.objects.get(pk=household.pk)
    if home.is_refused:
        raise NewcomerRefused("La mairie n'a pas validé votre compte famille.")
    return home


def _sees(home: Household, address: str) -> bool:
    here = Guardian.objects.filter(household=home, user__isnull=False).values_list("user__email", flat=True)
    return address in {login_names.normal_form(one) for one in here}


def _sent_again(home: Household, again: ChangeRequest | None) -> Child | None:
    """The child of a request of this household that ended without a yes; None for a new one."""
    if again is None or again.household_id != home.pk or again.state not in (State.REFUSED, State.WITHDRAWN):
        return None
    child = again.child
    if child is None or Custody.objects.filter(child=child).exclude(household=home).exists():
        return None
    return child


def _comes_back(child: Child, home: Household, said: NewChild, today: date) -> None:
    custody = homes.held(child.pk, home.pk)
    if custody is None or custody.holds_on(today):
        raise NewcomerRefused(f"{child} est déjà l'un de vos enfants.")
    custody.since, custody.until = today, None
    custody.save()
    for name, value in said._asdict().items():
        setattr(child, name, value)
    child.save()


def _custody(change: ChangeRequest) -> Custody | None:
    """Held before the household and its request are, as by whoever acts on a child."""
    return homes.held(change.child_id, change.household_id) if change.child_id else None


def _leaves(custody: Custody | None, note: str, *, by: User, at: datetime) -> None:
    today = timezone.localdate(at)
    if custody is not None and custody.holds_on(today):
        over = ending.Ending(until=today, future=ending.Future.CANCEL, note=note)
        ending.end(custody, over, by=by, at=at, told=False)


def _adult(change: ChangeRequest) -> Guardian:
    """Whom the town hall knows by this name without a login, or somebody new."""
    known = Guardian.objects.filter(household=change.household_id, user=None).order_by("pk")
    for one in known.exclude(access_openings__state="waiting"):
        if (bare(one.first_name), bare(one.last_name)) == (bare(change.first_name), bare(change.last_name)):
            return one
    return Guardian.objects.create(
        household_id=change.household_id,
        first_name=change.first_name,
        last_name=change.last_name,
        is_payer=False,
    )
