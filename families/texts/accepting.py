"""The only writer of answers to texts.

    answer(household, version, {None: True}, by=parent, at=now)     a family, for itself or by child (key)
    note(household, version, …, signed_on=day, by=agent, at=now)    the town hall, of what was signed on paper
    join(children, kept, emptied, by=agent, at=now)                 two households are one: a « non » stays

Whoever answers for a child holds its custody, then the household: two tabs go one after the other.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from families.custody import homes, own
from families.models import Child, Household, TextAnswer, TextVersion, User, household_number, in_force
from families.models.threads import named
from families.texts import standing

RIGHT = "families.add_textanswer"
CHANGED = "Ce texte vient de changer : relisez-le avant de répondre."


class AnswerRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


@transaction.atomic
def answer(
    household: Household,
    version: TextVersion,
    answers: Mapping[int | None, bool],
    *,
    by: User,
    at: datetime,
    signed_on: date | None = None,
) -> list[TextAnswer]:
    """Writes what changes. Raises AnswerRefused for a version that is not, or no longer, in force, for a
    child that does not live there, and for a « non » to what is no free consent."""
    today = timezone.localdate(at)
    now = in_force(today).get(version.text_id)
    if now is None:
        raise AnswerRefused("Ce texte n'est plus demandé.")
    if now.pk != version.pk:
        raise AnswerRefused(CHANGED)
    text = now.text
    if any((child is not None) != text.is_childs for child in answers):
        raise AnswerRefused("Ce texte se répond autrement : recommencez.")
    if not text.is_free and not all(answers.values()):
        raise AnswerRefused("Ce texte s'accepte, ou ne se signe pas encore.")
    for key in sorted(child for child in answers if child is not None):
        custody = homes.held(key, household.pk)
        if custody is None or not custody.holds_on(today):
            raise AnswerRefused(homes.gone_sentence(Child.objects.get(pk=key)))
    if joined := Household.objects.lock([household.pk]).get(household.pk):
        number = household_number(joined)
        raise AnswerRefused(f"Ce foyer vient d'être réuni avec le foyer n°\xa0{number}\xa0: recommencez là.")
    # What pages keep of the texts may be half a minute old: one that was removed meanwhile takes no answer.
    if not TextVersion.objects.select_for_update(of=("self",)).filter(pk=now.pk, text__active=True):
        raise AnswerRefused("Ce texte n'est plus demandé.")
    known = standing.answered([now.pk], [household.pk])
    return [
        TextAnswer.objects.create(
            version=now,
            household=household,
            child_id=child,
            accepted=accepted,
            at=at,
            by=by,
            by_name=named(by),
            signed_on=signed_on,
        )
        for child, accepted in answers.items()
        if known.get((household.pk, child, now.pk)) is not accepted
    ]


def note(
    household: Household,
    version: TextVersion,
    child: Child | None,
    *,
    accepted: bool,
    signed_on: date,
    by: User,
    at: datetime,
) -> list[TextAnswer]:
    """The town hall notes what a family signed on paper. Raises AnswerRefused; OwnHousehold for one's own."""
    if signed_on > timezone.localdate(at):
        raise AnswerRefused("Ce jour n'est pas encore venu.")
    own.check(by, [household.pk], right=RIGHT, at=at)
    key = child.pk if child else None
    return answer(household, version, {key: accepted}, by=by, at=at, signed_on=signed_on)


def join(
    children: Mapping[int, int], kept: Household, emptied: Household, *, by: User, at: datetime
) -> list[TextAnswer]:
    """Children (keys) turn out to be others, who stay, and two households one: where they answered a free
    consent otherwise, the « non » holds until the family says yes again. Within the transaction that joins
    them, before their rows move; answers are never rewritten."""
    homes_ = Q(household__in=[kept.pk, emptied.pk])
    rows = TextAnswer.objects.filter(homes_ | Q(child__in={*children, *children.values()})).order_by("pk")
    # What each file said last, by what it is about once both are one; the latest of all comes last.
    said: dict[tuple[int, int | None, int], dict[tuple[int, int | None], bool]] = defaultdict(dict)
    for row in rows:
        home = kept.pk if row.household_id == emptied.pk else row.household_id
        child = None if row.child_id is None else children.get(row.child_id, row.child_id)
        files = said[home, child, row.version_id]
        files.pop((row.household_id, row.child_id), None)
        files[row.household_id, row.child_id] = row.accepted
    return [
        TextAnswer.objects.create(
            version_id=version,
            household_id=home,
            child_id=child,
            accepted=False,
            at=at,
            by=by,
            by_name=named(by),
        )
        for (home, child, version), files in said.items()
        if not all(files.values()) and list(files.values())[-1]
    ]
