"""« Préparer l'année »: begun, looked at step by step, carried out in one transaction, taken back.

    turn = begin(before, proposed(before), by=…, at=…)     classes copied; nothing of it holds yet
    answered(turn, part, at=…)                              what a part copies, as proposed or as chosen
    done = carry_out(turn, by=…, at=…)                      all of it; again, only what is missing
    stands_on(turn)                                         why it can no longer be taken back
    take_back(turn, by=…, at=…)
    drop(turn)                                              what was begun goes, with what was chosen

What this floor copies are classes and children. Each kind of dated rows is a `Part` that its own floor
registers: periods and campaigns in `next_periods.py`, tariffs in `billing`. A child's past is never written:
the next class is a new row of the next year.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Model, Q
from django.db.models.deletion import ProtectedError

from families.custody import own
from families.joining import fates
from families.models import Custody, User
from portal import town
from portal.database.trials import trial_rows
from portal.french.plurals import counted
from portal.reservations.acts import ending, enrolling, going_up
from portal.reservations.acts.going_up import Goes, Pupil
from portal.reservations.days.calendars import Holiday
from portal.reservations.days.moved_dates import LONGEST_YEAR, YEAR_OF_WEEKS, MovedDates, Span, renamed
from portal.reservations.models import (
    Closure,
    Enrolment,
    Establishment,
    Move,
    NextClass,
    NextPupil,
    SchoolClass,
    SchoolHoliday,
    Schooling,
    SchoolYear,
    YearTurn,
)

RIGHT = "reservations.add_yearturn"
A_DAY = timedelta(days=1)
A_SUMMER = timedelta(days=40)
# A town that missed a year or two prepares the one to come all the same; a slip makes 2207 of 2027.
LONGEST_GAP = 3 * LONGEST_YEAR
LEFT = "L'enfant quitte les écoles de la commune."
TRIED = "Un foyer d'essai y est inscrit ou y réserve : supprimez-le d'abord."
IS_CARRIED_OUT = "Cette année est préparée : annulez-la d'abord."
NOT_CARRIED_OUT = "Cette année n'est pas préparée : il n'y a rien à annuler."
TWO_AT_ONCE = "Quelqu'un vient d'agir sur cette année : rien n'a été changé, regardez à nouveau."
CHILDREN, CLASSES, YEAR, LEAVERS = "children", "classes", "year", "leavers"


class TurnRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


# What is copied ------------------------------------------------------------------------------------------


@dataclass
class Field:
    """Something of a line that may be chosen otherwise. `kind`: day, moment, text or percent."""

    name: str
    label: str
    kind: str
    value: Any
    required: bool = True


@dataclass
class Line:
    """A row of this year and what would be made of it. `exists` says why nothing is to be made, `note` what
    to look at; without `chosen` it is left out."""

    key: str
    group: str
    label: str
    was: str
    fields: list[Field] = field(default_factory=list)
    chosen: bool = True
    exists: str = ""
    note: str = ""

    @property
    def wanted(self) -> bool:
        return self.chosen and not self.exists

    def value(self, name: str) -> Any:
        return next(one.value for one in self.fields if one.name == name)


@dataclass
class Made:
    """What a part wrote: keys of new rows by kind, and what rows that changed said before."""

    rows: dict[str, list[int]] = field(default_factory=dict)
    was: dict[str, Any] = field(default_factory=dict)

    def add(self, kind: str, *keys: int) -> None:
        self.rows.setdefault(kind, []).extend(keys)

    def of(self, kind: str) -> list[int]:
        return self.rows.get(kind, [])

    @classmethod
    def read(cls, kept: Mapping[str, Any] | None) -> "Made":
        return cls(dict((kept or {}).get("rows", {})), dict((kept or {}).get("was", {})))

    def kept(self) -> dict[str, Any]:
        return {"rows": self.rows, "was": self.was}


class Part:
    """One kind of dated rows. Who holds `RIGHT` has them made: it names them."""

    key = ""
    title = ""
    # What the step is for, and an example of a real town.
    intro = ""
    order = 50
    # « 3 périodes »
    counted: tuple[str, str] = ("", "")

    def lines(self, turn: YearTurn, *, at: datetime) -> list[Line]:
        """What would be made, as proposed. Reads only, in a number of queries that no row adds to."""
        raise NotImplementedError

    def warnings(self, turn: YearTurn, *, at: datetime) -> list[str]:
        """Sentences about what is missing, above the lines."""
        return []

    def carry_out(
        self, turn: YearTurn, year: SchoolYear, lines: Sequence[Line], made: Made, *, by: User, at: datetime
    ) -> int:
        """Makes the lines, and says so in `made`; returns how many."""
        raise NotImplementedError

    def stands_on(self, turn: YearTurn, made: Made) -> list[str]:
        """What forbids to take it back, in sentences."""
        return []

    def take_back(self, turn: YearTurn, made: Made, *, by: User, at: datetime) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Pending:
    """What should be settled before the year ends, and where."""

    sentence: str
    url: str = ""


@dataclass(frozen=True)
class Newcomers:
    """A page of the desk by which children who come to a school for the first time are entered."""

    label: str
    url_name: str
    right: str


# Who reads « à finir avant »: the user, the turn, the moment.
Looks = Callable[[Any, YearTurn, datetime], list[Pending]]
_parts: dict[str, Part] = {}
_looks: list[tuple[int, Looks]] = []
_newcomers: dict[str, Newcomers] = {}


def register(part: Part) -> None:
    """For an app, once it is ready."""
    _parts[part.key] = part


def look_before(order: int, look: Looks) -> None:
    """For an app that knows what should be settled before a year ends."""
    if (order, look) not in _looks:
        _looks.append((order, look))


def bring_newcomers(page: Newcomers) -> None:
    """For an app that reads new pupils from a file."""
    _newcomers[page.url_name] = page


def parts() -> list[Part]:
    return sorted(_parts.values(), key=lambda one: one.order)


def part(key: str) -> Part | None:
    return _parts.get(key)


def newcomers() -> list[Newcomers]:
    return list(_newcomers.values())


def pending(user: Any, turn: YearTurn, at: datetime) -> list[Pending]:
    return [one for _, look in sorted(_looks, key=lambda one: one[0]) for one in look(user, turn, at)]


# Beginning -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proposed:
    """The next year: as the town has written it already (`year`), or as its calendar says."""

    name: str
    starts_on: date
    ends_on: date
    year: SchoolYear | None = None


def ending_year(today: date) -> SchoolYear | None:
    """The year that one would prepare the end of: the last that has begun and has a class."""
    begun = SchoolYear.objects.filter(starts_on__lte=today).order_by("-starts_on")
    return begun.filter(classes__isnull=False).first() or begun.first()


def proposed(before: SchoolYear) -> Proposed:
    there = SchoolYear.objects.filter(starts_on__gt=before.starts_on).order_by("starts_on").first()
    if there is not None:
        return Proposed(there.name, there.starts_on, there.ends_on, there)
    holidays = _holidays(town.current().zone, before.starts_on, before.ends_on + 2 * LONGEST_YEAR)
    # Summers are the holidays that hold the months between two years.
    late = before.ends_on - A_SUMMER / 2
    summers = [one for one in holidays if one.last - one.first >= A_SUMMER and one.first > late]
    starts = summers[0].last + A_DAY if summers else before.starts_on + YEAR_OF_WEEKS
    ends = summers[1].first - A_DAY if len(summers) > 1 else before.ends_on + YEAR_OF_WEEKS
    return Proposed(renamed(before.name, before.starts_on.year), starts, ends)


def _holidays(zone: str, first: date, last: date) -> list[Holiday]:
    rows = SchoolHoliday.objects.filter(zone=zone, ends_on__gte=first, starts_on__lte=last)
    return [Holiday(one.zone, one.name, one.starts_on, one.ends_on) for one in rows.order_by("starts_on")]


def dates_of(turn: YearTurn, zone: str = "") -> MovedDates:
    """Where days of the year that ends go, by the calendar of a zone or of the town; one query."""
    before = Span(turn.before.starts_on, turn.before.ends_on)
    last = turn.starts_on + LONGEST_YEAR
    holidays = _holidays(zone or town.current().zone, before.first, last)
    return MovedDates(before, Span(turn.starts_on, turn.ends_on), holidays)


def name_then(turn: YearTurn, text: str) -> str:
    """A name, or a code, that says the year that ends, of the next."""
    begun = turn.before.starts_on.year
    return renamed(text, begun, turn.starts_on.year - begun)


@transaction.atomic
def begin(before: SchoolYear, asked: Proposed, *, by: User, at: datetime) -> YearTurn:
    """The preparation of the year after `before`, with this year's classes copied; the one that stands where
    there is one. Raises TurnRefused."""
    known = YearTurn.objects.filter(before=before).first()
    if known is not None:
        return known
    if asked.starts_on <= before.ends_on:
        raise TurnRefused(f"L'année suivante commence après le dernier jour de {before}.")
    if asked.year is None and asked.starts_on - before.ends_on > LONGEST_GAP:
        raise TurnRefused(f"Vérifiez l'année : ce premier jour vient longtemps après la fin de {before}.")
    if asked.year is None and asked.ends_on - asked.starts_on > LONGEST_YEAR:
        raise TurnRefused("Vérifiez l'année du dernier jour : une année scolaire dure un an au plus.")
    if asked.year is None and SchoolYear.objects.filter(name=asked.name).exists():
        raise TurnRefused(f"L'année {asked.name} existe déjà, à d'autres dates.")
    turn = YearTurn(
        before=before,
        year=asked.year,
        name=asked.name,
        starts_on=asked.starts_on,
        ends_on=asked.ends_on,
        begun_at=at,
        begun_by=by,
    )
    turn.full_clean(exclude=["answers", "seen", "made"])
    turn.save()
    _copy_classes(turn)
    return turn


def _copy_classes(turn: YearTurn) -> None:
    """Those of this year under the same name, and those that the next year has already."""
    rows = SchoolClass.objects.filter(school_year=turn.before, school__active=True)
    known_already = SchoolClass.objects.filter(school_year__isnull=False, school_year=turn.year_id)
    there = {(one.school_id, one.name): one for one in known_already}
    copies = []
    for one in rows.order_by("pk"):
        known = there.pop((one.school_id, one.name), None)
        copies.append(
            NextClass(
                turn=turn, school_id=one.school_id, name=one.name, level=one.level,
                copied_from=one, school_class=known,
            )
        )  # fmt: skip
    copies += [
        NextClass(turn=turn, school_id=one.school_id, name=one.name, level=one.level, school_class=one)
        for one in there.values()
    ]
    NextClass.objects.bulk_create(copies)


@dataclass(frozen=True)
class Room:
    """A class as somebody wants it next year; without `row` a new one."""

    school: Establishment
    name: str
    level: str
    row: NextClass | None = None


@transaction.atomic
def arrange(turn: YearTurn, rooms: Sequence[Room]) -> None:
    """The classes of the next year are these. Those that exist already stay as they are; where children were
    sent by hand into one that goes, they go as proposed. Raises TurnRefused for two of one name."""
    _hold(turn)
    named = [(one.school.pk, one.name.casefold()) for one in rooms]
    standing = turn.classes.filter(school_class__isnull=False)
    named += [(school, name.casefold()) for school, name in standing.values_list("school", "name")]
    if twice := next((one for one in rooms if named.count((one.school.pk, one.name.casefold())) > 1), None):
        raise TurnRefused(f"{twice.school} aurait deux classes « {twice.name} ».")
    kept = {one.row.pk for one in rooms if one.row is not None}
    turn.classes.filter(school_class=None).exclude(pk__in=kept).delete()
    changed = []
    for one in rooms:
        if one.row is not None:
            # Two that swap their names meet nobody on the way.
            one.row.name, one.row.level = f"{one.name[:40]} ({one.row.pk})", one.level
            changed.append(one.row)
    NextClass.objects.bulk_update(changed, ["name", "level"])
    for one in rooms:
        if one.row is not None:
            one.row.name = one.name
    NextClass.objects.bulk_update(changed, ["name"])
    NextClass.objects.bulk_create(
        NextClass(turn=turn, school=one.school, name=one.name, level=one.level)
        for one in rooms
        if one.row is None
    )


# What was chosen -----------------------------------------------------------------------------------------


def answered(turn: YearTurn, part: Part, *, at: datetime) -> list[Line]:
    """The lines of a part, with what was chosen otherwise."""
    chosen = turn.answers.get(part.key, {})
    lines = part.lines(turn, at=at)
    for line in lines:
        said = chosen.get(line.key)
        if said is None:
            continue
        line.chosen = bool(said.get("chosen", line.chosen))
        for one in line.fields:
            if one.name in said:
                one.value = _read(one, said[one.name])
    return lines


def _read(of: Field, text: Any) -> Any:
    """A value as `answer` kept it; what is not readable is as proposed."""
    try:
        match of.kind:
            case "day":
                return date.fromisoformat(text) if text else None
            case "moment":
                return datetime.fromisoformat(text) if text else None
            case "percent":
                return Decimal(text)
    except (ValueError, TypeError, InvalidOperation):
        return of.value
    return text or of.value


@transaction.atomic
def answer(turn: YearTurn, key: str, said: Mapping[str, Mapping[str, Any]]) -> None:
    """Keeps what was chosen of a part: by line, whether, and its fields."""
    held = _hold(turn)
    held.answers = held.answers | {
        key: {
            line: {name: _written(value) for name, value in values.items()} for line, values in said.items()
        }
    }
    held.save(update_fields=["answers"])
    turn.answers = held.answers


def _written(value: Any) -> Any:
    if isinstance(value, date):  # a moment is one too
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


@transaction.atomic
def see(turn: YearTurn, step: str) -> None:
    """Somebody has been through a step."""
    held = _hold(turn)
    if step not in held.seen:
        held.seen = [*held.seen, step]
        held.save(update_fields=["seen"])
    turn.seen = held.seen


@dataclass(frozen=True)
class Way:
    """Where a child goes, chosen by hand; None of all: as proposed."""

    goes: Goes | None = None
    next_class: NextClass | None = None
    last_day: date | None = None


@transaction.atomic
def send(turn: YearTurn, ways: Mapping[int, Way], *, by: User, at: datetime) -> int:
    """Keeps where children (keys) go that somebody chose by hand; returns how many changed. Raises
    OwnHousehold for a parent among the staff."""
    _hold(turn)
    known = {one.child_id: one for one in turn.pupils.filter(child__in=ways)}
    dropped: list[NextPupil] = []
    new: list[NextPupil] = []
    other: list[NextPupil] = []
    for child, way in ways.items():
        one = known.get(child)
        if way.goes is None:
            if one is not None and one.by_hand:
                dropped.append(one)
            continue
        one = one or NextPupil(turn=turn, child_id=child)
        before = one.by_hand, one.goes, one.next_class_id, one.last_day
        one.goes, one.next_class, one.last_day, one.by_hand = way.goes, way.next_class, way.last_day, True
        one.attended = None  # said once it is carried out
        if one.pk is None:
            new.append(one)
        elif before != (True, one.goes, one.next_class_id, one.last_day):
            other.append(one)
    changed = [one.child_id for one in (*dropped, *new, *other)]
    if changed and own.households_of(by):
        homes = Custody.objects.filter(child__in=changed).values_list("household", flat=True)
        own.check(by, set(homes), right=RIGHT, at=at)
    NextPupil.objects.filter(pk__in=[one.pk for one in dropped], schooling=None).delete()
    NextPupil.objects.bulk_create(new, batch_size=1000)
    fields = ["goes", "next_class", "last_day", "by_hand", "attended"]
    NextPupil.objects.bulk_update(other, fields, batch_size=500)
    return len(changed)


def join(children: Mapping[int, int]) -> None:
    """Of a child typed twice (by key, the child that it is) one way is left: the child's own, or else the
    double's."""
    fates.rename_new(NextPupil.objects.all(), "child", children, ("turn",))
    NextPupil.objects.filter(child__in=children).delete()


