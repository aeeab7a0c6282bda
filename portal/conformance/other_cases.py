"""The other worked cases of a town that has a file: what a family asks for, tried as on its pages.

    worked_others:
    - {case: '…', expect: accepted, at: 2026-11-02T09:00, acts: {cantine: {repas: ['2026-11-16']}}}
    - {case: '…', expect: refused, says: 'minimum', at: …, children: [{acts: {mercredi: {jour: [...]}}}]}
    - {case: '…', expect: waitlisted, at: …, taken: 40, acts: {cantine: {repas: ['2026-11-16']}}}
    - {case: '…', expect: refused, action: cancel, at: …, acts: {cantine: {repas: ['2026-11-16']}}}
    - {case: '…', expect: refused, enrol: mercredi, age: 2, at: 2026-06-15T10:00}
    - {case: '…', expect: accepted, enrol: mercredi, at: 2026-11-09T10:00, begins: 2026-12-01}
    - {case: '…', expect: '12.40', month: '2026-11-01', children: […]}     # as a worked invoice

`says`: words of the sentence that the family reads. What is booked is decided under lock by the real verbs.
"""

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from portal.conformance import facts, households, invoice_cases, loaded_towns
from portal.conformance.published_towns import Case, Document, NothingToReplay, worked
from portal.conformance.values import (
    Unreadable,
    first_of,
    listed,
    plain,
    read_day,
    read_moment,
    read_number,
    within,
)
from portal.french.spelling import bare
from portal.reservations.acts import booking, enrolling, opening, places, reservation_drafts
from portal.reservations.acts.refusals import BookingRefused, Choice, PlacesLost
from portal.reservations.models import Booking, Enrolment, Place, SchoolYear, Slot
from portal.reservations.states import BookingState, EnrolmentState, Outcome

SECTION = "worked_others"
ACCEPTED, HELD, ASKED, WAITS = "accepted", "held", "requested", "waitlisted"
REFUSED, FULL, OTHERWISE = "refused", "full", "otherwise"
EXPECTED = {
    "accepted": (ACCEPTED,),
    "accepte": (ACCEPTED,),
    "ok": (ACCEPTED,),
    "oui": (ACCEPTED,),
    "yes": (ACCEPTED,),
    "true": (ACCEPTED,),
    "on_time": (ACCEPTED,),
    # Kept until it is paid.
    "held": (HELD,),
    "to_pay": (HELD,),
    "a payer": (HELD,),
    "requested": (ASKED,),
    "request": (ASKED,),
    "demande": (ASKED,),
    "waitlisted": (WAITS,),
    "waiting": (WAITS,),
    "attente": (WAITS,),
    "full": (FULL, WAITS),
    "complet": (FULL, WAITS),
    "refused": (REFUSED, FULL),
    "refuse": (REFUSED, FULL),
    "no": (REFUSED, FULL),
    "non": (REFUSED, FULL),
    "false": (REFUSED, FULL),
    "late": (REFUSED,),
}
ENROLLED = {EnrolmentState.ACCEPTED: ACCEPTED, EnrolmentState.REQUESTED: ASKED}
BECAME = {str(Outcome.ACCEPTED): ACCEPTED, str(Outcome.REQUESTED): ASKED, str(Outcome.WAITLISTED): WAITS}
BECAME["held"] = HELD


def other_cases(town: Document, meta: Document) -> Iterator[Case]:
    return worked(town, SECTION, lambda case: str(case.get("case") or ""), why_wrong)


def nothing_unreadable(town: Document) -> Iterator[str]:
    return iter(())


def why_wrong(town: Document, case: Document) -> str | None:
    """None when the act comes to what the case says, else the reason. Raises Unreadable, NothingToReplay."""
    tries = _way(case)
    if not loaded_towns.has_file(town):
        raise Unreadable("Ce cas se rejoue par le fichier de la commune : il manque.", "town_file")
    if tries is None:
        return invoice_cases.why_wrong(town, case)
    said = plain(case.get("expect"))
    if said not in EXPECTED:
        raise Unreadable(f"« {case.get('expect')} » n'est pas prévu : {', '.join(EXPECTED)}.", "expect")
    loaded_towns.stage(town)
    came, sentence = tries(case)
    words = [str(one) for one in listed(case.get("says"))]
    if came not in EXPECTED[said]:
        return f"attendu {case['expect']}, obtenu {came}{f' : {sentence}' if sentence else ''}"
    missing = [one for one in words if bare(one) not in bare(sentence)]
    if missing:
        return f"attendu « {missing[0]} » dans la phrase, obtenu « {sentence} »"
    return None


def _way(case: Document) -> Any:
    """How the case is tried; None: as an invoice."""
    if first_of(case, "enrol", "enroll", "inscrire") is not None:
        return _enrol
    if case.get("month") is not None and _is_amount(case.get("expect")):
        return None
    if any(one.get("acts") for one in households.children_of(case)):
        return _book
    case.get("expect")
    raise NothingToReplay(
        "rien à rejouer : écrivez « acts » et « at » (une réservation), « enrol » (une inscription)"
        " ou « month » (une facture)"
    )


