"""« Importer le calendrier »: proposals, ticks, and nothing twice."""

from datetime import date

import pytest
from django.urls import reverse

from portal.models import Town
from portal.reservations.days.holiday_proposals import keep, last_year_known, propose
from portal.reservations.models import PublicHoliday, SchoolHoliday, SchoolYear
from tests.factories import UserFactory

PAGE = "admin:reservations_calendar_import"
CHOSEN = {"annee": "2026", "zone": "B", "region": "metropole"}


def rows(kind: str, start_year: int = 2026, zone: str = "B", region: str = "metropole") -> list[tuple]:
    found = propose(start_year, zone, region).rows
    return [(row.name, row.first, row.last) for row in found if row.kind == kind]


def test_a_school_year_is_proposed_whole(db: None) -> None:
    assert rows("year") == [("2026-2027", date(2026, 9, 1), date(2027, 7, 2))]
    assert rows("school") == [
        ("Vacances de la Toussaint", date(2026, 10, 17), date(2026, 11, 1)),
        ("Vacances de Noël", date(2026, 12, 19), date(2027, 1, 3)),
        ("Vacances d'hiver", date(2027, 2, 20), date(2027, 3, 7)),
        ("Vacances de printemps", date(2027, 4, 17), date(2027, 5, 2)),
        ("Pont de l'Ascension", date(2027, 5, 6), date(2027, 5, 8)),
        ("Vacances d'été", date(2027, 7, 3), date(2027, 8, 31)),
    ]
    assert ("Lundi de Pâques", date(2027, 3, 29), date(2027, 3, 29)) in rows("public")
    assert all(date(2026, 9, 1) <= first <= date(2027, 8, 31) for _, first, _ in rows("public"))


@pytest.mark.parametrize("region", Town.Region.values)
def test_every_region_has_its_public_holidays(db: None, region: str) -> None:
    assert len(rows("public", region=region)) >= 11


def test_some_regions_have_more(db: None) -> None:
    own = {
        region: {name for name, *_ in rows("public", region=region)} - {name for name, *_ in rows("public")}
        for region in (Town.Region.ALSACE_MOSELLE, Town.Region.REUNION)
    }
    assert own == {
        Town.Region.ALSACE_MOSELLE: {"Vendredi saint", "Saint-Étienne"},
        Town.Region.REUNION: {"Abolition de l'esclavage"},
    }


def test_what_is_not_known_is_said(db: None) -> None:
    future = propose(last_year_known() + 1, "A", "metropole")
    assert "ne sont pas encore toutes connues" in future.warnings[0]
    assert {row.kind for row in future.rows} == {"public"}
    corse = propose(2026, "Corse", "metropole")
    assert "L'académie de Corse" in corse.warnings[0]
    assert [row.name for row in corse.rows if row.kind == "school"][:2] == [
        "Vacances de la Toussaint",
        "Vacances de Noël",
    ]
    overseas = propose(2026, "A", Town.Region.MARTINIQUE)
    assert "outre-mer" in overseas.warnings[0]
    assert not [row for row in overseas.rows if row.kind == "school"]


def test_a_territory_whose_dates_were_found_is_proposed_its_own_year(db: None) -> None:
    reunion = propose(2026, Town.Zone.LOCAL, Town.Region.REUNION)
    assert "vérifiez ces dates" in reunion.warnings[0]
    found = [(row.kind, row.name, row.first, row.last) for row in reunion.rows if row.kind != "public"]
    assert found[:3] == [
        ("year", "2026-2027", date(2026, 8, 18), date(2027, 7, 2)),
        ("school", "Vacances d'octobre", date(2026, 10, 10), date(2026, 10, 25)),
        ("school", "Vacances de l'été austral", date(2026, 12, 19), date(2027, 1, 31)),
    ]
    keep(reunion, [row.key for row in reunion.rows])
    assert set(SchoolHoliday.objects.values_list("zone", flat=True)) == {"local"}
    assert not propose(2026, Town.Zone.LOCAL, Town.Region.REUNION).new


def test_keeping_twice_writes_once(db: None) -> None:
    every_key = [row.key for row in propose(2026, "B", "metropole").rows]
    counts = [keep(propose(2026, "B", "metropole"), every_key) for _ in range(2)]
    assert counts == [1 + 11 + 6, 0]
    assert (SchoolYear.objects.count(), PublicHoliday.objects.count(), SchoolHoliday.objects.count()) == (
        1,
        11,
        6,
    )


def test_holidays_an_agent_moved_are_not_proposed_again(db: None) -> None:
    SchoolHoliday.objects.create(
        zone="B", name="Noël", starts_on=date(2026, 12, 18), ends_on=date(2027, 1, 4)
    )
    christmas = next(row for row in propose(2026, "B", "metropole").rows if row.name == "Vacances de Noël")
    assert christmas.known


# The page ---------------------------------------------------------------------------------------------------


@pytest.fixture
def chief(client, now, town):
    client.force_login(UserFactory(username="chef", is_staff=True, is_superuser=True))
    return client


def test_the_page_proposes_then_keeps_what_is_ticked(chief) -> None:
    page = chief.get(reverse(PAGE), CHOSEN).content.decode()
    assert "Vacances de Noël : du 19 décembre 2026 au 3 janvier 2027" in page
    ticked = {"garder": ["school-2026-12-19", "public-2026-12-25", "public-1999-01-01"]}
    response = chief.post(reverse(PAGE), CHOSEN | ticked, follow=True)
    page = response.content.decode()
    assert "2 lignes ajoutées au calendrier." in page
    assert "Vacances de Noël : du 19 décembre 2026 au 3 janvier 2027 (déjà dans le calendrier)" in page
    assert PublicHoliday.objects.get().name == "Noël"


def test_nothing_ticked_changes_nothing(chief) -> None:
    response = chief.post(reverse(PAGE), CHOSEN, follow=True)
    assert "Rien n&#x27;était coché" in response.content.decode()
    assert not SchoolHoliday.objects.exists()


@pytest.mark.parametrize("chosen", [{"annee": "1800"}, {"annee": "x", "zone": "Z", "region": "lune"}])
def test_a_wrong_choice_is_explained(chief, chosen: dict[str, str]) -> None:
    for response in (chief.get(reverse(PAGE), chosen), chief.post(reverse(PAGE), chosen)):
        assert response.status_code == 200
        assert "errorlist" in response.content.decode()


@pytest.mark.parametrize("model", ["schoolyear", "publicholiday", "schoolholiday"])
def test_the_lists_lead_to_the_page(chief, model: str) -> None:
    page = chief.get(reverse(f"admin:reservations_{model}_changelist")).content.decode()
    assert reverse(PAGE) in page


def test_only_who_may_add_holidays_imports(client, now, town) -> None:
    client.force_login(UserFactory(username="stagiaire", is_staff=True))
    assert client.get(reverse(PAGE)).status_code == 403
