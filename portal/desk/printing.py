"""A list that is too long for one PDF: put on paper by the worker in parts, handed over for some days.

    ask(shown, at=now)          its rows as they are now, in their order; the worker does the rest
    print_next(printed, at=…)   one part more; done twice, or by two at once, one of it remains
    forget(at=…)                each night, with their files

Only who asked for it opens it. The right to take out people is asked of them when it is ordered, made and
opened; each part that is opened asks for the proof that one is who one is, and is a line of the register of
reading.
"""

import logging
import uuid
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django_tasks import task

from portal.desk import exporting
from portal.desk.exporting import Shown
from portal.files.handing_over import hand_over
from portal.models import PrintedList, PrintedPart
from portal.tasks import priorities
from portal.tasks.attempts import at_most
from portal.web.signed_in import user_of

logger = logging.getLogger(__name__)
KEPT = timedelta(days=3)
# What the worker has not finished by then, it will not.
STOPPED_AFTER = timedelta(hours=2)
CHANGED = (
    "Des lignes de cette partie n'existent plus, ou ne vous sont plus ouvertes\xa0: "
    "exportez la liste de nouveau."
)


def ask(shown: Shown, *, at: datetime) -> PrintedList:
    """Has the list printed after the commit."""
    keys = [str(key) for key in shown.rows.values_list("pk", flat=True)]
    size = exporting.A_PDF
    with transaction.atomic():
        printed = PrintedList.objects.create(
            page=shown.page.opts.label_lower,
            title=shown.title,
            filters=list(shown.filters),
            address=shown.request.get_full_path(),
            keys=keys,
            by=user_of(shown.request),
            asked_at=at,
        )
        PrintedPart.objects.bulk_create(
            PrintedPart(
                of=printed,
                number=number,
                first=first + 1,
                last=min(first + size, len(keys)),
                file=_file_name(),
            )
            for number, first in enumerate(range(0, len(keys), size), start=1)
        )
        transaction.on_commit(partial(print_list.enqueue, printed.pk))
    return printed


def _file_name() -> str:
    return PrintedPart._meta.get_field("file").generate_filename(
        PrintedPart(), f"liste-{uuid.uuid4().hex}.pdf"
    )


def _given_up(args: Any, kwargs: Any) -> None:
    PrintedList.objects.filter(pk=args[0]).update(failed=True)


@at_most(3, given_up=_given_up)
@task(priority=priorities.LONG)
def print_list(key: int) -> None:
    """Makes what is missing of it, one part after the other; what is there stays."""
    printed = PrintedList.objects.select_related("by").filter(pk=key).first()
    try:
        while printed is not None and print_next(printed, at=timezone.now()):
            pass
    except Exception:
        PrintedList.objects.filter(pk=key).update(failed=True)
        raise


def print_next(printed: PrintedList, *, at: datetime) -> bool:
    """Makes the first part that is missing; whether there was one. Raises PermissionDenied where who asked
    may not take these rows out any more."""
    part = printed.parts.filter(made_at=None).order_by("number").first()
    if part is None:
        return False
    request = HttpRequest()
    request.method, request.user = "GET", printed.by
    keys, shown = _part_of(part, printed, request)
    # What was deleted meanwhile is not in it.
    rows = {str(row.pk): shown.of_row(row) for row in shown.rows}
    there = [rows[key] for key in keys if key in rows]
    drawn = exporting.drawn(shown, there, first=part.first, count=len(printed.keys), at=printed.asked_at)
    _keep(part, drawn, len(there), at)
    return True


@transaction.atomic
def _keep(part: PrintedPart, drawn: bytes, rows: int, at: datetime) -> None:
    """Unless another worker has made it, or the list was forgotten meanwhile."""
    held = PrintedPart.objects.select_for_update(of=("self",)).filter(pk=part.pk, made_at=None).first()
    if held is None:
        return
    storage = held.file.storage
    storage.delete(held.file.name or "")  # a worker that died may have left one
    held.file.name = storage.save(held.file.name, ContentFile(drawn))
    held.made_at, held.rows = at, rows
    held.save(update_fields=["file", "made_at", "rows"])


def _part_of(part: PrintedPart, printed: PrintedList, request: HttpRequest) -> tuple[list[str], Shown]:
    """Its rows: their keys in order, and what who asks may take of them now. Raises PermissionDenied."""
    keys = printed.keys[part.first - 1 : part.last]
    page: Any = admin.site._registry[apps.get_model(printed.page)]
    return keys, Shown.again(page, request, keys, printed.filters)


def forget(at: datetime) -> int:
    """Lists whose days are over, with their files; returns how many."""
    return _forget(PrintedList.objects.filter(asked_at__lte=at - KEPT))


def forget_all() -> int:
    """All of them: somebody who may stand in one is erased."""
    return _forget(PrintedList.objects.all())


def _forget(rows: QuerySet[PrintedList]) -> int:
    old = list(rows.prefetch_related("parts"))
    for printed in old:
        with transaction.atomic():
            for part in printed.parts.all():
                transaction.on_commit(partial(part.file.storage.delete, part.file.name or ""))
            printed.delete()
    return len(old)


def foresee(at: datetime) -> int:
    return PrintedList.objects.filter(asked_at__lte=at - KEPT).count()


# Its page -----------------------------------------------------------------------------------------------


def start(shown: Shown) -> HttpResponse:
    printed = ask(shown, at=timezone.now())
    return redirect(reverse("admin:printed_list", args=[printed.pk]))


def _mine(request: HttpRequest, key: int) -> PrintedList:
    rows = PrintedList.objects.filter(by=request.user.pk, asked_at__gt=timezone.now() - KEPT)
    parts = Count("parts"), Count("parts", filter=Q(parts__made_at__isnull=False))
    return get_object_or_404(rows.annotate(parts_asked=parts[0], parts_done=parts[1]), pk=key)


def page(request: HttpRequest, key: int, frame: dict[str, Any]) -> HttpResponse:
    """How far it is, and each part that is ready."""
    printed: Any = _mine(request, key)
    ready = printed.parts_done == printed.parts_asked
    late = timezone.now() - printed.asked_at > STOPPED_AFTER
    told = {
        "title": f"{printed.title} : PDF en {printed.parts_asked} parties",
        "subtitle": None,
        "printed": printed,
        "parts": list(printed.parts.all()),
        "ready": ready,
        "stopped": not ready and (printed.failed or late),
        "until": printed.asked_at + KEPT,
        "refreshed": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/exporting/parts.html", frame | told)


def download(request: HttpRequest, key: int, number: int) -> HttpResponse | FileResponse:
    """A part that is ready, to who asked for it and may still take it out."""
    printed = _mine(request, key)
    part = get_object_or_404(printed.parts.exclude(made_at=None), number=number)
    _, shown = _part_of(part, printed, request)
    if shown.rows.count() < part.rows:
        messages.warning(request, CHANGED)
        return redirect(reverse("admin:printed_list", args=[printed.pk]))
    exporting.pass_out(shown, f"PDF, lignes {part.first} à {part.last}")
    try:
        file = part.file.open("rb")
    except OSError as error:
        raise Http404 from error
    day = timezone.localdate(printed.asked_at)
    return hand_over(file, exporting.file_name(printed.title, day, "pdf", number))


exporting.print_with(start)
