"""« Premiers pas »: each step as the town stands, a town to start from, « Ouvrir au public » last."""

from datetime import date
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import FormulaTariff, Tariff, TariffBand
from families.models import User
from portal import open_to_public
from portal.desk import first_steps
from portal.models import Town
from portal.reservations.acts import opening
from portal.reservations.days import first_days
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Capacity,
    Establishment,
    Formula,
    Period,
    SchoolClass,
    Slot,
)
from tests.conftest import NOW, logged_in
from tests.factories import (
    ActivityFactory,
    EstablishmentFactory,
    FormulaFactory,
    PeriodFactory,
    SchoolFactory,
    UserFactory,
)

PAGE, START, OPEN, CLOSE = (f"admin:portal_town_{name}" for name in ("first_steps", "start", "open", "close"))


@pytest.fixture
def manager_client(now, db: None) -> Client:
    """The Responsable whom the command made, in a town that has nothing yet."""
    open_to_public.start_closed()
    return logged_in(UserFactory(username="duval", is_staff=True, is_superuser=True))


def page(client: Client, name: str = PAGE) -> str:
    return client.get(reverse(name)).content.decode().replace("&#x27;", "'")


def standing(key: str) -> first_steps.Standing:
    step = next(one for one in first_steps.steps() if one.key == key)
    return step.read(NOW)


def lacks(key: str) -> list[str]:
    return [one.sentence for one in standing(key).missing]


# The page -----------------------------------------------------------------------------------------------


def test_an_empty_town_is_told_each_step_what_it_is_for_and_what_is_missing(manager_client: Client) -> None:
    said = page(manager_client)
    steps = first_steps.steps()
    assert [one.key for one in steps] == [
        "commune", "ecoles", "calendrier", "restaurants", "loisirs", "activites", "periodes", "places",
        "delais", "prix", "absences", "paiements", "lettres", "agents", "essai",
    ]  # fmt: skip
    assert all(one.title in said for one in steps)
    assert "À La Selle-Craonnaise" in said
    for lack in ("Le nom de la commune.", "Aucune école.", "Aucune activité.", "Partir d’un modèle"):
        assert lack in said
    assert "fermé au public" in said
    assert "peut ouvrir" not in said
    assert lacks("essai") == ["Aucune activité : cette étape vient après."]


def test_a_school_without_a_year_is_not_done(now, db: None) -> None:
    SchoolFactory()
    assert lacks("ecoles") == [
        "Les classes viennent après le calendrier : une classe est celle d'une année scolaire."
    ]
    assert not standing("ecoles").blocks, "The calendar comes next."


def test_it_stands_first_in_the_menu_and_on_the_first_page_until_the_town_opens(
    manager_client: Client,
) -> None:
    index = manager_client.get(reverse("admin:index"))
    assert index.context["ways"][0].label == "Premiers pas"
    assert index.context["app_list"][0]["models"][0]["name"] == "Premiers pas"
    assert "← Premiers pas" in page(manager_client, "admin:reservations_activity_add")
    open_to_public.open_up(User.objects.get())
    index = manager_client.get(reverse("admin:index"))
    assert "Premiers pas" not in [one.label for one in index.context["ways"]]
    assert index.context["app_list"][0]["models"][0]["name"] != "Premiers pas"
    assert "← Premiers pas" not in page(manager_client, "admin:reservations_activity_add")
    assert manager_client.get(reverse(PAGE)).status_code == 200


def test_only_who_sets_the_town_up_has_the_page(town: Town, agent_client: Client) -> None:
    open_to_public.start_closed()
    for name in (PAGE, START, OPEN, CLOSE):
        assert agent_client.get(reverse(name)).status_code == 403
    assert "← Premiers pas" not in page(agent_client, "admin:index")


def test_pages_that_one_may_not_open_are_not_offered(town: Town, now) -> None:
    """A Responsable alone writes the town, and no activity."""
    alone = UserFactory(username="seule", is_staff=True)
    alone.groups.add(Group.objects.get_or_create(name="Responsable")[0])
    said = page(logged_in(alone))
    assert reverse("admin:portal_town_changelist") in said
    assert f'href="{reverse("admin:reservations_activity_add")}"' not in said
    assert "Aucune activité." in said
    assert "Cette étape est à un agent qui en a le droit." in said


