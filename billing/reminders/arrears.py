"""The only writer of decisions about arrears: made by somebody, after reminders, with a date and a sentence.

    to_decide(today) -> [Candidate]             households of which one may decide, and what they owe
    foresee(household, wanted, at=…) -> Foreseen  what a decision would stop, and whose days; writes nothing
    decide(household, wanted, seen=…, by=…, at=…) -> ArrearsDecision
    take_back(decision, reason=…, by=…, at=…)   at any time
    settle(at=…) -> int                         nightly: those that are paid, or past their date, are over

Nothing here decides by itself: a night only ends. Days that are booked stand. What a decision stops is said
by `condition` (`portal.reservations.acts.conditions`), in one sentence for pages and verbs.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from simple_history.utils import bulk_update_with_history

from billing.models import ArrearsDecision, BillingSettings
from billing.payments import paying
from billing.reminders import reminder_letters, reminding
from billing.reminders.reminder_letters import RemindedInvoice
from billing.rules import arrears as rules
from billing.rules.arrears import Owed, Stops
from families.custody import own
from families.models import Child, Custody, Household, User
from families.visibility import holds
from portal import town
from portal.database.composed import Composed, Given, GivenMany
from portal.database.history import written_by
from portal.database.kept import KeptAWhile, once_a_page
from portal.french import moments
from portal.french.amounts import euros
from portal.french.plurals import counted
from portal.letters import mailing
from portal.reservations.acts import conditions
from portal.reservations.acts.conditions import Unmet, Wish
from portal.reservations.models import Activity, Booking, Enrolment, SchoolYear
from portal.reservations.states import Override

RIGHT = "billing.add_arrearsdecision"
TAKE_BACK = "billing.change_arrearsdecision"
ZERO = Decimal(0)
CHUNK = 100
CHANGED = "Depuis l'aperçu, quelque chose a changé : vérifiez de nouveau, puis confirmez."


class ArrearsRefused(Exception):
    """Nothing is decided; the message says why in French."""


class DecisionChanged(ArrearsRefused):
    """What was seen is no longer what would be."""


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to decide, as typed."""

    stops: Stops
    activities: Sequence[Activity]
    sentence: str
    reason: str
    until: date | None = None
    school_year: SchoolYear | None = None


@dataclass(frozen=True)
class Candidate:
    """A household of which one may decide: what is left of reminded invoices, in euros, and since when."""

    household: int
    left: Decimal
    invoices: int
    reminders: int
    reminded_on: date
    decided: bool


@dataclass
class Foreseen:
    """What a decision would do: on which invoices it rests, whom it concerns, how many booked days stand."""

    owed: list[Owed] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    ends_when_paid: bool = True
    concerned: list[str] = field(default_factory=list)
    standing: int = 0
    said: str = ""

    @property
    def left(self) -> Decimal:
        return sum((one.left for one in self.owed), ZERO)

    @property
    def stamp(self) -> str:
        """Another one as soon as something that was shown is no longer so."""
        shown = (self.keys, str(self.left), self.ends_when_paid, self.concerned, self.standing, self.said)
        return hashlib.sha256(repr(shown).encode()).hexdigest()


# Who may be decided about ----------------------------------------------------------------------------------


def _rows(today: date, **of: object) -> list[RemindedInvoice]:
    rows = reminding.with_reminders(reminding.overdue(today).filter(**of))
    return list(rows.order_by("household", "pay_by", "sequence"))


def _owed(rows: Sequence[RemindedInvoice], today: date) -> list[Owed]:
    """What is late of each: of one paid in several times, no more than was due before today. After reminders
    of an earlier due date, the days to wait count from the one that was missed since."""
    late = reminder_letters.late_of(rows, today)
    found = []
    for one in rows:
        reminded = max(timezone.localdate(one.reminded_at), one.pay_by) if one.reminded_at else None
        found.append(Owed(one.number, late[one.pk], one.reminders, reminded))
    return found


