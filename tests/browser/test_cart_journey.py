"""Money before the place in a real browser: keep places, pay them at the bank, or give them back."""

from datetime import date, time, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from billing.models import FormulaTariff, Payment, Tariff, TariffBand
from leisure.models import SERVICE as LEISURE
from portal.reservations.acts import booking, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Advance, Booking, Slot
from tests.browser.journeys import follow
from tests.browser.looking import faults
from tests.factories import (
    ActivityDeadlineFactory,
    ActivityFactory,
    CentreFactory,
    ChildFactory,
    DeadlineRuleFactory,
    EnrolmentFactory,
    FormulaFactory,
    GuardianFactory,
    HouseholdFactory,
    PeriodFactory,
    SchoolYearFactory,
    TownFactory,
    UserFactory,
)

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def camp(transactional_db, settings):
    """Two days at 36.00, recorded just now; 30 % of them keep the places."""
    settings.PAYMENT_PROVIDER = "demo"
    TownFactory()
    today = timezone.localdate()
    household = HouseholdFactory()
    user = UserFactory(username="roux")
    GuardianFactory(household=household, user=user, first_name="Camille", last_name="Roux")
    child = ChildFactory(first_name="Lina", last_name="Roux", households=[household])
    year = SchoolYearFactory(
        name="l'année", starts_on=today - timedelta(days=60), ends_on=today + timedelta(days=200)
    )
    centre = CentreFactory(open_weekdays=0b1111111)
    activity = ActivityFactory(
        service=LEISURE, name="Séjour", establishments=[centre], weekdays=0b1111111, during="always"
    )
    formula = FormulaFactory(activity=activity, name="Jour de séjour", parts=["noon"])
    rule = DeadlineRuleFactory(number=1, at=time(10))
    for action in ("book", "cancel"):
        ActivityDeadlineFactory(activity=activity, action=action, rule=rule)
    period = PeriodFactory(
        activity=activity, school_year=year, starts_on=today, ends_on=today + timedelta(days=30)
    )
    days = [today + timedelta(days=10 + number) for number in range(2)]
    Slot.objects.bulk_create(
        Slot(activity=activity, establishment=centre, day=day, part="noon", capacity=1) for day in days
    )
    tariff = Tariff.objects.create(code="sejour", name="Séjour", valid_from=date(2020, 1, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "36.00"})
    FormulaTariff.objects.create(formula=formula, tariff=tariff)
    Advance.objects.create(activity=activity, kind=Advance.Kind.PART, percent=30)
    enrolment = EnrolmentFactory(
        household=household, child=child, activity=activity, establishment=centre, school_year=year
    )
    return reservation_drafts.choose(
        enrolment,
        centre,
        period,
        book=[Choice(formula.pk, day) for day in days],
        by=user,
        at=timezone.now(),
    )


def record(open_page, camp, **options):
    page = open_page("roux", **options)
    page.goto(f"/reservations/{camp.pk}/enregistrement/")
    expect(page.get_by_text("À payer dans les 20 minutes")).to_contain_text("21,60 €")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", name="À payer avant")).to_be_visible()
    return page


def states():
    return sorted(Booking.objects.values_list("state", flat=True))


def test_the_payment_reserves_the_places(camp, open_page, javascript):
    page = record(open_page, camp, javascript=javascript)
    assert states() == ["held", "held"]
    page.get_by_role("button", name="Payer 21,60 €").click()
    page.get_by_role("button", name="Accepter le paiement").click()
    expect(page.get_by_text("Vos places sont réservées")).to_be_visible()
    assert states() == ["accepted", "accepted"]
    assert Payment.objects.get().amount == Decimal("21.60")


def test_places_are_given_back_from_the_home_page(camp, open_page):
    page = record(open_page, camp)
    page.goto("/")
    follow(page.get_by_role("link", name="Payer").first)
    assert faults(page) == []
    page.get_by_role("button", name="Rendre ces places sans payer").click()
    expect(page.get_by_text("rien n'est dû").first).to_be_visible()
    assert states() == ["cancelled", "cancelled"]


def test_a_card_that_is_refused_may_be_tried_again(camp, open_page):
    booking.submit(camp, by=camp.created_by, at=timezone.now())
    page = open_page("roux")
    follow(page.get_by_role("link", name="Payer").first)
    page.get_by_role("button", name="Payer 21,60 €").click()
    page.get_by_role("button", name="Refuser le paiement").click()
    expect(page.get_by_role("status")).to_contain_text("La banque a refusé")
    page.get_by_role("link", name="Payer à nouveau").click()
    page.get_by_role("button", name="Payer 21,60 €").click()
    page.get_by_role("button", name="Accepter le paiement").click()
    expect(page.get_by_text("Vos places sont réservées")).to_be_visible()
