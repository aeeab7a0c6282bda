"""The only writer of announced absences: a family says that a child is ill, without any proof, and may take
it back until that day is entered or over.

Nothing of the booking changes: the place stays its own and what is billed is said by who bills. Whoever has
the list of the day reads it there.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from families.custody import homes, own
from families.joining import fates
from families.models import Child, Household, User
from portal.french import moments
from portal.reservations.models import AbsenceNotice, Booking
from portal.reservations.models.bookings import BookingQuerySet
from portal.reservations.models.presence import AbsenceNoticeQuerySet
from portal.reservations.presence import attendance
from portal.reservations.presence.certificates import AbsenceRefused

# Today and the coming days; a longer absence is better cancelled, or proved.
DAYS = 7
# Who notes what a family told, as who takes a certificate.
RIGHT_TO_NOTE = "reservations.add_absencecertificate"


def last_day(today: date) -> date:
    return today + timedelta(days=DAYS - 1)


def announceable(household: Household, today: date) -> BookingQuerySet:
    """The days booked, from `today` on, of which nothing was entered yet."""
    return Booking.objects.holding().filter(
        household=household, day__range=(today, last_day(today)), attendance=None
    )


def standing(household: Household, today: date) -> AbsenceNoticeQuerySet:
    """What the household has announced from `today` on."""
    return AbsenceNotice.objects.standing().filter(household=household, day__gte=today)


def told_at(wanted: Collection[tuple[int, int, date]]) -> dict[tuple[int, int, date], datetime]:
    """When each of these days of a household and child was announced, in local time; in one query, none
    where nothing is asked."""
    if not wanted:
        return {}
    days = [day for _, _, day in wanted]
    notices = AbsenceNotice.objects.standing().filter(
        household_id__in={home for home, _, _ in wanted},
        child_id__in={child for _, child, _ in wanted},
        day__range=(min(days), max(days)),
    )
    return {
        (one.household_id, one.child_id, one.day): timezone.localtime(one.announced_at) for one in notices
    }


@transaction.atomic
def announce(
    household: Household, child: Child, days: Collection[date], *, by: User, at: datetime
) -> list[date]:
    """Says that the child will not come on these days; answers them all, those said before too.

    Raises AbsenceRefused, nothing being written, where one of them has nothing booked any more.
    """
    today = timezone.localdate(at)
    custody = homes.held(child.pk, household.pk)
    if custody is None or not custody.holds_on(today):
        raise AbsenceRefused(homes.gone_sentence(child))
    wanted = sorted(set(days))
    if not wanted:
        raise AbsenceRefused("Cochez au moins un jour.")
    booked = set(announceable(household, today).filter(child=child).values_list("day", flat=True))
    if missing := [day for day in wanted if day not in booked]:
        raise AbsenceRefused(
            f"Rien n'est réservé pour {child.first_name} {moments.enumerate_days(missing)},"
            " ou sa présence est déjà notée."
        )
    known = set(standing(household, today).filter(child=child).values_list("day", flat=True))
    AbsenceNotice.objects.bulk_create(
        AbsenceNotice(household=household, child=child, day=day, announced_by=by, announced_at=at)
        for day in wanted
        if day not in known
    )
    return wanted


@transaction.atomic
def note(
    household: Household,
    child: Child,
    first: date,
    last: date,
    *,
    told_at: datetime,
    by: User,
    at: datetime,
) -> list[date]:
    """The town hall notes what a family told by telephone, of the booked days between two; answers them. What
    was entered of them is entered again, so that an invoice that billed it is put right.

    Raises AbsenceRefused.
    """
    if told_at > at:
        raise AbsenceRefused("Ce moment n'est pas encore venu.", "given_at")
    own.check(by, [household.pk], right=RIGHT_TO_NOTE, at=at)
    attendance.lock([child.pk])
    held = Booking.objects.holding().filter(household=household, child=child, day__range=(first, last))
    days = sorted(set(held.values_list("day", flat=True)))
    if not days:
        raise AbsenceRefused(
            f"Aucun jour n'est réservé pour {child.first_name} {moments.span(first, last, year=True)}."
        )
    standing = AbsenceNotice.objects.standing().filter(household=household, child=child, day__in=days)
    standing.filter(announced_at__gt=told_at).update(announced_at=told_at, announced_by=by)
    known = set(standing.values_list("day", flat=True))
    AbsenceNotice.objects.bulk_create(
        AbsenceNotice(household=household, child=child, day=day, announced_by=by, announced_at=told_at)
        for day in days
        if day not in known
    )
    attendance.told(held, by=by, at=at)
    return days


@transaction.atomic
def take_back(household: Household, child: Child, day: date, *, at: datetime) -> bool:
    """The child comes all the same; False where nothing was announced any more.

    Raises AbsenceRefused once the day is over, or its list entered.
    """
    attendance.lock([child.pk])
    today = timezone.localdate(at)
    entered = Booking.objects.holding().filter(household=household, child=child, day=day)
    if day < today or entered.exclude(attendance=None).exists():
        raise AbsenceRefused("Ce jour est déjà noté sur place : appelez la mairie si c'est une erreur.")
    found = AbsenceNotice.objects.standing().filter(household=household, child=child, day=day)
    return bool(found.update(withdrawn_at=at))


def join(children: Mapping[int, int], household: int, kept: int, *, at: datetime) -> None:
    """What a household announced, also of children typed twice, is said by the kept one, once a day."""
    fates.rename(AbsenceNotice.objects.filter(household=household), "child", children)
    said = AbsenceNotice.objects.standing().filter(
        household=kept, child=OuterRef("child"), day=OuterRef("day")
    )
    theirs = AbsenceNotice.objects.filter(household=household)
    theirs.standing().filter(Exists(said)).update(withdrawn_at=at)
    theirs.update(household=kept)
