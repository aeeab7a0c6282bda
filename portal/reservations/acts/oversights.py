"""Oversights: counted from what is recorded, told, decided about by somebody. The only writer of decisions.

    of_home(household, today) -> [Forgotten]         each child's days of an activity, with the warning
    to_decide(today) -> [Candidate]                  children of whom one may decide
    decide(household, child, wanted, by=…, at=…) -> OversightDecision
    take_back(decision, reason=…, by=…, at=…)        at any time

Nothing here decides by itself. Days that are booked stand. What a decision stops is said by `condition`, in
one sentence for pages and verbs; the warning before it, by the same, stops nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeAlias

from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, Q, QuerySet, Value
from django.urls import reverse
from django.utils import timezone

from families.custody import own
from families.emails import addresses
from families.models import Child, Household, User
from portal import town
from portal.database.composed import Composed, Given, numbered, one_of
from portal.database.kept import KeptAWhile, once_a_page
from portal.french import moments
from portal.letters import mailing
from portal.reservations.acts import conditions
from portal.reservations.acts.conditions import Unmet, Wish
from portal.reservations.day_rules import oversights as rules
from portal.reservations.day_rules.oversights import Kind, Stops
from portal.reservations.models import (
    AbsenceNotice,
    Activity,
    Attendance,
    AttendanceState,
    Booking,
    OversightDecision,
    OversightRule,
    SchoolYear,
    oversight_rules,
)
from portal.reservations.states import Override

RIGHT = "reservations.add_oversightdecision"
TAKE_BACK = "reservations.change_oversightdecision"
# A decision is for a while: it is made again where it is still wanted.
LONGEST = timedelta(days=366)
# A day, or its place in a query that is composed once.
Day: TypeAlias = "date | Given"
# Household, child, activity (keys).
Key = tuple[int, int, int]


class OversightRefused(Exception):
    """Nothing is decided; the message says why in French."""


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to decide, as typed."""

    activity: Activity
    stops: Stops
    until: date
    sentence: str
    reason: str


@dataclass(frozen=True)
class Forgotten:
    """A child's days with an oversight in an activity, by the rule of today."""

    key: Key
    rule: OversightRule
    days: dict[date, list[Kind]]

    @property
    def count(self) -> int:
        return len(self.days)

    @property
    def warning(self) -> str:
        return rules.warning(self.rule.rule(), self.count, str(self.rule.activity))

    @property
    def listed(self) -> list[tuple[date, str]]:
        return rules.listed(self.days)


# What is counted -----------------------------------------------------------------------------------------


def rules_on(today: date) -> dict[int, OversightRule]:
    """By activity (key), that of today: of two, the later one."""
    found = {}
    for activity, known in oversight_rules().items():
        rule = next((one for one in known if one.valid_from <= today), None)
        if rule is not None:
            found[activity] = rule
    return found


# Household, child, activity, day, what was forgotten.
Row = tuple[int, int, int, date, str]
# Of the kinds that some rule counts, in these activities, since a day.
Reads = Callable[[tuple[Kind, ...], tuple[int, ...], date], Iterable[Row]]


def counted(known: Mapping[int, OversightRule], among: Q, today: date) -> list[Forgotten]:
    """The oversights of who is `among` (household, child), in activities that have a rule: two queries, and
    none where no activity has."""
    return _counted(known, lambda kinds, of, since: _rows(kinds, of, among, since, today), today)


def _counted(known: Mapping[int, OversightRule], read: Reads, today: date) -> list[Forgotten]:
    if not known:
        return []
    named = {activity: one.rule() for activity, one in known.items()}
    starts = [start for (start,) in _year_starts(today=today)]
    first = {
        activity: max(rules.since(named[activity], today, starts), one.valid_from)
        for activity, one in known.items()
    }
    asked = frozenset[Kind]().union(*(one.kinds for one in named.values()))
    kinds = tuple(kind for kind in Kind if kind in asked)
    found: dict[Key, list[tuple[date, Kind]]] = defaultdict(list)
    for household, child, activity, day, kind in read(kinds, tuple(sorted(known)), min(first.values())):
        found[household, child, activity].append((day, Kind(kind)))
    counts = []
    for key in sorted(found):
        days = rules.days_of(found[key], named[key[2]], first[key[2]], today)
        if days:
            counts.append(Forgotten(key, known[key[2]], days))
    return counts


@Composed
def _year_starts() -> "QuerySet[Any]":
    return SchoolYear.objects.filter(starts_on__lte=Given("today")).values_list("starts_on")


