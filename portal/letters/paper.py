"""Letters on paper: a page each, its address where an envelope has its window.

The floor that draws documents lends how (`lend`); the style is that of all letters of the town hall.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from django.conf import settings

from portal import town
from portal.french.dates import short_day

STYLE = Path(settings.BASE_DIR) / "templates" / "components" / "letter.css"
TEMPLATE = "components/letter.html"
# What separates a mail's text from its signature, which paper has at its head.
SIGNATURE = "\n--\n"

Draw = Callable[..., bytes]
_lent: list[Draw] = []


def lend(draw: Draw) -> None:
    """For the floor that draws documents, once it is ready."""
    _lent[:] = [draw]


@dataclass(frozen=True)
class Sheet:
    """One letter: `to` are the lines of the window, `reference` what the household is called by."""

    to: Sequence[str]
    reference: str
    day: date
    subject: str
    text: str

    @property
    def address(self) -> str:
        return "\n".join(line for line in self.to if line)

    @property
    def written_on(self) -> str:
        return short_day(self.day, year=True)

    @property
    def body(self) -> str:
        return self.text.partition(SIGNATURE)[0].strip()


def draw(sheets: Sequence[Sheet], *, identifier: str) -> bytes:
    """One PDF of them all, in their order; the same sheets give the same bytes."""
    context = {"sheets": sheets, "town": town.current(), "one": len(sheets) == 1}
    return _lent[0](TEMPLATE, context, STYLE, identifier=identifier)
