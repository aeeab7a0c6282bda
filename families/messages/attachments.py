"""Files that go with a message: judged as what families send, few and light enough for every mailbox."""

from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Sum

from families.models import FamilyMessage, MessageFile
from portal.files import uploads
from portal.letters.mailing import Attached

MOST, LARGEST = 3, 4 * 1024 * 1024
TOO_MANY = f"{MOST} pièces jointes au plus."
TOO_HEAVY = (
    "Les pièces jointes d'un message font 4 Mo au plus, ensemble\xa0: des messageries refusent davantage. "
    "Allégez le fichier, ou déposez-le sur le site de la commune."
)


def check(message: FamilyMessage | None, file: Any) -> str:
    """The type of one more file, read from its content. Raises ValidationError, in French."""
    kind = uploads.check(file)
    held = message.files.count() if message is not None else 0
    if held >= MOST:
        raise ValidationError(TOO_MANY, code="too_many")
    weight = (message.files.aggregate(sum=Sum("size"))["sum"] or 0) if message is not None else 0
    if weight + file.size > LARGEST:
        raise ValidationError(TOO_HEAVY, code="too_heavy")
    return kind


def add(message: FamilyMessage, file: Any, content_type: str) -> MessageFile:
    """Keeps a file that `check` took."""
    name = uploads.safe_name(file.name, content_type)
    row = MessageFile(message=message, name=name, content_type=content_type, size=file.size)
    row.file.save(name, file, save=False)
    row.save()
    return row


def remove(row: MessageFile) -> None:
    """The row and, once that is committed, its file."""
    storage, name = row.file.storage, row.file.name
    row.delete()
    if name:
        transaction.on_commit(partial(storage.delete, name))


def read(message: int) -> list[Attached]:
    """The files of a message (its key), as a mail carries them."""
    found = []
    for row in MessageFile.objects.filter(message=message):
        with row.file.open("rb") as file:
            found.append(Attached(row.name, file.read(), row.content_type))
    return found
