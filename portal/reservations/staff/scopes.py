"""How rows belong to places: one line a model, in one table. Other apps add theirs when they are ready.

A model that is not named here belongs to the whole town: who holds a role at some places only has no right
on it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.db.models import Model, Q, QuerySet
from django.utils import timezone

from families.models import (
    AskedText,
    AuthorisedPerson,
    ChangeRequest,
    Child,
    ChildHealth,
    Custody,
    CustodyCalendar,
    CustodyDates,
    Diet,
    DietChoice,
    Document,
    FamilyMessage,
    FamilyQuotient,
    FormerAddress,
    Guardian,
    HomeDiet,
    Household,
    HouseholdNote,
    MessageCopy,
    Paper,
    PaperKind,
    PaperLetter,
    ReadyAnswer,
    Residence,
    TextAnswer,
    TextVersion,
    Thread,
    ThreadFile,
    ThreadKind,
    User,
)
from families.visibility import holds
from portal.models import RefusalReason
from portal.reservations.models import (
    AbsenceCertificate,
    AbsenceNotice,
    Activity,
    ActivityDeadline,
    ActivityPaper,
    ActivityText,
    Advance,
    Attendance,
    Audience,
    AudienceAddress,
    AudienceMember,
    Booking,
    BookingEvent,
    CalendarChange,
    Campaign,
    CancelledDay,
    Capacity,
    Closure,
    DayRule,
    DeadlineRule,
    DeadlineWindow,
    Enrolment,
    Establishment,
    Formula,
    LeftDay,
    Lot,
    LotDay,
    MonthlyFigure,
    Move,
    NeededChildren,
    Notice,
    OversightRule,
    Period,
    PeriodOpening,
    PublicHoliday,
    Reservation,
    ReservationLine,
    SchoolClass,
    SchoolHoliday,
    Schooling,
    SchoolYear,
    Slot,
    StaffRight,
    SureOpening,
)
from portal.reservations.states import EnrolmentState

Places = frozenset[int]
# A year's children stay in sight over the summer that follows it.
SUMMER = timedelta(days=92)


@dataclass(frozen=True)
class Asked:
    """Rows of which places, asked for on which day, only to be looked at or not."""

    places: Places
    today: date
    looking: bool


@dataclass(frozen=True)
class Scope:
    """Which rows of a model belong to places. Without `where` they are the town's: all are read, none is
    written. Without `adds` who has some places only makes no new row."""

    where: Callable[[Asked], Q] | None = None
    adds: bool = True

    def allows(self, verb: str) -> bool:
        """Whether a right of this verb counts at all for who has some places only."""
        if self.where is None:
            return verb == "view"
        return self.adds or verb != "add"


def at(*paths: str, adds: bool = True) -> Scope:
    """Rows whose place stands at one of `paths`."""

    def where(asked: Asked) -> Q:
        return Q(*((f"{path}__in", asked.places) for path in paths), _connector=Q.OR)

    return Scope(where, adds)


def children(asked: Asked) -> QuerySet[Child]:
    """The children of places: schooled or enrolled there, in a year that is not long over."""
    since = asked.today - SUMMER
    here = Schooling.objects.filter(
        Q(ends_on=None) | Q(ends_on__gte=since),
        school_class__school__in=asked.places,
        school_year__ends_on__gte=since,
    ).values("child")
    enrolled = (
        Enrolment.objects.filter(establishment__in=asked.places, school_year__ends_on__gte=since)
        .exclude(state=EnrolmentState.REFUSED)
        .values("child")
    )
    return Child.objects.filter(Q(pk__in=here) | Q(pk__in=enrolled))


def of_child(path: str, *, adds: bool = True) -> Scope:
    """Rows of the children of places."""
    return Scope(lambda asked: Q(**{f"{path}__in": children(asked).values("pk")}), adds)


def homes(asked: Asked) -> QuerySet[Custody, Any]:
    """The keys of the households in which those children live today."""
    live = Custody.objects.filter(holds(timezone.localdate()), child__in=children(asked).values("pk"))
    return live.values("household")


def of_household(path: str, *, adds: bool = True) -> Scope:
    """Rows of those households."""
    return Scope(lambda asked: Q(**{f"{path}__in": homes(asked)}), adds)


def _enrolments(asked: Asked) -> Q:
    """At their places, now or soon; where none is chosen yet, of the children of these."""
    undecided = Q(establishment=None, child__in=children(asked).values("pk"))
    return Q(establishment__in=asked.places) | Q(moves_to__in=asked.places) | undecided


def _closures(asked: Asked) -> Q:
    """Of their places and classes; those of the whole town are read."""
    own = Q(establishment__in=asked.places) | Q(establishment=None, school_class__school__in=asked.places)
    return own | Q(establishment=None, school_class=None) if asked.looking else own


def _changes(asked: Asked) -> Q:
    """Those that cancelled days of their places and of no other."""
    others = CancelledDay.objects.exclude(booking__establishment__in=asked.places)
    own = CancelledDay.objects.filter(booking__establishment__in=asked.places)
    return Q(pk__in=own.values("change")) & ~Q(pk__in=others.values("change"))


def _lots(asked: Asked) -> Q:
    """Those with days of their places and of no other."""
    others = LotDay.objects.exclude(establishment=None).exclude(establishment__in=asked.places)
    own = LotDay.objects.filter(establishment__in=asked.places)
    return Q(pk__in=own.values("lot")) & ~Q(pk__in=others.values("lot"))


def _periods(asked: Asked) -> Q:
    """All are read; written are those that take place at theirs and nowhere else."""
    if asked.looking:
        return ~Q(pk__in=())
    tied = Period.establishments.through._default_manager
    own = tied.filter(establishment__in=asked.places)
    others = tied.exclude(establishment__in=asked.places)
    return Q(pk__in=own.values("period")) & ~Q(pk__in=others.values("period"))


def _notices(asked: Asked) -> Q:
    """All are read, as families do; written are those of their places and of no other."""
    if asked.looking:
        return ~Q(pk__in=())
    tied = Notice.places.through._default_manager
    own = tied.filter(establishment__in=asked.places)
    others = tied.exclude(establishment__in=asked.places)
    return Q(pk__in=own.values("notice")) & ~Q(pk__in=others.values("notice"))


def _documents(asked: Asked) -> Q:
    """Of their households, but for certificates and papers of children of other places."""
    own = children(asked).values("pk")
    certificates = AbsenceCertificate.objects.filter(document__isnull=False).exclude(child__in=own)
    papers = Paper.objects.filter(document__isnull=False, child__isnull=False).exclude(child__in=own)
    written = ThreadFile.objects.filter(message__thread__child__isnull=False)
    sent = written.exclude(message__thread__child__in=own)
    others = Q(pk__in=certificates.values("document")) | Q(pk__in=papers.values("document"))
    others |= Q(pk__in=sent.values("document"))
    return Q(household__in=homes(asked)) & ~others


def _of_home_or_child(asked: Asked) -> Q:
    """Of their children, and of those children's households."""
    return Q(child__in=children(asked).values("pk")) | Q(child=None, household__in=homes(asked))


