"""Roles given and taken: rows, groups and what Django checks never say two things."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families.models import SecurityEvent, User
from portal.desk import rights
from portal.reservations.models import Booking, Establishment, StaffRight
from portal.reservations.staff import giving
from portal.reservations.staff.rights import Whole, places_of
from tests.conftest import logged_in
from tests.factories import UserFactory

SEE, DECIDE, MONEY = "reservations.view_booking", "reservations.change_booking", "billing.view_payment"


@pytest.fixture
def role(db):
    return lambda name: Group.objects.get(name=name)


@pytest.fixture
def newcomer(now, db) -> User:
    return UserFactory(username="nouvelle", is_staff=True)


def again(user: User) -> User:
    """The same login, as the next request reads it."""
    return User.objects.get(pk=user.pk)


def noted(user: User) -> list[str]:
    kind = SecurityEvent.Kind.RIGHTS
    return list(
        SecurityEvent.objects.filter(kind=kind, user=user).order_by("pk").values_list("detail", flat=True)
    )


def test_a_role_is_held_in_the_whole_town_or_at_places(newcomer, role, restaurant, school, chief):
    giving.give(newcomer, role("Agent"), by=chief)
    assert places_of(again(newcomer), SEE) is Whole.TOWN

    giving.give(newcomer, role("Agent"), places=[restaurant], by=chief)
    assert places_of(again(newcomer), SEE) == {restaurant.pk}
    assert again(newcomer).has_perm(DECIDE)
    assert StaffRight.objects.filter(user=newcomer).count() == 1

    giving.withdraw(newcomer, role("Agent"), by=chief)
    assert places_of(again(newcomer), SEE) == frozenset()
    assert not again(newcomer).has_perm(SEE)
    assert not newcomer.groups.exists()
    assert noted(newcomer) == [
        "Agent : toute la commune",
        "Agent : Restaurant du Verger",
        "Agent : retiré",
    ]


def test_a_right_that_knows_no_place_is_not_held_at_places(newcomer, role, restaurant):
    """Money, tariffs, activities and new families belong to the whole town."""
    giving.give(newcomer, role("Régie"), places=[restaurant], by=None)
    giving.give(newcomer, role("Agent"), places=[restaurant], by=None)
    user = again(newcomer)
    assert user.has_perms(["families.view_child", SEE, "reservations.view_activity", "catering.add_menu"])
    for right in (MONEY, "reservations.change_activity", "families.add_household", "portal.view_sentmail"):
        assert not user.has_perm(right), right
    with pytest.raises(giving.RightRefused, match="toute la commune"):
        giving.give(newcomer, role("Responsable"), places=[restaurant], by=None)
    with pytest.raises(giving.RightRefused, match="au moins un établissement"):
        giving.give(newcomer, role("Agent"), places=[], by=None)


def test_two_roles_reach_each_its_own(newcomer, role, restaurant, both_book):
    giving.give(newcomer, role("Régie"), by=None)
    giving.give(newcomer, role("Agent"), places=[restaurant], by=None)
    user = again(newcomer)
    assert user.has_perm(MONEY)
    everything = Booking.objects.all()
    assert rights.seen_by(user, everything, SEE) is everything
    assert rights.seen_by(user, everything, DECIDE).get().establishment == restaurant


def test_a_login_that_leaves_keeps_nothing(newcomer, role, restaurant, chief):
    giving.give(newcomer, role("Régie"), by=chief)
    giving.give(newcomer, role("Agent"), places=[restaurant], by=chief)
    newcomer.user_permissions.add(Permission.objects.get(codename="view_town"))
    giving.withdraw_all(newcomer, by=chief)
    assert again(newcomer).get_all_permissions() == set()
    assert not StaffRight.objects.exists() and not newcomer.groups.exists()
    assert noted(newcomer)[-1] == "Droits donnés hors des rôles : retirés"


def test_a_role_without_being_staff_or_without_an_account_gives_nothing(newcomer, role):
    giving.give(newcomer, role("Agent"), by=None)
    for change in ({"is_staff": False}, {"is_active": False}):
        User.objects.filter(pk=newcomer.pk).update(**({"is_staff": True, "is_active": True} | change))
        assert not again(newcomer).has_perm(SEE)
        assert not rights.seen_by(again(newcomer), Establishment.objects.all(), SEE).exists()


def test_groups_changed_by_another_way_take_their_rows_along(newcomer, role):
    newcomer.groups.add(role("Agent"))
    assert StaffRight.objects.get(user=newcomer).everywhere
    role("Régie").user_set.add(newcomer)
    assert StaffRight.objects.filter(user=newcomer).count() == 2
    newcomer.groups.remove(role("Agent"))
    assert [right.role.name for right in StaffRight.objects.filter(user=newcomer)] == ["Régie"]
    role("Régie").user_set.clear()
    assert not StaffRight.objects.exists()
    assert noted(newcomer)[-1] == "Régie : retiré"


def test_a_place_that_goes_leaves_the_role_nowhere(newcomer, role, db):
    from tests.factories import EstablishmentFactory

    place = EstablishmentFactory()
    giving.give(newcomer, role("Agent"), places=[place], by=None)
    place.delete()
    assert not again(newcomer).has_perm(SEE)


def test_history_keeps_who_held_what_where(newcomer, role, restaurant, school):
    right = giving.give(newcomer, role("Agent"), places=[restaurant], by=None)
    giving.give(newcomer, role("Agent"), places=[school], by=None)
    places = [{one.establishment_id for one in version.places.all()} for version in right.history.all()]
    assert places[0] == {school.pk}
    assert {restaurant.pk} in places


def test_the_whole_town_costs_no_query_more(agent, canteen_agent, both_book):
    """Two reads of rights as ever; places are read for who has some only."""
    for login, queries in ((agent, 2), (canteen_agent, 3)):
        user = again(login)
        with CaptureQueriesContext(connection) as asked:
            assert user.has_perm(SEE)
            rows = rights.seen_by(user, Booking.objects.all(), SEE)
        assert len(asked) == queries
    user, booking = again(agent), both_book[0]
    user.has_perm(SEE)
    with CaptureQueriesContext(connection) as asked:
        assert rights.may(user, booking, SEE)
    assert len(asked) == 0
    assert rows.get() == booking


# On the page of a login ---------------------------------------------------------------------------------


def post(client, user: User, *lines: dict):
    """Saves the page of a login with these lines of roles."""
    held = StaffRight.objects.filter(user=user).count()
    data = {
        "username": user.username,
        "is_active": "on",
        "is_staff": "on",
        "date_joined_0": "2026-11-09",
        "date_joined_1": "10:00:00",
        "staff_rights-TOTAL_FORMS": len(lines),
        "staff_rights-INITIAL_FORMS": held,
        "staff_rights-MIN_NUM_FORMS": 0,
        "staff_rights-MAX_NUM_FORMS": 1000,
    }
    for number, line in enumerate(lines):
        data |= {f"staff_rights-{number}-{name}": value for name, value in line.items()}
        data[f"staff_rights-{number}-user"] = user.pk
    return client.post(reverse("admin:families_user_change", args=[user.pk]), data)


def test_roles_are_given_changed_and_taken_on_the_page_of_a_login(
    newcomer, role, restaurant, chief, chief_client
):
    agent = role("Agent").pk
    assert post(chief_client, newcomer, {"role": agent, "places": [restaurant.pk]}).status_code == 302
    right = StaffRight.objects.get(user=newcomer)
    assert (right.everywhere, list(right.places.all()), right.given_by) == (False, [restaurant], chief)
    assert SecurityEvent.objects.get(kind=SecurityEvent.Kind.RIGHTS, user=newcomer).by == chief

    post(chief_client, newcomer, {"id": right.pk, "role": agent, "everywhere": "on"})
    assert StaffRight.objects.get(user=newcomer).everywhere
    assert not right.places.exists()

    post(chief_client, newcomer, {"id": right.pk, "role": agent, "everywhere": "on", "DELETE": "on"})
    assert not StaffRight.objects.exists() and not newcomer.groups.exists()


def test_a_role_without_a_place_is_refused_with_a_sentence(newcomer, role, restaurant, chief_client):
    for name, places, sentence in (
        ("Agent", [], "Choisissez au moins un établissement"),
        ("Responsable", [restaurant.pk], "ne porte que sur ce qui concerne toute la commune"),
    ):
        page = post(chief_client, newcomer, {"role": role(name).pk, "places": places})
        assert page.status_code == 200
        assert sentence in page.text
    giving.give(newcomer, role("Agent"), by=None)
    twice = [
        {"id": StaffRight.objects.get().pk, "everywhere": "on"},
        {"role": role("Agent").pk, "everywhere": "on"},
    ]
    page = post(chief_client, newcomer, *twice)
    assert page.status_code == 200
    assert StaffRight.objects.count() == 1


def test_who_is_staff_or_superuser_is_noted(newcomer, chief_client):
    User.objects.filter(pk=newcomer.pk).update(is_staff=False)
    post(chief_client, newcomer)
    assert noted(newcomer) == ["à la mairie : oui"]


def test_groups_and_rights_past_the_roles_are_not_typed(newcomer, chief_client):
    url = reverse("admin:families_user_change", args=[newcomer.pk])
    assert not {"groups", "user_permissions"} & set(chief_client.get(url).context["adminform"].form.fields)
    newcomer.user_permissions.add(Permission.objects.get(codename="view_town"))
    assert "user_permissions" in chief_client.get(url).context["adminform"].form.fields


def test_agents_neither_read_nor_give_roles(agent, newcomer):
    assert not again(agent).has_perm("reservations.view_staffright")
    url = reverse("admin:families_user_change", args=[newcomer.pk])
    assert logged_in(agent).get(url).status_code == 403
