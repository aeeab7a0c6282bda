"""Paying invoices online: choose, sum up, go to the bank, come back to the truth."""

import logging
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from billing.documents import receipts
from billing.invoices import regies
from billing.models import (
    BillingSettings,
    DemoBankOrder,
    InvoiceState,
    OnlinePayment,
    OnlineState,
    Payment,
    PaymentEvent,
    Regie,
)
from billing.payments import asking, events, plans, starting, strays
from billing.payments.providers import choosing
from billing.payments.providers import demo_bank as bank
from billing.payments.providers.interface import NotificationRefused, ProviderDown, ProviderRefused
from billing.payments.starting import InvoiceToPay
from families import which_home
from portal.files.handing_over import hand_over
from portal.french import numbers
from portal.reservations.models import Cart
from portal.web.signed_in import SignedInRequest

logger = logging.getLogger(__name__)

LARGEST_NOTIFICATION = 256 * 1024
FORGED_KEPT_LETTERS = 2000


def _asked(request: SignedInRequest, unpaid: Sequence[InvoiceToPay]) -> tuple[dict[int, Decimal | None], str]:
    """What the address says to pay: invoice → amount (None: all of it), and why it cannot be read.

    An amount that repeats what is left is the whole of it.
    """
    left = {str(invoice.pk): invoice for invoice in unpaid}
    wanted: dict[int, Decimal | None] = {}
    for key in request.GET.getlist("facture"):
        if key not in left:
            return {}, "Une de ces factures n'est plus à payer."
        typed = numbers.plain(request.GET.get(f"montant-{key}", ""))
        try:
            amount = Decimal(typed) if typed else None
            if amount is not None and (not amount.is_finite() or abs(amount) > 10**7):
                raise InvalidOperation
        except InvalidOperation:
            return {}, f"Le montant de la facture n°\xa0{left[key].number} n'est pas un nombre."
        wanted[int(key)] = None if amount == left[key].left else amount
    return wanted, "" if wanted else "Choisissez au moins une facture."


@never_cache
@require_safe
def choose(request: SignedInRequest) -> HttpResponse:
    """« Règlement de factures »: the unpaid invoices, to tick."""
    return _choice(request, starting.to_pay(which_home.household(request)))


def _is_free(invoice: InvoiceToPay) -> bool:
    """Whether nothing pays it yet, neither a page of the bank nor a debit."""
    return invoice.under_way is None and invoice.debited_on is None


def _choice(request: SignedInRequest, unpaid: Sequence[InvoiceToPay], error: str = "") -> HttpResponse:
    ticked = set(request.GET.getlist("facture"))
    today = timezone.localdate()
    under_way = OnlinePayment.objects.in_bulk({one.under_way for one in unpaid if one.under_way})
    agreed = plans.among(unpaid)
    parts = {pk: agreed[pk].next(one.total - one.left) for one in unpaid if (pk := one.pk) in agreed}
    in_parts = BillingSettings.current().part_payment
    rows = [
        {
            "invoice": invoice,
            "payment": under_way.get(invoice.under_way),
            "free": (free := _is_free(invoice)),
            "ticked": str(invoice.pk) in ticked or (not ticked and not error and free),
            "amount": request.GET.get(
                f"montant-{invoice.pk}", f"{parts.get(invoice.pk, invoice.left):.2f}".replace(".", ",")
            ),
            "part": parts.get(invoice.pk),
            "in_parts": in_parts or invoice.pk in parts,
            "cents": int(invoice.left * 100),
            "late": invoice.state_on(today) == InvoiceState.OVERDUE,
        }
        for invoice in unpaid
    ]
    names = regies.named(one.regie_id for one in unpaid)
    groups = [
        _of_regie(
            names.get(key, ""),
            key,
            [row for one, row in zip(unpaid, rows, strict=True) if one.regie_id == key],
        )
        for key in names or [None]
    ]
    online = [(one["name"], one["total"]) for one in groups if one["possible"]]
    context = {
        "rows": rows,
        "error": error,
        "in_parts": in_parts,
        "groups": groups,
        "several": online if len(online) > 1 else [],
        "possible": bool(online),
    }
    return render(request, "billing/payments/choose.html", context)