def grow(number: int) -> None:
    """So many schools, restaurants and activities with all that belongs to each."""
    for _ in range(number):
        school = SchoolFactory()
        place = EstablishmentFactory(serves=[school])
        activity = ActivityFactory(establishments=[place])
        formula = FormulaFactory(activity=activity)
        PeriodFactory(activity=activity)
        Capacity.objects.create(activity=activity, establishment=place, part="noon", places=10)
        tariff = Tariff.objects.create(code=f"prix-{activity.pk}", name="Prix", kind="flat")
        TariffBand.objects.create(tariff=tariff, prices={"": "3.20"})
        FormulaTariff.objects.create(formula=formula, tariff=tariff)
        Slot.objects.create(activity=activity, establishment=place, day=date(2026, 11, 26), part="noon")


def test_it_costs_as_many_queries_with_ten_of_everything(manager_client: Client, canteen) -> None:
    counts = []
    for more in (1, 9):
        grow(more)
        page(manager_client)
        with CaptureQueriesContext(connection) as queries:
            page(manager_client)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 80


# Where the town stands ----------------------------------------------------------------------------------


def test_the_canteen_may_open_on_its_first_day_still_on_time(canteen) -> None:
    (one,) = first_days.find(NOW)
    assert (one.day, one.opens) == (date(2026, 11, 12), None)
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "3.20"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    (said,) = first_steps.readiness(NOW)
    assert said.ready
    assert said.sentence == "Votre commune peut ouvrir « Restauration scolaire » le jeudi 12 novembre 2026."


def test_a_period_that_opens_later_says_from_when(canteen) -> None:
    Period.objects.update(opens_at=NOW.replace(day=20, hour=8))
    (said,) = first_steps.readiness(NOW)
    assert said.sentence.replace("\N{NO-BREAK SPACE}", " ") == (
        "Votre commune peut ouvrir « Restauration scolaire » le lundi 23 novembre 2026 ; les familles "
        "réservent à partir du vendredi 20 novembre à 8 h."
    )


def test_without_a_price_it_says_which_formula_lacks_it(canteen) -> None:
    (said,) = first_steps.readiness(NOW)
    assert not said.ready
    assert [one.replace("\N{NO-BREAK SPACE}", " ") for one in said.wants] == [
        "Le prix de « Repas » le 12 novembre 2026"
    ]
    assert lacks("prix") == ["Sans prix : « Restauration scolaire – Repas »."]


@pytest.mark.parametrize(
    ("take_away", "wants"),
    [
        (lambda: Formula.objects.all().delete(), "une formule"),
        (lambda: Establishment.objects.filter(kind="restaurant").update(active=False), "un établissement"),
        (lambda: Period.objects.all().delete(), "une période à venir"),
        (lambda: Slot.objects.all().delete(), "ses créneaux, à ouvrir sur la page des périodes"),
        (lambda: Slot.objects.filter(day__gt=date(2026, 11, 11)).delete(), "ses délais sont passés"),
    ],
)
def test_what_it_still_wants_is_said(canteen, take_away: Any, wants: str) -> None:
    take_away()
    (said,) = first_steps.readiness(NOW)
    assert not said.ready
    assert wants in said.sentence


def test_steps_are_read_from_rows_never_ticked(canteen, school_class: SchoolClass) -> None:
    assert standing("ecoles").is_done
    assert standing("calendrier").is_done
    assert standing("restaurants").there == ["Restaurant du Verger sert École des Tilleuls."]
    assert standing("periodes").is_done
    assert "2 jours" in standing("delais").there[0]
    assert standing("places").there == ["Restauration scolaire : sans limite."]
    SchoolClass.objects.all().delete()
    Slot.objects.all().delete()
    ActivityDeadline.objects.all().delete()
    assert lacks("ecoles") == ["Pas encore de classe en 2026-2027 : École des Tilleuls."]
    assert lacks("periodes") == ["Créneaux à ouvrir (« Ouvrir les créneaux… ») : Restauration scolaire."]
    assert "jusqu'à la fin de la veille." in standing("delais").there[0]


def test_a_wednesday_without_class_is_doubted(canteen, school: Establishment) -> None:
    assert standing("activites").doubtful == []
    Establishment.objects.filter(pk=school.pk).update(open_weekdays=0b11011)
    (doubt,) = standing("activites").doubtful
    assert doubt.sentence == (
        "« Restauration scolaire » ouvre le mercredi à « Restaurant du Verger », où aucune école desservie "
        "n'a classe ce jour-là."
    )


