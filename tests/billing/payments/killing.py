"""A process is killed in the middle of each verb that moves money, at one statement after the other.

`python -m tests.billing.payments.killing MOST` does so at MOST of the statements and commits of each verb (0:
at all of them), on the database of DATABASE_URL, migrated and empty. After each kill the books are verified,
the verb is done again to its end, and they are verified once more. What was wrong is written as JSON. Not a
test by itself: test_killing.py starts it.
"""

import json
import multiprocessing
import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from billing.documents import verifying
from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.invoices.refusals import BillingRefused
from billing.models import (
    BillingSettings,
    Debit,
    DebitFile,
    DepositSlip,
    Invoice,
    Mandate,
    OnlinePayment,
    Payment,
    TransferRefund,
    WriteOff,
)
from billing.payments import (
    carried,
    crediting,
    deposits,
    paying,
    refunding,
    sepa,
    starting,
    transfers,
    undoing,
    writing_off,
)
from billing.payments.deposits import DepositRefused
from billing.payments.paying import PaymentRefused
from billing.payments.transfers import TransferRefused
from families.models import Household
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.billing.invoices import issuing
from tests.billing.payments import money_race
from tests.billing.payments.money_race import IBAN, Bank, delivered
from tests.factories import TownFactory

MARCH = Scope(date(2026, 3, 1))
DAYS = [date(2026, 3, 9), date(2026, 3, 10)]
PART = Decimal("3.20")
EATERS = 4  # households of a run; what other verbs are killed with is another's each time
VERBS = 27  # households that all verbs together take for one kill each
WAIT = 60

Act = Callable[[], object]


class Killed:
    """Counts what a verb says to the database, and dies at the one asked for; 0: at none."""

    def __init__(self, at: int) -> None:
        self.at, self.seen = at, 0

    def __call__(self, execute: Callable[..., Any], *said: Any) -> Any:
        self.seen += 1
        if self.seen == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(*said)


def alone(act: Act, at: int = 0) -> int:
    """Does it in a process of its own; how many statements and commits it took, 0 where it was killed."""
    connections.close_all()
    context = multiprocessing.get_context("fork")
    told = context.SimpleQueue()

    def run() -> None:
        connection.ensure_connection()
        killed, commit = Killed(at), connection._commit  # type: ignore[attr-defined]
        connection._commit = lambda: killed(commit)  # type: ignore[attr-defined]
        with connection.execute_wrapper(killed):
            act()
        told.put(killed.seen)
        connections.close_all()

    process = context.Process(target=run)
    process.start()
    process.join(WAIT)
    if process.exitcode == 0:
        return int(told.get())
    assert process.exitcode == -signal.SIGKILL and at, f"exit code {process.exitcode}"
    return 0


