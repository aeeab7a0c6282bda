"""Files to fill in: the headings that are understood, two families, and the rules in words."""

from collections.abc import Iterable, Iterator

from families.imports import registry
from families.imports.registry import Column
from portal.files.handing_over import Cell

# Of a first family; brothers and sisters repeat the household.
SECOND = {
    "child.number": "2088",
    "child.first_name": "Tom",
    "child.birth_date": "14/06/2021",
    "school.class": "PS",
    "enrolment.weekdays": "tous les jours",
}


def _columns() -> list[Column]:
    """Without those of a file of another layout."""
    return [
        column
        for column in registry.columns()
        if not column.key.startswith("person.") and not column.key.endswith((".full_name", ".usage_name"))
    ]


def rows() -> list[tuple[Cell, ...]]:
    """The headings, and two children of a family."""
    columns = _columns()
    first = tuple(column.example for column in columns)
    return [
        tuple(column.title for column in columns),
        first,
        tuple(SECOND.get(column.key, column.example) for column in columns),
    ]


def sheets() -> Iterator[tuple[str, Iterable[str], Iterable[tuple[Cell, ...]]]]:
    """A workbook: what is filled in, then what each column says."""
    heading, *examples = rows()
    yield "Familles", [str(title) for title in heading], examples
    rules = [(column.title, column.rule, column.example) for column in registry.columns()]
    yield "Règles", ["Colonne", "Règle", "Exemple"], rules
