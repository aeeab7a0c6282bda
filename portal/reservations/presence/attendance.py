"""The only writer of attendance: who came, who did not, entered list by list or by a certificate.

Every verb is one transaction that locks the children first, in primary-key order: two agents, or a list and
a certificate, write one after the other. Saying the same again changes nothing. Which absences are billed is
no matter of this floor: a row that something above keeps (`stays`) is never removed, it is put right.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypeAlias, TypedDict

from django.db import models, transaction
from django.db.models import Case, Count, Exists, OuterRef, Prefetch, Q, QuerySet, Subquery, Value, When
from django.utils import timezone
from django_stubs_ext import WithAnnotations
from simple_history.utils import bulk_create_with_history, bulk_update_with_history

from families.joining import fates
from families.models import Child, Custody, Guardian, User
from families.visibility import holds
from portal.french import moments, spelling
from portal.reservations.models import (
    AbsenceCertificate,
    AbsenceReason,
    Attendance,
    AttendanceState,
    Booking,
    Enrolment,
    Establishment,
    Formula,
    class_name,
)
from portal.reservations.models.presence import AttendanceQuerySet
from portal.reservations.models.queries import announced, with_class
from portal.reservations.states import HOLDING, BookingState, EnrolmentState

# Nobody needs a certificate to be believed.
JUSTIFIED_BY_ITSELF = (AbsenceReason.STRIKE, AbsenceReason.TEACHER, AbsenceReason.TRIP)
# What an illness proved by a certificate replaces.
WEAKER_REASONS = ("", AbsenceReason.NONE, AbsenceReason.FAMILY)
WRITTEN = (
    "booking",
    "formula",
    "household",
    "establishment",
    "state",
    "minutes",
    "reason",
    "certificate",
    "certificate_at",
    "entered_by",
    "entered_at",
)
COLUMNS = (
    "booking_id",
    "formula_id",
    "household_id",
    "establishment_id",
    "state",
    "minutes",
    "reason",
    "certificate_id",
    "certificate_at",
)
# What was forgotten longer ago is no longer looked for: not justified, not billed.
LOOK_BACK = timedelta(days=366)
MOST_FOUND = 20
LONGEST_MINUTES = 24 * 60


class AttendanceRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


class PresenceStanding(models.TextChoices):
    """Where a child stands for a formula on a day, once and for all in these words."""

    EXPECTED = "expected", "Attendu"
    PRESENT = "present", "Présent"
    JUSTIFIED = "justified", "Absent, justifié"
    UNJUSTIFIED = "unjustified", "Absent, non justifié"
    UNBOOKED = "unbooked", "Présent sans réservation"
    MISTAKEN = "mistaken", "Pointé par erreur"


def standing(*, booked: bool, state: str = "", reason: str = "", certified: bool = False) -> PresenceStanding:
    """`state`: an AttendanceState, empty while nothing is entered; `certified`: a certificate covers it."""
    if not booked:
        return PresenceStanding.MISTAKEN if state == AttendanceState.MISTAKEN else PresenceStanding.UNBOOKED
    if not state:
        return PresenceStanding.EXPECTED
    if state == AttendanceState.PRESENT:
        return PresenceStanding.PRESENT
    return (
        PresenceStanding.JUSTIFIED
        if certified or reason in JUSTIFIED_BY_ITSELF
        else PresenceStanding.UNJUSTIFIED
    )


def standing_of(attendance: Attendance | None) -> PresenceStanding:
    """That of a booking, by its attendance, or of an attendance without booking."""
    if attendance is None:
        return PresenceStanding.EXPECTED
    return standing(
        booked=attendance.booking_id is not None,
        state=attendance.state,
        reason=attendance.reason,
        certified=attendance.certificate_at is not None,
    )


# The list of a day --------------------------------------------------------------------------------------


class Said(NamedTuple):
    """What is said of a child that was expected."""

    state: str
    reason: str = ""
    minutes: int | None = None


class Shown(NamedTuple):
    """What a page showed of a child when it was opened: what it proposed, and the stamp of what was entered
    then (`stamp_of`), empty where nothing was."""

    stamp: str
    said: Said


def stamp_of(row: Attendance | None) -> str:
    """Changes whenever somebody enters the row anew."""
    return "" if row is None else row.entered_at.isoformat()


@dataclass(frozen=True)
class Conflict:
    """A child of whom two pages say different things: what the other one entered since, and who."""

    booking: int
    sentence: str


@dataclass
class ExpectedChild:
    """A child expected for a formula on a day, what is known of it, and what the page proposes."""

    booking: Booking
    group: str
    attendance: Attendance | None
    certificate: AbsenceCertificate | None
    said: Said
    announced: datetime | None = None  # since when the family has said that it will not come
    trouble: str = ""

    @property
    def shown(self) -> Shown:
        """What a page opened now shows, whatever its agent answers there."""
        announced = self.announced is not None
        said = _proposed(self.attendance, self.certificate, announced=announced)
        return Shown(stamp_of(self.attendance), said)

    @property
    def longer(self) -> Formula | None:
        """The formula for which the child was seen, where that is another than the one booked."""
        row = self.attendance
        return None if row is None or row.formula_id == self.booking.formula_id else row.formula

    @property
    def standing(self) -> PresenceStanding:
        return standing_of(self.attendance)

    @property
    def cancelling(self) -> bool:
        return self.booking.state == BookingState.CANCEL_REQUESTED

    @property
    def present_though_certified(self) -> bool:
        return self.certificate is not None and self.said.state == AttendanceState.PRESENT


@dataclass
class AttendanceSheet:
    """Who is expected at an establishment for a formula on a day, and who came besides."""

    establishment: Establishment
    formula: Formula
    day: date
    rows: list[ExpectedChild]
    unbooked: list[Attendance]
    timed: bool

    @classmethod
    def load(
        cls,
        establishment: Establishment,
        formula: Formula,
        day: date,
        *,
        timed: bool = False,
        part: slice = slice(None),
        only: Collection[int] | None = None,
    ) -> "AttendanceSheet":
        """In 4 queries whatever the children. `timed`: how long each stayed is asked too. `part` of the list
        in its order; `only`: of these bookings (keys), wherever they stand in it by now."""
        expected = _expected(establishment, formula, day)
        bookings = list(expected[part] if only is None else expected.filter(pk__in=only))
        children = [booking.child_id for booking in bookings]
        known = _Known(formula, _entered(children, formula, day, bookings))
        covered = covering(children, day)
        rows = []
        for booking in bookings:
            attendance, certificate = known.of(booking), covered.get(_home(booking))
            group = class_name(booking.attended or "", booking.school or "")
            said = _proposed(attendance, certificate, announced=booking.announced is not None)
            rows.append(ExpectedChild(booking, group, attendance, certificate, said, booking.announced))
        unbooked = (
            _besides(establishment, formula, day)
            .exclude(child__in=_held(establishment, formula, day).values("child"))
            .select_related("child", "household", "booking__formula")
            .with_stays()
            .order_by("child__last_name", "child__first_name", "pk")
        )
        return cls(establishment, formula, day, rows, list(unbooked), timed)

    @property
    def counts(self) -> dict[PresenceStanding, int]:
        """How many stand where, those who came besides too."""
        found = dict.fromkeys(PresenceStanding, 0)
        for row in self.rows:
            found[row.standing] += 1
        found[PresenceStanding.UNBOOKED] = len(self.unbooked)
        return found

    @property
    def last_entry(self) -> Attendance | None:
        """What was entered last."""
        entered = [*(row.attendance for row in self.rows if row.attendance), *self.unbooked]
        return max(entered, key=lambda one: one.entered_at, default=None)


class _Known:
    """What is entered of children for a formula and a day: a child's row is its booking's, whichever formula
    it was seen for, else that of the formula."""

    def __init__(self, formula: Formula, rows: Iterable[Any]) -> None:
        self._by_booking: dict[int, Any] = {}
        self._by_child: dict[int, Any] = {}
        for row in rows:
            if row.booking_id is not None:
                self._by_booking[row.booking_id] = row
            if row.formula_id == formula.pk:
                self._by_child[row.child_id] = row

    def of(self, booking: Booking) -> Any:
        """Its own row, or the one that its child has without a booking; None where nothing is entered."""
        return self._by_booking.get(booking.pk) or self._by_child.get(booking.child_id)

    def of_child(self, child: int) -> Any:
        return self._by_child.get(child)

    def forget(self, row: Attendance) -> None:
        self._by_child.pop(row.child_id, None)
        if row.booking_id is not None:
            self._by_booking.pop(row.booking_id, None)


def _entered(
    children: Collection[int], formula: Formula, day: date, bookings: Iterable[Booking]
) -> AttendanceQuerySet:
    """What stands of these children for the formula that day, and of these bookings for whichever one."""
    rows = Attendance.objects.standing().filter(child__in=children, day=day)
    return rows.filter(Q(formula=formula) | Q(booking__in=[one.pk for one in bookings])).select_related(
        "booking", "formula", "entered_by"
    )


def _besides(establishment: Establishment, formula: Formula, day: date) -> AttendanceQuerySet:
    """Who came for the formula without having booked it: without a booking, or with a shorter one."""
    return Attendance.objects.filter(
        Q(booking=None) | ~Q(booking__formula=formula),
        establishment=establishment,
        formula=formula,
        day=day,
        state=AttendanceState.PRESENT,
    )


def _held(establishment: Establishment, formula: Formula, day: date) -> QuerySet[Booking]:
    return Booking.objects.holding().filter(establishment=establishment, formula=formula, day=day)


def _expected(establishment: Establishment, formula: Formula, day: date) -> QuerySet[Any]:
    rows: QuerySet[Any] = with_class(_held(establishment, formula, day)).annotate(announced=announced())
    return rows.select_related("child").order_by(
        "school", "attended", "child__last_name", "child__first_name", "pk"
    )


def _proposed(
    attendance: Attendance | None, certificate: AbsenceCertificate | None, *, announced: bool
) -> Said:
    """Everybody came, but for those who were entered absent or whose absence is certified or announced."""
    if attendance is not None:
        return Said(attendance.state, attendance.reason, attendance.minutes)
    if certificate is not None or announced:
        return Said(AttendanceState.ABSENT, AbsenceReason.ILLNESS)
    return Said(AttendanceState.PRESENT)


def _home(row: Booking | Attendance | AbsenceCertificate) -> tuple[int, int]:
    return row.household_id, row.child_id


def covering(children: Collection[int], day: date) -> dict[tuple[int, int], AbsenceCertificate]:
    """The accepted certificates that cover a day, by (household, child)."""
    found = AbsenceCertificate.objects.filter(
        child__in=children,
        first_day__lte=day,
        last_day__gte=day,
        state=AbsenceCertificate.State.ACCEPTED,
    )
    return {_home(one): one for one in found.order_by("-given_at", "-pk")}


def places_concerned(day: date) -> Q:
    """Of establishments: those where somebody is expected that day, or came."""
    here = {"establishment": OuterRef("pk"), "day": day}
    held, came = Booking.objects.holding(), Attendance.objects.unreserved()
    return Q(Exists(held.filter(**here))) | Q(Exists(came.filter(**here)))


class ForHowMany(TypedDict):
    """For how many children a formula is booked that day; None: for nobody."""

    expected: int | None


OfferedFormula: TypeAlias = "WithAnnotations[Formula, ForHowMany]"


def formulas(establishment: Establishment, day: date) -> list[OfferedFormula]:
    """The formulas taken at an establishment."""
    here = Q(establishment=establishment, day=day)
    held = Booking.objects.holding().filter(here, formula=OuterRef("pk")).order_by()
    return list(
        Formula.objects.filter(activity__establishments=establishment)
        .annotate(expected=Subquery(held.values("formula").annotate(n=Count("pk")).values("n")))
        .select_related("activity")
        .order_by("activity__order", "activity__name", "order", "name")
    )


def _with_adults() -> QuerySet[Custody]:
    return Custody.objects.select_related("child", "household").prefetch_related(
        Prefetch("household__guardians", Guardian.objects.order_by("pk"))
    )


def homes(keys: Collection[int]) -> list[Custody]:
    """Children, each with the home of that key."""
    return list(_with_adults().filter(pk__in=keys).order_by("child__last_name", "child__first_name", "pk"))


def homes_of(
    words: str,
    formula: Formula | None = None,
    *,
    day: date | None = None,
    among: QuerySet[Custody] | None = None,
) -> list[Any]:
    """Children whose name holds all of `words`, however spelled, once a home of that `day`, or of any day;
    those enrolled for `formula` first. `among`: of these homes only."""
    found = _with_adults() if day is None else _with_adults().filter(holds(day))
    if among is not None:
        found = found.filter(pk__in=among.values("pk"))
    for word in words.split()[:4]:
        found = found.filter(spelling.holds(word, "child__folded"))
    if not words.strip():
        return []
    enrolled: Any = Value(False)
    if formula is not None:
        enrolled = Exists(
            Enrolment.objects.filter(
                child=OuterRef("child"),
                household=OuterRef("household"),
                activity=formula.activity_id,
                state=EnrolmentState.ACCEPTED,
            )
        )
    return list(
        found.annotate(enrolled=enrolled).order_by(
            Case(When(enrolled=True, then=0), default=1),
            "child__last_name",
            "child__first_name",
            "child_id",
            "household_id",
        )[:MOST_FOUND]
    )


# Writing ------------------------------------------------------------------------------------------------


@dataclass
class Recorded:
    """What a save did: rows written, what the agent should know, and the rows that wait for its answer."""

    written: int = 0
    warnings: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


def lock(children: Iterable[int]) -> None:
    """The attendance of these children is written by one transaction at a time."""
    list(
        Child.objects.select_for_update(no_key=True)
        .filter(pk__in=set(children))
        .order_by("pk")
        .values_list("pk", flat=True)
    )


@transaction.atomic
def record(
    establishment: Establishment,
    formula: Formula,
    day: date,
    said: Mapping[int, Said],
    *,
    came: Collection[int] = (),
    left_out: Collection[int] = (),
    shown: Mapping[int, Shown] | None = None,
    by: User,
    at: datetime,
) -> Recorded:
    """Enters a list: `said` by booking, `came` besides (Custody keys), `left_out` who had been entered as
    come besides by mistake (Attendance keys). Bookings of which nothing is said stay as they are.

    `shown`: what the page showed of each booking. A row that another one entered since is kept where this
    page leaves it as it showed it; where both changed it, it stays the other's and is among the conflicts.
    A child that was booked for less, or for more, than it came for is entered once, for the longer of both.

    An absence on a day that an accepted certificate covers is certified by it. What an invoice billed already
    is corrected on the next one. Raises AttendanceRefused for a day that has not come.
    """
    if day > timezone.localdate(at):
        raise AttendanceRefused("Ce jour n'est pas encore venu : on pointe le jour même, ou après.")
    homes = list(Custody.objects.on(day).filter(pk__in=came).select_related("child").order_by("pk"))
    here = Booking.objects.filter(establishment=establishment, formula=formula, day=day, pk__in=said)
    lock([*here.values_list("child_id", flat=True), *(home.child_id for home in homes)])
    listed = list(here.holding().select_related("child", "formula"))
    children = [*(one.child_id for one in listed), *(home.child_id for home in homes)]
    booked = _booked([home.child_id for home in homes], formula, day)
    rows = _entered(children, formula, day, [*listed, *booked.values()]).with_stays()
    writing = _Writing(formula, day, by, at, _Known(formula, rows))
    covered = covering(children, day)
    for booking in listed:
        told = said[booking.pk]
        if shown is None or booking.pk not in shown or writing.may_say(booking, told, shown[booking.pk]):
            writing.expected(booking, told, covered.get(_home(booking)))
    for home in homes:
        writing.came(home, establishment, booked.get(home.child_id))
    writing.take_out(
        _besides(establishment, formula, day)
        .filter(pk__in=left_out)
        .select_related("child", "booking")
        .with_stays()
    )
    writing.write()
    return writing.done


def _booked(children: Collection[int], formula: Formula, day: date) -> dict[int, Booking]:
    """What each child holds that day of the formula or, without it, of one that lasts longer or less long:
    the longest."""
    held = Booking.objects.holding().filter(
        child__in=children, formula__activity=formula.activity_id, day=day
    )
    found: dict[int, Booking] = {}
    for one in held.select_related("formula").order_by("pk"):
        if one.formula_id != formula.pk and not (one.formula.covers(formula) or formula.covers(one.formula)):
            continue
        other = found.get(one.child_id)
        if other is None or (other.formula_id != formula.pk and not other.formula.covers(one.formula)):
            found[one.child_id] = one
    return found


class _Writing:
    """Attendance of a formula on a day: what is known of it by child, read under lock, and what to write."""

    def __init__(self, formula: Formula, day: date, by: User | None, at: datetime, known: _Known) -> None:
        self.formula, self.day, self.by, self.at, self.known = formula, day, by, at, known
        self.new: list[Attendance] = []
        self.changed: list[Attendance] = []
        self.done = Recorded()

    def warn(self, text: str) -> None:
        self.done.warnings.append(text)

    def may_say(self, booking: Booking, said: Said, shown: Shown) -> bool:
        """Whether the page's word is written: it is, unless another one entered the row since and the page
        left it as it was, or both said something else, which is then asked."""
        row = self.known.of(booking)
        if stamp_of(row) == shown.stamp or row is None:
            return True
        now = Said(row.state, row.reason, row.minutes)
        if now == shown.said:  # the other one saved it as this page showed it
            return True
        if said in (shown.said, now):
            return False
        self.done.conflicts.append(Conflict(booking.pk, _said_meanwhile(row)))
        return False

    def expected(self, booking: Booking, said: Said, certificate: AbsenceCertificate | None) -> None:
        """One child of the list."""
        row, before = self._row(booking.child_id, booking)
        if row.pk and row.booking_id is None and row.stays:
            # Billed without a booking: that is taken back, and the booking billed.
            self._undo(row)
            row, before = self._row(booking.child_id, booking)
        if row.formula_id != booking.formula_id and said.state == AttendanceState.ABSENT:
            row.formula = booking.formula  # it was not seen for more either
        row.booking, row.household_id = booking, booking.household_id
        row.establishment_id = booking.establishment_id
        if said.state == AttendanceState.ABSENT:
            row.state, row.reason, row.minutes = AttendanceState.ABSENT, said.reason, None
            if certificate is not None:
                _attach(row, certificate)
        else:
            self._present(row, said.minutes)
            if certificate is not None:
                self.warn(
                    f"{booking.child} est pointé présent un jour couvert par un justificatif :"
                    " ce jour reste facturé."
                )
        self._note(row, before)

    def came(self, home: Custody, establishment: Establishment, booking: Booking | None) -> None:
        """A child who was not on the list; `booking`: what it booked that day, here or elsewhere."""
        other = None if booking is None or booking.formula_id == self.formula.pk else booking.formula
        if booking is not None and booking.establishment_id == establishment.pk and other is None:
            self.warn(f"{home.child} avait réservé : son nom est dans la liste.")
            return
        if booking is not None and other is not None and self.known.of_child(home.child_id) is None:
            self._came_for_another(home, establishment, booking, other)
            return
        row, before = self._row(home.child_id, booking)
        cancelled = row.booking is not None and row.booking.state not in HOLDING
        if row.state == AttendanceState.PRESENT and not cancelled:
            self.warn(f"{home.child} est déjà pointé présent ce jour-là.")
            return
        # Booked elsewhere: that booking is honoured here, and billed once.
        row.booking = booking
        row.household_id = home.household_id if booking is None else booking.household_id
        row.establishment_id = establishment.pk
        self._present(row, None)
        if booking is not None:
            self.warn(f"{home.child} avait réservé ailleurs : sa présence ici compte pour cette réservation.")
        self._note(row, before)

    def _came_for_another(
        self, home: Custody, establishment: Establishment, booking: Booking, booked: Formula
    ) -> None:
        """Booked for less, or for more: seen once, for the longer of both."""
        row, before = self._row(home.child_id, booking)
        row.booking, row.household_id = booking, booking.household_id
        row.establishment_id = establishment.pk
        row.formula = booked if booked.covers(self.formula) else self.formula
        self._present(row, None)
        self.warn(
            f"{home.child} avait réservé « {booked} » : sa présence est comptée une fois, « {row.formula} »."
        )
        self._note(row, before)

    def certified(self, booking: Booking, certificate: AbsenceCertificate) -> bool:
        """An absence under a certificate; False where the child was seen."""
        row, before = self._row(booking.child_id, booking)
        if row.state == AttendanceState.PRESENT:
            return False
        row.booking, row.household_id = booking, booking.household_id
        row.establishment_id = row.establishment_id or booking.establishment_id
        row.state = AttendanceState.ABSENT
        _attach(row, certificate)
        self._note(row, before)
        return True

    def take_out(self, rows: Iterable[Any]) -> None:
        """Those entered by mistake."""
        for row in rows:
            if row.booking is not None:
                before = {name: getattr(row, name) for name in COLUMNS}
                row.formula_id, row.establishment_id = row.booking.formula_id, row.booking.establishment_id
                self._note(row, before)
            elif row.stays:
                self._undo(row)
                self.warn(f"{row.child} : cette présence est déjà facturée, la prochaine facture la déduira.")
            else:
                row.delete()
                self.done.written += 1

    def _undo(self, row: Attendance) -> None:
        """What an invoice billed by mistake: it stays for that invoice, and makes room for what is true."""
        self.known.forget(row)
        before = {"state": row.state}
        row.state = AttendanceState.MISTAKEN
        self._note(row, before)

    def _row(self, child: int, booking: Booking | None) -> tuple[Any, dict[str, Any]]:
        """The child's row, made when needed, and what it says so far."""
        row = self.known.of_child(child) if booking is None else self.known.of(booking)
        row = row or Attendance(child_id=child, formula=self.formula, day=self.day, state="")
        return row, {name: getattr(row, name) for name in COLUMNS}

    @staticmethod
    def _present(row: Attendance, minutes: int | None) -> None:
        row.state, row.reason, row.minutes = AttendanceState.PRESENT, "", minutes
        row.certificate = row.certificate_at = None

    def _note(self, row: Attendance, before: dict[str, Any]) -> None:
        if row.pk and all(getattr(row, name) == value for name, value in before.items()):
            return
        row.entered_by, row.entered_at = self.by, self.at
        (self.changed if row.pk else self.new).append(row)

    def write(self) -> None:
        _write(self.new, self.changed)
        self.done.written += len(self.new) + len(self.changed)


