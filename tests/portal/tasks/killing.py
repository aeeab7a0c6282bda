"""Workers that are killed in the middle of each kind of task, at each of its writes, and others that go on.

`python -m tests.portal.tasks.killing KIND…` does so on the database of DATABASE_URL and writes what came of
it as JSON. Each worker is a process of its own, which the kernel kills (SIGKILL) as it is about to write for
the n-th time since its task began. Not a test by itself: test_killing.py starts it and judges.
"""

import json
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from email import message_from_string
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.conf import settings
from django.db import connection, connections, transaction
from django.utils import timezone
from django.utils.crypto import get_random_string
from django_tasks.signals import task_started
from django_tasks_db.models import DBTaskResult

from billing import tasks as billing
from billing.models import BillingRun, Invoice, OnlinePayment, OnlineRefund, Recalculation
from billing.payments import late_carts, online_letters
from billing.payments.starting import look_again
from billing.reminders import reminding
from families import recovery
from families.custody import lots as invitation_lots
from families.custody.openings import tell_asked
from families.funds import rounds
from families.imports import running
from families.imports import tasks as imports
from families.messages.tasks import deliver, print_paper
from families.models import (
    AccessOpening,
    DataExport,
    FamilyMessage,
    Guardian,
    Household,
    Letter,
    MessageCopy,
    QuotientRound,
    User,
)
from families.privacy.tasks import prepare_copy
from portal.database import clock
from portal.desk import printing, settling
from portal.letters import mailing
from portal.models import HeldDecision, PrintedList, PrintedPart
from portal.reservations.acts import lots
from portal.reservations.acts import tasks as acts
from portal.reservations.acts.overriding import NONE
from portal.reservations.models import Booking, Enrolment, Lot, Move, Reservation
from portal.reservations.states import LotVerb
from portal.tasks import attempts, taking_up
from portal.tasks.running import PatientWorker
from tests.factories import GuardianFactory, HouseholdFactory, InvoiceFactory, TownFactory, UserFactory

WRITES = ("INSERT", "UPDATE", "DELETE")
# The n-th write at which a worker dies, one worker after the other; beyond these a task has ended.
DEATHS = (1, 2, 3, 5, 8, 13, 21)
MAILS = Path(settings.VAR_DIR) / "mails"


# What each kind of task is given, out of what the town has ------------------------------------------------


def homes() -> list[Guardian]:
    with_login = Guardian.objects.exclude(user=None).exclude(user__email="").select_related("user")
    return list(with_login.order_by("pk")[:3])


def small_town() -> None:
    TownFactory()
    for number in range(3):
        user = UserFactory(email=f"home{number}@example.org", password="!")
        GuardianFactory(household=HouseholdFactory(), user=user)


def a_mail() -> None:
    with transaction.atomic():
        mailing.post("account/password_changed", [homes()[0].user.email], {"name": ""})


def issued() -> list[int]:
    return [InvoiceFactory(household=guardian.household).pk for guardian in homes()]


def reservation() -> Reservation:
    return Reservation.objects.exclude(state="draft").filter(lines__isnull=False).first()


def bookings() -> tuple[int, list[int]]:
    booking = Booking.objects.select_related("enrolment").first()
    return booking.enrolment.household_id, [booking.pk]


def run() -> int:
    """A run of the first month to come that has days."""
    month = Booking.objects.filter(day__gt=timezone.localdate()).order_by("day").first().day.replace(day=1)
    row = BillingRun.objects.create(month=month, due_on=month + timedelta(days=60), asked_at=timezone.now())
    return row.pk


def recalculation(state: str) -> int:
    month = Invoice.objects.exclude(month=None).order_by("-month").first().month
    row = Recalculation.objects.create(month=month, reason="Essai", state=state, asked_at=timezone.now())
    return row.pk


def export() -> int:
    guardian = homes()[0]
    at = timezone.now()
    row = DataExport.objects.create(
        household=guardian.household, guardian=guardian, asked_at=at, touched_at=at
    )
    return row.pk


def reminded() -> None:
    late = InvoiceFactory(household=homes()[0].household, due_on=date(2026, 1, 1), month=date(2025, 12, 1))
    billing.send_reminders.enqueue([late.pk], timezone.now().isoformat(), 0)


def printed() -> None:
    at = timezone.now()
    late = InvoiceFactory(household=homes()[1].household, due_on=date(2026, 1, 1), month=date(2025, 11, 1))
    reminding.remind([late.pk], at=at, by=None)
    billing.print_letters(at)


def lot() -> Lot:
    """Some days of one child, which the town hall cancels."""
    coming = Booking.objects.holding().filter(day__gt=timezone.localdate()).order_by("-day", "pk")[0]
    planned = lots.plan([coming.enrolment], LotVerb.CANCEL, coming.formula, [coming.day])
    said: dict[str, Any] = {"whom": "1 enfant", "reason": "Essai", "overrides": NONE, "tell": True}
    return lots.begin(planned, **said, by=agent(), at=timezone.now())


def lot_to_take_back() -> Lot:
    done = lot()
    while lots.go_on(done.pk, at=timezone.now()):
        pass
    lots.ask_back(done, by=agent(), at=timezone.now())
    return done


