"""The cash desk: one page that finds a family, takes its money and opens the numbered receipt.

Without a script the receipt is printed by the browser's own command, or opened as PDF.
"""

from collections import Counter
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core import signing
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.admin.fields import AmountField
from billing.admin.kept import note_if_erased
from billing.admin.once import AlreadySent, OnceForm
from billing.admin.regies import OfARegie
from billing.documents import receipts
from billing.models import Invoice, InvoiceWithBalance, Payment
from billing.payments import at_desk, deposits, means, paying, under_way
from billing.rules.means import Means
from billing.rules.pricing import rounded
from families.custody import own
from families.desk_links import guardian_names
from families.models import Household
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.day_fields import NearDateField
from portal.reservations.acts import carts
from portal.reservations.models import Cart
from portal.web.signed_in import SignedInRequest

LINK = DeskLink(
    "Encaisser un règlement",
    "billing_payment_take",
    "billing.add_payment",
    "la famille, le montant, le moyen : la quittance s'imprime",
    order=1,
)
FOUND_AT_MOST = 20
# So long is a receipt opened from the desk the original; later it is a duplicate.
ORIGINAL_SECONDS = 15 * 60
_signer = signing.TimestampSigner(salt="billing.receipt")


class UnpaidInvoices(forms.ModelMultipleChoiceField[InvoiceWithBalance]):
    """Invoices to tick, each with what is left of it."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: InvoiceWithBalance) -> str:
        return f"{obj.number} ({obj.month_name}) : reste {euros(obj.left)}"


class CartsToPay(forms.ModelChoiceField[Cart]):
    """Places that are kept until they are paid, each with how much and until when."""

    def label_from_instance(self, obj: Cart) -> str:
        return f"{obj.activity} : {euros(carts.amount(obj))}, {moments.until(obj.ends_at)}"


class PaymentForm(OfARegie, OnceForm):
    """Money taken at the desk, for all unpaid invoices of a household or for those chosen."""

    regie_help = "Celle des factures cochées, s'il y en a."

    amount = AmountField(label="Montant")
    means = forms.ChoiceField(label="Moyen de paiement")
    reference = forms.CharField(label="Référence", max_length=100, required=False)
    paid_on = NearDateField(label="Payé le")

    def __init__(self, *args: Any, household: Household, ways: list[Means], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["means"].choices = [(one.code, one.label) for one in ways]  # type: ignore[attr-defined]  # a ChoiceField
        asked = [f"{one.label} : {one.reference}" for one in ways if one.reference]
        self.fields["reference"].help_text = ". ".join(asked)
        self.fields["amount"].widget.attrs["autofocus"] = True
        unpaid = Invoice.objects.with_balance().filter(household=household, left__gt=Decimal(0))
        self.fields["invoices"] = UnpaidInvoices(
            unpaid.order_by("due_on", "sequence"),
            label="Pour les factures",
            required=False,
            help_text="Aucune cochée : la plus ancienne d'abord.",
        )
        self.carts = carts.to_pay(household, timezone.now())
        if self.carts:
            waiting = Cart.objects.filter(pk__in=[one.pk for one in self.carts])
            self.fields["cart"] = CartsToPay(
                waiting.select_related("activity").order_by("ends_at"),
                label="Pour un panier",
                required=False,
                empty_label="Aucun",
                help_text="Ses places sont réservées dès l'encaissement ; la somme reste au compte du foyer, "
                "pour sa prochaine facture.",
            )
        if any(one.no_change or one.limited for one in ways):
            self.fields["keep_surplus"] = forms.BooleanField(
                label="Garder ce qui dépasse",
                required=False,
                help_text="Ce que le moyen ne peut pas payer aujourd'hui reste pour les factures suivantes.",
            )

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        cart, amount = said.get("cart"), said.get("amount")
        if cart is not None and said.get("invoices"):
            self.add_error("cart", "Encaissez le panier et les factures à part.")
        elif cart is not None and amount is not None and amount < (due := carts.amount(cart)):
            self.add_error("amount", f"Ce panier est de {euros(due)}.")
        return said


class CashDesk(OwnPages[Payment]):
    """Adds these pages to payments'."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("encaisser/", wrap(self.take), name="billing_payment_take"),
            path("encaisser/<int:household>/", wrap(self.take_from), name="billing_payment_take_from"),
            path("<int:pk>/quittance/", wrap(self.receipt), name="billing_payment_receipt"),
            path("<int:pk>/quittance.pdf", wrap(self.receipt_pdf), name="billing_payment_receipt_pdf"),
            *super().get_urls(),
        ]

    def take(self, request: SignedInRequest) -> HttpResponse:
        """Whose money it is, of a name, a household's number or an invoice's."""
        self.demand(request, "billing.add_payment")
        # A page of before posts a number.
        said = (request.GET.get("q") or request.POST.get("number", "")).strip()
        if not said:
            return self._till(request, {"q": ""})
        found = self._found(request, said)
        if len(found) == 1:
            return redirect("admin:billing_payment_take_from", found[0].pk)
        names = guardian_names(home.pk for home in found)
        return self._till(
            request,
            {
                "q": said,
                "nobody": not found,
                "found": [(home, names[home.pk]) for home in found[:FOUND_AT_MOST]],
                "more": len(found) > FOUND_AT_MOST,
            },
        )

    def _found(self, request: HttpRequest, said: str) -> list[Household]:
        """The households meant, one more than are shown at most."""
        invoice = Invoice.objects.filter(number__iexact=said).select_related("household").first()
        if invoice is not None:
            return [invoice.household]
        people = admin.site.get_model_admin(Household)
        rows, _ = people.get_search_results(request, Household.objects.filter(erased_at=None), said)
        # A household that was joined to another leads there.
        keys = rows.order_by().values_list("pk", "joined_to")[: 4 * FOUND_AT_MOST]
        homes = {joined or key for key, joined in keys}
        return list(Household.objects.filter(pk__in=homes).order_by("pk")[: FOUND_AT_MOST + 1])

    def take_from(self, request: SignedInRequest, household: int) -> HttpResponse:
        """How much, how, and for which invoices."""
        self.demand(request, "billing.add_payment")
        home = get_object_or_404(Household, pk=household)
        unpaid = Invoice.objects.with_balance().filter(household=home, left__gt=Decimal(0))
        # SQLite gives many decimals, of which the field takes two.
        left = rounded(unpaid.aggregate(sum=Sum("left"))["sum"] or Decimal(0))
        ways = means.at_the_desk()
        initial: dict[str, Any] = {"paid_on": timezone.localdate()}
        if left:
            initial["amount"] = left
        form = PaymentForm(request.POST or None, initial=initial, household=home, ways=ways)
        if request.method == "POST" and form.is_valid():
            answer = self._record(request, home, form)
            if answer is not None:
                return answer
        return self._till(
            request,
            {
                "q": "",
                "form": form,
                "home": home,
                "adults": guardian_names([home.pk])[home.pk],
                "left": euros(left),
                "warning": under_way.warning(unpaid),
            },
        )

    def _record(self, request: SignedInRequest, home: Household, form: PaymentForm) -> HttpResponse | None:
        """Where the payment is shown; None where the form says why it was not taken."""
        said, at = form.cleaned_data, timezone.now()
        own.check(request.user, [home.pk], right="billing.add_payment", at=at)
        try:
            with form.once():
                payment = at_desk.take(
                    home,
                    said["amount"],
                    said["means"],
                    cart=said.get("cart"),
                    paid_on=said["paid_on"],
                    by=request.user,
                    at=at,
                    reference=said["reference"],
                    invoices=list(said["invoices"]) or None,
                    regie=form.regie,
                    keep_surplus=said.get("keep_surplus", False),
                )
        except AlreadySent as twice:
            messages.warning(request, str(twice))
            return redirect(f"{reverse('admin:billing_payment_changelist')}?q={home.pk}")
        except paying.PaymentRefused as refusal:
            form.add_error(None, str(refusal))
            return None
        messages.success(
            request,
            f"Le règlement de {euros(payment.amount)} est enregistré, reçu n°\xa0{payment.number}.",
        )
        say_closed(request, payment)
        page = reverse("admin:billing_payment_receipt", args=[payment.pk])
        return redirect(f"{page}?{urlencode({'original': _signer.sign(payment.number)})}")

    def _till(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        known = {
            "back": reverse("admin:billing_payment_changelist"),
            "too_much_cash": deposits.too_much_cash(),
        }
        return self.page(request, "admin/billing/cash_desk.html", LINK.title, known | context)

    def receipt(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """The numbered receipt, to print: the original just after the money was taken, else a duplicate."""
        payment = self._printed(request, pk)
        original = self._is_original(request, payment)
        context = receipts.context(payment, duplicate=not original) | {
            "print_now": original,
            "pdf": f"{reverse('admin:billing_payment_receipt_pdf', args=[pk])}?{request.GET.urlencode()}",
            "may_take": request.user.has_perm("billing.add_payment"),
        }
        return self.page(request, "admin/billing/receipt.html", f"Quittance n°\xa0{payment.number}", context)

    def receipt_pdf(self, request: SignedInRequest, pk: int) -> HttpResponse:
        payment = self._printed(request, pk)
        content = receipts.render(payment, duplicate=not self._is_original(request, payment))
        return hand_over(content, f"Quittance-{payment.number}.pdf", inline=True)

    def _printed(self, request: SignedInRequest, pk: int) -> Payment:
        self.demand(request, "billing.view_payment")
        rows = Payment.objects.validated().select_related("household", "recorded_by", "refunds")
        payment = get_object_or_404(rows, pk=pk)
        note_if_erased(request, payment.household, payment.number)
        return payment

    def _is_original(self, request: HttpRequest, payment: Payment) -> bool:
        try:
            number: str = _signer.unsign(request.GET.get("original", ""), max_age=ORIGINAL_SECONDS)
        except signing.BadSignature:
            return False
        return number == payment.number


def say_closed(request: HttpRequest, *payments: Payment) -> None:
    """That payments of closed days stand on other days of the books: a sentence for each day."""
    days = Counter((one.paid_on, one.booked_on) for one in payments)
    for (paid_on, booked_on), count in sorted(days.items(), key=lambda one: one[0][0]):
        if booked_on is not None:
            what = "ce mouvement est comptabilisé" if count == 1 else "ces mouvements sont comptabilisés"
            messages.warning(
                request,
                f"Le {short_day(paid_on, year=True)} est clos : {what} au {short_day(booked_on, year=True)}.",
            )
