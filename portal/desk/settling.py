"""An answer of « À traiter » is tried, held, and done once it can no longer be taken back.

It is tried by doing it, with the action of the model's own page, in a transaction that is undone: so the
agent reads what will be, and nobody else anything. When its time has come the same form is given to the same
action, by the same agent with the rights of that moment. Where the request reads otherwise by then, or the
action would say something else, a place lost, nothing of it is done and the request waits again: no family is
told what no agent has read.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, cast

from django.contrib.messages import get_messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django_tasks import task
from simple_history.models import HistoricalRecords

from portal.desk import held, to_do
from portal.desk.decisions import AcceptOrRefuse
from portal.desk.held import Effect
from portal.desk.to_do import Kind
from portal.french.sentences import lower_first
from portal.models import HeldDecision
from portal.web.posted import posted_numbers

logger = logging.getLogger(__name__)

PARTS = "partie"
# Of a form, what belongs to the page on which it stands.
NOT_KEPT = {"csrfmiddlewaretoken", "demande", "suivante", "action", "select_across"}
OTHERWISE = "ce qu'elle ferait a changé entre-temps"
BROKEN = "elle n'a pas pu être enregistrée"


class Tried(NamedTuple):
    """`asks`: the page that wants more of the agent first."""

    effect: Effect
    asks: TemplateResponse | None = None


class _Sayings:
    """Stands for a request's messages, and keeps them to itself."""

    def __init__(self) -> None:
        self.said: list[tuple[int, str]] = []

    def add(self, level: int, message: Any, extra_tags: str = "") -> None:
        self.said.append((int(level), str(message)))


@contextmanager
def _listening(request: HttpRequest) -> Iterator[_Sayings]:
    """What is said to `request` meanwhile, which does not hear it."""
    asked: Any = request
    former, asked._messages = get_messages(request), _Sayings()
    try:
        yield asked._messages
    finally:
        asked._messages = former


def rows_of(kind: Kind, request: HttpRequest, row: int, posted: QueryDict) -> QuerySet[Any]:
    """What an answer is given to: the request, or those of its parts that the form names."""
    rows = kind.page.get_queryset(request)
    if not kind.parts_of:
        return rows.filter(pk=row)
    return rows.filter(**{kind.part_of: row}, pk__in=posted_numbers(posted.getlist(PARTS)))


def action_of(kind: Kind, request: HttpRequest, name: str) -> Any:
    """The action of the kind's page. Raises PermissionDenied where who asks may not do it."""
    found = kind.page.get_actions(request).get(name) if name in AcceptOrRefuse.actions else None
    if found is None:
        raise PermissionDenied
    return partial(found[0], kind.page, request)


def _do(kind: Kind, request: HttpRequest, row: int, action: str, posted: QueryDict) -> Tried:
    """Does it, and says what that did."""
    rows = rows_of(kind, request, row, posted)
    stored = rows.model._base_manager.filter(pk__in=list(rows.values_list("pk", flat=True))).order_by("pk")
    before = list(stored.values())
    with _listening(request) as sayings:
        answer = action_of(kind, request, action)(rows)
    if isinstance(answer, TemplateResponse):
        return Tried(Effect([], changes=False), answer)
    mark = hashlib.sha256(repr(before).encode()).hexdigest()
    return Tried(Effect(sayings.said, changes=list(stored.values()) != before, seen=mark))


def try_out(kind: Kind, request: HttpRequest, row: int, action: str, posted: QueryDict) -> Tried:
    """What the answer would do, of which nothing stays: neither rows nor letters."""
    with transaction.atomic():
        tried = _do(kind, request, row, action, posted)
        transaction.set_rollback(True)
    return tried


def kept_of(posted: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is kept of an agent's form, to be given to the same action again. A field with a NUL character,
    which no form takes and PostgreSQL cannot store, is not."""
    form = cast(QueryDict, posted)
    kept = {name: form.getlist(name) for name in form if name not in NOT_KEPT}
    return {name: values for name, values in kept.items() if not any("\0" in one for one in (name, *values))}


# When it can no longer be taken back --------------------------------------------------------------------


def settle(*, at: datetime) -> int:
    """Does what is due; returns how many. Each in its own transaction: one that fails keeps no other."""
    return sum(_settle(key, at) for key in held.due(at))


def _settle(key: int, at: datetime) -> bool:
    try:
        return _finish(key, at)
    except Exception as error:  # whatever it is, the request waits again and the others are done
        if not isinstance(error, PermissionDenied):
            logger.exception("Held decision %s could not be done", key)
        why = str(error) if isinstance(error, PermissionDenied) else BROKEN
        return _leave(key, lower_first(why.rstrip(".")) or BROKEN, at)


@transaction.atomic
def _leave(key: int, why: str, at: datetime) -> bool:
    if (decision := held.locked(key, at)) is not None:
        held.leave(decision, why, at)
    return False


@transaction.atomic
def _finish(key: int, at: datetime) -> bool:
    decision = held.locked(key, at)
    if decision is None:
        return False
    done = _carry_out(decision)
    if not done:
        held.leave(decision, OTHERWISE, at)
    return done


def _carry_out(decision: HeldDecision) -> bool:
    """Does it and forgets the decision, if that does what was said; otherwise nothing."""
    kind = to_do.kind_about(decision.about)
    if kind is None:
        return False
    posted = QueryDict(mutable=True)
    for name, values in decision.posted.items():
        posted.setlist(name, values)
    posted["action"] = decision.action
    with transaction.atomic(), _asked_by(decision, posted) as request:
        held.forget(decision)  # for the action, what is decided has its answer
        # As long as it waits for who decided, in the places of this moment.
        waits = to_do.waiting(decision.by, kind, to_do.Asked(), decision.at)
        if waits.filter(pk=decision.row).exists():
            tried = _do(kind, request, decision.row, decision.action, posted)
            announced = Effect([(level, text) for level, text in decision.said], True, decision.seen)
            if tried.asks is None and tried.effect == announced:
                return True
        transaction.set_rollback(True)
    return False


@contextmanager
def _asked_by(decision: HeldDecision, posted: Any) -> Iterator[HttpRequest]:
    """A request as the agent's was, for the action and for the versions that it writes."""
    request = HttpRequest()
    request.method, request.POST, request.user = "POST", posted, decision.by
    former = getattr(HistoricalRecords.context, "request", None)
    HistoricalRecords.context.request = request
    try:
        yield request
    finally:
        if former is None:
            del HistoricalRecords.context.request
        else:
            HistoricalRecords.context.request = former


@task()
def settle_due() -> None:
    """Whatever can no longer be taken back is done."""
    settle(at=timezone.now())


def settle_at(hour: datetime) -> None:
    """Has it done then. A queue that cannot wait leaves it to who looks next, or to the night."""
    if settle_due.get_backend().supports_defer:
        settle_due.using(run_after=hour).enqueue()


def answer(
    kind: Kind, request: HttpRequest, row: Model, action: str, posted: QueryDict, *, at: datetime
) -> Tried | HeldDecision:
    """Tries an answer and holds it; tried only, where it asks for more or would change nothing. Raises
    AlreadyHeld, PermissionDenied."""
    tried = try_out(kind, request, row.pk, action, posted)
    if tried.asks is not None or not tried.effect.changes:
        return tried
    decision = held.hold(
        by=request.user, row=row, action=action, posted=kept_of(posted), effect=tried.effect, at=at
    )
    transaction.on_commit(partial(settle_at, decision.final_at), robust=True)
    return decision