# Carried out ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Done:
    """What was written: numbers of children, classes and lines of parts, and enrolments that leavers keep."""

    children: int
    classes: int
    lines: list[tuple[Part, int]]
    ends_left: int

    @property
    def sentence(self) -> str:
        found = [
            counted(self.children, "enfant a sa classe", "enfants ont leur classe"),
            counted(self.classes, "classe créée", "classes créées"),
        ]
        found += [counted(count, *part.counted) for part, count in self.lines if count]
        return ", ".join(found)


def carry_out(turn: YearTurn, *, by: User, at: datetime) -> Done:
    """Writes the year, its classes, the class of each child and what the parts copy, in one transaction; done
    again, what is missing only. Raises TurnRefused, and then nothing is written."""
    try:
        with transaction.atomic():
            return _carry_out(_hold(turn), by, at)
    except IntegrityError as error:
        raise TurnRefused(TWO_AT_ONCE) from error


def _carry_out(turn: YearTurn, by: User, at: datetime) -> Done:
    year = _year_of(turn)
    classes = _make_classes(turn, year)
    children, ends_left = _send_children(turn, year, by, at)
    lines = []
    for one in parts():
        made = Made.read(turn.made.get(one.key))
        wanted = [line for line in answered(turn, one, at=at) if line.wanted]
        lines.append((one, one.carry_out(turn, year, wanted, made, by=by, at=at)))
        turn.made[one.key] = made.kept()
    if turn.carried_at is None:
        # Done again, what was done first stays the day since when families may have acted.
        turn.carried_at, turn.carried_by = at, by
    turn.undone_at = turn.undone_by = None
    turn.save()
    return Done(children, classes, lines, ends_left)


