"""The pages of the line: composed beforehand with the town's name and colours, filled in at the gate.

They ask for nothing else: their style is in them, under a hash that the Content-Security-Policy names.
"""

from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string
from django.utils.html import escape

from portal import theme
from portal.french.amounts import NBSP
from portal.models import Town

STYLE = Path(settings.BASE_DIR) / "static" / "css" / "waiting.css"

# Of the private use area: nobody types it.
HOLE = "\ue000"


@dataclass(frozen=True, slots=True)
class Page:
    """A page with holes: between two pieces stands the value of a name."""

    pieces: tuple[str, ...]
    names: tuple[str, ...]

    def fill(self, values: dict[str, str]) -> bytes:
        """`values` are HTML already."""
        found = [self.pieces[0]]
        for name, piece in zip(self.names, self.pieces[1:], strict=True):
            found += (values[name], piece)
        return "".join(found).encode()


@dataclass(frozen=True, slots=True)
class Pages:
    """All of them, and the policy that goes with them."""

    line: Page
    full: Page
    opening: Page
    policy: str


@cache
def _style() -> str:
    return STYLE.read_text()


def _page(template: str, holes: tuple[str, ...], town: Town, style: str) -> Page:
    """Rendered once with a mark in each hole, then cut there."""
    marks = {name: f"{HOLE}{name}{HOLE}" for name in holes}
    parts = render_to_string(template, {"town": town, "style": style, **marks}).split(HOLE)
    return Page(tuple(parts[::2]), tuple(parts[1::2]))


def compose(town: Town) -> Pages:
    """The pages as this town looks now."""
    style = _style() + theme.stylesheet(town.colour)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return Pages(
        line=_page("waiting/line.html", ("place", "wait", "again"), town, style),
        full=_page("waiting/full.html", ("again",), town, style),
        opening=_page("waiting/opening.html", ("name", "hour", "left"), town, style),
        policy=(
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
    )


def number(value: int) -> str:
    """« 1 234 », with a space that does not break."""
    return f"{value:,}".replace(",", NBSP)


def left(seconds: float) -> str:
    """« 3 min », « 40 s »: until something opens, rounded up."""
    if seconds > 60:
        return f"{-(-int(seconds) // 60)}{NBSP}min"
    return f"{max(1, -(-int(seconds * 1000) // 1000))}{NBSP}s"


def text(value: str) -> str:
    """Any text, as HTML."""
    return escape(value)
