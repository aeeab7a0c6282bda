"""« Attestation fiscale »: what counts, for whom, in which year; never more than what was paid."""

import io
import zipfile
from datetime import date
from decimal import Decimal

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfReader

from billing.documents import yearly
from billing.documents.yearly import CertificateLine, Paid, care, spread
from billing.invoices import invoicing
from billing.invoices.creditable import Wanted
from billing.models import BillingSettings
from billing.payments import paying
from families.models import Child
from tests.billing.care import JANUARY_2027, OLD, YOUNG, invoiced, pays
from tests.factories import ChildFactory, GuardianFactory, HouseholdFactory, paris

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"
BIRTHS = {1: YOUNG, 2: date(2023, 3, 1), 3: OLD}


cents = st.integers(1, 500_000).map(lambda number: D(number).scaleb(-2))
any_cents = st.integers(-100_000, 500_000).map(lambda number: D(number).scaleb(-2))


# Pure -----------------------------------------------------------------------------------------------------


def test_a_payment_is_spread_to_the_cent():
    assert spread(D("10.00"), [D("10.00"), D("10.00"), D("10.00")]) == [D("3.34"), D("3.33"), D("3.33")]
    assert spread(D("5.00"), [D("30.00"), D("-20.00")]) == [D("15.00"), D("-10.00")]


def test_nothing_is_spread_over_nothing():
    with pytest.raises(ValueError, match="Nothing to spread"):
        spread(D("1.00"), [D("0.00"), D("0.00")])


@given(amount=cents, weights=st.lists(any_cents, min_size=1, max_size=12).filter(lambda all_: sum(all_) > 0))
def test_spreading_keeps_every_cent(amount, weights):
    parts = spread(amount, weights)
    assert sum(parts) == amount
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part - amount * weight / whole) < D("0.01")


@given(weights=st.lists(cents, min_size=1, max_size=12), data=st.data())
def test_no_line_is_paid_more_than_it_costs(weights, data):
    amount = data.draw(st.integers(0, int(sum(weights) * 100)))
    parts = spread(D(amount).scaleb(-2), weights)
    assert all(D(0) <= part <= weight for part, weight in zip(parts, weights, strict=True))


lines = st.lists(
    st.builds(
        CertificateLine,
        child=st.sampled_from([1, 2, 3, None]),
        amount=any_cents,
        care_percent=st.sampled_from([D(0), D(35), D("62.50"), D(100)]),
    ),
    min_size=1,
    max_size=8,
).filter(lambda all_: sum(line.amount for line in all_) > 0)


@st.composite
def payments(draw):
    """Several payments, each at most what its invoice costs."""
    found = []
    for one in draw(st.lists(lines, max_size=5)):
        total = sum(line.amount for line in one)
        amount = D(draw(st.integers(1, int(total * 100)))).scaleb(-2)
        found.append(Paid(amount, tuple(one)))
    return found


@given(payments())
def test_care_never_exceeds_what_was_paid(paid):
    amounts = care(paid, BIRTHS, 2026)
    assert sum(amounts.values()) <= sum(one.amount for one in paid)
    assert all(amount > 0 for amount in amounts.values())
    assert 3 not in amounts


@given(st.lists(cents, min_size=1, max_size=8), st.data())
def test_care_alone_paid_whole_is_certified_whole(prices, data):
    children = [data.draw(st.sampled_from([1, 2])) for _ in prices]
    line = tuple(CertificateLine(child, price, D(100)) for child, price in zip(children, prices, strict=True))
    amounts = care([Paid(sum(prices), line)], BIRTHS, 2026)
    assert sum(amounts.values()) == sum(prices)


@pytest.mark.parametrize(
    ("born", "year", "counts"),
    [
        (date(2017, 1, 1), 2023, True),  # « né en 2017 ou après » for the income of 2023
        (date(2016, 12, 31), 2023, False),
        (date(2023, 6, 1), 2023, True),
        (date(2020, 1, 1), 2026, True),
        (date(2019, 12, 31), 2026, False),
    ],
)
def test_children_count_until_the_year_in_which_they_are_six_on_1_january(born, year, counts):
    paid = [Paid(D("10.00"), (CertificateLine(1, D("10.00"), D(100)),))]
    assert care(paid, {1: born}, year) == ({1: D("10.00")} if counts else {})


