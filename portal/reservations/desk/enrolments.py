"""Enrolments at the desk: those that wait for the town hall's answer first."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from django.contrib import admin, messages
from django.db.models import (
    Case,
    Exists,
    ExpressionWrapper,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Value,
    When,
)
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from families.approval import awaited
from families.desk_cells import DecidedBy, HouseholdLink, person
from families.models import Household
from portal.desk.decisions import AcceptOrRefuse, Decidable, Decision, confirm_page
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst, sent_again
from portal.desk.pages import WithHistory, log_all
from portal.desk.queue import WorksThrough
from portal.desk.site import Queue
from portal.french.dates import WEEKDAYS
from portal.french.plurals import counted
from portal.french.weekdays import names_of, weekdays_in
from portal.reservations.acts import ending, enrolling, overriding
from portal.reservations.acts.conditions import Wish
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.desk.cells import ClassName, PlacesLeft, short_moment
from portal.reservations.desk.ending import EndsEnrolments
from portal.reservations.desk.enrolling import EnrolsAtTheDesk
from portal.reservations.desk.lots import TicksChildren
from portal.reservations.models import Enrolment, Slot
from portal.reservations.models.queries import RefusedBefore, class_of, fewest_places, refused_before
from portal.reservations.states import EnrolmentState, Override
from portal.web.signed_in import SignedInRequest

ENROLMENT_REFUSALS = (
    "Il n'y a plus de place dans cet établissement.",
    "L'enfant ne fréquente pas une école desservie par cet établissement.",
    "Il manque un justificatif : envoyez-le depuis « Mes Informations ».",
    "L'enfant n'a pas l'âge prévu pour cette activité.",
)

# The reason for accepting without a paper, as the page's field is named.
PASSING_OVER = "passing_over"


class WaitingEnrolments(WaitingFirst):
    states = EnrolmentState


class EnrolmentColumns(RefusedBefore):
    attended: str | None
    fewest: int | None


EnrolmentInQueue: TypeAlias = "WithAnnotations[Enrolment, EnrolmentColumns]"


@admin.register(Enrolment)
class EnrolmentAdmin(
    HouseholdLink,
    ClassName,
    PlacesLeft,
    DecidedBy,
    StateBadge,
    EndsEnrolments,
    AcceptOrRefuse[Enrolment],
    NumberSearch[Enrolment],
    Decidable[Enrolment],
    EnrolsAtTheDesk,
    WorksThrough[Enrolment],
    TicksChildren,
    WithHistory[Enrolment],
):
    desk_order = 1
    work_queues = (
        Queue(
            "Inscriptions à traiter",
            lambda request: Enrolment.objects.filter(
                ~Exists(awaited(OuterRef("household"), OuterRef("child"))),
                state=EnrolmentState.REQUESTED,
                household__state=Household.State.ACCEPTED,
            ),
            order=30,
            since="requested_at",
        ),
    )
    desk_links = (WorksThrough.queue_link, *EnrolsAtTheDesk.desk_links)
    list_display = (
        "child",
        "household_link",
        "class_name",
        "activity",
        "establishment",
        "short_days",
        "starts",
        "received",
        "places_left",
        "state_badge",
    )
    list_display_links = ("child",)
    list_filter = (WaitingEnrolments, "activity", "establishment", "school_year")
    list_select_related = ("child", "household", "activity", "establishment", "school_year")
    search_fields = ("child__folded",)
    search_help_text = "Nom de l'enfant ou numéro du foyer"
    ordering = ("requested_at", "pk")
    actions = (*AcceptOrRefuse.actions, *EndsEnrolments.actions, "act_in_lots")
    refusals = ENROLMENT_REFUSALS
    refuse_title = "Refuser des inscriptions"
    fields = readonly_fields = (
        "child",
        "household_link",
        "class_name",
        "activity",
        "establishment",
        "school_year",
        "days",
        "starts_on",
        "state_badge",
        "limits",
        "places_left",
        "requested_by_name",
        "received",
        "decided_by_name",
        "decided_at",
        "refusal_reason",
        "ends_on",
        "end_reason",
        "ended_by_name",
        "ended_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[EnrolmentInQueue]:
        weekday_bit = Case(
            *(When(day__iso_week_day=weekday + 1, then=1 << weekday) for weekday in range(7)),
            default=Value(0),
            output_field=IntegerField(),
        )
        coming = (
            Slot.objects.filter(
                activity=OuterRef("activity"),
                establishment=OuterRef("establishment"),
                day__gte=timezone.localdate(),
            )
            # Only the usual weekdays count; without any, every day does.
            .annotate(
                usual=ExpressionWrapper(
                    OuterRef("weekdays").bitand(weekday_bit),  # type: ignore[arg-type]  # any expression will do
                    output_field=IntegerField(),
                )
            )
            .filter(Q(usual__gt=0) | Q(usual=OuterRef("weekdays")))
        )
        return (
            super()
            .get_queryset(request)
            .annotate(
                attended=class_of(school_year="school_year"),
                fewest=fewest_places(coming),
                refused_at=refused_before("decided_at"),
                refused_because=refused_before("refusal_reason"),
            )
        )

    def get_fields(self, request: HttpRequest, obj: Enrolment | None = None) -> Any:
        """Of an end, only where one was said; of limits, where the activity has some."""
        hidden = {"limits"} if obj is None or not obj.activity.is_limited else set()
        if obj is None or obj.ends_on is None:
            hidden |= {"ends_on", "end_reason", "ended_by_name", "ended_at"}
        return [name for name in super().get_fields(request, obj) if name not in hidden]

    def waits(self, obj: Enrolment) -> bool:
        """For an answer, the household first: what a new one has prepared waits for that; or it can end."""
        asks = obj.state == EnrolmentState.REQUESTED and obj.household.is_accepted
        return asks or ending.can_end(obj, timezone.localdate())

    def decisions_for(self, obj: Enrolment) -> Sequence[Decision]:
        asks = obj.state == EnrolmentState.REQUESTED
        return super().decisions_for(obj) if asks else self.ends_for(obj)

    @admin.display(description="reçue", ordering="requested_at")
    def received(self, obj: EnrolmentInQueue) -> SafeString | str:
        return sent_again(short_moment(obj.requested_at) or "", obj.refused_at, obj.refused_because or "")

    @admin.display(description="demandée par", empty_value="–")
    def requested_by_name(self, obj: Enrolment) -> str:
        return person(obj.requested_by)

    @admin.display(description="dès le", ordering="starts_on")
    def starts(self, obj: Enrolment) -> str:
        return f"{obj.starts_on:%d/%m/%Y}"

    @admin.display(description="fin dite par", empty_value="–")
    def ended_by_name(self, obj: Enrolment) -> str:
        return person(obj.ended_by)

    @admin.display(description="limites d'âge et de classe")
    def limits(self, obj: Enrolment) -> str:
        if obj.limits_waived:
            return "Dérogation : l'enfant est accueilli malgré les limites."
        return _beyond_limits(obj) or "L'enfant y entre, au moins certains jours."

    @admin.display(description="jours", empty_value="–")
    def short_days(self, obj: Enrolment) -> str:
        return " ".join(WEEKDAYS[weekday][:3] for weekday in weekdays_in(obj.weekdays))

    @admin.display(description="jours de fréquentation", empty_value="–")
    def days(self, obj: Enrolment) -> str:
        return names_of(obj.weekdays)

    @admin.action(description="Accepter", permissions=["decide"])
    def accept_selected(self, request: SignedInRequest, queryset: QuerySet[Enrolment]) -> HttpResponse | None:
        """Where age or class speak against it on every day, or a paper is missing that it waits for, asked
        twice; then the limits are waived, and the paper passed over for a reason."""
        waiting = queryset.filter(state=EnrolmentState.REQUESTED)
        beyond = [reason for one in waiting if (reason := _beyond_limits(one))]
        lacking = _lacking(waiting)
        may = request.user.has_perm(overriding.RIGHTS[Override.PAPERS])
        unsaid = lacking and may and not request.POST.get(PASSING_OVER, "").strip()
        if (beyond or lacking) and ("confirmed" not in request.POST or unsaid):
            return confirm_page(
                self,
                request,
                queryset,
                action="accept_selected",
                title="Accepter malgré les limites d'âge ou de classe ?"
                if beyond
                else "Accepter malgré des papiers qui manquent ?",
                button="Accepter quand même",
                template="admin/reservations/beyond_limits.html",
                beyond=beyond,
                lacking=lacking,
                may_pass_over=may,
                unsaid=unsaid and "confirmed" in request.POST,
            )
        self.accept_rows(request, queryset)
        return None

    def accept_rows(self, request: SignedInRequest, queryset: QuerySet[Enrolment]) -> None:
        at = timezone.now()
        closed = queryset.exclude(household__state=Household.State.ACCEPTED).count()
        if closed:
            words = counted(closed, "inscription attend", "inscriptions attendent")
            self.message_user(request, f"{words} que la mairie valide le foyer.", messages.WARNING)
        queryset = queryset.filter(household__state=Household.State.ACCEPTED)
        reason = request.POST.get(PASSING_OVER, "").strip()
        done, without = [], set(_lacking(queryset))
        for one in queryset:
            try:
                accepted = enrolling.accept(
                    one,
                    by=request.user,
                    at=at,
                    beyond_limits=bool(_beyond_limits(one)),
                    passing_over=reason,
                )
            except EnrolmentRefused as refusal:
                self.message_user(request, f"{one} : {refusal}", messages.WARNING)
                queryset = queryset.exclude(pk=one.pk)
            else:
                done += [one] if accepted else []
        if reason and without:
            log_all(request, done, f"Papiers : passé outre. Motif : {reason}")
        self._tell(request, queryset, done, "inscription acceptée", "inscriptions acceptées")
        log_all(request, done, "Inscription acceptée.")

    def refuse_rows(self, request: SignedInRequest, queryset: QuerySet[Enrolment], reason: str) -> None:
        at = timezone.now()
        done = [one for one in queryset if enrolling.refuse(one, reason=reason, by=request.user, at=at)]
        self._tell(request, queryset, done, "inscription refusée", "inscriptions refusées")
        log_all(request, done, f"Inscription refusée : {reason}")

    def _tell(
        self, request: HttpRequest, chosen: Iterable[Enrolment], done: list[Enrolment], one: str, many: str
    ) -> None:
        left = len(list(chosen)) - len(done)
        text = counted(len(done), one, many)
        if left:
            text += f", {counted(left, 'était déjà traitée', 'étaient déjà traitées')}"
        self.message_user(request, f"{text}.", messages.WARNING if left else messages.SUCCESS)


def _lacking(enrolments: Iterable[Enrolment]) -> list[str]:
    """What these wait for before they are accepted, each said once with its child."""
    rows = [one for one in enrolments if one.state == EnrolmentState.REQUESTED]
    found = enrolling.missing([Wish.of(one, ()) for one in rows], timezone.now())
    return list(dict.fromkeys(each.sentence for of_one in found for each in of_one))


def _beyond_limits(enrolment: Enrolment) -> str:
    """Why the activity would take the child on no day, or nothing."""
    one = enrolment
    return enrolling.never_taken(one.child, one.activity, one.school_year, one.starts_on)
