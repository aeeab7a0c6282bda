"""The register of processing (RGPD, article 30), put together from what the portal is and does.

An activity of processing is declared once, with the kinds of data whose durations it shows. Apps above add
theirs in `ready`. Nothing is typed twice: durations come from the rows.
"""

from dataclasses import dataclass

from families.models import RetentionRule
from families.privacy import retention


@dataclass(frozen=True)
class Processing:
    """One activity. `kinds`: the codes of the kinds of data that it keeps."""

    name: str
    purpose: str
    basis: str
    people: str
    data: str
    recipients: str
    kinds: tuple[str, ...]
    sensitive: str = "aucune"


TASK = "Mission d'intérêt public (RGPD, article 6-1-e)"
DUTY = "Obligation légale (RGPD, article 6-1-c)"

_activities: dict[str, Processing] = {}


def register(activity: Processing) -> None:
    """For an app, once it is ready; the same name again replaces it."""
    _activities[activity.name] = activity


def activities() -> list[Processing]:
    return list(_activities.values())


def durations(activity: Processing) -> list[str]:
    """« Justificatifs : 13 mois après leur envoi », from today's rows."""
    rows = {kind.code: (kind, rule) for kind, rule in retention.rules()}
    return [_in_words(*rows[code]) for code in activity.kinds if code in rows]


def _in_words(kind: retention.Kind, rule: RetentionRule) -> str:
    if not rule.active:
        return f"{kind.label} : sans durée fixée"
    visa = ", puis visa des archives" if kind.dated_by and rule.needs_visa else ""
    return f"{kind.label} : {retention.in_words(rule)} {kind.since}{visa}"


def undescribed() -> list[str]:
    """Kinds of data that no activity shows: the register would say too little."""
    shown = {code for activity in activities() for code in activity.kinds}
    return [kind.code for kind in retention.kinds() if kind.code not in shown]


SECURITY = (
    "Accès par identifiant et mot de passe haché (argon2) ; second facteur pour les agents.",
    "Droits par métier ; fiches sanitaires aux agents habilités ; chaque famille ne voit que son foyer.",
    "Journal des connexions, registre des consultations, historique des modifications.",
    "Fichiers privés jamais servis sans contrôle ; échanges chiffrés (HTTPS).",
    "Effacement automatique aux durées ci-dessus ; effacement refait après une restauration.",
)


def register_people() -> None:
    """Those of this app."""
    register(
        Processing(
            "Comptes et dossiers des familles",
            "Ouvrir et tenir le compte d'une famille, répondre à ses demandes, calculer son tarif.",
            TASK,
            "Responsables, enfants, personnes autorisées à venir les chercher",
            "Identité, adresse, téléphones, adresse e-mail, quotient, justificatifs, papiers, garde des "
            "enfants, messages et rappels, échanges avec la mairie, notes des agents",
            "Service enfance, régie",
            (
                "unconfirmed",
                "refused",
                "family_file",
                "unused_logins",
                "proofs",
                "papers",
                "secret_papers",
                "requests",
                "exports",
                "letters",
                "threads",
                "desk_notes",
                "family_messages",
                "reminders",
                "invitations",
            ),
        )
    )
    register(
        Processing(
            "Quotients demandés à la CAF et à la MSA",
            "Connaître le quotient d'une famille sans lui demander d'attestation (API Particulier).",
            f"{TASK} ; l'accord de la personne, qu'elle arrête quand elle veut (CRPA, article L114-8)",
            "Responsables qui donnent leur accord",
            "État civil (nom de naissance, prénoms, date, lieu, sexe), chiffré, effacé à la fin de "
            "l'accord ; quotient, caisse et mois ; textes acceptés, dates",
            "Service enfance, régie ; DINUM, CNAV, CNAF et MSA pour la question",
            ("fund_answers", "fund_consents"),
        )
    )
    register(
        Processing(
            "Santé des enfants accueillis",
            "Accueillir un enfant en sécurité : allergies, projet d'accueil individualisé, traitement.",
            f"{TASK} ; données de santé : article 9-2-g, et l'accord des responsables qui les saisissent",
            "Enfants",
            "Ce qu'il faut faire, pas la nature d'un handicap ; médecin à appeler",
            "Agents habilités par le droit « Fiches sanitaires »",
            ("health",),
            sensitive="santé",
        )
    )
    register(
        Processing(
            "Traçabilité et sécurité",
            "Savoir qui s'est connecté, qui a lu et qui a changé ; repérer une attaque.",
            f"{DUTY} (article 32)",
            "Responsables et agents qui se connectent",
            "Empreintes de l'identifiant et du réseau, adresse réseau des agents, actions, anciennes valeurs",
            "Responsable du service, administrateur",
            ("histories", "readings", "security", "desk_log"),
        )
    )
