"""A household is told of its invoice once, by mail; what it has not paid is reminded of, kindly, and once."""

from datetime import date, timedelta
from decimal import Decimal
from io import StringIO

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import invoicing
from billing.models import (
    BillingRun,
    BillingSettings,
    Invoice,
    InvoiceNotice,
    InvoicePdf,
    Mandate,
    OnlinePayment,
    OnlineState,
    ReminderLetter,
)
from billing.payments import paying, sepa, starting
from billing.reminders import reminder_letters, reminding
from billing.reminders.reminding import RemindingRefused
from billing.tasks import issue_month, send_reminders, tell_households
from families.models import Household, PaperLetter
from tests.billing.conftest import END_OF_NOVEMBER, FIRST_OF_DECEMBER, LATE, NOVEMBER
from tests.factories import (
    BookingFactory,
    ChildFactory,
    EnrolmentFactory,
    GuardianFactory,
    HouseholdFactory,
    InvoiceFactory,
    UserFactory,
    paris,
)

pytestmark = pytest.mark.usefixtures("private")

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"
IBAN = "FR1420041010050500013M02606"


def plain(text):
    return " ".join(text.replace(NBSP, " ").split())


def mandate(family):
    return Mandate.objects.create(
        household=family.household,
        rum="VILLE-000001",
        debtor="Camille",
        iban=IBAN,
        signed_on=date(2026, 9, 1),
    )


def without_address(family):
    family.user.email = ""
    family.user.save()


def levels():
    return list(InvoiceNotice.objects.order_by("invoice__sequence", "level").values_list("level", "left"))


# Told of the issue -------------------------------------------------------------------------------------


def issue():
    run = invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER)
    with time_machine.travel(END_OF_NOVEMBER, tick=False):
        issue_month.enqueue(run.pk)
    return run


def test_each_household_reads_what_it_owes_until_when_and_how_to_pay(month, books, waits, mailoutbox):
    BillingSettings(iban="FR76 1234", bic="AGRIFRPP", cheque_payable_to="Régie", desk="Mairie").save()
    issue()
    assert [mail.to for mail in mailoutbox] == [[books.user.email], [waits.user.email]]
    mail = mailoutbox[0]
    assert plain(mail.subject) == "Votre facture de novembre 2026 : 12,80 €"
    invoice = Invoice.objects.get(household=books.household)
    html, _ = mail.alternatives[0]
    for said in (plain(mail.body), plain(html.replace("<strong>", "").replace("</strong>", ""))):
        for words in (
            "F2026-000001", "12,80 €", "au plus tard le mercredi 30 décembre 2026", "En ligne",
            "IBAN FR76 1234, BIC AGRIFRPP, référence F2026-000001", "Par chèque", "Sur place : Mairie",
            f"/factures/{invoice.pk}/",
        ):  # fmt: skip
            assert words in said.replace("&#x27;", "'"), words
    assert levels() == [(0, D("12.80")), (0, D("12.80"))]


def test_a_run_gone_on_with_tells_nobody_twice(month, mailoutbox):
    run = issue()
    BillingRun.objects.update(state="running")
    issue_month.enqueue(run.pk)
    tell_households.enqueue(list(Invoice.objects.values_list("pk", flat=True)))
    assert len(mailoutbox) == InvoiceNotice.objects.count() == 2


def test_a_month_billed_by_the_command_is_told_of_once(month, books, waits, mailoutbox):
    def command():
        with time_machine.travel(END_OF_NOVEMBER, tick=False):
            call_command("bill_month", "2026-11", stdout=StringIO())

    command()
    assert [mail.to for mail in mailoutbox] == [[books.user.email], [waits.user.email]]
    with pytest.raises(CommandError, match="déjà facturé"):
        command()
    BillingRun.objects.update(state="running")
    command()
    assert len(mailoutbox) == InvoiceNotice.objects.count() == InvoicePdf.objects.count() == 2


def test_an_account_that_will_be_debited_is_not_asked_for_money(month, books, mailoutbox):
    mandate(books)
    issue()
    said = plain(mailoutbox[0].body)
    assert "12,80 € : cette somme sera prélevée sur votre compte (mandat VILLE-000001)" in said
    assert "Vous n'avez rien à faire" in said and "À payer au plus tard" not in said
    assert plain(mailoutbox[0].subject).endswith("12,80 € à prélever")
    assert "À payer au plus tard" in mailoutbox[1].body


