"""« Départager les demandes »: what waits in a period, in the order chosen, granted after a preview."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias, TypedDict
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django_stubs_ext import WithAnnotations

from families.models import Reading, User
from families.traces import reading
from leisure import answering, priorities
from leisure.admin_registers import centres
from leisure.criteria import DISABILITY_FIRST, Order, OwnOrder, RequestOrder
from leisure.models import SERVICE
from portal.desk import reasons, rights
from portal.desk.decisions import ReasonForm
from portal.desk.pages import OwnPages, log_all, log_each
from portal.desk.site import DeskLink
from portal.french import moments
from portal.french.day_fields import DayField
from portal.french.plurals import counted
from portal.reservations.acts import booking, refusals
from portal.reservations.desk.reservations import RESERVATION_REFUSALS, tell_decision
from portal.reservations.models import Establishment, Period, ReservationLine
from portal.reservations.states import Action, Outcome
from portal.web.form_fields import field_of
from portal.web.posted import posted_numbers
from portal.web.signed_in import SignedInRequest

HEALTH = "families.view_childhealth"
VIEW, DECIDE = "reservations.view_reservationline", "reservations.change_reservationline"
# Whose reasons for a refusal are offered.
DAYS = "reservations.reservation"
LISTS = {"demandes": Outcome.REQUESTED, "attente": Outcome.WAITLISTED}
OWN = "regle"  # in addresses: the order that the town gave the activity
CHANGED = "La situation a changé depuis l'aperçu : vérifiez-le de nouveau, puis confirmez."


class Counts(TypedDict):
    """The days of a period that wait for an answer, and for a place."""

    asked: int
    waiting: int


PeriodToAnswer: TypeAlias = "WithAnnotations[Period, Counts]"


def _named(period: PeriodToAnswer) -> str:
    asked = counted(period.asked, "demande", "demandes")
    return f"{period.activity} – {period} ({asked}, {period.waiting} en attente)"


def periods(user: User) -> QuerySet[PeriodToAnswer]:
    """The service's periods in which a day that `user` sees waits for an answer or a place."""
    lines = ReservationLine.objects.filter(reservation__period=OuterRef("pk"), action=Action.BOOK)
    if VIEW in rights.held_in_part_by(user):
        lines = rights.seen_by(user, lines, VIEW)

    def count(outcome: Outcome) -> Coalesce:
        # Of each period by itself: all lines at once would be joined before any is counted.
        of_period = lines.filter(outcome=outcome).order_by().values("reservation__period")
        return Coalesce(Subquery(of_period.annotate(days=Count("pk")).values("days")), 0)

    return (
        Period.objects.filter(activity__service=SERVICE)
        .annotate(asked=count(Outcome.REQUESTED), waiting=count(Outcome.WAITLISTED))
        .filter(Q(asked__gt=0) | Q(waiting__gt=0))
        .select_related("activity")
        .order_by("starts_on", "activity__order", "pk")
    )


class ChoiceForm(forms.Form):
    """Which requests, in which order."""

    periode = forms.TypedChoiceField(label="Période")
    liste = forms.ChoiceField(
        label="Liste",
        choices=[("demandes", "Demandes à traiter"), ("attente", "Liste d'attente")],
    )
    ordre = forms.ChoiceField(
        label="Ordre",
        choices=[(OWN, OwnOrder(()).label), *((order.value, order.label) for order in RequestOrder)],
    )
    centre = forms.ModelChoiceField(
        Establishment.objects.none(), label="Établissement", required=False, empty_label="Tous"
    )
    du = DayField(label="Du", required=False)
    au = DayField(label="Au", required=False)

    def __init__(self, *args: Any, user: User, known: Sequence[PeriodToAnswer], **kwargs: Any) -> None:
        """`known`: the periods to choose from, read once for the page."""
        super().__init__(*args, **kwargs)
        self.user = user
        by_key = {str(one.pk): one for one in known}
        period = field_of(self, "periode", forms.TypedChoiceField)
        period.choices = [(key, _named(one)) for key, one in by_key.items()]
        period.coerce = by_key.__getitem__
        field_of(self, "centre", forms.ModelChoiceField).queryset = centres(user, VIEW)

    def lines(self, right: str = VIEW) -> QuerySet[ReservationLine]:
        """The lines asked for that `right` reaches; call it on a valid form."""
        chosen = self.cleaned_data
        found = answering.asked(
            chosen["periode"],
            LISTS[chosen["liste"]],
            establishment=chosen["centre"],
            first=chosen["du"],
            last=chosen["au"],
        )
        return rights.seen_by(self.user, found, right)

    @property
    def order(self) -> Order:
        """The one chosen; where an activity has no order of its own, that of arrival stands for it."""
        chosen = self.cleaned_data["ordre"]
        if chosen == OWN:
            return priorities.order_of(self.cleaned_data["periode"].activity_id) or RequestOrder.ARRIVAL
        return RequestOrder(chosen)


