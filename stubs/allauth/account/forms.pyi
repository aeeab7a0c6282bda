from typing import Any

from django import forms
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.http import HttpRequest, HttpResponse

from families.models import User

default_token_generator: PasswordResetTokenGenerator

class LoginForm(forms.Form): ...

class SignupForm(forms.Form):
    account_already_exists: bool
    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]: ...
    def save(self, request: HttpRequest) -> User: ...

class ResetPasswordForm(forms.Form):
    def save(self, request: HttpRequest, **kwargs: Any) -> str: ...

class ResetPasswordKeyForm(forms.Form):
    user: User
    def save(self) -> None: ...

class ChangePasswordForm(forms.Form): ...
class ReauthenticateForm(forms.Form): ...
class AddEmailForm(forms.Form): ...
