"""Files as towns have them, each from its bytes to what the check says of its rows: those of usual programs,
of spreadsheets in every encoding, of the worst days, and of who means no good."""

import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group

from billing.models import Mandate
from families.imports import headings, layouts, running
from families.models import Child, Custody, FileImport, Guardian, Household, User
from portal.files import sheets
from portal.files.sheets import Refused
from tests import ROOT
from tests.factories import SchoolClassFactory, SchoolFactory, SchoolYearFactory
from tests.portal.files.test_sheets import ods, workbook

TITLES = (
    "Nom élève;Prénom élève;Date naissance;Nom responsable;Prénom responsable;Portable;Adresse;CP;Commune"
)
LEA = "DURAND;Léa;03/01/2019;DURAND;Anne;612345678;12 rue des Écoles;1000;Bourg"
TOM = "DURAND;Tom;14/06/2021;DURAND;Anne;612345678;12 rue des Écoles;1000;Bourg"
PLAIN = f"{TITLES}\n{LEA}\n{TOM}\n"
NEW = {"new": 2}


def stored(name: str) -> bytes:
    return (ROOT / "tests/data/imports" / name).read_bytes()


def rows(*lines: str) -> list[list[str]]:
    return [line.split(";") for line in lines]


def zipped(**files: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/") + ".csv", content)
    return out.getvalue()


def damaged(content: bytes) -> bytes:
    """With some other signs in the middle of what is packed."""
    return content[:100] + b"\xff" * 20 + content[120:]


BL = {name: stored(f"bl-enfance/{name}.csv") for name in ("famille", "enfant", "enfantFamille", "mandat")}
DEFI = (
    ["Liste des enfants au 30/11/2026", None],
    ["DURAND Léa né(e) le : 03/01/2019", None],
    ["Père : PETIT Paul", "Mère : DURAND Anne"],
    ["12 rue des Écoles", "Bâtiment B"],
    ["29200 BREST", "Tél : 06 12 34 56 78"],
    ["anne@exemple.fr", "Sieste l'après-midi"],
    [None, None],
    ["NGUYEN An né le 02/02/2018", None],
    ["Mère : NGUYEN Mai", None],
    ["3 place Haute", None],
    ["29200 BREST", None],
)
DOMINO = (
    [
        "N°",
        "Père",
        "Mère",
        "Situation",
        "Adresse père",
        "Adresse mère",
        "",
        "Téléphones père",
        "Téléphones mère",
    ],
    [
        1,
        "PETIT\nPaul\npaul@exemple.fr",
        "DURAND\nAnne",
        "",
        "12 rue des Écoles\nBâtiment B\n29200\nBREST",
        "12 rue des Écoles\nBâtiment B\n29200\nBREST",
        "",
        "Pro : 02 98 11 22 33\nDomicile : 02 98 11 22 34",
        "Portable : 06 12 34 56 78",
    ],
)


def many() -> bytes:
    """10 000 children of 5 000 families."""
    lines = [TITLES]
    for number in range(10_000):
        home, born = number // 2, date(2016, 1, 1) + timedelta(days=number % 2_000)
        word = "".join(chr(97 + int(sign)) for sign in f"{home:04d}")
        first = "".join(chr(97 + int(sign)) for sign in f"{number:05d}")
        lines.append(
            f"F{word};P{first};{born:%d/%m/%Y};F{word};Anne;06{home:08d};{home} rue Haute;01000;Bourg"
        )
    return "\n".join(lines).encode()


# What a file is, its content, and how many rows are what once it is checked.
READ: dict[str, tuple[Callable[[], bytes], dict[str, int]]] = {
    "ONDE, pupils, one with two homes": (lambda: stored("onde-eleves.csv"), {"new": 1}),
    "BE1D, pupils, quoted, Windows-1252": (lambda: stored("be1d-eleves.csv"), {"new": 1}),
    "ONDE, adults alone: nobody is known by a name": (lambda: stored("onde-responsables.csv"), {"wrong": 1}),
    "Parascol": (lambda: stored("parascol.csv"), {"new": 1}),
    "BL enfance, its table of families": (lambda: stored("bl-enfance.csv"), {"new": 1}),
    "Cerig": (lambda: stored("cerig.csv"), {"new": 1}),
    "Iloise": (lambda: stored("iloise.csv"), {"new": 1}),
    "Noethys, a person a line": (lambda: stored("noethys.csv"), {"new": 2}),
    "a list of a class, of nobody known": (lambda: stored("tableau.csv"), {"wrong": 1}),
    "BL enfance, four tables in a ZIP": (lambda: zipped(**BL), {"new": 3, "wrong": 1}),
    "a table alone in a ZIP": (lambda: zipped(export__eleves=PLAIN), NEW),
    "Defi, a printed list": (lambda: workbook(*DEFI), NEW),
    "Domino, a family in the lines of its cells": (lambda: workbook(*DOMINO), {"new": 1}),
    "UTF-8": (lambda: PLAIN.encode(), NEW),
    "UTF-8 with its mark": (lambda: PLAIN.encode("utf-8-sig"), NEW),
    "Windows-1252": (lambda: PLAIN.encode("cp1252"), NEW),
    "UTF-16": (lambda: PLAIN.encode("utf-16"), NEW),
    "tabs": (lambda: PLAIN.replace(";", "\t").encode(), NEW),
    "commas, lines of Windows": (lambda: PLAIN.replace(";", ",").replace("\n", "\r\n").encode(), NEW),
    "all quoted": (lambda: PLAIN.replace(";", '";"').replace("\n", '"\n"').join('""').encode()[:-2], NEW),
    "headings below a title": (lambda: f"Rentrée 2026\n\nÉcole du Moulin;;\n{PLAIN}".encode(), NEW),
    "headings below merged ones": (
        lambda: (
            b"Enfant;;;Responsable 1;;;Adresse;;\n"
            + "Nom;Prénom;Né(e) le;Nom;Prénom;Portable;Rue;CP;Ville\n".encode()
            + f"{LEA}\n".encode()
        ),
        {"new": 1},
    ),
    "dates of six kinds": (
        lambda: "\n".join(
            (
                TITLES,
                *(f"DURAND;{name};{LEA.split(';', 2)[2].replace('03/01/2019', day)}" for name, day in SIX),
            )
        ).encode(),
        {"new": 6},
    ),
    "XLSX with days and numbers": (
        lambda: workbook(
            TITLES.split(";"),
            [
                "DURAND",
                "Léa",
                datetime(2019, 1, 3),
                "DURAND",
                "Anne",
                612345678,
                "12 rue des Écoles",
                1000,
                "Bourg",
            ],
            ["DURAND", "Tom", 44361, "DURAND", "Anne", 612345678, "12 rue des Écoles", 1000, "Bourg"],
        ),
        NEW,
    ),
    "ODS": (lambda: ods(*rows(TITLES, LEA, TOM)), NEW),
    "empty lines, and a total at its end": (
        lambda: f"{TITLES}\n\n{LEA}\n;;;;;;;;\n{TOM}\nTotal : 2;;;;;;;;\n".encode(),
        {"new": 2, "wrong": 1},
    ),
    "a year of two digits, a day that is none": (
        lambda: PLAIN.replace("03/01/2019", "03/01/19").replace("14/06/2021", "31/02/2021").encode(),
        {"wrong": 2},
    ),
    "the same child twice, another address": (
        lambda: f"{TITLES}\n{LEA}\n{LEA.replace('12 rue', '15 rue')}\n".encode(),
        {"new": 1, "doubtful": 1},
    ),
    "formulas and pages of the web in its cells": (
        lambda: (
            f"{TITLES}\n{LEA.replace('Léa', '=HYPERLINK(1)')}\n{TOM.replace('Tom', '<script>x')}\n".encode()
        ),
        {"wrong": 2},
    ),
    "10 000 rows": (many, {"new": 10_000}),
}
SIX = (
    ("Ali", "03/01/2019"),
    ("Bao", "2019-01-03"),
    ("Eve", "3.1.2019"),
    ("Ida", "3 janvier 2019"),
    ("Léo", "43468"),
    ("Zoé", "jeudi 3 janv. 2019"),
)
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", sheets.EMPTY),
    "headings alone": (lambda: TITLES.encode(), headings.NO_ROWS),
    "no headings": (lambda: b"1;2\n3;4\n", headings.NO_HEADINGS),
    "a PDF called CSV": (lambda: b"%PDF-1.7\n", sheets.NO_TABLE),
    "a page of the web called XLS": (lambda: b"<html><table>", sheets.A_WEB_PAGE),
    "a damaged workbook": (lambda: b"PK\x03\x04nothing", sheets.UNREADABLE),
    "a quote that nobody closed": (
        lambda: f'{TITLES}\n"{LEA}\n{TOM}\n'.encode(),
        "La ligne 2 ne se lit pas : vérifiez les guillemets.",
    ),
    "50 001 rows": (lambda: (f"{TITLES}\n" + f"{LEA}\n" * 50_001).encode(), sheets.TOO_MANY),
    "more than 20 MB": (lambda: b"x" * (sheets.LARGEST_BYTES + 1), sheets.TOO_LARGE),
    "a bomb in a ZIP": (lambda: zipped(famille=b"\0" * (sheets.LARGEST_BYTES + 1)), layouts.TOO_LARGE),
    "a ZIP of tables that nobody knows": (lambda: zipped(a=PLAIN, b=PLAIN), layouts.NOT_KNOWN),
    "a ZIP with a damaged table": (lambda: damaged(zipped(famille=PLAIN)), layouts.UNREADABLE),
}


