"""What a child eats: the only writer of diets. One plate, one truth, wherever the child eats and lives.

    say(child, diet, by=household, at=now)     a home says it, with an enrolment
    decide(choice, diet, by=agent, at=now)     the town hall's word, for all homes
    settle(child, at=now)                      after a home joined or left
    say_many(…), write_down(…)                 what a file says, of many; nobody is told

Where two homes say different diets, the kitchen cooks the stricter until they say the same or the town hall
has decided; both homes are told, and a line waits in the desk's queue. Of two diets:

- one that asks for a PAI is the stricter: it is a doctor's;
- else the one that leaves out all that the other does, and more (« sans viande » leaves out pork too);
- where neither does, the offered diet that leaves out what both do, and as little more as can be
  (« sans porc » and « sans poisson »: « végétarien »);
- where there is none, the one that leaves out more, or else comes later in the town's list.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import reduce

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from families import child_files, emails
from families.custody import own
from families.joining import fates
from families.models import Child, Custody, Diet, DietChoice, HomeDiet, Household, User

RIGHT = "families.change_dietchoice"


def left_out(diet: Diet) -> frozenset[str]:
    """What a diet leaves out, with all that goes without saying."""
    if diet.without_animals:
        return frozenset({"pork", "meat", "fish", "animals"})
    meat = {"pork", "meat"} if diet.without_meat else {"pork"} if diet.without_pork else set()
    return frozenset(meat | ({"fish"} if diet.without_fish else set()))


def stricter(one: Diet, other: Diet, offered: Iterable[Diet]) -> Diet:
    """Of two diets, that which the kitchen cooks for a child of both; `offered` are those it may cook."""
    if one.needs_pai != other.needs_pai:
        return one if one.needs_pai else other
    without = left_out(one) | left_out(other)
    if without in (left_out(one), left_out(other)):
        return one if left_out(one) == without else other
    covering = [diet for diet in offered if not diet.needs_pai and left_out(diet) >= without]
    if covering:
        return min(covering, key=lambda diet: (len(left_out(diet)), diet.order, diet.pk))
    return max(one, other, key=lambda diet: (len(left_out(diet)), diet.order, diet.pk))


@transaction.atomic
def say(child: Child, diet: Diet, *, by: Household, at: datetime) -> DietChoice:
    """A home says what the child eats. Tells the other homes of what changed for it."""
    Child.objects.select_for_update(no_key=True).get(pk=child.pk)
    standing = DietChoice.objects.filter(child=child).first()
    if standing is not None and not HomeDiet.objects.filter(child=child).exists():
        # Nobody knows who said it: not who speaks now.
        others = [home for home in _homes(child, at) if home.pk != by.pk]
        HomeDiet.objects.bulk_create(
            HomeDiet(child=child, household=home, diet_id=standing.diet_id) for home in others
        )
    HomeDiet.objects.update_or_create(child=child, household=by, defaults={"diet": diet, "said_at": at})
    return _settle(child, at, by=by) or DietChoice.objects.get(child=child)


@dataclass(frozen=True)
class Plate:
    """What a home's form shows of a child's diet: its key, and what has to be said of it."""

    diet: int | None
    note: str = ""


def plate(child: Child, household: Household) -> Plate:
    """The child's diet. While its homes differ, what this one says: saved again, it settles nothing."""
    return plates([child.pk], household)[child.pk]


def plates(children: Collection[int], household: Household) -> dict[int, Plate]:
    """Those of several children, by key; one query, one more where homes differ."""
    found = dict.fromkeys(children, Plate(None))
    choices = list(DietChoice.objects.select_related("diet").filter(child__in=children))
    disputed = [one.child_id for one in choices if one.differs_since is not None]
    said: dict[int, int] = {}
    if disputed:
        words = HomeDiet.objects.filter(child__in=disputed, household=household)
        said = dict(words.values_list("child", "diet"))
    for one in choices:
        note = "" if one.differs_since is None else differing(one)
        found[one.child_id] = Plate(said.get(one.child_id, one.diet_id), note)
    return found


