"""Audiences of the town: who is of them, when what opens to them, and what it costs to know."""

from datetime import date

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from families import residences
from families.addresses import Address
from families.models import Custody, Household
from portal.reservations.days import audiences, openings
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.campaigns import Campaigns
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.days.standing import Closed, Open, Where, closed_period
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import (
    ActivityDeadline,
    Audience,
    AudienceAddress,
    AudienceMember,
    DeadlineRule,
    DeadlineWindow,
    PeriodOpening,
    SchoolClass,
)
from portal.reservations.states import Action
from tests.conftest import NOW
from tests.factories import (
    ActivityFactory,
    CampaignFactory,
    HouseholdFactory,
    SchoolFactory,
    SchoolYearFactory,
    paris,
)

TODAY = date(2026, 11, 9)
MONDAY = date(2026, 11, 16)


@pytest.fixture
def partners(db) -> Audience:
    """Cesson, whoever lives there."""
    made = Audience.objects.create(
        code="partenaires",
        label="Communes partenaires",
        belonging="address",
        order=2,
        words="les communes partenaires, dont la vôtre",
    )
    AudienceAddress.objects.create(audience=made, city="Cesson")
    return made


@pytest.fixture
def agents(db) -> Audience:
    return Audience.objects.create(code="agents", label="Agents", belonging="recognised", order=1)


@pytest.fixture
def neighbour(books):
    """The household of `books`, who lives at Cesson, outside the town."""
    home = books.household
    home.resident, home.city = False, "CESSON"
    home.save()
    return home


def of(home: Household, day: date = TODAY, child: int | None = None) -> tuple[int, ...]:
    return audiences.of_home(Household.objects.get(pk=home.pk), day, child)


def test_who_lives_in_a_partner_town_is_of_it_and_nobody_else(partners, neighbour):
    assert of(neighbour) == (partners.pk,)
    assert of(HouseholdFactory(resident=False, city="Noyal")) == ()


def test_who_moves_in_the_middle_of_the_month_was_of_it_before(partners, neighbour, now):
    before = Address.of(neighbour)
    neighbour.city, neighbour.postcode = "Noyal", "35230"
    neighbour.save()
    residences.move(neighbour, before, since=MONDAY, at=now)
    assert of(neighbour, date(2026, 11, 15)) == (partners.pk,)
    assert of(neighbour, MONDAY) == ()


def test_who_is_recognised_is_of_it_from_a_day_to_a_day_and_before_the_others(partners, agents, neighbour):
    AudienceMember.objects.create(
        audience=agents, household=neighbour, starts_on=MONDAY, ends_on=date(2026, 11, 30)
    )
    assert of(neighbour) == (partners.pk,)
    assert of(neighbour, MONDAY) == (agents.pk, partners.pk)
    assert of(neighbour, date(2026, 12, 1)) == (partners.pk,)


def test_a_school_makes_its_own_child_and_its_household_of_it(books, year):
    jaures = SchoolFactory(code="jaures", name="École Jaurès")
    sector = Audience.objects.create(code="secteur", label="Secteur", belonging="school")
    sector.schools.add(jaures)
    assert of(books.household, child=books.child.pk) == ()
    room = SchoolClass.objects.create(school=jaures, school_year=year, name="CP A", level="elementary")
    books.child.schoolings.update(school_class=room)
    assert of(books.household, child=books.child.pk) == of(books.household) == (sector.pk,)
    # In the summer it is still of the school of the year before; a child that left home makes nobody of it.
    assert of(books.household, date(2027, 8, 15), books.child.pk) == (sector.pk,)
    assert of(books.household, date(2027, 9, 2), books.child.pk) == ()
    Custody.objects.filter(child=books.child).update(until=TODAY)
    assert of(books.household) == ()


# What opens --------------------------------------------------------------------------------------------


