"""Fees a year: who owes one, what was billed of it, what is given back. The only writer of `HouseholdFee`.

    read(fees, until, …) -> FeesFound     what is due and what is given back; writes nothing
    note(fees, until, …) -> int           brings the rows to that, before an invoice or in the night
    waive(row, reason=…, by=…)            one family need not pay it
    ask_again(row, by=…)                  it has to, after all

Which enrolments ask, and for which span, is in `billing.rules.fees`; here they meet the rows. A family's fee
is its own, whatever its children; a child's is asked of the household that enrols it first. What was billed
stays as it was billed: a price or a move that is told later changes what is asked from then on only.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.invoices.reading import Billed
from billing.models import BilledItem, CreditedItem, Fee, HouseholdFee, InvoiceLine
from billing.rules import fees as rules
from families import residences
from families.custody import own
from families.models import Child, Household, Residence, User
from portal.reservations.models import Enrolment
from portal.reservations.states import EnrolmentState

RIGHT = "billing.waive_householdfee"
# A refusal that is told later than that after the year gives nothing back by itself.
GIVEN_BACK_UNTIL = timedelta(days=100)
AT_ONCE = 500
HELD = (EnrolmentState.ACCEPTED, EnrolmentState.ENDED)


class FeeRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


@dataclass(frozen=True)
class FeeDue:
    """A fee to bill; its row has no key as long as nobody wrote it."""

    row: HouseholdFee
    turn: int = 1


@dataclass(frozen=True)
class Back:
    """What was billed and is not due any more, and why."""

    billed: Billed
    why: str


@dataclass
class FeesFound:
    """`due`: to bill; `back`: to give back; `kept`: rows that stand as they are."""

    due: list[FeeDue] = field(default_factory=list)
    back: list[Back] = field(default_factory=list)
    kept: list[HouseholdFee] = field(default_factory=list)

    @property
    def households(self) -> set[int]:
        return {one.row.household_id for one in self.due if one.row.amount} | {
            one.billed.household for one in self.back
        }


@dataclass(frozen=True)
class Wanted:
    """An enrolment that a family thinks of: what would it ask for?"""

    household: Household
    child: Child
    activity: int
    first: date
    year: tuple[date, date]
    year_name: str


@dataclass(frozen=True)
class _Asking:
    household: int
    child: int
    born: date
    activity: int
    accepted: bool
    of: rules.Asked


def of_town() -> list[Fee]:
    """The town's fees with their prices and activities; in one query where there are none."""
    return list(Fee.objects.prefetch_related("prices", "activities").order_by("pk"))


def read(
    fees: Sequence[Fee],
    until: date,
    *,
    households: Collection[int] | None = None,
    since: date = date.min,
    wanted: Iterable[Wanted] = (),
) -> FeesFound:
    """What is due of these fees until a day, from the first day that is billed here on, and what is given
    back. Of every household, or of these. In six queries at most, whatever their number."""
    found = FeesFound()
    if not fees:
        return found
    asking = _asking(fees, households)
    wanted = list(wanted)
    asking += [
        _Asking(
            one.household.pk,
            one.child.pk,
            one.child.birth_date,
            one.activity,
            True,
            rules.Asked(one.first, one.year[1], one.year, one.year_name),
        )
        for one in wanted
    ]
    rows = _rows(households)
    last = _last_billings(rows)
    homes = _Homes(fees, {one.household for one in asking})
    for fee in fees:
        _read_fee(
            fee,
            [one for one in asking if one.activity in _activities(fee)],
            rows,
            last,
            homes,
            found,
            until,
            since,
        )
    if households is not None:
        found.due = [one for one in found.due if one.row.household_id in households]
        found.back = [one for one in found.back if one.billed.household in households]
    return found


def _activities(fee: Fee) -> set[int]:
    return {one.pk for one in fee.activities.all()}


