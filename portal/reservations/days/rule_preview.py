"""What an agent sees of a rule while writing it: its sentence, its next cut-offs, what looks wrong."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import NamedTuple, cast

from django.utils import timezone

from portal.desk import previews
from portal.desk.previews import Preview, Table
from portal.french import moments
from portal.french.amounts import number
from portal.french.dates import WEEKDAYS
from portal.french.plurals import counted
from portal.french.sentences import lower_first
from portal.french.weekdays import MONDAY_TO_FRIDAY
from portal.reservations.days.calendars import OpenDays, days_between
from portal.reservations.deadlines import rule_rows, wording
from portal.reservations.deadlines.cutoffs import Limits, Timing, limits
from portal.reservations.deadlines.decisions import LatePolicy, Policy, Standing, decide
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
A_MOMENT = timedelta(minutes=1)
NO_DAY = "Aucun jour ouvert dans l'année qui vient."


class _Whom(NamedTuple):
    """Families that a rule tells apart, and the end of a caption that says so."""

    resident: bool = True
    publics: tuple[int, ...] = ()
    words: str = ""


def preview(row: DeadlineRule, windows: Sequence[DeadlineWindow], at: datetime) -> Preview:
    """The preview of an unsaved or saved `row` with its `windows`, at the moment `at`."""
    problems = rule_rows.problems(row)
    if problems:
        return Preview(problems=list(problems.values()))
    rule = rule_rows.rule_of(row, windows)
    activity, establishment = used_by(row)
    today = timezone.localdate(at)
    days = OpenDays.load(activity, establishment, today, today + FARTHEST)
    starts = _period_starts(activity, today)
    named = " – ".join(str(each) for each in (activity, establishment) if each)
    tables = []
    for who in _whom(rule):
        shown = []
        for day, found, _ in _next_days(rule, days, today, starts, who):
            words, timing = _words(found, at)
            shown.append(previews.row(_named(day, today), words, tint=timing))
        caption = f"Les prochains jours ouverts{f' ({named})' if named else ''}{who.words}"
        tables.append(Table(caption, ("Pour le", "On peut agir"), shown, none=NO_DAY))
    return Preview(
        sentences=[wording.sentence(rule)] if isinstance(rule, Windows) else wording.sentences(rule),
        warnings=warnings(row, windows, _concerned(row)),
        tables=tables,
    )


def late_preview(row: ActivityDeadline, at: datetime) -> Preview:
    """Of what an activity says of a deadline: the next days, and what becomes of who comes later."""
    rule = row.rule.rule()
    policy = Policy(rule, cast(LatePolicy, row.late), row.last_moment.rule() if row.last_moment else None)
    place = row.activity.establishments.first()
    today = timezone.localdate(at)
    days = OpenDays.load(row.activity, place, today, today + FARTHEST)
    starts = _period_starts(row.activity, today)
    tables = []
    for who in _whom(rule):
        shown = []
        for day, found, start in _next_days(rule, days, today, starts, who):
            words, timing = _words(found, at)
            later = _later(policy, found, day, days, who, start=start)
            shown.append(previews.row(_named(day, today), words, later, tint=timing))
        caption = f"{row.get_action_display()} : les prochains jours ouverts ({row.activity}){who.words}"
        tables.append(Table(caption, ("Pour le", "Dans les délais", "Plus tard"), shown, none=NO_DAY))
    costs = row.get_surcharge_display() if row.surcharge else ""
    if costs and row.surcharge_amount is not None:
        costs += f" : {number(row.surcharge_amount)}"
    if costs and row.free_late_a_month:
        costs += f", après {counted(row.free_late_a_month, 'jour', 'jours')} par mois sans supplément"
    return Preview(
        sentences=[wording.sentence(rule)] if isinstance(rule, Windows) else wording.sentences(rule),
        notes=[f"Hors délai, {lower_first(costs)}."] if costs else [],
        tables=tables,
    )


def _later(
    policy: Policy, found: Limits, day: date, calendar: OpenDays, who: _Whom, *, start: date | None
) -> str:
    """What becomes of who acts just after the limit."""
    if found.never or found.closes is None:
        return "jamais"
    after = found.closes + A_MOMENT
    verdict = decide(
        policy, day, after, calendar, resident=who.resident, publics=who.publics, period_start=start
    )
    if verdict.moment is None or not verdict.standing.is_late:
        return "refusé"
    until = moments.until(verdict.moment)
    return f"sur demande, {until}" if verdict.standing is Standing.LATE_REQUEST else f"accepté, {until}"


def _whom(rule: Rule) -> list[_Whom]:
    """Those of the town's own audiences first, which count first."""
    windows = rule.windows if isinstance(rule, Windows) else ()
    own = {window.public: window.public_name for window in windows if window.public}
    by_home = {window.audience for window in windows} & {Audience.RESIDENT, Audience.NON_RESIDENT}
    if not own and not by_home:
        return [_Whom()]
    found = [_Whom(resident=False, publics=(key,), words=f" – {name}") for key, name in own.items()]
    return [
        *found,
        _Whom(words=" – Familles de la commune"),
        _Whom(resident=False, words=" – Familles hors commune"),
    ]


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


def _next_days(
    rule: Rule,
    calendar: OpenDays,
    today: date,
    periods: list[tuple[date, date]],
    who: _Whom,
) -> Iterator[tuple[date, Limits, date | None]]:
    """Open days with their limits, and the first day of their period."""
    shown = 0
    for day in days_between(today, today + FARTHEST):
        if not calendar.is_open(day):
            continue
        start = next((first for first, last in periods if first <= day <= last), None)
        found = limits(rule, day, calendar, resident=who.resident, publics=who.publics, period_start=start)
        # Windows cover some days only: show those, not ten days of « jamais ».
        if isinstance(rule, Windows) and found.never:
            continue
        yield day, found, start
        shown += 1
        if shown == DAYS_SHOWN:
            return


def _named(day: date, today: date) -> str:
    return moments.day(day, year=day.year != today.year)


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