@pytest.fixture
def where(books, canteen, now):
    def load() -> Where:
        enrolment = type(books.enrolment).objects.select_related("household").get(pk=books.enrolment.pk)
        canteen.period.refresh_from_db()
        return Where.load(enrolment, canteen.restaurant, canteen.period, at=now)

    return load


def plain(said: Closed) -> str:
    return said.reason.replace("\xa0", " ")


def test_a_period_opens_to_them_on_their_own_day_in_their_own_words(partners, neighbour, where, canteen):
    period = canteen.period
    period.opens_at, period.opens_at_non_residents = paris(2026, 11, 1), paris(2026, 11, 20, 8)
    period.save()
    said = where().booking(canteen.formula.pk, MONDAY)
    assert isinstance(said, Closed)
    assert plain(said) == "Réservation ouverte à partir du vendredi 20 novembre à 8 h."
    opening = PeriodOpening.objects.create(period=period, audience=partners, opens_at=paris(2026, 11, 10, 8))
    said = where().booking(canteen.formula.pk, MONDAY)
    assert isinstance(said, Closed)
    assert plain(said) == (
        "Réservation ouverte à partir du mardi 10 novembre à 8 h pour les communes partenaires, "
        "dont la vôtre."
    )
    assert closed_period(period, NOW, resident=False, publics=(partners.pk,)) == said
    opening.opens_at = paris(2026, 11, 9, 8)
    opening.save()
    assert isinstance(where().booking(canteen.formula.pk, MONDAY), Open)


def test_of_two_that_have_their_moment_the_first_of_the_town_counts_though_it_comes_later(
    partners, agents, neighbour, canteen
):
    for one, day in ((partners, 2), (agents, 20)):
        PeriodOpening.objects.create(period=canteen.period, audience=one, opens_at=paris(2026, 11, day))
    AudienceMember.objects.create(audience=agents, household=neighbour, starts_on=TODAY)
    found = audiences.opening(canteen.period, resident=False, publics=of(neighbour))
    assert found == audiences.Opening(paris(2026, 11, 20), "agents, dont vous êtes")
    Audience.objects.filter(pk=agents.pk).update(order=9)
    agents.refresh_from_db()
    agents.save()
    assert audiences.opening(canteen.period, resident=False, publics=of(neighbour)).at == paris(2026, 11, 2)


def test_windows_of_an_audience_count_before_those_of_the_town_and_for_all(agents, canteen, now):
    rule = DeadlineRule.objects.create(name="Samedis", kind="windows")
    days = {"rule": rule, "covers_from": TODAY, "covers_to": date(2026, 12, 31)}
    DeadlineWindow.objects.create(**days, opens_at=paris(2026, 11, 12))
    DeadlineWindow.objects.create(**days, opens_at=paris(2026, 11, 11), audience="resident")
    DeadlineWindow.objects.create(**days, opens_at=paris(2026, 11, 5), public=agents)
    ActivityDeadline.objects.filter(activity=canteen.activity, action=Action.BOOK).update(rule=rule)

    def verdict(**who):
        book = DeadlineBook.for_activity(canteen.activity, canteen.period)
        calendar = OpenDays.load(canteen.activity, canteen.restaurant, TODAY, date(2026, 12, 31))
        return book.schedule(canteen.formula.pk, Action.BOOK, calendar, now, **who).verdict(MONDAY)

    assert (verdict(resident=False).standing, verdict(resident=False).moment) == (
        Standing.EARLY,
        paris(2026, 11, 12),
    )
    assert verdict(resident=True).moment == paris(2026, 11, 11)
    assert verdict(resident=True, publics=(agents.pk,)).standing is Standing.ON_TIME
    assert "(agents)" in rule.sentence