def _hold(turn: YearTurn) -> YearTurn:
    rows = YearTurn.objects.select_for_update(of=("self",), no_key=True).select_related("before", "year")
    return rows.get(pk=turn.pk)


def _year_of(turn: YearTurn) -> SchoolYear:
    known = going_up.next_year(turn)
    if known is None:
        known = SchoolYear(name=turn.name, starts_on=turn.starts_on, ends_on=turn.ends_on)
        known.full_clean()
        known.save()
        turn.made[YEAR] = Made({YEAR: [known.pk]}).kept()
    turn.year = known
    return known


def _make_classes(turn: YearTurn, year: SchoolYear) -> int:
    there = {(one.school_id, one.name): one for one in SchoolClass.objects.filter(school_year=year)}
    waiting = list(turn.classes.filter(school_class=None))
    new = []
    for one in waiting:
        known = there.get((one.school_id, one.name))
        if known is None:
            known = SchoolClass(school_id=one.school_id, school_year=year, name=one.name, level=one.level)
            new.append(known)
        one.school_class = known
    SchoolClass.objects.bulk_create(new, batch_size=1000)
    NextClass.objects.bulk_update(waiting, ["school_class"], batch_size=500)
    made = Made.read(turn.made.get(CLASSES))
    made.add(CLASSES, *(one.pk for one in new))
    turn.made[CLASSES] = made.kept()
    return len(new)


