"""The worked invoices of a town that has a file: a family, its days, and what a month's invoice comes to."""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from billing.invoices import drafting, invoicing
from billing.invoices.billable import Scope
from billing.invoices.refusals import BillingRefused
from billing.models import BillingSettings
from portal.conformance import adult_cases, asking, facts, households, loaded_towns
from portal.conformance.published_towns import Case, Document, rows, rule_of, worked
from portal.conformance.values import Unreadable, plain, read_amount, read_day, within
from portal.french.dates import end_of_month

SECTION = "worked_invoices"
AMOUNT = re.compile(r"\d+([.,]\d+)?")
LONG_BEFORE = timedelta(days=40)
ABOUT_FEES = re.compile(r"adhesion|cotisation|frais|dossier|fee|par an\b")


def invoice_cases(town: Document, meta: Document) -> Iterator[Case]:
    return worked(town, SECTION, lambda case: str(case.get("case") or case.get("month") or ""), why_wrong)


def unreadable_invoices(town: Document) -> Iterator[str]:
    """A word where there are cases and nothing to replay them with."""
    if rows(town, SECTION) and not loaded_towns.has_file(town):
        yield str(Unreadable("Une facture se rejoue par le fichier de la commune : il manque.", "town_file"))


def why_wrong(town: Document, case: Document) -> str | None:
    """None when the invoice comes to what the case says, else the reason. Raises Unreadable."""
    if not loaded_towns.has_file(town):
        raise Unreadable("Une facture se rejoue par le fichier de la commune : il manque.", "town_file")
    if case.get("adult") is not None:
        return adult_cases.why_wrong(town, case)
    may_be_refused, expected = _expected(case)
    month = households.month_of(case)
    loaded_towns.stage(town)
    home = households.settle(case, _a_day(case, month))
    facts.write(home, case)
    if may_be_refused and _is_refused(home):
        return None
    if expected is None:
        return "attendu un refus, rien ne s'y oppose"
    bookings = households.book(home)
    asking.give_up(home)
    households.come(home, bookings, case)
    facts.left_late(home)
    earlier = sorted({one.day.replace(day=1) for one in bookings if one.day < month})
    for one in earlier:
        _issue(home, one)
    total, of_fees, said = _draft(home, month)
    if total == expected or (total - of_fees == expected and not _is_about_fees(case)):
        return None
    return f"attendu {expected}, obtenu {total} ({said})"


def _expected(case: Document) -> tuple[bool, Decimal | None]:
    """Whether these days may be refused (« refusé », « refusé ou 60 », or as `case` says); and the amount."""
    said = plain(case.get("expect"))
    with within("expect"):
        if "refus" in said:
            amount = AMOUNT.search(said)
            return True, read_amount(amount[0]) if amount else None
        return "refus" in plain(case.get("case") or ""), read_amount(case.get("expect"))


def _a_day(case: Document, month: date) -> date:
    """One of the month's: a July that has begun is of the year before."""
    return min((day for day in days_written(case) if day >= month), default=month)


def days_written(case: Document) -> list[date]:
    """Every day of its acts, as far as they are written one by one. Raises Unreadable."""
    with within("acts"):
        return [
            read_day(day)
            for child in households.children_of(case)
            for day in _written_days(child.get("acts"))
        ]


def _written_days(acts: object) -> Iterator[object]:
    if isinstance(acts, Mapping):
        for value in acts.values():
            yield from _written_days(value)
    elif isinstance(acts, list):
        for one in acts:
            if isinstance(one, date) or (isinstance(one, str) and len(one) >= 10):
                yield one


def _is_refused(home: households.Home) -> bool:
    """Whether the family would not get these days, asked for well before; undone."""
    days = [act.day for pupil in home.pupils for act in pupil.acts]
    if not days:
        return False
    at = timezone.make_aware(datetime.combine(min(days) - LONG_BEFORE, time(9)))
    with transaction.atomic():
        for act in {act for pupil in home.pupils for act in pupil.acts}:
            asking.open_day(act, at)
        came, _ = asking.ask(home, at)
        transaction.set_rollback(True)
    return came in (asking.REFUSED, asking.FULL)


def _issue(home: households.Home, month: date) -> None:
    """Bills an earlier month for good: what is left is the month's own."""
    evening = timezone.make_aware(datetime.combine(end_of_month(month), time(18)))
    with transaction.atomic():
        try:
            invoicing.issue_one(home.household, Scope(month), by=None, at=evening)
        except BillingRefused:
            transaction.set_rollback(True)  # nothing to bill


def _is_about_fees(case: Document) -> bool:
    """Whether it speaks of what is asked once a year; else it may leave that out of what it adds up."""
    return ABOUT_FEES.search(plain(f"{case.get('case')} {rule_of(case)}")) is not None


def _draft(home: households.Home, month: date) -> tuple[Decimal, Decimal, str]:
    """The month's total, what of it is asked once a year, and its lines."""
    drafts, warnings = drafting.drafts([home.household.pk], Scope(month), BillingSettings.current())
    lines = [line for one in drafts for line in one.of_the_month().lines]
    said = [f"{line.label} : {line.quantity.normalize():f} × {line.unit_price}" for line in lines]
    said += [f"{name} : {why}" for name, why in warnings.reasons.items()]
    said += [f"{name} : sans pointage" for name in warnings.without_minutes]
    total = sum((line.amount for line in lines), Decimal("0.00"))
    of_fees = sum((line.amount for line in lines if line.kind == "fee"), Decimal("0.00"))
    return total, of_fees, " ; ".join(said) or "rien à facturer"
