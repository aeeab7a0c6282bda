"""« Facturé, payé, impayé »: the drawing's figures, the table behind it, and who may see them."""

import csv
import io
import re
from datetime import date
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from billing.documents import charts as of_months
from billing.documents.charts import MonthFigures, chart, months_of
from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import Invoice, InvoiceLine
from billing.payments import paying
from portal.desk import charts
from portal.desk.charts import BOTTOM, HEIGHT, TOP
from portal.french.dates import months_after
from tests.billing.conftest import END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER
from tests.factories import ActivityFactory, FormulaFactory, HouseholdFactory, InvoiceFactory

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"
PAGE = "admin:billing_payment_chart"
NOVEMBER_1 = date(2026, 11, 1)
FLOOR = D(HEIGHT - BOTTOM)


def of(*amounts, first=date(2026, 1, 1)):
    return [
        MonthFigures(first=months_after(first, rank), billed=D(billed), paid=D(paid))
        for rank, (billed, paid) in enumerate(amounts)
    ]


def bars(drawn, kind):
    return [bar for bar in drawn.bars if bar.kind == kind]


# The drawing ----------------------------------------------------------------------------------------------


def test_heights_are_in_proportion_and_stand_on_zero():
    drawn = chart(of((100, 75), (50, 50)))
    (billed, half), (paid, _) = bars(drawn, "billed"), bars(drawn, "paid")
    (left,) = bars(drawn, "left")
    heights = [D(bar.height) for bar in (billed, paid, left, half)]
    assert heights == [heights[0], heights[0] * D("0.75"), heights[0] / 4, heights[0] / 2]
    assert {D(bar.y) + D(bar.height) for bar in drawn.bars} == {FLOOR}
    assert D(billed.y) == TOP


def test_a_bar_says_its_month_its_kind_and_its_amount():
    (bar,) = bars(chart(of((1250, 0))), "billed")
    assert bar.title == f"janvier 2026, facturé : 1{NBSP}250,00{NBSP}€"


def test_a_month_without_an_invoice_has_its_name_and_no_bar():
    drawn = chart(of((100, 100), (0, 0), (100, 100)))
    assert [mark.text for mark in drawn.months] == ["jan", "fév", "mar"]
    assert len(bars(drawn, "billed")) == 2
    first, last = bars(drawn, "billed")
    assert D(first.x) < D(drawn.months[1].x) < D(last.x)


def test_nothing_at_all_is_still_an_axis():
    drawn = chart(of((0, 0), (0, 0)))
    assert drawn.bars == ()
    assert drawn.amounts[0].zero
    assert len(drawn.amounts) > 1


def test_what_is_left_below_zero_hangs_under_the_axis():
    drawn = chart(of((100, 130)))
    (left,) = bars(drawn, "left")
    (zero,) = [mark for mark in drawn.amounts if mark.zero]
    assert D(left.y) == D(zero.y) < FLOOR
    assert D(left.y) + D(left.height) <= FLOOR
    assert "−30,00" in left.title
    assert drawn.amounts[0].text.startswith("−")


def test_years_stand_under_their_first_month_and_never_over_each_other():
    assert [mark.text for mark in chart(of(*[(1, 1)] * 24, first=date(2025, 1, 1))).years] == ["2025", "2026"]
    two_years = chart(of(*[(1, 1)] * 24, first=date(2024, 12, 1)))
    assert [mark.text for mark in two_years.years] == ["2025", "2026"]


money = st.integers(-10_000_000, 100_000_000).map(lambda number: D(number).scaleb(-2))


@given(st.lists(st.tuples(money, money), min_size=1, max_size=24))
def test_everything_stays_within_the_drawing(amounts):
    drawn = chart(of(*amounts))
    for bar in drawn.bars:
        assert D(bar.height) >= 0
        assert TOP - D("0.02") <= D(bar.y)
        assert D(bar.y) + D(bar.height) <= FLOOR + D("0.02")
        assert D(bar.x) >= charts.LEFT
        assert D(bar.x) + D(bar.width) <= charts.WIDTH - charts.RIGHT + D("0.02")
    assert 2 <= len(drawn.amounts) <= charts.LINES + 2
    assert sum(mark.zero for mark in drawn.amounts) == 1


