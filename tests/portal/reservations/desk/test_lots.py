"""« Jours de plusieurs enfants » at the desk: whom, what and when; what will happen; what happened."""

from datetime import date
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from portal.reservations.acts import lots
from portal.reservations.models import Activity, Booking, Lot, LotDay
from portal.reservations.staff import giving
from tests.conftest import brother_of, logged_in
from tests.factories import UserFactory
from tests.portal.reservations.audit import FRIDAY, MONDAY, THURSDAY, audit, reserve, states

NEW = "/mairie/reservations/lot/nouveau/"


@pytest.fixture
def asked(canteen):
    """What is posted for the whole activity, Thursday and Friday."""

    def ask(**given):
        said = {
            "whom": "tous",
            "verb": "book",
            "formula": canteen.formula.pk,
            "first": THURSDAY.isoformat(),
            "last": FRIDAY.isoformat(),
            "reason": "Sortie de la classe.",
            "tell": "on",
            "enfants": "",
        }
        return {key: value for key, value in (said | given).items() if value is not None}

    return ask


def text_of(answer):
    return answer.content.decode().replace("\xa0", " ").replace("&#x27;", "'")


def test_the_preview_says_child_by_child_what_will_happen(
    agent_client, asked, books, waits, canteen, shut, now
):
    reserve(books, canteen, THURSDAY, at=now)
    shut(FRIDAY, 1)
    page = text_of(agent_client.post(NEW, asked()))
    assert "2 jours seront réservés." in page
    assert "1 déjà ainsi" in page and "1 : Complet." in page
    assert books.child.last_name in page and waits.child.last_name in page
    assert not Lot.objects.exists() and Booking.objects.count() == 1


def test_confirmed_it_is_done_and_taken_back(
    agent_client, asked, books, waits, canteen, mailoutbox, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        answer = agent_client.post(NEW, asked(confirmer="Confirmer"))
    lot = Lot.objects.get()
    assert answer.url == reverse("admin:reservations_lot_change", args=[lot.pk])
    assert (lot.wanted, lot.changed, len(mailoutbox)) == (4, 4, 2)
    page = text_of(agent_client.get(answer.url))
    assert "4 jours réservés, sur 4 demandés" in page and "Annuler ce lot" in page
    chosen = {"action": "take_back", "_selected_action": lot.pk, "seule": "1"}
    question = text_of(agent_client.post(reverse("admin:reservations_lot_changelist"), chosen))
    assert "sera annulé, sans frais" in question and not LotDay.objects.exclude(taken_back="").exists()
    agent_client.post(reverse("admin:reservations_lot_changelist"), chosen | {"confirmed": "1"})
    assert states(books, THURSDAY, FRIDAY) == ["cancelled", "cancelled"]
    assert "annulé : 4 sur 4 remis comme avant" in text_of(agent_client.get(answer.url))
    audit()


def test_the_preview_says_who_would_wait(agent_client, asked, books, waits, canteen, shut, now):
    offered = "liste d'attente les jours complets"
    Activity.objects.update(waiting_list=False)
    assert offered not in text_of(agent_client.get(NEW)), "of an activity without one, nothing"
    Activity.objects.update(waiting_list=True)
    assert offered in text_of(agent_client.get(NEW))
    reserve(books, canteen, FRIDAY, at=now)
    shut(FRIDAY, 1)
    page = text_of(agent_client.post(NEW, asked(waits="on")))
    assert "2 jours seront réservés. 1 sur liste d'attente, faute de place." in page.replace("</strong>", "")
    answer = agent_client.post(NEW, asked(waits="on", confirmer="Confirmer"))
    assert states(waits, THURSDAY, FRIDAY) == ["accepted", "waitlisted"]
    page = text_of(agent_client.get(answer.url))
    assert "3 jours réservés ou attendus, sur 4 demandés" in page and "Sur liste d'attente : 20" in page
    assert "mis sur liste d'attente" in page


def test_a_class_says_who_is_not_enrolled(agent_client, asked, books, waits, stranger, school_class):
    stranger.child.schoolings.create(school_class=school_class, school_year=school_class.school_year)
    page = text_of(agent_client.post(NEW, asked(whom=f"classe:{school_class.pk}")))
    assert "1 enfant sans inscription à cette activité" in page and str(stranger.child) in page
    assert "4 jours seront réservés." in page


def test_rows_ticked_in_a_list_come_along(agent_client, asked, books, waits):
    lists = ("families_child", "", books.child), ("reservations_enrolment", "?etat=tous", books.enrolment)
    for name, query, row in lists:
        chosen = {"action": "act_in_lots", "_selected_action": [row.pk]}
        answer = agent_client.post(reverse(f"admin:{name}_changelist") + query, chosen)
        assert answer.url == f"{NEW}?enfants={books.child.pk}"
    page = text_of(agent_client.get(answer.url))
    assert "1 enfant choisi" in page
    page = text_of(agent_client.post(NEW, asked(whom="liste", enfants=str(books.child.pk))))
    assert "2 jours seront réservés." in page and waits.child.last_name not in page


def test_a_day_moves(agent_client, asked, books, canteen, now):
    reserve(books, canteen, THURSDAY, at=now)
    moved = asked(verb="move", last=None, to_day=FRIDAY.isoformat())
    assert "1 jour sera déplacé." in text_of(agent_client.post(NEW, moved))
    agent_client.post(NEW, moved | {"confirmer": "1"})
    assert states(books, THURSDAY, FRIDAY) == ["cancelled", "accepted"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"verb": "move"}, "Indiquez le jour vers lequel déplacer."),
        ({"last": "2026-11-01"}, "Ce jour est avant le premier."),
        ({"first": "3000-01-01"}, "Choisissez un jour entre"),
        ({"last": "2029-11-01"}, "Un lot va sur un an au plus."),
        ({"reason": " "}, "Ce champ est obligatoire."),
        ({"whom": "classe:abc"}, "n’en fait pas partie"),
        ({"formula": "99999999999999999999"}, "ne fait pas partie de ceux disponibles"),
        ({"passing_over": "everything"}, "n’en fait pas partie"),
        ({"enfants": "abc,,9999999999999999999999", "whom": "liste"}, "n’en fait pas partie"),
    ],
)
def test_what_is_typed_wrong_is_said_and_nothing_is_lost(agent_client, asked, books, given, said):
    page = text_of(agent_client.post(NEW, asked(**given) | {"confirmer": "1"}))
    assert said in page and 'name="reason"' in page
    assert not Lot.objects.exists()


