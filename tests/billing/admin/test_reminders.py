"""The accountant reminds who has not paid: seen first, then sent, then printed; the family reads when."""

import io
import zipfile
from datetime import timedelta

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from billing.admin.reminders import stamp_of
from billing.models import BillingSettings, Invoice, InvoiceNotice, ReminderLetter
from billing.payments import paying
from billing.reminders import reminder_letters, reminding
from billing.tasks import print_invoices, print_lot, send_reminders
from families.models import Guardian
from portal.letters import mailing
from tests.billing.conftest import LATE
from tests.billing.reminders.test_reminding import D, plain, remind
from tests.conftest import logged_in
from tests.factories import GuardianFactory, HouseholdFactory, InvoiceFactory, UserFactory

pytestmark = pytest.mark.usefixtures("private")

LIST = "admin:billing_invoice_changelist"
REMIND = "admin:billing_invoice_remind"
QUEUE = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mail"]}}


@pytest.fixture
def late(owes, books, waits):
    """Both families owe 12.80 since November, the one that waits has no address; it is 4 January 2027."""
    waits.user.email = ""
    waits.user.save()
    with time_machine.travel(LATE, tick=False):
        yield Invoice.objects.get(household=books.household)


def said(answer):
    return plain(answer.content.decode())


def confirm(client, address, posted=None):
    """The preview, then its form posted as the page gives it."""
    seen = client.post(address, posted) if posted else client.get(address)
    found = seen.context["found"]
    return client.post(address, (posted or {}) | {"vu": found.fingerprint, "confirmed": "1"})


def selection(action, invoices):
    return {"action": action, "_selected_action": [invoice.pk for invoice in invoices]}


def test_all_overdue_invoices_are_previewed_then_sent_then_printed(late, regie_client, books, mailoutbox):
    preview = said(regie_client.get(reverse(REMIND)))
    for words in (
        "25,60 €", "2 foyers, 2 factures en retard", "Première relance : 2 factures, 25,60 €",
        "Sans adresse e-mail : 1 lettre à poster", "Camille Petit", "Relancer 2 foyers",
    ):  # fmt: skip
        assert words in preview, words
    assert mailoutbox == [] and not InvoiceNotice.objects.exists()
    answer = confirm(regie_client, reverse(REMIND))
    assert [mail.to for mail in mailoutbox] == [[books.user.email]]
    assert {notice.sent_by.username for notice in InvoiceNotice.objects.all()} == {"regie"}
    page = regie_client.get(answer["Location"])
    assert "2 foyers relancés" in said(page) and "Demandée par regie." in said(page)
    assert "1 foyer sans adresse e-mail" in said(page) and "Refresh" not in page
    letters = reverse("admin:billing_invoice_letters", args=[stamp_of(LATE)])
    assert [name[:8] for name in names(regie_client.get(letters))] == ["relance-", "relance-"]
    assert len(names(regie_client.get(letters, {"papier": ""}))) == 1
    joined = names(regie_client.get(letters, {"lots": ""}))
    assert joined == ["lettres-001-a-poster.pdf", "lettres-002-aussi-par-mail.pdf"]
    assert "Rien à relancer aujourd’hui." in said(regie_client.get(reverse(REMIND)))


def names(answer):
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))).namelist()


def test_a_selection_is_reminded_of_alone(late, regie_client, waits, mailoutbox):
    chosen = selection("remind_selected", [late])
    assert "1 foyer, 1 facture en retard" in said(regie_client.post(reverse(LIST), chosen))
    answer = confirm(regie_client, reverse(LIST), chosen)
    assert "/relances/" in answer["Location"]
    assert InvoiceNotice.objects.get().invoice == late and len(mailoutbox) == 1


def test_everything_that_a_filter_lets_through_is_reminded_of(late, regie_client):
    chosen = selection("remind_selected", [late]) | {"select_across": "1"}
    confirm(regie_client, reverse(LIST) + "?etat=retard", chosen)
    assert InvoiceNotice.objects.count() == 2


def test_a_selection_that_cannot_be_reminded_of_is_refused_by_name(late, regie_client, mailoutbox):
    remind(LATE - timedelta(days=3))
    mailoutbox.clear()
    answer = regie_client.post(reverse(LIST), selection("remind_selected", [late]), follow=True)
    assert (
        "Aucune facture à relancer. F2026-000001 : relancée le 1er janvier 2027,"
        " pas de nouveau avant le 16 janvier 2027."
    ) in said(answer)
    assert mailoutbox == []


def test_what_is_left_alone_is_named_with_its_reason(late, regie_client):
    remind(LATE - timedelta(days=1), Invoice.objects.filter(pk=late.pk))
    page = said(regie_client.get(reverse(REMIND)))
    assert "Relancer 1 foyer" in page
    assert "Laissées de côté" in page and "Camille Roux : relancée le 3 janvier 2027" in page


