"""What an agent sees of a rule while writing it: its sentence, its next cut-offs, what looks wrong."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import combinations

from django.utils import timezone

from portal.french import moments
from portal.french.dates import WEEKDAYS
from portal.french.weekdays import MONDAY_TO_FRIDAY
from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.deadlines import rule_rows, wording
from portal.reservations.deadlines.cutoffs import Limits, Timing, limits
from portal.reservations.deadlines.rules import Audience, Rule, Windows
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    DeadlineRule,
    DeadlineWindow,
    Establishment,
    Period,
)

DAYS_SHOWN = 10
FARTHEST = timedelta(days=400)


@dataclass(frozen=True)
class PreviewLine:
    """One open day and until when one may act on it, in words; `timing` is a deadlines.Timing value."""

    day: str
    limit: str
    timing: str


@dataclass
class RulePreview:
    """A rule as it would be if saved now. `problems` are field labels' sentences: then there are no lines."""

    sentences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    groups: list[tuple[str, list[PreviewLine]]] = field(default_factory=list)
    calendar: str = ""


def preview(row: DeadlineRule, windows: Sequence[DeadlineWindow], at: datetime) -> RulePreview:
    """The preview of an unsaved or saved `row` with its `windows`, at the moment `at`."""
    problems = rule_rows.problems(row)
    if problems:
        return RulePreview(problems=list(problems.values()))
    rule = rule_rows.rule_of(row, windows)
    activity, establishment = used_by(row)
    today = timezone.localdate(at)
    calendar = OpenDays.load(activity, establishment, today, today + FARTHEST)
    starts = _period_starts(activity, today)
    audiences = {window.audience for window in rule.windows} if isinstance(rule, Windows) else set()
    own = {window.public: window.public_name for window in rule.windows} if isinstance(rule, Windows) else {}
    own.pop(0, None)
    apart = bool(audiences & {Audience.RESIDENT, Audience.NON_RESIDENT}) or bool(own)
    groups = []
    for key, name in own.items():
        groups.append((name, _lines(rule, calendar, today, at, False, starts, (key,))))
    for resident in (True, False) if apart else (True,):
        title = ("Familles de la commune" if resident else "Familles hors commune") if apart else ""
        groups.append((title, _lines(rule, calendar, today, at, resident, starts)))
    return RulePreview(
        sentences=[wording.sentence(rule)] if isinstance(rule, Windows) else wording.sentences(rule),
        warnings=warnings(row, windows, _concerned(row)),
        groups=groups,
        calendar=" – ".join(str(each) for each in (activity, establishment) if each),
    )


def used_by(row: DeadlineRule) -> tuple[Activity | None, Establishment | None]:
    """The first activity under the rule and its first establishment, whose calendar the preview shows."""
    if row.pk is None:
        return None, None
    deadline = ActivityDeadline.objects.filter(rule=row.pk).select_related("activity").first()
    if deadline is None:
        return None, None
    return deadline.activity, deadline.activity.establishments.first()


def _period_starts(activity: Activity | None, today: date) -> list[tuple[date, date]]:
    if activity is None:
        return []
    return list(
        Period.objects.filter(activity=activity, ends_on__gte=today).values_list("starts_on", "ends_on")
    )


def _lines(
    rule: Rule,
    calendar: OpenDays,
    today: date,
    at: datetime,
    resident: bool,
    periods: list[tuple[date, date]],
    publics: Sequence[int] = (),
) -> list[PreviewLine]:
    lines: list[PreviewLine] = []
    for day in days_between(today, today + FARTHEST):
        if not calendar.is_open(day):
            continue
        start = next((first for first, last in periods if first <= day <= last), None)
        found = limits(rule, day, calendar, resident=resident, publics=publics, period_start=start)
        # Windows cover some days only: show those, not ten days of « jamais ».
        if isinstance(rule, Windows) and found.never:
            continue
        lines.append(PreviewLine(moments.day(day, year=day.year != today.year), *_words(found, at)))
        if len(lines) == DAYS_SHOWN:
            break
    return lines


