"""Reminders at the desk: the preview, the sending and its letters, what the list of invoices says of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks.exceptions import TaskResultDoesNotExist, TaskResultMismatch

from billing.admin.exporting import note_households
from billing.documents import files
from billing.models import Invoice, InvoiceNotice, ReminderLetter
from billing.reminders import letter_printing, reminder_letters, reminding
from billing.reminders.reminder_letters import RemindedInvoice
from billing.tasks import TOLD_AT_ONCE, print_letters, send_reminders, tell_households
from families.signing_in.asking_again import ask_again
from portal.desk import rights
from portal.desk.pages import OwnPages, ShownOnlyInline
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french import moments
from portal.french.amounts import euros
from portal.french.plurals import counted
from portal.web.signed_in import SignedInRequest

REMIND = "billing.add_invoicenotice"
ROWS_NAMED = 50  # invoices or households that a preview names; it counts the others
SENDINGS_SHOWN = 12
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
CHANGED = "Depuis l'aperçu, des factures ont été payées ou relancées : vérifiez de nouveau, puis confirmez."


def stamp_of(at: datetime) -> int:
    """What an address calls a reminding by: its moment in microseconds."""
    return (at - EPOCH) // timedelta(microseconds=1)


def moment_of(stamp: int) -> datetime:
    try:
        return EPOCH + timedelta(microseconds=stamp)
    except OverflowError:
        raise Http404 from None


class ReminderFilter(admin.SimpleListFilter):
    title = "relances"
    parameter_name = "relances"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("0", "Jamais relancée"),
            *((str(level), name) for level, name in enumerate(reminder_letters.LEVELS) if level),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        known, asked = {value for value, _ in self.lookup_choices}, self.value()
        if not asked or asked not in known:
            return queryset
        # Of an invoice in several due dates there may be more.
        most = str(InvoiceNotice.LAST_REMINDER)
        return queryset.filter(**{"reminders__gte" if asked == most else "reminders": int(asked)})


class NoticeInline(ShownOnlyInline[InvoiceNotice, Invoice]):
    model = InvoiceNotice
    fields = readonly_fields = ("level_shown", "left_shown", "sent_at", "sent_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[InvoiceNotice]:
        return super().get_queryset(request).select_related("sent_by")

    @admin.display(description="courrier")
    def level_shown(self, obj: InvoiceNotice) -> str:
        return reminder_letters.LEVELS[obj.level]

    @admin.display(description="restait à payer")
    def left_shown(self, obj: InvoiceNotice) -> str:
        return euros(obj.left)


@dataclass(frozen=True)
class Work:
    """What the worker was asked to remind of, and whether it still is at it."""

    asked: int
    going_on: bool
    failed: bool


class RemindsInvoices(OwnPages[Invoice]):
    """Admin mixin of invoices."""

    desk_links = (
        DeskLink("Relancer les impayés", "billing_invoice_remind", REMIND, "aperçu, puis mails et lettres"),
    )

    def has_remind_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(REMIND)

    def right_for(self, verb: str) -> str:
        return REMIND if verb == "remind" else super().right_for(verb)

    @admin.display(description="relances", ordering="reminders")
    def reminded_shown(self, obj: RemindedInvoice) -> str:
        if obj.reminded_at is None:
            return "–"
        return f"Relancée {obj.reminders} fois, le {timezone.localtime(obj.reminded_at):%d/%m/%Y}"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("relancer/", wrap(self.remind), name="billing_invoice_remind"),
            path("relances/<int:stamp>/", wrap(self.sending), name="billing_invoice_sending"),
            path("relances/<int:stamp>/lettres/", wrap(self.letters), name="billing_invoice_letters"),
            path("relances/<int:stamp>/imprimer/", wrap(self.go_on), name="billing_invoice_print_letters"),
            *super().get_urls(),
        ]

    @admin.action(description="Annoncer la facture, par e-mail ou sur papier", permissions=["remind"])
    def tell_selected(self, request: HttpRequest, queryset: QuerySet[Invoice]) -> None:
        untold = reminding.untold(Invoice.objects.filter(pk__in=queryset.order_by().values("pk")))
        invoices = list(untold.order_by("pk").values_list("pk", flat=True))
        for first in range(0, len(invoices), TOLD_AT_ONCE):
            tell_households.enqueue(invoices[first : first + TOLD_AT_ONCE])
        if invoices:
            count = counted(len(invoices), "facture est annoncée", "factures sont annoncées")
            messages.success(request, f"{count} à leurs foyers ; sans e-mail, sous « Lettres à imprimer ».")
        else:
            messages.warning(request, "Ces factures ont déjà été annoncées à leurs foyers.")

    @admin.action(description="Relancer…", permissions=["remind"])
    def remind_selected(self, request: SignedInRequest, queryset: QuerySet[Invoice]) -> HttpResponse | None:
        across = request.POST.get("select_across", "0")
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        fields = [("action", "remind_selected"), ("select_across", across)]
        # « Tout sélectionner » needs one key to be a selection at all; Django then takes every row.
        fields += [(ACTION_CHECKBOX_NAME, key) for key in (keys[:1] if across == "1" else keys)]
        now = timezone.now()
        found = reminding.preview(queryset, at=now)
        try:
            return self._answer(request, found, now, fields)
        except reminding.RemindingRefused as refusal:
            messages.error(request, str(refusal))
            return None

    def remind(self, request: SignedInRequest) -> HttpResponse:
        """All overdue invoices at once: the preview, then the sending."""
        self.demand(request, REMIND)
        now = timezone.now()
        found = reminding.preview(reminding.overdue(timezone.localdate(now)), at=now)
        try:
            return self._answer(request, found, now, [])
        except reminding.RemindingRefused:
            return self._preview(request, found, [])

    def _answer(
        self,
        request: SignedInRequest,
        found: reminding.RemindersPreview,
        now: datetime,
        fields: list[tuple[str, str]],
    ) -> HttpResponse:
        """The preview, or the sending once it is confirmed as it was seen. Raises RemindingRefused."""
        found.demand()
        if "confirmed" not in request.POST:
            return self._preview(request, found, fields)
        if request.POST.get("vu") != found.fingerprint:
            messages.warning(request, CHANGED)
            return self._preview(request, found, fields)
        work = send_reminders.enqueue(
            [invoice.pk for invoice in found.wanted], now.isoformat(), request.user.pk
        )
        address = reverse("admin:billing_invoice_sending", args=[stamp_of(now)])
        return redirect(f"{address}?{urlencode({'travail': work.id})}")

    def _preview(
        self, request: HttpRequest, found: reminding.RemindersPreview, fields: list[tuple[str, str]]
    ) -> HttpResponse:
        context = {
            "found": found,
            "left": euros(found.left),
            "levels": _shown(found.levels),
            "held": [(one.pk, one.number, one.payer, why) for one, why in found.held[:ROWS_NAMED]],
            "held_more": max(len(found.held) - ROWS_NAMED, 0),
            "paper": [(one.household, one.payer) for one in found.paper[:ROWS_NAMED]],
            "paper_more": max(len(found.paper) - ROWS_NAMED, 0),
            "fields": fields,
            "sendings": [
                (stamp_of(at), moments.moment(at, year=True))
                for at in reminding.last_sendings(SENDINGS_SHOWN)
            ],
        }
        return self.page(request, "admin/billing/remind.html", "Relancer les impayés", context)

    def sending(self, request: HttpRequest, stamp: int) -> HttpResponse:
        """How far a reminding got, and its letters."""
        self.demand(request, REMIND)
        at = moment_of(stamp)
        found, work = reminding.sent(at), _work(request.GET.get("travail", ""), at)
        if found is None and work is None:
            raise Http404
        done, letters = found.invoices if found else 0, letter_printing.progress(at)
        context = {
            "found": found,
            "work": work,
            "done": done,
            "progress": counted(done, "facture relancée", "factures relancées"),
            "missing": max(work.asked - done, 0) if work else 0,
            "levels": _shown(found.levels) if found else [],
            "left": euros(found.left) if found else "",
            "letters": letters,
            "printed": _printed(letters),
            "stamp": stamp,
        }
        title = f"Relance du {moments.moment(at, year=True)}"
        answer = self.page(request, "admin/billing/sending.html", title, context)
        if (work and work.going_on) or not letters.ready:
            # The page follows the work without a script.
            answer["Refresh"] = "3"
        return answer

    def letters(self, request: HttpRequest, stamp: int) -> HttpResponseBase:
        """The letters as a ZIP, once all are printed: one PDF a household, or (`lots`) files to print."""
        self.demand(request, REMIND, rights.EXPORT)
        ask_again(request)
        at = moment_of(stamp)
        progress = letter_printing.progress(at)
        only_paper, joined = "papier" in request.GET, "lots" in request.GET
        if not (progress.to_post if only_paper else progress.letters):
            raise Http404
        if not progress.ready:
            messages.warning(request, f"Les lettres ne sont pas encore prêtes : {_printed(progress)}.")
            return redirect("admin:billing_invoice_sending", stamp)
        which = {"by_post": True} if only_paper else {}
        note_households(
            request, "Lettres de relance (PDF)", ReminderLetter.objects.filter(sent_at=at, **which)
        )
        contents = letter_printing.contents(at, only_paper=only_paper, joined=joined)
        name = f"relances-{timezone.localtime(at):%Y-%m-%d}{'-papier' if only_paper else ''}.zip"
        return hand_over(files.zip_stream(contents), name)

    def go_on(self, request: HttpRequest, stamp: int) -> HttpResponse:
        """Hands the letters that are not printed over to the worker again."""
        self.demand(request, REMIND)
        if request.method == "POST":
            print_letters(moment_of(stamp))
            messages.success(request, "L'impression reprend là où elle s'était arrêtée.")
        return redirect("admin:billing_invoice_sending", stamp)


def _printed(letters: letter_printing.Progress) -> str:
    return f"{counted(letters.printed, 'lettre imprimée', 'lettres imprimées')} sur {letters.letters}"


def _shown(levels: list[reminding.ReminderLevel]) -> list[tuple[str, str, str]]:
    return [(one.name, counted(one.invoices, "facture", "factures"), euros(one.left)) for one in levels]


def _work(task: str, at: datetime) -> Work | None:
    """What the queue knows of a sending; None when it knows nothing (any more)."""
    if not task or not send_reminders.get_backend().supports_get_result:
        return None
    try:
        result = send_reminders.get_result(task)
    except (TaskResultDoesNotExist, TaskResultMismatch):
        return None
    invoices, asked_at, _ = result.args
    if datetime.fromisoformat(asked_at) != at:
        return None
    return Work(len(invoices), not result.is_finished, result.status == TaskResultStatus.FAILED)
