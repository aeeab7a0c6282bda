"""« Recalculer un mois » at the desk: which month and household, what it would change, the confirmation."""

from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, TypeAlias, TypedDict

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from billing.admin.documents import last_month
from billing.documents.wording import days_in_words
from billing.invoices import recalculating
from billing.invoices.draft import Change
from billing.invoices.told_since import told_since
from billing.models import RecalculatedHousehold, Recalculation
from billing.tasks import carry_out_recalculation, count_recalculation
from families.desk_links import household_link
from families.models import Household, household_number
from portal.desk.lists import NumberSearch, StateBadge
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.site import DeskLink
from portal.french.amounts import euros
from portal.french.dates import month_name
from portal.french.day_fields import MonthField
from portal.web.signed_in import SignedInRequest

SHOWN = 100
State = Recalculation.State


class RecalculationForm(forms.Form):
    month = MonthField()
    household = forms.IntegerField(
        label="Numéro de foyer",
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        widget=forms.TextInput(attrs={"size": 10, "inputmode": "numeric"}),
        help_text="Vide : tous les foyers facturés ce mois-là.",
    )
    reason = forms.CharField(
        label="Motif",
        max_length=300,
        widget=forms.TextInput(attrs={"size": 60}),
        help_text="Pour la mairie seulement, par exemple : déménagement du 12, appris le 3 décembre.",
    )

    def clean_household(self) -> Household | None:
        number: int | None = self.cleaned_data["household"]
        if number is None:
            return None
        found = Household.objects.filter(pk=number, erased_at=None, joined_to=None).first()
        if found is None:
            raise forms.ValidationError("Aucun foyer ne porte ce numéro.")
        return found


class Summed(TypedDict):
    """What is billed of the households of a recalculation, and what they would owe."""

    was: Decimal | None
    now: Decimal | None


SummedRecalculation: TypeAlias = "WithAnnotations[Recalculation, Summed]"


def signed(amount: Decimal) -> str:
    """« +6,40 € », « −12,80 € », « 0,00 € »."""
    return f"+{euros(amount)}" if amount > 0 else euros(amount)


