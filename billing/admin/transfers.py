"""« Remboursements par virement » at the desk: what waits for a file, the file, and what the bank says."""

from datetime import timedelta

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.admin import regies
from billing.admin.cash_desk import say_closed
from billing.admin.exporting import note_households
from billing.admin.online import UNREADABLE_FILE
from billing.admin.regies import SaysRegie
from billing.models import Payment, PaymentKind, TransferFile, TransferRefund
from billing.payments import transfers
from families.desk_links import household_link
from families.signing_in.asking_again import ask_again, asks_again
from portal.database.encrypted import Unreadable
from portal.desk import rights
from portal.desk.lists import StateBadge
from portal.desk.pages import OwnPages, ShownOnly, ShownOnlyInline
from portal.desk.site import DeskLink, Queue
from portal.files.handing_over import hand_over
from portal.french.amounts import euros
from portal.french.day_fields import NearDateField
from portal.french.plurals import counted
from portal.web.signed_in import SignedInRequest

EMPTIED = "Ce fichier n'est plus conservé : les coordonnées bancaires ont été effacées."
STATES = TransferRefund.State


class MakeForm(forms.Form):
    paid_on = NearDateField(label="Date des virements")


class CancelForm(forms.Form):
    why = forms.CharField(label="Motif", max_length=140)


class RefusedForm(CancelForm):
    on = NearDateField(label="Rejeté le")
    field_order = ("on", "why")


@admin.register(TransferRefund)
class TransferRefundAdmin(StateBadge, ShownOnly[TransferRefund], OwnPages[TransferRefund]):
    desk_order = 23
    work_queues = (
        Queue(
            "Remboursements à mettre dans un fichier de virements",
            lambda request: TransferRefund.objects.filter(state=STATES.WAITING),
            "state__exact=waiting",
            since="asked_at",
            late_after=timedelta(days=14),
        ),
    )
    desk_links = (
        DeskLink(
            "Créer le fichier de virements",
            "billing_transfer_make",
            "billing.add_transferfile",
            "ce que la mairie rend aux familles par la banque",
        ),
    )
    list_display = ("payment", "household", "amount_shown", "holder", "account", "state_badge", "file")
    list_filter = ("state", "file")
    list_select_related = ("payment__household", "file")
    search_fields = ("payment__number", "holder")
    search_help_text = "Numéro du remboursement ou titulaire du compte"
    tints = {
        "waiting": "requested",
        "in_file": "requested",
        "done": "accepted",
        "refused": "refused",
        "cancelled": "refused",
    }
    fields = readonly_fields = (
        "payment",
        "household",
        "amount_shown",
        "holder",
        "account",
        "state_badge",
        "file",
        "asked_by",
        "asked_at",
        "ended_on",
        "why_not",
    )
    change_form_template = "admin/billing/transfer.html"

    @admin.display(description="foyer")
    def household(self, obj: TransferRefund) -> str:
        return household_link(obj.payment.household_id)

    @admin.display(description="montant")
    def amount_shown(self, obj: TransferRefund) -> str:
        return euros(-obj.payment.amount)

    @admin.display(description="IBAN")
    def account(self, obj: TransferRefund) -> str:
        return obj.account

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("fichier/", wrap(self.make), name="billing_transfer_make"),
            path("<int:pk>/abandonner/", wrap(self.cancel), name="billing_transfer_cancel"),
            path("<int:pk>/rejet/", wrap(self.refused), name="billing_transfer_refused"),
            *super().get_urls(),
        ]

    def make(self, request: SignedInRequest) -> HttpResponseBase:
        """What the file would hold is shown above its button."""
        self.demand(request, "billing.add_transferfile")
        ask_again(request)
        several = regies.choices()
        asked = request.GET.get("regie", "")
        regie = regies.chosen(asked) if asked in dict(several) else None
        form = MakeForm(request.POST or None, initial={"paid_on": timezone.localdate()})
        if request.method == "POST" and form.is_valid():
            try:
                made = transfers.make(
                    paid_on=form.cleaned_data["paid_on"],
                    by=request.user,
                    at=timezone.now(),
                    seen=request.POST.get("vu", ""),
                    regie=regie,
                )
            except transfers.TransferRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                count = counted(made.refunds.count(), "virement", "virements")
                messages.success(
                    request, f"Le fichier contient {count} : téléchargez-le, puis remettez-le à la banque."
                )
                return redirect("admin:billing_transferfile_change", made.pk)
        found = transfers.waiting(regie)
        context = {
            "form": form,
            "regies": [(key, name, regies.chosen(key) == regie) for key, name in several],
            "found": [
                (one, household_link(one.payment.household_id), euros(-one.payment.amount)) for one in found
            ],
            "count": counted(len(found), "virement", "virements"),
            "total": euros(transfers.total(found)),
            "seen": transfers.fingerprint(found),
            "back": reverse("admin:billing_transferrefund_changelist"),
        }
        return self.page(
            request, "admin/billing/transfer_make.html", "Créer le fichier de virements", context
        )

    def cancel(self, request: SignedInRequest, pk: int) -> HttpResponseBase:
        """Before any file: the money is back on the account."""
        refund = self._asked(request, pk)
        form = CancelForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                transfers.cancel(refund, why=form.cleaned_data["why"], by=request.user, at=timezone.now())
            except transfers.TransferRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._is_back(request, refund, "abandonné")
        return self._form(request, refund, form, "Abandonner ce remboursement")

    def refused(self, request: SignedInRequest, pk: int) -> HttpResponseBase:
        """The bank has sent it back: the same, and the family is told."""
        refund = self._asked(request, pk)
        form = RefusedForm(request.POST or None, initial={"on": timezone.localdate()})
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                transfers.refused(refund, on=said["on"], why=said["why"], by=request.user, at=timezone.now())
            except transfers.TransferRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._is_back(request, refund, "rejeté par la banque", " La famille est prévenue.")
        return self._form(request, refund, form, "Virement rejeté par la banque")

    def _asked(self, request: SignedInRequest, pk: int) -> TransferRefund:
        self.demand(request, "billing.change_transferrefund")
        ask_again(request)
        return get_object_or_404(TransferRefund.objects.select_related("payment"), pk=pk)

    def _is_back(
        self, request: HttpRequest, refund: TransferRefund, what: str, more: str = ""
    ) -> HttpResponse:
        amount = euros(-refund.payment.amount)
        messages.success(
            request, f"Le {refund} est {what} : {amount} sont de nouveau au compte de la famille.{more}"
        )
        say_closed(request, *refund.payment.refunded_by.filter(kind=PaymentKind.BACK))
        return redirect("admin:billing_transferrefund_change", refund.pk)

    def _form(
        self, request: HttpRequest, refund: TransferRefund, form: forms.Form, title: str
    ) -> HttpResponse:
        context = {
            "form": form,
            "back": reverse("admin:billing_transferrefund_change", args=[refund.pk]),
            "button": title,
            "lead": f"{refund} de {euros(-refund.payment.amount)} : l'argent revient à la famille.",
        }
        return self.page(request, "admin/billing/form.html", title, context)


