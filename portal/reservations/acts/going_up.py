"""Where children go when a school year ends: a grade up, in the class of the next year that teaches it.

    pupils = read(turn)                     every child of this year's classes, once, in six queries
    school_above(grade, school, teaching)   the one answer of this and of « Réinscrire »

What somebody chose by hand counts before what is proposed, and the class that is told already (by a family,
by a file) before both. Only reads.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from families.models import Child
from portal.french.grades import Grade, beside, grade_of, in_words, named
from portal.reservations.models import (
    Establishment,
    NextClass,
    NextPupil,
    SchoolClass,
    Schooling,
    SchoolYear,
    YearTurn,
)
from portal.reservations.models.calendar import GRADES_OF

Goes = NextPupil.Goes


def grade_after(attended: str, born: date, begun: date) -> int:
    """The grade of the year after, of a child in a class of that name in a year that began on `begun`."""
    return 1 + grade_of(attended, born, begun)


@dataclass(frozen=True)
class SchoolAbove:
    """`school` is None where nobody can say which; `leaves`: the town has no school of that grade."""

    school: Establishment | None
    leaves: bool = False


def school_above(
    grade: int, school: Establishment | None, teaching: Mapping[Establishment, Collection[int]]
) -> SchoolAbove:
    """The school of a child's next grade: its own where that teaches it, else the only one that does.
    `teaching` are the grades of each."""
    there = [one for one, grades in teaching.items() if grade in grades]
    if not there and grade > Grade.CM2:
        return SchoolAbove(None, leaves=True)
    if school in there:
        return SchoolAbove(school)
    return SchoolAbove(there[0] if len(there) == 1 else None)


def taught(one: NextClass | SchoolClass) -> set[int]:
    """The grades of a class, one by one: « CE1-CM1 » has no CE2."""
    said = named(one.name)
    if said:
        return set(map(int, said))
    low, high = GRADES_OF[SchoolClass.Level(one.level)]
    return set(range(low, high + 1))


@dataclass
class Pupil:
    """A child of this year's classes, and where it goes. `told` is the class of next year that is known
    already; `note` what an agent should look at."""

    child: Child
    attended: SchoolClass
    grade: int
    goes: Goes = Goes.OPEN
    next_class: NextClass | None = None
    told: SchoolClass | None = None
    last_day: date | None = None
    by_hand: bool = False
    note: str = ""

    @property
    def stays(self) -> bool:
        """Whether it does the same grade again."""
        there = self.told or self.next_class
        return there is not None and self.grade in taught(there) and self.grade + 1 not in taught(there)

    @property
    def then(self) -> str:
        """« CE2, École du Moulin-Vert », « quitte… »."""
        if self.told is not None:
            return str(self.told)
        return str(self.next_class) if self.next_class else Goes(self.goes).label

    @property
    def grade_said(self) -> str:
        return in_words(self.grade)

    @property
    def is_moving_school(self) -> bool:
        there = self.told or self.next_class
        return there is not None and there.school_id != self.attended.school_id


def read(turn: YearTurn, classes: Collection[int] | None = None) -> list[Pupil]:
    """Every child of the classes of the year that ends, by school, class and name: once each. `classes`
    (keys) keeps some of them; where a class shares its children out over two, all are looked at."""
    rooms = Rooms(turn.classes.select_related("school"))
    by_hand = {
        one.child_id: one for one in turn.pupils.filter(by_hand=True).select_related("next_class__school")
    }
    told: dict[int, SchoolClass] = {}
    year = next_year(turn)
    if year is not None:
        told = {
            one.child_id: one.school_class
            for one in Schooling.objects.current()
            .filter(school_year=year)
            .select_related("school_class__school")
        }
    found = []
    for row in attending(turn.before):
        child, attended = row.child, row.school_class
        grade = grade_of(attended.name, child.birth_date, turn.before.starts_on)
        pupil = Pupil(child, attended, grade)
        hand = by_hand.get(child.pk)
        if (known := told.get(child.pk)) is not None:
            pupil.told, pupil.goes = known, Goes.CLASS
            pupil.next_class = rooms.of(known)
        elif hand is not None:
            pupil.goes, pupil.next_class = Goes(hand.goes), hand.next_class
            pupil.last_day, pupil.by_hand = hand.last_day, True
        else:
            rooms.propose(pupil)
        if classes is None or attended.pk in classes:
            found.append(pupil)
    return found


def attending(year: SchoolYear) -> Iterable[Schooling]:
    """The class that each child is in as the year ends."""
    return (
        Schooling.objects.current()
        .filter(school_year=year, child__erased_at=None, child__joined_to=None)
        .select_related("child", "school_class__school")
        .order_by(
            "school_class__school__name",
            "school_class__level",
            "school_class__name",
            "child__last_name",
            "child__first_name",
            "child",
        )
    )


def next_year(turn: YearTurn) -> SchoolYear | None:
    """The year that is prepared, where the town has it already: made by the turn, or before it."""
    if turn.year_id is not None:
        return turn.year
    return SchoolYear.objects.filter(name=turn.name).first()


class Rooms:
    """The classes of the next year, and how many children each was given so far."""

    def __init__(self, classes: Iterable[NextClass]) -> None:
        self.classes = list(classes)
        self.given: Counter[int] = Counter()
        self.teaching: dict[Establishment, set[int]] = defaultdict(set)
        self._there: dict[tuple[int, int], list[NextClass]] = defaultdict(list)
        for one in self.classes:
            for grade in taught(one):
                self._there[one.school_id, grade].append(one)
                self.teaching[one.school].add(grade)

    def of(self, school_class: SchoolClass) -> NextClass | None:
        return next((one for one in self.classes if one.school_class_id == school_class.pk), None)

    def propose(self, pupil: Pupil) -> None:
        """Says in the pupil where it goes: of several classes that teach its next grade first its own going
        on, then the one that bears the same letter or teacher, then the one with fewest children."""
        grade, now = pupil.grade + 1, pupil.attended
        above = school_above(grade, now.school, self.teaching)
        if above.leaves:
            pupil.goes, pupil.note = Goes.LEAVES, f"entre en {in_words(grade) or '6e'}"
            return
        if above.school is None:
            several = any(grade in grades for grades in self.teaching.values())
            what = in_words(grade) or "classe suivante"
            pupil.note = f"plusieurs écoles ont un niveau {what}" if several else f"aucune classe : {what}"
            return
        fitting = self._there[above.school.pk, grade]
        same = [one for one in fitting if one.copied_from_id == now.pk]
        alike = [one for one in fitting if beside(one.name) == beside(now.name)]
        pool = same or (alike if len(alike) == 1 else fitting)
        pupil.goes = Goes.CLASS
        pupil.next_class = min(pool, key=lambda one: (self.given[one.pk], one.name, one.pk))
        self.given[pupil.next_class.pk] += 1
        if len(pool) > 1:
            pupil.note = "plusieurs classes possibles"
        elif above.school != now.school:
            pupil.note = "change d'école"
