"""Places that become free on days that were full: for whoever usually comes that day, or was refused it.

Whoever is on a waiting list hears nothing here: the place is theirs, and a letter says so at once.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef
from django.utils import timezone

from families.reminders.evenings import Evening
from families.reminders.kinds import Find, Kind, Line, News
from families.visibility import lives_at
from portal.reservations.days import audiences
from portal.reservations.models import Booking, FullSlot, ReservationLine, Slot
from portal.reservations.reminders import usual_days
from portal.reservations.reminders.outlook import FULL, Outlook
from portal.reservations.reminders.usual_days import Day
from portal.reservations.states import LIVE, Action, Outcome


def watch(at: datetime) -> None:
    """Remembers which days are full now, each hour; days that are over are forgotten."""
    today = timezone.localtime(at).date()
    FullSlot.objects.filter(slot__day__lt=today).delete()
    new = Slot.objects.filter(FULL, day__gte=today, closed=False, full_once=None).order_by("pk")
    FullSlot.objects.bulk_create(
        (FullSlot(slot_id=key, seen_at=at) for key in new.values_list("pk", flat=True)), ignore_conflicts=True
    )


def begin(evening: Evening) -> Find:
    outlook = Outlook(evening.at)

    def find(homes: Collection[int]) -> Iterator[News]:
        if not outlook.freed:
            return
        found: dict[str, News] = {}
        for day, _ in usual_days.unbooked(outlook, homes):
            formula = outlook.usual_formula(day.enrolment.activity_id)
            place = day.enrolment.place_id_on(day.day)
            if formula and place and outlook.was_freed(formula, place, day.day):
                found[_about(day)] = News(day.enrolment.household_id, _about(day), day)
        for day in _refused(outlook, homes):
            found.setdefault(_about(day), News(day.enrolment.household_id, _about(day), day))
        yield from found.values()

    return find


def _refused(outlook: Outlook, homes: Collection[int]) -> Iterator[Day]:
    """Days that were asked for and refused, free now and not reserved since."""
    booked = Booking.objects.filter(
        child=OuterRef("reservation__child"),
        formula=OuterRef("formula"),
        day=OuterRef("day"),
        state__in=LIVE,
    )
    lines = (
        ReservationLine.objects.filter(
            lives_at(outlook.first, "reservation__household", "reservation__child"),
            ~Exists(booked),
            reservation__household__in=homes,
            action=Action.BOOK,
            outcome=Outcome.REFUSED,
            day__in={day for _, _, day, _, _ in outlook.freed},
        )
        .select_related(
            "formula",
            "reservation__household",
            "reservation__enrolment__child",
            "reservation__enrolment__activity",
        )
        .order_by("reservation__household", "day", "pk")
    )
    publics = audiences.of_homes(line.reservation.household for line in lines)
    for line in lines:
        enrolment, place = line.reservation.enrolment, line.reservation.establishment_id
        home = line.reservation.household
        chance = outlook.chance(
            line.formula,
            place,
            line.day,
            resident=home.resident,
            publics=publics.of(home.pk, outlook.first, enrolment.child_id),
        )
        if enrolment.is_accepted and chance and outlook.was_freed(line.formula, place, line.day):
            path = usual_days.planning(enrolment, place, chance)
            yield Day(enrolment, line.formula.name, line.day, chance.until, path)


def _about(day: Day) -> str:
    return f"{day.enrolment.child_id}:{day.enrolment.activity_id}:{day.formula}:{day.day}"


def say(news: Sequence[News]) -> list[Line]:
    """As usual days are said: the child, the days, until when."""
    return usual_days.say(news)


FREED = Kind(
    "freed",
    "Quand une place se libère un jour qui était complet",
    "Une place s'est libérée",
    "Réserver la place",
    begin,
    say,
    hint="Pour vos jours habituels et ceux qui vous ont été refusés. Sur liste d'attente, la place vous est "
    "donnée ou proposée, et un message part aussitôt.",
    watch=watch,
)
