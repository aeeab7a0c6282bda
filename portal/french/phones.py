"""Telephone numbers, as people in France type, paste and read them.

    read(text) -> str      « 06/12/34/56/78 », « +33 (0)6… », « 0033… » → « +33612345678 », or "" (no number)
    beginning(text) -> str « 06 12 34 » → « +3361234 », how a number that is still being said begins
    shown(text) -> str     « +33612345678 » → « 06 12 34 56 78 »; foreign ones keep their country's code

The database keeps what `read` says (E.164), Python and every page see what `shown` says: `PhoneField` stands
between them. What was kept before and cannot be read stays as it is.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import phonenumbers
from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from phonenumbers import PhoneNumber, PhoneNumberFormat, ValidationResult

from portal.french.normalised import LONGEST_TYPED, NormalisedField, readable

FRANCE = "FR"
# Overseas, numbers have ten digits too: the first of these whose plan holds a number has it.
OVERSEAS = {"GP": 590, "MQ": 596, "GF": 594, "RE": 262, "YT": 262}
# 08 and 09: services and lines that are called by the same number in all of France.
EVERYWHERE = ("8", "9")
FRANCE_CODE = 33
# The spaces of these numbers do not break.
WRONG = (
    "Écrivez un numéro de téléphone à dix chiffres, comme 06\xa012\xa034\xa056\xa078, "
    "ou étranger, comme +32\xa02\xa0123\xa045\xa067."
)
LETTERS = re.compile(r"[^\W\d_]")
# What is copied along with a number, and says nothing that the field's own name does not.
LABELS = re.compile(r"\b(?:t[ée]l(?:[ée]phone)?|mobile|portable|port|fixe)\b", re.IGNORECASE)
DIGITS = re.compile(r"\+|\d+")
KEPT = re.compile(r"\+[1-9]\d{6,14}")
# « 39 75 »: a service's number in France; no other country can call it.
SERVICE = re.compile(r"3\d{3}")
LONGEST_SERVICE = 4
FRENCH_DIGITS = re.compile(r"\+33([1-79])(\d\d)(\d\d)(\d\d)(\d\d)")


def _in_france() -> str:
    return FRANCE


# The territory (ISO 3166) whose numbers are typed without its code; the portal says where its town lies.
home: Callable[[], str] = _in_france


def read(text: str, territory: str = FRANCE) -> str:
    """The number in E.164, a French service's four digits, or "" when `text` is no telephone number.

    Digits and length are checked, not whether an operator gave the number to somebody: such lists grow old.
    `territory` (ISO 3166) has numbers of its own, shorter than those of France. Raises nothing.
    """
    text = LABELS.sub(" ", readable(text))
    if LETTERS.search(text):
        return ""
    # Any sign may stand between the digits; what follows a number, « #12 », makes it too long.
    digits = DIGITS.findall(text)
    if SERVICE.fullmatch("".join(digits)):
        return "".join(digits)
    typed = " ".join(digits)
    number = _parsed(typed, FRANCE)
    if number and phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE:
        return _kept(_overseas(number) if number.country_code == FRANCE_CODE else number)
    number = _parsed(typed, territory)
    if number and phonenumbers.is_valid_number_for_region(number, territory):
        return _kept(number)
    return ""


def read_here(text: str) -> str:
    """As `read`, for somebody who types where the town lies."""
    return read(text) or read(text, home())


# « 06 12 34 », « +33 (0)6 12 », « 0033 6 12 »: how a French number begins, as far as it is said yet.
BEGINS = re.compile(r"(?:\+33(?:0)?|0033|0)([1-9]\d{2,8})")


def beginning(text: str) -> str:
    """How the number that somebody begins to say is kept: « 06 12 34 » is « +3361234 »; "" where it is none.

    A whole number is what `read` says.
    """
    if whole := read_here(text):
        return whole if len(whole) > LONGEST_SERVICE else ""
    if LETTERS.search(text):
        return ""
    begun = BEGINS.fullmatch("".join(DIGITS.findall(text)))
    return f"+{FRANCE_CODE}{begun[1]}" if begun else ""


def _parsed(typed: str, region: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(typed, region)
    except phonenumbers.NumberParseException:
        return None


def _kept(number: PhoneNumber) -> str:
    """In E.164; a French number has nine digits after its code, the first of which is no zero."""
    kept = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if number.country_code == FRANCE_CODE and not re.fullmatch(r"\+33[1-9]\d{8}", kept):
        return ""
    return kept if KEPT.fullmatch(kept) else ""


def _overseas(number: PhoneNumber) -> PhoneNumber:
    """« 0690 12 34 56 » is Guadeloupe's: nobody in metropolitan France has a number that begins so."""
    if str(number.national_number).startswith(EVERYWHERE):
        return number
    for region, code in OVERSEAS.items():
        there = PhoneNumber(country_code=code, national_number=number.national_number)
        if phonenumbers.is_valid_number_for_region(there, region):
            return there
    return number


def shown(text: str) -> str:
    """A number as it is read in France, so that `read` finds the same again; any other text as it is."""
    french = FRENCH_DIGITS.fullmatch(text)
    if french:
        return f"0{' '.join(french.groups())}"
    number = text if KEPT.fullmatch(text) else read(text)
    if SERVICE.fullmatch(number):
        return f"{number[:2]} {number[2:]}"
    return _shown(number) if number else text


@lru_cache(maxsize=1024)
def _shown(number: str) -> str:
    parsed = _parsed(number, FRANCE)
    if parsed is None:
        return number
    for style in (PhoneNumberFormat.NATIONAL, PhoneNumberFormat.INTERNATIONAL):
        said = phonenumbers.format_number(parsed, style)
        if read(said) == number:
            return said
    return number


def check(text: str) -> None:
    """Refuses, with a sentence, what is no telephone number."""
    if not read_here(text):
        raise ValidationError(WRONG)


class PhoneInput(forms.CharField):
    """A telephone number as it is typed; `check` refuses, or the PhoneField behind it."""

    widget = forms.TelInput

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"max_length": LONGEST_TYPED} | kwargs))

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return shown(read_here(text) or text) if text else text


class PhoneField(NormalisedField):
    """A telephone number: E.164 in the database, the French way everywhere else."""

    def normal(self, text: str) -> str:
        return shown(text)

    def to_python(self, value: Any) -> Any:
        return super().to_python(read_here(value) or value if isinstance(value, str) else value)

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        return shown(value) if value else value

    def get_prep_value(self, value: Any) -> Any:
        return (read(value) or value) if isinstance(value, str) else value

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Refuses what cannot be read, unless it stood there before: the rest of the row can still change."""
        super().validate(value, model_instance)
        if value and not read(value) and not self._stands_already(value, model_instance):
            raise ValidationError(WRONG)

    def _stands_already(self, value: str, row: models.Model | None) -> bool:
        if row is None or row.pk is None:
            return False
        return type(row)._base_manager.filter(pk=row.pk, **{self.attname: value}).exists()

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**({"form_class": PhoneInput} | kwargs))
