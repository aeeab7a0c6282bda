"""« Registre des consultations »: for who heads the service, and for nobody else."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from families.admin.readings import NAMED
from families.models import Child, Reading, User
from families.traces import reading
from tests.conftest import Family, logged_in
from tests.factories import UserFactory
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
REGISTER = "/mairie/families/reading/"


@pytest.fixture
def manager(now, db) -> Client:
    """Heads the service."""
    user = UserFactory(username="responsable", is_staff=True, first_name="Anne", last_name="Chef")
    user.groups.add(Group.objects.get(name="Responsable"))
    return logged_in(user)


@pytest.fixture
def read(books: Family, waits: Family, stranger: Family, agent: User, regie: User, now) -> list[Reading]:
    """Lina's health yesterday, the Petits' proof today, a list of both and the Morels."""
    return [
        reading.add(agent, Reading.Kind.HEALTH, at=now - timedelta(days=1), child=books.child),
        reading.add(agent, Reading.Kind.PROOF, at=now, household=waits.household, what="Justificatif n° 7"),
        reading.add(
            regie,
            Reading.Kind.EXPORT,
            at=now,
            households=[who.household.pk for who in (books, waits, stranger)],
            what="Factures (CSV)",
            network_address="192.0.2.7",
        ),
    ]


def shown(page) -> list[int]:
    return sorted(one.pk for one in page.context["cl"].result_list)


def test_the_register_is_read_by_who_heads_the_service_alone(
    manager, chief_client, agent_client, regie_client, books: Family, read
):
    own = reverse("admin:families_reading_change", args=[read[0].pk])
    for where in (REGISTER, own):
        assert manager.get(where).status_code == 200
        assert chief_client.get(where).status_code == 200
        assert agent_client.get(where).status_code == 403
        assert regie_client.get(where).status_code == 403
        assert books.client().get(where).status_code == 302
    assert f'href="{REGISTER}"' in text_of(manager.get("/mairie/"))
    assert f'href="{REGISTER}"' not in text_of(agent_client.get("/mairie/"))


def test_nobody_writes_in_it(manager, chief_client, read):
    own = reverse("admin:families_reading_change", args=[read[0].pk])
    for client in (manager, chief_client):
        assert client.get(f"{REGISTER}add/").status_code == 403
        assert client.post(own, {"what": "x"}).status_code == 403
        assert client.post(own.replace("change", "delete")).status_code == 403
        client.post(REGISTER, {"action": "delete_selected", "_selected_action": [read[0].pk]})
    assert Reading.objects.filter(pk=read[0].pk, what="").exists()


def test_it_says_who_what_whom_when_and_from_where(manager, read, books, waits, stranger):
    page = text_of(manager.get(REGISTER))
    for words in ("Dominique Agent", "Fiche sanitaire", "Lina Roux", "Factures (CSV)", "Claude Régie"):
        assert words in page
    own = text_of(manager.get(reverse("admin:families_reading_change", args=[read[2].pk])))
    concerned = ", ".join(f"Foyer n° {who.household.number}" for who in (books, waits, stranger))
    assert "192.0.2.7" in own and concerned in own


def test_it_is_filtered_by_kind_reader_and_day(manager, read, agent, now):
    health, proof, export = (one.pk for one in read)
    assert shown(manager.get(REGISTER, {"kind__exact": "health"})) == [health]
    assert shown(manager.get(REGISTER, {"par": agent.pk})) == [health, proof]
    day = {"at__year": now.year, "at__month": now.month, "at__day": now.day}
    assert shown(manager.get(REGISTER, day)) == [proof, export]


@pytest.mark.parametrize("asked", ["abc", "-1", "9" * 30])
def test_a_reader_that_is_none_finds_nothing(manager, read, asked):
    assert shown(manager.get(REGISTER, {"par": asked})) == []


def test_it_is_searched_by_the_childs_name_and_the_households_number(
    manager, read, books, waits, stranger, agent, now
):
    health, proof, export = (one.pk for one in read)
    listed = reading.add(agent, Reading.Kind.HEALTH, at=now, children=[books.child.pk, waits.child.pk])
    assert shown(manager.get(REGISTER, {"q": "lina"})) == [health, listed.pk]
    assert shown(manager.get(REGISTER, {"q": "noe petit"})) == [listed.pk]
    assert shown(manager.get(REGISTER, {"q": books.household.number})) == [health, export, listed.pk]
    assert shown(manager.get(REGISTER, {"q": waits.household.number})) == [proof, export, listed.pk]
    assert shown(manager.get(REGISTER, {"q": f"{stranger.household.pk} claude"})) == [export]
    assert shown(manager.get(REGISTER, {"q": "999999"})) == []


def test_taking_it_out_is_a_line_too(manager, read):
    keys = [one.pk for one in read]
    file = manager.post(REGISTER, {"action": "download_csv", "_selected_action": keys})
    lines = b"".join(file.streaming_content).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("Lu le;Heure;Par;Quoi;Enfant;Foyer;Dossiers")
    assert lines[1].startswith("08/11/2026;10:00:00;Dominique Agent;Fiche sanitaire;Lina Roux;;1;")
    assert len(lines) == 4
    assert Reading.objects.order_by("pk").last().what == "Registre des consultations (CSV)"


def test_a_long_list_names_its_first(manager, agent, now):
    Child.objects.bulk_create(
        Child(first_name="Tom", last_name=f"Petit {each:03d}", birth_date=now.date())
        for each in range(NAMED + 3)
    )
    one = reading.add(agent, Reading.Kind.EXPORT, at=now, children=Child.objects.values_list("pk", flat=True))
    page = text_of(manager.get(reverse("admin:families_reading_change", args=[one.pk])))
    assert "Tom Petit 099 et 3 autres" in page and "Tom Petit 100" not in page


def test_the_register_costs_the_same_for_many(manager, agent, books, now, django_assert_max_num_queries):
    for each in (1, 20):
        for _ in range(each):
            reading.add(
                agent, Reading.Kind.HEALTH, at=now, child=books.child, households=[books.household.pk]
            )
        manager.get(REGISTER)
        with django_assert_max_num_queries(15):
            manager.get(REGISTER, {"q": books.household.number})
