"""The demo's camp: five days in the mountains, 30 % of whose price is paid to get the places;
it leaves with six children, one of them booked at the desk. What is cancelled comes back in steps."""

from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone

from billing.models import FormulaTariff, RefundRule, RefundStep, Tariff, TariffBand
from leisure.models import SERVICE as LEISURE
from portal.demo.people import People
from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.opening import open_slots
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Advance,
    Capacity,
    DeadlineRule,
    Enrolment,
    Establishment,
    Formula,
    NeededChildren,
    Period,
    SchoolYear,
)
from portal.reservations.states import Action, EnrolmentState, Override

AHEAD, DAYS, PLACES, PRICE = timedelta(days=42), timedelta(days=4), 12, Decimal("38.00")
BOOKED = 2


def pitch(people: People, at: datetime) -> None:
    """From a Monday to a Friday, in six weeks; the children of `voisin` may go."""
    today = timezone.localdate(at)
    first = today + AHEAD - timedelta(days=(today + AHEAD).weekday())
    year = SchoolYear.objects.filter(ends_on__gte=first + DAYS).order_by("starts_on").first()
    centre = Activity.objects.get(code="vacances").establishments.get()
    rule = DeadlineRule.objects.order_by("pk").first()
    if year is None or rule is None:
        return
    camp = Activity.objects.create(
        code="sejour",
        name="Séjour à la montagne",
        service=LEISURE,
        description="Cinq jours de neige et de veillées. L'acompte de 30 % réserve la place.",
        weekdays=0b11111,
        during=Activity.During.ALWAYS,
        offer_hours=24,
        order=9,
    )
    camp.establishments.add(centre)
    formula = Formula.objects.create(
        activity=camp, code="jour", name="Jour de séjour", parts=["morning", "noon", "afternoon"]
    )
    for part in formula.parts:
        Capacity.objects.create(activity=camp, establishment=centre, part=part, places=PLACES)
    for action in Action:
        ActivityDeadline.objects.create(activity=camp, action=action, rule=rule)
    period = Period.objects.create(
        activity=camp,
        school_year=year,
        code="montagne",
        name="Séjour à la montagne",
        starts_on=first,
        ends_on=first + DAYS,
    )
    open_slots(period, at=at)
    tariff = Tariff.objects.create(code="sejour", name="Séjour à la montagne", valid_from=year.starts_on)
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": str(PRICE)})
    FormulaTariff.objects.create(formula=formula, tariff=tariff)
    Advance.objects.create(activity=camp, kind=Advance.Kind.PART, percent=30, minutes=20)
    refund = RefundRule.objects.create(
        activity=camp, valid_from=year.starts_on, until=RefundRule.Until.PERIOD
    )
    for days_before, percent in ((30, 70), (15, 50), (7, 30)):
        RefundStep.objects.create(rule=refund, days_before=days_before, percent=percent)
    NeededChildren.objects.create(activity=camp, children=6, per=NeededChildren.Per.PERIOD, days_before=3)
    asked = at - timedelta(days=12)
    for pupil in people.neighbour.pupils:
        if len(pupil.homes) > 1:
            continue
        made = Enrolment.objects.create(
            household=people.neighbour.household,
            child=pupil.child,
            activity=camp,
            establishment=centre,
            school_year=year,
            weekdays=0,
            starts_on=year.starts_on,
            state=EnrolmentState.ACCEPTED,
            requested_by=people.neighbour.user,
            decided_by=people.agent,
            decided_at=asked + timedelta(days=1),
        )
        Enrolment.objects.filter(pk=made.pk).update(requested_at=asked)
        _book(made, centre, formula, period, people, at)


def _book(
    enrolment: Enrolment,
    centre: Establishment,
    formula: Formula,
    period: Period,
    people: People,
    at: datetime,
) -> None:
    """The first two days, whose deposit was paid at the desk."""
    draft = reservation_drafts.choose(
        enrolment,
        centre,
        period,
        book={Choice(formula.pk, period.starts_on + timedelta(days=number)) for number in range(BOOKED)},
        by=people.agent,
        at=at,
        at_desk=True,
    )
    if draft is not None:
        paid = Overrides({Override.PAYMENT: "Acompte réglé au guichet."})
        booking.submit(draft, by=people.agent, at=at, overrides=paid, tell=False)