@given(lowest=st.integers(-100_000, 0), highest=st.integers(0, 10_000_000))
def test_the_axis_counts_in_round_euros(lowest, highest):
    each = charts.step(D(lowest), D(highest))
    assert each * charts.LINES >= highest - lowest
    assert str(each.normalize().as_tuple().digits) in map(str, [(1,), (2,), (2, 5), (5,)])


# The figures ----------------------------------------------------------------------------------------------


@pytest.fixture
def billed(month):
    """Two families owe 12.80 each for November's meals."""
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return list(Invoice.objects.order_by("sequence"))


def pay(household, amount):
    paying.record(household, D(amount), "cash", paid_on=date(2026, 12, 1), by=None, at=END_OF_DECEMBER)


def test_a_month_says_what_was_billed_and_paid(billed, books, waits):
    pay(books.household, "12.80")
    pay(waits.household, "2.80")
    october, november = months_of(date(2026, 10, 1), 2)
    assert (october.billed, october.paid, october.left) == (0, 0, 0)
    assert (november.billed, november.paid, november.left) == (D("25.60"), D("15.60"), D("10.00"))
    assert november.name == "novembre 2026"


def test_credit_notes_are_taken_off(billed):
    invoicing.credit(billed[0], Wanted(amount=D("2.80")), reason="Erreur", by=None, at=END_OF_NOVEMBER)
    (november,) = months_of(NOVEMBER_1, 1)
    assert (november.billed, november.left) == (D("22.80"), D("22.80"))


def test_a_service_has_its_share_of_what_was_paid(billed, books, canteen):
    evening = FormulaFactory(activity=ActivityFactory(code="soir", service="leisure"), code="soir")
    invoice = InvoiceFactory(household=books.household, month=NOVEMBER_1, total=D("40.00"), line_count=3)
    for position, (formula, amount) in enumerate([(evening, 30), (canteen.formula, 6), (None, 4)], start=1):
        InvoiceLine.objects.create(
            invoice=invoice, position=position, formula=formula, label="x", quantity=1, unit_price=amount,
            amount=amount,
        )  # fmt: skip
    invoicing.credit(invoice, Wanted(amount=D("10.00")), reason="Erreur", by=None, at=END_OF_NOVEMBER)
    payment = paying.record(
        books.household, D("20.00"), "cash", paid_on=date(2026, 12, 1), by=None, at=END_OF_DECEMBER,
        invoices=[invoice],
    )  # fmt: skip
    assert paying.unused(payment) == 0
    (leisure,) = months_of(NOVEMBER_1, 1, "leisure")
    assert (leisure.billed, leisure.paid) == (D("22.50"), D("15.00"))
    (meals,) = months_of(NOVEMBER_1, 1, canteen.activity.service)
    assert (meals.billed, meals.paid) == (D("30.10"), D("3.00"))
    assert dict(of_months.services())["leisure"] == str(evening.activity)


def test_ten_invoices_cost_as_many_queries_as_one(billed):
    for service in ("", "catering"):
        with CaptureQueriesContext(connection) as counted:
            months_of(date(2025, 1, 1), 24, service)
        assert len(counted) == 1
    for _ in range(9):
        InvoiceFactory(household=HouseholdFactory(), month=NOVEMBER_1)
    with CaptureQueriesContext(connection) as counted:
        (november,) = months_of(NOVEMBER_1, 1)
    assert len(counted) == 1
    assert november.billed == 11 * D("12.80")


# The page -------------------------------------------------------------------------------------------------


def test_the_page_draws_and_tells_the_same(billed, books, regie_client):
    pay(books.household, "12.80")
    said = regie_client.get(reverse(PAGE)).content.decode()
    assert 'role="img"' in said and '<title id="chart-title">Facturé, payé et impayé' in said
    assert "style=" not in said.partition('<svg class="chart"')[2].partition("</svg>")[0]
    assert f"novembre 2026, impayé : 12,80{NBSP}€" in said
    assert f"<td>25,60{NBSP}€</td><td>12,80{NBSP}€</td><td>12,80{NBSP}€</td>" in said
    assert said.count('<th scope="row">') == 12 + 1
    assert len(re.findall(r'<rect class="chart-left"[^>]*fill="url\(#hachures\)"', said)) == 2  # legend, bar


