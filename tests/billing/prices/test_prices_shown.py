"""Parents see what days cost while they choose them, and before they validate."""

from datetime import date
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import FormulaTariff, Tariff, TariffBand, TariffModifier, TariffQuantity
from billing.prices.estimates import forget
from families import residences
from families.models import Child
from portal.french.amounts import euros
from portal.reservations.acts import enrolling, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import ActivityDeadline
from portal.reservations.pages import prices
from tests.factories import QuotientFactory, SchoolClassFactory
from tests.leisure.cast import MONDAY, MONDAY_AFTER, centre, enrol, holidays, plays

__all__ = ["centre", "enrol", "holidays", "plays"]

D = Decimal


def said(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode().replace("\N{NO-BREAK SPACE}", " ")


@pytest.fixture
def planning(books, canteen) -> str:
    return reverse("catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk])


@pytest.fixture
def draft(books, canteen, now):
    """Thursday 19 and Friday 20 November chosen, not recorded."""
    return reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book={Choice(canteen.formula.pk, date(2026, 11, day)) for day in (19, 20)},
        by=books.user,
        at=now,
    )


def test_each_day_says_its_price_and_the_bar_the_total(meals, draft, planning, books_client):
    page = said(books_client.get(planning))
    assert 'aria-label="vendredi 20 novembre 2026, libre, 3,20 €" data-price="320" checked>' in page
    assert '<span class="cell-price" aria-hidden="true">3,20 €</span>' in page
    assert "2 jours choisis · 6,40 €" in page


def test_saving_without_javascript_says_the_new_total(meals, draft, planning, books, canteen, books_client):
    formula = canteen.formula.pk
    days = [f"{formula}:2026-11-{day}" for day in (19, 20, 23)]
    posted = {"do": "save", "version": draft.version, "book": days}
    page = said(books_client.post(planning, posted, follow=True))
    assert "3 jours choisis · 9,60 €" in page


def test_validation_says_each_month_s_price_and_the_total(meals, draft, books_client):
    page = said(books_client.get(reverse("reservations:validation", args=[draft.pk])))
    assert '<span>Novembre 2026</span> <span class="amount">6,40 €</span>' in page
    assert '<p class="row-detail">2 jours × 3,20 €</p>' in page
    assert "Total estimé des jours à réserver : <strong>6,40 €</strong>" in page


def test_late_days_cost_more_on_planning_and_validation(meals, draft, planning, canteen, books_client):
    ActivityDeadline.objects.filter(activity=canteen.activity, action="book").update(late="accept")
    canteen.rule.number = 30  # days before: the two chosen are late since October
    canteen.rule.save()
    assert "2 jours choisis · 8,40 €" in said(books_client.get(planning))
    page = said(books_client.get(reverse("reservations:validation", args=[draft.pk])))
    assert "Total estimé des jours à réserver : <strong>8,40 €</strong>" in page


@pytest.mark.parametrize("month", ["2026-11", "2026-12"])
def test_days_after_a_quotient_s_end_stand_out_and_say_why_in_every_month(
    meals, planning, books, books_client, month
):
    """A month that begins after the end says it too: its prices are no less higher."""
    QuotientFactory(
        household=books.household, value=300, valid_from=date(2026, 1, 1), valid_to=date(2026, 11, 19)
    )
    page = said(books_client.get(planning, {"mois": month}))
    assert "au jeudi 19 novembre 2026. Ensuite, sans nouveau justificatif : 3,20 € au lieu de 1,75 €" in page
    assert ('jeudi 19 novembre 2026, libre, 1,75 €"' in page) is (month == "2026-11")
    assert "libre, 3,20 €, sans quotient connu" in page and " cell--unproved" in page


def test_a_family_that_leaves_the_town_sees_each_day_at_its_price(meals, planning, books, books_client, now):
    TariffModifier.objects.create(tariff=meals, when="non_resident", effect="multiply", amount=2)
    residences.settle(books.household, resident=False, since=date(2026, 11, 20), at=now)
    page = said(books_client.get(planning, {"mois": "2026-11"}))
    assert "jeudi 19 novembre 2026, libre, 3,20 €" in page
    assert "vendredi 20 novembre 2026, libre, 6,40 €" in page


def test_each_day_is_shown_at_the_price_of_its_age_and_class(
    meals, planning, books, school, books_client, now
):
    TariffModifier.objects.create(tariff=meals, when="age", number=9, effect="price", amount=1)
    TariffModifier.objects.create(tariff=meals, when="level", level="maternelle", effect="price", amount=2)
    Child.objects.filter(pk=books.child.pk).update(birth_date=date(2017, 11, 19))
    nursery = SchoolClassFactory(school=school, name="GS", level="maternelle")
    enrolling.attend(books.child, nursery, since=date(2026, 11, 26))
    page = said(books_client.get(planning, {"mois": "2026-11"}))
    for day, price in (("mardi 17", "1,00"), ("vendredi 20", "3,20"), ("jeudi 26", "2,00")):
        assert f"{day} novembre 2026, libre, {price} €" in page


def test_where_another_quotient_follows_nothing_stands_out(meals, planning, books, books_client):
    for value, first, last in ((300, date(2026, 1, 1), date(2026, 11, 19)), (700, date(2026, 11, 20), None)):
        QuotientFactory(household=books.household, value=value, valid_from=first, valid_to=last)
    page = said(books_client.get(planning, {"mois": "2026-12"}))
    assert "sans nouveau justificatif" not in page and "cell--unproved" not in page


def test_without_tariff_no_page_speaks_of_prices(draft, planning, books_client):
    pages = said(books_client.get(planning)) + said(
        books_client.get(reverse("reservations:validation", args=[draft.pk]))
    )
    assert "2 jours choisis<" in pages
    assert "€" not in pages
    assert "data-price" not in pages


def test_a_tariff_by_the_month_says_no_price_of_a_day(canteen, draft, planning, books_client):
    flat = Tariff.objects.create(code="mois", name="Forfait", unit="month", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=flat, low=0, high=None, prices={"": "45"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=flat)
    assert "€" not in said(books_client.get(planning))


def test_leisure_adds_up_the_weeks_not_shown(plays, holidays, enrol, now):
    tariff = Tariff.objects.create(code="vacances", name="Vacances", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "12.50"})
    FormulaTariff.objects.create(formula=holidays.whole, tariff=tariff)
    enrolment = enrol(plays, holidays)
    reservation_drafts.choose(
        enrolment,
        holidays.centre,
        holidays.period,
        book={Choice(holidays.whole.pk, day) for day in (MONDAY, MONDAY_AFTER)},
        by=plays.user,
        at=now,
    )
    address = reverse("leisure:planning", args=[enrolment.pk, holidays.centre.pk, holidays.period.pk])
    page = said(plays.client().get(f"{address}?semaine=2026-W52"))
    assert 'aria-label="Journée, lundi 21 décembre 2026, libre, 12,50 €" data-price="1250" checked>' in page
    assert 'data-elsewhere="1" data-cents-elsewhere="1250"' in page
    assert "2 jours choisis · 25,00 €" in page
    whole = said(plays.client().get(f"{address}?semaine=toutes"))
    assert 'data-price="1250"' in whole
    assert "2 jours choisis · 25,00 €" in whole


def test_a_total_is_not_said_when_one_price_is_unknown():
    assert prices.total([D("3.20"), D("1.75")]) == D("4.95")
    assert prices.total([D("3.20"), None]) is None
    assert prices.total([]) is None


def test_amounts_are_written_in_french():
    assert euros(D("1250.4")) == "1\N{NO-BREAK SPACE}250,40\N{NO-BREAK SPACE}€"


def test_prices_keep_pages_within_their_queries(
    meals, draft, planning, books_client: Client, django_assert_max_num_queries
):
    validation = reverse("reservations:validation", args=[draft.pk])
    books_client.get(planning)  # tariffs are kept half a minute
    for address in (planning, validation):
        with django_assert_max_num_queries(12):
            books_client.get(address)


@pytest.fixture
def two_are_cheaper(meals):
    """From the second meal of a week on, each costs 2.80."""
    meals.columns = ["un", "plusieurs"]
    meals.save()
    meals.bands.all().delete()
    TariffBand.objects.create(tariff=meals, prices={"un": "3.20", "plusieurs": "2.80"})
    TariffQuantity.objects.create(tariff=meals, kind="column", number=2, column="plusieurs")
    forget()


def test_the_planning_says_that_the_number_of_days_counts(two_are_cheaper, draft, planning, books_client):
    page = said(books_client.get(planning))
    assert "Prix selon le nombre, compté à la validation : À partir de 2 jours par semaine : 2,80 €." in page


def test_validation_and_recording_say_the_total_of_so_many_days(two_are_cheaper, draft, books_client):
    page = said(books_client.get(reverse("reservations:validation", args=[draft.pk])))
    assert "Total estimé des jours à réserver : <strong>5,60 €</strong>" in page
    assert "2 jours : tarif « plusieurs » à partir de 2, semaine du 16 novembre." in page


def test_days_under_a_package_have_a_total_though_none_has_a_price(meals, draft, books_client, planning):
    TariffQuantity.objects.create(tariff=meals, kind="package", number=2, amount=51)
    forget()
    page = said(books_client.get(reverse("reservations:validation", args=[draft.pk])))
    assert "Total estimé des jours à réserver : <strong>51,00 €</strong>" in page
    assert "2 jours par semaine : 51,00 €" in said(books_client.get(planning))
