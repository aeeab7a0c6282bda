"""Money before the place: a cart that is paid, runs out, is paid too late; at the bank and at the desk."""

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import invoicing, ledger
from billing.models import (
    FormulaTariff,
    Invoice,
    OnlinePayment,
    OnlineRefund,
    Payment,
    Tariff,
    TariffBand,
    TariffQuantity,
)
from billing.payments import at_desk, late_carts, paying, starting
from billing.payments.events import OnlinePaymentRefused
from billing.prices import estimates
from families.texts import accepting
from portal.reservations.acts import booking, carts, money_first
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Activity, Advance, Booking, Cart, DayRule
from portal.reservations.models.advances import advances
from portal.reservations.pages import late_offers
from portal.reservations.states import Override
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.billing.payments.paying_online import deliver, received
from tests.conftest import brother_of
from tests.factories import ActivityTextFactory, AskedTextFactory, FormulaFactory
from tests.portal.reservations.audit import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    TUESDAY,
    audit,
    choices,
    draft,
    outcomes,
    reserve,
    states,
)

D = Decimal
WEEK = (MONDAY, TUESDAY, THURSDAY)
TWENTY = timedelta(minutes=20)


@pytest.fixture(autouse=True)
def places_stay_right(db):
    yield
    audit()


@pytest.fixture
def deposit(canteen, meals):
    """30 % of the price of the days, within twenty minutes."""
    return Advance.objects.create(activity=canteen.activity, kind=Advance.Kind.PART, percent=30)


@pytest.fixture
def whole(canteen, meals):
    return Advance.objects.create(activity=canteen.activity, kind=Advance.Kind.WHOLE)


@pytest.fixture
def one_place(canteen):
    """One place a day."""
    for day in WEEK:
        slot = canteen.slot(day)
        slot.capacity = 1
        slot.save()


def the_cart():
    return Cart.objects.latest("pk")


def pay_online(stripe, who, at):
    payment = starting.start_cart(the_cart(), by=who.user, at=at)
    deliver(stripe.press(payment.provider_reference, "paid"))
    payment.refresh_from_db()
    return payment


# A place that waits to be paid ----------------------------------------------------------------------------


def test_days_wait_to_be_paid_and_take_their_place(deposit, one_place, canteen, books, waits, now):
    reservation = reserve(books, canteen, *WEEK, at=now)
    assert outcomes(reservation) == ["held"] * 3
    assert reservation.state == "pending"
    assert (the_cart().ends_at, carts.amount(the_cart())) == (now + TWENTY, D("2.88"))  # 30 % of 9.60
    with pytest.raises(BookingRefused, match="plus de place"):
        reserve(waits, canteen, MONDAY, at=now)
    assert not Booking.objects.meals().exists()  # nobody cooks for them yet


def test_the_whole_price_may_be_asked(whole, canteen, books, now):
    reserve(books, canteen, *WEEK, at=now)
    assert carts.amount(the_cart()) == D("9.60")


def test_what_a_town_does_not_ask_is_given_at_once(meals, canteen, books, now):
    assert outcomes(reserve(books, canteen, MONDAY, at=now)) == ["accepted"]
    assert not Cart.objects.exists()


def test_a_period_may_ask_for_more_than_its_activity(deposit, canteen, books, now):
    Advance.objects.create(activity=canteen.activity, period=canteen.period, kind=Advance.Kind.WHOLE)
    reserve(books, canteen, MONDAY, at=now)
    assert carts.amount(the_cart()) == D("3.20")


def by_number(meals, kind, **more):
    TariffQuantity.objects.create(tariff=meals, kind=kind, **more)
    estimates.forget()


def test_a_ceiling_is_counted_with_the_days_that_are_had_already(whole, meals, canteen, books, now):
    """At most 8.00 a month: two days are 6.40, the third one 1.60, and the next one is given at once."""
    by_number(meals, "cap", span="month", amount=D("8.00"))
    reserve(books, canteen, MONDAY, TUESDAY, at=now)
    assert carts.amount(the_cart()) == D("6.40")
    carts.pay(the_cart(), by=None, at=now)
    reserve(books, canteen, THURSDAY, at=now + timedelta(seconds=1))
    assert carts.amount(the_cart()) == D("1.60")
    carts.pay(the_cart(), by=None, at=now + timedelta(seconds=1))
    made = reserve(books, canteen, FRIDAY, at=now + timedelta(seconds=2))
    assert outcomes(made) == ["accepted"] and Cart.objects.count() == 2


