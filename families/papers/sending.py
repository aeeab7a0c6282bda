"""The only writer of papers: sent by a family, seen or asked for at the desk, accepted, refused, over.

    send(household, kind, child, said, by=parent, at=now)            another file instead of one that waits
    accept(paper, ends_on=…, by=agent, at=now)      refuse(paper, reason=…, by=agent, at=now)
    take(household, kind, child, said, by=agent, at=now)             seen at the desk, accepted at once
    ask(household, kind, child, at=now)   stop_asking(paper)
    expire(at=now)                                                   each night
    join(children, kept, emptied, at=now)                            two households, or two children, are one

Whoever writes about a child holds its custody first, about a household the household, then the paper: two
homes of a child, two tabs and two agents go one after the other, and the database lets one paper of a kind
wait, and one be accepted. Letters name neither a paper of health nor one of justice.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from families import documents, emails
from families.custody import homes, own
from families.models import AlreadyAnswered as AlreadyAnswered
from families.models import Child, Household, Paper, PaperKind, User, household_number
from families.papers import asking, lasting
from portal.french.dates import short_day

State = Paper.State
RIGHT = "families.change_paper"
MAY_TAKE = "families.add_paper"


class PaperRefused(Exception):
    """The act is refused; the message is the French sentence to show, at `field` when it is about one."""

    def __init__(self, text: str, field: str = "") -> None:
        self.field = field
        super().__init__(text)


@dataclass(frozen=True)
class Said:
    """What comes with a paper: its file, whose type was read from its content, and what is written on it."""

    file: Any = None
    content_type: str = ""
    dated_on: date | None = None
    ends_on: date | None = None


# Families -----------------------------------------------------------------------------------------------


@transaction.atomic
def send(
    household: Household, kind: PaperKind, child: Child | None, said: Said, *, by: User, at: datetime
) -> Paper:
    """A family sends a paper that is asked of it, or another file instead of the one that waits. Raises
    PaperRefused."""
    today = timezone.localdate(at)
    _hold(household, child, today)
    line = asking.to_give(household, kind.pk, child.pk if child else None, today)
    if line is None or not line.may_send:
        raise PaperRefused(_why_not(line))
    _check_dates(kind, said, today)
    paper = _open(household, kind, child) or _new(household, kind, child, line.last)
    former = [paper.document] if paper.document else []
    paper.household, paper.state = household, State.SENT
    paper.document = documents.keep(household, said.file, said.content_type, by=by, right=kind.right)
    paper.dated_on = said.dated_on
    paper.ends_on = said.ends_on if kind.lasts == PaperKind.Lasts.OWN_DATE else None
    paper.sent_at, paper.sent_by = at, by
    paper.save()
    documents.remove(former)
    return paper


def _why_not(line: asking.Line | None) -> str:
    if line is not None and line.status is asking.Status.WAITS:
        return "L'autre foyer de votre enfant vient d'envoyer ce papier : il sert pour vos deux foyers."
    if line is not None and line.good is not None:
        return "Ce papier est déjà accepté : vous n'avez rien à envoyer."
    return "Ce papier ne vous est plus demandé : vous n'avez rien à envoyer."


def _check_dates(kind: PaperKind, said: Said, today: date) -> None:
    """Raises PaperRefused for a date that is missing, or by which the paper is of no use any more."""
    if kind.lasts == PaperKind.Lasts.NUMBER_OF_MONTHS:
        if said.dated_on is None:
            raise PaperRefused("Indiquez la date inscrite sur le papier.", "dated_on")
        if said.dated_on > today:
            raise PaperRefused("La date du papier ne peut pas être à venir.", "dated_on")
        last = lasting.end(kind.lasts, months=kind.months, dated_on=said.dated_on)
        if last is not None and last < today:
            text = f"Ce papier a plus de {kind.months} mois : envoyez-en un plus récent."
            raise PaperRefused(text, "dated_on")
    if kind.lasts == PaperKind.Lasts.OWN_DATE:
        if said.ends_on is None:
            raise PaperRefused("Indiquez jusqu'à quand le papier est valable.", "ends_on")
        if said.ends_on < today:
            raise PaperRefused("Ce papier n'est plus valable : envoyez le suivant.", "ends_on")


# The town hall ------------------------------------------------------------------------------------------


def proposed_ends(papers: Sequence[Paper], today: date) -> dict[int, date | None]:
    """By paper (key) that waits, until when it would be good, for the town hall to confirm. A fixed number of
    queries, and one for each first day of what is asked again before its end."""
    lines = asking.read({paper.household_id for paper in papers}, today)
    ends = cache(asking.year_end)
    found = {}
    for paper in papers:
        line = asking.of(lines[paper.household_id], paper.kind_id, paper.child_id)
        found[paper.pk] = lasting.end(
            paper.kind.lasts,
            months=paper.kind.months,
            dated_on=paper.dated_on,
            written_on_it=paper.ends_on,
            year_ends=ends(line.given_on if line else today),
        )
    return found


@transaction.atomic
def accept(
    paper: Paper, *, ends_on: date | None, by: User, at: datetime, looked_at: int | None = None
) -> Paper:
    """Good until `ends_on`, its last day. `looked_at` is the file (its key) that was read: where the family
    sent another one meanwhile, nothing is accepted. Raises AlreadyAnswered, PaperRefused."""
    own.check(by, [paper.household_id], right=RIGHT, at=at)
    paper = _waiting(paper.pk)
    if looked_at is not None and paper.document_id != looked_at:
        raise PaperRefused("La famille a envoyé un autre fichier entre-temps : ouvrez-le avant de répondre.")
    _accept(paper, ends_on, by, at)
    return paper


@transaction.atomic
def refuse(paper: Paper, *, reason: str, by: User, at: datetime) -> Paper:
    """Raises AlreadyAnswered, PaperRefused without a reason."""
    if not reason.strip():
        raise PaperRefused("Indiquez le motif du refus : la famille le lira.")
    own.check(by, [paper.household_id], right=RIGHT, at=at)
    paper = _waiting(paper.pk)
    paper.state, paper.refusal_reason = State.REFUSED, reason.strip()
    paper.decided_by, paper.decided_at = by, at
    paper.save()
    emails.paper_refused(paper)
    return paper


@transaction.atomic
def take(
    household: Household,
    kind: PaperKind,
    child: Child | None,
    said: Said,
    *,
    seen_on: date,
    by: User,
    at: datetime,
) -> Paper:
    """« Vu au guichet le … »: accepted at once, with a copy or without; what waited is answered by it. Raises
    PaperRefused."""
    today = timezone.localdate(at)
    if seen_on > today:
        raise PaperRefused("Ce jour n'est pas encore venu.", "seen_on")
    if kind.way == PaperKind.Way.FILE and not said.file:
        raise PaperRefused("De ce papier la commune garde le fichier : joignez-en une copie.", "file")
    if kind.way == PaperKind.Way.DESK and said.file:
        raise PaperRefused("De ce papier la commune ne garde aucun fichier.", "file")
    own.check(by, [household.pk], right=MAY_TAKE, at=at)
    _hold(household, child, today)
    line = asking.of(asking.read([household.pk], today)[household.pk], kind.pk, child.pk if child else None)
    # A paper with a date of its own, shown at the desk, is dated that day unless somebody read it.
    dated = said.dated_on or (seen_on if kind.lasts == PaperKind.Lasts.NUMBER_OF_MONTHS else None)
    ends_on = said.ends_on or lasting.end(
        kind.lasts,
        months=kind.months,
        dated_on=dated,
        year_ends=asking.year_end(line.given_on if line else today),
    )
    paper = _open(household, kind, child) or _new(household, kind, child, line.last if line else None)
    former = [paper.document] if paper.document else []
    paper.household = household
    paper.document = (
        documents.keep(household, said.file, said.content_type, by=by, right=kind.right)
        if said.file
        else None
    )
    paper.dated_on, paper.seen_on = dated, seen_on
    _accept(paper, ends_on, by, at)
    documents.remove(former)
    return paper


@transaction.atomic
def ask(household: Household, kind: PaperKind, child: Child | None, *, at: datetime) -> Paper:
    """The town hall asks this family for a paper, whatever its activities ask. Raises PaperRefused."""
    today = timezone.localdate(at)
    _hold(household, child, today)
    if _open(household, kind, child) is not None:
        raise PaperRefused("Ce papier est déjà demandé, ou attend une réponse.")
    line = asking.of(asking.read([household.pk], today)[household.pk], kind.pk, child.pk if child else None)
    if line is not None and line.good is not None and not line.ends_soon:
        until = f", jusqu'au {short_day(line.good.ends_on, year=True)}" if line.good.ends_on else ""
        raise PaperRefused(f"Ce papier est déjà accepté{until}.")
    paper = _new(household, kind, child, None)
    paper.state, paper.asked_on = State.AWAITED, today
    paper.save()
    emails.paper_asked(paper)
    return paper


@transaction.atomic
def stop_asking(paper: Paper) -> None:
    """Nothing of this kind is asked by hand any more of who it is about; what was given stays."""
    rows = _same(paper.household, paper.kind, paper.child)
    rows.filter(state=State.AWAITED).delete()
    rows.update(asked_on=None)


def expire(*, at: datetime) -> int:
    """Accepted papers whose last day has passed; how many. Nobody acted: no version is written."""
    return Paper.objects.over(timezone.localdate(at)).update(state=State.EXPIRED)


def join(children: Mapping[int, int], kept: Household, emptied: Household, *, at: datetime) -> None:
    """Papers of the emptied household, and of children typed twice (`children`: their keys), follow.

    Of two of a kind, the one that is good for longer stays good, the one sent last waits. Called with both
    held.
    """
    today = timezone.localdate(at)
    rows = Paper.objects.filter(
        Q(household__in=(kept, emptied)) | Q(child__in=[*children, *children.values()])
    )
    good: dict[tuple[Any, ...], Paper] = {}
    waiting: dict[tuple[Any, ...], Paper] = {}
    for paper in rows.select_for_update(of=("self",)).select_related("kind", "document").order_by("pk"):
        if paper.household_id == emptied.pk:
            paper.household = kept
        paper.child_id = children.get(paper.child_id or 0, paper.child_id)
        alone = paper.child_id is None or paper.private
        same = (paper.kind_id, paper.child_id, paper.household_id if alone else None)
        if paper.state == State.ACCEPTED:
            _keep(good, same, paper, lambda one: one.ends_on or date.max, lambda one: _replace(one, today))
        elif paper.state in Paper.OPEN:
            _keep(
                waiting,
                same,
                paper,
                lambda one: (one.state == State.SENT, one.sent_at or at),
                lambda one: _withdraw(one, today),
            )
        else:
            paper.save()
    for paper in (*good.values(), *waiting.values()):
        paper.save()


def _keep(
    stay: dict[tuple[Any, ...], Paper],
    same: tuple[Any, ...],
    paper: Paper,
    worth: Callable[[Paper], Any],
    gives_way: Callable[[Paper], None],
) -> None:
    """Of what is the same, the one that is worth more stays; the other gives way before that one is saved."""
    other = stay.get(same)
    if other is not None:
        paper, other = sorted((other, paper), key=worth, reverse=True)
        gives_way(other)
    stay[same] = paper


def _withdraw(paper: Paper, today: date) -> None:
    """What was only asked for is asked for once; what was sent too is over, and its file goes in its time."""
    if paper.state == State.AWAITED:
        paper.delete()
        return
    paper.state, paper.ends_on = State.EXPIRED, today - timedelta(days=1)
    paper.save()


# Rows ---------------------------------------------------------------------------------------------------


def _hold(household: Household, child: Child | None, today: date) -> None:
    """Nobody else writes papers of this child, or of this household, until the transaction ends. Raises
    PaperRefused where the child does not live there, or the household was joined to another."""
    if child is None:
        if joined := Household.objects.lock([household.pk]).get(household.pk):
            number = household_number(joined)
            raise PaperRefused(
                f"Ce foyer vient d'être réuni avec le foyer n°\xa0{number}\xa0: recommencez là."
            )
        return
    custody = homes.held(child.pk, household.pk)
    if custody is None or not custody.holds_on(today):
        raise PaperRefused(homes.gone_sentence(child))


def _same(household: Household, kind: PaperKind, child: Child | None) -> Any:
    """The rows of a kind about this child, or this household: both homes' unless it is private."""
    rows = Paper.objects.filter(kind=kind, child=child)
    return rows.filter(household=household) if child is None or kind.is_private else rows


