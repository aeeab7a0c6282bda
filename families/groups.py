"""The town hall's groups and their least rights, kept up to date after each migration.

Rights are named by strings, so that this module knows no app above it. `*` stands for every model of an app.
Rights that a town adds to a group stay; rights of its own belong in a group of its own.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as global_apps
from django.conf import settings
from django.contrib.auth.management import create_permissions

AGENT = "Agent"
REGIE = "Régie"
# Takes money at the desk and counts it, added to an agent; handing it over and closing are the régie's.
TILL = "Guichet"
# Health notes are for those who need them: a group to add to an agent, never part of one.
HEALTH = "Fiches sanitaires"
# What every page says of the town: a group to add to whoever heads the service.
MANAGER = "Responsable"

Rights = dict[str, dict[str, str]]

VIEW, CHANGE, WRITE = "view", "view change", "view add change"
EVERYTHING = "view add change delete"
# Families' letters are read by nobody at the town hall, but in the demo, whose outbox they are.
OUTBOX = VIEW if settings.DEMO else ""

RIGHTS: dict[str, Rights] = {
    AGENT: {
        "families": {
            "household": WRITE,
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
            "diet": EVERYTHING,
            "dietchoice": EVERYTHING,
            "paperkind": WRITE,
            # Who writes custodies reads the judgments that they rest on.
            "paper": f"{WRITE} open_justice",
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
            "calendarchange": CHANGE,
            "activity": WRITE,
            "formula": EVERYTHING,
            "capacity": EVERYTHING,
            "period": WRITE,
            "campaign": EVERYTHING,
            "audience": WRITE,
            "deadlinerule": WRITE,
            "deadlinewindow": EVERYTHING,
            "activitydeadline": EVERYTHING,
            "activitypaper": EVERYTHING,
            # Adding slots is opening a period; nobody deletes what families may have booked.
            "slot": WRITE,
            "enrolment": CHANGE,
            "move": WRITE,
            "reservation": CHANGE,
            "reservationline": CHANGE,
            "booking": CHANGE,
            "attendance": WRITE,
            "absencecertificate": WRITE,
        },
        # Sees the line of the waiting room, opens and closes it.
        "portal": {"sentmail": VIEW, "town": "open_line", "refusalreason": EVERYTHING},
        "catering": {"*": EVERYTHING},
        "leisure": {"*": EVERYTHING},
        "billing": {"packedmeal": WRITE},
    },
    REGIE: {
        "families": {
            "household": VIEW,
            "guardian": VIEW,
            "child": VIEW,
            "custody": VIEW,
            "familyquotient": WRITE,
            "changerequest": CHANGE,
            "document": VIEW,
            "letter": OUTBOX,
            "undeliveredletter": CHANGE,
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
        },
        "portal": {"sentmail": VIEW},
        "billing": {
            "*": WRITE,
            "tariffband": EVERYTHING,
            "tariffrate": EVERYTHING,
            "tariffmodifier": EVERYTHING,
            "formulatariff": EVERYTHING,
            "manualcharge": EVERYTHING,
            "packedmeal": EVERYTHING,
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
        },
    },
    HEALTH: {"families": {"child": VIEW, "childhealth": WRITE}},
    # Logins stay with superusers: whoever changes them can give itself any right.
    MANAGER: {
        "families": {
            "owndecision": VIEW,
            "letter": OUTBOX,
            # The registers of reading and of logins are for who heads the service alone.
            "reading": VIEW,
            "securityevent": VIEW,
            "staffmember": CHANGE,
            "retentionrule": CHANGE,
            "processingtexts": WRITE,
            "disposallist": CHANGE,
            "erasurerequest": CHANGE,
            "erasure": "view add",
        },
        "portal": {"town": f"{CHANGE} open_line", "sentmail": VIEW},
        "billing": {"billingsettings": CHANGE},
    },
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