@pytest.fixture
def school_of_moulin(now: Any, town: Any) -> None:
    year = SchoolYearFactory()
    SchoolClassFactory(school=SchoolFactory(name="École du Moulin"), school_year=year, name="CE1")


@pytest.fixture
def read(manager: User, now: Any, school_of_moulin: None) -> Callable[..., FileImport]:
    """A file from its bytes to its check, with the columns as they are recognised."""

    def as_far_as_its_check(content: bytes, **rules: str) -> FileImport:
        file = running.receive(content, name="fichier", source="Ancien", by=manager, at=now)
        columns = {int(place): key for place, key in file.columns.items()}
        running.match(file, columns, source="Ancien", options={}, at=now)
        running.ask_check(file)
        running.check(file.pk, at=now)
        file.refresh_from_db()
        return file

    return as_far_as_its_check


LONG = ("10 000 rows",)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long if name in LONG else ()) for name in READ]
)
def test_a_file_is_read_and_each_of_its_rows_judged(read: Callable[..., FileImport], name: str) -> None:
    content, counts = READ[name]
    file = read(content())
    said = [f"{one.line} {one.verdict} {one.column} {one.text}" for one in file.lines.all()[:20]]
    assert (file.state, file.counts) == ("checked", counts), (file.trouble, said)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_and_nothing_is_kept(
    manager: User, now: Any, db: None, name: str
) -> None:
    content, sentence = REFUSED[name]
    with pytest.raises(Refused) as refused:
        running.receive(content(), name="fichier", source="", by=manager, at=now)
    assert str(refused.value) == sentence and not FileImport.objects.exists()


