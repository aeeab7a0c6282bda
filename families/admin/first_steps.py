"""Steps of « Premiers pas » about the town itself, its letters and its people."""

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from families.models import PaperKind, StaffMember
from portal import town
from portal.desk import first_steps
from portal.desk.first_steps import Missing, Page, Standing, Step
from portal.french import moments
from portal.french.plurals import counted
from portal.letters import wordings
from portal.models import LetterWording, Town

RIGHT = first_steps.RIGHT


def the_town(at: datetime) -> Standing:
    """One query at most."""
    current, stands = town.current(), Standing()
    page = reverse("admin:portal_town_changelist")
    if current.name == Town._meta.get_field("name").default:
        stands.missing.append(Missing("Le nom de la commune.", page, RIGHT))
    else:
        stands.there.append(f"{current.name}, zone {current.zone}.")
    if not (current.phone or current.email):
        text = "Un téléphone ou une adresse e-mail où les familles vous joignent."
        stands.missing.append(Missing(text, page, RIGHT))
    notices = {
        "les mentions légales": current.legal_notice,
        "la déclaration d'accessibilité": current.accessibility_notice,
    }
    lacking = [name for name, text in notices.items() if not text]
    if lacking:
        text = f"Au bas des pages : {moments.listing(lacking)}. La loi les demande."
        stands.missing.append(Missing(text, page, RIGHT, needed=False))
    return stands


def the_letters(at: datetime) -> Standing:
    """Two queries."""
    stands = Standing(there=[f"Les lettres partent de {settings.DEFAULT_FROM_EMAIL}."])
    own = LetterWording.objects.count()
    if own:
        stands.there.append(f"{counted(own, 'lettre a', 'lettres ont')} vos propres mots.")
    else:
        stands.there.append(f"{len(wordings.kinds())} modèles prêts, dans les mots du portail.")
    papers = PaperKind.objects.filter(active=True).count()
    if papers:
        stands.there.append(f"{counted(papers, 'papier demandé', 'papiers demandés')} aux familles.")
    return stands


def the_staff(at: datetime) -> Standing:
    """One query."""
    found = StaffMember.objects.filter(is_active=True).count()
    stands = Standing(there=[f"{counted(found, 'personne entre', 'personnes entrent')} à la mairie."])
    if found < 2:
        page = reverse("admin:families_staffmember_add")
        text = "Personne d'autre que vous : en votre absence, aucune demande n'aurait de réponse."
        stands.missing.append(Missing(text, page, "families.add_staffmember", needed=False))
    return stands


first_steps.register(
    Step(
        "commune",
        10,
        "La commune",
        "Son nom et ses coordonnées sont sur chaque page et dans chaque lettre ; sa zone dit ses vacances "
        "scolaires.",
        "Un village : « Mairie, service scolaire », le téléphone de l'accueil et ses heures, la zone A.",
        (Page("Commune", "portal_town_changelist", RIGHT),),
        the_town,
    )
)
first_steps.register(
    Step(
        "lettres",
        120,
        "Les lettres",
        "Le portail écrit aux familles : compte validé, jour accepté, facture. Les modèles sont prêts ; "
        "votre commune peut y ajouter une phrase.",
        "Une dernière phrase : « Le guichet famille est ouvert le mercredi toute la journée. »",
        (
            Page("Textes des lettres", "portal_letterwording_changelist", "portal.view_letterwording"),
            Page("Papiers demandés", "families_paperkind_changelist", "families.view_paperkind"),
        ),
        the_letters,
    )
)
first_steps.register(
    Step(
        "agents",
        130,
        "Les agents",
        "Qui répond aux familles, qui facture, qui fait l'appel : chacun son compte et ses droits, dans "
        "toute la commune ou dans ses lieux.",
        "Un village : la secrétaire de mairie (« Agent » et « Régie ») et la cantinière (« Animation »).",
        (
            Page("Agents de la mairie", "families_staffmember_changelist", "families.view_staffmember"),
            Page("Inviter un agent", "families_staffmember_add", "families.add_staffmember"),
        ),
        the_staff,
    )
)
