"""Tariffs at the desk: the grid as one table with its warnings, a simulator, a copy for next year."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.admin.not_own import NotOfOwnHousehold, homes_of_children
from billing.invoices import told_since
from billing.models import (
    BillingSettings,
    ChildStatus,
    FormulaTariff,
    PackedMeal,
    Status,
    Tariff,
    TariffBand,
    TariffModifier,
    TariffQuantity,
    TariffRate,
    check_columns,
    price_text,
)
from billing.models.tariffs import OWN_AUDIENCES
from billing.prices import rule_previews
from billing.prices.books import PriceBook, copy_tariff, keep_past, next_code, next_dates
from billing.rules import pricing, quantities, tariff_checks
from families.signing_in.asking_again import AsksAgain
from portal.desk.choices import TolerantChoices
from portal.desk.columns import TypedColumns
from portal.desk.pages import OneRow, OwnPages, WithHistory
from portal.desk.previews import Preview, ShowsPreview, Typed
from portal.desk.site import DeskLink, M
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.day_fields import DayField
from portal.french.grades import Grade
from portal.french.numbers import TypedDecimalField
from portal.french.plurals import counted
from portal.reservations.models import Audience, Formula, SchoolClass
from portal.reservations.models.campaigns import publics


class LinesField(forms.Field):
    """A list of texts, typed one a line; stored as a JSON list."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> list[str]:
        lines = (value or "").splitlines() if isinstance(value, str) else value or []
        return [line.strip() for line in lines if line.strip()]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.to_python(initial) != self.to_python(data)


def columns_shown(request: HttpRequest, tariff: Tariff | None) -> list[str]:
    """The columns of the grid being edited: those typed just now, else the tariff's; [""] without columns."""
    if request.method == "POST" and "columns" in request.POST:
        columns = LinesField().to_python(request.POST["columns"])
    else:
        columns = tariff.columns if tariff else []
    try:
        check_columns(columns)
    except ValidationError:
        columns = tariff.columns if tariff else []
    return list(columns) or [""]


