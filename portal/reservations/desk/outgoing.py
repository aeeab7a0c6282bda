"""What the engine fills of a file that an import can read: the class of the year, live enrolments."""

from collections.abc import Mapping

from django.db.models import QuerySet

from families.imports import outgoing
from families.imports.outgoing import Bite, Line, Whose
from portal.french.weekdays import names_of
from portal.reservations.models import Enrolment, Schooling, SchoolYear

SCHOOLING = ("school.class", "school.name")
ENROLMENT = ("enrolment.activity", "enrolment.weekdays", "enrolment.since", "enrolment.place")


def _year(bite: Bite) -> SchoolYear | None:
    """That which an import means where nobody says another."""
    return SchoolYear.objects.serving(bite.today).order_by("starts_on").first()


def _schoolings(bite: Bite) -> Mapping[Whose, list[Line]]:
    year = _year(bite)
    if year is None:
        return {}
    rows = Schooling.objects.current().filter(child__in=bite.child_keys, school_year=year)
    classes = {row.child_id: row.school_class for row in rows.select_related("school_class__school")}
    return {
        (home, child.pk): [
            {"school.class": classes[child.pk].name, "school.name": classes[child.pk].school.name}
        ]
        for home, children in bite.children.items()
        for child in children
        if child.pk in classes
    }


def _enrolments(bite: Bite) -> Mapping[Whose, list[Line]]:
    year = _year(bite)
    if year is None:
        return {}
    rows: QuerySet[Enrolment] = Enrolment.objects.live().filter(
        household__in=[home.pk for home in bite.homes], child__in=bite.child_keys, school_year=year
    )
    found: dict[Whose, list[Line]] = {}
    for row in rows.select_related("activity", "establishment").order_by("activity", "pk"):
        found.setdefault((row.household_id, row.child_id), []).append(
            {
                "enrolment.activity": row.activity.name,
                "enrolment.weekdays": names_of(row.weekdays),
                "enrolment.since": row.starts_on,
                "enrolment.place": row.establishment.name if row.establishment else "",
            }
        )
    return found


def register_all() -> None:
    """Once the engine is ready."""
    outgoing.register("schooling", 20, SCHOOLING, _schoolings, rights=("reservations.view_schooling",))
    outgoing.register("enrolments", 30, ENROLMENT, _enrolments, rights=("reservations.view_enrolment",))
    for model in (Schooling, Enrolment):
        outgoing.offer(model)
