"""Forms of accounts and households."""

from allauth.account import forms as allauth_forms


class LoginForm(allauth_forms.LoginForm):
    """Identifiant or e-mail, and password."""


class SignupForm(allauth_forms.SignupForm):
    """« Créer un compte famille »."""


class RecoveryForm(allauth_forms.ResetPasswordForm):
    """« Identifiant ou mot de passe oublié ? »."""


class ChangeEmailForm(allauth_forms.AddEmailForm):
    """« Modifier mon adresse e-mail »."""
