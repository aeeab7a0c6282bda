"""Who lives where: a household's children today, a custody held while somebody acts on the child."""

from collections.abc import Iterable
from datetime import date, datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from simple_history.utils import bulk_create_with_history

from families.models import Child, Custody, Household, User
from portal.database.composed import Composed, Given
from portal.database.kept import once_a_page


@once_a_page
def children(household: Household, day: date) -> list[Child]:
    """The children that live in a household on `day`, eldest first as on every page; read once for a page."""
    return _living_in(day, household=household.pk)


@Composed
def _living_in(day: date) -> "QuerySet[Child]":
    return Child.objects.living_in(Given("household"), day).order_by("birth_date", "pk")


def held(child: int, household: int) -> Custody | None:
    """The custody of a child (by keys), with its child, both locked until the transaction ends; None where
    there never was one.

    The two homes of a child, or two tabs, act on it one after the other; so does who ends a custody. Taken
    before a household is, never after: what is booked under it refers to the household.
    """
    return next(iter(_held(child=child, household=household)), None)


def hold(**whose: int) -> None:
    """Holds all custodies of a child or of a household, each with its child, until the transaction ends: what
    is changed of either waits. Taken before a household is."""
    rows = Custody.objects.select_for_update(of=("self", "child"), no_key=True).select_related("child")
    list(rows.filter(**whose).order_by("pk"))


@Composed
def _held() -> "QuerySet[Custody]":
    locked = Custody.objects.select_for_update(of=("self", "child"), no_key=True).select_related("child")
    return locked.filter(child=Given("child"), household=Given("household"))


def live_there(
    who: Iterable[tuple[int, int, date | None]], *, by: User | None, at: datetime, why: str
) -> list[Custody]:
    """Children (keys) live in households (keys) from a day on, always where none is given: many at once, of
    whom none has lived there before. Within a transaction; `why` stands in the rows' history."""
    rows = [Custody(child_id=child, household_id=home, since=since) for child, home, since in who]
    if rows:
        bulk_create_with_history(
            rows, Custody, batch_size=500, default_user=by, default_change_reason=why, default_date=at
        )
    return rows


def lived_there() -> Exists:
    """Of rows with a child, a household and a day: that the child lived there that day, or left on it. Who
    booked the day on which a child left is billed for it: it was nobody else's any more to cancel."""
    day = OuterRef("day")
    return Exists(
        Custody.objects.filter(
            Q(since=None) | Q(since__lte=day),
            Q(until=None) | Q(until__gte=day),
            child=OuterRef("child"),
            household=OuterRef("household"),
        )
    )


def gone_sentence(child: Child) -> str:
    """What a family reads that acts for a child which no longer lives there."""
    return f"{child.first_name} ne vit plus dans votre foyer : vous ne pouvez plus agir pour cet enfant."
