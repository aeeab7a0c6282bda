"""Online payments and direct debit at the desk: looked at, asked about, given back; never typed."""

import secrets
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.admin.cash_desk import say_closed
from billing.admin.documents import last_month
from billing.admin.exporting import note_households
from billing.admin.fields import AmountField, proposed
from billing.admin.kept import FoundByNumber
from billing.admin.regies import OfARegie, SaysRegie
from billing.models import (
    Debit,
    DebitFile,
    Invoice,
    Mandate,
    OnlinePayment,
    OnlinePaymentInvoice,
    OnlineRefund,
    Payment,
    PaymentEvent,
    PaymentKind,
)
from billing.payments import (
    asking,
    bank_returns,
    debit_letters,
    events,
    refunding,
    sepa,
    statement,
    under_way,
    undoing,
)
from billing.payments.paying import PaymentRefused
from billing.payments.providers.interface import ProviderDown, ProviderRefused
from families.signing_in.asking_again import AsksAgain, ask_again
from portal.database.encrypted import Unreadable
from portal.desk import rights
from portal.desk.choices import TolerantChoices
from portal.desk.decisions import ask_reason
from portal.desk.lists import NumberSearch, StateBadge
from portal.desk.pages import OwnPages, ShownOnly, ShownOnlyInline, WithHistory
from portal.desk.site import DeskLink, Queue
from portal.files.handing_over import hand_over
from portal.french.amounts import euros
from portal.french.day_fields import DayInput, MonthField, NearDateField
from portal.french.official_numbers import grouped
from portal.french.plurals import counted
from portal.web.bodies import takes_files
from portal.web.signed_in import SignedInRequest

EMPTIED_FILE = "Ce fichier n'est plus conservé : le délai de contestation des prélèvements est passé."
UNREADABLE_FILE = (
    "Ce fichier est illisible pour l'instant : aucune clé de chiffrement en place ne l'ouvre. "
    "Il est gardé tel quel."
)


class OnlineRefundForm(forms.Form):
    """How much goes back to the payer, and why; `key` makes a form sent twice one refund."""

    amount = AmountField(label="Montant à rembourser")
    reason = forms.CharField(label="Motif", max_length=300, help_text="La famille le lira.")
    with_credit = forms.BooleanField(
        label="Avec un avoir",
        required=False,
        initial=True,
        help_text="Coché : les factures restent réglées. Décoché : ce montant redevient à payer.",
    )
    key = forms.CharField(widget=forms.HiddenInput, max_length=64)


class DayForm(forms.Form):
    day = forms.DateField(label="Paiements commencés le", widget=DayInput())

    def clean_day(self) -> date:
        day: date = self.cleaned_data["day"]
        if day > timezone.localdate():
            raise ValidationError("Ce jour est à venir.")
        return day


class DebitForm(OfARegie):
    """Up to which month, when the bank collects, and how it wants to be written to."""

    month = MonthField(help_text="Tout ce qui reste dû jusqu'à ce mois est prélevé.")
    collected_on = NearDateField(label="Prélever le")
    schema = forms.ChoiceField(
        label="Format demandé par la banque", choices=[(name, name) for name in sepa.SCHEMAS]
    )


class ReturnForm(forms.Form):
    on = NearDateField(label="Rejeté le")
    reason = forms.CharField(
        label="Motif donné par la banque",
        max_length=100,
        help_text="Son code suffit (AM04, MD06…). La famille lira le motif.",
    )
    due_on = NearDateField(
        label="Nouvelle échéance",
        required=False,
        help_text="La facture est de nouveau à payer d'ici là. Vide : dans le délai habituel.",
    )

    def clean_reason(self) -> str:
        return bank_returns.in_words(self.cleaned_data["reason"])


class BankFileForm(forms.Form):
    file = forms.FileField(
        label="Fichier de la banque",
        help_text="Compte rendu de rejets (pain.002) ou relevé (camt.053, camt.054), en XML.",
    )


class PartInline(ShownOnlyInline[OnlinePaymentInvoice, OnlinePayment]):
    model = OnlinePaymentInvoice
    fields = readonly_fields = ("invoice", "amount")