def test_an_invoice_paid_in_advance_says_so(month, books, mailoutbox):
    paying.record(
        books.household, D(20), "cheque", paid_on=date(2026, 11, 30), by=None, at=END_OF_NOVEMBER, invoices=[]
    )
    issue()
    assert mailoutbox[0].subject == "Votre facture de novembre 2026 est déjà réglée"
    assert "vous n'avez rien à payer" in mailoutbox[0].body and "Par " not in mailoutbox[0].body
    assert InvoiceNotice.objects.get(invoice__household=books.household).left == 0


def test_only_who_receives_the_invoices_is_written_to(month, books, waits, mailoutbox):
    without_address(waits)
    GuardianFactory(household=books.household, user=UserFactory(username="autre"), is_payer=False)
    second = GuardianFactory(household=books.household, user=UserFactory(username="second"))
    gone = GuardianFactory(household=books.household, user=UserFactory(username="partie", is_active=False))
    issue()
    assert [mail.to for mail in mailoutbox] == [[books.user.email], [second.user.email]]
    assert gone.user.email


def test_who_gets_no_mail_has_the_letter_of_the_invoice_on_paper_with_its_lines(month, waits, mailoutbox):
    without_address(waits)
    issue()
    assert len(mailoutbox) == 1
    notice = InvoiceNotice.objects.get(invoice__household=waits.household)
    letter = PaperLetter.objects.get()
    assert (letter.household, letter.kind, letter.state) == (waits.household, "billing/invoice", "paper")
    said = plain(letter.text)
    assert notice.invoice.number in said and f"Le détail, par enfant : {waits.child.first_name}" in said
    assert "Repas" in said and "× 3,20 € = 12,80 €" in said and "En ligne" not in said
    reminding.tell([notice.invoice_id], at=END_OF_NOVEMBER)
    assert PaperLetter.objects.count() == 1, "told once"


