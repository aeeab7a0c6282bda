"""Places, day by day: how many there are, how many are taken, who waits."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeAlias, TypedDict

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from portal.desk.decisions import Decidable, Decision, confirm_page
from portal.desk.lists import badge
from portal.desk.pages import log_all
from portal.desk.site import Queue
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import opening
from portal.reservations.desk.statistics import Statistics
from portal.reservations.models import Place, Slot
from portal.reservations.states import HOLDING, BookingState
from portal.web.signed_in import SignedInRequest

NEARLY_FULL = 0.9
COMING_DAYS = 30


class PlacesForm(forms.Form):
    places = forms.IntegerField(
        label="Nombre de places",
        min_value=0,
        max_value=100_000,
        required=False,
        help_text="Vide : sans limite. Les places déjà prises le restent.",
    )


def nearly_full(slots: QuerySet[Slot]) -> QuerySet[Slot]:
    """Slots with a limit of which nine places in ten are taken, full ones included."""
    return slots.filter(closed=False, capacity__gt=0, taken__gte=F("capacity") * NEARLY_FULL)


def _coming(request: HttpRequest) -> QuerySet[Slot]:
    today = timezone.localdate()
    return nearly_full(Slot.objects.filter(day__range=(today, today + timedelta(days=COMING_DAYS))))


class Fullness(admin.SimpleListFilter):
    title = "remplissage"
    parameter_name = "remplissage"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Slot]) -> list[tuple[str, str]]:
        return [
            ("presque", "presque complets ou complets"),
            ("complet", "complets"),
            ("libre", "places libres"),
            ("sans-limite", "sans limite"),
            ("ferme", "fermés"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Slot]) -> QuerySet[Slot]:
        match self.value():
            case "presque":
                return nearly_full(queryset)
            case "complet":
                return queryset.filter(closed=False, capacity__isnull=False, taken__gte=F("capacity"))
            case "libre":
                return queryset.filter(Q(capacity=None) | Q(taken__lt=F("capacity")), closed=False)
            case "sans-limite":
                return queryset.filter(capacity=None)
            case "ferme":
                return queryset.filter(closed=True)
        return queryset


class ComingDays(admin.SimpleListFilter):
    """Days to come unless others are asked for: what is past is read, seldom and on purpose."""

    title = "jours"
    parameter_name = "jours"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Slot]) -> list[tuple[str, str]]:
        return [("mois", "30 jours à venir"), ("passes", "passés"), ("tous", "tous")]

    def choices(self, changelist: Any) -> Any:
        for value, label in [(None, "à venir"), *self.lookup_choices]:
            yield {
                "selected": self.value() == value,
                "query_string": changelist.get_query_string({self.parameter_name: value})
                if value
                else changelist.get_query_string(remove=[self.parameter_name]),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Slot]) -> QuerySet[Slot]:
        today = timezone.localdate()
        match self.value():
            case "mois":
                return queryset.filter(day__range=(today, today + timedelta(days=COMING_DAYS)))
            case "passes":
                return queryset.filter(day__lt=today)
            case "tous":
                return queryset
        # A day picked in the date hierarchy may be a past one.
        if any(key.startswith("day__") for key in request.GET):
            return queryset
        return queryset.filter(day__gte=today)


class Waiting(TypedDict):
    """How many children wait for a place."""

    waiting: int


SlotInList: TypeAlias = "WithAnnotations[Slot, Waiting]"


@admin.register(Slot)
class SlotAdmin(Statistics, Decidable[Slot]):
    desk_order = 5
    work_queues = (
        Queue(
            "Capacités presque pleines",
            _coming,
            query="jours=mois&remplissage=presque",
            order=60,
            shown=False,
            hint="dans les 30 jours",
        ),
    )
    desk_links = (Statistics.statistics_link,)
    list_display = (
        "day_shown",
        "establishment",
        "activity",
        "part_shown",
        "capacity_shown",
        "taken_shown",
        "left_shown",
        "waiting_shown",
        "closed_shown",
    )
    list_display_links = ("day_shown",)
    list_filter = (Fullness, ComingDays, "establishment", "activity", "part")
    list_select_related = ("establishment", "activity", "formula")
    search_fields = ("establishment__name", "activity__name")
    date_hierarchy = "day"
    ordering = ("day", "establishment__name", "pk")
    actions = ("resize_selected", "close_selected", "reopen_selected")
    decisions = (
        Decision("resize_selected", "Changer le nombre de places…", main=True),
        Decision("close_selected", "Fermer"),
        Decision("reopen_selected", "Rouvrir"),
    )
    fields = readonly_fields = (
        "day_shown",
        "establishment",
        "activity",
        "part_shown",
        "capacity_shown",
        "taken_shown",
        "left_shown",
        "closed_shown",
        "waiting_list",
        "offered",
        "present",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[SlotInList]:
        waiting = Place.objects.filter(slot=OuterRef("pk"), booking__state=BookingState.WAITLISTED)
        count = waiting.order_by().values("slot").annotate(count=Count("pk")).values("count")
        return super().get_queryset(request).annotate(waiting=Coalesce(Subquery(count), 0))

    def get_fields(self, request: HttpRequest, obj: Slot | None = None) -> Any:
        """What an activity does not offer is not shown."""
        fields = super().get_fields(request, obj)
        if obj is not None and obj.activity.offer_hours is None:
            return tuple(name for name in fields if name != "offered")
        return fields

    def waits(self, obj: Slot) -> bool:
        return True

    def decisions_for(self, obj: Slot) -> list[Decision]:
        useless = "close_selected" if obj.closed else "reopen_selected"
        return [decision for decision in self.decisions if decision.action != useless]

    @admin.display(description="jour", ordering="day")
    def day_shown(self, obj: Slot) -> str:
        return moments.day(obj.day, year=True)

    @admin.display(description="partie de la journée", ordering="part")
    def part_shown(self, obj: Slot) -> str:
        return f"{obj.get_part_display()} (quota {obj.formula})" if obj.formula_id else obj.get_part_display()

    @admin.display(description="places", ordering="capacity")
    def capacity_shown(self, obj: Slot) -> str:
        return "sans limite" if obj.capacity is None else str(obj.capacity)

    @admin.display(description="places prises", ordering="taken")
    def taken_shown(self, obj: Slot) -> str:
        return f"{obj.taken}, dont {obj.forced} en plus" if obj.forced else str(obj.taken)

    @admin.display(description="libres")
    def left_shown(self, obj: Slot) -> SafeString | str:
        if obj.places_left is None:
            return "–"
        return badge("full", "complet") if obj.places_left == 0 else str(obj.places_left)

    @admin.display(description="en attente", ordering="waiting")
    def waiting_shown(self, obj: SlotInList) -> str:
        return str(obj.waiting or "–")

    @admin.display(description="réservation", ordering="closed")
    def closed_shown(self, obj: Slot) -> SafeString | str:
        return badge("closed", "fermée") if obj.closed else "ouverte"

    @admin.display(description="liste d'attente, par ordre d'arrivée")
    def waiting_list(self, obj: Slot) -> SafeString | str:
        rows = [
            (
                place.child,
                place.booking.household.number,
                place.booking.formula,
                moments.moment(place.booking.waiting_since) if place.booking.waiting_since else "–",
            )
            for place in self._places(obj, [BookingState.WAITLISTED]).order_by(
                "booking__waiting_since", "booking__pk"
            )
        ]
        return _numbered(rows, "{} (foyer {}), {}, depuis le {}") or "Personne n'attend."

    @admin.display(description="présents attendus")
    def present(self, obj: Slot) -> SafeString | str:
        rows = [
            (
                place.child,
                place.booking.household.number,
                place.booking.formula,
                ", place en plus" if place.forced else "",
            )
            for place in self._places(obj, HOLDING).order_by("child__last_name", "child__first_name")
        ]
        return _numbered(rows, "{} (foyer {}), {}{}") or "Personne encore."

    @admin.display(description="places proposées")
    def offered(self, obj: Slot) -> SafeString | str:
        rows = [
            (
                place.child,
                place.booking.household.number,
                place.booking.formula,
                moments.until(place.booking.offered_until) if place.booking.offered_until else "–",
            )
            for place in self._places(obj, [BookingState.OFFERED]).order_by("booking__offered_until", "pk")
        ]
        return _numbered(rows, "{} (foyer {}), {}, {}") or "Aucune."

    def _places(self, slot: Slot, states: Any) -> QuerySet[Place]:
        return slot.places.filter(booking__state__in=states).select_related(
            "child", "booking__household", "booking__formula"
        )

    @admin.action(description="Changer le nombre de places…", permissions=["decide"])
    def resize_selected(self, request: SignedInRequest, queryset: QuerySet[Slot]) -> HttpResponse | None:
        form = PlacesForm(request.POST if "confirmed" in request.POST else None)
        if form.is_bound and form.is_valid():
            places = form.cleaned_data["places"]
            try:
                promoted = opening.resize(queryset, places, at=timezone.now())
            except opening.TooManyTaken as refusal:
                form.add_error("places", str(refusal))
            else:
                text = "Sans limite de places" if places is None else counted(places, "place", "places")
                text += " désormais."
                if promoted:
                    got = counted(promoted, "enfant en attente a eu", "enfants en attente ont eu")
                    text += f" {got} une place ; les familles sont prévenues."
                log_all(request, queryset, text)
                self.message_user(request, text, messages.SUCCESS)
                return None
        return confirm_page(
            self,
            request,
            queryset,
            action="resize_selected",
            title="Changer le nombre de places",
            button="Enregistrer",
            template="admin/reservations/resize.html",
            form=form,
        )

    @admin.action(description="Fermer à la réservation", permissions=["decide"])
    def close_selected(self, request: SignedInRequest, queryset: QuerySet[Slot]) -> None:
        chosen = list(queryset)
        count = opening.close(chosen)
        standing = sum(slot.taken for slot in chosen)
        text = f"{counted(count, 'créneau fermé', 'créneaux fermés')} aux nouvelles réservations."
        if standing:
            stay = counted(standing, "place déjà prise le reste", "places déjà prises le restent")
            text += f" {stay} : pour les annuler, enregistrez une fermeture."
        log_all(request, chosen, "Fermé à la réservation.")
        self.message_user(request, text, messages.SUCCESS)

    @admin.action(description="Rouvrir à la réservation", permissions=["decide"])
    def reopen_selected(self, request: SignedInRequest, queryset: QuerySet[Slot]) -> None:
        chosen = list(queryset)
        count = opening.reopen(chosen, at=timezone.now())
        log_all(request, chosen, "Rouvert à la réservation.")
        text = counted(count, "créneau rouvert", "créneaux rouverts")
        self.message_user(request, f"{text}.", messages.SUCCESS)


def _numbered(rows: Sequence[tuple[object, ...]], sentence: str) -> SafeString | None:
    """An ordered list, one row a sentence; None without rows."""
    if not rows:
        return None
    return format_html('<ol class="desk-people">{}</ol>', format_html_join("", f"<li>{sentence}</li>", rows))
