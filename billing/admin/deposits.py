"""Cash counted, cheques, vouchers and cash handed over: their pages, and what is kept of them."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from billing.admin import regies
from billing.admin.exporting import downloads, note_households
from billing.admin.once import AlreadySent, OnceForm
from billing.admin.regies import OfARegie, SaysRegie
from billing.documents import slips
from billing.models import CashCount, DepositSlip, Payment
from billing.payments import counting, deposits, means
from billing.rules.means import Means
from families.desk_cells import person
from families.signing_in.asking_again import ask_again
from portal.desk import rights
from portal.desk.lists import badge
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.site import DeskLink, DeskNotice
from portal.files.handing_over import hand_over
from portal.french.amounts import euros
from portal.french.day_fields import NearDateField
from portal.french.numbers import TypedDecimalField
from portal.web.signed_in import SignedInRequest

MOST_PIECES = 99_999
SMALLEST_NOTE = Decimal(5)


class WaitingPayments(forms.ModelMultipleChoiceField[Payment]):
    """Payments to tick, each as it is found in the drawer."""

    widget = forms.CheckboxSelectMultiple

    def label_from_instance(self, obj: Payment) -> str:
        who = f"foyer n°\xa0{obj.household.number}"
        reference = f", {obj.reference}" if obj.reference else ""
        return f"{euros(obj.amount)}, {obj.paid_on:%d/%m/%Y}, {who}{reference} (reçu {obj.number})"


class SlipForm(OnceForm):
    deposited_on = NearDateField(label="Remis le")

    def __init__(self, *args: Any, way: Means, regie: int | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        waiting = deposits.waiting([way], regie).select_related("household")
        self.fields["payments"] = WaitingPayments(waiting, label="Règlements")
        self.fields["payments"].initial = [one.pk for one in waiting]


class CancelForm(OnceForm):
    reason = forms.CharField(label="Motif", max_length=300, widget=forms.TextInput(attrs={"size": 60}))


def _who_paid(chosen: QuerySet[DepositSlip]) -> QuerySet[Payment]:
    return Payment.objects.filter(deposits__slip__in=chosen.order_by().values("pk"))


@admin.register(DepositSlip)
class DepositSlipAdmin(SaysRegie[DepositSlip], ShownOnly[DepositSlip], OwnPages[DepositSlip]):
    desk_order = 7
    desk_links = (
        DeskLink(
            "Remettre chèques et espèces",
            "billing_depositslip_waiting",
            "billing.add_depositslip",
            "bordereaux de remise, versements au comptable",
        ),
    )
    list_display = ("number", "deposited_on", "means_shown", "total_shown", "line_count", "state", "made_by")
    list_filter = ("deposited_on",)
    list_select_related = ("made_by", "cancellation")
    search_fields = ("number", "lines__number", "lines__reference")
    search_help_text = "Numéro de bordereau, de reçu ou de chèque"
    date_hierarchy = "deposited_on"
    actions = ("download_csv", "download_xlsx")
    fields = readonly_fields = (
        "number",
        "deposited_on",
        "means_shown",
        "total_shown",
        "line_count",
        "state",
        "made_by",
        "made_at",
    )
    change_form_template = "admin/billing/slip.html"

    @admin.display(description="moyen de paiement", ordering="means")
    def means_shown(self, obj: DepositSlip) -> str:
        return obj.means_label

    @admin.display(description="total", ordering="total")
    def total_shown(self, obj: DepositSlip) -> str:
        return euros(obj.total)

    @admin.display(description="état")
    def state(self, obj: DepositSlip) -> SafeString:
        return badge("refused", "Annulé") if hasattr(obj, "cancellation") else badge("accepted", "Remis")

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("a-remettre/", wrap(self.waiting), name="billing_depositslip_waiting"),
            path("a-remettre/<slug:means>/", wrap(self.make), name="billing_depositslip_make"),
            path("<int:pk>/pdf/", wrap(self.one_pdf), name="billing_depositslip_pdf"),
            path("<int:pk>/annuler/", wrap(self.cancel), name="billing_depositslip_cancel"),
            *super().get_urls(),
        ]

    def beside(self, request: HttpRequest, row: DepositSlip) -> dict[str, Any]:
        cancelled = slips.cancellation_of(row)
        return {
            **super().beside(request, row),
            "lines": slips.lines_of(row),
            "cancellation": cancelled,
            "cancelled_by": person(cancelled.cancelled_by) if cancelled else "",
        }

    def waiting(self, request: HttpRequest) -> HttpResponse:
        """What is to be handed over, means by means."""
        self.demand(request, "billing.add_depositslip")
        cash = deposits.cash()
        # A régie after the other, the town's own first.
        rank = {key: number for number, key in enumerate(cash.names or {None: ""})}
        rows = [
            (regie or "", cash.names.get(regie, ""), way, len(amounts), euros(sum(amounts, Decimal(0))))
            for regie, way, amounts in sorted(deposits.by_means(), key=lambda one: rank[one[0]])
        ]
        context = {"rows": rows, "several": bool(cash.names), "too_much_cash": cash.too_much}
        return self.page(request, "admin/billing/to_deposit.html", "Remettre chèques et espèces", context)

    def make(self, request: SignedInRequest, means: str) -> HttpResponse:
        """A slip of the payments chosen."""
        self.demand(request, "billing.add_depositslip")
        way = _way(means)
        several = dict(regies.choices())
        asked = request.GET.get("regie", "")
        if asked and asked not in several:
            raise Http404
        regie = regies.chosen(asked)
        initial = {"deposited_on": timezone.localdate()}
        form = SlipForm(request.POST or None, initial=initial, way=way, regie=regie)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                with form.once():
                    slip = deposits.make(
                        way.code,
                        [one.pk for one in said["payments"]],
                        deposited_on=said["deposited_on"],
                        by=request.user,
                        at=timezone.now(),
                        regie=regie,
                    )
            except AlreadySent as twice:
                messages.warning(request, str(twice))
                return redirect("admin:billing_depositslip_changelist")
            except deposits.DepositRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, deposits.said(slip))
                return redirect("admin:billing_depositslip_change", slip.pk)
        context = {
            "form": form,
            "back": reverse("admin:billing_depositslip_waiting"),
            "button": "Établir le bordereau",
            "lead": several.get(asked, ""),
        }
        return self.page(request, "admin/billing/form.html", deposits.title(way), context)

    def one_pdf(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, "billing.view_depositslip", rights.EXPORT)
        slip = get_object_or_404(DepositSlip.objects.select_related("made_by"), pk=pk)
        note_households(
            request, f"Bordereau {slip.number} (PDF)", _who_paid(DepositSlip.objects.filter(pk=pk))
        )
        return hand_over(slips.render(slip), f"Bordereau-{slip.number}.pdf", inline=True)

    def cancel(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """A slip typed wrong."""
        self.demand(request, "billing.change_depositslip")
        ask_again(request)
        slip = get_object_or_404(DepositSlip, pk=pk)
        form = CancelForm(request.POST or None)
        back = reverse("admin:billing_depositslip_change", args=[pk])
        if request.method == "POST" and form.is_valid():

            def act() -> str:
                reason, at = form.cleaned_data["reason"], timezone.now()
                deposits.cancel(slip, reason=reason, by=request.user, at=at)
                return f"Le bordereau n°\xa0{slip.number} est annulé : ses règlements sont à remettre."

            if form.done(request, act, deposits.DepositRefused):
                return redirect(back)
        context = {
            "form": form,
            "back": back,
            "button": "Annuler le bordereau",
            "lead": f"{slip}, {slip.means_label}, {euros(slip.total)}. Son numéro n'est pas repris.",
        }
        return self.page(request, "admin/billing/form.html", "Annuler un bordereau", context)

    download_csv, download_xlsx = downloads(
        "Bordereaux", "bordereaux", slips.COLUMNS, slips.rows, of_homes=_who_paid
    )


def _way(code: str) -> Means:
    way = means.of(code)
    if not way.deposit:
        raise Http404
    return way


class CountForm(OfARegie, OnceForm):
    """The total, or notes and coins one kind after the other."""

    counted = TypedDecimalField(
        label="Compté",
        min_value=Decimal(0),
        max_digits=10,
        decimal_places=2,
        required=False,
        widget=forms.TextInput(attrs={"size": 10, "inputmode": "decimal", "autofocus": True}),
        help_text="Le total, ou bien billets et pièces ci-dessous.",
    )
    mine = forms.BooleanField(
        label="Seulement ce que j'ai encaissé", required=False, help_text="Sans le fonds de caisse."
    )
    remark = forms.CharField(
        label="Remarque", max_length=300, required=False, widget=forms.TextInput(attrs={"size": 60})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for value in counting.PIECES:
            self.fields[_field(value)] = forms.IntegerField(
                label=f"{'Billets' if value >= SMALLEST_NOTE else 'Pièces'} de {euros(value)}",
                min_value=0,
                max_value=MOST_PIECES,
                required=False,
            )

    @property
    def pieces(self) -> dict[str, int]:
        return {str(value): self.cleaned_data.get(_field(value)) or 0 for value in counting.PIECES}

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        if self.errors:
            return said
        typed = [value for value in counting.PIECES if said.get(_field(value)) is not None]
        total = counting.total(self.pieces)
        if said.get("counted") is None and not typed:
            self.add_error("counted", "Indiquez ce que contient la caisse.")
        elif said.get("counted") is None:
            said["counted"] = total
        elif typed and said["counted"] != total:
            self.add_error("counted", f"Les billets et pièces font {euros(total)}.")
        return said


def _field(value: Decimal) -> str:
    """The field's name of a note or coin, by its cents."""
    return f"piece_{int(value * 100)}"


