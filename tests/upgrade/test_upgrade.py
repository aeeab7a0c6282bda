"""What each released version stored is what today's code shows, counts and goes on with."""

import hashlib
from io import StringIO

from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.module_loading import import_string
from django_tasks_db.models import DBTaskResult

from billing.documents import pdf
from billing.models import Invoice
from families.models import User
from portal.database import versions
from portal.models import Release as Noted
from tests.conftest import logged_in
from tests.portal.reservations.audit import audit
from tests.upgrade import books
from tests.upgrade.conftest import undone
from tests.upgrade.making import HEAVIEST
from tests.upgrade.walking import walk


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


def client_of(login: str) -> Client:
    return logged_in(User.objects.get(username=login))


def test_its_data_weighs_little(upgraded):
    assert upgraded.weight <= HEAVIEST


def test_its_places_are_those_of_its_bookings(upgraded):
    audit()


def test_its_numbers_follow_one_another(upgraded):
    books.audit_numbers()


def test_its_money_adds_up(upgraded):
    books.audit_money()


def test_its_books_say_what_they_said(upgraded):
    said = upgraded.said()
    assert {"at": said["at"], **books.summary()} == said


def test_its_database_is_of_this_version_now(upgraded):
    assert versions.hindrance(connection) == ""
    assert Noted.objects.first().version == upgraded.version
    assert Noted.objects.last().version == versions.version()


def test_what_its_worker_had_still_to_do_can_be_done(upgraded):
    waiting = list(DBTaskResult.objects.ready())
    assert waiting
    with undone():
        for one in waiting:
            import_string(one.task_path).call(*one.args_kwargs["args"], **one.args_kwargs["kwargs"])
    assert mail.outbox


def check(answers: dict[str, int], least: int) -> None:
    # The desk names what not everybody there may open.
    assert {where: status for where, status in answers.items() if status not in (200, 403)} == {}
    assert list(answers.values()).count(200) >= least


def test_families_find_their_pages(upgraded):
    with undone():
        check(walk(client_of("parent"), "/", set()), least=20)


def test_the_desk_opens_for_agents_and_for_the_accountant(upgraded):
    seen: set[str] = set()
    with undone():
        check(walk(client_of("agent"), "/mairie/", seen), least=40)
        check(walk(client_of("regie"), "/mairie/", seen), least=20)


def test_its_printed_invoices_are_kept_as_they_were_and_handed_over_as_they_stand(upgraded):
    """Where no money moved since, what is handed over is the very file."""
    printed = {name: sha for name, sha in upgraded.said()["files"].items() if name.startswith("factures/")}
    assert printed
    for name, sha in printed.items():
        invoice = Invoice.objects.with_balance().get(pdf__file=name)
        assert hashlib.sha256(pdf.read(invoice.pdf)).hexdigest() == sha
        page = client_of("regie").get(reverse("admin:billing_invoice_pdf", args=[invoice.pk])).getvalue()
        assert page.startswith(b"%PDF-")
        if invoice.left == invoice.total - invoice.pdf.paid:
            assert hashlib.sha256(page).hexdigest() == sha


def test_the_next_month_can_be_billed(upgraded):
    assert "factures" in run("bill_month", "2026-11", "--preview")


def test_a_night_passes(upgraded):
    with undone():
        assert "Échec" not in run("nightly")
        audit()
