"""Who is expected at a centre, on screen, as PDF and as CSV."""

import csv
import io
from datetime import date

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pypdf import PdfReader

from families.models import Child, Guardian
from leisure import registers
from portal.reservations.models import AbsenceNotice, Activity, Enrolment
from tests.conftest import Family, family
from tests.factories import (
    ActivityFactory,
    AuthorisedPersonFactory,
    BookingFactory,
    CentreFactory,
    ChildFactory,
    EnrolmentFactory,
    FormulaFactory,
    GuardianFactory,
    HealthFactory,
    HouseholdFactory,
    SchoolingFactory,
)

PAGE = reverse("admin:leisure_register")
WEDNESDAY, NEXT = date(2026, 11, 18), date(2026, 11, 25)


@pytest.fixture
def centre(db):
    return CentreFactory(code="les-roseaux", name="Centre des Roseaux")


@pytest.fixture
def formulas(now, town, year, centre):
    """« Mercredis » at the centre: Matinée, and Journée with a meal."""
    activity = ActivityFactory(
        code="mercredis", name="Mercredis", service="leisure", establishments=[centre], weekdays=0b100
    )
    morning = FormulaFactory(
        activity=activity, code="matinee", name="Matinée", parts=["morning"], with_meal=False
    )
    whole = FormulaFactory(
        activity=activity, code="journee", name="Journée", parts=["morning", "afternoon"], order=1
    )
    return morning, whole


@pytest.fixture
def comes(formulas, centre, year):
    """A family's child comes on a day."""

    def book(who: Family, formula, day=WEDNESDAY, **more):
        enrolment = Enrolment.objects.filter(
            child=who.child, activity=formula.activity
        ).first() or EnrolmentFactory(
            household=who.household,
            child=who.child,
            activity=formula.activity,
            establishment=centre,
            school_year=year,
        )
        return BookingFactory(enrolment=enrolment, formula=formula, day=day, **more)

    return book


@pytest.fixture
def lina(formulas, school_class) -> Family:
    """Lina Roux, in CE1, whose grandmother may collect her; a PAI."""
    who = family("roux", "Roux", "Lina", school_class)
    Guardian.objects.filter(pk=who.guardian.pk).update(phone="06 00 00 00 01", phone_work="")
    Child.objects.filter(pk=who.child.pk).update(birth_date=date(2018, 11, 19), leaves_alone=False)
    AuthorisedPersonFactory(
        child=who.child, name="Odette Roux", relationship="grand-mère", phone="06 00 00 00 02"
    )
    HealthFactory(
        child=who.child,
        has_pai=True,
        allergies="Arachides",
        treatment="Stylo d'adrénaline",
        doctor="Dr Vidal",
        doctor_phone="01 00 00 00 03",
    )
    return who


def test_a_sheet_says_all_that_the_team_needs(lina, comes, formulas, centre):
    comes(lina, formulas[1])
    (sheet,) = registers.register(centre, [WEDNESDAY, NEXT], health=registers.Health.DETAILS)
    assert (sheet.day, sheet.counts) == (WEDNESDAY, "1 enfant (Journée 1), 1 repas")
    assert sheet.children == [
        registers.Expected(
            child_id=lina.child.pk,
            last_name="Roux",
            first_name="Lina",
            age=7,
            school="École des Tilleuls",
            school_class="CE1",
            formulas=["Journée"],
            with_meal=True,
            guardians=[registers.Contact("Camille Roux", "06 00 00 00 01")],
            authorised=[registers.Contact("Odette Roux (grand-mère)", "06 00 00 00 02")],
            leaves_alone=False,
            cancelling=False,
            announced=False,
            flag="PAI",
            health=[
                "Allergies : Arachides",
                "Conduite à tenir : Stylo d'adrénaline",
                "Médecin : Dr Vidal 01 00 00 00 03",
            ],
        )
    ]


def test_an_absence_announced_stands_on_the_sheet(lina, comes, formulas, centre, now):
    comes(lina, formulas[1])
    AbsenceNotice.objects.create(household=lina.household, child=lina.child, day=WEDNESDAY, announced_at=now)
    (sheet,) = registers.register(centre, [WEDNESDAY])
    assert [child.announced for child in sheet.children] == [True]
    lines = list(registers.rows(centre, [sheet]))
    assert lines[1][lines[0].index("absence annoncée")] == "oui"
    AbsenceNotice.objects.update(withdrawn_at=now)
    (sheet,) = registers.register(centre, [WEDNESDAY])
    assert [child.announced for child in sheet.children] == [False]


def test_only_those_who_hold_a_place_are_expected(comes, formulas, centre, stranger):
    states = ["requested", "waitlisted", "cancelled", "refused", "accepted", "cancel_requested"]
    for state in states:
        comes(family(state, state.capitalize(), "Sacha"), formulas[0], state=state)
    (sheet,) = registers.register(centre, [WEDNESDAY])
    assert [(child.last_name, child.cancelling) for child in sheet.children] == [
        ("Accepted", False),
        ("Cancel_requested", True),
    ]


