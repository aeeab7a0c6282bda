"""Which days of an absence are billed. Pure: values in, value out; no database, no clock."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple

from portal.french.amounts import NBSP
from portal.french.plurals import counted


class Reason(StrEnum):
    ILLNESS = "illness"
    STRIKE = "strike"
    TEACHER = "teacher"
    TRIP = "trip"
    FAMILY = "family"
    NONE = ""


class Paperless(StrEnum):
    """What makes an illness free without any paper."""

    NEVER = ""
    KNOWN = "known"  # that it is known as one: the family said so, or the town hall entered it
    TOLD = "told"  # that the family told it before an hour


class ToldLate(StrEnum):
    """What an absence told too late for its first day costs."""

    ALL = "all"
    FOLLOWING = "following"  # the days whose own hour had passed; the following ones are free


@dataclass(frozen=True)
class AbsenceRule:
    """When an absence of an illness is free.

    A certificate counts as given in time within `within_hours` after the end of the first day of absence
    (None: whenever); the first `waiting_days` are then billed all the same. Given later, the first
    `late_waiting_days` are billed (None: all days), and after more than `max_days` days it no longer counts.
    `free_reasons` are free without any certificate.

    `paperless`: so is an illness that is known, or that was told before `told_before` (local time) of the
    first day of absence, or of `told_days_before` days earlier; of an absence, `free_first_days` are (None:
    all). `told_late` says what becomes of one told later. Of what stays billed then, `free_days_a_year` and
    `free_weeks_a_year` (of which every booked day was missed) that are known are free. A year begins on the
    last of `year_starts` that a day has reached, or on 1 September.
    """

    within_hours: int | None = None
    waiting_days: int = 0
    late_waiting_days: int | None = None
    max_days: int | None = None
    certificates_count: bool = True
    free_reasons: frozenset[Reason] = frozenset({Reason.STRIKE, Reason.TEACHER, Reason.TRIP})
    paperless: Paperless = Paperless.NEVER
    told_before: time | None = None
    told_days_before: int = 0
    told_late: ToldLate = ToldLate.ALL
    free_first_days: int | None = None
    free_days_a_year: int = 0
    free_weeks_a_year: int = 0
    year_starts: tuple[date, ...] = ()

    @property
    def a_year(self) -> bool:
        """Whether what is free depends on the whole year."""
        return bool(self.free_days_a_year or self.free_weeks_a_year)

    @property
    def asks_when_told(self) -> bool:
        return self.paperless is not Paperless.NEVER or self.a_year


@dataclass(frozen=True)
class AbsenceRules:
    """The town's rules: one an activity or, under None, one for all that have none of their own."""

    by_activity: Mapping[int | None, AbsenceRule]

    def of(self, activity: int) -> AbsenceRule:
        return self.by_activity.get(activity) or self.by_activity.get(None) or AbsenceRule()

    def years_before(self, day: date) -> list[date]:
        """The first days of the years that the rules count by."""
        return [_year(rule, day) for rule in self.by_activity.values() if rule.a_year]

    @property
    def certificates_count(self) -> bool:
        """Whether a certificate can make any absence free."""
        rules = self.by_activity.values()
        return not rules or any(rule.certificates_count for rule in rules)


class Missed(NamedTuple):
    """A booked day that a child missed, why, and when a certificate that covers it was given, and when the
    family told it (local times)."""

    day: date
    reason: Reason = Reason.NONE
    certificate: datetime | None = None
    told: datetime | None = None

    @property
    def known(self) -> bool:
        """Whether anybody said why, or that it would be missed."""
        return self.reason is not Reason.NONE or self.told is not None

    @property
    def ill(self) -> bool:
        return self.reason is Reason.ILLNESS or (self.told is not None and self.reason is Reason.NONE)


def billed_days(
    rule: AbsenceRule,
    absent: Sequence[date],
    certificate: datetime | None,
    reason: Reason = Reason.NONE,
    told: datetime | None = None,
) -> list[date]:
    """The days of one absence that are billed, in order.

    `absent`: the booked days missed; `certificate`: the local moment at which it was given, None: never;
    `told`: that at which the family told it. A naive and an aware moment are both read by their own clock.
    """
    missed = [Missed(day, reason, certificate, told) for day in absent]
    return sorted(one.day for one in billed(rule, missed, absent))


def _by_certificate(rule: AbsenceRule, absent: Sequence[date], certificate: datetime) -> list[date]:
    """The days of an absence that are billed though a certificate covers them, in order."""
    days = sorted(set(absent))
    if not rule.certificates_count:
        return days
    given = certificate.replace(tzinfo=None)
    end_of_first = datetime.combine(days[0] + timedelta(days=1), datetime.min.time())
    if rule.max_days is not None and (given.date() - days[0]).days > rule.max_days:
        return days
    if rule.within_hours is None or given <= end_of_first + timedelta(hours=rule.within_hours):
        return days[: rule.waiting_days]
    return days if rule.late_waiting_days is None else days[: rule.late_waiting_days]