def test_only_the_share_of_care_counts():
    meal, evening = CertificateLine(1, D("20.00"), D(0)), CertificateLine(1, D("30.00"), D(100))
    watched = CertificateLine(1, D("50.00"), D(40))
    assert care([Paid(D("50.00"), (meal, evening))], BIRTHS, 2026) == {1: D("30.00")}
    assert care([Paid(D("25.00"), (meal, evening))], BIRTHS, 2026) == {1: D("15.00")}
    assert care([Paid(D("50.00"), (watched,))], BIRTHS, 2026) == {1: D("20.00")}


def test_care_taken_back_lowers_the_year():
    september = Paid(D("40.00"), (CertificateLine(1, D("40.00"), D(100)),))
    october = Paid(
        D("10.00"), (CertificateLine(1, D("-15.00"), D(100)), CertificateLine(1, D("25.00"), D(0)))
    )
    assert care([september, october], BIRTHS, 2026) == {1: D("25.00")}


def test_a_credit_of_another_year_is_not_counted_a_second_time():
    january = Paid(
        D("10.00"), (CertificateLine(1, D("40.00"), D(100)), CertificateLine(2, D("-30.00"), D(0)))
    )
    assert care([january], BIRTHS, 2026) == {1: D("10.00")}


# Loaded ---------------------------------------------------------------------------------------------------


def of(household, year=2026):
    (found,) = yearly.certificates([household], year)
    return {one.child.first_name: one.amount for one in found.children}


@pytest.fixture
def mia(books) -> Child:
    """Lina's sister, four years old in 2026."""
    return ChildFactory(first_name="Mia", last_name="Roux", birth_date=YOUNG, households=[books.household])


@pytest.fixture
def certified(books, mia):
    """Camille Roux paid 30 for Mia's evenings and 20 for her meals in 2026; it is 4 January 2027."""
    BillingSettings(siret="21780006600014").save()
    invoiced(books.household, (mia, "30.00", 100), (mia, "20.00", 0))
    pays(books.household, "50.00", date(2026, 4, 2))
    with time_machine.travel(JANUARY_2027, tick=False):
        yield books


def test_an_amount_counts_in_the_year_it_is_paid(books, mia):
    invoiced(books.household, (mia, "30.00", 100), month=date(2025, 12, 1))
    pays(books.household, "10.00", date(2025, 12, 31))
    pays(books.household, "20.00", date(2026, 1, 1))
    assert (of(books.household, 2025), of(books.household, 2026)) == ({"Mia": D(10)}, {"Mia": D(20)})
    assert yearly.years() == [2026, 2025]


def test_a_payment_not_validated_does_not_count(books, mia):
    invoiced(books.household, (mia, "30.00", 100))
    pays(books.household, "30.00", date(2026, 4, 2), state="pending")
    assert of(books.household) == {}
    assert yearly.years() == []


def test_a_credit_note_lowers_what_counts(books, mia):
    invoice = invoiced(books.household, (mia, "30.00", 100), (mia, "20.00", 0))
    invoicing.credit(invoice, Wanted(amount=D("25.00")), reason="Erreur", by=None, at=JANUARY_2027)
    pays(books.household, "25.00", date(2026, 4, 2))
    assert of(books.household) == {"Mia": D("15.00")}


def test_money_given_back_no_longer_counts(books, mia):
    invoiced(books.household, (mia, "30.00", 100))
    payment = pays(books.household, "30.00", date(2026, 4, 2))
    paying.release(payment, D("12.00"))
    paying.refund(payment, D("12.00"), means="cheque", paid_on=date(2026, 5, 2), by=None, at=JANUARY_2027)
    assert of(books.household) == {"Mia": D("18.00")}


def test_money_that_pays_no_invoice_does_not_count(books, mia):
    invoiced(books.household, (mia, "30.00", 100))
    pays(books.household, "100.00", date(2026, 4, 2))
    assert of(books.household) == {"Mia": D("30.00")}


def test_two_homes_of_a_child_certify_each_its_own_payments(books, mia):
    other = HouseholdFactory()
    mia.households.add(other)
    invoiced(books.household, (mia, "30.00", 100))
    invoiced(other, (mia, "50.00", 100))
    pays(books.household, "30.00", date(2026, 4, 2))
    pays(other, "20.00", date(2026, 4, 2))
    assert (of(books.household), of(other)) == ({"Mia": D(30)}, {"Mia": D(20)})


def test_older_children_and_lines_without_a_child_are_left_out(books, mia):
    lina = books.child
    Child.objects.filter(pk=lina.pk).update(birth_date=OLD)
    invoiced(books.household, (mia, "30.00", 100), (lina, "40.00", 100), (None, "10.00", 100))
    pays(books.household, "80.00", date(2026, 4, 2))
    assert of(books.household) == {"Mia": D(30)}