def test_a_preview_that_no_longer_holds_is_shown_again(late, regie_client, waits, mailoutbox):
    seen = regie_client.get(reverse(REMIND)).context["found"].fingerprint
    paying.record(waits.household, D(5), "cash", paid_on=LATE.date(), by=None, at=LATE)
    answer = regie_client.post(reverse(REMIND), {"vu": seen, "confirmed": "1"})
    assert "Depuis l'aperçu" in said(answer).replace("&#x27;", "'") and "20,60 €" in said(answer)
    assert mailoutbox == [] and not InvoiceNotice.objects.exists()


def test_posting_twice_reminds_once(late, regie_client, mailoutbox):
    seen = {"vu": regie_client.get(reverse(REMIND)).context["found"].fingerprint, "confirmed": "1"}
    regie_client.post(reverse(REMIND), seen)
    assert "Rien à relancer" in said(regie_client.post(reverse(REMIND), seen))
    assert len(mailoutbox) == 1


def test_the_page_follows_the_worker(late, regie_client, settings):
    settings.TASKS = QUEUE
    address = confirm(regie_client, reverse(REMIND))["Location"]
    page = regie_client.get(address)
    assert (
        page["Refresh"] == "3"
        and "0 facture relancée sur 2" in said(page)
        and "<h2>Lettres</h2>" not in said(page)
    )
    # One of the two is paid before the worker comes.
    paying.record(late.household, D("12.80"), "cash", paid_on=LATE.date(), by=None, at=LATE)
    task = DBTaskResult.objects.get(task_path="billing.tasks.send_reminders")
    args = task.args_kwargs["args"]
    send_reminders.call(*args)
    DBTaskResult.objects.filter(pk=task.pk).update(status="SUCCESSFUL", finished_at=timezone.now())
    page = regie_client.get(address)
    assert "1 foyer relancé" in said(page)
    assert "1 facture de l’aperçu n’a pas été relancée" in said(page)
    DBTaskResult.objects.filter(pk=task.pk).update(status="FAILED")
    assert "L’envoi s’est interrompu" in said(regie_client.get(address))
    other = reverse("admin:billing_invoice_sending", args=[stamp_of(LATE + timedelta(days=1))])
    assert regie_client.get(other, {"travail": task.pk}).status_code == 404


def test_letters_are_waited_for_then_offered(transactional_db, late, regie_client, settings):
    settings.TASKS = QUEUE
    remind()
    address = reverse("admin:billing_invoice_sending", args=[stamp_of(LATE)])
    letters = reverse("admin:billing_invoice_letters", args=[stamp_of(LATE)])
    page = regie_client.get(address)
    assert page["Refresh"] == "3" and "0 lettre imprimée sur 2" in said(page)
    assert letters not in said(page)
    answer = regie_client.get(letters, follow=True)
    assert "Les lettres ne sont pas encore prêtes : 0 lettre imprimée sur 2." in said(answer)
    # The worker that sent the reminders was killed before it printed anything.
    again = reverse("admin:billing_invoice_print_letters", args=[stamp_of(LATE)])
    assert "L'impression reprend" in said(regie_client.post(again, follow=True)).replace("&#x27;", "'")
    batch()
    page = regie_client.get(address)
    assert "Refresh" not in page and f'<a href="{letters}">' in said(page)
    assert len(names(regie_client.get(letters))) == 2


def batch():
    """The worker does all that waits."""
    call_command("db_worker", batch=True, interval=0, startup_delay=False, queue_name="*", verbosity=0)


def test_a_real_worker_sends_what_was_confirmed(transactional_db, late, regie_client, settings, mailoutbox):
    settings.TASKS = QUEUE
    confirm(regie_client, reverse(REMIND))
    assert mailoutbox == []
    batch()
    assert InvoiceNotice.objects.count() == 2 and len(mailoutbox) == 1
    assert ReminderLetter.objects.exclude(sha256="").count() == 2


def test_printing_lets_a_mail_go_first(db, settings):
    settings.TASKS = QUEUE
    print_lot.enqueue(1)
    print_invoices.enqueue([1])
    mailing.send.enqueue("roux@example.org", "Votre lien", "", "")
    waiting = DBTaskResult.objects.ready().values_list("task_path", flat=True)
    assert list(waiting) == [
        "portal.letters.mailing.send",
        "billing.tasks.print_lot",
        "billing.tasks.print_invoices",
    ]


def test_a_sending_that_stops_still_prints_the_letters_of_who_was_reminded(late, waits, monkeypatch):
    monkeypatch.setattr(reminding, "CHUNK", 1)
    addresses = reminder_letters.addresses

    def fail(households):
        found = addresses(asked := list(households))
        if waits.household.pk in asked:
            raise MemoryError
        return found

    monkeypatch.setattr(reminder_letters, "addresses", fail)
    send_reminders.enqueue(list(Invoice.objects.values_list("pk", flat=True)), LATE.isoformat(), 0)
    letter = ReminderLetter.objects.get()
    assert letter.household == late.household and letter.sha256


