"""A child in two homes: its weeks by turns, and a diet on which they differ; a family registered twice."""

from datetime import datetime, timedelta

from django.utils import timezone

from families import diets
from families.custody import calendars, openings
from families.custody.calendars import Terms
from families.models import Child, ChildHealth, CustodyCalendar, Diet, DietChoice, Guardian, Household
from portal.demo.people import People
from portal.french.weekdays import MONDAY


def share(people: People, at: datetime) -> None:
    """Even weeks at `voisin`'s, odd ones at the other home's, as both booked the canteen; holidays by halves,
    a week-end by hand. The other home says a stricter diet, which the kitchen follows; the desk reads it."""
    pupil = people.alternating
    first, second = pupil.homes
    today = timezone.localdate(at)
    saturday = today + timedelta(days=(5 - today.weekday()) % 7 + 14)
    terms = Terms(
        first.household.pk,
        second.household.pk,
        MONDAY,
        CustodyCalendar.Moment.MORNING,
        first_half=first.household.pk,
        dates=[(saturday, saturday + timedelta(days=1), second.household.pk)],
    )
    asked = calendars.propose(pupil.child, terms, home=first.household, by=first.user, at=at)
    calendars.confirm(asked, by=second.user, at=at)
    choice = DietChoice.objects.filter(child=pupil.child).first()
    plain, *others = Diet.objects.filter(active=True, needs_pai=False)
    if choice is None or not others:
        return
    diets.decide(choice, plain, by=people.agent, at=at)
    diets.say(pupil.child, others[0], by=second.household, at=at)


def type_one_twice(people: People, at: datetime) -> None:
    """The family of `voisin` has registered again, by its other adult, who did not know: the desk finds both
    under « Foyers qui se ressemblent »."""
    known = people.neighbour
    first = known.pupils[0].child
    here = known.household
    again = Household.objects.create(
        street=here.street, postcode=here.postcode, city=here.city, state=Household.State.ACCEPTED
    )
    for adult in here.guardians.order_by("pk"):
        Guardian.objects.create(
            household=again, first_name=adult.first_name, last_name=adult.last_name, phone=adult.phone
        )
    double = Child.objects.create(
        first_name=first.first_name, last_name=first.last_name.upper(), birth_date=first.birth_date
    )
    openings.ask_home(double, again, by=people.agent, at=at)
    ChildHealth.objects.create(child=double, allergies="Lait, même en traces")