def test_what_the_number_changes_is_shared_to_the_cent(deposit, meals, canteen, books, now):
    """9.60 under a ceiling of 8.00: 2.67, 2.67 and 2.66; 30 % of 8.00 are 2.40."""
    by_number(meals, "cap", span="month", amount=D("8.00"))
    reserve(books, canteen, *WEEK, at=now)
    prices = list(the_cart().days.order_by("booking__day").values_list("price", flat=True))
    assert prices == [D("2.67"), D("2.67"), D("2.66")]
    assert carts.amount(the_cart()) == D("2.40")


def test_a_flat_price_of_days_is_paid_first_too(whole, meals, canteen, books, now):
    """Two days at 5.00, three at 6.00: what is one day more costs 1.00."""
    meals.bands.update(prices={"": "3.20", "f2": "5.00", "f3": "6.00"})
    for number in (2, 3):
        by_number(meals, "package", span="week", number=number, column=f"f{number}")
    assert outcomes(reserve(books, canteen, MONDAY, TUESDAY, at=now)) == ["held", "held"]
    assert carts.amount(the_cart()) == D("5.00")
    carts.pay(the_cart(), by=None, at=now)
    reserve(books, canteen, THURSDAY, at=now + timedelta(seconds=1))
    assert carts.amount(the_cart()) == D("1.00")


def test_siblings_of_one_cart_are_counted_together(whole, meals, canteen, books, now):
    """Two on the same day at 5.00 in all: 3.20 for the eldest, 1.80 for the brother, in one cart."""
    by_number(meals, "siblings", span="day", number=2, amount=D("5.00"))
    brother = brother_of(books, "Malo")
    second = SimpleNamespace(enrolment=brother, user=books.user, child=brother.child)
    for who in (books, second):
        reserve(who, canteen, MONDAY, at=now)
    assert carts.amount(the_cart()) == D("5.00")


def test_before_recording_one_reads_what_the_cart_will_ask_for(
    whole, meals, canteen, books, books_client, now
):
    by_number(meals, "cap", span="month", amount=D("8.00"))
    chosen = draft(books, canteen, book=choices(canteen, WEEK), at=now)
    page = books_client.get(reverse("reservations:recording", args=[chosen.pk])).content.decode()
    assert "À payer dans les 20 minutes : 8,00\xa0€" in page


def test_what_costs_nothing_is_given_at_once(deposit, meals, canteen, books, now):
    meals.bands.update(prices={"": "0.00"})
    assert outcomes(reserve(books, canteen, MONDAY, at=now)) == ["accepted"]


def test_siblings_recorded_together_are_one_cart(deposit, canteen, books, now):
    brother = brother_of(books, "Hugo")
    reserve(books, canteen, *WEEK, at=now)
    him = SimpleNamespace(enrolment=brother, user=books.user)
    reserve(him, canteen, MONDAY, at=now)
    assert Cart.objects.count() == 1
    assert carts.amount(the_cart()) == D("3.84")  # 30 % of 12.80


def test_a_day_taken_back_is_not_paid(deposit, canteen, books, now):
    reserve(books, canteen, *WEEK, at=now)
    booking.submit(draft(books, canteen, at=now, cancel=choices(canteen, [MONDAY])), by=books.user, at=now)
    assert states(books, MONDAY) == ["cancelled"]
    assert carts.amount(the_cart()) == D("1.92")


@given(
    prices=st.lists(st.decimals(min_value=0, max_value=300, places=2), max_size=30),
    percent=st.integers(min_value=1, max_value=100),
)
def test_a_deposit_is_never_more_than_the_price(prices, percent):
    due = money_first.to_pay(prices, percent)
    assert D(0) <= due <= sum(prices, D(0))
    assert due == due.quantize(D("0.01"))
    assert money_first.to_pay(prices, 100) == sum(prices, D(0))


# Paid -----------------------------------------------------------------------------------------------------


