"""Which days of an absence are billed. Pure: values in, value out; no database, no clock."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
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


@dataclass(frozen=True)
class AbsenceRule:
    """When an absence of an illness is free.

    A certificate counts as given in time within `within_hours` after the end of the first day of absence
    (None: whenever); the first `waiting_days` are then billed all the same. Given later, the first
    `late_waiting_days` are billed (None: all days), and after more than `max_days` days it no longer counts.
    `free_reasons` are free without any certificate.
    """

    within_hours: int | None = None
    waiting_days: int = 0
    late_waiting_days: int | None = None
    max_days: int | None = None
    certificates_count: bool = True
    free_reasons: frozenset[Reason] = frozenset({Reason.STRIKE, Reason.TEACHER, Reason.TRIP})


@dataclass(frozen=True)
class AbsenceRules:
    """The town's rules: one an activity or, under None, one for all that have none of their own."""

    by_activity: Mapping[int | None, AbsenceRule]

    def of(self, activity: int) -> AbsenceRule:
        return self.by_activity.get(activity) or self.by_activity.get(None) or AbsenceRule()

    @property
    def certificates_count(self) -> bool:
        """Whether a certificate can make any absence free."""
        rules = self.by_activity.values()
        return not rules or any(rule.certificates_count for rule in rules)


class Missed(NamedTuple):
    """A booked day that a child missed, why, and when a certificate that covers it was given (local time)."""

    day: date
    reason: Reason = Reason.NONE
    certificate: datetime | None = None


def billed_days(
    rule: AbsenceRule,
    absent: Sequence[date],
    certificate: datetime | None,
    reason: Reason = Reason.NONE,
) -> list[date]:
    """The days of one absence that are billed, in order.

    `absent`: the booked days missed; `certificate`: the local moment at which it was given, None: never.
    A naive and an aware moment are both read by their own clock.
    """
    days = sorted(set(absent))
    if reason in rule.free_reasons:
        return []
    if not days or certificate is None or not rule.certificates_count:
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
    whatever the number of certificates that follow each other.
    """
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
            found = set(billed_days(_after(rule, waited), days, moment))
            waited += len(found)
            due.update(one for one in together if one.certificate == moment and one.day in found)
    return due


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
    if rule.certificates_count and rule.max_days is not None:
        days = counted(rule.max_days, "jour", "jours")
        said.append(f"Plus de {days} après le premier jour d'absence, il n'est plus accepté.")
    free = [words for reason, words in FREE_WORDS.items() if reason in rule.free_reasons]
    if free:
        said.append(f"Jamais facturés, même sans certificat : {', '.join(free)}.")
    return said


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
