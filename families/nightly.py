"""The nightly work on people: what was kept long enough goes, a piece of work for each kind of data."""

from datetime import datetime
from functools import partial

from django.utils import timezone

from families import residences, unreached
from families.custody import codes, openings
from families.imports import running
from families.papers import sending
from families.privacy import erasing, nights, retention
from families.signing_in import counters, sessions, shared_names
from portal import nightly


def open_in_time(at: datetime) -> int:
    return openings.pass_time(at=at)


def forget_ended_sessions(at: datetime) -> int:
    return sessions.forget_ended()


def follow_moves(at: datetime) -> int:
    return residences.follow(timezone.localdate(at))


def end_papers(at: datetime) -> int:
    return sending.expire(at=at)


nightly.register(
    "adresses qui répondent de nouveau",
    "{} adresse(s) e-mail qui ne répondai(en)t plus, de nouveau jointe(s) ou changée(s).",
    lambda at: unreached.settle(at=at),
)
nightly.register("papiers arrivés à leur fin", "{} papier(s) périmé(s).", end_papers)
nightly.register("déménagements annoncés", "{} foyer(s) dont la résidence a changé.", follow_moves)
nightly.register(
    "accès qui ont assez attendu", "{} accès ouvert(s), 72 heures après les messages.", open_in_time
)
nightly.register("essais de connexion", "{} compteur(s) d'essais périmé(s) supprimé(s).", counters.forget)
nightly.register(
    "imports de familles", "{} import(s) dont le fichier ou les lignes sont effacés.", running.forget
)
nightly.register("codes sur papier", "{} code(s) d'ouverture de compte périmé(s) supprimé(s).", codes.forget)
nightly.register("connexions closes", "{} connexion(s) close(s) oubliée(s).", forget_ended_sessions)

for kind in retention.kinds():
    nightly.register(
        f"conservation, {kind.label.lower()}",
        partial(nights.said, kind),
        partial(nights.apply, kind),
        foresee=partial(nights.foresee, kind),
    )
nightly.register(
    "noms partagés", "{} nom(s) de compte de nouveau à un seul.", lambda at: shared_names.settle()
)
nightly.register(
    "foyers effacés", "{} foyer(s) ou enfant(s) effacé(s) dont il ne reste plus rien.", erasing.sweep
)
