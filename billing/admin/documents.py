"""Invoices at the desk: billing a month, the list with its totals, files, credit notes."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, TypedDict

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, F, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django_stubs_ext import WithAnnotations

from billing import tasks
from billing.admin.answers import AnswersInvoices
from billing.admin.exporting import downloads, note_households
from billing.admin.instalments import InParts
from billing.admin.kept import FoundByNumber, note_if_erased
from billing.admin.not_own import NotOfOwnHousehold
from billing.admin.regies import SaysRegie
from billing.admin.reminders import NoticeInline, ReminderFilter, RemindsInvoices
from billing.documents import files, pdf, wording
from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.models import (
    BillingRun,
    BillingSettings,
    Invoice,
    InvoiceLine,
    InvoiceQuerySet,
    InvoiceWithBalance,
    ManualCharge,
    NewDueDate,
)
from billing.reminders import reminding
from billing.reminders.reminder_letters import RemindedInvoice
from billing.tasks import issue_month
from families.desk_links import household_link
from families.models import Household
from families.signing_in.asking_again import asks_again
from portal.desk.choices import TolerantChoices
from portal.desk.lists import NumberSearch, StateBadge, badge
from portal.desk.pages import OwnPages, ShownOnly, ShownOnlyInline, log_all
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french import spelling
from portal.french.amounts import euros
from portal.french.dates import month_name
from portal.french.day_fields import MonthField, NearDateField, first_of_month
from portal.reservations.models import Activity, Establishment
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest, user_of

# Of the documents of a run, those that are no statements.
TO_PAY = Q(invoices__kind=Invoice.Kind.INVOICE)


def last_month(today: date) -> date:
    return today.replace(year=today.year - (today.month == 1), month=today.month - 1 or 12, day=1)


class MonthForm(forms.Form):
    """Which month, for which services and places."""

    month = MonthField()
    activities = forms.ModelMultipleChoiceField(
        label="Activités",
        queryset=Activity.objects.order_by("order", "name"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Aucune cochée : toutes.",
    )
    establishments = forms.ModelMultipleChoiceField(
        label="Établissements",
        queryset=Establishment.objects.exclude(kind=Establishment.Kind.SCHOOL),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Aucun coché : tous.",
    )
    left_out = forms.CharField(
        label="Sauf ces foyers",
        required=False,
        help_text="Numéros de foyers ou noms, séparés par des virgules. Aucun : tous.",
        widget=forms.TextInput(attrs={"size": 60}),
    )
    due_on = NearDateField(label="À payer au plus tard le")

    def clean_left_out(self) -> list[Household]:
        said = [word.strip() for word in self.cleaned_data["left_out"].split(",")]
        return [_household(word) for word in said if word]

    def clean_due_on(self) -> date:
        due_on: date = self.cleaned_data["due_on"]
        if due_on < timezone.localdate():
            raise forms.ValidationError("Cette date est déjà passée.")
        return due_on

    @property
    def scope(self) -> Scope:
        said = self.cleaned_data
        return Scope(
            said["month"],
            tuple(sorted(one.pk for one in said["activities"])),
            tuple(sorted(one.pk for one in said["establishments"])),
            tuple(sorted({one.pk for one in said["left_out"]})),
        )


def _household(said: str) -> Household:
    """The one of that number or name. Raises ValidationError where there is none, or several."""
    homes = Household.objects.filter(erased_at=None, joined_to=None)
    number = posted_number(said)
    if number is not None:
        found = list(homes.filter(pk=number))
    else:
        found = list(homes.filter(spelling.holds(said, "guardians__folded")).distinct()[:6])
    if not found:
        raise forms.ValidationError(f"Aucun foyer ne répond à « {said} ».")
    if len(found) > 1:
        numbers = ", ".join(one.number for one in found)
        raise forms.ValidationError(f"« {said} » : plusieurs foyers ({numbers}), écrivez le numéro.")
    return found[0]


class OneMonthForm(forms.Form):
    """Which month of one household."""

    month = MonthField()
    due_on = NearDateField(label="À payer au plus tard le")

    clean_due_on = MonthForm.clean_due_on


class Issued(TypedDict):
    """How many invoices of a run are issued, and their sum, None before the first."""

    issued: int
    billed: Decimal | None


BilledRun: TypeAlias = "WithAnnotations[BillingRun, Issued]"


@admin.register(BillingRun)
class BillingRunAdmin(StateBadge, ShownOnly[BillingRun], OwnPages[BillingRun]):
    desk_order = 1
    desk_links = (
        DeskLink(
            "Facturer un mois", "billing_billingrun_bill", "billing.add_billingrun", "aperçu, puis émission"
        ),
    )
    list_display = ("__str__", "what", "state_badge", "progress", "invoices_count", "total", "asked_by")
    list_filter = ("state",)
    tints = {"waiting": "requested", "running": "requested", "done": "accepted", "failed": "refused"}
    fields = readonly_fields = (
        "month_shown",
        "what",
        "all_but",
        "state_badge",
        "progress",
        "invoices_count",
        "total",
        "due_on",
        "asked_by",
        "asked_at",
        "finished_at",
        "trouble",
    )
    change_form_template = "admin/billing/run.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BilledRun]:
        return (
            super()
            .get_queryset(request)
            .prefetch_related("activities", "establishments")
            .select_related("asked_by")
            .annotate(
                issued=Count("invoices", filter=TO_PAY, distinct=True),
                billed=Sum("invoices__total", filter=TO_PAY),
            )
        )

    @admin.display(description="mois facturé")
    def month_shown(self, obj: BillingRun) -> str:
        return month_name(obj.month)

    @admin.display(description="pour")
    def what(self, obj: BillingRun) -> str:
        names = [*map(str, obj.activities.all()), *map(str, obj.establishments.all())]
        return ", ".join(names) or "toutes les activités"

    @admin.display(description="sauf ces foyers")
    def all_but(self, obj: BillingRun) -> SafeString | str:
        rows = [
            (household_link(home.pk), reverse("admin:billing_billingrun_bill_one", args=[home.pk]))
            for home in obj.left_out.order_by("pk")
        ]
        if not rows:
            return "–"
        return format_html_join("", '<p>{}, <a href="{}">facturer ce foyer</a></p>', rows)

    @admin.display(description="foyers")
    def progress(self, obj: BillingRun) -> SafeString:
        said = f"{obj.done} sur {obj.households}"
        return format_html(
            '<progress aria-label="Foyers facturés" max="{}" value="{}">{}</progress> {}',
            max(obj.households, 1),
            obj.done,
            said,
            said,
        )

    @admin.display(description="factures", ordering="issued")
    def invoices_count(self, obj: BilledRun) -> str:
        if not obj.issued:
            return "0"
        url = reverse("admin:billing_invoice_changelist") + f"?run__id__exact={obj.pk}"
        return format_html('<a href="{}">{}</a>', url, obj.issued)

    @admin.display(description="total", ordering="billed")
    def total(self, obj: BilledRun) -> str:
        return euros(obj.billed or Decimal(0))

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("facturer/", wrap(self.bill), name="billing_billingrun_bill"),
            path("facturer/<int:household>/", wrap(self.bill_one), name="billing_billingrun_bill_one"),
            path("<int:pk>/reprendre/", wrap(self.go_on), name="billing_billingrun_go_on"),
            *super().get_urls(),
        ]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        run = self.get_object(request, object_id)
        working = run is not None and run.state in (BillingRun.State.WAITING, BillingRun.State.RUNNING)
        context = {
            "working": working,
            "may_go_on": run is not None
            and run.state != BillingRun.State.DONE
            and request.user.has_perm("billing.add_billingrun"),
        }
        answer = super().change_view(request, object_id, form_url, context | (extra_context or {}))
        if working and request.method == "GET":
            # The page follows the work without a script.
            answer["Refresh"] = "3"
        return answer

    def bill(self, request: SignedInRequest) -> HttpResponse:
        """« Facturer un mois »: the form, then the preview, then the run."""
        self.demand(request, "billing.add_billingrun")
        now = timezone.now()
        today = timezone.localdate(now)
        due_on = today + timedelta(days=BillingSettings.current().payment_days)
        initial = {"month": f"{last_month(today):%Y-%m}", "due_on": due_on}
        form = MonthForm(request.POST or None, initial=initial)
        preview = None
        if request.method == "POST" and form.is_valid():
            try:
                if "confirmed" in request.POST:
                    run = invoicing.start(
                        form.scope, by=request.user, at=now, due_on=form.cleaned_data["due_on"]
                    )
                    issue_month.enqueue(run.pk)
                    messages.success(request, "La facturation a commencé : cette page suit son avancement.")
                    return redirect("admin:billing_billingrun_change", run.pk)
                preview = invoicing.preview(form.scope, at=now)
            except invoicing.BillingRefused as refusal:
                form.add_error(None, str(refusal))
        context: dict[str, Any] = {"form": form, "preview": preview}
        if preview:
            context |= {
                "total": euros(preview.total),
                "carried_total": euros(preview.carried_total),
                "month_name": month_name(form.scope.month),
                "left_out": ", ".join(map(str, form.cleaned_data["left_out"])),
            }
        return self.page(request, "admin/billing/bill_month.html", "Facturer un mois", context)

    def bill_one(self, request: SignedInRequest, household: int) -> HttpResponse:
        """« Facturer ce foyer »: the form, then the preview, then the invoice."""
        self.demand(request, "billing.add_billingrun")
        home = get_object_or_404(Household, pk=household, erased_at=None, joined_to=None)
        now = timezone.now()
        today = timezone.localdate(now)
        due_on = today + timedelta(days=BillingSettings.current().payment_days)
        form = OneMonthForm(request.POST or None, initial={"month": f"{today:%Y-%m}", "due_on": due_on})
        preview = None
        if request.method == "POST" and form.is_valid():
            scope = Scope(form.cleaned_data["month"])
            try:
                if "confirmed" in request.POST:
                    made = tasks.issue_one(
                        home, scope, by=request.user, at=now, due_on=form.cleaned_data["due_on"]
                    )
                    return self._issued(request, made)
                preview = invoicing.preview(scope, at=now, only=home)
            except invoicing.BillingRefused as refusal:
                form.add_error(None, str(refusal))
        names = " et ".join(str(guardian) for guardian in home.guardians.all())
        context: dict[str, Any] = {
            "form": form,
            "preview": preview,
            "lead": f"{home}, {names} : tout ce qui n'est pas encore facturé, jusqu'à la fin du mois choisi.",
        }
        if preview:
            context |= {
                "total": euros(preview.total),
                "carried_total": euros(preview.carried_total),
                "month_name": month_name(form.cleaned_data["month"]),
            }
        return self.page(request, "admin/billing/bill_month.html", "Facturer ce foyer", context)

    def _issued(self, request: SignedInRequest, made: Sequence[Invoice]) -> HttpResponse:
        log_all(request, made, "Facturé à part.")
        for one in made:
            carried = one.kind == Invoice.Kind.CARRIED
            done = "est reporté sur la prochaine facture" if carried else "est émise"
            messages.success(request, f"{one} de {euros(one.total)} {done}.")
        if len(made) == 1 and made[0].kind == Invoice.Kind.INVOICE:
            return redirect("admin:billing_invoice_change", made[0].pk)
        return redirect("admin:billing_payment_account", made[0].household_id)

    def go_on(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Hands an interrupted run over to the worker again."""
        self.demand(request, "billing.add_billingrun")
        run = get_object_or_404(BillingRun, pk=pk)
        if request.method == "POST" and run.state != BillingRun.State.DONE:
            issue_month.enqueue(run.pk)
            messages.success(request, "La facturation reprend là où elle s'était arrêtée.")
        return redirect("admin:billing_billingrun_change", pk)