def _said_meanwhile(row: Attendance) -> str:
    """« Absence pointée à 9 h 12 par Dominique Agent, pendant que cette page était ouverte. »"""
    what = "Présence" if row.state == AttendanceState.PRESENT else "Absence"
    reason = f" ({row.get_reason_display().lower()})" if row.reason else ""
    who = f" par {row.entered_by.get_full_name() or row.entered_by}" if row.entered_by else ""
    hour = moments.hour(timezone.localtime(row.entered_at).time())
    return f"{what}{reason} pointée à {hour}{who}, pendant que cette page était ouverte."


def _write(new: list[Attendance], changed: list[Attendance]) -> None:
    """All rows and their history, in four queries at most; what makes room comes before what takes it."""
    if changed:
        bulk_update_with_history(changed, Attendance, WRITTEN, default_user=changed[0].entered_by)
    if new:
        bulk_create_with_history(new, Attendance, default_user=new[0].entered_by)


def _attach(row: Attendance, certificate: AbsenceCertificate) -> None:
    """The absence is proved; the earlier of two proofs counts."""
    if row.reason in WEAKER_REASONS:
        row.reason = AbsenceReason.ILLNESS
    if row.certificate_at is None or certificate.given_at < row.certificate_at:
        row.certificate_at, row.certificate_id = certificate.given_at, certificate.document_id


