"""What is typed in cells, as values."""

from datetime import date, datetime
from decimal import Decimal

import pytest

from families.imports import cells
from families.imports.cells import Unreadable
from portal.french import phones

BORN = date(2019, 1, 3)


@pytest.fixture(autouse=True)
def in_france(monkeypatch):
    """No town says where it lies."""
    monkeypatch.setattr(phones, "home", lambda: phones.FRANCE)


@pytest.mark.parametrize(
    "cell",
    [
        "03/01/2019",
        "3/1/2019",
        "03.01.2019",
        "03-01-2019",
        "2019-01-03",
        "2019/01/03",
        "3 janvier 2019",
        "jeudi 3 Janvier 2019",
        "3 janv. 2019",
        "03/01/2019 00:00",
        "2019-01-03T00:00:00",
        "43468",
        43468,
        43468.0,
        BORN,
        datetime(2019, 1, 3, 0, 0),
        "\N{NO-BREAK SPACE}03/01/2019 ",
    ],
)
def test_a_day_is_written_in_many_ways(cell):
    assert cells.day(cell) == BORN


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("03/01/19", cells.SHORT_YEAR),
        ("3 janvier 19", cells.SHORT_YEAR),
        ("31/02/2019", cells.IMPOSSIBLE),
        ("2019", cells.NO_DAY),
        (2019, cells.NO_DAY),
        ("hier", cells.NO_DAY),
        ("03/01/0019", "vérifiez l'année."),
        ("1er brumaire 2019", cells.NO_DAY),
    ],
)
def test_what_is_no_day_is_not_guessed(cell, sentence):
    with pytest.raises(Unreadable) as wrong:
        cells.day(cell)
    assert str(wrong.value) == sentence


def test_the_first_of_a_month_is_a_day():
    assert cells.day("1er août 2018") == date(2018, 8, 1)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("06 12 34 56 78", "06 12 34 56 78"),
        ("0612345678", "06 12 34 56 78"),
        (612345678, "06 12 34 56 78"),
        ("612345678", "06 12 34 56 78"),
        ("+33612345678", "06 12 34 56 78"),
        ("0033 6 12 34 56 78", "06 12 34 56 78"),
        (33612345678, "06 12 34 56 78"),
        ("06.12.34.56.78", "06 12 34 56 78"),
        ("+32 2 123 45 67", "+32 2 123 45 67"),
    ],
)
def test_a_telephone_that_a_spreadsheet_cut_is_whole(cell, shown):
    assert cells.phone(cell) == shown


def test_overseas_numbers_are_known_by_their_plan():
    assert cells.phone("0690 12 34 56") == cells.phone("+590 690 12 34 56")


@pytest.mark.parametrize("cell", ["06 12", "néant", "0"])
def test_what_is_no_telephone_says_so(cell):
    with pytest.raises(Unreadable):
        cells.phone(cell)


def test_postcodes_have_their_zero_back():
    assert [cells.postcode(cell) for cell in ("1000", 1000, "01000", "75 001", "B-7500")] == [
        "01000",
        "01000",
        "01000",
        "75001",
        "B-7500",
    ]


def test_a_town_abroad_names_its_country():
    with pytest.raises(Unreadable):
        cells.check_city("7500", "Tournai")
    cells.check_city("7500", "Tournai (Belgique)")


def test_several_addresses_stand_in_a_cell():
    assert cells.emails("A@B.fr ; c@d.fr / a@b.fr") == ["a@b.fr", "c@d.fr"]
    with pytest.raises(Unreadable):
        cells.emails("pas d'adresse")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("DUPONT Jean-Luc", ("Dupont", "Jean-Luc")),
        ("Jean-Luc DUPONT", ("Dupont", "Jean-Luc")),
        ("Mme DE LA TOUR Anne", ("De La Tour", "Anne")),
        ("LE GOFF Maël Yann", ("Le Goff", "Maël Yann")),
        ("Dupont, Jean", ("Dupont", "Jean")),
    ],
)
def test_the_name_in_capitals_is_the_last_one(text, names):
    assert cells.names(text) == names


@pytest.mark.parametrize("text", ["Dupont Jean", "M. et Mme DUPONT Jean", "JEAN DUPONT", "Jean"])
def test_names_that_do_not_part_are_not_guessed(text):
    with pytest.raises(Unreadable):
        cells.names(text)


@pytest.mark.parametrize("text", ["<script>", "12", "=A1", "x" * 81, "Roux2"])
def test_what_is_no_name_is_refused(text):
    with pytest.raises(Unreadable):
        cells.last_name(text)


def test_names_in_capitals_are_written_as_names_are():
    assert [cells.last_name(text) for text in ("D'AUBIGNÉ", "martin", "McDonald")] == [
        "D'Aubigné",
        "Martin",
        "McDonald",
    ]


def test_amounts_have_commas_or_points():
    assert [cells.amount(cell) for cell in ("412,50", "1 234,5 €", 412.5, "380")] == [
        Decimal("412.50"),
        Decimal("1234.5"),
        Decimal("412.5"),
        Decimal(380),
    ]
    with pytest.raises(Unreadable):
        cells.amount("beaucoup")


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("lundi, mardi", 0b11),
        ("Lu Ma Je Ve", 0b11011),
        ("LM-JV", 0b11011),
        ("LMMJV", 0b11111),
        ("tous les jours", 0b11111),
        ("mercredis", 0b100),
    ],
)
def test_usual_days_are_said_in_many_ways(text, mask):
    assert cells.weekdays(text) == mask


def test_days_that_do_not_read_say_so():
    with pytest.raises(Unreadable):
        cells.weekdays("parfois")


def test_yes_and_no():
    assert [cells.truth(cell) for cell in ("Oui", "x", 1, "N", 0)] == [True, True, True, False, False]