def test_the_payment_makes_the_reservation(deposit, stripe, canteen, books, now):
    reservation = reserve(books, canteen, *WEEK, at=now)
    payment = pay_online(stripe, books, now + timedelta(minutes=3))
    assert payment.state == "validated"
    reservation.refresh_from_db()
    assert (outcomes(reservation), reservation.state) == (["accepted"] * 3, "accepted")
    # It stands on the account, and the invoice uses it.
    assert ledger.balances([books.household.pk]) == {books.household.pk: D("-2.88")}
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    paying.use_what_is_left(books.household)  # as the task that issues does
    (invoice,) = Invoice.objects.with_balance()
    assert (invoice.total, invoice.left.quantize(D("0.01"))) == (D("9.60"), D("6.72"))
    assert ledger.balances([books.household.pk]) == {books.household.pk: D("6.72")}


def test_told_twice_it_is_paid_once(deposit, stripe, canteen, books, now):
    reserve(books, canteen, MONDAY, at=now)
    payment = pay_online(stripe, books, now)
    event = stripe.press(payment.provider_reference, "paid")
    deliver(event)
    deliver(event)
    assert received(books.household) == [D("0.96")]
    assert carts.pay(the_cart(), by=None, at=now) is carts.Became.ALREADY


def test_a_card_refused_leaves_the_cart_open(deposit, stripe, canteen, books, now):
    reserve(books, canteen, MONDAY, at=now)
    payment = starting.start_cart(the_cart(), by=books.user, at=now)
    deliver(stripe.expire(payment.provider_reference))
    payment.refresh_from_db()
    assert payment.state in ("refused", "cancelled")
    assert (the_cart().state, states(books, MONDAY)) == ("open", ["held"])


def test_the_banks_page_keeps_the_places_once_more(deposit, stripe, canteen, books, now):
    reserve(books, canteen, MONDAY, at=now)
    starting.start_cart(the_cart(), by=books.user, at=now + timedelta(minutes=18))
    assert the_cart().ends_at == now + timedelta(minutes=38)
    again = starting.start_cart(the_cart(), by=books.user, at=now + timedelta(minutes=30))
    assert OnlinePayment.objects.get() == again  # the same page
    assert the_cart().ends_at == now + timedelta(minutes=38)
    assert carts.let_go(at=now + timedelta(minutes=38)) == 1


def test_at_the_desk_it_is_paid_in_cash(deposit, canteen, books, agent, now):
    reserve(books, canteen, MONDAY, at=now)
    with pytest.raises(paying.PaymentRefused, match=r"0,96"):
        at_desk.take(
            books.household, D("0.50"), "cash", cart=the_cart(), paid_on=now.date(), by=agent, at=now
        )
    at_desk.take(books.household, D("0.96"), "cash", cart=the_cart(), paid_on=now.date(), by=agent, at=now)
    assert states(books, MONDAY) == ["accepted"]
    with pytest.raises(paying.PaymentRefused, match="fini ou déjà payé"):
        at_desk.take(
            books.household, D("0.96"), "cash", cart=the_cart(), paid_on=now.date(), by=agent, at=now
        )
    assert received(books.household) == [D("0.96")]


def test_the_town_hall_passes_over_the_payment(deposit, canteen, books, agent, chief, now):
    found = draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    type(found).objects.filter(pk=found.pk).update(at_desk=True)
    passed = Overrides({Override.PAYMENT: "Aide du CCAS."})
    recorded = booking.submit(found, by=chief, at=now, overrides=passed)
    assert outcomes(recorded) == ["accepted"]
    assert recorded.desk_reason == "Paiement : Aide du CCAS."
    assert not Cart.objects.exists()


# Not paid -------------------------------------------------------------------------------------------------


