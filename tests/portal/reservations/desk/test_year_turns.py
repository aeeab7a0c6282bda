"""« Préparer l'année » at the desk: its steps without JavaScript, what it says, who may."""

from datetime import date, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families.models import Paper
from portal.reservations.acts import next_year
from portal.reservations.acts.next_year import Newcomers
from portal.reservations.models import NextPupil, Period, SchoolClass, Schooling, SchoolYear, YearTurn
from tests.conftest import NOW, logged_in
from tests.factories import (
    ChildFactory,
    EnrolmentFactory,
    InvoiceFactory,
    PaperFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolingFactory,
    UserFactory,
)

PREPARE = "/mairie/reservations/yearturn/preparer/"


def text_of(answer):
    return answer.content.decode().replace("\xa0", " ").replace("&#x27;", "'").replace("’", "'")


@pytest.fixture
def manager(now, db):
    user = UserFactory(username="responsable", is_staff=True, first_name="Hélène", last_name="Marchand")
    user.groups.add(*(Group.objects.get_or_create(name=name)[0] for name in ("Agent", "Responsable")))
    return user


@pytest.fixture
def client(manager):
    return logged_in(manager)


@pytest.fixture
def moulin(now, town, year):
    return SchoolFactory(code="moulin", name="École du Moulin")


@pytest.fixture
def rooms(moulin, year):
    """A « CP » with two children and a « CE1 » without any."""
    rooms = {name: SchoolClassFactory(school=moulin, school_year=year, name=name) for name in ("CP", "CE1")}
    for name in ("Noé", "Zoé"):
        SchoolingFactory(
            child=ChildFactory(first_name=name, last_name="Petit", birth_date=date(2020, 5, 4)),
            school_class=rooms["CP"],
        )
    return rooms


@pytest.fixture
def turn(client, rooms) -> YearTurn:
    asked = {"name": "2027-2028", "starts_on": "2027-09-01", "ends_on": "2028-07-03"}
    answer = client.post(PREPARE, asked)
    turn = YearTurn.objects.get()
    assert answer.url == page(turn)
    return turn


def page(turn, name="turn", *more):
    return reverse(f"admin:reservations_year_{name}", args=[turn.pk, *more])


def test_it_is_begun_with_the_dates_proposed_and_found_again(client, rooms, turn):
    assert turn.classes.count() == 2
    assert client.get(PREPARE).url == page(turn)


def test_it_begins_with_what_it_is_for_and_bad_dates_are_said(client, rooms):
    shown = text_of(client.get(PREPARE))
    assert "L'année 2026-2027 finit" in shown and "2027-2028" in shown
    asked = {"name": "2027-2028", "starts_on": "2027-09-01", "ends_on": "2027-08-01"}
    assert "doit finir après son début" in text_of(client.post(PREPARE, asked))
    asked = {"name": "2027-2028", "starts_on": "2027-01-01", "ends_on": "2027-08-01"}
    assert "après le dernier jour de 2026-2027" in text_of(client.post(PREPARE, asked))
    assert not YearTurn.objects.exists()


def test_each_step_leads_to_the_next_and_nothing_is_made(client, turn):
    url = page(turn, "step", "avant")
    walked = []
    while "etape" in url:
        walked.append(url.split("/")[-2])
        shown = client.get(url)
        assert shown.status_code == 200
        data = {
            field.html_name: value
            for field in (shown.context.get("form") or [])
            if (value := field.value()) not in (None, False)
        }
        url = client.post(url, data).url
    assert walked == ["avant", "classes", "eleves", "periodes", "fenetres", "tarifs", "inscriptions"]
    assert url == page(turn)
    turn.refresh_from_db()
    assert turn.seen == walked and turn.answers == {key: {} for key in walked[3:]}
    assert SchoolYear.objects.count() == 1


def test_the_preview_counts_by_school_and_the_button_makes_it(client, turn, manager):
    shown = text_of(client.get(page(turn)))
    assert "École du Moulin" in shown and "Préparer l'année 2027-2028" in shown
    answer = client.post(page(turn, "carry_out"), follow=True)
    shown = text_of(answer)
    assert "2 enfants ont leur classe, 2 classes créées" in shown
    assert "faite le lundi 9 novembre 2026 à 10 h par Hélène Marchand" in shown
    assert "Compléter" not in shown
    assert Schooling.objects.filter(school_year__name="2027-2028").count() == 2
    assert "préparée" in LogEntry.objects.filter(user=manager).latest("pk").change_message


