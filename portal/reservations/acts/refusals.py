"""What may be asked of the engine, a day of a formula, and the refusals it answers with: sentences to
show.
"""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from portal.french import moments
from portal.french.amounts import euros


class BookingRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


class NotCovered(BookingRefused):
    """The account of the household does not cover what days cost, in euros."""

    def __init__(self, cost: Decimal, left: Decimal) -> None:
        self.missing = cost - left
        super().__init__(
            f"Il manque {euros(self.missing)} sur votre compte famille : ces jours coûtent {euros(cost)}, "
            f"il reste {euros(left)}. Ajoutez de l'argent : vos jours restent choisis."
        )


class Choice(NamedTuple):
    """A formula on a day."""

    formula_id: int
    day: date


class PlacesLost(BookingRefused):
    """Places were taken by others between the planning and « Enregistrer »: nothing was written."""

    def __init__(self, choices: Sequence[Choice]) -> None:
        self.choices = list(choices)
        days = moments.enumerate_days(sorted({choice.day for choice in choices}))
        super().__init__(
            f"Il n'y a plus de place : {days}. Rien n'est perdu : vos autres jours restent choisis. "
            "Vous pouvez demander la liste d'attente ou retirer ce jour."
        )
