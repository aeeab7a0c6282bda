"""Forms of money that count once, however often they are sent: two clicks, a page sent again."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django import forms
from django.contrib import messages
from django.core.cache import cache
from django.http import HttpRequest

from portal.web.unanswered import Unanswered, strictly

REMEMBERED_SECONDS = 24 * 3600


class AlreadySent(Exception):
    """Nothing was written this time; the message says so in French."""


class OnceForm(forms.Form):
    """A form with a key of its own: `once()` lets one sending through."""

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["key"].initial = uuid.uuid4

    @contextmanager
    def once(self) -> Iterator[None]:
        """Around the writing of a valid form. Raises AlreadySent; what fails within may be sent again."""
        key = self.cleaned_data["key"]
        remembered = f"sent-{key}"
        try:
            with strictly():
                first = not key or cache.add(remembered, 1, REMEMBERED_SECONDS)
        except Unanswered as unanswered:
            raise AlreadySent(
                "Le portail ne peut pas vérifier que ce formulaire n'a pas déjà été envoyé : rien n'est "
                "enregistré. Réessayez dans une minute."
            ) from unanswered
        if not first:
            raise AlreadySent("Ce formulaire avait déjà été envoyé : il n'est compté qu'une fois.")
        try:
            yield
        except Exception:
            cache.delete(remembered)
            raise

    def done(self, request: HttpRequest, act: Callable[[], str], refusal: type[Exception]) -> bool:
        """Whether it is done now, which `act` puts in words, or was already; a refusal stands on the form."""
        try:
            with self.once():
                words = act()
        except AlreadySent as twice:
            messages.warning(request, str(twice))
        except refusal as refused:
            self.add_error(None, str(refused))
            return False
        else:
            messages.success(request, words)
        return True
