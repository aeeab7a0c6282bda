"""Agents note for colleagues; an alert opens at the head of the household's page until each has seen it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families import notes
from families.custody import own
from families.custody.own import OwnHousehold
from families.models import Guardian, Household, HouseholdNote, SeenNote, User
from families.privacy import asking, erasing
from families.privacy.kinds import _notes
from families.threads import writing
from families.threads.writing import Said
from portal.reservations.staff import giving
from tests.conftest import NOW, logged_in
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db

TODAY = NOW.date()
TOMORROW = TODAY + timedelta(days=1)


@pytest.fixture
def desk(agent):
    return logged_in(agent)


@pytest.fixture
def alert(books, agent):
    return notes.write(books.household, None, "Rappeler avant vendredi", TOMORROW, by=agent, at=NOW)


def home(who):
    return reverse("admin:families_household_change", args=[who.household.pk])


def of(verb, note):
    return reverse(f"admin:families_householdnote_{verb}", args=[note.pk])


def test_a_note_is_written_shown_changed_and_withdrawn_with_its_trace(books, books_client, desk, agent):
    write = reverse("admin:families_householdnote_write", args=[books.household.pk])
    assert "Aucun mot sur la santé" in desk.get(write).content.decode()
    desk.post(write, {"text": "Préfère être appelée le soir", "child": books.child.pk})
    note = HouseholdNote.objects.get()
    read = desk.get(home(books)).content.decode()
    assert "Préfère être appelée le soir" in read and "À savoir" not in read
    desk.post(of("alter", note), {"text": "Appeler le matin", "alert_until": TOMORROW.isoformat()})
    note.refresh_from_db()
    assert (note.text, note.child, note.alert_until, note.changed_at) == (
        "Appeler le matin",
        None,
        TOMORROW,
        NOW,
    )
    assert [one.text for one in note.history.order_by("pk")] == [
        "Préfère être appelée le soir",
        "Appeler le matin",
    ]
    desk.post(of("withdraw", note))
    desk.post(of("withdraw", note))
    assert "Appeler le matin" not in desk.get(home(books)).content.decode()
    note.refresh_from_db()
    assert note.withdrawn_by_name == agent.get_full_name()
    for url in ("home", "families:household", "families:chronicle", "families:letters"):
        assert "Appeler" not in books_client.get(reverse(url)).content.decode()


def test_an_alert_opens_the_page_until_each_agent_has_seen_it(books, alert, desk, agent, regie):
    assert "À savoir" in desk.get(home(books)).content.decode()
    assert desk.get(of("see", alert)).status_code == 405
    desk.post(of("see", alert))
    desk.post(of("see", alert))
    assert SeenNote.objects.count() == 1
    assert "À savoir" not in desk.get(home(books)).content.decode()
    assert "À savoir" in logged_in(regie).get(home(books)).content.decode()
    notes.change(alert, None, "Rappeler avant jeudi", TOMORROW, by=regie, at=NOW)
    assert "À savoir" in desk.get(home(books)).content.decode()


def test_nobody_reads_or_writes_what_is_noted_of_the_own_household(books, alert, desk, agent, regie, now):
    Household.objects.filter(pk=books.household.pk).update(notes="Famille difficile")
    whole = f"{home(books)}?onglet=dossier"
    assert "Rappeler" in desk.get(whole).content.decode() and "difficile" in desk.get(whole).content.decode()
    agent.guardians.all().delete()
    Guardian.objects.create(household=books.household, user=agent, first_name="Sam", last_name="Roux")
    change = reverse("admin:families_household_change", args=[books.household.pk])
    pages = [
        home(books),
        whole,
        f"{change}?modifier=notes",
        reverse("admin:families_householdnote_changelist"),
    ]
    pages += [of("change", alert), of("history", alert)]
    for url in pages:
        read = desk.get(url).content.decode()
        assert "Rappeler" not in read and "difficile" not in read, url
    for verb in ("see", "alter", "withdraw"):
        assert desk.post(of(verb, alert), {"text": "Rien"}).status_code == 404
    write = reverse("admin:families_householdnote_write", args=[books.household.pk])
    said = desk.post(write, {"text": "Charmante famille"}, follow=True).content.decode()
    assert "un collègue décide" in said
    with pytest.raises(OwnHousehold):
        asking.ask(books.guardian, by=User.objects.get(pk=agent.pk), at=now, at_desk=True, with_notes=True)
    assert HouseholdNote.objects.count() == 1
    assert "Rappeler" in logged_in(regie).get(home(books)).content.decode()


def test_who_is_alone_at_the_town_hall_reads_them_once_it_said_why(books, alert, desk, agent, now):
    agent.guardians.all().delete()
    Guardian.objects.create(household=books.household, user=agent, first_name="Sam", last_name="Roux")
    assert "Rappeler" not in desk.get(home(books)).content.decode()
    own.declare(agent, books.household, reason="Personne d'autre", at=now)
    assert "Rappeler" in desk.get(home(books)).content.decode()


def test_an_alert_is_over_after_its_last_day(alert):
    for day, standing in ((TOMORROW, 1), (TOMORROW + timedelta(days=1), 0)):
        assert HouseholdNote.objects.alerting(day).count() == standing
        assert alert.alerts_on(day) is bool(standing)


@pytest.mark.parametrize(
    "said", [{"text": " "}, {"text": "x", "alert_until": "2020-01-01"}, {"text": "x", "child": "9" * 30}]
)
def test_what_is_wrong_is_said_and_writes_nothing(books, desk, said):
    write = reverse("admin:families_householdnote_write", args=[books.household.pk])
    assert "errornote" in desk.post(write, said).content.decode()
    assert not HouseholdNote.objects.exists()


def test_the_page_costs_the_same_with_one_note_and_with_ten(books, alert, desk, agent):
    desk.get(home(books))
    with CaptureQueriesContext(connection) as one:
        desk.get(home(books))
    for _ in range(9):
        notes.write(books.household, None, "Encore", TOMORROW, by=agent, at=NOW)
    with CaptureQueriesContext(connection) as ten:
        desk.get(home(books))
    assert len(one) == len(ten)


def test_a_role_at_another_place_neither_reads_nor_writes(books, alert, mill):
    user = UserFactory(is_staff=True)
    giving.give(user, Group.objects.get(name="Direction de centre"), places=[mill.school], by=None)
    client = logged_in(user)
    write = reverse("admin:families_householdnote_write", args=[books.household.pk])
    assert client.get(write).status_code == 404
    for verb in ("see", "alter", "withdraw"):
        assert client.post(of(verb, alert)).status_code == 404


def test_what_is_noted_of_a_child_that_left_stays_its_own(books, desk, agent):
    note = notes.write(books.household, books.child, "Vient avec son cousin", None, by=agent, at=NOW)
    books.child.custodies.update(until=TODAY - timedelta(days=1))
    page = desk.get(of("alter", note)).content.decode()
    assert f'<option value="{books.child.pk}" selected>' in page
    desk.post(of("alter", note), {"text": "Vient avec sa cousine", "child": books.child.pk})
    note.refresh_from_db()
    assert (note.text, note.child) == ("Vient avec sa cousine", books.child)


# Data of people -----------------------------------------------------------------------------------------


def test_what_was_noted_and_written_goes_in_its_time(books, agent):
    notes.write(books.household, None, "Ancienne", None, by=agent, at=NOW - timedelta(days=400))
    kept = notes.write(books.household, None, "En alerte", TOMORROW, by=agent, at=NOW - timedelta(days=400))
    (due,) = _notes(NOW - timedelta(days=365))
    assert kept not in due and due.count() == 1


def test_an_erased_child_takes_what_is_about_it_and_what_names_it(books, agent):
    notes.write(books.household, books.child, "De l'enfant", None, by=agent, at=NOW)
    notes.write(books.household, None, f"{books.child.first_name} arrive tard", None, by=agent, at=NOW)
    other = notes.write(books.household, None, "Autre chose", None, by=agent, at=NOW)
    about = Said("Cantine", "Bonjour", child=books.child)
    writing.begin(books.household, about, by=books.user, at=NOW)
    stays = writing.begin(books.household, Said("Facture", "Bonjour"), by=books.user, at=NOW)
    writing.reply(stays, f"Et {books.child.first_name} ?", by=books.user, at=NOW)
    erasing._forget_in_threads(books.child)
    assert list(HouseholdNote.objects.all()) == [other]
    assert list(books.household.threads.all()) == [stays]
    assert [one.text for one in stays.messages.all()] == ["Bonjour"]
