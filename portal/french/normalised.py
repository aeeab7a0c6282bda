"""Texts that hands type in many ways and the portal keeps in one: telephones, IBAN, SIRET."""

import unicodedata
from typing import Any, Literal

from django.db import models

LONGEST_TYPED = 80


def readable(text: str, form: Literal["NFC", "NFKC"] = "NFKC") -> str:
    """`text` with plain signs (NFC: its own, composed) and spaces, without the unseen marks that come along
    when it is pasted."""
    signs = unicodedata.normalize(form, text)
    return " ".join("".join(sign for sign in signs if unicodedata.category(sign) != "Cf").split())


class NormalisedField(models.CharField):  # type: ignore[type-arg]  # takes no brackets at run time
    """A text kept in one form, whoever writes it: a form, the town's file, the code.

    A subclass says that form by `normal`, and refuses what is wrong by validators.
    """

    def normal(self, text: str) -> str:
        """The form that is kept; what cannot be read comes back as it is. Raises nothing."""
        raise NotImplementedError

    def shown(self, kept: str) -> str:
        """As forms and files show it."""
        return kept

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return self.normal(text) if text else text

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        value = super().pre_save(model_instance, add)
        if isinstance(value, str):
            value = self.normal(value)
            setattr(model_instance, self.attname, value)
        return value

    def formfield(self, **kwargs: Any) -> Any:
        """A field that takes more than is kept: spaces, « IBAN : »."""
        return super().formfield(**({"max_length": LONGEST_TYPED} | kwargs))
