"""Two households that are one family become one: the only writer of `joined_to` and, with `parting`, of
`HomeChange`.

    read(kept, emptied, answers, at=…) -> Joining    who is whom, by what is known and what somebody answered
    foresee(joining, at=…) -> Foreseen               what it would do, what it asks, what stands in the way
    join(joining, shown, reason=…, by=…, at=…)       does it, all or nothing

Apps above lend a `Part` each: it knows what it holds. Joining computes all of it again under lock, and does
nothing where that is no longer what was shown. The emptied household and a child typed twice stay as rows
that lead to the other: documents name them for ever. Nothing undoes it.

The locks: what parts hold first (drafts), then custodies with their children, then
both households, then slots and reservations.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Case, Value, When
from django.utils import timezone

from families import emails, login_names
from families.approval import identity
from families.custody import own
from families.joining import fates
from families.models import (
    AccessOpening,
    Child,
    Custody,
    Guardian,
    HomeChange,
    Household,
    SecurityEvent,
    User,
)
from families.signing_in import sessions
from families.traces import security
from portal.database.history import written_by
from portal.french.dates import short_day
from portal.french.plurals import counted
from portal.french.spelling import folded

RIGHT = "families.add_homechange"
NOBODY = "aucun"
KEPT, EMPTIED = "garde", "reuni"
REASON_LENGTH = 300
MOVED_MEANWHILE = (
    "Ces foyers viennent d'être modifiés : rien n'est fait. Vérifiez l'aperçu, puis réunissez-les."
)
NO_WAY_BACK = "Une réunion ne s'annule pas : deux foyers ne se séparent ensuite qu'adulte par adulte."


class JoiningRefused(Exception):
    """Nothing was written; `str()` says why, in French."""


class Choice(NamedTuple):
    """What somebody decides on the page, by name; `options`: (value, words)."""

    name: str
    label: str
    options: tuple[tuple[str, str], ...]
    initial: str
    hint: str = ""

    def answered(self, answers: Mapping[str, str]) -> str:
        """What was answered, or what is proposed where nothing that may be was."""
        given = answers.get(self.name, "")
        return given if given in dict(self.options) else self.initial


@dataclass
class Foreseen:
    """What a joining would do: lines by section, what stands in the way, what is to be decided."""

    obstacles: list[str] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    sections: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def say(self, section: str, *lines: str) -> None:
        self.sections[section] += [line if line.endswith(".") else f"{line}." for line in lines if line]

    @property
    def lines(self) -> list[str]:
        return [f"{section} : {line}" for section, lines in self.sections.items() for line in lines]

    @property
    def fingerprint(self) -> str:
        """Changes whenever what is said does: how an old preview is recognised."""
        said = json.dumps([self.obstacles, self.choices, self.lines])
        return hashlib.sha256(said.encode()).hexdigest()[:32]

    def why_not(self, shown: str) -> str:
        """What keeps it from being done as the preview with the fingerprint `shown` said; "" when nothing."""
        return MOVED_MEANWHILE if self.fingerprint != shown else " ".join(self.obstacles)


@dataclass(frozen=True)
class Joining:
    """`emptied` becomes `kept`. `adults` and `children`: by the key of the emptied row, that of the same
    person's row which stays; `others`: the emptied household's adults who are nobody else."""

    kept: Household
    emptied: Household
    adults: Mapping[int, int]
    children: Mapping[int, int]
    answers: Mapping[str, str]
    choices: tuple[Choice, ...]
    known: "Known"

    @property
    def homes(self) -> list[int]:
        return sorted((self.kept.pk, self.emptied.pk))

    def answer(self, choice: Choice) -> str:
        return choice.answered(self.answers)


@dataclass(frozen=True)
class Known:
    """The people of both households, read once."""

    kept_adults: Sequence[Guardian]
    emptied_adults: Sequence[Guardian]
    kept_children: Sequence[Child]
    emptied_children: Sequence[Child]


class Part(NamedTuple):
    """What an app does: `foresee` adds its lines; `join` acts within the transaction, before all that moves
    without a rule; `hold` locks what comes before households."""

    foresee: Callable[[Joining, datetime, Foreseen], None]
    join: Callable[[Joining, User, datetime], None]
    hold: Callable[[Joining, datetime], None] | None = None


_parts: dict[str, Part] = {}


def register(name: str, part: Part, *, first: bool = False) -> None:
    """Adds an app's part; the same name again replaces it. People come `first`."""
    others = {other: its for other, its in _parts.items() if other != name}
    _parts.clear()
    _parts.update({name: part, **others} if first else {**others, name: part})


Person = TypeVar("Person", Guardian, Child)


# Who is whom ----------------------------------------------------------------------------------------------


def read(kept: Household, emptied: Household, answers: Mapping[str, str]) -> Joining:
    """Who of both households is the same person: by login, address or name an adult, by name and day of birth
    a child, unless somebody answered otherwise."""
    known = _known(kept, emptied)
    choices: list[Choice] = []
    adults = _adults(known, answers, choices)
    children = _children(known, answers, choices)
    return Joining(kept, emptied, adults, children, answers, tuple(choices), known)


