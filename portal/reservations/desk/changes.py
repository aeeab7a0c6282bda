"""« Jours fermés et rouverts »: what changes of the calendar cancelled, and « Rouvrir »."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from portal.desk.decisions import Decidable, Decision, confirm_page
from portal.desk.lists import badge
from portal.desk.pages import ShownOnlyInline
from portal.desk.site import DeskNotice
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import closing
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import CalendarChange, CancelledDay
from portal.reservations.models.changes import WAY_BACK
from portal.web.signed_in import SignedInRequest

ONE_MINUTE = timedelta(minutes=1)


class CancelledDayInline(ShownOnlyInline[CancelledDay, CalendarChange]):
    """The days that stay cancelled, with the reason, once it was reopened; all of them before."""

    model = CancelledDay
    fields = readonly_fields = ("booking", "household", "state", "became")

    def get_queryset(self, request: HttpRequest) -> QuerySet[CancelledDay]:
        found = (
            super()
            .get_queryset(request)
            .select_related("booking__child", "booking__formula", "booking__household")
        )
        return found.order_by("put_back", "rank")

    @admin.display(description="foyer")
    def household(self, obj: CancelledDay) -> str:
        return str(obj.booking.household)

    @admin.display(description="depuis")
    def became(self, obj: CancelledDay) -> str:
        return "rétabli" if obj.put_back else obj.left or "annulé"


@admin.register(CalendarChange)
class CalendarChangeAdmin(Decidable[CalendarChange]):
    """Written by `acts/closing.py`."""

    desk_order = 11
    list_display = ("name", "made", "cancelled", "standing")
    list_display_links = ("name",)
    search_fields = ("what", "reason")
    date_hierarchy = "made_at"
    actions = ("reopen_selected",)
    decisions: Sequence[Decision] = (Decision("reopen_selected", "Rouvrir…", main=True),)
    inlines = (CancelledDayInline,)
    fields = readonly_fields = ("changes", "reason", "made", "by", "cancelled", "standing", "reopened_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return (
            super()
            .get_queryset(request)
            .annotate(counted_days=Count("days"), counted_back=Count("days", filter=Q(days__put_back=True)))
        )

    def waits(self, obj: CalendarChange) -> bool:
        return obj.reopened_at is None

    def desk_notices(self, request: HttpRequest) -> Sequence[DeskNotice]:
        """What can still be put back as it was."""
        now = timezone.now()
        if not self.has_decide_permission(request):
            return ()
        found = self.get_queryset(request).filter(pk__in=CalendarChange.objects.way_back(now).values("pk"))
        return [
            DeskNotice(
                f"{change}. {counted(change.counted_days, 'réservation annulée', 'réservations annulées')}. "
                f"« Rouvrir » reste possible {_left(change, now)}.",
                reverse("admin:reservations_calendarchange_change", args=[change.pk]),
            )
            for change in found
        ]

    @admin.display(description="ce qui a changé", ordering="what")
    def name(self, obj: CalendarChange) -> str:
        return str(obj)

    @admin.display(description="ce qui a changé")
    def changes(self, obj: CalendarChange) -> SafeString:
        return format_html_join("", "{}<br>", ((line,) for line in obj.what.splitlines()))

    @admin.display(description="le", ordering="made_at")
    def made(self, obj: CalendarChange) -> str:
        return moments.moment(obj.made_at, year=True)

    @admin.display(description="réservations annulées")
    def cancelled(self, obj: Any) -> int:
        count: int = obj.counted_days
        return count

    @admin.display(description="depuis")
    def standing(self, obj: Any) -> SafeString | str:
        if obj.reopened_at is not None:
            return f"{obj.counted_back} sur {obj.counted_days} rétablies, {moments.moment(obj.reopened_at)}"
        left = _left(obj, timezone.now())
        return badge("requested", f"à rouvrir {left}") if left else "fermé"

    @admin.action(description="Rouvrir…", permissions=["decide"])
    def reopen_selected(
        self, request: SignedInRequest, queryset: QuerySet[CalendarChange]
    ) -> HttpResponse | None:
        at = timezone.now()
        # What came last goes first: it may stand on what came before.
        changes = list(queryset.order_by("-made_at", "-pk"))
        if "confirmed" not in request.POST:
            return confirm_page(
                self,
                request,
                queryset,
                action="reopen_selected",
                title="Rouvrir ces jours",
                button="Rouvrir et prévenir les familles",
                template="admin/reservations/reopen.html",
                foreseen=[(change, *self._foreseen(request, change)) for change in changes],
            )
        for change in changes:
            try:
                done = closing.reopen(change, by=request.user, at=at)
            except BookingRefused as refusal:
                messages.warning(request, str(refusal))
                continue
            text, level = tell(done)
            messages.add_message(request, level, text)
        return None

    def _foreseen(
        self, request: SignedInRequest, change: CalendarChange
    ) -> tuple[closing.Reopened | None, str]:
        try:
            return closing.foresee_reopening(change, by=request.user, at=timezone.now()), ""
        except BookingRefused as refusal:
            return None, str(refusal)


def tell(done: closing.Reopened) -> tuple[str, int]:
    """One honest sentence for what « Rouvrir » did, and its level."""
    back = counted(done.back, "réservation rétablie", "réservations rétablies")
    told = counted(done.households, "famille prévenue", "familles prévenues")
    text = f"{back}, {told}." if done.back else "Aucune réservation n'a pu être rétablie."
    left = sum(done.left.values())
    if left:
        reasons = " ".join(f"{reason} ({count})" for reason, count in done.left.most_common())
        text += f" {counted(left, 'reste annulée', 'restent annulées')} : {reasons}"
    text = " ".join([text, *done.kept])
    return text, messages.WARNING if left or done.kept or not done.back else messages.SUCCESS


def _left(change: CalendarChange, now: datetime) -> str:
    """« encore 48 minutes »; nothing once the hour is over."""
    minutes = -((now - change.made_at - WAY_BACK) // ONE_MINUTE)
    return f"encore {counted(minutes, 'minute', 'minutes')}" if minutes > 0 else ""
