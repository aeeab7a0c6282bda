"""Worked examples that towns publish (« lundi 8 h pour jeudi : trop tard »), replayed through real rows.

A file of towns is the shape of tests/data/towns.yaml: `meta` and a list of `towns`, each with rules and
worked cases. An app answers for its own part in a module `town_cases.py` that calls `register`.

What cannot be read fails its own cases and no others. Whatever else deserves a look (a key that nobody reads,
an unreadable row without a case) is a `Remark`.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from django.utils.module_loading import autodiscover_modules
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from portal.conformance.values import Unreadable

Document = Mapping[str, Any]
LIST_EXPECTED = "Une liste de lignes qui commencent par « - » est attendue ici."
BLOCK_EXPECTED = "Des champs de la forme « nom: valeur » sont attendus ici."
HINT = "Vouliez-vous écrire"
# Written for people: what a rule or a price says in words, where it was found.
INFORMATION = frozenset(
    ("name", "kind", "source", "as_of", "text", "late", "payment", "outcome", "ambiguities", "note")
)


class Block(dict[Any, Any]):
    """A block of the file, which remembers the keys it was asked for: nobody reads the others."""

    def __init__(self, values: Mapping[Any, Any]) -> None:
        super().__init__(values)
        self.asked: set[Any] = set()

    def __contains__(self, key: Any) -> bool:
        self.asked.add(key)
        return super().__contains__(key)

    def __getitem__(self, key: Any) -> Any:
        self.asked.add(key)
        return super().__getitem__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def unread(self) -> Iterator[str]:
        """A sentence for each key that no reader asked for; a block that nobody opened has none."""
        for key in self if self.asked else ():
            if key not in self.asked | INFORMATION:
                near = difflib.get_close_matches(str(key), map(str, self.asked), n=1)
                hint = f" {HINT} « {near[0]} » ?" if near else ""
                yield f"« {key} » n'est pas lu ici.{hint}"


@dataclass(frozen=True)
class Case:
    """One worked example. `run` writes what it needs to the database and returns None, or why it failed."""

    town: str
    label: str
    run: Callable[[], str | None]

    def __str__(self) -> str:
        return f"{self.town} · {self.label}"


class Remark(NamedTuple):
    """What no case may have told: `town` and a sentence that names the section and the row."""

    town: str
    text: str

    def __str__(self) -> str:
        return f"{self.town} · {self.text}"


Replayer = Callable[[Document, Document], Iterable[Case]]
Reader = Callable[[Document], Iterable[str]]
_replayers: dict[str, tuple[Replayer, Reader | None]] = {}


def register(name: str, replayer: Replayer, reader: Reader | None = None) -> None:
    """Lets `replayer(town, meta)` yield a town's cases of one kind (`name`: « deadlines », « prices »), and
    `reader(town)` a sentence for each of its rows that cannot be read or deserves a look."""
    _replayers[name] = (replayer, reader)


def read(path: str | Path) -> Document:
    """The parsed file (YAML 1.2, so that 09:00 is a text). Raises Unreadable, or OSError."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("Ce n'est pas un texte en UTF-8.") from None
    try:
        document = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" à la ligne {mark.line + 1}" if mark else ""
        raise Unreadable(f"Ce n'est pas du YAML lisible{where} : {error.problem}.") from error
    except (YAMLError, RecursionError) as error:
        raise Unreadable(f"Ce n'est pas du YAML lisible : {error}.") from error
    towns = document.get("towns") if isinstance(document, Mapping) else None
    if not towns or not isinstance(towns, list):
        raise Unreadable("Une rubrique « towns: » est attendue, avec la liste des communes.")
    blocks: Document = _blocks(document)
    return blocks


def _blocks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Block({key: _blocks(inner) for key, inner in value.items()})
    return [_blocks(inner) for inner in value] if isinstance(value, list) else value


def cases(document: Document, only: str = "") -> Iterator[Case]:
    """Every case of every town, in the file's order; `only` names one kind."""
    autodiscover_modules("town_cases")
    meta = document.get("meta")
    for place, town in enumerate(document.get("towns") or [], start=1):
        if not isinstance(town, Mapping):
            yield Case(f"towns {place}", "commune", lambda: BLOCK_EXPECTED)
            continue
        for name, (replayer, _) in _replayers.items():
            if only in ("", name):
                yield from replayer(town, meta if isinstance(meta, Mapping) else {})


def worked(
    town: Document,
    section: str,
    label: Callable[[Document], str],
    why_wrong: Callable[[Document, Document], str | None],
) -> Iterator[Case]:
    """A case for each row of a section: `why_wrong(town, row)` says why it fails, or None."""
    given = town.get(section) or []
    if not isinstance(given, list):
        yield Case(name_of(town), section, lambda: LIST_EXPECTED)
        return
    for place, row in enumerate(given, start=1):
        if isinstance(row, Mapping):
            run = partial(_answer, why_wrong, town, row)
            yield Case(name_of(town), " : ".join(filter(None, (f"{section} {place}", label(row)))), run)
        else:
            yield Case(name_of(town), f"{section} {place}", lambda: BLOCK_EXPECTED)


def _answer(
    why_wrong: Callable[[Document, Document], str | None], town: Document, row: Document
) -> str | None:
    try:
        return why_wrong(town, row)
    except Unreadable as error:
        return str(error)


def rows(town: Document, section: str) -> list[Document]:
    """The blocks of a section. What is no block is passed over: `remarks` says so."""
    given = town.get(section)
    return [row for row in given if isinstance(row, Mapping)] if isinstance(given, list) else []


def name_of(row: Document) -> str:
    return str(row.get("id") or row.get("name") or "sans nom")


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
        unreadable = [text for _, reader in _replayers.values() if reader for text in reader(town)]
        yield from (Remark(name, text) for text in unreadable)
        # A row that could not be read was not read to its end.
        half_read = {tuple(text.partition(" : ")[0].split(" › ")[:2]) for text in unreadable}
        for where, text in _unread(town, ()):
            if HINT in text or where[:2] not in half_read:
                yield Remark(name, str(Unreadable(text, *where)))


def unreadable_rows(town: Document, section: str, check: Callable[[Document], object]) -> Iterator[str]:
    """A sentence for each row of the section that is no block or that `check` cannot read."""
    given = town.get(section) or []
    if not isinstance(given, list):
        yield str(Unreadable(LIST_EXPECTED, section))
        return
    for place, row in enumerate(given, start=1):
        try:
            if not isinstance(row, Mapping):
                raise Unreadable(BLOCK_EXPECTED, section, str(place))
            check(row)
        except Unreadable as error:
            yield str(error)


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
