"""The town of a rush: which family comes for what, and afterwards whether its books are right.

A process of its own: `python -m tests.bench.rush.town plan FAMILIES` and `… audit` answer in JSON about the
database of DATABASE_URL, which `load_demo` has filled.
"""

import json
import math
import sys
from dataclasses import asdict
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.db import transaction
from django.db.models import Count, F, Min, Q
from django.urls import reverse
from django.utils import timezone

from families.models import ChildHealth, Guardian
from portal.demo.factories import PASSWORD, HealthFactory
from portal.reservations.models import Activity, Enrolment, Period, Reservation, SchoolYear, Slot
from portal.reservations.states import TAKING, EnrolmentState
from tests.bench.rush.family import Errand
from tests.portal.reservations.audit import audit as audit_every_row

# Of 2 700 households 2 500 come: the others have no child at the canteen.
HOUSEHOLDS_A_FAMILY, AND_MORE = 1.08, 16
ONE_IN = 5  # comes for holidays with few places
CANTEEN_DAYS, HOLIDAY_DAYS = 5, 3
# Places for so many of the days that families want.
ENOUGH_FOR = 0.6
SPARE = 6
# Of so many households each row is audited, as after every act of the tests; of bigger towns the places.
EVERY_ROW_UP_TO = 500


def households_for(families: int) -> int:
    """How many `load_demo` needs to invent."""
    return math.ceil(families * HOUSEHOLDS_A_FAMILY) + AND_MORE


@transaction.atomic
def plan(families: int) -> list[Errand]:
    """So many errands and SPARE more, each of another household; opens what they come for."""
    logins = _logins()
    today = timezone.localdate()
    canteen = (
        Enrolment.objects.accepted()
        .filter(activity__service="catering", school_year__in=SchoolYear.objects.serving(today))
        .select_related("child")
        .order_by("school_year__starts_on", "pk")
    )
    by_household: dict[int, Enrolment] = {}
    for one in canteen:
        if one.household_id in logins:
            by_household.setdefault(one.household_id, one)
    wanted = families + SPARE
    if len(by_household) < wanted:
        raise SystemExit(f"{len(by_household)} families could come, {wanted} are wanted.")
    chosen = list(by_household.items())[:wanted]
    holidays = _holidays([one for _, one in chosen[::ONE_IN]])
    canteens = {"days": CANTEEN_DAYS, "start": reverse("catering:book"), "service": "canteen"}
    return [
        Errand(login=logins[household], password=PASSWORD, **holidays.get(household, canteens))
        for household, _ in chosen
    ]


def _logins() -> dict[int, str]:
    """Household -> the login of one of its adults, who lives nowhere else."""
    homes = Guardian.objects.filter(user__isnull=False).values("user").annotate(homes=Count("household"))
    single = homes.filter(homes=1).values("user")
    firsts = (
        Guardian.objects.filter(user__in=single).values("household").annotate(first=Min("user__username"))
    )
    return dict(firsts.filter(household__state="accepted").values_list("household", "first"))


def _holidays(enrolments: list[Enrolment]) -> dict[int, dict[str, Any]]:
    """Household -> the way to the planning of the next open holidays, for a child of an age to go there;
    whole days, first come, first served."""
    activity = Activity.objects.get(code="vacances")
    period = _next_period(activity)
    centre = activity.establishments.get()
    whole = activity.formulas.get(code="journee")
    Activity.objects.filter(pk=activity.pk).update(processing=Activity.Processing.AUTOMATIC)
    going = [
        one
        for one in enrolments
        if (activity.min_age or 0) <= one.child.age_on(period.starts_on) <= (activity.max_age or 99)
    ]
    known = {
        one.child_id: one
        for one in Enrolment.objects.accepted().filter(activity=activity, school_year=period.school_year)
    }
    Enrolment.objects.bulk_create(
        Enrolment(
            household_id=one.household_id,
            child=one.child,
            activity=activity,
            establishment=centre,
            school_year=period.school_year,
            weekdays=0,
            starts_on=period.school_year.starts_on,
            state=EnrolmentState.ACCEPTED,
        )
        for one in going
        if one.child_id not in known
    )
    healthy = set(ChildHealth.objects.values_list("child", flat=True))
    ChildHealth.objects.bulk_create(
        HealthFactory.build(child=one.child) for one in going if one.child_id not in healthy
    )
    slots = Slot.objects.filter(activity=activity, day__range=(period.starts_on, period.ends_on))
    days = slots.values("day").distinct().count()
    places = math.ceil(ENOUGH_FOR * HOLIDAY_DAYS * len(going) / max(1, days))
    slots.update(capacity=F("taken") + places)
    enrolled = Enrolment.objects.accepted().filter(activity=activity, school_year=period.school_year)
    keys = {one.child_id: one.pk for one in enrolled}
    choice = {"etablissement": str(centre.pk), "periode": str(period.pk)}
    return {
        one.household_id: {
            "days": HOLIDAY_DAYS,
            "start": reverse("leisure:start", args=[keys[one.child_id]]),
            "choice": choice,
            "formula": str(whole.pk),
            "service": "holidays",
        }
        for one in going
    }


def _next_period(activity: Activity) -> Period:
    """The nearest whose slots are open; the demo opens two."""
    open_days = Slot.objects.filter(activity=activity, day__gt=timezone.localdate()).values_list(
        "day", flat=True
    )
    first = open_days.order_by("day")[0]
    return Period.objects.select_related("school_year").get(
        activity=activity, starts_on__lte=first, ends_on__gte=first
    )


def audit(since: str) -> dict[str, Any]:
    """Slots with more places taken than there are, slots whose count is not that of their bookings, and
    households that recorded since a moment (ISO); `rows` says what was found wrong beside, in words."""
    held = Count("places", filter=Q(places__booking__state__in=TAKING))
    slots = Slot.objects.annotate(held=held)
    over = slots.filter(Q(taken__gt=F("capacity")) | Q(held__gt=F("capacity")), capacity__isnull=False)
    recorded = Reservation.objects.filter(submitted_at__gte=since)
    rows = ""
    if Guardian.objects.values("household").distinct().count() <= EVERY_ROW_UP_TO:
        try:
            audit_every_row()
        except AssertionError as error:
            rows = f"{error or 'a row is not as it must be'}"
    return {
        "places_over": over.count(),
        "slots_uneven": slots.exclude(taken=F("held")).count(),
        "full_slots": slots.filter(capacity__lte=F("taken"), capacity__gt=0).count(),
        # What a family had begun for another child is recorded together with it.
        "recorded": recorded.values("household").distinct().count(),
        "rows": rows,
    }


def main(verb: str, argument: str) -> None:
    answer: object = audit(argument) if verb == "audit" else [asdict(one) for one in plan(int(argument))]
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
