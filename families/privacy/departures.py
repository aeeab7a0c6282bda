"""Households that go by themselves: refused ones, and those whose children left long ago."""

from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from families.models import Child, Erasure, Household, RetentionRule
from families.privacy import erasing, last_days, retention
from families.privacy.retention import CHOSEN, Kind, Rows

Unit = RetentionRule.Unit


def _refused(before: datetime) -> list[Rows]:
    rows = Household.objects.filter(
        state=Household.State.REFUSED, decided_at__lt=before, erased_at=None, joined_to=None
    )
    return [rows.order_by("pk")]


def _left(before: datetime) -> list[Rows]:
    """Accepted households of which no child was seen since; those without a child, since they came, but for
    those that come otherwise."""
    gone = last_days.gone(before).values("pk")
    still = Child.objects.exclude(pk__in=gone).filter(custodies__isnull=False)
    rows = Household.objects.filter(
        state=Household.State.ACCEPTED, created_at__lt=before, erased_at=None, joined_to=None
    ).exclude(custodies__child__in=still)
    rows = rows.exclude(last_days.homes_here(timezone.localtime(before).date()))
    return [rows.order_by("pk")]


def _erase(rows: Sequence[Rows], why: str, at: datetime) -> int:
    """One after the other; who still owes, or is owed, waits for another night."""
    erased = 0
    for each in rows:
        for household in list(each):
            try:
                erasing.erase(erasing.household_leaving(household), why=why, by=None, at=at)
            except erasing.ErasureRefused:
                continue
            erased += 1
    return erased


def register_all() -> None:
    """Once the app is ready."""
    retention.register(
        Kind(
            "refused",
            "comptes_refusés",
            "Comptes famille refusés",
            "après le refus",
            6,
            Unit.MONTH,
            f"{CHOSEN} Le temps de contester la réponse.",
            due=_refused,
            remove=lambda rows, at: _erase(rows, Erasure.Why.REFUSED, at),
        )
    )
    retention.register(
        Kind(
            "family_file",
            "dossiers_des_familles",
            "Dossiers des familles dont les enfants sont partis",
            "après le dernier jour connu du dernier enfant, une fois les dettes réglées",
            3,
            Unit.YEAR,
            "Usage des services scolaires et périscolaires : trois ans au plus après le départ de l'enfant.",
            due=_left,
            remove=lambda rows, at: _erase(rows, Erasure.Why.RETENTION, at),
            needs_visa=True,
            dated_by="created_at",
        )
    )
