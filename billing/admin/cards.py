"""Cards of tickets at the desk: what the town sells; which families bought, sold and taken back here."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from billing.admin.exporting import downloads
from billing.admin.regies import SaysRegie
from billing.invoices import cards
from billing.models import HouseholdCard, ManualCharge, TariffQuantity, TicketCard
from billing.prices import rule_previews
from families.custody.own import OwnHousehold
from portal.desk.choices import TolerantChoices
from portal.desk.lists import NumberSearch
from portal.desk.pages import WithHistory
from portal.desk.previews import Preview, ShowsPreview, Typed
from portal.desk.site import DeskAdmin
from portal.french.amounts import euros
from portal.french.moments import listing
from portal.reservations.models import Activity
from portal.web.signed_in import user_of

COLUMNS = ("Foyer", "Carte", "Achetée le", "Valable jusqu'au", "Prix", "Tickets", "Reprise le", "Motif")


class TicketCardForm(forms.ModelForm[TicketCard]):
    def clean_activities(self) -> QuerySet[Activity]:
        """Where the price counts days, a day has none of its own that a ticket could pay."""
        chosen: QuerySet[Activity] = self.cleaned_data["activities"]
        by_number = TariffQuantity.objects.filter(tariff__formulas__formula__activity=OuterRef("pk"))
        if found := [str(one) for one in chosen.filter(Exists(by_number))]:
            raise ValidationError(
                f"Le prix dépend du nombre de jours à {listing(found)} : un ticket n'y paierait rien."
            )
        return chosen


@admin.register(TicketCard)
class TicketCardAdmin(SaysRegie[TicketCard], ShowsPreview[TicketCard], WithHistory[TicketCard]):
    regie_field = "regie"
    desk_order = 12
    list_display = ("name", "sentence", "paid_days", "valid_from", "valid_to")
    search_fields = ("name", "code")
    form = TicketCardForm
    prepopulated_fields = {"code": ("name",)}
    fields = (
        "name",
        "code",
        "activities",
        "tickets",
        "price",
        "until_day",
        "until_month",
        "months",
        "valid_from",
        "valid_to",
        "vat_percent",
        "analytic",
        "account",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TicketCard]:
        return super().get_queryset(request).prefetch_related("activities")

    @admin.display(description="en clair")
    def sentence(self, obj: TicketCard) -> str:
        return obj.sentence()

    @admin.display(description="activités")
    def paid_days(self, obj: TicketCard) -> str:
        return ", ".join(map(str, obj.activities.all())) or "aucune : elle ne paie rien"

    def preview(self, typed: Typed[TicketCard], request: HttpRequest, at: datetime) -> Preview:
        return rule_previews.tickets(typed.row, timezone.localdate(at))

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = forms.CheckboxSelectMultiple
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: TicketCard | None = None) -> bool:
        """What a family bought stays."""
        return super().has_delete_permission(request, obj) and (obj is None or not obj.sold.exists())


def file_rows(rows: QuerySet[HouseholdCard]) -> Iterator[tuple[Any, ...]]:
    for row in rows.order_by("bought_on", "pk"):
        yield (
            row.household_id,
            row.name,
            row.bought_on,
            row.valid_until,
            row.price,
            row.tickets,
            row.stopped_on,
            row.stopped_reason,
        )


@admin.register(HouseholdCard)
class HouseholdCardAdmin(
    TolerantChoices[HouseholdCard],
    NumberSearch[HouseholdCard],
    WithHistory[HouseholdCard],
    DeskAdmin[HouseholdCard],
):
    """Sold here or by the family itself; taken back here, with a reason."""

    desk_order = 17
    list_display = ("name", "household", "bought_on", "valid_until", "price_shown", "billed_by", "stopped_on")
    list_filter = ("card", "bought_on")
    list_select_related = ("household", "card")
    search_fields = ("name",)
    search_help_text = "Numéro de foyer ou nom de la carte"
    date_hierarchy = "bought_on"
    actions = ("download_csv", "download_xlsx")
    autocomplete_fields = ("household",)
    sold_fields = ("household", "card")
    fields = (
        "household",
        "name",
        "price_shown",
        "bought_on",
        "valid_until",
        "left_shown",
        "billed_by",
        "bought_by",
        "stopped_on",
        "stopped_reason",
        "stopped_by",
    )

    def get_fields(self, request: HttpRequest, obj: HouseholdCard | None = None) -> Any:
        return self.sold_fields if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: HouseholdCard | None = None) -> list[str]:
        if obj is None:
            return []
        return [name for name in self.fields if not (obj.stopped_on is None and name == "stopped_reason")]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"household": request.GET.get("household", "")}

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "card":
            today = timezone.localdate()
            sold = [one.pk for one in TicketCard.objects.all() if one.sold_on(today)]
            kwargs["queryset"] = TicketCard.objects.filter(pk__in=sold)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: HouseholdCard | None = None) -> bool:
        """It is taken back, never removed."""
        return False

    @admin.display(description="prix", ordering="price")
    def price_shown(self, obj: HouseholdCard) -> str:
        return euros(obj.price)

    @admin.display(description="ce qu'il en reste")
    def left_shown(self, obj: HouseholdCard) -> str:
        found = next(one for one in cards.left(obj.household_id) if one.row.pk == obj.pk)
        return f"{found.left} sur {obj.tickets}, d'après ce qui est facturé"

    @admin.display(description="facturée par")
    def billed_by(self, obj: HouseholdCard) -> str:
        charge = next(iter(obj.charges.all()), None)
        if charge is None:
            return "gratuite" if not obj.price else "jamais : reprise avant d'être facturée"
        return charge.line.invoice.number if charge.line else "à la prochaine facture"

    def get_queryset(self, request: HttpRequest) -> QuerySet[HouseholdCard]:
        charges = ManualCharge.objects.select_related("line__invoice")
        found: QuerySet[HouseholdCard] = super().get_queryset(request)
        return found.prefetch_related(Prefetch("charges", charges))

    def save_model(self, request: HttpRequest, obj: HouseholdCard, form: Any, change: bool) -> None:
        """A sale, or « motif de la reprise »: nothing else is written here."""
        at, by = timezone.now(), user_of(request)
        if not change:
            sold = cards.sell(obj.household, obj.card, by=by, at=at, at_desk=True)
            obj.__dict__.update(sold.__dict__)
            return
        reason = form.cleaned_data.get("stopped_reason", "")
        if not reason.strip():
            return
        try:
            cards.take_back(obj, reason=reason, by=by, at=at)
        except (cards.CardRefused, OwnHousehold) as refusal:
            messages.error(request, str(refusal))

    def response_add(
        self, request: HttpRequest, obj: HouseholdCard, post_url_continue: str | None = None
    ) -> HttpResponse:
        messages.success(request, f"{obj} : {euros(obj.price)} sur la prochaine facture du foyer.")
        return redirect(reverse("admin:billing_householdcard_change", args=[obj.pk]))

    download_csv, download_xlsx = downloads("Cartes des familles", "cartes", COLUMNS, file_rows)
