"""What the portal asks of whoever knows quotients, whichever service it is.

A source reads and writes nothing of the portal's: it answers for one adult, and `families.funds.rounds`
decides what the answer becomes. No source writes an identity into a log.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

# A service that takes longer does not answer: the next try asks again.
TIMEOUT_SECONDS = 10
FRANCE = "99100"


@dataclass(frozen=True)
class Identity:
    """Of the adult whose file it is at the CAF or the MSA. `sex`: F, M, or empty where it was not said;
    `town` and `department`: of who was born in France."""

    birth_name: str
    first_names: tuple[str, ...]
    birth_date: date
    sex: str = ""
    used_name: str = ""
    country: str = FRANCE
    town: str = ""
    department: str = ""

    def __repr__(self) -> str:
        """What a page of an error may show of it: nothing."""
        return "Identity(…)"


@dataclass(frozen=True)
class KnownChild:
    """A child of the family's file there."""

    first_names: str
    birth_date: date | None

    def __repr__(self) -> str:
        return "KnownChild(…)"


@dataclass(frozen=True)
class Found:
    """A quotient, of which month and by whom it was worked out (CAF or MSA); `children`: those of the file,
    None where the town may not read them."""

    value: Decimal
    fund: str
    month: date
    children: tuple[KnownChild, ...] | None = None


class FundTrouble(Exception):
    """No quotient came; `str()` is the French sentence, `code` the service's own."""

    def __init__(self, sentence: str, code: str = "") -> None:
        super().__init__(sentence)
        self.code = code


class NotKnown(FundTrouble):
    """The service answered: nothing for this person, or not with what was given. Asking again is no use."""


class AccessRefused(FundTrouble):
    """The town's key or right is refused: nobody else need be asked."""


class TooMany(FundTrouble):
    """It asks to wait, so many seconds."""

    def __init__(self, sentence: str, code: str = "", *, seconds: int = 60) -> None:
        super().__init__(sentence, code)
        self.seconds = seconds


class FundDown(FundTrouble):
    """It does not answer, answers too late, or answers nothing that can be read: another time."""


class QuotientSource(Protocol):
    """`name` as families read it."""

    name: str

    def ask(self, identity: Identity) -> Found:
        """The quotient of this month. Raises NotKnown, AccessRefused, TooMany, FundDown."""
