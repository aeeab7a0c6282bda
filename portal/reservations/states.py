"""The states of the engine, each named once, with the groups that code asks for."""

from django.db import models


class BookingState(models.TextChoices):
    """Where a child stands for a formula on a day."""

    REQUESTED = "requested", "Demande de réservation"
    WAITLISTED = "waitlisted", "Liste d'attente"
    OFFERED = "offered", "Place proposée"
    HELD = "held", "Place gardée, à payer"
    ACCEPTED = "accepted", "Réservation acceptée"
    CANCEL_REQUESTED = "cancel_requested", "Annulation demandée"
    CANCELLED = "cancelled", "Annulée"
    REFUSED = "refused", "Refusée"


# The child is expected: in the kitchen, on registers, on the invoice.
HOLDING = (BookingState.ACCEPTED, BookingState.CANCEL_REQUESTED)
# Takes a place, counted in Slot.taken: an offered one, or one to be paid, is kept until its hour, for a child
# not expected yet.
TAKING = (*HOLDING, BookingState.OFFERED, BookingState.HELD)
# Still stands: excludes another booking of the same slot for the child.
LIVE = (BookingState.REQUESTED, BookingState.WAITLISTED, *TAKING)


class ReservationState(models.TextChoices):
    """Where a numbered reservation stands."""

    DRAFT = "draft", "À enregistrer"
    PENDING = "pending", "En attente de traitement"
    ACCEPTED = "accepted", "Acceptée"
    PARTLY = "partly", "Acceptée en partie"
    REFUSED = "refused", "Refusée"
    CANCELLED = "cancelled", "Annulée"


class EnrolmentState(models.TextChoices):
    REQUESTED = "requested", "En attente de traitement"
    ACCEPTED = "accepted", "Acceptée"
    REFUSED = "refused", "Refusée"
    ENDED = "ended", "Terminée"


ENROLMENT_LIVE = (EnrolmentState.REQUESTED, EnrolmentState.ACCEPTED)


class MoveState(models.TextChoices):
    """A change of school, class or place, from when it is asked for."""

    REQUESTED = "requested", "En attente de traitement"
    ACCEPTED = "accepted", "Fait"
    REFUSED = "refused", "Refusé"
    WITHDRAWN = "withdrawn", "Retiré"


class LeftState(models.TextChoices):
    """A day that could not follow a child to its new place."""

    OPEN = "open", "À décider"
    PLACED = "placed", "Replacé"
    WAITING = "waiting", "Sur la liste d'attente"
    DROPPED = "dropped", "Laissé annulé"


class Override(models.TextChoices):
    """What the town hall may pass over for one day, each with a reason and a right of its own."""

    DEADLINE = "deadline", "Délai"
    CAPACITY = "capacity", "Places"
    LIMITS = "limits", "Âge ou classe"
    PAPERS = "papers", "Papiers"
    DAYS = "days", "Nombre de jours"
    ARREARS = "arrears", "Impayés"
    PAYMENT = "payment", "Paiement"
    OVERSIGHTS = "oversights", "Oublis"


class Action(models.TextChoices):
    """What a reservation line asks for."""

    BOOK = "book", "Réserver"
    CANCEL = "cancel", "Annuler"


class LotVerb(models.TextChoices):
    """What the town hall does to the days of many children at once."""

    BOOK = "book", "Réserver"
    CANCEL = "cancel", "Annuler"
    MOVE = "move", "Déplacer"


class Became(models.TextChoices):
    """What became of a day in such a lot; empty while nothing has."""

    WAITS = "", "À faire"
    DONE = "done", "Fait"
    ASKED = "asked", "Demandé"  # late, and not passed over: the town hall answers it besides
    QUEUED = "queued", "Sur liste d'attente"
    ALREADY = "already", "Déjà ainsi"
    LEFT = "left", "Pas possible"


class Outcome(models.TextChoices):
    """What became of a reservation line; empty while it is a draft."""

    DRAFT = "", "À enregistrer"
    REQUESTED = "requested", "En attente de traitement"
    WAITLISTED = "waitlisted", "Liste d'attente"
    OFFERED = "offered", "Place proposée"
    HELD = "held", "Place gardée, à payer"
    ACCEPTED = "accepted", "Acceptée"
    REFUSED = "refused", "Refusée"
    CANCELLED = "cancelled", "Annulée depuis"


# Of a day to book: a place, or an answer, is still to come.
STILL_ASKED = (Outcome.REQUESTED, Outcome.WAITLISTED, Outcome.OFFERED)


class CellState(models.TextChoices):
    """What one cell of a planning shows. The value is also the icon's and the tint's name."""

    FREE = "free", "libre"
    CHOSEN = "chosen", "choisi"
    CLOSED = "closed", "fermé"
    EARLY = "early", "pas encore ouvert"
    LATE = "late", "trop tard"
    FULL = "full", "complet"
    BOOKED = "booked", "réservation acceptée"
    REQUESTED = "requested", "demande de réservation"
    WAITLISTED = "waitlisted", "liste d'attente"
    OFFERED = "offered", "place proposée"
    HELD = "held", "place gardée, à payer"
    CANCEL_REQUESTED = "cancel_requested", "annulation demandée"
    CANCELLED = "cancelled", "annulé"
    REFUSED = "refused", "refusé"
    # By the other home of a child that has two: one plate, one place.
    ELSEWHERE = "elsewhere", "réservé par l'autre foyer"
