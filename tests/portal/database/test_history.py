"""Versions of rows: what stood there before, whoever wrote it first, and nothing that did not change."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.db.models import Model

from billing.models import BillingSettings
from families.models import AuthorisedPerson, ChildHealth, Document, Guardian, User
from portal.database.history import KNOWN_BEFORE
from portal.models import Town
from tests.conftest import Family, logged_in
from tests.factories import AuthorisedPersonFactory, HealthFactory, TownFactory, UserFactory

pytestmark = pytest.mark.django_db
HISTORIES = (AuthorisedPerson, ChildHealth, Guardian, Document, BillingSettings, Town, User)


def told(row: Model, *names: str) -> list[tuple]:
    """Its versions, the oldest first: how it came about, and the values asked for."""
    versions = type(row).history.filter(**{type(row)._meta.pk.attname: row.pk}).order_by("history_id")
    return [(one.history_type, *(getattr(one, name) for name in names)) for one in versions]


@pytest.mark.parametrize("model", HISTORIES)
def test_what_matters_keeps_its_versions(model):
    assert hasattr(model, "history")


def test_a_change_keeps_who_when_before_and_after(books: Family, now):
    person = AuthorisedPersonFactory(child=books.child, name="Jeanne Roux")
    data = {"name": "Jeanne Petit", "relationship": "Tante", "phone": "06 39 98 00 12"}
    books.client().post(f"/enfants/{books.child.pk}/personnes/{person.pk}/", data)
    assert told(person, "name", "history_date") == [("+", "Jeanne Roux", now), ("~", "Jeanne Petit", now)]
    assert person.history.first().history_user == books.user


def test_a_save_that_changes_nothing_leaves_no_version(books: Family):
    health = HealthFactory(child=books.child, allergies="Arachides")
    health.save()
    town = TownFactory()
    town.save()
    books.guardian.save()
    assert [len(told(row)) for row in (health, town, books.guardian)] == [1, 1, 1]


@pytest.mark.parametrize("field", ["allergies", "treatment"])
def test_the_first_change_of_a_row_written_in_bulk_keeps_what_it_was(books: Family, field: str):
    ChildHealth.objects.bulk_create([ChildHealth(child=books.child, **{field: "Arachides"})])
    health = ChildHealth.objects.get()
    assert told(health) == []
    setattr(health, field, "Lait")
    health.save()
    assert told(health, field, "history_change_reason") == [
        ("~", "Arachides", KNOWN_BEFORE),
        ("~", "Lait", None),
    ]


def test_what_was_deleted_stays_readable(books: Family):
    person = AuthorisedPersonFactory(child=books.child, name="Jeanne Roux")
    key = person.pk
    person.delete()
    last = AuthorisedPerson.history.filter(id=key).first()
    assert (last.history_type, last.name, last.child_id) == ("-", "Jeanne Roux", books.child.pk)


# Rights -----------------------------------------------------------------------------------------------


def rights(user: User) -> list[tuple]:
    versions = user.history.order_by("history_id")
    return [
        (one.is_staff, one.is_active, sorted(str(row.group) for row in one.groups.all())) for one in versions
    ]


def test_a_login_of_a_family_has_no_history(books: Family, client):
    books.user.set_password("un-mot-de-passe-tout-neuf")
    books.user.save()
    client.force_login(books.user)
    UserFactory(username="autre").delete()
    assert not User.history.exists()


def test_rights_given_and_taken_are_kept_with_the_groups(agent: User, chief: User):
    assert rights(agent) == [(True, True, []), (True, True, ["Agent"])]
    agent.groups.remove(Group.objects.get(name="Agent"))
    agent.is_active = False
    agent.save()
    assert rights(agent)[2:] == [(True, True, []), (True, False, [])]


@pytest.mark.parametrize("what", ["staff", "superuser", "group", "right", "closed"])
def test_a_familys_login_that_is_given_a_right_shows_that_it_had_none(books: Family, what: str):
    user = books.user
    match what:
        case "group":
            user.groups.add(Group.objects.get(name="Agent"))
        case "right":
            user.user_permissions.add(Permission.objects.get(codename="view_childhealth"))
        case _:
            name, value = {
                "staff": ("is_staff", True),
                "superuser": ("is_superuser", True),
                "closed": ("is_active", False),
            }[what]
            setattr(user, name, value)
            user.save()
    before, after = user.history.order_by("history_id")
    assert before.history_change_reason == KNOWN_BEFORE
    assert (before.is_staff, before.is_superuser, before.is_active, before.groups.count()) == (
        False,
        False,
        True,
        0,
    )
    assert after.history_change_reason is None


def test_rights_given_from_the_groups_side_are_kept_too(books: Family, stranger: Family):
    Group.objects.get(name="Régie").user_set.add(books.user, stranger.user)
    for user in (books.user, stranger.user):
        assert rights(user) == [(False, True, []), (False, True, ["Régie"])]


def test_no_version_holds_a_password_or_a_login(agent: User, regie: User):
    kept = {field.name for field in User.history.model._meta.fields}
    assert not {"password", "last_login", "email", "session_generation"} & kept
    versions = User.history.count()
    logged_in(agent)
    agent.set_password("un-mot-de-passe-tout-neuf")
    agent.save()
    assert User.history.count() == versions
