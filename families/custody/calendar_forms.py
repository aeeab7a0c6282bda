"""The form of a custody calendar, for a home and for the desk: homes are called as the reader calls them."""

from collections.abc import Mapping
from typing import Any

from django import forms

from families.custody.calendars import Terms
from families.models import CustodyCalendar
from portal.french.dates import WEEKDAYS
from portal.french.day_fields import DayField, DayInput
from portal.french.weekdays import FRIDAY
from portal.web.form_fields import NamesItsFields, field_of

# Lines for dates by hand that are empty when the page opens, and how many there may be.
EMPTY_LINES, MOST_LINES = 2, 40


class CalendarForm(NamesItsFields, forms.Form):
    """Weeks, day of change and holidays. `names` are the two homes by key, as the reader calls them."""

    even = forms.TypedChoiceField(label="Les semaines paires", coerce=int, widget=forms.RadioSelect)
    weekday = forms.TypedChoiceField(
        label="Jour du changement",
        coerce=int,
        widget=forms.Select(attrs={"class": "form-select"}),
        choices=[(number, name.capitalize()) for number, name in enumerate(WEEKDAYS)],
        initial=FRIDAY,
    )
    moment = forms.ChoiceField(
        label="Moment du changement",
        widget=forms.Select(attrs={"class": "form-select"}),
        choices=CustodyCalendar.Moment.choices,
        initial=CustodyCalendar.Moment.EVENING,
        help_text="La semaine paire va de ce moment de la semaine paire au même moment de la suivante.",
    )
    first_half = forms.TypedChoiceField(
        label="Les vacances scolaires",
        coerce=int,
        required=False,
        empty_value=None,
        widget=forms.RadioSelect,
    )

    def __init__(self, *args: Any, names: Mapping[int, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = names
        homes = list(names.items())
        field_of(self, "even", forms.ChoiceField).choices = homes
        halves = [
            (key, f"Par moitiés : la première {name} les années paires, la seconde les années impaires")
            for key, name in homes
        ]
        field_of(self, "first_half", forms.ChoiceField).choices = [
            ("", "Comme le reste de l'année"),
            *halves,
        ]


class DatesForm(forms.Form):
    """Some days that are one home's, whatever the week."""

    starts_on = DayField(label="Du", required=False, widget=DayInput(**{"class": "form-control"}))
    ends_on = DayField(label="Au", required=False, widget=DayInput(**{"class": "form-control"}))
    home = forms.TypedChoiceField(
        label="Chez qui",
        coerce=int,
        required=False,
        empty_value=None,
        widget=forms.Select(attrs={"class": "form-select"}),
    )

    def __init__(self, *args: Any, names: Mapping[int, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "home", forms.ChoiceField).choices = [("", "Choisir…"), *names.items()]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        given = [data.get(name) for name in ("starts_on", "ends_on", "home")]
        if any(given) and not all(given) and not self.errors:
            self.add_error(None, "Des dates à la main : indiquez le premier jour, le dernier, et chez qui.")
        elif all(given) and data["ends_on"] < data["starts_on"]:
            self.add_error("ends_on", "Le dernier jour doit suivre le premier.")
        return data


class CalendarPage:
    """The form with its lines of dates: one thing to post, one thing to check."""

    def __init__(self, data: Any, *, names: Mapping[int, str], terms: Terms | None) -> None:
        initial: dict[str, Any] = {}
        dates: list[dict[str, Any]] = []
        if terms is not None:
            initial = {name: getattr(terms, name) for name in ("even", "weekday", "moment", "first_half")}
            dates = [{"starts_on": one, "ends_on": two, "home": home} for one, two, home in terms.dates]
        lines = forms.formset_factory(
            DatesForm, extra=EMPTY_LINES, max_num=MOST_LINES, absolute_max=MOST_LINES, validate_max=True
        )
        self.form = CalendarForm(data, names=names, initial=initial)
        self.lines = lines(data, initial=dates, prefix="dates", form_kwargs={"names": names})

    def is_valid(self) -> bool:
        return all([self.form.is_valid(), self.lines.is_valid()])

    @property
    def terms(self) -> Terms:
        """What was typed, once valid."""
        typed = self.form.cleaned_data
        (odd,) = (home for home in self.form.names if home != typed["even"])
        dates = [
            (line["starts_on"], line["ends_on"], line["home"])
            for line in self.lines.cleaned_data
            if line.get("starts_on")
        ]
        return Terms(typed["even"], odd, typed["weekday"], typed["moment"], typed["first_half"], dates)

    @property
    def refusals(self) -> list[str]:
        """What is wrong in the lines of dates, in sentences."""
        found = [str(error) for error in self.lines.non_form_errors()]
        for line in self.lines:
            found += [str(error) for errors in line.errors.values() for error in errors]
        return found