@admin.register(CashCount)
class CashCountAdmin(SaysRegie[CashCount], ShownOnly[CashCount], OwnPages[CashCount]):
    desk_order = 8
    desk_links = (
        DeskLink(
            "Compter la caisse", "billing_cashcount_count", "billing.add_cashcount", "et comparer au journal"
        ),
    )
    list_display = (
        "counted_at",
        "counted_by",
        "agent",
        "expected_shown",
        "counted_shown",
        "difference_shown",
    )
    list_select_related = ("counted_by", "agent")
    date_hierarchy = "counted_at"
    fields = readonly_fields = (
        "counted_at",
        "counted_by",
        "agent",
        "float_shown",
        "taken_shown",
        "expected_shown",
        "counted_shown",
        "difference_shown",
        "pieces_shown",
        "remark",
    )

    @admin.display(description="fonds de caisse")
    def float_shown(self, obj: CashCount) -> str:
        return euros(obj.cash_float)

    @admin.display(description="espèces depuis le dernier versement")
    def taken_shown(self, obj: CashCount) -> str:
        return euros(obj.taken)

    @admin.display(description="attendu")
    def expected_shown(self, obj: CashCount) -> str:
        return euros(obj.expected)

    @admin.display(description="compté", ordering="counted")
    def counted_shown(self, obj: CashCount) -> str:
        return euros(obj.counted)

    @admin.display(description="écart")
    def difference_shown(self, obj: CashCount) -> str:
        return counting.in_words(obj.difference)

    @admin.display(description="billets et pièces")
    def pieces_shown(self, obj: CashCount) -> str:
        return ", ".join(f"{number} × {euros(Decimal(value))}" for value, number in obj.pieces.items()) or "–"

    def desk_notices(self, request: HttpRequest) -> list[DeskNotice]:
        # It says what to do, and leads there: to who counts the till.
        said = deposits.too_much_cash() if request.user.has_perm("billing.add_cashcount") else ""
        return [DeskNotice(said, reverse("admin:billing_cashcount_count"))] if said else []

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("compter/", wrap(self.count), name="billing_cashcount_count"),
            *super().get_urls(),
        ]

    def count(self, request: SignedInRequest) -> HttpResponse:
        """What should be there, and what is."""
        self.demand(request, "billing.add_cashcount")
        form = CountForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                with form.once():
                    made = counting.count(
                        said["counted"],
                        pieces=form.pieces,
                        remark=said["remark"],
                        agent=request.user if said["mine"] else None,
                        regie=form.regie,
                        by=request.user,
                        at=timezone.now(),
                    )
            except AlreadySent as twice:
                messages.warning(request, str(twice))
            else:
                tell = messages.success if made.difference == 0 else messages.warning
                tell(
                    request,
                    f"{euros(made.counted)} comptés, {euros(made.expected)} attendus."
                    f" {counting.in_words(made.difference)}",
                )
            return redirect("admin:billing_cashcount_changelist")
        cash = deposits.cash(request.user)
        context = {"form": form, "tills": counting.tills(cash), "too_much_cash": cash.too_much}
        return self.page(request, "admin/billing/cash_count.html", "Compter la caisse", context)
