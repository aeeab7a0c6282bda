"""Keeping the files that families send, and removing them from the store with their row."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.db import transaction

from families.models import Document, Household, User
from portal.files import uploads


def keep(household: Household, file: Any, content_type: str, *, by: User, **given: Any) -> Document:
    """A file just sent, whose type was read from its content, under a harmless name; `given`: its `right`."""
    file.name = uploads.safe_name(file.name, content_type)
    return Document.objects.create(
        household=household,
        file=file,
        name=file.name,
        content_type=content_type,
        uploaded_by=by,
        **given,
    )


def remove(documents: Iterable[Document]) -> int:
    """Deletes documents that nothing holds any more, then, once that is committed, their files; how many."""
    removed = 0
    for document in documents:
        storage, name = document.file.storage, document.file.name
        document.delete()
        if name:
            transaction.on_commit(partial(storage.delete, name))
        removed += 1
    return removed
