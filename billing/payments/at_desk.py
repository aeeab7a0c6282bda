"""Money taken at the desk: for invoices, or for places that are kept until they are paid.

take(household, amount, means, cart=None, …) -> Payment     what `paying.record` writes, and the cart's places
"""

from datetime import date, datetime
from decimal import Decimal

from django.db import transaction

from billing.invoices import regies
from billing.models import Invoice, Payment
from billing.payments import paying
from billing.payments.paying import PaymentRefused
from families.models import Household, User
from portal.french.amounts import euros
from portal.reservations.acts import carts
from portal.reservations.acts.carts import Became
from portal.reservations.models import Cart


@transaction.atomic
def take(
    household: Household,
    amount: Decimal,
    means: str,
    *,
    cart: Cart | None,
    paid_on: date,
    by: User,
    at: datetime,
    reference: str = "",
    invoices: list[Invoice] | None = None,
    regie: int | None = None,
    keep_surplus: bool = False,
) -> Payment:
    """With a `cart`, no invoice is paid: the money waits on the household's account for the next one. Raises
    PaymentRefused, nothing being written: also where its places are gone, or the amount does not do."""
    if cart is None:
        return paying.record(
            household,
            amount,
            means,
            paid_on=paid_on,
            by=by,
            at=at,
            reference=reference,
            invoices=invoices,
            regie=regie,
            keep_surplus=keep_surplus,
        )
    # Its slots before the money: who books for the household beside does not wait for both.
    Household.objects.lock([household.pk], rows_may_come=True)
    if cart.household_id != household.pk:
        raise PaymentRefused("Ce panier est celui d'un autre foyer.")
    if amount < (due := carts.amount(cart)):
        raise PaymentRefused(f"Ce panier est de {euros(due)}.")
    if carts.pay(cart, by=by, at=at) is not Became.PLACES:
        raise PaymentRefused("Ce panier est fini ou déjà payé : rien n'est encaissé.")
    return paying.record(
        household,
        amount,
        means,
        paid_on=paid_on,
        by=by,
        at=at,
        reference=reference,
        invoices=[],
        regie=next(iter(regies.of_activities([cart.activity_id]) or ()), None),
        keep_surplus=True,
    )
