"""Partner towns and agents of the town pay their own prices, day by day, and others pay what they paid."""

from datetime import date
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.invoices import fees, invoicing, told_since
from billing.models import (
    BillingSettings,
    Fee,
    FeePrice,
    FormulaTariff,
    Invoice,
    Tariff,
    TariffBand,
    TariffModifier,
)
from billing.prices import rule_previews
from billing.prices.books import FactsBook, PriceBook
from billing.prices.estimates import Estimates, forget
from billing.rules import pricing
from families import approval, residences
from families.addresses import Address
from portal.reservations.models import Audience, AudienceAddress, AudienceMember
from tests.billing.conftest import END_OF_NOVEMBER, MEALS, NOVEMBER, eats
from tests.factories import ChangeRequestFactory, paris

D = Decimal
MIDDLE = date(2026, 11, 16)


@pytest.fixture
def partners(meals):
    """3.20 € a meal, half as much again from elsewhere; 20 % more from Cesson."""
    made = Audience.objects.create(
        code="partenaires", label="Communes partenaires", belonging="address", order=2
    )
    AudienceAddress.objects.create(audience=made, city="Cesson")
    TariffModifier.objects.create(tariff=meals, when="non_resident", effect="percent", amount=50)
    TariffModifier.objects.create(tariff=meals, when="public", public=made, effect="percent", amount=20)
    return made


@pytest.fixture
def agents(db):
    return Audience.objects.create(
        code="agents", label="Agents", belonging="recognised", order=1, priced_as_resident=True
    )


@pytest.fixture
def neighbour(books):
    books.household.resident, books.household.city = False, "Cesson"
    books.household.save()
    return books.household


def billed() -> Decimal:
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    return Invoice.objects.get().total


def test_a_partner_town_pays_its_own_price_and_the_invoice_says_why(partners, books, neighbour):
    eats(books)
    assert billed() == len(MEALS) * D("3.84")
    assert "Communes partenaires" in Invoice.objects.get().lines.first().explanation


def test_who_moves_to_a_partner_town_in_the_middle_of_the_month_pays_by_where_it_lived(
    partners, books, agent, town
):
    """A request that the town hall accepts: out of the town, to Cesson, from the 16th."""
    town.address = f"1 place de la Mairie, {books.household.postcode} {town.name}"
    town.save()
    books.household.city = town.name
    books.household.save()
    days = [date(2026, 11, 12), date(2026, 11, 13), MIDDLE, date(2026, 11, 17)]
    eats(books, days)
    change = ChangeRequestFactory(
        household=books.household, postcode="35510", city="Cesson", valid_from=MIDDLE
    )
    approval.accept_change(change, by=agent, at=paris(2026, 11, 20, 9))
    assert billed() == 2 * D("3.20") + 2 * D("3.84")


def test_who_leaves_a_partner_town_for_another_town_pays_as_from_elsewhere_from_then_on(
    partners, books, neighbour, now
):
    """It never lived in the town: only its address says what changed."""
    eats(books, [date(2026, 11, 13), MIDDLE])
    before = Address.of(neighbour)
    neighbour.city = "Noyal"
    neighbour.save()
    residences.move(neighbour, before, since=MIDDLE, at=now)
    assert billed() == D("3.84") + D("4.80")


def test_a_move_told_late_may_count_from_when_it_was_told(partners, books, neighbour, now):
    BillingSettings.objects.update_or_create(pk=1, defaults={"residence_late": "told"})
    eats(books, [date(2026, 11, 13), MIDDLE, date(2026, 11, 26)])
    before = Address.of(neighbour)
    neighbour.city = "Noyal"
    neighbour.save()
    residences.move(neighbour, before, since=MIDDLE, at=paris(2026, 11, 24, 9))
    assert billed() == 2 * D("3.84") + D("4.80")


def test_an_agent_pays_as_the_town_from_the_day_on_which_it_is_one_and_before_its_partner_town(
    partners, agents, books, neighbour
):
    AudienceMember.objects.create(audience=agents, household=neighbour, starts_on=MIDDLE)
    eats(books, [date(2026, 11, 13), MIDDLE])
    assert billed() == D("3.84") + D("3.20")


