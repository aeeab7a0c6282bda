"""The engine's nightly work."""

from datetime import datetime

from portal import nightly
from portal.reservations.acts import enrolling, leaving, reservation_drafts
from portal.reservations.models import Enrolment
from portal.reservations.presence import certificates


def forget_drafts(at: datetime) -> int:
    return reservation_drafts.purge_drafts(before=at - reservation_drafts.KEPT)


def certificates_caught_up(at: datetime) -> int:
    return certificates.catch_up(at=at)


def enrolments_over(at: datetime) -> int:
    return leaving.end_enrolments(at=at)


def enrolments_ended(at: datetime) -> int:
    return enrolling.finish(Enrolment.objects.all(), at=at)


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
    "absences justifiées de la veille",
    "{} justificatif(s) d'absence en cours suivi(s).",
    certificates_caught_up,
)
