"""« À traiter »: all that waits in one order, answered one by one by the models' own verbs."""

from datetime import date, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from families.models import Household, Paper, PaperKind
from portal.desk import settling
from portal.models import RefusalReason
from portal.reservations.models import Activity, Enrolment, Move, ReservationLine
from portal.reservations.staff import giving
from portal.reservations.states import EnrolmentState, Outcome
from tests.conftest import FRIDAY, NOW, THURSDAY, Family, logged_in
from tests.factories import (
    ChildFactory,
    EnrolmentFactory,
    HouseholdFactory,
    PaperFactory,
    PaperKindFactory,
    UserFactory,
)
from tests.portal.reservations.desk.test_queues import said

QUEUE = reverse("admin:desk_queue")


@pytest.fixture
def enrols(canteen, year, waits: Family) -> Enrolment:
    """Noé's enrolment at the canteen, asked for five days ago."""
    Enrolment.objects.filter(pk=waits.enrolment.pk).update(
        state=EnrolmentState.REQUESTED, requested_at=NOW - timedelta(days=5)
    )
    return Enrolment.objects.get(pk=waits.enrolment.pk)


def pile(client, **asked: str) -> list[tuple[str, str]]:
    page = client.get(QUEUE, asked)
    assert page.status_code == 200
    return [(one.key.partition("-")[0], one.title) for one in page.context["pile"].items]


def answer(client, key: str, action: str, **posted):
    return client.post(QUEUE, {"demande": key, "action": action, "reason_given": "1"} | posted, follow=True)


def final() -> None:
    """What was decided can no longer be taken back."""
    settling.settle(at=NOW + timedelta(minutes=2))


def test_all_kinds_stand_in_one_order_the_late_first(asks, books, enrols, stranger, agent_client):
    asks(books, THURSDAY)
    Household.objects.filter(pk=stranger.household.pk).update(
        state=Household.State.REQUESTED, created_at=NOW - timedelta(days=4)
    )
    assert pile(agent_client) == [
        ("compte", "Famille Morel"),
        ("inscription", "Noé Petit"),
        ("jours", "Lina Roux"),
    ]
    page = agent_client.get(QUEUE)
    assert "3 demandes, 1 en retard" in page.text
    assert "retard, 4 jours" in page.text


def test_it_is_narrowed_by_kind_place_and_age(asks, books, enrols, canteen, mill, agent_client):
    asks(books, THURSDAY)
    assert pile(agent_client, nature="jours") == [("jours", "Lina Roux")]
    assert len(pile(agent_client, lieu=str(canteen.restaurant.pk))) == 2
    assert pile(agent_client, lieu=str(mill.restaurant.pk)) == []
    assert pile(agent_client, anciennete="jour") == [("jours", "Lina Roux")]
    assert pile(agent_client, anciennete="retard") == []
    # What an address says wrongly narrows nothing.
    assert len(pile(agent_client, lieu="x", anciennete="y")) == 2


def test_after_an_answer_the_next_one_comes(asks, books, enrols, agent_client):
    asks(books, THURSDAY)
    page = agent_client.get(QUEUE)
    key, following = page.context["shown"].key, page.context["following"]
    done = answer(agent_client, key, "accept_selected", suivante=following)
    assert "1 inscription acceptée." in done.text
    final()
    enrols.refresh_from_db()
    assert enrols.state == EnrolmentState.ACCEPTED
    assert done.context["shown"].key == following
    assert done.context["shown"].row.child == books.child
    # Whoever opened it before is told, and loses nothing.
    late = agent_client.get(QUEUE, {"demande": key})
    assert "déjà reçu une réponse" in said(late)[0]
    assert late.context["shown"].key == following


def test_a_refusal_takes_the_towns_own_reasons_or_ones_own_words(enrols, waits, agent_client, mailoutbox):
    RefusalReason.objects.create(about="reservations.enrolment", text="Le restaurant est en travaux.")
    page = agent_client.get(QUEUE)
    assert page.context["reasons"] == ["Le restaurant est en travaux."]
    key = page.context["shown"].key
    asked_again = answer(agent_client, key, "refuse_selected", ready="autre")
    assert asked_again.context["form"].errors == {"words": ["Indiquez le motif : la famille le lira."]}
    assert "demande=" + key in asked_again.context["form_url"]
    agent_client.post(
        asked_again.context["form_url"],
        {"action": "refuse_selected", "reason_given": "1", "ready": "Le restaurant est en travaux."},
    )
    final()
    enrols.refresh_from_db()
    assert (enrols.state, enrols.refusal_reason) == (EnrolmentState.REFUSED, "Le restaurant est en travaux.")


def test_days_are_answered_as_they_are_ticked(asks, books, agent_client):
    asks(books, THURSDAY, FRIDAY)
    page = agent_client.get(QUEUE)
    key, parts = page.context["shown"].key, page.context["sheet"].parts
    assert len(parts) == 2
    nothing = answer(agent_client, key, "accept_selected")
    assert said(nothing) == ["Cochez au moins un jour qui attend une réponse."]
    answer(agent_client, key, "accept_selected", partie=str(parts[1].pk))
    final()
    outcomes = dict(ReservationLine.objects.values_list("day", "outcome"))
    assert outcomes == {THURSDAY: Outcome.REQUESTED, FRIDAY: Outcome.ACCEPTED}
    # A day of another family is not one of this request.
    stray = answer(agent_client, key, "accept_selected", partie=str(parts[1].pk + 100))
    assert said(stray) == ["Cochez au moins un jour qui attend une réponse."]


