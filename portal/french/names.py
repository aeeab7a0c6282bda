"""Names of people, in whatever script: kept composed (NFC), found by a column of bare letters.

A phone writes « è » as one sign, a Mac may write two: databases compare signs. And none folds « Ş », « ễ » or
« Ł » as people who look for them do: it is done here, each row keeps it, and lists look there.
"""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import models

from portal.french.normalised import NormalisedField, readable
from portal.french.spelling import folded

LONGEST_FOLDED = 400


class NameField(NormalisedField):
    """A name as it is written, in composed signs, with single spaces."""

    def normal(self, text: str) -> str:
        return readable(text, "NFC")


class FoldedField(models.CharField[str, str]):
    """Other columns of the same row, folded, written whenever the row is: never by hand.

    `save` and `bulk_create` write it; an `update` of the others says it too, by `folded`.
    """

    def __init__(self, *args: Any, of: Sequence[str], **kwargs: Any) -> None:
        self.of = tuple(of)
        shown = {"editable": False, "blank": True, "default": "", "db_default": ""}
        super().__init__(*args, **kwargs | shown | {"max_length": LONGEST_FOLDED})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        words = folded(" ".join(getattr(model_instance, name) or "" for name in self.of))[:LONGEST_FOLDED]
        setattr(model_instance, self.attname, words)
        return words


class WithFolded(models.Model):
    """A row found by its `folded` column, which follows whatever writes the row."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Whoever writes a name alone writes its folded form too."""
        only: Collection[str] | None = kwargs.get("update_fields")
        its: Any = self._meta.get_field("folded")
        if only is not None and set(only) & set(its.of):
            kwargs["update_fields"] = {*only, its.name}
        super().save(*args, **kwargs)
