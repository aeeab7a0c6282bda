"""Who acts on the shared steps: the family itself, or the town hall for a household. The one loader.

    acting = acting_of(request)              None: whoever is logged in, for the own household
    household_of(request)                    whose pages these are; None for who belongs to none
    whose(request)                           for composed queries: whether at the desk, and the key asked with
    mine(rows, today, at_desk)               those rows of a family's login, or of the household acted for

The desk sets `request.acting` (portal/reservations/desk/acting.py) once it has asked for the rights; nothing
that is posted says for whom one acts, nor what one may pass over.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

from django.db.models import Model
from django.http import Http404, HttpRequest
from django.utils.text import capfirst

from families import which_home
from families.models import Household, User
from families.visibility import OfChild
from portal.database.composed import Given
from portal.desk import rights
from portal.french import moments
from portal.reservations.acts import overriding
from portal.reservations.acts.overriding import Overrides
from portal.reservations.days.standing import Desk
from portal.reservations.models import Activity, Establishment
from portal.reservations.states import Override
from portal.web.signed_in import SignedInRequest

Rows = TypeVar("Rows", bound=OfChild[Any])
Row = TypeVar("Row", bound=Model)

# Of the form with which the town hall records: a reason for each override, and what goes with them.
REASON = "motif_{}"
PAYS_LATE = "hors_delai"
TELLS = "prevenir"


@dataclass(frozen=True)
class Acting:
    """The town hall acts for a household. `home`: the household's page at the desk."""

    household: Household
    by: User
    home: str
    _may: dict[int, frozenset[Override]] = field(default_factory=dict, compare=False)

    def may(self, place: Establishment) -> frozenset[Override]:
        """What may be passed over at a place."""
        if place.pk not in self._may:
            self._may[place.pk] = overriding.allowed(self.by, place)
        return self._may[place.pk]

    def desk(self, activity: Activity, place: Establishment) -> Desk:
        """For the rules of an activity at a place."""
        return overriding.desk(self.may(place), activity.pk)

    def reaches(self, place: Establishment) -> bool:
        """Whether the place is one of those that the agent follows."""
        here = Establishment.objects.filter(pk=place.pk)
        seen = rights.seen_by(self.by, here, overriding.ACTS)
        return seen is here or seen.exists()

    def kept(self, of_household: Iterable[Row]) -> list[Row]:
        """Of these enrolments, or children, those at places that the agent follows."""
        found = list(of_household)
        if not found:
            return found
        rows = type(found[0])._default_manager.filter(pk__in=[one.pk for one in found])
        seen = rights.seen_by(self.by, rows, overriding.ACTS)
        if seen is rows:
            return found
        keys = set(seen.values_list("pk", flat=True))
        return [one for one in found if one.pk in keys]


def acting_of(request: HttpRequest) -> Acting | None:
    """None: a family acts for itself."""
    found: Acting | None = getattr(request, "acting", None)
    return found


def household_of(request: SignedInRequest) -> Household | None:
    """Whose pages these are."""
    acting = acting_of(request)
    if acting is not None:
        return acting.household
    guardian = which_home.find(request)
    return guardian.household if guardian else None


def whose(request: SignedInRequest) -> tuple[bool, int]:
    """Whether the town hall acts, and the key that `mine` asks with: of the household, or of the login."""
    acting = acting_of(request)
    return (True, acting.household.pk) if acting is not None else (False, request.user.pk)


def mine(rows: Rows, today: date, at_desk: bool) -> Rows:
    """For a composed query: those of whom `whose` says, given as « whose »."""
    return rows.of_home(Given("whose"), today) if at_desk else rows.visible_to(Given("whose"), today)


def row(request: SignedInRequest, rows: OfChild[Row], today: date, **lookup: Any) -> Row:
    """One of the rows of whom the page is for, at a place that the agent follows. Raises Http404."""
    acting = acting_of(request)
    if acting is None:
        return which_home.row(request, rows.visible_to(request.user), **lookup)
    here = rights.seen_by(acting.by, rows.of_home(acting.household, today), overriding.ACTS)
    found = here.filter(**lookup).first()
    if found is None:
        raise Http404
    return found


def follow(request: SignedInRequest, found: Model, rows: Any) -> None:
    """The household of this row is shown from now on; at the desk the address says whose page it is."""
    if acting_of(request) is None:
        which_home.follow(request, found, rows)


# What is posted at the desk -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Passed:
    """Something to pass over: for which days, and whether the days cannot be had without it."""

    override: Override
    days: list[date]
    needed: bool
    said: str = ""  # the reason, as it was typed

    @property
    def days_text(self) -> str:
        """« Jeudi 12 novembre et vendredi 13 novembre »."""
        return capfirst(moments.enumerate_days(self.days))

    @property
    def name(self) -> str:
        """Of its field."""
        return REASON.format(self.override.value)


def read(data: Mapping[str, str], asked: Iterable[Passed]) -> tuple[Overrides, list[Override]]:
    """What is passed over, and what would have to be and has no reason. Only what is `asked` is read."""
    reasons: dict[Override, str] = {}
    missing = []
    for one in asked:
        reason = data.get(one.name, "").strip()
        if reason:
            reasons[one.override] = reason
        elif one.needed:
            missing.append(one.override)
    return Overrides(reasons, late=PAYS_LATE in data), missing
