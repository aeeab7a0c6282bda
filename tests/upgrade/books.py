"""A town's books: what they say, and what must hold in them whatever the version."""

import hashlib
from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import Count, Sum

from billing.invoices import sealing
from billing.models import CreditNote, Invoice, NumberCounter, Payment, PaymentAllocation
from portal.reservations.models import Booking, Slot


def summary() -> dict[str, Any]:
    """What every later version must find again, as JSON holds it. One that means to change some of it says
    here how it was said before."""
    people = ("families.Household", "families.Guardian", "families.Child", "families.User")
    bookings = Booking.objects.values_list("activity__code", "state").annotate(Count("pk"))
    slots = Slot.objects.filter(taken__gt=0)
    places = slots.values_list("activity__code", "establishment__code").annotate(Sum("taken"))
    invoices = Invoice.objects.with_balance()
    return {
        "people": {label: apps.get_model(label).objects.count() for label in people},
        "bookings": {f"{activity} {state}": count for activity, state, count in bookings.order_by()},
        "places": {f"{activity} {where}": count for activity, where, count in places.order_by()},
        "invoices": {one.number: f"{one.total:.2f}, reste {one.left:.2f}" for one in invoices},
        "credit notes": {one.number: f"{one.amount:.2f}" for one in CreditNote.objects.all()},
        "payments": {one.number: f"{one.amount:.2f}, {one.state}" for one in Payment.objects.all()},
        "balances": balances(),
        "files": files(),
    }


def balances() -> dict[str, str]:
    """What each household has left to pay, in euros, by its number."""
    left: dict[str, Decimal] = defaultdict(Decimal)
    for invoice in Invoice.objects.with_balance().select_related("household"):
        left[str(invoice.household.number)] += invoice.left
    return {number: f"{amount:.2f}" for number, amount in left.items()}


def files() -> dict[str, str]:
    """The SHA-256 of every file that a row names; raises OSError for one that is lost."""
    found = {}
    for model in apps.get_models():
        for field in model._meta.local_concrete_fields:
            if isinstance(field, models.FileField):
                for row in model._default_manager.exclude(**{field.name: ""}):
                    with getattr(row, field.name).open("rb") as file:
                        found[file.name] = hashlib.sha256(file.read()).hexdigest()
    return found


def audit_numbers() -> None:
    """Numbers of all kinds of documents follow one another, and counters stand where they end."""
    taken: dict[tuple[str, int], list[int]] = defaultdict(list)
    for model in sealing.FORMS:
        for one in sealing.every(model):
            taken[one.series, one.year].append(one.sequence)
            assert one.number == f"{one.series}{one.year}-{one.sequence:06d}"
    assert taken
    for sequences in taken.values():
        assert sorted(sequences) == list(range(1, len(sequences) + 1))
    counters = {(one.series, one.year): one.last for one in NumberCounter.objects.all()}
    assert counters == {key: len(sequences) for key, sequences in taken.items()}


def audit_money() -> None:
    """An invoice is the sum of its lines; a payment gives no more than it has, an invoice takes no more."""
    for invoice in Invoice.objects.annotate(written=Count("lines"), due=Sum("lines__amount")):
        assert (invoice.written, invoice.due) == (invoice.line_count, invoice.total), invoice
    shares = PaymentAllocation.objects.values_list("payment__number", "payment__amount")
    assert [number for number, has, gives in shares.annotate(Sum("amount")) if gives > has] == []
    assert not Invoice.objects.with_balance().filter(left__lt=0).exists()
