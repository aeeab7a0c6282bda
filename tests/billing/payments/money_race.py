"""Everything that moves money, at once and in any order, each process with an own connection.

`python -m tests.billing.payments.money_race SEED PROCESSES ACTS` lets so many processes do so many acts each
on the database of DATABASE_URL, migrated and empty, step by step the same household's: issue, credit, write
off, take cash, give it back, reverse it, move it, pay online, hear the bank, refund there and here, dispute,
debit, send a debit back, cancel a meal. Which act, on whom and of how much follows from the seed; in which
order those of a step meet is the machine's. What came of it is written as JSON. Not a test by itself:
test_money_race.py starts it.
"""

import json
import multiprocessing
import os
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import django
import requests

if __name__ == "__main__":
    django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db.models import Q, Sum
from django.test import Client
from django.utils import timezone

from billing.documents import verifying
from billing.invoices import invoicing
from billing.invoices.billable import Scope
from billing.invoices.creditable import Wanted
from billing.invoices.refusals import BillingRefused
from billing.models import (
    AccountEntry,
    BilledItem,
    BillingSettings,
    CreditNote,
    Debit,
    DebitFile,
    Invoice,
    Mandate,
    OnlinePayment,
    Payment,
    TransferRefund,
    UndoneBecause,
    WriteOff,
)
from billing.payments import (
    asking,
    carried,
    crediting,
    paying,
    refunding,
    sepa,
    starting,
    transfers,
    undoing,
    writing_off,
)
from billing.payments.events import OnlinePaymentRefused
from billing.payments.paying import PaymentRefused
from billing.payments.providers.interface import ProviderDown
from billing.payments.sepa import DebitRefused
from billing.payments.transfers import TransferRefused
from families.models import Household
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.billing.invoices import issuing
from tests.billing.payments import payment_race
from tests.factories import TownFactory
from tests.fakes.stripe_server import FakeStripe, StripeHandler, signature
from tests.portal.reservations.race import at_once

HOMES = 5
MEAL = Decimal("3.20")
MONTHS = [date(2026, month, 1) for month in (3, 4, 5, 6)]
AFTERWARDS = Scope(date(2026, 7, 1))
DAYS = [month.replace(day=day) for month in MONTHS for day in (9, 10, 11, 12)]
IBAN = "FR1420041010050500013M02606"  # the public example of the standard
REFUSED = (
    BillingRefused,
    PaymentRefused,
    OnlinePaymentRefused,
    DebitRefused,
    TransferRefused,
    ProviderDown,
)
DESK_MONEY = Payment.objects.validated().exclude(means__in=("online", "debit"))
AT_THE_DESK = DESK_MONEY.filter(amount__gt=0, kind__in=("payment", "transfer"))
CAME_BACK = (TransferRefund.State.CANCELLED, TransferRefund.State.REFUSED)
REASON = "Repas non servi"


# The bank, in the first process: the others ask it to act over HTTP -----------------------------------------


class BankHandler(StripeHandler):
    fake: "Bank"

    def do_POST(self) -> None:  # noqa: N802
        if urlparse(self.path).path != "/does":
            super().do_POST()
            return
        asked = json.loads(self.body())
        with self.fake.lock:
            answer = self.fake.does(asked["what"], random.Random(asked["seed"]))
        self.say(json.dumps(answer))