def agent() -> User:
    return User.objects.get(username="agent")


def long_list() -> int:
    at, homes_shown = timezone.now(), Household.objects.order_by("pk")[:3]
    printed = PrintedList.objects.create(
        page="families.household",
        title="Foyers",
        filters=[],
        address="/mairie/families/household/",
        keys=[str(home.pk) for home in homes_shown],
        by=agent(),
        asked_at=at,
    )
    PrintedPart.objects.create(of=printed, number=1, first=1, last=3, file="listes/essai.pdf")
    return printed.pk


def decision_that_is_due() -> None:
    """One that can no longer be done as it was announced, which its agent is told."""
    at = timezone.now()
    HeldDecision.objects.create(
        about="reservations.enrolment",
        row=Enrolment.objects.filter(state="requested").earliest("pk").pk,
        seen="0" * 64,
        action="accept_selected",
        posted={},
        said=[],
        by=agent(),
        at=at - timedelta(minutes=3),
        final_at=at - timedelta(minutes=1),
    )
    settling.settle_due.enqueue()


def invitations() -> None:
    """Of adults without a login, one of whom has an address that came with the file."""
    invitation_lots.begin(Household.objects.all(), whom="toutes", by=agent(), at=timezone.now())


def asked_round() -> int:
    """Of all families that agreed."""
    homes = list(rounds.agreed(Household.objects.all()).values_list("pk", flat=True))
    day = timezone.localdate()
    made = rounds.begin(homes, whom="toutes", valid_from=day, valid_to=None, by=agent(), at=timezone.now())
    return made.pk


def kept_round() -> None:
    key = asked_round()
    while rounds.ask_some(key, at=timezone.now()) == 0:
        pass
    made = QuotientRound.objects.get(pk=key)
    keys = list(made.answers.values_list("pk", flat=True))
    rounds.keep(made, keys, by=agent(), at=timezone.now())


def message() -> int:
    """One that leaves to all families, each with its copy."""
    at = timezone.now()
    row = FamilyMessage.objects.create(
        subject="Rentrée", text="Bonne rentrée.", state="sending", written_at=at, sent_at=at
    )
    MessageCopy.objects.bulk_create(
        MessageCopy(message=row, household=one.household, guardian=one) for one in homes()
    )
    return row.pk


def brought(state: str) -> int:
    """A file of one family, as far as the worker takes it up."""
    at, by = timezone.now(), User.objects.get(username="responsable")
    row = "KILLED;Lou;03/01/2020;3 rue du Verger;01000;Bourg"
    titles = "Nom de l'enfant;Prénom de l'enfant;Date de naissance;Adresse;Code postal;Commune"
    file = running.receive(f"{titles}\n{row}".encode(), name="a.csv", source="A", by=by, at=at)
    running.ask_check(file)
    if state != "checking":
        running.check(file.pk, at=at)
        running.ask_run(file, by=by)
    if state == "undoing":
        running.run(file.pk, at=at)
        running.ask_undo(file, by=by)
    return file.pk


