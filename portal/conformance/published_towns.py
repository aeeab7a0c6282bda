"""A file of towns and what they publish: its blocks, its worked cases, the sentences for what cannot be read.

The file is the shape of tests/data/towns.yaml: `meta` and a list of `towns`, each with rules and worked
cases. What cannot be read fails its own cases and no others.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from portal.conformance.values import Unreadable

Document = Mapping[str, Any]
LIST_EXPECTED = "Une liste de lignes qui commencent par « - » est attendue ici."
BLOCK_EXPECTED = "Des champs de la forme « nom: valeur » sont attendus ici."
HINT = "Vouliez-vous écrire"
# Written for people: what a rule or a price says in words, where it was found.
INFORMATION = frozenset(
    ("name", "kind", "source", "as_of", "text", "late", "payment", "outcome", "ambiguities", "note", "case")
)
# « inexprimable aujourd'hui : deux_premiers_gratuits », as a case says it in its note.
NAMED_IN_NOTE = re.compile(r"(inexprimable|pas dicible|non dicible)[^:]*:\s*(?P<rule>[\w-]+)")


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
    rule: str = ""  # the town's rule (`town_rules`) that it is about
    of: Document | None = None  # the town's block

    def __str__(self) -> str:
        return f"{self.town} · {self.label}"


class Remark(NamedTuple):
    """What no case may have told: `town` and a sentence that names the section and the row."""

    town: str
    text: str

    def __str__(self) -> str:
        return f"{self.town} · {self.text}"


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
            said = " : ".join(filter(None, (f"{section} {place}", label(row))))
            yield Case(name_of(town), said, run, rule_of(row), town)
        else:
            yield Case(name_of(town), f"{section} {place}", lambda: BLOCK_EXPECTED)


def rule_of(case: Document) -> str:
    """The rule of the town that a case is about, as it says; empty where it says none."""
    said = case.get("rule")
    if said is None and (found := NAMED_IN_NOTE.search(str(case.get("note") or ""))):
        said = found["rule"]
    return "" if said is None else str(said)


class NothingToReplay(Exception):
    """A case in words alone; the message says what would have to be written."""


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
