"""« Qui peut quoi »: what the town hall does, and which rights each thing asks for.

The page of the desk says it of the town's roles as they stand, docs/roles.md of those that come with the
portal. Whether a thing can be held at some places only is read from `scopes`, not said here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.conf import settings

from families import groups
from portal.desk.rights import EXPORT
from portal.reservations.staff.rights import counts

# Of a thing that is done at places: where a role may be given. Of the others: in the whole town only.
AT_PLACES, IN_TOWN = "lieux ou commune", "commune"


@dataclass(frozen=True)
class Thing:
    """Something that the town hall does; all of `rights` are asked for."""

    says: str
    rights: tuple[str, ...]

    @property
    def at_places(self) -> bool:
        return all(counts(right) for right in self.rights)


def thing(says: str, *rights: str) -> Thing:
    return Thing(says, rights)


PARTS: dict[str, tuple[Thing, ...]] = {
    "Familles": (
        thing(
            "Lire un foyer, ses adultes et leurs téléphones",
            "families.view_household",
            "families.view_guardian",
        ),
        thing(
            "Lire un enfant, ses foyers, qui vient le chercher",
            "families.view_child",
            "families.view_custody",
        ),
        thing("Corriger un foyer, ses adultes", "families.change_household", "families.change_guardian"),
        thing(
            "Corriger un enfant, ses foyers, qui vient le chercher",
            "families.change_child",
            "families.change_custody",
        ),
        thing("Ouvrir un foyer, y ajouter un enfant", "families.add_household", "families.add_child"),
        thing("Répondre aux comptes et aux demandes de changement", "families.change_changerequest"),
        thing("Écrire un quotient familial", "families.add_familyquotient"),
        thing("Voir comme la famille", "families.see_as_family_reading"),
        thing("Lire ce que les familles écrivent à la mairie", "families.view_thread"),
        thing("Répondre à ce que les familles écrivent", "families.change_thread"),
        thing("Noter pour ses collègues sur un foyer, alertes comprises", "families.add_householdnote"),
        thing("Imprimer les lettres des foyers sans e-mail", "families.change_paperletter"),
        thing("Imprimer un code pour ouvrir un compte", "families.change_guardian"),
        thing("Lire les papiers demandés", "families.view_paper"),
        thing("Répondre aux papiers demandés", "families.change_paper"),
        thing("Ouvrir les papiers de justice", "families.open_justice_paper"),
        thing("Lire les réponses aux textes à accepter", "families.view_textanswer"),
        thing("Noter un texte signé sur papier", "families.add_textanswer"),
        thing("Lire les fiches sanitaires", "families.view_childhealth"),
        thing("Lire le régime d'un enfant", "families.view_dietchoice"),
        thing("Corriger le régime d'un enfant", "families.change_dietchoice"),
    ),
    "Inscriptions et jours": (
        thing(
            "Lire inscriptions, demandes et jours réservés",
            "reservations.view_enrolment",
            "reservations.view_booking",
        ),
        thing("Répondre aux inscriptions", "reservations.change_enrolment"),
        thing("Répondre aux demandes de jours", "reservations.change_reservationline"),
        thing("Réserver, annuler ou rétablir un jour pour une famille", "reservations.change_booking"),
        thing(
            "Réserver, annuler ou déplacer des jours de plusieurs enfants",
            "reservations.change_booking",
            "reservations.change_lot",
        ),
        thing("Passer outre un délai, ou un jour passé", "reservations.override_deadline_booking"),
        thing("Donner une place en plus quand c'est complet", "reservations.override_capacity_booking"),
        thing("Passer outre l'âge ou la classe", "reservations.override_limits_booking"),
        thing("Réserver sans les papiers demandés", "reservations.override_papers_booking"),
        thing("Réserver trop ou trop peu de jours", "reservations.override_days_booking"),
        thing("Réserver malgré des impayés", "reservations.override_arrears_booking"),
        thing("Réserver sans le paiement demandé", "reservations.override_payment_booking"),
        thing(
            "Ouvrir des créneaux, changer une capacité",
            "reservations.add_slot",
            "reservations.change_capacity",
        ),
        thing("Écrire une annonce sur la page d'accueil des familles", "reservations.add_notice"),
        thing("Écrire une fermeture où rien n'est réservé", "reservations.add_closure"),
        thing(
            "Activités, formules, délais, périodes",
            "reservations.change_activity",
            "reservations.change_period",
        ),
        thing(
            "Années, vacances, jours fériés", "reservations.add_schoolyear", "reservations.add_schoolholiday"
        ),
        thing(
            "Établissements et classes",
            "reservations.change_establishment",
            "reservations.change_schoolclass",
        ),
    ),
    "Listes du jour": (
        thing("Ouvrir le registre d'aujourd'hui", "leisure.view_centre"),
        thing("Ouvrir le registre d'un autre jour", "leisure.view_centre", "reservations.view_booking"),
        thing("Pointer aujourd'hui", "reservations.add_attendance", "reservations.change_attendance"),
        thing("Pointer un autre jour", "reservations.change_attendance", "reservations.view_booking"),
        thing("Répondre aux justificatifs d'absence", "reservations.change_absencecertificate"),
        thing("Effectifs de la cuisine", "families.view_dietchoice"),
        thing("Écrire les menus", "catering.add_menu", "catering.change_menu"),
    ),
    "Argent": (
        thing("Lire factures, avoirs et règlements", "billing.view_invoice", "billing.view_payment"),
        thing("Lire les journaux et les comptes", "billing.view_journalaccounts"),
        thing("Encaisser au guichet, compter sa caisse", "billing.add_payment", "billing.add_cashcount"),
        thing("Facturer, faire un avoir", "billing.add_billingrun", "billing.add_creditnote"),
        thing("Relancer", "billing.add_invoicenotice"),
        thing(
            "Remettre à la banque, arrêter les comptes", "billing.add_depositslip", "billing.add_bookclosing"
        ),
        thing("Tarifs", "billing.change_tariff"),
    ),
    "Ce qui touche beaucoup de personnes": (
        thing("Fermer des jours réservés", groups.CLOSE),
        thing("Rattacher ou séparer des foyers", groups.JOIN),
        thing("Préparer l'année suivante", groups.TURN),
        thing("Écrire à de nombreuses familles", "families.add_familymessage"),
        thing("Importer des familles depuis un fichier", groups.IMPORT),
        thing("Retirer un responsable d'un foyer", "families.delete_guardian"),
        thing("Effacer un foyer ou un enfant", "families.add_erasure"),
        thing("Sortir des personnes dans un fichier", EXPORT),
    ),
    "Commune et agents": (
        thing("Lire les statistiques", "reservations.view_monthlyfigure"),
        thing("Commune, couleurs, file d'attente", "portal.change_town"),
        thing("Textes des lettres du portail", "portal.change_letterwording"),
        thing("Registres de lecture et de connexion", "families.view_reading", "families.view_securityevent"),
        thing("Durées de conservation", "families.change_retentionrule"),
        thing("Inviter un agent, donner les rôles que l'on a", "families.add_staffmember"),
        thing("Remettre à zéro un second facteur, fin de fonctions", "families.change_staffmember"),
    ),
}

Line = tuple[Thing, list[bool]]


def table(roles: Mapping[str, set[str]]) -> list[tuple[str, list[Line]]]:
    """By part, each thing and whether each role may do it, in the order of `roles`."""
    return [
        (part, [(one, [rights.issuperset(one.rights) for rights in roles.values()]) for one in things])
        for part, things in PARTS.items()
    ]


# docs/roles.md --------------------------------------------------------------------------------------------

# Where the page's own words end and the tables begin.
END_OF_INTRODUCTION = "-->\n\n"
# Read by staff in the demo only.
OUTBOX = ("families", "letter")
VERBS = {"view": "l", "add": "a", "change": "m", "delete": "s"}


def markdown() -> str:
    """Both tables of docs/roles.md, of the roles that come with the portal."""
    roles = {name: groups.rights_of(name) for name in groups.PURPOSES}
    purposes = [(name, purpose) for name, purpose in groups.PURPOSES.items()]
    parts = [_rows(("rôle", "pour qui"), purposes)]
    for part, lines in table(roles):
        rows = [
            (one.says, AT_PLACES if one.at_places else IN_TOWN, *("oui" if may else "" for may in held))
            for one, held in lines
        ]
        parts.append(f"### {part}\n\n" + _rows(("ce que l'on fait", "où", *roles), rows))
    dangers = [(one.does, f"`{one.right}`", one.way_back) for one in groups.DANGEROUS]
    parts.append("## Verbes qui demandent un droit à eux\n\n" + _rows(("verbe", "droit", "retour"), dangers))
    parts.append(
        "## Tous les droits\n\n"
        "l : lire, a : ajouter, m : modifier, s : supprimer ; les autres par leur nom. * : tient aussi dans"
        " des établissements choisis.\n\n" + _rows(("modèle", *roles), _all(roles))
    )
    return "\n\n".join(parts) + "\n"


def _all(roles: Mapping[str, set[str]]) -> list[tuple[str, ...]]:
    """A row a model on which some role holds a right; versions of rows are read with them."""
    rows = []
    for label, name in sorted((one._meta.app_label, str(one._meta.model_name)) for one in apps.get_models()):
        if name.startswith("historical") or (label, name) == OUTBOX:
            continue
        cells = [_letters(label, name, rights) for rights in roles.values()]
        if any(cells):
            rows.append((f"`{label}.{name}`", *cells))
    return rows


def _letters(label: str, name: str, rights: Iterable[str]) -> str:
    of_model = [
        (right.removeprefix(f"{label}.").removesuffix(f"_{name}"), counts(right))
        for right in rights
        if right.startswith(f"{label}.") and right.endswith(f"_{name}")
    ]
    order = list(VERBS)
    of_model.sort(key=lambda one: (order.index(one[0]) if one[0] in order else len(order), one[0]))
    return " ".join(VERBS.get(verb, verb) + ("*" if at_places else "") for verb, at_places in of_model)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("|" + "".join(f" {cell} |" if cell else " |" for cell in line) for line in lines)


def page() -> Path:
    return Path(settings.BASE_DIR) / "docs" / "roles.md"


def write() -> None:
    """The page's tables anew, after a role has changed; what stands above them stays."""
    text, mark, _ = page().read_text().partition(END_OF_INTRODUCTION)
    page().write_text(text + mark + markdown())
