from typing import Any

from django.views.generic import FormView, TemplateView

class AuthenticateView(TemplateView):
    stage: Any

class ReauthenticateView(FormView[Any]): ...
class IndexView(TemplateView): ...
