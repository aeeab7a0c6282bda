"""Papers at the desk: who sees which, accepted with their last day, seen at the counter, who lacks what."""

import random
from contextlib import suppress
from datetime import date, timedelta
from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families.models import Child, Custody, Household, Paper, User
from families.papers import asking, missing, sending
from portal.reservations.staff import giving
from tests.conftest import NOW, brother_of, let_go, logged_in
from tests.factories import PaperFactory, PaperKindFactory
from tests.families.conftest import PDF, private_files, sent_file, text_of
from tests.families.joining.doubles import make_one
from tests.families.papers.conftest import insurance, rules, send

__all__ = ["insurance", "private_files", "rules", "send"]

TODAY = NOW.date()
LIST = reverse("admin:families_paper_changelist")
FIND = reverse("admin:families_paper_find")
MISSING = reverse("admin:families_paper_missing")


def act(client: Client, action: str, *papers: Paper, **said: Any) -> Any:
    chosen = [paper.pk for paper in papers]
    return client.post(
        f"{LIST}?etat=tous", {"action": action, "_selected_action": chosen, **said}, follow=True
    )


def accept(client: Client, paper: Paper, **said: Any) -> Any:
    fields = {f"ends-{paper.pk}": "2027-08-31", f"file-{paper.pk}": paper.document_id or "", "confirmed": "1"}
    return act(client, "accept_selected", paper, **fields | said)


@pytest.fixture
def sent(books, insurance, send) -> Paper:
    paper: Paper = send(books, insurance, books.child)
    return paper


def test_the_first_page_counts_what_waits_and_leads_there(agent_client, sent):
    page = text_of(agent_client.get("/mairie/"))
    assert "Papiers à vérifier" in page and "Papiers manquants" in page
    assert "Attestation d'assurance" in text_of(agent_client.get(LIST))


def test_accepting_proposes_the_last_day_and_asks_first(agent_client, sent):
    page = act(agent_client, "accept_selected", sent)
    assert 'value="2027-08-31"' in page.content.decode()
    assert Paper.objects.get().state == "sent"
    page = accept(agent_client, sent, **{f"ends-{sent.pk}": "2027-06-30"})
    assert "1 papier accepté." in text_of(page)
    paper = Paper.objects.get()
    assert (paper.state, paper.ends_on, paper.starts_on) == ("accepted", date(2027, 6, 30), TODAY)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "obligatoire"),
        ("2027-02-31", "date valide"),
        ("2026-11-08", "Ce jour est passé"),
        ("9999-01-01", "entre 2000"),
    ],
)
def test_a_last_day_that_cannot_be_is_said_and_nothing_is_accepted(agent_client, sent, typed, said):
    page = text_of(accept(agent_client, sent, **{f"ends-{sent.pk}": typed}))
    assert said in page and Paper.objects.get().state == "sent"


def test_a_file_replaced_since_the_page_was_opened_is_looked_at_first(
    agent_client, books, insurance, sent, send
):
    seen = sent.document_id
    send(books, insurance, books.child)
    page = text_of(accept(agent_client, sent, **{f"file-{sent.pk}": seen}))
    assert "un autre fichier entre-temps" in page and Paper.objects.get().state == "sent"


def test_refusing_asks_for_the_reason_that_the_family_reads(agent_client, books, sent):
    page = act(agent_client, "refuse_selected", sent)
    assert "Il manque une page, ou une signature." in text_of(page)
    act(agent_client, "refuse_selected", sent, reason_given="1", ready="autre", words="Il manque le cachet.")
    assert Paper.objects.get().refusal_reason == "Il manque le cachet."
    assert "Il manque le cachet." in text_of(books.client().get("/mes-papiers/"))


def test_an_answered_paper_is_answered_once(agent_client, sent, agent):
    sending.accept(sent, ends_on=date(2027, 8, 31), by=agent, at=NOW)
    assert "avait déjà sa réponse" in text_of(accept(agent_client, sent))
    page = act(agent_client, "refuse_selected", sent, reason_given="1", ready="autre", words="Non.")
    assert "avait déjà sa réponse" in text_of(page)
    assert Paper.objects.get().state == "accepted"


def test_forged_rows_are_nobodys(agent_client, sent):
    assert agent_client.get(reverse("admin:families_paper_change", args=[999_999])).status_code == 404
    act(agent_client, "accept_selected", Paper(pk=999_999), confirmed="1")
    assert Paper.objects.get().state == "sent"


# Who sees which ---------------------------------------------------------------------------------------------


def agent_with(*roles: str) -> User:
    user = User.objects.create(username="-".join(roles).lower(), is_staff=True)
    for role in roles:
        giving.give(user, Group.objects.get(name=role), by=None)
    return user


