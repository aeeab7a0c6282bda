"""« Mes Informations »: who sees it, what changes at once, what the town hall must answer."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from families.models import ChangeRequest, Document, FamilyQuotient
from portal.files import uploads
from portal.models import Town
from tests.conftest import Family
from tests.factories import ChangeRequestFactory, GuardianFactory, QuotientFactory
from tests.families.conftest import PDF, image_bytes, sent_file, text_of

pytestmark = pytest.mark.django_db
ADDRESS = {
    "street": "8 place du Marché",
    "street_more": "",
    "postcode": "01999",
    "city": "Valmirelle-les-Prés",
}
QUOTIENT = {"quotient": "850,50", "valid_from": "2026-11-01"}


def ask_quotient(client: Client, content: bytes = PDF, name: str = "attestation.pdf", **changed: str):
    return client.post("/foyer/quotient/", QUOTIENT | changed | {"file": sent_file(content, name)})


def test_both_guardians_see_their_household_and_nobody_elses(roux: Family, second_guardian, stranger: Family):
    QuotientFactory(household=roux.household, value=Decimal("1213.00"))
    for client in (roux.client(), second_guardian):
        page = text_of(client.get("/foyer/"))
        assert "Foyer n° " + roux.household.number in page
        assert "Camille Roux" in page and "Alix Roux" in page and "1 213, valable" in page
        assert "Morel" not in page
    assert "Roux" not in text_of(stranger.client().get("/foyer/"))


@pytest.mark.parametrize("name", ["household", "phones", "address", "quotient"])
def test_the_anonymous_are_asked_to_log_in(town, name: str):
    path = reverse(f"families:{name}")
    assert Client().get(path).url == f"/connexion/?next={path}"


@pytest.mark.parametrize("name", ["household", "phones", "address", "quotient"])
def test_staff_without_a_household_find_nothing(agent_client, town, name: str):
    assert agent_client.get(reverse(f"families:{name}")).status_code == 404


def test_the_page_costs_the_same_for_one_and_for_ten(roux: Family, django_assert_num_queries):
    client = roux.client()
    client.get("/foyer/")
    with django_assert_num_queries(10):
        client.get("/foyer/")
    for number in range(9):
        GuardianFactory(household=roux.household)
        QuotientFactory(household=roux.household, valid_from=date(2025, 1, number + 1))
        ChangeRequestFactory(household=roux.household, state="accepted")
    with django_assert_num_queries(10):
        client.get("/foyer/")


def test_a_guardian_changes_own_phones_at_once(roux: Family, second_guardian: Client):
    answer = roux.client().post("/foyer/telephones/", {"phone": "06 39 98 55 55", "phone_work": ""})
    assert answer.url == "/foyer/"
    roux.guardian.refresh_from_db()
    assert roux.guardian.phone == "06 39 98 55 55"
    assert roux.household.guardians.get(first_name="Alix").phone != "06 39 98 55 55"
    refused = roux.client().post("/foyer/telephones/", {"phone": "non", "phone_work": ""})
    assert "Écrivez un numéro" in text_of(refused)


def test_an_address_is_a_request_with_its_proof(roux: Family, commit, letters):
    with commit():
        roux.client().post("/foyer/adresse/", ADDRESS | {"file": sent_file(PDF, "facture.pdf")})
    change = ChangeRequest.objects.get()
    assert (change.kind, change.state, change.requested_by) == ("address", "requested", roux.user)
    assert (change.proof.name, change.proof.content_type) == ("facture.pdf", "application/pdf")
    roux.household.refresh_from_db()
    assert roux.household.street != ADDRESS["street"]
    assert [letter.subject for letter in letters] == ["Votre demande est bien reçue"]
    assert "en attente de traitement" in text_of(roux.client().get("/foyer/")).lower()


def test_an_address_changes_at_once_where_the_town_says_so(roux: Family):
    Town.objects.get().save()
    town = Town.objects.get()
    town.address_changes_at_once = True
    town.save()
    roux.client().post("/foyer/adresse/", ADDRESS)
    roux.household.refresh_from_db()
    assert roux.household.street == ADDRESS["street"]
    assert not ChangeRequest.objects.exists()


def test_a_second_request_waits_for_the_first_answer(roux: Family, second_guardian: Client):
    ask_quotient(roux.client())
    assert "attend déjà la réponse" in text_of(second_guardian.get("/foyer/quotient/"))
    ask_quotient(second_guardian)
    assert ChangeRequest.objects.count() == Document.objects.count() == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"quotient": "beaucoup"}, "nombre"),
        ({"quotient": "-3"}, "jamais négatif"),
        ({"quotient": "1e400"}, "chiffres"),
        ({"valid_from": "2026-02-31"}, "date valide"),
        ({"valid_from": ""}, "Champ à remplir : valable à partir du."),
        ({"valid_from": "0026-11-01"}, "Vérifiez l'année"),
        ({"valid_from": "2062-11-01"}, "Vérifiez l'année"),
    ],
)
def test_wrong_values_are_said_and_nothing_is_kept(roux: Family, changed, said, private_files: Path):
    page = ask_quotient(roux.client(), **changed)
    assert said in text_of(page)
    assert not ChangeRequest.objects.exists() and not Document.objects.exists()
    assert list(private_files.iterdir()) == []


@pytest.mark.parametrize("typed", ["1250,5", "1250.50", "1 250,50 €", "1\u202f250,50\xa0€"])
def test_a_quotient_is_taken_as_it_is_copied_from_its_proof(roux: Family, typed: str):
    assert ask_quotient(roux.client(), quotient=typed).status_code == 302
    assert ChangeRequest.objects.get().quotient == Decimal("1250.50")


# Files ----------------------------------------------------------------------------------------------

HEIC = image_bytes("HEIF")


def spoilt(content: bytes) -> bytes:
    """One letter of it changed on the way."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 0xFF]) + content[middle + 1 :]


