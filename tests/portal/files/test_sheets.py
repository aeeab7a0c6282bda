"""Tables that town halls send, in whatever way a spreadsheet saved them."""

import io
import zipfile
from datetime import date

import openpyxl
import pytest

from portal.files import sheets
from portal.files.sheets import Refused, read

ROWS = [["Nom", "Prénom", "Né le"], ["Lefèvre", "Zoé", "03/01/2019"]]


def cells(content: bytes):
    return [list(row.cells) for row in read(content)]


def csv(delimiter: str = ";") -> str:
    return "\r\n".join(delimiter.join(row) for row in ROWS) + "\r\n"


def workbook(*rows, name="Feuille", **dimensions) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = name
    for row in rows:
        sheet.append(row)
    for where, value in dimensions.items():
        sheet[where] = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def ods(*rows) -> bytes:
    """As LibreOffice lays it out, with nothing else in it."""
    lines = "".join(
        "<table:table-row>"
        + "".join(
            f'<table:table-cell office:value-type="string"><text:p>{cell}</text:p></table:table-cell>'
            for cell in row
        )
        + "</table:table-row>"
        for row in rows
    )
    names = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    content = (
        f'<?xml version="1.0"?><office:document-content {names}><office:body><office:spreadsheet>'
        f'<table:table table:name="F">{lines}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet", zipfile.ZIP_STORED)
        archive.writestr(
            "META-INF/manifest.xml",
            '<?xml version="1.0"?><manifest:manifest '
            'xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        archive.writestr("content.xml", content)
    return out.getvalue()


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_text_is_read_in_whatever_encoding_and_whatever_parts_its_columns(delimiter, encoding):
    assert cells(csv(delimiter).encode(encoding)) == ROWS


def test_quotes_hold_separators_and_lines_and_the_line_is_that_on_which_a_row_begins():
    rows = list(read('Nom;Adresse\n"Roux; Petit";"12 rue\ndes Écoles"\n\nSilva;x\n'.encode()))
    assert [row.line for row in rows] == [1, 2, 5]
    assert rows[1].cells == ["Roux; Petit", "12 rue\ndes Écoles"]


def test_what_our_own_files_kept_from_being_a_formula_is_as_it_was():
    assert cells(b"Tel\n'+33612345678\n'=1+1\nL'Hay\n") == [
        ["Tel"],
        ["+33612345678"],
        ["=1+1"],
        ["L'Hay"],
    ]


def test_a_workbook_has_days_numbers_and_what_its_formulas_came_to():
    book = workbook(["Nom", "Né le", "QF"], ["Roux", date(2019, 1, 3), 412.5], ["Silva", None, 43468])
    assert cells(book) == [
        ["Nom", "Né le", "QF"],
        ["Roux", date(2019, 1, 3), 412.5],
        ["Silva", None, 43468],
    ]


def test_an_open_document_is_a_workbook_too():
    assert cells(ods(*ROWS)) == ROWS


def test_lines_are_counted_as_the_spreadsheet_does():
    rows = list(read(workbook(D4="Nom", D6="Roux")))
    assert [row.line for row in rows] == [4, 6]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", sheets.EMPTY),
        (b"\xef\xbb\xbf \r\n", sheets.EMPTY),
        (b";;;\n;;;\n", sheets.EMPTY),
        (b"%PDF-1.7\n...", sheets.NO_TABLE),
        (b"\x89PNG\r\n\x1a\n\x00\x00", sheets.NO_TABLE),
        (b"\xff\xfea\x00b", sheets.NO_TABLE),
        (b"<html><table><tr><td>Nom</td></tr></table>", sheets.A_WEB_PAGE),
        (b"PK\x03\x04 this is no archive", sheets.UNREADABLE),
        (b"\xd0\xcf\x11\xe0 nor an old workbook", sheets.UNREADABLE),
        (b"Nom;Prenom\n" + b"x" * 5001 + b";y\n", "Ligne 2, colonne 1 : une case a plus de 5000 signes."),
        (b'Nom\n"' + b"x" * 200_000, "La ligne 2 ne se lit pas : vérifiez les guillemets."),
        (b'Nom;Prenom\nx;"y\nz;t\n', "La ligne 2 ne se lit pas : vérifiez les guillemets."),
        ("Nom;Pr\0nom\nx;y\n".encode("utf-16"), sheets.NO_TABLE),
        (b";".join([b"x"] * 400), sheets.TOO_WIDE),
        (b"n\n" * 50_032, sheets.TOO_MANY),
        (b"x" * (sheets.LARGEST_BYTES + 1), sheets.TOO_LARGE),
    ],
    ids=range(16),
)
def test_what_is_no_table_is_refused_in_french(content, sentence):
    with pytest.raises(Refused) as refused:
        list(read(content))
    assert str(refused.value) == sentence


def test_quotes_within_a_cell_are_no_fault():
    assert cells(b'Nom;Rue\nx;"les "Lilas""\ny;"1 rue\nHaute"\n')[2] == ["y", "1 rue\nHaute"]


def test_a_number_that_is_none_is_an_empty_cell():
    book = zipfile.ZipFile(io.BytesIO(workbook(["Nom", "Date"], ["Roux", 12.5])))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in book.namelist():
            archive.writestr(name, book.read(name).replace(b"<v>12.5</v>", b"<v>NaN</v>"))
    assert cells(out.getvalue())[1][1] is None


def test_one_long_text_in_every_cell_fills_no_disk(monkeypatch):
    monkeypatch.setattr(sheets, "MOST_WRITTEN", 100_000)
    with pytest.raises(Refused) as refused:
        list(read(workbook(*[["é" * 4_000] * 10] * 10)))
    assert str(refused.value) == sheets.TOO_MUCH


def test_a_bomb_is_refused_before_it_is_unpacked():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(9):
            archive.writestr(f"xl/sheet{number}.xml", b"\0" * (50 * 1024 * 1024))
    with pytest.raises(Refused) as refused:
        list(read(out.getvalue()))
    assert str(refused.value) == sheets.TOO_MUCH


def test_a_workbook_whose_last_cell_is_the_last_there_can_be_fills_no_memory():
    with pytest.raises(Refused) as refused:
        list(read(workbook(["Nom"], XFD1048576="x")))
    assert str(refused.value) == sheets.TOO_MUCH
