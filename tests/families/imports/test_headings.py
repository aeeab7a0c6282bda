"""Which column is which, in the files that towns have."""

import pytest

from families.imports import headings
from portal.files import sheets
from portal.files.sheets import Refused, Row
from tests import ROOT


def table(name: str) -> headings.Table:
    return headings.find(sheets.read((ROOT / "tests/data/imports" / name).read_bytes()))


def keys(name: str) -> set[str]:
    """What is recognised of a stored file."""
    return set(headings.propose(table(name).titles).values())


CHILD = {"child.last_name", "child.first_name", "child.birth_date"}
HOME = {"home.street", "home.postcode", "home.city"}
ADULT = {"adult.last_name", "adult.first_name"}
REACHED = {"adult.phone", "adult.email"}


@pytest.mark.parametrize("name", ["be1d-eleves.csv", "onde-eleves.csv"])
def test_the_pupils_of_the_state_old_and_new(name):
    second = {"home2.street", "home2.postcode", "home2.city"}
    assert CHILD | HOME | second | {"child.usage_name", "school.class"} <= keys(name)


def test_the_pupils_number_is_the_states():
    found = table("onde-eleves.csv")
    said = {found.titles[place]: key for place, key in headings.propose(found.titles).items()}
    assert said["INE"] == "child.number" and "Identifiant classe" not in said


def test_the_adults_of_the_state_repeat_their_children_to_the_right():
    found = keys("onde-responsables.csv")
    assert ADULT | REACHED | {"adult.usage_name", "adult.phone_home", "adult.phone_work"} <= found
    assert {"child.last_name", "child.first_name", "child2.last_name", "child2.first_name"} <= found


def test_a_line_that_names_two_children_is_two_records():
    found = table("onde-responsables.csv")
    columns = headings.propose(found.titles)
    row = next(found.rows)
    records = headings.split(row, columns)
    assert [(one.values["child.first_name"], one.values["adult.first_name"]) for one in records] == [
        ("Lou", "Anne"),
        ("Tom", "Anne"),
    ]
    assert len(headings.split(Row(8, row.cells[:12]), columns)) == 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "parascol.csv",
            CHILD | HOME | ADULT | REACHED | {"family.number", "adult2.last_name", "adult2.email"},
        ),
        ("bl-enfance.csv", HOME | ADULT | REACHED | {"family.number", "adult2.last_name", "adult2.phone"}),
        ("cerig.csv", CHILD | HOME | ADULT | REACHED | {"child.number", "adult2.last_name"}),
        ("iloise.csv", HOME | ADULT | REACHED),
        ("noethys.csv", HOME | {"family.number", "person.civility", "person.last_name", "person.birth_date"}),
        ("tableau.csv", CHILD | {"school.class", "school.name"}),
    ],
)
def test_the_files_of_usual_programs_are_recognised(name, expected):
    assert expected <= keys(name)


def test_of_a_person_a_line_the_civility_says_who_is_a_child():
    found = table("noethys.csv")
    columns = headings.propose(found.titles)
    adult, child = (headings.split(row, columns)[0].values for row in found.rows)
    assert child["child.first_name"] == "Lou" and "adult.first_name" not in child
    assert adult["adult.first_name"] == "Anne" and "child.first_name" not in adult


def test_headings_stand_below_a_title_and_merged_cells():
    above = "Liste des familles;;;;\n\nEnfant;;;Responsable 1;\n"
    content = f"{above}Nom;Prénom;Né(e) le;Nom;Prénom\nRoux;Lou;03/01/2019;Roux;Anne\n"
    found = headings.find(sheets.read(content.encode()))
    assert found.line == 4
    assert set(headings.propose(found.titles).values()) == {
        "child.last_name",
        "child.first_name",
        "child.birth_date",
        "adult.last_name",
        "adult.first_name",
    }
    assert [list(row.cells)[1] for row in found.rows] == ["Lou"]


def test_headings_that_nobody_knows_are_matched_by_hand():
    found = headings.find(sheets.read(b"Zork;Blorb\na;b\n"))
    assert found.titles == ("Zork", "Blorb") and headings.propose(found.titles) == {}


def test_a_file_without_headings_says_so():
    with pytest.raises(Refused) as refused:
        headings.find(sheets.read(b"12\n13\n"))
    assert str(refused.value) == headings.NO_HEADINGS


def test_the_same_headings_have_the_same_mark():
    assert headings.mark(["Nom", "Prénom"]) == headings.mark(["NOM", "prenoms"])
    assert headings.mark(["Nom", "Prénom"]) != headings.mark(["Prénom", "Nom"])
