"""Where every child stands, day by day, with who changed it and when."""

from typing import TypeAlias, TypedDict

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from families.desk_cells import HouseholdLink, person
from portal.desk.decisions import Decidable, Decision, ask_reason
from portal.desk.lists import NumberSearch, StateBadge, badge
from portal.desk.pages import ShownOnlyInline
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import booking, refusals
from portal.reservations.desk.acting import ActsForFamilies
from portal.reservations.desk.cells import ClassName, LateBadge, short_moment
from portal.reservations.models import Booking, BookingEvent
from portal.reservations.models.queries import class_of
from portal.reservations.states import LIVE, BookingState
from portal.web.signed_in import SignedInRequest

CANCEL_REASONS = (
    "Annulé à la demande de la famille.",
    "Enfant absent, signalé par l'école.",
    "Réservation faite par erreur.",
    "Le service n'est pas assuré ce jour-là.",
)


class BookingEventInline(StateBadge, ShownOnlyInline[BookingEvent, Booking]):
    model = BookingEvent
    fields = readonly_fields = ("at", "state_badge", "by_name", "reservation", "reason")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BookingEvent]:
        return super().get_queryset(request).select_related("by", "reservation")

    @admin.display(description="par", empty_value="–")
    def by_name(self, obj: BookingEvent) -> str:
        return person(obj.by)


class Attended(TypedDict):
    """The name of the class that the child attends."""

    attended: str | None


BookingInList: TypeAlias = "WithAnnotations[Booking, Attended]"


@admin.register(Booking)
class BookingAdmin(
    HouseholdLink, ClassName, LateBadge, NumberSearch[Booking], Decidable[Booking], ActsForFamilies
):
    desk_order = 4
    list_display = (
        "day_shown",
        "child",
        "household_link",
        "class_name",
        "formula_shown",
        "establishment",
        "state_badge",
        "late_badge",
        "changed",
    )
    list_display_links = ("day_shown", "child")
    list_filter = ("state", "late", "activity", "establishment")
    list_select_related = ("child", "activity", "formula", "establishment")
    show_full_result_count = False
    search_fields = ("child__folded",)
    search_help_text = "Nom de l'enfant, numéro du foyer ou de la réservation"
    number_fields = ("household_id", "reservation_id")
    date_hierarchy = "day"
    ordering = ("-day", "pk")
    actions = ("cancel_selected",)
    decisions = (Decision("cancel_selected", "Annuler cette réservation…"),)
    inlines = (BookingEventInline,)
    fields = readonly_fields = (
        "child",
        "household_link",
        "class_name",
        "activity",
        "formula",
        "establishment",
        "day_shown",
        "state_badge",
        "late_badge",
        "waiting_since",
        "reservation",
        "enrolment",
        "changed_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[BookingInList]:
        return super().get_queryset(request).annotate(attended=class_of(day="day"))

    def waits(self, obj: Booking) -> bool:
        return obj.state in LIVE

    @admin.display(description="jour", ordering="day")
    def day_shown(self, obj: Booking) -> str:
        return moments.day(obj.day, year=True)

    @admin.display(description="changée le", ordering="changed_at")
    def changed(self, obj: Booking) -> str | None:
        return short_moment(obj.changed_at)

    @admin.display(description="réservation", ordering="activity__order")
    def formula_shown(self, obj: Booking) -> str:
        return f"{obj.formula}, {obj.activity}"

    @admin.display(description="état", ordering="state")
    def state_badge(self, obj: Booking) -> SafeString:
        label = obj.get_state_display()
        if obj.state == BookingState.WAITLISTED and obj.waiting_since:
            label = f"{label} depuis le {moments.moment(obj.waiting_since)}"
            if obj.until_the_day:
                label += ", jusqu'au jour même"
        if obj.offered_until is not None:
            label = f"{label} {moments.until(obj.offered_until)}"
        return badge(obj.state, label)

    @admin.action(description="Annuler et prévenir les familles…", permissions=["decide"])
    def cancel_selected(self, request: SignedInRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        answer = ask_reason(
            self,
            request,
            queryset,
            action="cancel_selected",
            title="Annuler des réservations",
            button="Annuler et prévenir les familles",
            ready=CANCEL_REASONS,
        )
        if isinstance(answer, HttpResponse):
            return answer
        chosen = list(queryset)
        try:
            count = booking.cancel(chosen, by=request.user, at=timezone.now(), reason=answer)
        except refusals.BookingRefused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return None
        left = len(chosen) - count
        text = counted(count, "réservation annulée", "réservations annulées")
        if left:
            text += f", {counted(left, 'était déjà annulée ou refusée', 'étaient déjà annulées ou refusées')}"
        self.message_user(request, f"{text}.", messages.WARNING if left else messages.SUCCESS)
        return None
