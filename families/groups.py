"""The town hall's groups and their least rights, kept up to date after each migration.

Rights are named by strings, so that this module knows no app above it. `*` stands for every model of an app.
Rights that a town adds to a group stay; rights of its own belong in a group of its own, which may be a copy
of one of these with less in it. What they come to, in words: docs/roles.md, held by its test.
"""

from dataclasses import dataclass
from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.conf import settings
from django.contrib.auth.management import create_permissions

from portal.desk.rights import EXPORT

AGENT = "Agent"
REGIE = "Régie"
# Takes money at the desk and counts it, added to an agent; handing it over and closing are the régie's.
TILL = "Guichet"
# Health notes are for those who need them: a group to add to an agent, never part of one.
HEALTH = "Fiches sanitaires"
# What every page says of the town: a group to add to whoever heads the service.
MANAGER = "Responsable"
# Runs one place, and answers its families.
DIRECTOR = "Direction de centre"
# Calls the register of the day, and sees no other one.
ANIMATOR = "Animation"
KITCHEN = "Cuisine"
READER = "Lecture"
# Reads the money and takes its files away; the régie writes it.
ACCOUNTANT = "Comptabilité"

Rights = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Dangerous:
    """A verb that reaches many people at once, or leaves nothing behind: a right of its own, that a town may
    leave to fewer."""

    right: str
    does: str
    way_back: str


CLOSE = "reservations.add_calendarchange"
JOIN = "families.add_homechange"
TURN = "reservations.add_yearturn"
IMPORT = "families.add_fileimport"
DANGEROUS = (
    Dangerous(
        CLOSE,
        "Fermer des jours réservés : les réservations sont annulées et les familles prévenues",
        "« Rouvrir », pendant une heure",
    ),
    Dangerous(JOIN, "Rattacher ou séparer des foyers", "aucun : la page dit d'abord ce qu'elle fera"),
    Dangerous(
        TURN,
        "Préparer l'année suivante : classes de tous les enfants, périodes, tarifs, inscriptions",
        "« Annuler », tant qu'aucune famille n'a agi et que rien n'est facturé",
    ),
    Dangerous(
        "families.add_familymessage",
        "Écrire aux familles, à toutes ou à celles de ses lieux",
        "aucun pour ce qui est parti ; l'envoi s'arrête tant qu'il en reste",
    ),
    Dangerous(
        IMPORT,
        "Importer des familles depuis un fichier",
        "« Annuler cet import », pendant trente jours, tant que rien n'en dépend",
    ),
    Dangerous(
        "families.delete_guardian",
        "Retirer un responsable d'un foyer",
        "à la main : l'historique du foyer garde tout ce qui était écrit de lui",
    ),
    Dangerous(
        "reservations.add_townfile",
        "Charger le fichier de la commune : il écrit tout ce qui est réglé, tarifs compris",
        "charger un fichier d'avant, que l'historique garde ; des jours fermés se rouvrent pendant une heure",
    ),
    Dangerous(
        "families.add_erasure",
        "Effacer un foyer ou un enfant",
        "aucun : la loi le veut ainsi, un certificat reste",
    ),
    Dangerous(
        "portal.open_public_town",
        "Ouvrir le portail au public, et le refermer",
        "« Fermer au public » ; les familles ne lisent alors que l'annonce de l'ouverture",
    ),
    Dangerous(
        EXPORT,
        "Sortir des personnes dans un fichier (CSV, XLSX, PDF)",
        "aucun : chaque fichier s'inscrit au registre des consultations",
    ),
)

# What a role is for, as the page that gives it says.
PURPOSES = {
    AGENT: "Répond aux familles : comptes, enfants, inscriptions, jours, listes, calendrier.",
    DIRECTOR: "Dirige un lieu : ses demandes, ses jours, ses listes, ses fermetures.",
    ANIMATOR: "Pointe les enfants du jour, et ne voit pas les autres jours.",
    KITCHEN: "Écrit les menus, voit les effectifs et les régimes, aucun dossier de famille.",
    READER: "Lit tout, ne change rien, n'emporte rien.",
    REGIE: "Facture, encaisse, relance, tient les tarifs et les comptes.",
    TILL: "Encaisse au guichet et compte sa caisse ; s'ajoute à « Agent ».",
    ACCOUNTANT: "Lit factures, règlements et journaux, et en emporte les fichiers.",
    HEALTH: "Lit les fiches sanitaires ; s'ajoute à un autre rôle.",
    MANAGER: "Répond du service : registres, durées de conservation, effacements, comptes de la mairie.",
}

