"""The page of a day on a waiting list: until when a place is given, where the list is left; and the place
that is offered, taken or not by a button. What « Mon compte famille » asks of places offered."""

from datetime import datetime

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from families import which_home
from families.at_home import Ask
from families.custody import homes
from families.models import Household, User
from portal.french import moments
from portal.french.amounts import euros
from portal.reservations.acts import booking as acts
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.days.last_calls import LastCalls
from portal.reservations.models import Booking
from portal.reservations.pages import in_words
from portal.reservations.pages.days_ahead import TWO_WEEKS
from portal.reservations.pages.services import pricer_of
from portal.reservations.pages.waits import WAITING, coming, place_url, waits_among
from portal.reservations.states import HOLDING, BookingState
from portal.web.signed_in import SignedInRequest

# On « Mon compte famille » ------------------------------------------------------------------------------


def offers(household: Household, user: User, at: datetime) -> list[Ask]:
    """Places offered to its children, the first to be answered first."""
    today = timezone.localdate(at)
    names = {child.pk: child.first_name for child in homes.children(household, today)}
    waiting = [
        one
        for one in coming(household, today, today + TWO_WEEKS)
        if one.household_id == household.pk and one.is_offered(at) and one.child_id in names
    ]
    return [
        Ask(
            f"Place proposée à {names[one.child_id]}",
            f"{in_words.what(one.activity).capitalize()}, {moments.day(one.day)} : "
            f"à répondre {moments.until(one.offered_until)}.",
            place_url(one.pk),
            "Répondre",
            main=True,
        )
        for one in sorted(waiting, key=lambda one: one.offered_until)
    ]


# Its page -----------------------------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
def place(request: SignedInRequest, booking_id: int) -> HttpResponse:
    """Only a button answers: an address that a mail program opens by itself takes and leaves nothing."""
    at = timezone.now()
    booking = _booking(request, booking_id)
    if booking.state == BookingState.OFFERED and not booking.is_offered(at):
        acts.let_offers_go(at=at)
        booking = _booking(request, booking_id)
    if request.method == "POST":
        return _answered(request, booking, request.POST.get("reponse", ""), at)
    if booking.state not in WAITING:
        return _over(request, booking)
    last = LastCalls([booking], at).of(booking)
    return render(
        request,
        "reservations/place.html",
        {
            "booking": booking,
            "wait": waits_among([booking.pk])[booking.pk],
            "until": moments.until(last) if last else "",
            "answer_until": moments.until(booking.offered_until) if booking.offered_until else "",
            "price": _price(booking),
            "hours": booking.activity.offer_hours,
            "back": _detail(booking),
        },
    )


def _booking(request: SignedInRequest, booking_id: int) -> Booking:
    return which_home.row(
        request,
        Booking.objects.visible_to(request.user).select_related(
            "child",
            "formula",
            "activity",
            "establishment",
            "enrolment__activity",
            "household",
            "reservation__period",
        ),
        pk=booking_id,
    )


def _answered(request: SignedInRequest, booking: Booking, answer: str, at: datetime) -> HttpResponse:
    said = ""
    try:
        if answer == "oui":
            if (cart := acts.take_offer(booking, by=request.user, at=at)) is not None:
                return redirect("reservations:cart", cart.pk)
            said = f"C'est réservé : {_what(booking)}."
        elif answer in ("non", "quitter"):
            acts.leave_list(booking, by=request.user, at=at)
            said = f"C'est noté : {_what(booking)}, vous n'attendez plus ce jour."
        elif answer in ("jour-meme", "delai"):
            wanted = answer == "jour-meme"
            got = acts.wait_until_the_day(booking, wanted, by=request.user, at=at)
            if booking.pk in {one.pk for one in got}:
                said = f"Une place était libre : {_what(booking)}."
            elif wanted:
                said = "C'est noté : une place qui se libère vous est donnée jusqu'au jour même."
            else:
                said = "C'est noté : aucune place ne vous est donnée quand il est trop tard pour annuler."
    except BookingRefused as refusal:
        messages.warning(request, str(refusal))
    if said:
        messages.success(request, said)
    if answer in ("jour-meme", "delai"):
        return redirect(place_url(booking.pk))
    return redirect("home")


def _over(request: SignedInRequest, booking: Booking) -> HttpResponse:
    if booking.state in HOLDING:
        messages.info(request, f"C'est déjà réservé : {_what(booking)}.")
    else:
        messages.info(request, acts.NO_LONGER_WAITING)
    return redirect(_detail(booking))


def _what(booking: Booking) -> str:
    """« Lina, cantine, jeudi 26 novembre »."""
    name = booking.child.first_name
    return f"{name}, {in_words.what(booking.activity)}, {moments.day(booking.day)}"


def _detail(booking: Booking) -> str:
    if booking.reservation_id is None:
        return reverse("home")
    return reverse("reservations:detail", args=[booking.reservation_id])


def _price(booking: Booking) -> str:
    """What the day costs; nothing where it is not known."""
    pricer = pricer_of(booking.activity)
    if pricer is None or booking.reservation is None:
        return ""
    costs = pricer(booking.enrolment, booking.day, booking.day, period=booking.reservation.period)
    price = costs.on(booking.formula_id, booking.day, late=booking.late) if costs else None
    return "" if price is None else euros(price)
