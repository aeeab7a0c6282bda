"""The only writer of decisions that can still be taken back: held, taken back, left, gone once final.

    hold(by=agent, …, at=now)       the answer is written down, and nothing of it is done
    take_back(key, by=agent, at=now)
    due(at)                         those whose time has come; `settling` does them

A request that is held waits for nobody: queues leave it out (`without`), and a second answer is told of the
first (`of`). Whoever takes back and whoever makes final lock the same row first, so that one of the two comes
too late, and says so.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from portal import town
from portal.french import moments
from portal.models import HeldDecision

Row = TypeVar("Row", bound=Model)

DONE_AS = {"accept_selected": "acceptée", "refuse_selected": "refusée"}
# What could not be done is told to who decided it, should the page be opened in time.
LEFT_KEPT = timedelta(days=30)


class AlreadyHeld(Exception):
    """Somebody has decided meanwhile; `str()` is the sentence to show."""


@dataclass(frozen=True)
class Effect:
    """What an answer did, or would do: sentences with their levels, as the desk's messages; to rows that were
    as `seen`, a mark of them."""

    said: Sequence[tuple[int, str]]
    changes: bool
    seen: str = ""


def name_of(model: type[Model]) -> str:
    """« reservations.enrolment »: how a decision names the model of its request."""
    return model._meta.label_lower


def lasts() -> timedelta:
    """How long a decision can be taken back; none where the town wants it done at once."""
    return timedelta(minutes=town.current().take_back_minutes)


def waiting() -> QuerySet[HeldDecision]:
    """Those that are neither final nor left."""
    return HeldDecision.objects.filter(left_at=None)


def without(rows: QuerySet[Row]) -> QuerySet[Row]:
    """Those of `rows` about which nobody has decided yet."""
    decided = waiting().filter(about=name_of(rows.model), row=OuterRef("pk"))
    return rows.filter(~Exists(decided))


def of(model: type[Model], keys: Collection[int]) -> dict[int, HeldDecision]:
    """By request (key), the decision that is held. One query."""
    found = waiting().filter(about=name_of(model), row__in=keys).select_related("by")
    return {one.row: one for one in found}


def in_words(decision: HeldDecision) -> str:
    """« acceptée par Nadia Fournier, définitive le lundi 9 novembre à 10 h 02 »"""
    who = decision.by.get_full_name() or decision.by.get_username()
    return f"{DONE_AS[decision.action]} par {who}, définitive {moments.moment(decision.final_at)}"


@dataclass(frozen=True)
class InHand:
    """Of somebody: what can still be taken back, the last first, and what could not be done; and whether
    anybody's decision is due."""

    mine: list[HeldDecision]
    left: list[HeldDecision]
    due: bool


def in_hand(by: Any, at: datetime) -> InHand:
    """One query."""
    rows = HeldDecision.objects.filter(Q(by=by) | Q(left_at=None, final_at__lte=at))
    found = list(rows.order_by("-at", "-pk"))
    of_by = [one for one in found if one.by_id == by.pk]
    return InHand(
        [one for one in of_by if one.left_at is None and one.final_at > at],
        [one for one in of_by if one.left_at is not None],
        any(one.left_at is None and one.final_at <= at for one in found),
    )


@transaction.atomic
def hold(
    *,
    by: Any,
    row: Model,
    action: str,
    posted: Mapping[str, list[str]],
    effect: Effect,
    at: datetime,
) -> HeldDecision:
    """The answer to a request, to be done later as it was tried. Raises AlreadyHeld."""
    try:
        with transaction.atomic():
            return HeldDecision.objects.create(
                about=name_of(type(row)),
                row=row.pk,
                seen=effect.seen,
                action=action,
                posted=dict(posted),
                said=[list(one) for one in effect.said],
                by=by,
                at=at,
                final_at=at + lasts(),
            )
    except IntegrityError:
        first = of(type(row), [row.pk]).get(row.pk)
        said = f"\xa0: {in_words(first)}" if first else ""
        raise AlreadyHeld(f"Cette demande a déjà une décision{said}.") from None


@transaction.atomic
def take_back(key: int, *, by: Any, at: datetime) -> HeldDecision | None:
    """The request waits again, as if nobody had answered; None where the decision is final by now, or
    somebody else's."""
    found = waiting().select_for_update(of=("self",)).filter(pk=key, by=by).first()
    if found is None or found.final_at <= at:
        return None
    found.delete()
    return found


def due(at: datetime) -> list[int]:
    """The keys of those whose time has come, in the order in which they were decided."""
    rows = waiting().filter(final_at__lte=at)
    return list(rows.order_by("final_at", "pk").values_list("pk", flat=True))


def locked(key: int, at: datetime) -> HeldDecision | None:
    """One that is due, held until the transaction ends; None where it was taken back, or done meanwhile."""
    rows = waiting().select_for_update(of=("self",)).select_related("by")
    return rows.filter(pk=key, final_at__lte=at).first()


def forget(decision: HeldDecision) -> None:
    """It is done, or about to be in this transaction."""
    HeldDecision.objects.filter(pk=decision.pk).delete()


def leave(decision: HeldDecision, why: str, at: datetime) -> None:
    """It cannot be done as it was announced: the request waits again."""
    decision.left_at, decision.why_left = at, why
    decision.save(update_fields=["left_at", "why_left"])


def told(left: Sequence[HeldDecision]) -> None:
    """Who decided has read that these could not be done."""
    if left:
        HeldDecision.objects.filter(pk__in=[one.pk for one in left]).exclude(left_at=None).delete()


def forget_left(at: datetime) -> int:
    """Those that nobody came to read about; returns how many."""
    return HeldDecision.objects.filter(left_at__lt=at - LEFT_KEPT).delete()[0]


def forget_gone() -> int:
    """Those whose request is no longer there; returns how many."""
    found = list(HeldDecision.objects.values_list("pk", "about", "row"))
    gone = [pk for pk, about, row in found if not apps.get_model(about)._base_manager.filter(pk=row).exists()]
    return HeldDecision.objects.filter(pk__in=gone).delete()[0]
