"""« Changer pour… »: another formula instead of one that is booked, chosen and recorded on one page that says
beforehand what each costs, until when, and whether the town hall answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from portal.french import moments
from portal.french.amounts import euros
from portal.reservations.acts import booking as acts
from portal.reservations.acts import carts
from portal.reservations.acts.booking import ForeseenChange
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Booking, Reservation
from portal.reservations.pages.acting import REASON, TELLS, Passed, acting_of, read, row
from portal.reservations.pages.addresses import planning_address
from portal.reservations.pages.cells import late_words
from portal.reservations.pages.planning import week_key
from portal.reservations.pages.prices import Costs
from portal.reservations.pages.services import pricer_of
from portal.reservations.states import BookingState, Outcome, Override
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

SAME_PRICE = "même prix"


@dataclass(frozen=True)
class Choice:
    """A formula that may be taken instead, or why not."""

    foreseen: ForeseenChange
    price: str = ""  # « 2,90 € », empty where it is not known
    difference: str = ""  # « + 0,80 € », « même prix »
    late: str = ""  # « hors délai, + 1,00 € »

    @property
    def possible(self) -> bool:
        return self.foreseen.outcome != Outcome.REFUSED

    @property
    def over(self) -> str:
        """« délai, places »: what the town hall passes over for it."""
        return moments.listing([one.label.lower() for one in Override if one in self.foreseen.over])

    @property
    def asks(self) -> bool:
        return self.foreseen.outcome == Outcome.REQUESTED

    @property
    def until(self) -> str:
        """« jusqu'au mardi 11 janvier à 10 h », the nearer deadline of the two halves."""
        return moments.until(self.foreseen.until) if self.foreseen.until else ""


@require_http_methods(["GET", "HEAD", "POST"])
def change(request: SignedInRequest, booking_id: int) -> HttpResponse:
    """The formulas of that day, one of which may be chosen instead; recorded at once, with one number."""
    at = timezone.now()
    booking = row(
        request,
        Booking.objects.select_related(
            "child", "formula", "activity", "establishment", "enrolment__activity", "reservation__period"
        ),
        timezone.localdate(at),
        pk=booking_id,
    )
    acting = acting_of(request)
    back = _planning(booking)
    if booking.state not in (BookingState.ACCEPTED, BookingState.REQUESTED, BookingState.WAITLISTED):
        why = {
            BookingState.CANCEL_REQUESTED: acts.ALREADY_ASKED,
            BookingState.OFFERED: acts.OFFERED,
            BookingState.HELD: acts.TO_PAY,
        }
        messages.info(request, why.get(BookingState(booking.state), acts.NOT_BOOKED))
        return redirect(back)
    others = [one for one in booking.activity.formulas.all() if one.active and one.pk != booking.formula_id]
    try:
        waives = acting.may(booking.establishment) if acting else None
        foreseen = acts.foresee_change(booking, others, at=at, waives=waives)
    except BookingRefused as refusal:
        messages.info(request, str(refusal))
        return redirect(back)
    passed = _passed(booking, foreseen, request.POST) if acting else []
    error = ""
    if request.method == "POST":
        key = posted_number(request.POST.get("formule", ""))
        wanted = next((one for one in foreseen if one.formula.pk == key), None)
        overrides, _ = read(request.POST, passed)
        if wanted is None:
            error = "Choisissez la formule que vous voulez à la place."
        elif missing := wanted.over - set(overrides.reasons):
            what = moments.listing([one.label.lower() for one in Override if one in missing])
            error = f"Indiquez pourquoi vous passez outre : {what}."
        else:
            tell = acting is None or TELLS in request.POST
            as_whom: dict[str, Any] = {"at_desk": acting is not None, "overrides": overrides, "tell": tell}
            try:
                recorded = acts.change(booking, wanted.formula, by=request.user, at=at, **as_whom)
            except BookingRefused as refusal:
                error = str(refusal)
            else:
                if acting is None and (cart := carts.of_recording([recorded], at)) is not None:
                    return redirect("reservations:cart", cart.pk)
                messages.success(request, _thanks(recorded, booking, wanted.formula.name))
                return redirect(back)
    costs = _costs(booking)
    now = costs.on(booking.formula_id, booking.day, late=booking.late) if costs else None
    found = [_choice(one, booking, costs, now) for one in foreseen]
    context: dict[str, Any] = {
        "booking": booking,
        "price": "" if now is None else euros(now),
        "choices": found,
        "chosen": request.POST.get("formule", "") or _only(found),
        "any_possible": any(one.possible for one in found),
        "error": error,
        "planning_url": back,
        "acting": acting,
        "passed": passed,
        "missing": [],
    }
    return render(request, "reservations/change.html", context)


def _passed(booking: Booking, foreseen: list[ForeseenChange], data: Mapping[str, str]) -> list[Passed]:
    """At the desk: what has to be passed over for one of the formulas, or may be, of a late one."""
    over = {one for each in foreseen for one in each.over}
    over |= {Override.DEADLINE for each in foreseen if each.late}
    return [
        Passed(one, [booking.day], needed=False, said=data.get(REASON.format(one.value), ""))
        for one in Override
        if one in over
    ]


def _only(found: list[Choice]) -> str:
    """Where there is nothing to choose, it is chosen."""
    possible = [str(one.foreseen.formula.pk) for one in found if one.possible]
    return possible[0] if len(possible) == 1 else ""


def _planning(booking: Booking) -> str:
    """Where one comes from: the week of the day; home where its reservation is no longer known."""
    if booking.reservation is None:
        return reverse("home")
    where = booking.enrolment_id, booking.establishment_id, booking.reservation.period_id
    address = planning_address(booking.activity, *where)
    return f"{address}?semaine={week_key(booking.day)}#planning"


def _costs(booking: Booking) -> Costs | None:
    pricer = pricer_of(booking.activity)
    if pricer is None or booking.reservation is None:
        return None
    return pricer(booking.enrolment, booking.day, booking.day, period=booking.reservation.period)


def _choice(one: ForeseenChange, booking: Booking, costs: Costs | None, now: Decimal | None) -> Choice:
    if costs is None or one.outcome == Outcome.REFUSED:
        return Choice(one, late=late_words(None, asks=False) if one.late else "")
    usual = costs.on(one.formula.pk, booking.day)
    pays_late = one.late and costs.free_late(one.formula.pk, booking.day) <= 0
    price = costs.on(one.formula.pk, booking.day, late=pays_late)
    surcharge = price - usual if price is not None and usual is not None else None
    return Choice(
        one,
        price="" if price is None else euros(price),
        difference="" if price is None or now is None else _difference(price - now),
        late=late_words(surcharge, asks=False) if one.late else "",
    )


def _difference(amount: Decimal) -> str:
    """« + 0,80 € », « − 0,80 € »."""
    if not amount:
        return SAME_PRICE
    return f"{'+' if amount > 0 else '−'} {euros(abs(amount))}"


def _thanks(recorded: Reservation, booking: Booking, wanted: str) -> str:
    what = f"{booking.formula.name} → {wanted}"
    who = f"réservation n°\xa0{recorded.number} pour {booking.child.first_name}, {moments.day(booking.day)}"
    waits = recorded.lines.filter(outcome=Outcome.REQUESTED).exists()
    if not waits:
        return f"C'est changé : {what} ({who})."
    kept = f"d'ici là, {booking.formula.name} reste réservé"
    if booking.state != BookingState.ACCEPTED:
        kept = "votre première demande est remplacée"
    return f"C'est demandé : {what} ({who}). La mairie va vous répondre ; {kept}."