@transaction.atomic
def certify(certificate: AbsenceCertificate, *, until: date, by: User | None, at: datetime) -> list[date]:
    """Writes the absences that an accepted certificate covers up to `until`, once; answers the days on which
    the child was seen all the same, which stay as they are.

    Days to come are left to whoever enters them, or to the night after them.
    """
    lock([certificate.child_id])
    last = min(certificate.last_day, until)
    bookings = Booking.objects.holding().filter(
        household=certificate.household_id,
        child=certificate.child_id,
        day__range=(certificate.first_day, last),
    )
    rows = Attendance.objects.standing().filter(
        child=certificate.child_id, day__range=(certificate.first_day, last)
    )
    known: dict[tuple[int, date], Any] = {(one.formula_id, one.day): one for one in rows}
    of_booking = {one.booking_id: one for one in known.values() if one.booking_id is not None}
    new: list[Attendance] = []
    changed: list[Attendance] = []
    seen: set[date] = set()
    for booking in bookings.select_related("formula"):
        row = of_booking.get(booking.pk) or known.get((booking.formula_id, booking.day))
        entered = _Known(booking.formula, [row] if row else [])
        writing = _Writing(booking.formula, booking.day, by, at, entered)
        if not writing.certified(booking, certificate):
            seen.add(booking.day)
        new += writing.new
        changed += writing.changed
    _write(new, changed)
    return sorted(seen)