class Bank(FakeStripe):
    """Stripe with its payers, their banks, and who works on its own pages."""

    handler = BankHandler

    def does(self, what: str, chance: random.Random) -> Any:
        """Something that happens there; None when nothing could. An event is kept, and not sent yet."""
        sessions = list(self.sessions.values())
        if what == "event":
            # Rather what happened just now: it meets what the desk does meanwhile.
            return (
                chance.choice(self.events[-8:] if chance.random() < 0.8 else self.events)
                if self.events
                else None
            )
        if what in ("pay", "expire"):
            opened = [one["id"] for one in sessions if one["status"] == "open"]
            if not opened:
                return None
            number = chance.choice(opened)
            paying_now = chance.choice(["paid", "paid", "pending"])
            return self.press(number, paying_now) if what == "pay" else self.expire(number)
        if what == "settle":
            waiting = [
                one["id"]
                for one in sessions
                if one["payment_intent"] and self.intents[one["payment_intent"]]["status"] == "processing"
            ]
            return self.bank_says(chance.choice(waiting), chance.random() < 0.7) if waiting else None
        if what == "end":
            moving = [one for one in self.disputes if one["status"] == "needs_response"]
            moving += [one for one in self.refunds if one["status"] in ("pending", "succeeded")]
            if not moving:
                return None
            one = chance.choice(moving)
            if one["object"] == "dispute":
                return self.dispute_ends(one, chance.choice(["won", "lost"]))
            return self.refund_ends(one, chance.choice(["succeeded", "succeeded", "failed"]))
        self.refunds_begin = chance.choice(["pending", "succeeded"])
        held = [one for one in self.charges if self.held(one["payment_intent"])]
        if not held:
            return None
        intent = chance.choice(held)["payment_intent"]
        cents = chance.randint(1, self.held(intent))
        if what == "dispute":
            return self.send("charge.dispute.created", self.dispute(intent, cents))
        return self.send("refund.created", self.refund(intent, cents))

    def net(self, intent: str) -> Decimal:
        """What its books say that the town has of a charge."""
        gone = [one for one in self.refunds if one["status"] == "succeeded"]
        gone += [one for one in self.disputes if one["status"] == "lost"]
        cents = self.charge_of(intent)["amount"] - sum(
            one["amount"] for one in gone if one["payment_intent"] == intent
        )
        return Decimal(cents) / 100


# What each process may do -----------------------------------------------------------------------------------


