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

from families.models import Child, Custody, Guardian, User
from families.visibility import holds
from portal.french import spelling
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
from portal.reservations.models.queries import announced, with_class
from portal.reservations.states import HOLDING, BookingState, EnrolmentState

# Nobody needs a certificate to be believed.
JUSTIFIED_BY_ITSELF = (AbsenceReason.STRIKE, AbsenceReason.TEACHER, AbsenceReason.TRIP)
# What an illness proved by a certificate replaces.
WEAKER_REASONS = ("", AbsenceReason.NONE, AbsenceReason.FAMILY)
WRITTEN = (
    "booking",
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
        cls, establishment: Establishment, formula: Formula, day: date, *, timed: bool = False
    ) -> "AttendanceSheet":
        """In 4 queries whatever the children. `timed`: how long each stayed is asked too."""
        bookings = list(_expected(establishment, formula, day))
        children = [booking.child_id for booking in bookings]
        known = {
            one.child_id: one
            for one in Attendance.objects.standing().filter(child__in=children, formula=formula, day=day)
        }
        covered = covering(children, day)
        rows = []
        for booking in bookings:
            attendance, certificate = known.get(booking.child_id), covered.get(_home(booking))
            group = class_name(booking.attended or "", booking.school or "")
            said = _proposed(attendance, certificate, announced=booking.announced is not None)
            rows.append(ExpectedChild(booking, group, attendance, certificate, said, booking.announced))
        unbooked = (
            Attendance.objects.unreserved()
            .filter(establishment=establishment, formula=formula, day=day)
            .exclude(child__in=children)
            .select_related("child", "household")
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


def _expected(establishment: Establishment, formula: Formula, day: date) -> QuerySet[Any]:
    held = Booking.objects.holding().filter(establishment=establishment, formula=formula, day=day)
    rows: QuerySet[Any] = with_class(held).annotate(announced=announced())
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
        found = found.filter(spelling.holds(word, "child__first_name", "child__last_name"))
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
    """What a save did: rows written, and what the agent should know."""

    written: int = 0
    warnings: list[str] = field(default_factory=list)


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
    by: User,
    at: datetime,
) -> Recorded:
    """Enters a list: `said` by booking, `came` besides (Custody keys), `left_out` who had been entered as
    come besides by mistake (Attendance keys). Bookings of which nothing is said stay as they are.

    An absence on a day that an accepted certificate covers is certified by it. What an invoice billed already
    is corrected on the next one. Raises AttendanceRefused for a day that has not come.
    """
    if day > timezone.localdate(at):
        raise AttendanceRefused("Ce jour n'est pas encore venu : on pointe le jour même, ou après.")
    homes = list(Custody.objects.on(day).filter(pk__in=came).select_related("child").order_by("pk"))
    here = Booking.objects.filter(establishment=establishment, formula=formula, day=day, pk__in=said)
    lock([*here.values_list("child_id", flat=True), *(home.child_id for home in homes)])
    listed = list(here.holding().select_related("child"))
    children = [*(one.child_id for one in listed), *(home.child_id for home in homes)]
    rows = Attendance.objects.standing().filter(child__in=children, formula=formula, day=day)
    known = {one.child_id: one for one in rows.select_related("booking").with_stays()}
    writing = _Writing(formula, day, by, at, known)
    covered = covering(children, day)
    for booking in listed:
        writing.expected(booking, said[booking.pk], covered.get(_home(booking)))
    held = Booking.objects.holding().filter(child__in=children, formula=formula, day=day)
    booked = {one.child_id: one for one in held}
    for home in homes:
        writing.came(home, establishment, booked.get(home.child_id))
    writing.take_out(
        Attendance.objects.unreserved()
        .filter(pk__in=left_out, establishment=establishment, formula=formula, day=day)
        .with_stays()
    )
    writing.write()
    return writing.done


class _Writing:
    """Attendance of a formula on a day: what is known of it by child, read under lock, and what to write."""

    def __init__(
        self, formula: Formula, day: date, by: User | None, at: datetime, known: Mapping[int, Any]
    ) -> None:
        self.formula, self.day, self.by, self.at, self.known = formula, day, by, at, dict(known)
        self.new: list[Attendance] = []
        self.changed: list[Attendance] = []
        self.done = Recorded()

    def warn(self, text: str) -> None:
        self.done.warnings.append(text)

    def expected(self, booking: Booking, said: Said, certificate: AbsenceCertificate | None) -> None:
        """One child of the list."""
        row, before = self._row(booking.child_id)
        if row.pk and row.booking_id is None and row.stays:
            # Billed without a booking: that is taken back, and the booking billed.
            self._undo(row)
            row, before = self._row(booking.child_id)
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
        if booking is not None and booking.establishment_id == establishment.pk:
            self.warn(f"{home.child} avait réservé : son nom est dans la liste.")
            return
        row, before = self._row(home.child_id)
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

    def certified(self, booking: Booking, certificate: AbsenceCertificate) -> bool:
        """An absence under a certificate; False where the child was seen."""
        row, before = self._row(booking.child_id)
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
            if row.stays:
                self._undo(row)
                self.warn(f"{row.child} : cette présence est déjà facturée, la prochaine facture la déduira.")
            else:
                row.delete()
                self.done.written += 1

    def _undo(self, row: Attendance) -> None:
        """What an invoice billed by mistake: it stays for that invoice, and makes room for what is true."""
        self.known.pop(row.child_id, None)
        before = {"state": row.state}
        row.state = AttendanceState.MISTAKEN
        self._note(row, before)

    def _row(self, child: int) -> tuple[Any, dict[str, Any]]:
        """The child's row, made when needed, and what it says so far."""
        row = self.known.get(child) or Attendance(
            child_id=child, formula=self.formula, day=self.day, state=""
        )
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
    known = {(one.formula_id, one.day): one for one in rows}
    new: list[Attendance] = []
    changed: list[Attendance] = []
    seen: set[date] = set()
    for booking in bookings.select_related("formula"):
        row = known.get((booking.formula_id, booking.day))
        writing = _Writing(booking.formula, booking.day, by, at, {booking.child_id: row} if row else {})
        if not writing.certified(booking, certificate):
            seen.add(booking.day)
        new += writing.new
        changed += writing.changed
    _write(new, changed)
    return sorted(seen)
