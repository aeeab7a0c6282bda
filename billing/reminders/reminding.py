"""The only writer of notices: a household is told of an invoice once, then reminded of what it has not paid.

    tell(invoices, at=…) -> int               by mail, that they are issued; those told already are left alone
    preview(invoices, at=…) -> RemindersPreview  what reminding would do now, and what it leaves alone and why
    remind(invoices, at=…, by=…) -> int       each invoice one level further, one letter a household

Three reminders an invoice; of one paid in several times, three of a due date that is missed, and one more of
each that is missed while an earlier one still is not paid.

A chunk of households is one transaction: their rows are locked, everything is read again, the notices are
written and their mails queued, all or nothing. What a killed worker began is rolled back, what it had done
stays done: run again, nobody is told twice and nobody is forgotten.

The reminders of one sending share the moment they were asked for (`sent_at`): that is how its letters, one a
household, are found again. `letter_printing.py` prints them.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TypeAlias, TypedDict

from django.db import transaction
from django.db.models import (
    Count,
    DateField,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    prefetch_related_objects,
)
from django.db.models.functions import Coalesce
from django.utils import timezone
from django_stubs_ext import WithAnnotations

from billing.invoices import regies
from billing.models import (
    ONLINE_OPEN,
    BillingSettings,
    Debit,
    Invoice,
    InvoiceNotice,
    InvoiceQuerySet,
    InvoiceWithBalance,
    Mandate,
    OnlinePaymentInvoice,
    PaymentAllocation,
    PaymentState,
    ReminderLetter,
    next_instalment,
)
from billing.payments import paying
from billing.reminders import reminder_letters
from billing.reminders.reminder_letters import RemindedInvoice, Steps
from families.models import Household, User
from portal.french.dates import short_day
from portal.letters import mailing

CHUNK = 100  # households a transaction: short enough to keep no payment waiting
NAMED = 10  # invoices that a refusal names
ISSUE, LAST = InvoiceNotice.ISSUE, InvoiceNotice.LAST_REMINDER
NO_DAY = Value(date(1, 1, 1), output_field=DateField())


class Moves(Steps):
    """Who has the next move: a payment online or a debit that is under way, a mandate not debited yet."""

    paying: bool
    debiting: bool
    to_debit: bool


InvoiceToRemind: TypeAlias = "WithAnnotations[Invoice, Moves]"


class RemindingRefused(Exception):
    """Nothing was sent; the message says why in French."""


@dataclass
class ReminderLevel:
    """How many invoices a reminding brings to a level, and what is left of them."""

    level: int
    invoices: int = 0
    left: Decimal = Decimal(0)

    @property
    def name(self) -> str:
        return reminder_letters.LEVELS[self.level]


@dataclass
class RemindersPreview:
    """`wanted` are the invoices to remind of; `held` those left alone, and why; `paper` an invoice of each
    household to remind that no mail reaches."""

    wanted: list[InvoiceToRemind] = field(default_factory=list)
    held: list[tuple[InvoiceToRemind, str]] = field(default_factory=list)
    paper: list[InvoiceToRemind] = field(default_factory=list)

    @property
    def households(self) -> int:
        return len({invoice.household_id for invoice in self.wanted})

    @property
    def left(self) -> Decimal:
        return sum((invoice.left for invoice in self.wanted), Decimal(0))

    @property
    def levels(self) -> list[ReminderLevel]:
        return levels((invoice.level + 1, invoice.left) for invoice in self.wanted)

    @property
    def fingerprint(self) -> str:
        """Another one as soon as a reminder comes, goes, or asks for another amount."""
        said = sorted((invoice.pk, invoice.reminders, str(invoice.left)) for invoice in self.wanted)
        return hashlib.sha256(repr(said).encode()).hexdigest()

    def demand(self) -> None:
        """Raises RemindingRefused when there is nothing to send, naming what was asked for."""
        if self.wanted:
            return
        named = [f"{invoice.number} : {why}" for invoice, why in self.held[:NAMED]]
        if more := len(self.held) - len(named):
            named.append(f"et {more} de plus")
        raise RemindingRefused("Aucune facture à relancer." + (f" {' ; '.join(named)}." if named else ""))


def levels(rows: Iterable[tuple[int, Decimal]]) -> list[ReminderLevel]:
    """Levels and amounts left, added up by level."""
    found: dict[int, ReminderLevel] = {}
    for level, left in rows:
        one = found.setdefault(level, ReminderLevel(level))
        one.invoices += 1
        one.left += left
    return [found[level] for level in sorted(found)]


def with_reminders(invoices: QuerySet[InvoiceWithBalance]) -> QuerySet[RemindedInvoice]:
    """Invoices with their `Reminders`, in the same query."""
    sent = InvoiceNotice.objects.filter(invoice=OuterRef("pk"), level__gt=ISSUE)
    often = sent.order_by().values("invoice").annotate(often=Count("pk")).values("often")
    return invoices.annotate(
        reminders=Coalesce(Subquery(often), Value(0)),
        reminded_at=Subquery(sent.order_by("-sent_at").values("sent_at")[:1]),
    )


def overdue(today: date) -> QuerySet[InvoiceWithBalance]:
    """Invoices past their date with something left to pay."""
    return Invoice.objects.with_balance().filter(pay_by__lt=today, left__gt=Decimal(0))


def last_reminder(invoice: Invoice) -> InvoiceNotice | None:
    return invoice.notices.filter(level__gt=ISSUE).order_by("-sent_at", "-level").first()


# Telling of the issue --------------------------------------------------------------------------------------


def untold(invoices: InvoiceQuerySet) -> InvoiceQuerySet:
    """Those of which no household was told yet."""
    told = InvoiceNotice.objects.filter(invoice=OuterRef("pk"), level=ISSUE)
    return invoices.filter(~Exists(told))


def tell(invoices: Sequence[int], *, at: datetime) -> int:
    """Tells the households of invoices (by pk) that were issued; returns how many invoices were told of.

    A household that no mail reaches has its letter on paper, with the lines of the invoice. One that is none
    of the town hall's any more is not written to, and its invoice keeps no notice.
    """
    return sum(_tell(chunk, at) for chunk in _chunks(invoices))


def _tell(chunk: Sequence[int], at: datetime) -> int:
    mandate = Mandate.objects.of_invoice()
    with transaction.atomic():
        _lock(chunk)
        found = list(
            untold(Invoice.objects.filter(pk__in=chunk))
            .with_balance()
            .select_related("run")
            .annotate(rum=Coalesce(Subquery(mandate.values("rum")[:1]), Value("")))
            .order_by("pk")
        )
        to = reminder_letters.addressees(invoice.household_id for invoice in found)
        reached = [one for one in found if to[one.household_id] or to[one.household_id].on_paper]
        prefetch_related_objects([one for one in reached if to[one.household_id].on_paper], "lines")
        InvoiceNotice.objects.bulk_create(
            InvoiceNotice(
                invoice=invoice,
                level=ISSUE,
                left=max(invoice.left, Decimal(0)),
                sent_at=at,
                sent_by_id=invoice.run.asked_by_id if invoice.run else None,
            )
            for invoice in reached
        )
        # Queued within the transaction: the notice and its mail are kept or lost together.
        mailing.queue(
            [
                letter
                for invoice in reached
                for letter in mailing.written(
                    "billing/invoice",
                    to[invoice.household_id],
                    reminder_letters.issue(invoice, on_paper=to[invoice.household_id].on_paper),
                )
            ]
        )
    return len(reached)


# Reminding -------------------------------------------------------------------------------------------------


def preview(invoices: QuerySet[Invoice], *, at: datetime) -> RemindersPreview:
    """What reminding of these invoices would do now; writes nothing. Three queries, whatever their number."""
    days = BillingSettings.current().reminder_days
    asked = Invoice.objects.filter(pk__in=invoices.order_by().values("pk"))
    found = RemindersPreview()
    for invoice in (
        _read(asked, timezone.localdate(at))
        .select_related("household")
        .order_by("household", "pay_by", "sequence")
    ):
        if why := hindrance(invoice, days, at):
            found.held.append((invoice, why))
        else:
            found.wanted.append(invoice)
    reached = set(
        reminder_letters.reached().filter(household__invoices__in=asked).values_list("household", flat=True)
    )
    one_each = {invoice.household_id: invoice for invoice in found.wanted}
    found.paper = [invoice for home, invoice in one_each.items() if home not in reached]
    return found


def hindrance(invoice: InvoiceToRemind, days: int, at: datetime) -> str:
    """Why an invoice as `preview` reads it is not reminded of now, in French; empty when it may be.

    `days` go by between two reminders; `at` is the moment of the reminding.
    """
    today = timezone.localtime(at).date()
    if invoice.left <= 0:
        return "plus rien à payer"
    if invoice.pay_by >= today:
        return f"à payer au plus tard le {short_day(invoice.pay_by, year=True)}"
    if invoice.paying:
        return "un paiement en ligne est en cours"
    if invoice.debiting:
        return "un prélèvement est en cours"
    if invoice.to_debit:
        return "à prélever, le foyer a signé un mandat"
    if not invoice.reminders:
        return ""
    last = timezone.localtime(invoice.reminded_at).date()
    said = short_day(last, year=True)
    # A due date that is missed while an earlier one still is asks once more; paid up, the next has its three.
    most = LAST if invoice.late_on in (None, invoice.pay_by) else 1
    if invoice.level >= most:
        return f"dernière relance envoyée le {said}"
    # Never twice a day: the same reminding confirmed twice, or run again, must find it done.
    again = last + timedelta(days=max(days, 1))
    if again > today:
        return f"relancée le {said}, pas de nouveau avant le {short_day(again, year=True)}"
    return ""


def remind(invoices: Sequence[int], *, at: datetime, by: User | None) -> int:
    """Reminds of invoices (by pk), as far as they may be when their turn comes; returns how many were.

    `at` is the moment the reminding was asked for, the same when it is run again.
    """
    settings = BillingSettings.current()
    return sum(_remind(chunk, settings, at, by) for chunk in _chunks(invoices))


def _remind(chunk: Sequence[int], settings: BillingSettings, at: datetime, by: User | None) -> int:
    with transaction.atomic():
        _lock(chunk)
        _use_what_was_paid(chunk)
        # A household that has its letter of this reminding gets no second one when it is run again.
        asked = Invoice.objects.filter(pk__in=chunk).exclude(household__reminder_letters__sent_at=at)
        rows = _read(asked, timezone.localdate(at)).order_by(
            "household", F("regie_id").asc(nulls_first=True), "pay_by", "sequence"
        )
        wanted = [invoice for invoice in rows if not hindrance(invoice, settings.reminder_days, at)]
        InvoiceNotice.objects.bulk_create(
            InvoiceNotice(
                invoice=invoice,
                level=invoice.level + 1,
                due_on=invoice.late_on,
                left=invoice.left,
                sent_at=at,
                sent_by=by,
            )
            for invoice in wanted
        )
        addresses = reminder_letters.addresses(invoice.household_id for invoice in wanted)
        ReminderLetter.objects.bulk_create(
            ReminderLetter(household_id=household, sent_at=at, by_post=household not in addresses)
            for household in dict.fromkeys(invoice.household_id for invoice in wanted)
        )
        letters: list[mailing.Posted] = []
        facts = regies.facts_of((invoice.regie_id for invoice in wanted), settings)
        late = reminder_letters.late_of(wanted, timezone.localdate(at))
        for (household, regie), owed in groupby(wanted, key=lambda one: (one.household_id, one.regie_id)):
            if to := addresses.get(household):
                context = reminder_letters.reminder(list(owed), facts[regie], late)
                letters += mailing.written("billing/reminder", to, context, home=household)
        mailing.queue(letters)
    return len(wanted)


@dataclass(frozen=True)
class Sending:
    """One reminding that went out: when, by whom, to how many households."""

    at: datetime
    by: str
    households: int
    levels: list[ReminderLevel]

    @property
    def invoices(self) -> int:
        return sum(level.invoices for level in self.levels)

    @property
    def left(self) -> Decimal:
        return sum((level.left for level in self.levels), Decimal(0))


def sent(at: datetime) -> Sending | None:
    """What went out for the reminding asked for at that moment, so far."""
    notices = InvoiceNotice.objects.filter(sent_at=at, level__gt=ISSUE)
    rows = list(notices.values_list("level", "left", "invoice__household", "sent_by__username"))
    if not rows:
        return None
    homes = {household for _, _, household, _ in rows}
    return Sending(at, rows[0][3] or "", len(homes), levels((level, left) for level, left, _, _ in rows))


def last_sendings(count: int) -> list[datetime]:
    """When the last remindings were asked for, newest first."""
    rows = InvoiceNotice.objects.filter(level__gt=ISSUE).order_by("-sent_at")
    return list(rows.values_list("sent_at", flat=True).distinct()[:count])


# Small things ----------------------------------------------------------------------------------------------


def _read(invoices: InvoiceQuerySet, today: date) -> QuerySet[InvoiceToRemind]:
    """All that decides whether an invoice is reminded of, in one query."""
    missed = next_instalment().filter(due_on__lt=today).order_by("-due_on")
    steps = InvoiceNotice.objects.annotate(of=Coalesce("due_on", NO_DAY)).filter(
        invoice=OuterRef("pk"), level__gt=ISSUE, of=Coalesce(OuterRef("late_on"), NO_DAY)
    )
    online = OnlinePaymentInvoice.objects.filter(
        invoice=OuterRef("pk"), online_payment__state__in=ONLINE_OPEN
    )
    debits = Debit.objects.filter(invoice=OuterRef("pk"))
    mandates = Mandate.objects.of_invoice()
    return with_reminders(invoices.with_balance()).annotate(
        late_on=Subquery(missed.values("due_on")[:1]),
        level=Coalesce(Subquery(steps.order_by("-level").values("level")[:1]), Value(0)),
        paying=Exists(online),
        debiting=Exists(debits.filter(payment__state=PaymentState.PENDING)),
        # A household with a mandate was told that its account would be debited: the next move is the town's.
        to_debit=Exists(mandates) & ~Exists(debits),
    )


def _chunks(invoices: Sequence[int]) -> Iterator[list[int]]:
    """The invoices of CHUNK households at a time; a household's are never parted."""
    homes: dict[int, list[int]] = defaultdict(list)
    for first in range(0, len(invoices), 1000):
        rows = Invoice.objects.filter(pk__in=invoices[first : first + 1000])
        for household, invoice in rows.order_by().values_list("household", "pk"):
            homes[household].append(invoice)
    order = sorted(homes)
    for first in range(0, len(order), CHUNK):
        yield [invoice for home in order[first : first + CHUNK] for invoice in homes[home]]


def _lock(invoices: Sequence[int]) -> None:
    """As every writer of money does: nobody pays, debits or reminds these households meanwhile."""
    Household.objects.lock(Invoice.objects.filter(pk__in=invoices).values("household"))


def _use_what_was_paid(invoices: Sequence[int]) -> None:
    """Nobody is asked for money that the town already holds: what payments have left pays invoices first."""
    homes = Household.objects.filter(pk__in=Invoice.objects.filter(pk__in=invoices).values("household"))
    held = list(_with_money(homes))
    used = PaymentAllocation.objects.filter(
        payment__household__in=held, payment__state=PaymentState.VALIDATED
    ).values_list("payment__household")
    spent = dict(used.annotate(sum=Sum("amount")).order_by())
    for household in held:
        if household.sum > spent.get(household.pk, 0):
            paying.use_what_is_left(household)


class Money(TypedDict):
    """The sum of a household's payments, refunds taken off."""

    sum: Decimal


def _with_money(homes: QuerySet[Household]) -> "QuerySet[WithAnnotations[Household, Money]]":
    """Those whose payments are more than their refunds."""
    validated = Q(payments__state=PaymentState.VALIDATED)
    return homes.annotate(sum=Sum("payments__amount", filter=validated)).filter(sum__gt=0)
