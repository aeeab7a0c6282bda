"""A place that is offered, or kept to be paid, stands until its hour, whoever reads it and whether the worker
runs or not: the first page opened after that hour lets it go, before anything is read of it."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import DatabaseError
from django.db.models import Min
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from portal.database.kept import KeptAWhile
from portal.reservations.acts import booking, carts, money_first
from portal.reservations.models import Booking, Cart

logger = logging.getLogger(__name__)


@KeptAWhile
def _next_hour() -> datetime | None:
    """The first hour at which an offer, or a cart, that stands ends. Read twice a minute: it lasts longer."""
    offer: datetime | None = Booking.objects.offered().aggregate(hour=Min("offered_until"))["hour"]
    cart = None
    if money_first.is_asked():
        cart = Cart.objects.open().aggregate(hour=Min("ends_at"))["hour"]
    return min((hour for hour in (offer, cart) if hour is not None), default=None)


def forget() -> None:
    """Reads the next hour anew."""
    _next_hour.forget()


def let_go(*, at: datetime) -> int:
    """Lets go what was offered until now; returns how many. Almost always there is nothing to ask."""
    hour = _next_hour()
    if hour is None or at < hour:
        return 0
    gone = booking.let_offers_go(at=at) + carts.let_go(at=at)
    forget()
    return gone


class LateOffersMiddleware:
    """Before each page behind the login: a family's, or the desk's."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Callable[..., Any], *_: object) -> None:
        """A place that cannot be let go at this moment keeps no page from being read."""
        if not getattr(view, "login_required", True):
            return
        try:
            let_go(at=timezone.now())
        except DatabaseError:
            logger.exception("Places offered until now could not be let go.")