def episodes(absent: Iterable[date], booked: Iterable[date]) -> list[list[date]]:
    """The absences of a child: runs of missed days with no attended booked day between them."""
    missed = sorted(set(absent))
    attended = sorted(set(booked) - set(missed))
    found: list[list[date]] = [[day] for day in missed[:1]]
    for before, day in pairwise(missed):
        if any(before < came < day for came in attended):
            found.append([day])
        else:
            found[-1].append(day)
    return found


def billed(rule: AbsenceRule, missed: Collection[Missed], booked: Iterable[date]) -> set[Missed]:
    """Which of the days that a child missed in an activity are billed.

    `booked`: all its booked days there, missed or not. A certificate frees the days that carry it and no
    others. It is in time or late for the first of them; the days of waiting are counted once an absence,
    whatever the number of certificates that follow each other. Where the town asks for no paper, the better
    of both rules counts. Of a rule with days a year, `missed` and `booked` are those of the year.
    """
    booked = set(booked)
    due: set[Missed] = set()
    for episode in episodes((one.day for one in missed), booked):
        together = [one for one in missed if one.day in episode and one.reason not in rule.free_reasons]
        given: dict[datetime, list[date]] = defaultdict(list)
        for one in together:
            if one.certificate is None:
                due.add(one)
            else:
                given[one.certificate].append(one.day)
        waited = 0
        for moment, days in sorted(given.items(), key=lambda pair: (min(pair[1]), pair[0])):
            found = set(_by_certificate(_after(rule, waited), days, moment))
            waited += len(found)
            due.update(one for one in together if one.certificate == moment and one.day in found)
        due -= free_without_paper(rule, together)
    return due - free_in_the_year(rule, due, missed, booked)


def told_limit(rule: AbsenceRule, day: date) -> datetime:
    """Until when an absence on `day` had to be told, excluded."""
    at = rule.told_before or time.min
    return datetime.combine(day - timedelta(days=rule.told_days_before), at)


def free_without_paper(rule: AbsenceRule, episode: Collection[Missed]) -> set[Missed]:
    """Of one absence, what is free because it is known, or was told in time.

    What was told of a day holds for the following days of the absence too, where these are known as an
    illness: nobody has to tell the same illness every morning.
    """
    if rule.paperless is Paperless.NEVER or not episode:
        return set()
    days = sorted({one.day for one in episode})
    first = days[0]
    counted_days = set(days if rule.free_first_days is None else days[: rule.free_first_days])
    ill = [one for one in episode if one.ill and one.day in counted_days]
    if rule.paperless is Paperless.KNOWN:
        return set(ill)

    def in_time(day: date) -> bool:
        told = [one.told.replace(tzinfo=None) for one in episode if one.told and one.day <= day]
        return bool(told) and min(told) < told_limit(rule, day)

    if rule.told_late is ToldLate.ALL:
        return set(ill) if in_time(first) else set()
    return {one for one in ill if in_time(one.day)}


def free_in_the_year(
    rule: AbsenceRule, due: Collection[Missed], missed: Collection[Missed], booked: Collection[date]
) -> set[Missed]:
    """Of the days `due`, those that the year gives: whole weeks first, then days, the earliest first."""
    if not rule.a_year:
        return set()
    free: set[Missed] = set()
    years: dict[date, list[Missed]] = defaultdict(list)
    for one in sorted(due, key=lambda one: one.day):
        if one.known:
            years[_year(rule, one.day)].append(one)
    away = {one.day for one in missed}
    for in_year in years.values():
        weeks: dict[date, list[Missed]] = defaultdict(list)
        for one in in_year:
            weeks[_week(one.day)].append(one)
        whole = [
            week for week, days in weeks.items() if all(day in away for day in booked if _week(day) == week)
        ]
        for week in whole[: rule.free_weeks_a_year]:
            free.update(weeks[week])
        left = sorted({one.day for one in in_year if one not in free})[: rule.free_days_a_year]
        free.update(one for one in in_year if one.day in left)
    return free


def _week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _year(rule: AbsenceRule, day: date) -> date:
    return year_start(rule.year_starts, day)


def year_start(starts: Collection[date], day: date) -> date:
    """The first day of the year of `day`: the last of `starts` that it has reached, or 1 September."""
    reached = [start for start in starts if start <= day]
    return max(reached) if reached else date(day.year - (day.month < 9), 9, 1)


