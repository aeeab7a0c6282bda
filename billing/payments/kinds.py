"""What billing keeps of people beside its documents, how long unless the town says otherwise, and why."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from billing.models import (
    ArrearsDecision,
    DebitFile,
    Diner,
    Mandate,
    OnlinePayment,
    PaymentEvent,
    TransferFile,
    TransferRefund,
)
from billing.payments import former
from families.models import Household, RetentionRule
from families.privacy import histories, last_days, retention
from families.privacy.kinds import delete
from families.privacy.retention import Kind, Rows

Unit = RetentionRule.Unit
VOUCHERS = "Pièces comptables : dix ans (code de commerce, L123-22 ; usage de la comptabilité publique)."
REFUNDS = "Règlement (UE) 260/2012 et code monétaire et financier, L133-24 : treize mois pour contester."


def _answers(before: datetime) -> list[Rows]:
    """What the provider said, and whom it wrote to: the payment itself is a voucher."""
    told = PaymentEvent.objects.filter(at__lt=before).exclude(raw={})
    written_to = OnlinePayment.objects.filter(started_at__lt=before).exclude(email="", url="")
    return [told.order_by("pk"), written_to.order_by("pk")]


def _forget_answers(rows: Sequence[Rows], at: datetime) -> int:
    told, written_to = rows
    return told.update(raw={}) + written_to.update(email="", url="")


def _mandates(before: datetime) -> list[Rows]:
    revoked = Mandate.objects.filter(revoked_on__lt=timezone.localtime(before).date())
    return [revoked.exclude(debtor="").order_by("pk")]


def forget_accounts(rows: Sequence[Rows], at: datetime) -> int:
    """A mandate's number and dates stay with the debits that it allowed; whose account it was goes."""
    forgotten = 0
    for each in rows:
        with transaction.atomic():
            keys = list(each.values_list("pk", flat=True))
            histories.forget(Mandate, keys)
            forgotten += Mandate.objects.filter(pk__in=keys).update(debtor="", iban="", bic="")
    return forgotten


def _debit_files(before: datetime) -> list[Rows]:
    # Encrypted, a text has no look-up of its own; that it is empty can be told.
    kept = DebitFile.objects.annotate(kept=Cast("content", TextField())).exclude(kept="")
    return [kept.filter(collected_on__lt=timezone.localtime(before).date()).defer("content").order_by("pk")]


def _empty_files(rows: Sequence[Rows], at: datetime) -> int:
    """The file that went to the bank, with everybody's IBAN; the debits that it asked for stay."""
    return sum(
        DebitFile.objects.filter(pk__in=list(each.values_list("pk", flat=True))).update(content="")
        for each in rows
    )


def _refunded_accounts(before: datetime) -> list[Rows]:
    """Families' accounts, and the files that named them, some days after these went to the bank."""
    accounts = TransferRefund.objects.filter(file__made_at__lt=before).exclude(iban_end="")
    files = TransferFile.objects.annotate(kept=Cast("content", TextField())).exclude(kept="")
    return [accounts.order_by("pk"), files.filter(made_at__lt=before).defer("content").order_by("pk")]


def _forget_refunded(rows: Sequence[Rows], at: datetime) -> int:
    accounts, files = rows
    forgotten = 0
    for home in set(accounts.values_list("payment__household_id", flat=True)):
        with transaction.atomic():
            Household.objects.lock([home])
            keys = list(accounts.filter(payment__household_id=home).values_list("pk", flat=True))
            forgotten += TransferRefund.objects.filter(pk__in=keys).update(iban="", iban_end="", bic="")
    keys = list(files.values_list("pk", flat=True))
    return forgotten + TransferFile.objects.filter(pk__in=keys).update(content="")


def _decisions(before: datetime) -> list[Rows]:
    return [ArrearsDecision.objects.filter(ended_at__lt=before).order_by("pk")]


def _forget_decisions(rows: Sequence[Rows], at: datetime) -> int:
    """With their versions: what was owed stays with the invoices and their reminders."""
    forgotten = 0
    for each in rows:
        with transaction.atomic():
            keys = list(each.values_list("pk", flat=True))
            histories.forget(ArrearsDecision, keys)
            ArrearsDecision.objects.filter(pk__in=keys).delete()
            forgotten += len(keys)
    return forgotten


def _at_table(since: date) -> Any:
    """Accounts of adults who eat, or ate since: no child says that they left."""
    return Diner.objects.exclude(ends_on__lt=since).values("household")


def register_all() -> None:
    """Once the app is ready."""
    last_days.register_homes(_at_table)
    histories.keep_as_vouchers("billing")
    retention.register(
        Kind(
            "arrears_decisions",
            "décisions_d'impayés",
            "Décisions d'impayés, quand elles sont finies",
            "après leur fin",
            2,
            Unit.YEAR,
            retention.CHOSEN,
            due=_decisions,
            remove=_forget_decisions,
        )
    )
    retention.register(
        Kind(
            "payment_answers",
            "réponses_des_banques",
            "Réponses des prestataires de paiement en ligne",
            "après le paiement",
            15,
            Unit.MONTH,
            REFUNDS,
            due=_answers,
            remove=_forget_answers,
        )
    )
    retention.register(
        Kind(
            "mandates",
            "mandats",
            "Coordonnées bancaires des mandats de prélèvement révoqués",
            "après la révocation",
            14,
            Unit.MONTH,
            REFUNDS,
            due=_mandates,
            remove=forget_accounts,
        )
    )
    retention.register(
        Kind(
            "debit_files",
            "fichiers_de_prélèvement",
            "Fichiers de prélèvements remis à la banque, avec les coordonnées bancaires",
            "après la date de prélèvement",
            14,
            Unit.MONTH,
            REFUNDS,
            due=_debit_files,
            remove=_empty_files,
        )
    )
    retention.register(
        Kind(
            "refunded_accounts",
            "comptes_remboursés",
            "Coordonnées bancaires des remboursements par virement, et leurs fichiers",
            "après le fichier",
            60,
            Unit.DAY,
            retention.CHOSEN,
            due=_refunded_accounts,
            remove=_forget_refunded,
        )
    )
    retention.register(
        Kind(
            "invoices",
            "factures",
            "Factures, avoirs et règlements, avec leurs fichiers",
            "après la fin de leur année",
            10,
            Unit.YEAR,
            VOUCHERS,
            due=former.due,
            remove=former.remove,
            needs_visa=True,
            dated_by="month",
            least_years=10,
        )
    )
    retention.register(
        Kind(
            "reminder_letters",
            "lettres_de_relance",
            "Lettres de relance",
            "après la fin de leur année",
            10,
            Unit.YEAR,
            VOUCHERS,
            due=former.old_letters,
            remove=former.remove_letters,
            needs_visa=True,
            dated_by="sent_at",
            least_years=10,
        )
    )
    retention.register(
        Kind(
            "voucher_histories",
            "historique_comptable",
            "Historique des règlements, mandats et tarifs",
            "après la modification",
            10,
            Unit.YEAR,
            VOUCHERS,
            due=lambda before: histories.before(before, accounting=True),
            remove=delete,
            least_years=10,
        )
    )