def _messages(asked: Asked) -> Q:
    """Written and sent by who has these places, and no others: whoever has the whole town wrote to more."""
    tied = StaffRight.places.through._default_manager
    here = tied.filter(establishment__in=asked.places).values("staffright__user")
    others = tied.exclude(establishment__in=asked.places).values("staffright__user")
    everywhere = StaffRight.objects.filter(everywhere=True).values("user")
    mine = User.objects.filter(pk__in=here).exclude(pk__in=others).exclude(pk__in=everywhere).values("pk")
    return Q(written_by__in=mine) & (Q(sent_at=None) | Q(sent_by__in=mine))


def _paper_letters(asked: Asked) -> Q:
    """To their households; where a child of other places lives too, only what is written from theirs: a
    letter does not say of which child it is."""
    own = children(asked).values("pk")
    elsewhere = Custody.objects.filter(holds(asked.today)).exclude(child__in=own)
    known = Q(child__in=Schooling.objects.values("child")) | Q(child__in=Enrolment.objects.values("child"))
    written = MessageCopy.objects.filter(message__in=FamilyMessage.objects.filter(_messages(asked)))
    theirs = ~Q(household__in=elsewhere.filter(known).values("household"))
    return Q(household__in=homes(asked)) & (theirs | Q(pk__in=written.values("letter")))