def test_where_its_partner_town_comes_first_an_agent_pays_that_price(partners, agents, books, neighbour):
    Audience.objects.filter(pk=agents.pk).update(order=3)
    AudienceMember.objects.create(audience=agents, household=neighbour, starts_on=MIDDLE)
    eats(books, [date(2026, 11, 13), MIDDLE])
    assert billed() == 2 * D("3.84")


def test_an_agent_from_nowhere_special_pays_as_the_town_where_nothing_is_said(agents, meals, books):
    TariffModifier.objects.create(tariff=meals, when="non_resident", effect="percent", amount=50)
    books.household.resident = False
    books.household.save()
    AudienceMember.objects.create(audience=agents, household=books.household, starts_on=MIDDLE)
    eats(books, [date(2026, 11, 13), MIDDLE])
    assert billed() == D("4.80") + D("3.20")


def test_a_tariff_of_their_own(partners, meals, books, neighbour, canteen):
    own = Tariff.objects.create(code="tarif-2", name="Tarif 2", kind="flat")
    TariffBand.objects.create(tariff=own, low=None, high=None, prices={"": "3.50"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=own, public=partners)
    eats(books)
    assert billed() == len(MEALS) * D("3.50")


def test_families_read_their_price_before_they_reserve(partners, books, neighbour, canteen):
    forget()
    costs = Estimates.load(books.enrolment, MEALS[0], MEALS[-1])
    assert {costs.on(canteen.formula.pk, day) for day in MEALS} == {D("3.84")}


def test_a_fee_asks_agents_from_elsewhere_what_it_asks_the_town(agents, books):
    fee = Fee.objects.create(code="adhesion", name="Adhésion")
    FeePrice.objects.create(fee=fee, amount="15.00", amount_outside="30.00")
    books.household.resident = False
    books.household.save()
    AudienceMember.objects.create(audience=agents, household=books.household, starts_on=MIDDLE)
    asked = fees._Homes([fee], [books.household.pk])
    days = date(2026, 11, 15), MIDDLE
    assert [asked.resident(books.household.pk, day) for day in days] == [False, True]


def test_what_is_recognised_late_is_asked_to_be_recalculated(partners, agents, books, neighbour):
    eats(books)
    billed()
    AudienceMember.objects.create(
        audience=agents, household=neighbour, starts_on=MEALS[0], known_on=date(2026, 12, 3)
    )
    (told,) = told_since.told_since(paris(2026, 12, 4, 9))
    assert (told.month, told.what) == (NOVEMBER.month, "public reconnu")


def test_the_preview_of_a_tariff_has_its_line(partners, meals):
    found = rule_previews.tariff(meals, NOVEMBER.month)
    said = {row.head: [cell.text for cell in row.cells] for row in found.tables[0].rows}
    assert "3,84\xa0€" in said["Communes partenaires"]


def test_a_price_is_for_an_audience_or_for_the_town_not_for_both(partners, meals, canteen):
    with pytest.raises(IntegrityError), transaction.atomic():
        FormulaTariff.objects.create(
            formula=canteen.formula, tariff=meals, public=partners, audience="resident"
        )
    with pytest.raises(IntegrityError), transaction.atomic():
        TariffModifier.objects.create(tariff=meals, when="public", effect="add", amount=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        TariffModifier.objects.create(tariff=meals, when="late", public=partners, effect="add", amount=1)


def test_without_an_audience_prices_ask_for_none(meals, books, canteen, django_assert_num_queries):
    TariffModifier.objects.create(tariff=meals, when="non_resident", effect="percent", amount=50)
    book = PriceBook.load([canteen.formula.pk], MEALS[0], MEALS[-1])
    assert pricing.When.PUBLIC not in book.asks
    with django_assert_num_queries(4):  # settings, households, residences, quotients
        FactsBook.load([books.household.pk], MEALS[0], MEALS[-1], asks=book.asks)