def _after(rule: AbsenceRule, waited: int) -> AbsenceRule:
    """The rule for the certificate that follows one whose first `waited` days are billed already."""
    late = rule.late_waiting_days
    return replace(
        rule,
        waiting_days=max(rule.waiting_days - waited, 0),
        late_waiting_days=None if late is None else max(late - waited, 0),
    )


FREE_WORDS = {
    Reason.STRIKE: "grève",
    Reason.TEACHER: "enseignant absent",
    Reason.TRIP: "sortie scolaire",
    Reason.FAMILY: "raison familiale",
}
HOURS_IN_DAYS = 96  # from four days on, nobody counts in hours


def in_words(rule: AbsenceRule) -> list[str]:
    """The rule as a family reads it: « Certificat à donner sous 48 h après… ; les 2 premiers jours restent
    facturés. », what a late one costs, which reasons need none."""
    said = []
    if not rule.certificates_count:
        said.append(
            "Un certificat médical n'évite pas la facturation : les jours d'absence restent facturés."
        )
    elif rule.within_hours is None:
        said.append(f"Certificat à donner à la mairie, sans délai ; {_waiting(rule.waiting_days)}.")
    else:
        said.append(f"Certificat à donner {_until(rule.within_hours)} ; {_waiting(rule.waiting_days)}.")
        if rule.late_waiting_days is None:
            said.append("Donné plus tard, il ne compte pas : tous les jours restent facturés.")
        else:
            said.append(f"Donné plus tard : {_waiting(rule.late_waiting_days)}.")
    said = _paperless_in_words(rule) + said
    if rule.certificates_count and rule.max_days is not None:
        days = counted(rule.max_days, "jour", "jours")
        said.append(f"Plus de {days} après le premier jour d'absence, il n'est plus accepté.")
    free = [words for reason, words in FREE_WORDS.items() if reason in rule.free_reasons]
    if free:
        said.append(f"Jamais facturés, même sans certificat : {', '.join(free)}.")
    if rule.free_days_a_year:
        n = rule.free_days_a_year
        what = "jour d'absence signalée qui resterait facturé ne l'est"
        many = "jours d'absence signalée qui resteraient facturés ne le sont"
        said.append(f"Chaque année scolaire, {counted(n, what, many)} pas.")
    if rule.free_weeks_a_year:
        n = rule.free_weeks_a_year
        what = "semaine entière d'absence signalée n'est pas facturée"
        many = "semaines entières d'absence signalée ne sont pas facturées"
        said.append(f"Chaque année scolaire, {counted(n, what, many)}.")
    return said


def _paperless_in_words(rule: AbsenceRule) -> list[str]:
    """« Maladie annoncée avant 10 h le premier jour d'absence, même sans certificat : non facturée. »"""
    if rule.paperless is Paperless.NEVER:
        return []
    if rule.paperless is Paperless.KNOWN:
        said = ["Maladie signalée, même sans certificat : {free}."]
    else:
        said = [f"Maladie annoncée {_before(rule)}, même sans certificat : {{free}}."]
        if rule.told_late is ToldLate.ALL:
            said.append("Annoncée plus tard ou pas du tout : tous les jours restent facturés.")
        else:
            said.append(
                "Annoncée plus tard : restent facturés les jours dont l'heure est passée, pas les suivants."
            )
    if rule.free_first_days is None:
        free = "non facturée"
    elif rule.free_first_days == 1:
        free = "le premier jour n'est pas facturé, les suivants le sont"
    else:
        free = f"les {rule.free_first_days} premiers jours ne sont pas facturés, les suivants le sont"
    return [sentence.format(free=free) for sentence in said]


def hour(at: time) -> str:
    """« 10 h », « 18 h 30 », as `portal.french.moments` says it with a clock at hand."""
    return f"{at.hour}{NBSP}h{NBSP}{at.minute:02}" if at.minute else f"{at.hour}{NBSP}h"


def _before(rule: AbsenceRule) -> str:
    at = hour(rule.told_before or time.min)
    days = rule.told_days_before
    when = {
        0: "le premier jour d'absence",
        1: "la veille du premier jour d'absence",
    }.get(days, f"{days} jours avant le premier jour d'absence")
    return f"avant {at} {when}"


def _until(hours: int) -> str:
    if hours == 0:
        return "avant la fin du premier jour d'absence"
    if hours >= HOURS_IN_DAYS and hours % 24 == 0:
        return f"dans les {hours // 24} jours après le premier jour d'absence"
    return f"sous {hours}{NBSP}h après le premier jour d'absence"


def _waiting(days: int) -> str:
    if days == 0:
        return "aucun jour n'est alors facturé"
    return "le premier jour reste facturé" if days == 1 else f"les {days} premiers jours restent facturés"
