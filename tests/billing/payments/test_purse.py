"""The account of a household that has to cover days before they are booked."""

from decimal import Decimal

import pytest

from billing.invoices import invoicing, ledger
from billing.models import Invoice, OnlinePayment, RefundRule, RefundStep
from billing.payments import paying, purse, starting
from portal.reservations.acts import booking, carts
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused, NotCovered
from portal.reservations.models import Advance, Booking, Cart
from portal.reservations.states import Override
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.billing.payments.paying_online import deliver
from tests.portal.reservations.audit import (
    MONDAY,
    THURSDAY,
    TUESDAY,
    audit,
    choices,
    draft,
    give_up,
    outcomes,
    reserve,
    states,
)

D = Decimal


@pytest.fixture(autouse=True)
def places_stay_right(db):
    yield
    audit()


@pytest.fixture
def account(canteen, meals):
    """The household's account has to cover meals of 3.20."""
    return Advance.objects.create(activity=canteen.activity, kind=Advance.Kind.ACCOUNT, alert_below=D("5.00"))


def pays_in(who, amount, at):
    return paying.record(
        who.household, D(amount), "cash", paid_on=at.date(), by=None, at=at, invoices=[], keep_surplus=True
    )


def left(who, canteen):
    return purse.available(who.household.pk, canteen.activity.pk)


def test_days_are_booked_as_long_as_the_account_covers_them(account, canteen, books, now):
    pays_in(books, "5.40", now)
    with pytest.raises(NotCovered) as refused:
        reserve(books, canteen, MONDAY, TUESDAY, THURSDAY, at=now)
    said = str(refused.value).replace("\N{NO-BREAK SPACE}", " ")
    assert said == (
        "Il manque 4,20 € sur votre compte famille : ces jours coûtent 9,60 €, il reste 5,40 €. "
        "Ajoutez de l'argent : vos jours restent choisis."
    )
    assert not Booking.objects.exists()
    pays_in(books, "4.20", now)
    assert outcomes(reserve(books, canteen, MONDAY, TUESDAY, THURSDAY, at=now)) == ["accepted"] * 3
    assert left(books, canteen) == D("0.00")


def test_what_is_booked_is_spent_and_what_is_given_up_is_not(account, canteen, books, now):
    pays_in(books, "3.20", now)
    reserve(books, canteen, MONDAY, at=now)
    with pytest.raises(NotCovered):
        reserve(books, canteen, TUESDAY, at=now)
    give_up(books, canteen, MONDAY, at=now)
    assert left(books, canteen) == D("3.20")
    reserve(books, canteen, TUESDAY, at=now)
    # One day instead of another, at once.
    found = draft(
        books, canteen, at=now, book=choices(canteen, [THURSDAY]), cancel=choices(canteen, [TUESDAY])
    )
    booking.submit(found, by=books.user, at=now)
    assert states(books, TUESDAY, THURSDAY) == ["cancelled", "accepted"]


def test_once_billed_the_ledger_says_it_alone(account, canteen, books, now):
    pays_in(books, "10.00", now)
    reserve(books, canteen, MONDAY, at=now)
    assert left(books, canteen) == D("6.80")
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    assert Invoice.objects.get().total == D("3.20")
    assert left(books, canteen) == D("6.80")
    assert ledger.balances([books.household.pk]) == {books.household.pk: D("-6.80")}


def test_a_deposit_that_waits_for_its_invoice_is_not_spent_again(account, canteen, books, now):
    """The period of the meals asks for a deposit instead; its 2.88 € stand on the same ledger."""
    Advance.objects.create(
        activity=canteen.activity, period=canteen.period, kind=Advance.Kind.PART, percent=30
    )
    reserve(books, canteen, MONDAY, TUESDAY, THURSDAY, at=now)
    pays_in(books, "2.88", now)
    carts.pay(Cart.objects.get(), by=None, at=now)
    assert ledger.balances([books.household.pk]) == {books.household.pk: D("-2.88")}
    assert left(books, canteen) == D("0.00")


def test_the_town_hall_passes_over_it(account, canteen, books, chief, now):
    found = draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    type(found).objects.filter(pk=found.pk).update(at_desk=True)
    with pytest.raises(NotCovered):
        booking.submit(found, by=chief, at=now)
    passed = Overrides({Override.PAYMENT: "Aide du CCAS."})
    assert outcomes(booking.submit(found, by=chief, at=now, overrides=passed)) == ["accepted"]


