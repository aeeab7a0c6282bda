"""Files that are no table yet, as the table that they come to: what some programs hand over.

    tabled(content)     a ZIP of tables that name each other by numbers (BL enfance), a line a child and home
    listed(content)     a list as it is printed, a child over several lines (Defi)

Each answers the table as CSV, which is read, kept and checked like any other; lines are those of that table.
"""

import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from io import BytesIO

from families.imports import cells
from families.imports.cells import Unreadable
from portal.files import sheets
from portal.files.handing_over import csv_lines
from portal.files.sheets import Refused
from portal.files.workbook_rows import ZIP
from portal.french.spelling import folded

# What a workbook has in it, too: those are tables already.
OF_WORKBOOKS = frozenset({"[content_types].xml", "mimetype", "content.xml"})
MOST_FILES = 50
TOO_LARGE = "Ce dossier compressé est trop grand une fois ouvert. Envoyez ses tableaux un à un."
UNREADABLE = (
    "Ce dossier compressé est abîmé, ou protégé par un mot de passe. Envoyez les tableaux qu'il contient."
)
NOT_KNOWN = "Ce dossier compressé n'a pas de « famille.csv ». Envoyez un seul tableau à la fois."
# Those of BL enfance, by their names.
TABLES = ("famille", "enfant", "enfantfamille", "mandat")
OF_FAMILY, OF_CHILD = "Famille Identifiant", "Identifiant enfant"
# What each other table says, by the heading it has there.
OF_CHILDREN = {"nom": "Nom enfant", "prenom": "Prénom enfant", "datenaissance": "Date de naissance"}
OF_MANDATES = {"rum": "RUM", "datesignature": "Mandat signé le", "iban": "IBAN", "bic": "BIC"}
HOW_PAID, DEBITED = "typemodereglementresp1", "prelevement"
Said = Mapping[str, str]


def _table(rows: Iterable[Sequence[str]]) -> bytes:
    return "".join(csv_lines(rows)).encode()


# A ZIP of tables ----------------------------------------------------------------------------------------


def tabled(content: bytes) -> bytes | None:
    """The one table of a ZIP; None for what is no ZIP, or is a workbook. Raises Refused."""
    if not content.startswith(ZIP):
        return None
    try:
        archive = zipfile.ZipFile(BytesIO(content))
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        # The reader of workbooks says so.
        return None
    with archive:
        pieces = [one for one in archive.infolist() if not one.is_dir()]
        if {one.filename.lower() for one in pieces} & OF_WORKBOOKS:
            return None
        if len(pieces) > MOST_FILES or sum(one.file_size for one in pieces) > sheets.LARGEST_BYTES:
            raise Refused(TOO_LARGE)
        try:
            files = {_name(one.filename): archive.read(one) for one in pieces if _name(one.filename)}
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError):
            raise Refused(UNREADABLE) from None
    if len(files) == 1:
        return next(iter(files.values()))
    if "famille" not in files:
        raise Refused(NOT_KNOWN)
    return _table(_joined(*(_said(files.get(name)) for name in TABLES)))


def _name(path: str) -> str:
    """« export/enfantFamille.csv » → « enfantfamille »; of what is no table, nothing."""
    name, _, ending = path.replace("\\", "/").rpartition("/")[2].rpartition(".")
    return folded(name).replace(" ", "") if ending.lower() == "csv" and not name.startswith(".") else ""


def _said(content: bytes | None) -> list[dict[str, str]]:
    """The lines of a table, by their headings: as they stand in the first line."""
    if content is None:
        return []
    rows = iter(sheets.read(content))
    titles = [cells.as_text(cell) for cell in next(rows).cells]
    return [
        {title: cells.as_text(cell) for title, cell in zip(titles, row.cells, strict=False) if title}
        for row in rows
    ]


def _key(title: str) -> str:
    """« famille_id », « Famille ID »: the same."""
    return folded(title.replace("_", " ")).replace(" ", "")


def _by_key(said: Said) -> dict[str, str]:
    return {_key(title): value for title, value in said.items()}