class Act:
    """One process: its chance, whose money it moves now, and what it has done, in cents by verb."""

    def __init__(self, seed: str) -> None:
        self.chance = random.Random(seed)
        self.home = 0
        self.done: Counter[str] = Counter()
        self.moved: Counter[str] = Counter()

    def household(self) -> Household:
        return Household.objects.get(pk=self.home)

    def any_of(self, rows: Any, path: str = "household") -> Any:
        """One of the household's rows."""
        found = list(rows.filter(**{path: self.home} if path else {}).order_by("pk"))
        return self.chance.choice(found) if found else None

    def cents(self, most: int) -> Decimal:
        return Decimal(self.chance.randint(1, most)) / 100

    def bank(self, what: str) -> Any:
        asked = {"what": what, "seed": self.chance.random()}
        return requests.post(f"{settings.STRIPE_API_BASE}/does", json=asked, timeout=30).json()

    def moves(self, verb: str, amount: Decimal) -> bool:
        self.moved[verb] += int(amount * 100)
        return True

    # The desk

    def issue(self, month: date | None = None) -> bool:
        now = timezone.now()
        run = invoicing.start(Scope(month or self.chance.choice(MONTHS)), by=None, at=now)
        invoicing.issue(run, at=now)
        return True

    def cash(self) -> bool:
        amount, now = self.cents(500), timezone.now()
        paying.record(self.household(), amount, "cash", paid_on=timezone.localdate(now), by=None, at=now)
        return self.moves("desk", amount)

    def give_back(self) -> bool:
        if (payment := self.any_of(AT_THE_DESK)) is None:
            return False
        amount, now = self.cents(500), timezone.now()
        paying.refund(payment, amount, means="cash", paid_on=timezone.localdate(now), by=None, at=now)
        return self.moves("desk", -amount)

    def credit(self) -> bool:
        """Whatever was paid of it: an amount, or a day."""
        invoice = self.any_of(Invoice.objects.all())
        if invoice is None:
            return False
        items = list(BilledItem.objects.filter(line__invoice=invoice, amount__gt=0).order_by("pk"))
        if items and self.chance.random() < 0.5:
            wanted = Wanted(items=frozenset({self.chance.choice(items).pk}))
        else:
            wanted = Wanted(amount=self.cents(700))
        becomes = self.chance.choice(CreditNote.Becomes.values)
        note = crediting.credit(invoice, wanted, reason=REASON, by=None, at=timezone.now(), becomes=becomes)
        return self.moves("credit", note.amount)

    def credit_a_report(self) -> bool:
        statement = self.any_of(Invoice.every.waiting().filter(total__lt=0))
        if statement is None:
            return False
        notes = carried.give_back(statement, reason=REASON, by=None, at=timezone.now())
        return self.moves("credit", sum((note.amount for note in notes), Decimal(0)))

    def write_off(self) -> bool:
        invoice = self.any_of(Invoice.objects.all())
        if invoice is None:
            return False
        now, amount = timezone.now(), self.cents(700)
        writing_off.write_off(
            invoice,
            amount,
            kind=WriteOff.Kind.REMISSION,
            reason="Remise",
            decision="2026-12",
            decided_on=timezone.localdate(now),
            by=None,
            at=now,
        )
        return self.moves("written off", amount)

    # What was noted wrong

    def reverse(self) -> bool:
        if (payment := self.any_of(AT_THE_DESK)) is None:
            return False
        now = timezone.now()
        instead = self.cents(500) if self.chance.random() < 0.5 else None
        undoing.reverse(
            payment,
            because=UndoneBecause.AMOUNT,
            reason="Saisie",
            on=None,
            due_on=timezone.localdate(now),
            by=None,
            at=now,
            instead=instead,
        )
        return self.moves("desk", (instead or 0) - payment.amount)

    def move(self) -> bool:
        others = list(Household.objects.exclude(pk=self.home).order_by("pk"))
        if (payment := self.any_of(AT_THE_DESK)) is None:
            return False
        now, other = timezone.now(), self.chance.choice(others)
        day = timezone.localdate(now)
        return bool(undoing.move(payment, other, reason="Foyer", due_on=day, by=None, at=now))

    def reallocate(self) -> bool:
        if (payment := self.any_of(AT_THE_DESK)) is None:
            return False
        now, invoice = timezone.now(), self.any_of(Invoice.objects.all())
        if invoice is None:
            return False
        amounts, day = {invoice.pk: self.cents(300)}, timezone.localdate(now)
        return bool(undoing.reallocate(payment, amounts, reason="Autre", due_on=day, by=None, at=now))

    def ask_transfer(self) -> bool:
        if (payment := self.any_of(AT_THE_DESK)) is None:
            return False
        amount, now = self.cents(500), timezone.now()
        transfers.ask(payment, amount, holder="Camille", iban=IBAN, by=None, at=now)
        return self.moves("desk", -amount)

    def transfer_file(self) -> bool:
        now = timezone.now()
        return bool(transfers.make(paid_on=timezone.localdate(now), by=None, at=now))

    def end_transfer(self) -> bool:
        """Given up, done, or sent back by the bank."""
        refund = self.any_of(TransferRefund.objects.all(), "payment__household")
        if refund is None:
            return False
        now, before = timezone.now(), refund.state
        if before == TransferRefund.State.WAITING:
            transfers.cancel(refund, why="Autre", by=None, at=now)
        elif self.chance.random() < 0.5:
            transfers.done(refund, by=None, at=now)
        else:
            day = timezone.localdate(now)
            transfers.refused(refund, on=day, why="AC04", by=None, at=now)
        refund.refresh_from_db()
        return refund.state != before

    def use(self) -> bool:
        return undoing.use(self.household(), by=None, at=timezone.now()) > 0

    def cancel(self) -> bool:
        meal = self.any_of(Booking.objects.accepted())
        return meal is not None and bool(
            Booking.objects.filter(pk=meal.pk).update(state=BookingState.CANCELLED)
        )

    # The family and its provider

    def start(self) -> bool:
        home = self.household()
        unpaid = list(starting.to_pay(home))
        chosen = {one.pk: None for one in self.chance.sample(unpaid, min(len(unpaid), 2))}
        return bool(chosen) and bool(starting.start(home, chosen, by=None, at=timezone.now()))

    def pay(self) -> bool:
        return self.bank("pay") is not None

    def expire(self) -> bool:
        return self.bank("expire") is not None

    def settle(self) -> bool:
        return self.bank("settle") is not None

    def refund_there(self) -> bool:
        return self.bank("refund") is not None

    def dispute(self) -> bool:
        return self.bank("dispute") is not None

    def end(self) -> bool:
        return self.bank("end") is not None

    def notification(self) -> bool:
        event = self.bank("event")
        return event is not None and delivered(event) == 200

    def refund_here(self) -> bool:
        payment = self.any_of(OnlinePayment.objects.exclude(payment=None))
        if payment is None:
            return False
        refunding.refund(
            payment,
            self.cents(int(payment.amount * 100)),
            reason="Remboursé",
            key=f"k{self.chance.random()}",
            with_credit=self.chance.random() < 0.5,
            by=None,
            at=timezone.now(),
        )
        return True

    def check(self) -> bool:
        payment = self.any_of(OnlinePayment.objects.all())
        return payment is not None and bool(asking.check(payment, at=timezone.now()))

    def abandon(self) -> bool:
        payment = self.any_of(OnlinePayment.objects.open())
        return payment is not None and bool(asking.abandon(payment, at=timezone.now()))

    # The bank's debits

    def debit(self) -> bool:
        now = timezone.now()
        sepa.make(MONTHS[-1], collected_on=timezone.localdate(now) + sepa.NOTICE, by=None, at=now)
        return True

    def collect(self) -> bool:
        file = self.any_of(DebitFile.objects.all(), "")
        at = timezone.now() + sepa.NOTICE
        return file is not None and sepa.collected(file, by=None, at=at) > 0

    def send_back(self) -> bool:
        debit = self.any_of(Debit.objects.filter(returned_on=None), "payment__household")
        if debit is None:
            return False
        at = timezone.now() + sepa.NOTICE
        return bool(sepa.returned(debit, on=timezone.localdate(at), reason="AM04", by=None, at=at))