VIEW, CHANGE, WRITE = "view", "view change", "view add change"
EVERYTHING = "view add change delete"
# What one may pass over for a family, each a right of its own.
OVERRIDES = " ".join(
    f"override_{one}"
    for one in ("deadline", "capacity", "limits", "papers", "days", "arrears", "payment", "oversights")
)
# Families' letters are read by nobody at the town hall, but in the demo, whose outbox they are.
OUTBOX = VIEW if settings.DEMO else ""

RIGHTS: dict[str, Rights] = {
    AGENT: {
        "families": {
            "household": f"{WRITE} export",
            # In the whole town only: a family's pages say what its children do everywhere.
            "reading": "see_as_family",
            "guardian": EVERYTHING,
            "child": WRITE,
            "custody": WRITE,
            "custodycalendar": CHANGE,
            "accessopening": CHANGE,
            "authorisedperson": EVERYTHING,
            "familyquotient": WRITE,
            "changerequest": CHANGE,
            "document": VIEW,
            "dataexport": "view add",
            "erasurerequest": VIEW,
            # Joins and parts households: a right of its own, that a town may leave to fewer.
            "homechange": "view add",
            "letter": OUTBOX,
            "undeliveredletter": CHANGE,
            "familymessage": EVERYTHING,
            "paperletter": CHANGE,
            "diet": EVERYTHING,
            "dietchoice": EVERYTHING,
            "paperkind": WRITE,
            "askedtext": WRITE,
            "textversion": EVERYTHING,
            "textanswer": "view add",
            # Who writes custodies reads the judgments that they rest on.
            "paper": f"{WRITE} open_justice",
            "thread": CHANGE,
            "threadkind": EVERYTHING,
            "readyanswer": EVERYTHING,
            # What an agent notes of a family for colleagues.
            "householdnote": WRITE,
            # Asks the CAF and the MSA; invites adults to open an account.
            "quotientround": WRITE,
            "invitationlot": "view add",
        },
        "reservations": {
            "*": VIEW,
            # Who holds which role is the superusers' to read and to say.
            "staffright": "",
            "establishment": WRITE,
            "schoolyear": WRITE,
            "schoolclass": WRITE,
            "schooling": EVERYTHING,
            "publicholiday": EVERYTHING,
            "schoolholiday": EVERYTHING,
            "closure": EVERYTHING,
            # What families read on their first page.
            "notice": EVERYTHING,
            # Closes days that families have booked, and opens them again.
            "calendarchange": WRITE,
            "lot": CHANGE,
            "activity": WRITE,
            "formula": EVERYTHING,
            "capacity": EVERYTHING,
            "period": WRITE,
            "campaign": EVERYTHING,
            "audience": WRITE,
            "audienceaddress": EVERYTHING,
            "audiencemember": EVERYTHING,
            "periodopening": EVERYTHING,
            "deadlinerule": WRITE,
            "deadlinewindow": EVERYTHING,
            "activitydeadline": EVERYTHING,
            "dayrule": EVERYTHING,
            "neededchildren": EVERYTHING,
            "sureopening": WRITE,
            "oversightrule": EVERYTHING,
            # Decides what stops a child's new days: a right of its own.
            "oversightdecision": WRITE,
            "activitypaper": EVERYTHING,
            "activitytext": EVERYTHING,
            "advance": EVERYTHING,
            # Adding slots is opening a period; nobody deletes what families may have booked.
            "slot": WRITE,
            "enrolment": CHANGE,
            "move": WRITE,
            "reservation": CHANGE,
            "reservationline": CHANGE,
            # What one may pass over for a family: rights that a town may leave to fewer.
            "booking": f"{CHANGE} {OVERRIDES}",
            "attendance": WRITE,
            "absencecertificate": WRITE,
        },
        # Sees the line of the waiting room, opens and closes it.
        "portal": {"sentmail": VIEW, "town": "open_line", "refusalreason": EVERYTHING},
        "catering": {"*": EVERYTHING},
        "leisure": {"*": EVERYTHING},
        "billing": {
            "packedmeal": WRITE,
            "latecollection": WRITE,
            "latecollectionrule": VIEW,
            "childstatus": WRITE,
            # Adults who eat at a school's table.
            "diner": WRITE,
            "dinermeal": VIEW,
            "adultprice": VIEW,
        },
    },
    REGIE: {
        "families": {
            "household": f"{VIEW} export",
            "guardian": VIEW,
            "child": VIEW,
            "custody": VIEW,
            "familyquotient": WRITE,
            "changerequest": CHANGE,
            "document": VIEW,
            "letter": OUTBOX,
            "undeliveredletter": CHANGE,
            "thread": CHANGE,
            "threadkind": VIEW,
            "readyanswer": VIEW,
            "householdnote": WRITE,
            "quotientround": WRITE,
            # Of who owes, which agents do not read.
            "familymessage": EVERYTHING,
            "paperletter": CHANGE,
        },
        "reservations": {
            "activity": VIEW,
            "formula": VIEW,
            "period": VIEW,
            "establishment": VIEW,
            "enrolment": VIEW,
            "reservation": VIEW,
            "booking": VIEW,
            # Who was there, and which absence is justified, is the agents' to say.
            "attendance": VIEW,
            "absencecertificate": VIEW,
            "monthlyfigure": VIEW,
        },
        "portal": {"sentmail": VIEW},
        "billing": {
            "*": WRITE,
            "fee": EVERYTHING,
            "feeprice": EVERYTHING,
            "refundrule": EVERYTHING,
            "refundstep": EVERYTHING,
            "givenupday": CHANGE,
            "ticketcard": EVERYTHING,
            "adultprice": EVERYTHING,
            # Written by the page of each adult.
            "dinermeal": VIEW,
            # Lets one family off: a right of its own.
            "householdfee": "view waive",
            "tariffband": EVERYTHING,
            "tariffrate": EVERYTHING,
            "tariffmodifier": EVERYTHING,
            "tariffquantity": EVERYTHING,
            "formulatariff": EVERYTHING,
            "manualcharge": EVERYTHING,
            "packedmeal": EVERYTHING,
            "childstatus": EVERYTHING,
            "paymentmeansuse": EVERYTHING,
        },
    },
    TILL: {
        "families": {"household": VIEW, "guardian": VIEW},
        "billing": {
            "payment": "view add",
            "invoice": VIEW,
            "creditnote": VIEW,
            "writeoff": VIEW,
            "cashcount": "view add",
            "ticketcard": VIEW,
            "householdcard": "view add",
        },
    },
    HEALTH: {"families": {"child": VIEW, "childhealth": WRITE}},
    # Logins stay with superusers: whoever changes them can give itself any right. Who invites a colleague
    # gives no role that reaches beyond one's own.
    MANAGER: {
        "families": {
            "owndecision": VIEW,
            "letter": OUTBOX,
            # The registers of reading and of logins are for who heads the service alone.
            "reading": VIEW,
            "securityevent": VIEW,
            "staffmember": WRITE,
            # The home with which one tries the portal oneself.
            "trialhousehold": "view add delete",
            # Brings hundreds of families at once.
            "fileimport": "view add",
            "retentionrule": CHANGE,
            "processingtexts": WRITE,
            "disposallist": CHANGE,
            "erasurerequest": CHANGE,
            "erasure": "view add",
        },
        # Its file writes all that is set up; the next school year is made with children's classes and all.
        "reservations": {"townfile": "view add", "yearturn": "view add"},
        "portal": {"town": f"{CHANGE} open_line open_public", "sentmail": VIEW, "letterwording": EVERYTHING},
        "billing": {"billingsettings": CHANGE},
    },
    DIRECTOR: {
        "families": {
            "household": f"{VIEW} export",
            "guardian": VIEW,
            "child": VIEW,
            "custody": VIEW,
            "custodycalendar": VIEW,
            "authorisedperson": VIEW,
            "diet": VIEW,
            "dietchoice": VIEW,
            "paperkind": VIEW,
            "askedtext": VIEW,
            "textversion": VIEW,
            "textanswer": VIEW,
            "paper": WRITE,
            "document": VIEW,
            "thread": CHANGE,
            "threadkind": VIEW,
            "readyanswer": VIEW,
            "householdnote": WRITE,
            # To the families of the own place.
            "familymessage": EVERYTHING,
        },
        "reservations": {
            "establishment": VIEW,
            "schoolyear": VIEW,
            "schoolclass": VIEW,
            "schooling": VIEW,
            "publicholiday": VIEW,
            "schoolholiday": VIEW,
            "closure": EVERYTHING,
            "notice": EVERYTHING,
            "calendarchange": WRITE,
            "lot": CHANGE,
            "activity": VIEW,
            "formula": VIEW,
            "period": VIEW,
            "capacity": EVERYTHING,
            "slot": WRITE,
            "enrolment": CHANGE,
            "reservation": CHANGE,
            "reservationline": CHANGE,
            "booking": f"{CHANGE} override_deadline override_capacity",
            "attendance": WRITE,
            "absencecertificate": WRITE,
            "monthlyfigure": VIEW,
        },
        "catering": {"menu": VIEW, "dish": VIEW},
        "leisure": {"centre": CHANGE},
        "billing": {
            "latecollection": WRITE,
            "latecollectionrule": VIEW,
            "diner": WRITE,
            "dinermeal": VIEW,
            "adultprice": VIEW,
        },
    },
    # Without bookings, the registers open on today's page only.
    ANIMATOR: {
        "reservations": {"attendance": WRITE},
        "leisure": {"centre": VIEW},
    },
    KITCHEN: {
        "families": {"diet": VIEW, "dietchoice": VIEW},
        "catering": {"*": EVERYTHING},
        "billing": {"dinermeal": VIEW},
    },
    # Not what only who heads the service reads, nor health, nor papers of justice.
    READER: {
        "families": {
            "household": VIEW,
            "guardian": VIEW,
            "child": VIEW,
            "custody": VIEW,
            "custodycalendar": VIEW,
            "accessopening": VIEW,
            "authorisedperson": VIEW,
            "familyquotient": VIEW,
            "changerequest": VIEW,
            "document": VIEW,
            "homechange": VIEW,
            "undeliveredletter": VIEW,
            "familymessage": VIEW,
            "diet": VIEW,
            "dietchoice": VIEW,
            "paperkind": VIEW,
            "askedtext": VIEW,
            "textversion": VIEW,
            "textanswer": VIEW,
            "paper": VIEW,
            "thread": VIEW,
            "threadkind": VIEW,
            "readyanswer": VIEW,
            "householdnote": VIEW,
            "quotientround": VIEW,
            "invitationlot": VIEW,
        },
        "reservations": {"*": VIEW, "staffright": ""},
        "portal": {"sentmail": VIEW},
        "catering": {"*": VIEW},
        "leisure": {"*": VIEW},
        "billing": {"*": VIEW},
    },
    ACCOUNTANT: {
        "families": {"household": f"{VIEW} export", "guardian": VIEW},
        "reservations": {"activity": VIEW, "formula": VIEW, "establishment": VIEW},
        "billing": {"*": VIEW},
    },
}