def test_children_are_sent_elsewhere_by_hand(client, turn, rooms):
    noe, zoe = (one.child for one in rooms["CP"].schoolings.order_by("child__first_name"))
    room = turn.classes.get(name="CP")
    url = page(turn, "class", rooms["CP"].pk)
    shown = text_of(client.get(url))
    assert "Comme proposé : CE1, École du Moulin" in shown and "Petit" in shown
    said = {f"e{noe.pk}": f"c{room.pk}", f"d{noe.pk}": "", f"e{zoe.pk}": "leaves", f"d{zoe.pk}": "2027-07-09"}
    answer = client.post(url, said | {"all": "", "enregistrer": "Enregistrer"}, follow=True)
    assert "2 enfants changés" in text_of(answer) and "(2 choisis à la main)" in text_of(answer)
    ways = {one.child.first_name: (one.goes, one.last_day) for one in NextPupil.objects.all()}
    assert ways == {"Noé": ("class", None), "Zoé": ("leaves", date(2027, 7, 9))}
    answer = client.post(url, {"all": "", "tous": "Appliquer"}, follow=True)
    assert not NextPupil.objects.exists()
    client.post(url, {"all": "open", "tous": "Appliquer"})
    assert set(NextPupil.objects.values_list("goes", flat=True)) == {"open"}
    assert "2 à décider" in text_of(client.get(page(turn)))


def test_children_of_an_age_are_sent_somewhere_together(client, turn, rooms, moulin):
    young = ChildFactory(first_name="Ali", last_name="Petit", birth_date=date(2020, 12, 31))
    SchoolingFactory(child=young, school_class=rooms["CP"])
    url, room = page(turn, "step", "eleves"), turn.classes.get(name="CP")
    said = {
        "age-born_from": "2020-09-01",
        "age-born_to": "",
        "age-among": "",
        "age-last_day": "",
        "ages": "x",
    }
    answer = client.post(url, said | {"age-way": f"c{room.pk}"}, follow=True)
    assert "Par âge : 1 enfant changé" in text_of(answer) and "(1 choisi à la main)" in text_of(answer)
    assert NextPupil.objects.get().child == young
    elder = {"age-born_from": "2020-01-01", "age-born_to": "2020-08-31", "age-among": f"s{moulin.pk}"}
    client.post(url, said | elder | {"age-way": "leaves", "age-last_day": "2027-07-02"})
    ways = {one.child.first_name: (one.goes, one.last_day) for one in NextPupil.objects.all()}
    gone = ("leaves", date(2027, 7, 2))
    assert ways == {"Ali": ("class", None), "Noé": gone, "Zoé": gone}
    of_class = {"age-among": f"c{rooms['CP'].pk}", "age-born_from": "2019-01-01"}
    client.post(url, said | of_class | {"age-way": "propose"})
    assert not NextPupil.objects.exists()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"age-born_from": ""}, "au moins un des deux jours"),
        ({"age-born_to": "2019-01-01"}, "Le second jour vient avant le premier"),
        ({"age-born_from": "2025-01-01"}, "Aucun élève de cet âge"),
        ({"age-way": ""}, "errornote"),
        ({"age-way": "open", "age-last_day": "2027-07-02"}, "se dit d'un enfant qui part"),
        ({"age-last_day": "2027-12-02"}, "31 août 2027 au plus tard"),
        ({"age-among": "c999999"}, "errornote"),
    ],
)
def test_what_makes_no_sense_of_an_age_is_said(client, turn, changed, sentence):
    said = {"age-born_from": "2020-01-01", "age-born_to": "", "age-among": "", "age-way": "leaves"}
    answer = client.post(page(turn, "step", "eleves"), said | {"age-last_day": "", "ages": "x"} | changed)
    assert sentence in text_of(answer) and not NextPupil.objects.exists()


def test_a_preparation_begun_by_mistake_is_given_up(client, turn, manager):
    assert "Abandonner la préparation" in text_of(client.get(page(turn)))
    client.post(page(turn, "carry_out"))
    assert "Abandonner la préparation" not in text_of(client.get(page(turn)))
    assert "annulez-la d'abord" in text_of(client.post(page(turn, "drop"), follow=True))
    client.post(page(turn, "take_back"))
    answer = client.post(page(turn, "drop"), follow=True)
    assert "rien n'avait été créé" in text_of(answer) and "Premier jour de classe" in text_of(answer)
    assert not YearTurn.objects.exists() and SchoolClass.objects.count() == 2
    assert "abandonnée" in LogEntry.objects.filter(user=manager).latest("pk").change_message
    assert client.get(page(turn, "drop")).status_code == 405


