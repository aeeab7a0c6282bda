"""« Statistiques »: a year of counted months for the council, as charts with their tables and in files."""

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import urlencode

from portal.desk import exporting, rights
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import csv_lines, hand_over
from portal.french import moments
from portal.french.dates import end_of_month, month_name
from portal.reservations.models import CountedMonth, Establishment, MonthlyFigure, Slot
from portal.reservations.statistics import counting, reading
from portal.reservations.statistics.reading import Table, Year

PERMISSION = "reservations.view_monthlyfigure"


class Statistics(OwnPages[Slot]):
    """Adds this page to a model's."""

    statistics_link = DeskLink(
        "Statistiques",
        "reservations_statistics",
        PERMISSION,
        "enfants, repas, occupation, demandes, tranches de quotient, d'année en année",
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.statistics)
        return [path("statistiques/", view, name="reservations_statistics"), *super().get_urls()]

    def statistics(self, request: HttpRequest) -> HttpResponseBase:
        """A year (`annee`) in the town or at a place (`lieu`); `format=xlsx` gives all tables, `format=csv`
        the one that `tableau` names. Who has some places only sees one of them at a time."""
        self.demand(request, PERMISSION)
        everything = MonthlyFigure.objects.all()
        figures = rights.seen_by(request.user, everything, PERMISSION)
        months = list(CountedMonth.objects.all())
        places = _places(figures)
        asked = request.GET.get("lieu", "")
        whole = figures is everything
        place = next((one for one in places if str(one.pk) == asked), None)
        if place is None and not whole and places:
            place = places[0]
        years = reading.years(one.first for one in months)
        year = _year(years, request.GET.get("annee", ""), timezone.localdate())
        found: list[Table] = []
        if year is not None:
            key = place.pk if place else None
            today = timezone.localdate()
            found = reading.tables(figures, year, months, place=key, today=today)
        if year is not None and found and (file := _file(request, found, year, place)) is not None:
            return file
        chosen = {"annee": year.key if year else "", "lieu": str(place.pk) if place else ""}
        context = {
            "years": years,
            "year": year,
            "places": places,
            "place": place,
            "whole": whole,
            "tables": [
                (table, urlencode(chosen | {"format": "csv", "tableau": table.key})) for table in found
            ],
            "xlsx": urlencode(chosen | {"format": "xlsx"}),
            "counted": _said_of_counting(months),
        }
        return self.page(request, "admin/reservations/statistics.html", "Statistiques", context)


def _places(figures: QuerySet[MonthlyFigure]) -> list[Establishment]:
    """Those of which something is counted."""
    named = figures.filter(establishment__isnull=False).order_by().values("establishment").distinct()
    return list(Establishment.objects.filter(pk__in=named).order_by("kind", "name"))


def _year(years: list[Year], asked: str, today: date) -> Year | None:
    """The one that is asked for, else the school year that goes on, else the newest."""
    return (
        next((one for one in years if one.key == asked), None)
        or next((one for one in years if today.replace(day=1) in one.months), None)
        or next(iter(years), None)
    )


def _file(
    request: HttpRequest, tables: list[Table], year: Year, place: Establishment | None
) -> HttpResponseBase | None:
    kind = request.GET.get("format", "")
    name = f"statistiques-{year.key}{f'-{place.code}' if place else ''}"
    if kind == "xlsx":
        sheets = ((one.title, one.headings, _rows(one)) for one in tables)
        return hand_over(exporting.sheets(sheets), f"{name}.xlsx")
    if kind == "csv":
        asked = request.GET.get("tableau", "")
        table = next((one for one in tables if one.key == asked), tables[0])
        return hand_over(csv_lines([tuple(table.headings), *_rows(table)]), f"{name}-{table.key}.csv")
    return None


def _rows(table: Table) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in (*table.rows, *([table.last] if table.last else []))]


def _said_of_counting(months: list[CountedMonth]) -> list[str]:
    """When the figures were written, and which of them long after their month."""
    if not months:
        return []
    latest = max(one.counted_at for one in months)
    found = [
        f"Chiffres de la nuit du {moments.moment(latest)}. Un mois est recompté chaque nuit jusqu'à "
        f"{counting.CLOSES_AFTER.days} jours après sa fin, puis il ne change plus : l'effacement d'une "
        "famille n'y change rien."
    ]
    after = [one.first for one in months if _long_after(one.first, one.counted_at)]
    if after:
        which = month_name(max(after))
        found.append(
            f"Les mois jusqu'à {which} ont été comptés après coup : ce qui était déjà effacé ce jour-là n'y "
            "est pas."
        )
    return found


def _long_after(first: date, counted_at: datetime) -> bool:
    return timezone.localdate(counted_at) > end_of_month(first) + counting.CLOSES_AFTER + timedelta(days=31)
