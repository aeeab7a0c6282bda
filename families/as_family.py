"""What of a family's pages is shown: all of it to a family; at the desk, « Voir comme la famille », what the
rights of whoever looks open.

    request.shown = frozenset({Part.MONEY})     set by the desk, once it has asked for the rights
    shown_to(request)                           asked by pages that show several things at once
"""

from enum import Enum, auto

from django.http import HttpRequest


class Part(Enum):
    """What has a right of its own at the desk, or is its reader's alone."""

    MONEY = auto()
    PAPERS = auto()  # papers and proofs: their names already say what a child's health asks for
    LETTERS = auto()


ALL = frozenset(Part)


def shown_to(request: HttpRequest | None) -> frozenset[Part]:
    """All, but at the desk."""
    found: frozenset[Part] = getattr(request, "shown", ALL)
    return found