def _rows(
    kinds: Sequence[Kind], activities: Collection[int], among: Q, since: Day, today: Day
) -> "QuerySet[Any]":
    """One query, whatever the kinds."""
    within = Q(day__gte=since, day__lte=today)
    there = Attendance.objects.filter(among, within, formula__activity__in=activities)
    told = AbsenceNotice.objects.standing().filter(
        household=OuterRef("household"), child=OuterRef("child"), day=OuterRef("day")
    )
    late = Booking.objects.holding().filter(among, within, activity__in=activities, late=True)
    of_kind: dict[Kind, tuple[QuerySet[Any], str]] = {
        Kind.UNRESERVED: (there.unreserved(), "formula__activity"),
        Kind.MISSED: (
            there.filter(~Exists(told), state=AttendanceState.ABSENT, reason="", certificate_at=None),
            "formula__activity",
        ),
        Kind.LATE: (late, "activity"),
    }
    each = [
        rows.order_by().values_list(
            "household", "child", activity, "day", Value(str(kind), output_field=CharField())
        )
        for kind, (rows, activity) in of_kind.items()
        if kind in kinds
    ]
    return each[0].union(*each[1:], all=True)


@Composed
def _rows_at_home(kinds: tuple[Kind, ...], activities: tuple[int, ...]) -> "QuerySet[Any]":
    return _rows(kinds, activities, Q(household=Given("household")), Given("since"), Given("today"))


@once_a_page
def of_home(household: Household, today: date) -> list[Forgotten]:
    """Those of a household's children; no query where the town counts none."""

    def read(kinds: tuple[Kind, ...], activities: tuple[int, ...], since: date) -> Iterable[Row]:
        return _rows_at_home(kinds, activities, household=household.pk, since=since, today=today)

    return _counted(rules_on(today), read, today)


@dataclass(frozen=True)
class Candidate:
    """A child of whom one may decide."""

    forgotten: Forgotten
    child: Child
    decided: bool


def to_decide(today: date) -> list[Candidate]:
    """Who forgot most first; a fixed number of queries."""
    found = [
        one for one in counted(rules_on(today), Q(), today) if rules.may_decide(one.rule.rule(), one.count)
    ]
    children = Child.objects.in_bulk({one.key[1] for one in found})
    standing = OversightDecision.objects.standing(today)
    decided = set(standing.values_list("household", "child", "activity"))
    rows = [Candidate(one, children[one.key[1]], one.key in decided) for one in found]
    return sorted(rows, key=lambda one: (-one.forgotten.count, one.forgotten.key))


def of_child(household: Household, child: Child, activity: Activity, today: date) -> Forgotten | None:
    """A child's in an activity; None where it has none, or where no rule counts them."""
    rule = rules_on(today).get(activity.pk)
    if rule is None:
        return None
    among = Q(household=household.pk, child=child.pk)
    return next(iter(counted({activity.pk: rule}, among, today)), None)


# A decision ----------------------------------------------------------------------------------------------


def hindrance(household: Household, child: Child, activity: Activity, today: date) -> str:
    """Why nobody may decide about it now, in French; empty where one may."""
    rule = rules_on(today).get(activity.pk)
    if rule is None:
        return f"{activity} ne compte pas les oublis."
    found = of_child(household, child, activity, today)
    if why := rules.refusal(rule.rule(), found.count if found else 0):
        return why
    of = {"household": household, "child": child, "activity": activity}
    if OversightDecision.objects.standing(today).filter(**of).exists():
        return "Une décision est déjà en cours : levez-la d'abord."
    return ""


@transaction.atomic
def decide(
    household: Household, child: Child, wanted: Wanted, *, by: User, at: datetime
) -> OversightDecision:
    """Writes a decision and tells the family. Raises OversightRefused, OwnHousehold."""
    own.check(by, [household.pk], right=RIGHT, at=at)
    Household.objects.lock([household.pk])
    today = timezone.localdate(at)
    if why := hindrance(household, child, wanted.activity, today):
        raise OversightRefused(why)
    if not (wanted.sentence.strip() and wanted.reason.strip()):
        raise OversightRefused("Écrivez la phrase que la famille lira, et le motif pour vos collègues.")
    if wanted.until < today:
        raise OversightRefused("La date de fin est passée.")
    if wanted.until > today + LONGEST:
        raise OversightRefused("Une décision dure un an au plus : elle se renouvelle ensuite.")
    found = of_child(household, child, wanted.activity, today)
    made = OversightDecision.objects.create(
        household=household,
        child=child,
        activity=wanted.activity,
        stops=wanted.stops,
        count=found.count if found else 0,
        since=today,
        until=wanted.until,
        sentence=wanted.sentence.strip(),
        reason=wanted.reason.strip(),
        decided_at=at,
        decided_by=by,
    )
    _tell(made, "reservations/oversights", found.listed if found else [])
    _forget()
    return made


