"""What the name of a class says of its grade."""

from datetime import date

import pytest

from portal.reservations.models.grades import GRADES, grade_of, grades_in, in_words

SEPTEMBER = date(2026, 9, 1)


@pytest.mark.parametrize(
    ("name", "grades"),
    [
        ("CE1", ["CE1"]),
        ("CE1 2", ["CE1"]),
        ("C.E.2 – Mme Roy", ["CE2"]),
        ("CM1/CM2 B", ["CM1", "CM2"]),
        ("Grande section", ["grande section"]),
        ("PS-MS", ["petite section", "moyenne section"]),
        ("Toute petite section", ["toute petite section"]),
        ("GS / CP", ["grande section", "CP"]),
        ("6ème B", ["6e"]),
        ("ULIS", []),
        ("Les Papillons", []),
    ],
)
def test_the_grades_of_a_name(name: str, grades: list[str]):
    assert [GRADES[one] for one in grades_in(name)] == grades


@pytest.mark.parametrize(
    ("name", "born", "grade"),
    [
        ("CE1", 2019, "CE1"),
        ("CE1", 2018, "CE1"),  # a year later than most: the class says it
        ("CE1-CE2", 2018, "CE2"),
        ("CE1-CE2", 2019, "CE1"),
        ("Les Papillons", 2022, "moyenne section"),
        ("", 2015, "6e"),
    ],
)
def test_of_several_the_one_of_the_child_s_age(name: str, born: int, grade: str):
    assert in_words(grade_of(name, date(born, 5, 4), SEPTEMBER)) == grade
