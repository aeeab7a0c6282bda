"""What a message says to one family: its variables, and what they stand for."""

from collections import defaultdict
from collections.abc import Collection
from datetime import date

from django.conf import settings

from families.models import Custody, Guardian, Household, household_number
from portal import town
from portal.french.moments import listing
from portal.letters import variables

# In the order in which the page offers them, each with what it stands for.
VARIABLES = {
    "prénom": "le prénom de l'adulte qui lit",
    "nom": "son nom",
    "enfants": "les prénoms des enfants du foyer",
    "foyer": "le numéro du foyer",
    "commune": "le nom de la commune",
    "service": "le nom du service",
    "portail": "l'adresse du portail",
}


def refusal(text: str) -> str:
    """Why a text cannot leave; empty where it can."""
    return variables.refusal(text, VARIABLES)


class Facts:
    """What the variables stand for, of households (keys) on a day: read in two queries."""

    def __init__(self, homes: Collection[int], today: date) -> None:
        self._children: dict[int, list[str]] = defaultdict(list)
        rows = Custody.objects.on(today).filter(household__in=homes).select_related("child")
        for custody in rows.order_by("child__birth_date", "child_id"):
            if custody.child.erased_at is None:
                self._children[custody.household_id].append(custody.child.first_name)
        self._adults: dict[int, list[Guardian]] = defaultdict(list)
        for adult in Guardian.objects.filter(household__in=homes).order_by("pk"):
            self._adults[adult.household_id].append(adult)

    def of(self, home: Household, adult: Guardian | None) -> dict[str, str]:
        """For an adult, or for all of the household, who read one letter on paper."""
        readers = self._adults[home.pk] if adult is None else [adult]
        here = town.current()
        return {
            "prénom": listing([one.first_name for one in readers]),
            "nom": listing(list(dict.fromkeys(one.last_name for one in readers))),
            "enfants": listing(self._children[home.pk]),
            "foyer": household_number(home.pk),
            "commune": here.name,
            "service": here.service,
            "portail": settings.PORTAL_URL.rstrip("/"),
        }
