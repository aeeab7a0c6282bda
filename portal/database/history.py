"""Versions of rows: who wrote what, when, and what stood there before.

    history = History()                        of every field
    history = History(excluded_fields=[…])     but for these
    history = History(only=[…], …)             of these alone, whatever fields are added later

As django-simple-history keeps them, with two promises more. A save that changes nothing that is kept leaves
no version. And the first change of a row that has none, as it was written in bulk or before its history was
kept, keeps what it was before that change as well.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db.models import Model
from django.db.models.signals import m2m_changed, pre_save
from django.utils import timezone
from simple_history.models import HistoricalRecords

Row = TypeVar("Row", bound=Model)
# How long the reason of a version may be.
REASON_LENGTH = 100
# Why there is a version that nobody wrote.
KNOWN_BEFORE = "tel qu'avant le premier changement suivi"
# On a row, between its save and what follows it: whether the save changes something that is kept.
CHANGES = "_history_changes"


def written_by(row: Row, by: Model | None, why: str = "") -> Row:
    """The same row, whose next version names who wrote it and, where there is one, the reason."""
    written: Any = row  # the library reads both from the row
    written._history_user = by
    if why:
        written._change_reason = why[:REASON_LENGTH]
    return row


class Versions:
    """`Model.history`: as the library's, which makes the class of its manager anew at each look."""

    def __init__(self, made: Any) -> None:
        self.model = made.model
        self.manager = made.manager_class.from_queryset(made.queryset_class)

    def __get__(self, instance: Model | None, owner: type[Model]) -> Any:
        return self.manager(self.model, instance)


class History(HistoricalRecords):
    """The versions of a model's rows."""

    def __init__(self, *, only: Sequence[str] = (), **options: Any) -> None:
        super().__init__(**options)
        self.only = only

    def finalize(self, sender: type[Model], **kwargs: Any) -> None:
        if sender is self.cls and self.only:
            self.excluded_fields = [
                field.name for field in sender._meta.fields if field.name not in self.only
            ]
        super().finalize(sender, **kwargs)
        if sender is self.cls:
            setattr(sender, self.manager_name, Versions(vars(sender)[self.manager_name]))
            pre_save.connect(self.compare, sender=sender, weak=False)
            for field in self.get_m2m_fields_from_model(sender):
                m2m_changed.connect(self.before_ties_change, sender=field.remote_field.through, weak=False)

    def begins_with(self, instance: Model) -> bool:
        """Whether a row that has just been added gets a version."""
        return True

    # Receivers of signals -------------------------------------------------------------------------------

    def compare(
        self, instance: Model, raw: bool = False, update_fields: frozenset[str] | None = None, **kwargs: Any
    ) -> None:
        """Before a save: whether it changes what is kept, and what it was if no version says so yet."""
        kept = self.fields_included(instance)
        if raw or instance._state.adding:
            return
        if update_fields is not None and not {field.name for field in kept} & update_fields:
            setattr(instance, CHANGES, False)
            return
        last = self.last_version(instance)
        before = last or self.stored(instance)
        changes = before is None or any(
            getattr(instance, field.attname) != getattr(before, field.attname) for field in kept
        )
        setattr(instance, CHANGES, changes)
        if changes and before is not None and last is None:
            self.keep_as_before(before)

    def post_save(self, instance: Model, created: bool, using: str | None = None, **kwargs: Any) -> None:
        changes = instance.__dict__.pop(CHANGES, True)
        if self.begins_with(instance) if created else changes:
            super().post_save(instance, created, using, **kwargs)

    def post_delete(self, instance: Model, using: str | None = None, **kwargs: Any) -> None:
        if self.begins_with(instance) or self.last_version(instance) is not None:
            super().post_delete(instance, using, **kwargs)

    def before_ties_change(
        self, instance: Model, action: str, reverse: bool, pk_set: set[int] | None, **kwargs: Any
    ) -> None:
        """Before rows are tied to one (rights to a login), or released."""
        if action in ("pre_add", "pre_remove", "pre_clear"):
            for row in self._rows(instance, reverse, pk_set):
                if self.last_version(row) is None and (stored := self.stored(row)) is not None:
                    self.keep_as_before(stored)

    def m2m_changed(
        self,
        instance: Model,
        action: str,
        attr: str,
        pk_set: set[int] | None,
        reverse: bool,
        **kwargs: Any,
    ) -> None:
        # From the other side too, which the library takes for a row of its own.
        for row in self._rows(instance, reverse, pk_set):
            super().m2m_changed(row, action, attr, pk_set, False, **kwargs)

    def _rows(self, instance: Model, reverse: bool, pk_set: set[int] | None) -> Sequence[Model]:
        if pk_set is not None and not pk_set:
            return []
        return list(self.cls._base_manager.filter(pk__in=pk_set or ())) if reverse else [instance]

    # What is there --------------------------------------------------------------------------------------

    def last_version(self, instance: Model) -> Any:
        versions = getattr(self.cls, self.manager_name)
        return versions.filter(**{self.cls._meta.pk.attname: instance.pk}).first()

    def stored(self, instance: Model) -> Model | None:
        return self.cls._base_manager.filter(pk=instance.pk).first()

    def keep_as_before(self, stored: Model) -> None:
        """A version of nobody's, of what is about to change."""
        values = {
            field.attname: getattr(stored, field.attname) for field in self.fields_included(type(stored))
        }
        version = getattr(self.cls, self.manager_name).model(
            history_date=timezone.now(), history_type="~", history_change_reason=KNOWN_BEFORE, **values
        )
        version.save()
        self.create_historical_record_m2ms(version, stored)