def _send_children(turn: YearTurn, year: SchoolYear, by: User, at: datetime) -> tuple[int, int]:
    """Returns how many children have their class now, and how many enrolments of leavers were left."""
    pupils = going_up.read(turn)
    there = {
        one.child.pk: one.next_class.school_class
        for one in pupils
        if one.told is None and one.next_class is not None and one.next_class.school_class is not None
    }
    written = enrolling.attend_many(there, year)
    known = {one.child_id: one for one in turn.pupils.all()}
    new: list[NextPupil] = []
    other: list[NextPupil] = []
    for one in pupils:
        if one.told is not None:
            continue
        row = known.get(one.child.pk) or NextPupil(turn=turn, child=one.child)
        row.goes, row.next_class, row.attended = one.goes, one.next_class, one.attended
        row.schooling_id = written.get(one.child.pk)
        (other if row.pk else new).append(row)
    NextPupil.objects.bulk_create(new, batch_size=1000)
    NextPupil.objects.bulk_update(other, ["goes", "next_class", "attended", "schooling"], batch_size=500)
    eve = year.starts_on - A_DAY
    leave = {
        one.child.pk: one.last_day or eve
        for one in pupils
        if one.by_hand and one.told is None and one.goes == Goes.LEAVES
    }
    made = Made.read(turn.made.get(LEAVERS))
    _let_stay(made, leave, by)
    found = ending.end_of_leavers(leave, turn.before, reason=LEFT, by=by, at=at)
    made.was |= {str(key): _written(last) for key, last in found.ended.items()}
    turn.made[LEAVERS] = made.kept()
    return len(written), found.left