def to_decide(today: date) -> list[Candidate]:
    """Most euros first; three queries, whatever their number, one more where invoices are paid in several
    times."""
    before = BillingSettings.current().before_arrears
    homes: dict[int, list[Owed]] = defaultdict(list)
    rows = _rows(today, household__erased_at=None, household__joined_to=None)
    for invoice, late in zip(rows, _owed(rows, today), strict=True):
        homes[invoice.household_id].append(late)
    decided = set(ArrearsDecision.objects.standing(today).values_list("household", flat=True))
    found = []
    for home, owed in homes.items():
        if rules.refusal(owed, before, today):
            continue
        due = rules.ground(owed, before, today)
        last = max(one.reminded_on for one in due if one.reminded_on is not None)
        left = sum((one.left for one in due), ZERO)
        most = max(one.reminders for one in due)
        found.append(Candidate(home, left, len(due), most, last, home in decided))
    return sorted(found, key=lambda one: (-one.left, one.household))


def hindrance(household: Household, today: date) -> str:
    """Why nobody may decide about it now, in French; empty where one may."""
    owed = _owed(_rows(today, household=household), today)
    return rules.refusal(owed, BillingSettings.current().before_arrears, today)


def may_stop(stops: Stops) -> list[Activity]:
    """The activities in use of which a decision may stop that: late days of any, the rest of those that the
    town names."""
    known = Activity.objects.filter(active=True).order_by("order", "name")
    if stops == Stops.LATE:
        return list(known)
    named = BillingSettings.arrears_activities.through.objects.values("activity")
    return list(known.filter(pk__in=named))


# A decision -----------------------------------------------------------------------------------------------


def foresee(household: Household, wanted: Wanted, *, at: datetime) -> Foreseen:
    """Raises ArrearsRefused where nobody may decide so; writes nothing."""
    today = timezone.localdate(at)
    settings = BillingSettings.current()
    rows = _rows(today, household=household)
    owed = _owed(rows, today)
    before = settings.before_arrears
    if why := rules.refusal(owed, before, today):
        raise ArrearsRefused(why)
    _check(household, wanted, today, ends_when_paid=settings.arrears_end_when_paid)
    due = [(row.pk, one) for row, one in zip(rows, owed, strict=True) if one.may_found(before, today)]
    found = Foreseen([one for _, one in due], [key for key, _ in due], settings.arrears_end_when_paid)
    found.concerned = _concerned(household, wanted, today)
    booked = Booking.objects.holding().filter(
        household=household, activity__in=list(wanted.activities), day__gte=today
    )
    found.standing = booked.count()
    found.said = _said(
        wanted.stops,
        names(wanted.activities),
        wanted.school_year,
        today,
        wanted.until,
        found.left if found.ends_when_paid else None,
        wanted.sentence,
    )
    return found


def _check(household: Household, wanted: Wanted, today: date, *, ends_when_paid: bool) -> None:
    if not (wanted.sentence.strip() and wanted.reason.strip()):
        raise ArrearsRefused("Écrivez la phrase que la famille lira, et le motif pour vos collègues.")
    if not wanted.activities:
        raise ArrearsRefused("Choisissez au moins une activité.")
    allowed = {one.pk for one in may_stop(wanted.stops)}
    if beyond := [one for one in wanted.activities if one.pk not in allowed]:
        raise ArrearsRefused(
            f"{moments.listing([str(one) for one in beyond])} : seuls les jours hors délai peuvent y être"
            " arrêtés (réglages de la facturation)."
        )
    if (wanted.stops == Stops.YEAR) != (wanted.school_year is not None):
        raise ArrearsRefused(
            "Choisissez l'année scolaire dont les inscriptions sont arrêtées."
            if wanted.stops == Stops.YEAR
            else "L'année scolaire ne se choisit que pour arrêter ses inscriptions."
        )
    if wanted.school_year is not None and wanted.school_year.ends_on < today:
        raise ArrearsRefused(f"L'année scolaire {wanted.school_year} est finie.")
    if wanted.until is not None and wanted.until < today:
        raise ArrearsRefused("La date de fin est passée.")
    if not ends_when_paid and wanted.until is None:
        raise ArrearsRefused("Le paiement n'y met pas fin dans votre commune : indiquez une date de fin.")
    same = ArrearsDecision.objects.standing(today).filter(
        household=household,
        stops=wanted.stops,
        school_year=wanted.school_year,
        activities__in=list(wanted.activities),
    )
    if same.exists():
        raise ArrearsRefused("Une décision en cours arrête déjà cela : levez-la d'abord.")


