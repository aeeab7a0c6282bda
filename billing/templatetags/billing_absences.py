"""What became of booked days: who came, who did not, and which absence may be reported."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from billing import attendance
from billing.invoices import billable
from billing.models import Attendance
from portal.reservations.models import Reservation, ReservationLine
from portal.reservations.states import Action, Outcome

register = template.Library()


@register.simple_tag
def attendance_of(reservation: Reservation) -> dict[tuple[int, Any], Attendance]:
    """What was entered of the reservation's child by its household, by (formula id, day), in one query."""
    found = Attendance.objects.filter(
        household=reservation.household_id, child=reservation.child_id, booking__isnull=False
    ).filter(formula__activity=reservation.enrolment.activity_id)
    return {(one.formula_id, one.day): one for one in found}


@register.simple_tag
def came(line: ReservationLine, entered: dict[tuple[int, Any], Attendance]) -> dict[str, str]:
    """`standing`: where the child stood on a booked day, in words, once entered; `report`: the page on which
    that day's absence may be reported, empty where there is none to report."""
    if line.action != Action.BOOK or line.outcome != Outcome.ACCEPTED:
        return {"standing": "", "report": ""}
    row = entered.get((line.formula_id, line.day))
    standing = attendance.standing_of(row)
    open_ones = (attendance.Standing.EXPECTED, attendance.Standing.UNJUSTIFIED)
    today = timezone.localdate()
    report = ""
    if today - billable.LOOK_BACK <= line.day <= today and standing in open_ones:
        days = urlencode({"du": line.day, "au": line.day})
        report = f"{reverse('absences:report', args=[line.reservation.child_id])}?{days}"
    return {"standing": str(standing.label) if row is not None else "", "report": report}
