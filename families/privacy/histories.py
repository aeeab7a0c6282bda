"""Old versions of rows (django-simple-history): whose they are, and how they go with what they tell of."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, QuerySet

# Apps whose versions are vouchers, and are kept as long as those.
_accounting: set[str] = set()


def keep_as_vouchers(app_label: str) -> None:
    """For an app above, once it is ready."""
    _accounting.add(app_label)


def models(*, accounting: bool) -> list[type[Model]]:
    """The tables of old versions, of vouchers or of everything else; those of a version's own lists first."""
    found = [
        model
        for model in apps.get_models()
        if hasattr(model, "instance_type") and (model._meta.app_label in _accounting) == accounting
    ]
    return sorted(found, key=_is_version)


def _is_version(model: type[Model]) -> bool:
    """Whether its rows are versions; the others are rows of a many-to-many field of a version's."""
    return any(field.name == "history_date" for field in model._meta.fields)


def before(moment: datetime, *, accounting: bool) -> list[QuerySet[Any]]:
    return [
        model._default_manager.filter(
            **{"history_date__lt" if _is_version(model) else "history__history_date__lt": moment}
        ).order_by("pk")
        for model in models(accounting=accounting)
    ]


def forget(model: type[Model], keys: Iterable[int]) -> int:
    """Deletes the old versions of these rows, which may be gone already, and the desk's log of them, which
    repeats their names. Returns how many versions."""
    found = list(keys)
    about = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model))
    about.filter(object_id__in=[str(key) for key in found]).delete()
    history = getattr(model, "history", None)
    if history is None:
        return 0
    versions = history.model._default_manager.filter(**{f"{model._meta.pk.attname}__in": found})
    deleted: int = versions.delete()[0]
    return deleted
