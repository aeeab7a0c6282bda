"""« Mettre fin… » at the desk, shown, then confirmed; limits that are overridden; what comes again."""

from datetime import date
from html import unescape

import pytest
from django.urls import reverse

from families.models import Child
from portal.reservations.acts import enrolling
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Activity, Booking, Enrolment
from portal.reservations.pages.planning import Planning
from tests.conftest import FRIDAY, THURSDAY, brother_of
from tests.portal.reservations.audit import reserve
from tests.portal.reservations.desk.test_queues import ENROLMENTS, act, said

LAST = date(2026, 11, 20)


@pytest.fixture
def end(agent_client, books):
    def post(*rows, **data):
        given = {"ending_given": "1", "last_day": LAST.isoformat(), "ready": "Déménagement."}
        return act(agent_client, ENROLMENTS, "end_selected", *(rows or [books.enrolment]), **(given | data))

    return post


def page_of(client, enrolment) -> str:
    return unescape(client.get(reverse("admin:reservations_enrolment_change", args=[enrolment.pk])).text)


def test_its_page_offers_the_end_and_then_the_way_back(books, agent_client, end):
    page = page_of(agent_client, books.enrolment)
    assert "Mettre fin…" in page
    assert "Reprendre" not in page and "motif de la fin" not in page.lower()
    end(vu=end().context_data["seen"])
    page = page_of(agent_client, books.enrolment)
    assert "Reprendre l'inscription" in page and "Changer la fin…" in page
    assert "Déménagement." in page and "20 novembre 2026" in page


def test_what_changes_is_shown_first_and_done_once_it_is_confirmed(books, canteen, now, agent, end):
    reserve(books, canteen, THURSDAY, FRIDAY, at=now)
    preview = end()
    assert "2 réservations après le 20 novembre 2026 seront annulées, sans frais" in unescape(preview.text)
    assert "Mettre fin et prévenir" in unescape(preview.text)
    assert Enrolment.objects.get(pk=books.enrolment.pk).ends_on is None
    answer = end(vu=preview.context_data["seen"])
    assert said(answer) == ["1 inscription se termine le 20 novembre 2026. Les familles sont prévenues."]
    ended = Enrolment.objects.get(pk=books.enrolment.pk)
    assert (ended.ends_on, ended.end_reason, ended.ended_by) == (LAST, "Déménagement.", agent)
    assert set(Booking.objects.values_list("state", flat=True)) == {"cancelled"}


def test_what_was_changed_on_the_form_or_in_between_is_shown_again(books, canteen, now, end):
    preview = end()
    reserve(books, canteen, FRIDAY, at=now)
    again = end(vu=preview.context_data["seen"])
    assert "a changé depuis que vous l" in unescape(again.text) and "1 réservation après" in unescape(
        again.text
    )
    other_day = end(vu=again.context_data["seen"], last_day="2026-11-30")
    assert "Aucun jour n'est réservé après le 30 novembre 2026." in unescape(other_day.text)
    assert Enrolment.objects.get(pk=books.enrolment.pk).ends_on is None


def test_without_day_or_reason_nothing_is_shown_nor_done(end):
    for wrong, sentence in (({"last_day": ""}, "obligatoire"), ({"ready": ""}, "Indiquez le motif")):
        answer = end(**wrong)
        assert "Corrigez ce qui est signalé" in answer.text and sentence in answer.text
        assert answer.context_data["seen"] == ""


def test_several_end_together_each_with_its_days(books, canteen, now, end):
    brother = brother_of(books, "Tom")
    reserve(books, canteen, THURSDAY, at=now)
    preview = end(books.enrolment, brother)
    assert "Lina Roux" in unescape(preview.text) and "Tom Roux" in unescape(preview.text)
    answer = end(books.enrolment, brother, vu=preview.context_data["seen"])
    assert said(answer) == ["2 inscriptions se terminent le 20 novembre 2026. Les familles sont prévenues."]


def test_what_waits_or_is_over_is_left_alone(books, end):
    Enrolment.objects.update(state="requested")
    assert said(end()) == ["Seule une inscription acceptée, et en cours, se termine."]


def test_it_is_taken_up_again_from_the_list(books, agent_client, end):
    end(vu=end().context_data["seen"])
    taken_up = said(act(agent_client, ENROLMENTS, "resume_selected", books.enrolment))[-1]
    assert taken_up.startswith("1 inscription reprise. Les jours annulés ne reviennent pas d'eux-mêmes")
    assert Enrolment.objects.get(pk=books.enrolment.pk).ends_on is None
    refused = said(act(agent_client, ENROLMENTS, "resume_selected", books.enrolment))[-1]
    assert "rien n'est à reprendre" in refused


def test_the_accountant_ends_nothing(books, regie_client):
    act(regie_client, ENROLMENTS, "end_selected", books.enrolment)
    assert "Mettre fin…" not in page_of(regie_client, books.enrolment)


# Limits ---------------------------------------------------------------------------------------------------


@pytest.fixture
def too_young(books, canteen) -> Enrolment:
    """Lina is two all year, at a canteen for three and more; her enrolment waits."""
    Activity.objects.update(min_age=3)
    Child.objects.filter(pk=books.child.pk).update(birth_date=date(2024, 12, 1))
    Enrolment.objects.update(state="requested")
    return Enrolment.objects.get()


def test_age_is_said_on_its_page_and_asked_about_before_it_is_overridden(
    too_young, canteen, now, agent_client
):
    assert "Lina aura 2 ans le vendredi 2 juillet 2027" in page_of(agent_client, too_young)
    question = act(agent_client, ENROLMENTS, "accept_selected", too_young)
    assert "Accepter quand même" in unescape(question.text) and "Lina aura 2 ans" in unescape(question.text)
    assert Enrolment.objects.get().state == "requested"
    act(agent_client, ENROLMENTS, "accept_selected", too_young, confirmed="1")
    accepted = Enrolment.objects.select_related("activity", "child", "household").get()
    assert (accepted.state, accepted.limits_waived) == ("accepted", True)
    assert "Dérogation" in page_of(agent_client, too_young)
    plan = Planning.build(accepted, canteen.restaurant, canteen.period, at=now)
    assert plan.cells[Choice(canteen.formula.pk, THURSDAY)].field == "book"


def test_who_is_taken_on_some_day_is_accepted_without_a_question(too_young, agent_client):
    Child.objects.update(birth_date=date(2023, 12, 1))
    act(agent_client, ENROLMENTS, "accept_selected", too_young)
    accepted = Enrolment.objects.get()
    assert (accepted.state, accepted.limits_waived) == ("accepted", False)


def test_an_activity_without_limits_shows_none(books, agent_client):
    assert "limites d'âge" not in page_of(agent_client, books.enrolment).lower()


# Sent again -----------------------------------------------------------------------------------------------


def test_what_was_refused_and_comes_again_says_so_in_the_queue(
    books, canteen, year, agent, now, agent_client, django_assert_max_num_queries
):
    Enrolment.objects.update(state="requested")
    enrolling.refuse(books.enrolment, reason="Il manque un justificatif.", by=agent, at=now)
    enrolling.request(
        household=books.household, child=books.child, activity=canteen.activity,
        establishment=canteen.restaurant, school_year=year, weekdays=1, starts_on=now.date(),
        by=books.user, at=now,
    )  # fmt: skip
    page = unescape(agent_client.get(reverse(ENROLMENTS)).text)
    assert "renvoyée, refusée le 09/11/2026 parce que : il manque un justificatif." in page
    first = unescape(agent_client.get(reverse(ENROLMENTS), {"etat": "refused"}).text)
    assert "renvoyée" not in first