def test_the_page_shows_two_years_or_one_service_when_asked(billed, regie_client, canteen):
    said = regie_client.get(reverse(PAGE), {"mois": "24", "service": canteen.activity.service})
    assert said.content.decode().count('<th scope="row">') == 24 + 1
    assert said.context["service"] == canteen.activity.service
    other = regie_client.get(reverse(PAGE), {"mois": "999", "service": "<b>"})
    assert (other.context["length"], other.context["service"]) == (12, "")


def test_the_table_is_a_file_too(billed, regie_client):
    answer = regie_client.get(reverse(PAGE), {"format": "csv"})
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig")), delimiter=";"))
    assert len(rows) == 12
    assert rows[-1] == {"Mois": "novembre 2026", "Facturé": "25,60", "Payé": "0,00", "Impayé": "25,60"}


def test_a_town_that_never_billed_is_told_so(regie_client):
    said = regie_client.get(reverse(PAGE)).content.decode()
    assert "Rien n’a été facturé de décembre 2025 à novembre 2026." in said
    assert '<svg class="chart"' not in said


# Several régies -------------------------------------------------------------------------------------------


@pytest.fixture
def shared(two, books):
    """12.80 of the town hall's, all paid; 15.00 of the centre's, 5.00 paid."""
    pay(books.household, "12.80")
    paying.record(
        books.household, D("5.00"), "cash", paid_on=date(2026, 12, 1), by=None, at=END_OF_DECEMBER,
        invoices=[two[1]],
    )  # fmt: skip
    return two


def test_each_regie_has_its_figures_of_the_same_months(shared, centre):
    mine, theirs = (
        of_months.regies_of(NOVEMBER_1, 1)[None],
        of_months.regies_of(NOVEMBER_1, 1)[centre.regie.pk],
    )
    assert (mine.billed, mine.paid, mine.left) == (D("12.80"), D("12.80"), 0)
    assert (theirs.billed, theirs.paid, theirs.left) == (D("15.00"), D("5.00"), D("10.00"))
    (all_of_it,), (hers,) = months_of(NOVEMBER_1, 1), months_of(NOVEMBER_1, 1, only=(centre.regie.pk,))
    assert (all_of_it.billed, all_of_it.left) == (D("27.80"), D("10.00"))
    assert (hers.billed, hers.left) == (D("15.00"), D("10.00"))
    assert months_of(NOVEMBER_1, 1, only=(None,))[0].billed == D("12.80")
    assert of_months.regies_of(NOVEMBER_1, 1, "leisure") == {
        key: of_months.Figures() for key in (None, centre.regie.pk)
    }


def test_the_page_splits_them_and_shows_one_alone(shared, centre, regie_client):
    said = regie_client.get(reverse(PAGE)).content.decode()
    assert "Par régie, de" in said
    assert (
        f'<th scope="row">Mairie</th><td>12,80{NBSP}€</td><td>12,80{NBSP}€</td><td>0,00{NBSP}€</td>' in said
    )
    one = regie_client.get(reverse(PAGE), {"regie": str(centre.regie.pk)})
    assert "Par régie, de" not in one.content.decode()
    assert one.context["totals"][0] == f"15,00{NBSP}€"
    file = regie_client.get(f"{reverse(PAGE)}?{one.context['csv']}").getvalue().decode("utf-8-sig")
    assert file.splitlines()[-1] == "novembre 2026;15,00;5,00;10,00"
    assert regie_client.get(reverse(PAGE), {"regie": "999"}).context["totals"][0] == f"27,80{NBSP}€"


def test_a_town_with_one_regie_sees_nothing_of_it(billed, regie_client):
    said = regie_client.get(reverse(PAGE)).content.decode()
    assert "régie" not in said.partition("desk-choice")[2].lower().partition("</table>")[0]
    assert "Par régie" not in said


def test_only_the_accountant_sees_it_and_is_led_there(billed, regie_client, agent_client, books_client):
    assert agent_client.get(reverse(PAGE)).status_code == 403
    assert books_client.get(reverse(PAGE)).status_code in (302, 403)
    assert reverse(PAGE) in regie_client.get(reverse("admin:index")).content.decode()
    assert reverse(PAGE) not in agent_client.get(reverse("admin:index")).content.decode()
