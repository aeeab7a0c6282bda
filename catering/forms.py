"""« Inscription à la restauration scolaire »."""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Fieldset, Layout
from django import forms
from django.db.models import QuerySet

from families.diet_field import DietField
from families.diets import Plate
from portal.french import moments
from portal.french.dates import WEEKDAYS
from portal.french.day_fields import NearDateField
from portal.french.weekdays import WeekdayMaskFormField, names_of
from portal.reservations.days import effects
from portal.reservations.days.calendars import OpenDays
from portal.reservations.models import Activity, Enrolment, Establishment, SchoolClass, SchoolYear
from portal.web.form_fields import NamesItsFields, field_of

# How many first days the list « Date de début » offers.
START_CHOICES = 40


NOTHING_CHOSEN = ("", "Choisir…")
INFORMATION = ("school", "school_class", "restaurant", "since", "diet", "starts_on")


class OfSchools(forms.Select):
    """A list whose options say which schools they are for; the page then shows those of the school chosen."""

    schools: Mapping[str, Iterable[int]] = {}  # of an option that is for all schools: nothing

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        if schools := self.schools.get(str(value)):
            option["attrs"]["data-schools"] = " ".join(map(str, schools))
        return option


class CanteenEnrolmentForm(NamesItsFields, forms.Form):
    """Lists only what may be chosen: schools, classes of the year, restaurants of the activity."""

    school = forms.ModelChoiceField(
        label="École", queryset=Establishment.objects.none(), empty_label=NOTHING_CHOSEN[1]
    )
    school_class = forms.ModelChoiceField(
        label="Classe", queryset=SchoolClass.objects.none(), widget=OfSchools
    )
    restaurant = forms.ModelChoiceField(
        label="Restaurant scolaire", queryset=Establishment.objects.none(), widget=OfSchools
    )
    since = NearDateField(
        label="Changement à partir du",
        required=False,
        help_text="Si vous changez l'école, la classe ou le restaurant. Vide : dès que possible.",
    )
    diet = DietField()
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
        plate: Plate,
        current_start: date | None = None,
        changes: bool = False,
        **kwargs: Any,
    ) -> None:
        """`changes`: of an enrolment that the town hall accepted, whose days follow from a day on."""
        super().__init__(*args, **kwargs)
        if not changes:
            del self.fields["since"]
        classes = SchoolClass.objects.filter(school_year=school_year).select_related("school")
        self.restaurants = list(activity.establishments.filter(active=True).prefetch_related("schools"))
        if not classes:
            # In spring the classes of the next year are not named yet.
            self.fields["school_class"].required = False
            self.fields["school_class"].help_text = f"Les classes {school_year} ne sont pas encore connues."
        field_of(self, "school", forms.ModelChoiceField).queryset = Establishment.objects.filter(
            kind=Establishment.Kind.SCHOOL, active=True
        )
        self._offer(
            "school_class",
            classes,
            [(one.pk, str(one), [one.school_id]) for one in classes],
        )
        self._offer(
            "restaurant",
            activity.establishments.filter(active=True),
            [(one.pk, str(one), [school.pk for school in one.schools.all()]) for one in self.restaurants],
        )
        field_of(self, "diet", DietField).show(plate)
        self.days = _starts(activity, school_year, today, current_start)
        field_of(self, "starts_on", forms.ChoiceField).choices = [
            NOTHING_CHOSEN,
            *((day.isoformat(), moments.day(day, year=True)) for day in self.days),
        ]
        if since := effects.sentence(activity, today, school_year.starts_on):
            self.fields["starts_on"].help_text = since
        open_mask = activity.weekdays & _any_open(self.restaurants)
        field_of(self, "weekdays", WeekdayMaskFormField).choices = [
            (number, name.capitalize()) for number, name in enumerate(WEEKDAYS) if open_mask >> number & 1
        ]
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.layout = Layout(
            Fieldset(
                "Informations inscription",
                *(name for name in INFORMATION if name in self.fields),
            ),
            Fieldset("Jours de fréquentation", "weekdays"),
        )

    def fill_in(self, before: Enrolment) -> None:
        """What was sent before, to correct and send again; the first day that is still to come."""
        self.initial["restaurant"] = before.establishment_id
        self.initial["weekdays"] = before.weekdays
        self.initial["starts_on"] = next(
            (day.isoformat() for day in self.days if day >= before.starts_on), ""
        )

    def _offer(self, name: str, rows: QuerySet[Any], options: list[tuple[int, str, list[int]]]) -> None:
        """Options read once: key, label, schools they are for (none: all)."""
        field = field_of(self, name, forms.ModelChoiceField)
        field.queryset = rows
        field.widget.schools = {str(key): schools for key, _, schools in options}
        field.choices = [NOTHING_CHOSEN, *((key, label) for key, label, _ in options)]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        school, school_class = data.get("school"), data.get("school_class")
        restaurant = data.get("restaurant")
        if school and school_class and school_class.school_id != school.pk:
            self.add_error("school_class", f"Cette classe n'est pas à l'école « {school} ».")
        if school and restaurant:
            serving = [
                one for one in self.restaurants if not one.schools.all() or school in one.schools.all()
            ]
            if restaurant not in serving:
                said = f"Ce restaurant n'accueille pas les élèves de « {school} »."
                if serving:
                    said += f" Choisissez {' ou '.join(f'« {one} »' for one in serving)}."
                self.add_error("restaurant", said)
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


def _starts(activity: Activity, school_year: SchoolYear, today: date, current: date | None) -> list[date]:
    """The next open days, and the date already chosen even when it is past."""
    first = max(effects.first_day(activity, today), school_year.starts_on)
    last = min(first + timedelta(days=90), school_year.ends_on)
    days = OpenDays.load(activity, None, first, last).days(first, last)[:START_CHOICES]
    if current is not None and current not in days:
        days.insert(0, current)
    return days
