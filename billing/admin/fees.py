"""« Frais annuels » at the desk: what the town asks once a year, what each family owes, who is let off."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeAlias, TypedDict

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from billing.admin.exporting import downloads
from billing.admin.regies import SaysRegie
from billing.invoices import fees
from billing.models import BilledItem, Fee, FeePrice, HouseholdFee, InvoiceLine
from billing.prices import rule_previews
from billing.rules import fees as rules
from portal.desk.choices import TolerantChoices
from portal.desk.columns import TypedColumns
from portal.desk.lists import NumberSearch, badge
from portal.desk.pages import OwnPages, ShownOnly, WithHistory
from portal.desk.previews import Preview, ShowsPreview, Typed
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.web.signed_in import SignedInRequest

COLUMNS = ("Foyer", "Enfant", "Frais", "Dus depuis le", "Montant", "État", "Motif de la dispense")


class PricesFormSet(forms.BaseInlineFormSet[FeePrice, Fee, Any]):
    """Prices that contradict one another, or the fee, are refused."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        if found := rules.problems(rules.Per(self.instance.per or Fee.Per.HOUSEHOLD), self.steps()):
            raise ValidationError(found)

    def steps(self) -> list[rules.Step]:
        return [
            rules.Step(
                row["amount"], row.get("from_child") or 1, row.get("amount_outside"), row.get("valid_from")
            )
            for row in (one.cleaned_data for one in self.forms if one.has_changed() or one.instance.pk)
            if row and not row.get("DELETE") and row.get("amount") is not None
        ]


class FeePriceInline(TypedColumns, admin.TabularInline[FeePrice, Fee]):
    model = FeePrice
    formset = PricesFormSet
    extra = 1
    fields = ("amount", "amount_outside", "from_child", "valid_from")


@admin.register(Fee)
class FeeAdmin(SaysRegie[Fee], ShowsPreview[Fee], TolerantChoices[Fee], WithHistory[Fee]):
    regie_field = "regie"
    desk_order = 11
    list_display = ("name", "sentence", "asked_by", "valid_from", "valid_to")
    search_fields = ("name", "code")
    filter_horizontal = ()
    inlines = (FeePriceInline,)
    prepopulated_fields = {"code": ("name",)}
    fields = (
        "name",
        "code",
        "activities",
        "per",
        "span",
        "arises",
        "refunded",
        "valid_from",
        "valid_to",
        "vat_percent",
        "analytic",
        "account",
    )
    change_form_template = "admin/billing/fee.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Fee]:
        return super().get_queryset(request).prefetch_related("prices", "activities")

    @admin.display(description="en clair")
    def sentence(self, obj: Fee) -> str:
        return obj.sentence(timezone.localdate())

    @admin.display(description="demandés par")
    def asked_by(self, obj: Fee) -> str:
        return ", ".join(map(str, obj.activities.all())) or "aucune activité : ils ne sont jamais demandés"

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = forms.CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: Fee | None = None) -> bool:
        """What a family was asked for stays."""
        return super().has_delete_permission(request, obj) and (obj is None or not obj.asked.exists())

    def preview(self, typed: Typed[Fee], request: HttpRequest, at: datetime) -> Preview | None:
        prices = [one.rule() for one in typed.rows(FeePrice) or ()]
        row, day = typed.row, timezone.localdate(at)
        return (
            rule_previews.fee(row.name, rules.Per(row.per), rules.Span(row.span), prices, day)
            if prices
            else None
        )


class LastBilling(TypedDict):
    """As what an invoice has it last, and which."""

    billed_as: str | None
    billed_by: str | None


BilledFee: TypeAlias = "WithAnnotations[HouseholdFee, LastBilling]"


def with_billing(rows: QuerySet[HouseholdFee]) -> QuerySet[BilledFee]:
    last = BilledItem.objects.filter(fee=OuterRef("pk")).order_by("-turn")
    return rows.annotate(
        billed_as=Subquery(last.values("line__kind")[:1]),
        billed_by=Subquery(last.values("line__invoice__number")[:1]),
    )


def state_of(row: BilledFee) -> tuple[str, str]:
    """A tint and the words of where it stands."""
    billed = row.billed_as is not None and row.billed_as != InvoiceLine.Kind.CREDIT
    if row.superseded or row.waived_at:
        word = "En double" if row.superseded else "Dispensé"
        return ("requested", f"{word}, à rendre ({row.billed_by})") if billed else ("none", word)
    if billed:
        return "accepted", f"Facturé ({row.billed_by})"
    if not row.amount:
        return "accepted", "Gratuit"
    return "requested", f"À refacturer (rendu par {row.billed_by})" if row.billed_by else "À facturer"


