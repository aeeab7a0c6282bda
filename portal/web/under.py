"""Pages shown under another address: at the desk, a family's stand under that of its household.

`reverse` and `{% url %}` answer addresses under `prefix` as long as it holds; what belongs to the whole
portal is asked for `under("/")`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import get_script_prefix, set_script_prefix


@contextmanager
def under(prefix: str) -> Iterator[None]:
    before = get_script_prefix()
    set_script_prefix(prefix)
    try:
        yield
    finally:
        set_script_prefix(before)


HOME = "Retour à l'accueil"


@dataclass(frozen=True)
class Band:
    """What stands at the head of each page that somebody is shown in the place of a family."""

    sentence: str
    url: str
    label: str
    # What the way « home » is called there.
    home: str = HOME
    # Whether the ways that a family always has stand beside it.
    navigates: bool = False

    @property
    def acts(self) -> bool:
        """Whether something is done here for the family; or else its pages are only looked at."""
        return self.home != HOME


def band(request: HttpRequest) -> Band | None:
    """That of a page, where it has one."""
    found: Band | None = getattr(request, "band", None)
    return found