def test_health_is_for_who_opens_health_files_and_its_reading_is_written_down(
    books, canteen, agent_client, send, lines
):
    kind = PaperKindFactory(name="Protocole PAI", secrecy="health", asked_by=[canteen.activity])
    paper = send(books, kind, books.child)
    url = f"/foyer/justificatifs/{paper.document_id}/"
    page = reverse("admin:families_paper_change", args=[paper.pk])
    for path in (LIST, MISSING, reverse("admin:families_paper_note", args=[books.household.pk])):
        assert "Protocole PAI" not in text_of(agent_client.get(path))
    assert agent_client.get(page).status_code == agent_client.get(url).status_code == 404
    accept(agent_client, paper)
    assert Paper.objects.get().state == "sent" and lines() == []
    nurse = logged_in(agent_with("Agent", "Fiches sanitaires"))
    assert "Protocole PAI" in text_of(nurse.get(LIST))
    answer = nurse.get(url)
    assert answer.status_code == 200
    let_go(answer)
    assert [kind for kind, _, _ in lines()] == ["health_paper"]


def test_justice_is_for_agents_and_not_for_the_accountant(
    books, agent_client, regie_client, send, lines, now
):
    kind = PaperKindFactory(name="Jugement", secrecy="justice", lasts="for_ever")
    sending.ask(books.household, kind, books.child, at=NOW)
    paper = send(books, kind, books.child)
    url = f"/foyer/justificatifs/{paper.document_id}/"
    assert regie_client.get(LIST).status_code == 403 and regie_client.get(url).status_code == 404
    let_go(agent_client.get(url))
    assert [kind for kind, _, _ in lines()] == ["justice_paper"]


def test_an_agent_of_one_place_sees_the_children_of_that_place(books, stranger, insurance, canteen, sent):
    other = PaperFactory(kind=insurance, household=stranger.household, child=stranger.child)
    user = User.objects.create(username="ici", is_staff=True)
    giving.give(user, Group.objects.get(name="Agent"), places=[canteen.restaurant], by=None)
    client = logged_in(user)
    page = text_of(client.get(LIST))
    assert "Lina" in page and "Zoé" not in page
    assert client.get(reverse("admin:families_paper_change", args=[other.pk])).status_code == 404
    assert client.get(reverse("admin:families_paper_note", args=[stranger.household.pk])).status_code == 404
    assert client.get(reverse("admin:families_paperkind_add")).status_code == 403, "the town's to decide"
    accept(client, sent)
    sent.refresh_from_db()
    assert sent.state == "accepted"


# At the counter ---------------------------------------------------------------------------------------------


def note(client: Client, who: Any, choice: str, **said: Any) -> Any:
    path = reverse("admin:families_paper_note", args=[who.household.pk])
    given = {"paper": choice, "what": "seen", "seen_on": "2026-11-09", **said}
    return client.post(path, given, follow=True)


def test_a_paper_seen_at_the_counter_is_noted_from_its_household(agent_client, books, insurance, rules):
    found = text_of(agent_client.get(FIND, {"q": "roux"}))
    assert f"Foyer n° {books.household.number} : Camille Roux" in found
    page = note(agent_client, books, f"{insurance.pk}:{books.child.pk}")
    assert "Le papier est noté." in text_of(page) and "vu au guichet le 9 novembre 2026" in text_of(page)
    paper = Paper.objects.get()
    assert (paper.state, paper.seen_on, paper.ends_on) == ("accepted", TODAY, date(2027, 8, 31))
    assert "vu au guichet le 9 novembre 2026" in text_of(books.client().get("/mes-papiers/"))


def test_a_copy_may_be_kept_of_what_was_seen(agent_client, books, rules):
    note(agent_client, books, f"{rules.pk}:", file=sent_file(PDF, "reglement.pdf"))
    assert Paper.objects.get().document.name == "reglement.pdf"


def test_a_paper_is_asked_of_a_family_and_no_more(agent_client, stranger, insurance):
    choice = f"{insurance.pk}:{stranger.child.pk}"
    assert "Le papier est demandé." in text_of(note(agent_client, stranger, choice, what="ask"))
    assert "Demandé par la mairie" in text_of(stranger.client().get("/mes-papiers/"))
    assert "déjà demandé" in text_of(note(agent_client, stranger, choice, what="ask"))
    act(agent_client, "stop_asking_selected", Paper.objects.get())
    assert not Paper.objects.exists()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"seen_on": ""}, "Indiquez le jour"),
        ({"seen_on": "2026-11-10"}, "pas encore venu"),
        ({"ends_on": "2026-11-01"}, "Ce jour est passé"),
        ({"paper": "999999:1"}, "choix"),
        ({"what": "shred"}, "choix"),
        ({"file": sent_file(b"MZ", "a.exe")}, "n'est pas un PDF"),
    ],
)
def test_what_is_typed_wrongly_is_said_and_nothing_is_written(agent_client, books, insurance, said, sentence):
    given = {"paper": f"{insurance.pk}:{books.child.pk}"} | said
    page = note(agent_client, books, given.pop("paper"), **given)
    assert sentence in text_of(page).lower() or sentence in text_of(page)
    assert not Paper.objects.exists()


