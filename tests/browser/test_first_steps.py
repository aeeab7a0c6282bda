"""From an empty database and the Responsable whom the command made to a village's canteen open to families,
at the desk alone. Each field that is filled, ticked or chosen is counted: forty at most."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect

from families.management.commands import create_manager
from portal.models import Town
from portal.reservations.days import first_days
from portal.reservations.models import Establishment, Slot
from tests.browser.looking import violations

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

MOST = 40
# Pixels.
THUMB = 44
GOOD = "girafe sous la pluie 7"
CLASS_DAYS = ("Lundi", "Mardi", "Jeudi", "Vendredi")


class Hands:
    """Those of the secretary; `fields` is what they filled."""

    def __init__(self, page: Page) -> None:
        self.page, self.fields = page, 0

    def step(self, title: str, link: str) -> None:
        """From « Premiers pas » to a page behind a step."""
        self.page.get_by_role("link", name="Premiers pas").first.click()
        step = self.page.locator("li.step", has=self.page.get_by_role("heading", name=re.compile(title)))
        if step.locator("details[open]").count() == 0:
            step.locator("summary").click()
        step.get_by_role("link", name=link).first.click()
        self.page.wait_for_load_state()

    def fill(self, name: str, words: str) -> None:
        self.page.locator(f"[name={name}]").fill(words)
        self.fields += 1

    def choose(self, name: str, label: str) -> None:
        self.page.locator(f"select[name={name}]").select_option(label=label)
        self.fields += 1

    def tick(self, name: str, *labels: str) -> None:
        for label in labels:
            exactly = re.compile(f"^\\s*{label}\\s*$")
            named = self.page.locator(f"label:has(input[name={name}])").filter(has_text=exactly)
            named.locator("input").check()
            self.fields += 1

    def pick(self, name: str, words: str) -> None:
        """In a list to search in."""
        field = self.page.locator(f"select[name={name}] + .select2")
        field.click()
        self.page.locator(".select2-results__option", has_text=words).first.click()
        self.fields += 1

    def add_row(self, prefix: str) -> None:
        self.page.locator(f"#{prefix}-group .add-row a").click()

    def save(self, button: str = "Enregistrer") -> None:
        last = self.page.get_by_role("button", name=button, exact=True).last
        assert button == "Proposer" or (last.bounding_box() or {"height": 0})["height"] >= THUMB
        last.click()
        self.page.wait_for_load_state()
        assert self.page.locator(".errornote").count() == 0, self.page.locator("#content").inner_text()


@pytest.fixture
def hands(now: datetime, monkeypatch: Any, open_page: Callable[..., Page]) -> Hands:
    monkeypatch.setattr(create_manager, "_secret", lambda prompt: GOOD)
    given = {
        "prenom": "Dominique",
        "nom": "Duval",
        "identifiant": "dduval",
        "adresse": "d.duval@mairie.example.org",
    }
    call_command("create_manager", **given)
    page = open_page("dduval")
    page.goto("/mairie/")
    return Hands(page)


def test_a_village_opens_its_canteen_at_the_desk(hands: Hands, open_page: Callable[..., Page]) -> None:
    visitor = open_page()
    visitor.goto("/")
    expect(visitor.get_by_role("heading", level=1)).to_have_text("Le portail ouvre bientôt")
    assert violations(visitor) == []

    hands.step("La commune", "Commune")
    hands.fill("name", "Saint-Exemple")
    hands.fill("phone", "01 99 00 00 00")
    hands.save()

    hands.step("Le calendrier", "Importer le calendrier")
    hands.save("Proposer")
    hands.save("Ajouter au calendrier")

    add_place(hands, "École communale", "École")
    add_place(hands, "Cantine", "Restaurant scolaire")

    hands.step("Les écoles", "Classes")
    hands.page.get_by_role("link", name=re.compile("^Ajouter")).first.click()
    hands.pick("school", "École communale")
    hands.pick("school_year", "2026-2027")
    hands.fill("name", "CP-CE1")
    hands.save()

    hands.step("Les activités", "Activités")
    hands.page.get_by_role("link", name=re.compile("^Ajouter")).first.click()
    hands.fill("name", "Restauration scolaire")
    hands.choose("service", "Restauration scolaire")
    hands.pick("establishments", "Cantine")
    hands.tick("weekdays", *CLASS_DAYS)
    hands.add_row("formulas")
    hands.fill("formulas-0-name", "Repas")
    hands.tick("formulas-0-parts", "midi")
    hands.add_row("capacities")
    hands.choose("capacities-0-establishment", "Cantine")
    hands.choose("capacities-0-part", "midi")
    hands.fill("capacities-0-places", "60")
    hands.add_row("periods")
    hands.fill("periods-0-name", "Année scolaire")
    hands.choose("periods-0-school_year", "2026-2027")
    hands.fill("periods-0-starts_on", "2026-11-09")
    hands.fill("periods-0-ends_on", "2027-07-02")
    hands.save()

    hands.step("Les périodes", "Périodes")
    hands.page.locator("[name=_selected_action]").first.check()
    hands.page.locator("select[name=action]").select_option(label="Ouvrir les créneaux…")
    hands.page.get_by_role("button", name="Envoyer").click()
    expect(
        hands.page.get_by_role("cell", name=re.compile("lundis, .* mardis, .* jeudis et .* vendredis"))
    ).to_be_visible()
    hands.save("Ouvrir les créneaux")

    hands.step("Les prix", "Tarifs")
    hands.page.get_by_role("link", name=re.compile("^Ajouter")).first.click()
    hands.fill("name", "Repas")
    hands.choose("kind", "Prix unique")
    hands.fill("bands-0-price_0", "3,70")
    hands.add_row("formulas")
    hands.choose("formulas-0-formula", "Restauration scolaire – Repas")
    hands.save()

    hands.page.get_by_role("link", name="Premiers pas").first.click()
    expect(hands.page.locator(".step-now").first).to_contain_text(
        "Votre commune peut ouvrir « Restauration scolaire » le mardi 10 novembre 2026."
    )
    assert violations(hands.page) == []
    hands.page.get_by_role("link", name="Ouvrir au public…").click()
    hands.save("Ouvrir au public")
    assert Town.objects.get().is_open
    assert hands.fields <= MOST, f"{hands.fields} fields"

    visitor.goto("/")
    expect(visitor.get_by_role("button", name="Se connecter")).to_be_visible()
    assert Establishment.objects.count() == 2
    assert not Slot.objects.filter(day__week_day=4).exists(), "A Wednesday that nobody ticked."
    (found,) = first_days.find(datetime.fromisoformat("2026-11-09T10:00+01:00"))
    assert not found.wants


def add_place(hands: Hands, name: str, kind: str) -> None:
    hands.step("Les écoles", "Établissements")
    hands.page.get_by_role("link", name=re.compile("^Ajouter")).first.click()
    hands.fill("name", name)
    hands.choose("kind", kind)
    hands.tick("open_weekdays", *CLASS_DAYS)
    hands.save()