def rights_of(role: str) -> set[str]:
    """« families.view_household »…: all that a default role gives."""
    return {
        f"{label}.{codename}"
        for label, rights in RIGHTS[role].items()
        for codename in codenames(rights, global_apps.get_app_config(label))
    }


def give_rights(app_config: AppConfig, using: str, apps: Any = global_apps, **kwargs: Any) -> None:
    """Receiver of post_migrate: creates the groups, and gives each its rights on the app just migrated."""
    label = app_config.label
    if not any(label in rights for rights in RIGHTS.values()):
        return
    # Django's own receiver may come later: the permissions must exist first.
    create_permissions(app_config, using=using, apps=apps, **kwargs)
    group_model, permission_model = apps.get_model("auth", "Group"), apps.get_model("auth", "Permission")
    found = permission_model.objects.using(using).filter(content_type__app_label=label)
    by_codename = {permission.codename: permission for permission in found}
    for name, rights in RIGHTS.items():
        group, _ = group_model.objects.using(using).get_or_create(name=name)
        wanted = codenames(rights.get(label, {}), app_config)
        given = group.permissions.filter(content_type__app_label=label).values_list("codename", flat=True)
        # Even one that it has would be written, by a statement that leaves it as it is.
        if lacking := (wanted & by_codename.keys()).difference(given):
            group.permissions.add(*(by_codename[codename] for codename in lacking))


def codenames(rights: dict[str, str], app_config: AppConfig) -> set[str]:
    """« view_household »…: what `rights` (model or `*` → verbs) means in an app."""
    models = {model._meta.model_name for model in app_config.get_models()}
    granted = dict.fromkeys(models, rights["*"]) if "*" in rights else {}
    granted |= {model: verbs for model, verbs in rights.items() if model != "*"}
    return {f"{verb}_{model}" for model, verbs in granted.items() for verb in verbs.split()}
