"""Numbers that banks and the State give, and that a slip makes wrong: IBAN, BIC, ICS, SIRET.

Kept without spaces, in capitals; refused with a sentence when their form or key is wrong. What each must
look like is known to python-stdnum. Each `check_…` takes a number as it is typed and raises ValidationError.
"""

import re
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from stdnum import bic, iban
from stdnum.eu import at_02
from stdnum.exceptions import InvalidChecksum
from stdnum.exceptions import ValidationError as WrongNumber
from stdnum.fr import siret
from stdnum.util import clean

from portal.french.normalised import NormalisedField, readable

# What a number is copied with from a letter or a bank's page.
LABEL = re.compile(r"^(IBAN|BIC|ICS|SIRET)\b\W*")
# Country, key, activity, then the creditor's own part: the library only reckons the key.
CREDITOR = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{3}[A-Z0-9]{1,28}")
FRENCH_CREDITOR_LENGTH = 13


def compact(text: str) -> str:
    """« iban : fr14 2004 1010… » → « FR1420041010… »: the form that is kept. Raises nothing."""
    return clean(LABEL.sub("", readable(text).upper()), " -.")


def grouped(text: str) -> str:
    """An IBAN as it is read aloud: « FR14 2004 1010 0505 0001 3M02 606 »."""
    return iban.format(compact(text))


def check_iban(text: str) -> None:
    """ISO 13616: the form of its country, and a key by 97."""
    number = compact(text)
    if _is_iban(number):
        return
    if _has_the_form_of_an_iban(number):
        raise ValidationError("Cet IBAN contient une erreur de frappe : sa clé ne correspond pas.")
    raise ValidationError("Cet IBAN n'a pas la bonne forme. Recopiez-le depuis le RIB.")


def _is_iban(number: str) -> bool:
    # Not against the library's lists of a country's banks: a bank may be younger than they are.
    return iban.is_valid(number, check_country=False)


def _has_the_form_of_an_iban(number: str) -> bool:
    """Whether only the key is wrong: with another one, the number would be right."""
    try:
        return _is_iban(number[:2] + iban.calc_check_digits(number) + number[4:])
    except ValueError:
        return False


def check_bic(text: str) -> None:
    """ISO 9362: bank, country, place, and perhaps a branch."""
    number = compact(text)
    if len(number) not in (8, 11):
        raise ValidationError("Un BIC a huit ou onze caractères.")
    if not bic.is_valid(number):
        raise ValidationError("Ce BIC n'a pas la bonne forme. Recopiez-le depuis le RIB.")


def check_creditor(text: str) -> None:
    """The SEPA identifier of a creditor (ICS): its form, and a key by 97 that leaves out the activity."""
    number = compact(text)
    french_length = not number.startswith("FR") or len(number) == FRENCH_CREDITOR_LENGTH
    if not CREDITOR.fullmatch(number) or not french_length:
        raise ValidationError("Un identifiant créancier s'écrit par exemple FR72ZZZ123456.")
    if not at_02.is_valid(number):
        raise ValidationError(
            "Cet identifiant créancier contient une erreur de frappe : sa clé ne correspond pas."
        )


def check_siret(text: str) -> None:
    """Fourteen digits with a key by Luhn, save those of La Poste."""
    try:
        siret.validate(compact(text))
    except InvalidChecksum:
        raise ValidationError("Ce SIRET contient une erreur de frappe : sa clé ne correspond pas.") from None
    except WrongNumber:
        raise ValidationError("Un SIRET a quatorze chiffres.") from None


class IbanInput(forms.CharField):
    """An IBAN shown in groups of four; one that is wrong is shown as it was typed."""

    def prepare_value(self, value: Any) -> Any:
        return grouped(value) if isinstance(value, str) and _is_iban(compact(value)) else value


class _OfficialNumber(NormalisedField):
    def normal(self, text: str) -> str:
        return compact(text)


class IbanField(_OfficialNumber):
    """An IBAN, kept as « FR1420041010050500013M02606 »."""

    default_validators = [check_iban]

    def shown(self, kept: str) -> str:
        return grouped(kept)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**({"form_class": IbanInput} | kwargs))


class BicField(_OfficialNumber):
    """A bank's BIC, of eight or eleven characters."""

    default_validators = [check_bic]


class CreditorField(_OfficialNumber):
    """A SEPA creditor identifier, « FR72ZZZ123456 »."""

    default_validators = [check_creditor]


class SiretField(_OfficialNumber):
    """A SIRET, fourteen digits."""

    default_validators = [check_siret]
