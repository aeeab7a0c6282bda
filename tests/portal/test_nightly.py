"""What a night cleans up, and what it leaves."""

from datetime import timedelta
from io import StringIO

from allauth.account.models import EmailAddress
from django.core.management import call_command

from families.models import Child, Household, User
from portal.reservations.models import Reservation
from tests.conftest import family
from tests.factories import ReservationFactory


def nightly() -> str:
    out = StringIO()
    call_command("nightly", stdout=out)
    return out.getvalue()


def asked(login: str, *, days_ago: int, now, confirmed: bool) -> Household:
    """A household asked for some days ago."""
    who = family(login, login.capitalize(), "Lou")
    EmailAddress.objects.filter(user=who.user).update(verified=confirmed)
    Household.objects.filter(pk=who.household.pk).update(
        state=Household.State.REQUESTED, created_at=now - timedelta(days=days_ago)
    )
    return who.household


def test_accounts_never_confirmed_are_forgotten_after_a_week(now, town):
    asked("old", days_ago=8, now=now, confirmed=False)
    kept = {
        asked("new", days_ago=6, now=now, confirmed=False),
        asked("sure", days_ago=8, now=now, confirmed=True),
    }
    kept.add(family("roux", "Roux", "Lina").household)

    assert "1 compte(s)" in nightly()
    assert set(Household.objects.all()) == kept
    assert set(User.objects.values_list("username", flat=True)) == {"new", "sure", "roux"}
    assert Child.objects.count() == 3


def test_drafts_nobody_touched_for_a_month_go_and_recorded_ones_stay(books, now):
    old = now - timedelta(days=31)
    ReservationFactory(enrolment=books.enrolment, state="draft", touched_at=old)
    recorded = ReservationFactory(enrolment=books.enrolment, state="accepted", touched_at=old)
    assert "1 réservation(s)" in nightly()
    assert list(Reservation.objects.all()) == [recorded]
