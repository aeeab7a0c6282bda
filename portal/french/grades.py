"""Grades of French schools, « petite section » to « 3e »: their order, their articles, what the name of a
class says, and the one that a child of an age is usually in."""

import re
from datetime import date

from django.db import models

from portal.french.spelling import bare


class Grade(models.IntegerChoices):
    """From nursery to the end of lower secondary school, in order."""

    TPS = 1, "toute petite section"
    PS = 2, "petite section"
    MS = 3, "moyenne section"
    GS = 4, "grande section"
    CP = 5, "CP"
    CE1 = 6, "CE1"
    CE2 = 7, "CE2"
    CM1 = 8, "CM1"
    CM2 = 9, "CM2"
    SIXTH = 10, "6e"
    FIFTH = 11, "5e"
    FOURTH = 12, "4e"
    THIRD = 13, "3e"

    @property
    def is_feminine(self) -> bool:
        """« la petite section », « la 6e », but « le CP »."""
        return not Grade.CP <= self <= Grade.CM2


# The age that a child of the grade before the first reaches in the calendar year in which school begins.
_BELOW = 1
# No letter before a short name, no digit, no word after it: « CE1 », « CM1A », « C.P. », but not « ACP »,
# « Cprs » nor « CE12 ». Sections are numbered: « GS 2 », « PS1 ».
_SHORT = r"(?<![a-z]){}(?![0-9])(?![a-z]{{2}}(?![0-9]))"
_NUMBERED = r"(?<![a-z]){}[0-9]?(?![0-9])(?![a-z]{{2}}(?![0-9]))"
_COLLEGE = r"(?<![a-z0-9]){} ?(e|eme)(?![a-z])"
# Of names without marks, with spaces for all that is no letter or digit.
_NAMES = {
    Grade.TPS: (_NUMBERED.format("tps"), r"(toutes?|tres) petites? sections?", r"tout petits?"),
    Grade.PS: (_NUMBERED.format("ps"), r"(?<!toute )(?<!toutes )(?<!tres )petites? sections?"),
    Grade.MS: (_NUMBERED.format("ms"), r"moyennes? sections?"),
    Grade.GS: (_NUMBERED.format("gs"), r"grandes? sections?"),
    Grade.CP: (_SHORT.format("c ?p"), r"cours preparatoire"),
    Grade.CE1: (_SHORT.format("c ?e ?1"), r"cours elementaire 1"),
    Grade.CE2: (_SHORT.format("c ?e ?2"), r"cours elementaire 2"),
    Grade.CM1: (_SHORT.format("c ?m ?1"), r"cours moyen 1"),
    Grade.CM2: (_SHORT.format("c ?m ?2"), r"cours moyen 2"),
    Grade.SIXTH: (_COLLEGE.format("6"), r"sixieme"),
    Grade.FIFTH: (_COLLEGE.format("5"), r"cinquieme"),
    Grade.FOURTH: (_COLLEGE.format("4"), r"quatrieme"),
    Grade.THIRD: (_COLLEGE.format("3"), r"troisieme"),
}
_PATTERNS = {grade: re.compile("|".join(each)) for grade, each in _NAMES.items()}


def named(text: str) -> list[Grade]:
    """The grades that a class's name says, in order: « CE1-CE2 B » says two, « Les Coccinelles » none."""
    said = re.sub(r"[^a-z0-9]+", " ", bare(text))
    return [grade for grade, pattern in _PATTERNS.items() if pattern.search(said)]


def beside(text: str) -> str:
    """What a class's name says besides its grades: « b » of « CE1-CE2 B », nothing of « CM1 »."""
    said = re.sub(r"[^a-z0-9]+", " ", bare(text))
    for pattern in _PATTERNS.values():
        said = pattern.sub(" ", said)
    return " ".join(said.split())


def by_birth(born: date, school_begins: date) -> int:
    """The usual grade of a child, in a year that begins on `school_begins`; it may be no `Grade`."""
    return school_begins.year - born.year - _BELOW


def birth_year(grade: int, school_begins: date) -> int:
    """The year in which a child of that grade is usually born, in a school year that begins then."""
    return school_begins.year - grade - _BELOW


def grade_of(name: str, born: date, school_begins: date) -> int:
    """The grade of a child in a class of that name: of several, the one nearest to its age; without any, the
    usual one of its age."""
    usual = by_birth(born, school_begins)
    return min(map(int, named(name)), key=lambda grade: abs(grade - usual), default=usual)


def in_words(grade: int) -> str:
    """« CE1 »; empty for what is none."""
    return str(Grade(grade).label) if grade in Grade else ""


def since(grade: Grade) -> str:
    """« à partir du CP », « à partir de la petite section »."""
    return f"à partir de la {grade.label}" if grade.is_feminine else f"à partir du {grade.label}"


def between(first: int | None, last: int | None) -> str:
    """« du CP au CE2 », « de la petite section à la grande section », « jusqu'au CM2 », « CP »."""
    if first is None or last is None:
        one = first if last is None else last
        if one is None:
            return ""
        return since(Grade(one)) if last is None else until(Grade(one))
    if first == last:
        return str(Grade(first).label)
    start = f"de la {Grade(first).label}" if Grade(first).is_feminine else f"du {Grade(first).label}"
    end = f"à la {Grade(last).label}" if Grade(last).is_feminine else f"au {Grade(last).label}"
    return f"{start} {end}"


def until(grade: Grade) -> str:
    """« jusqu'au CM2 », « jusqu'à la grande section »."""
    return f"jusqu'à la {grade.label}" if grade.is_feminine else f"jusqu'au {grade.label}"