GOOD_FILES = [
    (PDF, "attestation.pdf", "application/pdf"),
    (image_bytes("JPEG"), "photo.jpeg", "image/jpeg"),
    (image_bytes("PNG"), "capture.png", "image/png"),
    (HEIC, "IMG_0001.HEIC", "image/heic"),
    (image_bytes("JPEG"), "menteur.pdf", "image/jpeg"),
]


@pytest.mark.parametrize(("content", "name", "content_type"), GOOD_FILES)
def test_good_files_are_known_by_their_content(roux: Family, content, name, content_type):
    assert ask_quotient(roux.client(), content, name).status_code == 302
    document = Document.objects.get()
    assert document.content_type == content_type
    assert document.name.endswith(uploads.SUFFIXES[content_type])


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (b"MZ\x90\x00" + b"\x00" * 500, "facture.pdf", uploads.WRONG_KIND),
        (b"<html><script>alert(1)</script></html>", "facture.pdf", uploads.WRONG_KIND),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "photo.png", uploads.WRONG_KIND),
        (b"PK\x03\x04" + b"\x00" * 100, "photo.jpg", uploads.WRONG_KIND),
        (b"GIF89a" + b"\x00" * 100, "photo.png", uploads.WRONG_KIND),
        (image_bytes("JPEG", (400, 300))[:2000], "coupee.jpg", uploads.DAMAGED),
        (image_bytes("PNG", (400, 300))[:2000], "coupee.png", uploads.DAMAGED),
        (spoilt(image_bytes("PNG", (400, 300))), "abimee.png", uploads.DAMAGED),
        (HEIC[: len(HEIC) // 2], "coupee.heic", uploads.DAMAGED),
        (PDF[:20], "coupee.pdf", uploads.DAMAGED),
        (b"%PDF-1.4" + b"\x00" * (10 * 1024 * 1024) + b"%%EOF", "enorme.pdf", uploads.TOO_LARGE),
        (b"", "vide.pdf", "vide"),
    ],
)
def test_wrong_files_are_refused_and_nothing_is_kept(roux: Family, content, name, said, private_files: Path):
    page = ask_quotient(roux.client(), content, name)
    assert page.status_code == 200
    assert said in text_of(page)
    assert 'value="850,50"' in text_of(page), "what was typed stays"
    assert not ChangeRequest.objects.exists() and not Document.objects.exists()
    assert list(private_files.iterdir()) == []


def test_a_picture_that_unfolds_to_a_billion_pixels_is_refused_unopened(roux: Family, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_PIXELS", 1000)
    assert "trop grande" in text_of(ask_quotient(roux.client(), image_bytes("PNG"), "bombe.png"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.pdf", "passwd.pdf"),
        ("C:\\Users\\moi\\facture d'eau.PDF", "facture d'eau.pdf"),
        ("\r\nSet-Cookie: a=b.pdf", "Set-Cookie ab.pdf"),
        (".pdf", "document.pdf"),
        ("x" * 300 + ".pdf", "x" * 100 + ".pdf"),
    ],
)
def test_names_of_files_are_made_harmless(given: str, kept: str):
    assert uploads.safe_name(given, "application/pdf") == kept


def test_a_proof_is_for_its_household_and_for_staff_with_the_right(
    roux: Family, second_guardian, stranger: Family, agent_client, regie_client, private_files: Path
):
    ask_quotient(roux.client())
    path = reverse("families:document", args=[Document.objects.get().pk])
    for client in (roux.client(), second_guardian, agent_client, regie_client):
        answer = client.get(path)
        assert answer.status_code == 200
        assert b"".join(answer.streaming_content) == PDF
        assert answer["Content-Disposition"] == 'attachment; filename="attestation.pdf"'
        assert answer["Content-Type"] == "application/pdf"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer["Cache-Control"] == "private, no-store"
    assert stranger.client().get(path).status_code == 404
    assert Client().get(path).url == f"/connexion/?next={path}"
    stored = Document.objects.get().file
    assert Path(stored.path).is_relative_to(private_files)
    with pytest.raises(ValueError, match="not accessible via a URL"):
        stored.storage.url(stored.name)


def test_staff_without_the_right_see_no_proof(roux: Family, agent, agent_client):
    ask_quotient(roux.client())
    agent.groups.clear()
    path = reverse("families:document", args=[Document.objects.get().pk])
    assert agent_client.get(path).status_code == 404


def test_a_household_not_yet_accepted_sees_where_it_stands(newcomers):
    client = Client()
    client.force_login(newcomers.guardians.get().user)
    assert "en attente de validation" in text_of(client.get("/foyer/"))
    newcomers.state, newcomers.refusal_reason = "refused", "Foyer déjà connu."
    newcomers.save()
    page = text_of(client.get("/foyer/"))
    assert "n'a pas validé" in page and "Foyer déjà connu." in page
    assert not FamilyQuotient.objects.exists()


def test_a_cut_off_image_is_refused_even_once_a_pdf_was_drawn_in_the_process(roux: Family, monkeypatch):
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)
    page = ask_quotient(roux.client(), image_bytes("JPEG", (400, 300))[:2000], "coupee.jpg")
    assert uploads.DAMAGED in text_of(page)
