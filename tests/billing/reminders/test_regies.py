"""Each régie reminds of its own invoices, and says its own account."""

from datetime import date
from html import unescape

import pytest
from django.template.loader import render_to_string

from billing.documents import pdf
from billing.invoices import invoicing, regies
from billing.models import BillingSettings, Invoice, Regie, ReminderLetter
from billing.reminders import letter_printing, reminder_letters, reminding
from billing.tasks import send_reminders
from tests import ROOT
from tests.billing.conftest import END_OF_NOVEMBER, LATE, NOVEMBER, bill, eats

TEMPLATES = ROOT / "templates" / "billing"


@pytest.fixture
def overdue(two, time_machine):
    BillingSettings(issuer_name="Mairie", iban="FR76 3000 6000 0112 3456 7890 189").save()
    Regie.objects.update(issuer_name="Espace jeunesse", iban="FR14 2004 1010 0505 0001 3M02 606")
    time_machine.move_to(LATE, tick=False)
    return two


def test_a_family_gets_a_mail_of_each(overdue, mailoutbox):
    send_reminders.enqueue([one.pk for one in overdue], LATE.isoformat(), None)
    said = [unescape(mail.body).replace("\N{NO-BREAK SPACE}", " ") for mail in mailoutbox]
    assert [("12,80 €" in one, "15,00 €" in one) for one in said] == [(True, False), (False, True)]
    assert ["référence F-CL2026-000001" in one for one in said] == [False, True]
    assert ["FR14 2004" in one for one in said] == [False, True]


def test_and_one_file_with_a_letter_of_each(overdue, private, books, monkeypatch):
    reminding.remind([one.pk for one in overdue], at=LATE, by=None)
    found = reminder_letters.letters([books.household.pk], LATE, BillingSettings.current())
    assert [(one.issuer["name"], one.total.replace("\N{NO-BREAK SPACE}", " ")) for one in found] == [
        ("Mairie", "12,80 €"),
        ("Espace jeunesse", "15,00 €"),
    ]
    drawn = []
    monkeypatch.setattr(reminder_letters, "draw", lambda letters, at: drawn.append(len(letters)) or b"%PDF")
    for lot in letter_printing.lots(LATE):
        letter_printing.print_lot(lot, at=LATE)
    assert drawn == [2, 2]
    assert ReminderLetter.objects.get().sha256


def test_each_paper_is_signed_by_whom_its_regie_names_and_by_nobody_where_it_names_none(two, private, books):
    """Invoice, credit note, statement of what is carried, receipt, certificate and reminder."""
    BillingSettings(issuer_name="Mairie").save()
    Regie.objects.update(signatory="Dominique Roy, régisseur titulaire")
    facts = {regie: invoicing.issuer_of(regies.facts(regie)) for regie in (None, two[1].regie_id)}
    signed = []
    for template in ("invoice", "credit_note", "carried", "receipt", "tax_certificate", "account_statement"):
        source = (TEMPLATES / f"{template}.html").read_text()
        assert '{% include "billing/_signed.html" %}' in source, template
    for issuer in facts.values():
        signed.append(render_to_string("billing/_signed.html", {"issuer": issuer}).strip())
    assert signed == ["", '<p class="sign">Dominique Roy, régisseur titulaire</p>']
    reminding.remind([one.pk for one in two], at=LATE, by=None)
    letters = reminder_letters.letters([books.household.pk], LATE, BillingSettings.current())
    paper = render_to_string("billing/reminder.html", {"letters": letters, "day": "4 janvier 2027"})
    assert paper.count("Dominique Roy, régisseur titulaire") == 1


def test_an_invoice_of_the_centre_is_signed_on_paper_and_the_town_hall_s_is_not(books, centre, private):
    Regie.objects.update(signatory="Dominique Roy, régisseur titulaire")
    eats(books)
    eats(centre, [date(2026, 11, 4)])
    bill(NOVEMBER, END_OF_NOVEMBER)
    papers = [
        render_to_string("billing/invoice.html", pdf.context(one)) for one in Invoice.objects.order_by("pk")
    ]
    assert ["Dominique Roy" in paper for paper in papers] == [False, True]
