"""An access that a colleague asked for, and that waits: what « Qui a accès » and the desk's queue show."""

from datetime import datetime

from families.custody import openings
from families.models import Guardian, User
from portal.demo.people import People


def ask(people: People, at: datetime) -> None:
    """« accueil » invites the other adult of a household: a guardian there, or `agent`, confirms it."""
    accepted = [home.household for home in people.others if home.household.is_accepted]
    alone = Guardian.objects.filter(household__in=accepted, user=None).order_by("pk").first()
    if alone is None:
        first = Guardian.objects.filter(household=accepted[0]).order_by("pk")[0]
        alone = Guardian.objects.create(
            household=accepted[0], first_name="Alix", last_name=first.last_name, is_payer=False
        )
    colleague = User.objects.get(**{User.USERNAME_FIELD: "accueil"})
    openings.ask_guardian(alone, "second.parent@example.org", by=colleague, at=at)