class Verbs:
    """Each makes ready what it needs, of a household that nobody has touched, and answers how it is done."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        # Of years when no invoice of others is: as many months as there may be kills.
        self.months = iter(date(year, month, 1) for year in range(2010, 2026) for month in range(1, 13))
        self.eaters = Household.objects.order_by("pk").values_list("pk", flat=True)[:EATERS]
        self.fresh = iter(Invoice.objects.order_by("-pk").values_list("pk", flat=True))

    def invoice(self) -> Invoice:
        return Invoice.objects.select_related("household").get(pk=next(self.fresh))

    def paid(self) -> Payment:
        """By cash, 2.00 too much."""
        invoice, now = self.invoice(), timezone.now()
        amount = invoice.total + 2
        return paying.record(
            invoice.household, amount, "cash", paid_on=timezone.localdate(now), by=None, at=now
        )

    def online(self) -> tuple[OnlinePayment, dict[str, Any]]:
        """A payment on Stripe's page, and what Stripe says of it."""
        invoice = self.invoice()
        started = starting.start(invoice.household, {invoice.pk: None}, by=None, at=timezone.now())
        return started, self.bank.press(started.provider_reference, "paid")

    def debited(self) -> Debit:
        invoice = self.invoice()
        home = invoice.household
        Mandate.objects.create(household=home, rum=f"V-{home.pk}", debtor="N", iban=IBAN, signed_on=DAYS[0])
        now = timezone.now()
        sepa.make(MARCH.month, collected_on=timezone.localdate(now) + sepa.NOTICE, by=None, at=now)
        return Debit.objects.get(invoice=invoice)

    def statement(self, *, owed: bool) -> Invoice:
        """Of a household whose meals, paid, were cancelled; or one that ate once, for too little to bill."""
        payment = self.paid()
        home, month, now = payment.household, next(self.months), timezone.now()
        meals = Booking.objects.filter(household=home, day__in=DAYS)
        if owed:
            meals.update(state=BookingState.CANCELLED)
        else:
            self.eats(home, month)
        BillingSettings.objects.update_or_create(pk=1, defaults={"minimum_amount": PART * 2})
        (made,) = invoicing.issue_one(home, MARCH if owed else Scope(month), by=None, at=now)
        BillingSettings.objects.update(minimum_amount=0)
        assert made.kind == Invoice.Kind.CARRIED and (made.total < 0) == owed, made.total
        return made

    # The verbs

    def payment(self) -> Act:
        invoice, now = self.invoice(), timezone.now()
        day = timezone.localdate(now)
        return lambda: paying.record(invoice.household, invoice.total, "cash", paid_on=day, by=None, at=now)

    def credit_note(self) -> Act:
        invoice, now = self.invoice(), timezone.now()
        return lambda: invoicing.credit(
            invoice, Wanted(amount=PART), reason="Repas non servi", by=None, at=now
        )

    def refund(self) -> Act:
        payment, now = self.paid(), timezone.now()
        day = timezone.localdate(now)
        return lambda: paying.refund(payment, Decimal(1), means="cash", paid_on=day, by=None, at=now)

    def run(self) -> Act:
        """A month that nobody was billed, two households at a time; what is left of it is issued again."""
        month, now = next(self.months), timezone.now()
        meals = list(Booking.objects.filter(day=DAYS[0], household__in=self.eaters))
        for meal in meals:
            meal.pk, meal.day = None, month
        Booking.objects.bulk_create(meals)

        def act() -> None:
            invoicing.CHUNK = 2
            try:
                invoicing.issue(invoicing.start(Scope(month), by=None, at=now), at=now)
            except invoicing.BillingRefused as refusal:
                if "déjà facturé" not in str(refusal):
                    raise

        return act

    def debit_file(self) -> Act:
        invoice, now = self.invoice(), timezone.now()
        home = invoice.household
        Mandate.objects.create(household=home, rum=f"V-{home.pk}", debtor="N", iban=IBAN, signed_on=DAYS[0])

        def act() -> None:
            if not Debit.objects.filter(invoice=invoice).exists():
                day = timezone.localdate(now) + sepa.NOTICE
                sepa.make(MARCH.month, collected_on=day, by=None, at=now)

        return act

    def collection(self) -> Act:
        file, at = self.debited().file, timezone.now() + sepa.NOTICE
        return lambda: sepa.collected(DebitFile.objects.get(pk=file.pk), by=None, at=at)

    def debit_return(self) -> Act:
        debit, at = self.debited(), timezone.now() + sepa.NOTICE
        sepa.collected(debit.file, by=None, at=at)
        day = timezone.localdate(at)
        return lambda: sepa.returned(debit, on=day, reason="AM04", by=None, at=at)

    def notification(self) -> Act:
        _, event = self.online()

        def act() -> None:
            assert delivered(event) == 200

        return act

    def online_refund(self) -> Act:
        payment, event = self.online()
        assert delivered(event) == 200
        payment.refresh_from_db()
        now, key = timezone.now(), f"k{payment.pk}"
        return lambda: refunding.refund(
            payment, PART, reason="Repas non servi", key=key, with_credit=True, by=None, at=now
        )

    def freeing_note(self) -> Act:
        """A credit note on a paid invoice."""
        invoice, now = self.paid().allocations.get().invoice, timezone.now()
        return lambda: crediting.credit(
            invoice, Wanted(amount=PART), reason="Repas non servi", by=None, at=now
        )

    def write_off(self) -> Act:
        invoice, now = self.invoice(), timezone.now()
        return lambda: writing_off.write_off(
            invoice,
            PART,
            kind=WriteOff.Kind.REMISSION,
            reason="Difficultés",
            decision="D-1",
            decided_on=timezone.localdate(now),
            by=None,
            at=now,
        )

    def reversal(self) -> Act:
        """Of the wrong amount, with the right one."""
        payment = self.paid()
        said = self.said()
        return unless_done(
            lambda: undoing.reverse(payment, because="amount", on=None, instead=Decimal(1), **said)
        )

    def move(self) -> Act:
        payment, other, said = self.paid(), self.invoice().household, self.said()
        return unless_done(lambda: undoing.move(payment, other, **said))

    def reallocation(self) -> Act:
        payment, said = self.paid(), self.said()
        invoice = payment.allocations.get().invoice_id
        return unless_done(lambda: undoing.reallocate(payment, {invoice: PART}, **said))

    def undone_refund(self) -> Act:
        payment, now = self.paid(), timezone.now()
        day = timezone.localdate(now)
        refund = paying.refund(payment, Decimal(2), means="cash", paid_on=day, by=None, at=now)
        return unless_done(
            lambda: undoing.undo_refund(refund, reason="Erreur", instead=Decimal(1), by=None, at=now)
        )

    def carried_back(self) -> Act:
        statement, now = self.statement(owed=True), timezone.now()
        return unless_done(lambda: carried.give_back(statement, reason="Départ", by=None, at=now))

    def dropped(self) -> Act:
        statement, now = self.statement(owed=False), timezone.now()
        return unless_done(lambda: writing_off.drop(statement, reason="Départ", by=None, at=now))

    def dispute(self) -> Act:
        """Lost: the payer's bank has taken the money back."""
        payment, event = self.online()
        assert delivered(event) == 200
        payment.refresh_from_db()
        charge = payment.charge_reference
        told = self.bank.dispute_ends(self.bank.dispute(charge, self.bank.held(charge)), "lost")

        def act() -> None:
            assert delivered(told) == 200

        return act

    def one_household(self) -> Act:
        """« Facturer ce foyer maintenant »."""
        home, month, now = self.invoice().household, next(self.months), timezone.now()
        self.eats(home, month)
        return unless_done(lambda: invoicing.issue_one(home, Scope(month), by=None, at=now))

    def use(self) -> Act:
        invoice, now = self.invoice(), timezone.now()
        day = timezone.localdate(now)
        paying.record(invoice.household, PART, "cash", paid_on=day, by=None, at=now, invoices=[])
        return unless_done(lambda: undoing.use(invoice.household, by=None, at=now))

    def transfer(self) -> Act:
        payment, now = self.paid(), timezone.now()
        return unless_done(lambda: transfers.ask(payment, Decimal(2), holder="N", iban=IBAN, by=None, at=now))

    def asked(self, *, in_file: bool = True) -> TransferRefund:
        now = timezone.now()
        refund = transfers.ask(self.paid(), Decimal(2), holder="N", iban=IBAN, by=None, at=now)
        if in_file:
            transfers.make(paid_on=timezone.localdate(now), by=None, at=now)
            refund.refresh_from_db()
        return refund

    def transfer_file(self) -> Act:
        self.asked(in_file=False)
        now = timezone.now()
        return unless_done(lambda: transfers.make(paid_on=timezone.localdate(now), by=None, at=now))

    def transfer_given_up(self) -> Act:
        refund, now = self.asked(in_file=False), timezone.now()
        return lambda: transfers.cancel(refund, why="Autre", by=None, at=now)

    def transfer_done(self) -> Act:
        refund, now = self.asked(), timezone.now()
        return lambda: transfers.done(refund, by=None, at=now)

    def transfer_sent_back(self) -> Act:
        refund, now = self.asked(), timezone.now()
        day = timezone.localdate(now)
        return lambda: transfers.refused(refund, on=day, why="AC04", by=None, at=now)

    def slip(self) -> Act:
        invoice, now = self.invoice(), timezone.now()
        day = timezone.localdate(now)
        cheque = paying.record(invoice.household, invoice.total, "cheque", paid_on=day, by=None, at=now)
        return unless_done(lambda: deposits.make("cheque", [cheque.pk], deposited_on=day, by=None, at=now))

    def cancelled_slip(self) -> Act:
        self.slip()()
        made, now = DepositSlip.objects.latest("pk"), timezone.now()
        return unless_done(lambda: deposits.cancel(made, reason="Erreur", by=None, at=now))

    def eats(self, home: Household, day: date) -> None:
        """A meal besides those that were billed."""
        meal = Booking.objects.filter(household=home, day__in=DAYS).order_by("day").first()
        assert meal is not None
        meal.pk, meal.day = None, day
        meal.save()

    def said(self) -> dict[str, Any]:
        now = timezone.now()
        return {"reason": "Erreur", "due_on": timezone.localdate(now), "by": None, "at": now}

    def all(self) -> dict[str, Callable[[], Act]]:
        return {
            "payment": self.payment,
            "credit note": self.credit_note,
            "refund": self.refund,
            "run": self.run,
            "debit file": self.debit_file,
            "collection": self.collection,
            "return": self.debit_return,
            "notification": self.notification,
            "online refund": self.online_refund,
            "freeing credit note": self.freeing_note,
            "write-off": self.write_off,
            "reversal": self.reversal,
            "move": self.move,
            "reallocation": self.reallocation,
            "undone refund": self.undone_refund,
            "carried, given back": self.carried_back,
            "carried, dropped": self.dropped,
            "dispute": self.dispute,
            "one household": self.one_household,
            "use": self.use,
            "transfer": self.transfer,
            "transfer file": self.transfer_file,
            "transfer, given up": self.transfer_given_up,
            "transfer, done": self.transfer_done,
            "transfer, sent back": self.transfer_sent_back,
            "slip": self.slip,
            "cancelled slip": self.cancelled_slip,
        }