def test_a_household_that_is_gone_has_no_letter(month, waits, now):
    without_address(waits)
    invoicing.issue(run := invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    Household.objects.filter(pk=waits.household.pk).update(erased_at=now)
    reminding.tell(list(run.invoices.values_list("pk", flat=True)), at=END_OF_NOVEMBER)
    assert not PaperLetter.objects.exists()
    assert not InvoiceNotice.objects.filter(invoice__household=waits.household).exists()


def test_a_lot_that_fails_keeps_neither_notice_nor_mail_and_is_told_when_run_again(
    month, books, waits, mailoutbox, monkeypatch
):
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    invoices = list(Invoice.objects.values_list("pk", flat=True))
    monkeypatch.setattr(reminding, "CHUNK", 1)
    with monkeypatch.context() as broken:
        write = reminder_letters.issue

        def fail(invoice, **named):
            if invoice.household_id == waits.household.pk:
                raise MemoryError
            return write(invoice, **named)

        broken.setattr(reminder_letters, "issue", fail)
        with pytest.raises(MemoryError):
            reminding.tell(invoices, at=END_OF_NOVEMBER)
    assert [mail.to[0] for mail in mailoutbox] == [books.user.email]
    assert InvoiceNotice.objects.get().invoice.household == books.household
    assert reminding.tell(invoices, at=FIRST_OF_DECEMBER) == 1
    assert [mail.to[0] for mail in mailoutbox] == [books.user.email, waits.user.email]


def more_families(canteen, year, count=10):
    for number in range(count):
        household = HouseholdFactory()
        enrolment = EnrolmentFactory(
            household=household, child=ChildFactory(households=[household]), activity=canteen.activity,
            school_year=year, establishment=canteen.restaurant,
        )  # fmt: skip
        GuardianFactory(household=household, user=UserFactory(username=f"famille{number}"))
        BookingFactory(enrolment=enrolment, day=date(2026, 11, 2))


def queries(work):
    """How many queries `work` takes. What becomes of a letter and its address is noted by the worker that
    sends it, which the tests' queue is at once."""
    with CaptureQueriesContext(connection) as captured:
        work()
    noted = ('UPDATE "families_letter"', 'UPDATE "families_guardian"')
    return sum(not query["sql"].startswith(noted) for query in captured)


def test_telling_and_reminding_take_the_same_queries_for_two_and_for_twelve(month, canteen, year):
    more_families(canteen, year)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    invoices = list(Invoice.objects.order_by("pk").values_list("pk", flat=True))
    everything = Invoice.objects.all()
    reminding.tell([], at=LATE)  # the town is read once a process
    few, many = invoices[:1], invoices[1:]
    assert len(many) == 11
    tell = [queries(lambda these=these: reminding.tell(these, at=LATE)) for these in (few, many)]
    preview = [
        queries(lambda these=these: reminding.preview(everything.filter(pk__in=these), at=LATE))
        for these in (few, many)
    ]
    remind = [queries(lambda these=these: reminding.remind(these, at=LATE, by=None)) for these in (few, many)]
    assert tell[0] == tell[1] and remind[0] == remind[1] and preview[0] == preview[1] == 3
    assert InvoiceNotice.objects.count() == 24


# Reminded ----------------------------------------------------------------------------------------------


def remind(at=LATE, invoices=None, by=None):
    chosen = Invoice.objects.all() if invoices is None else invoices
    return reminding.remind(list(chosen.values_list("pk", flat=True)), at=at, by=by)


def held(at=LATE):
    found = reminding.preview(Invoice.objects.all(), at=at)
    return {invoice.number: why for invoice, why in found.held}


def test_reminders_rise_one_level_at_a_time_and_stop_at_the_third(late, mailoutbox):
    BillingSettings(reminder_notice="Le comptable public prendra le relais.").save()
    for level in (1, 2, 3):
        assert remind(LATE + timedelta(days=15 * (level - 1))) == 2
    assert [level for level, _ in levels()] == [1, 2, 3, 1, 2, 3]
    assert remind(LATE + timedelta(days=365)) == 0
    assert set(held(LATE + timedelta(days=365)).values()) == {"dernière relance envoyée le 3 février 2027"}
    subjects = [mail.subject.partition(" : ")[0] for mail in mailoutbox[::2]]
    assert subjects == ["Relance", "Nouvelle relance", "Dernière relance"]
    assert ["comptable public" in mail.body for mail in mailoutbox[::2]] == [False, False, True]


def test_fifteen_days_go_by_between_two_reminders(late):
    assert remind() == 2
    assert remind(LATE + timedelta(days=14)) == 0
    said = held(LATE + timedelta(days=14))["F2026-000001"]
    assert said == "relancée le 4 janvier 2027, pas de nouveau avant le 19 janvier 2027"
    assert remind(LATE + timedelta(days=15)) == 2


def test_the_same_reminding_run_again_or_confirmed_twice_sends_nothing_more(late, mailoutbox):
    BillingSettings(reminder_days=0).save()
    invoices = list(Invoice.objects.values_list("pk", flat=True))
    for _ in range(2):
        send_reminders.enqueue(invoices, LATE.isoformat(), 0)
    assert len(mailoutbox) == InvoiceNotice.objects.count() == 2
    assert remind(LATE + timedelta(seconds=1)) == 0
    assert remind(LATE + timedelta(days=1)) == 2


def test_a_reminding_run_again_adds_nothing_to_the_letter_that_a_household_has(late, books, mailoutbox):
    other = InvoiceFactory(household=books.household, due_on=date(2026, 12, 31), total=D("7.30"))
    starting.start(books.household, {other.pk: None}, by=books.user, at=LATE)
    assert remind() == 2
    mailoutbox.clear()
    OnlinePayment.objects.update(state=OnlineState.REFUSED)
    assert remind() == 0 and mailoutbox == []
    assert ReminderLetter.objects.filter(household=books.household).count() == 1
    assert remind(LATE + timedelta(hours=1)) == 1


def test_an_invoice_is_not_late_on_its_last_day(owes):
    assert held(paris(2026, 12, 30, 23))["F2026-000001"] == "à payer au plus tard le 30 décembre 2026"
    assert held(paris(2026, 12, 31)) == {}


def test_a_bank_at_work_and_an_invoice_paid_are_left_alone(late, books, waits, mailoutbox):
    starting.start(books.household, {late.pk: None}, by=books.user, at=LATE)
    paying.record(waits.household, D("12.80"), "cash", paid_on=LATE.date(), by=None, at=LATE)
    assert held() == {
        "F2026-000001": "un paiement en ligne est en cours",
        "F2026-000002": "plus rien à payer",
    }
    assert remind() == 0
    assert mailoutbox == []


def test_a_debit_is_the_town_s_move_until_the_bank_sends_it_back(late, books, waits):
    BillingSettings(iban=IBAN, bic="AGRIFRPP", creditor_identifier="FR12ZZZ123456").save()
    mandate(books)
    assert held() == {"F2026-000001": "à prélever, le foyer a signé un mandat"}
    file = sepa.make(NOVEMBER.month, collected_on=date(2027, 1, 10), by=None, at=LATE)
    assert held() == {"F2026-000001": "un prélèvement est en cours"}
    sepa.returned(file.debits.get(), on=date(2027, 1, 12), reason="Provision", by=None, at=LATE)
    assert held() == {"F2026-000001": "à payer au plus tard le 3 février 2027"}
    assert held(paris(2027, 2, 4)) == {}


def test_what_is_paid_between_the_preview_and_the_sending_is_not_reminded_of(late, books, waits, mailoutbox):
    found = reminding.preview(reminding.overdue(LATE.date()), at=LATE)
    assert (found.households, found.left) == (2, D("25.60"))
    paying.record(waits.household, D("12.80"), "cash", paid_on=LATE.date(), by=None, at=LATE)
    assert reminding.remind([invoice.pk for invoice in found.wanted], at=LATE, by=None) == 1
    assert [mail.to for mail in mailoutbox] == [[books.user.email]]


def test_nobody_is_asked_for_money_that_the_town_holds(late, books, mailoutbox):
    paying.record(books.household, D("12.80"), "cheque", paid_on=LATE.date(), by=None, at=LATE, invoices=[])
    assert remind(invoices=Invoice.objects.filter(pk=late.pk)) == 0
    assert mailoutbox == []
    assert Invoice.objects.with_balance().get(pk=late.pk).left == 0


def test_a_household_reads_one_mail_for_all_it_owes(late, books, mailoutbox):
    BillingSettings(reminder_days=0).save()
    remind(LATE - timedelta(days=1), Invoice.objects.filter(pk=late.pk))
    InvoiceFactory(household=books.household, due_on=date(2026, 12, 31), total=D("7.30"))
    mailoutbox.clear()
    remind(invoices=Invoice.objects.filter(household=books.household))
    (mail,) = mailoutbox
    said = plain(mail.body)
    assert plain(mail.subject) == "Nouvelle relance : 20,10 € à payer"
    assert "F2026-000001 de novembre 2026 : 12,80 €, à payer au plus tard le 30 décembre 2026" in said
    assert "7,30 €, à payer au plus tard le 31 décembre 2026" in said
    assert "Une difficulté ? Parlez-nous-en" in said
    unpaid = Invoice.objects.filter(household=books.household).order_by("due_on")
    ticked = "&".join(f"facture={invoice.pk}" for invoice in unpaid)
    assert f"/factures/regler/?{ticked}" in mail.body


def test_only_what_is_left_is_asked_for(late, books, mailoutbox):
    paying.record(books.household, D(5), "cash", paid_on=LATE.date(), by=None, at=LATE)
    remind(invoices=Invoice.objects.filter(pk=late.pk))
    assert plain(mailoutbox[0].subject) == "Relance : 7,80 € à payer"
    assert InvoiceNotice.objects.get().left == D("7.80")


def test_the_preview_counts_by_level_and_names_who_needs_paper(late, books, waits):
    without_address(waits)
    BillingSettings(reminder_days=0).save()
    remind(LATE - timedelta(days=1), Invoice.objects.filter(pk=late.pk))
    found = reminding.preview(Invoice.objects.all(), at=LATE)
    assert [(one.name, one.invoices, one.left) for one in found.levels] == [
        ("Première relance", 1, D("12.80")), ("Deuxième relance", 1, D("12.80")),
    ]  # fmt: skip
    assert [invoice.household for invoice in found.paper] == [waits.household]
    assert found.fingerprint == reminding.preview(reminding.overdue(LATE.date()), at=LATE).fingerprint
    remind(LATE, Invoice.objects.filter(pk=late.pk))
    assert found.fingerprint != reminding.preview(Invoice.objects.all(), at=LATE).fingerprint


def test_nothing_to_remind_is_refused_naming_each_invoice(late):
    remind()
    found = reminding.preview(Invoice.objects.all(), at=LATE + timedelta(days=3))
    with pytest.raises(RemindingRefused) as refused:
        found.demand()
    assert str(refused.value) == (
        "Aucune facture à relancer."
        " F2026-000001 : relancée le 4 janvier 2027, pas de nouveau avant le 19 janvier 2027 ;"
        " F2026-000002 : relancée le 4 janvier 2027, pas de nouveau avant le 19 janvier 2027."
    )
    with pytest.raises(RemindingRefused, match=r"^Aucune facture à relancer\.$"):
        reminding.preview(Invoice.objects.none(), at=LATE).demand()


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.decimals("0.01", "9999", places=2, allow_nan=False)), max_size=30
    )
)
def test_levels_add_up_to_the_cent(rows):
    found = reminding.levels(rows)
    assert sum((one.left for one in found), D(0)) == sum((left for _, left in rows), D(0))
    assert sum(one.invoices for one in found) == len(rows)
    assert [one.level for one in found] == sorted({level for level, _ in rows})
