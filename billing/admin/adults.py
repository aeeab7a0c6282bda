"""« Adultes à table » at the desk: who they are, their days by month, the list of a place, their prices."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from billing.admin.tariffs import FORMULAS, NamedFormulaField
from billing.invoices import adults
from billing.invoices.adults import Address, MealDay, MealRefused
from billing.models import AdultPrice, Diner, DinerMeal
from billing.prices import rule_previews
from billing.rules import adults as rules
from families.custody.own import OwnHousehold
from families.models import Household
from portal.desk import own_choices, rights
from portal.desk.lists import badge
from portal.desk.pages import OwnPages, ShownOnly, WithHistory
from portal.desk.previews import Preview, ShowsPreview, Typed
from portal.french.dates import end_of_month, month_name
from portal.french.day_fields import first_of_month, is_possible
from portal.french.plurals import counted
from portal.reservations.days.calendars import days_between
from portal.web.signed_in import SignedInRequest, user_of

# Where the town has a price for adults, they may be at table.
AT_TABLE = "billing.adultprice"
A_DAY = timedelta(days=1)
ADDRESS = ("street", "street_more", "postcode", "city", "email")


@admin.register(AdultPrice)
class AdultPriceAdmin(ShowsPreview[AdultPrice], WithHistory[AdultPrice]):
    desk_order = 12
    list_display = ("what", "for_whom", "sentence", "valid_from")
    list_filter = ("formula", "kind")
    list_select_related = ("formula__activity",)
    fields = ("formula", "kind", "valid_from", "amount", "notice_days", "late_amount", "vat_percent")

    def preview(self, typed: Typed[AdultPrice], request: HttpRequest, at: datetime) -> Preview:
        return rule_previews.adult_meals(typed.row, timezone.localdate(at))

    @admin.display(description="formule", ordering="formula")
    def what(self, obj: AdultPrice) -> str:
        return f"{obj.formula.activity} – {obj.formula}"

    @admin.display(description="convives", ordering="kind")
    def for_whom(self, obj: AdultPrice) -> str:
        return str(obj.get_kind_display()) or "tous les adultes"

    @admin.display(description="en clair")
    def sentence(self, obj: AdultPrice) -> str:
        return rules.sentence(obj.rule())

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "formula":
            kwargs |= {"form_class": NamedFormulaField, "queryset": FORMULAS.filter(with_meal=True)}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: AdultPrice | None = None) -> bool:
        """Meals that were booked by it are billed by it."""
        booked = obj is not None and DinerMeal.objects.filter(formula=obj.formula_id).exists()
        return super().has_delete_permission(request, obj) and not booked


class DinerForm(forms.ModelForm[Diner]):
    """Who eats, and where."""

    formula = NamedFormulaField(FORMULAS.filter(with_meal=True), label="Formule")

    class Meta:
        model = Diner
        fields = (
            "last_name",
            "first_name",
            "kind",
            "establishment",
            "formula",
            "diet",
            "starts_on",
            "ends_on",
        )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        place, formula = found.get("establishment"), found.get("formula")
        if place and formula and not formula.activity.establishments.filter(pk=place.pk).exists():
            self.add_error("formula", f"« {formula.activity} » ne se tient pas à cet établissement.")
        return found


class NewDinerForm(DinerForm):
    """The same with where the invoice goes: the account that pays is made with the adult."""

    street = forms.CharField(label="Adresse", max_length=200)
    street_more = forms.CharField(label="Complément d'adresse", max_length=200, required=False)
    postcode = forms.CharField(label="Code postal", max_length=10)
    city = forms.CharField(label="Commune", max_length=100)
    email = forms.EmailField(
        label="Adresse e-mail",
        required=False,
        help_text="Sert à l'inviter à ouvrir son compte, pour lire ses factures et les payer en ligne.",
    )


@admin.register(Diner)
class DinerAdmin(WithHistory[Diner], OwnPages[Diner]):
    desk_order = 6
    list_display = ("name", "kind", "establishment", "days", "starts_on", "ends_on")
    list_filter = ("establishment", "kind")
    list_select_related = ("establishment",)
    search_fields = ("last_name", "first_name")
    change_form_template = "admin/billing/diner.html"

    @admin.display(description="nom", ordering="last_name")
    def name(self, obj: Diner) -> str:
        return f"{obj.last_name} {obj.first_name}"

    @admin.display(description="repas")
    def days(self, obj: Diner) -> SafeString:
        page = reverse("admin:billing_diner_days", args=[obj.pk])
        return format_html('<a href="{}">Jours de {}</a>', page, obj)

    def get_form(
        self, request: HttpRequest, obj: Diner | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = DinerForm if obj else NewDinerForm
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Diner | None = None) -> Any:
        who = (None, {"fields": DinerForm.Meta.fields})
        if obj is not None:
            return (who,)
        return who, (
            "Où va sa facture",
            {"fields": ADDRESS, "description": "Un compte à son nom est créé : il reçoit ses factures."},
        )

    def beside(self, request: HttpRequest, row: Diner) -> dict[str, Any]:
        homes = own_choices.looking(Household)
        return {
            "may_book": self.may(request, row, "change"),
            "may_see_account": rights.may(request.user, row.household, *homes),
        }

    def save_model(self, request: HttpRequest, obj: Diner, form: Any, change: bool) -> None:
        by, at = user_of(request), timezone.now()
        if not change:
            said = {name: form.cleaned_data[name] for name in ADDRESS}
            adults.welcome(obj, Address(**said), by=by, at=at)
        elif gone := adults.save(obj, by=by, at=at):
            text = counted(gone, "repas à venir est annulé", "repas à venir sont annulés")
            messages.warning(request, f"{text} : hors des jours où {obj} mange ici.")

    def response_add(self, request: HttpRequest, obj: Diner, post_url_continue: str | None = None) -> Any:
        """Its days come next."""
        if "_addanother" in request.POST or "_continue" in request.POST:
            return super().response_add(request, obj, post_url_continue)
        self.message_user(request, f"{obj} est à table : cochez ses jours.", messages.SUCCESS)
        return redirect("admin:billing_diner_days", obj.pk)

    def has_delete_permission(self, request: HttpRequest, obj: Diner | None = None) -> bool:
        """Who no longer comes has a last day; what was eaten stays."""
        return False

    # The days of a month --------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.days_view)
        return [path("<int:pk>/jours/", view, name="billing_diner_days"), *super().get_urls()]

    def days_view(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """One month, a box a day. What was booked when the page was shown comes back with it, so that a
        colleague's days of meanwhile stay."""
        self.demand(request, adults.RIGHT)
        rows = rights.seen_by(request.user, Diner.objects.all(), adults.RIGHT)
        diner = get_object_or_404(rows.select_related("formula__activity", "establishment"), pk=pk)
        first = _month(request.GET.get("mois", ""))
        days = days_between(first, end_of_month(first))
        at = timezone.now()
        ticked, before = None, set[str]()
        if request.method == "POST":
            ticked, before = set(request.POST.getlist("jour")), set(request.POST.getlist("avant"))
            book = [day for day in days if day.isoformat() in ticked - before]
            cancel = [day for day in days if day.isoformat() in before - ticked]
            try:
                done = adults.set_days(diner, book, cancel, by=request.user, at=at)
            except (MealRefused, OwnHousehold) as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, done.said)
                return redirect(f"{reverse('admin:billing_diner_days', args=[pk])}?mois={first:%Y-%m}")
        shown = adults.days_of(diner, days, at=at)
        if ticked is not None:  # shown again: a colleague's days of meanwhile come with it
            ticked |= {one.day.isoformat() for one in shown if one.booked} - before
        context = {
            "diner": diner,
            "weeks": list(_weeks(shown, ticked)),
            "month": month_name(first),
            "before": [one.day for one in shown if one.booked],
            "previous": first - A_DAY,
            "next": days[-1] + A_DAY,
            "count": sum(one.booked for one in shown),
        }
        return self.page(request, "admin/billing/diner_days.html", f"Repas de {diner}", context)


