"""What an adult pays for a meal: a price, dearer for who books late; each from a day on. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from portal.french.amounts import euros, number
from portal.french.dates import short_day
from portal.french.plurals import counted


@dataclass(frozen=True)
class Price:
    """`amount` for who books `notice_days` days before at the latest, `late_amount` (None: refused) for who
    books later; in euros, VAT of `vat_percent` included. `kind` "": of every adult."""

    amount: Decimal
    late_amount: Decimal | None = None
    notice_days: int = 0
    vat_percent: Decimal = Decimal(0)
    kind: str = ""
    valid_from: date | None = None


@dataclass(frozen=True)
class Worth:
    """What a meal costs, in euros, and why; `amount` None: it can no longer be booked."""

    amount: Decimal | None
    late: bool
    said: str


def holding(prices: Iterable[Price], kind: str, day: date) -> Price | None:
    """The price that holds on a day for a kind of adult: its own before that of all, the latest of them."""
    found = [
        one for one in prices if one.kind in (kind, "") and (one.valid_from is None or one.valid_from <= day)
    ]
    return max(found, key=lambda one: (bool(one.kind), one.valid_from or date.min), default=None)


def last_day(price: Price, day: date) -> date:
    """The last day on which a meal of `day` is booked at the usual price."""
    return day - timedelta(days=price.notice_days)


def worth(price: Price, day: date, booked_on: date) -> Worth:
    """What a meal of `day` costs who booked it on `booked_on`; with a deadline, one noted later is late."""
    if not price.notice_days or booked_on <= last_day(price, day):
        return Worth(price.amount, False, f"Repas d'adulte : {euros(price.amount)}.")
    until = short_day(last_day(price, day))
    if price.late_amount is None:
        return Worth(None, True, f"Il fallait réserver au plus tard le {until}.")
    return Worth(price.late_amount, True, f"Réservé après le {until} : {euros(price.late_amount)}.")


def sentence(price: Price) -> str:
    """« 3,80 €, réservé 7 jours avant au plus tard ; ensuite 6,00 €. TVA 10 % comprise. »"""
    said = euros(price.amount)
    if price.notice_days:
        said += f", réservé {counted(price.notice_days, 'jour', 'jours')} avant au plus tard ; ensuite "
        said += "plus de réservation" if price.late_amount is None else euros(price.late_amount)
    tax = f"TVA {number(price.vat_percent)}\xa0% comprise" if price.vat_percent else "Sans TVA"
    return f"{said}. {tax}."


def problems(price: Price) -> list[str]:
    """Why a price contradicts itself, in French."""
    found = []
    if price.late_amount is not None and not price.notice_days:
        found.append("Un prix en retard demande un délai : indiquez combien de jours avant on réserve.")
    if price.late_amount is not None and price.late_amount < price.amount:
        found.append("Réserver en retard ne coûte pas moins cher que réserver à temps.")
    return found
