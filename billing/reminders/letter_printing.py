"""Letters of a reminding on paper: printed once by the worker, kept with their checksum.

    lots(at) -> list[int]          the lots still to print; letters without a lot get theirs
    print_lot(lot, at=…)           its letters, and the one file that holds them all, once
    progress(at) -> Progress       how many letters there are, and how many are printed
    contents(at, …) -> Iterator    the kept files, for a ZIP: nothing is drawn any more

`at`, but for `print_lot`, is the moment the reminding was asked for. A lot is drawn without holding anything,
then kept in one transaction: a killed worker leaves it unprinted, and of two that draw it at once the first
one's files count.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import groupby

from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Count, Q

from billing.documents import files, pdf
from billing.models import BillingSettings, LetterLot, ReminderLetter
from billing.reminders import reminder_letters

A_LOT = 50  # letters: some seconds of work, and a file that a printing machine takes at once


@dataclass(frozen=True)
class Progress:
    """How many letters a reminding has, how many of them are to be posted, and how many are printed."""

    letters: int
    to_post: int
    printed: int

    @property
    def ready(self) -> bool:
        return self.printed == self.letters


def progress(at: datetime) -> Progress:
    counts = ReminderLetter.objects.filter(sent_at=at).aggregate(
        letters=Count("pk"),
        to_post=Count("pk", filter=Q(by_post=True)),
        printed=Count("pk", filter=Q(lot__printed_at__isnull=False)),
    )
    return Progress(**counts)


def lots(at: datetime) -> list[int]:
    """The lots (by pk) to print, those to be posted first; letters that have no lot yet get theirs."""
    with transaction.atomic():
        waiting = ReminderLetter.objects.select_for_update().filter(sent_at=at, lot=None)
        rows = waiting.order_by("-by_post", "household").values_list("by_post", "pk")
        for by_post, group in groupby(list(rows), key=lambda row: row[0]):
            letters = [pk for _, pk in group]
            for first in range(0, len(letters), A_LOT):
                lot = LetterLot.objects.create(sent_at=at, by_post=by_post)
                ReminderLetter.objects.filter(pk__in=letters[first : first + A_LOT]).update(lot=lot)
    unprinted = LetterLot.objects.filter(sent_at=at, printed_at=None)
    return list(unprinted.order_by("pk").values_list("pk", flat=True))


def print_lot(lot_pk: int, *, at: datetime) -> None:
    """Prints a lot's letters, each in a file of its own and all in one; `at` is now."""
    lot = LetterLot.objects.filter(pk=lot_pk, printed_at=None).first()
    if lot is None:
        return
    letters = list(lot.letters.select_related("household").order_by("household"))
    settings = BillingSettings.current()
    said = reminder_letters.letters([letter.household_id for letter in letters], lot.sent_at, settings)
    draw = partial(reminder_letters.draw, at=lot.sent_at)
    # All are drawn before any is kept: what cannot be drawn leaves no file behind. A household has one file,
    # with a letter of each régie.
    drawn = [draw(list(of_home)) for _, of_home in groupby(said, key=lambda one: one.household.pk)]
    _store(lot, f"lettres-{lot.pk}.pdf", draw(said))
    for letter, content in zip(letters, drawn, strict=True):
        _store(letter, name_of(letter), content)
    with transaction.atomic():
        unprinted = LetterLot.objects.filter(pk=lot.pk, printed_at=None)
        ours = unprinted.update(file=lot.file.name, sha256=lot.sha256, printed_at=at)
        if ours:
            ReminderLetter.objects.bulk_update(letters, ["file", "sha256"])
    if not ours:
        # Somebody printed it meanwhile: theirs are the letters, ours go.
        for kept in (lot, *letters):
            kept.file.delete(save=False)


def _store(kept: LetterLot | ReminderLetter, name: str, content: bytes) -> None:
    kept.sha256 = hashlib.sha256(content).hexdigest()
    kept.file.save(name, ContentFile(content), save=False)


def name_of(letter: ReminderLetter) -> str:
    return f"relance-{letter.household.number}.pdf"


def contents(at: datetime, *, only_paper: bool = False, joined: bool = False) -> Iterator[tuple[str, bytes]]:
    """Files (name, PDF) of the letters, by household, in one query.

    `only_paper`: to those that no mail reached; `joined`: a lot a file, ready to print. What is lost is named
    in « manquantes.txt ».
    """
    return files.kept(_readers(at, {"by_post": True} if only_paper else {}, joined))


def _readers(at: datetime, which: dict[str, bool], joined: bool) -> Iterator[tuple[str, Callable[[], bytes]]]:
    if joined:
        lots = LetterLot.objects.filter(sent_at=at, **which).order_by("pk")
        for rank, lot in enumerate(lots.iterator(chunk_size=files.A_BITE), start=1):
            name = f"lettres-{rank:03d}-{'a-poster' if lot.by_post else 'aussi-par-mail'}.pdf"
            yield name, partial(pdf.content, lot, name)
    else:
        letters = ReminderLetter.objects.filter(sent_at=at, **which).select_related("household")
        for letter in letters.order_by("household").iterator(chunk_size=files.A_BITE):
            yield name_of(letter), partial(pdf.content, letter, name_of(letter))
