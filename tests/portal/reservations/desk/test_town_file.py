"""« Fichier de la commune » at the desk: taken away, loaded once it was read, kept."""

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from lxml import html

from families import groups
from families.models import User
from portal.reservations.models import Activity, Booking, Capacity, PublicHoliday, SchoolHoliday, TownFile
from portal.reservations.towns import town_file
from tests.conftest import NOW, THURSDAY, logged_in
from tests.factories import UserFactory
from tests.portal.reservations.desk.test_queues import said

PAGE, LOAD = "admin:reservations_town_file", "admin:reservations_town_load"
HOLIDAY = "jours_fériés:\n  - {jour: 2026-12-04, nom: Fête du village}\n"


@pytest.fixture
def manager(town, now) -> User:
    """Heads the service, and closes days as agents do."""
    user = UserFactory(username="manager", is_staff=True, first_name="Hélène", last_name="Marchand")
    user.groups.add(*Group.objects.filter(name__in=[groups.MANAGER, groups.AGENT]))
    return user


@pytest.fixture
def desk(manager: User) -> Client:
    return logged_in(manager)


def form_of(answer: Any) -> dict[str, str]:
    """What the browser would post from the page's own form."""
    [form] = [
        one for one in html.fromstring(answer.text).forms if one.method == "POST" and one.get("enctype")
    ]
    found = {name: value for name, value in form.form_values() if name != "csrfmiddlewaretoken"}
    return {**found, "text": found.get("text", "").removeprefix("\n")}


def read(client: Client, text: str, **more: str) -> Any:
    return client.post(reverse(LOAD), {"text": text, **more})


# Taken away -------------------------------------------------------------------------------------------


def test_staff_who_may_see_activities_take_the_file_away(town, agent, agent_client):
    answer = agent_client.get(reverse("admin:reservations_town_export"))
    assert answer.content.decode() == town_file.export()
    assert answer["Content-Disposition"].startswith(
        'attachment; filename="valmirelle-les-pres-2026-11-09.yaml"'
    )
    assert "Fichier de la commune" in agent_client.get(reverse("admin:index")).text
    page = agent_client.get(reverse(PAGE)).text
    assert "Télécharger le fichier de la commune" in page
    assert "Charger un fichier" not in page and "Déjà chargés" in page
    assert agent_client.get(reverse(LOAD)).status_code == 403
    assert read(agent_client, HOLIDAY).status_code == 403


def test_others_do_not(town, regie, regie_client, books_client):
    regie.groups.clear()
    for name in (PAGE, LOAD, "admin:reservations_town_export"):
        assert regie_client.get(reverse(name)).status_code == 403
        assert books_client.get(reverse(name)).status_code == 302


def test_who_heads_the_service_alone_finds_it_in_the_menu_of_the_town(town, now):
    alone = UserFactory(username="alone", is_staff=True)
    alone.groups.add(Group.objects.get(name=groups.MANAGER))
    client = logged_in(alone)
    assert "Fichier de la commune" in client.get(reverse("admin:index")).text
    assert "Charger un fichier" in client.get(reverse(PAGE)).text
    assert client.get(reverse("admin:reservations_town_export")).status_code == 200


# Read, then loaded ------------------------------------------------------------------------------------


def test_a_file_is_read_before_it_is_loaded_and_then_kept(canteen, desk, manager):
    text = town_file.export().replace("nom: Restauration scolaire\n", "nom: Cantine\n")
    preview = desk.post(reverse(LOAD), {"file": SimpleUploadedFile("ville.yaml", text.encode())})
    shown = html.fromstring(preview.text).text_content()
    assert "Rien n’est encore enregistré." in shown and "Modifié (1)" in shown
    assert Activity.objects.get().name == "Restauration scolaire"
    assert not TownFile.objects.exists()
    answer = desk.post(reverse(LOAD), form_of(preview))
    assert answer.status_code == 302, answer.text
    assert said(answer)[0].startswith("Fichier chargé : 1 ligne modifiée, ")
    assert Activity.objects.get().name == "Cantine"
    kept = TownFile.objects.get()
    assert (kept.by, kept.loaded_at, kept.text, kept.changed) == (manager, NOW, text, 1)


