"""No key may be forgotten: each that names a household, an adult or a child says what becomes of it when two
of them are one."""

from django.apps import apps
from django.db import models

from families.joining import fates
from families.models import Child, Guardian, Household


def keys_to_people() -> set[str]:
    """« families.Document.household »; those of old versions are left out, they say what was."""
    return {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models(include_auto_created=True)
        if not model._meta.proxy and not hasattr(model, "instance_type")
        for field in model._meta.local_fields
        if isinstance(field, models.ForeignKey) and field.related_model in (Household, Guardian, Child)
    }


def test_every_key_that_names_a_household_an_adult_or_a_child_is_declared():
    undeclared = keys_to_people() - set(fates.declared())
    assert not undeclared, f"Say in a `KEYS` what becomes of {sorted(undeclared)} when households are joined."


def test_what_is_declared_exists():
    assert set(fates.declared()) <= keys_to_people()


def test_a_key_that_nobody_declared_is_noticed(monkeypatch):
    monkeypatch.setattr(fates, "_declared", fates.declared())
    del fates._declared["families.Document.household"]
    assert keys_to_people() - set(fates.declared()) == {"families.Document.household"}