def _words(found: Limits, at: datetime) -> tuple[str, str]:
    timing = found.timing(at)
    current = found.current(at)
    if timing is Timing.NEVER or current.closes is None:
        return "jamais", Timing.NEVER.value
    if timing is Timing.LATE:
        return f"trop tard {moments.since(current.closes)}", timing.value
    words = moments.until(current.closes)
    if current.opens and timing is Timing.EARLY:
        words = f"{moments.opening(current.opens)}, {words}"
    return words, timing.value


# What looks wrong, and may be meant ------------------------------------------------------------------------


def warnings(
    row: DeadlineRule, windows: Iterable[DeadlineWindow], establishments: Iterable[Establishment]
) -> list[str]:
    """Sentences about what is allowed but is rarely meant."""
    found: list[str] = []
    if row.kind == DeadlineRule.Kind.WEEKDAY_TABLE:
        found += _table_warnings(row, establishments)
    if row.kind == DeadlineRule.Kind.WINDOWS:
        found += _window_warnings(list(windows))
    return found


def _table_warnings(row: DeadlineRule, establishments: Iterable[Establishment]) -> list[str]:
    opened = 0
    for establishment in establishments:
        opened |= establishment.open_weekdays
    opened = opened or MONDAY_TO_FRIDAY
    targets = {day for day, limit in rule_rows.read_table(row.table).items() if limit is not None}
    closed = [WEEKDAYS[day] for day in sorted(targets) if not opened >> day & 1]
    missing = [WEEKDAYS[day] for day in range(7) if opened >> day & 1 and day not in targets]
    found = []
    if closed:
        found.append(
            f"Le tableau a une ligne pour {moments.listing(closed)} : aucun établissement n'y ouvre."
        )
    if missing:
        found.append(
            f"Le tableau n'a pas de ligne pour {moments.listing(missing)} : ce sera toujours « jamais »."
        )
    return found


def _window_warnings(windows: list[DeadlineWindow]) -> list[str]:
    if not windows:
        return ["Aucune fenêtre n'est indiquée : ce sera toujours « jamais »."]
    found = []
    for window in windows:
        if window.opens_at and window.closes_at and window.closes_at <= window.opens_at:
            found.append(f"La fenêtre {window} clôt avant d'ouvrir.")
        if window.closes_at and timezone.localdate(window.closes_at) > window.covers_to:
            found.append(f"La fenêtre {window} clôt après le dernier jour qu'elle couvre.")
    for one, other in combinations(windows, 2):
        if (
            (one.audience, one.public_id) == (other.audience, other.public_id)
            and one.covers_from <= other.covers_to
            and other.covers_from <= one.covers_to
        ):
            found.append(f"Les fenêtres {one} et {other} se chevauchent : l'une ou l'autre suffira.")
    return found


def _concerned(row: DeadlineRule) -> Iterable[Establishment]:
    if row.pk:
        used = Establishment.objects.filter(activities__deadlines__rule=row.pk).distinct()
        if found := list(used):
            return found
    return Establishment.objects.filter(active=True)


def overlapping_periods(period: Period) -> list[str]:
    """Warnings for the other periods of the same activity whose days overlap at a common establishment."""
    return overlapping(period, period.establishments.all())


def overlapping(period: Period, establishments: Iterable[Establishment]) -> list[str]:
    """The same for a period at `establishments` (none: everywhere), saved or not."""
    others = (
        Period.objects.filter(
            activity=period.activity_id, starts_on__lte=period.ends_on, ends_on__gte=period.starts_on
        )
        .exclude(pk=period.pk)
        .prefetch_related("establishments")
    )
    own = set(establishments)
    found = []
    for other in others:
        theirs = set(other.establishments.all())
        if not own or not theirs or own & theirs:
            days = moments.span(
                max(period.starts_on, other.starts_on), min(period.ends_on, other.ends_on), year=True
            )
            found.append(f"« {period} » et « {other} » se chevauchent ({days}).")
    return found