def test_a_field_is_told_as_it_was_and_as_it_would_be(canteen, desk):
    text = f"activités:\n  - {{code: {canteen.activity.code}, nom: Cantine, service: cantine}}\n"
    page = html.fromstring(read(desk, text).text)
    changes = {item.text_content() for item in page.xpath("//table//li")}
    assert "nom : Restauration scolaire → Cantine" in changes
    assert "Modifié (1)" in page.text_content()
    assert Activity.objects.get(pk=canteen.activity.pk).name == "Restauration scolaire"


def test_a_town_that_changed_meanwhile_is_read_again(canteen, desk):
    text = f"commune: {{nom: Valmirelle}}\n{HOLIDAY}"
    posted = form_of(read(desk, text))
    PublicHoliday.objects.create(day=date(2026, 12, 4), name="Fête")
    again = desk.post(reverse(LOAD), posted)
    assert again.status_code == 200
    assert said(again) == [
        "La commune a changé depuis votre lecture : rien n'est chargé. Relisez ce qui change."
    ]
    assert PublicHoliday.objects.get(day=date(2026, 12, 4)).name == "Fête"
    assert desk.post(reverse(LOAD), form_of(again)).status_code == 302
    assert PublicHoliday.objects.get(day=date(2026, 12, 4)).name == "Fête du village"
    # Pressed twice: nothing is left to do.
    twice = desk.post(reverse(LOAD), form_of(again))
    assert "Ce fichier ne change rien" in twice.text
    assert TownFile.objects.count() == 1


def test_another_text_than_the_one_that_was_read_is_read_first(canteen, desk):
    posted = form_of(read(desk, HOLIDAY))
    for other in (HOLIDAY.replace("Fête du village", "Foire"), f"# Bis\n{HOLIDAY}"):
        answer = desk.post(reverse(LOAD), {**posted, "text": other})
        assert answer.status_code == 200 and "Rien n’est encore enregistré." in answer.text
    assert not PublicHoliday.objects.filter(day=date(2026, 12, 4)).exists()


def test_mistakes_are_told_with_their_lines_and_the_text_is_there_to_be_corrected(desk):
    answer = read(desk, "jours_fériés:\n  - {jour: 2026-12-04}\n  - {jour: bientôt, nom: Fête}\n")
    found = html.fromstring(answer.text)
    assert [item.text for item in found.xpath("//*[@class='errornote']//li")] == [
        "Ligne 2 (jours_fériés › 2026-12-04 › nom) : Le champ « nom » manque.",
        "Ligne 3 (jours_fériés › bientôt › jour) : « bientôt » n'est pas une date."
        " Écrivez-la ainsi : 2026-09-01.",
    ]
    assert "bientôt" in form_of(answer)["text"]


@pytest.mark.parametrize(
    ("posted", "sentence"),
    [
        ({}, "Choisissez un fichier, ou collez son texte."),
        ({"text": "  \n"}, "Choisissez un fichier, ou collez son texte."),
        ({"text": "x" * 410_000}, "Ce texte dépasse 400 ko."),
        ({"file": SimpleUploadedFile("a.yaml", b"PK\x03\x04\0\0")}, "Ce n&#x27;est pas un fichier de texte"),
        ({"file": SimpleUploadedFile("a.yaml", b"x" * 410_000)}, "Ce fichier dépasse 400 ko."),
        ({"text": "a: [", "differences": "x"}, "s&#x27;ouvre ici et ne se ferme pas"),
        ({"text": "a: \0b"}, "caractère nul"),
    ],
)
def test_what_is_no_such_file_gets_a_sentence(desk, posted, sentence):
    answer = desk.post(reverse(LOAD), posted)
    assert answer.status_code == 200
    assert sentence.replace("&#x27;", "'") in answer.text.replace("&#x27;", "'")


def test_of_a_file_full_of_mistakes_as_many_are_said_as_one_reads(desk):
    page = read(desk, "jours_fériés:\n" + "  - {jour: hier, nom: x}\n" * 1000).text
    assert "Corrigez ces 1000 lignes" in page and "… et 600 autres." in page
    assert page.count("<li>Ligne") == 400
    page = read(desk, "- {}\n" * 40_000).text
    assert "a trop de lignes et de valeurs" in page and "Corrigez cette ligne" in page


