"""Custody calendars at the desk: those that wait for an answer, and the town hall's own word on one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from families.custody import calendars
from families.custody.calendar_forms import CalendarPage
from families.models import AlreadyAnswered, Child, CustodyCalendar, CustodyDates
from portal.desk import rights
from portal.desk.decisions import Decidable, Decision
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst
from portal.desk.pages import OwnPages, ShownOnlyInline, log_all
from portal.desk.site import Queue
from portal.web.signed_in import SignedInRequest


class WaitingCalendars(WaitingFirst):
    states = CustodyCalendar.State
    waiting = CustodyCalendar.State.WAITING


class DatesInline(ShownOnlyInline[CustodyDates, CustodyCalendar]):
    model = CustodyDates
    fields = readonly_fields = ("starts_on", "ends_on", "household")


@admin.register(CustodyCalendar)
class CustodyCalendarAdmin(
    StateBadge,
    NumberSearch[CustodyCalendar],
    Decidable[CustodyCalendar],
    OwnPages[CustodyCalendar],
):
    """Whose weeks are whose: what a home proposes, its other home answers, or the town hall."""

    desk_order = 7
    work_queues = (
        Queue(
            "Calendriers de garde proposés",
            lambda request: CustodyCalendar.objects.waiting(),
            query="state=waiting",
            order=46,
            since="asked_at",
            late_after=timedelta(days=14),
            hint="L'autre foyer répond d'ordinaire ; confirmez au vu d'un jugement ou d'une convention.",
        ),
    )
    list_display = ("child", "even", "odd", "asked_by_name", "asked_at", "state_badge")
    list_display_links = ("child",)
    list_filter = (WaitingCalendars,)
    list_select_related = ("child", "even", "odd")
    search_fields = ("child__last_name", "child__first_name")
    search_help_text = "Nom de l'enfant ou numéro de foyer"
    number_fields = ("even_id", "odd_id")
    ordering = ("-asked_at", "-pk")
    actions = ("confirm_selected", "refuse_selected")
    decisions = (
        Decision("confirm_selected", "Confirmer", main=True),
        Decision("refuse_selected", "Refuser"),
    )
    tints = {"waiting": "requested", "confirmed": "accepted", "withdrawn": "draft"}
    inlines = (DatesInline,)
    fields = readonly_fields = (
        "child",
        "state_badge",
        "even",
        "odd",
        "weekday",
        "moment",
        "holidays",
        "first_half",
        "asked_by_home",
        "asked_by_name",
        "asked_at",
        "answered_by_name",
        "answered_at",
    )

    def waits(self, obj: CustodyCalendar) -> bool:
        return obj.waits

    @admin.action(description="Confirmer", permissions=["decide"])
    def confirm_selected(self, request: SignedInRequest, queryset: QuerySet[CustodyCalendar]) -> None:
        self._each(request, queryset, calendars.confirm, "confirmé, les deux foyers sont prévenus")

    @admin.action(description="Refuser", permissions=["decide"])
    def refuse_selected(self, request: SignedInRequest, queryset: QuerySet[CustodyCalendar]) -> None:
        self._each(request, queryset, calendars.refuse, "refusé, le foyer est prévenu")

    def _each(
        self,
        request: SignedInRequest,
        queryset: QuerySet[CustodyCalendar],
        answer: Callable[..., CustodyCalendar],
        done_as: str,
    ) -> None:
        for row in queryset:
            name = self.name_of(row)
            try:
                done = answer(row, by=request.user, at=timezone.now())
            except (calendars.CalendarRefused, AlreadyAnswered) as refusal:
                messages.error(request, f"{name} : {refusal}")
            else:
                log_all(
                    request, [done, done.child], f"Calendrier de garde {done.get_state_display().lower()}."
                )
                messages.success(request, f"{name} : {done_as}.")

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.write)
        return [path("ecrire/<int:child>/", view, name="families_custodycalendar_write"), *super().get_urls()]

    def write(self, request: SignedInRequest, child: int) -> HttpResponse:
        """The calendar of a child in two homes, as the town hall writes it: counts at once; or its end."""
        self.demand(request, calendars.RIGHT)
        known = rights.seen_by(
            request.user, Child.objects.filter(erased_at=None, joined_to=None), calendars.RIGHT
        )
        whose = get_object_or_404(known, pk=child)
        back = reverse("admin:families_child_change", args=[whose.pk])
        at = timezone.now()
        homes = calendars.homes_of(whose, timezone.localdate(at))
        counting = whose.custody_calendar
        if len(homes) < 2 or (len(homes) > 2 and counting is None):
            messages.info(
                request,
                f"{whose} ne vit pas dans deux foyers."
                if len(homes) < 2
                else f"{whose} vit dans {len(homes)} foyers : un calendrier de garde se partage entre deux.",
            )
            return redirect(back)
        posted = request.POST if request.method == "POST" else None
        if posted is not None and "stop" not in posted and len(homes) > 2:
            messages.error(request, calendars.TWO_HOMES)
            return redirect(request.path)
        page = CalendarPage(
            None if posted is not None and "stop" in posted else posted,
            names={home.pk: f"dans le foyer n°\xa0{home.number}" for home in homes},
            terms=calendars.terms_of(counting) if counting else None,
        )
        if posted is not None and ("stop" in posted or page.is_valid()):
            try:
                if "stop" in posted:
                    calendars.stop(whose, by=request.user, at=at)
                else:
                    calendars.write(whose, page.terms, by=request.user, at=at)
            except calendars.CalendarRefused as refusal:
                messages.error(request, str(refusal))
            else:
                done = "n'est plus suivi" if "stop" in posted else "est enregistré"
                log_all(request, [whose], f"Le calendrier de garde {done}.")
                messages.success(
                    request, f"{whose} : le calendrier de garde {done}, les foyers sont prévenus."
                )
                return redirect(back)
        context: dict[str, Any] = {
            "child": whose,
            "homes": len(homes),
            "page": page,
            "counting": counting,
            "back": back,
        }
        return self.page(request, "admin/families/custody_calendar.html", "Calendrier de garde", context)
