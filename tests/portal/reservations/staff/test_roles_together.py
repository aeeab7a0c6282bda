"""A role for the whole town beside one at a place: the second says nothing of who is reached by the first."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.urls import reverse

from families.models import FamilyQuotient, User
from portal.reservations.models import Enrolment
from portal.reservations.staff import giving
from portal.reservations.states import EnrolmentState
from tests.conftest import NOW, Family, brother_of, logged_in
from tests.factories import ChangeRequestFactory, HealthFactory, PaperFactory, PaperKindFactory

QUEUE = reverse("admin:desk_queue")


def also(user: User, role: str) -> Client:
    """The same member of staff, with a role for the whole town besides."""
    giving.give(user, Group.objects.get(name=role), by=None)
    return logged_in(User.objects.get(pk=user.pk))


def screen(client: Client, who: Family, tab: str = "") -> str:
    page = client.get(reverse("admin:families_household_change", args=[who.household.pk]), {"onglet": tab})
    assert page.status_code == 200
    return page.text.partition('id="content"')[2]


@pytest.fixture
def told(books: Family, elsewhere: Family) -> None:
    """Of both families an income, a change that waits, a file of health."""
    for who in (books, elsewhere):
        FamilyQuotient.objects.create(
            household=who.household, value=Decimal(412), valid_from=date(2026, 9, 1)
        )
        ChangeRequestFactory(household=who.household)
        HealthFactory(child=who.child, has_pai=True)


def test_at_a_place_and_at_the_till_no_income_of_another_place_is_read(
    told, books, elsewhere, canteen_agent, agent_client
):
    till = also(canteen_agent, "Guichet")
    for said in ("Quotients familiaux", "Demandes de modification"):
        assert said in screen(till, books, "dossier") and said not in screen(till, elsewhere, "dossier")
    assert "412" in screen(till, books, "dossier") and "412" not in screen(till, elsewhere, "dossier")
    change = reverse("admin:families_changerequest_changelist")
    assert f'href="{change}' in screen(till, books) and change not in screen(till, elsewhere)
    # Whom one calls and what is owed are the till's; the children are not.
    over = screen(till, elsewhere)
    assert "Camille Sorel" in over and "Solde" in over and "Milo" not in over
    # What happened is not sorted by place: of what one reads at some only nothing is told.
    assert "Quotient familial" in screen(agent_client, elsewhere, "historique")
    for who in (books, elsewhere):
        happened = screen(till, who, "historique")
        assert "Factures et règlements" in happened and "Quotient familial" not in happened


def test_health_at_a_place_is_of_its_children(told, books, elsewhere, canteen_agent, canteen):
    giving.withdraw(canteen_agent, Group.objects.get(name="Agent"), by=None)
    health = Group.objects.get(name="Fiches sanitaires")
    giving.give(canteen_agent, health, places=[canteen.restaurant], by=None)
    reader = also(canteen_agent, "Lecture")
    assert ">PAI<" in screen(reader, books) and ">PAI<" not in screen(reader, elsewhere)
    # Of one home, the child of the place and not its brother.
    far = brother_of(elsewhere, "Robin").child
    far.custodies.update(household=books.household)
    HealthFactory(child=far, has_pai=True)
    page = screen(reader, books)
    assert "Robin" in page and page.count(">PAI<") == 1


def test_the_diet_of_another_place_is_not_read_beside_an_enrolment(books, elsewhere, canteen_agent, canteen):
    PaperFactory(kind=PaperKindFactory(asked_by=[canteen.activity]), household=elsewhere.household)
    for who in (books, elsewhere):
        brother_of(who, "Robin")
        Enrolment.objects.filter(pk=who.enrolment.pk).update(
            state=EnrolmentState.REQUESTED, requested_at=NOW - timedelta(days=5)
        )
    enrols = Group.objects.create(name="Inscrit")
    enrols.permissions.set(Permission.objects.filter(codename__in=("view_enrolment", "change_enrolment")))
    client = also(canteen_agent, "Inscrit")

    def sheet(who: Family) -> dict[str, dict[str, str]]:
        page = client.get(QUEUE, {"demande": f"inscription-{who.enrolment.pk}"})
        assert page.context["shown"].row.child == who.child
        return {one.title: dict(one.facts) for one in page.context["sheet"].sections}

    here, there = sheet(books), sheet(elsewhere)
    assert {"Régime", "Papiers"} <= here["L'enfant"].keys() and "Robin" in here["L'enfant"]["Fratrie"]
    assert "Camille Roux" in here["La famille"]
    assert not {"Régime", "Papiers"} & there["L'enfant"].keys() and there["L'enfant"]["Fratrie"] == "aucune"
    assert list(there["La famille"]) == ["Foyer"]
