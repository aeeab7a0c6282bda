"""Starting an online payment: which invoices it may pay, its row, then the provider's page.

    start(household, wanted, by=…, at=…) -> OnlinePayment      opens the provider's page for some invoices
    start_cart(cart, by=…, at=…) -> OnlinePayment              the same for places kept until they are paid

Starting, hearing, asking and refunding are together the only writers of online payments. No word of a browser
comes here: a return from the provider's page only makes us ask. Every change is made under the lock of the
household's row, so that desks, tabs and notifications follow one another; a thing said twice, or late,
changes nothing the second time. Calls to a provider are never made inside a transaction.
"""

import secrets
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TypeAlias

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone
from django_stubs_ext import WithAnnotations
from django_tasks import task

from billing.invoices import regies
from billing.models import (
    ONLINE_OPEN,
    Balance,
    BillingSettings,
    Debit,
    Invoice,
    InvoiceWithBalance,
    OnlinePayment,
    OnlinePaymentInvoice,
    OnlineState,
    PaymentState,
)
from billing.payments import plans
from billing.payments.asking import check
from billing.payments.events import CENT, ZERO, Kind, OnlinePaymentRefused, logger, write_down
from billing.payments.providers import choosing
from billing.payments.providers.interface import (
    OpenedPage,
    PaidItem,
    PaymentOrder,
    Provider,
    ProviderDown,
    ProviderRefused,
)
from families.models import Household, User
from portal.french.amounts import euros
from portal.reservations.acts import carts
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Cart

# No 0, O, 1, I: a reference may be read over the telephone.
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LOOK_AFTER_THE_END, LOOK_EVERY = timedelta(minutes=1), timedelta(hours=1)


class UnderWay(OnlinePaymentRefused):
    """One of the invoices is being paid already, in `payment`."""

    def __init__(self, payment: OnlinePayment) -> None:
        super().__init__("Une de ces factures est déjà en cours de paiement.")
        self.payment = payment


class OnItsWay(Balance):
    """What `on_their_way` adds to an invoice: the key and the reference of an open payment, a debit's day."""

    under_way: int | None
    reference: str | None
    debited_on: date | None


InvoiceToPay: TypeAlias = "WithAnnotations[Invoice, OnItsWay]"


def to_pay(household: Household) -> list[InvoiceToPay]:
    """The household's unpaid invoices, oldest first, with what `on_their_way` says."""
    rows = Invoice.objects.with_balance().filter(household=household, left__gt=ZERO)
    return list(on_their_way(rows).order_by("pay_by", "issued_at", "sequence"))


def _shares() -> QuerySet[OnlinePaymentInvoice]:
    return OnlinePaymentInvoice.objects.filter(invoice=OuterRef("pk"), online_payment__state__in=ONLINE_OPEN)


def _debits() -> QuerySet[Debit]:
    return Debit.objects.filter(invoice=OuterRef("pk"), payment__state=PaymentState.PENDING)


def is_paid_online() -> Exists:
    """Whether an invoice is being paid at a bank's page, for an annotation."""
    return Exists(_shares())


def is_debited() -> Exists:
    """Whether an invoice is being paid by a debit asked for, for an annotation."""
    return Exists(_debits())


def on_their_way(rows: QuerySet[InvoiceWithBalance]) -> QuerySet[InvoiceToPay]:
    """Invoices, those on their way to be paid saying so."""
    part, debit = _shares(), _debits()
    return rows.annotate(
        under_way=Subquery(part.values("online_payment")[:1]),
        reference=Subquery(part.values("online_payment__reference")[:1]),
        debited_on=Subquery(debit.values("file__collected_on")[:1]),
    )


def start(
    household: Household, wanted: Mapping[int, Decimal | None], *, by: User | None, at: datetime
) -> OnlinePayment:
    """Opens the provider's page for invoices (by pk); None pays what is left, an amount a part of it.

    Raises OnlinePaymentRefused, with nothing charged, and UnderWay when one of them is being paid elsewhere.
    """
    with transaction.atomic():
        Household.objects.lock([household.pk])
        provider, parts, amount = _order_of(household, wanted)
        payment = OnlinePayment.objects.create(
            reference=_reference(at),
            household=household,
            regie_id=parts[0][0].regie_id,
            provider=provider.name,
            amount=amount,
            email=by.email if by else "",
            started_by=by,
            started_at=at,
            expires_at=at + timedelta(hours=1),
        )
        OnlinePaymentInvoice.objects.bulk_create(
            OnlinePaymentInvoice(online_payment=payment, invoice=invoice, amount=share)
            for invoice, share in parts
        )
    return _open(provider, payment, at)