KINDS: dict[str, Callable[[], object]] = {
    "send": a_mail,
    "send_live": lambda: mailing.post_live(recovery.RECOVERY, homes()[0].user.pk),
    "send_recovery": lambda: recovery.send_recovery.enqueue(homes()[0].user.email),
    "tell_households": lambda: billing.tell_households.enqueue(issued()),
    "print_invoices": lambda: billing.print_invoices.enqueue(issued()),
    "send_reminders": reminded,
    "print_lot": printed,
    "deliver": lambda: deliver.enqueue(message()),
    "prepare_copy": lambda: prepare_copy.enqueue(export()),
    # Of the demo's town.
    "print_paper": lambda: print_paper.enqueue(FamilyMessage.objects.filter(copies__guardian=None)[0].pk),
    "invite_lot": invitations,
    "ask_funds": lambda: rounds.ask_funds.enqueue(asked_round()),
    "write_quotients": kept_round,
    "check_file": lambda: imports.check_file.enqueue(brought("checking")),
    "import_file": lambda: imports.import_file.enqueue(brought("running")),
    "take_back_file": lambda: imports.take_back_file.enqueue(brought("undoing")),
    "carry_out": lambda: lots.carry_out.enqueue(lot().pk),
    "carry_back": lambda: lots.carry_back.enqueue(lot_to_take_back().pk),
    "print_list": lambda: printing.print_list.enqueue(long_list()),
    "settle_due": decision_that_is_due,
    "issue_month": lambda: billing.issue_month.enqueue(run()),
    "count_recalculation": lambda: billing.count_recalculation.enqueue(recalculation("counting")),
    "carry_out_recalculation": lambda: billing.carry_out_recalculation.enqueue(recalculation("working")),
    "look_again": lambda: look_again.enqueue(OnlinePayment.objects.earliest("pk").pk),
    "tell": lambda: online_letters.tell.enqueue([OnlinePayment.objects.filter(state="validated")[0].pk]),
    "tell_refund": lambda: online_letters.tell_refund.enqueue(OnlineRefund.objects.earliest("pk").pk),
    "let_offers_go": lambda: acts.let_offers_go.enqueue(),
    "serve_waiting": lambda: acts.serve_waiting.enqueue(bookings()[0], None),
    "tell_recorded": lambda: acts.tell_recorded.enqueue(reservation().pk),
    "tell_recorded_together": lambda: acts.tell_recorded_together.enqueue([reservation().pk], {}),
    "tell_decided": lambda: acts.tell_decided.enqueue(
        reservation().pk, list(reservation().lines.values_list("pk", flat=True))
    ),
    "tell_promoted": lambda: acts.tell_promoted.enqueue(*bookings()),
    "tell_offered": lambda: acts.tell_offered.enqueue(*bookings()),
    "tell_not_paid": lambda: acts.tell_not_paid.enqueue(*bookings()),
    "tell_sure": lambda: acts.tell_sure.enqueue(*bookings()),
    "give_back": lambda: late_carts.give_back.enqueue(OnlinePayment.objects.filter(state="validated")[0].pk),
    "tell_let_go": lambda: acts.tell_let_go.enqueue(*bookings()),
    "tell_cancelled": lambda: acts.tell_cancelled.enqueue(*bookings(), "Grève"),
    "tell_put_back": lambda: acts.tell_put_back.enqueue(*bookings(), []),
    "tell_enrolment": lambda: acts.tell_enrolment.enqueue(Enrolment.objects.earliest("pk").pk),
    "tell_renewed": lambda: acts.tell_renewed.enqueue([Enrolment.objects.earliest("pk").pk]),
    "tell_enrolment_ended": lambda: acts.tell_enrolment_ended.enqueue(
        Enrolment.objects.exclude(ends_on=None).earliest("pk").pk, [], [], [], []
    ),
    "tell_enrolment_resumed": lambda: acts.tell_enrolment_resumed.enqueue(
        Enrolment.objects.earliest("pk").pk
    ),
    "tell_moved": lambda: acts.tell_moved.enqueue(Move.objects.earliest("pk").pk, []),
    "tell_left_days": lambda: acts.tell_left_days.enqueue(
        Move.objects.earliest("pk").pk, bookings()[1], "Complet"
    ),
    "tell_asked": lambda: tell_asked.enqueue(AccessOpening.objects.earliest("pk").pk),
}


# Workers that die ---------------------------------------------------------------------------------------


def work(death: int | None) -> int:
    """A worker empties the queue, and is killed at its task's write number `death`; its exit code."""
    connections.close_all()
    process = multiprocessing.get_context("fork").Process(target=_work, args=(death,))
    process.start()
    process.join(300)
    return process.exitcode if process.exitcode is not None else 99


def worker_called(name: str) -> PatientWorker:
    """Does all that waits, then ends."""
    return PatientWorker(
        queue_names=["*"],
        excluded_queue_names=[],
        interval=0,
        batch=True,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id=name,
    )


def _work(death: int | None) -> None:
    if death is not None:
        task_started.connect(lambda **_: _die_at(death), weak=False)
    worker = worker_called(get_random_string(32))
    worker.configure_signals()
    worker.run()
    connections.close_all()


def _die_at(death: int) -> None:
    left = death

    def counting(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        if sql.startswith(WRITES):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    connection.execute_wrappers[:] = [counting]


def mails() -> Iterator[Any]:
    for file in sorted(MAILS.glob("*.log")):
        with file.open() as text:
            for one in text.read().split("-" * 79 + "\n"):
                if one.strip():
                    yield message_from_string(one)


def kill_each(kind: str) -> dict[str, Any]:
    """One worker after the other dies in the task, each a little later; the last one ends it."""
    already = Counter(str(mail["Message-ID"]) for mail in mails())
    DBTaskResult.objects.all().delete()
    before, waited = Letter.objects.count(), Letter.objects.filter(state="waiting").count()
    with transaction.atomic():
        KINDS[kind]()
    killed = 0
    mail = attempts.rule(f"portal.letters.mailing.{kind}").times == 2
    for death in DEATHS[: 1 if mail else attempts.USUAL - 1]:
        if work(death) == -signal.SIGKILL:
            killed += 1
            # A minute passes: nobody has heard of that worker.
            taking_up.take_up(at=clock.now() + timedelta(minutes=2))
    ended = work(None)
    found = Counter(str(mail["Message-ID"]) for mail in mails()) - already
    states = Counter(DBTaskResult.objects.values_list("status", flat=True))
    failed = DBTaskResult.objects.failed().values_list("task_path", "traceback")
    return {
        "killed": killed,
        "ended": ended,
        "states": states,
        "failed": [f"{path}: {trace[-300:]}" for path, trace in failed],
        "letters": Letter.objects.count() - before,
        "waiting": Letter.objects.filter(state="waiting").count() - waited,
        "mails": len(found),
        "most": max(found.values(), default=0),
    }


def main(*kinds: str) -> dict[str, Any]:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(MAILS)
    MAILS.mkdir(exist_ok=True)
    if not Guardian.objects.exists():
        small_town()
    found = {}
    for kind in kinds:
        found[kind] = kill_each(kind)
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