def _joined(
    families: Sequence[Said], children: Sequence[Said], links: Sequence[Said], mandates: Sequence[Said]
) -> Iterator[list[str]]:
    kids = {plain["id"]: plain for plain in map(_by_key, children) if plain.get("id")}
    living: dict[str, list[str]] = defaultdict(list)
    for plain in map(_by_key, links):
        living[plain.get("familleid", "")].append(plain.get("enfantid", ""))
    debits: dict[str, list[Said]] = defaultdict(list)
    for plain in map(_by_key, mandates):
        debits[plain.get("titulaireid", "")].append(plain)
    titles = [title for title in (families[0] if families else {}) if _key(title) != "id"]
    yield [OF_FAMILY, *titles, OF_CHILD, *OF_CHILDREN.values(), *OF_MANDATES.values()]
    met: set[str] = set()
    for family in families:
        plain = _by_key(family)
        number = plain.get("id", "")
        mandate = _newest(debits[number]) if folded(plain.get(HOW_PAID) or DEBITED) == DEBITED else {}
        shared = [number, *(family.get(title, "") for title in titles)]
        for key in living[number] or [""]:
            met.add(key)
            yield [*shared, *_of_child(kids.get(key, {})), *(mandate.get(name, "") for name in OF_MANDATES)]
    # Children of no family are not lost: their lines say that their home is missing.
    for key, child in kids.items():
        if key not in met:
            yield ["", *("" for _ in titles), *_of_child(child), *("" for _ in OF_MANDATES)]


def _of_child(child: Said) -> list[str]:
    return [child.get("id", ""), *(child.get(name, "") for name in OF_CHILDREN)]


def _newest(mandates: Sequence[Said]) -> Said:
    """Of several, the one that was signed last."""

    def signed(one: Said) -> date:
        try:
            return cells.day(one.get("datesignature", ""))
        except Unreadable:
            return date.min

    return max(mandates, key=signed, default={})


# A list as it is printed ----------------------------------------------------------------------------------

BORN = re.compile(r"(?P<name>\S.*?),? né(?:e|\(e\))? le ?:? ?(?P<day>\d[\d/. -]*)", re.IGNORECASE)
ADULT = re.compile(r"(?:père|mère|responsable|tuteur|tutrice)(?: \d)? ?: ?(?P<name>.+)", re.IGNORECASE)
TOWN = re.compile(r"(?P<code>\d{5}) (?P<city>\D.*)")
PHONE = re.compile(r"(?:[a-zé. ]+:? ?)?(?P<number>(?:\+33|0)[\d .]{8,})", re.IGNORECASE)
LIST_TITLES = (
    "Nom et prénom de l'enfant",
    "Date de naissance",
    "Nom et prénom du responsable",
    "Nom et prénom du responsable 2",
    "Adresse",
    "Complément d'adresse",
    "Code postal",
    "Commune",
    "Téléphone portable",
    "Adresse e-mail",
    "Autres lignes",
)
NAME, DAY, ONE, OTHER, STREET, MORE, CODE, CITY, TEL, MAIL, REST = range(len(LIST_TITLES))


def listed(content: bytes) -> bytes | None:
    """The children of a printed list, a line each; None where it names none. Raises Refused."""
    found: list[list[str]] = []
    for row in sheets.read(content):
        texts = [text for text in map(cells.as_text, row.cells) if text]
        head = BORN.fullmatch(" ".join(texts))
        if head is not None:
            found.append([""] * len(LIST_TITLES))
            found[-1][NAME], found[-1][DAY] = head["name"], head["day"].strip()
        elif found:
            for text in texts:
                _read(text, found[-1])
    return _table([LIST_TITLES, *found]) if found else None


def _read(text: str, said: list[str]) -> None:
    """What a line below a child says of its home."""
    if adult := ADULT.fullmatch(text):
        _first_empty(said, adult["name"], ONE, OTHER, REST)
    elif town := TOWN.fullmatch(text):
        said[CODE], said[CITY] = town["code"], town["city"]
    elif "@" in text:
        _first_empty(said, text.rpartition(" ")[2], MAIL, REST)
    elif phone := PHONE.fullmatch(text):
        _first_empty(said, phone["number"].strip(), TEL, REST)
    elif not said[CODE]:
        _first_empty(said, text, STREET, MORE, REST)
    else:
        _first_empty(said, text, REST)


def _first_empty(said: list[str], text: str, *places: int) -> None:
    for place in places:
        if not said[place]:
            said[place] = text
            return
    said[REST] = f"{said[REST]} ; {text}"
