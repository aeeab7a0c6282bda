"""The nightly work on accounts."""

from datetime import datetime, timedelta

from families import unconfirmed
from portal import nightly

UNCONFIRMED_KEPT = timedelta(days=7)


def forget_unconfirmed(at: datetime) -> int:
    return unconfirmed.forget(before=at - UNCONFIRMED_KEPT)


nightly.register(
    "comptes jamais confirmés", "{} compte(s) jamais confirmé(s) supprimé(s).", forget_unconfirmed
)
