"""A child leaves a household: its packed meals go with its enrolments to the home that takes it over."""

from datetime import date, datetime

from django.db.models import Q

from billing.models import PackedMeal
from families.models import Custody, Household, User
from portal.reservations.acts import enrolling
from portal.reservations.models import SchoolYear


class PackedMeals:
    """What billing knows of a child in a household; lent to the custody's ending."""

    def counts(self, custody: Custody, first: date) -> list[str]:
        """Nothing to count: a packed meal is a matter of the enrolment."""
        return []

    def hand_over(self, custody: Custody, taker: Household, first: date, *, by: User, at: datetime) -> None:
        """The other home's enrolment in the same activity and year has them too, unless it has its own."""
        theirs = {
            (one.activity_id, one.school_year_id): one
            for one in enrolling.of_child(custody.child_id, taker.pk, first).prefetch_related("packed_meals")
        }
        given = PackedMeal.objects.filter(
            Q(valid_to=None) | Q(valid_to__gte=first),
            enrolment__child=custody.child_id,
            enrolment__household=custody.household_id,
            enrolment__school_year__in=SchoolYear.objects.serving(first),
        )
        for packed in given.select_related("enrolment").order_by("pk"):
            key = (packed.enrolment.activity_id, packed.enrolment.school_year_id)
            enrolment = theirs.get(key)
            if enrolment is not None and not enrolment.packed_meals.all():
                PackedMeal.objects.create(
                    enrolment=enrolment,
                    valid_from=max(packed.valid_from, first),
                    valid_to=packed.valid_to,
                )

    def cancel(self, custody: Custody, first: date, *, by: User, at: datetime) -> None:
        """The days are cancelled by the engine."""

    def close(self, custody: Custody, *, by: User, at: datetime) -> None:
        """An enrolment that ended keeps its past."""
