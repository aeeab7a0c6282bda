"""What « Mon compte famille » says of a household: its facts, read once a page, and what is asked of it now.

What is asked comes from each app that knows something of it: it registers a function once it is ready.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery
from django.urls import reverse
from django.utils import timezone

from families import as_family, unreached
from families.as_family import Part
from families.custody import calendars, openings
from families.models import (
    QUOTIENT_ENDS_SOON,
    ChangeRequest,
    FamilyQuotient,
    Guardian,
    Household,
    User,
    is_followed,
)
from families.papers import asking
from families.texts import standing
from portal.database.composed import Composed, Given
from portal.database.kept import once_a_page
from portal.french.dates import short_day
from portal.french.plurals import agreed, counted

# How long a refused proof is asked again.
REFUSED_SHOWN = timedelta(days=30)


# What is asked ------------------------------------------------------------------------------------------


# Letters of an ask: from three lines of a phone on.
LONG = 100


@dataclass(frozen=True)
class Ask:
    """What waits for the family: a few words, the sentence below them, and the way to do it.

    `main` is drawn as the page's filled button, `late` as what should be done already.
    """

    title: str
    text: str
    url: str
    label: str
    main: bool = False
    late: bool = False

    @property
    def is_long(self) -> bool:
        """Whether a phone has no room for its button beside its words."""
        return len(self.title) + len(self.text) > LONG


# Of a household, for who reads the page, at a moment (aware).
Asks = Callable[[Household, User, datetime], list[Ask]]
_asks: list[tuple[int, Asks, Part | None]] = []


def register(order: int, asks: Asks, part: Part | None = None) -> None:
    """For an app, once it is ready; told again, it is asked once. The smallest `order` is asked first; what
    is of a `part` is not asked where that is not shown."""
    others = [one for one in _asks if one[1] is not asks]
    _asks[:] = sorted([*others, (order, asks, part)], key=lambda one: one[0])


def asked_of(
    household: Household, user: User, *, at: datetime, shown: Collection[Part] = as_family.ALL
) -> list[Ask]:
    """All that waits for this guardian, the most pressing first."""
    told = [asks for _, asks, part in _asks if part is None or part in shown]
    return [ask for asks in told for ask in asks(household, user, at)]


# A household's facts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class QuotientFacts:
    value: Decimal
    valid_from: date
    valid_to: date | None
    # Within four weeks, and no other one begins on the next day.
    ends_soon: bool


@dataclass(frozen=True)
class HouseholdFacts:
    """`guardians` know whether an access waits for their answer; `changes` are those that wait, and those
    refused lately, newest first."""

    guardians: list[Any]
    quotient: QuotientFacts | None
    changes: list[ChangeRequest]

    @property
    def waiting(self) -> list[ChangeRequest]:
        return [one for one in self.changes if one.state == ChangeRequest.State.REQUESTED]

    def waits(self, kind: str) -> bool:
        """Whether a request of that kind waits for the town hall's answer."""
        return any(one.kind == kind for one in self.waiting)


@once_a_page
def facts(household: Household, today: date) -> HouseholdFacts:
    """Read once a page, in two queries."""
    guardians = _guardians(today, household=household.pk)
    changes = _changes(household=household.pk)
    for row in (*guardians, *changes):
        row.household = household
    quotient = None
    if guardians and guardians[0].quotient is not None:
        one = guardians[0]
        soon = _ends_soon(one.quotient_to, one.quotient_next, today)
        quotient = QuotientFacts(one.quotient, one.quotient_from, one.quotient_to, soon)
    return HouseholdFacts(guardians, quotient, changes)


@Composed
def _guardians(today: date) -> "QuerySet[Any]":
    its = FamilyQuotient.objects.filter(household=OuterRef("household"))
    in_force = its.in_force(today)
    return (
        Guardian.objects.filter(household=Given("household"))
        .select_related("user")
        .annotate(
            has_to_answer=openings.wait_for_guardian(today),
            calendar_to_answer=calendars.child_to_answer(),
            quotient=Subquery(in_force.values("value")[:1]),
            quotient_from=Subquery(in_force.values("valid_from")[:1]),
            quotient_to=Subquery(in_force.values("valid_to")[:1]),
            quotient_next=Subquery(
                its.filter(valid_from__gt=today).order_by("valid_from").values("valid_from")[:1]
            ),
        )
    )


@Composed
def _changes() -> "QuerySet[ChangeRequest]":
    State = ChangeRequest.State  # noqa: N806 a class
    asked = ChangeRequest.objects.filter(household=Given("household"))
    return asked.filter(state__in=(State.REQUESTED, State.REFUSED)).order_by("-requested_at", "-pk")


