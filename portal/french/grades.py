"""Grades of French schools, « petite section » to « 3e »: their order, their articles, and what the
name of a class says."""

import re

from django.db import models


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


# No letter before a short name, no digit, no word after it: « CE1 », « CM1A », but not « ACP » nor « CE12 ».
_SHORT = r"(?<![a-z]){}(?![0-9])(?![a-z]{{2}}(?![0-9]))"
_NAMES = {
    Grade.TPS: (_SHORT.format("tps"), r"(toute|très) petite section", r"tout[- ]petits?"),
    Grade.PS: (_SHORT.format("ps"), r"(?<!toute )(?<!très )petite section"),
    Grade.MS: (_SHORT.format("ms"), r"moyenne section"),
    Grade.GS: (_SHORT.format("gs"), r"grande section"),
    Grade.CP: (_SHORT.format("cp"), r"cours préparatoire"),
    Grade.CE1: (_SHORT.format("ce ?1"), r"cours élémentaire 1"),
    Grade.CE2: (_SHORT.format("ce ?2"), r"cours élémentaire 2"),
    Grade.CM1: (_SHORT.format("cm ?1"), r"cours moyen 1"),
    Grade.CM2: (_SHORT.format("cm ?2"), r"cours moyen 2"),
    Grade.SIXTH: (r"(?<![a-z0-9])6 ?(e|è|ème|eme)(?![a-z])", r"sixième"),
    Grade.FIFTH: (r"(?<![a-z0-9])5 ?(e|è|ème|eme)(?![a-z])", r"cinquième"),
    Grade.FOURTH: (r"(?<![a-z0-9])4 ?(e|è|ème|eme)(?![a-z])", r"quatrième"),
    Grade.THIRD: (r"(?<![a-z0-9])3 ?(e|è|ème|eme)(?![a-z])", r"troisième"),
}
_PATTERNS = {grade: re.compile("|".join(each)) for grade, each in _NAMES.items()}


def named(text: str) -> list[Grade]:
    """The grades that a class's name says, in order: « CE1-CE2 B » says two, « Les Coccinelles » none."""
    said = text.lower()
    return [grade for grade, pattern in _PATTERNS.items() if pattern.search(said)]


def since(grade: Grade) -> str:
    """« à partir du CP », « à partir de la petite section »."""
    return f"à partir de la {grade.label}" if grade.is_feminine else f"à partir du {grade.label}"


def until(grade: Grade) -> str:
    """« jusqu'au CM2 », « jusqu'à la grande section »."""
    return f"jusqu'à la {grade.label}" if grade.is_feminine else f"jusqu'au {grade.label}"