class BalanceFilter(admin.SimpleListFilter):
    title = "état"
    parameter_name = "etat"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("impayee", "À payer"),
            ("retard", "En retard"),
            ("partie", "Payée en partie"),
            ("payee", "Payée"),
            ("close", "Close, abandonnée"),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "impayee":
                return queryset.filter(left__gt=0)
            case "retard":
                return queryset.filter(left__gt=0, pay_by__lt=timezone.localdate())
            case "partie":
                return queryset.filter(left__gt=0, left__lt=F("total"))
            case "payee":
                return queryset.filter(left__lte=0, written_off=0)
            case "close":
                return queryset.filter(left__lte=0, written_off__gt=0)
        return queryset


class MonthFilter(admin.SimpleListFilter):
    title = "mois"
    parameter_name = "mois"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        months = Invoice.objects.order_by("-month").values_list("month", flat=True).distinct()[:36]
        return [(f"{month:%Y-%m}", month_name(month)) for month in months]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        try:
            return queryset.filter(month=first_of_month(self.value() or ""))
        except ValueError:
            return queryset


class InvoiceLineInline(ShownOnlyInline[InvoiceLine, Invoice]):
    model = InvoiceLine
    fk_name = "invoice"
    fields = readonly_fields = (
        "child_name",
        "activity_name",
        "label",
        "dates",
        "quantity",
        "unit_price",
        "amount",
        "explanation",
    )

    @admin.display(description="jours")
    def dates(self, obj: InvoiceLine) -> str:
        return wording.days_in_words([date.fromisoformat(day) for day in obj.days])