def _is_amount(said: Any) -> bool:
    try:
        return Decimal(str(said).replace(",", ".").replace("€", "").strip()).is_finite()
    except ArithmeticError:
        return False


def _moment(case: Document) -> datetime:
    said = first_of(case, "at", "attempt", "le")
    with within("at"):
        if said is None:
            raise Unreadable("Le moment manque, par exemple 2026-11-02T09:00.")
        return read_moment(said)


# A reservation -------------------------------------------------------------------------------------------


def _book(case: Document) -> tuple[str, str]:
    """What becomes of the least lucky day, and the sentence that says so."""
    at = _moment(case)
    cancels = plain(case.get("action") or "reserve") in ("cancel", "annuler")
    days = sorted(invoice_cases.days_written(case))
    home = households.settle(case, days[0] if days else at.date())
    facts.write(home, case)
    with within("taken"):
        taken = first_of(case, "taken", "places_taken", "pris")
        others = 0 if taken is None else read_number(taken)
    already = list(households.acts_of(case, "already", case)) if case.get("already") else []
    for act in {act for pupil in home.pupils for act in pupil.acts}:
        _take(_open(act, at), others)
    for act in already:
        _hold(home, home.pupils[0], act, _open(act, at))
    for pupil in home.pupils if cancels else ():
        for act in pupil.acts:
            _hold(home, pupil, act, _open(act, at))
    worst, said = ACCEPTED, ""
    for pupil in home.pupils:
        for activity in {act.activity for act in pupil.acts}:
            its = [act for act in pupil.acts if act.activity == activity]
            came, sentence = _submit(home, pupil.enrolments[activity.pk], its, at, cancels=cancels)
            if _GRAVITY.index(came) > _GRAVITY.index(worst):
                worst, said = came, sentence
    return worst, said


_GRAVITY = (ACCEPTED, HELD, ASKED, WAITS, FULL, REFUSED)


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
        if _GRAVITY.index(came) > _GRAVITY.index(worst):
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
        if _GRAVITY.index(came) > _GRAVITY.index(worst):
            worst, said = came, line.reason
    return worst, said


def _open(act: households.Act, at: datetime) -> list[Slot]:
    """The slots that the formula takes a place in that day, made as the town hall opens a period."""
    period = loaded_towns.period_on(act.activity, act.day)
    if period is not None:
        before = min(at, timezone.make_aware(datetime.combine(act.day, time())))
        opening.open_slots(period, at=before, within=(act.day, act.day))
    place = households.place_of(act.activity)
    of_day = Slot.objects.filter(activity=act.activity, establishment=place, day=act.day).order_by("pk")
    return places.slots_of(of_day, act.formula) or []


def _take(slots: list[Slot], others: int) -> None:
    """Places that other children have taken of a day."""
    for slot in slots:
        if slot.capacity is not None and others > slot.capacity:
            raise Unreadable(f"{others} places prises sur {slot.capacity}.", "taken")
        slot.taken += others
        slot.save(update_fields=["taken"])


def _hold(home: households.Home, pupil: households.Pupil, act: households.Act, slots: list[Slot]) -> None:
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


# An enrolment --------------------------------------------------------------------------------------------


def _enrol(case: Document) -> tuple[str, str]:
    """What the activity answers to the child, and its sentence where it refuses."""
    at = _moment(case)
    with within("enrol"):
        activity, _ = loaded_towns.activity_and_formula(first_of(case, "enrol", "enroll", "inscrire"))
    year = loaded_towns.school_year_of(at.date())
    if (wanted := first_of(case, "year", "school_year")) is not None:
        found = SchoolYear.objects.filter(name=str(wanted)).first()
        if found is None:
            raise Unreadable(f"« {wanted} » n'est pas une année scolaire du fichier.", "year")
        year = found
    home = households.settle(case, year.starts_on)
    pupil = home.pupils[0]
    facts.write(home, case)
    with within("starts_on"):
        said = first_of(case, "starts_on", "from")
        starts_on = max(year.starts_on, at.date()) if said is None else read_day(said)
    try:
        with transaction.atomic():
            made = enrolling.request(
                household=home.household,
                child=pupil.child,
                activity=activity,
                establishment=households.place_of(activity),
                school_year=year,
                weekdays=0b1111111,
                starts_on=starts_on,
                by=home.user,
                at=at,
                tell=False,
            )
    except (enrolling.EnrolmentRefused, BookingRefused) as refusal:
        return REFUSED, str(refusal)
    with within("begins"):
        begins = case.get("begins")
        if begins is not None and made.starts_on != read_day(begins):
            return OTHERWISE, f"elle commence le {made.starts_on:%d/%m/%Y}"
    return ENROLLED[EnrolmentState(made.state)], ""