class AnswersRequests(OwnPages[Establishment]):
    """Admin mixin that holds the pages."""

    requests_link = DeskLink(
        "Départager les demandes",
        "leisure_requests",
        VIEW,
        "par ordre d'arrivée ou par critères, listes d'attente comprises",
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.requests_view)
        return [path("demandes/", view, name="leisure_requests"), *super().get_urls()]

    def requests_view(self, request: SignedInRequest) -> HttpResponse:
        """The list; posted, the preview of an answer, the reason for a refusal, then the answer itself."""
        self.demand(request, VIEW, *([DECIDE] if request.method == "POST" else []))
        known = list(periods(request.user))
        first = known[0] if known else None
        asked = {
            "periode": first.pk if first else "",
            "liste": "attente" if first and not first.asked else "demandes",
            "ordre": "",
            "centre": "",
            "du": "",
            "au": "",
        }
        asked |= {name: request.GET[name] for name in asked if name in request.GET}
        if not asked["ordre"]:
            its = next((one for one in known if str(one.pk) == str(asked["periode"])), None)
            own = its is not None and priorities.order_of(its.activity_id)
            asked["ordre"] = OWN if own else RequestOrder.ARRIVAL.value
        form = ChoiceForm(asked, user=request.user, known=known)
        if not form.is_valid():
            return self._requests_page(request, {"form": form, "days": None, "nothing": first is None})
        if request.method != "POST":
            return self._list(request, form)
        chosen = _ticked(request, form)
        if not chosen:
            messages.warning(request, "Aucune demande n'est cochée, ou elles sont déjà traitées.")
            return redirect(request.get_full_path())
        match request.POST.get("vers"):
            case "accepter":
                return self._accept(request, form, chosen)
            case "refuser" | "confirmer-refus":
                return self._refuse(request, chosen)
        return self._preview(request, form, _in_order(form, chosen))

    def _list(self, request: SignedInRequest, form: ChoiceForm) -> HttpResponse:
        requests = _told(request, form.order, answering.in_order(form.lines(), form.order, at=timezone.now()))
        days = answering.by_day(requests, form.cleaned_data["periode"])
        shown = answering.first_days(days)
        context = {
            "form": form,
            "days": [(day, self._slots_address(form, day)) for day in shown],
            "families": answering.families_of(shown),
            "left": len(days) - len(shown),
            "total": len(requests),
            "granted": sum(one.granted for one in requests),
            "order": form.order,
            "waiting_list": form.cleaned_data["liste"] == "attente",
            "may_decide": request.user.has_perm(DECIDE),
            "nothing": False,
        }
        return self._requests_page(request, context)

    def _slots_address(self, form: ChoiceForm, day: answering.RequestedDay) -> str:
        """Where the places of that day are changed; who waits is then promoted at once."""
        asked = {
            "activity__id__exact": form.cleaned_data["periode"].activity_id,
            "establishment__id__exact": day.establishment.pk,
            "day__day": day.day.day,
            "day__month": day.day.month,
            "day__year": day.day.year,
        }
        return f"{reverse('admin:reservations_slot_changelist')}?{urlencode(asked)}"

    def _preview(
        self, request: SignedInRequest, form: ChoiceForm, requests: list[answering.Request]
    ) -> HttpResponse:
        requests = _told(request, form.order, requests)
        context = {
            "days": answering.by_day(requests, form.cleaned_data["periode"]),
            "requests": requests,
            "granted": sum(one.granted for one in requests),
            "order": form.order,
            "fingerprint": answering.fingerprint(requests),
        }
        title = "Accepter des demandes"
        return self.page(request, "admin/leisure/requests_preview.html", title, context)

    def _accept(self, request: SignedInRequest, form: ChoiceForm, chosen: list[int]) -> HttpResponse:
        requests = _in_order(form, chosen)
        if request.POST.get("vu") != answering.fingerprint(requests):
            messages.warning(request, CHANGED)
            return self._preview(request, form, requests)
        lines = [one.line for one in requests]
        try:
            decision = booking.accept(lines, by=request.user, at=timezone.now(), in_order=True)
        except refusals.BookingRefused as refusal:
            messages.error(request, str(refusal))
            return redirect(request.get_full_path())
        text, level = tell_decision(decision)
        accepted = {line.pk for line in decision.accepted}
        log_each(
            request,
            [(one.line, _kept(one, form.order)) for one in requests if one.line.pk in accepted],
        )
        messages.add_message(request, level, text)
        return redirect(request.get_full_path())

    def _refuse(self, request: SignedInRequest, chosen: list[int]) -> HttpResponse:
        given = request.POST.get("vers") == "confirmer-refus"
        form = ReasonForm(request.POST if given else None, ready=reasons.of(DAYS) or RESERVATION_REFUSALS)
        lines = ReservationLine.objects.filter(pk__in=chosen)
        if not (given and form.is_valid()):
            named = list(lines.select_related("reservation__child", "formula").order_by("day", "pk"))
            context = {"form": form, "lines": [(one, moments.day(one.day)) for one in named]}
            return self.page(request, "admin/leisure/requests_refuse.html", "Refuser des demandes", context)
        reason = form.cleaned_data["reason"]
        refused = list(lines)
        try:
            count = booking.refuse(refused, reason=reason, by=request.user, at=timezone.now())
        except refusals.BookingRefused as refusal:
            messages.error(request, str(refusal))
            return redirect(request.get_full_path())
        log_all(request, refused, f"Jour refusé : {reason}")
        messages.success(request, f"{counted(count, 'jour refusé', 'jours refusés')}.")
        return redirect(request.get_full_path())

    def _requests_page(self, request: SignedInRequest, context: dict[str, Any]) -> TemplateResponse:
        return self.page(request, "admin/leisure/requests.html", "Départager les demandes", context)


