"""The only writer of counted months: numbers without names, so that an erasure leaves them right.

    register(figure)     `figure(month) -> Iterable[Number]`, for a floor above, once it is ready
    count(at) -> int     writes what is not closed, at night; done twice it changes nothing

A month is counted again each night until CLOSES_AFTER its end, by when the lists of its days are entered and
its requests answered; then it is closed. What an erasure takes away meanwhile stays counted: days stay
without a name, what was answered is never counted less, nor are days by quotient once somebody was erased.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from families.models import Erasure
from portal.french.dates import end_of_month, months_after
from portal.reservations.models import Booking, CountedMonth, MonthlyFigure, Slot

CLOSES_AFTER = timedelta(days=60)
Kind = MonthlyFigure.Kind


@dataclass(frozen=True)
class Month:
    """A month, by its first day and by its last."""

    first: date
    last: date

    @property
    def moments(self) -> tuple[datetime, datetime]:
        """Its first moment, and the first one after it."""
        zone = timezone.get_current_timezone()
        begins = (
            datetime(day.year, day.month, 1, tzinfo=zone) for day in (self.first, months_after(self.first, 1))
        )
        first, after = begins
        return first, after


@dataclass(frozen=True)
class Number:
    """What becomes a row: see `MonthlyFigure.Kind`. Places, activities and formulas are keys."""

    kind: str
    count: int
    total: int = 0
    establishment: int | None = None
    activity: int | None = None
    formula: int | None = None
    what: str = ""
    step: int = 0

    @property
    def key(self) -> tuple[Any, ...]:
        """What only one number of a month has."""
        return (self.kind, self.establishment, self.activity, self.formula, self.what, self.step)


Figure = Callable[[Month], Iterable[Number]]
_figures: dict[str, Figure] = {}


def register(name: str, figure: Figure) -> None:
    """Adds numbers to each month, after those already there; the same name again replaces it."""
    _figures[name] = figure


def month_of(day: date) -> Month:
    return Month(day.replace(day=1), end_of_month(day))


def count(at: datetime) -> int:
    """Counts every month until today that is not closed, each in a transaction of its own; how many are new
    or no longer what they were."""
    today = timezone.localdate(at)
    known = {one.first: one for one in CountedMonth.objects.all()}
    written = 0
    for month in _months(today):
        kept = known.get(month.first)
        if kept is None or not kept.closed:
            written += _write(month, closes=today > month.last + CLOSES_AFTER, at=at)
    return written


def _months(today: date) -> Iterator[Month]:
    """From the first one of which anything is known."""
    first = Booking.objects.aggregate(first=Min("day"))["first"]
    opened = Slot.objects.aggregate(first=Min("day"))["first"]
    days = [day for day in (first, opened) if day is not None]
    day = min([today, *days]).replace(day=1)
    while day <= today:
        yield month_of(day)
        day = months_after(day, 1)


@transaction.atomic
def _write(month: Month, *, closes: bool, at: datetime) -> bool:
    """Whether that changed anything."""
    # A month's row is held: two nights at once count one after the other.
    kept, is_new = CountedMonth.objects.select_for_update().get_or_create(
        first=month.first, defaults={"counted_at": at}
    )
    if kept.closed:
        return False
    began, _ = month.moments
    kinds = [Kind.ANSWERED]
    if Erasure.objects.filter(at__gte=began).exists():
        kinds.append(Kind.BANDS)
    stood = _written(kept)
    numbers = _counted(month, at_least={one.key: one for one in stood if one.kind in kinds})
    kept.counted_at, kept.closed = at, closes
    kept.save(update_fields=["counted_at", "closed"])
    if set(numbers) == set(stood):
        return is_new
    kept.figures.all().delete()
    MonthlyFigure.objects.bulk_create(
        (
            MonthlyFigure(
                month=kept,
                kind=one.kind,
                count=one.count,
                total=one.total,
                establishment_id=one.establishment,
                activity_id=one.activity,
                formula_id=one.formula,
                what=one.what,
                step=one.step,
            )
            for one in numbers
        ),
        batch_size=500,
    )
    return True


def _counted(month: Month, at_least: dict[tuple[Any, ...], Number]) -> list[Number]:
    found = {number.key: number for figure in _figures.values() for number in figure(month)}
    for key, before in at_least.items():
        now = found.get(key)
        if now is None or now.count < before.count:
            found[key] = before
    return list(found.values())


def _written(kept: CountedMonth) -> list[Number]:
    """What stands of a month."""
    return [
        Number(
            one.kind,
            one.count,
            one.total,
            one.establishment_id,
            one.activity_id,
            one.formula_id,
            one.what,
            one.step,
        )
        for one in kept.figures.all()
    ]
