"""The forms of second factors, in French; a code of the application serves once."""

import struct
from typing import Any

from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import forms as code_forms
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp_forms
from allauth.mfa.webauthn import forms as passkey_forms
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from django import forms
from django.conf import settings
from django.core.cache import cache
from django.utils import timezone

from families.models import User
from families.signing_in import factors
from portal.web.form_fields import field_of
from portal.web.unanswered import Unanswered, strictly

# What reading an invented answer of a key may end in; allauth expects some of it.
STUMBLES = (
    AttributeError,
    InvalidSignature,
    LookupError,
    TypeError,
    UnsupportedAlgorithm,
    ValueError,
    struct.error,
)
# Steps of thirty seconds in which allauth takes a code: those before and after the present one too.
CODE_TAKEN_SECONDS = 30 * (2 * settings.MFA_TOTP_TOLERANCE + 1)


class WithCode(forms.Form):
    """A field for digits: telephones show their keys, and offer the code that they know."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        code = field_of(self, "code", forms.CharField)
        code.label = "Code"
        code.max_length = 20
        code.widget.attrs.pop("placeholder", None)
        code.widget.attrs |= {"autocomplete": "one-time-code", "inputmode": "numeric", "spellcheck": "false"}


class UsedOnce(WithCode):
    """A code, tried a few times, taken once: allauth takes it for ninety seconds, and forgets in thirty."""

    authenticator: Authenticator
    user: User
    cleaned_data: dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].help_text = "Les six chiffres de votre application, ou un code de secours."

    def clean_code(self) -> str:
        if not factors.take_try(self.user, at=timezone.now()):
            raise get_adapter().validation_error("too_many_codes")
        code: str = super().clean_code()  # type: ignore[misc]  # allauth's form stands behind this one
        if self.authenticator.type == Authenticator.Type.TOTP:
            digits = "".join(filter(str.isdigit, code))
            if not _is_first(f"factor-used:{self.authenticator.pk}:{digits}"):
                raise get_adapter().validation_error("incorrect_code")
        factors.forget_tries(self.user)
        return code


def _is_first(used: str) -> bool:
    """Whether a code is taken for the first time; never while nobody can say."""
    try:
        with strictly():
            return bool(cache.add(used, True, CODE_TAKEN_SECONDS))
    except Unanswered:
        return False


class CodeForm(UsedOnce, code_forms.AuthenticateForm):
    """The code that a login asks for."""


class CodeAgainForm(UsedOnce, code_forms.ReauthenticateForm):
    """The code again, before the gravest acts."""


class AddApplicationForm(WithCode, totp_forms.ActivateTOTPForm):
    """The first code of a new application."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].label = "Code affiché par l'application"
        self.fields["code"].help_text = "Six chiffres, qui changent toutes les trente secondes."


class PasskeyNameForm(forms.Form):
    """How a person calls a passkey."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        name = field_of(self, "name", forms.CharField)
        name.label = "Nom de cette clé"
        name.max_length = 60
        name.widget.attrs |= {"maxlength": 60, "autocomplete": "off"}
        name.help_text = "Pour la reconnaître : « Téléphone », « Clé de mon bureau »…"


class AddPasskeyForm(PasskeyNameForm, passkey_forms.AddWebAuthnForm):
    """A passkey that the browser has just made."""

    def clean(self) -> dict[str, Any]:
        try:
            return super().clean()
        except STUMBLES as error:
            raise get_adapter().validation_error("incorrect_code") from error


class _ShownPasskey(forms.Form):
    """A passkey shown to the browser; what no browser answers is a wrong key."""

    def clean_credential(self) -> Any:
        try:
            return super().clean_credential()  # type: ignore[misc]  # allauth's form stands behind this one
        except STUMBLES as error:
            raise get_adapter().validation_error("incorrect_code") from error


class PasskeyForm(_ShownPasskey, passkey_forms.AuthenticateWebAuthnForm):
    """The passkey that a login asks for."""


class PasskeyAgainForm(_ShownPasskey, passkey_forms.ReauthenticateWebAuthnForm):
    """The passkey again, before the gravest acts."""


class RenamePasskeyForm(PasskeyNameForm, passkey_forms.EditWebAuthnForm):
    """Another name for a passkey."""