def start_cart(cart: Cart, *, by: User | None, at: datetime) -> OnlinePayment:
    """Opens the provider's page for places that are kept until they are paid; once, they are kept as long
    again from now. What is paid already on the way there is answered.

    Raises OnlinePaymentRefused, with nothing charged, once the cart is over.
    """
    with transaction.atomic():
        Household.objects.lock([cart.household_id])
        under_way = OnlinePayment.objects.open().filter(cart=cart).first()
        if under_way is not None:
            return under_way
        try:
            cart = carts.extend(cart, at=at)
        except BookingRefused as refusal:
            raise OnlinePaymentRefused(str(refusal)) from refusal
        amount = carts.amount(cart)
        if not amount:
            raise OnlinePaymentRefused("Il n'y a plus rien à payer dans ce panier.")
        regie = next(iter(regies.of_activities([cart.activity_id]) or ()), None)
        provider = _provider(regie, amount)
        payment = OnlinePayment.objects.create(
            reference=_reference(at),
            household_id=cart.household_id,
            regie_id=regie,
            cart=cart,
            provider=provider.name,
            amount=amount,
            email=by.email if by else "",
            started_by=by,
            started_at=at,
            expires_at=at + timedelta(hours=1),
        )
    return _open(provider, payment, at)


def start_top_up(
    household: Household, amount: Decimal, *, regie: int | None, by: User | None, at: datetime
) -> OnlinePayment:
    """Opens the provider's page for money that the household adds to its account with a régie. Raises
    OnlinePaymentRefused, with nothing charged."""
    if amount <= 0 or amount != amount.quantize(ZERO):
        raise OnlinePaymentRefused("Indiquez un montant positif, au centime près.")
    with transaction.atomic():
        Household.objects.lock([household.pk])
        provider = _provider(regie, amount)
        payment = OnlinePayment.objects.create(
            reference=_reference(at),
            household=household,
            regie_id=regie,
            provider=provider.name,
            amount=amount,
            email=by.email if by else "",
            started_by=by,
            started_at=at,
            expires_at=at + timedelta(hours=1),
        )
    return _open(provider, payment, at)


def check_order(household: Household, wanted: Mapping[int, Decimal | None]) -> None:
    """Raises what `start` would, before anything is summed up: OnlinePaymentRefused, UnderWay."""
    _order_of(household, wanted)


def _order_of(
    household: Household, wanted: Mapping[int, Decimal | None]
) -> tuple[Provider, list[tuple[Invoice, Decimal]], Decimal]:
    """Who takes it, what is paid of each invoice, and in all, within what the provider takes."""
    parts = _parts(household, wanted)
    amount = sum((share for _, share in parts), ZERO)
    return _provider(parts[0][0].regie_id, amount), parts, amount


def _provider(regie: int | None, amount: Decimal) -> Provider:
    """Who takes that amount for a régie. Raises OnlinePaymentRefused."""
    provider = choosing.current(regies.code_of(regie))
    if provider is None:
        raise OnlinePaymentRefused("Le paiement en ligne n'est pas proposé par votre mairie.")
    if amount < provider.minimum:
        raise OnlinePaymentRefused(f"Le paiement en ligne commence à {euros(provider.minimum)}.")
    if amount > provider.maximum:
        raise OnlinePaymentRefused(
            f"Le paiement en ligne s'arrête à {euros(provider.maximum)} : payez en deux fois."
        )
    return provider


def _parts(household: Household, wanted: Mapping[int, Decimal | None]) -> list[tuple[Invoice, Decimal]]:
    """The invoices and what of each is paid; the caller holds the household's lock."""
    found = {invoice.pk: invoice for invoice in Invoice.objects.with_balance().filter(household=household)}
    if not wanted:
        raise OnlinePaymentRefused("Choisissez au moins une facture.")
    if set(wanted) - set(found):
        raise OnlinePaymentRefused("Une de ces factures n'est pas la vôtre.")
    if len({found[pk].regie_id for pk in wanted}) > 1:
        raise OnlinePaymentRefused("Ces factures se paient séparément : elles ne sont pas de la même régie.")
    open_part = (
        OnlinePaymentInvoice.objects.filter(invoice__in=wanted, online_payment__state__in=ONLINE_OPEN)
        .select_related("online_payment")
        .first()
    )
    if open_part is not None:
        raise UnderWay(open_part.online_payment)
    debited = set(
        Debit.objects.filter(invoice__in=wanted, payment__state=PaymentState.PENDING).values_list(
            "invoice", flat=True
        )
    )
    in_parts = BillingSettings.current().part_payment
    agreed = plans.among(found[pk] for pk in wanted)
    parts: list[tuple[Invoice, Decimal]] = []
    for pk, asked in wanted.items():
        invoice = found[pk]
        if invoice.left <= 0:
            raise OnlinePaymentRefused(f"La facture n°\xa0{invoice.number} n'est plus à payer.")
        if pk in debited:
            raise OnlinePaymentRefused(
                f"La facture n°\xa0{invoice.number} est déjà confiée à la banque pour prélèvement."
            )
        share = invoice.left if asked is None else asked
        if share != invoice.left and not in_parts and share != _next_part(agreed, invoice):
            raise OnlinePaymentRefused("Votre mairie demande de payer chaque facture en entier.")
        if share <= 0 or share != share.quantize(ZERO) or share > invoice.left:
            raise OnlinePaymentRefused(
                f"Sur la facture n°\xa0{invoice.number}, payez entre {euros(CENT)} et {euros(invoice.left)}."
            )
        parts.append((invoice, share))
    return parts