@admin.register(Recalculation)
class RecalculationAdmin(StateBadge, ShownOnly[Recalculation], OwnPages[Recalculation]):
    desk_order = 3
    desk_links = (
        DeskLink(
            "Recalculer un mois",
            "billing_recalculation_ask",
            recalculating.RIGHT,
            "des jours déjà facturés, avec ce que l'on sait aujourd'hui",
        ),
    )
    list_display = ("__str__", "state_badge", "difference", "asked_by", "asked_at", "confirmed_by")
    list_filter = ("state",)
    list_select_related = ("household", "asked_by", "confirmed_by")
    tints = {
        "counting": "requested",
        "ready": "requested",
        "working": "requested",
        "done": "accepted",
        "failed": "refused",
    }
    fields = readonly_fields = (
        "month_shown",
        "household",
        "reason",
        "state_badge",
        "progress",
        "difference",
        "asked_by",
        "asked_at",
        "confirmed_by",
        "confirmed_at",
    )
    change_form_template = "admin/billing/recalculation.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SummedRecalculation]:
        return super().get_queryset(request).annotate(was=Sum("homes__billed"), now=Sum("homes__amount"))

    @admin.display(description="mois")
    def month_shown(self, obj: Recalculation) -> str:
        return month_name(obj.month)

    @admin.display(description="foyers")
    def progress(self, obj: Recalculation) -> SafeString | str:
        if not obj.works:
            return "–"
        said = f"{obj.done} sur {obj.households}"
        return format_html(
            '<progress aria-label="Foyers recalculés" max="{}" value="{}">{}</progress> {}',
            max(obj.households, 1),
            obj.done,
            said,
            said,
        )

    @admin.display(description="différence")
    def difference(self, obj: SummedRecalculation) -> str:
        return signed((obj.now or Decimal(0)) - (obj.was or Decimal(0)))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("recalculer/", wrap(self.ask), name="billing_recalculation_ask"),
            path("<int:pk>/confirmer/", wrap(self.confirm), name="billing_recalculation_confirm"),
            path("<int:pk>/reprendre/", wrap(self.go_on), name="billing_recalculation_go_on"),
            *super().get_urls(),
        ]

    def ask(self, request: SignedInRequest) -> HttpResponse:
        """Which month, of whom, and why; with what was told since months were billed."""
        self.demand(request, recalculating.RIGHT)
        now = timezone.now()
        initial = {"month": f"{last_month(timezone.localdate(now)):%Y-%m}"}
        initial |= {
            name: request.GET[key]
            for key, name in (("mois", "month"), ("foyer", "household"))
            if key in request.GET
        }
        form = RecalculationForm(request.POST or None, initial=initial)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data
            try:
                found = recalculating.ask(
                    said["month"], household=said["household"], reason=said["reason"], by=request.user, at=now
                )
            except recalculating.RecalculationRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                if found.household_id:
                    recalculating.count(found)
                else:
                    count_recalculation.enqueue(found.pk)
                return redirect("admin:billing_recalculation_change", found.pk)
        context = {
            "form": form,
            "told": [
                {
                    "household": household_link(one.household),
                    "named": f"le foyer {household_number(one.household)}",
                    "sentence": one.sentence,
                    "month": month_name(one.month),
                    "url": f"?foyer={one.household}&mois={one.month:%Y-%m}",
                }
                for one in told_since(now)
            ],
        }
        return self.page(request, "admin/billing/recalculate.html", "Recalculer un mois", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        found = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if found is not None:
            sums = found.homes.aggregate(was=Sum("billed"), now=Sum("amount"))
            difference = signed((sums["now"] or Decimal(0)) - (sums["was"] or Decimal(0)))
            rows = list(found.homes.select_related("household", "invoice")[: SHOWN + 1])
            may = request.user.has_perm(recalculating.RIGHT)
            context = {
                "working": found.works,
                "may_confirm": may and found.state == State.READY and bool(rows),
                "may_go_on": may and found.state not in (State.READY, State.DONE),
                "nothing": not rows and found.state == State.READY,
                "homes": [
                    {
                        "link": household_link(row.household_id),
                        "billed": euros(row.billed),
                        "amount": euros(row.amount),
                        "difference": signed(row.difference),
                        "state": row.get_state_display(),
                    }
                    for row in rows[:SHOWN]
                ],
                "lines": list(_lines(rows[0])) if found.household_id and rows else [],
                "more": max(found.homes.count() - SHOWN, 0) if len(rows) > SHOWN else 0,
                "headline": f"Recalculer {month_name(found.month)} : {difference}",
            }
        answer = super().change_view(request, object_id, form_url, context | (extra_context or {}))
        if found is not None and found.works and request.method == "GET":
            # The page follows the work without a script.
            answer["Refresh"] = "3"
        return answer

    def confirm(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, recalculating.RIGHT)
        found = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method == "POST":
            try:
                recalculating.confirm(found, by=request.user, at=timezone.now())
            except recalculating.RecalculationRefused as refusal:
                messages.error(request, str(refusal))
            else:
                self._carry_out(request, found)
        return redirect("admin:billing_recalculation_change", pk)

    def _carry_out(self, request: HttpRequest, found: Recalculation) -> None:
        if not found.household_id:
            carry_out_recalculation.enqueue(found.pk)
            messages.success(request, "Le recalcul est confirmé : cette page suit son avancement.")
        elif recalculating.carry_out(found):
            messages.warning(
                request,
                "Rien n'est confirmé : ce que l'on sait de ce foyer a changé depuis l'aperçu. Voici le"
                " nouveau.",
            )
        else:
            messages.success(request, "Le recalcul est confirmé : il ira sur la prochaine facture du foyer.")

    def go_on(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Hands an interrupted recalculation over to the worker again."""
        self.demand(request, recalculating.RIGHT)
        found = get_object_or_404(Recalculation, pk=pk)
        if request.method == "POST" and found.state not in (State.READY, State.DONE):
            task = carry_out_recalculation if found.confirmed_at else count_recalculation
            task.enqueue(found.pk)
            messages.success(request, "Le recalcul reprend là où il s'était arrêté.")
        return redirect("admin:billing_recalculation_change", pk)


def _lines(row: RecalculatedHousehold) -> Any:
    """The days of a household that change alike, one line each."""
    changes = [Change.read(kept) for kept in row.changes]

    def alike(one: Change) -> tuple[Any, ...]:
        return one.child_name, one.activity_name, one.was, one.amount, one.explanation, bool(one.flat)

    for (child, activity, was, amount, explanation, flat), group in groupby(
        sorted(changes, key=lambda one: (alike(one), one.day or date.min)), key=alike
    ):
        days = [one.day for one in group if one.day is not None]
        yield {
            "child": child,
            "activity": activity,
            "days": "forfait" if flat else days_in_words(days),
            "was": euros(was),
            "amount": euros(amount),
            "difference": signed((amount - was) * max(len(days), 1)),
            "why": explanation,
        }


@admin.register(RecalculatedHousehold)
class RecalculatedHouseholdAdmin(
    StateBadge, ShownOnly[RecalculatedHousehold], NumberSearch[RecalculatedHousehold]
):
    desk_order = 16
    list_display = ("recalculation", "household", "billed", "amount", "state_badge", "invoice")
    list_filter = ("state",)
    list_select_related = ("recalculation", "household", "invoice")
    search_fields = ("invoice__number",)
    search_help_text = "Numéro de foyer ou de facture"
    tints = {"confirmed": "requested", "billed": "accepted", "changed": "refused"}
    fields = readonly_fields = ("recalculation", "household", "billed", "amount", "state_badge", "invoice")
