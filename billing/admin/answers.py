"""Credit notes and write-offs at the desk: what they would do first, then the document."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing.admin.exporting import downloads
from billing.admin.fields import AmountField
from billing.admin.kept import FoundByNumber, note_if_erased
from billing.admin.once import AlreadySent, OnceForm
from billing.documents import credit_notes, files, wording
from billing.invoices import creditable
from billing.invoices.creditable import Creditable, Wanted
from billing.invoices.refusals import BillingRefused
from billing.models import (
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceWithBalance,
    OnlinePayment,
    Payment,
    WriteOff,
)
from billing.payments import crediting, under_way, writing_off
from billing.payments.crediting import Foreseen
from billing.payments.providers import choosing
from billing.reminders import reminder_letters
from families.signing_in.asking_again import ask_again
from portal.desk.pages import OwnPages, ShownOnly, ShownOnlyInline
from portal.files.handing_over import hand_over
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.day_fields import NearDateField
from portal.letters import mailing
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

WHOLE, CHOSEN, AMOUNT = "whole", "chosen", "amount"
LINE, ITEM = "l", "j"  # what begins the key of a line, of a day
BECOMES = (
    (CreditNote.Becomes.KEPT, "Garder pour la suite : déduit de ce que la famille doit ou devra"),
    (CreditNote.Becomes.REFUNDED, "Rembourser : la page du remboursement s'ouvre ensuite"),
)


class CreditForm(OnceForm):
    what = forms.ChoiceField(label="Créditer", widget=forms.RadioSelect, initial=WHOLE)
    chosen = forms.MultipleChoiceField(
        label="Lignes et jours", widget=forms.CheckboxSelectMultiple, required=False
    )
    amount = AmountField(
        label="Autre montant",
        required=False,
        help_text="D'aucun jour : un jour annulé ensuite serait rendu en plus. Préférez les jours.",
    )
    becomes = forms.ChoiceField(
        label="Ce qui est déjà payé",
        choices=BECOMES,
        widget=forms.RadioSelect,
        initial=CreditNote.Becomes.KEPT,
        required=False,
    )
    reason = forms.CharField(label="Motif", max_length=300, widget=forms.TextInput(attrs={"size": 60}))

    def __init__(self, *args: Any, found: Creditable, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "what", forms.ChoiceField).choices = [
            (WHOLE, f"Toute la facture : {euros(found.whole)}"),
            (CHOSEN, "Les lignes et les jours cochés"),
            (AMOUNT, "Un autre montant"),
        ]
        rows = [_choices(one) for one in found.lines]
        field_of(self, "chosen", forms.MultipleChoiceField).choices = rows
        if not found.invoice.paid:
            del self.fields["becomes"]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if said.get("what") == AMOUNT and not said.get("amount") and "amount" not in self.errors:
            self.add_error("amount", "Indiquez le montant de l'avoir.")
        return said

    @property
    def wanted(self) -> Wanted:
        said = self.cleaned_data
        if said["what"] == WHOLE:
            return Wanted(whole=True)
        if said["what"] == AMOUNT:
            return Wanted(amount=said["amount"])
        keys: dict[str, set[int]] = {LINE: set(), ITEM: set()}
        for one in said["chosen"]:
            keys[one[0]].add(int(one[1:]))
        return Wanted(lines=frozenset(keys[LINE]), items=frozenset(keys[ITEM]))


def _choices(one: creditable.CreditableLine) -> tuple[str, list[tuple[str, str]]]:
    line = one.line
    name = " – ".join(part for part in (line.child_name, line.activity_name, line.label) if part)
    found = [(f"{LINE}{line.pk}", f"Toute la ligne : {euros(one.left)}")]
    found += [
        (f"{ITEM}{day.item}", f"{short_day(day.day, year=True)} : {euros(day.amount)}")
        for day in one.days
        if day.day is not None
    ]
    return name, found


class WriteOffForm(OnceForm):
    kind = forms.ChoiceField(
        label="Nature",
        choices=writing_off.DECIDED,
        widget=forms.RadioSelect,
        help_text="La famille est prévenue d'une remise gracieuse et d'une créance éteinte ; pas d'une"
        " admission en non-valeur, qui ne l'acquitte pas.",
    )
    amount = AmountField(label="Montant abandonné")
    reason = forms.CharField(label="Motif", max_length=300, widget=forms.TextInput(attrs={"size": 60}))
    decision = forms.CharField(label="Décision", max_length=100, help_text="La référence de la délibération.")
    decided_on = NearDateField(label="Décidée le")


class AnswersInvoices(OwnPages[Invoice]):
    """Adds to a model's pages the two documents that answer an invoice."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/avoir/", wrap(self.credit), name="billing_invoice_credit"),
            path("<int:pk>/abandon/", wrap(self.write_off), name="billing_invoice_write_off"),
            *super().get_urls(),
        ]

    def credit(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """Which part of the invoice, the preview, then the note."""
        self.demand(request, crediting.RIGHT)
        invoice = _invoice(pk)
        found = creditable.of(invoice)
        form = CreditForm(request.POST or None, found=found)
        preview = None
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            becomes = said.get("becomes") or CreditNote.Becomes.KEPT
            try:
                if "confirmed" in request.POST:
                    with form.once():
                        note = crediting.credit(
                            invoice,
                            form.wanted,
                            reason=said["reason"],
                            becomes=becomes,
                            seen=request.POST.get("vu", "") or "-",
                            by=request.user,
                            at=timezone.now(),
                        )
                    return _issued(request, note)
                preview = crediting.foresee(invoice, form.wanted)
            except AlreadySent as twice:
                messages.warning(request, str(twice))
                return redirect("admin:billing_invoice_change", pk)
            except crediting.Changed as refusal:
                form.add_error(None, str(refusal))
                preview = crediting.foresee(invoice, form.wanted)
            except BillingRefused as refusal:
                form.add_error(None, str(refusal))
        context = {
            "form": form,
            "back": reverse("admin:billing_invoice_change", args=[pk]),
            "lead": f"Facture n°\xa0{invoice.number} de {invoice.payer} : {euros(invoice.total)}, reste à"
            f" payer {euros(invoice.left)}. Un avoir émis ne change plus.",
            "warning": under_way.warning([invoice]),
            "preview": preview and _shown(preview, form.cleaned_data.get("becomes", "")),
        }
        return self.page(
            request, "admin/billing/credit.html", f"Avoir sur la facture {invoice.number}", context
        )

    def write_off(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """« Abandonner la créance »: the preview, then the row."""
        self.demand(request, writing_off.RIGHT)
        ask_again(request)
        invoice = _invoice(pk)
        form = WriteOffForm(request.POST or None, initial={"amount": invoice.left or None})
        preview = None
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                if "confirmed" in request.POST and request.POST.get("vu") == f"{said['amount']:.2f}":
                    with form.once():
                        made = writing_off.write_off(
                            invoice,
                            said["amount"],
                            kind=said["kind"],
                            reason=said["reason"],
                            decision=said["decision"],
                            decided_on=said["decided_on"],
                            by=request.user,
                            at=timezone.now(),
                        )
                    _tell(made)
                    messages.success(request, f"{made} de {euros(made.amount)} est noté.")
                    return redirect("admin:billing_invoice_change", pk)
                preview = writing_off.foresee(invoice, said["amount"])
            except AlreadySent as twice:
                messages.warning(request, str(twice))
                return redirect("admin:billing_invoice_change", pk)
            except BillingRefused as refusal:
                form.add_error(None, str(refusal))
        context = {
            "form": form,
            "back": reverse("admin:billing_invoice_change", args=[pk]),
            "lead": f"Facture n°\xa0{invoice.number} de {invoice.payer} : {euros(invoice.total)}, reste à"
            f" payer {euros(invoice.left)}. Ce n'est pas un avoir : ce qui a été facturé l'était à raison.",
            "warning": under_way.warning([invoice]),
            "amount": preview is not None and euros(form.cleaned_data["amount"]),
            "seen": preview is not None and f"{form.cleaned_data['amount']:.2f}",
            "left": preview is not None and euros(preview),
            "told": form.is_valid() and form.cleaned_data["kind"] != WriteOff.Kind.UNCOLLECTABLE,
        }
        return self.page(
            request,
            "admin/billing/write_off.html",
            f"Abandonner ce qui reste dû de la facture {invoice.number}",
            context,
        )


def _invoice(pk: int) -> InvoiceWithBalance:
    invoice = Invoice.objects.with_balance().filter(pk=pk).first()
    if invoice is None:
        raise Http404
    return invoice


def _shown(found: Foreseen, becomes: str) -> dict[str, Any]:
    """The preview in words."""
    return {
        "stamp": found.stamp,
        "amount": euros(found.amount),
        "lines": credit_notes.planned(found.plan),
        "left_before": euros(found.invoice.left),
        "left": euros(found.left),
        "freed": [(payment.number, euros(part)) for payment, part in found.freed],
        "sum_freed": euros(found.sum_freed) if found.freed else "",
        "refunded": becomes == CreditNote.Becomes.REFUNDED,
        "given_back": euros(found.plan.given_back) if found.plan.given_back else "",
    }


def _issued(request: SignedInRequest, note: CreditNote) -> HttpResponse:
    home = note.invoice.household_id
    to = reminder_letters.addressees([home])[home]
    mailing.post("billing/credit_note", to, reminder_letters.credit(note))
    messages.success(request, f"L'avoir n°\xa0{note.number} de {euros(note.amount)} est émis.")
    if note.becomes != CreditNote.Becomes.REFUNDED:
        return redirect("admin:billing_invoice_change", note.invoice_id)
    payments = crediting.to_give_back(note)
    if len(payments) == 1:
        return redirect(refund_page(*payments[0]))
    return redirect("admin:billing_creditnote_change", note.pk)


def refund_page(payment: Payment, amount: Decimal) -> str:
    """Where a payment is given back, with the amount proposed."""
    online = OnlinePayment.objects.filter(payment=payment).first()
    if online is not None and choosing.named(online.provider).refunds_online:
        page = reverse("admin:billing_online_refund", args=[online.pk])
    else:
        page = reverse("admin:billing_payment_refund", args=[payment.pk])
    return f"{page}?montant={amount:.2f}"


def _tell(made: WriteOff) -> None:
    """Of a debt that the family no longer has, it learns."""
    if made.told:
        home = made.invoice.household_id
        to = reminder_letters.addressees([home])[home]
        mailing.post("billing/write_off", to, reminder_letters.given_up(made))


class CreditNoteLineInline(ShownOnlyInline[CreditNoteLine, CreditNote]):
    model = CreditNoteLine
    fields = readonly_fields = ("label", "dates", "quantity", "unit_price", "amount")

    @admin.display(description="jours")
    def dates(self, obj: CreditNoteLine) -> str:
        return wording.days_of(obj.days)


@admin.register(CreditNote)
class CreditNoteAdmin(FoundByNumber[CreditNote], ShownOnly[CreditNote], OwnPages[CreditNote]):
    kept_of = "invoice__household"
    desk_order = 20
    list_display = ("number", "invoice", "amount", "freed", "becomes", "reason", "issued_at", "issued_by")
    list_filter = ("becomes", "year")
    list_select_related = ("invoice", "issued_by")
    search_fields = ("number", "invoice__number", "reason")
    actions = ("download_csv", "download_xlsx")
    inlines = (CreditNoteLineInline,)
    fields = readonly_fields = (
        "number",
        "invoice",
        "amount",
        "freed",
        "becomes",
        "to_give_back",
        "reason",
        "issued_at",
        "issued_by",
    )
    change_form_template = "admin/billing/credit_note.html"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [path("<int:pk>/pdf/", wrap(self.one_pdf), name="billing_creditnote_pdf"), *super().get_urls()]

    def one_pdf(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, "billing.view_creditnote")
        note = get_object_or_404(CreditNote.objects.select_related("invoice__household"), pk=pk)
        note_if_erased(request, note.invoice.household, note.number)
        return hand_over(credit_notes.render(note), f"Avoir-{note.number}.pdf", inline=True)

    @admin.display(description="à rembourser")
    def to_give_back(self, obj: CreditNote) -> SafeString | str:
        """Which payments hold what it freed still."""
        if obj.becomes != CreditNote.Becomes.REFUNDED:
            return "–"
        found = [
            (refund_page(payment, part), payment.number, euros(part))
            for payment, part in crediting.to_give_back(obj)
        ]
        if not found:
            return "Plus rien : c'est rendu, ou utilisé."
        rows = format_html_join("", '<li><a href="{}">Rembourser le reçu {}</a> : {}</li>', found)
        return format_html("<ul>{}</ul>", rows)

    download_csv, download_xlsx = downloads(
        "Avoirs", "avoirs", files.CREDIT_LINE_COLUMNS, files.credit_line_rows, home="invoice__household"
    )


@admin.register(WriteOff)
class WriteOffAdmin(FoundByNumber[WriteOff], ShownOnly[WriteOff]):
    kept_of = "invoice__household"
    desk_order = 21
    list_display = ("number", "kind", "invoice", "amount", "reason", "decision", "decided_on", "issued_by")
    list_filter = ("kind", "year")
    list_select_related = ("invoice", "issued_by")
    search_fields = ("number", "invoice__number", "reason", "decision")
    actions = ("download_csv", "download_xlsx")
    fields = readonly_fields = (
        "number",
        "kind",
        "document",
        "amount",
        "reason",
        "decision",
        "decided_on",
        "issued_at",
        "issued_by",
    )

    @admin.display(description="facture ou relevé")
    def document(self, obj: WriteOff) -> SafeString:
        """Each has a page of its own."""
        carried = obj.invoice.kind == Invoice.Kind.CARRIED
        page = "admin:billing_payment_carried" if carried else "admin:billing_invoice_change"
        return format_html('<a href="{}">{}</a>', reverse(page, args=[obj.invoice_id]), obj.invoice)

    download_csv, download_xlsx = downloads(
        "Abandons de créances",
        "abandons-de-creances",
        files.WRITE_OFF_COLUMNS,
        files.write_off_rows,
        home="invoice__household",
    )
