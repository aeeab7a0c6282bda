"""Cards of tickets: whatever is billed, cancelled and corrected when, tickets come to what one bill at once
would say."""

import uuid
from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from billing.invoices import cards, creditable, drafting, invoicing
from billing.invoices.billable import Scope
from billing.models import (
    BillingSettings,
    FormulaTariff,
    HouseholdCard,
    Invoice,
    InvoiceLine,
    ManualCharge,
    Tariff,
    TariffBand,
    TariffQuantity,
    TicketCard,
    cards_are_sold,
)
from portal.reservations.models import Booking
from portal.reservations.states import BookingState
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, bill, eats
from tests.conftest import enrolled, family, on_the_database
from tests.factories import paris, weekdays_between

D = Decimal
BOUGHT = paris(2026, 11, 3, 9)
# Twelve days of November from the 3rd on, in their order.
TWELVE = [date(2026, 11, day) for day in (3, 5, 6, 9, 10, 12, 13, 16, 17, 19, 20, 23)]
TODAY = date(2026, 11, 30)


@pytest.fixture
def sold(canteen):
    """A meal costs 4 €; ten of them 38 €, until 31 August."""
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "4.00"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    return card(canteen)


def card(canteen, *, tickets=10, price="38", **fields):
    row = TicketCard.objects.create(
        code=f"carte-{tickets}",
        name=f"Carte de {tickets} repas",
        tickets=tickets,
        price=price,
        **({"until_day": 31, "until_month": 8} | fields),
    )
    row.activities.add(canteen.activity)
    return row


def buy(who, what, at=BOUGHT):
    return cards.sell(who.household, what, by=who.user, at=at)


def owed(who):
    """Over all documents of any kind: what lines say, each once."""
    lines = InvoiceLine.objects.filter(invoice__household=who.household)
    return sum((one.amount for one in lines.exclude(kind=InvoiceLine.Kind.CARRIED)), D(0))


def by_ticket(month=NOVEMBER):
    rows = InvoiceLine.objects.filter(invoice__month=month.month, kind="quantity").order_by("pk")
    return [(row.label, row.amount, row.explanation) for row in rows]


# As published ---------------------------------------------------------------------------------------------


def test_of_twelve_meals_ten_take_a_ticket_and_two_are_paid(sold, books):
    buy(books, sold)
    eats(books, TWELVE)
    bill(NOVEMBER, END_OF_NOVEMBER)
    # 38 + 2 × 4.
    assert Invoice.objects.get().total == D("46.00")
    assert by_ticket() == [
        (
            "Carte de 10 repas du 3 novembre : tickets 1 à 10 sur 10",
            D("-40.00"),
            "Payé d'avance : 3, 5, 6, 9, 10, 12, 13, 16, 17 et 19 novembre.",
        )
    ]


def test_a_card_is_billed_once_whatever_the_number_of_runs(sold, books):
    buy(books, sold)
    eats(books, [*TWELVE[:3], date(2026, 12, 3), date(2026, 12, 4)])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == D("38.00")
    bill(DECEMBER, END_OF_DECEMBER)
    bill(*RUNS[2])
    assert owed(books) == D("38.00")
    assert by_ticket(DECEMBER) == [
        (
            "Carte de 10 repas du 3 novembre : tickets 4 et 5 sur 10",
            D("-8.00"),
            "Payé d'avance : 3 et 4 décembre. En tout 20,00\xa0€, dont 12,00\xa0€ déjà sur vos factures.",
        )
    ]


def test_a_day_before_the_card_was_bought_is_paid(sold, books):
    buy(books, sold)
    eats(books, [date(2026, 11, 2), TWELVE[0]])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == D("42.00")


def test_a_day_after_its_end_is_paid(sold, books):
    HouseholdCard.objects.filter(pk=buy(books, sold).pk).update(valid_until=TWELVE[0])
    eats(books, TWELVE[:2])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == D("42.00")


def test_a_second_card_goes_on_where_the_first_ends(sold, books):
    buy(books, sold)
    buy(books, sold, paris(2026, 11, 4, 9))
    eats(books, TWELVE)
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == D("76.00")
    assert [label for label, _, _ in by_ticket()][1].endswith("du 4 novembre : tickets 1 et 2 sur 10")


def test_brothers_and_sisters_share_a_card_and_other_families_do_not(sold, books, waits, canteen):
    buy(books, sold)
    eats(books, TWELVE[:1])
    eats(waits, TWELVE[:1])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert (owed(books), owed(waits)) == (D("38.00"), D("4.00"))


