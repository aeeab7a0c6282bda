"""« Inscription à la restauration scolaire »."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms

from catering.models import Diet
from portal.reservations import french
from portal.reservations.calendars import OpenDays
from portal.reservations.fields import WEEKDAYS, WeekdayMaskFormField, names_of
from portal.reservations.models import Activity, Establishment, SchoolClass, SchoolYear

# How many first days the list « Date de début » offers.
START_CHOICES = 40


class ClassChoiceField(forms.ModelChoiceField):
    """Classes grouped by school, so that the list reads well without JavaScript."""

    def label_from_instance(self, school_class: Any) -> str:
        return f"{school_class.name} – {school_class.school.name}"


class CanteenEnrolmentForm(forms.Form):
    """Lists only what may be chosen: schools, classes of the year, restaurants of the activity."""

    school = forms.ModelChoiceField(label="École", queryset=Establishment.objects.none())
    school_class = ClassChoiceField(label="Classe", queryset=SchoolClass.objects.none())
    restaurant = forms.ModelChoiceField(label="Restaurant scolaire", queryset=Establishment.objects.none())
    diet = forms.ModelChoiceField(label="Régime alimentaire", queryset=Diet.objects.none())
    starts_on = forms.TypedChoiceField(label="Date de début", coerce=date.fromisoformat)
    weekdays = WeekdayMaskFormField(
        label="Jours où votre enfant mange au restaurant scolaire",
        error_messages={
            "required": "Cochez au moins un jour habituel : il reste possible d'en réserver d'autres.",
        },
        help_text="Ses jours habituels : ils vous feront gagner du temps au moment de réserver.",
    )

    def __init__(
        self,
        *args: Any,
        activity: Activity,
        school_year: SchoolYear,
        today: date,
        current_start: date | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        classes = SchoolClass.objects.filter(school_year=school_year).select_related("school")
        self.restaurants = list(activity.establishments.filter(active=True).prefetch_related("schools"))
        self.fields["school"].queryset = Establishment.objects.filter(
            kind=Establishment.Kind.SCHOOL, active=True
        )
        self.fields["school_class"].queryset = classes
        self.fields["restaurant"].queryset = activity.establishments.filter(active=True)
        # Read once, above.
        self.fields["restaurant"].choices = [("", "---------"), *((one.pk, one) for one in self.restaurants)]
        self.fields["diet"].queryset = Diet.objects.filter(active=True)
        self.fields["starts_on"].choices = _starts(activity, school_year, today, current_start)
        open_mask = activity.weekdays & _any_open(self.restaurants)
        self.fields["weekdays"].choices = [
            (number, name.capitalize()) for number, name in enumerate(WEEKDAYS) if open_mask >> number & 1
        ]
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.layout = Layout(
            Fieldset("Informations inscription", "school", "school_class", "restaurant", "diet", "starts_on"),
            Fieldset("Jours de fréquentation", "weekdays"),
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        school, school_class = data.get("school"), data.get("school_class")
        restaurant = data.get("restaurant")
        if school and school_class and school_class.school_id != school.pk:
            self.add_error("school_class", f"Cette classe n'est pas à l'école « {school} ».")
        if school and restaurant:
            served = next(one for one in self.restaurants if one.pk == restaurant.pk).schools.all()
            if served and school not in served:
                self.add_error("restaurant", f"Ce restaurant n'accueille pas les élèves de « {school} ».")
        if restaurant and "weekdays" in data:
            closed = data["weekdays"] & ~restaurant.open_weekdays
            if closed:
                self.add_error("weekdays", f"Ce restaurant est fermé : {names_of(closed)}.")
        return data


def _any_open(restaurants: Iterable[Establishment]) -> int:
    mask = 0
    for restaurant in restaurants:
        mask |= restaurant.open_weekdays
    return mask


def _starts(
    activity: Activity, school_year: SchoolYear, today: date, current: date | None
) -> list[tuple[str, str]]:
    """The next open days, and the date already chosen even when it is past."""
    first = max(today, school_year.starts_on)
    last = min(first + timedelta(days=90), school_year.ends_on)
    days = OpenDays.load(activity, None, first, last).days(first, last)[:START_CHOICES]
    if current is not None and current not in days:
        days.insert(0, current)
    return [("", "---------"), *((day.isoformat(), french.day(day, year=True)) for day in days)]