def test_ten_households_cost_as_many_queries_as_one(certified):
    def cost(households):
        with CaptureQueriesContext(connection) as counted:
            found = yearly.certificates(households, 2026)
        assert all(one.children for one in found)
        return len(counted)

    homes = [certified.household]
    once = cost(homes)
    for number in range(9):
        home = HouseholdFactory()
        GuardianFactory(household=home)
        child = ChildFactory(first_name=f"E{number}", birth_date=YOUNG, households=[home])
        invoiced(home, (child, "30.00", 100))
        invoiced(home, (child, "11.00", 100))
        pays(home, "41.00", date(2026, 4, 2))
        homes.append(home)
    assert cost(homes) == once == 4


# A family's pages -------------------------------------------------------------------------------------------

PAGE, PDF = "billing:tax_certificate", "billing:tax_certificate_pdf"


def test_the_invoices_page_leads_to_the_certificate(certified, books_client, stranger_client):
    said = books_client.get(reverse("billing:invoices")).content.decode()
    assert "Attestation fiscale 2026" in said and "provisoire" not in said
    assert "Attestation" not in stranger_client.get(reverse("billing:invoices")).content.decode()


def test_the_page_names_child_birth_and_amount(certified, books_client):
    said = books_client.get(reverse(PAGE, args=[2026])).content.decode()
    assert "Mia Roux" in said and "10 mai 2022" in said and f"30,00{NBSP}€" in said
    assert reverse(PDF, args=[2026]) in said


def test_the_running_year_is_provisional_and_has_no_pdf(certified, books_client):
    with time_machine.travel(paris(2026, 12, 31, 23), tick=False):
        said = books_client.get(reverse(PAGE, args=[2026])).content.decode()
        assert "Montant provisoire" in said and "disponible à partir du 1er janvier 2027" in said
        assert f"30,00{NBSP}€" in said and reverse(PDF, args=[2026]) not in said
        refused = books_client.get(reverse(PDF, args=[2026]), follow=True)
    assert refused.redirect_chain == [(reverse(PAGE, args=[2026]), 302)]
    assert "sera disponible à partir du 1er janvier 2027" in refused.content.decode()


@pytest.mark.parametrize("name", [PAGE, PDF])
@pytest.mark.parametrize("asked", [2025, 0, 99999])
def test_a_year_without_care_does_not_exist(certified, books_client, name, asked):
    assert books_client.get(reverse(name, args=[asked])).status_code == 404


@pytest.mark.parametrize("name", [PAGE, PDF])
def test_another_household_has_its_own_years_only(certified, stranger_client, name):
    assert stranger_client.get(reverse(name, args=[2026])).status_code == 404


def test_care_taken_back_whole_is_said_in_words(books, mia):
    invoiced(books.household, (mia, "30.00", 100))
    invoiced(books.household, (mia, "-30.00", 100), (mia, "60.00", 0))
    pays(books.household, "60.00", date(2026, 4, 2))
    with time_machine.travel(JANUARY_2027, tick=False):
        client = books.client()
        said = client.get(reverse(PAGE, args=[2026])).content.decode()
        assert "rien à déclarer" in said
        assert client.get(reverse(PDF, args=[2026])).status_code == 404


def test_the_pdf_is_one_tagged_page_that_says_what_the_law_wants(certified, books_client):
    answer = books_client.get(reverse(PDF, args=[2026]))
    assert answer["Content-Type"] == "application/pdf"
    assert "no-store" in answer["Cache-Control"]
    reader = PdfReader(io.BytesIO(answer.content))
    assert len(reader.pages) == 1
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert reader.trailer["/Root"]["/Lang"] == "fr"
    assert reader.metadata.title == (
        f"Attestation fiscale 2026, foyer {certified.household.number} – Valmirelle-les-Prés"
    )
    said = " ".join(reader.pages[0].extract_text().split()).replace(NBSP, " ").replace("’", "'")
    for words in (
        "SIRET 21780006600014", "Camille Roux", certified.household.number, "Mia Roux", "10 mai 2022",
        "30,00 €", "article 200 quater B du code général des impôts", "du 1er janvier au 31 décembre 2026",
        "moins de six ans au 1er janvier 2026", "les repas n'y entrent pas", "4 janvier 2027",
    ):  # fmt: skip
        assert words in said, words


def test_a_certificate_of_six_children_still_holds_on_one_page(books):
    children = [
        ChildFactory(first_name=f"Enfant{n}", last_name="Roux-Delacroix", birth_date=YOUNG) for n in range(6)
    ]
    invoiced(books.household, *((child, "30.00", 100) for child in children))
    pays(books.household, "180.00", date(2026, 4, 2))
    (found,) = yearly.certificates([books.household], 2026)
    assert len(PdfReader(io.BytesIO(yearly.printed(found, at=JANUARY_2027))).pages) == 1


