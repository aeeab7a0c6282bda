"""To whom a message goes, of what children do: their place, class, activity, period, formula, days."""

from datetime import date, timedelta
from typing import Any

from django import forms
from django.db.models import Q, QuerySet

from families.messages.audiences import Keys, Part
from families.messages.own_parts import named, several
from families.models import Custody
from families.visibility import holds, lives_at
from portal.desk import rights
from portal.desk.choices import SeveralRows
from portal.french.dates import short_day
from portal.french.day_fields import DayField
from portal.reservations.models import (
    Activity,
    Booking,
    Enrolment,
    Establishment,
    Formula,
    Period,
    SchoolClass,
    Schooling,
    SchoolYear,
)
from portal.web.form_fields import field_of

RIGHTS = ("reservations.view_establishment",)
BOOKING, ENROLMENT, SCHOOLING = (f"reservations.view_{one}" for one in ("booking", "enrolment", "schooling"))
# What each question is read with: without the right, the question is not asked.
NEEDS = {
    "places": RIGHTS[0],
    "classes": "reservations.view_schoolclass",
    "activities": ENROLMENT,
    "periods": BOOKING,
    "formulas": BOOKING,
    "day": BOOKING,
    "until": BOOKING,
}
LABELS = {
    "places": "lieu",
    "classes": "classe",
    "activities": "inscrit à",
    "periods": "période",
    "formulas": "formule",
}
LONGEST = timedelta(days=366)


class OfActivities(SeveralRows[Any]):
    """Rows of activities, each named with its own."""

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj}, {obj.activity}"


def of_activities(rows: Any, label: str) -> OfActivities:
    return OfActivities(rows, label=label, required=False, widget=forms.CheckboxSelectMultiple)


class Children(Part):
    """All that is chosen is asked of one child: in this class, and booked that day."""

    code = "enfants"
    legend = "Ce que font les enfants"
    hint = (
        "Plusieurs choix d'une même liste s'ajoutent ; d'une liste à l'autre, ils se combinent : un enfant "
        "de cette classe, réservé ce jour-là."
    )

    places = several(Establishment.objects.none(), "École, restaurant ou centre")
    classes = several(SchoolClass.objects.none(), "Classe")
    activities = several(Activity.objects.none(), "Inscrit à")
    formulas = of_activities(Formula.objects.none(), "Réservé en")
    periods = of_activities(Period.objects.none(), "Réservé pendant")
    day = DayField(label="Réservé le", required=False, help_text="Ou à partir de ce jour.")
    until = DayField(label="jusqu'au", required=False, help_text="Vide : ce jour-là seulement.")

    def __init__(self, data: Any, **given: Any) -> None:
        super().__init__(data, **given)
        self._years = list(SchoolYear.objects.serving(self.today).values_list("pk", flat=True))
        recent = self.today - LONGEST
        rows: dict[str, QuerySet[Any]] = {
            "places": Establishment.objects.filter(active=True),
            "classes": SchoolClass.objects.filter(school_year__in=self._years).select_related("school"),
            "activities": Activity.objects.filter(active=True),
            "formulas": Formula.objects.filter(activity__active=True).select_related("activity"),
            "periods": Period.objects.filter(ends_on__gte=recent).select_related("activity"),
        }
        for name, right in NEEDS.items():
            if not self.user.has_perm(right):
                del self.fields[name]
            elif name in rows:
                field = field_of(self, name, forms.ModelMultipleChoiceField)
                field.queryset = rights.seen_by(self.user, rows[name], right)

    def clean(self) -> dict[str, Any]:
        super().clean()
        day, until = self.cleaned_data.get("day"), self.cleaned_data.get("until")
        if until and not day and "day" not in self.errors:
            self.add_error("day", "Indiquez le premier jour.")
        if day and until and not day <= until <= day + LONGEST:
            self.add_error("until", "Le dernier jour suit le premier, d'un an au plus.")
        return self.cleaned_data

    def _chosen(self, name: str) -> list[Any]:
        return list(self.cleaned_data.get(name) or ())

    def homes(self) -> Keys:
        if self._chosen("formulas") or self._chosen("periods") or self.cleaned_data.get("day"):
            return self._booked().values("household")
        if self._chosen("activities"):
            return self._enrolled().values("household")
        at_places = Q()
        if places := self._chosen("places"):
            at_places = Q(child__in=self._pupils(school_class__school__in=places)) | Q(
                child__in=self._enrolled().values("child")
            )
        living = Custody.objects.filter(holds(self.today), at_places, self._of_classes())
        return living.order_by().values("household")

    def _pupils(self, **which: Any) -> QuerySet[Any, Any]:
        """The children of the classes of this year."""
        rows = Schooling.objects.current().filter(school_year__in=self._years, **which)
        return rights.seen_by(self.user, rows, SCHOOLING).order_by().values("child")

    def _of_classes(self) -> Q:
        classes = self._chosen("classes")
        return Q(child__in=self._pupils(school_class__in=classes)) if classes else Q()

    def _at_places(self) -> Q:
        """There, or pupils of there: of the canteen one may mean the restaurant, or the school."""
        places = self._chosen("places")
        if not places:
            return Q()
        return Q(establishment__in=places) | Q(child__in=self._pupils(school_class__school__in=places))

    def _enrolled(self) -> QuerySet[Enrolment]:
        rows = Enrolment.objects.live().filter(
            Q(ends_on=None) | Q(ends_on__gte=self.today),
            self._at_places(),
            self._of_classes(),
            lives_at(self.today),
            school_year__in=self._years,
        )
        if activities := self._chosen("activities"):
            rows = rows.filter(activity__in=activities)
        return rights.seen_by(self.user, rows, ENROLMENT).order_by()

    def _booked(self) -> QuerySet[Booking]:
        rows = Booking.objects.holding().filter(self._at_places(), self._of_classes(), lives_at(self.today))
        if formulas := self._chosen("formulas"):
            rows = rows.filter(formula__in=formulas)
        if activities := self._chosen("activities"):
            rows = rows.filter(activity__in=activities)
        periods, day = self._chosen("periods"), self.cleaned_data.get("day")
        if periods:
            within = (Q(activity=one.activity_id, day__range=(one.starts_on, one.ends_on)) for one in periods)
            rows = rows.filter(Q(*within, _connector=Q.OR))
        if day:
            rows = rows.filter(day__range=(day, self.cleaned_data.get("until") or day))
        elif not periods:
            rows = rows.filter(day__gte=self.today)
        return rights.seen_by(self.user, rows, BOOKING).order_by()

    def words(self) -> list[str]:
        said = [named(label, rows) for name, label in LABELS.items() if (rows := self._chosen(name))]
        day: date | None = self.cleaned_data.get("day")
        until: date | None = self.cleaned_data.get("until")
        if day and until and until != day:
            said.append(f"réservé du {short_day(day, year=True)} au {short_day(until, year=True)}")
        elif day:
            said.append(f"réservé le {short_day(day, year=True)}")
        return said