def test_a_cart_that_runs_out_gives_its_place_to_the_next_child(
    deposit, one_place, canteen, books, waits, now, django_capture_on_commit_callbacks, mailoutbox
):
    reservation = reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    assert carts.let_go(at=now + TWENTY - timedelta(seconds=1)) == 0
    with django_capture_on_commit_callbacks(execute=True):
        assert carts.let_go(at=now + TWENTY) == 1
    reservation.refresh_from_db()
    assert (states(books, MONDAY), outcomes(reservation)) == (["cancelled"], ["cancelled"])
    assert states(waits, MONDAY) == ["offered"]  # it has to pay as well
    assert any("Places non payées" in letter.subject for letter in mailoutbox)
    offered = Booking.objects.get(child=waits.child)
    cart = booking.take_offer(offered, by=waits.user, at=now + TWENTY)
    assert (cart, states(waits, MONDAY)) == (the_cart(), ["held"])
    assert carts.pay(cart, by=None, at=now + TWENTY) is carts.Became.PLACES
    assert states(waits, MONDAY) == ["accepted"]
    assert Booking.objects.get(child=waits.child).reservation.state == "accepted"


def test_whoever_reads_a_page_ends_it(deposit, one_place, canteen, books, waits, waits_client, now, round_at):
    reserve(books, canteen, MONDAY, at=now)
    late_offers.forget()
    late_offers.let_go(at=now + TWENTY)
    assert outcomes(reserve(waits, canteen, MONDAY, at=now + TWENTY)) == ["held"]


def test_places_are_given_back_by_a_button(deposit, canteen, books, now):
    reserve(books, canteen, *WEEK, at=now)
    carts.give_back(the_cart(), by=books.user, at=now)
    carts.give_back(the_cart(), by=books.user, at=now)
    assert states(books, *WEEK) == ["cancelled"] * 3
    with pytest.raises(OnlinePaymentRefused, match="fini"):
        starting.start_cart(the_cart(), by=books.user, at=now)


# Too late -------------------------------------------------------------------------------------------------


def test_paid_after_its_end_it_takes_places_that_are_free(deposit, stripe, one_place, canteen, books, now):
    reservation = reserve(books, canteen, *WEEK, at=now)
    payment = starting.start_cart(the_cart(), by=books.user, at=now)
    assert carts.let_go(at=now + timedelta(minutes=21)) == 1
    deliver(stripe.press(payment.provider_reference, "paid"))
    assert states(books, *WEEK) == ["accepted"] * 3
    assert outcomes(reservation) == ["accepted"] * 3
    assert the_cart().state == "paid"


def test_paid_after_its_end_without_places_it_is_given_back_and_said(
    deposit, stripe, one_place, canteen, books, waits, now, django_capture_on_commit_callbacks, mailoutbox
):
    reserve(books, canteen, *WEEK, at=now)
    payment = starting.start_cart(the_cart(), by=books.user, at=now)
    carts.let_go(at=now + timedelta(minutes=21))
    deposit.delete()
    reserve(waits, canteen, MONDAY, at=now + timedelta(minutes=22))
    mailoutbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        deliver(stripe.press(payment.provider_reference, "paid"))
    assert states(books, *WEEK) == ["cancelled"] * 3  # all of them or none
    assert received(books.household) == [D("2.88"), D("-2.88")]
    assert ledger.balances([books.household.pk]) == {books.household.pk: D("0.00")}
    late_carts.give_back.call(payment.pk)  # told again
    assert OnlineRefund.objects.get().state == "done"
    assert any("plus de place" in letter.body for letter in mailoutbox)


def test_paid_after_its_end_it_goes_round_no_rule_of_days_nor_a_missing_text(
    deposit, stripe, canteen, books, now
):
    DayRule.objects.create(activity=canteen.activity, most=2)
    reserve(books, canteen, MONDAY, TUESDAY, at=now)
    payment = starting.start_cart(the_cart(), by=books.user, at=now)
    carts.give_back(the_cart(), by=books.user, at=now + timedelta(minutes=1))
    first = the_cart()
    reserve(books, canteen, THURSDAY, at=now + timedelta(minutes=2))
    carts.pay(the_cart(), by=None, at=now + timedelta(minutes=2))
    assert carts.pay(first, by=None, at=now + timedelta(minutes=3)) is carts.Became.NOTHING
    deliver(stripe.press(payment.provider_reference, "paid"))
    assert states(books, MONDAY, TUESDAY, THURSDAY) == ["cancelled", "cancelled", "accepted"]
    DayRule.objects.all().delete()
    text = AskedTextFactory(code="reglement")
    ActivityTextFactory(activity=canteen.activity, text=text)
    assert carts.pay(first, by=None, at=now + timedelta(minutes=4)) is carts.Became.NOTHING
    accepting.answer(books.household, text.versions.get(), {None: True}, by=books.user, at=now)
    assert carts.pay(first, by=None, at=now + timedelta(minutes=5)) is carts.Became.PLACES