def _let_stay(made: Made, leave: Mapping[int, date], by: User) -> None:
    """Enrolments that were ended when it was carried out before, of children who stay after all or leave on
    another day, have the last day that they had before."""
    if not made.was:
        return
    ended = Enrolment.objects.filter(pk__in=map(int, made.was)).values_list("pk", "child_id", "ends_on")
    otherwise = {str(key) for key, child, last in ended if leave.get(child) != last}
    ending.take_back_ends(_ends({key: made.was.pop(key) for key in otherwise}), reason=LEFT, by=by)


def _ends(kept: Mapping[str, str | None]) -> dict[int, date | None]:
    """Last days of enrolments as they were kept in JSON."""
    return {int(key): date.fromisoformat(last) if last else None for key, last in kept.items()}


# Taken back ----------------------------------------------------------------------------------------------


def stands_on(turn: YearTurn) -> list[str]:
    """What forbids to take the year back, in sentences: families have acted, or something is billed."""
    if not turn.is_carried_out or turn.year is None:
        return [NOT_CARRIED_OUT]
    year = turn.year
    classes = Made.read(turn.made.get(CLASSES)).of(CLASSES)
    found = []
    since = _told_since(turn, classes)
    counts = (
        (
            Enrolment.objects.filter(school_year=year, requested_at__gte=turn.carried_at).count(),
            "inscription est demandée",
            "inscriptions sont demandées",
            f"pour {year}",
        ),
        (
            since,
            "enfant a une classe indiquée",
            "enfants ont une classe indiquée",
            "depuis, par sa famille, la mairie ou un fichier",
        ),
        (
            Move.objects.filter(school_class__in=classes).count(),
            "changement de classe est demandé",
            "changements de classe sont demandés",
            f"en {year}",
        ),
        (
            Closure.objects.filter(school_class__in=classes).count(),
            "fermeture concerne",
            "fermetures concernent",
            f"une classe de {year}",
        ),
        (
            others_of_the_year(turn, SchoolClass, classes),
            "classe a été ajoutée",
            "classes ont été ajoutées",
            f"à {year} sur une autre page",
        ),
    )
    found += [f"{counted(count, one, many)} {more}." for count, one, many, more in counts if count]
    if _is_tried(turn, classes):
        found.append(TRIED)
    for one in parts():
        found += one.stands_on(turn, Made.read(turn.made.get(one.key)))
    return list(dict.fromkeys(found))


