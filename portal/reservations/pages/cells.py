"""A cell of a planning, in plain strings, so that a page of 180 of them stays flat; and what of it every
planning's markup needs."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from html import escape
from typing import NamedTuple

from portal.french.amounts import euros
from portal.reservations.acts.refusals import Choice
from portal.reservations.states import Override

BOOK, WAIT, CANCEL = "book", "wait", "cancel"
FIELDS = (BOOK, WAIT, CANCEL)
AWAY = '<span class="cell-away" aria-hidden="true"><span class="icon icon-away"></span> autre foyer</span>'
AWAY_NAMED = "jour de l'autre foyer"


class Forgiving(NamedTuple):
    """What a late day costs where the first ones of a month bear no surcharge, for the browser's total: the
    `usual` price, that of a `late` day, and how many of those chosen in its month pay the usual one."""

    usual: Decimal
    late: Decimal
    left: int


@dataclass(slots=True)
class Cell:
    """One formula on one day. `field` is the name of its checkbox, empty when it cannot be ticked."""

    choice: Choice
    state: str
    name: str  # what a screen reader says: « lundi 30 novembre 2026, libre »
    note: str  # the whole sentence: until when, since when, why
    short: str  # the same in a few words, for the cell itself
    field: str = ""
    checked: bool = False
    lost: bool = False  # filled up since it was chosen
    then: str = ""  # what « Enregistrer » makes of its tick: accepted, requested or waitlisted
    late: bool = False  # past the deadline, which may cost more
    until: datetime | None = None  # the last moment to act on it
    price: Decimal | None = None  # euros, where the service says it
    surcharge: Decimal | None = None  # what being late adds, within the price
    unproved: bool = False  # priced as if no quotient were known, since the one that is ends before
    forgiving: Forgiving | None = None  # where its month has late days without surcharge
    change: int | None = None  # the booking in it for which another formula may be taken
    away: bool = False  # a day of the child's other home: ticked by hand only
    over: frozenset[Override] = frozenset()  # at the desk, what has to be passed over: by hand only, too

    @property
    def day(self) -> date:
        return self.choice.day

    @property
    def number(self) -> int:
        """The day of the month."""
        return self.choice.day.day

    @property
    def value(self) -> str:
        """What its checkbox posts."""
        return value_of(self.choice)

    @property
    def bookable(self) -> bool:
        """Whether its tick books the day, or waits for it."""
        return self.field in (BOOK, WAIT)

    @property
    def by_button(self) -> bool:
        """Whether buttons for many days tick it."""
        return self.field == BOOK and not self.away and not self.over

    @property
    def marks(self) -> str:
        """The classes of its cell beside its state's."""
        found = " cell--lost" if self.lost else ""
        found += " cell--overdue" if self.late and self.bookable else ""
        found += " cell--away" if self.away else ""
        found += " cell--over" if self.over else ""
        return found + (" cell--unproved" if self.unproved else "")

    @property
    def away_html(self) -> str:
        """That it is the other home's day, for sighted parents; its name says it to the others."""
        return AWAY if self.away else ""

    @property
    def described(self) -> str:
        """Its sentence as an attribute of its checkbox: until when, above all."""
        return f' aria-description="{escape(self.note)}"' if self.note else ""

    @property
    def data_price(self) -> str:
        """For the browser's total: the attributes of its checkbox, in cents."""
        if self.price is None:
            return ""
        if self.forgiving is None:
            return f' data-price="{int(self.price * 100)}"'
        usual, late, left = self.forgiving
        return (
            f' data-price="{int(usual * 100)}" data-late-price="{int(late * 100)}"'
            f' data-late-month="{self.month}" data-late-left="{left}"'
        )

    @property
    def month(self) -> str:
        """« 12:2026-11 »: the month of its formula, whose late days count together."""
        return f"{self.choice.formula_id}:{self.day:%Y-%m}"

    @property
    def late_words(self) -> str:
        """« hors délai, + 1,00 €, sur demande »: what being late means for it; nothing where it is not."""
        if not self.late:
            return ""
        return late_words(self.surcharge, asks=self.then == "requested")

    @property
    def late_html(self) -> str:
        """The same for sighted parents, in the cell."""
        if not self.late or not self.bookable:
            return ""
        extra = f" + {euros(self.surcharge)}" if self.surcharge else ""
        return f'<span class="cell-late" aria-hidden="true">hors délai{extra}</span>'

    @property
    def price_html(self) -> str:
        """What sighted parents read; the checkbox's name says it to the others."""
        if self.price is None:
            return ""
        return f'<span class="cell-price" aria-hidden="true">{euros(self.price)}</span>'


def value_of(choice: Choice) -> str:
    """« 12:2026-11-30 »: what the checkbox of a formula and day posts."""
    return f"{choice.formula_id}:{choice.day.isoformat()}"


def late_words(surcharge: Decimal | None, *, asks: bool) -> str:
    """« hors délai, + 1,00 €, sur demande »: the one way in which a late day is said."""
    words = ["hors délai"]
    if surcharge:
        words.append(f"+ {euros(surcharge)}")
    if asks:
        words.append("sur demande")
    return ", ".join(words)