def _open(household: Household, kind: PaperKind, child: Child | None) -> Paper | None:
    """The one that is awaited or waits, held until the transaction ends."""
    rows = _same(household, kind, child).filter(state__in=Paper.OPEN).select_related("document")
    found: Paper | None = rows.select_for_update(of=("self",)).first()
    return found


def _new(household: Household, kind: PaperKind, child: Child | None, last: Paper | None) -> Paper:
    """One more row; what the town hall asks by hand it goes on asking."""
    return Paper(
        household=household,
        kind=kind,
        child=child,
        private=kind.is_private,
        asked_on=last.asked_on if last else None,
    )


def _waiting(key: int) -> Paper:
    row = Paper.objects.select_for_update(of=("self",)).filter(pk=key)
    paper = row.select_related("household", "child", "document", "kind").first()
    if paper is None:
        raise AlreadyAnswered("Ce papier n'est plus là.")
    if paper.state != State.SENT:
        raise AlreadyAnswered(f"« {paper} » a déjà reçu une réponse : {paper.get_state_display().lower()}.")
    return paper


def _accept(paper: Paper, ends_on: date | None, by: User, at: datetime) -> None:
    today = timezone.localdate(at)
    if not lasting.needs_an_end(paper.kind.lasts):
        ends_on = None
    elif ends_on is None:
        raise PaperRefused("Indiquez jusqu'à quand le papier est valable.", "ends_on")
    elif ends_on < today:
        raise PaperRefused("Ce jour est passé : le papier ne vaudrait plus rien.", "ends_on")
    for former in _same(paper.household, paper.kind, paper.child).filter(state=State.ACCEPTED):
        _replace(former, today)
    paper.state, paper.refusal_reason = State.ACCEPTED, ""
    paper.starts_on, paper.ends_on = today, ends_on
    paper.decided_by, paper.decided_at = by, at
    paper.save()
    asking.told_accepted(paper.household_id, paper.child_id, paper.kind_id)
    emails.paper_accepted(paper)


def _replace(former: Paper, today: date) -> None:
    """The one that was good until now gives way."""
    yesterday = today - timedelta(days=1)
    former.state = State.EXPIRED
    if former.ends_on is None or former.ends_on > yesterday:
        former.ends_on = max(yesterday, former.starts_on or yesterday)
    former.save()
