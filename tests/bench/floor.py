"""A bare Django view to compare the planning with: what no planning of so many days can do without.

The same middleware, session and user, in the frame that every page of the portal has; as many queries, each
by an index and for rows that any planning reads; as many cells, in a flat template. No rule is applied,
nothing is decided.
"""

from datetime import date
from types import SimpleNamespace

from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import include, path

from catering.models import Dish
from portal.reservations.models import (
    ActivityDeadline,
    Booking,
    Enrolment,
    Formula,
    Period,
    Reservation,
    ReservationLine,
    SchoolHoliday,
    Slot,
)

QUERIES = 8
TEMPLATE = """{% extends "base.html" %}{% block title %}Planning{% endblock %}{% block content %}<table>
{% for row in rows %}<tr>{% for cell in row %}<td role="cell" class="cell cell--{{ cell.state }}"><label \
title="{{ cell.note }}"><input type="checkbox" name="{{ cell.field }}" value="{{ cell.value }}" \
aria-label="{{ cell.name }}"><span class="cell-day">{{ cell.number }}</span><span class="cell-icon"></span>\
</label></td>{% endfor %}</tr>
{% endfor %}</table>{% endblock %}"""

_ground = SimpleNamespace()


def stands_on(
    where: SimpleNamespace,
    enrolment: Enrolment,
    draft: Reservation,
    *,
    cells: int,
    days: tuple[date, date] | None = None,
) -> None:
    """Which rows the view reads, those of the whole period or of some `days`, and for how many cells."""
    template = engines["django"].from_string(TEMPLATE)
    vars(_ground).update(
        where=where, enrolment=enrolment, draft=draft, cells=cells, template=template, days=days
    )


def view(request: HttpRequest) -> HttpResponse:
    """QUERIES queries, then the cells."""
    where = _ground.where
    enrolment = Enrolment.objects.select_related(
        "activity", "household", "school_year", "child", "establishment"
    ).get(pk=_ground.enrolment.pk)
    period = Period.objects.get(pk=where.period.pk)
    days = _ground.days or (period.starts_on, period.ends_on)
    slots = Slot.objects.filter(
        activity=enrolment.activity_id, establishment=enrolment.establishment_id, day__range=days
    )
    bookings = Booking.objects.filter(child=enrolment.child_id, day__range=days)
    columns = [one.order_by().values_list("pk", "day") for one in (slots, bookings)]
    found = [day for _, day in columns[0].union(columns[1], all=True)]
    for rows in (
        Formula.objects.filter(activity=enrolment.activity_id),
        ActivityDeadline.objects.filter(activity=enrolment.activity_id).select_related("rule"),
        SchoolHoliday.objects.filter(ends_on__gte=days[0], starts_on__lte=days[1]),
        ReservationLine.objects.filter(reservation=_ground.draft.pk),
        Dish.objects.filter(menu__restaurant=enrolment.establishment_id, menu__day__range=days),
    ):
        list(rows)
    cells = [
        {
            "state": "free",
            "note": "Réservable jusqu'au samedi 14 novembre à 10 h.",
            "field": "book",
            "value": f"{where.formula.pk}:{day}",
            "name": f"{day}, libre",
            "number": day.day,
        }
        for day in (found * 2)[: _ground.cells]
    ]
    grid = [cells[start : start + 5] for start in range(0, len(cells), 5)]
    return HttpResponse(_ground.template.render({"rows": grid}, request))


urlpatterns = [path("plancher/", view), path("", include("portal.urls"))]