def _read_fee(
    fee: Fee,
    asking: Sequence[_Asking],
    rows: Sequence[HouseholdFee],
    last: dict[int, BilledItem],
    homes: "_Homes",
    found: FeesFound,
    until: date,
    since: date,
) -> None:
    by_child = fee.per == Fee.Per.CHILD
    span = rules.Span(fee.span)
    asks = [one for one in asking if one.accepted or fee.arises == Fee.Arises.ASKED]
    by_owner: dict[int, list[_Asking]] = defaultdict(list)
    for one in asks:
        by_owner[one.child if by_child else one.household].append(one)
    mine = [one for one in rows if one.fee_id == fee.pk and (one.child_id is not None) is by_child]
    rows_of: dict[int, list[HouseholdFee]] = defaultdict(list)
    for row in mine:
        rows_of[(row.child_id if by_child else row.household_id) or 0].append(row)
    standing: list[HouseholdFee] = []
    new: list[tuple[_Asking, rules.Due]] = []
    for owner in sorted(by_owner.keys() | rows_of.keys()):
        theirs = sorted(by_owner[owner], key=lambda one: (one.of.first, one.household))
        asked = [one.of for one in theirs]
        covers = []
        for row in rows_of[owner]:
            item = last.get(row.pk)
            holds = item is not None and item.line.kind != InvoiceLine.Kind.CREDIT
            if item is not None and holds and not item.credited_by_note:  # type: ignore[attr-defined]
                why = _given_back(fee, span, row, asked, until)
                if why:
                    found.back.append(
                        Back(Billed(item, row.household_id, row.child_id or 0, row.starts_on), why)
                    )
                    holds = False
            if not row.superseded and (holds or row.waived_at):
                covers.append((row.starts_on, row.ends_on))
                standing.append(row)
                found.kept.append(row)
        for due in rules.spans(span, asked, covers, until):
            if fee.holds(due.arises_on) and due.arises_on >= since:
                first = next(one for one in theirs if one.of.first <= due.arises_on and _asks(one, due, span))
                new.append((first, due))
    new.sort(key=lambda pair: (pair[1].arises_on, pair[0].born, pair[0].child))
    known = {
        ((row.child_id if by_child else row.household_id) or 0, row.starts_on): row
        for row in mine
        if not row.superseded
    }
    placed: dict[int, list[tuple[int, date, date]]] = defaultdict(list)
    for row in standing:
        placed[row.household_id].append((row.child_id or 0, row.starts_on, row.ends_on))
    for one, due in new:
        before = {
            child
            for child, first, end in placed[one.household]
            if first <= due.ends_on and due.starts_on <= end and child != one.child
        }
        rank = len(before) + 1 if by_child else 1
        placed[one.household].append((one.child, due.starts_on, due.ends_on))
        worth = rules.worth(
            fee.steps(),
            rules.Per(fee.per),
            day=due.arises_on,
            rank=rank,
            resident=homes.resident(one.household, due.arises_on),
        )
        if worth is None:
            continue
        row = known.get((one.child if by_child else one.household, due.starts_on)) or HouseholdFee(
            fee=fee, starts_on=due.starts_on
        )
        row.fee, row.household_id = fee, one.household
        row.child_id = one.child if by_child else None
        row.ends_on, row.arises_on = due.ends_on, due.arises_on
        row.label = f"{fee.name} {due.name}"[:200]
        row.amount = worth.amount
        row.explanation = " ".join(f"{step}." for step in worth.steps)[:600]
        item = last.get(row.pk) if row.pk else None
        found.due.append(FeeDue(row, item.turn + 1 if item else 1))


def _asks(one: _Asking, due: rules.Due, span: rules.Span) -> bool:
    return (
        one.of.year == (due.starts_on, due.ends_on)
        if span is rules.Span.SCHOOL_YEAR
        else (one.of.last >= due.arises_on)
    )


def _given_back(
    fee: Fee, span: rules.Span, row: HouseholdFee, asked: Sequence[rules.Asked], until: date
) -> str:
    """Why what was billed is not due any more; empty where it is."""
    if row.superseded:
        return "compté deux fois"
    if row.waived_at:
        return "dispense"
    if not fee.refunded or until - GIVEN_BACK_UNTIL > row.ends_on:
        return ""
    if rules.still_asked(span, (row.starts_on, row.ends_on), asked):
        return ""
    return "inscription refusée ou retirée"


