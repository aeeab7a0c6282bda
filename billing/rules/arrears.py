"""What a decision about arrears asks for beforehand, and what it stops: values in, a value or a sentence out.

A decision is somebody's, never the portal's: nothing here decides. School canteens are a right of every pupil
(code de l'éducation, L131-13): unless the town names an activity, a decision stops its late days only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from portal.french.amounts import euros
from portal.french.plurals import counted

CANTEEN_IS_A_RIGHT = (
    "L'accès à la cantine d'une école publique est un droit de l'élève (code de l'éducation, L131-13) : une"
    " décision n'y arrête, sauf exception, que les jours demandés hors délai."
)


class Stops(StrEnum):
    """What a decision stops. Days that are booked stand in any case."""

    DAYS = "days"
    YEAR = "year"
    LATE = "late"


@dataclass(frozen=True)
class Beforehand:
    """The town's rule: so many reminders of an invoice at least, so many days since the last of them, so many
    euros at least that are left of such invoices."""

    reminders: int = 2
    days: int = 15
    amount: Decimal = Decimal(15)


@dataclass(frozen=True)
class Owed:
    """An invoice past its date: what is late of it in euros, how often and when last it was reminded of (not
    before its due date)."""

    number: str
    left: Decimal
    reminders: int = 0
    reminded_on: date | None = None

    def may_found(self, before: Beforehand, today: date) -> bool:
        """Whether a decision may rest on it."""
        if self.left <= 0 or self.reminded_on is None or self.reminders < max(before.reminders, 1):
            return False
        return self.reminded_on + timedelta(days=before.days) <= today


def ground(owed: Iterable[Owed], before: Beforehand, today: date) -> list[Owed]:
    """The invoices on which a decision may rest."""
    return [one for one in owed if one.may_found(before, today)]


def refusal(owed: Sequence[Owed], before: Beforehand, today: date) -> str:
    """Why nobody may decide yet, in French; empty where one may."""
    due = [one for one in owed if one.left > 0]
    if not due:
        return "Ce foyer n'a aucune facture en retard."
    found = ground(due, before, today)
    if not found:
        return _too_early(due, before)
    total = sum((one.left for one in found), Decimal(0))
    if total < before.amount:
        return (
            f"Il reste {euros(total)} à payer après relances : une décision demande au moins"
            f" {euros(before.amount)}."
        )
    return ""


def _too_early(due: Sequence[Owed], before: Beforehand) -> str:
    wanted = max(before.reminders, 1)
    asked = counted(wanted, "relance restée sans paiement", "relances restées sans paiement")
    often = [one for one in due if one.reminders >= wanted and one.reminded_on is not None]
    if not often:
        most = max(one.reminders for one in due)
        sent = counted(most, "est partie", "sont parties") if most else "aucune n'est partie"
        return f"Une décision demande {asked} : {sent}."
    first = min(one.reminded_on for one in often if one.reminded_on is not None)
    day = first + timedelta(days=before.days)
    return (
        f"La dernière relance est du {first:%d/%m/%Y} : une décision est possible à partir du {day:%d/%m/%Y}."
    )


@dataclass(frozen=True)
class Decided:
    """A decision that stands: what it stops, of which activities (keys), from which day on, until which day
    (None: until it is paid), for which school year (a key, where it stops enrolments)."""

    stops: Stops
    activities: frozenset[int]
    since: date
    until: date | None = None
    school_year: int | None = None

    def holds_on(self, today: date) -> bool:
        return self.since <= today and (self.until is None or today <= self.until)

    def stopped(self, *, activity: int, school_year: int, enrols: bool, today: date) -> bool:
        """Whether it speaks against what is asked for `today`: an enrolment (`enrols`), or days of one. Of a
        decision about late days, only those past their deadline are refused."""
        if activity not in self.activities or not self.holds_on(today):
            return False
        if self.stops == Stops.YEAR:
            return enrols and school_year == self.school_year
        return not enrols