def test_they_are_more_than_thirty() -> None:
    assert len(READ) + len(REFUSED) > 30


@pytest.fixture
def writer_of_mandates(manager: User) -> None:
    manager.groups.add(Group.objects.get_or_create(name="Régie")[0])


def bring(read: Callable[..., FileImport], content: bytes, manager: User, now: Any) -> FileImport:
    file = read(content)
    running.ask_run(file, by=manager)
    running.run(file.pk, at=now)
    file.refresh_from_db()
    assert (file.state, file.trouble) == ("done", "")
    return file


def test_four_tables_of_a_zip_are_one_family_a_line(read, manager, now, writer_of_mandates) -> None:
    file = bring(read, zipped(**BL), manager, now)
    assert file.name == "fichier, réuni en un tableau"
    home = Household.objects.get(guardians__first_name="Anne")
    assert {one.child.first_name for one in home.custodies.all()} == {"Léa", "Tom"}
    assert [str(one) for one in home.guardians.order_by("pk")] == ["Anne Durand", "Paul Petit"]
    # The one signed last, and none of who pays by cheque.
    assert [(one.rum, one.signed_on) for one in Mandate.objects.all()] == [("RUM-7", date(2023, 2, 1))]
    assert Child.objects.count() == 3
    assert read(zipped(**BL)).counts == {"same": 3, "wrong": 1}


def test_a_printed_list_has_its_adults_and_addresses(read, manager, now) -> None:
    bring(read, workbook(*DEFI), manager, now)
    home = Household.objects.get(guardians__first_name="Anne")
    assert (home.street, home.street_more, home.postcode, home.city) == (
        "12 rue des Écoles",
        "Bâtiment B",
        "29200",
        "Brest",
    )
    assert [str(one) for one in home.guardians.order_by("pk")] == ["Paul Petit", "Anne Durand"]
    assert Child.objects.get(first_name="An").birth_date == date(2018, 2, 2)


def test_cells_of_several_lines_come_apart(read, manager, now) -> None:
    bring(read, workbook(*DOMINO), manager, now)
    paul, anne = Guardian.objects.order_by("pk")
    assert (paul.first_name, paul.last_name, paul.email_given) == ("Paul", "Petit", "paul@exemple.fr")
    assert (paul.phone_work, anne.phone) == ("02 98 11 22 33", "06 12 34 56 78")
    home = Household.objects.get()
    assert (home.street_more, home.postcode, home.city) == ("Bâtiment B", "29200", "Brest")
    assert not Custody.objects.exists()
