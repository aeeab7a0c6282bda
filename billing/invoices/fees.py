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
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from billing.invoices.reading import Billed
from billing.models import BilledItem, Fee, HouseholdFee, InvoiceLine
from billing.prices.fees import of_town as of_town
from billing.rules import fees as rules
from families import residences
from families.custody import own
from families.models import Child, Household, Residence, User
from portal.reservations.days import audiences
from portal.reservations.deadlines.publics import Publics
from portal.reservations.models import Audience, Enrolment
from portal.reservations.models.campaigns import read_publics
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
    town = _Town(_last_billings(rows), _Homes(fees, {one.household for one in asking}), until, since, found)
    for fee in fees:
        _OneFee(fee, town, asking, rows).read()
    if households is not None:
        found.due = [one for one in found.due if one.row.household_id in households]
        found.back = [one for one in found.back if one.billed.household in households]
    return found


def _activities(fee: Fee) -> set[int]:
    return {one.pk for one in fee.activities.all()}


@dataclass(frozen=True)
class _Billing:
    """The last billing of a fee; `credited`: by a note, for good."""

    item: BilledItem
    credited: bool

    @property
    def holds(self) -> bool:
        return self.item.line.kind != InvoiceLine.Kind.CREDIT


@dataclass(frozen=True)
class _Town:
    """What every fee is read against."""

    last: Mapping[int, _Billing]
    homes: "_Homes"
    until: date
    since: date
    found: FeesFound


class _OneFee:
    """What is due of one fee, and what is given back of it."""

    def __init__(
        self, fee: Fee, town: _Town, asking: Iterable[_Asking], rows: Iterable[HouseholdFee]
    ) -> None:
        self.fee, self.town = fee, town
        self.span, self.per = rules.Span(fee.span), rules.Per(fee.per)
        self.by_child = self.per is rules.Per.CHILD
        activities = _activities(fee)
        self.asking: dict[int, list[_Asking]] = defaultdict(list)
        for one in sorted(asking, key=lambda one: (one.of.first, one.household)):
            if one.activity in activities and (one.accepted or fee.arises == Fee.Arises.ASKED):
                self.asking[one.child if self.by_child else one.household].append(one)
        self.rows: dict[int, list[HouseholdFee]] = defaultdict(list)
        for row in rows:
            if row.fee_id == fee.pk and (row.child_id is not None) is self.by_child:
                self.rows[self._owner(row)].append(row)
        # Whose fees of which days, by household: a child's rank is read among them.
        self.placed: dict[int, list[tuple[int, date, date]]] = defaultdict(list)

    def _owner(self, row: HouseholdFee) -> int:
        return (row.child_id if self.by_child else row.household_id) or 0

    def read(self) -> None:
        new = [pair for owner in sorted({*self.asking, *self.rows}) for pair in self._new(owner)]
        # The third is who comes third; of those who come together, the eldest first.
        for one, due in sorted(new, key=lambda pair: (pair[1].arises_on, pair[0].born, pair[0].child)):
            self._ask(one, due)

    def _new(self, owner: int) -> list[tuple[_Asking, rules.Due]]:
        """What nothing that stands pays for; and notes what stands, and what is given back."""
        asking, covered = self.asking[owner], []
        asked = [one.of for one in asking]
        for row in self.rows[owner]:
            billing = self.town.last.get(row.pk)
            holds = billing is not None and billing.holds
            if (
                billing is not None
                and holds
                and not billing.credited
                and (why := _given_back(self.fee, self.span, row, asked, self.town.until))
            ):
                billed = Billed(
                    item=billing.item,
                    household=row.household_id,
                    child=row.child_id or 0,
                    day=row.starts_on,
                )
                self.town.found.back.append(Back(billed, why))
                holds = False
            if not row.superseded and (holds or row.waived_at):
                covered.append((row.starts_on, row.ends_on))
                self.placed[row.household_id].append((row.child_id or 0, row.starts_on, row.ends_on))
                self.town.found.kept.append(row)
        return [
            (next(one for one in asking if _asks(one, due, self.span)), due)
            for due in rules.spans(self.span, asked, covered, self.town.until)
            if self.fee.holds(due.arises_on) and due.arises_on >= self.town.since
        ]

    def _ask(self, one: _Asking, due: rules.Due) -> None:
        before = {
            child
            for child, first, last in self.placed[one.household]
            if first <= due.ends_on and due.starts_on <= last and child != one.child
        }
        self.placed[one.household].append((one.child, due.starts_on, due.ends_on))
        worth = rules.worth(
            self.fee.steps(),
            self.per,
            day=due.arises_on,
            rank=len(before) + 1 if self.by_child else 1,
            resident=self.town.homes.resident(one.household, due.arises_on),
        )
        if worth is None:
            return
        owner = one.child if self.by_child else one.household
        known = (row for row in self.rows[owner] if row.starts_on == due.starts_on and not row.superseded)
        row = next(known, None) or HouseholdFee(starts_on=due.starts_on)
        row.fee, row.household_id = self.fee, one.household
        row.child_id = one.child if self.by_child else None
        row.ends_on, row.arises_on = due.ends_on, due.arises_on
        row.label = f"{self.fee.name} {due.name}"[:200]
        row.amount = worth.amount
        row.explanation = " ".join(f"{step}." for step in worth.steps)[:600]
        billing = self.town.last.get(row.pk) if row.pk else None
        self.town.found.due.append(FeeDue(row, billing.item.turn + 1 if billing else 1))


def _asks(one: _Asking, due: rules.Due, span: rules.Span) -> bool:
    """Whether it is the enrolment that asks for it, or one of several."""
    if one.of.last < one.of.first:
        return False
    if span is rules.Span.SCHOOL_YEAR:
        return one.of.year == (due.starts_on, due.ends_on)
    return one.of.first <= due.arises_on <= one.of.last


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


def _last_billings(rows: Sequence[HouseholdFee]) -> dict[int, _Billing]:
    if not rows:
        return {}
    items = BilledItem.objects.filter(fee__in=[row.pk for row in rows])
    items = items.select_related("line__invoice", "credited")
    return {item.fee_id or 0: _Billing(item, hasattr(item, "credited")) for item in items.order_by("turn")}


class _Homes:
    """Who pays as a family of the town on a day; asked only where a price depends on it. Two queries, a few
    more where an audience of the town pays as one."""

    def __init__(self, fees: Sequence[Fee], households: Collection[int]) -> None:
        self._known: dict[int, bool] = {}
        self._moves: dict[int, list[Residence]] = defaultdict(list)
        self._audiences = audiences.Known(Publics())
        if any(step.outside is not None for fee in fees for step in fee.steps()):
            homes = Household.objects.filter(pk__in=households)
            known = homes.annotate(by_public=Exists(Audience.objects.filter(priced_as_resident=True)))
            found = list(known)
            self._known = {home.pk: home.resident for home in found}
            if any(getattr(home, "by_public", False) for home in found):
                self._audiences = audiences.Known.load(found, publics=read_publics())
            for row in Residence.objects.filter(household__in=households):
                self._moves[row.household_id].append(row)

    def resident(self, household: int, day: date) -> bool:
        moves = self._moves.get(household)
        lives = residences.holding(moves, day) if moves else self._known.get(household, True)
        # « Paie comme les familles de la commune »: for a fee too, by any child of the household.
        return lives or self._audiences.publics.priced_as_resident(self._audiences.of(household, day))


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


def join(kept: int, emptied: int, children: Mapping[int, int]) -> None:
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
