"""What billing lends to the desk's first page: what is not paid, registers that nobody has called yet."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Exists, Min, OuterRef, Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from billing.admin.attendance import MAY_READ, list_url
from billing.models import Invoice
from portal.desk import first_page, rights
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.plurals import counted
from portal.reservations.models import Attendance, Booking, Establishment

MONEY = "billing.view_invoice"
# A list of before a week is billed or forgotten; where nobody calls registers at all, none is missing.
LOOKED_BACK, CALLED_LATELY = timedelta(days=7), timedelta(days=60)
SHOWN = 5


def unpaid(request: HttpRequest, at: datetime) -> dict[str, Any] | None:
    """What families owe, and what of it is late; in one query."""
    today = timezone.localdate(at)
    late = Q(pay_by__lt=today)
    # With columns that `seen_by` keeps and its type does not name.
    invoices_seen: Any = rights.seen_by(request.user, Invoice.objects.with_balance(), MONEY)
    found: dict[str, Any] = (
        invoices_seen.filter(left__gt=0)
        .order_by()
        .aggregate(
            owed=Sum("left"),
            count=Count("pk"),
            owed_late=Sum("left", filter=late),
            count_late=Count("pk", filter=late),
            oldest=Min("pay_by", filter=late),
        )
    )
    invoices = reverse("admin:billing_invoice_changelist")
    lines = [
        ("En retard", found["owed_late"], found["count_late"], f"{invoices}?etat=retard", found["oldest"]),
        ("À payer en tout", found["owed"], found["count"], f"{invoices}?etat=impayee", None),
    ]
    return {
        "lines": [
            {
                "title": title,
                "amount": euros(amount or Decimal(0)),
                "count": counted(count, "facture", "factures"),
                "url": url,
                "since": f"la plus ancienne depuis le {short_day(since)}" if since else "",
            }
            for title, amount, count, url, since in lines
        ]
    }


def not_called(request: HttpRequest, at: datetime) -> dict[str, Any] | None:
    """Lists of the last days, today's apart, on which somebody was expected and nobody noted who came, where
    lists are called at all; in one query."""
    today = timezone.localdate(at)
    same = {"establishment": OuterRef("establishment"), "formula": OuterRef("formula")}
    called = Attendance.objects.filter(**same)
    looked_at = (today - LOOKED_BACK, today - timedelta(days=1))
    booked = Booking.objects.holding().filter(
        # The days are named here too: else the database reads the attendance of all years.
        ~Exists(called.filter(day=OuterRef("day"), day__range=looked_at)),
        Exists(called.filter(day__range=(today - CALLED_LATELY, today))),
        day__range=looked_at,
        # Places are named so that the index by place and day serves.
        establishment__in=Establishment.objects.values("pk"),
    )
    names = ("day", "establishment", "establishment__name", "formula", "formula__name")
    missing = list(
        rights.seen_by(request.user, booked, MAY_READ)
        .order_by("day", "establishment__name", "formula__name")
        .values_list(*names)
        .annotate(children=Count("pk"))
    )
    if not missing:
        return None
    return {
        "lines": [
            {
                "name": f"{place}, {formula}",
                "day": moments.day(day),
                "children": counted(children, "enfant", "enfants"),
                "url": list_url(day, place_key, formula_key),
            }
            for day, place_key, place, formula_key, formula, children in missing[:SHOWN]
        ],
        "left": max(0, len(missing) - SHOWN),
    }


first_page.register(
    first_page.Block("impayes", "Impayés", 15, "admin/billing/first_page_unpaid.html", (MONEY,), unpaid)
)
first_page.register(
    first_page.Block(
        "registres", "Registres à pointer", 40, "admin/billing/first_page_lists.html", (MAY_READ,), not_called
    )
)
