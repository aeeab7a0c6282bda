"""What a cancelled day gives back, by how many days before. Pure: values in, value out; no clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import pairwise

from portal.french.amounts import NBSP
from portal.french.plurals import counted

CENT, WHOLE = Decimal("0.01"), 100


class Until(StrEnum):
    """Up to what the days before are counted."""

    DAY = "day"
    PERIOD = "period"  # the first day of the period: a stay, a week of a camp


@dataclass(frozen=True, order=True)
class Step:
    """Cancelled so many days before, or more: so many hundredths of the price are given back."""

    days_before: int
    percent: int


@dataclass(frozen=True)
class Kept:
    """Of a day's price, in euros, what is given back and what stays due; by how many days before."""

    days_before: int
    percent: int
    back: Decimal
    due: Decimal


def given_back(steps: Iterable[Step], days_before: int) -> int:
    """How many hundredths are given back: those of the furthest step reached; none below the last of them."""
    reached = [one for one in steps if one.days_before <= days_before]
    return max(reached).percent if reached else 0


def kept(steps: Iterable[Step], price: Decimal, first: date, cancelled_on: date) -> Kept:
    """`first`: the day up to which days are counted. What is given back is rounded to the cent, half a cent
    upwards; the rest is due, so that both make the price."""
    days = (first - cancelled_on).days
    percent = given_back(steps, days)
    back = (price * percent / WHOLE).quantize(CENT, ROUND_HALF_UP)
    return Kept(days, percent, back, price - back)


def problems(steps: Sequence[Step]) -> list[str]:
    """Why these steps do not stand together, in French."""
    if not steps:
        return ["Indiquez au moins un palier : combien de jours avant, combien de pour cent rendus."]
    found = [
        f"Un palier rend de 0 à 100 % : {one.percent}." for one in steps if not 0 <= one.percent <= WHOLE
    ]
    for near, far in pairwise(sorted(steps)):
        if near.days_before == far.days_before:
            found.append(f"Deux paliers sont écrits pour {counted(far.days_before, 'jour', 'jours')} avant.")
        elif near.percent >= far.percent:
            found.append(
                f"Annuler {far.days_before} jours avant doit rendre plus qu'annuler"
                f" {counted(near.days_before, 'jour', 'jours')} avant."
            )
    return found


def in_words(steps: Sequence[Step], until: Until) -> list[str]:
    """The rule as a family reads it."""
    far = sorted(steps, reverse=True)
    said = []
    for beyond, step in zip([None, *far], far, strict=False):
        days = counted(step.days_before, "jour", "jours")
        if beyond is None:
            said.append(f"Un jour annulé {days} avant ou plus tôt rend {step.percent}{NBSP}% de son prix")
        elif step.days_before == beyond.days_before - 1:
            said.append(f"{days} avant, {step.percent}{NBSP}%")
        else:
            said.append(
                f"de {step.days_before} à {beyond.days_before - 1} jours avant, {step.percent}{NBSP}%"
            )
    if far and far[-1].days_before > 0:
        said.append("ensuite, rien")
    whose = "le premier jour de la période" if until is Until.PERIOD else "le jour réservé"
    return [f"{' ; '.join(said)}.", f"Les jours se comptent avant {whose}."]


def explained(one: Kept) -> str:
    """« Annulé 20 jours avant : 50 % rendus, 50 % restent dus », of an invoice's line."""
    before = f"{counted(one.days_before, 'jour', 'jours')} avant"
    if one.days_before <= 0:
        before = "après le début" if one.days_before else "le jour même"
    if not one.percent:
        return f"Annulé {before} : rien n'est rendu"
    return f"Annulé {before} : {one.percent}{NBSP}% rendus, {WHOLE - one.percent}{NBSP}% restent dus"
