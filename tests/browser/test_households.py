"""Two households are joined, and one is parted, in a real browser at the desk."""

import os

import pytest
from playwright.sync_api import expect

from families.models import HomeChange, Household
from tests.browser.conftest import PHONE, WIDE
from tests.browser.looking import overflow, resize, violations
from tests.conftest import THURSDAY
from tests.factories import GuardianFactory, InvoiceFactory, QuotientFactory, UserFactory
from tests.families.joining.doubles import double_of

SHOTS = os.environ.get("SHOTS", "")


def looked_at(page, name):
    """By axe and for its width, on a wide screen and on a phone."""
    for size in (WIDE, PHONE):
        resize(page, size)
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/{name}-{size[0]}.png", full_page=True)
        yield from [*violations(page), *overflow(page)]
    resize(page, WIDE)


@pytest.fixture
def double(agent, books, asks):
    found = double_of(books, street="9 rue Neuve")
    for family in (books, found):
        asks(family, THURSDAY, on_request=False)
    for home, value in ((books.household, 900), (found.household, 412)):
        QuotientFactory(household=home, value=value)
        InvoiceFactory(household=home)
    return found


def test_two_households_that_look_alike_are_joined_from_the_first_page(double, books, open_page):
    page = open_page("agent")
    page.goto("/mairie/")
    page.get_by_role("link", name="Foyers qui se ressemblent").click()
    page.get_by_role("link", name=double.household.number).first.click()
    found = list(looked_at(page, "household"))
    page.get_by_role("link", name="Dossier").click()
    page.get_by_role("link", name="Réunir avec un autre foyer…").click()
    found += looked_at(page, "join-choose")
    page.get_by_role("link", name=f"Foyer n° {books.household.number}").click()
    page.get_by_role("link", name=f"Garder plutôt le foyer n° {books.household.number}").click()
    found += looked_at(page, "join-preview")
    page.get_by_label("412").check()
    page.get_by_label("Motif, pour la mairie").fill("Inscrits deux fois à la rentrée.")
    page.get_by_role("button", name="Réunir les deux foyers").click()
    expect(page.get_by_text("L'aperçu a changé")).to_be_visible()
    expect(page.get_by_label("Motif, pour la mairie")).to_have_value("Inscrits deux fois à la rentrée.")
    page.get_by_role("button", name="Réunir les deux foyers").click()
    expect(page.get_by_text("est réuni avec celui-ci")).to_be_visible()
    found += looked_at(page, "joined")
    assert found == []
    assert Household.objects.get(pk=double.household.pk).joined_to == books.household


def test_an_adult_leaves_with_a_child(agent, books, open_page):
    GuardianFactory(household=books.household, user=UserFactory(), first_name="Alix", last_name="Roux")
    page = open_page("agent")
    page.goto(f"/mairie/families/household/{books.household.pk}/change/?onglet=dossier")
    page.get_by_role("link", name="Séparer ce foyer…").click()
    page.get_by_label("Alix Roux").check()
    page.get_by_label("Part avec ses inscriptions et ses jours").check()
    page.locator("#id_street").fill("3 rue Neuve")
    page.locator("#id_postcode").fill("01999")
    page.locator("#id_city").fill("Valmirelle-les-Prés")
    page.get_by_role("button", name="Voir ce qui sera fait").click()
    found = list(looked_at(page, "part"))
    page.get_by_label("Motif, pour la mairie").fill("Séparation dite par les deux parents.")
    page.get_by_role("button", name="Séparer le foyer").click()
    expect(page.get_by_text("C'est fait : voici le foyer")).to_be_visible()
    assert found == []
    assert HomeChange.objects.get().household == books.household
