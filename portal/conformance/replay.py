"""Worked examples that towns publish (« lundi 8 h pour jeudi : trop tard »), replayed through real rows.

Whatever else deserves a look (a key that nobody reads, an unreadable row without a case) is a `Remark`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from portal.conformance import (
    deadline_cases,
    invoice_cases,
    loaded_towns,
    other_cases,
    price_cases,
    rule_books,
)
from portal.conformance.published_towns import BLOCK_EXPECTED, HINT, Block, Case, Document, Remark, name_of
from portal.conformance.values import Unreadable

# Yields a town's cases of one kind, from the town and the file's `meta`; and a sentence for each of its rows
# that cannot be read or deserves a look.
Replayer = Callable[[Document, Document], Iterable[Case]]
Reader = Callable[[Document], Iterable[str]]
KINDS: dict[str, tuple[Replayer, Reader]] = {
    "deadlines": (deadline_cases.deadline_cases, deadline_cases.unreadable_rules),
    "prices": (price_cases.prices, price_cases.unreadable_tariffs),
    "absences": (price_cases.absence_cases, price_cases.unreadable_absences),
    "invoices": (invoice_cases.invoice_cases, invoice_cases.unreadable_invoices),
    "others": (other_cases.other_cases, other_cases.nothing_unreadable),
}
# What a town says besides, that is looked over and has no case of its own.
OTHER_READERS: tuple[Reader, ...] = (loaded_towns.unreadable_file, rule_books.unreadable_rules)


def towns(document: Document) -> list[Document]:
    """Those that are written as blocks."""
    return [town for town in document.get("towns") or [] if isinstance(town, Mapping)]


def cases(document: Document, only: str = "") -> Iterator[Case]:
    """Every case of every town, in the file's order; `only` names one kind."""
    meta = document.get("meta")
    for place, town in enumerate(document.get("towns") or [], start=1):
        if not isinstance(town, Mapping):
            yield Case(f"towns {place}", "commune", lambda: BLOCK_EXPECTED)
            continue
        for name, (replayer, _) in KINDS.items():
            if only in ("", name):
                yield from replayer(town, meta if isinstance(meta, Mapping) else {})


def remarks(document: Document) -> Iterator[Remark]:
    """What deserves a look, once the cases were run: they know which keys are read."""
    seen: set[str] = set()
    for town in document.get("towns") or []:
        if not isinstance(town, Mapping):
            continue
        name = name_of(town)
        if name in seen:
            yield Remark(name, "Une autre commune porte le même nom.")
        seen.add(name)
        readers = (*(reader for _, reader in KINDS.values()), *OTHER_READERS)
        unreadable = [text for reader in readers for text in reader(town)]
        yield from (Remark(name, text) for text in unreadable)
        # A row that could not be read was not read to its end.
        half_read = {tuple(text.partition(" : ")[0].split(" › ")[:2]) for text in unreadable}
        unloaded = any(text.startswith(loaded_towns.SECTION) for text in unreadable)
        for where, text in _unread(town, ()):
            if unloaded and where[:1] and where[0].startswith("worked_"):
                continue  # nobody came to read it
            if HINT in text or where[:2] not in half_read:
                yield Remark(name, str(Unreadable(text, *where)))


def _unread(value: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Block):
        for text in value.unread():
            yield where, text
        for key, inner in value.items():
            yield from _unread(inner, (*where, str(key)))
    elif isinstance(value, list):
        for place, inner in enumerate(value, start=1):
            named = dict(inner).get("id") if isinstance(inner, Block) else None
            yield from _unread(inner, (*where, str(named or place)))
