"""Each field of the set-up that the desk edits has its key in the town's file, or a reason; each key its
docs."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from ruamel.yaml import YAML

from portal.desk.pages import ShownOnly
from portal.reservations.towns import reference, town_file
from portal.reservations.towns.fields import (
    Field,
    ListOf,
    Loading,
    Reference,
    TownFileError,
)
from portal.reservations.towns.town_file import Rows

pytestmark = pytest.mark.once

# Rows that the desk writes and that are no set-up of the town.
NO_SET_UP = {
    # People, what they asked for and what they paid.
    "account.EmailAddress",
    "billing.LateCollection",
    "billing.GivenUpDay",
    "billing.HouseholdCard",
    "billing.ChildStatus",
    "billing.Diner",
    "billing.ManualCharge",
    "billing.Mandate",
    "billing.PackedMeal",
    "families.AuthorisedPerson",
    "families.Child",
    "families.ChildHealth",
    "families.Custody",
    "families.DietChoice",
    "families.Document",
    "families.FamilyMessage",
    "families.FamilyQuotient",
    "families.FileImport",
    "families.Guardian",
    "families.Household",
    "families.Letter",
    "families.TrialHousehold",
    "families.User",
    "leisure.PriorityFact",
    "reservations.AudienceMember",
    "reservations.Schooling",
    "reservations.SureOpening",
    # The roles of agents: a file of the town gives nobody a right.
    "auth.Group",
    "reservations.StaffRight",
    # Another week, another menu: « Importer des menus ».
    "catering.Dish",
    "catering.Menu",
    # An establishment by another name.
    "leisure.Centre",
    # What the worker does.
    "django_tasks_database.DBTaskResult",
}
WITHOUT_KEY = {
    "portal.Town.crest": "an image",
    "families.TextVersion.file": "a PDF",
    "billing.Regie.activities": "written by the rows of `activités` under it",
}


def rows() -> Iterator[Rows]:
    def under(one: Rows) -> Iterator[Rows]:
        yield one
        for child in one.children:
            yield from under(child)

    for section in town_file.sections():
        yield from under(section)


def set_up() -> set[type[models.Model]]:
    """What the desk lets somebody write, on pages of their own and within others'."""
    found: set[type[models.Model]] = set()
    for model, page in admin.site._registry.items():
        if not isinstance(page, ShownOnly):
            found |= {model, *(one.model for one in page.inlines)}
    return {model for model in found if model._meta.label not in NO_SET_UP}


def editable(model: type[models.Model]) -> set[str]:
    return {
        f"{model._meta.label}.{one.name}"
        for one in model._meta.get_fields()
        if getattr(one, "editable", False) and not one.auto_created and not getattr(one, "primary_key", False)
    }


def test_each_field_of_the_set_up_has_its_key_or_a_reason():
    named: dict[type[models.Model], set[str]] = {}
    for one in rows():
        own = {field.name for field in one.fields} | ({one.parent} if one.parent else set())
        named.setdefault(one.model, set()).update(f"{one.model._meta.label}.{name}" for name in own)
    without = {
        name for model in set_up() | named.keys() for name in editable(model) - named.get(model, set())
    }
    assert without == set(WITHOUT_KEY), "Give it a key in town_sections.py, or say here why it has none."


def test_no_reason_outlives_what_it_was_given_for():
    written = {one.model._meta.label for one in rows()}
    known = {model._meta.label for model in admin.site._registry}
    known |= {one.model._meta.label for page in admin.site._registry.values() for one in page.inlines}
    assert not NO_SET_UP & written
    assert not NO_SET_UP - known


def test_the_page_says_every_key_its_default_and_an_example():
    said = reference.blocks(reference.page().read_text(encoding="utf-8"))
    known = {section.key: reference.tables(section) for section in town_file.sections()}
    assert known == said, "reference.write() writes the tables anew."


def names_a_row(kind: Any) -> bool:
    inner = kind.kind if isinstance(kind, ListOf) else kind
    return isinstance(inner, Reference) or type(inner).__name__ in ("FormulaReference", "ClassReference")


EXAMPLES = [(one, field) for one in rows() for field in one.fields]


@pytest.mark.parametrize(("one", "field"), EXAMPLES, ids=lambda case: getattr(case, "key", ""))
def test_each_example_can_be_read(one: Rows, field: Field):
    text = f"{field.key}: {field.example or field.kind.example}\n"
    [(_, node)] = YAML(typ="rt").compose(text).value
    assert "de « " not in text, "An example, not a description."
    if not names_a_row(field.kind):
        read = one.kept(field, field.kind.read(node, Loading(), None))
        one.model._meta.get_field(field.name).clean(read, one.model())


def problems_of(text: str) -> list[str]:
    try:
        town_file.load(text, dry_run=True)
    except TownFileError as error:
        return [problem.text for problem in error.problems]
    return []


def test_each_yaml_example_of_the_page_can_be_read(db):
    """Rows that it names and the page's first example does not have are the only thing missing."""
    page = reference.page().read_text(encoding="utf-8")
    first, *others = [part.split("```")[0] for part in page.split("```yaml\n")[1:]]
    town_file.load(first)
    assert len(others) > 5
    for text in others:
        assert not [one for one in problems_of(text) if " : aucun" not in one], text
