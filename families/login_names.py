"""An account's names, its identifiant and its e-mail address: the form in which both are kept and compared.

Databases fold letters each in its own way (PostgreSQL takes « ı » for « i », SQLite knows ASCII only): the
form is made here, each account keeps it in columns of its own (`NormalForm`), and databases only compare it
sign by sign.
"""

import unicodedata
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q, QuerySet

from portal.database.composed import Composed, Given

if TYPE_CHECKING:
    from families.models import User

# Case folding would make « ss » and « σ » of them: other letters, and other people's domains (RFC 5894, 4.2).
KEPT_APART = {"ß": "ß", "ẞ": "ß", "ς": "ς"}
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


class NormalForm(models.CharField[str, str]):
    """The normal form of another column of the same row, written whenever the row is: never by hand.

    `save` and `bulk_create` write it; an `update` of the other column would not: `UserQuerySet` refuses it.
    """

    def __init__(self, *args: Any, of: str, **kwargs: Any) -> None:
        self.of = of
        super().__init__(*args, **kwargs | {"max_length": LONGEST, "editable": False, "blank": True})

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        for own in ("max_length", "editable", "blank"):
            kwargs.pop(own, None)
        return name, path, args, kwargs | {"of": self.of}

    def pre_save(self, model_instance: models.Model, add: bool) -> str:
        form = indexed_form(getattr(model_instance, self.of))
        setattr(model_instance, self.attname, form)
        return form


def called_like(part: str) -> "QuerySet[User]":
    """The accounts of whose identifiant or address this is a part; each column by its own index."""
    users, form = get_user_model()._default_manager.order_by(), normal_form(part)
    by_name = users.filter(username_form__contains=form).values("pk")
    by_address = users.filter(email_form__contains=form).values("pk")
    found: QuerySet[User] = users.filter(pk__in=by_name.union(by_address))
    return found


def indexed_form(typed: str) -> str:
    """The normal form as far as a column holds it."""
    return normal_form(typed)[:LONGEST]


def _accounts(typed: str, *columns: str) -> "list[User]":
    """Those with the normal form of `typed` in one of `columns`, first the oldest."""
    form = indexed_form(typed)
    if not form:
        return []
    return _named(*columns, form=form)


@Composed
def _named(*columns: str) -> "QuerySet[User]":
    same = Q(*((column, Given("form")) for column in columns), _connector=Q.OR)
    rows: QuerySet[User] = get_user_model()._default_manager.filter(same).order_by("pk")
    return rows


def having_address(typed: str) -> "list[User]":
    """The accounts whose address it is: more than one where an earlier version kept two spellings of it."""
    return _accounts(typed, "email_form")


def having_identifiant(typed: str) -> "list[User]":
    """The accounts whose identifiant it is (see `having_address`)."""
    return _accounts(typed, "username_form")


def called(typed: str) -> "list[User]":
    """The accounts that log in by it, their identifiant or their address."""
    return _accounts(typed, "username_form", "email_form")


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