VERBS: dict[str, tuple[Callable[[Act], bool], int]] = {
    "issue": (Act.issue, 3),
    "cash": (Act.cash, 8),
    "give back": (Act.give_back, 3),
    "credit": (Act.credit, 5),
    "credit a report": (Act.credit_a_report, 3),
    "write off": (Act.write_off, 2),
    "reverse": (Act.reverse, 4),
    "move": (Act.move, 3),
    "reallocate": (Act.reallocate, 3),
    "ask transfer": (Act.ask_transfer, 3),
    "transfer file": (Act.transfer_file, 2),
    "end transfer": (Act.end_transfer, 3),
    "use": (Act.use, 2),
    "cancel": (Act.cancel, 3),
    "start": (Act.start, 9),
    "pay": (Act.pay, 9),
    "expire": (Act.expire, 1),
    "settle": (Act.settle, 2),
    "refund there": (Act.refund_there, 2),
    "dispute": (Act.dispute, 2),
    "end": (Act.end, 3),
    "notification": (Act.notification, 10),
    "refund here": (Act.refund_here, 4),
    "check": (Act.check, 2),
    "abandon": (Act.abandon, 1),
    "debit": (Act.debit, 2),
    "collect": (Act.collect, 2),
    "send back": (Act.send_back, 2),
}


def delivered(event: dict[str, Any]) -> int:
    """Stripe's event comes in, signed; the status of our answer."""
    body = json.dumps(event).encode()
    headers = {"Stripe-Signature": signature(body)}
    answer = Client().post(payment_race.HOOK, body, content_type="application/json", headers=headers)
    return answer.status_code


def process(seed: str, number: int, homes: list[int], gate: Any, told: Path) -> Callable[[], None]:
    """An act for each of `homes`, begun as all others begin theirs. What is refused has changed nothing."""

    def run() -> None:
        act = Act(f"{seed}-{number}")
        names, weights = list(VERBS), [weight for _, weight in VERBS.values()]
        verbs = act.chance.choices(names, weights, k=len(homes))
        for home, name in zip(homes, verbs, strict=True):
            act.home = home
            gate.wait(60)
            try:
                act.done[name] += VERBS[name][0](act)
            except REFUSED:
                act.done["refused"] += 1
        told.write_text(json.dumps([act.done, act.moved]))

    return run


# What must be true of it ------------------------------------------------------------------------------------


