"""« À faire maintenant »: what families' own rows ask of a guardian."""

import re
from datetime import date, timedelta
from html import unescape

import pytest

from families.models import AccessOpening, ChangeRequest, FamilyQuotient, Guardian
from tests.conftest import NOW, Family
from tests.factories import GuardianFactory, UserFactory


def asked(who: Family) -> str:
    page = who.client().get("/").content.decode()
    found = re.search(r'<h2 id="a-faire"[^>]*>.*?</h2>(.*?)</section>', page, re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[1])).split()) if found else ""


def quotient(who: Family, last: date | None, first: date = date(2026, 1, 1)) -> None:
    FamilyQuotient.objects.create(household=who.household, value=1213, valid_from=first, valid_to=last)


def test_a_quotient_is_asked_for_four_weeks_before_it_ends(books):
    last = NOW.date() + timedelta(weeks=4)
    quotient(books, last)
    assert asked(books) == (
        "Quotient à renouveler Il finit le 7 décembre ; ensuite, tarif le plus élevé. "
        "Communiquer mon quotient"
    )


def test_an_adult_whose_address_takes_no_mail_is_told_where_it_is_read(books, stranger):
    one = books.guardian
    Guardian.objects.filter(pk=one.pk).update(
        unreached_address=one.user.email, unreached_since=NOW, unreached_why="550 inconnu"
    )
    assert asked(books) == (
        f"Nos messages ne vous parviennent plus {one.user.email} refuse nos messages : corrigez-la, ou "
        "vérifiez qu'elle n'est pas pleine. Mon adresse e-mail"
    )
    assert asked(stranger) == ""
    one.user.email = "autre@example.org"
    one.user.save()
    assert asked(books) == "", "the address that it has now takes them, as far as one knows"


@pytest.mark.parametrize("last", [None, NOW.date() + timedelta(days=29)])
def test_one_that_ends_later_is_not(books, last):
    quotient(books, last)
    assert asked(books) == ""


def test_nor_one_that_another_follows(books):
    last = NOW.date() + timedelta(days=9)
    quotient(books, last)
    quotient(books, None, last + timedelta(days=1))
    assert asked(books) == ""


def test_nor_one_whose_successor_is_on_its_way(books):
    quotient(books, NOW.date() + timedelta(days=9))
    change = ChangeRequest.objects.create(
        household=books.household, kind="quotient", quotient=900, valid_from=NOW.date()
    )
    assert asked(books) == ""
    change.state, change.refusal_reason, change.decided_at = "refused", "Le document est illisible.", NOW
    change.save()
    assert "Quotient à renouveler" in asked(books)
    assert "Justificatif à renvoyer : quotient familial" in asked(books)
    assert "Motif de la mairie : Le document est illisible. Renvoyer" in asked(books)


def test_a_proof_refused_long_ago_or_sent_again_is_not_asked(books):
    first = ChangeRequest.objects.create(
        household=books.household,
        kind="quotient",
        quotient=900,
        valid_from=NOW.date(),
        state="refused",
        refusal_reason="Illisible.",
        decided_at=NOW - timedelta(days=31),
    )
    assert asked(books) == ""
    ChangeRequest.objects.filter(pk=first.pk).update(decided_at=NOW)
    assert "Illisible." in asked(books)
    ChangeRequest.objects.create(
        household=books.household, kind="quotient", quotient=900, valid_from=NOW.date()
    )
    assert asked(books) == ""


def test_an_access_waits_for_the_guardian_who_may_answer_it(books, stranger):
    other = GuardianFactory(household=books.household, user=UserFactory(username="alix"))
    AccessOpening.objects.create(
        kind=AccessOpening.Kind.GUARDIAN, household=books.household, guardian=other, asked_at=NOW
    )
    assert asked(books).startswith("Un accès à confirmer")
    assert asked(stranger) == ""
    alix = Family(books.household, other, other.user, books.child)
    assert asked(alix) == "", "not of who asks for it"


def test_another_home_of_a_child_waits_for_the_home_it_has(books, stranger):
    AccessOpening.objects.create(
        kind=AccessOpening.Kind.HOME, household=stranger.household, child=books.child, asked_at=NOW
    )
    assert asked(books).startswith("Un accès à confirmer")
    assert asked(stranger) == ""
