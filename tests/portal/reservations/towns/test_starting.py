"""Towns to start from: whole town files, moved to this year, then opened, booked and billed as any town."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from billing.invoices import invoicing
from billing.models import Invoice, Tariff
from billing.rules import tariff_checks
from families.models import User
from portal.models import Town
from portal.reservations.acts import booking, opening
from portal.reservations.days import first_days
from portal.reservations.models import (
    Activity,
    Establishment,
    Formula,
    Period,
    PublicHoliday,
    SchoolHoliday,
    SchoolYear,
)
from portal.reservations.towns import starting, town_file
from tests.billing.conftest import DECEMBER, END_OF_NOVEMBER, NOVEMBER
from tests.conftest import Family, family
from tests.factories import EnrolmentFactory, HealthFactory, SchoolClassFactory, paris
from tests.portal.reservations.audit import audit, reserve

NAMES = list(starting.TEMPLATES)
AUTUMN = paris(2026, 11, 9, 10)
THURSDAY, FRIDAY = date(2026, 11, 26), date(2026, 11, 27)
# Where these days are none of the activity.
DAYS = {
    "mercredis": (date(2026, 11, 18), date(2026, 11, 25)),
    "vacances": (date(2026, 12, 21), date(2026, 12, 22)),
}
END_OF_DECEMBER = paris(2026, 12, 31, 18)


def load(name: str, at: datetime = AUTUMN, **of_town: Any) -> Any:
    its = Town(name="Saint-Exemple", **of_town)
    return town_file.load(starting.text_of(name, its, at), at=at)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_a_whole_town_file_with_nothing_to_look_at(db: None, name: str) -> None:
    report = town_file.load(starting.file_of(name))
    assert report.to_check == []
    assert all(not tariff_checks.to_check(one.rule()) for one in Tariff.objects.with_rules())
    again = town_file.load(starting.file_of(name))
    assert not (again.created or again.changed)


@pytest.mark.parametrize("name", NAMES)
def test_this_year_and_zone_it_says_the_same(db: None, name: str) -> None:
    """The files are of 2026-2027 in zone A: their calendar is the one that the portal proposes."""
    town_file.load(starting.file_of(name))
    report = load(name, paris(2027, 3, 1, 10), zone="A")
    assert report.created == []
    assert report.changed == ["commune « Saint-Exemple »"]


def test_its_dates_follow_the_school_year_and_the_zone(db: None) -> None:
    load("ville", paris(2027, 8, 20, 10), zone="C")
    year = SchoolYear.objects.get()
    assert (year.name, year.starts_on) == ("2027-2028", date(2027, 9, 1))
    meals = Period.objects.get(activity__code="restauration-scolaire")
    assert (meals.code, meals.starts_on, meals.ends_on) == ("annee-2027-2028", year.starts_on, year.ends_on)
    winter = SchoolHoliday.objects.get(name="Vacances d'hiver")
    assert winter.zone == "C"
    its = Period.objects.get(code="hiver-2028")
    assert (its.name, its.starts_on, its.ends_on) == (
        "Vacances d'hiver 2028",
        winter.starts_on,
        winter.ends_on,
    )
    assert PublicHoliday.objects.filter(day=date(2027, 11, 11)).exists()
    assert not PublicHoliday.objects.filter(day__lt=date(2027, 9, 1)).exists()


def test_a_year_and_a_territory_that_nobody_knows_yet_move_by_whole_weeks(db: None) -> None:
    load("village", paris(2034, 10, 2, 10), region=Town.Region.MARTINIQUE, zone="local")
    year = SchoolYear.objects.get()
    assert (year.name, year.starts_on.weekday(), year.ends_on.weekday()) == ("2034-2035", 1, 4)
    assert not SchoolHoliday.objects.exists()
    assert starting.warnings_of(Town.objects.get(), paris(2034, 10, 2, 10))


def test_what_the_town_said_of_itself_stays(db: None) -> None:
    Town.objects.create(name="Saint-Exemple", phone="01 99 00 00 01", is_open=False)
    its = Town.objects.get()
    town_file.load(starting.text_of("village", its, AUTUMN), at=AUTUMN)
    found = Town.objects.get()
    assert (found.name, found.phone, found.is_open) == ("Saint-Exemple", its.phone, False)


def settle(code: str) -> tuple[Family, Any]:
    """A family of the town whose child is enrolled at the activity, and what `reserve` asks for."""
    activity = Activity.objects.get(code=code)
    place = activity.establishments.order_by("pk")[0]
    school = Establishment.objects.filter(kind="school").order_by("pk")[0]
    year = SchoolYear.objects.get()
    who = family(
        f"parent-{code}",
        "Roux",
        "Lina",
        SchoolClassFactory(school=school, school_year=year, level="elementary"),
    )
    enrolment = EnrolmentFactory(
        household=who.household, child=who.child, activity=activity, establishment=place, school_year=year
    )
    found = Family(who.household, who.guardian, who.user, who.child, enrolment)
    period = activity.periods.filter(ends_on__gte=THURSDAY).order_by("starts_on")[0]
    formula = Formula.objects.filter(activity=activity).order_by("-order")[0]
    return found, type(
        "Where", (), {"activity": activity, "period": period, "formula": formula, "restaurant": place}
    )


@pytest.mark.parametrize(
    ("name", "first", "billed"),
    [
        ("village", {"restauration-scolaire": date(2026, 11, 16)}, {"restauration-scolaire": "7.40"}),
        (
            "bourg",
            {"restauration-scolaire": date(2026, 11, 12), "garderie": date(2026, 11, 10)},
            {"restauration-scolaire": "6.20", "garderie": "2.00"},
        ),
        (
            "ville",
            {
                "restauration-scolaire": date(2026, 11, 12),
                "accueil-du-soir": date(2026, 11, 12),
                "mercredis": date(2026, 11, 18),
                "vacances": date(2026, 12, 21),
            },
            {
                "restauration-scolaire": "9.80",
                "accueil-du-soir": "11.60",
                "mercredis": "21.26",
                "vacances": "21.26",
            },
        ),
    ],
)
def test_a_town_that_started_from_one_opens_is_booked_and_billed(
    now: datetime, db: None, agent: User, name: str, first: dict[str, date], billed: dict[str, str]
) -> None:
    load(name)
    assert all(one.day is None for one in first_days.find(now)), "Slots are opened by the town hall."
    for period in Period.objects.all():
        opening.open_slots(period, at=now)
    found = first_days.find(now)
    assert {one.activity.code: one.day for one in found} == first
    assert all(not one.wants for one in found), "Each formula has its price."
    booked = {}
    for code in billed:
        booked[code], where = settle(code)
        HealthFactory(child=booked[code].child)
        asked = reserve(booked[code], where, *DAYS.get(code, (THURSDAY, FRIDAY)), at=now)
        booking.accept(asked.lines.filter(outcome="requested"), by=agent, at=now)
    audit()
    for month, end in ((NOVEMBER, END_OF_NOVEMBER), (DECEMBER, END_OF_DECEMBER)):
        invoicing.issue(invoicing.start(month, by=None, at=end), at=end)
    due = {code: Invoice.objects.get(household=who.household).total for code, who in booked.items()}
    assert due == {code: Decimal(total) for code, total in billed.items()}