def test_another_last_day_once_it_is_done_can_be_carried_out_too(client, turn, rooms):
    noe, zoe = (one.child for one in rooms["CP"].schoolings.order_by("child__first_name"))
    rest = {f"e{noe.pk}": "", f"d{noe.pk}": "", f"e{zoe.pk}": "leaves", "all": ""}
    for last_day in ("", "2027-07-09"):
        client.post(page(turn, "class", rooms["CP"].pk), rest | {f"d{zoe.pk}": last_day})
        assert page(turn, "carry_out") in client.get(page(turn)).text
        client.post(page(turn, "carry_out"))
        assert page(turn, "carry_out") not in client.get(page(turn)).text
    client.post(page(turn, "class", rooms["CP"].pk), rest | {f"e{zoe.pk}": "", f"d{zoe.pk}": ""})
    client.post(page(turn, "carry_out"))
    assert Schooling.objects.filter(child=zoe, school_year__name="2027-2028").exists()


def test_a_last_day_that_cannot_be_is_said(client, turn, rooms):
    noe, zoe = (one.child for one in rooms["CP"].schoolings.order_by("child__first_name"))
    said = {f"e{noe.pk}": "leaves", f"d{noe.pk}": "2028-01-09", f"e{zoe.pk}": "", f"d{zoe.pk}": "2027-05-04"}
    shown = text_of(client.post(page(turn, "class", rooms["CP"].pk), said | {"all": ""}))
    assert "31 août 2027 au plus tard" in shown and "se dit d'un enfant qui part" in shown
    foreign = {f"e{noe.pk}": "c999999", f"d{noe.pk}": "", f"e{zoe.pk}": "", f"d{zoe.pk}": "", "all": ""}
    assert "errornote" in text_of(client.post(page(turn, "class", rooms["CP"].pk), foreign))
    assert not NextPupil.objects.exists()


def classes_said(turn, **given):
    said = {}
    for one in turn.classes.all():
        said |= {f"{one.pk}-name": one.name, f"{one.pk}-level": one.level}
    for number in range(3):
        said |= {f"n{number}-school": "", f"n{number}-name": "", f"n{number}-level": "elementaire"}
    return said | given


def test_classes_are_renamed_dropped_and_added(client, turn, moulin):
    cp, ce1 = turn.classes.get(name="CP"), turn.classes.get(name="CE1")
    said = {f"{cp.pk}-name": "CP-CE1", f"{ce1.pk}-drop": "on", "n0-school": moulin.pk, "n0-name": "CE1 B"}
    assert client.post(page(turn, "step", "classes"), classes_said(turn, **said)).status_code == 302
    assert set(turn.classes.values_list("name", flat=True)) == {"CP-CE1", "CE1 B"}
    shown = text_of(client.post(page(turn, "step", "classes"), classes_said(turn, **{"n1-name": "CE2"})))
    assert "l'école et le nom" in shown
    twice = classes_said(turn, **{"n1-school": moulin.pk, "n1-name": "ce1 b"})
    assert "deux classes « CE1 B »" in text_of(client.post(page(turn, "step", "classes"), twice))


def test_dates_of_a_period_are_changed(client, turn, canteen):
    url, key = page(turn, "step", "periodes"), canteen.period.pk
    shown = text_of(client.get(url))
    assert "Novembre et décembre 2026" in shown and "importez-le d'abord" in shown
    said = {
        f"{key}-chosen": "on",
        f"{key}-name": "Avant Noël",
        f"{key}-starts_on": "2027-11-08",
        f"{key}-ends_on": "2027-11-01",
    }
    assert "La fin vient avant le début." in text_of(client.post(url, said))
    client.post(url, said | {f"{key}-ends_on": "2027-12-17"})
    client.post(page(turn, "carry_out"))
    copy = Period.objects.get(school_year__name="2027-2028")
    assert (copy.name, copy.starts_on, copy.ends_on) == ("Avant Noël", date(2027, 11, 8), date(2027, 12, 17))
    assert "« Avant Noël » existe déjà" in text_of(client.get(url))