def _concerned(household: Household, wanted: Wanted, today: date) -> list[str]:
    """« Mina : Mercredis », of each child whose days or enrolments it would stop; two queries at most."""
    if wanted.stops == Stops.YEAR:
        living = Custody.objects.filter(holds(today), household=household)
        here = Child.objects.filter(pk__in=living.values("child"))
        return [f"{one.first_name} : {names(wanted.activities)}" for one in here.order_by("birth_date", "pk")]
    enrolled = (
        Enrolment.objects.live()
        .filter(household=household, activity__in=list(wanted.activities))
        .exclude(ends_on__lt=today)
        .select_related("child", "activity")
        .order_by("child__birth_date", "child", "activity__order")
    )
    found: dict[str, list[str]] = defaultdict(list)
    for one in enrolled:
        if str(one.activity) not in found[one.child.first_name]:
            found[one.child.first_name].append(str(one.activity))
    return [f"{child} : {moments.listing(there)}" for child, there in found.items()]


@transaction.atomic
def decide(household: Household, wanted: Wanted, *, seen: str, by: User, at: datetime) -> ArrearsDecision:
    """Writes a decision as it was `seen` (the stamp of its preview), and tells the family.

    Raises ArrearsRefused where nobody may decide so, DecisionChanged where it is no longer as it was seen.
    """
    own.check(by, [household.pk], right=RIGHT, at=at)
    if joined := Household.objects.lock([household.pk]).get(household.pk):
        raise ArrearsRefused(paying.joined_sentence(joined))
    found = foresee(household, wanted, at=at)
    if seen != found.stamp:
        raise DecisionChanged(CHANGED)
    made = ArrearsDecision(
        household=household,
        stops=wanted.stops,
        school_year=wanted.school_year,
        left=found.left,
        since=timezone.localdate(at),
        until=wanted.until,
        ends_when_paid=found.ends_when_paid,
        sentence=wanted.sentence.strip(),
        reason=wanted.reason.strip(),
        decided_at=at,
        decided_by=by,
    )
    written_by(made, by).save()
    made.activities.set(wanted.activities)
    made.invoices.set(found.keys)
    _tell([made], "billing/arrears", timezone.localdate(at))
    _forget()
    return made


@transaction.atomic
def take_back(decision: ArrearsDecision, *, reason: str, by: User, at: datetime) -> None:
    """Ends a decision and tells the family. Raises ArrearsRefused without a reason, and once it is over."""
    own.check(by, [decision.household_id], right=TAKE_BACK, at=at)
    if not reason.strip():
        raise ArrearsRefused("Indiquez pourquoi la décision est levée.")
    Household.objects.lock([decision.household_id])
    found = ArrearsDecision.objects.select_for_update(of=("self",)).get(pk=decision.pk)
    if found.ended_at is not None:
        raise ArrearsRefused("Cette décision est déjà finie.")
    found.ended_at, found.ended_by = at, by
    found.ended_because, found.end_reason = ArrearsDecision.Ended.TAKEN_BACK, reason.strip()
    written_by(found, by).save()
    _tell([found], "billing/arrears_over", timezone.localdate(at))
    _forget()


def settle(*, at: datetime) -> int:
    """Ends those that are paid, or past their date, and tells their families; returns how many."""
    today = timezone.localdate(at)
    keys = list(ArrearsDecision.objects.over(today).order_by("pk").values_list("pk", flat=True))
    return sum(_settle(keys[first : first + CHUNK], today, at) for first in range(0, len(keys), CHUNK))


