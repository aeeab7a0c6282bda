"""Letters on paper: which are to be printed, their one PDF, and that they were.

draw(letters) -> bytes        some of them, a page or more each
read_with("billing/", right)  an app says with which right letters of its kinds are read
readable(user, letters)       those that somebody may read, of those within reach
printed(letters, at=…)        they are; `to_print(letters)` takes that back
print_message(message)        those of a message, kept as its file: the worker's
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from families.messages import audiences
from families.models import FamilyMessage, Guardian, Household, Letter, MessageCopy, PaperLetter
from portal.letters import paper
from portal.letters.paper import Sheet

# Drawn while somebody waits: some seconds.
AT_ONCE = 100


# With which right letters are read whose kind begins so.
_read_with: dict[str, str] = {}


def read_with(beginning: str, right: str) -> None:
    """For an app, once it is ready."""
    _read_with[beginning] = right


def readable(user: Any, letters: QuerySet[PaperLetter]) -> QuerySet[PaperLetter]:
    """Without those that say what `user` has no right to know: a letter printed is a letter read."""
    for beginning, right in _read_with.items():
        if not user.has_perm(right):
            letters = letters.exclude(kind__startswith=beginning)
    hidden = MessageCopy.objects.filter(message__in=audiences.beyond(user), letter__isnull=False)
    return letters.exclude(pk__in=hidden.values("letter"))


def sheets(letters: Sequence[Letter]) -> list[Sheet]:
    """In two queries."""
    homes = {letter.household_id for letter in letters}
    names: dict[int, list[str]] = defaultdict(list)
    for adult in Guardian.objects.filter(household__in=homes).order_by("pk"):
        names[adult.household_id].append(str(adult))
    found = []
    for letter in letters:
        home = letter.household
        if home is None:
            continue
        day = timezone.localdate(letter.posted_at)
        found.append(sheet(home, names[home.pk], day, letter.subject, letter.text))
    return found


def sheet(home: Household, adults: Sequence[str], day: date, subject: str, text: str) -> Sheet:
    """A letter to some adults of a household."""
    window = (" et ".join(adults), home.street, home.street_more, f"{home.postcode} {home.city}")
    return Sheet(window, f"foyer n°\xa0{home.number}", day, subject, text)


def draw(letters: Sequence[Letter]) -> bytes:
    """With their households, in their order."""
    keys = "-".join(str(letter.pk) for letter in letters[:3])
    return paper.draw(sheets(letters), identifier=f"lettres-{keys}-{len(letters)}")


def printed(letters: Iterable[Letter], *, at: datetime) -> int:
    """Says so of those that were to be; how many."""
    keys = [letter.pk for letter in letters]
    rows: QuerySet[PaperLetter] = PaperLetter.objects.filter(pk__in=keys, state=Letter.State.PAPER)
    return rows.update(state=Letter.State.PRINTED, sent_at=at)


def to_print(letters: Iterable[Letter]) -> int:
    """Takes back that they were printed; how many."""
    keys = [letter.pk for letter in letters]
    rows: QuerySet[PaperLetter] = PaperLetter.objects.filter(pk__in=keys, state=Letter.State.PRINTED)
    return rows.update(state=Letter.State.PAPER, sent_at=None)


def of_message(message: FamilyMessage) -> list[Letter]:
    """Its letters on paper, by household."""
    rows = Letter.objects.filter(copies__message=message, copies__guardian=None)
    return list(rows.select_related("household").order_by("household", "pk"))


def forget(home: Household) -> None:
    """No file holds a letter to this household any more; the other letters of it are drawn one by one."""
    rows = FamilyMessage.objects.filter(copies__household=home, copies__guardian=None).exclude(paper="")
    for message in rows.distinct():
        message.paper.delete(save=False)
        FamilyMessage.objects.filter(pk=message.pk).update(paper="")


def print_message(key: int) -> None:
    """Draws the letters of a message (its key) and keeps them as one file; again, it is replaced."""
    message = FamilyMessage.objects.filter(pk=key).first()
    letters = of_message(message) if message is not None else []
    if message is None or not letters:
        return
    content = draw(letters)
    before = message.paper.name
    message.paper.save(f"lettres-{message.pk}.pdf", ContentFile(content), save=False)
    # Stopped and gone on with, there are more letters than the file of before has.
    with transaction.atomic():
        kept = FamilyMessage.objects.filter(pk=key).update(paper=message.paper.name)
    after, storage = message.paper.name, message.paper.storage
    if not kept and after:
        storage.delete(after)
    elif before and before != after:
        storage.delete(before)