def differing(choice: DietChoice) -> str:
    """What both homes read while they differ."""
    return f"Les deux foyers ont indiqué un régime différent. En attendant, la cuisine suit : {choice.diet}."


@transaction.atomic
def settle(child: Child, *, at: datetime) -> None:
    """A home joined or left: what counts now is what the homes of today say."""
    Child.objects.select_for_update(no_key=True).get(pk=child.pk)
    if DietChoice.objects.filter(child=child, differs_since__isnull=False).exists():
        _settle(child, at, by=None)


@transaction.atomic
def decide(choice: DietChoice, diet: Diet, *, by: User, at: datetime) -> None:
    """The town hall says what the child eats: all its homes are taken to have said so, and told."""
    child = Child.objects.select_for_update(no_key=True).get(pk=choice.child_id)
    living = list(_homes(child, at))
    own.check(by, [home.pk for home in living], right=RIGHT, at=at)
    HomeDiet.objects.filter(child=child).update(diet=diet, said_at=at)
    news = choice.differs_since is not None or DietChoice.objects.get(pk=choice.pk).diet_id != diet.pk
    choice.diet, choice.differs_since = diet, None
    choice.save()
    if news:
        child_files.tell(child, [child_files.diet_changed(child)], by=None)


def say_many(said: Iterable[tuple[int, int, Diet]], *, at: datetime) -> list[DietChoice | HomeDiet]:
    """What homes (keys) say of children (keys) of whom nobody had said anything; the rows. In two queries,
    within a transaction."""
    words = [HomeDiet(child_id=child, household_id=home, diet=diet, said_at=at) for child, home, diet in said]
    choices = [DietChoice(child_id=one.child_id, diet=one.diet) for one in words]
    DietChoice.objects.bulk_create(choices, batch_size=500)
    HomeDiet.objects.bulk_create(words, batch_size=500)
    return [*choices, *words]


def write_down(
    decided: Collection[tuple[DietChoice, Diet]], *, at: datetime
) -> list[tuple[DietChoice | HomeDiet, int]]:
    """The town hall's word on the diets of many children, which settles what their homes had said: the rows
    that changed, each with the diet (key) that it had. In three queries, within a transaction."""
    diets = {choice.child_id: diet for choice, diet in decided}
    words = list(HomeDiet.objects.filter(child__in=diets))
    changed: list[tuple[DietChoice | HomeDiet, int]] = [(choice, choice.diet_id) for choice, _ in decided]
    changed += [(one, one.diet_id) for one in words]
    for choice, diet in decided:
        choice.diet, choice.differs_since = diet, None
    for one in words:
        one.diet, one.said_at = diets[one.child_id], at
    DietChoice.objects.bulk_update([one for one, _ in decided], ["diet", "differs_since"], batch_size=500)
    HomeDiet.objects.bulk_update(words, ["diet", "said_at"], batch_size=500)
    return changed


@transaction.atomic
def carry(copy: Child, known: Child, household: int, *, at: datetime) -> None:
    """What a household said of its copy of a child, it says of the child known elsewhere."""
    home = Household.objects.get(pk=household)
    said = HomeDiet.objects.filter(child=copy, household=home).select_related("diet").first()
    said_of_copy = said or DietChoice.objects.filter(child=copy).select_related("diet").first()
    if said_of_copy is not None:
        say(known, said_of_copy.diet, by=home, at=at)
        DietChoice.objects.filter(child=copy).delete()
        HomeDiet.objects.filter(child=copy).delete()


