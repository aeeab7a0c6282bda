"""Places that are kept until they are paid: paid, given back at their hour, or before.

    pay(cart, by=…, at=…) -> Became      money came: the places are the children's, if they can be
    let_go(at=…)                         what was not paid in time goes to the next child
    give_back(cart, by=…, at=…)          the family does not want it any more
    extend(cart, at=…)                   once, while the bank's page is open
    amount(cart) -> Decimal              what is to be paid of the days that still wait

`booking.submit` fills a cart. Whoever ends or pays one holds the row of its household first, so that money
that is heard and an hour that strikes follow one another; then its slots.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from families.models import Custody, Household, User
from portal.database.composed import Composed, Given, GivenMany
from portal.reservations.acts import money_first, tasks
from portal.reservations.acts.booking import could_stand, finish, post_after
from portal.reservations.acts.places import Changes, _lock_slots, _places_of, fits, shelves_of, slots_of
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Booking, Cart, CartDay, Reservation
from portal.reservations.models.advances import CartQuerySet
from portal.reservations.states import BookingState, ReservationState

NOT_PAID = "La place n'a pas été payée à temps."
GIVEN_BACK = "La famille n'a pas payé : place rendue."
PAID = "Payé : la place est réservée."
TOO_LATE = "Ce panier est fini : ses places sont rendues. Réservez de nouveau."
State = Cart.State


class Became(Enum):
    """What money for a cart made of it."""

    PLACES = "places"  # its days are reserved
    ALREADY = "already"  # paid before
    NOTHING = "nothing"  # it came too late and there is no place any more: it is to be given back


def amount(cart: Cart) -> Decimal:
    """In euros, of the days that still wait."""
    prices = cart.days.filter(booking__state=BookingState.HELD).values_list("price", flat=True)
    return money_first.to_pay(prices, cart.percent)


def of_recording(recorded: Sequence[Reservation], at: datetime) -> Cart | None:
    """What keeps the places of reservations recorded at that moment; no query where the town asks nothing."""
    if not recorded or not money_first.is_asked():
        return None
    one = recorded[0]
    return next(iter(_made(household=one.household_id, at=at)), None)


@Composed
def _made() -> CartQuerySet:
    return Cart.objects.filter(household=Given("household"), made_at=Given("at"))[:1]


def of_reservations(recorded: Iterable[Reservation], at: datetime) -> dict[int, Cart]:
    """By reservation (its key), the cart in which its days wait to be paid. One query; none where nothing
    waits, or the town asks for nothing."""
    waiting = [one.pk for one in recorded if one.state == ReservationState.PENDING]
    if not waiting or not money_first.is_asked():
        return {}
    rows = _waiting_in(reservations=waiting, at=at)
    return {one.booking.reservation_id: one.cart for one in rows if one.booking.reservation_id is not None}


@Composed
def _waiting_in() -> "QuerySet[CartDay]":
    rows = CartDay.objects.filter(
        booking__reservation__pk__among=GivenMany("reservations"),
        booking__state=BookingState.HELD,
        cart__state=State.OPEN,
        cart__ends_at__gt=Given("at"),
    )
    return rows.select_related("cart", "booking")


def to_pay(household: Household, at: datetime) -> list[Cart]:
    """The household's carts that may still be paid, with days that wait, first the one that ends first; no
    query where nothing is asked."""
    return _to_pay(household=household.pk, at=at) if money_first.is_asked() else []


@Composed
def _to_pay() -> CartQuerySet:
    rows = Cart.objects.open().filter(household=Given("household"), ends_at__gt=Given("at"))
    held = rows.filter(days__booking__state=BookingState.HELD)
    return held.select_related("activity").distinct().order_by("ends_at")


@transaction.atomic
def pay(cart: Cart, *, by: User | None, at: datetime) -> Became:
    """Its money came. After its end its places are taken again, all of them or none."""
    cart = _held(cart)
    if cart.state == State.PAID:
        return Became.ALREADY
    if cart.state == State.OPEN and not cart.is_open(at):
        _end(cart, by=None, at=at, reason=NOT_PAID)
    if cart.state == State.ENDED:
        return _take_again(cart, by=by, at=at)
    _lock_slots(shelves_of(_days(cart, BookingState.HELD)))
    days = _days(cart, BookingState.HELD)
    _settle(cart, State.PAID if days else State.ENDED, at)  # without days: all of them were taken back
    changes = Changes(by=by, at=at, reason=PAID)
    for one in days:
        changes.take_up(one)
    changes.write()
    finish(changes)
    return Became.PLACES if days else Became.NOTHING


def _take_again(cart: Cart, *, by: User | None, at: datetime) -> Became:
    asked = _days(cart, BookingState.CANCELLED)
    children = {one.child_id for one in asked}
    live = Booking.objects.live().filter(child__in=children, day__in={one.day for one in asked})
    slots = _lock_slots(shelves_of(asked) | shelves_of(live))
    ended = [one for one in _days(cart, BookingState.CANCELLED) if one.changed_at == cart.settled_at]
    standing = list(live.all())
    places = _places_of(standing, slots)
    busy = {(one.child_id, slot.day, slot.part) for one in standing for slot in places[one.pk]}
    homes = {(one.child_id, one.household_id): one for one in Custody.objects.filter(child__in=children)}
    taken = {slot.pk: slot.taken for of_day in slots.values() for slot in of_day}
    today = timezone.localdate(at)
    changes = Changes(by=by, at=at, reason=PAID)
    for one in ended:
        (shelf,) = shelves_of([one])
        wanted = slots_of(slots.get(shelf, ()), one.formula)
        home = homes.get((one.child_id, one.household_id))
        lives = home is not None and home.holds_on(one.day) and home.holds_on(today)
        if (
            wanted is None
            or one.day < today
            or not lives
            or not one.enrolment.is_accepted
            or any(slot.closed or (one.child_id, slot.day, slot.part) in busy for slot in wanted)
            or not fits(wanted, taken)
        ):
            return Became.NOTHING
        busy.update((one.child_id, slot.day, slot.part) for slot in wanted)
        changes.grant(one, wanted, known=())
        changes.taken_up.append(one)
    if not ended or not could_stand(ended, at=at):
        return Became.NOTHING
    _settle(cart, State.PAID, at)
    changes.write()
    finish(changes)
    return Became.PLACES


def let_go(*, at: datetime) -> int:
    """Carts whose hour has passed; returns how many. Each in its own transaction."""
    late = Cart.objects.open().filter(ends_at__lte=at).order_by("ends_at", "pk")
    return sum(_let_go(cart, at) for cart in late)


@transaction.atomic
def _let_go(cart: Cart, at: datetime) -> bool:
    cart = _held(cart)
    if cart.state != State.OPEN or cart.is_open(at):  # paid, or extended, meanwhile
        return False
    _end(cart, by=None, at=at, reason=NOT_PAID)
    return True


@transaction.atomic
def give_back(cart: Cart, *, by: User, at: datetime) -> None:
    """Told again, changes nothing."""
    cart = _held(cart)
    if cart.state == State.OPEN:
        _end(cart, by=by, at=at, reason=GIVEN_BACK)


@transaction.atomic
def extend(cart: Cart, *, at: datetime) -> Cart:
    """The bank's page opens: its places are kept as long again from now, once. Raises BookingRefused at its
    end, and where it is paid."""
    cart = _held(cart)
    if cart.state == State.PAID:
        raise BookingRefused("Ce panier est déjà payé.")
    if not cart.is_open(at):
        raise BookingRefused(TOO_LATE)
    if not cart.extended:
        cart.extended = True
        cart.ends_at = max(cart.ends_at, at + timedelta(minutes=cart.minutes))
        cart.save(update_fields=["extended", "ends_at"])
        transaction.on_commit(partial(tasks.let_offers_go_at, cart.ends_at), robust=True)
    return cart


def _held(cart: Cart) -> Cart:
    """As it stands once its household's row is held: reservations of the household, which hold their slots
    already, do not wait for it."""
    Household.objects.lock([cart.household_id], rows_may_come=True)
    stands = Cart.objects.select_for_update(no_key=True).filter(pk=cart.pk)
    return stands.get()


def _settle(cart: Cart, state: str, at: datetime) -> None:
    cart.state, cart.settled_at = state, at
    cart.save(update_fields=["state", "settled_at"])


def _days(cart: Cart, state: BookingState) -> list[Booking]:
    rows = Booking.objects.filter(cart_day__cart=cart, state=state).select_related("enrolment", "formula")
    return list(rows.order_by("pk"))


def _end(cart: Cart, *, by: User | None, at: datetime, reason: str) -> None:
    """Its places go to those who wait for them."""
    _settle(cart, State.ENDED, at)
    _lock_slots(shelves_of(_days(cart, BookingState.HELD)))
    held = _days(cart, BookingState.HELD)
    changes = Changes(by=by, at=at, reason=reason)
    for one in held:
        changes.move(one, BookingState.CANCELLED)
    changes.write()
    finish(changes)
    if by is None and held:
        post_after(tasks.tell_not_paid, cart.household_id, [one.pk for one in held])
