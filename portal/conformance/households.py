"""A family that a worked case speaks of, as rows: its home, its children, what they booked and how they came.

    month: '2026-12-01'
    qf: '400'
    resident: false
    address: {street: 4 rue des Lilas, postcode: '35135', city: Chantepie}
    children:
    - acts: {loisirs: {repas: ['2026-12-02']}}     # activity, formula, days
      minutes: {'2026-12-02': 480}                 # how long it stayed, by day
      absent: {'2026-12-03': [maladie, 2026-12-04T09:00]}   # reason, certificate given (null: none)
      late: ['2026-12-02']                         # booked past the deadline
      cancelled: {'2026-12-02': 2026-11-20T10:00}  # given up by the family, at that moment
      unreserved: {loisirs: {repas: ['2026-12-09']}}        # came without having booked
      level: maternelle, class: CM1, school: jaures, age: 4, pai: true, health_file: true
      since: '2026-11-16'                          # enrolled from that day on; else all the year

The eldest comes first, unless ages say otherwise.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.utils import timezone

from billing.models import PackedMeal
from families.models import Child, ChildHealth, Custody, FamilyQuotient, Guardian, Household, User
from portal.conformance import loaded_towns, published_tariffs
from portal.conformance.published_towns import Document
from portal.conformance.values import (
    Unreadable,
    first_of,
    listed,
    optional_amount,
    plain,
    read_day,
    read_flag,
    read_moment,
    read_up_to,
    within,
)
from portal.french import grades
from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.models import (
    AbsenceNotice,
    AbsenceReason,
    Activity,
    Attendance,
    AttendanceState,
    Booking,
    Enrolment,
    Establishment,
    Formula,
    Reservation,
    SchoolClass,
    Schooling,
    SchoolYear,
)
from portal.reservations.states import BookingState, EnrolmentState, ReservationState

# Before any case: what is known since then was always known.
ALWAYS = date(2020, 1, 1)
MOST_CHILDREN, A_DAY, HIGHEST = 20, 24 * 60, 10_000_000
ELDEST = date(2015, 3, 10)
LEVELS = {
    "maternelle": SchoolClass.Level.MATERNELLE,
    "elementaire": SchoolClass.Level.ELEMENTAIRE,
    "primaire": SchoolClass.Level.ELEMENTAIRE,
    "college": SchoolClass.Level.COLLEGE,
}


class Act(NamedTuple):
    activity: Activity
    formula: Formula
    day: date


@dataclass
class Pupil:
    """A child of the case, in the rows, with what the case says of it."""

    child: Child
    said: Document
    acts: list[Act] = field(default_factory=list)
    enrolments: dict[int, Enrolment] = field(default_factory=dict)  # by activity


@dataclass
class Home:
    household: Household
    user: User
    year: SchoolYear
    pupils: list[Pupil]


def children_of(case: Document) -> list[Document]:
    """The children, or the case itself where it speaks of one only, or `children: 3` of which one comes."""
    said = case.get("children")
    if isinstance(said, Mapping):
        said = list(said.values())
    if isinstance(said, list):
        if not said or not all(isinstance(one, Mapping) for one in said):
            raise Unreadable("Une liste d'enfants est attendue, par exemple « - acts: … ».", "children")
        return said
    more = 0
    if said is not None:
        with within("children"):
            more = max(read_up_to(said, MOST_CHILDREN) - 1, 0)
    return [case, *({} for _ in range(more))]


def settle(case: Document, day: date) -> Home:
    """The family in the database, its children enrolled for what they do. `day`: one of the case's. Raises
    Unreadable."""
    year = loaded_towns.school_year_of(day)
    household = household_of(case)
    user = User.objects.create(username=f"cas-{household.pk}", email=f"cas-{household.pk}@example.org")
    Guardian.objects.create(household=household, user=user, first_name="Camille", last_name="Exemple")
    with within("qf"):
        quotient = optional_amount(first_of(case, "qf", "quotient"))
        if quotient is not None and not 0 <= quotient < HIGHEST:
            raise Unreadable(f"« {quotient} » n'est pas un quotient.")
    if quotient is not None:
        FamilyQuotient.objects.create(household=household, value=quotient, valid_from=ALWAYS, known_on=ALWAYS)
    home = Home(household, user, year, [])
    for place, said in enumerate(children_of(case)):
        with within("children", place + 1):
            home.pupils.append(_pupil(home, said, place, case))
    _enrol(home, case)
    return home


def household_of(case: Document) -> Household:
    """Where it lives: `resident`, `address: {city: Chantepie}`."""
    address = {"street": "1 rue des Écoles", "postcode": "01999", "city": "Exemple"}
    with within("address"):
        address |= read_address(case.get("address"))
    return Household.objects.create(**address, resident=_resident(case), state=Household.State.ACCEPTED)


def read_address(said: Any) -> dict[str, str]:
    """What is said of one: street, postcode, city."""
    if said is None:
        return {}
    if not isinstance(said, Mapping):
        raise Unreadable("Écrivez {street: …, postcode: …, city: …}, ou une partie.")
    return {name: str(said[name]) for name in ("street", "postcode", "city") if name in said}


def _resident(case: Document) -> bool:
    for name, answer in (("resident", True), ("non_resident", False), ("nonresident", False)):
        if name in case:
            with within(name):
                return read_flag(case[name]) == answer
    return True


def _pupil(home: Home, said: Document, place: int, case: Document) -> Pupil:
    born = ELDEST + timedelta(days=500 * place)
    with within("age"):
        if said.get("birth_date") or said.get("born"):
            born = read_day(first_of(said, "birth_date", "born"))
        elif said.get("age") is not None:
            # Of that age all the school year long, unless it says the day.
            years = read_up_to(said["age"], 99)
            born = home.year.starts_on.replace(year=home.year.starts_on.year - years) - timedelta(days=1)
    names = ("Ana", "Basile", "Chloé", "Driss", "Elsa", "Farid", "Gaëlle", "Hugo")
    child = Child.objects.create(first_name=names[place % len(names)], last_name="Exemple", birth_date=born)
    Custody.objects.create(child=child, household=home.household)
    _schooling(child, said, home.year)
    if said.get("health_file") and read_flag(said["health_file"]):
        ChildHealth.objects.create(child=child)
    pupil = Pupil(child, said)
    pupil.acts = list(acts_of(said, "acts", case))
    return pupil


def _schooling(child: Child, said: Document, year: SchoolYear) -> None:
    """Its class by `class: CM1`, or any of its `level`; none where neither is said."""
    name, level = first_of(said, "class", "grade", "classe"), said.get("level")
    attended = said.get("school")
    if name is None and level is None and attended is None:
        return
    if level is not None and plain(level) not in LEVELS:
        raise Unreadable(f"« {level} » n'est pas prévu : {', '.join(LEVELS)}.", "level")
    if level is None:
        named = grades.named(str(name or "CP"))
        nursery = bool(named) and named[-1] < grades.Grade.CP
        college = bool(named) and named[0] > grades.Grade.CM2
        level = "maternelle" if nursery else "college" if college else "elementaire"
    schools = Establishment.objects.filter(kind=Establishment.Kind.SCHOOL).order_by("pk")
    school = (schools if attended is None else schools.filter(code=str(attended))).first()
    if school is None and attended is not None:
        raise Unreadable(f"« {attended} » n'est pas une école du fichier.", "school")
    if school is None:
        school = Establishment.objects.create(
            code="ecole-du-cas", name="École", kind=Establishment.Kind.SCHOOL
        )
    school_class, _ = SchoolClass.objects.get_or_create(
        school=school,
        school_year=year,
        name=str(name or LEVELS[plain(level)].label),
        defaults={"level": LEVELS[plain(level)]},
    )
    Schooling.objects.create(child=child, school_class=school_class, school_year=year, known_on=ALWAYS)


def acts_of(said: Document, key: str, case: Document) -> Iterator[Act]:
    """`{activity: {formula: [days]}}`, `{activity/formula: [days]}`, `{formula: [days]}`."""
    acts = said.get(key)
    if acts is None:
        return
    with within(key):
        if not isinstance(acts, Mapping):
            raise Unreadable("Écrivez {activité: {formule: [jours]}}.")
        for word, days in acts.items():
            with within(word):
                activity, formula = loaded_towns.activity_and_formula(word)
                by_formula = days if isinstance(days, Mapping) and formula is None else {"": days}
                for name, of_formula in by_formula.items():
                    its = formula or (loaded_towns.formula_of(activity, name) if name else _only(activity))
                    for day in days_of(of_formula, activity, case):
                        yield Act(activity, its, day)


def _only(activity: Activity) -> Formula:
    its = list(activity.formulas.select_related("activity").order_by("order", "pk"))
    if not its:
        raise Unreadable(f"« {activity.code} » n'a aucune formule.")
    return its[0]


def days_of(said: Any, activity: Activity, case: Document) -> list[date]:
    """A list of days, `{from, to}` (the open ones), or a number: the first open ones of the month."""
    if isinstance(said, Mapping) and ({"from", "du"} & set(said)):
        first, last = read_day(first_of(said, "from", "du")), read_day(first_of(said, "to", "au"))
        return open_days(activity, first, last)
    if isinstance(said, Mapping):
        return [read_day(one) for one in said]
    if isinstance(said, int) and not isinstance(said, bool):
        first = month_of(case)
        found = open_days(activity, first, first + timedelta(days=366))[:said]
        if len(found) < said:
            raise Unreadable(f"« {activity.code} » n'a pas {said} jours ouverts.")
        return found
    return [read_day(one) for one in listed(said)]


def open_days(activity: Activity, first: date, last: date) -> list[date]:
    place = place_of(activity)
    calendar = OpenDays.load(activity, place, first, last)
    return [day for day in days_between(first, last) if calendar.why_closed(day) is None]


def place_of(activity: Activity) -> Establishment:
    place = activity.establishments.order_by("pk").first()
    if place is None:
        raise Unreadable(f"« {activity.code} » n'a aucun établissement.")
    return place


def month_of(case: Document) -> date:
    with within("month"):
        said = case.get("month")
        if isinstance(said, str) and len(said) == len("2026-11"):
            said = f"{said}-01"
        return read_day(said).replace(day=1)


# Enrolments and days -------------------------------------------------------------------------------------


def _enrol(home: Home, case: Document) -> None:
    """Each child for what it does; a child of whom nothing is said, for what its brothers and sisters do."""
    everything: dict[int, Activity] = {}
    for pupil in home.pupils:
        everything |= {act.activity.pk: act.activity for act in pupil.acts}
        for act in acts_of(pupil.said, "unreserved", case):
            everything[act.activity.pk] = act.activity
    for pupil in home.pupils:
        its = {act.activity.pk: act.activity for act in pupil.acts}
        its |= {act.activity.pk: act.activity for act in acts_of(pupil.said, "unreserved", case)}
        with within("since"):
            since = pupil.said.get("since")
            first = home.year.starts_on if since is None else read_day(since)
        for activity in (its or everything).values():
            pupil.enrolments[activity.pk] = enrol(home, pupil.child, activity, since=first)
        if pupil.said.get("pai") and read_flag(pupil.said["pai"]):
            for enrolment in pupil.enrolments.values():
                PackedMeal.objects.create(enrolment=enrolment, valid_from=ALWAYS)


def enrol(home: Home, child: Child, activity: Activity, *, since: date | None = None) -> Enrolment:
    """From a day on, or the year's first one, every day; asked for long ago."""
    enrolment = Enrolment.objects.create(
        household=home.household,
        child=child,
        activity=activity,
        establishment=place_of(activity),
        school_year=home.year,
        weekdays=0b1111111,
        starts_on=since or home.year.starts_on,
        state=EnrolmentState.ACCEPTED,
        requested_by=home.user,
    )
    asked = timezone.make_aware(datetime.combine(home.year.starts_on, datetime.min.time()))
    Enrolment.objects.filter(pk=enrolment.pk).update(requested_at=asked - timedelta(days=60))
    return enrolment


