"""« Mon compte famille » in a browser: how long it is on a phone, and that nothing on it needs JavaScript."""

import gzip
import re
from collections.abc import Iterator
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from playwright.sync_api import Page, expect

from families.models import Household, User
from portal import town
from portal.demo import loading
from tests.browser.conftest import PHONE, WIDE
from tests.browser.journeys import block
from tests.browser.looking import faults
from tests.conftest import logged_in
from tests.factories import paris

pytestmark = pytest.mark.django_db(transaction=True)

# A day of school, in the evening: the page is at its longest.
EVENING = paris(2026, 11, 30, 22)
SCREENS = {"parent": 3, "famille0005": 4}
# Sixteen, and what the demo's own rules ask: texts to accept two, places kept until they are paid two,
# oversights two, audiences of the town three.
QUERIES, COMPRESSED = 16 + 9, 12_000


@pytest.fixture
def demo(transactional_db: None) -> Iterator[None]:
    with time_machine.travel(EVENING, tick=True):
        loading.load(10, at=EVENING)
        yield


def screens(page: Page) -> float:
    """Without what the town hall tells for a while at its top."""
    told = "(document.querySelector('.home-notices')?.offsetHeight ?? 0)"
    return float(page.evaluate(f"document.documentElement.scrollHeight - {told}")) / PHONE[1]


def test_the_page_of_a_family_is_short_light_and_without_barrier(demo: None, open_page: Any):
    """`parent` has three children, `famille0005` five, most of them enrolled everywhere."""
    for login, most in SCREENS.items():
        page = open_page(login, size=PHONE)
        assert screens(page) <= most, login
        assert faults(page) == []
        client = logged_in(User.objects.get(username=login))
        client.get("/")
        town.current()
        with CaptureQueriesContext(connection) as counted:
            html = client.get("/").content
        assert len(counted) <= QUERIES, login
        assert len(gzip.compress(html, 6)) <= COMPRESSED, login
    children = User.objects.get(username="famille0005").guardians.get().household.children
    assert children.count() == 5


def test_what_is_folded_opens_without_javascript(pages: list[str], open_page: Any, javascript: bool):
    page = open_page("roux", size=PHONE, javascript=javascript)
    thursday = page.get_by_role("heading", name="Jeudi 12 novembre")
    expect(thursday).to_have_count(0)
    page.get_by_text("Jusqu'au 20 novembre").click()
    expect(thursday).to_be_visible()
    page.get_by_text("Les menus").click()
    expect(page.get_by_role("term").filter(has_text="Jeudi 12 novembre")).to_be_visible()
    own = block(page, "Mes Informations")
    own.get_by_text("Coordonnées, mot de passe, accès").click()
    for name in ("Modifier mon adresse e-mail", "Modifier mon mot de passe", "Modifier mes informations"):
        expect(own.get_by_role("link", name=name)).to_be_visible()
    if javascript:
        assert faults(page) == []
    page.get_by_text("Menu", exact=True).click()
    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.get_by_role("button", name="Se connecter")).to_be_visible()


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_three_large_ways_lead_to_what_a_parent_comes_for(
    pages: list[str], open_page: Any, size: tuple[int, int]
):
    page = open_page("roux", size=size)
    for name, heading in (
        ("Réserver la cantine", re.compile("^Réserver pour Lina")),
        ("Réserver les loisirs", "Choisissez un enfant"),
        ("Signaler une absence", "Malade aujourd'hui"),
    ):
        page.goto("/")
        way = page.get_by_role("link", name=name)
        box = way.bounding_box()
        assert box and box["height"] >= 44 and box["y"] + box["height"] <= size[1], "in the first screen"
        way.click()
        expect(page.get_by_role("heading", name=heading).and_(page.locator(":visible"))).to_be_visible()


@pytest.fixture
def newcomer(books: Any, canteen: Any) -> None:
    """Camille Roux's account waits for the town hall."""
    books.enrolment.delete()
    Household.objects.filter(pk=books.household.pk).update(state=Household.State.REQUESTED)


def test_the_list_of_a_new_family_leads_from_step_to_step(newcomer: None, open_page: Any):
    page = open_page("roux", size=PHONE)
    expect(page.get_by_role("heading", name="Ma liste : 2 étapes sur 6")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("link", name="Continuer : Fiche sanitaire de Lina").click()
    page.get_by_role("button", name="Enregistrer").click()
    page.goto("/")
    expect(page.get_by_role("heading", name="Ma liste : 3 étapes sur 6")).to_be_visible()
    page.get_by_role("link", name="Inscriptions : Restauration scolaire").click()
    expect(page.get_by_role("button", name="Enregistrer")).to_be_visible()
