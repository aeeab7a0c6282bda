"""The demo town's money: the past months billed as they would have been, most of them paid."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any

from django.db import transaction
from django.db.models import QuerySet, Sum
from django.utils import timezone

from billing.invoices import creditable, invoicing
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.models import (
    AccountEntry,
    BillingRun,
    Invoice,
    ManualCharge,
    Payment,
    UndoneBecause,
    WriteOff,
)
from billing.payments import (
    closing,
    counting,
    crediting,
    deposits,
    means,
    paying,
    transfers,
    undoing,
    writing_off,
)
from families import residences
from families.models import Household
from portal.demo import banks
from portal.demo.people import People
from portal.french.dates import months_after
from portal.reservations.models import Booking

DAYS_TO_ISSUE = timedelta(days=5)
MEANS = (Payment.Means.CHEQUE, Payment.Means.TRANSFER, Payment.Means.CASH, Payment.Means.CARD)
TOO_MUCH = Decimal("9.60")
LET_OFF = Decimal("5.00")
COLD = Decimal("3.20")
PAID = (0.93, 0.6)  # of the older month, of the last one


def bill_past_months(since: date, at: datetime, people: People, rng: Random) -> None:
    """Bills the months from `since` that are over, each a few days after its end; families pay afterwards."""
    today = timezone.localdate(at)
    banks.sign_mandates(people, since)
    months = list(_over(since, today))
    for month in months:
        day = min(Scope(month).ends_on + DAYS_TO_ISSUE, today)
        moment = timezone.make_aware(datetime.combine(day, time(8)))
        run = invoicing.start(Scope(month), by=None, at=moment)
        invoicing.issue(run, at=moment)
        _pay(run, day, at, people, last=month == months[-1], rng=rng)


def close_the_books(at: datetime, people: People) -> None:
    """The régie has handed over all that came up to the end of last month."""
    closing.close(timezone.localdate(at).replace(day=1) - timedelta(days=1), by=people.regie, at=at)


def hand_over_takings(at: datetime, people: People) -> None:
    """Cheques and cash of the months that are over have been handed over; a slip was typed wrong; the till
    was counted this morning."""
    before = timezone.localdate(at).replace(day=1)
    day = before - timedelta(days=1)
    moment = _moment(day, time(16), at)
    for code in (Payment.Means.CHEQUE, Payment.Means.CASH):
        rows = deposits.waiting([means.of(code)], None).filter(book_day__lt=before)
        keys = list(rows.values_list("pk", flat=True))
        if not keys:
            continue
        slip = deposits.make(code, keys, deposited_on=day, by=people.regie, at=moment)
        if code == Payment.Means.CHEQUE:
            deposits.cancel(slip, reason="Un chèque oublié dans le tiroir", by=people.regie, at=moment)
            deposits.make(code, keys, deposited_on=day, by=people.regie, at=moment)
    counting.count(counting.till().expected, by=people.regie, at=at)


def somebody_moved(at: datetime, people: People) -> None:
    """A family says today that it left the town early in the last month billed, which can be
    recalculated."""
    run = BillingRun.objects.order_by("month").last()
    if run is None:
        return
    since = run.month.replace(day=8)
    eaten = Booking.objects.filter(
        billed__line__invoice__run=run,
        billed__amount__gt=0,
        day__gte=since,
        activity__service="catering",
        household__resident=True,
    )
    others = eaten.exclude(household__in=banks.told(people))
    found = others.order_by("household_id").select_related("household").first()
    if found is None:
        return
    home = found.household
    home.street, home.postcode, home.city = "4 quai des Pêcheurs", "01998", "Port-Aubrelle"
    home.save()
    residences.settle(home, resident=False, since=since, at=at)


def somebody_paid_too_much(at: datetime, people: People) -> None:
    """A family that owed nothing hands in one more cheque today: it is kept for its next invoices."""
    home = _even(people).order_by("pk").first()
    if home is not None:
        today = timezone.localdate(at)
        paying.record(
            home, TOO_MUCH, Payment.Means.CHEQUE, paid_on=today, by=people.regie, at=at, invoices=[]
        )


def somebody_is_owed(at: datetime, people: People) -> None:
    """A family that owes nothing is let have a meal that was served cold: too little for an invoice, it waits
    for the next one (« Reports en attente »)."""
    run, home = BillingRun.objects.order_by("month").last(), _even(people).order_by("-pk").first()
    if run is None or home is None:
        return
    ManualCharge.objects.create(
        household=home,
        label="Repas servi froid",
        unit_price=-COLD,
        reason="Geste de la cantine",
        created_by=people.regie,
    )
    invoicing.issue_one(home, Scope(run.month), by=people.regie, at=at)


def _even(people: People) -> QuerySet[Household]:
    """The households that were billed and are at zero, of those that nothing else is told of."""
    even = (
        AccountEntry.objects.exclude(household__in=banks.told(people))
        .order_by()
        .values("household")
        .annotate(balance=Sum("amount"))
        .filter(balance=0)
    )
    return Household.objects.filter(pk__in=even.values("household"))


def answer_invoices(at: datetime, people: People) -> None:
    """Today: a meal that was not served comes off a paid invoice and is kept for the next one; a family in
    trouble is let off a part of what it owes."""
    invoices = Invoice.objects.with_balance().exclude(household__in=banks.told(people)).order_by("pk")
    paid = invoices.filter(left=Decimal(0), paid__gt=Decimal(0)).first()
    days = [day.item for line in creditable.of(paid).lines for day in line.days] if paid else []
    if paid is not None and days:
        one = Wanted(items=frozenset(days[:1]))
        crediting.credit(paid, one, reason="Repas non servi, grève", by=people.regie, at=at)
    owing = invoices.filter(left__gt=LET_OFF).first()
    if owing is not None:
        writing_off.write_off(
            owing,
            LET_OFF,
            kind=WriteOff.Kind.REMISSION,
            reason="Difficultés passagères",
            decision="Délibération 2026-41",
            decided_on=timezone.localdate(at),
            by=people.regie,
            at=at,
        )


def put_right(at: datetime, people: People) -> None:
    """Today: a cheque of some days ago has bounced, and what a family paid twice goes back to its account."""
    payments = Payment.objects.validated().exclude(household__in=banks.told(people))
    cheques = payments.filter(means=Payment.Means.CHEQUE, allocations__isnull=False)
    bounced = cheques.order_by("-paid_on", "pk").first()
    if bounced is None:
        return
    undoing.reverse(
        bounced,
        because=UndoneBecause.BOUNCED,
        reason="Sans provision, avis de la banque reçu ce matin",
        on=None,
        due_on=undoing.next_due(at),
        by=people.regie,
        at=at,
    )
    settled = payments.exclude(household=bounced.household_id).filter(allocations__isnull=False)
    twice = settled.exclude(household__in=_owing()).order_by("-pk").first()
    if twice is not None:
        today = timezone.localdate(at)
        again = paying.record(
            twice.household, twice.amount, twice.means, paid_on=today, by=people.regie, at=at, invoices=[]
        )
        transfers.ask(
            again,
            again.amount,
            holder=str(twice.household.guardians.first()),
            iban=banks.iban_of(twice.household_id),
            by=people.regie,
            at=at,
        )


def _owing() -> QuerySet[Any, Any]:
    """The households that have something to pay."""
    return Invoice.objects.with_balance().filter(left__gt=Decimal(0)).values("household")


def _pay(run: BillingRun, issued: date, at: datetime, people: People, *, last: bool, rng: Random) -> None:
    """Most invoices are paid within weeks, each day's payments recorded together in the evening."""
    today = timezone.localdate(at)
    by_day: dict[date, list[Invoice]] = defaultdict(list)
    for invoice in run.invoices.exclude(household__in=banks.told(people)).order_by("sequence"):
        if rng.random() < PAID[last]:
            by_day[min(issued + timedelta(days=rng.randrange(1, 25)), today)].append(invoice)
    acts = banks.acts(run, issued, today, people, last=last)
    for day in sorted({*by_day, *acts}):
        for act in acts.get(day, ()):
            act(_moment(day, time(10), at))
        collected = [
            paying.Credit(
                invoice.household_id, invoice.total, rng.choice(MEANS), "", [(invoice.pk, invoice.total)]
            )
            for invoice in by_day.get(day, ())
        ]
        left = {pk: total for one in collected for pk, total in one.shares}
        with transaction.atomic():
            paying.credit(collected, left=left, at=_moment(day, time(17), at))


def _moment(day: date, hour: time, at: datetime) -> datetime:
    """That hour of the day, unless it is still to come."""
    return min(timezone.make_aware(datetime.combine(day, hour)), at)


def _over(since: date, today: date) -> Iterator[date]:
    month = since.replace(day=1)
    while (following := months_after(month, 1)) <= today:
        yield month
        month = following
