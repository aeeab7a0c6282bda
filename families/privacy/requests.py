"""A family asks for its erasure; the town hall answers. The only writer of the states of `ErasureRequest`."""

from datetime import datetime

from django.db import transaction

from families import emails
from families.models import AlreadyAnswered, Erasure, ErasureRequest, Household, User
from families.privacy import erasing

State = ErasureRequest.State


def ask(household: Household, *, words: str, by: User, at: datetime) -> ErasureRequest:
    """The request that waits already, or a new one, acknowledged by letter."""
    with transaction.atomic():
        Household.objects.lock([household.pk])
        waiting = ErasureRequest.objects.filter(household=household, state=State.REQUESTED).first()
        if waiting is not None:
            return waiting
        asked = ErasureRequest.objects.create(
            household=household, words=words.strip()[:1000], requested_by=by, requested_at=at
        )
        emails.erasure_requested(asked)
    return asked


def grant(asked: ErasureRequest, *, by: User, at: datetime) -> Erasure:
    """Erases the household, and its request with it. Raises AlreadyAnswered, ErasureRefused."""
    with transaction.atomic():
        _waiting(asked)
        leaving = erasing.household_leaving(asked.household)
        return erasing.erase(leaving, why=Erasure.Why.REQUEST, by=by, at=at)


def refuse(asked: ErasureRequest, *, reason: str, by: User, at: datetime) -> ErasureRequest:
    """Raises AlreadyAnswered."""
    with transaction.atomic():
        row = _waiting(asked)
        row.state, row.refusal_reason, row.decided_by, row.decided_at = State.REFUSED, reason, by, at
        row.save()
        emails.erasure_refused(row)
    return row


def withdraw(household: Household) -> int:
    """A family that thought better of it."""
    return ErasureRequest.objects.filter(household=household, state=State.REQUESTED).delete()[0]


def _waiting(asked: ErasureRequest) -> ErasureRequest:
    row = ErasureRequest.objects.select_for_update().filter(pk=asked.pk).first()
    if row is None or row.state != State.REQUESTED:
        raise AlreadyAnswered("Cette demande a déjà sa réponse.")
    return row
