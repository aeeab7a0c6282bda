"""An adult leaves a household for another home, with children wholly, in both homes, or not at all.

    foresee(parting, at=…) -> Foreseen               what it would do, what it asks, what stands in the way
    part(parting, shown, reason=…, by=…, at=…)       does it, all or nothing

What was billed stays where it was: who owes an invoice is who had it, and no agent shares a debt out.
Children that leave wholly take their enrolments and days along from the day that is said (`custody.ending`);
those of two homes keep theirs where they are, and the new home may enrol them too. Quotients are not copied:
each home gives its own. Locks as in `joining`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from families import approval, emails
from families.custody import ending, own
from families.custody.ending import Ending, Future
from families.joining.joining import (
    MOVED_MEANWHILE,
    REASON_LENGTH,
    RIGHT,
    Choice,
    Foreseen,
    hold_children,
    note,
    written_down,
)
from families.models import (
    AccessOpening,
    AlreadyAnswered,
    ChangeRequest,
    Child,
    Custody,
    DataExport,
    ErasureRequest,
    Guardian,
    HomeChange,
    Household,
    Letter,
    User,
)
from portal.database.history import written_by
from portal.french.dates import short_day
from portal.french.moments import listing

ADULTS, CHILDREN, HOME, MONEY = "Adultes", "Enfants", "Nouveau foyer", "Ce qui reste"
A_YEAR = timedelta(days=366)


class PartingRefused(Exception):
    """Nothing was written; `str()` says why, in French."""


class Goes(models.TextChoices):
    """Where a child of the household lives afterwards."""

    STAYS = "reste", "Reste dans ce foyer"
    BOTH = "deux", "Vit dans les deux foyers"
    LEAVES = "part", "Part avec ses inscriptions et ses jours"


class Address(NamedTuple):
    street: str
    street_more: str
    postcode: str
    city: str


@dataclass(frozen=True)
class Parting:
    """`adults` leave `household`, and children (by key) go as is said, on the day `since`. To `other`, or to
    a new household at `address`."""

    household: Household
    adults: tuple[Guardian, ...]
    children: Mapping[int, Goes]
    other: Household | None
    address: Address
    since: date
    answers: Mapping[str, str]

    @property
    def homes(self) -> list[int]:
        return sorted({self.household.pk, *([self.other.pk] if self.other else [])})

    def answer(self, choice: Choice) -> str:
        return choice.answered(self.answers)


class Part(NamedTuple):
    """What an app above does: `foresee` adds its lines; `part` acts, with the other home there."""

    foresee: Callable[[Parting, datetime, Foreseen], None]
    part: Callable[[Parting, Household, datetime], None]


_parts: dict[str, Part] = {}


def register(name: str, part: Part) -> None:
    """Adds an app's part; the same name again replaces it."""
    _parts[name] = part


def foresee(parting: Parting, *, at: datetime) -> Foreseen:
    """Reads only."""
    found = Foreseen()
    today = timezone.localdate(at)
    _check_homes(parting, found)
    _check_adults(parting, found)
    if not today <= parting.since <= today + A_YEAR:
        found.obstacles.append("Le départ est aujourd'hui ou un jour à venir, dans l'année.")
    found.say(HOME, _where(parting))
    found.say(ADULTS, *(f"{one} quitte le foyer n°\xa0{parting.household.number}." for one in parting.adults))
    if any(one.user_id for one in parting.adults):
        found.say(
            ADULTS,
            f"Qui part ne voit plus le foyer n°\xa0{parting.household.number}, ni ses factures.",
        )
    _say_children(parting, today, found)
    found.say(
        MONEY,
        "Les factures, règlements et reçus d'avant restent au foyer qui les a eus : une facture ne "
        "change pas de débiteur, et une dette ne se partage pas au guichet.",
        "Le quotient familial n'est pas copié : le nouveau foyer donne le sien.",
    )
    for part_ in _parts.values():
        part_.foresee(parting, at, found)
    return found


def _check_homes(parting: Parting, found: Foreseen) -> None:
    for home in (parting.household, parting.other):
        if home is None:
            continue
        if home.joined_to_id is not None or home.erased_at is not None or not home.is_accepted:
            found.obstacles.append(f"Le foyer n°\xa0{home.number} n'est pas un foyer en cours.")
    if ErasureRequest.objects.filter(
        household=parting.household, state=ErasureRequest.State.REQUESTED
    ).exists():
        found.obstacles.append("Une demande d'effacement attend sa réponse.")
    requests = ChangeRequest.objects.filter(
        household=parting.household, state=ChangeRequest.State.REQUESTED
    ).count()
    if requests:
        found.say(MONEY, "Les demandes de ce foyer qui attendent une réponse.")


def _check_adults(parting: Parting, found: Foreseen) -> None:
    leaving = {one.pk for one in parting.adults}
    if not leaving:
        found.obstacles.append("Choisissez qui part.")
    elif not Guardian.objects.filter(household=parting.household).exclude(pk__in=leaving).exists():
        found.obstacles.append("Il doit rester un adulte : si tout le foyer déménage, changez son adresse.")
    if AccessOpening.objects.waiting().filter(guardian__in=leaving).exists():
        found.obstacles.append(
            "Un accès attend d'être confirmé pour qui part : qu'il le soit, ou soit refusé."
        )
    if parting.other is None:
        return
    logins = [one.user_id for one in parting.adults if one.user_id]
    for there in Guardian.objects.filter(household=parting.other, user__in=logins):
        found.obstacles.append(
            f"{there} a déjà accès au foyer n°\xa0{parting.other.number} : retirez simplement cette personne "
            "de celui-ci."
        )


