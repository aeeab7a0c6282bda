"""« Régies » at the desk, and what other pages say of them, only where there are several."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from billing.invoices import regies
from billing.models import ActivityRegie, Regie
from families.signing_in.asking_again import AsksAgain
from portal.desk.choices import SeveralRows
from portal.desk.pages import WithHistory
from portal.desk.site import DeskAdmin, M
from portal.reservations.models import Activity
from portal.web.posted import posted_number


class RegieForm(forms.ModelForm[Regie]):
    """A régie and what it bills."""

    owned = SeveralRows(
        Activity.objects.none(),
        label="Ses activités",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Elle les facture à partir de maintenant : ce qu'une autre régie a déjà facturé y reste, et"
        " y est corrigé. Une activité qui n'est d'aucune régie est facturée par la mairie.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["owned"]
        field.queryset = Activity.objects.order_by("name")  # type: ignore[attr-defined]  # of models
        if self.instance.pk:
            field.initial = list(self.instance.owned.values_list("activity", flat=True))

    def clean_owned(self) -> Any:
        """Each activity is one régie's: it is let go there before it is taken here."""
        chosen = self.cleaned_data["owned"]
        others = ActivityRegie.objects.filter(activity__in=chosen).exclude(regie=self.instance.pk)
        if taken := [str(one) for one in others.select_related("activity", "regie")]:
            raise forms.ValidationError(
                f"Déjà d'une autre régie : {', '.join(taken)}. Décochez-la d'abord là-bas."
            )
        return chosen


@admin.register(Regie)
class RegieAdmin(AsksAgain[Regie], WithHistory[Regie]):
    """Reached from the settings of billing: the desk's first page says nothing of it."""

    desk_order = 91
    list_display = ("name", "code", "letters", "what_it_bills")
    search_fields = ("name", "code")
    form = RegieForm
    fieldsets = (
        (None, {"fields": ("name", "code", "letters", "owned")}),
        (
            "Ce que disent ses factures et ses reçus",
            {
                "fields": (
                    "issuer_name",
                    "issuer_address",
                    "signatory",
                    "siret",
                    "collection",
                    "vat_notice",
                    "legal_notice",
                    "recourse",
                    "reminder_notice",
                )
            },
        ),
        (
            "Où l'on paie",
            {
                "fields": (
                    "iban",
                    "bic",
                    "creditor_identifier",
                    "cheque_payable_to",
                    "cheque_address",
                    "desk",
                    "cash_float",
                    "cash_maximum",
                )
            },
        ),
    )

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Regie | None = None) -> Any:
        """Whoever only reads it reads its activities too: they are no column of its own."""
        found = super().get_fieldsets(request, obj)
        if obj is None or self.has_change_permission(request, obj):
            return found
        (_, first), *others = found
        shown = tuple("what_it_bills" if name == "owned" else name for name in first["fields"])
        return [(None, {"fields": shown}), *others]

    @admin.display(description="activités")
    def what_it_bills(self, obj: Regie) -> str:
        return ", ".join(one.activity.name for one in obj.owned.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("owned__activity")

    def get_readonly_fields(self, request: HttpRequest, obj: Regie | None = None) -> list[str]:
        """Its numbers bear its letters."""
        found = [*super().get_readonly_fields(request, obj), *(["code", "letters"] if obj else [])]
        return found if obj is None or self.has_change_permission(request, obj) else [*found, "what_it_bills"]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        chosen = form.cleaned_data["owned"]
        ActivityRegie.objects.filter(regie=form.instance).exclude(activity__in=chosen).delete()
        ActivityRegie.objects.bulk_create(
            [ActivityRegie(activity=one, regie=form.instance) for one in chosen], ignore_conflicts=True
        )


# On other pages --------------------------------------------------------------------------------------------


def choices() -> list[tuple[str, str]]:
    """Every régie, the town's own first; nothing where it is alone. One query."""
    return [("" if key is None else str(key), name) for key, name in regies.all_named().items()]


def chosen(said: str) -> int | None:
    """The key that a choice says; None: the town's own."""
    return int(said) if said else None


class OfARegie(forms.Form):
    """A form that asks the régie first, where there are several."""

    regie_help = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if several := choices():
            self.fields["regie"] = forms.TypedChoiceField(
                label="Régie",
                choices=several,
                coerce=chosen,
                empty_value=None,
                required=False,
                help_text=self.regie_help,
            )
            self.order_fields(["regie"])

    @property
    def regie(self) -> int | None:
        """Whose it is: the town's own until another one is chosen."""
        found: int | None = getattr(self, "cleaned_data", {}).get("regie")
        return found


class SaysRegie(DeskAdmin[M]):
    """Lists and pages of rows that each have their régie say it where there are several; `regie_field`:
    "regie", where it is chosen on the page."""

    regie_field = "regie_shown"

    def _several(self, request: HttpRequest) -> bool:
        if not hasattr(request, "_several_regies"):
            request._several_regies = Regie.objects.exists()  # type: ignore[attr-defined]  # ours
        return bool(request._several_regies)  # type: ignore[attr-defined]  # ours

    def get_list_display(self, request: HttpRequest) -> Any:
        shown = super().get_list_display(request)
        return (*shown, "regie_shown") if self._several(request) else shown

    def get_list_filter(self, request: HttpRequest) -> Any:
        filters = super().get_list_filter(request)
        return (*filters, RegieFilter) if self._several(request) else filters

    def get_list_select_related(self, request: HttpRequest) -> Any:
        related = super().get_list_select_related(request)
        if not self._several(request) or isinstance(related, bool):
            return related
        return (*related, "regie")

    def get_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        shown = super().get_fields(request, obj)
        return (*shown, self.regie_field) if self._several(request) else shown

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "regie":
            kwargs["empty_label"] = regies.OWN
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return (*super().get_readonly_fields(request, obj), "regie_shown")

    @admin.display(description="régie", ordering="regie__name")
    def regie_shown(self, obj: Any) -> str:
        return str(obj.regie or regies.OWN)


class RegieFilter(admin.SimpleListFilter):
    title = "régie"
    parameter_name = "regie"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value or "mairie", name) for value, name in choices()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        said = self.value()
        if said == "mairie":
            return queryset.filter(regie=None)
        key = posted_number(said or "")
        return queryset if key is None else queryset.filter(regie=key)