def test_enrolments_open_to_them_before_those_from_elsewhere(partners, neighbour, year):
    following = SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))
    wednesdays = ActivityFactory(code="mercredis")
    elsewhere = Audience.objects.get_or_create(
        code="hors-commune", defaults={"label": "Hors commune", "belonging": "non_resident", "order": 0}
    )[0]
    CampaignFactory(school_year=following, audience=elsewhere, opens_at=paris(2027, 6, 14, 8))
    CampaignFactory(school_year=following, audience=partners, opens_at=paris(2027, 6, 7, 8))

    def closed(at) -> str:
        home = Household.objects.get(pk=neighbour.pk)
        return Campaigns.load(home, at=at).closed(wednesdays, following).replace("\xa0", " ")

    assert closed(paris(2027, 6, 7, 7)) == (
        "Les inscriptions 2027-2028 (les communes partenaires, dont la vôtre) ouvrent le lundi 7 juin 2027 "
        "à 8 h."
    )
    assert closed(paris(2027, 6, 7, 8)) == ""


def test_the_waiting_room_knows_their_moment(partners, canteen):
    canteen.period.opens_at = paris(2026, 11, 20, 8)
    canteen.period.save()
    PeriodOpening.objects.create(period=canteen.period, audience=partners, opens_at=paris(2026, 11, 16, 8))
    first, second = sorted(
        openings.find(paris(2026, 11, 10), paris(2026, 11, 30)), key=lambda moment: moment.at
    )
    assert (first.at, first.period) == (paris(2026, 11, 16, 8), canteen.period.pk)
    assert second.at == paris(2026, 11, 20, 8)


# What may be written ------------------------------------------------------------------------------------


def test_what_contradicts_is_refused_with_its_sentence(partners, agents, canteen, books):
    usual = Audience(code="commune-2", label="Commune", belonging="resident", priced_as_resident=True)
    with pytest.raises(ValidationError, match="paient leurs propres prix"):
        usual.full_clean()
    with pytest.raises(ValidationError, match="Indiquez une commune"):
        AudienceAddress(audience=partners).full_clean()
    with pytest.raises(ValidationError, match="se reconnaissent d'eux-mêmes"):
        AudienceMember(audience=partners, household=books.household, starts_on=TODAY).full_clean()
    canteen.period.closes_at = paris(2026, 11, 5)
    late = PeriodOpening(period=canteen.period, audience=partners, opens_at=paris(2026, 11, 6))
    with pytest.raises(ValidationError, match="déjà close"):
        late.full_clean()
    rule = DeadlineRule.objects.create(name="Samedis", kind="windows")
    both = DeadlineWindow(rule=rule, covers_from=TODAY, covers_to=MONDAY, audience="resident", public=agents)
    with pytest.raises(IntegrityError), transaction.atomic():
        both.save()


# What it costs ------------------------------------------------------------------------------------------


def test_a_town_without_audiences_reads_nothing(books, canteen, django_assert_num_queries):
    home = Household.objects.get(pk=books.household.pk)
    with django_assert_num_queries(0):
        assert audiences.of_home(home, TODAY, books.child.pk) == ()
        assert not audiences.of_homes([home]).of(home.pk, TODAY)
        audiences.opening(canteen.period, resident=True, publics=())


@pytest.mark.parametrize("number", [1, 10])
def test_many_households_take_as_many_queries_as_one(partners, agents, number, django_assert_num_queries):
    sector = Audience.objects.create(code="secteur", label="Secteur", belonging="school")
    sector.schools.add(SchoolFactory(code="jaures"))
    homes = [HouseholdFactory(resident=False, city="Cesson") for _ in range(number)]
    audiences.own_publics()
    with django_assert_num_queries(3):
        known = audiences.of_homes(homes)
    with django_assert_num_queries(0):
        assert {known.of(home.pk, TODAY) for home in homes} == {(partners.pk,)}


def test_a_page_reads_its_household_once(partners, neighbour, django_assert_num_queries):
    home = Household.objects.get(pk=neighbour.pk)
    audiences.own_publics()
    with django_assert_num_queries(1):
        assert audiences.of_home(home, TODAY) == audiences.of_home(home, MONDAY) == (partners.pk,)