TOWN = Scope()
_scopes: dict[type[Model], Scope] = {
    # Places and their days
    Establishment: at("pk", adds=False),
    SchoolClass: at("school"),
    Schooling: at("school_class__school"),
    Closure: Scope(_closures),
    CalendarChange: Scope(_changes),
    CancelledDay: at("booking__establishment", adds=False),
    Slot: at("establishment"),
    SureOpening: at("establishment"),
    Capacity: at("establishment"),
    MonthlyFigure: at("establishment", adds=False),
    Period: Scope(_periods),
    Notice: Scope(_notices),
    # What families asked for, and who came
    Enrolment: Scope(_enrolments),
    Reservation: at("establishment"),
    ReservationLine: at("reservation__establishment"),
    Booking: at("establishment"),
    BookingEvent: at("booking__establishment"),
    Lot: Scope(_lots),
    LotDay: at("establishment", adds=False),
    Move: of_child("child"),
    LeftDay: of_child("booking__child"),
    Attendance: at("establishment"),
    AbsenceCertificate: of_child("child"),
    AbsenceNotice: of_child("child"),
    # People
    Child: of_child("pk", adds=False),
    ChildHealth: of_child("child"),
    AuthorisedPerson: of_child("child"),
    Custody: of_child("child"),
    DietChoice: of_child("child"),
    HomeDiet: of_child("child"),
    CustodyCalendar: of_child("child"),
    CustodyDates: of_child("calendar__child"),
    Household: of_household("pk", adds=False),
    Guardian: of_household("household"),
    FamilyQuotient: of_household("household"),
    Residence: of_household("household"),
    FormerAddress: of_household("household"),
    AudienceMember: of_household("household"),
    ChangeRequest: of_household("household"),
    Document: Scope(_documents),
    FamilyMessage: Scope(_messages),
    PaperLetter: Scope(_paper_letters, adds=False),
    Paper: Scope(_of_home_or_child),
    TextAnswer: Scope(_of_home_or_child, adds=False),
    Thread: Scope(_of_home_or_child, adds=False),
    HouseholdNote: Scope(_of_home_or_child),
    # What the town decides for all: read at every place, written by who has the whole town
    Activity: TOWN,
    ActivityDeadline: TOWN,
    ActivityPaper: TOWN,
    ActivityText: TOWN,
    Advance: TOWN,
    Audience: TOWN,
    AudienceAddress: TOWN,
    PeriodOpening: TOWN,
    Campaign: TOWN,
    DayRule: TOWN,
    DeadlineRule: TOWN,
    DeadlineWindow: TOWN,
    Formula: TOWN,
    NeededChildren: TOWN,
    OversightRule: TOWN,
    SchoolYear: TOWN,
    PublicHoliday: TOWN,
    SchoolHoliday: TOWN,
    Diet: TOWN,
    PaperKind: TOWN,
    AskedText: TOWN,
    TextVersion: TOWN,
    RefusalReason: TOWN,
    ThreadKind: TOWN,
    ReadyAnswer: TOWN,
}


def register(model: type[Model], scope: Scope) -> None:
    """For an app above, once it is ready: how its rows belong to places."""
    _scopes[model] = scope


def of(model: type[Any]) -> Scope | None:
    """None: whatever is not named belongs to who has the whole town."""
    return _scopes.get(model)
