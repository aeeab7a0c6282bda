"""Cells of a file as values: days, telephones, amounts, names, in the many ways in which they are typed.

Each raises `Unreadable` with a French sentence for what it cannot read, and guesses nothing. Pure.
"""

import re
import unicodedata
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError

from families import login_names
from families.forms import FRENCH_POSTCODE, NAMES_A_COUNTRY, postcode_validator
from portal.files.sheets import SheetCell
from portal.french import phones
from portal.french.dates import WEEKDAYS, month_begun
from portal.french.normalised import readable
from portal.french.numbers import plain as plain_number
from portal.french.spelling import bare, folded


class Unreadable(Exception):
    """What is said of the cell, in French, beginning small: « ce n'est pas une date : … »."""


def as_text(cell: SheetCell) -> str:
    """As it would be typed, with single spaces and no unseen signs."""
    if cell is None:
        return ""
    if isinstance(cell, date):
        return f"{cell:%d/%m/%Y}"
    if isinstance(cell, float):
        return format(Decimal(repr(cell)), "f").replace(".", ",")
    text = readable(str(cell), "NFC")
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cc")


# Days --------------------------------------------------------------------------------------------------

FRENCH_DAY = re.compile(r"(\d{1,2})[/. -](\d{1,2})[/. -](\d{4}|\d{2})", re.ASCII)
ISO_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})", re.ASCII)
IN_WORDS = re.compile(r"(?:[a-z]+\.? )?(\d{1,2})(?:er)? ([a-z]+)\.? (\d{4}|\d{2})", re.ASCII)
HOURS = re.compile(r"[ t]\d{1,2}[:h]\d{2}(:\d{2}(\.\d+)?)?z?$", re.IGNORECASE)
SERIAL = re.compile(r"\d{4,5}(\.0+)?", re.ASCII)
# What spreadsheets count days from.
SERIAL_BEGINS = date(1899, 12, 30)
# Serials that are days of 1930 to 2100; a year alone is none.
SERIALS = range(10_959, 73_051)
NO_DAY = "ce n'est pas une date : écrivez-la comme 03/01/2019."
SHORT_YEAR = "l'année n'a que deux chiffres : écrivez-la en entier, comme 03/01/2019."
IMPOSSIBLE = "ce jour n'existe pas."


