"""The engine's nightly work."""

from datetime import datetime

from portal import nightly
from portal.reservations.acts import (
    assuring,
    booking,
    carts,
    closing,
    enrolling,
    leaving,
    reservation_drafts,
)
from portal.reservations.models import Enrolment
from portal.reservations.presence import certificates
from portal.reservations.statistics import counting


def forget_drafts(at: datetime) -> int:
    return reservation_drafts.purge_drafts(before=at - reservation_drafts.KEPT)


def certificates_caught_up(at: datetime) -> int:
    return certificates.catch_up(at=at)


def enrolments_over(at: datetime) -> int:
    return leaving.end_enrolments(at=at)


def offers_let_go(at: datetime) -> int:
    return booking.let_offers_go(at=at) + carts.let_go(at=at)


def freed_by_closures(at: datetime) -> int:
    return closing.settle(at=at)


def moves_settled(at: datetime) -> int:
    return enrolling.settle(at=at)


def openings_decided(at: datetime) -> int:
    return assuring.decide(at=at)


def usual_days_settled(at: datetime) -> int:
    return enrolling.settle_weekdays(at=at)


def enrolments_ended(at: datetime) -> int:
    return enrolling.finish(Enrolment.objects.all(), at=at)


def months_counted(at: datetime) -> int:
    return counting.count(at)


nightly.register("brouillons oubliés", "{} réservation(s) non terminée(s) supprimée(s).", forget_drafts)
nightly.register(
    "inscriptions terminées", "{} inscription(s) dont le dernier jour est passé.", enrolments_ended
)
nightly.register(
    "inscriptions d'enfants partis",
    "{} inscription(s) d'enfants qui ne vivent plus dans le foyer terminée(s).",
    enrolments_over,
)
nightly.register(
    "changements d'établissement",
    "{} inscription(s) dont l'établissement change à partir d'aujourd'hui.",
    moves_settled,
)
nightly.register(
    "ouvertures avec assez d'enfants",
    "{} ouverture(s) confirmée(s) ou annulée(s) selon le nombre d'enfants.",
    openings_decided,
)
nightly.register(
    "jours habituels",
    "{} inscription(s) dont les jours habituels changent à partir d'aujourd'hui.",
    usual_days_settled,
)
nightly.register(
    "absences justifiées de la veille",
    "{} justificatif(s) d'absence en cours suivi(s).",
    certificates_caught_up,
)
nightly.register(
    "places libérées par des fermetures",
    "{} fermeture(s) dont les places libérées ont été proposées aux enfants qui attendent.",
    freed_by_closures,
)
nightly.register(
    "places proposées sans réponse",
    "{} place(s) proposée(s) restée(s) sans réponse rendue(s).",
    offers_let_go,
)
nightly.register("statistiques", "{} mois compté(s) pour les statistiques.", months_counted)