def _ends_soon(last: date | None, following: date | None, today: date) -> bool:
    """Whether a quotient ends within four weeks, and no other one begins on the next day."""
    return last is not None and last - today <= QUOTIENT_ENDS_SOON and not is_followed(last, following)


# What families' own rows ask ----------------------------------------------------------------------------


def answers(household: Household, user: User, at: datetime) -> list[Ask]:
    """An access that this guardian confirms or refuses; a custody calendar that the other home proposes."""
    known = facts(household, timezone.localdate(at))
    found = []
    if any(one.has_to_answer for one in known.guardians if one.user_id == user.pk):
        text = "La mairie demande d'ouvrir un accès. Il attend votre accord."
        found.append(Ask("Un accès à confirmer", text, reverse("families:access"), "Répondre"))
    child = next((one.calendar_to_answer for one in known.guardians), None)
    if child is not None:
        text = "L'autre foyer de votre enfant le propose. Il attend votre réponse."
        path = reverse("families:custody_calendar", args=[child])
        found.append(Ask("Un calendrier de garde à confirmer", text, path, "Répondre"))
    return found


def address(household: Household, user: User, at: datetime) -> list[Ask]:
    """A login whose own address no longer takes mails: else nobody tells it what the portal writes."""
    known = facts(household, timezone.localdate(at))
    if not any(unreached.said_of(one) for one in known.guardians if one.user_id == user.pk):
        return []
    text = f"{user.email} refuse nos messages : corrigez-la, ou vérifiez qu'elle n'est pas pleine."
    way = reverse("account_email")
    return [Ask("Nos messages ne vous parviennent plus", text, way, "Mon adresse e-mail", late=True)]


def quotient(household: Household, user: User, at: datetime) -> list[Ask]:
    """A quotient that ends within four weeks, unless the next one is on its way."""
    known = facts(household, timezone.localdate(at))
    one = known.quotient
    if one is None or one.valid_to is None or not one.ends_soon or known.waits(ChangeRequest.Kind.QUOTIENT):
        return []
    text = f"Il finit le {short_day(one.valid_to)} ; ensuite, tarif le plus élevé."
    return [Ask("Quotient à renouveler", text, reverse("families:quotient"), "Communiquer mon quotient")]


# Where what was asked is asked again.
WAYS = {
    ChangeRequest.Kind.ADDRESS: "families:address",
    ChangeRequest.Kind.QUOTIENT: "families:quotient",
    ChangeRequest.Kind.CHILD: "families:add_child",
    ChangeRequest.Kind.GUARDIAN: "families:invite",
}


def proofs(household: Household, user: User, at: datetime) -> list[Ask]:
    """What was refused lately and not sent again, of each kind the last one."""
    known = facts(household, timezone.localdate(at))
    found: list[Ask] = []
    seen: set[tuple[str, int | None]] = set()
    for latest in known.changes:
        if (latest.kind, latest.child_id) in seen:
            continue
        seen.add((latest.kind, latest.child_id))
        if latest.state != ChangeRequest.State.REFUSED:
            continue
        if latest.decided_at is None or at - latest.decided_at > REFUSED_SHOWN:
            continue
        kind = ChangeRequest.Kind(latest.kind)
        title, way = f"Justificatif à renvoyer : {kind.label.lower()}", reverse(WAYS[kind])
        if latest.first_name:
            title, way = f"Demande à corriger : {kind.label.lower()}", f"{way}?corriger={latest.pk}"
        found.append(Ask(title, f"Motif de la mairie : {latest.refusal_reason}", way, "Renvoyer"))
    return found


def papers(household: Household, user: User, at: datetime) -> list[Ask]:
    """Papers to send, all in one row."""
    lines = [one for one in asking.of_home(household, timezone.localdate(at)) if one.is_to_do]
    if not lines:
        return []
    title = counted(len(lines), "papier à donner", "papiers à donner")
    # Named one by one on their page: a phone's first screens have more to say.
    text = f"{lines[0].kind}." if len(lines) == 1 else ""
    return [Ask(title, text, reverse("families:papers"), "Mes papiers")]


def texts(household: Household, user: User, at: datetime) -> list[Ask]:
    """Texts to read and answer, all in one row."""
    lines = [one for one in standing.of_home(household, timezone.localdate(at)) if one.is_to_do]
    names = list(dict.fromkeys(one.text for one in lines))
    if not names:
        return []
    title = counted(len(names), "texte à lire", "textes à lire")
    if len(names) > 1:
        return [Ask(title, "", reverse("families:papers"), "Mes papiers")]
    return [Ask(title, f"{names[0]}.", reverse("families:asked_text", args=[names[0].code]), lines[0].way_on)]


def age_in_words(age: int) -> str:
    """« 8 ans », « 1 an »."""
    return f"{age} {agreed(age, 'an', 'ans')}"
