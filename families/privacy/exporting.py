"""With `asking.py` the only writer of copies of data: prepared by the worker, handed over, forgotten.

prepare(export, at=…)              makes the ZIP; done twice, or by two at once, one file remains
still_fits(export) -> bool         whether it holds what its guardian may see today, and nothing else
older_than(before) -> QuerySet     those whose time is over; discard(export): with its file
"""

import uuid
from datetime import datetime, timedelta
from functools import partial
from tempfile import TemporaryFile

from django.core.files import File
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from families import emails
from families.models import DataExport
from families.privacy import archive, retention, telling

# Between two signs of the worker.
A_SIGN = timedelta(seconds=2)


def prepare(export: DataExport, *, at: datetime) -> None:
    """Makes and keeps the archive, then tells its guardian. One that is ready is left alone."""
    if not export.is_waiting:
        return
    subject = telling.subject_of(export.guardian, with_notes=export.with_notes)
    sign = at

    def step(done: int, total: int) -> None:
        nonlocal sign
        now = timezone.now()
        if now - sign >= A_SIGN or done in (1, total):
            sign = now
            DataExport.objects.filter(pk=export.pk, state=DataExport.State.WAITING).update(
                done=done, total=total, touched_at=now
            )

    try:
        with TemporaryFile() as made:
            archive.write(made, subject, at=at, step=step)
            size = made.tell()
            made.seek(0)
            _keep(export, File(made), size, subject.scope, at)
    except Exception:
        DataExport.objects.filter(pk=export.pk, state=DataExport.State.WAITING).update(
            state=DataExport.State.FAILED
        )
        raise


def _keep(export: DataExport, made: "File[bytes]", size: int, scope: str, at: datetime) -> None:
    """The file's name stands in the row before the file lies in the store: whatever stops us, it is found."""
    storage = export.file.storage
    field = DataExport._meta.get_field("file")
    name = field.generate_filename(export, f"copie-{export.pk}-{uuid.uuid4().hex}.zip")
    with transaction.atomic():
        row = DataExport.objects.select_for_update().filter(pk=export.pk).first()
        if row is None or not row.is_waiting:
            return
        before = row.file.name
        DataExport.objects.filter(pk=export.pk).update(file=name)
    if before:
        storage.delete(before)
    kept = storage.save(name, made)
    with transaction.atomic():
        ours = DataExport.objects.filter(pk=export.pk, state=DataExport.State.WAITING, file=name).update(
            state=DataExport.State.READY,
            file=kept,
            size=size,
            scope=scope,
            ready_at=at,
            expires_at=retention.end_of("exports", at),
        )
        if ours:
            emails.data_ready(DataExport.objects.select_related("guardian__user").get(pk=export.pk))
    if not ours:
        # Another worker's is the copy, or it was forgotten meanwhile: this one goes.
        storage.delete(kept)


def still_fits(export: DataExport) -> bool:
    return export.scope == telling.subject_of(export.guardian).scope


def older_than(before: datetime) -> QuerySet[DataExport]:
    """Copies that were ready before this moment, and those that never were, asked for before it."""
    never = Q(ready_at=None, asked_at__lte=before)
    return DataExport.objects.filter(Q(ready_at__lte=before) | never)


def discard(export: DataExport) -> int:
    """Deletes a copy and, once that is committed, its file."""
    if export.file.name:
        transaction.on_commit(partial(export.file.storage.delete, export.file.name))
    return DataExport.objects.filter(pk=export.pk).delete()[0]


def file_name(export: DataExport) -> str:
    """Under which it is handed over."""
    day = timezone.localtime(export.ready_at or export.asked_at).date()
    return f"mes-donnees-{export.household.number}-{day.isoformat()}.zip"
