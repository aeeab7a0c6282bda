"""A credit note on any issued invoice, paid or not: whole, by line, by days."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.invoices import creditable, invoicing, ledger
from billing.invoices.creditable import Wanted
from billing.invoices.invoicing import BillingRefused
from billing.models import (
    AccountEntry,
    BilledItem,
    BillingSettings,
    CreditedItem,
    CreditNote,
    CreditNoteLine,
    Invoice,
    ManualCharge,
)
from billing.payments import crediting, paying
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.billing.conftest import (
    DECEMBER,
    END_OF_DECEMBER,
    FIRST_OF_DECEMBER,
    MEALS,
    eats,
)

D = Decimal
WHOLE = Wanted(whole=True)


def invoice_of(home, **which):
    return Invoice.objects.with_balance().get(household=home.household, **which)


def credit(invoice, wanted=WHOLE, **said):
    said = {"reason": "Repas non servis", "by": None, "at": FIRST_OF_DECEMBER} | said
    return crediting.credit(invoice, wanted, **said)


def pays(home, amount, **said):
    said = {"paid_on": date(2026, 11, 30), "by": None, "at": FIRST_OF_DECEMBER} | said
    return paying.record(home.household, D(amount), "cash", **said)


def days(invoice, *wanted):
    """These days of the invoice, to be credited."""
    items = BilledItem.objects.filter(line__invoice=invoice, booking__day__in=wanted, line__kind="presence")
    return Wanted(items=frozenset(items.values_list("pk", flat=True)))


def balance(home):
    found = AccountEntry.objects.filter(household=home.household).balance()
    assert found == ledger.standing([home.household.pk]).get(home.household.pk, D(0))
    return found


def cancel(*days):
    Booking.objects.filter(day__in=days).update(state=BookingState.CANCELLED)


def bill_december():
    invoicing.issue(invoicing.start(DECEMBER, by=None, at=END_OF_DECEMBER), at=END_OF_DECEMBER)


def test_a_paid_invoice_is_credited_by_days_and_what_they_cost_is_kept_for_the_next_one(owes):
    """12,80 paid, three of its four meals credited: −9,60 on the account, whatever is billed next."""
    payment = pays(owes, "12.80")
    note = credit(invoice_of(owes), days(invoice_of(owes), *MEALS[:3]))
    assert (note.number, note.amount, note.freed, note.becomes) == (
        "A2026-000001", D("9.60"), D("9.60"), "kept",
    )  # fmt: skip
    now = invoice_of(owes)
    assert (now.paid, now.credited, now.left) == (D("3.20"), D("9.60"), 0)
    assert paying.unused(payment) == D("9.60") and balance(owes) == D("-9.60")
    eats(owes, [date(2026, 12, 3)])
    bill_december()
    paying.use_what_is_left(owes.household)
    assert invoice_of(owes, month=DECEMBER.month).left == 0 and balance(owes) == D("-6.40")


def test_the_note_says_which_days_of_which_line_at_what_price(owes):
    invoice = invoice_of(owes)
    note = credit(invoice, days(invoice, MEALS[0], MEALS[2]))
    (line,) = note.lines.all()
    assert (line.line, line.label) == (invoice.lines.get(), "Repas")
    assert (line.quantity, line.unit_price, line.amount) == (2, D("3.20"), D("6.40"))
    assert line.days == ["2026-11-02", "2026-11-05"]
    assert CreditedItem.objects.count() == 2


def test_an_unpaid_invoice_is_lowered_and_frees_nothing(owes):
    note = credit(invoice_of(owes), days(invoice_of(owes), MEALS[0]))
    assert (note.freed, note.becomes) == (0, "")
    assert invoice_of(owes).left == D("9.60") == balance(owes)


def test_of_an_invoice_paid_in_part_only_what_exceeds_what_is_left_is_freed(owes):
    payment = pays(owes, "10")
    note = credit(invoice_of(owes), days(invoice_of(owes), *MEALS[:2]), becomes="refunded")
    assert (note.amount, note.freed, note.becomes) == (D("6.40"), D("3.60"), "refunded")
    assert (invoice_of(owes).left, paying.unused(payment), balance(owes)) == (0, D("3.60"), D("-3.60"))


def test_the_payment_used_last_is_freed_first(owes):
    first, second = pays(owes, "10"), pays(owes, "2.80")
    credit(invoice_of(owes), days(invoice_of(owes), MEALS[0]), becomes="refunded")
    assert (paying.unused(first), paying.unused(second)) == (D("0.40"), D("2.80"))


def test_what_is_kept_pays_at_once_what_the_family_owes_besides(owes):
    eats(owes, [date(2026, 12, 3)])
    pays(owes, "12.80")
    bill_december()
    credit(invoice_of(owes, month=date(2026, 11, 1)), at=END_OF_DECEMBER)
    assert invoice_of(owes, month=DECEMBER.month).left == 0 and balance(owes) == D("-9.60")


def test_what_is_to_be_given_back_pays_nothing_else(owes):
    eats(owes, [date(2026, 12, 3)])
    payment = pays(owes, "12.80")
    bill_december()
    credit(invoice_of(owes, month=date(2026, 11, 1)), at=END_OF_DECEMBER, becomes="refunded")
    assert paying.unused(payment) == D("12.80")
    assert invoice_of(owes, month=DECEMBER.month).left == D("3.20")


@pytest.mark.parametrize("wanted", ["whole", "lines", "items"])
def test_whole_is_whole_however_it_is_said(owes, wanted):
    invoice = invoice_of(owes)
    said = {
        "whole": WHOLE,
        "lines": Wanted(lines=frozenset({invoice.lines.get().pk})),
        "items": days(invoice, *MEALS),
    }
    note = credit(invoice, said[wanted])
    (line,) = note.lines.all()
    assert (note.amount, line.quantity, line.days) == (D("12.80"), 4, invoice.lines.get().days)
    assert CreditedItem.objects.count() == 4


def test_a_free_amount_is_of_no_day_even_where_the_days_come_to_as_much(owes):
    note = credit(invoice_of(owes), Wanted(amount=D("12.80")))
    assert (note.lines.get().line, CreditedItem.objects.count()) == (None, 0)
    assert invoice_of(owes).left == 0


def test_a_free_amount_is_of_no_day_and_never_more_than_the_invoice(owes):
    note = credit(invoice_of(owes), Wanted(amount=D("2.80")))
    assert (note.lines.get().line, CreditedItem.objects.count()) == (None, 0)
    with pytest.raises(BillingRefused, match="Il ne reste que 10,00"):
        credit(invoice_of(owes), Wanted(amount=D("10.01")))
    credit(invoice_of(owes))
    assert invoice_of(owes).left == 0
    with pytest.raises(BillingRefused, match="déjà créditée"):
        credit(invoice_of(owes), Wanted(amount=D(1)))


# A day is credited once ----------------------------------------------------------------------------------


def test_a_day_credited_is_not_credited_again(owes):
    invoice = invoice_of(owes)
    wanted = days(invoice, MEALS[0])
    credit(invoice, wanted)
    with pytest.raises(BillingRefused, match="vient d'être crédité"):
        credit(invoice, wanted)
    assert credit(invoice).amount == D("9.60")


def test_a_day_credited_by_hand_and_cancelled_afterwards_is_not_given_back_twice(owes):
    invoice = invoice_of(owes)
    credit(invoice, days(invoice, MEALS[0]))
    cancel(*MEALS[:2])
    eats(owes, [date(2026, 12, day) for day in (3, 4)])
    bill_december()
    # One of the two: 6,40 for December, less 3,20.
    assert invoice_of(owes, month=DECEMBER.month).total == D("3.20")


def test_a_day_taken_back_by_an_invoice_is_not_credited_besides(owes):
    cancel(MEALS[0])
    eats(owes, [date(2026, 12, day) for day in (3, 4)])
    bill_december()
    invoice = invoice_of(owes, month=date(2026, 11, 1))
    assert days(invoice, MEALS[0]).items
    with pytest.raises(BillingRefused, match="repris par une facture"):
        credit(invoice, days(invoice, MEALS[0]))
    assert credit(invoice, at=END_OF_DECEMBER).amount == D("9.60")


def test_a_day_credited_then_seen_otherwise_costs_nothing_still(owes):
    invoice = invoice_of(owes)
    credit(invoice, days(invoice, *MEALS))
    Booking.objects.filter(day=MEALS[0]).update(late=True)
    eats(owes, [date(2026, 12, 3)])
    bill_december()
    assert invoice_of(owes, month=DECEMBER.month).total == D("3.20")


def test_what_an_invoice_took_off_stays_the_family_s_when_it_is_credited_whole(owes):
    """December: four meals less one of November's, 9,60. Credited whole, that one comes off the next one."""
    cancel(MEALS[0])
    eats(owes, [date(2026, 12, day) for day in (3, 4, 10, 11)])
    bill_december()
    december = invoice_of(owes, month=DECEMBER.month)
    note = credit(december, at=END_OF_DECEMBER)
    assert (december.total, note.amount) == (D("9.60"), D("9.60"))
    assert [one.amount for one in note.lines.all()] == [D("12.80"), D("-3.20")]
    assert ManualCharge.objects.get().unit_price == D("-3.20")