def book(home: Home) -> list[Booking]:
    """Every day of every child, held, each in the reservation of its period."""
    found: list[Booking] = []
    for pupil in home.pupils:
        late = _days_told(pupil.said, "late")
        reservations: dict[tuple[int, int], Reservation] = {}
        for act in pupil.acts:
            enrolment, period = (
                pupil.enrolments[act.activity.pk],
                loaded_towns.period_on(act.activity, act.day),
            )
            reservation = None
            if period is not None:
                key = (enrolment.pk, period.pk)
                if key not in reservations:
                    reservations[key] = _reservation(home, enrolment, period)
                reservation = reservations[key]
            found.append(
                Booking.objects.create(
                    household=home.household,
                    child=pupil.child,
                    enrolment=enrolment,
                    reservation=reservation,
                    activity=act.activity,
                    establishment=place_of(act.activity),
                    formula=act.formula,
                    day=act.day,
                    state=BookingState.ACCEPTED,
                    late=late is True or act.day in (late or ()),
                    changed_at=_morning(act.day - timedelta(days=14)),
                )
            )
    return found


def _reservation(home: Home, enrolment: Enrolment, period: Any) -> Reservation:
    at = _morning(home.year.starts_on)
    return Reservation.objects.create(
        household=home.household,
        child=enrolment.child,
        enrolment=enrolment,
        establishment=place_of(enrolment.activity),
        period=period,
        state=ReservationState.ACCEPTED,
        created_by=home.user,
        created_at=at,
        touched_at=at,
        submitted_at=at,
    )


