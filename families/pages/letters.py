"""« Mes messages »: what the household wrote to the town hall, and what a guardian was written."""

from datetime import datetime

from django.core.paginator import Paginator
from django.db.models import Min
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from families import which_home
from families.messages.sending import KIND
from families.models import Letter, MessageFile, RetentionRule, Thread
from families.privacy import retention
from portal.files import uploads
from portal.web.signed_in import SignedInRequest

A_PAGE = 30
# The last ones: what is older is found by its letter.
THREADS_SHOWN = 50


@require_GET
def letters(request: SignedInRequest) -> HttpResponse:
    """The newest first; the other adult of the household has their own."""
    household = which_home.household(request)
    rows = which_home.rows(request, Letter.objects.visible_to(request.user)).defer("text")
    page = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
    rule = retention.rule("letters")
    threads = which_home.rows(request, Thread.objects.visible_to(request.user))
    context = {
        "household": household,
        "threads": threads.select_related("kind", "child")[:THREADS_SHOWN],
        "page": page,
        "since": _since(rule),
        "kept": retention.in_words(rule) if rule.active else "",
    }
    return render(request, "families/letters.html", context)


def _since(rule: RetentionRule) -> datetime | None:
    """Since when the portal has what it wrote: it began one day, and forgets in time."""
    first: datetime | None = Letter.objects.aggregate(first=Min("posted_at"))["first"]
    if first is None or not rule.active:
        return first
    return max(first, retention.shifted(timezone.now(), -rule.duration, rule.unit))


@require_GET
def letter(request: SignedInRequest, letter_id: int) -> HttpResponse:
    found = which_home.row(request, Letter.objects.visible_to(request.user), pk=letter_id)
    files = MessageFile.objects.filter(message__copies__letter=found) if found.kind == KIND else []
    return render(request, "families/letter.html", {"letter": found, "files": files})


@require_GET
def attached(request: SignedInRequest, letter_id: int, file_id: int) -> FileResponse:
    """A file that came with a message of the town hall."""
    found = which_home.row(request, Letter.objects.visible_to(request.user), pk=letter_id)
    row = get_object_or_404(MessageFile.objects.filter(message__copies__letter=found), pk=file_id)
    try:
        file = row.file.open("rb")
    except FileNotFoundError:
        raise Http404 from None
    return uploads.response(file, name=row.name, content_type=row.content_type)
