"""« Mon agenda »: what a guardian's children have booked, in the guardian's own calendar.

By a secret address that programs read without a login, all year; or once, a reservation's days to take away.
First names, formulas and closures only: of who has found the address nothing else is to be learnt.
"""

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db.models import F, FilteredRelation, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_http_methods, require_safe

from families import calendar_links, which_home
from families.custody import homes
from families.models import CalendarLink, Child
from portal import town
from portal.files.handing_over import hand_over
from portal.french import moments
from portal.reservations.days import closures, needed
from portal.reservations.days.closures import Attended, Closed
from portal.reservations.models import Booking, Enrolment, Reservation, SchoolYear
from portal.reservations.pages.entries import Entry
from portal.reservations.pages.services import SERVICES
from portal.reservations.states import BookingState
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

PAST = timedelta(days=92)
COMING = timedelta(days=400)
# What stands after the formula while it may still come otherwise.
NOT_CERTAIN = {
    BookingState.REQUESTED: "demande en attente",
    BookingState.WAITLISTED: "liste d'attente",
    BookingState.OFFERED: "place proposée",
    BookingState.HELD: "à payer",
    BookingState.CANCEL_REQUESTED: "annulation demandée",
}
OLD_PAGE = (
    "Votre lien a été créé ou remplacé entre-temps, et il ne se montre qu'une fois. "
    "Si vous ne l'avez pas gardé, demandez un nouveau lien."
)


class ShownForm(forms.Form):
    """What the address shows; only what is the guardian's may be chosen."""

    children = forms.TypedMultipleChoiceField(
        label="Enfants",
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Cochez au moins un enfant."},
    )
    services = forms.MultipleChoiceField(
        label="Services",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Cochez au moins un service."},
    )
    closures = forms.BooleanField(label="Aussi les fermetures : grève, travaux, sortie…", required=False)

    def __init__(self, data: QueryDict | None, *, link: CalendarLink, children: list[Child]) -> None:
        super().__init__(data)
        field_of(self, "children", forms.TypedMultipleChoiceField).choices = [
            (child.pk, child.first_name) for child in sorted(children, key=lambda one: one.birth_date)
        ]
        field_of(self, "services", forms.MultipleChoiceField).choices = [
            (service.slug, service.name) for service in SERVICES.values()
        ]
        hidden = set(link.hidden_children.values_list("pk", flat=True))
        self.initial = {
            "children": [child.pk for child in children if child.pk not in hidden],
            "services": [slug for slug in SERVICES if slug not in link.hidden_services],
            "closures": link.shows_closures,
        }


@require_http_methods(["GET", "HEAD", "POST"])
def page(request: SignedInRequest) -> HttpResponse:
    """Makes the address and shows it once; replaces it, removes it, chooses what it shows."""
    guardian = which_home.find(request)
    if guardian is None:  # the first page says why
        return redirect("home")
    link, token = calendar_links.of(guardian), ""
    children = homes.children(guardian.household, timezone.localdate())
    chosen = request.POST if "choose" in request.POST else None
    form = ShownForm(chosen, link=link, children=children) if link and children else None
    if "make" in request.POST:
        try:
            token = calendar_links.make(guardian, replaces=request.POST["make"], at=timezone.now())
        except calendar_links.PageIsOld:
            messages.info(request, OLD_PAGE)
            return redirect("reservations:calendar")
        link = calendar_links.of(guardian)
    elif "remove" in request.POST:
        if calendar_links.remove(guardian):
            messages.success(request, "Votre lien est supprimé : plus personne ne peut lire cet agenda.")
        return redirect("reservations:calendar")
    elif form is not None and link is not None and form.is_valid():
        shown = form.cleaned_data
        calendar_links.choose(
            link,
            hidden_children=[child for child in children if child.pk not in shown["children"]],
            hidden_services=[slug for slug in SERVICES if slug not in shown["services"]],
            closures=shown["closures"],
        )
        messages.success(request, "C'est enregistré : votre agenda suit à sa prochaine lecture.")
        return redirect("reservations:calendar")
    elif request.method == "POST" and form is None:
        return redirect("reservations:calendar")
    context = {"link": link, "form": None if token else form, "address": "", "subscribe": ""}
    if token:
        address = request.build_absolute_uri(reverse("reservations:calendar_feed", args=[token]))
        # What calendar programs on telephones and computers open by themselves.
        context |= {"address": address, "subscribe": f"webcal:{address.partition(':')[2]}"}
    return render(request, "reservations/calendar.html", context)


