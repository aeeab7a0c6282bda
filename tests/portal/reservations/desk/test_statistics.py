"""« Statistiques » at the desk: who opens it, what it shows of which places, its files."""

import io
from datetime import date

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from openpyxl import load_workbook

from families import groups
from portal.reservations.models import Establishment, MonthlyFigure
from portal.reservations.staff import giving
from portal.reservations.statistics import counting
from tests.conftest import FRIDAY, NOW, THURSDAY, enrolled, family, logged_in
from tests.factories import EstablishmentFactory, UserFactory

PAGE = "/mairie/reservations/slot/statistiques/"


@pytest.fixture
def counted(asks, books, waits, canteen):
    canteen.formula.with_meal = True
    canteen.formula.save()
    asks(books, THURSDAY, FRIDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    counting.count(NOW)


def staff(name: str, role: str, places: list[Establishment] | None = None):
    user = UserFactory(username=name, is_staff=True)
    giving.give(user, Group.objects.get(name=role), places=places, by=None)
    return logged_in(user)


def text(client, **asked) -> str:
    answer = client.get(PAGE, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_has_its_charts_with_their_tables(counted, agent_client):
    said = text(agent_client)
    assert reverse("admin:reservations_statistics") == PAGE
    assert "Repas réservés" in said and "Toute la commune" in said
    assert said.count('role="img"') >= 2
    assert "Novembre 2026" in said
    assert "undefined" not in said


def test_nothing_counted_yet_is_said(canteen, agent_client):
    assert "Rien n’est encore compté" in text(agent_client)


@pytest.mark.parametrize("role", [groups.AGENT, groups.REGIE, groups.DIRECTOR, groups.READER])
def test_who_answers_for_figures_opens_it(counted, role):
    assert "Repas réservés" in text(staff("someone", role))


@pytest.mark.parametrize("role", [groups.TILL, groups.KITCHEN, groups.ANIMATOR, groups.ACCOUNTANT])
def test_others_do_not(counted, role):
    assert staff("someone", role).get(PAGE).status_code == 403


def test_a_role_at_a_place_sees_its_figures_alone(counted, canteen, settings):
    there = text(staff("here", groups.DIRECTOR, [canteen.restaurant]))
    assert "Repas réservés" in there and canteen.restaurant.name in there
    assert "Toute la commune" not in there
    elsewhere = EstablishmentFactory(name="Restaurant du Port")
    other = staff("there", groups.DIRECTOR, [elsewhere])
    for asked in ({}, {"lieu": canteen.restaurant.pk}):
        said = text(other, **asked)
        assert "Repas réservés" not in said and canteen.restaurant.name not in said


def test_all_tables_leave_as_one_workbook_and_each_as_csv(counted, agent_client):
    answer = agent_client.get(PAGE, {"format": "xlsx"})
    book = load_workbook(io.BytesIO(b"".join(answer.streaming_content)))
    assert "Repas réservés" in book.sheetnames
    rows = list(book["Repas réservés"].values)
    assert rows[0][0] == "Mois"
    assert rows[-1][:2] == ("Novembre 2026", 3) or rows[1][1] == 3
    answer = agent_client.get(PAGE, {"format": "csv", "tableau": "repas"})
    written = b"".join(answer.streaming_content).decode("utf-8-sig")
    assert written.startswith("Mois;2026-2027;2025-2026")
    assert "repas" in answer["Content-Disposition"]


@pytest.mark.parametrize("asked", ["annee=2031", "lieu=x", "lieu=99999999999999999999", "format=pdf"])
def test_whatever_is_asked_is_answered(counted, agent_client, asked):
    assert agent_client.get(f"{PAGE}?{asked}").status_code == 200


def test_the_page_costs_the_same_for_two_families_and_ten(
    counted, asks, canteen, year, school_class, agent_client
):
    def cost() -> int:
        agent_client.get(PAGE)
        with CaptureQueriesContext(connection) as queries:
            assert agent_client.get(PAGE).status_code == 200
        return len(queries)

    once = cost()
    for number in range(8):
        who = enrolled(family(f"f{number}", f"Famille {number}", "Sacha", school_class), canteen, year)
        asks(who, THURSDAY, FRIDAY, on_request=False)
    counting.count(NOW)
    assert MonthlyFigure.objects.filter(month=date(2026, 11, 1)).exists()
    assert cost() == once <= 20