def test_a_file_that_closes_booked_days_is_agreed_to_and_by_whom_may(asks, books, canteen, desk, manager):
    asks(books, THURSDAY, on_request=False)
    text = "jours_fériés:\n  - {jour: 2026-11-26, nom: Fête du village}\n"
    preview = read(desk, text)
    assert "1 réservation sera annulée sans frais, 1 famille sera prévenue." in preview.text
    posted = form_of(preview)
    refused = desk.post(reverse(LOAD), posted)
    assert said(refused) == ["Rien n'est chargé : cochez que vous l'avez lu."]
    assert Booking.objects.get().state == "accepted"
    manager.groups.remove(Group.objects.get(name=groups.AGENT))
    barred = desk.post(reverse(LOAD), {**posted, "agreed": "on"})
    assert barred.status_code == 200 and "demande un droit que vous n’avez pas" in barred.text
    assert "Charger ce fichier" not in barred.text
    manager.groups.add(Group.objects.get(name=groups.AGENT))
    assert desk.post(reverse(LOAD), {**posted, "agreed": "on"}).status_code == 302
    assert Booking.objects.get().state == "cancelled"


def test_new_periods_want_their_slots(canteen, desk):
    text = (
        f"activités:\n  - code: {canteen.activity.code}\n    nom: Restauration scolaire\n"
        "    service: cantine\n"
        "    périodes: [{code: bis, nom: Bis, année: 2026-2027, du: 2027-01-04, au: 2027-01-29}]\n"
    )
    answer = desk.post(reverse(LOAD), form_of(read(desk, text)) | {"agreed": "on"})
    assert "Ouvrez les créneaux" in said(answer)[-1]


def test_the_password_is_asked_again(desk, settings):
    settings.ASK_AGAIN = True
    session = desk.session
    session["account_authentication_methods"] = []
    session.save()
    answer = desk.get(reverse(LOAD))
    assert answer.status_code == 302 and answer.url.startswith("/confirmer-mon-identite/")
    assert desk.get(reverse(PAGE)).status_code == 200


# Kept -------------------------------------------------------------------------------------------------


def test_a_file_of_before_is_read_and_taken_away_and_changed_by_nobody(canteen, desk, chief_client):
    town_file.load(HOLIDAY, at=NOW)
    past = TownFile.objects.get()
    assert "la commande du serveur" in desk.get(reverse(PAGE)).text
    address = reverse("admin:reservations_townfile_change", args=[past.pk])
    assert "Fête du village" in desk.get(address).text
    taken = desk.get(reverse("admin:reservations_townfile_past", args=[past.pk]))
    assert taken.content.decode() == HOLIDAY
    assert desk.get(reverse("admin:reservations_townfile_past", args=[past.pk + 1])).status_code == 404
    for client in (desk, chief_client):
        assert client.get(reverse("admin:reservations_townfile_add")).status_code == 403
        assert client.post(address, {"text": "x"}).status_code == 403
        assert client.post(reverse("admin:reservations_townfile_delete", args=[past.pk])).status_code == 403
    past.refresh_from_db()
    assert past.text == HOLIDAY


def test_who_may_see_what_is_set_up_and_no_more_reads_no_file_of_before(canteen, regie_client):
    town_file.load(HOLIDAY, at=NOW)
    past = TownFile.objects.get()
    assert "Déjà chargés" not in regie_client.get(reverse(PAGE)).text
    assert regie_client.get(reverse("admin:reservations_town_export")).status_code == 200
    for name in ("past", "change"):
        address = reverse(f"admin:reservations_townfile_{name}", args=[past.pk])
        assert regie_client.get(address).status_code in (403, 404)


@pytest.mark.parametrize("many", [1, 10])
def test_the_page_costs_the_same_however_many_were_loaded(canteen, desk, many):
    for number in range(many):
        town_file.load(HOLIDAY.replace("Fête", f"Fête {number}"), at=NOW)
    desk.get(reverse(PAGE))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        desk.get(reverse(PAGE))
    own = [one for one in queries.captured_queries if "townfile" in one["sql"]]
    assert len(own) == 1


def test_loading_what_was_taken_away_changes_nothing(canteen, desk):
    text = desk.get(reverse("admin:reservations_town_export")).content.decode()
    before = (Capacity.objects.count(), SchoolHoliday.objects.count())
    assert "Ce fichier ne change rien" in read(desk, text).text
    assert (Capacity.objects.count(), SchoolHoliday.objects.count()) == before