def _next_part(agreed: Mapping[int, plans.Schedule], invoice: InvoiceWithBalance) -> Decimal | None:
    plan = agreed.get(invoice.pk)
    return None if plan is None else plan.next(invoice.total - invoice.left)


def _open(provider: Provider, payment: OnlinePayment, at: datetime) -> OnlinePayment:
    """Asks for the page. When that fails nobody has its address, so nobody can pay there: it is abandoned."""
    order = _order(payment)
    try:
        opened = provider.open(order)
    except (ProviderDown, ProviderRefused) as error:
        logger.warning("Payment page not opened: %s", error)
        with transaction.atomic():
            Household.objects.lock([payment.household_id])
            OnlinePayment.objects.filter(pk=payment.pk, state=OnlineState.STARTED).update(
                state=OnlineState.CANCELLED, settled_at=at
            )
            write_down(payment, Kind.START, f"La page ne s'est pas ouverte : {error}", at)
        if isinstance(error, ProviderRefused):
            raise OnlinePaymentRefused(f"{error} Rien n'a été débité.") from error
        raise OnlinePaymentRefused(
            "Le service de paiement ne répond pas. Rien n'a été débité : réessayez dans quelques minutes."
        ) from error
    return _opened(payment, opened, at)


def _opened(payment: OnlinePayment, opened: OpenedPage, at: datetime) -> OnlinePayment:
    with transaction.atomic():
        Household.objects.lock([payment.household_id])
        payment.provider_reference = opened.provider_reference
        payment.url, payment.expires_at = opened.url, opened.expires_at
        payment.save(update_fields=["provider_reference", "url", "expires_at"])
        write_down(payment, Kind.START, "Page de paiement ouverte.", at, raw=opened.raw)
        transaction.on_commit(
            partial(_look_at, payment.pk, opened.expires_at + LOOK_AFTER_THE_END), robust=True
        )
    payment.refresh_from_db()
    return payment


def _look_at(payment_id: int, moment: datetime) -> None:
    """Has the worker ask about a payment later; where tasks cannot wait, `reconcile_payments` does."""
    if look_again.get_backend().supports_defer:
        look_again.using(run_after=moment).enqueue(payment_id)


@task()
def look_again(payment_id: int) -> None:
    """Asks about a payment whose page has expired, or whose bank takes its time, until it is answered."""
    payment = OnlinePayment.objects.get(pk=payment_id)
    if not (payment.is_open or payment.state == OnlineState.REFUSED):
        return
    now = timezone.now()
    try:
        check(payment, at=now)
    except (ProviderDown, ProviderRefused) as error:
        logger.warning("A payment was not answered: %s", error)
    if payment.is_open and not payment.trouble:
        _look_at(payment.pk, now + LOOK_EVERY)


def _order(payment: OnlinePayment) -> PaymentOrder:
    portal = settings.PORTAL_URL.rstrip("/")
    items = [
        PaidItem(f"Facture n° {part.invoice.number}", part.amount, part.invoice.number)
        for part in payment.parts.select_related("invoice")
    ]
    if not items:
        what = f"Réservation, {payment.cart.activity}" if payment.cart is not None else "Compte famille"
        items = [PaidItem(what, payment.amount, payment.reference)]
    return PaymentOrder(
        reference=payment.reference,
        items=items,
        email=payment.email,
        started_at=payment.started_at,
        return_url=portal + reverse("billing:payment_return", args=[payment.reference]),
        notify_url=portal + notified_at(payment.provider, payment.regie.code if payment.regie else ""),
    )


def notified_at(provider: str, code: str) -> str:
    """Where a provider sends what it says of a régie's payments: the address tells whose contract it is."""
    if code:
        return reverse("billing:regie_payment_notification", args=[provider, code.lower()])
    return reverse("billing:payment_notification", args=[provider])


def _reference(at: datetime) -> str:
    return f"P{timezone.localtime(at):%y}" + "".join(secrets.choice(LETTERS) for _ in range(13))
