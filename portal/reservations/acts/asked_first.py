"""Papers and texts that are wanted before an enrolment or a place: conditions, registered with `conditions`.

Where a family stands says `families.papers.asking` and `families.texts.standing`; what follows from it,
`days.paper_rules`.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

from django.urls import reverse
from django.utils import timezone

from families.models import Paper, PaperKind, TextVersion, in_force
from families.papers import asking, lasting
from families.papers.asking import Line, Status
from families.texts import standing
from portal.french.elision import of
from portal.reservations.acts import tasks
from portal.reservations.acts.conditions import Unmet, Wish, unmet
from portal.reservations.days import paper_rules
from portal.reservations.days.asked_papers import PapersOfActivities
from portal.reservations.models import Activity, ActivityPaper, demanding_papers, texts_of_activities
from portal.reservations.states import Override

STATES = {
    Status.REFUSED: "refused",
    Status.WAITS: "waits",
    Status.TO_SHOW: "show",
    Status.EXPIRED: "expired",
}


def at_start(
    household: int,
    child: int,
    activities: Iterable[Activity],
    school_year: int,
    first_day: date,
    at: datetime,
) -> list[Unmet]:
    """What an enrolment in these waits for, then what its days will wait for; each paper and text once."""
    activities = list(activities)
    wishes = [Wish(household, child, one, school_year) for one in activities]
    day = frozenset([first_day])
    wishes += [Wish(household, child, one, school_year, day) for one in activities]
    return once(one for found in unmet(wishes, at) for one in found)


def for_days(wishes: Iterable[Wish], at: datetime) -> list[Unmet]:
    """What days of these wait for, or should not do without; each once."""
    return once(one for found in unmet([wish for wish in wishes if wish.days], at) for one in found)


def once(found: Iterable[Unmet]) -> list[Unmet]:
    """What several ask for is said by the first."""
    return list({one.address or one.sentence: one for one in reversed(list(found))}.values())[::-1]


def papers(wishes: Sequence[Wish], at: datetime) -> Sequence[Sequence[Unmet]]:
    """What is missing for each, in three queries for any number of them; in none where nothing waits for a
    paper."""
    demanding = demanding_papers()
    wanted = [_wanted(demanding.get(wish.activity.pk, ()), wish) for wish in wishes]
    homes = {wish.household for wish, rows in zip(wishes, wanted, strict=True) if rows}
    if not homes:
        return [()] * len(wishes)
    lines = asking.read_all(homes, timezone.localdate(at))
    found = []
    for wish, rows in zip(wishes, wanted, strict=True):
        mine = lines[wish.household] if rows else []
        found.append([one for row in rows if (one := _unmet(row, wish, mine)) is not None])
    return found


def tried(row: ActivityPaper, wishes: Sequence[Wish], at: datetime) -> list[Unmet | None]:
    """What a rule, saved or not, would say of each."""
    lines = asking.read_all({wish.household for wish in wishes}, timezone.localdate(at))
    return [_unmet(row, wish, lines[wish.household]) if _wanted([row], wish) else None for wish in wishes]


def _wanted(rows: Collection[ActivityPaper], wish: Wish) -> list[ActivityPaper]:
    return [row for row in rows if paper_rules.wants(row.without, books=bool(wish.days))]


def _unmet(row: ActivityPaper, wish: Wish, lines: Sequence[Line]) -> Unmet | None:
    child = wish.child if row.kind.is_childs else None
    line = asking.of(lines, row.kind_id, child)
    books = bool(wish.days)
    ends = _ends(line, sent=paper_rules.counts_sent(row.counts, books=books))
    missing = paper_rules.uncovered(wish.days, ends)
    if ends and not missing:
        return None
    warns = row.without == ActivityPaper.Without.WARNS
    name = in_words(row.kind, line)
    state = "" if ends or line is None else STATES.get(line.status, "")
    if ends:
        # Without an end it would cover them all.
        last = max(end for end in ends if end is not None)
        sentence = paper_rules.ending(name, str(wish.activity), last, warns=warns)
    else:
        sentence = paper_rules.lacking(name, str(wish.activity), state=state, books=books, warns=warns)
    # One that the town hall is about to read is not sent twice.
    online = row.kind.comes_online and state != "waits"
    return Unmet(
        Override.PAPERS,
        sentence,
        stops=not warns,
        days=missing if missing and missing != wish.days else None,
        link="Envoyer le papier" if online else "",
        address=address(row.kind, child) if online else "",
    )


def _ends(line: Line | None, *, sent: bool) -> list[date | None]:
    """The last days (None: without end) of what is there: the accepted one, and with `sent` what waits."""
    if line is None:
        return []
    ends = [line.good.ends_on] if line.good is not None else []
    last = line.last
    if sent and last is not None and last.state == Paper.State.SENT:
        kind = line.kind
        until = lasting.end(
            kind.lasts, months=kind.months, dated_on=last.dated_on, written_on_it=last.ends_on
        )
        ends.append(until)
    return ends


def in_words(kind: PaperKind, line: Line | None) -> str:
    """« Attestation d'assurance de Léa »: letters name neither a paper of health nor one of justice."""
    whose = f" {of(line.child.first_name)}" if line is not None and line.child else ""
    return f"Un papier demandé{whose}" if kind.is_secret else f"{kind}{whose}"


def address(kind: PaperKind, child: int | None) -> str:
    if child is None:
        return reverse("families:send_household_paper", args=[kind.pk])
    return reverse("families:send_paper", args=[kind.pk, child])


def texts(wishes: Sequence[Wish], at: datetime) -> Sequence[Sequence[Unmet]]:
    """What is to be accepted for each. One query for any number of them; none where nothing waits for it."""
    versions = in_force(timezone.localdate(at)) if wishes else {}
    if all(version.text.is_free for version in versions.values()):
        return [()] * len(wishes)
    of_activities = texts_of_activities()
    wanted = [
        [
            version
            for version in versions.values()
            if paper_rules.text_stops(version.text.need, books=bool(wish.days))
            and (version.text.everywhere or version.text_id in of_activities.get(wish.activity.pk, ()))
        ]
        for wish in wishes
    ]
    keys = {version.pk for asked in wanted for version in asked}
    if not keys:
        return [()] * len(wishes)
    answers = standing.answered(keys, {wish.household for wish in wishes})
    return [
        [
            _to_accept(version, wish)
            for version in asked
            if not answers.get(
                (wish.household, wish.child if version.text.is_childs else None, version.pk), False
            )
        ]
        for wish, asked in zip(wishes, wanted, strict=True)
    ]


def _to_accept(version: TextVersion, wish: Wish) -> Unmet:
    return Unmet(
        Override.PAPERS,
        paper_rules.to_accept(str(version.text), books=bool(wish.days)),
        link="Lire et accepter",
        address=reverse("families:asked_text", args=[version.text.code]),
    )


class Asking(PapersOfActivities):
    """What is lent to `families.papers`."""

    def accepted(self, household: int, child: int | None, kind: int) -> None:
        """A place that is free, and was not given for want of this paper, is offered now."""
        asked = (row for rows in demanding_papers().values() for row in rows)
        if any(row.kind_id == kind and row.without in ActivityPaper.BEFORE_PLACE for row in asked):
            tasks.after_commit(tasks.serve_waiting, household, child, robust=True)