@transaction.atomic
def _settle(keys: Sequence[int], today: date, at: datetime) -> int:
    Household.objects.lock(ArrearsDecision.objects.filter(pk__in=keys).values("household"))
    locked = ArrearsDecision.objects.select_for_update(of=("self",)).over(today).filter(pk__in=keys)
    over = list(locked.order_by("pk"))
    for one in over:
        past = one.until is not None and one.until < today
        one.ended_at = at
        one.ended_because = ArrearsDecision.Ended.DATE if past else ArrearsDecision.Ended.PAID
    if over:
        bulk_update_with_history(over, ArrearsDecision, ["ended_at", "ended_because"])
        _tell(over, "billing/arrears_over", today)
        _forget()
    return len(over)


# What families read ----------------------------------------------------------------------------------------


def names(activities: Iterable[Activity]) -> str:
    return moments.listing([f"« {one} »" for one in activities])


def _what(stops: Stops, activities: str, school_year: SchoolYear | None) -> str:
    """« pas de nouveaux jours pour « Mercredis » »."""
    if stops == Stops.YEAR:
        return f"pas d'inscription {school_year} pour {activities}"
    what = "jour hors délai" if stops == Stops.LATE else "nouveau jour"
    return f"pas de {what} pour {activities}"


def _until(until: date | None, left: Decimal | None) -> str:
    """« jusqu'au paiement de 84,20 €, et au plus tard le 31 mars 2027 »."""
    day = moments.day(until, year=True) if until is not None else ""
    if left is None:
        return f"jusqu'au {day}"
    return f"jusqu'au paiement de {euros(left)}" + (f", et au plus tard le {day}" if day else "")


def _said(
    stops: Stops,
    activities: str,
    school_year: SchoolYear | None,
    since: date,
    until: date | None,
    left: Decimal | None,
    sentence: str,
) -> str:
    """What pages and verbs say of a decision. `left`: in euros, None where payment does not end it."""
    what = _what(stops, activities, school_year)
    return (
        f"Décision de la mairie du {moments.day(since, year=True)} : {what}, {_until(until, left)}."
        f" {sentence.strip()}"
    )


@dataclass(frozen=True)
class Shown:
    """A decision that stands, as its family reads it. `invoices`: those that are late, each with how much."""

    decision: ArrearsDecision
    activities: list[Activity]
    left: Decimal
    invoices: list[tuple[RemindedInvoice, Decimal]]

    @property
    def said(self) -> str:
        one = self.decision
        return _said(
            Stops(one.stops),
            names(self.activities),
            one.school_year,
            one.since,
            one.until,
            self.left if one.ends_when_paid else None,
            one.sentence,
        )

    @property
    def what(self) -> str:
        one = self.decision
        return _what(Stops(one.stops), names(self.activities), one.school_year)

    @property
    def until(self) -> str:
        one = self.decision
        return _until(one.until, self.left if one.ends_when_paid else None)


def _shown(rows: Iterable[ArrearsDecision], today: date) -> list[Shown]:
    """In three queries, whatever their number; a fourth where invoices are paid in several times."""
    decisions = list(rows)
    if not decisions:
        return []
    keys = [one.pk for one in decisions]
    owed: dict[int, list[int]] = defaultdict(list)
    tied = ArrearsDecision.invoices.through.objects.filter(arrearsdecision__in=keys)
    for decision, invoice in tied.values_list("arrearsdecision", "invoice"):
        owed[decision].append(invoice)
    due = reminding.with_reminders(reminding.overdue(today).filter(arrears_decisions__in=keys)).distinct()
    invoices = {one.pk: one for one in due.order_by("pay_by", "sequence")}
    late = reminder_letters.late_of(invoices.values(), today)
    activities: dict[int, list[Activity]] = defaultdict(list)
    named = ArrearsDecision.activities.through.objects.filter(arrearsdecision__in=keys)
    for row in named.select_related("activity").order_by("activity__order", "activity__name"):
        activities[row.arrearsdecision_id].append(row.activity)
    found = []
    for one in decisions:
        its = [invoices[key] for key in invoices if key in owed[one.pk]]
        lates = [(each, late[each.pk]) for each in its]
        found.append(Shown(one, activities[one.pk], sum((amount for _, amount in lates), ZERO), lates))
    return found