def foresee_joined(
    children: Mapping[int, int], kept: Household, emptied: Household
) -> list[tuple[int, Diet]]:
    """Of children whose homes become one, by the key of the row that stays: those of whom different diets
    were said, and the stricter, which stays. Three queries at most. `children`: those typed twice."""
    concerned = Q(child__in=children) | Q(household=emptied)
    theirs = set(HomeDiet.objects.filter(concerned).values_list("child_id", flat=True)) | set(children)
    keys = {children.get(child, child) for child in theirs} | theirs
    if not keys:
        return []
    said: dict[int, dict[int, Diet]] = defaultdict(dict)
    here = HomeDiet.objects.filter(child__in=keys, household__in=(kept, emptied))
    rows: list[HomeDiet | DietChoice] = [
        *here.select_related("diet").order_by("pk"),
        *DietChoice.objects.filter(child__in=keys).select_related("diet").order_by("pk"),
    ]
    homes: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        child = children.get(row.child_id, row.child_id)
        said[child][row.diet_id] = row.diet
        if isinstance(row, HomeDiet):
            homes[child].add(row.household_id)
    # Who lives in one of the two and in a third home keeps its own word: those two have not become one.
    ones = {*children.values(), *(child for child, spoken in homes.items() if len(spoken) > 1)}
    differing = {
        child: list(diets.values())
        for child, diets in sorted(said.items())
        if child in ones and len(diets) > 1
    }
    offered = list(Diet.objects.filter(active=True)) if differing else []
    return [
        (child, reduce(lambda one, other: stricter(one, other, offered), diets))
        for child, diets in differing.items()
    ]


@transaction.atomic
def join(children: Mapping[int, int], kept: Household, emptied: Household, *, at: datetime) -> None:
    """Two homes are one, and children typed twice are one: what was said in both is said once; where it
    differs, the stricter. Called with both held."""
    stays = dict(foresee_joined(children, kept, emptied))
    fates.rename_new(DietChoice.objects.all(), "child", children)
    DietChoice.objects.filter(child__in=children).delete()
    words = HomeDiet.objects.filter(Q(household__in=(kept, emptied)) | Q(child__in=children))
    found: dict[int, HomeDiet] = {}
    for row in words.order_by("said_at", "pk"):
        row.child_id = children.get(row.child_id, row.child_id)
        found[row.child_id] = HomeDiet(
            child_id=row.child_id, household=kept, diet_id=row.diet_id, said_at=row.said_at
        )
    for child, diet in stays.items():
        if child in found:
            found[child].diet = diet
    words.delete()
    HomeDiet.objects.bulk_create(found.values())
    for choice in DietChoice.objects.filter(child__in=stays).select_related("child"):
        choice.diet = stays[choice.child_id]
        choice.save()
        if choice.differs_since is not None:
            _settle(choice.child, at, by=None)


def _homes(child: Child, at: datetime) -> Iterable[Household]:
    there = Custody.objects.on(timezone.localdate(at)).filter(child=child)
    return Household.objects.filter(custodies__in=there).order_by("pk")


def _settle(child: Child, at: datetime, *, by: Household | None) -> DietChoice | None:
    """Brings the child's diet to what its homes say, and tells them. Called with the child held."""
    choice = DietChoice.objects.select_related("diet").filter(child=child).first()
    living = list(_homes(child, at))
    speaking = {home.pk for home in living} | ({by.pk} if by else set())
    said = list(
        HomeDiet.objects.filter(child=child, household__in=speaking).select_related("diet").order_by("pk")
    )
    diets = list({one.diet_id: one.diet for one in said}.values())
    if not diets:
        return choice
    differ = len(diets) > 1
    offered = list(Diet.objects.filter(active=True)) if differ else []
    diet = reduce(lambda one, other: stricter(one, other, offered), diets)
    began = differ and (choice is None or choice.differs_since is None)
    changed = choice is not None and choice.diet_id != diet.pk
    if choice is None:
        choice = DietChoice(child=child)
    choice.diet = diet
    choice.differs_since = (choice.differs_since or at) if differ else None
    choice.save()
    if began:
        emails.diets_differ(child, living)
    elif changed and not differ:
        child_files.tell(child, [child_files.diet_changed(child)], by=by)
    return choice
