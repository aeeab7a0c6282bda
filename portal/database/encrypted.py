"""Columns that only the portal reads: encrypted on their way to the database, decrypted on their way out.

    EncryptedTextField, EncryptedCharField, EncryptedPhoneField, EncryptedIbanField, EncryptedListField
    said("allergies")                         rows whose column is not empty
    EndOf("iban"), FingerprintOf("iban")     columns in clear that follow an encrypted one

The columns are `text`, whatever `max_length` says to forms. An empty value stays empty. No query compares
them: `__isnull` is the one lookup there is. What no key opens is `Unreadable`: pages show « illisible », the
row can be saved and keeps what it kept, and nothing is written over it. Written migrations import this.
"""

from typing import Any, cast

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import GreaterThan
from django.db.models.query_utils import DeferredAttribute

from portal.database import field_keys
from portal.database.field_keys import CannotRead, KeyRing
from portal.french.official_numbers import IbanField
from portal.french.phones import PhoneField

ILLEGIBLE = "illisible"
KEPT_AS_IT_IS = (
    "Cette information est illisible pour l'instant : elle est gardée telle quelle et ne peut pas être "
    "remplacée. Prévenez la mairie."
)


def keys() -> KeyRing:
    """Those of the settings."""
    return field_keys.ring(tuple(settings.FIELD_KEYS))


class NeverOverwritten(Exception):
    """Something else was to be written over a value that no key opens."""


class Unreadable(str):
    """What stands for such a value: reads « illisible », and knows what the column keeps."""

    kept: str
    replaced: bool

    def __new__(cls, kept: str, *, replaced: bool = False) -> "Unreadable":
        made = super().__new__(cls, ILLEGIBLE)
        made.kept, made.replaced = kept, replaced
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return _unreadable, (self.kept, self.replaced)


def _unreadable(kept: str, replaced: bool) -> Unreadable:
    return Unreadable(kept, replaced=replaced)


class _Guarded(DeferredAttribute):
    """The attribute of an encrypted column: what cannot be read is remembered when it is replaced."""

    field: "Encrypted"

    def __set__(self, instance: models.Model, value: Any) -> None:
        held = instance.__dict__.get(self.field.attname)
        if isinstance(held, Unreadable) and not isinstance(value, Unreadable):
            value = Unreadable(held.kept, replaced=value not in self.field.stands_for_unreadable)
        instance.__dict__[self.field.attname] = value


class Encrypted(models.Field):  # type: ignore[type-arg]  # takes no brackets at run time
    """Before another field's class: its column is encrypted."""

    descriptor_class = _Guarded
    # What a form that shows an unreadable value sends back untouched.
    stands_for_unreadable: tuple[Any, ...] = (ILLEGIBLE,)

    def get_internal_type(self) -> str:
        return "TextField"

    def get_lookup(self, lookup: str) -> Any:
        """Each encryption of a text is another one: nothing can be looked for."""
        return super().get_lookup(lookup) if lookup == "isnull" else None

    def get_transform(self, name: str) -> Any:
        return None

    def from_db_value(self, value: str | None, *_: object) -> Any:
        if not value:
            return self.read(value)
        try:
            return self.read(keys().decrypt(value))
        except CannotRead:
            return Unreadable(value)

    def read(self, text: str | None) -> Any:
        """The value out of the text that was encrypted."""
        return text

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        if isinstance(value, Unreadable):
            if value.replaced:
                raise NeverOverwritten(self.name)
            return value.kept
        text = super().get_db_prep_save(value, connection)
        return keys().encrypt(text) if text and isinstance(text, str) else text

    def to_python(self, value: Any) -> Any:
        return value if isinstance(value, Unreadable) else super().to_python(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        held = getattr(model_instance, self.attname)
        return held if isinstance(held, Unreadable) else super().pre_save(model_instance, add)

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        if isinstance(value, Unreadable):
            if value.replaced:
                raise ValidationError(KEPT_AS_IT_IS, code="unreadable")
            return value
        return super().clean(value, model_instance)


def said(*names: str) -> models.Q:
    """Rows in which one of these encrypted columns says something: an empty value stays empty."""
    found = models.Q()
    for name in names:
        found |= models.Q(GreaterThan(Length(models.F(name)), 0))
    return found


class EncryptedTextField(Encrypted, models.TextField):  # type: ignore[type-arg]  # takes no brackets at run time
    """A text."""


class EncryptedCharField(Encrypted, models.CharField):  # type: ignore[type-arg]  # takes no brackets at run time
    """A short text: `max_length` is what may be typed."""


class EncryptedPhoneField(Encrypted, PhoneField):
    """A telephone number, as PhoneField reads and shows it."""

    def read(self, text: str | None) -> Any:
        return PhoneField.from_db_value(self, text)

    def _stands_already(self, value: str, row: models.Model | None) -> bool:
        if row is None or row.pk is None:
            return False
        return value in type(row)._base_manager.filter(pk=row.pk).values_list(self.attname, flat=True)


class EncryptedIbanField(Encrypted, IbanField):
    """An IBAN."""


class EncryptedListField(Encrypted, models.TextField):  # type: ignore[type-arg]  # takes no brackets at run time
    """Codes without commas, as a list."""

    stands_for_unreadable = (ILLEGIBLE, [])

    def read(self, text: str | None) -> Any:
        return text.split(",") if text else []

    def to_python(self, value: Any) -> Any:
        if isinstance(value, Unreadable | list):
            return value
        return self.read(value)

    def get_prep_value(self, value: Any) -> Any:
        return ",".join(value) if isinstance(value, list | tuple) else value

    def value_to_string(self, obj: models.Model) -> str:
        return str(self.get_prep_value(self.value_from_object(obj)))

    def formfield(self, **kwargs: Any) -> Any:
        """What may be ticked is said by the form that asks."""
        return super().formfield(**({"form_class": forms.MultipleChoiceField, "widget": None} | kwargs))


# Columns in clear that follow an encrypted one -------------------------------------------------------------


class Following(models.CharField):  # type: ignore[type-arg]  # takes no brackets at run time
    """Written with the column it follows, by whoever writes that one; nobody fills it in."""

    def __init__(self, *args: Any, of: str = "", **kwargs: Any) -> None:
        self.of = of
        usual: dict[str, Any] = {"editable": False, "blank": True, "default": "", "db_default": ""}
        super().__init__(*args, **(usual | kwargs))

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, kwargs | {"of": self.of}

    def following(self, text: str) -> str:
        """What this column says of the text."""
        raise NotImplementedError

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        source = cast(Encrypted, model_instance._meta.get_field(self.of))
        followed = source.pre_save(model_instance, add)
        if not isinstance(followed, Unreadable):
            setattr(model_instance, self.attname, self.following(followed) if followed else "")
        return super().pre_save(model_instance, add)


class EndOf(Following):
    """The last four signs, by which people tell one from another."""

    def following(self, text: str) -> str:
        return text[-4:]


class FingerprintOf(Following):
    """What finds the same again: HMAC-SHA256 under the newest key, see `fingerprints`."""

    def following(self, text: str) -> str:
        return keys().newest.fingerprint(text)


def fingerprints(text: str) -> list[str]:
    """What to look for in a FingerprintOf a column: a row may not have passed the rotation yet."""
    return keys().fingerprints(text)
