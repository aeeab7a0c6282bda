"""A child leaves a household: the only writer of the end of a custody.

    end(custody, Ending(until, Future.HAND_OVER, taker, note), by=agent, at=now)

With it the desk says what becomes of the days to come and of the enrolments. This floor knows neither: apps
above lend what they do with them (`Stake`), once they are ready.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Protocol

from django.db import models, transaction
from django.utils import timezone

from families import diets
from families.custody import calendars, homes, letters, own
from families.models import AlreadyAnswered, Custody, Household, User
from portal.database.history import written_by
from portal.french.dates import short_day

RIGHT = "families.change_custody"
A_DAY = timedelta(days=1)


class Future(models.TextChoices):
    """What becomes of the days to come and of the enrolments."""

    HAND_OVER = "confier", "Confier à l'autre foyer de l'enfant"
    CANCEL = "annuler", "Annuler les jours à venir, mettre fin aux inscriptions"
    KEEP = "garder", "Garder jusqu'à une date"


class EndingRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


class Stake(Protocol):
    """What an app above knows of a child in a household, and does with it when the child leaves."""

    def counts(self, custody: Custody, first: date) -> list[str]:
        """« 12 jours à venir », « 2 inscriptions », from the day `first` on."""

    def hand_over(self, custody: Custody, taker: Household, first: date, *, by: User, at: datetime) -> None:
        """All of it goes to another household of the child. Called with the custody held."""

    def cancel(self, custody: Custody, first: date, *, by: User, at: datetime) -> None:
        """The days from `first` on are cancelled. Called with the custody held."""

    def close(self, custody: Custody, *, by: User, at: datetime) -> None:
        """What gave a right to days is over."""


_stakes: dict[str, Stake] = {}


def register(name: str, stake: Stake) -> None:
    """For an app above, once it is ready; the same name again replaces it."""
    _stakes[name] = stake


@dataclass(frozen=True)
class Ending:
    """How a custody ends: `until` is the first day on which the child no longer lives there."""

    until: date
    future: Future
    taker: Household | None = None
    note: str = ""


def first_free(until: date, today: date) -> date:
    """The first day that a custody ending on `until` leaves free: today's meal is eaten, or as good as."""
    return max(until, today + A_DAY)


def counts(custody: Custody, first: date) -> list[str]:
    """What the child has in the household from `first` on, in words; nothing: an empty list."""
    return [words for stake in _stakes.values() for words in stake.counts(custody, first)]


def takers(custody: Custody, day: date) -> list[Household]:
    """The other households in which the child lives that day."""
    there = Household.objects.filter(custodies__in=Custody.objects.on(day).filter(child=custody.child_id))
    return list(there.exclude(pk=custody.household_id).order_by("pk"))


@transaction.atomic
def end(custody: Custody, ending: Ending, *, by: User, at: datetime, told: bool = True) -> Custody:
    """The child leaves: rights end on `until`, days and enrolments become what `ending` says, both households
    are told, unless another letter says it (`told` False). Raises EndingRefused, AlreadyAnswered, and
    OwnHousehold for a parent's own."""
    today = timezone.localdate(at)
    known = takers(custody, today)
    own.check(by, [custody.household_id, *(home.pk for home in known)], right=RIGHT, at=at)
    _check(ending, known, today)
    held = homes.held(custody.child_id, custody.household_id)
    if held is None or (held.until is not None and held.until <= today):
        raise AlreadyAnswered(f"{custody.child} ne vit déjà plus dans ce foyer.")
    if ending.taker and ending.taker.pk not in {home.pk for home in takers(held, ending.until)}:
        raise EndingRefused("L'enfant ne vit pas, ou ne vit plus, dans cet autre foyer.")
    held.until = max(ending.until, held.since) if held.since else ending.until
    written_by(held, by, ending.note or ending.future.label).save()
    first = first_free(held.until, today)
    for stake in _stakes.values():
        if ending.future == Future.HAND_OVER and ending.taker:
            stake.hand_over(held, ending.taker, first, by=by, at=at)
        else:
            stake.cancel(held, first, by=by, at=at)
            if ending.future == Future.CANCEL:
                stake.close(held, by=by, at=at)
    if held.until <= today:
        diets.settle(held.child, at=at)
        calendars.custody_ended(held)
    if told:
        letters.child_left(held, taker=ending.taker, others=known, kept=ending.future == Future.KEEP)
    return held


def _check(ending: Ending, known: Iterable[Household], today: date) -> None:
    if ending.future == Future.KEEP:
        if ending.until <= today:
            raise EndingRefused("Indiquez un jour à venir : jusque-là, le foyer garde ses jours.")
    elif ending.until < today or (ending.until > today and ending.future == Future.CANCEL):
        raise EndingRefused(f"La garde finit aujourd'hui, le {short_day(today, year=True)}.")
    if ending.future == Future.HAND_OVER and ending.taker is None:
        raise EndingRefused(
            "Choisissez le foyer qui reprend les jours."
            if list(known)
            else "Cet enfant n'a pas d'autre foyer à qui confier ses jours."
        )
