"""The round of reminders, each hour by a timer: done twice nothing leaves twice, done late it catches up.

Each household is locked while it is looked at: two rounds at once go one after the other. A guardian gets
one mail an evening at most, and is told of each thing once: `Reminder` rows say so, written as it is posted.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from families.models import Guardian, Household, Reminder, ReminderRound
from families.reminders import choices, kinds, telling
from families.reminders.evenings import Evening
from families.reminders.kinds import Find, Kind, News
from families.reminders.telling import Part, Told
from portal import town

# Households that are looked at together, in a fixed number of queries.
CHUNK = 100


def remind(*, at: datetime) -> int:
    """Tells whoever has something to be told and may be told now; how many mails leave."""
    for kind in kinds.all_kinds():
        if kind.watch is not None:
            kind.watch(at)
    if not town.current().is_open:
        # What there is to tell leads to pages that nobody may open; the first evening after tells of it.
        return 0
    evening = Evening(timezone.localtime(at))
    done = ReminderRound.objects.filter(evening=evening.day).exists()
    if not evening.is_open(done=done):
        return 0
    finding = [(kind, kind.begin(evening)) for kind in kinds.all_kinds()]
    homes = list(_reachable().order_by("household").values_list("household", flat=True).distinct())
    sent = sum(
        _remind(homes[first : first + CHUNK], finding, evening) for first in range(0, len(homes), CHUNK)
    )
    ReminderRound.objects.get_or_create(evening=evening.day, defaults={"done_at": at})
    return sent


def _reachable() -> QuerySet[Guardian]:
    """Guardians with a login and an address, of households that the town hall has accepted."""
    return Guardian.objects.filter(
        household__state=Household.State.ACCEPTED, household__erased_at=None, user__is_active=True
    ).exclude(user__email="")


def _remind(homes: Sequence[int], finding: Sequence[tuple[Kind, Find]], evening: Evening) -> int:
    with transaction.atomic():
        Household.objects.lock(homes)
        heard = Reminder.objects.filter(evening=evening.day).values("guardian")
        found = _reachable().filter(household__in=homes).exclude(pk__in=heard)
        guardians = list(found.select_related("user", "household").order_by("pk"))
        wanted = choices.wanted(guardians)
        told = _told(guardians, wanted, finding)
        Reminder.objects.bulk_create(
            Reminder(
                guardian=one.guardian, kind=part.kind.code, mark=news.mark, evening=evening.day, at=evening.at
            )
            for one in told
            for part in one.parts
            for news in part.news
        )
        telling.tell(told)
    return len(told)


def _told(
    guardians: Sequence[Guardian],
    wanted: Collection[tuple[int, str]],
    finding: Sequence[tuple[Kind, Find]],
) -> list[Told]:
    """What each guardian is told, in the order of the kinds; only those whom there is something to tell."""
    known = set(
        Reminder.objects.filter(guardian__in=guardians).values_list("guardian", "kind", "mark").order_by()
    )
    parts: dict[int, list[Part]] = defaultdict(list)
    for kind, find in finding:
        asking = [guardian for guardian in guardians if (guardian.pk, kind.code) in wanted]
        news = _by_home(find({guardian.household_id for guardian in asking}))
        for guardian in asking:
            new = tuple(
                one
                for one in news.get(guardian.household_id, ())
                if (guardian.pk, kind.code, one.mark) not in known
            )
            if any(one.urgent for one in new):
                parts[guardian.pk].append(Part(kind, new))
    return [Told(guardian, tuple(parts[guardian.pk])) for guardian in guardians if guardian.pk in parts]


def _by_home(news: Iterable[News]) -> Mapping[int, list[News]]:
    found: dict[int, list[News]] = defaultdict(list)
    for one in news:
        found[one.household].append(one)
    return found
