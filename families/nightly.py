"""The nightly work on people: accounts that nobody confirmed, registers whose time is over."""

from datetime import datetime, timedelta

from families import unconfirmed
from families.custody import openings
from families.signing_in import counters, sessions
from families.traces import reading
from portal import nightly

UNCONFIRMED_KEPT = timedelta(days=7)
# As long as logs of access are usually kept: CNIL, délibération n° 2021-122 on logging, six months to a year.
READINGS_KEPT = timedelta(days=365)


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


def forget_readings(at: datetime) -> int:
    return reading.forget(before=at - READINGS_KEPT)


nightly.register(
    "registre des consultations", "{} consultation(s) de plus d'un an effacée(s).", forget_readings
)


def forget_ended_sessions(at: datetime) -> int:
    return sessions.forget_ended()


nightly.register("connexions closes", "{} connexion(s) close(s) oubliée(s).", forget_ended_sessions)
