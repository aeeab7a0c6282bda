"""Who may see what: an access that a colleague asked for, and that waits, as « Qui a accès » and the desk's
queue show it; an adult of two households, who adds a child."""

from datetime import date, datetime

from families.custody import newcomers, openings
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


def join(people: People, at: datetime) -> None:
    """`famille0004` is an adult of another household too, and asks that a child be added to its own."""
    accepted = [home for home in people.others if home.household.is_accepted]
    first, second = accepted[1], accepted[-1]
    known = first.household.guardians.get(user=first.user)
    Guardian.objects.create(
        household=second.household,
        user=first.user,
        first_name=known.first_name,
        last_name=known.last_name,
        is_payer=False,
    )
    said = newcomers.NewChild("Malo", known.last_name, date(at.year - 4, 5, 12))
    newcomers.ask_child(first.household, said, by=first.user, at=at)
