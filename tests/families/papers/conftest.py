"""An insurance that the canteen asks for, and one hand to send papers with."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile

from families.models import Child, Paper, PaperKind
from families.papers import sending
from families.papers.sending import Said
from tests.conftest import Family
from tests.factories import PaperKindFactory
from tests.families.conftest import PDF


@pytest.fixture
def insurance(canteen) -> PaperKind:
    """One a child, until the end of the school year."""
    return PaperKindFactory(asked_by=[canteen.activity], code="assurance")


@pytest.fixture
def rules(canteen) -> PaperKind:
    """The rules of the house, signed once by a household, for ever."""
    return PaperKindFactory(
        asked_by=[canteen.activity],
        code="reglement",
        name="Règlement signé",
        about="household",
        lasts="for_ever",
    )


@pytest.fixture
def send(now) -> Callable[..., Paper]:
    """A family sends a PDF, now."""

    def do(who: Family, kind: PaperKind, child: Child | None = None, **said: Any) -> Paper:
        said = {"at": now, **said}
        given = Said(
            ContentFile(PDF, "papier.pdf"), "application/pdf", said.get("dated_on"), said.get("ends_on")
        )
        return sending.send(who.household, kind, child, given, by=who.user, at=said["at"])

    return do
