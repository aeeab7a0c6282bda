"""The planning under a thumb and on a keyboard: taps to a month of two children, stops to « Suivant »."""

import re
from datetime import date

import pytest
from playwright.sync_api import Locator, Page, expect

from portal.reservations.models import Booking, Enrolment, Slot
from tests.browser.conftest import EVERY_WAY, PHONE, WIDE
from tests.browser.journeys import click_day, day
from tests.conftest import brother_of
from tests.factories import PeriodFactory, weekdays_between

pytestmark = pytest.mark.django_db(transaction=True)

# Four weeks open in January; the year ends on 2 July.
YEAR = date(2026, 11, 2), date(2027, 7, 2)
CLOSED = [(date(2026, 12, 19), date(2027, 1, 3)), (date(2027, 5, 1), date(2027, 5, 9))]


@pytest.fixture
def school_long(canteen, year):
    """The canteen open for reservation until July."""
    canteen.period.ends_on = YEAR[1]
    canteen.period.name = "Année 2026-2027"
    canteen.period.save()
    known = set(Slot.objects.values_list("day", flat=True))
    Slot.objects.bulk_create(
        Slot(activity=canteen.activity, establishment=canteen.restaurant, day=one, part="noon")
        for one in weekdays_between(*YEAR)
        if one not in known and not any(first <= one <= last for first, last in CLOSED)
    )
    return canteen


@pytest.fixture
def hugo(books, canteen, year) -> Enrolment:
    """Lina's brother, who eats on Mondays and Thursdays."""
    return brother_of(books, "Hugo", born=date(2020, 3, 1), weekdays=0b01001)


