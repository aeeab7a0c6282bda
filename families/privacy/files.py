"""Files that families sent, removed from the store with their row."""

from collections.abc import Iterable
from functools import partial

from django.db import transaction

from families.models import Document


def remove(documents: Iterable[Document]) -> int:
    """Deletes documents that nothing holds any more, then, once that is committed, their files."""
    removed = 0
    for document in documents:
        storage, name = document.file.storage, document.file.name
        document.delete()
        if name:
            transaction.on_commit(partial(storage.delete, name))
        removed += 1
    return removed