@KeptAWhile
def in_use() -> bool:
    """Whether the town has any decision that nobody ended; where it has none, nothing else is asked."""
    return ArrearsDecision.objects.filter(ended_at=None).exists()


def _forget() -> None:
    """For this transaction, and for who reads once it is written."""
    in_use.forget()
    transaction.on_commit(in_use.forget)


def standing(households: Collection[int], today: date) -> list[Shown]:
    """The decisions that stop something for these households (keys) today; no query where there is none."""
    if not in_use():
        return []
    # Almost no household has one: what is late of invoices is asked of those that do.
    running = _running(households=households, today=today)
    if not running:
        return []
    rows = ArrearsDecision.objects.standing(today).filter(pk__in=running)
    return _shown(rows.select_related("school_year").order_by("since", "pk"), today)


@Composed
def _running() -> "QuerySet[ArrearsDecision, int]":
    decisions = ArrearsDecision.objects.running(Given("today"))
    return decisions.filter(household__pk__among=GivenMany("households")).values_list("pk", flat=True)


@once_a_page
def of_home(household: Household, today: date) -> list[Shown]:
    """Those of one household, read once a page."""
    return standing([household.pk], today)


def condition(wishes: Sequence[Wish], at: datetime) -> list[list[Unmet]]:
    """What decisions say against each wish; no query where the town has none."""
    today = timezone.localdate(at)
    found: list[list[Unmet]] = [[] for _ in wishes]
    if not in_use():
        return found
    shown = standing({one.household for one in wishes}, today)
    rested = [(one, one.decision.decided(frozenset(each.pk for each in one.activities))) for one in shown]
    for wish, mine in zip(wishes, found, strict=True):
        for one, decided in rested:
            if one.decision.household_id != wish.household:
                continue
            if decided.stopped(
                activity=wish.activity.pk,
                school_year=wish.school_year,
                enrols=not wish.days,
                today=today,
            ):
                mine.append(_unmet(one, decided))
    return found


def _unmet(one: Shown, decided: rules.Decided) -> Unmet:
    return Unmet(
        Override.ARREARS,
        one.said,
        only_late=decided.stops == Stops.LATE,
        link="Comment payer, à qui parler",
        address=reverse("billing:arrears"),
    )


def register_all() -> None:
    """Once the app is ready."""
    conditions.register(condition)


# Letters ---------------------------------------------------------------------------------------------------


def _tell(decisions: Sequence[ArrearsDecision], template: str, today: date) -> None:
    """Queued within the transaction: a decision and its letter are kept or lost together."""
    to = reminder_letters.addressees(one.household_id for one in decisions)
    years = SchoolYear.objects.in_bulk({one.school_year_id for one in decisions if one.school_year_id})
    for one in decisions:
        one.school_year = years.get(one.school_year_id) if one.school_year_id else None
    mailing.queue(
        [
            letter
            for one in _shown(decisions, today)
            for letter in mailing.written(template, to[one.decision.household_id], _context(one))
        ]
    )


def _context(one: Shown) -> dict[str, object]:
    first = one.invoices[0][0] if one.invoices else None
    decision = one.decision
    return {
        "decision": decision,
        "since": moments.day(decision.since, year=True),
        "what": one.what,
        "activities": names(one.activities),
        "until": one.until,
        "left": euros(one.left) if one.left else "",
        "invoices": [(each.number, each.month_name, euros(late)) for each, late in one.invoices],
        "means": reminder_letters.means(first.issuer, first.number) if first else [],
        "phone": town.current().phone,
        "because": decision.ended_because,
        "path": reverse("billing:arrears"),
        "name": "",
    }


def counted_days(count: int) -> str:
    return counted(count, "jour déjà réservé reste réservé", "jours déjà réservés restent réservés")