def test_a_child_with_two_formulas_has_one_line(lina, comes, formulas, centre):
    noon = FormulaFactory(activity=formulas[0].activity, code="repas", name="Repas", parts=["noon"], order=1)
    comes(lina, noon)
    comes(lina, formulas[0])
    (sheet,) = registers.register(centre, [WEDNESDAY])
    (child,) = sheet.children
    assert (child.formulas, child.with_meal) == (["Matinée", "Repas"], True)
    assert sheet.counts == "1 enfant (Matinée 1, Repas 1), 1 repas"


def test_a_formula_a_centre_and_a_day_are_kept_apart(lina, comes, formulas, centre, waits):
    comes(lina, formulas[0])
    comes(waits, formulas[1])
    comes(waits, formulas[0], day=NEXT)
    morning = registers.register(centre, [WEDNESDAY, NEXT], formula=formulas[0])
    assert [(sheet.day, [child.first_name for child in sheet.children]) for sheet in morning] == [
        (WEDNESDAY, ["Lina"]),
        (NEXT, ["Noé"]),
    ]
    assert registers.register(CentreFactory(), [WEDNESDAY]) == []


def test_the_canteen_keeps_its_own_counts(books, canteen):
    BookingFactory(enrolment=books.enrolment, formula=canteen.formula, day=WEDNESDAY)
    assert registers.register(canteen.restaurant, [WEDNESDAY]) == []


def test_both_homes_can_be_called_the_one_that_booked_first(comes, formulas, centre):
    mother, father = HouseholdFactory(), HouseholdFactory()
    GuardianFactory(household=mother, first_name="Inès", last_name="Roux", phone="1", phone_work="2")
    GuardianFactory(household=father, first_name="Luc", last_name="Roux", phone="3", phone_work="")
    child = ChildFactory(first_name="Lina", last_name="Roux", households=[mother, father])
    comes(Family(father, None, None, child), formulas[0])
    (sheet,) = registers.register(centre, [WEDNESDAY])
    assert sheet.children[0].guardians == [
        registers.Contact("Luc Roux", "3"),
        registers.Contact("Inès Roux", "1, 2"),
    ]


def test_a_missing_health_file_is_said_where_it_is_required(comes, formulas, centre):
    who = family("petit", "Petit", "Noé")
    comes(who, formulas[0])
    assert registers.register(centre, [WEDNESDAY])[0].children[0].flag == ""
    Activity.objects.update(health_file_required=True)
    assert registers.register(centre, [WEDNESDAY])[0].children[0].flag == registers.MISSING


def test_health_is_for_who_may_read_it(lina, comes, formulas, agent, agent_client):
    comes(lina, formulas[0])
    for form in ("", "csv"):
        text = agent_client.get(PAGE, {"jour": WEDNESDAY.isoformat(), "format": form}).text
        assert registers.TO_READ in text
        assert "Arachides" not in text and "Stylo" not in text
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    for asked in ({"sante": "1"}, {"format": "csv"}):
        text = agent_client.get(PAGE, {"jour": WEDNESDAY.isoformat()} | asked).text
        assert "Arachides" in text and "Stylo" in text


def test_a_register_used_all_day_shows_signs_and_opens_the_files_on_request(
    lina, waits, comes, formulas, agent, agent_client, lines
):
    comes(lina, formulas[0])
    HealthFactory(child=waits.child, allergies="", treatment="Ventoline", has_pai=False)
    comes(waits, formulas[0])
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    asked = {"jour": WEDNESDAY.isoformat()}
    with override_settings(ASK_AGAIN=True):
        page = agent_client.get(PAGE, asked).text
        assert "PAI, Allergie" in page and registers.TO_READ in page
        assert "Arachides" not in page and "Stylo" not in page and "Ventoline" not in page
        assert "Montrer le détail des fiches sanitaires" in page
        assert lines() == [], "signs are no file"
        answer = agent_client.get(PAGE, asked | {"sante": "1"})
        assert answer.status_code == 302 and "confirmer-mon-identite" in answer["Location"]
        assert lines() == []
    page = agent_client.get(PAGE, asked | {"sante": "1"}).text
    assert "Arachides" in page and "Ventoline" in page and "Masquer le détail" in page
    assert lines() == [("health", 2, ["Lina Roux", "Noé Petit"])]


def test_who_may_not_read_health_is_offered_and_given_nothing(lina, comes, formulas, agent_client, lines):
    comes(lina, formulas[0])
    with override_settings(ASK_AGAIN=True):
        page = agent_client.get(PAGE, {"jour": WEDNESDAY.isoformat(), "sante": "1"}).text
    assert registers.TO_READ in page and "Allergie" not in page
    assert "détail des fiches" not in page and lines() == []


