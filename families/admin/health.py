"""Health files at the desk: opened by who may, on request, and asked for again.

On the page of a child it is the file itself. A list of many children (a register, the kitchen's) is used
all day and shows signs only, « PAI », « Allergie »; what the files say is opened for the whole list, the
same way.
"""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families.forms import HealthForm
from families.models import Child, ChildHealth, Reading
from families.signing_in.asking_again import ask_again
from families.traces import reading
from portal.desk.columns import TypedColumns
from portal.desk.site import DeskAdmin
from portal.web.posted import posted_number
from portal.web.signed_in import signed_in

OPEN = "sante"
POSTED = "health-TOTAL_FORMS"


class HealthInline(TypedColumns, admin.StackedInline[ChildHealth, Child]):
    """Shown only to who has the right to see health notes: Django's own permission check."""

    model = ChildHealth
    form = HealthForm
    extra = 0


def note_health_history(request: HttpRequest, child_id: str) -> None:
    """Its former versions are the file too: asked for again, and written down."""
    ask_again(request)
    child = Child.objects.filter(pk=child_id).first()
    if child is not None and ChildHealth.history.filter(child_id=child.pk).exists():
        reading.note(signed_in(request), Reading.Kind.HEALTH, child=child, what="Historique de la fiche")


def _note_health(request: HttpRequest, child_id: str | None) -> None:
    """That who may see health files is about to see this one, if there is one."""
    key = posted_number(child_id or "")
    if key is None:
        return
    if child := Child.objects.filter(pk=key).exclude(health=None).first():
        reading.note(signed_in(request), Reading.Kind.HEALTH, child=child)


class HealthOnRequest(DeskAdmin[Child]):
    """Where the gravest acts ask again, a child's page shows the way to its health file, and not the file."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        opened = _may_see(request) and (_opened(request) or not settings.ASK_AGAIN)
        if opened:
            ask_again(request)
        answer = super().changeform_view(request, object_id, form_url, extra_context)
        if opened and answer.status_code == HTTPStatus.OK:
            # Also where what was posted is shown again.
            _note_health(request, object_id)
        return answer

    def get_inlines(self, request: HttpRequest, obj: Child | None) -> Any:
        shown = super().get_inlines(request, obj)
        if not settings.ASK_AGAIN or _opened(request):
            return shown
        return [inline for inline in shown if inline is not HealthInline]

    def get_fields(self, request: HttpRequest, obj: Child | None = None) -> Any:
        fields = super().get_fields(request, obj)
        closed = settings.ASK_AGAIN and obj and not _opened(request) and _may_see(request)
        return (*fields, "health_file") if closed else fields

    def get_readonly_fields(self, request: HttpRequest, obj: Child | None = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "health_file")

    @admin.display(description="fiche sanitaire")
    def health_file(self, obj: Child) -> SafeString:
        return format_html('<a href="?{}=1">Ouvrir la fiche sanitaire</a>', OPEN)


def opens_details(request: HttpRequest) -> bool:
    """Whether a list of children is asked what their health files say; goes no further without the proof.

    For who may read them: the page asks that itself, and notes whose file it shows.
    """
    if OPEN not in request.GET:
        return False
    ask_again(request)
    return True


def _opened(request: HttpRequest) -> bool:
    return OPEN in request.GET or POSTED in request.POST


def _may_see(request: HttpRequest) -> bool:
    return any(map(request.user.has_perm, ("families.view_childhealth", "families.change_childhealth")))
