"""What booked days that a family gives up still cost it. The engine knows no price: who does lends it.

    foreseen(enrolment, period, choices, at=…) -> {Choice: Due}   before it confirms; writes nothing
    note(reservation, bookings, by=…)          the family gave them up, when it asked for it
    taken_again(bookings)                      days that stand again, or are booked anew, leave nothing due

A town without such a rule is asked nothing. Days that the town hall cancels, a formula that is changed and
what was only waited for are not given up.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol

from families.models import User
from portal.database import trials
from portal.french.amounts import NBSP, euros
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Enrolment, Period, Reservation
from portal.reservations.states import HOLDING

WHOLE = 100


@dataclass(frozen=True)
class Due:
    """What is left to pay of a day: how many hundredths of its price, and euros."""

    percent: int
    amount: Decimal


class Book(Protocol):
    def has_rule(self, activity: int) -> bool: ...

    def in_words(self, activity: int, day: date) -> Sequence[str]: ...

    def foreseen(
        self, enrolment: Enrolment, period: Period, bookings: Sequence[Booking], at: datetime
    ) -> Mapping[Choice, Due]: ...

    def note(self, reservation: Reservation, bookings: Sequence[Booking], by: User) -> None: ...

    def taken_again(self, bookings: Sequence[Booking]) -> None: ...

    def still_due(self, reservation: Reservation, days: Collection[date]) -> Mapping[Choice, Decimal]: ...


_book: list[Book] = []


def lend(book: Book) -> None:
    """For who knows prices and the town's rule, once it is ready."""
    _book[:] = [book]


def _of(activity: int) -> Book | None:
    if not _book or trials.current() is not None or not _book[0].has_rule(activity):
        return None
    return _book[0]


def in_words(activity: int, day: date) -> Sequence[str]:
    """What days from `day` on give back, as the family reads it; nothing, and no query, where nothing is
    said."""
    book = _of(activity)
    return book.in_words(activity, day) if book is not None else ()


def foreseen(
    enrolment: Enrolment, period: Period, choices: Collection[Choice], *, at: datetime
) -> Mapping[Choice, Due]:
    """What would be due of each if its household gave it up at `at`; no query where there is no rule."""
    book = _of(enrolment.activity_id)
    if book is None or not choices:
        return {}
    booked = Booking.objects.filter(
        household=enrolment.household_id,
        child=enrolment.child_id,
        activity=enrolment.activity_id,
        day__in={one.day for one in choices},
        state__in=HOLDING,
    )
    wanted = [one for one in booked.order_by("day", "pk") if Choice(one.formula_id, one.day) in choices]
    return book.foreseen(enrolment, period, wanted, at) if wanted else {}


def note(reservation: Reservation, bookings: Sequence[Booking], *, by: User) -> None:
    """`bookings` are given up by `reservation`, whose moment counts; called in their transaction."""
    book = _of(reservation.enrolment.activity_id) if bookings else None
    if book is not None:
        book.note(reservation, bookings, by)


def taken_again(bookings: Iterable[Booking]) -> None:
    """`bookings` stand: what was still due of their days is due no more."""
    known = [one for one in bookings if one.state in HOLDING and _of(one.activity_id) is not None]
    if known:
        _book[0].taken_again(known)


def still_due(reservation: Reservation, days: Collection[date]) -> Mapping[Choice, Decimal]:
    """What is asked for of days that a reservation gave up, in euros, for its letter; no query where there is
    no rule."""
    book = _of(reservation.enrolment.activity_id) if days else None
    return book.still_due(reservation, days) if book is not None else {}


def sentence(count: int, due: Due, *, asks: bool) -> str:
    """« Annulés aujourd'hui, ces 5 jours vous restent dus à 50 % : 61,20 €. » `due`: of all of them. Pure."""
    if asks:
        when = "Si la mairie accepte, " + ("ce jour vous restera dû" if count == 1 else _many(count, asks))
    else:
        when = "Annulé aujourd'hui, ce jour vous reste dû" if count == 1 else _many(count, asks)
    share = "en entier" if due.percent == WHOLE else f"à {due.percent}{NBSP}%"
    return f"{when} {share} : {euros(due.amount)}."


def _many(count: int, asks: bool) -> str:
    if asks:
        return f"ces {count} jours vous resteront dus"
    return f"Annulés aujourd'hui, ces {count} jours vous restent dus"
