"""The other worked cases of a town that has a file: what a family asks for, tried as on its pages.

    worked_others:
    - {case: '…', expect: accepted, at: 2026-11-02T09:00, acts: {cantine: {repas: ['2026-11-16']}}}
    - {case: '…', expect: refused, says: 'minimum', at: …, children: [{acts: {mercredi: {jour: [...]}}}]}
    - {case: '…', expect: waitlisted, at: …, taken: 40, acts: {cantine: {repas: ['2026-11-16']}}}
    - {case: '…', expect: refused, action: cancel, at: …, acts: {cantine: {repas: ['2026-11-16']}}}
    - {case: '…', expect: cancelled, at: …, night: 2026-11-12T23:00, acts: {stage: {jour: ['2026-11-16']}}}
    - {case: '…', expect: refused, enrol: mercredi, age: 2, at: 2026-06-15T10:00}
    - {case: '…', expect: accepted, enrol: mercredi, at: 2026-11-09T10:00, begins: 2026-12-01}
    - {case: '…', expect: '12.40', month: '2026-11-01', children: […]}     # as a worked invoice

`says`: words of the sentence that the family reads. What is booked is decided under lock by the real verbs.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from portal.conformance import asking, facts, households, invoice_cases, loaded_towns
from portal.conformance.asking import ACCEPTED, ASKED, CANCELLED, FULL, HELD, OTHERWISE, REFUSED, WAITS
from portal.conformance.published_towns import Case, Document, NothingToReplay, worked
from portal.conformance.values import (
    Unreadable,
    first_of,
    listed,
    plain,
    read_day,
    read_moment,
    read_up_to,
    within,
)
from portal.french.spelling import bare
from portal.reservations.acts import enrolling
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import SchoolYear
from portal.reservations.states import EnrolmentState

SECTION = "worked_others"
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
    "cancelled": (CANCELLED,),
    "annule": (CANCELLED,),
    "closed": (CANCELLED, REFUSED),
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
        others = 0 if taken is None else read_up_to(taken, 10_000)
    already = list(households.acts_of(case, "already", case)) if case.get("already") else []
    for act in {act for pupil in home.pupils for act in pupil.acts}:
        asking.take(asking.open_day(act, at), others)
    for act in already:
        asking.hold(home, home.pupils[0], act, asking.open_day(act, at))
    for pupil in home.pupils if cancels else ():
        for act in pupil.acts:
            asking.hold(home, pupil, act, asking.open_day(act, at))
    came, sentence = asking.ask(home, at, cancels=cancels)
    nights = _nights(case)
    if not nights or came in (REFUSED, FULL):
        return came, sentence
    return asking.live_through(home, nights)


def _nights(case: Document) -> list[datetime]:
    """`night`: the moments of nights that go by before one looks again."""
    with within("night"):
        return [read_moment(one) for one in listed(first_of(case, "night", "nights"))]


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
