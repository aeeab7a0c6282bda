"""Reminders of papers: one that is missing, one that will end; each once, nothing secret named."""

from datetime import timedelta

import pytest

from families.models import Paper, ReminderChoice
from tests.conftest import EVENING
from tests.factories import PaperFactory, PaperKindFactory

TODAY = EVENING.date()


@pytest.fixture
def wants(books):
    """Camille wants this reminder and no other."""
    for kind in ("usual", "freed", "quotient", "menus"):
        ReminderChoice.objects.create(guardian=books.guardian, kind=kind, wanted=False, chosen_at=EVENING)
    return books


def test_a_missing_paper_is_said_once(wants, canteen, round_at):
    PaperKindFactory(asked_by=[canteen.activity])
    (letter,) = round_at()
    assert letter.subject == "Un papier est attendu"
    assert "Attestation d'assurance de Lina : la mairie l'attend encore." in letter.body
    assert "/mes-papiers/" in letter.body
    assert round_at(EVENING + timedelta(days=1)) == []


def test_a_paper_that_ends_is_said_on_its_day_and_again_the_year_after(wants, canteen, round_at):
    kind = PaperKindFactory(asked_by=[canteen.activity], remind_days=10)
    paper = PaperFactory(
        kind=kind,
        household=wants.household,
        child=wants.child,
        state="accepted",
        ends_on=TODAY + timedelta(days=11),
    )
    assert round_at() == [], "eleven days before its end nobody asks"
    (letter,) = round_at(EVENING + timedelta(days=1))
    assert "valable jusqu'au vendredi 20 novembre 2026. Envoyez le suivant." in letter.body
    (letter,) = round_at(EVENING + timedelta(days=12))
    assert "périmé" in letter.body
    Paper.objects.filter(pk=paper.pk).update(state="expired")
    assert round_at(EVENING + timedelta(days=13)) == []


@pytest.mark.parametrize("state", ["sent", "refused"])
def test_what_waits_or_was_just_refused_is_not_reminded_of(wants, canteen, round_at, state):
    kind = PaperKindFactory(asked_by=[canteen.activity])
    PaperFactory(kind=kind, household=wants.household, child=wants.child, state=state)
    assert round_at() == []


def test_a_paper_of_health_is_not_named(wants, canteen, round_at):
    PaperKindFactory(name="Protocole PAI", secrecy="health", asked_by=[canteen.activity])
    (letter,) = round_at()
    assert "Un papier de Lina : la mairie l'attend encore." in letter.body and "PAI" not in letter.body
