"""Whole numbers as forms, addresses and searches send them: texts that may be anything. Pure."""

from collections.abc import Iterable

# What an integer of the databases holds; SQLite would not even compare a larger one.
LARGEST = 2**63 - 1
DIGITS = len(str(LARGEST))


def posted_number(text: str, *, most: int = LARGEST) -> int | None:
    """« 42 », « 000042 » → 42; None for what is no number from 0 to `most`."""
    if not text.isdecimal() or len(text) > DIGITS:
        return None
    found = int(text)
    return found if found <= most else None


def posted_numbers(texts: Iterable[str]) -> list[int]:
    """The numbers among `texts`, in order; what is none is left out."""
    return [found for text in texts if (found := posted_number(text)) is not None]
