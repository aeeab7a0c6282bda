"""The general journal adds up, for each piece and in all; what was cashed is shared by code to the cent."""

from collections import defaultdict
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing.documents import coded, journal
from billing.documents.coded import Span
from billing.invoices import invoicing
from billing.invoices.budget import Code
from billing.invoices.creditable import Wanted
from billing.invoices.invoicing import BillingRefused
from billing.models import (
    AccountEntry,
    BudgetCode,
    Invoice,
    InvoiceLine,
    JournalAccounts,
    ManualCharge,
    PaymentMeans,
)
from billing.payments import paying, undoing
from billing.payments.paying import PaymentRefused
from portal.database import schema
from tests.billing.conftest import END_OF_NOVEMBER, FIRST_OF_DECEMBER, NOVEMBER
from tests.conftest import on_the_database

D = Decimal
EVER = Span(date(2020, 1, 1), date(2040, 12, 31))
TODAY = FIRST_OF_DECEMBER.date()


def pay(home, amount, *, means="cash", on=TODAY, at=FIRST_OF_DECEMBER):
    return paying.record(home, D(amount), means, paid_on=on, by=None, at=at)


def said():
    return [(one.piece, one.account, one.debit, one.credit) for one in journal.lines(EVER)]


@pytest.fixture
def coded_canteen(canteen):
    return BudgetCode.objects.create(activity=canteen.activity, analytic="CANT", account="70671")


@pytest.fixture
def two_codes(coded_canteen, month, books):
    """12,80 of meals under one code, 7,20 of a lost card under none, on one invoice of 20,00."""
    ManualCharge.objects.create(household=books.household, label="Carte", unit_price=D("7.20"), reason="x")
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return Invoice.objects.get(household=books.household)


# Codes --------------------------------------------------------------------------------------------------


def test_a_line_keeps_the_codes_of_the_day_it_was_issued(two_codes, coded_canteen):
    lines = two_codes.lines.values_list("kind", "analytic_code", "account_code")
    assert list(lines) == [("presence", "CANT", "70671"), ("manual", "", "")]
    coded_canteen.analytic = "AUTRE"
    coded_canteen.save()
    assert two_codes.lines.first().analytic_code == "CANT"


def test_a_formulas_code_wins_over_its_activitys_code_by_code(coded_canteen, canteen, month, books):
    BudgetCode.objects.create(formula=canteen.formula, analytic="REPAS")
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    line = InvoiceLine.objects.filter(invoice__household=books.household).get()
    assert (line.analytic_code, line.account_code) == ("REPAS", "70671")


def test_a_line_of_before_has_todays_codes(owes, canteen):
    pay(owes.household, "12.80")
    assert coded.cashed(EVER).by_code == [(Code("", "7067"), D("12.80"))]
    BudgetCode.objects.create(activity=canteen.activity, analytic="CANT", account="70671")
    assert coded.cashed(EVER).by_code == [(Code("CANT", "70671"), D("12.80"))]


# What was cashed ----------------------------------------------------------------------------------------


def test_a_part_is_shared_in_proportion_and_the_whole_is_exact(two_codes):
    """20,00 = 12,80 + 7,20: 5,00 are 3,20 and 1,80; 0,01 more goes to the greatest remainder."""
    home = two_codes.household
    pay(home, "5")
    assert coded.cashed(EVER).by_code == [(Code("", "7067"), D("1.80")), (Code("CANT", "70671"), D("3.20"))]
    later = FIRST_OF_DECEMBER + timedelta(days=1)
    pay(home, "0.01", on=later.date(), at=later)
    assert coded.cashed(Span(later.date(), later.date())).by_code == [(Code("CANT", "70671"), D("0.01"))]
    pay(home, "14.99", on=later.date(), at=later)
    assert coded.cashed(EVER).by_code == [
        (Code("", "7067"), D("7.20")),
        (Code("CANT", "70671"), D("12.80")),
    ]
    assert coded.cashed(Span(later.date(), later.date())).total == D("15.00")


