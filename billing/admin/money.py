"""Payments at the desk: their list and page, what is given back, closed books."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.admin import accounts as account_pages
from billing.admin import bookkeeping, cash_book, cash_desk, regies
from billing.admin import charts as chart_pages
from billing.admin import undoing as undoing_pages
from billing.admin import yearly as yearly_pages
from billing.admin.cash_desk import say_closed
from billing.admin.exporting import downloads
from billing.admin.fields import AmountField, proposed
from billing.admin.kept import FoundByNumber
from billing.admin.once import AlreadySent, OnceForm
from billing.admin.regies import OfARegie, SaysRegie
from billing.documents import files
from billing.models import Payment, PaymentAllocation
from billing.models.means import labels
from billing.payments import closing, means, paying
from families.signing_in.asking_again import ask_again
from portal.desk.lists import NumberSearch, StateBadge
from portal.desk.pages import OwnPages, ShownOnly, ShownOnlyInline
from portal.desk.site import DeskLink
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.day_fields import NearDateField
from portal.web.signed_in import SignedInRequest


def _closed() -> str:
    """Until when the books are closed: each régie's, where there are several."""
    several = regies.choices() or [("", "")]
    until = [(name, closing.closed_until(regies.chosen(key))) for key, name in several]
    said = [f"{name} jusqu'au {short_day(day, year=True)}".strip() for name, day in until if day]
    if not said:
        return "Aucun jour n'est clos."
    return f"Comptes clos {': ' if len(several) > 1 else ''}{', '.join(said)}."


class DeskRefundForm(OnceForm):
    amount = AmountField(label="Montant à rembourser")
    means = forms.ChoiceField(label="Moyen", choices=means.given_back)
    paid_on = NearDateField(label="Le")


class ClosingForm(OfARegie):
    until = NearDateField(
        label="Clore jusqu'au",
        help_text="Ce jour et tous ceux d'avant. Un règlement de ces jours noté ensuite est comptabilisé au"
        " premier jour ouvert, et garde sa date pour la famille.",
    )


class MeansFilter(admin.SimpleListFilter):
    title = "moyen de paiement"
    parameter_name = "means__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(labels().items())

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(means=self.value()) if self.value() else queryset


class AllocationInline(ShownOnlyInline[PaymentAllocation, Payment]):
    model = PaymentAllocation
    fields = readonly_fields = ("invoice", "amount")


@admin.register(Payment)
class PaymentAdmin(
    cash_desk.CashDesk,
    cash_book.CashBook,
    SaysRegie[Payment],
    yearly_pages.TaxCertificates,
    chart_pages.Charts,
    account_pages.Accounts,
    bookkeeping.Bookkeeping,
    undoing_pages.Undoing,
    StateBadge,
    FoundByNumber[Payment],
    ShownOnly[Payment],
    NumberSearch[Payment],
    OwnPages[Payment],
):
    desk_order = 5
    desk_links = (
        cash_desk.LINK,
        cash_book.LINK,
        DeskLink(
            "Clore les comptes",
            "billing_payment_close",
            "billing.add_bookclosing",
            "un jour, un mois ou une année, pour de bon",
        ),
        account_pages.LINK,
        chart_pages.LINK,
        yearly_pages.LINK,
        bookkeeping.LINK,
    )
    list_display = (
        "number",
        "paid_on",
        "household",
        "amount_shown",
        "means_shown",
        "reference",
        "state_badge",
        "recorded_by",
    )
    list_filter = ("kind", MeansFilter, "state", "paid_on")
    list_select_related = ("household", "recorded_by")
    search_fields = ("number", "reference")
    search_help_text = "Numéro de reçu, référence ou numéro de foyer"
    date_hierarchy = "paid_on"
    actions = ("download_csv", "download_xlsx")
    tints = {
        "validated": "accepted",
        "pending": "requested",
        "refused": "refused",
        "cancelled": "refused",
    }
    inlines = (AllocationInline,)
    fields = readonly_fields = (
        "number",
        "kind",
        "household",
        "amount_shown",
        "unused",
        "means_shown",
        "state_badge",
        "paid_on",
        "booked_on",
        "reference",
        "refunds",
        "because",
        "reason",
        "recorded_by",
        "recorded_at",
    )
    change_form_template = "admin/billing/payment.html"

    @admin.display(description="montant", ordering="amount")
    def amount_shown(self, obj: Payment) -> str:
        return euros(obj.amount)

    @admin.display(description="moyen de paiement", ordering="means")
    def means_shown(self, obj: Payment) -> str:
        return obj.get_means_display()

    @admin.display(description="pas encore utilisé")
    def unused(self, obj: Payment) -> str:
        return euros(paying.unused(obj))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/rembourser/", wrap(self.refund), name="billing_payment_refund"),
            path("cloture/", wrap(self.close), name="billing_payment_close"),
            *super().get_urls(),
        ]

    def refund(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, "billing.change_payment")
        ask_again(request)
        payment = get_object_or_404(Payment, pk=pk)
        free = paying.unused(payment)
        form = DeskRefundForm(
            request.POST or None,
            initial={
                "amount": proposed(request, free),
                "means": payment.means,
                "paid_on": timezone.localdate(),
            },
        )
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                with form.once():
                    given = paying.refund(
                        payment,
                        said["amount"],
                        means=said["means"],
                        paid_on=said["paid_on"],
                        by=request.user,
                        at=timezone.now(),
                    )
            except AlreadySent as twice:
                messages.warning(request, str(twice))
                return redirect("admin:billing_payment_change", payment.pk)
            except paying.PaymentRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(
                    request,
                    f"Le remboursement de {euros(-given.amount)} est enregistré, n°\xa0{given.number}.",
                )
                say_closed(request, given)
                return redirect("admin:billing_payment_change", payment.pk)
        context = {
            "form": form,
            "back": reverse("admin:billing_payment_change", args=[pk]),
            "button": "Rembourser",
            "lead": f"Règlement n°\xa0{payment.number} de {euros(payment.amount)} :"
            f" {euros(free)} ne paient aucune facture.",
            "other": "Rembourser plutôt par un fichier de virements",
            "other_page": f"{reverse('admin:billing_payment_transfer', args=[pk])}?{request.GET.urlencode()}",
        }
        return self.page(request, "admin/billing/form.html", "Rembourser", context)

    def close(self, request: SignedInRequest) -> HttpResponse:
        """« Clore les comptes » up to a day: said once more, then for good."""
        self.demand(request, "billing.add_bookclosing")
        today = timezone.localdate()
        form = ClosingForm(request.POST or None, initial={"until": today.replace(day=1) - timedelta(days=1)})
        back = reverse("admin:billing_payment_cash_book")
        if request.method == "POST" and form.is_valid():
            try:
                made = closing.close(
                    form.cleaned_data["until"], by=request.user, at=timezone.now(), regie=form.regie
                )
            except closing.ClosingRefused as refusal:
                form.add_error("until", str(refusal))
            else:
                messages.success(request, f"{made}.")
                return redirect(back)
        context = {"form": form, "back": back, "button": "Clore pour toujours", "lead": _closed()}
        return self.page(request, "admin/billing/form.html", "Clore les comptes", context)

    download_csv, download_xlsx = downloads(
        "Règlements", "reglements", files.PAYMENT_COLUMNS, files.payment_rows
    )