# What contradicts -----------------------------------------------------------------------------------------


def test_who_waits_for_an_answer_cannot_be_asked_to_pay_first(deposit, canteen):
    Activity.objects.update(processing="on_request")
    deposit.activity.refresh_from_db()
    with pytest.raises(ValidationError, match="attendent la réponse"):
        deposit.full_clean()


@pytest.mark.parametrize(("kind", "percent"), [("part", None), ("whole", 30)])
def test_a_deposit_says_its_part_and_nothing_else_does(canteen, kind, percent):
    with pytest.raises(ValidationError, match="sa part du prix"):
        Advance(activity=canteen.activity, kind=kind, percent=percent).full_clean()


# Pages ----------------------------------------------------------------------------------------------------


def test_the_cart_is_read_paid_and_given_back_by_its_own_family_alone(
    deposit, canteen, books, books_client, stranger_client, now
):
    reserve(books, canteen, *WEEK, at=now)
    address = f"/reservations/panier/{the_cart().pk}/"
    page = books_client.get(address).content.decode()
    assert "2,88" in page
    assert "À payer avant" in page
    assert "2,88" in books_client.get("/").content.decode()
    assert stranger_client.get(address).status_code == 404
    assert stranger_client.post(f"/factures/panier/{the_cart().pk}/payer/").status_code == 404
    books_client.post(address, {"reponse": "rendre"})
    assert states(books, *WEEK) == ["cancelled"] * 3
    assert Payment.objects.count() == 0
    assert "sont rendues" in books_client.get(address).content.decode()


def test_home_says_until_when_it_is_to_be_paid_and_leads_there(deposit, canteen, books, books_client, now):
    reserve(books, canteen, MONDAY, at=now)
    page = books_client.get("/").content.decode()
    assert 'icon-held"></span>À payer avant 10\xa0h\xa020</span>' in page
    assert f'<a href="{reverse("reservations:cart", args=[the_cart().pk])}">Payer<span' in page
    assert "said--pending" not in page


def test_a_cart_of_tomorrow_says_its_day(deposit, canteen, books, books_client, now):
    Advance.objects.update(minutes=1440)
    advances.forget()
    reserve(books, canteen, MONDAY, at=now)
    assert "À payer avant le mardi 10 novembre à 10\xa0h" in books_client.get("/").content.decode()


def test_once_it_is_over_the_reservation_says_where_it_stands(deposit, canteen, books, books_client, now):
    made = reserve(books, canteen, MONDAY, at=now)
    carts.give_back(the_cart(), by=books.user, at=now)
    page = books_client.get(reverse("reservations:detail", args=[made.pk])).content.decode()
    assert "À payer avant" not in page


def test_the_reservation_leads_to_its_cart(deposit, canteen, books, books_client, now):
    reservation = reserve(books, canteen, MONDAY, at=now)
    page = f"/reservations/{reservation.pk}/"
    assert f"/reservations/panier/{the_cart().pk}/" in books_client.get(page).content.decode()
    carts.pay(the_cart(), by=None, at=now)
    assert "/reservations/panier/" not in books_client.get(page).content.decode()


def test_recording_leads_to_the_cart(deposit, canteen, books, books_client, now):
    found = draft(books, canteen, at=now, book=choices(canteen, [MONDAY]))
    page = books_client.get(f"/reservations/{found.pk}/enregistrement/").content.decode()
    assert "À payer dans les 20 minutes" in page
    answer = books_client.post(f"/reservations/{found.pk}/enregistrement/")
    assert answer["Location"] == f"/reservations/panier/{the_cart().pk}/"


