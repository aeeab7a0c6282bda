"""Money at the desk: payments taken, the cash-book."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.admin import accounts as account_pages
from billing.admin import charts as chart_pages
from billing.admin import yearly as yearly_pages
from billing.admin.documents import AmountField
from billing.admin.exporting import note_households
from billing.admin.kept import FoundByNumber
from billing.admin.once import AlreadySent, OnceForm
from billing.documents import files
from billing.models import Invoice, InvoiceWithBalance, Payment, PaymentAllocation
from billing.payments import closing, paying, under_way
from billing.rules.pricing import rounded
from families.models import Household
from families.signing_in.asking_again import ask_again, asks_again
from portal.desk.lists import NumberSearch, StateBadge
from portal.desk.pages import OwnPages, ShownOnly, ShownOnlyInline
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french.amounts import euros
from portal.french.dates import months_after, short_day
from portal.french.day_fields import NearDateField, first_of_month
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

AT_THE_DESK = [(value, label) for value, label in Payment.Means.choices if value != Payment.Means.ONLINE]


class UnpaidInvoices(forms.ModelMultipleChoiceField[InvoiceWithBalance]):
    """Invoices to tick, each with what is left of it."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: InvoiceWithBalance) -> str:
        return f"{obj.number} ({obj.month_name}) : reste {euros(obj.left)}"


