"""Bare Django views to compare pages with: what no planning of so many days can do without, and what no page
with so many queries and rows.

Of the planning: the same middleware, session and user, in the frame that every page of the portal has; as
many queries, each by an index and for rows that any planning reads; as many cells, in a flat template. No
rule is applied, nothing is decided.
"""

from datetime import date, timedelta
from decimal import Decimal
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


# Any page --------------------------------------------------------------------------------------------------

PAGE = "/page-nue/"
LISTED = """{% extends "base.html" %}{% block title %}Page{% endblock %}{% block content %}<ul>
{% for row in rows %}<li><a href="/page-nue/?n={{ row.number }}">{{ row.day|date:"l j F" }}</a> \
<span class="row-detail">{{ row.name }}</span> <span class="amount">{{ row.amount }}</span></li>
{% endfor %}</ul>{% endblock %}"""


def asks(queries: int, *, rows: int) -> None:
    """How many queries by an index the bare page asks beside those of its session and its user, and how many
    rows it shows."""
    template = engines["django"].from_string(LISTED)
    vars(_ground).update(queries=queries - QUERIES_OF_ANY_PAGE, rows=rows, page=template)


# Session and user.
QUERIES_OF_ANY_PAGE = 2


def page(request: HttpRequest) -> HttpResponse:
    """So many queries, so many rows."""
    for number in range(_ground.queries):
        list(Period.objects.select_related("activity").filter(pk=number))
    first = date(2026, 9, 1)
    rows = [
        {
            "number": number,
            "day": first + timedelta(days=number),
            "name": f"Restauration scolaire, Lina Roux {number}",
            "amount": Decimal(number) / 4,
        }
        for number in range(_ground.rows)
    ]
    return HttpResponse(_ground.page.render({"rows": rows}, request))


urlpatterns = [path("plancher/", view), path("page-nue/", page), path("", include("portal.urls"))]
