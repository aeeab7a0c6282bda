"""When a family may enrol, and for which year: two school years side by side, on the dates of the town."""

from datetime import date

import pytest

from portal.reservations.days.campaigns import Campaigns
from portal.reservations.models import Activity, SchoolYear
from tests.factories import (
    ActivityFactory,
    AudienceFactory,
    CampaignFactory,
    HouseholdFactory,
    SchoolYearFactory,
    TownFactory,
    paris,
)

JUNE = paris(2027, 6, 10, 9)


@pytest.fixture
def years(year) -> tuple[SchoolYear, SchoolYear]:
    TownFactory()
    return year, SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))


@pytest.fixture
def home(db):
    return HouseholdFactory()


@pytest.fixture
def canteen_of(db) -> Activity:
    return ActivityFactory(code="restauration-scolaire")


def open_for(home, activity, at) -> list[str]:
    return [str(one) for one in Campaigns.load(home, at=at).open_years([activity])]


def test_without_a_campaign_the_next_year_opens_as_this_one_ends(home, years, canteen_of):
    """As a village has it that never read of campaigns."""
    assert open_for(home, canteen_of, JUNE) == ["2026-2027"]
    assert open_for(home, canteen_of, paris(2027, 7, 2, 23)) == ["2026-2027"]
    assert open_for(home, canteen_of, paris(2027, 7, 3)) == ["2027-2028"]
    assert open_for(home, canteen_of, paris(2027, 9, 1)) == ["2027-2028"]


def test_a_holiday_activity_of_the_year_that_ends_is_open_all_summer(home, years):
    """A family that comes in July needs July: after what most come for, September."""
    holidays = ActivityFactory(code="vacances", during=Activity.During.HOLIDAYS)
    assert open_for(home, holidays, paris(2027, 7, 15)) == ["2027-2028", "2026-2027"]
    assert open_for(home, holidays, paris(2027, 9, 1)) == ["2027-2028"]


def test_on_10_june_one_enrols_for_both_years(home, years, canteen_of):
    CampaignFactory(school_year=years[1], opens_at=paris(2027, 6, 1, 8))
    assert open_for(home, canteen_of, JUNE) == ["2026-2027", "2027-2028"]


def test_before_it_opens_the_day_and_the_hour_are_said_and_then_what_to_do(home, years, canteen_of):
    CampaignFactory(school_year=years[1], opens_at=paris(2027, 6, 1, 8), closes_at=paris(2027, 7, 15, 18))

    def said(at) -> str:
        return Campaigns.load(home, at=at).closed(canteen_of, years[1]).replace("\xa0", " ")

    assert said(paris(2027, 6, 1, 7, 59)) == (
        "Les inscriptions 2027-2028 ouvrent le mardi 1er juin 2027 à 8 h."
    )
    assert said(paris(2027, 6, 1, 8)) == said(paris(2027, 7, 15, 17, 59)) == ""
    assert said(paris(2027, 7, 15, 18)) == (
        "Les inscriptions 2027-2028 sont closes depuis le jeudi 15 juillet 2027 à 18 h. "
        "Appelez la mairie au 01 99 00 12 34."
    )


def test_the_campaign_of_an_audience_and_that_of_an_activity_count_first(home, years, canteen_of):
    elsewhere = HouseholdFactory(resident=False)
    wednesdays = ActivityFactory(code="mercredis")
    CampaignFactory(school_year=years[1], opens_at=paris(2027, 6, 1))
    later = CampaignFactory(school_year=years[1], audience=AudienceFactory(), opens_at=paris(2027, 6, 21, 8))
    CampaignFactory(school_year=years[1], activity=wednesdays, opens_at=paris(2027, 6, 7))
    now = Campaigns.load(home, at=JUNE), Campaigns.load(elsewhere, at=JUNE)
    assert [one.closed(canteen_of, years[1]) == "" for one in now] == [True, False]
    assert "(hors commune) ouvrent le lundi 21 juin" in now[1].closed(canteen_of, years[1])
    assert [one.closed(wednesdays, years[1]) for one in now] == ["", ""]
    assert Campaigns.load(elsewhere, at=later.opens_at).closed(canteen_of, years[1]) == ""


def test_a_campaign_may_close_the_year_that_runs(home, years, canteen_of):
    CampaignFactory(school_year=years[0], opens_at=paris(2026, 5, 1), closes_at=paris(2026, 10, 1))
    assert open_for(home, canteen_of, paris(2026, 11, 9)) == []


def test_a_year_that_is_over_takes_nobody(home, years, canteen_of):
    assert "est finie" in Campaigns.load(home, at=paris(2027, 9, 2)).closed(canteen_of, years[0])


def test_two_queries_whatever_there_is(home, years, canteen_of, django_assert_num_queries):
    for day in range(1, 10):
        activity = ActivityFactory(code=f"activite-{day}")
        CampaignFactory(school_year=years[1], activity=activity, opens_at=paris(2027, 6, day))
    with django_assert_num_queries(2):
        Campaigns.load(home, at=JUNE).open_years([canteen_of])