def _made_the_year(turn: YearTurn) -> bool:
    """Whether the year itself goes when it is taken back."""
    return turn.year is not None and bool(Made.read(turn.made.get(YEAR)).of(YEAR))


def others_of_the_year(turn: YearTurn, model: type[Model], made: Collection[int]) -> int:
    """How many rows of the year others made, which would go with it; none where the year stays."""
    if not _made_the_year(turn):
        return 0
    return model._default_manager.filter(school_year=turn.year).exclude(pk__in=made).count()


def _is_tried(turn: YearTurn, classes: Collection[int]) -> bool:
    """Whether a trial household, which no other reader counts, holds the year or a class made with it."""
    if trial_rows(Schooling).filter(school_class__in=classes).exists():
        return True
    if not _made_the_year(turn):
        return False
    return any(trial_rows(model).filter(school_year=turn.year).exists() for model in (Schooling, Enrolment))


def _told_since(turn: YearTurn, classes: Iterable[int]) -> int:
    """Schoolings of the classes made that the turn did not write, or that changed since."""
    ours = turn.pupils.filter(schooling__isnull=False)
    changed = ours.filter(
        ~Q(schooling__school_class=F("next_class__school_class"))
        | Q(schooling__ends_on__isnull=False)
        | Q(schooling__starts_on__isnull=False)
    )
    others = Schooling.objects.filter(school_class__in=classes).exclude(pk__in=ours.values("schooling"))
    return others.count() + changed.count()


