"""Means of payment as the town has them, and what they pay of a family's invoices."""

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import Invoice, InvoiceLine, Payment, PaymentMeans
from billing.models.means import label
from billing.payments import means, paying
from billing.payments.paying import PaymentRefused
from families.models import Household
from tests.conftest import on_the_database
from tests.factories import ActivityFactory, FormulaFactory, InvoiceFactory

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"
TODAY = date(2026, 11, 9)


@pytest.fixture
def centre(db):
    return FormulaFactory(
        activity=ActivityFactory(name="Centre de loisirs", service="leisure"), name="Journée"
    )


@pytest.fixture
def cesu(centre):
    """The town takes CESU for its leisure centre."""
    row = PaymentMeans.objects.create(code="cesu", label="CESU", limited=True, no_change=True, deposit="slip")
    row.uses.create(activity=centre.activity)
    return row


def bill(home, *lines, child=None, days=(), **invoice):
    """An invoice of lines (formula, amount)."""
    made = InvoiceFactory(
        household=home, total=sum(amount for _, amount in lines), line_count=len(lines), **invoice
    )
    for place, (formula, amount) in enumerate(lines):
        InvoiceLine.objects.create(
            invoice=made,
            position=place,
            child=child,
            formula=formula,
            activity_name=formula.activity.name,
            label=formula.name,
            days=list(days),
            quantity=1,
            unit_price=amount,
            amount=amount,
        )
    return made


@pytest.fixture
def both(books, canteen, centre):
    """12.80 of meals and 9.00 of leisure on one invoice."""
    return bill(books.household, (canteen.formula, D("12.80")), (centre, D("9.00")))


def pay(home, amount, code="cesu", now=None, **said):
    return paying.record(home, D(amount), code, paid_on=TODAY, by=None, at=now, **said)


def left(invoice):
    return Invoice.objects.with_balance().get(pk=invoice.pk).left


def test_cesu_is_refused_beyond_leisure_in_words(books, both, cesu, now):
    with pytest.raises(PaymentRefused) as refused:
        pay(books.household, "21.80", now=now)
    assert str(refused.value) == (
        f"CESU : jusqu'à 9,00{NBSP}€ (Centre de loisirs 9,00{NBSP}€) ; se paie autrement : Restauration"
        f" scolaire 12,80{NBSP}€. Pour prendre davantage, cochez « Garder ce qui dépasse »."
    )
    assert not Payment.objects.exists()
    pay(books.household, "9.00", now=now)
    assert left(both) == D("12.80")
    with pytest.raises(PaymentRefused, match="rien à payer ainsi"):
        pay(books.household, "0.01", now=now)


def test_a_surplus_taken_on_purpose_waits_for_leisure_and_pays_no_meal(
    books, both, cesu, centre, canteen, now
):
    kept = pay(books.household, "15.00", now=now, keep_surplus=True)
    assert (left(both), paying.unused(kept)) == (D("12.80"), D("6.00"))
    meals = bill(books.household, (canteen.formula, D("6.40")))
    assert paying.use_what_is_left(books.household) == 0
    wednesday = bill(books.household, (canteen.formula, D("3.20")), (centre, D("4.50")))
    assert paying.use_what_is_left(books.household) == 1
    assert (left(meals), left(wednesday), paying.unused(kept)) == (D("6.40"), D("3.20"), D("1.50"))


def test_cash_pays_the_rest_before_or_after(books, both, cesu, now):
    pay(books.household, "12.80", "cash", now=now)
    pay(books.household, "9.00", now=now)
    assert left(both) == 0


def test_cesu_does_not_take_more_than_cash_left(books, both, cesu, now):
    pay(books.household, "15.00", "cash", now=now)
    with pytest.raises(PaymentRefused, match=r"jusqu'à 6,80"):
        pay(books.household, "9.00", now=now)


def test_two_vouchers_do_not_pay_the_same_nine_euros(books, both, cesu, centre, now):
    other = PaymentMeans.objects.create(code="ancv", label="Chèque-Vacances", limited=True)
    other.uses.create(activity=centre.activity)
    pay(books.household, "6.00", now=now)
    with pytest.raises(PaymentRefused, match=r"jusqu'à 3,00"):
        pay(books.household, "9.00", "ancv", now=now)


def test_only_the_days_before_the_sixth_birthday_are_paid(books, cesu, centre, now):
    cesu.uses.update(under_age=6)
    books.child.birth_date = date(2020, 10, 15)
    books.child.save()
    days = ["2026-10-07", "2026-10-14", "2026-10-21"]
    bill(books.household, (centre, D("27.00")), child=books.child, days=days)
    with pytest.raises(PaymentRefused, match=r"jusqu'à 18,00"):
        pay(books.household, "27.00", now=now)


def test_who_allocates_by_hand_is_held_too(books, both, cesu, now):
    kept = pay(books.household, "15.00", now=now, keep_surplus=True)
    with pytest.raises(PaymentRefused, match=r"jusqu'à 0,00"):
        paying.allocate(kept, both, D("6.00"))


def test_a_credit_note_is_taken_off_what_cesu_may_pay(books, both, cesu, now):
    invoicing.credit(both, Wanted(amount=D("2.00")), reason="Erreur", by=None, at=now)
    with pytest.raises(PaymentRefused, match=r"jusqu'à 7,00"):
        pay(books.household, "9.00", now=now)


def test_without_a_word_of_the_town_cesu_pays_nothing(books, both, now):
    with pytest.raises(PaymentRefused, match="Moyens de paiement"):
        pay(books.household, "9.00", now=now)


def test_a_means_that_gives_no_change_takes_no_more_than_is_due(books, both, now):
    PaymentMeans.objects.create(code="bon", label="Bon communal", no_change=True)
    with pytest.raises(PaymentRefused, match="pas de rendu de monnaie"):
        pay(books.household, "30.00", "bon", now=now)
    kept = pay(books.household, "30.00", "bon", now=now, keep_surplus=True)
    assert paying.unused(kept) == D("8.20")


def test_payments_of_before_are_called_as_ever_and_as_the_town_calls_them(db):
    assert [label(code) for code in ("online", "transfer", "cesu", "card")] == [
        "Paiement en ligne", "Virement", "CESU", "Carte bancaire au guichet",
    ]  # fmt: skip
    row = PaymentMeans.objects.create(code="card", label="Carte", active=False)
    assert label("card") == "Carte" and "card" not in means.every()
    row.delete()
    assert label("card") == "Carte bancaire au guichet"


AMOUNTS = st.integers(1, 2500).map(lambda cents: D(cents) / 100)


@on_the_database
@given(st.lists(st.tuples(st.sampled_from(["cesu", "cash", "rest"]), AMOUNTS), max_size=6))
def test_in_any_order_cesu_pays_leisure_alone(books, canteen, centre, cesu, now, acts):
    home = Household.objects.get(pk=books.household.pk)
    mine = [bill(home, (canteen.formula, D("12.80")), (centre, D("9.00"))) for _ in range(2)]
    for code, amount in acts:
        if code == "rest":
            paying.use_what_is_left(home)
        else:
            try:
                pay(home, amount, code, now=now, keep_surplus=True)
            except PaymentRefused:
                continue
    for invoice in mine:
        by = invoice.allocations.filter(payment__means="cesu")
        assert sum(one.amount for one in by) <= D("9.00")
        assert left(invoice) >= 0
    # What the property has paid is nobody's afterwards.
    Payment.objects.filter(household=home).update(state="cancelled")
    for invoice in mine:
        invoice.allocations.all().delete()