def unless_done(act: Act) -> Act:
    """Done again, what was done is refused: each of these verbs counts once."""

    def again() -> None:
        with suppress(BillingRefused, PaymentRefused, TransferRefused, DepositRefused):
            act()

    return again


def faults() -> list[str]:
    return verifying.verify(files=False).faults


def wrong(bank: Bank) -> list[str]:
    """What the books say that is not so, held against the provider's books: between its yes and our booking
    they may differ, once it is done again no more."""
    found = faults()
    for payment in OnlinePayment.objects.exclude(charge_reference=""):
        ours, there = money_race.with_us(payment), bank.net(payment.charge_reference)
        if ours != there:
            found.append(f"{payment}: {ours} with us, {there} there")
    return found


def kill(name: str, make: Callable[[], Act], most: int, bank: Bank, found: list[str]) -> int:
    """How often it was killed: always at the last commit and what comes before it, elsewhere by chance."""
    for _ in range(2):  # the first of a year makes its counter
        length = alone(make())
    places = list(range(1, length + 1))
    if most and length > most:
        places = [*random.Random(name).sample(places[:-2], max(most - 2, 0)), *places[-2:]]
    killed = 0
    for place in places:
        act = make()
        if alone(act, place):
            continue  # it took fewer this time
        killed += 1
        found += [f"{name}, killed at {place}: {said}" for said in faults()]
        alone(act)
        found += [f"{name}, killed at {place} and done again: {said}" for said in wrong(bank)]
    return killed


def main(most: int) -> None:
    call_command("createcachetable", verbosity=0)
    TownFactory()
    issuing.seed((most + 2 if most else 60) * VERBS + EATERS, DAYS)
    found: list[str] = []
    with Bank().running() as bank:
        assert isinstance(bank, Bank)
        money_race.configure(bank)
        now = timezone.now()
        invoicing.issue(invoicing.start(MARCH, by=None, at=now), at=now)
        killed = {name: kill(name, make, most, bank, found) for name, make in Verbs(bank).all().items()}
    json.dump({"killed": killed, "found": found}, sys.stdout)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main(int(sys.argv[1]))