class TransferInline(ShownOnlyInline[TransferRefund, TransferFile]):
    model = TransferRefund
    fields = readonly_fields = ("payment", "holder", "state", "ended_on")


@admin.register(TransferFile)
class TransferFileAdmin(SaysRegie[TransferFile], ShownOnly[TransferFile], OwnPages[TransferFile]):
    desk_order = 24
    list_display = ("message", "paid_on", "made_by", "made_at")
    list_select_related = ("made_by",)
    actions = ("mark_done",)
    inlines = (TransferInline,)
    fields = readonly_fields = ("message", "paid_on", "made_by", "made_at")
    change_form_template = "admin/billing/transfer_file.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[TransferFile]:
        # The file itself is long, and read when it is downloaded only.
        return super().get_queryset(request).defer("content")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/fichier/", wrap(self.download), name="billing_transfer_download"),
            *super().get_urls(),
        ]

    def download(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        self.demand(request, "billing.view_transferfile", rights.EXPORT)
        ask_again(request)
        file = get_object_or_404(TransferFile, pk=pk)
        content: str = file.content
        if isinstance(content, Unreadable) or not content:
            messages.error(request, UNREADABLE_FILE if content else EMPTIED)
            return redirect("admin:billing_transferfile_change", pk)
        paid = Payment.objects.filter(transfer__file=file)
        note_households(request, f"Fichier de virements {file.message}", paid)
        return hand_over(content, f"virements-{file.message}.xml")

    @admin.action(description="La banque a exécuté les virements", permissions=["decide"])
    @asks_again
    def mark_done(self, request: SignedInRequest, queryset: QuerySet[TransferFile]) -> None:
        for file in queryset:
            ended = 0
            try:
                for refund in file.refunds.filter(state=STATES.IN_FILE).select_related("payment"):
                    ended += transfers.done(refund, by=request.user, at=timezone.now())
            except transfers.TransferRefused as refusal:
                messages.error(request, f"{file} : {refusal}")
            else:
                messages.success(
                    request,
                    f"{file} : {counted(ended, 'virement exécuté', 'virements exécutés')}."
                    " Les coordonnées bancaires sont effacées.",
                )
