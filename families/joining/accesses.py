"""Which login each adult has once two households are one, and which of them would see more than before.

Reads only. Whichever household is kept: a login that would see a child, an address or money that it did
not see is tied to nobody until it is confirmed (`custody.openings`). At once goes on who saw both households
already, where the other one holds nobody, and whose proven address came with the other one's file.
"""

from collections import defaultdict
from datetime import date
from typing import NamedTuple

from allauth.account.models import EmailAddress
from django.db.models import Q

from families import login_names
from families.custody import openings
from families.joining.joining import EMPTIED, KEPT, Choice, Foreseen, Joining
from families.models import Custody, Guardian, User
from portal.french.moments import listing

ACCESS = "Qui verra quoi"


class Access(NamedTuple):
    """`adult`: the row that stays; `twin`: that of the same person which goes; `waits`: until confirmed."""

    adult: Guardian
    twin: Guardian | None
    user: User
    waits: bool


def login_choice(same: Guardian, adult: Guardian) -> Choice | None:
    """Two logins of one person: which of them stays is for somebody to say."""
    if not same.user or not adult.user or same.user_id == adult.user_id:
        return None
    options = ((KEPT, same.user.username), (EMPTIED, adult.user.username))
    last = [one.user.last_login or one.user.date_joined for one in (same, adult) if one.user]
    return Choice(
        f"identifiant-{adult.pk}",
        f"{same} a deux identifiants : lequel reste ?",
        options,
        KEPT if last[0] >= last[1] else EMPTIED,
        "Proposé : celui qui a servi en dernier. L'autre ne permettra plus d'entrer.",
    )


def of(joining: Joining, today: date) -> list[Access]:
    """Every login that stays, adults of the kept household first; in a fixed number of queries."""
    known = joining.known
    twins = {joining.adults[one.pk]: one for one in known.emptied_adults if one.pk in joining.adults}
    rows = [(one, twins.get(one.pk)) for one in known.kept_adults]
    rows += [(one, None) for one in known.emptied_adults if one.pk not in joining.adults]
    found = [(adult, twin, user) for adult, twin in rows if (user := _login(joining, adult, twin))]
    gains = _Gains(joining, {user.pk for _, _, user in found}, today)
    return [Access(adult, twin, user, gains.any(adult, twin, user)) for adult, twin, user in found]


def _login(joining: Joining, adult: Guardian, twin: Guardian | None) -> User | None:
    if twin is None or twin.user is None:
        return adult.user
    choice = login_choice(adult, twin)
    if adult.user is None or (choice is not None and joining.answer(choice) == EMPTIED):
        return twin.user
    return adult.user


def holds_somebody(joining: Joining) -> dict[int, bool]:
    """By key of either household: whether an adult or a child is there, or was."""
    known = joining.known
    return {
        joining.kept.pk: bool(known.kept_adults or known.kept_children),
        joining.emptied.pk: bool(known.emptied_adults or known.emptied_children),
    }


class _Gains:
    """What logins see before and after, read once for all of them."""

    def __init__(self, joining: Joining, users: set[int], today: date) -> None:
        known = joining.known
        adults = [*known.kept_adults, *known.emptied_adults]
        self.holds_somebody = holds_somebody(joining)
        self.logins: dict[int, set[int]] = defaultdict(set)
        for one in adults:
            if one.user_id is not None:
                self.logins[one.user_id].add(one.household_id)
        self.living: dict[int, set[int]] = defaultdict(set)
        going_on = Custody.objects.filter(Q(until=None) | Q(until__gt=today))
        for home, child in going_on.filter(household__in=joining.homes).values_list("household", "child"):
            self.living[home].add(child)
        self.seen: dict[int, set[int]] = defaultdict(set)
        homes: dict[int, set[int]] = defaultdict(set)
        for home, user in Guardian.objects.filter(user__in=users).values_list("household", "user"):
            homes[home].add(user)
        for home, child in going_on.filter(household__in=homes).values_list("household", "child"):
            for user in homes[home]:
                self.seen[user].add(child)
        self.shown = _shown(joining, set().union(*self.living.values()))
        self.expected = openings.expected([one.pk for one in adults if one.user_id is None])
        proven = EmailAddress.objects.filter(user__in=users, verified=True).values_list("user", "email")
        self.proven = {(user, login_names.normal_form(email)) for user, email in proven}

    def any(self, adult: Guardian, twin: Guardian | None, user: User) -> bool:
        seen = self.seen[user.pk]
        for other in self.holds_somebody.keys() - self.logins[user.pk]:
            if self._came_with_the_file(other, adult, twin, user):
                seen = seen | self.living[other]
            elif self.holds_somebody[other]:
                return True
        return not self.shown <= seen

    def _came_with_the_file(self, home: int, adult: Guardian, twin: Guardian | None, user: User) -> bool:
        address = login_names.normal_form(user.email)
        there = next((one for one in (adult, twin) if one is not None and one.household_id == home), None)
        return (
            there is not None
            and address in self.expected.get(there.pk, set())
            and (user.pk, address) in self.proven
        )


def _shown(joining: Joining, living: set[int]) -> set[int]:
    """The rows of children that who belongs to the joined household sees: of a child typed twice both."""
    pairs = joining.children
    kept = {pairs.get(child, child) for child in living}
    known = (*joining.known.kept_children, *joining.known.emptied_children)
    return {child.pk for child in known if pairs.get(child.pk, child.pk) in kept}


def say(joining: Joining, today: date, found: Foreseen) -> None:
    """What each login sees, and from when on."""
    accesses = of(joining, today)
    waiting = [one for one in accesses if one.waits]
    at_once = [one for one in accesses if not one.waits]
    home = joining.kept.number
    for one in at_once:
        found.say(ACCESS, f"« {one.user.username} » ({one.adult}) voit le foyer n°\xa0{home} sans attendre.")
    if not waiting:
        return
    pairs = joining.children
    children = {
        pairs.get(child.pk, child.pk): child.first_name
        for child in (*joining.known.emptied_children, *joining.known.kept_children)
    }
    what = listing([*children.values(), "l'adresse", "les factures"])
    for one in waiting:
        found.say(
            ACCESS,
            f"« {one.user.username} » ({one.adult}) ne voit plus rien avant d'être confirmé, "
            f"puis tout le foyer n°\xa0{home} : {what}.",
        )
    if at_once:
        names = listing([str(one.adult) for one in at_once])
        found.say(ACCESS, f"Confirme : {names}, ou un autre agent que vous.")
    else:
        found.say(
            ACCESS,
            "Confirme : un autre agent que vous, dans « Accès à confirmer ». S'il n'y en a aucun, les accès "
            "s'ouvrent 72 heures après les messages. Prévenez la famille, ou ce collègue, dès maintenant.",
        )
