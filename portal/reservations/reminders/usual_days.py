"""Usual days of the coming weeks that nobody has reserved, and what to say before it is too late.

A day that was reserved once and given up is nobody's to remind of: the family decided.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.urls import reverse
from django.utils import timezone

from families.custody.whose_days import WhoseDays
from families.reminders.evenings import Evening
from families.reminders.kinds import Find, Kind, Line, News
from families.visibility import lives_at
from portal.french import moments
from portal.reservations.days import audiences
from portal.reservations.models import Booking, Enrolment, Schooling, SchoolYear
from portal.reservations.models.bookings import EnrolmentQuerySet
from portal.reservations.reminders.outlook import Chance, Outlook

# What ends within a week of a mail that leaves anyhow is said in it too.
SOON = timedelta(days=6)


@dataclass(frozen=True)
class Day:
    """A day that can be reserved for a child, and where."""

    enrolment: Enrolment
    formula: str
    day: date
    until: datetime | None
    path: str


def have_usual_days(homes: Collection[int]) -> set[int]:
    """Those of these households that have usual days today: reminders are on for them unless they say no."""
    rows = _enrolments(homes, timezone.localdate())
    return set(rows.values_list("household", flat=True))


def _enrolments(homes: Collection[int], today: date) -> EnrolmentQuerySet:
    rows = Enrolment.objects.accepted().filter(lives_at(today), household__in=homes, weekdays__gt=0)
    return rows.filter(establishment__isnull=False, school_year__in=SchoolYear.objects.serving(today))


def unbooked(outlook: Outlook, homes: Collection[int]) -> Iterator[tuple[Day, Chance]]:
    """The usual days that these households never reserved, on time today, with places or without."""
    rows = _enrolments(homes, outlook.first).select_related("household", "child", "activity")
    enrolments = list(rows.order_by("household", "child__birth_date", "child", "pk"))
    children = {enrolment.child_id for enrolment in enrolments}
    decided = set(
        Booking.objects.filter(child__in=children, day__range=(outlook.first, outlook.last))
        .order_by()
        .values_list("child", "activity", "day")
    )
    whose = WhoseDays.load([one.child for one in enrolments], outlook.first, outlook.last)
    schoolings: dict[tuple[int, int], list[Schooling]] = defaultdict(list)
    for one in Schooling.objects.filter(child__in=children):
        schoolings[one.child_id, one.school_year_id].append(one)
    publics = audiences.of_homes(enrolment.household for enrolment in enrolments)
    for enrolment in enrolments:
        formula = outlook.usual_formula(enrolment.activity_id)
        if formula is None:
            continue
        attended = schoolings[enrolment.child_id, enrolment.school_year_id]
        for day in outlook.days():
            if not enrolment.is_usual(day) or day < enrolment.starts_on:
                continue
            if (enrolment.child_id, enrolment.activity_id, day) in decided:
                continue
            if whose.is_others(enrolment.child_id, enrolment.household_id, day):
                continue
            place = enrolment.place_id_on(day)
            if place is None:
                continue
            home = enrolment.household
            chance = outlook.chance(
                formula,
                place,
                day,
                resident=home.resident,
                publics=publics.of(home.pk, outlook.first, enrolment.child_id),
            )
            school_class = next((one.school_class_id for one in attended if one.holds_on(day)), None)
            if chance is None or chance.school_year != enrolment.school_year_id:
                continue
            if not outlook.is_away(school_class, day):
                yield (
                    Day(enrolment, formula.name, day, chance.until, planning(enrolment, place, chance)),
                    chance,
                )


def planning(enrolment: Enrolment, place: int, chance: Chance) -> str:
    return reverse(f"{enrolment.activity.service}:planning", args=[enrolment.pk, place, chance.period])


def begin(evening: Evening) -> Find:
    outlook = Outlook(evening.at)

    def find(homes: Collection[int]) -> Iterator[News]:
        for day, chance in unbooked(outlook, homes):
            formula = outlook.usual_formula(day.enrolment.activity_id)
            if chance.until is None or chance.until > evening.before + SOON or formula is None:
                continue
            if outlook.is_full(formula, day.enrolment.place_id_on(day.day) or 0, day.day):
                continue
            about = f"{day.enrolment.child_id}:{day.enrolment.activity_id}:{day.day}"
            yield News(day.enrolment.household_id, about, day, urgent=chance.until <= evening.before)

    return find


def say(news: Sequence[News]) -> list[Line]:
    """« Lina, Restauration scolaire : jeudi 12 et vendredi 13 novembre, jusqu'au mardi 10 à 10 h. »"""
    together: dict[tuple[str, str, datetime | None], list[Day]] = defaultdict(list)
    for one in news:
        day: Day = one.what
        title = f"{day.enrolment.child.first_name}, {day.enrolment.activity.name}"
        together[title, day.path, day.until].append(day)
    return [
        Line(f"{title} : {moments.enumerate_days([one.day for one in days])}{_until(until)}.", path)
        for (title, path, until), days in together.items()
    ]


def _until(until: datetime | None) -> str:
    return f", {moments.until(until)}" if until else ""


USUAL = Kind(
    "usual",
    "Avant la fin d'un délai, quand un jour habituel n'est pas réservé",
    "Jours habituels à réserver bientôt",
    "Réserver ces jours",
    begin,
    say,
    hint="D'après les jours de fréquentation de vos inscriptions ; jamais un jour que vous avez annulé.",
)
