"""docs/roles.md and « Qui peut quoi » say what the roles' rights come to."""

from django.contrib.auth.models import Group
from django.urls import reverse

from families import groups
from portal.reservations.staff import matrix, rights
from tests.conftest import logged_in
from tests.factories import UserFactory


def test_the_page_of_roles_says_what_they_are():
    said = matrix.page().read_text().partition(matrix.END_OF_INTRODUCTION)[2]
    assert said == matrix.markdown(), "matrix.write() writes the tables anew: see docs/roles.md."


def test_each_right_named_is_one(db):
    """A right that is gone, or mistyped, would be nobody's."""
    known = rights.rights_of
    all_of = {name for role in Group.objects.all() for name in known(role)}
    asked = {right for things in matrix.PARTS.values() for one in things for right in one.rights}
    assert asked <= all_of
    assert {one.right for one in groups.DANGEROUS} <= all_of


def test_default_roles_hold_what_is_declared(db):
    assert set(groups.PURPOSES) == set(groups.RIGHTS)
    for name in groups.RIGHTS:
        assert rights.rights_of(Group.objects.get(name=name)) == groups.rights_of(name), name


def test_the_desks_page_has_the_towns_own_roles_too(db, now, town, django_assert_max_num_queries):
    own = Group.objects.create(name="Remplaçants")
    own.permissions.set(Group.objects.get(name=groups.ANIMATOR).permissions.all())
    chief = UserFactory(username="responsable", is_staff=True)
    chief.groups.add(Group.objects.get(name=groups.MANAGER))
    client = logged_in(chief)
    with django_assert_max_num_queries(12):
        page = client.get(reverse("admin:families_staffmember_matrix"))
    assert "Remplaçants" in page.text and "Pointe les enfants du jour" in page.text
    lines = dict(page.context["parts"])["Listes du jour"]
    names = [name for name, _ in page.context["roles"]]
    (today, other_days) = (dict(zip(names, held, strict=True)) for _, held in lines[:2])
    assert today["Remplaçants"] and not other_days["Remplaçants"]
    assert other_days["Direction de centre"]
