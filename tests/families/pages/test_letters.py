"""« Mes messages »: each guardian reads their own again, and since when they are kept."""

from datetime import timedelta

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from families.models import Letter, RetentionRule
from families.privacy import nights, retention
from portal.models import SentMail
from tests.conftest import NOW, Family, logged_in
from tests.factories import GuardianFactory, LetterFactory

PAGE = "/mes-messages/"


def test_a_guardian_reads_their_own_letters_again(stranger: Family):
    row = LetterFactory(
        guardian=stranger.guardian, subject="Réservation n° 000012", text="Lisez <b>https://x.example/a</b>"
    )
    client = stranger.client()
    assert "Réservation n° 000012" in client.get(PAGE).content.decode()
    page = client.get(f"{PAGE}{row.pk}/").content.decode()
    assert 'href="https://x.example/a"' in page and "<b>" not in page
    assert "lundi 9 novembre 2026 à 10\N{NO-BREAK SPACE}h" in page and stranger.user.email in page


def test_what_the_other_adult_was_written_is_theirs(stranger: Family, waits: Family):
    other = GuardianFactory(household=stranger.household)
    row = LetterFactory(guardian=other, subject="Pour Dominique")
    for reader in (stranger, waits):
        assert "Pour Dominique" not in reader.client().get(PAGE).content.decode()
        assert reader.client().get(f"{PAGE}{row.pk}/").status_code == 404
    assert logged_in(other.user).get(f"{PAGE}{row.pk}/").status_code == 200


def test_the_page_says_since_when(stranger: Family):
    client = stranger.client()
    assert "Ici depuis" not in client.get(PAGE).content.decode()
    LetterFactory(guardian=stranger.guardian, posted_at=NOW - timedelta(days=40))
    page = client.get(PAGE).content.decode()
    assert "Ici depuis le 30 septembre 2026" in page and "gardé 12 mois" in page
    LetterFactory(guardian=stranger.guardian, posted_at=NOW - timedelta(days=800))
    assert "Ici depuis le 9 novembre 2025" in client.get(PAGE).content.decode()
    RetentionRule.objects.update_or_create(
        kind="letters", defaults={"duration": 12, "unit": "months", "active": False}
    )
    page = client.get(PAGE).content.decode()
    assert "Ici depuis le 31 août 2024" in page and "gardé" not in page


def test_one_that_was_not_delivered_says_so(stranger: Family):
    row = LetterFactory(guardian=stranger.guardian, state=Letter.State.FAILED, sent_at=None)
    assert "Non remis" in stranger.client().get(PAGE).content.decode()
    assert "vérifiez" in stranger.client().get(f"{PAGE}{row.pk}/").content.decode()


def test_ten_letters_take_the_queries_of_one(stranger: Family):
    client = stranger.client()

    def count() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(PAGE)
        return len(captured)

    LetterFactory(guardian=stranger.guardian)
    client.get(PAGE)
    one = count()
    for _ in range(9):
        LetterFactory(guardian=stranger.guardian)
    assert count() == one


def test_pages_follow_each_other(stranger: Family):
    for _ in range(31):
        LetterFactory(guardian=stranger.guardian)
    assert "Page 1 sur 2" in stranger.client().get(PAGE).content.decode()
    assert stranger.client().get(f"{PAGE}?page=x").status_code == 200


def test_staff_have_no_such_page(agent_client: Client, stranger: Family):
    row = LetterFactory(guardian=stranger.guardian)
    assert agent_client.get(PAGE).status_code == 404
    assert agent_client.get(f"{PAGE}{row.pk}/").status_code == 404


def test_the_night_forgets_letters_in_time(stranger: Family):
    old = LetterFactory(guardian=stranger.guardian, posted_at=NOW - timedelta(days=366))
    young = LetterFactory(guardian=stranger.guardian, posted_at=NOW - timedelta(days=360))
    kind = retention.kind_of("letters")
    assert kind and nights.foresee(kind, NOW) == 1
    assert nights.apply(kind, timezone.now()) == 1
    assert list(Letter.objects.all()) == [young] and old.pk


def test_the_demos_outbox_shows_the_same_rows(agent_client: Client, stranger: Family):
    row = LetterFactory(
        guardian=stranger.guardian, subject="Lien", text="<b>Suivez</b> http://127.0.0.1:8000/x/"
    )
    assert 'href="/mairie/families/letter/"' in agent_client.get("/mairie/").content.decode()
    assert "Lien" in agent_client.get("/mairie/families/letter/").content.decode()
    page = agent_client.get(f"/mairie/families/letter/{row.pk}/change/").content.decode()
    assert 'href="http://127.0.0.1:8000/x/"' in page and "<b>Suivez" not in page
    assert agent_client.post(f"/mairie/families/letter/{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert stranger.client().get("/mairie/families/letter/").status_code == 302


def test_there_the_link_of_a_live_letter_can_be_followed(agent_client: Client, stranger: Family):
    row = LetterFactory(guardian=stranger.guardian, subject="Retrouvez votre compte", live=True, text="sans")
    SentMail.objects.create(to=row.to, subject=row.subject, text="Suivez http://127.0.0.1:8000/y/")
    page = agent_client.get(f"/mairie/families/letter/{row.pk}/change/").content.decode()
    assert 'href="http://127.0.0.1:8000/y/"' in page
