"""Families who let the town hall ask the CAF and the MSA, an answer to look at, adults to invite."""

from datetime import date, datetime

from django.utils import timezone

from families.custody import openings
from families.funds import consents, rounds
from families.funds.interface import Identity
from families.models import QUOTIENT_ENDS_SOON, Guardian, Household
from portal.demo.people import DemoHome, People

AGREED = 4


def agree(people: People, at: datetime) -> None:
    """`parent` has asked, and the answer waits for `agent`; others agreed, and have no quotient soon."""
    until = timezone.localdate(at) + QUOTIENT_ENDS_SOON
    known = Household.objects.filter(pk__in=[home.household.pk for home in people.accepted])
    ending = set(rounds.ending(known, until=until).values_list("pk", flat=True))
    others = [home for home in people.others if home.household.pk in ending]
    for home in (people.parent, *others[:AGREED]):
        consents.give(_adult(home), _identity(_adult(home)), by=home.user, at=at)
    consent = consents.standing(people.parent.household)[0]
    asked = rounds.begin_for_family(consent, by=people.parent.user, at=at)
    while rounds.ask_some(asked.pk, at=at) == 0:
        pass


def expect(people: People, at: datetime) -> None:
    """An adult without a login whose address came with the file; others have none, and get a letter."""
    known = [home.household for home in people.others if home.household.is_accepted][-2:]
    for rank, household in enumerate(known, 1):
        there = household.guardians.order_by("pk").first()
        if there is None:
            continue
        adult = Guardian.objects.create(
            household=household, first_name=("Sacha", "Lou")[rank - 1], last_name=there.last_name
        )
        if rank == 1:
            openings.expect(adult, "sacha.invite@example.org", at=at)


def _adult(home: DemoHome) -> Guardian:
    return home.household.guardians.get(user=home.user)


def _identity(adult: Guardian) -> Identity:
    return Identity(
        birth_name=adult.last_name,
        first_names=(adult.first_name,),
        birth_date=date(1986, 4, 12),
        town="Rennes",
        department="35",
    )