class TariffForm(forms.ModelForm[Tariff]):
    columns = LinesField(
        label="Colonnes",
        required=False,
        validators=[check_columns],
        widget=forms.Textarea(attrs={"rows": 3, "cols": 30}),
        help_text="Une par ligne, par exemple « repas » et « pai », ou « r1 », « r2 », « r3 » pour le rang de"
        " l'enfant. Vide : un seul prix par tranche. Enregistrez pour les voir dans la grille.",
    )

    since = DayField(
        label="Ces prix valent à partir du",
        required=False,
        help_text="Les jours d'avant gardent leurs prix, sous un tarif à leurs dates. Pour corriger une"
        " erreur de saisie, indiquez un jour passé : ce qui n'est pas encore facturé depuis ce jour suivra.",
    )

    class Meta:
        model = Tariff
        fields = (
            "name",
            "code",
            "kind",
            "unit",
            "valid_from",
            "valid_to",
            "begun",
            "homes",
            "emptied",
            "due_months",
            "columns",
            "between",
            "no_quotient",
            "no_quotient_band",
            "no_quotient_price",
            "step",
            "vat_percent",
            "care_percent",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "since" in self.fields:
            self.initial["since"] = timezone.localdate() + timedelta(days=1)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        since, end = cleaned.get("since"), cleaned.get("valid_to")
        if since and end and since > end:
            self.add_error("since", "Le tarif est fini ce jour-là.")
        return cleaned

    @property
    def changes_prices(self) -> bool:
        return bool(set(self.changed_data) - {"name", "code", "valid_from", "valid_to", "since"})


class TrimmedForm(forms.ModelForm[M]):
    """Amounts without idle zeros: 2,50 and not 2,5000."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, value in self.initial.items():
            if isinstance(value, Decimal):
                self.initial[name] = Decimal(price_text(value))


def band_form(columns: Sequence[str]) -> type[forms.ModelForm[TariffBand]]:
    """The form of one row of the grid: limits, and a price a column."""

    class BandForm(TrimmedForm[TariffBand]):
        class Meta:
            model = TariffBand
            fields = ("name", "low", "high")

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            prices = self.instance.prices or {}
            self.priced = set(prices)
            # A renamed column keeps its place, so its prices.
            known = (
                [prices.get(column) for column in self.instance.tariff.columns or [""]]
                if self.instance.pk
                else []
            )
            for place, column in enumerate(columns):
                kept = prices.get(column, known[place] if place < len(known) else None)
                if kept is not None:
                    self.initial[f"price_{place}"] = Decimal(kept)

        def clean(self) -> dict[str, Any]:
            cleaned = super().clean() or self.cleaned_data
            prices = {
                column: price_text(cleaned[f"price_{place}"])
                for place, column in enumerate(columns)
                if cleaned.get(f"price_{place}") is not None
            }
            if not prices and not any(f"price_{place}" in self.errors for place in range(len(columns))):
                self.add_error("price_0", "Indiquez un prix.")
            self.instance.prices = prices
            return cleaned

        def has_changed(self) -> bool:
            return super().has_changed() or not self.priced <= set(columns)

    fields = {
        f"price_{place}": TypedDecimalField(
            label=f"Prix {column}".strip(),
            required=False,
            min_value=Decimal(0),
            max_digits=8,
            decimal_places=3,
            widget=forms.TextInput(attrs={"size": 7, "inputmode": "decimal"}),
        )
        for place, column in enumerate(columns)
    }
    return type("BandForm", (BandForm,), fields)


class CompactInline(TypedColumns, admin.TabularInline[M, Tariff]):
    """A table that fits the page: short fields, amounts written in French."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if type(field) is forms.CharField:
            field.widget = forms.TextInput(attrs={"size": 10})
        return field


class OfPublics(CompactInline[M]):
    """Rows that may be for an audience of the town; a town without any has no column for them."""

    def get_fields(self, request: HttpRequest, obj: Tariff | None = None) -> Any:
        return [name for name in super().get_fields(request, obj) if name != "public" or publics()]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if field is not None and db_field.name == "public":
            field.choices = list(field.iterator(field))
        return field


class HasPrices(forms.BaseInlineFormSet[Any, Tariff, Any]):
    """A tariff says a price where its kind looks for it: nothing could be billed by one that says none."""

    def clean(self) -> None:
        super().clean()
        by_rate = self.instance.kind == Tariff.Kind.EFFORT
        if by_rate != (self.model is TariffRate) or any(self.errors):
            return
        filled = [one.cleaned_data for one in self.forms if one.has_changed() or one.instance.pk]
        if not any(not row.get("DELETE") for row in filled):
            raise ValidationError(
                "Indiquez un taux : sans lui, ce tarif ne donne aucun prix."
                if by_rate
                else "Indiquez au moins un prix : sans lui, ce tarif ne donne aucun prix. Un prix unique est"
                " une seule ligne, sans bornes."
            )


class BandInline(CompactInline[TariffBand]):
    model = TariffBand
    formset = HasPrices
    verbose_name = "tranche"
    verbose_name_plural = (
        "Grille : les deux bornes d'une tranche sont comprises, une borne vide est sans limite"
    )
    show_change_link = False

    def get_extra(self, request: HttpRequest, obj: Tariff | None = None, **kwargs: Any) -> int:
        if obj is None:
            return 4
        return 0 if obj.kind != Tariff.Kind.BANDS and obj.bands.exists() else 1

    def get_formset(self, request: HttpRequest, obj: Tariff | None = None, **kwargs: Any) -> Any:
        columns = columns_shown(request, obj)
        kwargs["form"] = band_form(columns)
        kwargs["fields"] = ("name", "low", "high")
        return super().get_formset(request, obj, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Tariff | None = None) -> tuple[str, ...]:
        prices = (f"price_{place}" for place in range(len(columns_shown(request, obj))))
        return ("name", "low", "high", *prices)


class RateInline(CompactInline[TariffRate]):
    model = TariffRate
    formset = HasPrices
    form = TrimmedForm[TariffRate]
    extra = 0
    verbose_name_plural = "Taux d'effort : un pourcentage du quotient, entre un plancher et un plafond"


class ModifierForm(TrimmedForm[TariffModifier]):
    columns = LinesField(
        label="Seulement pour les colonnes",
        required=False,
        validators=[check_columns],
        widget=forms.Textarea(attrs={"rows": 2, "cols": 10}),
    )

    class Meta:
        model = TariffModifier
        fields = (
            "when",
            "number",
            "age_counts",
            "level",
            "first_grade",
            "last_grade",
            "status",
            "public",
            "effect",
            "amount",
            "column",
            "columns",
        )


class ModifierInline(OfPublics[TariffModifier]):
    model = TariffModifier
    form = ModifierForm
    extra = 0
    verbose_name_plural = "Règles particulières : hors commune, hors délai, fratrie, absence…"


class AgreeingRules(forms.BaseInlineFormSet[Any, Tariff, Any]):
    """Rules by number that contradict each other, or the tariff, are refused together, in sentences."""

    def clean(self) -> None:
        super().clean()
        if any(self.errors):
            return
        typed = [one.cleaned_data | {"row": one.instance} for one in self.forms if one.cleaned_data]
        rules = [row["row"].rule() for row in typed if not row.get("DELETE")]
        found = quantities.contradictions(rules, self.instance.unit, self.instance.columns)
        if found:
            raise ValidationError(found)


class QuantityInline(CompactInline[TariffQuantity]):
    model = TariffQuantity
    formset = AgreeingRules
    form = TrimmedForm[TariffQuantity]
    extra = 0
    classes = ("collapse",)
    verbose_name_plural = (
        "Prix selon le nombre : dès 4 soirs par semaine, forfaits de 2, 3 ou 5 jours, plafond, fratrie"
    )


FORMULAS = Formula.objects.select_related("activity").order_by("activity__order", "activity__name", "order")


class NamedFormulaField(forms.ModelChoiceField[Formula]):
    """A formula, named with its activity."""

    def label_from_instance(self, obj: Formula) -> str:
        return f"{obj.activity} – {obj}"


class DatedTariffField(forms.ModelChoiceField[Tariff]):
    """A tariff, with the dates that tell it from those of its name."""

    def label_from_instance(self, obj: Tariff) -> str:
        return f"{obj.name} ({obj.dates})"


class FormulaTariffInline(OfPublics[FormulaTariff]):
    model = FormulaTariff
    extra = 0
    verbose_name = "formule"
    verbose_name_plural = "Formules à ce tarif"

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "formula":
            kwargs |= {"form_class": NamedFormulaField, "queryset": FORMULAS}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)


