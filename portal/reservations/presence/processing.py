"""What the engine adds to the register of processing."""

from families.privacy.processing import TASK, Processing, register


def register_all() -> None:
    """Once the app is ready."""
    register(
        Processing(
            "Inscriptions, réservations et présences",
            "Inscrire les enfants, réserver leurs jours, prévoir repas et encadrement, tenir les présences.",
            TASK,
            "Enfants, responsables",
            "École et classe, inscriptions, jours réservés, présences et absences, régime alimentaire, "
            "certificats d'absence",
            "Service enfance, cuisines (effectifs et régimes), directions des accueils de loisirs",
            ("certificates", "notices", "presence", "unreserved"),
            sensitive="santé, par les certificats d'absence",
        )
    )