def _asking(fees: Sequence[Fee], households: Collection[int] | None) -> list[_Asking]:
    """The enrolments that may ask, of these households and of the other homes of their children; in one
    query. One that ended before it was accepted asks for nothing."""
    activities = {pk for fee in fees for pk in _activities(fee)}
    states = [*HELD, EnrolmentState.REQUESTED]
    known = Enrolment.history.filter(id=OuterRef("pk"))
    rows = Enrolment.objects.filter(activity__in=activities, state__in=states).exclude(
        Exists(known.filter(state=EnrolmentState.REQUESTED)),
        ~Exists(known.filter(state=EnrolmentState.ACCEPTED)),
        state=EnrolmentState.ENDED,
    )
    if households is not None:
        theirs = Enrolment.objects.filter(household__in=households, activity__in=activities)
        rows = rows.filter(Q(household__in=households) | Q(child__in=theirs.values("child")))
    return [
        _Asking(
            home,
            child,
            born,
            activity,
            state != EnrolmentState.REQUESTED,
            rules.Asked(first, last or year_last, (year_first, year_last), name),
        )
        for home, child, born, activity, state, first, last, year_first, year_last, name in rows.order_by(
            "pk"
        ).values_list(
            "household_id",
            "child_id",
            "child__birth_date",
            "activity_id",
            "state",
            "starts_on",
            "ends_on",
            "school_year__starts_on",
            "school_year__ends_on",
            "school_year__name",
        )
    ]


def _rows(households: Collection[int] | None) -> list[HouseholdFee]:
    rows = HouseholdFee.objects.select_related("child")
    if households is not None:
        children = Enrolment.objects.filter(household__in=households).values("child")
        rows = rows.filter(Q(household__in=households) | Q(child__in=children))
    return list(rows.order_by("pk"))


def _last_billings(rows: Sequence[HouseholdFee]) -> dict[int, BilledItem]:
    if not rows:
        return {}
    items = BilledItem.objects.filter(fee__in=[row.pk for row in rows]).select_related("line__invoice")
    items = items.annotate(credited_by_note=Exists(CreditedItem.objects.filter(item=OuterRef("pk"))))
    return {item.fee_id or 0: item for item in items.order_by("turn")}


class _Homes:
    """Who lives in the town on a day; asked only where a price depends on it. Two queries."""

    def __init__(self, fees: Sequence[Fee], households: Collection[int]) -> None:
        self._known: dict[int, bool] = {}
        self._moves: dict[int, list[Residence]] = defaultdict(list)
        if any(step.outside is not None for fee in fees for step in fee.steps()):
            homes = Household.objects.filter(pk__in=households)
            self._known = dict(homes.values_list("pk", "resident"))
            for row in Residence.objects.filter(household__in=households):
                self._moves[row.household_id].append(row)

    def resident(self, household: int, day: date) -> bool:
        moves = self._moves.get(household)
        return residences.holding(moves, day) if moves else self._known.get(household, True)


# Written ---------------------------------------------------------------------------------------------------


def note(
    fees: Sequence[Fee],
    until: date,
    *,
    households: Collection[int],
    since: date = date.min,
) -> int:
    """Writes what these households owe and is on no invoice yet, and forgets what nothing asks for any more.
    Called with the households held; returns how many rows it wrote or forgot."""
    found = read(fees, until, households=households, since=since)
    new = [one.row for one in found.due if one.row.pk is None]
    # The other home of a child may be written at the same moment: one of the two stands.
    HouseholdFee.objects.bulk_create(new, ignore_conflicts=True)
    known = {one.row.pk for one in found.due if one.row.pk}
    before = {one.pk: one for one in HouseholdFee.objects.filter(pk__in=known)} if known else {}
    names = ("household_id", "ends_on", "arises_on", "label", "amount", "explanation")
    changed = [
        one.row
        for one in found.due
        if one.row.pk in before
        and any(getattr(one.row, name) != getattr(before[one.row.pk], name) for name in names)
    ]
    HouseholdFee.objects.bulk_update(
        changed, ("household", "ends_on", "arises_on", "label", "amount", "explanation")
    )
    kept = known | {row.pk for row in found.kept}
    never = HouseholdFee.objects.filter(
        ~Exists(BilledItem.objects.filter(fee=OuterRef("pk"))),
        fee__in=fees,
        household__in=households,
        waived_at=None,
        arises_on__lte=until,
    ).exclude(pk__in=kept | set(_written(new)))
    forgotten, _ = never.delete()
    return len(new) + len(changed) + forgotten


