"""A whole year checked for two children and recorded in one go; many days cancelled by one question."""

import re
from datetime import date
from types import SimpleNamespace

import pytest
from django.conf import settings
from playwright.sync_api import expect

from billing.models import FormulaTariff, Tariff, TariffBand
from portal.letters import mailing
from portal.reservations.acts import booking, opening, reservation_drafts
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Booking, Enrolment, Period, Reservation, Slot
from portal.reservations.states import BookingState
from tests.browser.conftest import EVERY_WAY, PHONE
from tests.browser.journeys import go_on
from tests.conftest import brother_of
from tests.factories import DietChoiceFactory, weekdays_between

pytestmark = pytest.mark.django_db(transaction=True)

# Four phone screens were eight: a year of days stays a matter of two.
SCREENS = 2
DAYS = 84


@pytest.fixture
def whole_year(books, canteen, now) -> Enrolment:
    """The period lasts until July, a meal costs 4.90 €, and Lina's brother Gabriel is enrolled too."""
    Period.objects.filter(pk=canteen.period.pk).update(ends_on=date(2027, 7, 2), name="Année 2026-2027")
    canteen.period.refresh_from_db()
    opening.open_slots(canteen.period, at=now)
    tariff = Tariff.objects.create(code="repas", name="Repas", valid_from=date(2026, 9, 1))
    TariffBand.objects.create(tariff=tariff, low=0, high=None, prices={"": "4.90"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    brother = brother_of(books, "Gabriel", requested_by=books.user)
    DietChoiceFactory(child=brother.child)
    return brother


def chosen(books, canteen, now, days) -> Reservation:
    draft = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book={Choice(canteen.formula.pk, day) for day in days},
        by=books.user,
        at=now,
    )
    assert draft is not None
    return draft


def open_days(count: int, *, first: date = date(2026, 11, 12)) -> list[date]:
    """Days of the canteen spread over the whole year: two or three a week."""
    slots = Slot.objects.filter(day__gte=first, closed=False, day__week_day__in=(2, 3, 5, 6))
    return list(slots.order_by("day").values_list("day", flat=True))[: count * 3 // 2 : 1][:count]


@EVERY_WAY
def test_a_year_of_days_is_checked_on_two_phone_screens_and_recorded_for_two_children(
    books, canteen, whole_year, now, open_page, javascript, size
):
    draft = chosen(books, canteen, now, open_days(DAYS))
    page = open_page("roux", size=size, javascript=javascript)
    page.goto(f"/reservations/{draft.pk}/validation/")
    expect(page.get_by_role("heading", name="Jours à réserver")).to_contain_text(f"({DAYS})")
    bar = page.locator(".planning-bar")
    expect(bar).to_contain_text("84 jours · 411,60 €")
    expect(bar.get_by_role("button", name="Valider")).to_be_in_viewport()
    page.wait_for_load_state()
    if size == PHONE:
        end = page.locator("form:has(.sum)").bounding_box()
        assert end is not None
        assert end["y"] + end["height"] <= SCREENS * PHONE[1]
    brother = page.get_by_role("checkbox", name="Gabriel")
    expect(page.locator("label", has=brother)).to_contain_text("84 jours")
    expect(page.locator("label", has=brother)).to_contain_text("411,60 €")
    brother.check()
    if javascript:
        expect(bar).to_contain_text("168 jours · 823,20 €")
        expect(page.get_by_text("Total estimé des jours à réserver : 823,20 €")).to_be_visible()
    page.get_by_role("button", name="Valider").click()

    expect(page.get_by_text("Total estimé des jours à réserver : 823,20 €")).to_be_visible()
    expect(page.get_by_text("Annulation possible").first).to_be_visible()
    page.get_by_role("button", name="Enregistrer").click()
    said = page.locator(".message--success")
    expect(said).to_have_count(1)
    expect(said).to_contain_text("C'est enregistré : Lina et Gabriel, 84 jours chacun.")
    said.get_by_role("link", name=f"Voir la réservation de Lina, n° {draft.number}").click()
    expect(page.get_by_role("heading", name=f"Réservation n° {draft.number}")).to_be_visible()
    assert Booking.objects.filter(state=BookingState.ACCEPTED).count() == 2 * DAYS


@EVERY_WAY
def test_many_days_are_cancelled_by_one_question(books, canteen, now, open_page, javascript, size):
    days = weekdays_between(date(2026, 11, 16), date(2026, 11, 27))
    draft = chosen(books, canteen, now, days)
    booking.submit(draft, by=books.user, at=now)
    page = open_page("roux", size=size, javascript=javascript)
    page.goto(
        f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/?annulation"
    )
    page.get_by_role("link", name="Annuler plusieurs jours").click()
    monday = page.get_by_role("checkbox", name=re.compile("^Lundi 16 novembre"))
    expect(page.locator("label", has=monday)).to_contain_text("jusqu'au 14/11")
    page.get_by_role("button", name="Tout cocher en novembre 2026").click()
    expect(page.get_by_role("button", name="Tout décocher en novembre 2026")).to_be_visible()
    monday.uncheck()
    page.wait_for_load_state()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    go_on(page)
    expect(page.get_by_role("heading", name="Jours à annuler")).to_contain_text("(9)")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="Valider").click()
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.locator(".message--success")).to_contain_text("C'est enregistré : Lina, 9 jours annulés.")
    assert list(Booking.objects.live().values_list("day", flat=True)) == [date(2026, 11, 16)]


@pytest.mark.parametrize("letter", ["account/email_confirmation", "families/household_refused"])
def test_a_letter_is_never_wider_than_a_phone(town, browser, letter):
    """Addresses without a place to break, which mail programs show as they are."""
    long = "https://ville.example/" + "k" * 300
    someone = SimpleNamespace(username="n" * 90, refusal_reason="r" * 200)
    context = {"name": "P" * 80, "user": someone, "household": someone, "activate_url": long}
    _, _, html = mailing.render(letter, context)
    page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]})
    page.set_content(html)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    page.close()


def test_every_letter_stands_in_the_frame_that_wraps():
    letters = sorted((settings.BASE_DIR / "templates" / "emails").glob("*/*.html"))
    whole = [path for path in letters if "{% block content %}" in path.read_text()]
    assert len(whole) > 30
    for path in whole:
        source = path.read_text()
        assert '{% extends "emails/base.html" %}' in source, path
        assert "nowrap" not in source, path
        assert "<table" not in source, path