def _days_told(said: Document, key: str) -> bool | Sequence[date]:
    """`late: true` for all days, or which."""
    told = said.get(key)
    if told is None or isinstance(told, bool):
        return bool(told)
    with within(key):
        return [read_day(one) for one in listed(told)]


def come(home: Home, bookings: Sequence[Booking], case: Document) -> None:
    """What was entered: minutes, absences, and who came without a booking. Nothing of days that are not told:
    a booking without attendance is billed as present."""
    for pupil in home.pupils:
        its = [one for one in bookings if one.child_id == pupil.child.pk]
        minutes = _minutes(pupil.said)
        absent = _absences(pupil.said)
        told_days = {day for day, _ in absent}
        if unknown := sorted(told_days - {one.day for one in its}):
            raise Unreadable(f"{unknown[0]} : absent un jour qui n'est pas réservé.", "absent")
        for booking in its:
            said = absent.get((booking.day, booking.activity.code)) or absent.get((booking.day, ""))
            if said is not None:
                _missed(home, booking, said)
            elif (stayed := minutes(booking)) is not None:
                _entered(home, booking, minutes=stayed)
        for act in acts_of(pupil.said, "unreserved", case):
            Attendance.objects.create(
                household=home.household,
                child=pupil.child,
                formula=act.formula,
                establishment=place_of(act.activity),
                day=act.day,
                state=AttendanceState.PRESENT,
                entered_at=_morning(act.day),
            )


