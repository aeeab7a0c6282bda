"""Children that change school, class or place: what families ask, what the desk does, days to decide."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from families.custody.own import OwnHousehold
from families.desk_cells import DecidedBy, HouseholdLink, person
from families.desk_links import household_page
from families.models import Child, Household
from portal.desk import rights
from portal.desk.choices import TolerantChoices
from portal.desk.decisions import AcceptOrRefuse, Decidable, Decision, ask_reason
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst
from portal.desk.pages import ShownOnlyInline, log_all
from portal.desk.site import DeskAdmin, Queue
from portal.french.day_fields import NearDateField
from portal.french.plurals import counted
from portal.reservations.acts import moving
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.moving import Change, Foreseen
from portal.reservations.desk.cells import short_moment
from portal.reservations.desk.classes import ClassField
from portal.reservations.models import LeftDay, Move
from portal.reservations.states import MoveState
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest, user_of

CONFIRMED = "_move_confirmed"
REFUSALS = (
    "Il n'y a plus de place dans cet établissement.",
    "Ce restaurant n'accueille pas les élèves de cette école.",
    "Il manque un justificatif : envoyez-le depuis « Mes Informations ».",
)
DROPPED = (
    "Il n'y a plus de place ces jours-là dans le nouveau lieu.",
    "Le service n'a pas lieu ces jours-là dans le nouveau lieu.",
)
TO_DECIDE = "a-decider"
# Of an address: the household (its key) on whose page one was.
HOME = "foyer"


def refusal_of(child: Child, change: Change, request: SignedInRequest) -> str:
    """Why the desk cannot do it, or nothing."""
    try:
        moving.foresee(child, change, by=request.user, at=timezone.now())
    except (EnrolmentRefused, OwnHousehold) as refusal:
        return str(refusal)
    return ""


def say_moved(model_admin: DeskAdmin[Any], request: HttpRequest, moves: Sequence[Move]) -> None:
    """How many days have followed, and which could not, above the page that comes next."""
    followed = sum(one.followed for one in moves)
    if followed:
        text = counted(followed, "jour réservé a suivi", "jours réservés ont suivi")
        model_admin.message_user(request, f"{text} ; les familles sont prévenues.", messages.SUCCESS)
    left = moving.days_left(LeftDay.objects.filter(move__in=moves).select_related("booking"))
    if left:
        model_admin.message_user(request, f"{left}.", messages.WARNING)


class WaitingMoves(WaitingFirst):
    states = MoveState


class DaysToDecide(admin.SimpleListFilter):
    """« Jours qui n'ont pas pu suivre »."""

    title = "jours qui n'ont pas pu suivre"
    parameter_name = "jours"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(TO_DECIDE, "À décider")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Move]) -> QuerySet[Move]:
        if self.value() != TO_DECIDE:
            return queryset
        return queryset.filter(pk__in=Move.objects.with_days_left(timezone.localdate()).values("pk"))


class MoveForm(forms.ModelForm[Move]):
    """A child, where it goes and from when; what cannot be done is said before anything is written."""

    school_class = ClassField(required=False, help_text="Vide : la classe ne change pas.")
    since = NearDateField(
        label="À partir du",
        help_text="Les jours réservés à partir de ce jour suivent, quels que soient les délais.",
    )
    desk_request: SignedInRequest
    foreseen: Foreseen | None = None

    class Meta:
        model = Move
        fields = ("child", "school_class", "place", "since")
        help_texts = {"place": "Vide : celui qui accueille les élèves de la nouvelle école."}

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        since, there = given.get("since"), given.get("school_class")
        if since and there and not there.school_year.starts_on <= since <= there.school_year.ends_on:
            self.add_error("since", f"Ce jour n'est pas dans l'année {there.school_year}.")
        if not there and not given.get("place"):
            self.add_error(None, "Choisissez une classe, un établissement, ou les deux.")
        if not self.errors:
            self._try(change_of(given))
        return given

    def _try(self, change: Change) -> None:
        """What would come of it, for the question that follows."""
        request = self.desk_request
        try:
            self.foreseen = moving.foresee(
                self.cleaned_data["child"], change, by=request.user, at=timezone.now()
            )
        except (EnrolmentRefused, OwnHousehold) as refusal:
            self.add_error(None, str(refusal))
            return
        if not self.foreseen.homes:
            self.add_error(None, "Ce changement ne concerne aucune inscription acceptée de cet enfant.")


def change_of(given: dict[str, Any]) -> Change:
    """What was typed."""
    since: date = given["since"]
    return Change(since, given.get("school_class"), given.get("place"))


