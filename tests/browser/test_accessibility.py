"""Every page of a family, looked at by axe on a desk and on a phone, by day and by night."""

from datetime import date

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Page

from portal.reservations import booking
from portal.reservations.booking import Choice
from portal.reservations.models import Reservation, Slot
from tests.browser.conftest import PHONE, WIDE
from tests.factories import ChildFactory, DietFactory, DishFactory, MenuFactory

pytestmark = pytest.mark.django_db(transaction=True)

# WCAG 2.2, levels A and AA.
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def pages(books, canteen, now) -> list[str]:
    """Addresses with something of every kind on them."""
    ChildFactory(first_name="Hugo", last_name="Roux", households=[books.household])
    DietFactory(name="Sans porc")
    DishFactory(menu=MenuFactory(restaurant=canteen.restaurant, day=date(2026, 11, 12)), allergens=["milk"])
    Slot.objects.filter(day=date(2026, 11, 13)).update(capacity=0)

    def choose(*days: int, wait: tuple[int, ...] = ()) -> Reservation:
        draft = booking.choose(
            books.enrolment,
            canteen.restaurant,
            canteen.period,
            book={Choice(canteen.formula.pk, date(2026, 11, day)) for day in days},
            wait={Choice(canteen.formula.pk, date(2026, 11, day)) for day in wait},
            by=books.user,
            at=now,
        )
        assert draft is not None
        return draft

    recorded = booking.submit(choose(12, wait=(13,)), by=books.user, at=now)
    draft = choose(19, 20)
    planning = f"/cantine/planning/{books.enrolment.pk}/{canteen.restaurant.pk}/{canteen.period.pk}/"
    return [
        "/",
        "/foyer/",
        "/foyer/adresse/",
        "/foyer/quotient/",
        "/foyer/telephones/",
        "/mon-adresse-e-mail/",
        "/mon-mot-de-passe/",
        f"/enfants/{books.child.pk}/",
        f"/enfants/{books.child.pk}/sante/",
        "/cantine/inscription/",
        f"/cantine/inscriptions/{books.enrolment.pk}/",
        "/cantine/reservation/?annulation",
        planning,
        f"{planning}#habituels",
        f"/reservations/{draft.pk}/validation/",
        f"/reservations/{draft.pk}/enregistrement/",
        f"/reservations/{draft.pk}/abandonner/",
        f"/reservations/{recorded.pk}/",
        "/reservations/catering/toutes/",
        "/nulle-part/",
    ]


PUBLIC_PAGES = [
    "/connexion/",
    "/creer-un-compte/",
    "/mot-de-passe-oublie/",
    "/mentions-legales/",
    "/donnees-personnelles/",
    "/accessibilite/",
]


def faults(page: Page) -> list[str]:
    """What axe finds, and a page wider than its window."""
    found = [
        f"{page.url}: {violation['id']}: {node['html'][:160]}"
        for violation in Axe().run(page, options=RULES).response["violations"]
        for node in violation["nodes"]
    ]
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wider > 0:
        found.append(f"{page.url}: scrolls sideways by {wider} px")
    return found


@pytest.mark.parametrize("size", [WIDE, PHONE, (320, 640)], ids=["wide", "phone", "narrow"])
def test_pages_of_a_family_have_no_barrier(pages, open_page, size):
    page = open_page("roux", size=size)
    found = []
    for address in pages:
        page.goto(address)
        found += faults(page)
    assert found == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_public_pages_have_no_barrier(town, open_page, size):
    page = open_page(size=size)
    found = []
    for address in PUBLIC_PAGES:
        page.goto(address)
        found += faults(page)
    assert found == []


def test_pages_have_no_barrier_at_night(pages, open_page):
    page = open_page("roux")
    page.emulate_media(color_scheme="dark")
    found = []
    for address in pages:
        page.goto(address)
        found += faults(page)
    assert found == []


def test_every_page_of_the_list_answers(pages, books):
    client = Client()
    client.force_login(books.user)
    answers = {address: client.get(address.partition("#")[0]).status_code for address in pages}
    assert answers.pop("/nulle-part/") == 404
    assert set(answers.values()) == {200}, answers