# The desk's ----------------------------------------------------------------------------------------------

DESK = "admin:billing_payment_tax_certificates"
ONE, ZIP = "admin:billing_payment_tax_certificate", "admin:billing_payment_tax_zip"


def test_the_desk_lists_the_year_and_finds_a_household(certified, regie_client):
    page = regie_client.get(reverse(DESK))
    assert page.context["year"] == 2026
    assert "Mia Roux" in page.content.decode() and f"30,00{NBSP}€" in page.content.decode()
    for words, found in (("roux", 1), ("mia roux", 1), (certified.household.number, 1), ("morel", 0)):
        answer = regie_client.get(reverse(DESK), {"annee": "2026", "q": words})
        assert len(answer.context["rows"]) == found, words


def test_the_desk_opens_on_the_last_year_that_is_over(certified, mia, regie_client):
    invoiced(certified.household, (mia, "10.00", 100), month=date(2027, 1, 1))
    paying.record(certified.household, D(10), "cash", paid_on=date(2027, 1, 4), by=None, at=JANUARY_2027)
    page = regie_client.get(reverse(DESK))
    assert (page.context["years"], page.context["year"]) == ([2027, 2026], 2026)
    running = regie_client.get(reverse(DESK), {"annee": "2027"}).content.decode()
    assert "Montants provisoires" in running and ">PDF<" not in running


def test_the_desk_without_any_care_says_so(regie_client):
    assert "Aucun paiement de frais de garde" in regie_client.get(reverse(DESK)).content.decode()


def test_the_desk_gives_one_pdf_and_all_in_a_zip(certified, regie_client):
    one = regie_client.get(reverse(ONE, args=[2026, certified.household.pk]))
    assert one.content.startswith(b"%PDF")
    answer = regie_client.get(reverse(ZIP, args=[2026]))
    assert answer.streaming
    archive = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert archive.namelist() == [f"Attestation-fiscale-2026-{certified.household.number}.pdf"]
    assert archive.read(archive.namelist()[0]) == one.content


def test_the_zip_is_made_some_households_at_a_time(certified, monkeypatch):
    monkeypatch.setattr(yearly, "CHUNK", 2)
    monkeypatch.setattr(yearly.pdf, "draw", lambda template, context, *styles, identifier: b"%PDF")
    for number in range(4):
        home = HouseholdFactory()
        child = ChildFactory(first_name=f"E{number}", birth_date=YOUNG, households=[home])
        invoiced(home, (child, "30.00", 100))
        pays(home, "30.00", date(2026, 4, 2))
    made = yearly.all_printed(2026, at=JANUARY_2027)
    next(made)
    with CaptureQueriesContext(connection) as counted:
        next(made)
    assert len(counted) == 0
    assert len(list(made)) == 3


def test_the_desk_refuses_a_year_that_runs_and_one_that_never_was(certified, regie_client):
    with time_machine.travel(paris(2026, 12, 31, 12), tick=False):
        for address in (reverse(ZIP, args=[2026]), reverse(ONE, args=[2026, certified.household.pk])):
            answer = regie_client.get(address, follow=True)
            assert "sera disponible à partir du 1er janvier 2027" in answer.content.decode()
    assert regie_client.get(reverse(ZIP, args=[2024])).status_code == 404
    assert regie_client.get(reverse(ONE, args=[2024, certified.household.pk])).status_code == 404
    assert regie_client.get(reverse(ONE, args=[2026, 999_999])).status_code == 404


def test_only_the_accountant_sees_what_families_paid(certified, agent_client, books_client):
    for address in (
        reverse(DESK),
        reverse(ZIP, args=[2026]),
        reverse(ONE, args=[2026, certified.household.pk]),
    ):
        assert agent_client.get(address).status_code == 403
        assert books_client.get(address).status_code in (302, 403)


def test_the_desk_s_page_costs_the_same_for_one_household_and_ten(certified, regie_client):
    def cost():
        with CaptureQueriesContext(connection) as counted:
            regie_client.get(reverse(DESK))
        return len(counted)

    cost()
    once = cost()
    for number in range(9):
        home = HouseholdFactory()
        child = ChildFactory(first_name=f"E{number}", birth_date=YOUNG, households=[home])
        invoiced(home, (child, "30.00", 100))
        pays(home, "30.00", date(2026, 4, 2))
    assert cost() == once