def test_a_place_that_frees_is_offered_and_taken_if_it_is_covered(account, canteen, books, waits, agent, now):
    slot = canteen.slot(MONDAY)
    slot.capacity = 1
    slot.save()
    pays_in(books, "3.20", now)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    booking.cancel(Booking.objects.filter(child=books.child), by=agent, at=now)
    offered = Booking.objects.get(child=waits.child)
    assert offered.state == "offered"
    with pytest.raises(BookingRefused, match="Il manque"):
        booking.take_offer(offered, by=waits.user, at=now)
    pays_in(waits, "3.20", now)
    assert booking.take_offer(offered, by=waits.user, at=now) is None
    assert states(waits, MONDAY) == ["accepted"]


def test_money_is_added_online(account, stripe, canteen, books, now):
    payment = starting.start_top_up(books.household, D("20.00"), regie=None, by=books.user, at=now)
    event = stripe.press(payment.provider_reference, "paid")
    deliver(event)
    deliver(event)
    assert OnlinePayment.objects.get().state == "validated"
    assert left(books, canteen) == D("20.00")


def test_home_and_planning_say_what_is_left(account, stripe, canteen, books, books_client, now):
    pays_in(books, "4.90", now)
    home = books_client.get("/").content.decode()
    assert "4,90" in home
    assert "presque plus rien" in home  # below 5.00
    page = books_client.get("/factures/compte/ajouter/").content.decode()
    assert "4,90" in page
    answer = books_client.post("/factures/compte/ajouter/", {"amount": "12,50"})
    assert answer.status_code == 302
    assert OnlinePayment.objects.get().amount == D("12.50")
    assert books_client.post("/factures/compte/ajouter/", {"amount": "0"}).status_code == 200


def test_money_goes_to_the_account_that_was_chosen(
    account, centre, stripe, canteen, books, books_client, now
):
    account.delete()
    Advance.objects.create(activity=centre.activity, kind=Advance.Kind.ACCOUNT)
    Advance.objects.create(activity=canteen.activity, kind=Advance.Kind.ACCOUNT)
    page = "/factures/compte/ajouter/"
    assert books_client.post(page, {"amount": "5,00", "regie": "0"}).status_code == 302
    assert OnlinePayment.objects.latest("pk").regie is None
    said = books_client.post(page, {"amount": "5,00", "regie": centre.regie.pk}).content.decode()
    assert "pas proposé par votre mairie" in said  # that régie has no contract with a bank
    assert books_client.post(page, {"amount": "5,00"}).status_code == 200  # nobody guesses
    assert books_client.post(page, {"amount": "5,00", "regie": "999"}).status_code == 200
    assert OnlinePayment.objects.count() == 1


def test_a_town_without_accounts_has_no_such_page(meals, books, books_client, stranger_client):
    assert books_client.get("/factures/compte/ajouter/").status_code == 404
    assert stranger_client.get("/factures/compte/ajouter/").status_code == 404


def test_what_stays_due_of_a_day_given_up_is_spent(account, canteen, books, now):
    """Half of a meal of 3.20 comes back, however late it is cancelled."""
    rule = RefundRule.objects.create(activity=canteen.activity, valid_from=now.date())
    RefundStep.objects.create(rule=rule, days_before=0, percent=50)
    pays_in(books, "6.40", now)
    reserve(books, canteen, MONDAY, TUESDAY, at=now)
    give_up(books, canteen, MONDAY, at=now)
    assert left(books, canteen) == D("1.60")
    with pytest.raises(NotCovered):
        reserve(books, canteen, THURSDAY, at=now)
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    assert (Invoice.objects.get().total, left(books, canteen)) == (D("4.80"), D("1.60"))


def test_one_day_instead_of_another_is_covered_with_what_stays_due_of_it(account, canteen, books, now):
    rule = RefundRule.objects.create(activity=canteen.activity, valid_from=now.date())
    RefundStep.objects.create(rule=rule, days_before=0, percent=50)
    pays_in(books, "3.20", now)
    reserve(books, canteen, TUESDAY, at=now)
    found = draft(
        books, canteen, at=now, book=choices(canteen, [THURSDAY]), cancel=choices(canteen, [TUESDAY])
    )
    with pytest.raises(NotCovered):
        booking.submit(found, by=books.user, at=now)
    pays_in(books, "1.60", now)
    booking.submit(found, by=books.user, at=now)
    assert left(books, canteen) == D("0.00")
