"""« Qui a accès »: per child and household, who may see it, since when, opened by whom; and what waits."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from families.custody import homes, openings
from families.models import AccessOpening, Child, Custody, Guardian, Household, User
from portal.french.dates import short_day

State, Kind = AccessOpening.State, AccessOpening.Kind
# An account asked for on the portal and its household are written together.
WITH_THE_HOUSEHOLD = timedelta(hours=1)


@dataclass(frozen=True)
class Adult:
    """Somebody of a home: `since` and `by` are words, empty without a login."""

    name: str
    you: bool
    login: bool
    since: str
    by: str


@dataclass(frozen=True)
class Home:
    """A home of a child, or the household itself."""

    own: bool
    since: str
    until: str
    by: str
    adults: list[Adult]


@dataclass(frozen=True)
class Access:
    """The page: the household's adults, each child's homes, what waits and whether one may answer it."""

    adults: list[Adult]
    children: list[tuple[Child, list[Home]]]
    waiting: list[tuple[AccessOpening, bool]]


def access(household: Household, user: User, today: date) -> Access:
    """In eight queries at most, whatever the children and homes."""
    children = homes.children(household, today)
    custodies = list(
        Custody.objects.on(today).filter(child__in=children).select_related("household").order_by("pk")
    )
    concerned = {household.pk, *(one.household_id for one in custodies)}
    written = Custody.history.filter(id__in=[one.pk for one in custodies], history_type="+")
    begun = dict(written.values_list("id", "history_date"))
    adults: dict[int, list[Guardian]] = defaultdict(list)
    there = (
        Guardian.objects.filter(household__in=concerned).select_related("user", "household").order_by("pk")
    )
    for guardian in there:
        adults[guardian.household_id].append(guardian)
    opened = AccessOpening.objects.filter(household__in=concerned, state=State.OPEN)
    opened = opened.order_by("answered_at", "pk")
    of_guardian = {one.guardian_id: one for one in opened if one.kind == Kind.GUARDIAN}
    of_home = {(one.child_id, one.household_id): one for one in opened if one.kind == Kind.HOME}

    def people(home: int) -> list[Adult]:
        return [_adult(one, user, of_guardian.get(one.pk)) for one in adults[home]]

    found = []
    for child in sorted(children, key=lambda one: one.birth_date):
        of_child = [one for one in custodies if one.child_id == child.pk]
        of_child.sort(key=lambda one: (one.household_id != household.pk, one.pk))
        found.append(
            (
                child,
                [
                    _home(
                        one,
                        household,
                        people(one.household_id),
                        of_home.get((child.pk, one.household_id)),
                        begun.get(one.pk, one.household.created_at),
                    )
                    for one in of_child
                ],
            )
        )
    return Access(people(household.pk), found, _waiting(household, user, concerned, children))


def _adult(guardian: Guardian, user: User, opening: AccessOpening | None) -> Adult:
    login = guardian.user
    since = by = ""
    if login is not None:
        since = short_day(timezone.localdate(login.date_joined), year=True)
        came_together = abs(login.date_joined - guardian.household.created_at) < WITH_THE_HOUSEHOLD
        by = "créé avec le compte du foyer" if came_together else "ouvert avant le suivi des accès"
    if login is not None and opening is not None and opening.answered_at is not None:
        since = short_day(timezone.localdate(opening.answered_at), year=True)
        by = _by(opening)
    return Adult(str(guardian), login is not None and login.pk == user.pk, login is not None, since, by)


def _home(
    custody: Custody,
    mine: Household,
    people: list[Adult],
    opening: AccessOpening | None,
    begun: datetime,
) -> Home:
    own = custody.household_id == mine.pk
    if opening is not None and opening.answered_at is not None:
        since, by = timezone.localdate(opening.answered_at), _by(opening)
    else:
        since, by = timezone.localdate(begun), ""
    until = "" if custody.until is None else short_day(custody.until, year=True)
    return Home(own, short_day(since, year=True), until, by, people)


def _by(opening: AccessOpening) -> str:
    """« à la demande de Dominique Agent (mairie), confirmé par Camille Roux »."""
    if opening.is_of_family:
        return f"à l'invitation de {opening.asked_by_name}, acceptée par la mairie"
    asked = f"à la demande de {opening.asked_by_name} (mairie)" if opening.asked_by_name else ""
    if opening.confirmed == AccessOpening.Confirmed.BY_TIME:
        said = "ouvert à la fin du délai de 72 heures"
    elif opening.answered_by_name:
        role = " (mairie)" if opening.confirmed == AccessOpening.Confirmed.BY_STAFF else ""
        said = f"confirmé par {opening.answered_by_name}{role}"
    else:
        said = ""
    return ", ".join(words for words in (asked, said) if words)


def _waiting(
    household: Household, user: User, concerned: Iterable[int], children: Iterable[Child]
) -> list[tuple[AccessOpening, bool]]:
    """What waits for the household's people and children, its own requests too."""
    mine = {one.pk for one in openings.for_guardian(user)}
    found = (
        AccessOpening.objects.waiting()
        .filter(Q(kind=Kind.GUARDIAN, household__in=concerned) | Q(kind=Kind.HOME, child__in=children))
        .select_related("guardian", "child", "household")
    )
    return [(one, one.pk in mine) for one in found]
