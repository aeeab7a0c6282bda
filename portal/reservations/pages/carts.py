"""The page of a cart: which places are kept, until when, what is to be paid, and the way to the bank; what
« Mon compte famille » asks of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from families import which_home
from families.at_home import Ask
from families.models import Household, User
from portal.french import moments
from portal.french.amounts import euros
from portal.reservations.acts import carts, money_first
from portal.reservations.models import Booking, Cart, Enrolment, Period, Reservation
from portal.reservations.pages import in_words
from portal.reservations.states import BookingState
from portal.web.signed_in import SignedInRequest

# Where a cart is paid online (POST), or nothing; for who opens banks' pages, once it is ready.
WayToPay = Callable[[Cart], str]
_way: list[WayToPay] = []


def lend(way: WayToPay) -> None:
    _way[:] = [way]


# What the account of a household holds for days that it has to cover, and where money is added to it.
PurseWords = Callable[[Enrolment, Period], tuple[str, str]]
_purse: list[PurseWords] = []


def lend_purse(words: PurseWords) -> None:
    _purse[:] = [words]


def purse(enrolment: Enrolment, period: Period) -> tuple[str, str]:
    """On a planning; nothing, and no query, where the account covers nothing."""
    return _purse[0](enrolment, period) if _purse else ("", "")


# What is left of the tickets of its household, and where their page is.
TicketWords = Callable[[Enrolment], tuple[str, str]]
_tickets: list[TicketWords] = []


def lend_tickets(words: TicketWords) -> None:
    _tickets[:] = [words]


def tickets(enrolment: Enrolment) -> tuple[str, str]:
    """On a planning; nothing, and no query, where the town sells no card."""
    return _tickets[0](enrolment) if _tickets else ("", "")


def asked(household: Household, user: User, at: datetime) -> list[Ask]:
    """Carts of the household that may still be paid."""
    return [
        Ask(
            f"{euros(carts.amount(one))} à payer",
            f"{in_words.what(one.activity).capitalize()} : places gardées {moments.until(one.ends_at)}.",
            reverse("reservations:cart", args=[one.pk]),
            "Payer",
            main=True,
        )
        for one in carts.to_pay(household, at)
    ]


def label(cart: Cart, at: datetime) -> str:
    """« À payer avant 14 h 20 », which is where its reservation stands."""
    ends = timezone.localtime(cart.ends_at)
    day = "" if ends.date() == timezone.localdate(at) else f"le {moments.day(ends.date())} à "
    return f"À payer avant {day}{moments.hour(ends.time())}"


@dataclass(frozen=True)
class Stands:
    """A recorded reservation and where it stands; `cart`: what waits to be paid for that."""

    reservation: Reservation
    state: str
    label: str
    cart: Cart | None = None


def standing(recorded: Sequence[Reservation], at: datetime) -> list[Stands]:
    """Days that wait for money wait for nobody of the town hall."""
    waiting = carts.of_reservations(recorded, at)
    return [
        Stands(one, BookingState.HELD, label(kept, at), kept)
        if (kept := waiting.get(one.pk)) is not None
        else Stands(one, one.state, one.get_state_display())
        for one in recorded
    ]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def cart(request: SignedInRequest, cart_id: int) -> HttpResponse:
    """« À payer avant 20 h 17 »; its only button of its own gives the places back."""
    at = timezone.now()
    found = which_home.row(
        request, Cart.objects.visible_to(request.user).select_related("activity"), pk=cart_id
    )
    if found.state == Cart.State.OPEN and not found.is_open(at):
        carts.let_go(at=at)
        found.refresh_from_db()
    if request.method == "POST":
        if request.POST.get("reponse") == "rendre":
            carts.give_back(found, by=request.user, at=at)
            messages.success(request, "C'est noté : ces places sont rendues, rien n'est dû.")
        return redirect("reservations:cart", found.pk)
    days = list(
        found.days.select_related("booking__child", "booking__formula", "booking__establishment").order_by(
            "booking__day", "booking__child__first_name", "pk"
        )
    )
    held = [one for one in days if one.booking.state == BookingState.HELD]
    shown = held or [one for one in days if found.state == Cart.State.PAID and _stands(one.booking)]
    due = money_first.to_pay((one.price for one in held), found.percent)
    whole = sum((one.price for one in held), Decimal(0))
    return render(
        request,
        "reservations/cart.html",
        {
            "cart": found,
            "open": found.is_open(at) and bool(held),
            "days": shown,
            "until": moments.until(found.ends_at),
            "hour": moments.hour(timezone.localtime(found.ends_at).time()),
            "due": euros(due),
            "rest": euros(whole - due) if whole > due else "",
            "way": _way[0](found) if _way and held else "",
        },
    )


def _stands(booking: Booking) -> bool:
    return booking.state not in (BookingState.CANCELLED, BookingState.REFUSED)
