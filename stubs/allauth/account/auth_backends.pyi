from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.http import HttpRequest

from families.models import User

class AuthenticationBackend(ModelBackend):
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None: ...
    def _check_password(self, user: User, password: str) -> User | None: ...