@login_not_required
@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar of this address, for whatever program asks; « nothing new » where it has it already."""
    at = timezone.now()
    link = calendar_links.find(token)
    if link is None:
        raise Http404("Cet agenda n'existe pas, ou n'existe plus.")
    if not calendar_links.count_reading(link, at=at):
        return _for_programs(HttpResponse("Trop de lectures : revenez dans une heure.", status=429))
    today = timezone.localdate(at)
    first, last = today - PAST, today + COMING
    name = f"Agenda – {town.current().name}"
    entries = _entries(link, at, first, last)
    # Of what it says, before it is written: most programs have it already. Anew each day.
    etag = f'"{sha256(repr((name, first, entries)).encode()).hexdigest()[:32]}"'
    answer = get_conditional_response(request, etag=etag)
    if answer is None:
        answer = hand_over(_written(f"agenda-{link.pk}", name, entries, first), "agenda.ics", inline=True)
    answer["ETag"] = etag
    return _for_programs(answer)


@require_safe
def of_reservation(request: SignedInRequest, reservation_id: int) -> HttpResponse:
    """« Ajouter à mon agenda »: the days of one reservation that stand, as a file to take away."""
    reservation = which_home.row(
        request,
        Reservation.objects.visible_to(request.user).filter(submitted_at__isnull=False),
        pk=reservation_id,
    )
    bookings = Booking.objects.visible_to(request.user).live().filter(reservation=reservation)
    bookings = bookings.annotate(unsure=needed.unsure_booking())
    found = [_of_booking(one) for one in bookings.select_related("child", "formula").order_by("day", "pk")]
    if not found:
        messages.info(request, "Aucun jour de cette réservation n'est à ajouter à votre agenda.")
        return redirect("reservations:detail", reservation.pk)
    name = f"Réservation n°\xa0{reservation.number}"
    content = _written(f"reservation-{reservation.pk}", name, found, found[0].first)
    return hand_over(content, f"reservation-{reservation.number}.ics")


def _entries(link: CalendarLink, at: datetime, first: date, last: date) -> list[Entry]:
    """Days booked and closures of the guardian's household, from `first` to `last`: in as many queries
    whatever there is. A place offered whose hour has passed is none any more: nobody logged in let it go."""
    today = timezone.localdate(at)
    hidden = Q(child__in=link.hidden_children.all()) | Q(activity__service__in=link.hidden_services)
    bookings = list(
        Booking.objects.of_home(link.guardian.household, today)
        .live()
        .filter(day__range=(first, last))
        .exclude(hidden)
        .exclude(offered_until__lte=at)
        .annotate(unsure=needed.unsure_booking())
        .select_related("child", "formula", "enrolment")
        .order_by("day", "child__birth_date", "pk")
    )
    entries = [_of_booking(one) for one in bookings]
    if link.shows_closures:
        enrolments = (
            Enrolment.objects.of_home(link.guardian.household, today)
            .accepted()
            .filter(school_year__in=SchoolYear.objects.serving(first), establishment__isnull=False)
            .exclude(hidden)
        )
        attended = {*_by_booking(bookings), *_by_enrolment(enrolments)}
        entries += [_of_closure(one) for one in closures.at_places(attended, first, last)]
    return entries


def _by_booking(bookings: Iterable[Booking]) -> Iterator[Attended]:
    """Where children go whose enrolment names no place, and days booked elsewhere than it names."""
    for one in bookings:
        own = one.enrolment.place_id_on(one.day)
        if own is None:
            yield Attended(one.activity_id, one.establishment_id, None)
        elif own != one.establishment_id:
            yield Attended(one.activity_id, one.establishment_id, None, one.day, one.day)


def _by_enrolment(enrolments: QuerySet[Enrolment]) -> Iterator[Attended]:
    """Where children go, their schools and classes, one query: what changes on a day is each as long as it
    lasts."""
    attends = FilteredRelation(
        "child__schoolings", condition=Q(child__schoolings__school_year=F("school_year"))
    )
    rows = enrolments.order_by().annotate(attends=attends)
    for activity, place, there, moves_on, ends_on, school_class, school, since, until in rows.values_list(
        "activity",
        "establishment",
        "moves_to",
        "moves_on",
        "ends_on",
        "attends__school_class",
        "attends__school_class__school",
        "attends__starts_on",
        "attends__ends_on",
    ):
        last = min((day for day in (until, ends_on) if day is not None), default=None)
        if school is not None:
            yield Attended(activity, school, school_class, since, last)
        if moves_on is None:
            yield Attended(activity, place, school_class, since, last)
            continue
        eve = moves_on - timedelta(days=1)
        yield Attended(activity, place, school_class, since, min(eve, last or eve))
        if there is not None:
            yield Attended(activity, there, school_class, max(moves_on, since or moves_on), last)


def _of_booking(booking: Any) -> Entry:
    """Of a booking read with whether it is `unsure` that the day opens."""
    state = NOT_CERTAIN.get(BookingState(booking.state), "sous réserve" if booking.unsure else "")
    return Entry(
        uid=f"booking-{booking.pk}@{_host()}",
        summary=f"{booking.child.first_name} : {booking.formula.name}" + (f" ({state})" if state else ""),
        first=booking.day,
        last=booking.day,
        changed=booking.changed_at,
        hours=moments.hours_in(booking.formula.name),
        certain=not state,
    )


def _of_closure(closed: Closed) -> Entry:
    closure = closed.closure
    where = closure.establishment or closure.activity
    return Entry(
        uid=f"closure-{closure.pk}-{closed.first:%Y%m%d}@{_host()}",
        summary=f"{where} : fermé ({closure.reason})" if where else f"Services fermés ({closure.reason})",
        first=closed.first,
        last=closed.last,
        changed=closure.created_at,
    )


def _host() -> str:
    """The portal's own name: what makes a number of ours one of the world's."""
    return urlsplit(settings.PORTAL_URL).hostname or "portail"


def _written(uid: str, name: str, entries: Iterable[Entry], since: date) -> bytes:
    from portal.reservations.pages import ics  # by the first agenda only: see there

    return ics.calendar(f"{uid}@{_host()}", name, entries, since=since)


def _for_programs(answer: HttpResponse) -> HttpResponse:
    """Asked for anew each time, so that a day which is cancelled leaves; found by no search engine."""
    answer["Cache-Control"] = "private, no-cache"
    answer["X-Robots-Tag"] = "noindex, nofollow"
    return answer