def test_a_child_of_another_household_is_no_choice(agent_client, books, stranger, insurance):
    note(agent_client, books, f"{insurance.pk}:{stranger.child.pk}")
    assert not Paper.objects.exists()


# Who lacks what ---------------------------------------------------------------------------------------------


def test_missing_papers_are_listed_by_kind_in_a_fixed_number_of_queries(
    agent_client, books, insurance, rules
):
    def cost() -> tuple[int, str]:
        with CaptureQueriesContext(connection) as made:
            page = text_of(agent_client.get(MISSING))
        return len(made), page

    cost()
    queries, page = cost()
    assert "2 à recevoir." in page and "Lina Roux" in page and "Restauration scolaire" in page
    for number in range(9):
        brother_of(books, f"Frère {number}")
    again, page = cost()
    assert again == queries and "11 à recevoir." in page
    only = text_of(agent_client.get(MISSING, {"papier": rules.pk}))
    assert "1 à recevoir." in only
    assert "11 à recevoir." in text_of(agent_client.get(MISSING, {"papier": "x", "page": "999"}))


def test_what_ends_soon_has_its_filter(agent_client, books, insurance):
    PaperFactory(
        kind=insurance,
        household=books.household,
        child=books.child,
        state="accepted",
        ends_on=TODAY + timedelta(days=12),
    )
    assert "21 novembre 2026" in text_of(agent_client.get(LIST, {"etat": "bientot"}))
    assert "21 novembre 2026" not in text_of(agent_client.get(LIST))


def test_the_list_costs_the_same_for_one_and_for_ten(agent_client, books, insurance, sent):
    def cost() -> int:
        with CaptureQueriesContext(connection) as made:
            agent_client.get(LIST)
        return len(made)

    cost()
    before = cost()
    for number in range(9):
        PaperFactory(
            kind=insurance, household=books.household, child=brother_of(books, f"Frère {number}").child
        )
    assert cost() == before


def test_nothing_is_noted_for_or_asked_of_a_household_that_was_joined_to_another(
    agent_client, books, stranger, rules, agent
):
    make_one(books.household, stranger.household, by=agent)
    assert note(agent_client, stranger, f"{rules.pk}:", what="ask").status_code == 404
    with pytest.raises(sending.PaperRefused, match="réuni avec le foyer n°"):
        sending.ask(stranger.household, rules, None, at=NOW)
    assert not Paper.objects.exists()
    found = agent_client.get(FIND, {"q": stranger.household.number}).content.decode()
    assert reverse("admin:families_paper_note", args=[stranger.household.pk]) not in found


def test_the_database_counts_what_the_lines_of_each_household_tell(books, stranger, insurance, rules):
    """Whatever was sent, accepted, refused, asked by hand, private, or the other home's."""
    Custody.objects.create(child=books.child, household=stranger.household)
    kinds = [insurance, rules, PaperKindFactory(remind_days=20)]
    days = (None, TODAY - timedelta(days=1), TODAY + timedelta(days=5), TODAY + timedelta(days=200))
    choose = random.Random(7)
    homes = Household.objects.filter(pk__in=[books.household.pk, stranger.household.pk])
    filled = 0
    for _ in range(150):
        Paper.objects.all().delete()
        for kind, ends_on, asked_on in product(kinds, choose.sample(days, 2), (None, TODAY)):
            with suppress(IntegrityError), transaction.atomic():
                PaperFactory(
                    kind=kind,
                    household=choose.choice((books, stranger)).household,
                    child=choose.choice((None, books.child, books.child, stranger.child)),
                    state=choose.choice(Paper.State.values),
                    private=choose.random() < 0.3,
                    starts_on=TODAY - timedelta(days=300),
                    ends_on=ends_on,
                    asked_on=asked_on,
                )
        told = asking.read([home.pk for home in homes.order_by("pk")], TODAY)
        wanted = [line for home in sorted(told) for line in told[home] if line.is_to_do]
        found = missing.lines(homes, Child.objects.all(), [kind.pk for kind in kinds], TODAY)
        assert found[:] == wanted and len(found) == len(wanted)
        assert [found[at] for at in range(len(found))] == wanted
        filled += len(wanted)
    assert filled > 300