def day(cell: SheetCell) -> date:
    """« 03/01/2019 », « 2019-01-03 », « 03.01.2019 », « 3 janvier 2019 », 43468, or a day of a workbook."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = HOURS.sub("", as_text(cell))
    if isinstance(cell, int | float) or SERIAL.fullmatch(text):
        serial = int(float(text.replace(",", ".")))
        if serial not in SERIALS:
            raise Unreadable(NO_DAY)
        return SERIAL_BEGINS + timedelta(days=serial)
    if found := ISO_DAY.fullmatch(text):
        return _day(*found.groups())
    if found := FRENCH_DAY.fullmatch(text):
        return _day(*reversed(found.groups()))
    if (found := IN_WORDS.fullmatch(bare(text))) and (month := month_begun(found[2])):
        return _day(found[3], str(month), found[1])
    raise Unreadable(NO_DAY)


def _day(year: str, month: str, number: str) -> date:
    if len(year) < 4:
        raise Unreadable(SHORT_YEAR)
    try:
        found = date(int(year), int(month), int(number))
    except ValueError:
        raise Unreadable(IMPOSSIBLE) from None
    if not 1900 <= found.year <= 2200:
        raise Unreadable("vérifiez l'année.")
    return found


# Numbers -----------------------------------------------------------------------------------------------


def amount(cell: SheetCell) -> Decimal:
    """« 412,50 », « 1 234 € », 412.5: with two digits at most after the comma."""
    if isinstance(cell, int | float):
        text = format(Decimal(repr(cell)), "f")
    else:
        text = plain_number(as_text(cell).removesuffix("€").removesuffix("EUR").strip())
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise Unreadable("ce n'est pas un nombre : écrivez-le comme 412,50.") from None
    if not found.is_finite() or abs(found) >= 10_000_000:
        raise Unreadable("ce nombre n'est pas possible.")
    return round(found, 2)


def number(cell: SheetCell) -> str:
    """The number by which another program knows somebody: letters and digits, as a text."""
    text = as_text(cell)
    if len(text) > 60:
        raise Unreadable("ce numéro a plus de 60 signes.")
    return text


YES = {"oui", "o", "x", "1", "vrai", "true", "yes", "ok"}
NO = {"non", "n", "0", "faux", "false", "no", ""}


def truth(cell: SheetCell) -> bool:
    """« oui », « O », « x », 1; « non », « N », 0."""
    said = bare(as_text(cell))
    if said in YES:
        return True
    if said in NO:
        return False
    raise Unreadable("écrivez « oui » ou « non ».")


# One sign a day: Monday to Friday, and the two days after.
BY_INITIAL = "".join(name[0].upper() for name in WEEKDAYS)


def weekdays(cell: SheetCell) -> int:
    """« lundi, mardi », « lu ma je ve », « LMJV » (LM.JV), « tous les jours »: as a mask, bit 0 is Monday."""
    text = as_text(cell)
    said = re.findall(r"[a-z]+", bare(text))
    if not said:
        raise Unreadable("aucun jour n'est dit : écrivez « lundi, mardi ».")
    if said in (["tous", "les", "jours"], ["tous"], ["semaine"]):
        return 0b11111
    names = {
        said_so: place
        for place, name in enumerate(WEEKDAYS)
        for said_so in (name[:2], name[:3], name, f"{name}s")
    }
    if all(word in names for word in said):
        return sum({1 << names[word] for word in said})
    # One sign a day, in order: « LM-JV », where Wednesday is left out by a sign of its own.
    if len(text) == 5 and all(
        sign in (day, "-", ".", "_") for sign, day in zip(text.upper(), BY_INITIAL, strict=False)
    ):
        return sum(1 << place for place, sign in enumerate(text) if sign.isalpha())
    raise Unreadable("ces jours ne se lisent pas : écrivez « lundi, mardi ».")


# Telephones and addresses ------------------------------------------------------------------------------


def phone(cell: SheetCell) -> str:
    """As the portal shows it. A spreadsheet drops the first zero: nine digits are ten."""
    text = as_text(cell)
    digits = re.sub(r"\D", "", text)
    if isinstance(cell, int | float) or re.fullmatch(r"[1-9](?:[ .-]?\d){8}", text):
        text = f"0{digits}" if len(digits) == 9 else f"+{digits}" if digits.startswith("33") else digits
    found = phones.read_here(text)
    if not found:
        raise Unreadable("ce n'est pas un numéro de téléphone.")
    return phones.shown(found)


NO_ADDRESS = "ce n'est pas une adresse e-mail."


def emails(cell: SheetCell) -> list[str]:
    """All that stand in the cell, in normal form, each once."""
    found: list[str] = []
    for piece in re.split(r"[;,/|\s]+", as_text(cell)):
        address = login_names.normal_form(piece.strip("<>()\"'").removeprefix("mailto:"))
        if not address:
            continue
        if "@" not in address and found:
            continue
        try:
            login_names.check_address(address)
        except ValidationError as error:
            said = error.messages[0]
            raise Unreadable(NO_ADDRESS if "@" not in address else f"{said[:1].lower()}{said[1:]}") from None
        if address not in found:
            found.append(address)
    if not found:
        raise Unreadable(NO_ADDRESS)
    return found


def email(cell: SheetCell) -> str:
    """The first of them."""
    return emails(cell)[0]


def postcode(cell: SheetCell) -> str:
    """A spreadsheet drops the first zero: « 1000 » is « 01000 »."""
    text = as_text(cell).replace("\xa0", " ")
    if re.fullmatch(r"\d{2} \d{3}", text):
        text = text.replace(" ", "")
    if re.fullmatch(r"\d{4}", text):
        text = f"0{text}"
    if re.fullmatch(r"\d{5},0+", text):
        text = text[:5]
    try:
        postcode_validator(text)
    except ValidationError:
        raise Unreadable("ce n'est pas un code postal.") from None
    return text


def check_city(postcode: str, city: str) -> None:
    """A French postcode has five digits; a town abroad names its country. Raises Unreadable."""
    if postcode and not FRENCH_POSTCODE.fullmatch(postcode) and not NAMES_A_COUNTRY.search(city):
        raise Unreadable(
            "un code postal français a cinq chiffres ; à l'étranger, la commune dit le pays, comme "
            "« Tournai (Belgique) »."
        )


# People ------------------------------------------------------------------------------------------------

MEN = {"m", "mr", "monsieur", "h", "homme", "pere", "masculin", "mister"}
WOMEN = {"mme", "madame", "f", "femme", "mere", "melle", "mlle", "mademoiselle", "feminin", "mrs"}
CHILDREN = {"garcon", "fille", "g", "enfant", "eleve"}
BODIES = {"collectivite", "association", "organisme", "entreprise", "societe"}


def civility(text: str) -> str:
    """« child », « adult », « body », or nothing that is known."""
    said = folded(text)
    if said in CHILDREN:
        return "child"
    if said in BODIES:
        return "body"
    return "adult" if said in MEN | WOMEN else ""


BOTH = re.compile(r"^(?:m|mr|monsieur|mme|madame)\.?\s+(?:et|ou|&|/)\s+", re.IGNORECASE)
TITLE = re.compile(r"^(?:monsieur|madame|mademoiselle|mme|mlle|melle|mr|m)\.?\s+(?=\S)", re.IGNORECASE)


def names(cell: SheetCell) -> tuple[str, str]:
    """« DUPONT Jean-Luc », « Mme DE LA TOUR Anne » → (last, first): the words in capitals are the last name.

    Raises Unreadable where nothing says which is which.
    """
    text = as_text(cell)
    if BOTH.match(text):
        raise Unreadable("deux personnes dans une case : donnez à chacune sa colonne, avec son prénom.")
    if "," in text:
        last, _, first = text.partition(",")
        if last.strip() and first.strip():
            return last_name(last), first_name(first)
    words = TITLE.sub("", text).split()
    capitals = [word for word in words if len(word) > 1 and word == word.upper() and bare(word) != word]
    others = [word for word in words if word not in capitals]
    if not capitals or not others:
        raise Unreadable("le nom et le prénom ne se distinguent pas : écrivez « DUPONT Jean ».")
    leading = words[: len(capitals)] == capitals
    trailing = words[-len(capitals) :] == capitals
    if not (leading or trailing):
        raise Unreadable("le nom et le prénom ne se distinguent pas : écrivez « DUPONT Jean ».")
    return last_name(" ".join(capitals)), first_name(" ".join(others))


LONGEST_NAME = 80


def last_name(text: Any) -> str:
    """As it is written, but for one in capitals throughout: « DE LA TOUR » is « De La Tour »."""
    return _name(as_text(text))


def first_name(text: Any) -> str:
    """« LÉA-marie » is « Léa-Marie »; of several first names, all."""
    return _name(as_text(text))


def _name(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise Unreadable(f"ce nom a plus de {LONGEST_NAME} signes.")
    if not re.search(r"[^\W\d_]", text) or re.search(r"[<>=@{}\[\]\\]|\d", text):
        raise Unreadable("ce n'est pas un nom.")
    return capitalised(text) if text in (text.upper(), text.lower()) else text


def capitalised(text: str) -> str:
    """« BOURG-EN-BRESSE » is « Bourg-En-Bresse »: each word with its capital."""
    return re.sub(r"[^\W\d_]+", lambda found: found[0][:1].upper() + found[0][1:].lower(), text)
