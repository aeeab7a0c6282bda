"""In which order a price is made. Pure, and the one place where that order is written.

The price of a presence (`pricing.py`) goes through these steps by the circumstances of its modifiers, that of
several presences together (`quantities.py`) by the kinds of its rules. A written total for several presences
never swallows what was added for a late one: that comes after it. A ticket pays what is left in the end
(`cards.py`).
"""

from enum import StrEnum


class Step(StrEnum):
    """A step of a price; they follow each other as they stand here."""

    BASE = "base"
    QUANTITY = "quantity"
    SIBLINGS = "siblings"
    STATUS = "status"
    SITUATION = "situation"
    LATE = "late"
    FLOOR = "floor"
    CAP = "cap"
    CARD = "card"


WORDS = {
    Step.BASE: "le prix de base : grille, colonne, niveau, âge",
    Step.QUANTITY: "le prix selon le nombre : colonne, forfait de jours, forfait à partir de la n-ième fois",
    Step.SIBLINGS: "les frères et sœurs : rang, nombre d'enfants, prix pour tous ensemble",
    Step.STATUS: "la situation reconnue : handicap (AEEH), bourse, famille d'accueil, personnel",
    Step.SITUATION: "public de la ville ou hors commune, adulte, panier repas",
    Step.LATE: "hors délai, sans réservation, absence non justifiée",
    Step.FLOOR: "le minimum de la semaine, du mois ou de la période",
    Step.CAP: "le plafond de la semaine, du mois ou de la période",
    Step.CARD: "la carte de tickets : le jour est payé d'avance",
}
PLACES = {step: place for place, step in enumerate(Step)}
