"""The only writer of states and places: draft, submit, accept, refuse, cancel, promote, close.

Every verb is one transaction. It locks slots first, in primary-key order, all those of an activity, an
establishment and a day together; reads bookings again under that lock; and locks the reservations it
restates last, in primary-key order too. Places move by conditional updates under a CheckConstraint. So two
families never get the same place, and two transactions never wait for each other in a circle.
`at` is the moment of the act (aware), `by` the user who acts.
"""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from portal.french import dates


class BookingRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


class Choice(NamedTuple):
    """A formula on a day."""

    formula_id: int
    day: date


class PlacesLost(BookingRefused):
    """Places were taken by others between the planning and « Enregistrer »: nothing was written."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.choices = list(choices)
        days = dates.enumerate_days(sorted({choice.day for choice in choices}))
        super().__init__(
            f"Il n'y a plus de place : {days}. Rien n'est perdu : vos autres jours restent choisis. "
            "Vous pouvez demander la liste d'attente ou retirer ce jour."
        )