def test_a_day_that_costs_nothing_takes_no_ticket(sold, books):
    TariffBand.objects.update(prices={"": "0"})
    row = buy(books, sold)
    eats(books, TWELVE[:2])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert cards.left(row.household_id)[0].left == 10


def test_a_price_that_counts_days_takes_no_ticket(sold, books):
    TariffQuantity.objects.create(
        tariff=Tariff.objects.get(), kind="cap", amount=D("6.00"), span="week", column=""
    )
    buy(books, sold)
    eats(books, TWELVE[:3])
    bill(NOVEMBER, END_OF_NOVEMBER)
    # 38, and a week of three meals under a ceiling of 6.
    assert Invoice.objects.get().total == D("44.00")


# Cancelled, corrected, credited ---------------------------------------------------------------------------


def test_a_day_cancelled_before_it_is_billed_takes_no_ticket(sold, books):
    row = buy(books, sold)
    eats(books, TWELVE[:3])
    Booking.objects.filter(day=TWELVE[1]).update(state=BookingState.CANCELLED)
    bill(NOVEMBER, END_OF_NOVEMBER)
    (found,) = cards.left(row.household_id)
    assert (found.left, [one.stands.presence.day for one in found.paid]) == (8, [TWELVE[0], TWELVE[2]])


def test_a_day_cancelled_after_it_was_billed_gives_its_ticket_back(sold, books):
    row = buy(books, sold)
    eats(books, TWELVE[:3])
    bill(NOVEMBER, END_OF_NOVEMBER)
    Booking.objects.filter(day=TWELVE[1]).update(state=BookingState.CANCELLED)
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("38.00")
    assert cards.left(row.household_id)[0].left == 8


def test_a_ticket_that_comes_back_pays_the_next_day_that_was_paid(sold, books):
    buy(books, sold)
    eats(books, TWELVE)
    bill(NOVEMBER, END_OF_NOVEMBER)
    Booking.objects.filter(day=TWELVE[0]).update(state=BookingState.CANCELLED)
    bill(DECEMBER, END_OF_DECEMBER)
    # Eleven meals: ten by ticket, one paid.
    assert owed(books) == D("42.00")


def test_a_credit_note_gives_nothing_of_a_day_that_a_ticket_paid(sold, books):
    buy(books, sold)
    eats(books, TWELVE)
    bill(NOVEMBER, END_OF_NOVEMBER)
    found = creditable.of(Invoice.objects.get())
    days = [day.day for line in found.lines for day in line.days]
    assert days == TWELVE[10:]
    assert found.whole == D("46.00")


def test_a_day_that_a_note_credited_takes_no_ticket_later(sold, books):
    buy(books, sold)
    eats(books, TWELVE)
    bill(NOVEMBER, END_OF_NOVEMBER)
    invoice = Invoice.objects.get()
    (item,) = [
        day.item for line in creditable.of(invoice).lines for day in line.days if day.day == TWELVE[10]
    ]
    invoicing.credit(
        invoice, creditable.Wanted(items=frozenset({item})), reason="Geste", by=None, at=END_OF_NOVEMBER
    )
    Booking.objects.filter(day=TWELVE[0]).update(state=BookingState.CANCELLED)
    bill(DECEMBER, END_OF_DECEMBER)
    # The first gives its ticket to the last; the note gave 4 of the one between: 46 − 4.
    assert owed(books) == D("42.00")


# Bought and taken back ------------------------------------------------------------------------------------


def test_the_same_button_pressed_twice_buys_one(sold, books):
    asked = uuid.uuid4()
    for _ in range(2):
        cards.sell(books.household, sold, by=books.user, at=BOUGHT, asked_as=asked)
    assert [charge.unit_price for charge in ManualCharge.objects.all()] == [D("38.00")]


def test_a_card_that_is_not_sold_that_day_is_refused(sold, books):
    sold.valid_from = date(2027, 1, 1)
    sold.save()
    with pytest.raises(cards.CardRefused, match="n'est pas en vente"):
        buy(books, sold)


def test_what_a_card_costs_later_changes_none_that_was_bought(sold, books):
    buy(books, sold)
    TicketCard.objects.update(price=60, tickets=2)
    eats(books, TWELVE[:4])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == D("38.00")


def test_taken_back_before_it_is_billed_it_pays_nothing_and_costs_nothing(sold, books, agent):
    row = buy(books, sold)
    cards.take_back(row, reason="Achetée par erreur.", by=agent, at=paris(2026, 11, 10, 9))
    eats(books, TWELVE[:2])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert Invoice.objects.get().total == D("8.00")


