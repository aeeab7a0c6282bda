from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.views.generic import FormView

class ActivateTOTPView(FormView[Any]): ...

def deactivate_totp(request: HttpRequest) -> HttpResponseBase: ...