def test_what_is_to_be_known_stands_above_the_buttons(enrols, waits, agent_client, lines):
    page = agent_client.get(QUEUE)
    told = {section.title: dict(section.facts) for section in page.context["sheet"].sections}
    assert told["L'enfant"]["Classe"] == "CE1, École des Tilleuls"
    assert set(told) == {"L'enfant", "La famille"}
    # Health is for who has its right, and reading it is a line of the register.
    assert "Santé" not in told["L'enfant"]
    assert lines() == []


@pytest.fixture
def place_client(mill, now):
    """The agent of the other school's restaurant, and of nothing else."""
    user = UserFactory(username="moulin", is_staff=True)
    giving.give(user, Group.objects.get(name="Agent"), places=[mill.restaurant], by=None)
    return logged_in(user)


def test_siblings_are_seen_as_far_as_ones_places_reach(asks, books, canteen, mill, year, agent_client):
    """The brother eats at the other place: who answers at this one only is told of neither him nor that."""
    brother = ChildFactory(households=[books.household], first_name="Basile")
    EnrolmentFactory(
        household=books.household,
        child=brother,
        activity=canteen.activity,
        establishment=mill.restaurant,
        school_year=year,
    )
    asks(books, THURSDAY)
    here = UserFactory(username="verger", is_staff=True)
    giving.give(here, Group.objects.get(name="Agent"), places=[canteen.restaurant], by=None)
    assert "Basile : " in agent_client.get(QUEUE, {"nature": "jours"}).text
    page = logged_in(here).get(QUEUE, {"nature": "jours"})
    assert "Fratrie" in page.text and "Basile" not in page.text


def test_each_answers_what_is_theirs(asks, books, enrols, regie_client, place_client):
    asks(books, THURSDAY)
    assert pile(regie_client) == []
    enrolment = f"inscription-{enrols.pk}"
    assert answer(regie_client, enrolment, "accept_selected").status_code == 404
    assert books.client().get(QUEUE, follow=True).status_code == 403
    # The agent of the other place neither sees nor answers it.
    assert pile(place_client) == []
    assert answer(place_client, enrolment, "accept_selected").status_code == 404
    enrols.refresh_from_db()
    assert enrols.state == EnrolmentState.REQUESTED


@pytest.mark.parametrize("rows", [1, 10])
def test_the_queue_takes_as_many_queries_for_one_as_for_ten(
    rows, asks, books, canteen, year, agent_client, django_assert_max_num_queries
):
    asks(books, THURSDAY)
    for _ in range(rows):
        home = HouseholdFactory()
        EnrolmentFactory(
            household=home,
            child=ChildFactory(households=[home]),
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=year,
            state=EnrolmentState.REQUESTED,
            requested_at=NOW - timedelta(days=1),
        )
    agent_client.get(QUEUE)
    for nature in ("inscription", "jours"):
        with django_assert_max_num_queries(15):
            agent_client.get(QUEUE, {"nature": nature})
    assert Activity.objects.count() == 1


def test_a_paper_is_accepted_with_its_last_day_or_refused_with_a_reason(books, agent_client):
    kind = PaperKindFactory(lasts=PaperKind.Lasts.OWN_DATE)
    paper = PaperFactory(kind=kind, household=books.household, child=books.child, ends_on=date(2027, 8, 31))
    key = f"papier-{paper.pk}"
    page = agent_client.get(QUEUE, {"demande": key})
    assert page.context["name"] == "Lina Roux" and "valable jusqu" in page.text
    late = {"confirmed": "1", f"ends-{paper.pk}": "01/01/2026", f"file-{paper.pk}": ""}
    asked = answer(agent_client, key, "accept_selected", **late)
    assert "Ce jour est passé" in asked.text
    answer(agent_client, key, "accept_selected", **late | {f"ends-{paper.pk}": "30/06/2027"})
    final()
    paper.refresh_from_db()
    assert (paper.state, paper.ends_on) == (Paper.State.ACCEPTED, date(2027, 6, 30))
    other = PaperFactory(household=books.household)
    answer(
        agent_client,
        f"papier-{other.pk}",
        "refuse_selected",
        ready="autre",
        words="Illisible.",
        confirmed="1",
    )
    final()
    other.refresh_from_db()
    assert (other.state, other.refusal_reason) == (Paper.State.REFUSED, "Illisible.")


def test_a_paper_of_health_is_in_the_queue_of_who_may_open_it(books, agent_client):
    secret = PaperKindFactory(secrecy=PaperKind.Secrecy.HEALTH)
    paper = PaperFactory(kind=secret, household=books.household, child=books.child)
    assert pile(agent_client) == []
    refused = {"ready": "autre", "words": "Non."}
    assert answer(agent_client, f"papier-{paper.pk}", "refuse_selected", **refused).status_code == 404


def test_what_the_first_page_counts_beside_the_queue_is_said_on_both(asks, books, waits, agent_client):
    asks(books, THURSDAY)
    Move.objects.create(
        household=books.household,
        child=books.child,
        enrolment=books.enrolment,
        place=books.enrolment.establishment,
        since=NOW.date(),
        requested_at=NOW,
    )
    page = agent_client.get(QUEUE)
    assert page.context["pile"].count == 1
    assert "Changements d'école ou de lieu à traiter (1)" in unescape(page.text)
    (block,) = [one for one in agent_client.get("/mairie/").context["blocks"] if one["key"] == "attend"]
    assert (block["total"], block["one_by_one"]) == (2, 1)