def test_health_on_a_register_and_registers_as_files_are_written_down(
    lina, waits, comes, formulas, agent, agent_client, lines
):
    comes(lina, formulas[0])
    comes(waits, formulas[0])
    asked = {"jour": WEDNESDAY.isoformat()}
    agent_client.get(PAGE, asked)
    assert lines() == []
    for form in ("csv", "pdf"):
        agent_client.get(PAGE, asked | {"format": form})
        assert lines() == [("export", 2, ["Lina Roux", "Noé Petit"])]
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    agent_client.get(PAGE, asked | {"sante": "1"})
    assert lines() == [("health", 1, ["Lina Roux"])]
    agent_client.get(PAGE, asked | {"format": "csv"})
    assert lines() == [("health", 1, ["Lina Roux"]), ("export", 2, ["Lina Roux", "Noé Petit"])]


def test_the_page_shows_the_day_and_the_week(lina, waits, comes, formulas, agent_client):
    comes(lina, formulas[1])
    comes(waits, formulas[0], day=date(2026, 11, 20))
    day = agent_client.get(PAGE, {"jour": WEDNESDAY.isoformat()}).text
    assert "Roux Lina" in day and "Petit Noé" not in day
    assert "Mercredi 18 novembre 2026 : 1 enfant (Journée 1), 1 repas" in day
    week = agent_client.get(PAGE, {"jour": WEDNESDAY.isoformat(), "vue": "semaine"}).text
    assert "Roux Lina" in week and "Petit Noé" in week
    empty = agent_client.get(PAGE, {"jour": "2026-11-21"}).text
    assert "Aucun enfant n’est attendu ce jour-là." in empty


def test_the_file_holds_a_line_a_child_and_day(lina, comes, formulas, agent_client):
    comes(lina, formulas[1])
    Child.objects.update(first_name="=Lina")
    answer = agent_client.get(PAGE, {"jour": WEDNESDAY.isoformat(), "format": "csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert 'filename="registre-les-roseaux-2026-11-18.csv"' in answer["Content-Disposition"]
    header, line = csv.reader(io.StringIO(answer.content.decode("utf-8-sig")), delimiter=";")
    assert tuple(header) == registers.HEADER
    assert line[:9] == [
        "18/11/2026",
        "Centre des Roseaux",
        "Roux",
        "'=Lina",
        "7",
        "École des Tilleuls",
        "CE1",
        "Journée",
        "oui",
    ]


def test_the_pdf_is_tagged_and_titled(lina, comes, formulas, agent_client):
    comes(lina, formulas[1])
    answer = agent_client.get(PAGE, {"jour": WEDNESDAY.isoformat(), "format": "pdf"})
    assert answer["Content-Type"] == "application/pdf"
    document = PdfReader(io.BytesIO(answer.content))
    catalog = document.trailer["/Root"]
    assert (catalog["/Lang"], catalog["/MarkInfo"]["/Marked"]) == ("fr", True)
    assert document.metadata.title == ("Registre de présence – Centre des Roseaux, mercredi 18 novembre 2026")
    text = document.pages[0].extract_text()
    assert "Roux Lina" in text and "06 00 00 00 02" in text


@pytest.mark.parametrize(
    "asked",
    [
        {"jour": "hier"},
        {"jour": "9999-99-99"},
        {"jour": "0001-01-01"},
        {"centre": "999"},
        {"centre": "x", "format": "pdf"},
        {"formule": "999", "format": "csv"},
        {"vue": "siècle"},
    ],
)
def test_a_wrong_choice_is_said_at_its_field(asked, formulas, agent_client):
    page = agent_client.get(PAGE, asked)
    assert page.status_code == 200
    assert "errorlist" in page.text


def test_without_any_centre_the_page_still_answers(now, town, agent_client):
    assert agent_client.get(PAGE).status_code == 200


def test_registers_are_for_agents(formulas, agent_client, regie_client, stranger_client, client):
    assert agent_client.get(PAGE).status_code == 200
    assert regie_client.get(PAGE).status_code == 403
    assert stranger_client.get(PAGE).status_code == 302
    assert client.get(PAGE).status_code == 302


def test_a_register_costs_the_same_for_one_child_and_ten(lina, comes, formulas, centre, school_class):
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            registers.register(centre, [WEDNESDAY, NEXT], health=registers.Health.DETAILS)
        return len(queries)

    comes(lina, formulas[0])
    once = cost()
    for number in range(9):
        who = family(f"f{number}", f"Famille {number}", "Sacha")
        SchoolingFactory(child=who.child, school_class=school_class)
        AuthorisedPersonFactory(child=who.child)
        comes(who, formulas[0])
        comes(who, formulas[1], day=NEXT)
    assert once == cost() == 4


@pytest.mark.parametrize("form", ["csv", "pdf"])
def test_a_file_of_children_asks_for_the_proof_again(agent_client, wednesdays, form):
    asked = {"jour": WEDNESDAY.isoformat(), "format": form}
    with override_settings(ASK_AGAIN=True):
        answer = agent_client.get(PAGE, asked)
        assert answer.status_code == 302 and "confirmer-mon-identite" in answer["Location"]
        assert agent_client.get(PAGE, {"jour": WEDNESDAY.isoformat()}).status_code == 200
