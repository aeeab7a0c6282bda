"""Whoever was in a group keeps its role, in the whole town: what 0.2.0 let them do they still may."""

from families.models import User
from portal.desk import rights
from portal.reservations.models import Booking, StaffRight
from portal.reservations.staff.rights import Whole, places_of
from tests.upgrade.conftest import migrate_to

BEFORE, AFTER = "0001_initial", "0002_staff_rights"


def test_groups_become_roles_in_the_whole_town(left_by_0_2_0):
    before = migrate_to("reservations", BEFORE)
    membership = before.get_model("families", "User").groups.through
    held = set(membership.objects.values_list("user__username", "group__name"))
    assert {("agent", "Agent"), ("regie", "Régie")} <= held

    after = migrate_to("reservations", AFTER).get_model("reservations", "StaffRight")
    rows = after.objects.values_list("user__username", "role__name", "everywhere", "places")
    assert set(rows) == {(user, role, True, None) for user, role in held}


def test_staff_may_what_it_might(upgraded):
    assert StaffRight.objects.exists()
    for login, right in (("agent", "reservations.change_booking"), ("regie", "billing.add_payment")):
        user = User.objects.get(username=login)
        by_groups = {
            f"{app}.{codename}"
            for app, codename in user.groups.values_list(
                "permissions__content_type__app_label", "permissions__codename"
            )
        }
        assert user.get_group_permissions() == by_groups
        assert places_of(user, right) is Whole.TOWN
    everything = Booking.objects.all()
    assert (
        rights.seen_by(User.objects.get(username="agent"), everything, "reservations.view_booking")
        is everything
    )
