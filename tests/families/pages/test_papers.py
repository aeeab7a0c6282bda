"""« Mes papiers »: what a family reads and sends, what a stranger gets, what bad input does."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from families.models import Document, Paper
from families.papers import sending
from tests.conftest import NOW, let_go, logged_in, other_home_of
from tests.factories import ChildFactory, GuardianFactory, HouseholdFactory, PaperFactory, PaperKindFactory
from tests.families.conftest import PDF, image_bytes, sent_file, text_of
from tests.families.papers.conftest import insurance, rules, send

__all__ = ["insurance", "rules", "send"]

TODAY = NOW.date()
SUMMER = date(2027, 8, 31)


def address(kind: Any, child: Any = None) -> str:
    return f"/mes-papiers/{kind.pk}/" + (f"enfants/{child.pk}/" if child else "")


def post(client: Client, path: str, content: bytes = PDF, name: str = "papier.pdf", **said: str) -> Any:
    return client.post(path, {"file": sent_file(content, name), **said})


def test_a_family_reads_what_is_asked_by_whom_and_sends_it(books, insurance, rules):
    client = books.client()
    page = text_of(client.get("/mes-papiers/"))
    assert "2 papiers sont attendus" in page and "Pour Restauration scolaire" in page
    path = address(insurance, books.child)
    assert path in page and "Attestation d'assurance, Lina" in text_of(client.get(path))
    answer = client.post(path, {"file": sent_file(PDF, "assurance.pdf")}, follow=True)
    page = text_of(answer)
    assert "Votre papier est envoyé" in page and "Envoyé le 9 novembre 2026" in page
    assert "Remplacer le fichier" in page and "1 papier est attendu" in page


def test_a_photo_taken_on_the_way_is_as_good_as_a_file(books, insurance):
    path = address(insurance, books.child)
    page = books.client().get(path).content.decode()
    assert 'accept="image/*" capture="environment"' in page
    books.client().post(path, {"photo": sent_file(image_bytes(), "IMG_1.jpg", "image/jpeg")})
    assert Paper.objects.get().document.content_type == "image/jpeg"


def test_the_answer_is_read_with_its_reason_and_until_when(books, insurance, rules, send, agent):
    sending.refuse(send(books, rules), reason="La signature manque.", by=agent, at=NOW)
    sending.accept(send(books, insurance, books.child), ends_on=SUMMER, by=agent, at=NOW)
    page = text_of(books.client().get("/mes-papiers/"))
    assert "Motif de la mairie : La signature manque." in page and "Renvoyer le papier" in page
    assert "Valable jusqu'au 31 août 2027" in page
    assert "La mairie a refusé le précédent" in text_of(books.client().get(address(rules)))


def test_the_first_page_counts_what_is_asked_in_one_line(books, insurance, rules):
    page = text_of(books.client().get("/"))
    assert "2 papiers à donner" in page


def test_the_childs_page_and_the_households_lead_there(books, insurance):
    page = text_of(books.client().get(f"/enfants/{books.child.pk}/"))
    assert "Attestation d'assurance : à envoyer" in page
    assert "Voir mes papiers" in text_of(books.client().get("/foyer/"))


def test_a_town_without_papers_says_nothing_of_them(books):
    for path in ("/", "/foyer/", f"/enfants/{books.child.pk}/", "/mes-rappels/"):
        assert "apiers" not in text_of(books.client().get(path)).replace("Mes papiers de", "")
    assert "ne vous demande aucun papier" in text_of(books.client().get("/mes-papiers/"))


def test_a_home_with_one_paper_and_with_ten_costs_the_same(books, insurance, canteen):
    client = books.client()
    client.get("/mes-papiers/")
    client.get("/")  # what a process keeps for half a minute

    def cost(path: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as made:
            client.get(path)
        return len(made)

    before = {path: cost(path) for path in ("/", "/mes-papiers/")}
    for number in range(9):
        PaperKindFactory(name=f"Papier {number}", asked_by=[canteen.activity])
    client.get("/mes-papiers/")
    assert {path: cost(path) for path in before} == before


# Others -----------------------------------------------------------------------------------------------------


def test_strangers_find_neither_the_child_nor_what_is_not_asked_of_them(books, stranger, insurance, rules):
    for path in (address(insurance, books.child), address(rules)):
        assert stranger.client().get(path).status_code == 404
        assert post(stranger.client(), path).status_code == 404
    assert not Document.objects.exists()


@pytest.mark.parametrize("forged", ["/mes-papiers/999999/", "/mes-papiers/999999/enfants/1/"])
def test_forged_kinds_and_children_do_not_exist(books, insurance, forged):
    assert post(books.client(), forged).status_code == 404


def test_a_kind_of_the_household_is_not_sent_for_a_child_nor_the_other_way(books, insurance, rules):
    assert post(books.client(), address(insurance)).status_code == 404
    assert post(books.client(), address(rules, books.child)).status_code == 404


def test_the_file_opens_for_its_own_household_only(books, stranger, insurance, send):
    document = send(books, insurance, books.child).document
    other = other_home_of(books)
    url = f"/foyer/justificatifs/{document.pk}/"
    answer = books.client().get(url)
    assert answer.status_code == 200
    let_go(answer)
    for who in (stranger, other):
        assert who.client().get(url).status_code == 404
    page = text_of(other.client().get("/mes-papiers/"))
    assert "Envoyé par l'autre foyer" in page and url not in page


def test_who_belongs_to_two_households_sees_the_papers_of_the_one_shown(books, insurance, send):
    second = HouseholdFactory()
    GuardianFactory(household=second, user=books.user)
    ChildFactory(first_name="Noa", households=[second])
    client = books.client()
    assert "Lina" in text_of(client.get("/mes-papiers/"))
    client.post("/foyer/choisir/", {"vers": second.pk, "foyer": books.household.pk})
    assert "Lina" not in text_of(client.get("/mes-papiers/"))
    client.get(address(insurance, books.child))
    answer = post(client, address(insurance, books.child), foyer=str(books.household.pk))
    assert answer.status_code == 302
    assert Paper.objects.get().household == books.household


# Bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"MZ\x90\x00" + bytes(64), "assurance.pdf", "n'est pas un PDF"),
        (b"<html><script>alert(1)</script></html>", "assurance.jpg", "n'est pas un PDF"),
        (
            PDF.replace(b"/Catalog", b"/Catalog/OpenAction<</S/JavaScript/JS(1)>>"),
            "a.pdf",
            "action qui se lance",
        ),
        (image_bytes()[:600], "photo.jpg", "abîmé"),
    ],
    ids=["a program", "a page", "a PDF that acts", "half a photo"],
)
def test_hostile_files_are_a_sentence_and_leave_nothing(books, insurance, content, name, said, private_files):
    for field in ("file", "photo"):
        answer = books.client().post(address(insurance, books.child), {field: sent_file(content, name)})
        assert answer.status_code == 200 and said in text_of(answer)
    assert not Paper.objects.exists() and not Document.objects.exists()
    assert not list(private_files.iterdir())


def test_no_file_and_two_files_are_said(books, insurance):
    path = address(insurance, books.child)
    assert "Joignez le papier" in text_of(books.client().post(path, {}))
    both = {"file": sent_file(PDF, "a.pdf"), "photo": sent_file(image_bytes(), "b.jpg")}
    assert "Un seul à la fois" in text_of(books.client().post(path, both))


def test_a_date_that_is_wrong_is_said_and_stays_typed(books, canteen):
    kind = PaperKindFactory(name="Domicile", lasts="months", months=3, asked_by=[canteen.activity])
    for typed, said in (
        ("2026-02-31", "date valide"),
        ("", "Champ à remplir"),
        ("2026-12-01", "à venir"),
        ("2026-01-05", "plus de 3 mois"),
    ):
        page = text_of(post(books.client(), address(kind, books.child), dated_on=typed))
        assert said in page and (not typed or typed in page)
    assert not Document.objects.exists()


def test_what_is_to_be_shown_at_the_counter_is_not_sent(books, canteen):
    kind = PaperKindFactory(name="Carnet de santé", way="desk", asked_by=[canteen.activity])
    page = text_of(books.client().get("/mes-papiers/"))
    assert "À montrer au guichet" in page and address(kind, books.child) not in page
    answer = post(books.client(), address(kind, books.child))
    assert answer.url == "/mes-papiers/" and not Document.objects.exists()


def test_sent_twice_by_an_impatient_hand_is_one_paper(books, insurance, send):
    for _ in range(2):
        post(books.client(), address(insurance, books.child))
    assert Paper.objects.count() == Document.objects.count() == 1


def test_staff_without_a_household_find_no_papers(agent, town):
    assert logged_in(agent).get("/mes-papiers/").status_code == 404


# Afterwards -------------------------------------------------------------------------------------------------


def test_it_stands_in_the_history_and_the_other_home_reads_what_is_its_own(books, insurance, send, agent):
    other = other_home_of(books)
    sending.refuse(send(books, insurance, books.child), reason="Illisible.", by=agent, at=NOW)
    page = text_of(books.client().get("/mon-historique/"))
    assert "Papier envoyé : Attestation d'assurance, Lina" in page
    assert "Attestation d'assurance, Lina : refusé" in page and "Illisible." in page
    others = text_of(other.client().get("/mon-historique/"))
    assert "Papier envoyé : Attestation d'assurance, Lina" in others and "Illisible." not in others


def test_justice_stands_in_no_history_but_its_households(books, insurance):
    other = other_home_of(books)
    judgment = PaperKindFactory(name="Jugement du tribunal", secrecy="justice")
    PaperFactory(kind=judgment, household=books.household, child=books.child, sent_by=books.user)
    assert "Jugement du tribunal" in text_of(books.client().get("/mon-historique/"))
    assert "Jugement du tribunal" not in text_of(other.client().get("/mon-historique/"))


def test_a_paper_that_ends_soon_is_asked_again_with_its_day(books, insurance, send, agent):
    end = TODAY + timedelta(days=20)
    sending.accept(send(books, insurance, books.child), ends_on=end, by=agent, at=NOW)
    assert "1 papier à donner" in text_of(books.client().get("/"))
    page = text_of(books.client().get(address(insurance, books.child)))
    assert "Le précédent est valable jusqu'au 29 novembre 2026" in page