def _written(rows: Sequence[HouseholdFee]) -> list[int]:
    """Their keys: a database that ignores conflicts says none."""
    if not rows:
        return []
    starts = {row.starts_on for row in rows}
    homes = {row.household_id for row in rows}
    wanted = {(row.fee_id, row.household_id, row.child_id, row.starts_on) for row in rows}
    found = HouseholdFee.objects.filter(household__in=homes, starts_on__in=starts)
    return [row.pk for row in found if (row.fee_id, row.household_id, row.child_id, row.starts_on) in wanted]


def note_all(*, until: date, since: date = date.min) -> int:
    """The same of every household, some at a time."""
    fees = of_town()
    if not fees:
        return 0
    asking = Enrolment.objects.filter(activity__in={pk for fee in fees for pk in _activities(fee)})
    homes = sorted(
        {
            *asking.order_by().values_list("household", flat=True).distinct(),
            *HouseholdFee.objects.order_by().values_list("household", flat=True).distinct(),
        }
    )
    done = 0
    for first in range(0, len(homes), AT_ONCE):
        with transaction.atomic():
            chunk = homes[first : first + AT_ONCE]
            Household.objects.lock(chunk)
            done += note(fees, until, households=chunk, since=since)
    return done


@transaction.atomic
def waive(row: HouseholdFee, *, reason: str, by: User, at: datetime) -> None:
    """One family need not pay: what is on no invoice yet is never asked for, what was billed is given back on
    the next one. Raises FeeRefused without a reason, or a second time."""
    own.check(by, [row.household_id], right=RIGHT, at=at)
    Household.objects.lock([row.household_id])
    row = HouseholdFee.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if not reason.strip():
        raise FeeRefused("Indiquez le motif de la dispense.")
    if row.waived_at:
        raise FeeRefused("Cette famille en est déjà dispensée.")
    row.waived_at, row.waived_by, row.waived_reason = at, by, reason.strip()[:300]
    row.save()


@transaction.atomic
def ask_again(row: HouseholdFee, *, by: User, at: datetime) -> None:
    """The family has to pay it after all, on its next invoice. Raises FeeRefused where it was not waived."""
    own.check(by, [row.household_id], right=RIGHT, at=at)
    Household.objects.lock([row.household_id])
    row = HouseholdFee.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if not row.waived_at:
        raise FeeRefused("Cette famille n'en est pas dispensée.")
    row.waived_at, row.waived_by, row.waived_reason = None, None, ""
    row.save()


def join(kept: int, emptied: int, children: dict[int, int]) -> None:
    """The fees of a household are another's from now on, and of a child typed twice the one child's: of two
    for the same year one is too many, and given back where it was billed."""
    rows = HouseholdFee.objects.filter(Q(household=emptied) | Q(child__in=children))
    for row in rows.order_by("pk"):
        child = children.get(row.child_id, row.child_id) if row.child_id else None
        same: QuerySet[HouseholdFee] = HouseholdFee.objects.filter(
            fee=row.fee_id, starts_on=row.starts_on, superseded=False
        ).exclude(pk=row.pk)
        same = same.filter(child=child) if child else same.filter(child=None, household=kept)
        row.household_id, row.child_id = kept, child
        row.superseded = row.superseded or same.exists()
        row.save()
