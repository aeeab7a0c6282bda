"""Pages of the desk on which a booked day may close: they ask first, then cancel free of charge and tell.
To close any is a right of its own (`groups.CLOSE`), whatever page it comes from.

What is typed is done and looked at in one transaction, by whatever form, delete page or action it came. Where
it closes booked days, it is undone until somebody confirms the number; nothing else needs to know the rule.
"""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.options import IS_POPUP_VAR
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from portal import town
from portal.desk.site import DeskAdmin, M
from portal.french.plurals import counted
from portal.reservations.acts.closing import Closing
from portal.reservations.days.offer import Offer
from portal.reservations.models import CalendarChange
from portal.reservations.staff import limits
from portal.web.bodies import brings_files
from portal.web.signed_in import user_of

CONFIRMED = "_closing_confirmed"
# A question says so many changes, and counts the others.
CHANGES_SAID = 12


def guarded(
    request: HttpRequest, act: Callable[[], HttpResponse], *, site: AdminSite, opts: Any
) -> HttpResponse:
    """What `act` answers; or, where it would close booked days and nobody confirmed, the question."""
    if request.method != "POST":
        return act()
    at = timezone.now()
    today = timezone.localdate(at)
    said = len(_sentences(request))
    try:
        with transaction.atomic():
            before = Offer.read(today)
            answer = act()
            closing = Closing.between(before, Offer.read(today), today)
            allowed = not closing.days or limits.may_close(request.user, closing.bookings, today=today)
            if closing.days and not (allowed and CONFIRMED in request.POST):
                question = _question(request, closing, site, opts, allowed=allowed)
                transaction.set_rollback(True)
                del _sentences(request)[said:]
                return question
            if closing.days:
                _tell(request, closing.close(by=user_of(request), at=at))
    finally:
        town.forget()  # kept for half a minute: what was undone must not be
    return answer


def _sentences(request: HttpRequest) -> list[Any]:
    """What this request has to say so far: of what is undone, nothing is said."""
    storage: Any = messages.get_messages(request)
    queued: list[Any] = storage._queued_messages
    return queued


def _tell(request: HttpRequest, count: int) -> None:
    text = counted(count, "réservation annulée", "réservations annulées")
    messages.success(request, f"{text} sans frais ; les familles sont prévenues.")
    change = CalendarChange.objects.latest("pk")
    way_back = reverse("admin:reservations_calendarchange_change", args=[change.pk])
    messages.info(request, format_html('Une erreur ? Pendant une heure, <a href="{}">Rouvrir</a>.', way_back))


def _question(
    request: HttpRequest, closing: Closing, site: AdminSite, opts: Any, *, allowed: bool
) -> TemplateResponse:
    """Whom it concerns; the same form again once it is confirmed, where one may close these days. Read while
    the change stands."""
    typed = [(name, value) for name, values in request.POST.lists() for value in values]
    changes = [one.sentence for one in closing.changes]
    return TemplateResponse(
        request,
        "admin/reservations/closing_confirm.html",
        site.each_context(request)
        | {
            "title": "Confirmer la fermeture" if allowed else "Fermeture de jours réservés",
            "button": "Confirmer la fermeture",
            "allowed": allowed,
            "subtitle": None,
            "opts": opts,
            "form_url": request.get_full_path(),
            "sentence": closing.sentence,
            "dates": closing.span,
            "reason": closing.reason,
            "places": closing.by_place,
            "changes": changes[:CHANGES_SAID],
            "more_changes": len(changes) - CHANGES_SAID if len(changes) > CHANGES_SAID else 0,
            "typed": [(name, value) for name, value in typed if name != "csrfmiddlewaretoken"],
            "confirmed": CONFIRMED,
            "with_files": brings_files(request),
            "is_popup": IS_POPUP_VAR in request.POST,
        },
        status=200 if allowed else 403,
    )


class AsksBeforeClosing(DeskAdmin[M]):
    """A model whose rows say which days take place: every way of writing them asks before it closes any."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        write = super().changeform_view
        return self._guarded(request, lambda: write(request, object_id, form_url, extra_context))

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        delete = super().delete_view
        return self._guarded(request, lambda: delete(request, object_id, extra_context))

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        show = super().changelist_view
        return self._guarded(request, lambda: show(request, extra_context))

    def _guarded(self, request: HttpRequest, act: Callable[[], HttpResponse]) -> HttpResponse:
        return guarded(request, act, site=self.admin_site, opts=self.opts)