def test_a_school_that_no_restaurant_serves_goes_hungry(canteen) -> None:
    SchoolFactory(name="École du Moulin")
    assert "Aucun restaurant ne sert École du Moulin." in lacks("restaurants")


def test_a_town_without_a_canteen_passes_by(now, db: None) -> None:
    assert standing("restaurants").unused
    assert standing("loisirs").unused


# A town to start from -----------------------------------------------------------------------------------

ASKED = {"template": "village", "name": "Saint-Exemple", "phone": "01 99 00 00 00", "email": "", "zone": "A"}


def test_a_template_is_seen_before_anything_is_written(manager_client: Client) -> None:
    form = ASKED | {"region": "metropole"}
    seen = manager_client.post(reverse(START), form | {"preview": "1"}).content.decode()
    assert "Ce que ce modèle écrit" in seen
    assert "École communale" in seen
    assert not Establishment.objects.exists()
    assert Town.objects.get().name != "Saint-Exemple"
    answer = manager_client.post(reverse(START), form | {"confirmed": "1"})
    assert answer.url == reverse(PAGE)
    found = Town.objects.get()
    assert (found.name, found.is_open) == ("Saint-Exemple", False)
    assert Activity.objects.get().code == "restauration-scolaire"
    assert LogEntry.objects.get().change_message == "Modèle « Village, une école » chargé."
    assert "Partir d’un modèle" not in page(manager_client)


def test_a_template_never_mixes_with_what_is_there(manager_client: Client, school: Establishment) -> None:
    answer = manager_client.post(reverse(START), ASKED | {"region": "metropole", "confirmed": "1"})
    assert answer.url == reverse(PAGE)
    assert list(Establishment.objects.all()) == [school]


def test_what_makes_no_sense_is_said_beside_its_field(manager_client: Client) -> None:
    answer = manager_client.post(
        reverse(START), ASKED | {"template": "capitale", "name": "", "zone": "Z", "region": "x"}
    )
    assert answer.status_code == 200
    assert set(answer.context["form"].errors) == {"template", "name", "zone", "region"}
    assert not Establishment.objects.exists()


# « Ouvrir au public » -----------------------------------------------------------------------------------


def test_opening_says_what_is_still_missing_and_asks_to_have_read_it(manager_client: Client) -> None:
    said = page(manager_client, OPEN)
    assert "Aucune école." in said
    assert "les familles ne pourront pas réserver" in said
    assert '<label class="vCheckboxLabel" for="id_seen"><input type="checkbox"' in said
    assert "Cochez la case pour ouvrir" in manager_client.post(reverse(OPEN), {}).text
    assert not Town.objects.get().is_open
    manager_client.post(reverse(OPEN), {"seen": "on"})
    assert Town.objects.get().is_open


def test_a_town_that_is_ready_opens_without_a_tick_and_may_close_again(manager_client: Client) -> None:
    manager_client.post(reverse(START), ASKED | {"region": "metropole", "confirmed": "1"})
    for period in Period.objects.all():
        opening.open_slots(period, at=NOW)
    assert SchoolClass.objects.filter(school_year=Period.objects.get().school_year).count() == 3
    assert "peut ouvrir « Restauration scolaire » le lundi 16 novembre 2026." in page(manager_client, OPEN)
    assert manager_client.post(reverse(OPEN), {}).url == reverse("admin:index")
    assert Client().get("/").status_code == 302
    assert "Fermer au public" in page(manager_client)
    assert "Créer un compte famille" in Client().get(reverse("account_login")).text
    assert "se connecte" not in page(manager_client, CLOSE), "Nobody does yet."
    assert "peut ouvrir" in page(manager_client)
    manager_client.post(reverse(CLOSE), {})
    assert not Town.objects.get().is_open
    assert "Créer un compte famille" not in Client().get(reverse("account_login")).text
    told = list(LogEntry.objects.order_by("pk").values_list("change_message", flat=True))
    assert told[1:] == ["Portail ouvert au public.", "Portail fermé au public."]


@pytest.mark.parametrize("name", [OPEN, CLOSE])
def test_opening_and_closing_ask_for_the_password_again(settings, manager_client: Client, name: str) -> None:
    settings.ASK_AGAIN = True
    Town.objects.update(is_open=name == CLOSE)
    answer = manager_client.post(reverse(name), {"seen": "on"})
    assert answer.status_code == 302
    assert answer.url.startswith("/confirmer-mon-identite/")
    assert Town.objects.get().is_open == (name == CLOSE)