class Taps:
    """Counts what a parent taps."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, target: Locator) -> None:
        self.count += 1
        target.click()


def reserve_month(page: Page, month: str, taps: Taps) -> None:
    taps(page.get_by_role("link", name="Réserver la cantine"))
    taps(page.locator(".month-name summary"))
    taps(page.get_by_role("button", name=month))
    expect(page.locator(".month-name summary")).to_have_text(month)
    taps(page.get_by_role("link", name="Jours de fréquentation habituels"))
    taps(page.get_by_role("dialog").get_by_role("button", name="Valider"))
    expect(page.get_by_text(re.compile(r"jours choisis"))).to_be_visible()
    page.wait_for_load_state()
    taps(page.get_by_role("button", name="Suivant").last)
    taps(page.get_by_role("button", name="Valider"))
    taps(page.get_by_role("button", name="Enregistrer"))
    expect(page.get_by_role("status").first).to_contain_text("C'est enregistré")


@EVERY_WAY
@pytest.mark.parametrize(
    ("month", "number"), [("Janvier 2027", 1), ("Juin 2027", 6)], ids=["January", "June"]
)
def test_two_children_for_a_month_take_eight_taps(
    books, school_long, hugo, open_page, javascript, size, month, number
):
    page = open_page("roux", javascript=javascript, size=size)
    taps = Taps()
    reserve_month(page, month, taps)
    assert taps.count <= 8
    booked = list(Booking.objects.accepted().values_list("child__first_name", "day"))
    assert {one.month for _, one in booked} == {number}
    assert {one.weekday() for name, one in booked if name == "Hugo"} == {0, 3}
    assert {one.weekday() for name, one in booked if name == "Lina"} == {0, 1, 2, 3, 4}


def test_a_month_of_the_next_period_takes_no_more(books, canteen, hugo, year, open_page):
    after = PeriodFactory(
        activity=canteen.activity,
        school_year=year,
        name="Printemps",
        starts_on=date(2027, 1, 4),
        ends_on=YEAR[1],
    )
    Slot.objects.bulk_create(
        Slot(activity=canteen.activity, establishment=canteen.restaurant, day=one, part="noon")
        for one in weekdays_between(after.starts_on, after.ends_on)
    )
    page = open_page("roux", size=PHONE)
    taps = Taps()
    taps(page.get_by_role("link", name="Réserver la cantine"))
    taps(page.locator(".month-name summary"))
    taps(page.get_by_role("button", name="Juin 2027 (Printemps)"))
    expect(page.locator(".month-name summary")).to_have_text("Juin 2027")
    assert taps.count == 3


def test_what_tab_reaches_before_the_way_on_is_little(books, school_long, hugo, open_page):
    page = open_page("roux", size=WIDE)
    page.goto(
        f"/cantine/planning/{books.enrolment.pk}/{school_long.restaurant.pk}/{school_long.period.pk}/"
        f"?avec={hugo.pk}&mois=2026-12"
    )
    page.wait_for_load_state()
    reached: list[str] = []
    while "Suivant" not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent.trim()"))
        assert len(reached) < 40
    assert len(reached) <= 15, reached


def test_arrows_cross_weeks_children_headings_and_months(books, canteen, hugo, open_page):
    page = open_page("roux")
    page.get_by_role("link", name="Réserver la cantine").click()
    day(page, "Lina, jeudi 12 novembre 2026").focus()
    page.keyboard.press("ArrowDown")
    expect(day(page, "Hugo, jeudi 12 novembre 2026")).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("button", name="Jeudi")).to_be_focused()
    page.keyboard.press("PageDown")
    expect(page.locator(".month-name summary")).to_have_text("Décembre 2026")
    expect(day(page, "Lina, lundi 30 novembre 2026")).to_be_focused()
    page.keyboard.press("PageUp")
    expect(page.locator(".month-name summary")).to_have_text("Novembre 2026")
    expect(day(page, "Hugo, vendredi 4 décembre 2026")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(day(page, "Lina, lundi 30 novembre 2026")).to_be_focused()
    expect(page.locator('table input[tabindex="0"], table button[tabindex="0"]')).to_have_count(1)


@EVERY_WAY
def test_every_button_says_how_far_it_reaches_and_reaches_so_far(
    books, canteen, hugo, open_page, javascript, size
):
    page = open_page("roux", javascript=javascript, size=size)
    page.goto(
        f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/?mois=2026-12"
    )
    everything = page.get_by_role("button", name="Tout sélectionner")
    expect(everything).to_contain_text("ce mois")
    everything.click()
    expect(day(page, "lundi 7 décembre 2026")).to_be_checked()
    expect(day(page, "lundi 30 novembre 2026")).not_to_be_checked()
    page.get_by_role("button", name="Tout désélectionner").click()
    expect(day(page, "lundi 7 décembre 2026")).not_to_be_checked()
    page.get_by_label("toute la période").first.check()
    expect(page.get_by_role("button", name="Tout sélectionner toute la période")).to_be_visible()
    page.get_by_role("button", name="Tout sélectionner toute la période").click()
    expect(day(page, "lundi 30 novembre 2026")).to_be_checked()
    page.get_by_role("button", name="novembre").first.click()
    expect(day(page, "vendredi 13 novembre 2026")).to_be_checked()


def test_the_grid_is_on_the_first_screen_and_full_days_say_so(books, canteen, hugo, open_page):
    Slot.objects.filter(day=date(2026, 11, 12)).update(capacity=0)
    page = open_page("roux", size=PHONE)
    page.get_by_role("link", name="Réserver la cantine").click()
    top = page.locator("table tbody").first.bounding_box()
    assert top is not None
    assert top["y"] < 640
    full = day(page, "Lina, jeudi 12 novembre 2026, complet").locator("xpath=ancestor::td")
    expect(full.get_by_text("complet", exact=True)).to_be_visible()


def test_a_month_prints_on_one_page(books, school_long, hugo, open_page):
    page = open_page("roux")
    planning = f"/cantine/planning/{books.enrolment.pk}/{canteen_of(school_long)}/{school_long.period.pk}/"
    page.goto(f"{planning}?mois=2027-03&avec={hugo.pk}")
    assert printed(page) == 1
    page.goto(f"{planning}?mois=toutes&avec={hugo.pk}")
    assert printed(page) == 9
    page.emulate_media(media="print")
    expect(page.get_by_text("Touchez un jour pour le choisir")).to_be_hidden()


def canteen_of(canteen) -> int:
    return canteen.restaurant.pk


def printed(page: Page) -> int:
    """How many sheets."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4", print_background=True)))


def test_a_ticked_day_waits_while_one_looks_at_another_month(books, canteen, hugo, open_page, javascript):
    page = open_page("roux", size=PHONE, javascript=javascript)
    page.goto(
        f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/?mois=2026-11"
    )
    click_day(page, "jeudi 12 novembre 2026")
    page.get_by_role("button", name="décembre").first.click()
    expect(page.locator(".month-name summary")).to_have_text("Décembre 2026")
    expect(page.get_by_text("1 jour choisi")).to_be_visible()
    click_day(page, "lundi 7 décembre 2026")
    page.get_by_role("button", name="Suivant").last.click()
    expect(page.get_by_text("2", exact=False).first).to_be_visible()
    page.get_by_role("button", name="Valider").click()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("status").first).to_contain_text("C'est enregistré")
    assert set(Booking.objects.values_list("day", flat=True)) == {date(2026, 11, 12), date(2026, 12, 7)}