def _kept(one: answering.Request, order: Order) -> str:
    """What stays of why a day was given: nothing of a child's health."""
    why = f" : {one.guarded}" if one.guarded else ""
    return f"Jour accepté ({order.label.lower()}, rang {one.rank}{why})."


def _told(request: SignedInRequest, order: Order, asked: list[answering.Request]) -> list[answering.Request]:
    """As far as whoever reads them may know: a handicap is named with the right to health alone, and whose
    was read is noted."""
    if DISABILITY_FIRST not in order.criteria:
        return asked
    centres_known = {one.line.reservation.establishment for one in asked}
    told = {place.pk for place in centres_known if rights.may(request.user, place, HEALTH)}
    found = [
        one if one.line.reservation.establishment_id in told else replace(one, why=one.guarded)
        for one in asked
    ]
    if children := {one.line.reservation.child_id for one in found if one.why != one.guarded}:
        reading.note(request, Reading.Kind.HEALTH, what="Départager les demandes", children=children)
    return found


def _ticked(request: SignedInRequest, form: ChoiceForm) -> list[int]:
    """The ids ticked, as far as they are among those the form asks for."""
    typed = posted_numbers(request.POST.getlist("ligne"))
    return list(form.lines(DECIDE).filter(pk__in=typed).values_list("pk", flat=True))


def _in_order(form: ChoiceForm, chosen: list[int]) -> list[answering.Request]:
    return answering.in_order(form.lines(DECIDE).filter(pk__in=chosen), form.order, at=timezone.now())
