"""An account's names, its identifiant and its e-mail address: the form in which both are kept and compared.

Databases fold letters each in its own way (PostgreSQL takes « ı » for « i », SQLite knows ASCII only): here
they only propose accounts, and Python decides, on what each account keeps.
"""

import unicodedata
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.db.models.functions import Lower

if TYPE_CHECKING:
    from families.models import User

# Case folding would make « ss » and « σ » of them: other letters, and other people's domains (RFC 5894, 4.2).
KEPT_APART = {"ß": "ß", "ẞ": "ß", "ς": "ς"}
NOT_ASCII = r"[^\x01-\x7f]"
LONGEST = 320  # signs; no account keeps more, and normalising takes time by the square

TAKEN_ADDRESS = "Un compte utilise déjà cette adresse."
TAKEN_IDENTIFIANT = "Cet identifiant est déjà pris. Choisissez-en un autre."


def normal_form(typed: str) -> str:
    """NFKC, then case folded sign by sign; « ß » and « ς » stay what they are. Raises nothing.

    What is too long for any name comes back as typed.
    """
    if len(typed) > LONGEST:
        return typed
    signs = unicodedata.normalize("NFKC", typed.strip())
    folded = "".join(KEPT_APART.get(sign) or sign.casefold() for sign in signs)
    return unicodedata.normalize("NFKC", folded)


def check_address(email: str) -> None:
    """Raises ValidationError, with its sentence, for what is no address or what our mails would not reach."""
    get_user_model()._meta.get_field("email").run_validators(email)
    name, _, domain = email.rpartition("@")
    try:
        # Mail servers are found by IDNA 2003, which goes to strasse.de for straße.de: another owner's.
        reached = domain if domain.isascii() else domain.encode("idna").decode("idna")
    except UnicodeError:
        reached = ""
    if reached != domain or not name.isascii():
        raise ValidationError(
            "Nous ne pouvons pas écrire à cette adresse. Donnez-en une sans lettres spéciales."
        )


def _accounts(form: str, *columns: str) -> "list[User]":
    """Those with `form` as the normal form of one of `columns`, first the oldest.

    Of ASCII the normal form is the small letters, about which all databases agree; whatever else was kept by
    an earlier version is rare, and read.
    """
    lowered = {f"small_{column}": Lower(column) for column in columns}
    proposed = Q()
    for column in columns:
        proposed |= Q(**{f"small_{column}": form}) | Q(**{f"{column}__regex": NOT_ASCII})
    users = get_user_model().objects.alias(**lowered).filter(proposed).order_by("pk")
    return [user for user in users if any(normal_form(getattr(user, column)) == form for column in columns)]


def having_address(typed: str) -> "list[User]":
    """The accounts whose address it is: more than one where an earlier version kept two spellings of it."""
    return _accounts(normal_form(typed), "email")


def having_identifiant(typed: str) -> "list[User]":
    """The accounts whose identifiant it is (see `having_address`)."""
    return _accounts(normal_form(typed), "username")


def called(typed: str) -> "list[User]":
    """The accounts that log in by it, their identifiant or their address."""
    return _accounts(normal_form(typed), "username", "email")


def free_address(typed: str, owner: "User | None" = None) -> str:
    """The address as an account keeps it.

    Raises ValidationError as `check_address` does, and where another account than `owner`'s has it.
    """
    email = normal_form(typed)
    check_address(email)
    if any(user != owner for user in having_address(email)):
        raise ValidationError(TAKEN_ADDRESS)
    return email


def free_identifiant(typed: str, owner: "User | None" = None) -> str:
    """The identifiant as an account keeps it.

    Raises ValidationError where signs or length forbid, and where another account than `owner`'s has it.
    """
    name = normal_form(typed)
    get_user_model()._meta.get_field("username").run_validators(name)
    if any(user != owner for user in having_identifiant(name)):
        raise ValidationError(TAKEN_IDENTIFIANT)
    return name