def afterwards(bank: Bank, chance: random.Random) -> None:
    """Every notification arrives, late, twice and shuffled; the worker asks; all months are billed."""
    late = [*bank.events, *chance.choices(bank.events, k=len(bank.events) // 2)] if bank.events else []
    chance.shuffle(late)
    for _ in range(4):
        late = [event for event in late if delivered(event) != 200]
    assert not late, f"{len(late)} notifications were never taken."
    asking.reconcile(at=timezone.now() + timedelta(days=2))
    for event in bank.events:
        delivered(event)
    now = timezone.now()
    for scope in (*map(Scope, MONTHS), AFTERWARDS):
        with suppress(BillingRefused):  # it is billed already
            invoicing.issue(invoicing.start(scope, by=None, at=now), at=now)


def differences(bank: Bank, moved: Counter[str]) -> list[str]:
    """What of our books is not what happened."""
    found = []
    online = Decimal(0)
    for charge in bank.charges:
        payment = OnlinePayment.objects.filter(charge_reference=charge["payment_intent"]).first()
        if payment is None or payment.payment is None:
            found.append(f"{charge['payment_intent']}: the money is nowhere")
            continue
        ours = with_us(payment)
        online += ours
        if ours != bank.net(charge["payment_intent"]):
            found.append(f"{payment}: {ours} with us, {bank.net(charge['payment_intent'])} there")
    heard = OnlinePayment.objects.exclude(payment=None).count()
    if heard != len(bank.charges):
        found.append(f"{heard} payments came, {len(bank.charges)} were charged")
    by_transfer = TransferRefund.objects.filter(state__in=CAME_BACK)
    back = -total(Payment.objects.filter(transfer__in=by_transfer))
    for verb, said, done in (
        ("desk", total(DESK_MONEY), moved["desk"] + int(back * 100)),
        ("credit", total(CreditNote.objects.filter(reason__startswith=REASON)), moved["credit"]),
        ("written off", total(WriteOff.objects.all()), moved["written off"]),
    ):
        if said != Decimal(done) / 100:
            found.append(f"{verb}: {said} in the books, {done} cents were done")
    for meal in Booking.objects.filter(day__lt=AFTERWARDS.month, billed__credited=None):
        due = MEAL if meal.state == BookingState.ACCEPTED else 0
        billed = billed_of(meal)
        if billed != due:
            found.append(f"{meal.day} of {meal.household_id}: {billed} billed for {due}")
    # A day that was credited stays billed, whatever becomes of it.
    credited = Booking.objects.filter(billed__credited__isnull=False).values("pk")
    meals = MEAL * Booking.objects.filter(Q(state=BookingState.ACCEPTED) | Q(pk__in=credited)).count()
    debits = total(Payment.objects.validated().filter(means="debit"))
    desk = Decimal(moved["desk"]) / 100 + back
    given_up = total(CreditNote.objects.all()) + total(WriteOff.objects.all())
    owed = meals - given_up - desk - online - debits
    if (said := total(AccountEntry.objects.all())) != owed:
        found.append(f"the accounts say {said}, what happened {owed}")
    over = [one for one in Payment.objects.filter(amount__gt=0, refunds=None) if paying.unused(one) < 0]
    # Only a bank takes back more than a payment holds.
    found += [f"{one}: less than nothing is left" for one in over if one.means == "cash"]
    return found


def with_us(payment: OnlinePayment) -> Decimal:
    """What came of a payment, less what left it again."""
    chain = Q(pk=payment.payment_id) | Q(refunds=payment.payment_id)
    return total(Payment.objects.filter(chain | Q(refunds__refunds=payment.payment_id)))


def billed_of(meal: Booking) -> Decimal:
    """All that its bills add up to: what was taken back is an item below zero."""
    return Decimal(BilledItem.objects.filter(booking=meal).aggregate(sum=Sum("amount"))["sum"] or 0).quantize(
        MEAL
    )


def total(rows: Any) -> Decimal:
    return Decimal(rows.aggregate(sum=Sum("amount"))["sum"] or 0).quantize(MEAL)


def configure(bank: Bank) -> None:
    payment_race.configure()
    settings.STRIPE_API_BASE = bank.url
    BillingSettings(
        iban="FR76 3000 6000 0112 3456 7890 189", bic="AGRIFRPP", creditor_identifier="FR12ZZZ123456"
    ).save()


def main(seed: str, processes: int, acts: int) -> None:
    call_command("createcachetable", verbosity=0)
    TownFactory()
    issuing.seed(HOMES, DAYS)
    for home in Household.objects.order_by("pk")[3:]:
        Mandate.objects.create(household=home, rum=f"V-{home.pk}", debtor="N", iban=IBAN, signed_on=MONTHS[0])
    folder, chance = Path(os.environ["PORTAL_VAR"]), random.Random(seed)
    homes = chance.choices(list(Household.objects.order_by("pk").values_list("pk", flat=True)), k=acts)
    gate = multiprocessing.get_context("fork").Barrier(processes)
    told = [folder / f"{number}.json" for number in range(processes)]
    with Bank().running() as bank:
        assert isinstance(bank, Bank)
        configure(bank)
        for month in MONTHS[:2]:
            Act(seed).issue(month)
        errors, _ = at_once([process(seed, number, homes, gate, file) for number, file in enumerate(told)])
        done: Counter[str] = Counter()
        moved: Counter[str] = Counter()
        errors += [f"{file.name} is not there yet" for file in told if not file.exists()]
        for file in told:
            verbs, cents = json.loads(file.read_text()) if file.exists() else ({}, {})
            done.update(verbs)
            moved.update(cents)
        if not errors:
            afterwards(bank, chance)
        found = differences(bank, moved)
    json.dump(
        {
            "errors": errors,
            "faults": verifying.verify(files=False).faults,
            "differences": found,
            "done": done,
        },
        sys.stdout,
    )


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