def test_somebody_of_another_place_reaches_nobody(asked, books, mill, now):
    user = UserFactory(username="autre", is_staff=True)
    giving.give(user, Group.objects.get(name="Direction de centre"), places=[mill.restaurant], by=user)
    client = logged_in(user)
    page = text_of(client.post(NEW, asked()))
    assert books.child.last_name not in page and "Aucun enfant n'est inscrit" in page
    answer = client.post(NEW, asked(confirmer="1"))
    assert "il n'y a rien à faire" in text_of(answer) and not Lot.objects.exists()


def test_a_lot_of_another_place_is_not_seen(agent_client, asked, books, mill):
    agent_client.post(NEW, asked(confirmer="1"))
    user = UserFactory(username="autre", is_staff=True)
    giving.give(user, Group.objects.get(name="Direction de centre"), places=[mill.restaurant], by=user)
    address = reverse("admin:reservations_lot_change", args=[Lot.objects.get().pk])
    assert logged_in(user).get(address).status_code in (302, 404)


def test_readers_and_the_regie_do_not_act(regie_client, asked):
    assert regie_client.get(NEW).status_code == 403
    assert regie_client.post(NEW, asked(confirmer="1")).status_code == 403


class Worker:
    """Does nothing, and notes what it was handed, and for when."""

    def __init__(self, handed):
        self.handed, self.hour = handed, None

    def get_backend(self):
        return SimpleNamespace(supports_defer=True)

    def using(self, run_after):
        self.hour = run_after
        return self

    def enqueue(self, lot):
        self.handed.append(lot if self.hour is None else (lot, self.hour))


def test_the_worker_ends_what_a_page_that_died_began(agent_client, asked, books, now, monkeypatch):
    handed, step = [], lots.go_on
    monkeypatch.setattr(lots, "carry_out", Worker(handed))

    def die(key, *, at):
        raise ConnectionError

    monkeypatch.setattr(lots, "go_on", die)
    with pytest.raises(ConnectionError):
        agent_client.post(NEW, asked(confirmer="1"))
    lot = Lot.objects.get()
    assert (handed, lot.done_at) == ([(lot.pk, now + lots.HEAD_START)], None)
    monkeypatch.undo()
    lots.carry_out.func(lot.pk)
    assert states(books, THURSDAY, FRIDAY) == ["accepted", "accepted"] and lots.go_on is step


def test_of_a_lot_of_one_place_its_agent_reads_nobody_without_a_place(
    agent_client, asked, books, waits, canteen
):
    agent_client.post(NEW, asked(confirmer="1"))
    lot = Lot.objects.get()
    lot.days.filter(enrolment=waits.enrolment).update(establishment=None, became="left")
    user = UserFactory(username="autre", is_staff=True)
    giving.give(user, Group.objects.get(name="Direction de centre"), places=[canteen.restaurant], by=user)
    page = text_of(logged_in(user).get(reverse("admin:reservations_lot_change", args=[lot.pk])))
    assert str(books.child) in page and str(waits.child) not in page


def test_many_are_left_to_the_worker(agent_client, asked, books, waits, monkeypatch):
    monkeypatch.setattr(lots, "BATCH", 1)
    asked_of = []
    monkeypatch.setattr(lots, "carry_out", Worker(asked_of))
    answer = agent_client.post(NEW, asked(confirmer="1"))
    lot = Lot.objects.get()
    assert asked_of == [lot.pk] and lot.done_at is None
    page = text_of(agent_client.get(answer.url))
    assert "en cours, 0 sur 4" in page and "se met à jour toute seule" in page


def test_the_pages_ask_as_much_for_ten_children_as_for_one(agent_client, asked, books):
    def count():
        with CaptureQueriesContext(connection) as found:
            agent_client.post(NEW, asked())
        return len(found)

    count()
    one = count()
    for number in range(9):
        brother_of(books, f"Enfant{number}")
    assert count() == one


def test_a_day_in_the_past_says_that_it_is_past(agent_client, asked, books):
    page = text_of(agent_client.post(NEW, asked(first="2026-11-05", last=None)))
    assert "Ce jour est passé." in page
    past = asked(first="2026-11-05", last=None, passing_over="deadline", confirmer="1")
    agent_client.post(NEW, past)
    assert states(books, date(2026, 11, 5)) == ["accepted"]


def test_weekdays_choose_the_days(agent_client, asked, books):
    agent_client.post(NEW, asked(first=MONDAY.isoformat(), last="2026-11-27", weekdays="0", confirmer="1"))
    assert sorted(Booking.objects.values_list("day", flat=True)) == [MONDAY, date(2026, 11, 23)]