def file_rows(rows: QuerySet[HouseholdFee]) -> Iterator[tuple[Any, ...]]:
    for row in with_billing(rows).select_related("child").order_by("household", "pk"):
        yield (
            row.household_id,
            str(row.child or ""),
            row.label,
            row.arises_on,
            row.amount,
            state_of(row)[1],
            row.waived_reason,
        )


class WaivedFilter(admin.SimpleListFilter):
    title = "dispense"
    parameter_name = "dispense"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("oui", "Dispensés"), ("non", "Demandés")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(waived_at__isnull=self.value() == "non") if self.value() else queryset


class WaiveForm(forms.Form):
    reason = forms.CharField(
        label="Motif",
        max_length=300,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text="Pour vos collègues : la famille ne le lit pas. Par exemple : décision du CCAS du 12 juin.",
    )


@admin.register(HouseholdFee)
class HouseholdFeeAdmin(ShownOnly[HouseholdFee], NumberSearch[HouseholdFee], OwnPages[HouseholdFee]):
    desk_order = 16
    list_display = ("label", "household", "child", "amount_shown", "arises_on", "state", "waived_reason")
    list_filter = ("fee", WaivedFilter, "arises_on")
    list_select_related = ("household", "child", "fee")
    search_fields = ("label", "child__last_name")
    search_help_text = "Numéro de foyer, nom de l'enfant ou désignation"
    actions = ("download_csv", "download_xlsx")
    fields = readonly_fields = (
        "label",
        "household",
        "child",
        "amount_shown",
        "explanation",
        "starts_on",
        "ends_on",
        "arises_on",
        "state",
        "waived_at",
        "waived_by",
        "waived_reason",
    )
    change_form_template = "admin/billing/household_fee.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BilledFee]:
        return with_billing(super().get_queryset(request))

    @admin.display(description="montant", ordering="amount")
    def amount_shown(self, obj: HouseholdFee) -> str:
        return euros(obj.amount)

    @admin.display(description="état")
    def state(self, obj: BilledFee) -> SafeString:
        return badge(*state_of(obj))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/dispenser/", wrap(self.waive), name="billing_householdfee_waive"),
            path("<int:pk>/redemander/", wrap(self.ask_again), name="billing_householdfee_ask_again"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        acts = []
        if row is not None and request.user.has_perm(fees.RIGHT) and not row.superseded:
            page, words = (
                ("billing_householdfee_ask_again", "Demander de nouveau")
                if row.waived_at
                else ("billing_householdfee_waive", "Dispenser cette famille")
            )
            acts.append((words, reverse(f"admin:{page}", args=[row.pk])))
        return super().change_view(request, object_id, form_url, {"acts": acts} | (extra_context or {}))

    def waive(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """« Dispenser cette famille », with the reason."""
        row = self._asked(request, pk)
        form = WaiveForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                fees.waive(row, reason=form.cleaned_data["reason"], by=request.user, at=timezone.now())
            except fees.FeeRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"{row.label} : le foyer n°\xa0{row.household_id} en est dispensé.")
                return redirect("admin:billing_householdfee_change", row.pk)
        billed = BilledItem.objects.filter(fee=row).order_by("-turn").select_related("line").first()
        then = "Cette famille n'aura rien à payer."
        if billed is not None and billed.line.kind != InvoiceLine.Kind.CREDIT:
            then = f"Déjà facturés : {euros(billed.amount)} reviennent sur la prochaine facture."
        return self._page(request, row, form, "Dispenser cette famille", then)

    def ask_again(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """« Demander de nouveau »: the family pays on its next invoice."""
        row = self._asked(request, pk)
        form = forms.Form(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                fees.ask_again(row, by=request.user, at=timezone.now())
            except fees.FeeRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                messages.success(request, f"{row.label} : demandés au foyer n°\xa0{row.household_id}.")
                return redirect("admin:billing_householdfee_change", row.pk)
        then = f"{euros(row.amount)} iront sur la prochaine facture, si une inscription les demande."
        return self._page(request, row, form, "Demander de nouveau", then)

    def _asked(self, request: SignedInRequest, pk: int) -> HouseholdFee:
        self.demand(request, fees.RIGHT)
        return get_object_or_404(HouseholdFee.objects.select_related("household", "fee"), pk=pk)

    def _page(
        self, request: SignedInRequest, row: HouseholdFee, form: forms.Form, title: str, then: str
    ) -> HttpResponse:
        since = short_day(row.arises_on, year=True)
        context = {
            "form": form,
            "button": title,
            "back": reverse("admin:billing_householdfee_change", args=[row.pk]),
            "lead": f"{row.label}, foyer n°\xa0{row.household_id}, {euros(row.amount)}, dus depuis le"
            f" {since}. {then}",
        }
        return self.page(request, "admin/billing/form.html", title, context)

    download_csv, download_xlsx = downloads("Frais des familles", "frais-annuels", COLUMNS, file_rows)