@transaction.atomic
def told(bookings: QuerySet[Any], *, by: User | None, at: datetime) -> int:
    """The absences entered of these bookings were told by their family: those without a reason are illnesses,
    and all are entered anew, for whoever billed them. Called with the children held."""
    rows = list(Attendance.objects.filter(booking__in=bookings, state=AttendanceState.ABSENT))
    for row in rows:
        row.reason = row.reason or AbsenceReason.ILLNESS
        row.entered_by, row.entered_at = by, at
    _write([], rows)
    return len(rows)


# Two files of one child ---------------------------------------------------------------------------------


@transaction.atomic
def join(children: Mapping[int, int], instead: Mapping[int, int], household: int, kept: int) -> None:
    """What was entered of a household, and of children typed twice (`children`: by the key of the double,
    the child), is that of the kept household and of the one child. `instead`: by the key of a booking that
    ended as the day was booked twice, that which stays. What was entered twice is kept once; where an invoice
    billed it, it stays as entered by mistake, and the next one gives it back. Called with the children held.
    """
    doubled = Attendance.objects.filter(booking__in={*instead, *instead.values()})
    entered = {row.booking_id: row for row in doubled}
    for booking, stays in instead.items():
        row = entered.get(booking)
        if row is None:
            continue
        if stays in entered:
            row.delete()
        else:
            row.booking_id = stays
            row.save()
    ours = Attendance.objects.standing().filter(child__in=children.values())
    known = set(ours.values_list("child_id", "formula_id", "day"))
    theirs = Attendance.objects.standing().filter(child__in=children, booking=None)
    stay = {row.pk for row in theirs.with_stays() if getattr(row, "stays", False)}
    for row in theirs.order_by("pk"):
        if (children[row.child_id], row.formula_id, row.day) not in known:
            continue
        if row.pk in stay:
            row.state = AttendanceState.MISTAKEN
            row.save()
        else:
            row.delete()
    fates.rename(Attendance.objects.all(), "child", children)
    Attendance.objects.filter(household=household).update(household=kept)
