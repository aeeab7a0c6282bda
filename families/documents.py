"""Keeping the files that families send."""

from typing import Any

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
