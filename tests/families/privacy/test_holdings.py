"""No table may be forgotten: each that leads to a family is declared, and an erasure leaves nothing else."""

from typing import Any

from django.apps import apps
from django.db import models

from families.models import Child, Guardian, Household, User
from families.privacy import holdings
from families.privacy.holdings import Fate


def leading_to_people() -> set[str]:
    """Tables with a way of keys to a household, a child, a guardian or a login; not those of old versions."""
    found: set[type[models.Model]] = {Household, Child, Guardian, User}
    while True:
        more = {
            model
            for model in apps.get_models(include_auto_created=True)
            if model not in found
            and not model._meta.proxy
            and any(leads(field, found) for field in fields(model))
        }
        if not more:
            return {model._meta.label for model in found if not hasattr(model, "instance_type")}
        found |= more


def fields(model: type[models.Model]) -> list[Any]:
    return [*model._meta.local_fields, *model._meta.local_many_to_many]


def leads(field: Any, found: set[type[models.Model]]) -> bool:
    # A queryset's own union of many-to-many tables is among the auto-created models.
    return isinstance(field, models.ForeignKey) and field.related_model in found


def test_every_table_that_leads_to_people_is_declared():
    undeclared = leading_to_people() - set(holdings.declared())
    assert not undeclared, f"Say in a `HOLDINGS` what an erasure does with {sorted(undeclared)}."


def test_what_is_declared_exists_but_for_libraries_that_may_not_be_installed():
    known = {model._meta.label for model in apps.get_models(include_auto_created=True)}
    missing = {label for label in holdings.declared() if label not in known}
    assert {label.split(".")[0] for label in missing} <= {"mfa", "usersessions"}


def test_a_table_that_nobody_declared_is_noticed(monkeypatch):
    monkeypatch.setattr(holdings, "_declared", dict(holdings._declared))
    del holdings._declared["families.Document"]
    assert leading_to_people() - set(holdings.declared()) == {"families.Document"}


def test_money_is_what_the_law_keeps():
    kept = {label for label, fate in holdings.declared().items() if fate is Fate.LAW}
    assert {"billing.Invoice", "billing.Payment", "billing.InvoicePdf"} <= kept
    assert {label.split(".")[0] for label in kept} == {"billing"}
