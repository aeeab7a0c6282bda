"""What a class's name says of its grade: « CE1 », « Grande section 2 », « CP-CE1 ». Pure."""

import re
from datetime import date

from portal.french.spelling import bare

GRADES = (
    "toute petite section", "petite section", "moyenne section", "grande section",
    "CP", "CE1", "CE2", "CM1", "CM2", "6e", "5e", "4e", "3e",
)  # fmt: skip
FIRST_OF_PRIMARY = GRADES.index("CP")
LAST_OF_PRIMARY = GRADES.index("CM2")
# The age that a child of the first grade reaches in the calendar year in which school begins.
_YOUNGEST = 2
_SAID = [
    re.compile(pattern)
    for pattern in (
        r"\b(toutes? petites? sections?|tps)\b", r"(?<!toute )(?<!toutes )\b(petites? sections?|ps)\d?\b",
        r"\b(moyennes? sections?|ms)\d?\b", r"\b(grandes? sections?|gs)\d?\b",
        r"\bc ?p\b", r"\bc ?e ?1", r"\bc ?e ?2", r"\bc ?m ?1", r"\bc ?m ?2",
        r"\b(6 ?e(me)?|sixieme)\b", r"\b(5 ?e(me)?|cinquieme)\b",
        r"\b(4 ?e(me)?|quatrieme)\b", r"\b(3 ?e(me)?|troisieme)\b",
    )
]  # fmt: skip


def grades_in(name: str) -> list[int]:
    """The grades that a class's name says, as places in `GRADES`, lowest first; none where it says none."""
    plain = re.sub(r"[^a-z0-9]+", " ", bare(name))
    return [grade for grade, said in enumerate(_SAID) if said.search(plain)]


def by_birth(born: date, school_begins: date) -> int:
    """The usual grade of a child, in a year that begins on `school_begins`; it may be none of `GRADES`."""
    return school_begins.year - born.year - _YOUNGEST


def grade_of(name: str, born: date, school_begins: date) -> int:
    """The grade of a child in a class of that name: of several, the one nearest to its age; without any, the
    usual one of its age."""
    usual = by_birth(born, school_begins)
    return min(grades_in(name), key=lambda grade: abs(grade - usual), default=usual)


def in_words(grade: int) -> str:
    """« CE1 »; empty for what is none."""
    return GRADES[grade] if 0 <= grade < len(GRADES) else ""
