"""What a family asks for in a case, as on its pages: days to book or to cancel, decided by the real verbs."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal import nightly
from portal.conformance import households, loaded_towns
from portal.conformance.values import Unreadable, read_day, read_moment, within
from portal.reservations.acts import booking, opening, places, reservation_drafts
from portal.reservations.acts.refusals import BookingRefused, Choice, PlacesLost
from portal.reservations.models import Booking, Enrolment, Place, Slot
from portal.reservations.states import BookingState, Outcome

ACCEPTED, HELD, ASKED, WAITS = "accepted", "held", "requested", "waitlisted"
REFUSED, FULL, CANCELLED, OTHERWISE = "refused", "full", "cancelled", "otherwise"
BECAME = {str(Outcome.ACCEPTED): ACCEPTED, str(Outcome.REQUESTED): ASKED, str(Outcome.WAITLISTED): WAITS}
BECAME["held"] = HELD
GRAVITY = (ACCEPTED, HELD, ASKED, WAITS, FULL, CANCELLED, REFUSED)


def ask(home: households.Home, at: datetime, *, cancels: bool = False) -> tuple[str, str]:
    """What becomes of the least lucky day of the household's children, and the sentence that says so."""
    worst, said = ACCEPTED, ""
    for pupil in home.pupils:
        for activity in dict.fromkeys(act.activity for act in pupil.acts):
            its = [act for act in pupil.acts if act.activity == activity]
            came, sentence = _submit(home, pupil.enrolments[activity.pk], its, at, cancels=cancels)
            if GRAVITY.index(came) > GRAVITY.index(worst):
                worst, said = came, sentence
    return worst, said


def live_through(home: households.Home, nights: Sequence[datetime]) -> tuple[str, str]:
    """What is left of the household's days after these nights, the least lucky one."""
    for night in nights:
        for work in nightly.works():
            work.do(night)
    states = set(Booking.objects.filter(household=home.household).values_list("state", flat=True))
    came = [BECAME.get(state, CANCELLED) for state in states]
    return max(came, key=GRAVITY.index, default=CANCELLED), ""


def _submit(
    home: households.Home, enrolment: Enrolment, acts: list[households.Act], at: datetime, *, cancels: bool
) -> tuple[str, str]:
    by_period: dict[int, tuple[Any, list[Choice]]] = {}
    for act in acts:
        period = loaded_towns.period_on(act.activity, act.day)
        if period is None:
            return REFUSED, f"Aucune période n'est ouverte le {act.day:%d/%m/%Y}."
        by_period.setdefault(period.pk, (period, []))[1].append(Choice(act.formula.pk, act.day))
    worst, said = ACCEPTED, ""
    for period, choices in by_period.values():
        for waits in (False, True):
            came, sentence = _tried(home, enrolment, period, choices, at, cancels=cancels, waits=waits)
            if came != FULL or not enrolment.activity.waiting_list:
                break
        if GRAVITY.index(came) > GRAVITY.index(worst):
            worst, said = came, sentence
    return worst, said


def _tried(
    home: households.Home,
    enrolment: Enrolment,
    period: Any,
    choices: list[Choice],
    at: datetime,
    *,
    cancels: bool,
    waits: bool,
) -> tuple[str, str]:
    key = "cancel" if cancels else "wait" if waits else "book"
    chosen: dict[str, Any] = {"book": (), key: choices}
    try:
        with transaction.atomic():
            draft = reservation_drafts.choose(
                enrolment, households.place_of(enrolment.activity), period, by=home.user, at=at, **chosen
            )
            if draft is None:
                raise Unreadable("Aucun jour n'est choisi.", "acts")
            recorded = booking.submit(draft, by=home.user, at=at, tell=False)
            lines = list(recorded.lines.order_by("day", "pk"))
    except PlacesLost as refusal:
        return FULL, str(refusal)
    except BookingRefused as refusal:
        return REFUSED, str(refusal)
    worst, said = ACCEPTED, ""
    for line in lines:
        came = BECAME.get(str(line.outcome), REFUSED)
        if cancels and line.outcome == Outcome.CANCELLED:
            came = ACCEPTED
        if GRAVITY.index(came) > GRAVITY.index(worst):
            worst, said = came, line.reason
    return worst, said


def give_up(home: households.Home) -> None:
    """The booked days that children gave up, at the moments that the case says: `cancelled`, by day. Raises
    Unreadable."""
    for pupil in home.pupils:
        said = pupil.said.get("cancelled")
        if said is None:
            continue
        with within("cancelled"):
            if not isinstance(said, Mapping):
                raise Unreadable("Écrivez {jour: moment}, par exemple {'2026-11-18': 2026-11-02T10:00}.")
            by_moment: dict[datetime, list[date]] = {}
            for day, moment in said.items():
                by_moment.setdefault(read_moment(moment), []).append(read_day(day))
            for at, days in sorted(by_moment.items()):
                for activity in dict.fromkeys(act.activity for act in pupil.acts):
                    its = [act for act in pupil.acts if act.activity == activity and act.day in days]
                    for act in its:
                        open_day(act, at)
                    enrolment = pupil.enrolments[activity.pk]
                    came, why = _submit(home, enrolment, its, at, cancels=True)
                    if came != ACCEPTED:
                        raise Unreadable(f"ces jours n'ont pas été annulés : {why}")


def open_day(act: households.Act, at: datetime) -> list[Slot]:
    """The slots that the formula takes a place in that day, made as the town hall opens a period."""
    period = loaded_towns.period_on(act.activity, act.day)
    if period is not None:
        before = min(at, timezone.make_aware(datetime.combine(act.day, time())))
        opening.open_slots(period, at=before, within=(act.day, act.day))
    place = households.place_of(act.activity)
    of_day = Slot.objects.filter(activity=act.activity, establishment=place, day=act.day).order_by("pk")
    return places.slots_of(of_day, act.formula) or []


def take(slots: list[Slot], others: int) -> None:
    """Places that other children have taken of a day."""
    for slot in slots:
        if slot.capacity is not None and others > slot.capacity:
            raise Unreadable(f"{others} places prises sur {slot.capacity}.", "taken")
        slot.taken += others
        slot.save(update_fields=["taken"])


def hold(home: households.Home, pupil: households.Pupil, act: households.Act, slots: list[Slot]) -> None:
    """A day that the child has already."""
    if act.activity.pk not in pupil.enrolments:
        pupil.enrolments[act.activity.pk] = households.enrol(home, pupil.child, act.activity)
    made = Booking.objects.create(
        household=home.household,
        child=pupil.child,
        enrolment=pupil.enrolments[act.activity.pk],
        activity=act.activity,
        establishment=households.place_of(act.activity),
        formula=act.formula,
        day=act.day,
        state=BookingState.ACCEPTED,
        changed_at=timezone.make_aware(datetime.combine(act.day - timedelta(days=30), time(8))),
    )
    for slot in slots:
        Place.objects.create(booking=made, slot=slot, child=pupil.child)
        slot.taken += 1
        slot.save(update_fields=["taken"])
