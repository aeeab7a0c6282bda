"""« Cartes de tickets »: what the town sells, what is left of the family's own, and one button to buy one."""

import uuid
from dataclasses import dataclass
from datetime import date

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from billing.invoices import cards
from billing.models import TicketCard, cards_are_sold
from families import which_home
from portal.french.amounts import euros
from portal.reservations.models import Enrolment
from portal.web.signed_in import SignedInRequest


@dataclass(frozen=True)
class Shown:
    """A card of the family, in words, with the days that it paid."""

    found: cards.Left
    words: str
    days: list[str]


def _sold(today: date) -> list[TicketCard]:
    rows = TicketCard.objects.prefetch_related("activities").order_by("name", "pk")
    return [one for one in rows if one.sold_on(today)]


@require_safe
def card_list(request: SignedInRequest) -> HttpResponse:
    """What is sold today; each card of the household with the tickets that are taken."""
    if not cards_are_sold():
        raise Http404
    today = timezone.localdate()
    mine = [
        Shown(found, found.in_words(today), found.taken())
        for found in cards.left(which_home.household(request).pk)
    ]
    return render(request, "billing/cards.html", {"mine": mine, "sold": _sold(today), "today": today})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def buy(request: SignedInRequest, card_id: int) -> HttpResponse:
    """What it costs and until when it holds, then one button; the price is the server's."""
    household, at = which_home.household(request), timezone.now()
    today = timezone.localdate(at)
    card = next((one for one in _sold(today) if one.pk == card_id), None)
    if card is None:
        raise Http404
    if request.method == "POST":
        try:
            asked = uuid.UUID(request.POST.get("cle", ""))
        except ValueError:
            asked = uuid.uuid4()
        made = cards.sell(household, card, by=request.user, at=at, asked_as=asked)
        messages.success(request, f"C'est fait : {made}, {euros(made.price)} sur votre prochaine facture.")
        return redirect("billing:cards")
    context = {"card": card, "words": card.preview(today), "key": uuid.uuid4()}
    return render(request, "billing/card_buy.html", context)


def words(enrolment: Enrolment) -> tuple[str, str]:
    """On a planning whose days a card of the household pays: what is left of it, and where its page is; or
    nothing."""
    if not cards_are_sold():
        return "", ""
    today = timezone.localdate()
    usable = [
        one
        for one in cards.left(enrolment.household_id)
        if one.usable(today) and enrolment.activity_id in one.activities
    ]
    # The oldest is used up first.
    said = [f"{one.row.name} : {_small(one.in_words(today))}." for one in reversed(usable)]
    return " ".join(said), reverse("billing:cards")


def _small(sentence: str) -> str:
    return f"{sentence[0].lower()}{sentence[1:]}"