def _of_regie(name: str, regie: int | None, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The invoices of a régie, which are paid together; its name where there are several."""
    provider = choosing.current(regies.code_of(regie))
    return {
        "name": name,
        "rows": rows,
        "total": sum((row["invoice"].left for row in rows), Decimal(0)),
        "minimum": provider.minimum if provider else None,
        "possible": provider is not None,
        "any_free": any(row["free"] for row in rows),
    }


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def summary(request: SignedInRequest) -> HttpResponse:
    """« Récapitulatif »: what will be debited; « Payer » opens the bank's page."""
    household = which_home.household(request)
    unpaid = starting.to_pay(household)
    wanted, error = _asked(request, unpaid)
    if error:
        return _choice(request, unpaid, error)
    if request.method == "POST":
        try:
            payment = starting.start(household, wanted, by=request.user, at=timezone.now())
        except starting.UnderWay as refusal:
            messages.warning(request, str(refusal))
            return redirect("billing:payment", refusal.payment.reference)
        except events.OnlinePaymentRefused as refusal:
            return _choice(request, starting.to_pay(household), str(refusal))
        return redirect("billing:payment_go", payment.reference)
    try:
        starting.check_order(household, wanted)
    except starting.UnderWay as refusal:
        messages.warning(request, str(refusal))
        return redirect("billing:payment", refusal.payment.reference)
    except events.OnlinePaymentRefused as refusal:
        return _choice(request, unpaid, str(refusal))
    amounts = {invoice: wanted[invoice.pk] or invoice.left for invoice in unpaid if invoice.pk in wanted}
    today = timezone.localdate()
    return render(
        request,
        "billing/payments/summary.html",
        {
            "rows": [
                {
                    "invoice": invoice,
                    "amount": amount,
                    "remains": invoice.left - amount,
                    "late": invoice.state_on(today) == InvoiceState.OVERDUE,
                }
                for invoice, amount in amounts.items()
            ],
            "total": sum(amounts.values(), Decimal(0)),
            "regie": ", ".join(regies.named(invoice.regie_id for invoice in amounts).values()),
            "query": request.GET.urlencode(),
        },
    )


@require_POST
def pay_cart(request: SignedInRequest, cart_id: int) -> HttpResponse:
    """« Payer » of a cart: to the bank's page, or back to the cart, which says why not."""
    cart = which_home.row(request, Cart.objects.visible_to(request.user), pk=cart_id)
    try:
        payment = starting.start_cart(cart, by=request.user, at=timezone.now())
    except events.OnlinePaymentRefused as refusal:
        messages.warning(request, str(refusal))
        return redirect("reservations:cart", cart.pk)
    return redirect("billing:payment_go", payment.reference)


def way_to_pay(cart: Cart) -> str:
    """Where a cart is paid online; nothing where its régie takes no payments online."""
    regie = next(iter(regies.of_activities([cart.activity_id]) or ()), None)
    if choosing.current(regies.code_of(regie)) is None:
        return ""
    return reverse("billing:pay_cart", args=[cart.pk])


@never_cache
@require_safe
def go(request: SignedInRequest, reference: str) -> HttpResponse:
    """To the bank's page. A page of ours in between: browsers let no form lead to another site here."""
    found = which_home.row(request, OnlinePayment.objects.visible_to(request.user), reference=reference)
    if found.state != OnlineState.STARTED or not found.url:
        return redirect("billing:payment", reference)
    if found.url.startswith("/"):
        return redirect(found.url)
    return render(request, "billing/payments/go.html", {"payment": found})


@never_cache
@require_safe
def payment(request: SignedInRequest, reference: str) -> HttpResponse:
    """Where a payment stands, and what can be done now."""
    rows = OnlinePayment.objects.visible_to(request.user).select_related("payment", "cart__activity")
    found = which_home.row(request, rows, reference=reference)
    return render(
        request,
        "billing/payments/payment.html",
        {
            "payment": found,
            "parts": (parts := list(found.parts.select_related("invoice"))),
            "tops_up": found.cart is None and not parts,
            "refunds": found.refunds.filter(state="done"),
            # The bank's page still answers: unfinished, or a demonstration whose bank hesitates.
            "can_continue": bool(found.url)
            and (found.state == OnlineState.STARTED or (found.is_open and found.provider == "demo")),
        },
    )


@require_safe
def receipt(request: SignedInRequest, number: str) -> HttpResponse:
    """The receipt of a payment that counts, online or not."""
    found = which_home.row(request, Payment.objects.visible_to(request.user).validated(), number=number)
    return hand_over(receipts.render(found), f"Recu-{found.number}.pdf", inline=True)


@require_POST
def abandon(request: SignedInRequest, reference: str) -> HttpResponse:
    """« Abandonner ce paiement »: its invoices can be paid anew once the bank has closed its page."""
    found = which_home.row(request, OnlinePayment.objects.visible_to(request.user), reference=reference)
    if found.state == OnlineState.STARTED:
        try:
            found = asking.abandon(found, at=timezone.now())
        except (ProviderDown, ProviderRefused):
            messages.warning(
                request, "La banque ne répond pas pour l'instant : réessayez dans quelques minutes."
            )
        else:
            if found.state == OnlineState.STARTED:
                messages.info(
                    request,
                    "La page de paiement n'est pas encore fermée. Elle se fermera seule, et vos factures"
                    " redeviendront payables.",
                )
    return redirect("billing:payment", reference)


@csrf_exempt
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def come_back(request: HttpRequest, returning: str) -> HttpResponse:
    """Back from the bank. Nothing the browser says is read: the bank is asked, then the payment's page shows.

    Public, because some banks come back by a form, which brings no session.
    """
    found = get_object_or_404(OnlinePayment, reference=returning)
    if (found.is_open or found.state == OnlineState.REFUSED) and cache.add(f"payment-asked-{found.pk}", 1, 2):
        try:
            asking.check(found, at=timezone.now())
        except (ProviderDown, ProviderRefused) as error:
            logger.warning("The bank was not heard on return: %s", error)
    return redirect("billing:payment", found.reference)


@csrf_exempt
@login_not_required
@require_POST
def notification(request: HttpRequest, provider: str, code: str = "") -> HttpResponse:
    """What a provider sends: 200 once applied, 400 when it is not from it, 503 to have it sent again.

    Only the town's providers have such a door; `code` says by which further régie's contract, and only that
    régie's secret proves it.
    """
    regie = get_object_or_404(Regie, code=code.upper()) if code else None
    if not asking.expects(provider, at=timezone.now(), regie=regie):
        raise Http404
    contract = regie.code if regie else ""
    body = request.read(LARGEST_NOTIFICATION + 1)
    try:
        if len(body) > LARGEST_NOTIFICATION:
            raise NotificationRefused("Notification trop longue.")
        notice = choosing.named(provider, contract).read_notification(request.headers, body)
    except NotificationRefused as refusal:
        _keep_forged(provider, str(refusal), body)
        return HttpResponse(status=400)
    if notice is None:
        return HttpResponse(status=200)
    try:
        asking.notify(provider, notice, at=timezone.now(), regie=regie)
    except (ProviderDown, ProviderRefused) as error:
        logger.warning("A notification waits: %s", error)
        return HttpResponse(status=503)
    return HttpResponse(status=200)


def _keep_forged(provider: str, why: str, body: bytes) -> None:
    logger.warning("A notification for %s was refused.", provider)
    now = timezone.now()
    if strays.room(now):
        PaymentEvent.objects.create(
            provider=provider,
            kind=PaymentEvent.Kind.FORGED,
            note=why[:300],
            raw={"body": body[:FORGED_KEPT_LETTERS].decode(errors="replace").replace("\x00", "")},
            at=now,
        )


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def demo_bank(request: HttpRequest, token: str) -> HttpResponse:
    """The demonstration bank's page; a real bank has its own, and knows no login of ours."""
    if not settings.DEMO:
        raise Http404
    order = get_object_or_404(DemoBankOrder, token=token)
    if request.method != "POST":
        expired = order.outcome == DemoBankOrder.Outcome.OPEN and order.expires_at <= timezone.now()
        return render(request, "billing/payments/demo_bank.html", {"order": order, "expired": expired})
    outcome = request.POST.get("answer", "")
    if outcome not in DemoBankOrder.Outcome.values or outcome == DemoBankOrder.Outcome.OPEN:
        messages.error(request, "Choisissez une réponse.")
        return redirect("billing:demo_bank", token)
    if bank.press(order, outcome, timezone.now()):
        headers, body = bank.notification(order)
        notice = choosing.named("demo").read_notification(headers, body)
        if notice is not None:
            paid = OnlinePayment.objects.filter(reference=order.reference).select_related("regie").first()
            asking.notify("demo", notice, at=timezone.now(), regie=paid.regie if paid else None)
    else:
        messages.info(request, "La banque a déjà répondu, ou cette page a expiré.")
    return redirect("billing:payment_return", order.reference)
