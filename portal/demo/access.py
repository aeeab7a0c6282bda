"""An access that a colleague asked for, and that waits: what « Qui a accès » and the desk's queue show."""

from datetime import datetime

from django.contrib.auth.models import Group

from families.custody import openings
from families.models import Guardian
from portal.demo.factories import UserFactory
from portal.demo.people import People


def ask(people: People, password: str, at: datetime) -> None:
    """« accueil » invites the other adult of a household: a guardian there, or `agent`, confirms it."""
    colleague = UserFactory(
        username="accueil", first_name="Colette", last_name="Mercier", is_staff=True, password=password
    )
    colleague.groups.add(Group.objects.get(name="Agent"))
    accepted = [home.household for home in people.others if home.household.is_accepted]
    alone = Guardian.objects.filter(household__in=accepted, user=None).order_by("pk").first()
    if alone is None:
        first = Guardian.objects.filter(household=accepted[0]).order_by("pk")[0]
        alone = Guardian.objects.create(
            household=accepted[0], first_name="Alix", last_name=first.last_name, is_payer=False
        )
    openings.ask_guardian(alone, "second.parent@example.org", by=colleague, at=at)
