"""A restored database knows nothing of who was erased since: the journal does it again, and nothing else."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import TestCase

from billing.payments import paying
from families.models import Child, Erasure, Household, User
from families.privacy import erasing
from portal.files.uploads import private_storage


@pytest.fixture(autouse=True)
def journal_apart(store, monkeypatch):
    """The journal lies where the test's files do."""
    storage = private_storage()
    for name in ("base_location", "location"):
        monkeypatch.setitem(storage.__dict__, name, str(store))


def write_down(household: Household, now, mark: str = "") -> None:
    """The journal of an erasure whose database was lost."""
    done = Erasure(
        kind="household",
        subject=household.pk,
        mark=mark or erasing.mark_of_household(household),
        why="desk",
        at=now,
    )
    with TestCase.captureOnCommitCallbacks(execute=True):
        erasing._write_down(done)


def replay(*options: str) -> str:
    out = StringIO()
    call_command("replay_erasures", *options, stdout=out)
    return out.getvalue()


def test_who_came_back_is_erased_again_and_others_stay(lived, stranger, now, letters):
    write_down(lived.household, now)
    letters.clear()
    assert "1 : effacé de nouveau" in replay("--essai")
    assert Child.objects.filter(first_name="Lina").exists()
    assert "1 : effacé de nouveau" in replay()
    assert not Child.objects.filter(first_name="Lina").exists()
    assert User.objects.filter(username="morel").exists()
    assert Erasure.objects.get().why == "again"
    assert letters == []
    assert "0 : effacé de nouveau" in replay()


def test_another_family_under_the_number_is_left_alone(lived, now):
    write_down(lived.household, now, mark="0" * 64)
    assert "1 : le numéro est aujourd'hui à quelqu'un d'autre" in replay()
    assert Child.objects.filter(first_name="Lina").exists()


def test_what_stands_in_the_way_is_said_and_ends_in_an_error(lived, now):
    write_down(lived.household, now)
    paying.record(lived.household, Decimal(20), "cash", paid_on=now.date(), by=None, at=now)
    with pytest.raises(CommandError, match="Tout n'est pas effacé"):
        replay()


def test_a_copy_of_the_journal_serves_as_well(lived, store, now, tmp_path_factory):
    write_down(lived.household, now)
    elsewhere = tmp_path_factory.mktemp("copie")
    (store / erasing.JOURNAL).rename(elsewhere / erasing.JOURNAL)
    assert "0 : effacé de nouveau" in replay()
    assert "1 : effacé de nouveau" in replay("--journal", str(elsewhere))


def test_a_child_alike(lived, now):
    with TestCase.captureOnCommitCallbacks(execute=True):
        erasing.erase(erasing.child_leaving(lived.child), why="desk", by=None, at=now)
    Child.objects.filter(pk=lived.child.pk).update(
        first_name="Lina", last_name="Roux", birth_date=lived.child.birth_date, erased_at=None
    )
    assert "1 : effacé de nouveau" in replay()
    assert not Child.objects.filter(first_name="Lina").exists()
