"""Invoices of care: some lines, what of them is care, and a payment of 2026."""

from datetime import date
from decimal import Decimal
from typing import Any

from billing.models import Invoice, InvoiceLine, Payment
from billing.payments import paying
from families.models import Child, Household
from tests.factories import ChildFactory, InvoiceFactory, paris

YOUNG, OLD = date(2022, 5, 10), date(2016, 8, 8)
JANUARY_2027 = paris(2027, 1, 4, 9)


def invoiced(
    household: Household, *lines: tuple[Child | None, str, int], month: date = date(2026, 3, 1)
) -> Invoice:
    """An issued invoice of these lines: (child, amount, care in per cent)."""
    total = sum(Decimal(amount) for _, amount, _ in lines)
    invoice = InvoiceFactory(household=household, month=month, total=total, line_count=len(lines))
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoice,
            position=position,
            child=child,
            child_name=str(child or ""),
            label="Accueil du soir" if percent else "Repas",
            quantity=1,
            unit_price=Decimal(amount),
            amount=Decimal(amount),
            care_percent=percent,
        )
        for position, (child, amount, percent) in enumerate(lines, start=1)
    )
    return invoice


def pays(household: Household, amount: str, day: date, **more: Any) -> Payment:
    return paying.record(household, Decimal(amount), "cheque", paid_on=day, by=None, at=JANUARY_2027, **more)


def tax_pages(household: Household) -> list[str]:
    """A family's pages of a year that runs and of one that is over, with something on each."""
    mia = ChildFactory(first_name="Mia", last_name="Roux", birth_date=YOUNG, households=[household])
    invoiced(household, (mia, "30.00", 100), (mia, "20.00", 0))
    pays(household, "10.00", date(2025, 12, 1))
    pays(household, "40.00", date(2026, 4, 2))
    return ["/factures/", "/factures/attestation-fiscale/2025/", "/factures/attestation-fiscale/2026/"]
