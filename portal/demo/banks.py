"""The demo town's payments that a bank answers: a few families pay online, in every way it may end, a few
others by direct debit. All goes through the portal's own doors; what of it is drawn by chance there (the
references of payments) is drawn here too."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.db.models import QuerySet
from django.utils import timezone
from stdnum import iban

from billing.models import (
    BillingRun,
    Debit,
    DemoBankOrder,
    Invoice,
    Mandate,
    OnlinePayment,
    OnlineState,
    Payment,
)
from billing.payments import asking, paying, refunding, sepa, starting
from billing.payments.providers import choosing, demo_bank
from families.models import User
from portal.demo.people import DemoHome, People

Act = Callable[[datetime], object]
Bank = DemoBankOrder.Outcome


class Attempt(NamedTuple):
    """A family tries to pay, `after` days from its invoice; paid twice, it gets it back `back` days later."""

    after: int
    outcome: str
    back: int = 0


# Of each home, « parent » first: how it paid an older invoice, how the last one.
STORIES = (
    ([Attempt(6, Bank.PAID)], [Attempt(2, Bank.REFUSED), Attempt(3, Bank.CANCELLED)]),
    ([Attempt(4, Bank.REFUSED), Attempt(5, Bank.PAID, back=9)], [Attempt(3, Bank.PENDING)]),
    ([Attempt(2, Bank.PAID)], [Attempt(1, Bank.PAID)]),
    ([Attempt(11, Bank.CANCELLED), Attempt(12, Bank.PAID)], [Attempt(2, Bank.CANCELLED)]),
    ([Attempt(8, Bank.PAID)], [Attempt(2, Bank.REFUSED), Attempt(3, Bank.PAID)]),
)
DEBITED = 3  # homes after those, with a mandate
TOLD = len(STORIES) + DEBITED
# Days after a month was issued: its file, the money, what came back.
ASKED, COLLECTED, RETURNED = 4, 10, 13


def told(people: People) -> dict[int, int]:
    """The households whose payments are told here, each with its place."""
    return {home.household.pk: place for place, home in enumerate(people.homes[:TOLD])}


def sign_mandates(people: People, day: date) -> None:
    """The homes that wish it have signed."""
    for home in people.homes[len(STORIES) : TOLD]:
        if home.household.is_accepted:
            mandate = Mandate(
                household=home.household,
                rum=f"VALMIRELLE-{home.household.number}",
                debtor=home.user.get_full_name(),
                iban=iban_of(home.household.pk),
                signed_on=day,
            )
            mandate.full_clean()
            mandate.save()


def iban_of(account: int) -> str:
    """A valid one, of a bank that does not exist, with the key of a RIB too."""
    bank, branch = 99999, 0
    key = 97 - (89 * bank + 15 * branch + 3 * account) % 97
    number = f"FR00{bank:05d}{branch:05d}{account:011d}{key:02d}"
    return f"FR{iban.calc_check_digits(number)}{number[4:]}"


def acts(run: BillingRun, issued: date, today: date, people: People, *, last: bool) -> dict[date, list[Act]]:
    """What happens to the invoices of a run that are told here, by day."""
    found: dict[date, list[Act]] = defaultdict(list)
    places = told(people)
    for invoice in run.invoices.filter(household__in=places).order_by("sequence"):
        place = places[invoice.household_id]
        if isinstance(choosing.current(), demo_bank.DemoBank) and place < len(STORIES):
            for after, act in _story(people.homes[place], invoice, STORIES[place][last], people.regie):
                found[min(issued + timedelta(days=after), today)].append(act)
    if sepa.due(run.month):
        collected_on = issued + timedelta(days=COLLECTED)
        for after, act in (
            (ASKED, partial(_debit, run, collected_on, people.regie)),
            (COLLECTED, partial(_collect, run, people.regie)),
            (RETURNED, partial(_send_one_back, run, people.regie)),
        ):
            if issued + timedelta(days=after) <= today:
                found[issued + timedelta(days=after)].append(act)
    return found


def _story(
    home: DemoHome, invoice: Invoice, attempts: list[Attempt], regie: User
) -> Iterator[tuple[int, Act]]:
    for attempt in attempts:
        yield attempt.after, partial(_try, home, invoice, attempt.outcome)
        if attempt.back:
            yield attempt.after + attempt.back, partial(_give_back, invoice, regie)


def _try(home: DemoHome, invoice: Invoice, outcome: str, at: datetime) -> None:
    """The family goes to the bank's page and presses a button there; then the portal asks."""
    payment = starting.start(home.household, {invoice.pk: None}, by=home.user, at=at)
    demo_bank.press(DemoBankOrder.objects.get(reference=payment.reference), outcome, at)
    asking.check(payment, at=at)


def _give_back(invoice: Invoice, regie: User, at: datetime) -> None:
    """The family had sent a cheque too: the town keeps it, and gives back what was paid online."""
    payment = OnlinePayment.objects.get(state=OnlineState.VALIDATED, parts__invoice=invoice)
    refunding.refund(
        payment,
        payment.amount,
        reason="Facture payée aussi par chèque",
        key=f"deux-fois-{payment.reference}",
        with_credit=False,
        by=regie,
        at=at,
    )
    paying.record(
        invoice.household,
        payment.amount,
        Payment.Means.CHEQUE,
        paid_on=timezone.localdate(at),
        by=regie,
        at=at,
        invoices=[invoice],
    )


def _debit(run: BillingRun, collected_on: date, regie: User, at: datetime) -> None:
    sepa.make(run.month, collected_on=collected_on, by=regie, at=at)


def _collect(run: BillingRun, regie: User, at: datetime) -> None:
    sepa.collected(_debits(run).latest("pk").file, by=regie, at=at)


def _send_one_back(run: BillingRun, regie: User, at: datetime) -> None:
    day = timezone.localdate(at)
    sepa.returned(_debits(run).latest("pk"), on=day, reason="Provision insuffisante", by=regie, at=at)


def _debits(run: BillingRun) -> QuerySet[Debit]:
    return Debit.objects.filter(invoice__run=run).select_related("file", "payment")