def take_back(turn: YearTurn, *, by: User, at: datetime) -> None:
    """Everything is as before; what was chosen stays, so that it can be carried out otherwise. Raises
    TurnRefused with what stands on it."""
    try:
        with transaction.atomic():
            _take_back(_hold(turn), by, at)
    except (IntegrityError, ProtectedError) as error:
        raise TurnRefused(TWO_AT_ONCE) from error


def _take_back(turn: YearTurn, by: User, at: datetime) -> None:
    if hindrances := stands_on(turn):
        raise TurnRefused(" ".join(hindrances))
    for one in reversed(parts()):
        one.take_back(turn, Made.read(turn.made.get(one.key)), by=by, at=at)
    ending.take_back_ends(_ends(Made.read(turn.made.get(LEAVERS)).was), reason=LEFT, by=by)
    Schooling.objects.filter(pk__in=turn.pupils.values("schooling")).delete()
    turn.pupils.filter(by_hand=False).delete()
    SchoolClass.objects.filter(pk__in=Made.read(turn.made.get(CLASSES)).of(CLASSES)).delete()
    years = Made.read(turn.made.get(YEAR)).of(YEAR)
    turn.made, turn.carried_at, turn.carried_by = {}, None, None
    turn.undone_at, turn.undone_by = at, by
    if years:
        turn.year = None
    turn.save()
    SchoolYear.objects.filter(pk__in=years).delete()


@transaction.atomic
def drop(turn: YearTurn) -> None:
    """Begun by mistake, or to be begun anew with other dates: nothing of it holds yet, and what was chosen
    goes. Raises TurnRefused for one that is carried out."""
    held = _hold(turn)
    if held.is_carried_out:
        raise TurnRefused(IS_CARRIED_OUT)
    held.delete()


# What comes of it, by school -----------------------------------------------------------------------------


@dataclass
class OfSchool:
    """The children of a school's classes, and where they go."""

    name: str
    children: int = 0
    up: int = 0
    stays: int = 0
    elsewhere: int = 0
    leaves: int = 0
    open: int = 0
    told: int = 0
    to_look_at: int = 0


def by_school(pupils: Iterable[Pupil]) -> list[OfSchool]:
    """Each child counted once among up, stays, elsewhere, leaves and open."""
    found: dict[int, OfSchool] = {}
    for one in pupils:
        row = found.setdefault(one.attended.school_id, OfSchool(one.attended.school.name))
        row.children += 1
        row.told += one.told is not None
        row.to_look_at += bool(one.note) and one.goes == Goes.CLASS
        if one.goes == Goes.LEAVES:
            row.leaves += 1
        elif one.goes == Goes.OPEN:
            row.open += 1
        elif one.is_moving_school:
            row.elsewhere += 1
        elif one.stays:
            row.stays += 1
        else:
            row.up += 1
    return list(found.values())
