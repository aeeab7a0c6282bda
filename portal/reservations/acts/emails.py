"""Letters about enrolments and reservations: what the household asked, day by day, and what became of it."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby

from django.urls import reverse
from django.utils import timezone

from families.emails import addresses
from families.models import Child
from portal.french import moments
from portal.french.dates import WEEKDAYS, day_number, month_name
from portal.french.plurals import counted
from portal.letters import mailing
from portal.reservations.models import Booking, Enrolment, Reservation, ReservationLine
from portal.reservations.states import Action, Outcome

# What a letter says above days that share an answer.
TITLES = {
    (Action.BOOK, Outcome.ACCEPTED): "Jours réservés",
    (Action.BOOK, Outcome.REQUESTED): "Jours demandés, en attente de la réponse de la mairie",
    (Action.BOOK, Outcome.WAITLISTED): "Jours complets, sur la liste d'attente",
    (Action.BOOK, Outcome.REFUSED): "Jours refusés",
    (Action.BOOK, Outcome.CANCELLED): "Jours annulés depuis",
    (Action.CANCEL, Outcome.ACCEPTED): "Jours annulés",
    (Action.CANCEL, Outcome.REQUESTED): "Annulations demandées, en attente de la réponse de la mairie",
    (Action.CANCEL, Outcome.REFUSED): "Annulations refusées : ces jours restent réservés",
}


@dataclass
class Section:
    """Days under one title, month by month, so that a whole year stays readable."""

    title: str
    reason: str = ""
    days: list[date] = field(default_factory=list)

    @property
    def count(self) -> str:
        """« 12 jours »."""
        return counted(len(self.days), "jour", "jours")

    @property
    def months(self) -> list[str]:
        """« novembre 2026 : lundi 16, jeudi 19 »."""
        return [
            f"{month} : {', '.join(_short(day) for day in days)}"
            for month, days in groupby(self.days, key=month_name)
        ]


def _short(day: date) -> str:
    return f"{WEEKDAYS[day.weekday()]} {day_number(day.day)}"


def _sections(lines: list[ReservationLine]) -> list[Section]:
    """The lines by answer and reason; by formula too where there are several."""
    several = len({line.formula_id for line in lines}) > 1
    sections: dict[tuple[Action, Outcome, str, str], Section] = {}
    for line in lines:
        action, outcome = Action(line.action), Outcome(line.outcome)
        title = TITLES.get((action, outcome), outcome.label)
        title += ", hors délai" if line.late else ""
        title += f" – {line.formula}" if several else ""
        key = (action, outcome, title, line.reason)
        sections.setdefault(key, Section(title, line.reason)).days.append(line.day)
    order = list(TITLES)
    return [sections[key] for key in sorted(sections, key=lambda key: (order.index(key[:2]), key[2:]))]


def _by_child(bookings: Iterable[Booking]) -> list[Section]:
    """The bookings of each child and formula."""
    days: dict[tuple[str, str], list[date]] = defaultdict(list)
    for booking in bookings:
        title = f"{booking.child.first_name} – {booking.activity}, {booking.formula}"
        days[title, booking.establishment.name].append(booking.day)
    return [Section(f"{title} ({place})", days=of_child) for (title, place), of_child in days.items()]


def recorded(reservation_id: int) -> None:
    """Acknowledges a reservation with every line and its state."""
    _post_lines("reservations/recorded", reservation_id)


def decided(reservation_id: int, line_ids: list[int]) -> None:
    """Tells what the town hall answered."""
    _post_lines("reservations/decided", reservation_id, line_ids)


def _post_lines(template: str, reservation_id: int, line_ids: list[int] | None = None) -> None:
    reservation = Reservation.objects.select_related(
        "child", "period", "establishment", "enrolment__activity"
    ).get(pk=reservation_id)
    lines = reservation.lines.select_related("formula")
    if line_ids is not None:
        lines = lines.filter(pk__in=line_ids)
    told = list(lines)
    mailing.post(
        template,
        addresses(reservation.household_id, about=reservation.child_id),
        {
            "reservation": reservation,
            "child": reservation.child,
            "activity": reservation.enrolment.activity,
            "cancels_only": all(line.action == Action.CANCEL for line in told),
            "sections": _sections(told),
            "path": reverse("reservations:detail", args=[reservation.pk]),
        },
    )


def promoted(household_id: int, booking_ids: list[int]) -> None:
    """Good news for the waiting list."""
    _post_bookings("reservations/promoted", household_id, booking_ids, reason="")


def cancelled(household_id: int, booking_ids: list[int], reason: str) -> None:
    """Days that the town hall cancelled, and why."""
    _post_bookings("reservations/cancelled", household_id, booking_ids, reason=reason)


def _post_bookings(template: str, household_id: int, booking_ids: list[int], *, reason: str) -> None:
    bookings = list(
        Booking.objects.filter(pk__in=booking_ids)
        .select_related("child", "formula", "activity", "establishment")
        .order_by("child__first_name", "child", "day", "pk")
    )
    here = {child.pk for child in Child.objects.living_in(household_id, timezone.localdate())}
    bookings = [booking for booking in bookings if booking.child_id in here]
    if not bookings:
        return
    children = list(dict.fromkeys(booking.child.first_name for booking in bookings))
    mailing.post(
        template,
        addresses(household_id),
        {
            "children": moments.listing(children),
            "sections": _by_child(bookings),
            "reason": reason,
            "path": reverse("home"),
        },
    )


def enrolment(enrolment_id: int) -> None:
    """Where a yearly enrolment stands."""
    found = Enrolment.objects.select_related("child__health", "activity", "establishment", "school_year").get(
        pk=enrolment_id
    )
    mailing.post(
        "reservations/enrolment",
        addresses(found.household_id, about=found.child_id),
        {
            "enrolment": found,
            "child": found.child,
            "activity": found.activity,
            "starts_on": moments.day(found.starts_on, year=True),
            "path": reverse("home"),
        },
    )
