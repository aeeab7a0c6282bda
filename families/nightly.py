"""The nightly work on accounts."""

from datetime import datetime, timedelta

from families import unconfirmed
from families.signing_in import counters
from portal import nightly

UNCONFIRMED_KEPT = timedelta(days=7)


def forget_unconfirmed(at: datetime) -> int:
    return unconfirmed.forget(before=at - UNCONFIRMED_KEPT)


nightly.register(
    "comptes jamais confirmés", "{} compte(s) jamais confirmé(s) supprimé(s).", forget_unconfirmed
)
nightly.register("essais de connexion", "{} compteur(s) d'essais périmé(s) supprimé(s).", counters.forget)
