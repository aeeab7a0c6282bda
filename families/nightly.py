"""The nightly work on accounts."""

from datetime import datetime, timedelta

from families import unconfirmed
from families.signing_in import counters
from families.custody import openings
from portal import nightly

UNCONFIRMED_KEPT = timedelta(days=7)


def forget_unconfirmed(at: datetime) -> int:
    return unconfirmed.forget(before=at - UNCONFIRMED_KEPT)


def open_in_time(at: datetime) -> int:
    return openings.pass_time(at=at)


nightly.register(
    "accès qui ont assez attendu", "{} accès ouvert(s), 72 heures après les messages.", open_in_time
)
nightly.register(
    "comptes jamais confirmés", "{} compte(s) jamais confirmé(s) supprimé(s).", forget_unconfirmed
)
nightly.register("essais de connexion", "{} compteur(s) d'essais périmé(s) supprimé(s).", counters.forget)
