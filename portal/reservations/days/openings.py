"""What opens in a span of time, for the gate of the waiting room: periods, months of them, enrolments."""

from collections.abc import Iterator
from datetime import datetime

from django.db.models import Q

from portal.reservations.models import Campaign, DeadlineWindow, Period, PeriodOpening
from portal.reservations.models.campaigns import publics
from portal.waiting.moments import Moment


def find(since: datetime, until: datetime) -> Iterator[Moment]:
    """Each aware moment from `since` to `until` at which many may come, in three queries; in
    four where audiences of the town have their own moments.

    A period's planning waits for its first opening: for whom it opens later, the planning says so itself.
    """
    span = (since, until)
    periods = Period.objects.filter(Q(opens_at__range=span) | Q(opens_at_non_residents__range=span))
    for pk, activity, name, opens, later in periods.values_list(
        "pk", "activity__name", "name", "opens_at", "opens_at_non_residents"
    ):
        moments = [at for at in (opens, later) if at is not None]
        # Without a first opening it always was open to families of the town.
        first = min(moments) if opens else None
        for at in set(moments):
            if since <= at <= until:
                yield Moment(at, pk if at == first else None, f"{activity} – {name}")
    apart = PeriodOpening.objects.filter(opens_at__range=span)
    if not publics().openings:
        apart = apart.none()
    for pk, activity, name, opens, at in apart.values_list(
        "period", "period__activity__name", "period__name", "period__opens_at", "opens_at"
    ):
        # To the audience that comes before all others, its planning waits as for the first opening.
        yield Moment(at, pk if opens and at < opens else None, f"{activity} – {name}")
    campaigns = Campaign.objects.filter(opens_at__range=span)
    windows = DeadlineWindow.objects.filter(opens_at__range=span)
    for rows in (campaigns.values_list("opens_at", flat=True), windows.values_list("opens_at", flat=True)):
        for opened in rows.distinct():
            if opened is not None:
                yield Moment(opened)