def test_lines_beyond_what_an_invoice_came_to_are_refused(owes):
    cancel(MEALS[0])
    eats(owes, [date(2026, 12, day) for day in (3, 4, 10, 11)])
    bill_december()
    december = invoice_of(owes, month=DECEMBER.month)
    with pytest.raises(BillingRefused, match="Il ne reste que 9,60"):
        credit(december, Wanted(lines=frozenset({december.lines.get(kind="presence").pk})))


def test_the_days_of_a_statement_that_an_invoice_took_over_are_credited_by_it(month, books):
    settings = BillingSettings.current()
    settings.minimum_amount = D(15)
    settings.save()
    at = END_OF_DECEMBER
    invoicing.issue(invoicing.start(invoicing.Scope(date(2026, 11, 1)), by=None, at=at), at=at)
    eats(books, [date(2026, 12, 3)])
    bill_december()
    invoice = invoice_of(books)
    carried = creditable.of(invoice).lines
    assert sorted(len(one.days) for one in carried) == [1, 4]
    note = credit(invoice, at=at)
    assert note.amount == D("16.00") and CreditedItem.objects.count() == 5


# It is final ---------------------------------------------------------------------------------------------


def test_lines_of_a_note_stay_as_they_are_and_none_is_added(owes):
    note = credit(invoice_of(owes))
    rows = note.lines.all()
    for change in (
        lambda: rows.update(amount=1),
        lambda: rows._raw_delete("default"),
        lambda: CreditedItem.objects.all()._raw_delete("default"),
        lambda: CreditNoteLine.objects.create(
            note=note, position=2, label="Autre", quantity=1, unit_price=1, amount=1
        ),
    ):
        with pytest.raises(IntegrityError, match="ne change plus"), transaction.atomic():
            change()


def test_a_note_that_is_no_longer_what_was_shown_is_not_issued(owes):
    seen = crediting.foresee(invoice_of(owes), WHOLE).stamp
    pays(owes, "12.80")
    with pytest.raises(BillingRefused, match="nouvel aperçu"):
        credit(invoice_of(owes), seen=seen)
    assert not CreditNote.objects.exists()
    credit(invoice_of(owes), seen=crediting.foresee(invoice_of(owes), WHOLE).stamp)