class NewDueDateInline(ShownOnlyInline[NewDueDate, Invoice]):
    """Until when it is due again, who said so and why; only of an invoice that is."""

    model = NewDueDate
    fields = readonly_fields = ("due_on", "reason", "by", "at")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever sees the invoice."""
        return obj is None or obj.new_due_dates.exists()

    def get_queryset(self, request: HttpRequest) -> QuerySet[NewDueDate]:
        return super().get_queryset(request).select_related("by")


@admin.register(Invoice)
class InvoiceAdmin(
    InParts,
    AnswersInvoices,
    SaysRegie[Invoice],
    RemindsInvoices,
    FoundByNumber[Invoice],
    ShownOnly[Invoice],
    NumberSearch[Invoice],
    OwnPages[Invoice],
):
    desk_order = 2
    list_display = (
        "number",
        "month_shown",
        "household",
        "payer",
        "total_shown",
        "left_shown",
        "state_badge",
        "reminded_shown",
    )
    list_filter = (MonthFilter, BalanceFilter, ReminderFilter, "series", "year", "run")
    list_select_related = ("household",)
    list_per_page = 50
    search_fields = ("number", "payer")
    search_help_text = "Numéro de facture, nom du destinataire ou numéro de foyer"
    actions = (
        "download_pdfs",
        "download_csv",
        "download_lines",
        "download_xlsx",
        "tell_selected",
        "remind_selected",
    )
    inlines = (InvoiceLineInline, NewDueDateInline, NoticeInline)
    fields = readonly_fields = (
        "number",
        "month_shown",
        "issued_at",
        "pay_by_shown",
        "in_parts_shown",
        "household",
        "payer",
        "address",
        "quotient",
        "total_shown",
        "paid_shown",
        "credited_shown",
        "written_off_shown",
        "left_shown",
        "state_badge",
    )
    change_list_template = "admin/billing/invoices.html"
    change_form_template = "admin/billing/invoice.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[RemindedInvoice]:
        return reminding.with_reminders(InvoiceQuerySet.with_balance(super().get_queryset(request)))

    @admin.display(description="mois", ordering="month")
    def month_shown(self, obj: Invoice) -> str:
        return obj.month_name

    @admin.display(description="à payer au plus tard le", ordering="pay_by")
    def pay_by_shown(self, obj: InvoiceWithBalance) -> str:
        """The day that was given since, where the invoice was settled and is due again."""
        return date_format(obj.pay_by)

    @admin.display(description="total", ordering="total")
    def total_shown(self, obj: Invoice) -> str:
        return euros(obj.total)

    @admin.display(description="déjà payé", ordering="paid")
    def paid_shown(self, obj: InvoiceWithBalance) -> str:
        return euros(obj.paid)

    @admin.display(description="avoirs", ordering="credited")
    def credited_shown(self, obj: InvoiceWithBalance) -> str:
        return euros(obj.credited)

    @admin.display(description="abandons de créances", ordering="written_off")
    def written_off_shown(self, obj: InvoiceWithBalance) -> str:
        return euros(obj.written_off)

    @admin.display(description="reste à payer", ordering="left")
    def left_shown(self, obj: InvoiceWithBalance) -> str:
        return euros(obj.left)

    @admin.display(description="état")
    def state_badge(self, obj: InvoiceWithBalance) -> SafeString:
        state = obj.state_on(timezone.localdate())
        tint = {"paid": "accepted", "overdue": "refused", "closed": "cancelled"}.get(state, "requested")
        return badge(tint, state.label)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list with the totals of all that its filters let through."""
        answer = super().changelist_view(request, extra_context)
        if (context := getattr(answer, "context_data", None)) and "cl" in context:
            sums = (
                context["cl"]
                .queryset.order_by()
                .aggregate(
                    count=Count("pk"),
                    sum_total=Sum("total"),
                    sum_paid=Sum("paid"),
                    sum_credited=Sum("credited"),
                    sum_written_off=Sum("written_off"),
                    sum_left=Sum("left"),
                )
            )
            context["totals"] = [
                ("factures", sums["count"]),
                *(
                    (words, euros(sums[name] or Decimal(0)))
                    for name, words in (
                        ("sum_total", "facturés"),
                        ("sum_paid", "payés"),
                        ("sum_credited", "en avoirs"),
                        ("sum_written_off", "abandonnés"),
                        ("sum_left", "restent à payer"),
                    )
                ),
            ]
        return answer

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/pdf/", wrap(self.one_pdf), name="billing_invoice_pdf"),
            *super().get_urls(),
        ]

    def one_pdf(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, "billing.view_invoice")
        invoice = get_object_or_404(Invoice.objects.select_related("household"), pk=pk)
        note_if_erased(request, invoice.household, invoice.number)
        try:
            content = pdf.as_it_stands(invoice, at=timezone.now())
        except pdf.PdfLost as lost:
            messages.error(request, str(lost))
            return redirect("admin:billing_invoice_change", pk)
        return hand_over(content, f"Facture-{invoice.number}.pdf", inline=True)

    @admin.action(description="Télécharger les PDF (ZIP)", permissions=["export"])
    @asks_again
    def download_pdfs(
        self, request: HttpRequest, queryset: QuerySet[InvoiceWithBalance]
    ) -> StreamingHttpResponse:
        wanted = Invoice.objects.filter(pk__in=queryset.values("pk"))
        note_households(request, "Factures (PDF)", queryset)
        return hand_over(files.pdf_zip(wanted), "factures.zip")

    download_csv, download_xlsx = downloads("Factures", "factures", files.INVOICE_COLUMNS, files.invoice_rows)

    @admin.action(description="Télécharger les lignes (CSV)", permissions=["export"])
    @asks_again
    def download_lines(
        self, request: HttpRequest, queryset: QuerySet[InvoiceWithBalance]
    ) -> StreamingHttpResponse:
        note_households(request, "Lignes de factures (CSV)", queryset)
        rows = files.csv_stream(files.LINE_COLUMNS, files.line_rows(queryset))
        return hand_over(rows, "lignes.csv")


