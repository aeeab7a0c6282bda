"""Where every child stands, day by day, with who changed it and when."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any, TypeAlias, TypedDict

from django import forms
from django.contrib import admin, messages
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from families import desk_links
from families.desk_cells import HouseholdLink, person
from portal.desk import rights
from portal.desk.decisions import Decidable, Decision, ReasonForm, ask_reason, confirm_page
from portal.desk.lists import ChildSearch, StateBadge, badge
from portal.desk.pages import ShownOnlyInline, log_all
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import booking, overriding, refusals
from portal.reservations.desk.acting import ActsForFamilies
from portal.reservations.desk.cells import ClassName, LateBadge, short_moment
from portal.reservations.models import Booking, BookingEvent
from portal.reservations.models.queries import class_of
from portal.reservations.states import LIVE, BookingState, Override
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

CANCEL_REASONS = (
    "Annulé à la demande de la famille.",
    "Enfant absent, signalé par l'école.",
    "Réservation faite par erreur.",
    "Le service n'est pas assuré ce jour-là.",
)
# What can be given back.
OVER = (BookingState.CANCELLED, BookingState.REFUSED)
RESTORE_REASONS = (
    "Annulé par erreur.",
    "Refusé par erreur.",
    "À la demande de la famille.",
    "Une place s'est libérée.",
)
# What may be passed over by giving a day back, in words that say when.
PASSING_OVER = {
    Override.DEADLINE: "aussi un jour passé, dont les comptes ne sont pas clos",
    Override.CAPACITY: "aussi sans place libre : ce sera une place en plus",
    Override.LIMITS: "aussi un jour que l'activité ne propose pas à cet enfant",
    Override.PAPERS: "aussi sans les papiers demandés",
    Override.DAYS: "aussi trop ou trop peu de jours",
    Override.ARREARS: "aussi malgré des impayés",
    Override.PAYMENT: "aussi sans le paiement demandé",
    Override.OVERSIGHTS: "aussi malgré une décision d'oublis",
}


class RestoreForm(ReasonForm):
    """Why days are given back; what is passed over for it, each ticked; whether the family is written to."""

    passing_over = forms.MultipleChoiceField(
        label="Passer outre", required=False, widget=forms.CheckboxSelectMultiple
    )
    tell = forms.BooleanField(label="Prévenir les familles par courriel", required=False, initial=True)

    def __init__(self, *args: Any, may: Collection[Override], gone_by: bool, **kwargs: Any) -> None:
        super().__init__(*args, ready=RESTORE_REASONS, **kwargs)
        if Override.DEADLINE in may and gone_by:
            self.initial["passing_over"] = [Override.DEADLINE.value]  # no other way to give these back
        field_of(self, "passing_over", forms.MultipleChoiceField).choices = [
            (one.value, said) for one, said in PASSING_OVER.items() if one in may
        ]


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
    HouseholdLink, ClassName, LateBadge, ChildSearch[Booking], Decidable[Booking], ActsForFamilies
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
    search_fields = ("child__folded",)
    search_help_text = "Nom de l'enfant, numéro du foyer ou de la réservation"
    number_fields = ("household_id", "reservation_id")
    date_hierarchy = "day"
    ordering = ("-day", "pk")
    actions = ("cancel_selected", "restore_selected")
    decisions = (
        Decision("cancel_selected", "Annuler cette réservation…"),
        Decision("restore_selected", "Rétablir ou accepter ce jour…", main=True),
    )
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
        return obj.state in (*LIVE, *OVER)

    def decisions_for(self, obj: Booking) -> list[Decision]:
        fitting = "restore_selected" if obj.state in OVER else "cancel_selected"
        return [decision for decision in self.decisions if decision.action == fitting]

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

    @admin.action(description="Rétablir ou accepter des jours…", permissions=["decide"])
    def restore_selected(self, request: SignedInRequest, queryset: QuerySet[Booking]) -> HttpResponse | None:
        chosen = queryset.select_related("establishment", "household")
        form = self._restore_form(request, queryset.aggregate(last=Max("day"))["last"])
        if not (form.is_bound and form.is_valid() and self._restore(request, list(chosen), form)):
            return confirm_page(
                self,
                request,
                queryset,
                action="restore_selected",
                title="Rétablir ou accepter des jours",
                button="Réserver ces jours",
                template="admin/reservations/restore.html",
                form=form,
            )
        return self._whence(request, list(chosen))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore)
        return [path("<int:pk>/retablir/", view, name="reservations_booking_restore"), *super().get_urls()]

    def restore(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """One day that was cancelled or refused: why it is given back, and it is."""
        self.demand(request, overriding.ACTS)
        rows = rights.seen_by(request.user, Booking.objects.all(), overriding.ACTS)
        found = get_object_or_404(rows.select_related("household", "establishment"), pk=pk)
        if found.state not in OVER:
            self.message_user(request, "Ce jour est déjà réservé, ou demandé.", messages.INFO)
            return self._home_of(request, found)
        form = self._restore_form(request, found.day)
        if form.is_bound and form.is_valid() and self._restore(request, [found], form):
            return self._home_of(request, found)
        title = f"Rétablir {found.child.first_name}, {moments.day(found.day, year=True)}"
        context = {"form": form, "booking": found, "home": self._home(request, found)}
        return self.page(request, "admin/reservations/restore_day.html", title, context)

    def _restore_form(self, request: SignedInRequest, last: date | None) -> RestoreForm:
        """`last`: the last of the days to give back."""
        may = [one for one in PASSING_OVER if request.user.has_perm(overriding.RIGHTS[one])]
        given = request.POST if "reason_given" in request.POST else None
        gone_by = last is not None and last < timezone.localdate()
        return RestoreForm(given, may=may, gone_by=gone_by)

    def _restore(self, request: SignedInRequest, chosen: Sequence[Booking], form: RestoreForm) -> bool:
        """Whether any day is given back. Where none is, the form says why and keeps what was typed."""
        said = form.cleaned_data
        try:
            found = booking.restore(
                chosen,
                reason=said["reason"],
                by=request.user,
                at=timezone.now(),
                passing_over=[Override(one) for one in said["passing_over"]],
                tell=said["tell"],
            )
        except refusals.BookingRefused as refusal:
            form.add_error(None, str(refusal))
            return False
        days = {one.pk: one.day for one in chosen}
        left = [f"{moments.day(days[key]).capitalize()} : {why}" for key, why in found.left.items()]
        if not found.back:
            for sentence in left:
                form.add_error(None, sentence)
            return False
        for sentence in left:
            self.message_user(request, sentence, messages.WARNING)
        log_all(request, [one for one in chosen if one.pk in found.back], f"Rétabli : {said['reason']}")
        text = counted(len(found.back), "jour est réservé", "jours sont réservés")
        self.message_user(request, f"{text}.", messages.SUCCESS)
        return True

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
        return self._whence(request, chosen)

    def _whence(self, request: SignedInRequest, chosen: Sequence[Booking]) -> HttpResponse | None:
        """From a booking's own page one goes on with its household, not with everybody's bookings."""
        if "seule" not in request.POST or len(chosen) != 1:
            return None
        return self._home_of(request, chosen[0])

    def _home(self, request: SignedInRequest, one: Booking) -> str:
        """Its household's page, or its own where one may not see that."""
        if rights.may(request.user, one.household, "families.view_household"):
            return desk_links.household_page(one.household_id)
        return reverse("admin:reservations_booking_change", args=[one.pk])

    def _home_of(self, request: SignedInRequest, one: Booking) -> HttpResponse:
        return redirect(self._home(request, one))