def _known(kept: Household, emptied: Household) -> Known:
    adults = list(
        Guardian.objects.filter(household__in=(kept, emptied)).select_related("user").order_by("pk")
    )
    custodies = list(
        Custody.objects.filter(household__in=(kept, emptied)).select_related("child").order_by("child_id")
    )
    return Known(
        [one for one in adults if one.household_id == kept.pk],
        [one for one in adults if one.household_id == emptied.pk],
        [one.child for one in custodies if one.household_id == kept.pk],
        [one.child for one in custodies if one.household_id == emptied.pk],
    )


def _adults(known: Known, answers: Mapping[str, str], choices: list[Choice]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    free = list(known.kept_adults)
    for adult in known.emptied_adults:
        same_login = next((one for one in free if adult.user_id and one.user_id == adult.user_id), None)
        if same_login is not None:
            pairs[adult.pk] = same_login.pk
            free.remove(same_login)
            continue
        alike = next((one for one in free if _same_adult(one, adult)), None)
        options = (*((str(one.pk), f"{one}, du foyer gardé") for one in free), (NOBODY, "Une autre personne"))
        if len(options) == 1:
            continue
        choice = Choice(
            f"adulte-{adult.pk}",
            f"{adult}{_login_of(adult)} est…",
            options,
            str(alike.pk) if alike else NOBODY,
        )
        choices.append(choice)
        chosen = choice.answered(answers)
        if chosen != NOBODY:
            same = next(one for one in free if str(one.pk) == chosen)
            pairs[adult.pk] = same.pk
            free.remove(same)
    return pairs


def _same_adult(one: Guardian, other: Guardian) -> bool:
    names = {(folded(adult.first_name), folded(adult.last_name)) for adult in (one, other)}
    logins = [adult.user for adult in (one, other) if adult.user and adult.user.email]
    addresses = [login_names.normal_form(login.email) for login in logins]
    return len(names) == 1 or (len(addresses) == 2 and len(set(addresses)) == 1)


def _login_of(adult: Guardian) -> str:
    return f" (identifiant « {adult.user.username} »)" if adult.user else " (sans accès)"


def _children(known: Known, answers: Mapping[str, str], choices: list[Choice]) -> dict[int, int]:
    pairs: dict[int, int] = {}
    here = {child.pk for child in known.kept_children}
    free = list(known.kept_children)
    for double in known.emptied_children:
        if double.pk in here:
            continue
        twin = next((one for one in free if identity(one) == identity(double)), None)
        if twin is None:
            continue
        choice = Choice(
            f"enfant-{double.pk}",
            f"{double}, né(e) le {double.birth_date:%d/%m/%Y}, est dans les deux foyers : est-ce…",
            ((str(twin.pk), "Le même enfant, saisi deux fois"), (NOBODY, "Deux enfants")),
            str(twin.pk),
        )
        choices.append(choice)
        if answers.get(choice.name, "") != NOBODY:
            pairs[double.pk] = twin.pk
            free.remove(twin)
    return pairs


# Preview --------------------------------------------------------------------------------------------------


def foresee(joining: Joining, *, at: datetime) -> Foreseen:
    """Reads only, in a fixed number of queries."""
    found = Foreseen()
    found.choices += joining.choices
    _obstacles(joining, found)
    for part in _parts.values():
        part.foresee(joining, at, found)
    return found


def _obstacles(joining: Joining, found: Foreseen) -> None:
    kept, emptied = joining.kept, joining.emptied
    for home in (kept, emptied):
        if home.erased_at is not None:
            found.obstacles.append(f"Le foyer n°\xa0{home.number} est effacé.")
        if home.joined_to is not None:
            found.obstacles.append(
                f"Le foyer n°\xa0{home.number} est déjà réuni avec le foyer n°\xa0{home.joined_to.number}."
            )
        if home.is_refused:
            found.obstacles.append(
                f"Le foyer n°\xa0{home.number} est refusé : sa famille doit d'abord redemander."
            )
    if kept.state == Household.State.REQUESTED:
        found.obstacles.append(
            f"Le foyer n°\xa0{kept.number} attend d'être validé : gardez l'autre, ou validez-le d'abord."
        )


# The act --------------------------------------------------------------------------------------------------


def join(joining: Joining, shown: str, *, reason: str, by: User, at: datetime) -> HomeChange:
    """Joins both households as the preview with the fingerprint `shown` said. Raises JoiningRefused, and
    OwnHousehold for a parent's own."""
    own.check(by, joining.homes, right=RIGHT, at=at)
    if not reason.strip():
        raise JoiningRefused("Indiquez pourquoi ces foyers sont réunis : l'historique le garde.")
    try:
        with transaction.atomic():
            return _join(joining, shown, reason.strip()[:REASON_LENGTH], by, at)
    except IntegrityError as clash:
        # What no rule of ours foresaw is nobody's fault at the desk: nothing was written.
        raise JoiningRefused(MOVED_MEANWHILE) from clash


def _join(given: Joining, shown: str, reason: str, by: User, at: datetime) -> HomeChange:
    for part in _parts.values():
        if part.hold is not None:
            part.hold(given, at)
    hold_children(given.homes)
    Household.objects.lock(given.homes)
    homes = Household.objects.select_related("joined_to").in_bulk(given.homes)
    joining = read(homes[given.kept.pk], homes[given.emptied.pk], given.answers)
    found = foresee(joining, at=at)
    if refusal := found.why_not(shown):
        raise JoiningRefused(refusal)
    kept, emptied = joining.kept, joining.emptied
    logins = _logins_of_twins(joining)
    told = emails.of_both(kept, emptied)
    for part in _parts.values():
        part.join(joining, by, at)
    fates.move(Household, {emptied.pk: kept.pk})
    fates.move(Guardian, joining.adults)
    fates.move(Child, joining.children)
    _leave(joining, logins, by)
    note(kept, f"Réunion : le foyer n°\xa0{emptied.number} a rejoint celui-ci. {reason}", by)
    note(emptied, f"Réunion : ce foyer a rejoint le foyer n°\xa0{kept.number}. {reason}", by)
    change = written_down(HomeChange.Kind.JOINED, kept, emptied, found, reason=reason, by=by, at=at)
    emails.households_joined(change, told)
    return change


def written_down(
    kind: HomeChange.Kind,
    household: Household,
    other: Household,
    found: Foreseen,
    *,
    reason: str,
    by: User,
    at: datetime,
) -> HomeChange:
    """What was done, by whom and why, as the preview said it; for both histories."""
    return HomeChange.objects.create(
        kind=kind,
        household=household,
        other=other,
        at=at,
        by=by,
        by_name=by.get_full_name() or by.username,
        reason=reason,
        said=found.lines,
    )


def note(home: Household, what: str, by: User) -> None:
    """A version of the household that says why, in its history."""
    home.refresh_from_db()
    written_by(home, by, what).save()


def hold_children(homes: Sequence[int]) -> None:
    """Who books, ends or confirms for one of these children waits, and then finds what is so."""
    held = Custody.objects.select_for_update(of=("self", "child"), no_key=True).select_related("child")
    list(held.filter(household__in=homes).order_by("child_id", "household_id"))


def _logins_of_twins(joining: Joining) -> set[User]:
    """Of adults who were there twice: one of two is used no more."""
    known, twice = joining.known, {*joining.adults, *joining.adults.values()}
    return {one.user for one in (*known.kept_adults, *known.emptied_adults) if one.pk in twice and one.user}


def _leave(joining: Joining, logins: set[User], by: User) -> None:
    """The rows of who was there twice, and the household, lead to those that stay."""
    for adult in Guardian.objects.filter(pk__in=joining.adults):
        written_by(adult, by).delete()
    _close_idle(logins, by)
    if joining.children:
        # Those joined to one of them before are joined to the same child now.
        fates.rename(Child.objects.all(), "joined_to", joining.children)
        same = Case(*(When(pk=double, then=Value(child)) for double, child in joining.children.items()))
        Child.objects.filter(pk__in=joining.children).update(joined_to=same, custody_calendar=None)
    emptied, kept = joining.emptied.pk, joining.kept.pk
    fates.rename(Household.objects.all(), "joined_to", {emptied: kept})
    Household.objects.filter(pk=emptied).update(joined_to=kept)


def _close_idle(logins: set[User], by: User) -> None:
    """Logins that no adult has any more; who works at the town hall keeps theirs."""
    for user in sorted(logins, key=lambda one: one.pk):
        waits = AccessOpening.objects.waiting().filter(user=user)
        if user.is_staff or waits.exists() or Guardian.objects.filter(user=user).exists():
            continue
        User.objects.filter(pk=user.pk).update(is_active=False)
        sessions.end_all(user)
        security.note(
            SecurityEvent.Kind.CLOSED, user=user, by=by, detail="foyers réunis : un seul accès par adulte"
        )


def changes_of(household: Household) -> list[HomeChange]:
    """What was joined to this household, or left it, newest first; one query."""
    rows = HomeChange.objects.filter(household=household) | HomeChange.objects.filter(other=household)
    return list(rows.select_related("household", "other").order_by("-at", "-pk"))


def sentence_of(household: Household) -> str:
    """« Réuni avec le foyer n° 000123 le 9 novembre 2026 par Nadia Fournier », of one that was emptied."""
    last = HomeChange.objects.filter(other=household, kind=HomeChange.Kind.JOINED).first()
    if household.joined_to is None or last is None:
        return ""
    when = short_day(timezone.localdate(last.at), year=True)
    return f"Réuni avec le foyer n°\xa0{household.joined_to.number} le {when}, par {last.by_name}."


def in_words(number: int, one: str, many: str) -> str:
    """« 2 inscriptions », nothing for none."""
    return counted(number, one, many) if number else ""