class LeftDayInline(ShownOnlyInline[LeftDay, Move]):
    model = LeftDay
    fields = readonly_fields = ("day", "why", "state", "decided_by_name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LeftDay]:
        related = ("booking__activity", "booking__formula", "decided_by")
        return super().get_queryset(request).select_related(*related)

    @admin.display(description="jour")
    def day(self, obj: LeftDay) -> str:
        return f"{obj.booking.day:%d/%m/%Y}, {obj.booking.activity}, {obj.booking.formula}"

    @admin.display(description="décidé par", empty_value="–")
    def decided_by_name(self, obj: LeftDay) -> str:
        return person(obj.decided_by)


@admin.register(Move)
class MoveAdmin(
    HouseholdLink,
    DecidedBy,
    StateBadge,
    AcceptOrRefuse[Move],
    NumberSearch[Move],
    Decidable[Move],
    TolerantChoices[Move],
):
    desk_order = 2
    work_queues = (
        Queue(
            "Changements d'école ou de lieu à traiter",
            lambda request: Move.objects.waiting(),
            order=31,
            since="requested_at",
        ),
        Queue(
            "Jours qui n'ont pas pu suivre un changement",
            lambda request: Move.objects.with_days_left(timezone.localdate()),
            query=f"jours={TO_DECIDE}&etat=tous",
            order=32,
            since="requested_at",
        ),
    )
    list_display = ("child", "household_link", "goes", "leaves", "since", "days", "received", "state_badge")
    list_display_links = ("child",)
    list_filter = (WaitingMoves, DaysToDecide, "place")
    list_select_related = ("child", "household", "place", "left_place", "school_class__school")
    search_fields = ("child__last_name", "child__first_name")
    search_help_text = "Nom de l'enfant ou numéro du foyer"
    ordering = ("-requested_at", "-pk")
    actions = ("accept_selected", "refuse_selected", "place_selected", "wait_selected", "drop_selected")
    refusals = REFUSALS
    refuse_title = "Refuser des changements"
    form = MoveForm
    inlines = (LeftDayInline,)
    autocomplete_fields = ("child", "place")
    decisions_on_days = (
        Decision("place_selected", "Replacer où il y a de la place", main=True),
        Decision("wait_selected", "Mettre en liste d'attente"),
        Decision("drop_selected", "Laisser annulés…"),
    )

    # Where one is typed in

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return DeskAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: Move | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("child", "school_class", "place", "since")
        return (
            "child",
            "household_link",
            "goes",
            "leaves",
            "since",
            "state_badge",
            "followed",
            "days",
            "requested_by_name",
            "requested_at",
            "decided_by_name",
            "decided_at",
            "refusal_reason",
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Move | None = None) -> tuple[str, ...]:
        return () if obj is None else self.get_fields(request, obj)

    def get_inlines(self, request: HttpRequest, obj: Move | None) -> Any:
        return self.inlines if obj is not None else ()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if object_id is None and request.method == "POST" and CONFIRMED not in request.POST:
            question = self._question(request)
            if question:
                return question
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _question(self, request: HttpRequest) -> TemplateResponse | None:
        """The page that says what will follow and what cannot; None where the form is not valid yet."""
        if not self.has_add_permission(request):
            return None
        form = self.get_form(request)(request.POST)
        if not form.is_valid():
            return None
        foreseen = form.foreseen
        given = form.cleaned_data
        return TemplateResponse(
            request,
            "admin/reservations/move_confirm.html",
            self.admin_site.each_context(request)
            | {
                "title": "Confirmer le changement",
                "button": "Confirmer le changement",
                "subtitle": None,
                "opts": self.opts,
                "child": given["child"],
                "goes": " – ".join(str(one) for one in (given["place"], given["school_class"]) if one),
                "since": given["since"],
                "followed": counted(foreseen.followed, "jour réservé suit", "jours réservés suivent"),
                "left": foreseen.left,
                "typed": [
                    (name, value)
                    for name, values in request.POST.lists()
                    for value in values
                    if name != "csrfmiddlewaretoken"
                ],
                "confirmed": CONFIRMED,
            },
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"since": timezone.localdate(), **super().get_changeform_initial_data(request)}

    def response_add(self, request: HttpRequest, obj: Move, post_url_continue: str | None = None) -> Any:
        """Who came from a household's page goes back to it."""
        answer = super().response_add(request, obj, post_url_continue)
        asked = posted_number(request.GET.get(HOME, ""))
        homes = Household.objects.filter(pk=asked) if asked is not None else Household.objects.none()
        found = rights.seen_by(request.user, homes, "families.view_household").first()
        return answer if found is None else redirect(household_page(found.pk))

    def save_model(self, request: HttpRequest, obj: Move, form: Any, change: bool) -> None:
        given = form.cleaned_data
        moves = moving.carry_out(given["child"], change_of(given), by=user_of(request), at=timezone.now())
        for field in Move._meta.concrete_fields:  # the row that stands for what was typed
            setattr(obj, field.attname, getattr(moves[0], field.attname))
        obj._state.adding = False
        say_moved(self, request, moves)

    # The list

    def get_queryset(self, request: HttpRequest) -> QuerySet[Move]:
        left = LeftDay.objects.to_decide(timezone.localdate()).select_related("booking")
        return (
            super().get_queryset(request).prefetch_related(Prefetch("left_days", left, to_attr="open_days"))
        )

    @admin.display(description="va à")
    def goes(self, obj: Move) -> str:
        return obj.where

    @admin.display(description="quitte", empty_value="–")
    def leaves(self, obj: Move) -> str:
        return str(obj.left_place) if obj.left_place else "–"

    @admin.display(description="jours à décider", empty_value="–")
    def days(self, obj: Any) -> str:
        return moving.days_left(obj.open_days) or "–"

    @admin.display(description="reçu", ordering="requested_at")
    def received(self, obj: Move) -> str | None:
        return short_moment(obj.requested_at)

    @admin.display(description="demandé par", empty_value="–")
    def requested_by_name(self, obj: Move) -> str:
        return person(obj.requested_by)

    # What is decided

    def waits(self, obj: Any) -> bool:
        return obj.state == MoveState.REQUESTED or bool(obj.open_days)

    def decisions_for(self, obj: Move) -> Sequence[Decision]:
        return self.decisions if obj.state == MoveState.REQUESTED else self.decisions_on_days

    def accept_rows(self, request: SignedInRequest, queryset: QuerySet[Move]) -> None:
        done = []
        for one in queryset:
            try:
                if moving.accept(one, by=request.user, at=timezone.now()):
                    done.append(one)
            except EnrolmentRefused as refusal:
                self.message_user(request, f"{one.child} : {refusal}", messages.ERROR)
        self._tell(request, len(done), "changement fait", "changements faits")
        say_moved(self, request, list(Move.objects.filter(pk__in=[one.pk for one in done])))
        log_all(request, done, "Changement accepté.")

    def refuse_rows(self, request: SignedInRequest, queryset: QuerySet[Move], reason: str) -> None:
        at = timezone.now()
        done = [one for one in queryset if moving.refuse(one, reason=reason, by=request.user, at=at)]
        self._tell(request, len(done), "changement refusé", "changements refusés")
        log_all(request, done, f"Changement refusé : {reason}")

    @admin.action(description="Replacer les jours où il y a de la place", permissions=["decide"])
    def place_selected(self, request: SignedInRequest, queryset: QuerySet[Move]) -> None:
        self._place(request, queryset, wait=False)

    @admin.action(description="Mettre les jours complets en liste d'attente", permissions=["decide"])
    def wait_selected(self, request: SignedInRequest, queryset: QuerySet[Move]) -> None:
        self._place(request, queryset, wait=True)

    @admin.action(description="Laisser les jours annulés…", permissions=["decide"])
    def drop_selected(self, request: SignedInRequest, queryset: QuerySet[Move]) -> HttpResponse | None:
        answer = ask_reason(
            self,
            request,
            queryset,
            action="drop_selected",
            title="Laisser des jours annulés",
            button="Laisser annulés et prévenir les familles",
            ready=DROPPED,
        )
        if isinstance(answer, HttpResponse):
            return answer
        at, moves = timezone.now(), list(queryset)
        days = [day for one in moves for day in moving.drop_days(one, reason=answer, by=request.user, at=at)]
        self._tell(request, len(days), "jour laissé annulé", "jours laissés annulés")
        log_all(request, moves, f"Jours laissés annulés : {answer}")
        return None

    def _place(self, request: SignedInRequest, queryset: QuerySet[Move], *, wait: bool) -> None:
        at, moves = timezone.now(), list(queryset)
        days = [day for one in moves for day in moving.place_days(one, wait=wait, by=request.user, at=at)]
        self._tell(request, len(days), "jour replacé", "jours replacés")
        still = [day for one in moves for day in moving.to_decide(one, at)]
        if still:
            self.message_user(request, f"{moving.days_left(still)}.", messages.WARNING)
        log_all(request, moves, "Jours replacés.")

    def _tell(self, request: HttpRequest, count: int, one: str, many: str) -> None:
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, f"{counted(count, one, many)}.", level)