class RefundInline(ShownOnlyInline[OnlineRefund, OnlinePayment]):
    model = OnlineRefund
    fields = readonly_fields = (
        "asked_at",
        "amount",
        "reason",
        "with_credit",
        "state",
        "provider_reference",
        "asked_by",
    )


class PaymentEventInline(ShownOnlyInline[PaymentEvent, OnlinePayment]):
    model = PaymentEvent
    fields = readonly_fields = ("at", "kind", "note", "event_id", "raw")


@admin.register(OnlinePayment)
class OnlinePaymentAdmin(
    SaysRegie[OnlinePayment],
    StateBadge,
    FoundByNumber[OnlinePayment],
    ShownOnly[OnlinePayment],
    NumberSearch[OnlinePayment],
    OwnPages[OnlinePayment],
):
    kept_number = "reference"
    desk_order = 8
    work_queues = (
        Queue(
            "Paiements en ligne à vérifier",
            lambda request: OnlinePayment.objects.to_look_at(),
            "trouble__gt=",
            hint="la banque a répondu autre chose que prévu, ou repris de l'argent",
            since="started_at",
            late_after=timedelta(days=2),
        ),
    )
    desk_links = (
        DeskLink(
            "Relevé des paiements en ligne",
            "billing_online_statement",
            "billing.view_onlinepayment",
            "nos comptes et ceux du prestataire, jour par jour",
        ),
    )
    list_display = (
        "reference",
        "started_at",
        "household",
        "amount_shown",
        "state_badge",
        "provider",
        "trouble",
    )
    list_filter = ("state", "provider", "started_at")
    list_select_related = ("household",)
    search_fields = ("reference", "provider_reference", "charge_reference", "parts__invoice__number")
    search_help_text = "Référence, numéro de facture ou numéro de foyer"
    date_hierarchy = "started_at"
    actions = ("ask_the_bank", "set_aside")
    tints = {
        "started": "requested",
        "pending": "requested",
        "validated": "accepted",
        "refused": "refused",
        "cancelled": "refused",
        "refunded": "refused",
        "disputed": "refused",
    }
    inlines = (PartInline, RefundInline, PaymentEventInline)
    fields = readonly_fields = (
        "reference",
        "household",
        "amount_shown",
        "state_badge",
        "trouble",
        "provider",
        "provider_reference",
        "charge_reference",
        "payment",
        "email",
        "started_by",
        "started_at",
        "expires_at",
        "settled_at",
    )
    change_form_template = "admin/billing/online_payment.html"

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "trouble__gt" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="montant", ordering="amount")
    def amount_shown(self, obj: OnlinePayment) -> str:
        return euros(obj.amount)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("releve/", wrap(self.statement), name="billing_online_statement"),
            path("<int:pk>/rembourser/", wrap(self.refund), name="billing_online_refund"),
            *super().get_urls(),
        ]

    @admin.action(description="Demander l'état à la banque", permissions=["decide"])
    def ask_the_bank(self, request: HttpRequest, queryset: QuerySet[OnlinePayment]) -> None:
        now, changed, silent = timezone.now(), 0, 0
        for payment in queryset[:50]:
            before = payment.state
            try:
                changed += asking.check(payment, at=now).state != before
            except (ProviderDown, ProviderRefused):
                silent += 1
        text = f"{counted(changed, 'paiement a changé', 'paiements ont changé')} d'état."
        messages.success(request, text)
        if silent:
            messages.warning(request, f"Sans réponse : {counted(silent, 'paiement', 'paiements')}.")

    @admin.action(description="Écarter (réglé avec le prestataire)…", permissions=["decide"])
    def set_aside(self, request: SignedInRequest, queryset: QuerySet[OnlinePayment]) -> HttpResponse | None:
        answer = ask_reason(
            self,
            request,
            queryset,
            action="set_aside",
            title="Écarter des paiements vérifiés",
            button="Écarter, et libérer les factures des paiements en cours",
            ready=[
                "Remboursé chez le prestataire",
                "Encaissé au guichet à la place",
                "Inconnu du prestataire",
            ],
        )
        if isinstance(answer, HttpResponse):
            return answer
        for payment in queryset:
            try:
                was_open = payment.is_open
                asking.set_aside(payment, reason=answer, by=request.user, at=timezone.now())
            except events.OnlinePaymentRefused as refusal:
                messages.error(request, f"{payment} : {refusal}")
            else:
                words = "est écarté, ses factures sont à payer" if was_open else "est vérifié"
                messages.success(request, f"{payment} {words}.")
        return None

    def refund(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """All or part of a payment goes back through its provider."""
        self.demand(request, "billing.change_onlinepayment", "billing.add_payment")
        ask_again(request)
        payment = get_object_or_404(OnlinePayment, pk=pk)
        most = refunding.refundable(payment)
        form = OnlineRefundForm(
            request.POST or None, initial={"amount": proposed(request, most), "key": secrets.token_hex(16)}
        )
        back = reverse("admin:billing_onlinepayment_change", args=[pk])
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                done = refunding.refund(
                    payment,
                    said["amount"],
                    reason=said["reason"],
                    key=said["key"],
                    with_credit=said["with_credit"],
                    by=request.user,
                    at=timezone.now(),
                )
            except events.OnlinePaymentRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                words = "est fait" if done.state == OnlineRefund.State.DONE else "est demandé à la banque"
                messages.success(request, f"Le remboursement de {euros(done.amount)} {words}.")
                return redirect(back)
        lead = f"Paiement {payment.reference} de {euros(payment.amount)} : {euros(most)} peuvent être rendus."
        paid = Invoice.objects.filter(online_parts__online_payment=payment)
        context = {
            "form": form,
            "back": back,
            "button": "Rembourser",
            "lead": lead,
            "warning": under_way.warning(paid),
        }
        return self.page(request, "admin/billing/form.html", "Rembourser un paiement en ligne", context)

    def statement(self, request: HttpRequest) -> HttpResponse:
        """A day's payments against the provider's books."""
        self.demand(request, "billing.view_onlinepayment")
        form = DayForm(request.GET or None, initial={"day": timezone.localdate()})
        found, trouble = None, ""
        if form.is_bound and form.is_valid():
            try:
                found = statement.of_day(form.cleaned_data["day"])
            except ProviderDown:
                trouble = "Le prestataire ne répond pas : réessayez dans quelques minutes."
        context = {"form": form, "found": found, "trouble": trouble}
        return self.page(
            request, "admin/billing/online_statement.html", "Relevé des paiements en ligne", context
        )


@admin.register(PaymentEvent)
class PaymentEventAdmin(ShownOnly[PaymentEvent]):
    """Also the notifications that name no payment, and those that were forged."""

    desk_order = 60
    list_display = ("at", "provider", "kind", "online_payment", "note")
    list_filter = ("kind", "provider", "at")
    list_select_related = ("online_payment",)
    fields = readonly_fields = ("at", "provider", "kind", "online_payment", "event_id", "note", "raw")


@admin.register(Mandate)
class MandateAdmin(
    SaysRegie[Mandate],
    AsksAgain[Mandate],
    TolerantChoices[Mandate],
    FoundByNumber[Mandate],
    NumberSearch[Mandate],
    WithHistory[Mandate],
):
    kept_number = "rum"
    desk_order = 20
    list_display = ("rum", "household", "debtor", "account_end", "signed_on", "revoked_on")
    list_filter = ("revoked_on",)
    list_select_related = ("household",)
    search_fields = ("rum", "debtor")
    autocomplete_fields = ("household",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Mandate | None = None) -> list[str]:
        """A mandate that was debited keeps whose it is; it is revoked, and another signed."""
        shown = ["household", "rum", "account", "signed_on"] if obj and obj.debits.exists() else []
        return [*shown, "regie_shown"]

    def get_fields(self, request: HttpRequest, obj: Mandate | None = None) -> tuple[str, ...]:
        shown = obj is not None and (obj.debits.exists() or not self.has_change_permission(request, obj))
        account = "account" if shown else "iban"
        regie = ("regie_shown" if shown else "regie",) if self._several(request) else ()
        return ("household", *regie, "rum", "debtor", account, "bic", "signed_on", "revoked_on")

    def save_model(self, request: HttpRequest, obj: Mandate, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        others = Mandate.objects.of_account(obj.iban).filter(revoked_on=None).exclude(pk=obj.pk)
        if "iban" in form.changed_data and (shared := [str(one) for one in others.order_by("pk")]):
            messages.warning(request, f"Un autre foyer a le même IBAN : {', '.join(shared)}. Est-ce voulu ?")

    @admin.display(description="IBAN")
    def account(self, obj: Mandate) -> str:
        return obj.iban if isinstance(obj.iban, Unreadable) else grouped(obj.iban)

    @admin.display(description="IBAN", ordering="iban_end")
    def account_end(self, obj: Mandate) -> str:
        return obj.account


class DebitInline(ShownOnlyInline[Debit, DebitFile]):
    model = Debit
    fields = readonly_fields = ("invoice", "mandate", "payment", "returned_on", "return_reason")


@admin.register(DebitFile)
class DebitFileAdmin(SaysRegie[DebitFile], ShownOnly[DebitFile], OwnPages[DebitFile]):
    desk_order = 21
    desk_links = (
        DeskLink(
            "Préparer des prélèvements",
            "billing_debit_make",
            "billing.add_debitfile",
            "aperçu, puis fichier SEPA",
        ),
        DeskLink(
            "Lire les rejets de la banque",
            "billing_debit_read",
            "billing.change_debit",
            "prélèvements revenus impayés",
        ),
    )
    list_display = ("message", "collected_on", "made_by", "made_at")
    actions = ("mark_collected",)
    inlines = (DebitInline,)
    fields = readonly_fields = ("message", "collected_on", "made_by", "made_at")
    change_form_template = "admin/billing/debit_file.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[DebitFile]:
        # The file itself is long, and read when it is downloaded only.
        return super().get_queryset(request).defer("content")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("preparer/", wrap(self.make), name="billing_debit_make"),
            path("rejets/", wrap(self.read), name="billing_debit_read"),
            path("<int:pk>/fichier/", wrap(self.download), name="billing_debit_download"),
            *super().get_urls(),
        ]

    def make(self, request: SignedInRequest) -> HttpResponse:
        """The pain.008 file of what is due: shown first, made once that is confirmed."""
        self.demand(request, "billing.add_debitfile")
        today = timezone.localdate()
        latest = DebitFile.objects.first()
        initial = {
            "month": f"{last_month(today):%Y-%m}",
            "schema": sepa.schema_of(latest) if latest else sepa.SCHEMA,
        }
        form = DebitForm(request.POST or None, initial=initial)
        found = None
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                sepa.check(said["collected_on"], at=timezone.now(), regie=form.regie)
                if "confirmed" in request.POST:
                    made = sepa.make(
                        said["month"],
                        collected_on=said["collected_on"],
                        schema=said["schema"],
                        by=request.user,
                        at=timezone.now(),
                        seen=request.POST.get("vu", ""),
                        regie=form.regie,
                    )
                    return self._made(request, made)
            except sepa.DebitRefused as refusal:
                form.add_error(None, str(refusal))
            found = sepa.outlook(said["month"], form.regie)
        context = {"form": form, "found": found, "back": reverse("admin:billing_debitfile_changelist")}
        return self.page(request, "admin/billing/debit_make.html", "Préparer des prélèvements", context)

    def _made(self, request: HttpRequest, made: DebitFile) -> HttpResponse:
        messages.success(
            request,
            f"Le fichier contient {counted(made.debits.count(), 'prélèvement', 'prélèvements')} :"
            " téléchargez-le, puis remettez-le à la banque.",
        )
        return redirect("admin:billing_debitfile_change", made.pk)

    @takes_files
    def read(self, request: SignedInRequest) -> HttpResponse:
        """What the bank's own file says was sent back."""
        self.demand(request, "billing.change_debit")
        form = BankFileForm(request.POST or None, request.FILES or None)
        back = reverse("admin:billing_debitfile_changelist")
        if request.method == "POST" and form.is_valid():
            file = form.cleaned_data["file"]
            try:
                said = bank_returns.read(file.read(), file.name)
            except bank_returns.UnknownFile as refusal:
                form.add_error("file", str(refusal))
            else:
                self._say_returns(request, bank_returns.apply(said, by=request.user, at=timezone.now()))
                return redirect(back)
        context = {"form": form, "back": back, "button": "Noter les rejets"}
        return self.page(request, "admin/billing/form.html", "Lire les rejets de la banque", context)

    def _say_returns(self, request: HttpRequest, noted: bank_returns.Noted) -> None:
        for debit in noted.debits:
            debit_letters.tell_returned(debit)
        names = ", ".join(f"{one.invoice.number} ({one.return_reason})" for one in noted.debits)
        done = counted(len(noted.debits), "rejet noté", "rejets notés")
        messages.success(request, f"{done} : {names}. Les familles sont prévenues." if names else f"{done}.")
        if noted.known:
            messages.info(
                request, f"Déjà connus : {counted(noted.known, 'rejet noté', 'rejets notés')} auparavant."
            )
        say_closed(request, *_reversals(noted.debits))
        for strange in noted.strange:
            messages.warning(request, strange)

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.demand(request, "billing.view_debitfile", rights.EXPORT)
        ask_again(request)
        file = get_object_or_404(DebitFile, pk=pk)
        content: str = file.content
        if isinstance(content, Unreadable):
            messages.error(request, UNREADABLE_FILE)
            return redirect("admin:billing_debitfile_change", pk)
        if not content:
            messages.error(request, EMPTIED_FILE)
            return redirect("admin:billing_debitfile_change", pk)
        debited = Invoice.objects.filter(debits__file=file)
        note_households(request, f"Fichier de prélèvements {file.message}", debited)
        return hand_over(content, f"prelevements-{file.message}.xml")

    @admin.action(description="La banque a prélevé : marquer comme payé", permissions=["decide"])
    def mark_collected(self, request: SignedInRequest, queryset: QuerySet[DebitFile]) -> None:
        for file in queryset:
            try:
                done = sepa.collected(file, by=request.user, at=timezone.now())
            except sepa.DebitRefused as refusal:
                messages.error(request, f"{file} : {refusal}")
            else:
                messages.success(request, f"{file} : {counted(done, 'facture payée', 'factures payées')}.")
                if done:
                    say_closed(request, *Payment.objects.validated().filter(debit__file=file))


def _reversals(debits: Sequence[Debit]) -> QuerySet[Payment]:
    """What takes the payments of these debits back; nothing of one that never counted."""
    return Payment.objects.filter(refunds__in=[one.payment_id for one in debits], kind=PaymentKind.REVERSAL)


@admin.register(Debit)
class DebitAdmin(ShownOnly[Debit], OwnPages[Debit]):
    desk_order = 22
    list_display = ("invoice", "mandate", "file", "payment", "returned_on", "return_reason")
    list_filter = ("file", "returned_on")
    list_select_related = ("invoice", "mandate", "file", "payment")
    search_fields = ("invoice__number", "mandate__rum", "mandate__debtor")
    fields = readonly_fields = ("invoice", "mandate", "file", "payment", "returned_on", "return_reason")
    change_form_template = "admin/billing/debit.html"

    def get_urls(self) -> list[URLPattern]:
        rejected = path(
            "<int:pk>/rejet/", self.admin_site.admin_view(self.send_back), name="billing_debit_return"
        )
        return [rejected, *super().get_urls()]

    def send_back(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """The bank has sent a debit back: its invoice is to pay again."""
        self.demand(request, "billing.change_debit")
        debit = get_object_or_404(Debit.objects.select_related("payment", "invoice"), pk=pk)
        initial = {"on": timezone.localdate(), "due_on": undoing.next_due(timezone.now())}
        form = ReturnForm(request.POST or None, initial=initial)
        back = reverse("admin:billing_debit_change", args=[pk])
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                done = sepa.returned(
                    debit,
                    on=said["on"],
                    reason=said["reason"],
                    due_on=said["due_on"],
                    by=request.user,
                    at=timezone.now(),
                )
            except (sepa.DebitRefused, PaymentRefused) as refusal:
                form.add_error(None, str(refusal))
            else:
                debit_letters.tell_returned(done)
                words = f"Le prélèvement est rejeté : {debit.invoice} est à payer. La famille est prévenue."
                messages.success(request, words)
                say_closed(request, *_reversals([done]))
                return redirect(back)
        context = {"form": form, "back": back, "button": "Noter le rejet", "lead": str(debit)}
        return self.page(request, "admin/billing/form.html", "Prélèvement rejeté par la banque", context)
