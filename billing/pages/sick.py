"""« Malade aujourd'hui »: one tap a child, today and tomorrow ticked, what stays billed said beforehand."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from billing.prices import missed_days
from families import which_home
from families.models import Child, Household
from portal.french import moments
from portal.reservations.days.standing import Open, Where
from portal.reservations.models import Booking
from portal.reservations.pages.addresses import planning_address
from portal.reservations.pages.planning import week_key
from portal.reservations.presence import announcing
from portal.reservations.presence.certificates import AbsenceRefused
from portal.reservations.states import BookingState
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

BILLED = "reste facturé"
UNLESS = "reste facturé, sauf certificat donné à temps"
FREE = "non facturé"


@dataclass(frozen=True)
class Missing:
    """What a child has booked on a day, and what becomes of it if it stays away."""

    what: str  # « Restauration scolaire · Repas »
    words: str
    cancel_until: str = ""  # while it may still be cancelled, and then is not billed
    cancel_url: str = ""


@dataclass
class SickDay:
    """A day on which a child is expected."""

    day: date
    label: str
    missing: list[Missing] = field(default_factory=list)
    announced: bool = False
    ticked: bool = False

    @property
    def value(self) -> str:
        return self.day.isoformat()


@dataclass(frozen=True)
class SickChild:
    """A child and the days on which it is expected."""

    child: Child
    days: list[SickDay]
    rules: list[missed_days.RuleInWords] = field(default_factory=list)  # where telling alone may free a day

    @property
    def soon(self) -> list[SickDay]:
        """What a parent who is in a hurry looks at: today and tomorrow, and what is announced."""
        return [one for one in self.days if one.ticked or one.announced]

    @property
    def later(self) -> list[SickDay]:
        return [one for one in self.days if not (one.ticked or one.announced)]

    @property
    def to_say(self) -> bool:
        """Whether a day is left that is not announced."""
        return any(not one.announced for one in self.days)

    @property
    def proof_url(self) -> str:
        """Where to send a certificate for what is announced, or else for the first day."""
        said = [one.day for one in self.days if one.announced] or [self.days[0].day]
        query = urlencode({"du": said[0].isoformat(), "au": said[-1].isoformat()})
        return f"{reverse('absences:report', args=[self.child.pk])}?{query}"


@require_http_methods(["GET", "HEAD", "POST"])
def sick_today(request: SignedInRequest) -> HttpResponse:
    """Every child of the household that is expected in the coming days."""
    household = which_home.household(request)
    at = timezone.now()
    if request.method == "POST":
        _posted(request, household, at)
        return redirect("absences:sick")
    children = Child.objects.living_in(household, timezone.localdate(at)).order_by("birth_date", "pk")
    found = [one for child in children if (one := _child(household, child, at)).days]
    return render(request, "billing/sick_today.html", {"children": found, "days": announcing.DAYS})


def _posted(request: SignedInRequest, household: Household, at: datetime) -> None:
    child = get_object_or_404(
        Child.objects.living_in(household, timezone.localdate(at)),
        pk=posted_number(request.POST.get("enfant", "")),
    )
    try:
        if "retirer" in request.POST:
            (day,) = _days([request.POST["retirer"]])
            if announcing.take_back(household, child, day, at=at):
                messages.success(
                    request, f"L'annonce est retirée : {child.first_name} est attendu {moments.day(day)}."
                )
            return
        days = announcing.announce(
            household, child, _days(request.POST.getlist("jour")), by=request.user, at=at
        )
    except AbsenceRefused as refusal:
        messages.warning(request, str(refusal))
        return
    messages.success(
        request,
        f"C'est noté : {child.first_name} ne viendra pas {moments.enumerate_days(days)}. "
        f"Ceux qui l'attendent le voient sur leur liste.{_what_is_billed(household, child, days, at)}",
    )


def _what_is_billed(household: Household, child: Child, days: list[date], at: datetime) -> str:
    """« Reste facturé : mardi 10 novembre. », where the town frees what is told; empty elsewhere."""
    found = missed_days.before_telling(household, child, min(days), max(days), at=at)
    if not found.telling_rules:
        return ""
    billed = sorted({one.day for one in found.announced.days if one.billed})
    return f" Reste facturé : {moments.enumerate_days(billed)}." if billed else " Rien ne sera facturé."


def _days(posted: list[str]) -> list[date]:
    """Raises AbsenceRefused where one is no day."""
    try:
        return [date.fromisoformat(value) for value in posted]
    except ValueError:
        raise AbsenceRefused("Un jour n'est pas lisible : cochez-le dans la liste.") from None


def _child(household: Household, child: Child, at: datetime) -> SickChild:
    today = timezone.localdate(at)
    first, last = today, announcing.last_day(today)
    bookings = list(
        announcing.announceable(household, today)
        .filter(child=child)
        .select_related(
            "activity",
            "formula",
            "establishment",
            "enrolment__activity",
            "enrolment__household",
            "reservation__period",
        )
        .order_by("day", "activity__order", "formula__order", "pk")
    )
    if not bookings:
        return SickChild(child, [])
    found = missed_days.before_telling(household, child, first, last, at=at)
    announced = {one.day for one in found.announced.days}
    billed = {one.booking for one in found.told.days if one.billed and one.day not in announced}
    billed |= {one.booking for one in found.announced.days if one.billed}
    free = {one.booking for one in found.proved.days if not one.billed}
    limits = _cancellable(bookings, at)
    days = []
    for day, of_day in groupby(bookings, key=lambda booking: booking.day):
        shown = SickDay(day, moments.coming(day, today), announced=day in announced)
        for booking in of_day:
            words = FREE if booking.pk not in billed else UNLESS if booking.pk in free else BILLED
            until, url = limits.get(booking.pk, ("", ""))
            shown.missing.append(Missing(f"{booking.activity} · {booking.formula}", words, until, url))
        days.append(shown)
    soon = [one for one in days if one.day <= today + timedelta(days=1)] or days[:1]
    for one in soon:
        one.ticked = True
    return SickChild(child, days, found.telling_rules)


def _cancellable(bookings: list[Booking], at: datetime) -> dict[int, tuple[str, str]]:
    """Of those that may still be cancelled: until when, and where; a few queries an enrolment."""
    groups: dict[tuple[int, int, int], list[Booking]] = defaultdict(list)
    for booking in bookings:
        if booking.state == BookingState.ACCEPTED and booking.reservation is not None:
            key = booking.enrolment_id, booking.establishment_id, booking.reservation.period_id
            groups[key].append(booking)
    found: dict[int, tuple[str, str]] = {}
    for together in groups.values():
        first = together[0]
        period: Any = first.reservation and first.reservation.period
        where = Where.load(first.enrolment, first.establishment, period, at=at)
        address = planning_address(first.activity, first.enrolment_id, first.establishment_id, period.pk)
        for booking in together:
            answer = where.cancelling(booking.formula_id, booking.day, granted=True)
            if isinstance(answer, Open) and not answer.standing.is_late:
                until = f"jusqu'au {moments.brief(answer.until)}" if answer.until else ""
                query = urlencode({"annulation": "", "semaine": week_key(booking.day)})
                found[booking.pk] = until, f"{address}?{query}#planning"
    return found