def test_taken_back_once_billed_it_pays_the_days_before(sold, books, agent):
    row = buy(books, sold)
    eats(books, TWELVE[:2])
    bill(NOVEMBER, END_OF_NOVEMBER)
    cards.take_back(row, reason="Départ.", by=agent, at=paris(2026, 12, 1, 9))
    eats(books, [date(2026, 12, 3)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert owed(books) == D("42.00")


def test_it_is_taken_back_once_and_for_a_reason(sold, books, agent):
    row = buy(books, sold)
    with pytest.raises(cards.CardRefused, match="motif"):
        cards.take_back(row, reason=" ", by=agent, at=BOUGHT)
    cards.take_back(row, reason="Erreur.", by=agent, at=BOUGHT)
    with pytest.raises(cards.CardRefused, match="déjà reprise"):
        cards.take_back(row, reason="Erreur.", by=agent, at=BOUGHT)


@pytest.mark.parametrize(
    "fields",
    [{"months": 12}, {"until_day": None}, {"until_day": None, "until_month": None}, {"until_month": 13}],
)
def test_the_database_holds_one_end(canteen, fields):
    with pytest.raises(IntegrityError), transaction.atomic():
        card(canteen, **fields)


# Words ----------------------------------------------------------------------------------------------------


def test_what_is_left_in_words(sold, books):
    row = buy(books, sold)
    eats(books, TWELVE[:3])
    bill(NOVEMBER, END_OF_NOVEMBER)
    (found,) = cards.left(row.household_id)
    assert found.in_words(TODAY) == "Il vous reste 7 tickets, valables jusqu'au 31 août 2027"
    assert found.in_words(date(2027, 9, 1)) == "Terminée depuis le 31 août 2027 : 7 tickets perdus"


# Whatever the order ---------------------------------------------------------------------------------------

DAYS = [day for day in weekdays_between(date(2026, 11, 3), date(2026, 12, 11)) if day.weekday() != 2]
RUNS = [
    (NOVEMBER, END_OF_NOVEMBER),
    (DECEMBER, END_OF_DECEMBER),
    (Scope(date(2027, 1, 1)), paris(2027, 1, 29, 18)),
]


@given(
    eaten=st.lists(st.sampled_from(DAYS), unique=True, max_size=14),
    cancelled=st.sets(st.sampled_from(DAYS), max_size=6),
    between=st.lists(st.integers(0, 2), min_size=14, max_size=14),
    bought=st.lists(st.integers(3, 30), min_size=1, max_size=2),
)
@on_the_database
def test_any_order_of_runs_comes_to_what_one_bill_at_once_would_say(
    sold, canteen, year, school_class, eaten, cancelled, between, bought
):
    with transaction.atomic():
        TicketCard.objects.update(tickets=4)
        who = enrolled(family("ordre", "Ordre", "Ana", school_class), canteen, year)
        sold.refresh_from_db()
        for day in bought:
            buy(who, sold, paris(2026, 11, day, 9))
        for number, run in enumerate(RUNS):
            eats(who, [day for day, when in zip(eaten, between, strict=False) if when == number])
            if number == 2:
                Booking.objects.filter(child=who.child, day__in=cancelled).update(
                    state=BookingState.CANCELLED
                )
            bill(*run)
        stays = sorted(set(eaten) - cancelled)
        free = 0
        left = [[date(2026, 11, day), 4] for day in sorted(bought)]
        for day in stays:
            for one in left:
                if one[1] and one[0] <= day:
                    one[1] -= 1
                    free += 1
                    break
        assert owed(who) == 38 * len(bought) + 4 * (len(stays) - free)
        transaction.set_rollback(True)


# What it costs --------------------------------------------------------------------------------------------


def queries(who):
    settings = BillingSettings.current()
    cards_are_sold()
    with CaptureQueriesContext(
        connection,
    ) as asked:
        drafting.drafts([one.household.pk for one in who], NOVEMBER, settings)
    return [query["sql"] for query in asked]


def test_a_town_without_cards_asks_nothing_of_them(sold, books):
    sold.delete()
    eats(books, TWELVE)
    assert not [sql for sql in queries([books]) if "card" in sql and "manualcharge" not in sql]


def test_as_many_queries_for_two_families_as_for_one(sold, books, waits):
    for who in (books, waits):
        buy(who, sold)
        eats(who, TWELVE)
    assert len(queries([books, waits])) == len(queries([books]))