class PaymentForm(OnceForm):
    """Money taken at the desk, for all unpaid invoices of a household or for those chosen."""

    amount = AmountField(label="Montant")
    means = forms.ChoiceField(label="Moyen de paiement", choices=AT_THE_DESK)
    paid_on = NearDateField(label="Payé le")
    reference = forms.CharField(
        label="Référence", max_length=100, required=False, help_text="N° de chèque, de virement…"
    )

    def __init__(self, *args: Any, household: Household, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        unpaid = Invoice.objects.with_balance().filter(household=household, left__gt=Decimal(0))
        self.fields["invoices"] = UnpaidInvoices(
            unpaid.order_by("due_on", "sequence"),
            label="Pour les factures",
            required=False,
            help_text="Aucune cochée : la plus ancienne d'abord.",
        )


class HouseholdForm(forms.Form):
    number = forms.CharField(
        label="Foyer ou facture", help_text="Le numéro du foyer (000123) ou d'une facture (F2026-000042)."
    )

    def clean_number(self) -> Household:
        said = self.cleaned_data["number"].strip()
        invoice = Invoice.objects.filter(number__iexact=said).select_related("household").first()
        if invoice is not None:
            return invoice.household
        number = posted_number(said)
        homes = Household.objects.select_related("joined_to")
        household = None if number is None else homes.filter(pk=number).first()
        if household is None:
            raise forms.ValidationError("Aucun foyer ni aucune facture ne porte ce numéro.")
        return household.joined_to or household


class DeskRefundForm(OnceForm):
    amount = AmountField(label="Montant à rembourser")
    means = forms.ChoiceField(label="Moyen", choices=AT_THE_DESK)
    paid_on = NearDateField(label="Le")


class ClosingForm(forms.Form):
    until = NearDateField(
        label="Clore jusqu'au",
        help_text="Ce jour et tous ceux d'avant. Un règlement de ces jours noté ensuite est comptabilisé au"
        " premier jour ouvert, et garde sa date pour la famille.",
    )


class AllocationInline(ShownOnlyInline[PaymentAllocation, Payment]):
    model = PaymentAllocation
    fields = readonly_fields = ("invoice", "amount")


@admin.register(Payment)
class PaymentAdmin(
    yearly_pages.TaxCertificates,
    chart_pages.Charts,
    account_pages.Accounts,
    StateBadge,
    FoundByNumber[Payment],
    ShownOnly[Payment],
    NumberSearch[Payment],
    OwnPages[Payment],
):
    desk_order = 5
    desk_links = (
        DeskLink(
            "Encaisser un règlement",
            "billing_payment_take",
            "billing.add_payment",
            "espèces, chèque, virement, CESU",
        ),
        DeskLink(
            "Journal de caisse", "billing_payment_cash_book", "billing.view_payment", "par jour et par moyen"
        ),
        DeskLink(
            "Clore les comptes",
            "billing_payment_close",
            "billing.add_bookclosing",
            "un jour, un mois ou une année, pour de bon",
        ),
        account_pages.LINK,
        chart_pages.LINK,
        yearly_pages.LINK,
    )
    list_display = (
        "number",
        "paid_on",
        "household",
        "amount_shown",
        "means",
        "reference",
        "state_badge",
        "recorded_by",
    )
    list_filter = ("means", "state", "paid_on")
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
        "household",
        "amount_shown",
        "unused",
        "means",
        "state_badge",
        "paid_on",
        "booked_on",
        "reference",
        "refunds",
        "recorded_by",
        "recorded_at",
    )
    change_form_template = "admin/billing/payment.html"

    @admin.display(description="montant", ordering="amount")
    def amount_shown(self, obj: Payment) -> str:
        return euros(obj.amount)

    @admin.display(description="pas encore utilisé")
    def unused(self, obj: Payment) -> str:
        return euros(paying.unused(obj))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("encaisser/", wrap(self.take), name="billing_payment_take"),
            path("encaisser/<int:household>/", wrap(self.take_from), name="billing_payment_take_from"),
            path("<int:pk>/rembourser/", wrap(self.refund), name="billing_payment_refund"),
            path("journal/", wrap(self.cash_book), name="billing_payment_cash_book"),
            path("cloture/", wrap(self.close), name="billing_payment_close"),
            *super().get_urls(),
        ]

    def take(self, request: HttpRequest) -> HttpResponse:
        """Whose money it is."""
        self.demand(request, "billing.add_payment")
        form = HouseholdForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            return redirect("admin:billing_payment_take_from", form.cleaned_data["number"].pk)
        context = {"form": form, "back": reverse("admin:billing_payment_changelist"), "button": "Suivant"}
        return self.page(request, "admin/billing/form.html", "Encaisser un règlement", context)

    def take_from(self, request: SignedInRequest, household: int) -> HttpResponse:
        """How much, how, and for which invoices."""
        self.demand(request, "billing.add_payment")
        home = get_object_or_404(Household, pk=household)
        unpaid = Invoice.objects.with_balance().filter(household=home, left__gt=Decimal(0))
        # SQLite gives many decimals, of which the field takes two.
        left = rounded(unpaid.aggregate(sum=Sum("left"))["sum"] or Decimal(0))
        initial = {"paid_on": timezone.localdate(), "means": Payment.Means.CASH} | (
            {"amount": left} if left else {}
        )
        form = PaymentForm(request.POST or None, initial=initial, household=home)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                with form.once():
                    payment = paying.record(
                        home,
                        said["amount"],
                        said["means"],
                        paid_on=said["paid_on"],
                        by=request.user,
                        at=timezone.now(),
                        reference=said["reference"],
                        invoices=list(said["invoices"]) or None,
                    )
            except AlreadySent as twice:
                messages.warning(request, str(twice))
                return redirect(f"{reverse('admin:billing_payment_changelist')}?q={home.pk}")
            except paying.PaymentRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(
                    request,
                    f"Le règlement de {euros(payment.amount)} est enregistré, reçu n°\xa0{payment.number}.",
                )
                self._say_closed(request, payment)
                return redirect("admin:billing_payment_change", payment.pk)
        names = " et ".join(str(guardian) for guardian in home.guardians.all())
        context = {
            "form": form,
            "back": reverse("admin:billing_payment_take"),
            "button": "Encaisser",
            "lead": f"{home}, {names} : reste à payer {euros(left)}. {under_way.warning(unpaid)}",
        }
        return self.page(request, "admin/billing/form.html", "Encaisser un règlement", context)

    def refund(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, "billing.add_payment")
        ask_again(request)
        payment = get_object_or_404(Payment, pk=pk)
        free = paying.unused(payment)
        form = DeskRefundForm(
            request.POST or None,
            initial={"amount": free or None, "means": payment.means, "paid_on": timezone.localdate()},
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
                self._say_closed(request, given)
                return redirect("admin:billing_payment_change", payment.pk)
        context = {
            "form": form,
            "back": reverse("admin:billing_payment_change", args=[pk]),
            "button": "Rembourser",
            "lead": f"Règlement n°\xa0{payment.number} de {euros(payment.amount)} :"
            f" {euros(free)} ne paient aucune facture.",
        }
        return self.page(request, "admin/billing/form.html", "Rembourser", context)

    def _say_closed(self, request: HttpRequest, payment: Payment) -> None:
        """That a payment of a closed day stands on another day of the books."""
        if payment.booked_on is not None:
            messages.warning(
                request,
                f"Le {short_day(payment.paid_on, year=True)} est clos : ce mouvement est comptabilisé au"
                f" {short_day(payment.booked_on, year=True)}.",
            )

    def close(self, request: SignedInRequest) -> HttpResponse:
        """« Clore les comptes » up to a day: said once more, then for good."""
        self.demand(request, "billing.add_bookclosing")
        today = timezone.localdate()
        form = ClosingForm(request.POST or None, initial={"until": today.replace(day=1) - timedelta(days=1)})
        back = reverse("admin:billing_payment_cash_book")
        if request.method == "POST" and form.is_valid():
            try:
                made = closing.close(form.cleaned_data["until"], by=request.user, at=timezone.now())
            except closing.ClosingRefused as refusal:
                form.add_error("until", str(refusal))
            else:
                messages.success(request, f"{made}.")
                return redirect(back)
        until = closing.closed_until()
        context = {
            "form": form,
            "back": back,
            "button": "Clore pour toujours",
            "lead": f"Comptes clos jusqu'au {short_day(until, year=True)}."
            if until
            else "Aucun jour n'est clos.",
        }
        return self.page(request, "admin/billing/form.html", "Clore les comptes", context)

    def cash_book(self, request: HttpRequest) -> HttpResponse:
        """What the régie took, per day and means, of a month."""
        self.demand(request, "billing.view_payment")
        today = timezone.localdate()
        try:
            month = first_of_month(request.GET.get("mois", ""))
        except ValueError:
            month = today.replace(day=1)
        after = months_after(month, 1)
        rows = (
            Payment.objects.in_the_books()
            .filter(book_day__gte=month, book_day__lt=after)
            .values("book_day", "means")
            .annotate(sum=Sum("amount"), count=Count("pk"))
            .order_by("book_day", "means")
        )
        late = Payment.objects.validated().filter(booked_on__gte=month, booked_on__lt=after)
        labels = dict(Payment.Means.choices)
        book = [
            {
                "day": row["book_day"],
                "means": labels[row["means"]],
                "count": row["count"],
                "sum": euros(row["sum"]),
            }
            for row in rows
        ]
        by_means: dict[str, Decimal] = {}
        for row in rows:
            by_means[labels[row["means"]]] = by_means.get(labels[row["means"]], Decimal(0)) + row["sum"]
        context = {
            "month": f"{month:%Y-%m}",
            "book": book,
            "totals": [(name, euros(amount)) for name, amount in by_means.items()],
            "total": euros(sum(by_means.values(), Decimal(0))),
            "late": late.order_by("booked_on", "pk"),
            "closed_until": closing.closed_until(),
        }
        return self.page(request, "admin/billing/cash_book.html", "Journal de caisse", context)

    @admin.action(description="Télécharger les règlements (CSV)")
    @asks_again
    def download_csv(self, request: HttpRequest, queryset: QuerySet[Payment]) -> StreamingHttpResponse:
        note_households(request, "Règlements (CSV)", queryset)
        rows = files.csv_stream(files.PAYMENT_COLUMNS, files.payment_rows(queryset))
        return hand_over(rows, "reglements.csv")

    @admin.action(description="Télécharger les règlements (XLSX)")
    @asks_again
    def download_xlsx(self, request: HttpRequest, queryset: QuerySet[Payment]) -> StreamingHttpResponse:
        note_households(request, "Règlements (XLSX)", queryset)
        rows = files.xlsx_stream(files.PAYMENT_COLUMNS, files.payment_rows(queryset))
        return hand_over(rows, "reglements.xlsx")