@transaction.atomic
def take_back(decision: OversightDecision, *, reason: str, by: User, at: datetime) -> None:
    """Ends a decision before its date and tells the family. Raises OversightRefused, OwnHousehold."""
    own.check(by, [decision.household_id], right=TAKE_BACK, at=at)
    if not reason.strip():
        raise OversightRefused("Indiquez pourquoi la décision est levée.")
    Household.objects.lock([decision.household_id])
    rows = OversightDecision.objects.select_for_update(of=("self",))
    found = rows.select_related("household", "child", "activity").get(pk=decision.pk)
    if found.ended_at is not None or found.until < timezone.localdate(at):
        raise OversightRefused("Cette décision est déjà finie.")
    found.ended_at, found.ended_by, found.end_reason = at, by, reason.strip()
    found.save()
    _tell(found, "reservations/oversights_over", [])
    _forget()


# What families read --------------------------------------------------------------------------------------


def what(one: OversightDecision) -> str:
    """« pas de jour hors délai pour Lina à « Restauration scolaire » »."""
    days = "jour hors délai" if one.stops == Stops.LATE else "nouveau jour"
    return f"pas de {days} pour {one.child.first_name} à « {one.activity} »"


def said(one: OversightDecision) -> str:
    """What pages and verbs say of it."""
    since, until = moments.day(one.since, year=True), moments.day(one.until, year=True)
    return f"Décision de la mairie du {since} : {what(one)}, jusqu'au {until}. {one.sentence}"


@KeptAWhile
def in_use() -> bool:
    """Whether the town has any decision that nobody ended; where it has none, nothing else is asked."""
    return OversightDecision.objects.filter(ended_at=None).exists()


def _forget() -> None:
    """For this transaction, and for who reads once it is written."""
    in_use.forget()
    transaction.on_commit(in_use.forget)


def standing(households: Collection[int], today: date) -> list[OversightDecision]:
    """The decisions that stop something for these households (keys) today; no query where there is none."""
    if not households or not in_use():
        return []
    return _standing(len(households), today=today, **numbered("household", sorted(households)))


@Composed
def _standing(households: int) -> "QuerySet[OversightDecision]":
    on = OversightDecision.objects.standing(Given("today"))
    rows = on.filter(one_of("household", "household", households))
    return rows.select_related("child", "activity").order_by("since", "pk")


def condition(wishes: Sequence[Wish], at: datetime) -> list[list[Unmet]]:
    """What decisions say against each wish, and the warning before them; no query where the town has none."""
    found: list[list[Unmet]] = [[] for _ in wishes]
    today = timezone.localdate(at)
    known = {key: one for key, one in rules_on(today).items() if key in {each.activity.pk for each in wishes}}
    decided = standing({one.household for one in wishes}, today)
    homes = {one.household for one in wishes if one.activity.pk in known}
    counts = {one.key: one for one in counted(known, Q(household__in=homes), today)} if homes else {}
    for wish, mine in zip(wishes, found, strict=True):
        if not wish.days:
            continue
        its = [
            one
            for one in decided
            if (one.household_id, one.child_id, one.activity_id)
            == (wish.household, wish.child, wish.activity.pk)
        ]
        mine += [_unmet(said(one), only_late=one.stops == Stops.LATE) for one in its]
        forgotten = counts.get((wish.household, wish.child, wish.activity.pk))
        if not its and forgotten is not None and forgotten.warning:
            mine.append(_unmet(forgotten.warning, stops=False))
    return found


def _unmet(sentence: str, *, stops: bool = True, only_late: bool = False) -> Unmet:
    return Unmet(
        Override.OVERSIGHTS,
        sentence,
        stops=stops,
        only_late=only_late,
        link="Voir ces jours",
        address=reverse("reservations:oversights"),
    )


def register_all() -> None:
    """Once the app is ready."""
    conditions.register(condition)


def _tell(decision: OversightDecision, template: str, days: Sequence[tuple[date, str]]) -> None:
    mailing.post(
        template,
        addresses(decision.household, about=decision.child_id),
        {
            "name": "",
            "decision": decision,
            "child": decision.child,
            "activity": str(decision.activity),
            "what": what(decision),
            "since": moments.day(decision.since, year=True),
            "until": moments.day(decision.until, year=True),
            "days": [(moments.day(day), words) for day, words in days],
            "phone": town.current().phone,
            "path": reverse("reservations:oversights"),
        },
    )
