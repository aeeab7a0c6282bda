"""Where a household lives, told at the desk, with its day."""

from datetime import date

from tests.conftest import Family
from tests.families.test_admin import HOUSEHOLDS, shown_form


def rows(who: Family) -> list[tuple[date | None, bool]]:
    return [(row.starts_on, row.resident) for row in who.household.residences.all()]


def test_an_agent_says_from_which_day_a_household_left_the_town(books, agent_client):
    page = f"{HOUSEHOLDS}{books.household.pk}/change/"
    data = shown_form(agent_client, books.household)
    data.pop("resident")
    answer = agent_client.post(page, data | {"resident_since": "04/11/2026"})
    assert answer.status_code == 302
    books.household.refresh_from_db()
    assert not books.household.resident
    assert rows(books) == [(None, True), (date(2026, 11, 4), False)]
    assert (
        "Habite hors commune depuis le 04/11/2026"
        in agent_client.get(page, {"onglet": "dossier"}).content.decode()
    )


def test_without_a_day_it_counts_from_today(books, agent_client):
    data = shown_form(agent_client, books.household)
    data.pop("resident")
    agent_client.post(f"{HOUSEHOLDS}{books.household.pk}/change/", data)
    assert rows(books) == [(None, True), (date(2026, 11, 9), False)]


def test_saving_the_page_otherwise_moves_nobody(books, agent_client):
    data = shown_form(agent_client, books.household) | {"notes": "Rappeler en décembre."}
    agent_client.post(f"{HOUSEHOLDS}{books.household.pk}/change/", data)
    books.household.refresh_from_db()
    assert (books.household.notes, rows(books)) == ("Rappeler en décembre.", [])
