"""A fee a year: for which spans it is asked, and what it comes to. Facts in, amount and sentences out.

Pure. Days are dates, both ends included; amounts are euros as `Decimal`. « 15 € par famille et par an »,
« 17 € par enfant, 10 € à partir du troisième », « 21 €, 33 € hors commune ».
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from portal.french.amounts import euros
from portal.french.dates import months_after, short_day

DAY = timedelta(days=1)
ORDINALS = ("", "premier", "deuxième", "troisième", "quatrième", "cinquième", "sixième")


class Per(StrEnum):
    """Who is asked for it."""

    HOUSEHOLD = "household"
    CHILD = "child"


class Span(StrEnum):
    """What one fee pays for."""

    SCHOOL_YEAR = "year"
    TWELVE_MONTHS = "months"


@dataclass(frozen=True)
class Asked:
    """An enrolment that asks for the fee from its first day to its last; its school year's days and name."""

    first: date
    last: date
    year: tuple[date, date]
    year_name: str = ""


@dataclass(frozen=True)
class Due:
    """One fee: what it pays for, since which day it is due, and what the span is called."""

    starts_on: date
    ends_on: date
    arises_on: date
    name: str


@dataclass(frozen=True)
class Step:
    """A price from that day on (None: from the start), from the first child on or a further one; `outside`:
    of who does not live in the town, where it is another one."""

    amount: Decimal
    from_child: int = 1
    outside: Decimal | None = None
    since: date | None = None


@dataclass(frozen=True)
class Worth:
    """An amount in euros, and the sentences that explain it."""

    amount: Decimal
    steps: tuple[str, ...] = ()


def spans(
    span: Span, asked: Iterable[Asked], standing: Collection[tuple[date, date]], until: date
) -> list[Due]:
    """What enrolments ask for up to a day, beside what stands already (asked for before, or waived): a year
    that any of it touches is paid for; twelve months begin on the first day that nothing pays for."""
    paid, found = list(standing), []
    for one in sorted(asked, key=lambda each: (each.first, each.last)):
        if one.last < one.first or one.first > until:
            continue
        if span is Span.SCHOOL_YEAR:
            if not any(_touch(one.year, other) for other in paid):
                found.append(Due(*one.year, one.first, one.year_name))
                paid.append(one.year)
            continue
        day = one.first
        while day <= min(one.last, until):
            covering = [last for first, last in paid if first <= day <= last]
            if covering:
                day = max(covering) + DAY
                continue
            last = _twelve_months(day)
            name = f"du {short_day(day, year=True)} au {short_day(last, year=True)}"
            found.append(Due(day, last, day, name))
            paid.append((day, last))
    return found


def still_asked(span: Span, paid: tuple[date, date], asked: Iterable[Asked]) -> bool:
    """Whether an enrolment asks for what was billed."""
    return any(
        _touch(paid, one.year if span is Span.SCHOOL_YEAR else (one.first, one.last))
        for one in asked
        if one.first <= one.last
    )


def _touch(one: tuple[date, date], other: tuple[date, date]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _twelve_months(first: date) -> date:
    """The eve of the same day a year later; of 29 February, 28 February."""
    month = months_after(first, 12)
    try:
        return month.replace(day=first.day) - DAY
    except ValueError:
        return month.replace(day=28)


def worth(steps: Sequence[Step], per: Per, *, day: date, rank: int, resident: bool) -> Worth | None:
    """What it costs on the day that it arises: `rank` is the child's among those who pay it; None where no
    price holds that day."""
    held = [one for one in steps if (one.since or date.min) <= day]
    if not held:
        return None
    newest = max(one.since or date.min for one in held)
    now = [one for one in held if (one.since or date.min) == newest and one.from_child <= rank]
    if not now:
        return None
    step = max(now, key=lambda one: one.from_child)
    said = ["Une fois par famille et par an" if per is Per.HOUSEHOLD else "Une fois par enfant et par an"]
    amount = step.amount
    if step.from_child > 1:
        said.append(f"À partir du {ordinal(step.from_child)} enfant : {euros(amount)}")
    if not resident and step.outside is not None:
        amount = step.outside
        said.append(f"Hors commune le {short_day(day, year=True)} : {euros(amount)}")
    return Worth(amount, tuple(said))


def ordinal(number: int) -> str:
    return ORDINALS[number] if number < len(ORDINALS) else f"{number}e"


def sentence(name: str, steps: Sequence[Step], per: Per, span: Span, *, day: date) -> str:
    """« Adhésion : 17,00 € par enfant et par année scolaire, 10,00 € à partir du troisième, 33,00 € hors
    commune. » of a day; empty where no price holds."""
    held = [one for one in steps if (one.since or date.min) <= day]
    newest = max((one.since or date.min for one in held), default=None)
    now = sorted((one for one in held if (one.since or date.min) == newest), key=lambda one: one.from_child)
    if not now:
        return ""
    whose = "par famille" if per is Per.HOUSEHOLD else "par enfant"
    when = "par année scolaire" if span is Span.SCHOOL_YEAR else "pour douze mois"
    said = []
    for one in now:
        words = (
            f"{euros(one.amount)} {whose} et {when}"
            if one.from_child == 1
            else f"{euros(one.amount)} à partir du {ordinal(one.from_child)}"
        )
        said.append(words + (f" ({euros(one.outside)} hors commune)" if one.outside is not None else ""))
    return f"{name} : {', '.join(said)}."


def problems(per: Per, steps: Sequence[Step]) -> list[str]:
    """What contradicts itself, in sentences."""
    found = []
    if not steps:
        found.append("Indiquez au moins un prix.")
    for since in sorted({one.since or date.min for one in steps}):
        ranks = [one.from_child for one in steps if (one.since or date.min) == since]
        when = "" if since == date.min else f" à partir du {short_day(since, year=True)}"
        if 1 not in ranks:
            found.append(f"Indiquez le prix du premier enfant, ou de la famille{when}.")
        if len(set(ranks)) < len(ranks):
            found.append(f"Deux prix sont écrits pour le même rang{when}.")
    if per is Per.HOUSEHOLD and any(one.from_child > 1 for one in steps):
        found.append(
            "Un prix à partir d'un deuxième enfant demande des frais par enfant : par famille, il n'y a qu'un"
            " prix."
        )
    return found