@pytest.mark.parametrize("stamp", [0, 10**30, 1_800_000_000_000_000])
@pytest.mark.parametrize("name", ["sending", "letters"])
def test_a_reminding_that_never_was_does_not_exist(late, regie_client, name, stamp):
    address = reverse(f"admin:billing_invoice_{name}", args=[stamp])
    assert regie_client.get(address, {"travail": "x"}).status_code == 404


def test_only_the_accountants_remind(late, agent_client, books_client):
    remind()
    stamp = stamp_of(LATE)
    for address in (
        reverse(REMIND),
        reverse("admin:billing_invoice_sending", args=[stamp]),
        reverse("admin:billing_invoice_letters", args=[stamp]),
        reverse("admin:billing_invoice_print_letters", args=[stamp]),
    ):
        assert agent_client.get(address).status_code == 403
        assert books_client.get(address).status_code in (302, 403)
        assert agent_client.post(address, {"confirmed": "1"}).status_code == 403
    assert InvoiceNotice.objects.count() == 2
    assert not ReminderLetter.objects.exclude(sha256="").exists()


def test_the_list_says_how_often_and_filters_by_it(late, regie_client, waits):
    remind(invoices=Invoice.objects.filter(pk=late.pk))
    page = said(regie_client.get(reverse(LIST)))
    assert "Relancée 1 fois, le 04/01/2027" in page

    def numbers(level):
        found = regie_client.get(reverse(LIST), {"relances": level}).context_data["cl"].queryset
        return [invoice.number for invoice in found.order_by("sequence")]

    assert (numbers("1"), numbers("0"), numbers("2")) == (["F2026-000001"], ["F2026-000002"], [])
    assert len(numbers("beaucoup")) == 2


def test_an_invoice_lists_its_notices(late, regie_client):
    reminding.tell([late.pk], at=LATE - timedelta(days=30))
    remind(invoices=Invoice.objects.filter(pk=late.pk))
    page = said(regie_client.get(reverse("admin:billing_invoice_change", args=[late.pk])))
    assert "Avis de facture" in page and "Première relance" in page


def test_an_invoice_is_announced_from_the_list_once(late, regie_client, mailoutbox):
    posted = selection("tell_selected", [late])
    assert "1 facture est annoncée" in said(regie_client.post(reverse(LIST), posted, follow=True))
    assert "déjà été annoncées" in said(regie_client.post(reverse(LIST), posted, follow=True))
    assert len(mailoutbox) == 1


def test_a_credit_note_is_told_by_mail(
    late, regie_client, books, mailoutbox, django_capture_on_commit_callbacks
):
    address = reverse("admin:billing_invoice_credit", args=[late.pk])
    said = {"what": "amount", "amount": "2,80", "reason": "Erreur de pointage"}
    stamp = regie_client.post(address, said).context["preview"]["stamp"]
    with django_capture_on_commit_callbacks(execute=True):
        regie_client.post(address, said | {"confirmed": "1", "vu": stamp})
    (mail,) = mailoutbox
    assert mail.to == [books.user.email]
    assert plain(mail.subject) == "Un avoir de 2,80 € sur votre facture de novembre 2026"
    assert "A2027-000001" in mail.body and "Erreur de pointage" in mail.body


def test_a_family_reads_when_it_was_reminded_while_it_owes(late, books, books_client):
    address = reverse("billing:invoice", args=[late.pk])
    assert "Relance envoyée" not in said(books_client.get(address))
    remind()
    assert "Relance envoyée le lundi 4 janvier 2027" in said(books_client.get(address))
    paying.record(books.household, D("12.80"), "cash", paid_on=LATE.date(), by=None, at=LATE)
    assert "Relance envoyée" not in said(books_client.get(address))


def test_the_accountants_settings_show_both_fields(late, regie_client):
    BillingSettings().save()
    page = said(regie_client.get(reverse("admin:billing_billingsettings_change", args=[1])))
    assert "Jours entre deux relances" in page and "Mention des relances" in page


def test_pages_take_the_same_queries_for_two_and_for_twelve(late, regie):
    client = logged_in(regie)
    addresses = [reverse(LIST), reverse(REMIND)]

    def counts():
        found = []
        for address in addresses:
            with CaptureQueriesContext(connection) as captured:
                assert client.get(address).status_code == 200
            found.append(len(captured))
        return found

    counts()
    few = counts()
    for number in range(10):
        household = HouseholdFactory()
        GuardianFactory(household=household, user=UserFactory(username=f"foyer{number}"))
        InvoiceFactory(household=household)
    assert Guardian.objects.count() == 12
    assert counts() == few
    remind()
    addresses = [reverse("admin:billing_invoice_sending", args=[stamp_of(LATE)])]
    many = counts()
    InvoiceNotice.objects.exclude(invoice__sequence=1).delete()
    ReminderLetter.objects.exclude(household=late.household).delete()
    assert counts() == many
