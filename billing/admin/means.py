"""« Moyens de paiement »: those that the town changes or adds."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse

from billing.models import PaymentMeans, PaymentMeansUse
from billing.payments import means
from billing.rules.means import BUILT_IN
from portal.desk.columns import TypedColumns
from portal.desk.pages import WithHistory
from portal.desk.site import DeskAdmin
from portal.reservations.models import Formula


class FormulaField(forms.ModelChoiceField[Formula]):
    """Formulas of every activity, each with the activity's name."""

    def label_from_instance(self, obj: Formula) -> str:
        return f"{obj.activity}, {obj}"


class UseInline(TypedColumns, admin.TabularInline[PaymentMeansUse, PaymentMeans]):
    model = PaymentMeansUse
    extra = 1
    fields = ("activity", "formula", "under_age")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("activity", "formula")

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        if db_field.name == "formula":
            kwargs["form_class"] = FormulaField
            kwargs["queryset"] = Formula.objects.select_related("activity").order_by("activity", "order")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


@admin.register(PaymentMeans)
class PaymentMeansAdmin(WithHistory[PaymentMeans], DeskAdmin[PaymentMeans]):
    desk_order = 91
    list_display = ("label", "code", "active", "at_desk", "pays", "deposit", "account")
    inlines = (UseInline,)
    fields = (
        "code",
        "label",
        "order",
        "active",
        "at_desk",
        "reference",
        "no_change",
        "deposit",
        "account",
        "limited",
    )
    change_list_template = "admin/billing/means.html"

    @admin.display(description="paie")
    def pays(self, obj: PaymentMeans) -> str:
        if not obj.limited:
            return "tout"
        return ", ".join(map(str, obj.uses.all())) or "rien : dites quelles activités"

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request)
        return rows.prefetch_related("uses__activity", "uses__formula")

    def get_readonly_fields(self, request: HttpRequest, obj: PaymentMeans | None = None) -> Any:
        return ("code",) if obj is not None else ()

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        """Those of a built-in means, where the address names one: « ?code=cesu »."""
        found = BUILT_IN.get(request.GET.get("code", ""))
        if found is None:
            return super().get_changeform_initial_data(request)
        names = ("code", "label", "order", "limited", "reference", "no_change", "deposit")
        return {name: getattr(found, name) for name in names} | {"at_desk": True}

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        kwargs["widgets"] = {"code": forms.TextInput(attrs={"size": 10})}
        return super().get_form(request, obj, change=change, **kwargs)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The town's own, and under them those that the portal brings along."""
        written = set(PaymentMeans.objects.values_list("code", flat=True))
        built_in = [one for one in means.every().values() if one.code not in written]
        return super().changelist_view(request, {"built_in": built_in} | (extra_context or {}))
