"""What an adult's meal costs, and the VAT within it, by hand."""

from datetime import date
from decimal import Decimal

from billing.rules import adults, vat
from billing.rules.adults import Price

MONDAY = date(2026, 11, 16)
TEACHERS = Price(Decimal("3.80"), Decimal("6.00"), 7, Decimal(10), "teacher")


def cost(price, booked_on):
    return adults.worth(price, MONDAY, booked_on).amount


def test_a_week_before_costs_the_usual_price_and_six_days_before_the_late_one():
    assert cost(TEACHERS, date(2026, 11, 9)) == Decimal("3.80")
    late = adults.worth(TEACHERS, MONDAY, date(2026, 11, 10))
    assert (late.amount, late.late) == (Decimal("6.00"), True)
    assert late.said == "Réservé après le 9 novembre : 6,00\xa0€."


def test_without_a_late_price_it_is_refused_after_the_deadline():
    price = Price(Decimal("4.20"), None, 2)
    assert cost(price, date(2026, 11, 14)) == Decimal("4.20")
    refused = adults.worth(price, MONDAY, date(2026, 11, 15))
    assert (refused.amount, refused.said) == (None, "Il fallait réserver au plus tard le 14 novembre.")


def test_without_a_deadline_a_meal_may_be_noted_afterwards():
    assert cost(Price(Decimal(5)), date(2026, 11, 20)) == 5


def test_the_own_price_of_a_kind_counts_before_that_of_all_and_the_latest_of_the_day():
    everybody = Price(Decimal(5))
    since_january = Price(Decimal("5.50"), valid_from=date(2027, 1, 1))
    prices = [TEACHERS, everybody, since_january]
    assert adults.holding(prices, "teacher", MONDAY) == TEACHERS
    assert adults.holding(prices, "guest", MONDAY) == everybody
    assert adults.holding(prices, "guest", date(2027, 1, 4)) == since_january
    assert adults.holding([since_january], "guest", MONDAY) is None


def test_a_price_says_itself():
    assert adults.sentence(TEACHERS) == (
        "3,80\xa0€, réservé 7 jours avant au plus tard ; ensuite 6,00\xa0€. TVA 10\xa0% comprise."
    )
    assert adults.sentence(Price(Decimal("4.20"), None, 2)) == (
        "4,20\xa0€, réservé 2 jours avant au plus tard ; ensuite plus de réservation. Sans TVA."
    )


def test_a_price_that_contradicts_itself_is_said():
    assert adults.problems(TEACHERS) == []
    assert len(adults.problems(Price(Decimal(5), Decimal(6)))) == 1
    assert len(adults.problems(Price(Decimal(5), Decimal(4), 7))) == 1


def test_three_euros_eighty_hold_thirty_five_cents_of_vat_at_ten_percent():
    assert vat.net_of(Decimal("3.80"), Decimal(10)) == Decimal("3.45")
    (found,) = vat.by_rate([(Decimal(10), Decimal("3.80"))])
    assert (found.net, found.vat, found.gross) == (Decimal("3.45"), Decimal("0.35"), Decimal("3.80"))


def test_each_rate_is_rounded_once_on_its_sum_and_what_has_none_is_left_out():
    lines = [
        (Decimal(10), Decimal("11.40")),
        (Decimal(0), Decimal("12.80")),
        (Decimal(10), Decimal("6.00")),
        (Decimal("5.5"), Decimal("5.00")),
    ]
    low, high = vat.by_rate(lines)
    assert (low.rate, low.net, low.vat) == (Decimal("5.5"), Decimal("4.74"), Decimal("0.26"))
    assert (high.net, high.vat, high.gross) == (Decimal("15.82"), Decimal("1.58"), Decimal("17.40"))


def test_what_is_given_back_gives_its_vat_back():
    (found,) = vat.by_rate([(Decimal(10), Decimal("-3.80"))])
    assert (found.net, found.vat) == (Decimal("-3.45"), Decimal("-0.35"))