def test_what_pays_nothing_and_what_was_given_back_is_of_no_code(two_codes):
    payment = pay(two_codes.household, "25")
    found = coded.cashed(EVER)
    assert (found.unused, found.total) == (D("5.00"), D("25.00"))
    paying.refund(payment, D(5), means="cash", paid_on=TODAY, by=None, at=FIRST_OF_DECEMBER)
    found = coded.cashed(EVER)
    assert (found.unused, found.total) == (D("0.00"), D("20.00"))
    assert list(found.rows())[-1] == ("Total", "", D("20.00"))


def test_what_a_credit_note_takes_back_line_by_line_is_not_paid(two_codes):
    """The card is taken back whole: the 12,80 that are paid then are the meals'."""
    card = two_codes.lines.get(kind="manual")
    wanted = Wanted(lines=frozenset([card.pk]))
    invoicing.credit(two_codes, wanted, reason="Retrouvée", by=None, at=FIRST_OF_DECEMBER)
    pay(two_codes.household, "12.80")
    assert coded.cashed(EVER).by_code == [(Code("CANT", "70671"), D("12.80"))]
    assert [one for one in said() if one[0].startswith("A")] == [
        ("A2026-000001", "4111", D("0.00"), D("7.20")),
        ("A2026-000001", "7067", D("7.20"), D("0.00")),
    ]


def test_receipts_stand_on_their_day_of_the_books(two_codes):
    pay(two_codes.household, "20", on=date(2026, 11, 30))
    assert coded.cashed(Span(date(2026, 12, 1), date(2026, 12, 31))).by_code == []
    assert coded.cashed(Span(date(2026, 11, 30), date(2026, 11, 30))).total == D("20.00")


# The journal --------------------------------------------------------------------------------------------


def test_each_piece_says_where_it_goes(two_codes, coded_canteen):
    home = two_codes.household
    payment = pay(home, "20", means="cheque")
    paying.release(payment, D("2.50"))
    invoicing.credit(two_codes, Wanted(amount=D("2.50")), reason="Geste", by=None, at=FIRST_OF_DECEMBER)
    paying.refund(payment, D("2.50"), means="cash", paid_on=TODAY, by=None, at=FIRST_OF_DECEMBER)
    ours = AccountEntry.objects.filter(household=home).values_list("document", flat=True)
    none = D("0.00")
    assert [one for one in said() if one[0] in set(ours)] == [
        (two_codes.number, "4111", D("20.00"), none),
        (two_codes.number, "7067", none, D("7.20")),
        (two_codes.number, "70671", none, D("12.80")),
        (payment.number, "4111", none, D("20.00")),
        (payment.number, "5112", D("20.00"), none),
        ("A2026-000001", "4111", none, D("2.50")),
        ("A2026-000001", "7067", D("0.90"), none),
        ("A2026-000001", "70671", D("1.60"), none),
        ("R2026-000002", "4111", D("2.50"), none),
        ("R2026-000002", "5411", none, D("2.50")),
    ]


def test_a_payment_that_was_reversed_or_moved_goes_back_where_it_came_from(two_codes, waits):
    why = {"reason": "Chèque rejeté", "due_on": TODAY, "by": None, "at": FIRST_OF_DECEMBER}
    bounced = pay(two_codes.household, "20", means="cheque")
    undoing.reverse(bounced, because="bounced", on=TODAY, **why)
    moved = pay(two_codes.household, "12.80", means="transfer")
    undoing.move(moved, waits.household, **why)
    by_account = defaultdict(D)
    for piece, account, debit, credit in said():
        if piece.startswith("R"):
            by_account[account] += debit - credit
    # The bank has 12,80, from whichever family.
    assert {account: total for account, total in by_account.items() if total} == {
        "4111": D("-12.80"),
        "515": D("12.80"),
    }
    assert coded.cashed(EVER).total == D("12.80")


def test_a_means_own_account_wins(two_codes):
    PaymentMeans.objects.create(code="cheque", label="Chèque", account="51121")
    receipt = pay(two_codes.household, "20", means="cheque")
    assert [one[1] for one in said() if one[0] == receipt.number] == ["4111", "51121"]


