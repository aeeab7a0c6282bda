"""Grades as the names of classes say them, and a child's own."""

from datetime import date

import pytest

from portal.french import grades
from portal.french.grades import Grade, grade_of, in_words

SEPTEMBER = date(2026, 9, 1)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CE1", [Grade.CE1]),
        ("CM2 B", [Grade.CM2]),
        ("CM1A", [Grade.CM1]),
        ("ce1-ce2 Mme Roy", [Grade.CE1, Grade.CE2]),
        ("CE1CE2", [Grade.CE1, Grade.CE2]),
        ("GS/CP", [Grade.GS, Grade.CP]),
        ("CP – CM 2", [Grade.CP, Grade.CM2]),
        ("Petite section", [Grade.PS]),
        ("Toute petite section", [Grade.TPS]),
        ("Tout-petits et PS", [Grade.TPS, Grade.PS]),
        ("TPS-PS-MS", [Grade.TPS, Grade.PS, Grade.MS]),
        ("CE1 2", [Grade.CE1]),
        ("C.E.2 – Mme Roy", [Grade.CE2]),
        ("Grande section 2", [Grade.GS]),
        ("PS1", [Grade.PS]),
        ("6e B", [Grade.SIXTH]),
        ("6ème", [Grade.SIXTH]),
        ("Les Coccinelles", []),
        ("ULIS", []),
        ("Cprs", []),
        ("CE12", []),
        ("Classe 6", []),
    ],
)
def test_what_the_name_of_a_class_says(name, said):
    assert grades.named(name) == said


def test_grades_take_their_article():
    assert grades.until(Grade.CM2) == "jusqu'au CM2"
    assert grades.until(Grade.SIXTH) == "jusqu'à la 6e"
    assert grades.since(Grade.PS) == "à partir de la petite section"
    assert grades.since(Grade.CP) == "à partir du CP"


@pytest.mark.parametrize(
    ("name", "born", "grade"),
    [
        ("CE1", 2019, "CE1"),
        ("CE1", 2018, "CE1"),  # a year later than most: the class says it
        ("CE1-CE2", 2018, "CE2"),
        ("CE1-CE2", 2019, "CE1"),
        ("Les Papillons", 2022, "moyenne section"),
        ("", 2015, "6e"),
        ("", 2030, ""),
    ],
)
def test_of_several_the_one_of_the_child_s_age(name, born, grade):
    assert in_words(grade_of(name, date(born, 5, 4), SEPTEMBER)) == grade
