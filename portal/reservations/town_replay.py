"""Worked examples that towns publish (« lundi 8 h pour jeudi : trop tard »), replayed through real rows.

A file of towns is the shape of tests/data/towns.yaml: `meta` and a list of `towns`, each with rules and
worked cases. An app answers for its own part in a module `town_cases.py` that calls `register`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.module_loading import autodiscover_modules
from ruamel.yaml import YAML


@dataclass(frozen=True)
class Case:
    """One worked example. `run` writes what it needs to the database and returns None, or why it failed."""

    town: str
    label: str
    run: Callable[[], str | None]

    def __str__(self) -> str:
        return f"{self.town} · {self.label}"


Replayer = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[Case]]
_replayers: dict[str, Replayer] = {}


def register(name: str, replayer: Replayer) -> None:
    """Lets `replayer(town, meta)` yield a town's cases of one kind (`name`: « deadlines », « prices »)."""
    _replayers[name] = replayer


def read(path: str | Path) -> Mapping[str, Any]:
    """The parsed file (YAML 1.2, so that 09:00 is a text). Raises OSError or ruamel's YAMLError."""
    return YAML(typ="safe", pure=True).load(Path(path)) or {}


def cases(document: Mapping[str, Any], only: str = "") -> Iterator[Case]:
    """Every case of every town, in the file's order; `only` names one kind."""
    autodiscover_modules("town_cases")
    for town in document.get("towns") or []:
        for name, replayer in _replayers.items():
            if only in ("", name):
                yield from replayer(town, document.get("meta") or {})
