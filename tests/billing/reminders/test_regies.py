"""Each régie reminds of its own invoices, and says its own account."""

from html import unescape

import pytest

from billing.models import BillingSettings, Regie, ReminderLetter
from billing.reminders import letter_printing, reminder_letters, reminding
from billing.tasks import send_reminders
from tests.billing.conftest import LATE


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
