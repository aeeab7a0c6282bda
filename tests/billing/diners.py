"""Hélène Aubry, a teacher who eats at « Le Verger »: 3.80 € a week before, 6 € later, VAT 10 % within."""

from datetime import date
from decimal import Decimal

from billing.invoices import adults
from billing.invoices.adults import Address
from billing.models import AdultPrice, Diner, DinerKind
from tests.factories import paris

HERE = Address("3 place de l'École", "01999", "Valmirelle-les-Prés", email="helene@example.org")
EARLY = paris(2026, 10, 20, 9)


def price_of_adults(formula, **said):
    said = {"amount": Decimal("3.80"), "notice_days": 7, "late_amount": 6, "vat_percent": 10} | said
    return AdultPrice.objects.create(formula=formula, **said)


def teacher_at(canteen, *, last_name="Aubry", at=EARLY, **said):
    diner = Diner(
        first_name="Hélène",
        last_name=last_name,
        kind=DinerKind.TEACHER,
        formula=canteen.formula,
        starts_on=date(2026, 9, 1),
        **{"establishment": canteen.restaurant} | said,
    )
    return adults.welcome(diner, HERE, by=None, at=at)


def eats_on(diner, *days, at=EARLY):
    return adults.set_days(diner, days, (), by=None, at=at)


def cancels(diner, *days, at):
    return adults.set_days(diner, (), days, by=None, at=at)
