"""The statistics of the demo town: its months as they are counted, and the two years before."""

from datetime import datetime, timedelta

from portal.french.dates import months_after
from portal.reservations.models import CountedMonth, MonthlyFigure
from portal.reservations.statistics import counting

# What there was a year ago of what there is now, and the year before that.
GROWTH = ((1, 95), (2, 88))
COUNTED_AFTER = timedelta(days=61)


def count(at: datetime) -> None:
    """Counts every month; those of the two years before are told from them, since nobody lived them."""
    counting.count(at)
    told = set(MonthlyFigure.objects.order_by().values_list("month", flat=True))
    recent = sorted(month for month in told if months_after(month, 11) > at.date())
    CountedMonth.objects.exclude(first__in=recent).delete()
    for years, percent in GROWTH:
        for month in recent:
            earlier = months_after(month, -12 * years)
            after = at.replace(year=earlier.year, month=earlier.month, day=1) + COUNTED_AFTER
            kept = CountedMonth.objects.create(first=earlier, counted_at=after, closed=True)
            MonthlyFigure.objects.bulk_create(
                [_earlier(figure, kept, percent) for figure in MonthlyFigure.objects.filter(month=month)],
                batch_size=500,
            )


def _earlier(figure: MonthlyFigure, month: CountedMonth, percent: int) -> MonthlyFigure:
    figure.pk, figure.month = None, month
    figure.count = max(1, figure.count * percent // 100) if figure.count else 0
    if figure.kind != MonthlyFigure.Kind.OCCUPANCY:
        figure.total = figure.total * percent // 100
    return figure