@admin.register(ManualCharge)
class ManualChargeAdmin(
    NotOfOwnHousehold[ManualCharge],
    SaysRegie[ManualCharge],
    TolerantChoices[ManualCharge],
    NumberSearch[ManualCharge],
):
    regie_field = "regie"
    desk_order = 15
    list_display = ("label", "household", "quantity", "unit_price", "reason", "billed_by")
    list_select_related = ("household", "line__invoice")
    search_fields = ("label", "reason")
    autocomplete_fields = ("household", "child")
    fields = ("household", "child", "label", "quantity", "unit_price", "reason")

    @admin.display(description="facturée par")
    def billed_by(self, obj: ManualCharge) -> str:
        return obj.line.invoice.number if obj.line else "à la prochaine facture"

    def homes_of(self, rows: Iterable[ManualCharge]) -> set[int]:
        return {row.household_id for row in rows}

    def save_model(self, request: HttpRequest, obj: ManualCharge, form: Any, change: bool) -> None:
        if not change:
            obj.created_by = user_of(request)
        super().save_model(request, obj, form, change)

    def has_change_permission(self, request: HttpRequest, obj: ManualCharge | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.is_free)

    def has_delete_permission(self, request: HttpRequest, obj: ManualCharge | None = None) -> bool:
        return super().has_delete_permission(request, obj) and (obj is None or obj.is_free)