def test_a_credit_note_on_an_earlier_years_invoice_has_its_account_unless_the_town_says_none(two_codes):
    later = FIRST_OF_DECEMBER.replace(year=2027)
    note = invoicing.credit(two_codes, Wanted(amount=D(5)), reason="Geste", by=None, at=later)
    assert [one[1] for one in said() if one[0] == note.number] == ["4111", "673"]
    JournalAccounts(earlier_years="").save()
    assert [one[1] for one in said() if one[0] == note.number] == ["4111", "7067", "70671"]


def test_what_went_after_ten_years_still_adds_up(two_codes):
    AccountEntry.objects.create(
        household=None, kind="invoice", amount=5, value_on=TODAY, booked_on=TODAY, document="F2000-000001"
    )
    AccountEntry.objects.create(
        household=None, kind="write_off", amount=-5, value_on=TODAY, booked_on=TODAY, document="N2000-000001"
    )
    assert said()[-4:] == [
        ("F2000-000001", "4111", D("5.00"), D("0.00")),
        ("F2000-000001", "7067", D("0.00"), D("5.00")),
        ("N2000-000001", "4111", D("0.00"), D("5.00")),
        ("N2000-000001", "6541", D("5.00"), D("0.00")),
    ]


def test_the_file_ends_with_equal_sums(two_codes):
    pay(two_codes.household, "20")
    *_, last = journal.rows(EVER)
    assert last == (None, "", "", "Total", D("52.80"), D("52.80"))


def test_as_many_queries_for_ten_documents_as_for_one(two_codes):
    def asked(read):
        with CaptureQueriesContext(connection) as found:
            list(read())
        return len(found)

    pay(two_codes.household, "1")
    readers = [lambda: journal.lines(EVER), lambda: coded.cashed(EVER).rows()]
    before = [asked(one) for one in readers]
    for _ in range(9):
        pay(two_codes.household, "1")
    assert [asked(one) for one in readers] == before == [9, 7]


VERBS = st.lists(
    st.tuples(
        st.sampled_from(["pay", "credit", "refund", "release", "use", "line"]),
        st.integers(1, 2500),
        st.sampled_from(["cash", "cheque", "cesu", "online"]),
    ),
    max_size=6,
)


@on_the_database
@given(VERBS)
def test_whatever_is_done_debits_are_credits_and_families_owe_the_debtors_account(two_codes, done):
    home, at = two_codes.household, FIRST_OF_DECEMBER
    with transaction.atomic():
        for number, (verb, cents, means) in enumerate(done):
            amount, at = D(cents) / 100, at + timedelta(hours=number)
            payment = home.payments.filter(amount__gt=0).last()
            with suppress(BillingRefused, PaymentRefused):
                if verb == "pay":
                    pay(home, amount, means=means, at=at)
                elif verb == "credit":
                    invoicing.credit(two_codes, Wanted(amount=amount), reason="Erreur", by=None, at=at)
                elif verb == "use":
                    paying.use_what_is_left(home)
                elif verb == "line":
                    # Lines of any sign and code, as long as they make the total.
                    with schema.lifted("billing.final", connection):
                        meals, card = two_codes.lines.all()
                        for line, change in ((meals, amount), (card, -amount)):
                            line.amount += change
                            line.save()
                elif payment and verb == "release":
                    paying.release(payment, amount)
                elif payment:
                    paying.refund(payment, amount, means=means, paid_on=TODAY, by=None, at=at)
        by_piece = defaultdict(D)
        debtors = D(0)
        for line in journal.lines(EVER):
            assert line.debit >= 0 <= line.credit
            by_piece[line.piece] += line.debit - line.credit
            debtors += (line.debit - line.credit) * (line.account == "4111")
        assert not any(by_piece.values())
        assert debtors == AccountEntry.objects.all().balance()
        found = coded.cashed(EVER)
        assert sum(amount for _, amount in found.by_code) + found.unused == found.total
        transaction.set_rollback(True)
