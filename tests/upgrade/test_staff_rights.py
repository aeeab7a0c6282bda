"""Whoever was in a group keeps its role, in the whole town: what 0.2.0 let them do they still may."""

from families.models import User
from portal.desk import rights
from portal.reservations.models import Booking, StaffRight
from portal.reservations.staff.rights import Whole, places_of


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