def _where(parting: Parting) -> str:
    if parting.other is not None:
        return f"Le foyer n°\xa0{parting.other.number}, qui existe déjà."
    street = ", ".join(part for part in parting.address[:2] if part)
    lives = approval.seems_resident(parting.address.postcode, parting.address.city)
    where = "dans la commune" if lives else "hors de la commune"
    return f"Un nouveau foyer, {where} : {street}, {parting.address.postcode} {parting.address.city}."


def _say_children(parting: Parting, today: date, found: Foreseen) -> None:
    custodies = _custodies(parting, today)
    when = short_day(parting.since, year=True)
    there = _living_in(parting.other, parting.children, today)
    strangers = parting.other is not None and Guardian.objects.filter(household=parting.other).exists()
    for key, goes in parting.children.items():
        custody = custodies.get(key)
        if custody is None or goes == Goes.STAYS:
            continue
        child = custody.child
        if strangers and key not in there:
            found.obstacles.append(
                f"{child} ne vit pas encore dans le foyer n°\xa0{parting.other and parting.other.number}, "
                "qui a d'autres adultes : ajoutez-lui d'abord ce foyer, et que l'accès soit confirmé."
            )
        if goes == Goes.BOTH:
            found.say(
                CHILDREN,
                f"{child} vit dans les deux foyers à partir du {when}. Ses inscriptions et ses jours "
                "restent où ils sont ; le nouveau foyer peut l'inscrire aussi.",
            )
            continue
        first = ending.first_free(parting.since, today)
        counts = ending.counts(custody, first)
        found.say(
            CHILDREN,
            f"{child} vit dans le nouveau foyer à partir du {when}, avec "
            f"{listing(counts) if counts else 'rien de réservé ni aucune inscription'}.",
        )


def _custodies(parting: Parting, today: date) -> dict[int, Custody]:
    rows = Custody.objects.on(today).filter(household=parting.household, child__in=parting.children)
    return {row.child_id: row for row in rows.select_related("child", "household")}


def _living_in(home: Household | None, children: Mapping[int, Goes], day: date) -> set[int]:
    if home is None:
        return set()
    rows = Custody.objects.on(day).filter(household=home, child__in=children)
    return set(rows.values_list("child_id", flat=True))


# The act --------------------------------------------------------------------------------------------------


def part(parting: Parting, shown: str, *, reason: str, by: User, at: datetime) -> HomeChange:
    """Parts as the preview with the fingerprint `shown` said. Raises PartingRefused, and OwnHousehold for a
    parent's own."""
    own.check(by, parting.homes, right=RIGHT, at=at)
    if not reason.strip():
        raise PartingRefused("Indiquez pourquoi ce foyer est séparé : l'historique le garde.")
    try:
        with transaction.atomic():
            return _part(parting, shown, reason.strip()[:REASON_LENGTH], by, at)
    except IntegrityError as clash:
        raise PartingRefused(MOVED_MEANWHILE) from clash
    except (ending.EndingRefused, AlreadyAnswered) as refusal:
        raise PartingRefused(str(refusal)) from refusal


def _part(parting: Parting, shown: str, reason: str, by: User, at: datetime) -> HomeChange:
    hold_children(parting.homes)
    if any(Household.objects.lock(parting.homes).values()):
        raise PartingRefused(MOVED_MEANWHILE)
    found = foresee(parting, at=at)
    if refusal := found.why_not(shown):
        raise PartingRefused(refusal)
    home = parting.other or _new_home(parting, by, at)
    for adult in parting.adults:
        adult.household = home
        written_by(adult, by).save()
    for model in (Letter, DataExport, AccessOpening):
        model._default_manager.filter(guardian__in=parting.adults).update(household=home)
    for part_ in _parts.values():
        part_.part(parting, home, at)
    _part_children(parting, home, reason, by, at)
    note(parting.household, f"Séparation : départ vers le foyer n°\xa0{home.number}. {reason}", by)
    note(home, f"Séparation : arrivée depuis le foyer n°\xa0{parting.household.number}. {reason}", by)
    change = written_down(HomeChange.Kind.PARTED, parting.household, home, found, reason=reason, by=by, at=at)
    emails.household_parted(change)
    return change


def _new_home(parting: Parting, by: User, at: datetime) -> Household:
    """Whoever makes a household at the desk has checked it."""
    address = parting.address
    return Household.objects.create(
        **address._asdict(),
        resident=approval.seems_resident(address.postcode, address.city),
        state=Household.State.ACCEPTED,
        decided_by=by,
        decided_at=at,
    )


def _part_children(parting: Parting, home: Household, reason: str, by: User, at: datetime) -> None:
    today = timezone.localdate(at)
    custodies = _custodies(parting, today)
    there = _living_in(home, parting.children, parting.since)
    for key, goes in sorted(parting.children.items()):
        custody = custodies.get(key)
        if custody is None or goes == Goes.STAYS:
            continue
        if key not in there:
            _settle_in(custody.child, home, parting.since, reason, by)
        if goes == Goes.LEAVES:
            end = Ending(parting.since, Future.HAND_OVER, home, reason)
            ending.end(custody, end, by=by, at=at, told=False)


def _settle_in(child: Child, home: Household, since: date, reason: str, by: User) -> None:
    """The child lives there from that day on; a custody that ended begins again on its row."""
    custody = Custody.objects.filter(child=child, household=home).first()
    if custody is None:
        custody = Custody(child=child, household=home)
    custody.since, custody.until = since, None
    written_by(custody, by, reason).save()
