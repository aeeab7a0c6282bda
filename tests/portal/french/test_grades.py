"""Grades as the names of classes say them."""

import pytest

from portal.french import grades
from portal.french.grades import Grade


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