def test_the_till_names_the_cart_and_takes_its_money(deposit, canteen, books, till_client, now):
    reserve(books, canteen, MONDAY, at=now)
    address = f"/mairie/billing/payment/encaisser/{books.household.pk}/"
    assert "Pour un panier" in till_client.get(address).content.decode()
    paid = {"means": "cash", "paid_on": "2026-11-09", "cart": the_cart().pk}
    too_little = till_client.post(address, paid | {"amount": "0,50"}).content.decode()
    assert "Ce panier est de" in too_little
    assert states(books, MONDAY) == ["held"]
    till_client.post(address, paid | {"amount": "0,96"})
    assert states(books, MONDAY) == ["accepted"]


def test_days_that_the_town_hall_withdraws_leave_their_cart(deposit, one_place, canteen, books, agent, now):
    """What the town hall took back does not come back by being paid."""
    reserve(books, canteen, MONDAY, at=now)
    booking.withdraw(Booking.objects.filter(child=books.child), by=agent, at=now)
    assert carts.amount(the_cart()) == D("0.00")
    assert carts.let_go(at=now + TWENTY) == 1
    assert carts.pay(the_cart(), by=None, at=now + TWENTY) is carts.Became.NOTHING
    assert states(books, MONDAY) == ["cancelled"]


def test_a_cart_whose_days_were_all_taken_back_is_paid_for_nothing(deposit, canteen, books, agent, now):
    reserve(books, canteen, MONDAY, at=now)
    booking.withdraw(Booking.objects.filter(child=books.child), by=agent, at=now)
    assert carts.pay(the_cart(), by=None, at=now) is carts.Became.NOTHING
    assert the_cart().state == "ended"


def test_a_held_day_is_not_changed_nor_answered_by_the_town_hall(deposit, canteen, books, agent, now):
    reservation = reserve(books, canteen, MONDAY, at=now)
    booking.accept(reservation.lines.all(), by=agent, at=now)
    booking.refuse(reservation.lines.all(), reason="Non.", by=agent, at=now)
    assert outcomes(reservation) == ["held"]


# Another formula ------------------------------------------------------------------------------------------


@pytest.fixture
def feast(canteen, meals):
    """Another formula of the canteen, at 8.00."""
    formula = FormulaFactory(activity=canteen.activity, code="fete", name="Repas de fête")
    tariff = Tariff.objects.create(code="fete", name="Fête", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "8.00"})
    FormulaTariff.objects.create(formula=formula, tariff=tariff)
    return formula


def test_who_waits_and_takes_another_formula_pays_it_first(
    whole, one_place, canteen, feast, books, waits, waits_client, now
):
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    slot = canteen.slot(MONDAY)
    slot.capacity = 2
    slot.save()
    waiting = Booking.objects.get(child=waits.child)
    answer = waits_client.post(reverse("reservations:change", args=[waiting.pk]), {"formule": feast.pk})
    assert answer["Location"] == reverse("reservations:cart", args=[the_cart().pk])
    assert Booking.objects.get(child=waits.child, formula=feast).state == "held"
    assert carts.amount(the_cart()) == D("8.00")


def test_a_paid_day_is_not_made_a_dearer_one_for_nothing(whole, stripe, canteen, feast, books, chief, now):
    reserve(books, canteen, MONDAY, at=now)
    pay_online(stripe, books, now)
    paid = Booking.objects.get(child=books.child)
    (foreseen,) = booking.foresee_change(paid, [feast], at=now)
    assert (foreseen.outcome, foreseen.reason) == ("refused", booking.DEARER)
    with pytest.raises(BookingRefused, match="coûte plus cher"):
        booking.change(paid, feast, by=books.user, at=now)
    assert states(books, MONDAY) == ["accepted"]
    passed = Overrides({Override.PAYMENT: "Aide du CCAS."})
    recorded = booking.change(paid, feast, by=chief, at=now, at_desk=True, overrides=passed)
    assert recorded.desk_reason == "Paiement : Aide du CCAS."


def test_a_paid_day_is_made_a_cheaper_one_at_once(whole, stripe, canteen, feast, books, now):
    meal = canteen.formula
    canteen.formula = feast
    reserve(books, canteen, MONDAY, at=now)
    pay_online(stripe, books, now)
    booking.change(Booking.objects.get(child=books.child), meal, by=books.user, at=now)
    assert Booking.objects.get(child=books.child, formula=meal).state == "accepted"
    assert Cart.objects.count() == 1
