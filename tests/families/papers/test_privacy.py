"""What is kept of papers: told in a copy, gone in time with their files, erased with who gave them."""

from datetime import date, timedelta

import pytest

from families.models import Custody, Document, Household, Paper
from families.papers import sending
from families.privacy import erasing, retention
from families.privacy.own_data import tables
from families.privacy.telling import Subject
from tests.conftest import NOW, other_home_of
from tests.factories import PaperFactory, PaperKindFactory

TODAY = NOW.date()


def files_in(folder) -> int:
    return sum(path.is_file() for path in folder.rglob("*") if "effacements" not in path.parts)


def over(code: str, before: date) -> list[Paper]:
    at = NOW + (before - TODAY)
    return [paper for rows in dict(retention_kinds())[code].due(at) for paper in rows]


def retention_kinds():
    return [(kind.code, kind) for kind in retention.kinds()]


def test_what_is_refused_or_over_goes_in_time_with_its_file(
    books, insurance, send, agent, private_files, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        refused = sending.refuse(send(books, insurance, books.child), reason="Illisible.", by=agent, at=NOW)
    good = sending.accept(send(books, insurance, books.child), ends_on=TODAY, by=agent, at=NOW)
    sending.expire(at=NOW + timedelta(days=1))
    assert over("papers", TODAY) == []
    assert over("papers", TODAY + timedelta(days=2)) == [refused, good]
    assert over("secret_papers", TODAY + timedelta(days=400)) == []
    kind = dict(retention_kinds())["papers"]
    with django_capture_on_commit_callbacks(execute=True):
        assert kind.remove(kind.due(NOW + timedelta(days=2)), NOW) == 2
    assert not Paper.objects.exists() and not Document.objects.exists() and not Paper.history.exists()
    assert files_in(private_files) == 0


def test_health_and_justice_have_a_time_of_their_own(books, now):
    for secrecy in ("health", "justice"):
        PaperFactory(
            kind=PaperKindFactory(secrecy=secrecy),
            household=books.household,
            child=books.child,
            state="expired",
            ends_on=TODAY - timedelta(days=1),
        )
    assert len(over("secret_papers", TODAY)) == 2 and over("papers", TODAY) == []


def test_what_still_counts_stays_while_the_child_comes_and_goes_once_it_is_gone(books, rules, insurance, now):
    PaperFactory(kind=insurance, household=books.household, child=books.child, state="accepted", ends_on=None)
    assert over("papers", TODAY + timedelta(days=1)) == []
    Household.objects.update(created_at=NOW)
    assert len(over("papers", date(2028, 9, 1))) == 1


@pytest.mark.parametrize("of_child", [True, False])
def test_an_erasure_leaves_nothing_of_them(
    books, insurance, send, private_files, of_child, django_capture_on_commit_callbacks
):
    send(books, insurance, books.child)
    leaving = erasing.child_leaving(books.child) if of_child else erasing.household_leaving(books.household)
    assert "Papiers demandés : 1" in map(str, erasing.foresee(leaving, at=NOW).gone)
    with django_capture_on_commit_callbacks(execute=True):
        erasing.erase(leaving, why="desk", by=None, at=NOW)
    assert not Paper.objects.exists() and not Paper.history.exists() and not Document.objects.exists()
    assert files_in(private_files) == 0


def test_of_a_child_in_two_homes_the_one_that_stays_keeps_what_it_gave(books, insurance, rules, send):
    other = other_home_of(books)
    kept = send(other, insurance, books.child)
    send(books, rules)
    erasing.erase(erasing.household_leaving(books.household), why="desk", by=None, at=NOW)
    assert list(Paper.objects.all()) == [kept]


def test_a_copy_tells_what_was_given_and_nothing_of_the_other_home(books, insurance, rules, send, agent):
    other = other_home_of(books)
    sending.refuse(send(books, insurance, books.child), reason="Illisible.", by=agent, at=NOW)
    send(other, insurance, books.child)
    subject = Subject(books.guardian, books.household, (books.child,))
    (table,) = [one for one in tables(subject) if one.title == "Papiers demandés"]
    ((paper, child, *_, reason),) = table.rows
    assert (paper, child, reason) == ("Attestation d'assurance", "Lina Roux", "Illisible.")
    assert Custody.objects.filter(child=books.child).count() == 2