def _month(said: str) -> date:
    """« 2026-11 » as its first day; of anything else, this month's."""
    try:
        first = first_of_month(said)
    except ValueError:
        return timezone.localdate().replace(day=1)
    return first if is_possible(first) else timezone.localdate().replace(day=1)


def _weeks(days: list[MealDay], ticked: set[str] | None) -> Iterator[tuple[int, list[tuple[MealDay, bool]]]]:
    """By week, its days but Saturdays and Sundays that are closed, each with whether its box is ticked."""
    for week, group in groupby(days, key=lambda one: one.day.isocalendar().week):
        found = [
            (one, one.booked if ticked is None else one.day.isoformat() in ticked)
            for one in group
            if one.is_open or one.day.weekday() < 5
        ]
        if found:
            yield week, found


@admin.register(DinerMeal)
class DinerMealAdmin(ShownOnly[DinerMeal]):
    """Booked and cancelled on the page of each adult."""

    desk_order = 7
    list_display = ("day", "diner", "kind", "establishment", "formula", "diet", "state_shown")
    list_filter = ("establishment", "state", "diner__kind")
    list_select_related = ("diner__diet", "establishment", "formula__activity")
    search_fields = ("diner__last_name", "diner__first_name")
    date_hierarchy = "day"
    fields = readonly_fields = (
        "diner",
        "day",
        "establishment",
        "formula",
        "state",
        "booked_at",
        "booked_by",
        "cancelled_at",
        "cancelled_by",
    )

    @admin.display(description="convive", ordering="diner__kind")
    def kind(self, obj: DinerMeal) -> str:
        return str(obj.diner.get_kind_display())

    @admin.display(description="régime")
    def diet(self, obj: DinerMeal) -> str:
        return str(obj.diner.diet or "")

    @admin.display(description="état", ordering="state")
    def state_shown(self, obj: DinerMeal) -> SafeString:
        tint = "accepted" if obj.state == DinerMeal.State.BOOKED else "cancelled"
        return badge(tint, obj.get_state_display())