def test_a_period_that_closes_as_it_opens_is_said_where_it_is_typed(client, turn, canteen):
    Period.objects.update(opens_at=NOW, closes_at=NOW + timedelta(days=9))
    url, key = page(turn, "step", "periodes"), canteen.period.pk
    said = {f"{key}-{name}": "2027-10-04 08:00" for name in ("opens_at", "closes_at")}
    days = {f"{key}-starts_on": "2027-11-08", f"{key}-ends_on": "2027-12-17", f"{key}-name": "Avant Noël"}
    assert "La clôture vient après l'ouverture." in text_of(client.post(url, said | days))
    assert YearTurn.objects.get().answers == {}


def test_what_waits_is_owed_or_ends_is_listed_before(client, turn, canteen, books, manager):
    other = ChildFactory(first_name="Basile", households=[books.household])
    asked = {"activity": canteen.activity, "school_year": turn.before, "state": "requested"}
    EnrolmentFactory(household=books.household, child=other, **asked)
    PaperFactory(state=Paper.State.ACCEPTED, household=books.household, ends_on=date(2027, 8, 31))
    InvoiceFactory(household=books.household, due_on=date(2026, 10, 1))
    url = page(turn, "step", "avant")
    shown = text_of(client.get(url))
    assert "1 demande attend" in shown and "1 papier se périme" in shown
    assert "1 enfant inscrit n'a pas de classe" in shown and "factures en retard" not in shown
    manager.groups.add(Group.objects.get_or_create(name="Régie")[0])
    assert "1 famille a des factures en retard" in text_of(client.get(url))


def test_it_is_taken_back_and_says_what_stands_on_it(client, turn, canteen, books):
    client.post(page(turn, "carry_out"))
    then = SchoolYear.objects.get(name="2027-2028")
    asked = EnrolmentFactory(child=books.child, household=books.household, school_year=then)
    shown = text_of(client.get(page(turn)))
    assert "1 inscription est demandée pour 2027-2028." in shown and "Annuler la préparation" not in shown
    assert "1 inscription est demandée" in text_of(client.post(page(turn, "take_back"), follow=True))
    asked.delete()
    assert "Annuler la préparation de 2027-2028" in text_of(client.get(page(turn)))
    shown = text_of(client.post(page(turn, "take_back"), follow=True))
    assert "Tout est comme avant." in shown and "La préparation a été annulée le lundi 9 novembre" in shown
    assert SchoolYear.objects.count() == 1 and SchoolClass.objects.count() == 3


def test_a_page_that_reads_new_pupils_is_offered(client, turn, monkeypatch):
    monkeypatch.setattr(next_year, "_newcomers", {})
    url = page(turn, "step", "eleves")
    assert "quand leur famille les inscrit" in text_of(client.get(url))
    next_year.bring_newcomers(
        Newcomers("Importer des élèves", "reservations_schooling_add", "reservations.add_schooling")
    )
    assert "Importer des élèves" in text_of(client.get(url))


def test_who_has_not_the_right_sees_and_does_nothing_of_it(agent_client, turn):
    for name, more in (("turn", ()), ("step", ("classes",)), ("carry_out", ()), ("take_back", ())):
        assert agent_client.get(page(turn, name, *more)).status_code == 403
    assert agent_client.get(PREPARE).status_code == 403
    assert agent_client.post(page(turn, "carry_out")).status_code == 403
    assert agent_client.post(page(turn, "drop")).status_code == 403
    assert SchoolYear.objects.count() == 1


def test_a_step_that_does_not_exist_is_not_found(client, turn):
    assert client.get(page(turn, "step", "cantine")).status_code == 404
    assert client.get(page(turn, "class", 999999)).status_code == 404


@override_settings(ASK_AGAIN=True)
def test_the_password_is_asked_again_before_it_is_done(client, turn):
    assert "confirmer-mon-identite" in client.post(page(turn, "carry_out")).url
    assert SchoolYear.objects.count() == 1


def test_its_pages_cost_as_many_queries_with_ten_children_as_with_one(client, turn, rooms):
    def queries(url):
        client.get(url)
        with CaptureQueriesContext(connection) as asked:
            client.get(url)
        return len(asked)

    urls = [page(turn), page(turn, "step", "eleves"), page(turn, "class", rooms["CP"].pk)]
    few = [queries(url) for url in urls]
    for number in range(10):
        SchoolingFactory(
            child=ChildFactory(first_name=f"Enfant {number}", birth_date=date(2020, 1, 2)),
            school_class=rooms["CP"],
        )
    assert [queries(url) for url in urls] == few


def test_without_any_year_it_says_what_to_do(client, now, town):
    assert "ajoutez d'abord celle en cours" in text_of(client.get(PREPARE, follow=True))