class InForceFilter(admin.SimpleListFilter):
    title = "en vigueur"
    parameter_name = "vigueur"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("oui", "Aujourd'hui"), ("futur", "Plus tard"), ("passe", "Terminés")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        today = timezone.localdate()
        match self.value():
            case "oui":
                return queryset.in_force(today)
            case "futur":
                return queryset.filter(valid_from__gt=today)
            case "passe":
                return queryset.filter(valid_to__lt=today)
        return queryset


def _has_begun(tariff: Tariff) -> bool:
    return tariff.valid_from is None or tariff.valid_from <= timezone.localdate()


class CopyForm(forms.Form):
    name = forms.CharField(label="Nom", max_length=120)
    code = forms.SlugField(label="Code", max_length=80)
    valid_from = DayField(label="En vigueur du")
    valid_to = DayField(label="Au", required=False)
    percent = forms.DecimalField(
        label="Augmenter les prix de (%)",
        initial=Decimal(0),
        min_value=Decimal(-50),
        max_value=Decimal(100),
        max_digits=5,
        decimal_places=2,
        help_text="0 pour garder les prix ; ils restent modifiables dans la copie.",
    )

    def __init__(self, *args: Any, tariff: Tariff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tariff = tariff

    def clean_code(self) -> str:
        code: str = self.cleaned_data["code"]
        if Tariff.objects.filter(code=code).exists():
            raise ValidationError("Un tarif porte déjà ce code.")
        return code

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        start, end = cleaned.get("valid_from"), cleaned.get("valid_to")
        if start and end and end < start:
            self.add_error("valid_to", "Le tarif doit finir après son début.")
        if start and self.tariff.valid_from and start <= self.tariff.valid_from:
            self.add_error("valid_from", "La copie doit commencer après le tarif d'origine.")
        return cleaned


class SimulatorForm(forms.Form):
    """Who is priced. Either a formula, priced as families will be, or one tariff alone."""

    formula = NamedFormulaField(FORMULAS, label="Formule", required=False, empty_label="–")
    tariff = DatedTariffField(
        Tariff.objects.order_by("name", "-valid_from"),
        label="ou tarif seul",
        required=False,
        empty_label="–",
    )
    column = forms.CharField(label="Colonne", required=False, max_length=60)
    day = DayField(label="Date")
    quotient = forms.DecimalField(
        label="Quotient familial",
        required=False,
        min_value=Decimal(0),
        max_digits=9,
        decimal_places=2,
        help_text="Vide : sans justificatif.",
        error_messages={"min_value": "Un quotient familial n'est jamais négatif."},
    )
    non_resident = forms.BooleanField(label="Famille hors commune", required=False)
    public = forms.ModelChoiceField(
        Audience.objects.filter(OWN_AUDIENCES), label="Public", required=False, empty_label="–"
    )
    rank = forms.IntegerField(label="Rang de l'enfant", initial=1, min_value=1, max_value=20)
    children = forms.IntegerField(label="Enfants inscrits", initial=1, min_value=1, max_value=20)
    level = forms.ChoiceField(
        label="Niveau scolaire", required=False, choices=[("", "–"), *SchoolClass.Level.choices]
    )
    grade = forms.TypedChoiceField(
        label="Classe", required=False, coerce=int, empty_value=None, choices=[("", "–"), *Grade.choices]
    )
    age = forms.IntegerField(label="Âge", required=False, min_value=0, max_value=25)
    units = forms.DecimalField(
        label="Quantité", initial=Decimal(1), min_value=Decimal(0), max_value=Decimal(1000), decimal_places=2
    )
    status = forms.ChoiceField(
        label="Situation reconnue", required=False, choices=[("", "–"), *Status.choices]
    )
    late = forms.BooleanField(label="Réservée hors délai", required=False)
    unreserved = forms.BooleanField(label="Présence sans réservation", required=False)
    absent = forms.BooleanField(label="Absence non justifiée", required=False)
    pai = forms.BooleanField(label="Panier repas (PAI)", required=False)
    adult = forms.BooleanField(label="Adulte", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not publics():
            del self.fields["public"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and bool(cleaned.get("formula")) == bool(cleaned.get("tariff")):
            raise ValidationError("Choisissez une formule ou un tarif, l'un des deux.")
        return cleaned

    def price(self) -> pricing.Price:
        """Raises NoPrice."""
        said = self.cleaned_data
        public = said.get("public")
        as_resident = public is not None and public.priced_as_resident
        facts = pricing.Facts(
            quotient=said["quotient"],
            resident=as_resident or not said["non_resident"],
            publics=(public.pk,) if public else (),
            rank=said["rank"],
            children=max(said["children"], said["rank"]),
            level=said["level"],
            grades=(said["grade"], said["grade"]) if said["grade"] else None,
            age=said["age"],
            age_december=said["age"],
            age_september=said["age"],
            adult=said["adult"],
            pai=said["pai"],
            late=said["late"],
            unreserved=said["unreserved"],
            absent=said["absent"],
            units=said["units"],
            column=said["column"].strip(),
            statuses=frozenset({said["status"]} - {""}),
        )
        if said["formula"]:
            return PriceBook.load([said["formula"].pk], said["day"], said["day"]).price(
                said["formula"].pk, facts, said["day"]
            )
        return pricing.price(said["tariff"].rule(), facts, said["day"])


@admin.register(Tariff)
class TariffAdmin(ShowsPreview[Tariff], OwnPages[Tariff]):
    desk_order = 10
    desk_links = (
        DeskLink(
            "Simuler un prix",
            "billing_tariff_simulator",
            "billing.view_tariff",
            "quotient, rang, date → prix",
        ),
    )
    list_display = ("name", "kind", "dates", "formulas_named", "code")
    list_filter = (InForceFilter, "kind")
    search_fields = ("name", "code")
    actions = ("copy_for_next_year",)
    form = TariffForm
    inlines = (BandInline, RateInline, ModifierInline, QuantityInline, FormulaTariffInline)
    prepopulated_fields = {"code": ("name",)}
    fieldsets = (
        (None, {"fields": (("name", "code"), ("kind", "unit"), ("valid_from", "valid_to"), "columns")}),
        (
            "Forfaits (au mois, à la période)",
            {"fields": ("due_months", "begun", "homes", "emptied"), "classes": ("collapse",)},
        ),
        (
            "Cas particuliers du quotient",
            {"fields": ("between", "no_quotient", ("no_quotient_band", "no_quotient_price"))},
        ),
        ("Comptabilité", {"fields": (("step", "vat_percent", "care_percent"),), "classes": ("collapse",)}),
    )
    change_form_template = "admin/billing/tariff.html"
    preview_lives = False
    preview_hint = (
        "« Aperçu » dit ce que paieraient des familles : rangs, quotients, mois dus, 1, 2, 3… jours."
    )

    @admin.display(description="dates", ordering="valid_from")
    def dates(self, obj: Tariff) -> str:
        return obj.dates

    @admin.display(description="formules")
    def formulas_named(self, obj: Tariff) -> str:
        names = [f"{link.formula.activity} – {link.formula}" for link in obj.formulas.all()]
        return ", ".join(dict.fromkeys(names)) or "aucune"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Tariff]:
        return super().get_queryset(request).prefetch_related("formulas__formula__activity")

    def get_urls(self) -> list[URLPattern]:
        return [
            path("simulateur/", self.admin_site.admin_view(self.simulator), name="billing_tariff_simulator"),
            path("<int:pk>/copier/", self.admin_site.admin_view(self.copy), name="billing_tariff_copy"),
            *super().get_urls(),
        ]

    def beside(self, request: HttpRequest, row: Tariff) -> dict[str, Any]:
        rule = row.rule()
        return {
            **super().beside(request, row),
            "problems": tariff_checks.to_check(rule),
            "in_force": rule.in_force(timezone.localdate()),
            "may_copy": self.has_add_permission(request),
        }

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().add_view(request, form_url, {"problems": []} | (extra_context or {}))

    def get_fieldsets(self, request: HttpRequest, obj: Tariff | None = None) -> Any:
        """A tariff that has begun asks from when other prices hold."""
        found = super().get_fieldsets(request, obj)
        if obj is None or not _has_begun(obj) or not self.has_change_permission(request, obj):
            return found
        return [*found[:1], ("Nouveaux prix", {"fields": ("since",)}), *found[1:]]

    def save_model(self, request: HttpRequest, obj: Tariff, form: Any, change: bool) -> None:
        if change:
            rows = Tariff.objects.with_rules().prefetch_related("formulas", "quantities")
            form.before = rows.get(pk=obj.pk)
        super().save_model(request, obj, form, change)

    def _keep_past(self, request: HttpRequest, form: Any, formsets: Any) -> None:
        """What was eaten keeps its price: a tariff that has begun and is written anew stands as it was."""
        before, tariff = form.before, form.instance
        if not _has_begun(before) or not (form.changes_prices or any(one.has_changed() for one in formsets)):
            return
        since = form.cleaned_data.get("since") or timezone.localdate() + timedelta(days=1)
        kept = keep_past(before, tariff, since)
        if kept is None:
            return
        messages.info(
            request,
            f"Ces prix valent à partir du {short_day(since, year=True)}. Les jours d'avant gardent les leurs,"
            f" sous « {kept.code} ».",
        )

    def preview(self, typed: Typed[Tariff], request: HttpRequest, at: datetime) -> Preview:
        """A price is read of what stands in the database: all of it is written, looked at, and taken back."""
        with typed.written() as row:
            written = Tariff.objects.with_rules().prefetch_related("quantities").get(pk=row.pk)
            return rule_previews.tariff(written, timezone.localdate(at))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if change:
            self._keep_past(request, form, formsets)
        super().save_related(request, form, formsets, change)
        found = tariff_checks.to_check(form.instance.rule())
        if found:
            messages.warning(
                request,
                "Le tarif est enregistré, mais sa grille est à vérifier : "
                + " ".join(problem.sentence for problem in found),
            )

    def response_change(self, request: HttpRequest, obj: Tariff) -> HttpResponse:
        if "_copy" in request.POST:
            return redirect("admin:billing_tariff_copy", pk=obj.pk)
        return super().response_change(request, obj)

    @admin.action(description="Copier pour l'année suivante", permissions=["add"])
    def copy_for_next_year(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        if queryset.count() == 1:
            return redirect("admin:billing_tariff_copy", pk=queryset.get().pk)
        copied = refused = 0
        with transaction.atomic():
            for tariff in queryset.with_rules():
                first, last = next_dates(tariff, timezone.localdate())
                code = next_code(tariff, first)
                if Tariff.objects.filter(code=code).exists():
                    refused += 1
                    continue
                copy_tariff(tariff, name=tariff.name, code=code, valid_from=first, valid_to=last)
                copied += 1
        if copied:
            self.message_user(request, f"{counted(copied, 'tarif copié', 'tarifs copiés')}.")
        if refused:
            self.message_user(
                request,
                f"{counted(refused, 'tarif déjà copié', 'tarifs déjà copiés')} :"
                " un tarif porte leur code et l'année suivante.",
                messages.WARNING,
            )
        return None

    def copy(self, request: HttpRequest, pk: int) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        tariff = get_object_or_404(Tariff.objects.with_rules(), pk=pk)
        first, last = next_dates(tariff, timezone.localdate())
        initial = {
            "name": tariff.name,
            "code": next_code(tariff, first),
            "valid_from": first,
            "valid_to": last,
            "percent": Decimal(0),
        }
        form = CopyForm(request.POST or None, initial=initial, tariff=tariff)
        if request.method == "POST" and form.is_valid():
            with transaction.atomic():
                copied = copy_tariff(tariff, **form.cleaned_data)
            messages.success(request, f"La copie est prête, {copied.dates} : vérifiez ses prix.")
            return HttpResponseRedirect(reverse("admin:billing_tariff_change", args=[copied.pk]))
        context = {"tariff": tariff, "form": form}
        return self.page(request, "admin/billing/tariff_copy.html", f"Copier « {tariff} »", context)

    def simulator(self, request: HttpRequest) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        price, refusal = None, ""
        asked = bool(request.GET.keys() - {"formula", "tariff"})
        initial = {"day": timezone.localdate(), "rank": 1, "children": 1, "units": Decimal(1)}
        initial |= {key: request.GET[key] for key in ("formula", "tariff") if key in request.GET}
        form = SimulatorForm(request.GET if asked else None, initial=initial)
        if asked and form.is_valid():
            try:
                price = form.price()
            except pricing.NoPrice as error:
                refusal = str(error)
        context = {
            "form": form,
            "price": price,
            "amount": euros(price.amount) if price else "",
            "refusal": refusal,
        }
        return self.page(request, "admin/billing/simulator.html", "Simuler un prix", context)


@admin.register(PackedMeal)
class PackedMealAdmin(NotOfOwnHousehold[PackedMeal], TolerantChoices[PackedMeal]):
    desk_order = 30
    list_display = ("enrolment", "valid_from", "valid_to")
    list_select_related = ("enrolment__child", "enrolment__activity", "enrolment__school_year")
    search_fields = ("enrolment__child__folded",)
    autocomplete_fields = ("enrolment",)

    def homes_of(self, rows: Iterable[PackedMeal]) -> set[int]:
        return homes_of_children(row.enrolment.child_id for row in rows)


HEALTH_RIGHT = "families.view_childhealth"


@admin.register(ChildStatus)
class ChildStatusAdmin(NotOfOwnHousehold[ChildStatus], TolerantChoices[ChildStatus]):
    """A handicap is there for who may read of health alone."""

    desk_order = 31
    list_display = ("child", "kind", "valid_from", "valid_to", "proof")
    list_filter = ("kind",)
    list_select_related = ("child",)
    search_fields = ("child__folded",)
    autocomplete_fields = ("child",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChildStatus]:
        rows = super().get_queryset(request)
        return rows if request.user.has_perm(HEALTH_RIGHT) else rows.exclude(kind=Status.DISABILITY)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kind" and not request.user.has_perm(HEALTH_RIGHT):
            kwargs["choices"] = [("", "–"), *(one for one in Status.choices if one[0] != Status.DISABILITY)]
        return super().formfield_for_choice_field(db_field, request, **kwargs)

    def homes_of(self, rows: Iterable[ChildStatus]) -> set[int]:
        return homes_of_children(row.child_id for row in rows)

    def save_model(self, request: HttpRequest, obj: ChildStatus, form: Any, change: bool) -> None:
        """What is written anew is known from today on: months that were billed may be recalculated."""
        if {"child", "kind", "valid_from", "valid_to"} & set(form.changed_data):
            obj.known_on = timezone.localdate()
        super().save_model(request, obj, form, change)
        if told_since.statuses_count() and obj.valid_from < timezone.localdate().replace(day=1):
            messages.info(
                request,
                "Des jours d'avant ce mois sont peut-être déjà facturés à un autre prix : ils le gardent,"
                " sauf si vous recalculez leur mois (« Recalculer un mois »).",
            )


@admin.register(BillingSettings)
class BillingSettingsAdmin(
    ShowsPreview[BillingSettings],
    AsksAgain[BillingSettings],
    OneRow[BillingSettings],
    TolerantChoices[BillingSettings],
    WithHistory[BillingSettings],
):
    desk_order = 90
    # No document bears the code that a tobacconist scans: nobody is told to go there.
    exclude = ("tobacconist",)
    fieldsets = (
        ("Qui facture", {"fields": ("collection", "issuer_name", "issuer_address", "signatory", "siret")}),
        (
            "Factures et relances",
            {
                "fields": (
                    "series",
                    "payment_days",
                    "minimum_amount",
                    "starts_on",
                    "vat_notice",
                    "legal_notice",
                    "recourse",
                    "reminder_days",
                    "reminder_notice",
                )
            },
        ),
        (
            "Moyens de paiement",
            {
                "fields": (
                    "iban",
                    "bic",
                    "creditor_identifier",
                    "cheque_payable_to",
                    "cheque_address",
                    "desk",
                    "part_payment",
                    "instalments_most",
                    "instalments_from",
                )
            },
        ),
        (
            "Impayés : ce qu'un agent peut décider",
            {
                "fields": (
                    "arrears_activities",
                    "arrears_reminders",
                    "arrears_days",
                    "arrears_amount",
                    "arrears_end_when_paid",
                )
            },
        ),
        (
            "Ce qui compte pour un prix",
            {"fields": ("siblings", "residence_late", "school_late", "siblings_late", "quotient_late")},
        ),
        ("Caisse", {"fields": ("cash_float", "cash_maximum", "deposits_from")}),
    )
    change_form_template = "admin/billing/settings.html"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is one row: its list is its page, for who may open it."""
        if not self.has_view_or_change_permission(request):
            return super().changelist_view(request, extra_context)
        if BillingSettings.objects.exists():
            return redirect("admin:billing_billingsettings_change", 1)
        if self.has_add_permission(request):
            return redirect("admin:billing_billingsettings_add")
        return super().changelist_view(request, extra_context)

    def preview(self, typed: Typed[BillingSettings], request: HttpRequest, at: datetime) -> Preview:
        return rule_previews.settings(typed.row, timezone.localdate(at))
