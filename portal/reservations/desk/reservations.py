"""Reservations at the desk, whole and day by day: those that wait for the town hall's answer first."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, TypeAlias, TypedDict

from django.contrib import admin, messages
from django.db.models import Count, Max, Min, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from families.desk_cells import DecidedBy, HouseholdLink, person
from families.desk_links import household_link
from portal.desk import held
from portal.desk.decisions import AcceptOrRefuse, Answer, Decidable
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst, names_rows
from portal.desk.pages import ShownOnlyInline, WithHistory, log_all
from portal.desk.site import M, Queue
from portal.french import moments
from portal.french.plurals import agreed, counted
from portal.models import HeldDecision
from portal.reservations.acts import booking, refusals
from portal.reservations.desk.cells import ClassName, LineCells, PlacesLeft, short_moment
from portal.reservations.models import Reservation, ReservationLine
from portal.reservations.models.queries import (
    FewestPlaces,
    LineWithPlaces,
    class_of,
    fewest_places,
    lines_with_places,
    live_slots,
    of_lines,
    to_answer,
)
from portal.reservations.states import STILL_ASKED, Action, Outcome, ReservationState
from portal.web.signed_in import SignedInRequest

RESERVATION_REFUSALS = (
    "Il n'y a plus de place ce jour-là.",
    "La demande est arrivée trop tard.",
    "Le personnel prévu ce jour-là ne permet pas d'accueillir davantage d'enfants.",
    "L'effectif est trop faible : l'accueil n'ouvrira pas ce jour-là.",
)


def tell_decision(decision: booking.Answered) -> tuple[str, int]:
    """One honest sentence for what `booking.accept` did, and its level.

    « 3 acceptées, 1 en liste d'attente : le jeudi 26 novembre est complet. »
    """
    pieces = []
    if decision.accepted or not (decision.waitlisted or decision.full or decision.closed):
        pieces.append(counted(len(decision.accepted), "jour accepté", "jours acceptés"))
    if decision.waitlisted:
        pieces.append(f"{len(decision.waitlisted)} en liste d'attente")
    if decision.full:
        pieces.append(counted(len(decision.full), "laissé sans réponse", "laissés sans réponse"))
    short = sorted({line.day for line in [*decision.waitlisted, *decision.full]})
    text = ", ".join(pieces)
    if short:
        named = moments.listing([f"le {moments.day(day)}" for day in short])
        text += f" : {named} {agreed(len(short), 'est complet', 'sont complets')}"
    if decision.closed:
        what = counted(len(decision.closed), "jour laissé sans réponse", "jours laissés sans réponse")
        text = f"{text}. {what}" if text else what
        text += " : les comptes sont clos"
    left = short or decision.closed or not decision.accepted
    return f"{text}.", messages.WARNING if left else messages.SUCCESS


class ReservationLineInline(LineCells, ShownOnlyInline[ReservationLine, Reservation]):
    model = ReservationLine
    fields = readonly_fields = (
        "day",
        "formula",
        "action",
        "late_badge",
        "places_left",
        "outcome_badge",
        "reason",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[LineWithPlaces]:
        return lines_with_places(super().get_queryset(request)).select_related("formula")


class WaitingReservations(WaitingFirst):
    states = ReservationState
    waiting = "a-traiter"
    hidden = (ReservationState.DRAFT,)

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(self.waiting, "À traiter"), *super().lookups(request, model_admin)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        asked = self.value()
        if asked == self.waiting or (asked is None and not names_rows(request)):
            return to_answer(queryset)
        return super().queryset(request, queryset)


class AnswersByArrival(AcceptOrRefuse[M]):
    """Of many rows, the first asked is the first served."""

    @admin.action(description="Accepter dans l'ordre d'arrivée", permissions=["decide"])
    def accept_selected(self, request: SignedInRequest, queryset: QuerySet[M]) -> None:
        self.accept_rows(request, queryset)


class ReservationColumns(TypedDict):
    attended: str | None
    fewest: int | None
    asked: int | None
    asked_back: int | None
    total: int | None
    first_day: date | None
    last_day: date | None


ReservationInQueue: TypeAlias = "WithAnnotations[Reservation, ReservationColumns]"


@admin.register(Reservation)
class ReservationAdmin(
    HouseholdLink,
    ClassName,
    PlacesLeft,
    DecidedBy,
    StateBadge,
    AnswersByArrival[ReservationInQueue],
    NumberSearch[ReservationInQueue],
    Decidable[ReservationInQueue],
    WithHistory[ReservationInQueue],
):
    desk_order = 2
    work_queues = (
        Queue(
            "Réservations à traiter",
            lambda request: to_answer(Reservation.objects.all()),
            order=40,
            since="submitted_at",
            late_after=timedelta(days=3),
        ),
    )
    list_display = (
        "number_shown",
        "child",
        "household_link",
        "class_name",
        "activity",
        "days",
        "received",
        "places_left",
        "state_badge",
    )
    list_display_links = ("number_shown", "child")
    list_filter = (WaitingReservations, "enrolment__activity", "establishment", "enrolment__school_year")
    list_select_related = ("child", "enrolment__activity", "establishment")
    search_fields = ("child__folded",)
    search_help_text = "Nom de l'enfant, numéro du foyer ou de la réservation"
    number_fields = ("household_id", "pk")
    date_hierarchy = "submitted_at"
    ordering = ("submitted_at", "pk")
    refusals = RESERVATION_REFUSALS
    refuse_title = "Refuser des demandes de réservation"
    inlines = (ReservationLineInline,)
    fields = readonly_fields = (
        "number_shown",
        "child",
        "household_link",
        "class_name",
        "activity",
        "establishment",
        "period",
        "state_badge",
        "created_by_name",
        "submitted_at",
        "decided_by_name",
        "decided_at",
        "refusal_reason",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReservationInQueue]:
        # A draft is still the family's own.
        recorded: QuerySet[Reservation] = super().get_queryset(request).exclude(state=ReservationState.DRAFT)
        waiting = Q(outcome=Outcome.REQUESTED)
        return recorded.annotate(
            attended=class_of(),
            fewest=fewest_places(live_slots("pk")),
            asked=of_lines(Count("pk"), waiting, action=Action.BOOK),
            asked_back=of_lines(Count("pk"), waiting, action=Action.CANCEL),
            total=of_lines(Count("pk")),
            first_day=of_lines(Min("day")),
            last_day=of_lines(Max("day")),
        )

    def waits(self, obj: ReservationInQueue) -> bool:
        return bool(obj.asked or obj.asked_back)

    @admin.display(description="créée par", empty_value="–")
    def created_by_name(self, obj: Reservation) -> str:
        return person(obj.created_by)

    def answer_of(self, row: ReservationInQueue) -> Answer | None:
        """Of a reservation some days may have their answer, and others wait."""
        return None if self.waits(row) else super().answer_of(row)

    def name_of(self, row: ReservationInQueue) -> str:
        return f"{row} : {row.child}, {self.days(row)}"

    @admin.display(description="numéro", ordering="pk")
    def number_shown(self, obj: Reservation) -> str:
        return obj.number

    @admin.display(description="activité", ordering="enrolment__activity__order")
    def activity(self, obj: Reservation) -> str:
        return f"{obj.enrolment.activity}, {obj.establishment}"

    @admin.display(description="reçue", ordering="submitted_at")
    def received(self, obj: Reservation) -> str | None:
        return short_moment(obj.submitted_at)

    @admin.display(description="jours", ordering="first_day", empty_value="–")
    def days(self, obj: ReservationInQueue) -> str | None:
        if obj.first_day is None or obj.last_day is None:
            return None
        pieces = [counted(obj.asked, "à réserver", "à réserver")] if obj.asked else []
        pieces += [counted(obj.asked_back, "à annuler", "à annuler")] if obj.asked_back else []
        count = ", ".join(pieces) or counted(obj.total or 0, "jour", "jours")
        return f"{count} ({moments.span(obj.first_day, obj.last_day)})"

    def asks_for_place(self, obj: ReservationInQueue) -> bool:
        return bool(obj.asked)

    def accept_rows(self, request: SignedInRequest, queryset: QuerySet[ReservationInQueue]) -> None:
        chosen = list(queryset)
        if decide_accept(self, request, self._waiting_lines(chosen)):
            log_all(request, chosen, "Demande acceptée, selon les places.")

    def refuse_rows(
        self, request: SignedInRequest, queryset: QuerySet[ReservationInQueue], reason: str
    ) -> None:
        chosen = list(queryset)
        if decide_refuse(self, request, self._waiting_lines(chosen), reason):
            log_all(request, chosen, f"Demande refusée : {reason}")

    def _waiting_lines(self, reservations: Sequence[Reservation]) -> QuerySet[ReservationLine]:
        return ReservationLine.objects.filter(reservation__in=reservations, outcome=Outcome.REQUESTED)


def decide_accept(
    model_admin: admin.ModelAdmin[Any], request: SignedInRequest, lines: QuerySet[ReservationLine]
) -> bool:
    """Accepts lines and says honestly what became of them; False when nothing could be done."""
    try:
        decision = booking.accept(lines, by=request.user, at=timezone.now())
    except refusals.BookingRefused as refusal:
        model_admin.message_user(request, str(refusal), messages.ERROR)
        return False
    model_admin.message_user(request, *tell_decision(decision))
    return True


def decide_refuse(
    model_admin: admin.ModelAdmin[Any],
    request: SignedInRequest,
    lines: QuerySet[ReservationLine],
    reason: str,
) -> bool:
    """Refuses lines, telling the families why; False when nothing could be done."""
    try:
        count = booking.refuse(lines, reason=reason, by=request.user, at=timezone.now())
    except refusals.BookingRefused as refusal:
        model_admin.message_user(request, str(refusal), messages.ERROR)
        return False
    text = counted(count, "jour refusé", "jours refusés")
    model_admin.message_user(request, f"{text}.", messages.SUCCESS if count else messages.WARNING)
    return True


class WaitingLines(WaitingFirst):
    states = Outcome
    field = "outcome"
    waiting = Outcome.REQUESTED
    hidden = (Outcome.DRAFT,)


class LineColumns(FewestPlaces):
    attended: str | None


LineInQueue: TypeAlias = "WithAnnotations[ReservationLine, LineColumns]"


@admin.register(ReservationLine)
class ReservationLineAdmin(
    ClassName,
    LineCells,
    AnswersByArrival[ReservationLine],
    NumberSearch[ReservationLine],
    Decidable[ReservationLine],
):
    """Day by day: the waiting list of a day, or some days only of a reservation."""

    desk_order = 3
    list_display = (
        "day_shown",
        "child",
        "household_link",
        "class_name",
        "asked",
        "establishment",
        "late_badge",
        "received",
        "places_left",
        "outcome_badge",
        "reason",
    )
    list_display_links = ("day_shown",)
    list_filter = (WaitingLines, "action", "late", "reservation__establishment", "formula__activity")
    list_select_related = ("reservation__child", "reservation__establishment", "formula__activity")
    search_fields = ("reservation__child__folded",)
    search_help_text = "Nom de l'enfant, numéro du foyer ou de la réservation"
    number_fields = ("reservation__household_id", "reservation_id")
    date_hierarchy = "day"
    ordering = ("day", "reservation__submitted_at", "pk")
    refusals = RESERVATION_REFUSALS
    refuse_title = "Refuser des jours demandés"
    reasons_of = "reservations.reservation"
    fields = readonly_fields = (
        "reservation",
        "child",
        "household_link",
        "class_name",
        "day",
        "asked",
        "establishment",
        "late_badge",
        "places_left",
        "outcome_badge",
        "reason",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[LineInQueue]:
        recorded = super().get_queryset(request).exclude(outcome=Outcome.DRAFT)
        return lines_with_places(recorded).annotate(
            attended=class_of("reservation__child", "reservation__enrolment__school_year")
        )

    def waits(self, obj: ReservationLine) -> bool:
        return obj.outcome in STILL_ASKED

    def answer_of(self, row: ReservationLine) -> Answer | None:
        """What became of the day, and who answered its reservation last."""
        of = row.reservation
        if self.waits(row) or of.decided_at is None:
            return None
        return Answer(row.get_outcome_display(), person(of.decided_by), of.decided_at, row.reason)

    def held_about(self, rows: Sequence[ReservationLine]) -> dict[Any, HeldDecision]:
        """A decision is about the whole request, of which it answers some days."""
        decided = held.of(Reservation, {row.reservation_id for row in rows})
        return {row.pk: decided[row.reservation_id] for row in rows if row.reservation_id in decided}

    def name_of(self, row: ReservationLine) -> str:
        return f"{row.reservation.child} : {row}"

    @admin.display(description="jour", ordering="day")
    def day_shown(self, obj: ReservationLine) -> str:
        return moments.day(obj.day)

    @admin.display(description="enfant", ordering="reservation__child__last_name")
    def child(self, obj: ReservationLine) -> str:
        return str(obj.reservation.child)

    @admin.display(description="foyer", ordering="reservation__household_id")
    def household_link(self, obj: ReservationLine) -> SafeString:
        return household_link(obj.reservation.household_id)

    @admin.display(description="demande", ordering="action")
    def asked(self, obj: ReservationLine) -> str:
        return f"{obj.get_action_display()} : {obj.formula} ({obj.formula.activity})"

    @admin.display(description="établissement", ordering="reservation__establishment__name")
    def establishment(self, obj: ReservationLine) -> str:
        return str(obj.reservation.establishment)

    @admin.display(description="reçue", ordering="reservation__submitted_at")
    def received(self, obj: ReservationLine) -> str | None:
        return short_moment(obj.reservation.submitted_at)

    def accept_rows(self, request: SignedInRequest, queryset: QuerySet[ReservationLine]) -> None:
        chosen = list(queryset)
        if decide_accept(self, request, queryset):
            log_all(request, chosen, "Jour accepté, selon les places.")

    def refuse_rows(self, request: SignedInRequest, queryset: QuerySet[ReservationLine], reason: str) -> None:
        chosen = list(queryset)
        if decide_refuse(self, request, queryset, reason):
            log_all(request, chosen, f"Jour refusé : {reason}")