def _entered(home: Home, booking: Booking, **said: Any) -> None:
    Attendance.objects.create(
        booking=booking,
        household=home.household,
        child=booking.child,
        formula=booking.formula,
        establishment=booking.establishment,
        day=booking.day,
        entered_at=_morning(booking.day),
        **said,
    )


class Absence(NamedTuple):
    reason: str = ""
    certificate: datetime | None = None
    told: datetime | None = None


def _missed(home: Home, booking: Booking, said: Absence) -> None:
    _entered(home, booking, state=AttendanceState.ABSENT, reason=said.reason, certificate_at=said.certificate)
    if said.told is not None:
        AbsenceNotice.objects.get_or_create(
            household=home.household,
            child=booking.child,
            day=booking.day,
            withdrawn_at=None,
            defaults={"announced_at": said.told, "announced_by": home.user},
        )


def _absences(said: Document) -> dict[tuple[date, str], Absence]:
    """By day and activity ("": any). `{day: [reason, certificate, told]}`, `{day: reason}`,
    `{day: {reason, certificate, told}}`, `[days]`, or these by activity."""
    told = said.get("absent")
    with within("absent"):
        if not isinstance(told, Mapping):
            return {(read_day(day), ""): Absence() for day in listed(told)}
        found = {}
        for key, value in told.items():
            if is_day(key):
                found[read_day(key), ""] = _absence(value)
                continue
            activity, _ = loaded_towns.activity_and_formula(key)
            by_day = value if isinstance(value, Mapping) else dict.fromkeys(listed(value))
            for day, one in by_day.items():
                found[read_day(day), activity.code] = _absence(one)
        return found


def _absence(value: Any) -> Absence:
    if isinstance(value, Mapping):
        value = [value.get("reason"), value.get("certificate"), first_of(value, "told", "announced")]
    reason, certificate, told = [*listed(value), None, None, None][:3]
    return Absence(
        reason=reason_of(reason),
        certificate=None if certificate is None else read_moment(certificate),
        told=None if told is None else read_moment(told),
    )


REASONS = {
    **{word: str(reason) for word, reason in published_tariffs.REASONS.items()},
    **{plain(label): str(value) for value, label in AbsenceReason.choices},
    **{str(value): str(value) for value in AbsenceReason.values},
    "malade": str(AbsenceReason.ILLNESS),
    "hospitalisation": str(AbsenceReason.ILLNESS),
    "famille": str(AbsenceReason.FAMILY),
    "convenance": str(AbsenceReason.FAMILY),
    "injustifiee": "",
    "sans": "",
    "family": str(AbsenceReason.FAMILY),
    "none": "",
}


def reason_of(word: Any) -> str:
    said = plain(word or "")
    if said not in REASONS:
        raise Unreadable(f"« {word} » n'est pas prévu : {', '.join(filter(None, REASONS))}.", "reason")
    return REASONS[said]


def _minutes(said: Document) -> Any:
    """How long a booked child stayed: `{day: minutes}`, `{activity: {day: minutes}}`, one number."""
    told = said.get("minutes")
    found: dict[tuple[date, str], int] = {}
    with within("minutes"):
        if isinstance(told, Mapping):
            for key, value in told.items():
                if is_day(key):
                    found[read_day(key), ""] = read_up_to(value, A_DAY)
                    continue
                activity, formula = loaded_towns.activity_and_formula(key)
                for day, one in (value if isinstance(value, Mapping) else {}).items():
                    found[read_day(day), formula.code if formula else activity.code] = read_up_to(one, A_DAY)
        usual = None if told is None or isinstance(told, Mapping) else read_up_to(told, A_DAY)

    def stayed(booking: Booking) -> int | None:
        for name in (booking.formula.code, booking.activity.code, ""):
            if (booking.day, name) in found:
                return found[booking.day, name]
        return usual

    return stayed


def is_day(key: Any) -> bool:
    """Whether a key is a day rather than a word."""
    if isinstance(key, date):
        return True
    try:
        date.fromisoformat(str(key)[:10])
    except ValueError:
        return False
    return True


def _morning(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, datetime.min.time().replace(hour=8)))
