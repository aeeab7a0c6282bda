"""What people's app keeps, how long unless the town says otherwise, and why."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from families import documents, unconfirmed
from families.messages import sending
from families.models import (
    ChangeRequest,
    ChildHealth,
    Document,
    ErasureRequest,
    FamilyMessage,
    HouseholdNote,
    InvitationLot,
    Letter,
    Paper,
    PaperKind,
    QuotientConsent,
    QuotientRound,
    Reading,
    Reminder,
    ReminderRound,
    RetentionRule,
    SecurityEvent,
    Thread,
    User,
)
from families.privacy import exporting, histories, last_days, retention
from families.privacy.retention import CHOSEN, Kind, Rows
from families.traces import reading
from portal import nightly
from portal.french.plurals import counted

Unit = RetentionRule.Unit
LOGS = "CNIL, délibération 2021-122 du 14 octobre 2021 : six mois à un an pour les journaux."
IN_BITES = 200


def delete(rows: Sequence[Rows], at: datetime) -> int:
    """What has neither file nor history of its own; counts the rows themselves."""
    removed = 0
    for each in rows:
        found = list(each.values_list("pk", flat=True))
        for first in range(0, len(found), IN_BITES):
            each.model._default_manager.filter(pk__in=found[first : first + IN_BITES]).delete()
        removed += len(found)
    return removed


def _discard_messages(rows: Sequence[Rows], at: datetime) -> int:
    """With their files."""
    found = [message for each in rows for message in each]
    for message in found:
        sending.discard(message)
    return len(found)


# Accounts ---------------------------------------------------------------------------------------------


def _never_used(before: datetime) -> list[Rows]:
    logins = User.objects.filter(
        last_login=None, date_joined__lt=before, is_staff=False, is_superuser=False
    ).exclude(guardians__household__state="requested")
    return [logins.order_by("pk")]


# Papers -----------------------------------------------------------------------------------------------


def _proofs(before: datetime) -> list[Rows]:
    """Of answered requests; what an app above holds is its own to remove."""
    held = Q()
    for link in Document._meta.related_objects:
        if link.related_model is not ChangeRequest:
            held |= Q(
                pk__in=link.related_model._default_manager.filter(
                    **{f"{link.field.name}__isnull": False}
                ).values(link.field.attname)
            )
    waiting = ChangeRequest.objects.filter(state=ChangeRequest.State.REQUESTED, proof__isnull=False)
    rows = Document.objects.filter(uploaded_at__lt=before).exclude(pk__in=waiting.values("proof_id"))
    return [rows.exclude(held).order_by("pk")]


def _remove_proofs(rows: Sequence[Rows], at: datetime) -> int:
    removed = 0
    for proofs in rows:
        for document in proofs.iterator(chunk_size=IN_BITES):
            with transaction.atomic():
                ChangeRequest.objects.filter(proof=document).update(proof=None)
                removed += documents.remove([document])
    return removed


def _requests(before: datetime) -> list[Rows]:
    return [
        ChangeRequest.objects.filter(decided_at__lt=before).order_by("pk"),
        ErasureRequest.objects.filter(decided_at__lt=before).order_by("pk"),
    ]


def _remove_requests(rows: Sequence[Rows], at: datetime) -> int:
    removed = 0
    for each in rows:
        keys = list(each.values_list("pk", flat=True))
        with transaction.atomic():
            removed += delete([each], at)
            histories.forget(each.model, keys)
    return removed


def _papers(before: datetime, *, secret: bool) -> list[Rows]:
    """Refused ones and those that are over; of a child that no longer comes, all."""
    ordinary = Q(kind__secrecy=PaperKind.Secrecy.ORDINARY)
    rows = Paper.objects.exclude(ordinary) if secret else Paper.objects.filter(ordinary)
    over = Q(state=Paper.State.EXPIRED, ends_on__lt=timezone.localdate(before))
    refused = Q(state=Paper.State.REFUSED, decided_at__lt=before)
    left = Q(child__in=last_days.gone(before).values("pk")) & (
        Q(sent_at__lt=before) | Q(sent_at=None, decided_at__lt=before)
    )
    return [rows.filter(over | refused | left).order_by("pk")]


def _remove_papers(rows: Sequence[Rows], at: datetime) -> int:
    """With their files and their versions."""
    removed = 0
    for papers in rows:
        found = list(papers.select_related("document"))
        for first in range(0, len(found), IN_BITES):
            bite = found[first : first + IN_BITES]
            keys = [paper.pk for paper in bite]
            with transaction.atomic():
                Paper.objects.filter(pk__in=keys).delete()
                histories.forget(Paper, keys)
                documents.remove(paper.document for paper in bite if paper.document is not None)
            removed += len(bite)
    return removed


# What was written, and noted -----------------------------------------------------------------------------


def _remove_threads(rows: Sequence[Rows], at: datetime) -> int:
    """With the files that came with them."""
    removed = 0
    for each in rows:
        keys = list(each.values_list("pk", flat=True))
        for first in range(0, len(keys), IN_BITES):
            bite = keys[first : first + IN_BITES]
            with transaction.atomic():
                documents.remove(list(Document.objects.filter(thread_file__message__thread__in=bite)))
                Thread.objects.filter(pk__in=bite).delete()
            removed += len(bite)
    return removed


def _notes(before: datetime) -> list[Rows]:
    """But for those that still stand as an alert."""
    alerting = Q(withdrawn_at=None, alert_until__gte=timezone.localdate(before))
    written = Q(changed_at=None, at__lt=before) | Q(changed_at__lt=before)
    return [HouseholdNote.objects.filter(written).exclude(alerting).order_by("pk")]


def _remove_notes(rows: Sequence[Rows], at: datetime) -> int:
    removed = 0
    for each in rows:
        keys = list(each.values_list("pk", flat=True))
        with transaction.atomic():
            removed += delete([each], at)
            histories.forget(HouseholdNote, keys)
    return removed


# Health -----------------------------------------------------------------------------------------------


def _health(before: datetime) -> list[Rows]:
    gone = last_days.gone(before).values("pk")
    return [ChildHealth.objects.filter(child__in=gone, updated_at__lt=before).order_by("pk")]


def _remove_health(rows: Sequence[Rows], at: datetime) -> int:
    removed = 0
    for each in rows:
        keys = list(each.values_list("pk", flat=True))
        with transaction.atomic():
            removed += delete([each], at)
            histories.forget(ChildHealth, keys)
    return removed


def register_all() -> None:
    """Once the app is ready."""
    retention.register(
        Kind(
            "unconfirmed",
            "comptes_non_confirmés",
            "Comptes jamais confirmés",
            "après leur création",
            7,
            Unit.DAY,
            CHOSEN,
            due=lambda before: [unconfirmed.stale(before=before)],
            remove=lambda rows, at: sum(unconfirmed.forget(each) for each in rows),
            said="{} compte(s) jamais confirmé(s) supprimé(s).",
        )
    )
    retention.register(
        Kind(
            "unused_logins",
            "accès_inutilisés",
            "Accès ouverts et jamais utilisés",
            "après leur ouverture",
            24,
            Unit.MONTH,
            CHOSEN,
            due=_never_used,
            remove=delete,
        )
    )
    retention.register(
        Kind(
            "proofs",
            "justificatifs",
            "Justificatifs envoyés (adresse, quotient)",
            "après leur envoi",
            13,
            Unit.MONTH,
            f"{CHOSEN} Le temps d'une année scolaire et de la contestation de ses factures.",
            due=_proofs,
            remove=_remove_proofs,
        )
    )
    retention.register(
        Kind(
            "papers",
            "papiers",
            "Papiers demandés aux familles, avec leurs fichiers",
            "après leur fin, leur refus, ou le dernier jour connu de l'enfant",
            12,
            Unit.MONTH,
            f"{CHOSEN} Le temps d'une année scolaire.",
            due=partial(_papers, secret=False),
            remove=_remove_papers,
        )
    )
    retention.register(
        Kind(
            "secret_papers",
            "papiers_de_santé_et_de_justice",
            "Papiers de santé et de justice, avec leurs fichiers",
            "après leur fin, leur refus, ou le dernier jour connu de l'enfant",
            3,
            Unit.MONTH,
            f"{CHOSEN} Comme la fiche sanitaire.",
            due=partial(_papers, secret=True),
            remove=_remove_papers,
        )
    )
    retention.register(
        Kind(
            "requests",
            "demandes",
            "Demandes auxquelles la mairie a répondu",
            "après la réponse",
            24,
            Unit.MONTH,
            CHOSEN,
            due=_requests,
            remove=_remove_requests,
        )
    )
    retention.register(
        Kind(
            "fund_answers",
            "réponses_de_la_caf",
            "Réponses de la CAF et de la MSA, et qui les a demandées",
            "après la demande",
            24,
            Unit.MONTH,
            f"{CHOSEN} Le temps d'une année scolaire et de la contestation de ses factures.",
            due=lambda before: [QuotientRound.objects.filter(asked_at__lt=before).order_by("pk")],
            remove=delete,
        )
    )
    retention.register(
        Kind(
            "fund_consents",
            "accords_caf",
            "Trace des accords arrêtés (demander le quotient à la CAF ou à la MSA)",
            "après leur fin ; l'état civil, lui, est effacé dès ce moment",
            36,
            Unit.MONTH,
            f"{CHOSEN} De quoi montrer qu'un accord avait été donné (RGPD, article 7-1).",
            due=lambda before: [QuotientConsent.objects.filter(ended_at__lt=before).order_by("pk")],
            remove=delete,
        )
    )
    retention.register(
        Kind(
            "invitations",
            "invitations",
            "Lots d'invitations à ouvrir un compte",
            "après leur envoi",
            12,
            Unit.MONTH,
            CHOSEN,
            due=lambda before: [InvitationLot.objects.filter(made_at__lt=before).order_by("pk")],
            remove=delete,
        )
    )
    retention.register(
        Kind(
            "threads",
            "échanges",
            "Échanges des familles avec la mairie, avec leurs pièces jointes",
            "après le dernier message",
            24,
            Unit.MONTH,
            f"{CHOSEN} Le temps d'une année scolaire et de la contestation de ses factures.",
            due=lambda before: [
                Thread.objects.exclude(state=Thread.State.WAITING).filter(last_at__lt=before).order_by("pk")
            ],
            remove=_remove_threads,
        )
    )
    retention.register(
        Kind(
            "desk_notes",
            "notes_des_agents",
            "Notes des agents sur un foyer",
            "après leur dernière modification, ou la fin de l'alerte",
            12,
            Unit.MONTH,
            f"{CHOSEN} Le temps d'une année scolaire.",
            due=_notes,
            remove=_remove_notes,
        )
    )
    retention.register(
        Kind(
            "health",
            "fiches_sanitaires",
            "Fiches sanitaires et PAI",
            "après le dernier jour connu de l'enfant, au plus tôt la fin de l'année scolaire",
            3,
            Unit.MONTH,
            "Usage : la fiche sanitaire vaut pour l'année scolaire, puis elle est détruite.",
            due=_health,
            remove=_remove_health,
        )
    )
    retention.register(
        Kind(
            "exports",
            "copies_de_données",
            "Copies de données préparées pour les familles",
            "après leur préparation",
            7,
            Unit.DAY,
            CHOSEN,
            due=lambda before: [exporting.older_than(before)],
            remove=lambda rows, at: sum(exporting.discard(one) for each in rows for one in each),
        )
    )
    retention.register(
        Kind(
            "histories",
            "historique",
            "Historique des modifications (qui a changé quoi)",
            "après la modification",
            12,
            Unit.MONTH,
            LOGS,
            due=lambda before: histories.before(before, accounting=False),
            remove=delete,
        )
    )
    retention.register(
        Kind(
            "readings",
            "consultations",
            "Registre des consultations (qui a lu quoi à la mairie)",
            "après la consultation",
            12,
            Unit.MONTH,
            LOGS,
            due=lambda before: [Reading.objects.filter(at__lt=before)],
            remove=lambda rows, at: sum(map(reading.remove, rows)),
        )
    )
    retention.register(
        Kind(
            "security",
            "connexions",
            "Journal des connexions",
            "après la connexion",
            12,
            Unit.MONTH,
            LOGS,
            due=lambda before: [SecurityEvent.objects.filter(at__lt=before)],
            remove=delete,
        )
    )
    retention.register(
        Kind(
            "desk_log",
            "actions_de_la_mairie",
            "Journal des actions de la mairie",
            "après l'action",
            12,
            Unit.MONTH,
            LOGS,
            due=lambda before: [LogEntry.objects.filter(action_time__lt=before)],
            remove=delete,
        )
    )
    retention.register(
        Kind(
            "letters",
            "messages",
            "Messages envoyés aux familles",
            "après leur envoi",
            12,
            Unit.MONTH,
            f"{CHOSEN} Le temps d'une année scolaire : la famille relit ce qui lui a été écrit.",
            due=lambda before: [Letter.objects.filter(posted_at__lt=before)],
            remove=delete,
        )
    )
    retention.register(
        Kind(
            "family_messages",
            "messages aux familles",
            "Messages écrits à de nombreuses familles, et qui les a reçus",
            "après leur envoi",
            12,
            Unit.MONTH,
            f"{CHOSEN} Aussi longtemps que la famille relit le sien.",
            due=lambda before: [FamilyMessage.objects.filter(written_at__lt=before).exclude(state="sending")],
            remove=_discard_messages,
        )
    )
    retention.register(
        Kind(
            "reminders",
            "rappels",
            "Rappels envoyés (de quoi, quel soir)",
            "après leur envoi",
            6,
            Unit.MONTH,
            f"{CHOSEN} Aucun rappel ne part deux fois.",
            due=lambda before: [
                Reminder.objects.filter(at__lt=before),
                ReminderRound.objects.filter(done_at__lt=before),
            ],
            remove=delete,
        )
    )
    hours = settings.SESSION_COOKIE_AGE // 3600
    retention.register_fixed(
        "Sessions de connexion, et formulaires interrompus par leur fin",
        lambda: f"{counted(hours, 'heure', 'heures')} au plus",
    )
    retention.register_fixed(
        "Messages dans la file d'envoi, avant et après leur départ",
        lambda: counted(nightly.TASKS_KEPT.days, "jour", "jours"),
    )
