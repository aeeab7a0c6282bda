"""What billing tells of a guardian in a copy of their data: invoices and statements with their PDFs, the
account's movements, payments, mandates.

What was billed to a household stays its own to read. Of a mandate, whose debtor may be the other adult, the
last four signs of the account are told.
"""

from collections.abc import Iterator
from functools import partial

from django.utils import timezone

from billing.documents import accounts, credit_notes, pdf
from billing.models import (
    AccountEntry,
    ArrearsDecision,
    ChildStatus,
    CreditNote,
    CreditNoteLine,
    DinerMeal,
    GivenUpDay,
    HouseholdCard,
    HouseholdFee,
    Instalment,
    Invoice,
    InvoiceLine,
    InvoiceNotice,
    LateCollection,
    Mandate,
    ManualCharge,
    OnlinePayment,
    Payment,
    RecalculatedHousehold,
    ReminderLetter,
    TransferRefund,
    WriteOff,
)
from families.privacy.telling import KeptFile, Lost, Subject, Table
from portal.french.dates import month_name

Recalculated = RecalculatedHousehold.State
A_BITE = 200  # rows read at a time


def tables(subject: Subject) -> Iterator[Table]:
    home = subject.household
    invoices = Invoice.objects.filter(household=home).with_balance().order_by("issued_at", "sequence")
    yield Table(
        "Factures",
        (
            "Numéro",
            "Mois",
            "Émise le",
            "À payer avant le",
            "Destinataire",
            "Quotient",
            "Total",
            "Payé",
            "Avoirs",
            "Abandons de créances",
        ),
        (
            (
                row.number,
                row.month_name,
                row.issued_at,
                row.pay_by,
                row.payer,
                row.quotient,
                row.total,
                row.paid,
                row.credited,
                row.written_off,
            )
            for row in invoices.iterator(chunk_size=A_BITE)
        ),
    )
    statuses = ChildStatus.objects.filter(child__in=subject.children).select_related("child")
    yield Table(
        "Situations reconnues",
        ("Enfant", "Situation", "Du", "Au", "Justificatif"),
        (
            (str(row.child), row.get_kind_display(), row.valid_from, row.valid_to, row.proof)
            for row in statuses.order_by("child", "valid_from").iterator(chunk_size=A_BITE)
        ),
    )
    lines = InvoiceLine.objects.filter(
        invoice__household=home, invoice__kind=Invoice.Kind.INVOICE
    ).select_related("invoice")
    yield Table(
        "Lignes des factures",
        (
            "Facture",
            "Enfant",
            "Activité",
            "Désignation",
            "Jours",
            "Quantité",
            "Prix unitaire",
            "Montant",
            "Calcul",
        ),
        (
            (
                row.invoice.number,
                row.child_name,
                row.activity_name,
                row.label,
                ", ".join(row.days),
                row.quantity,
                row.unit_price,
                row.amount,
                row.explanation,
            )
            for row in lines.order_by("invoice_id", "position").iterator(chunk_size=A_BITE)
        ),
    )
    notes = CreditNote.objects.filter(invoice__household=home).select_related("invoice")
    yield Table(
        "Avoirs",
        ("Numéro", "Facture", "Émis le", "Montant", "Motif", "Déjà payé, rendu disponible"),
        (
            (row.number, row.invoice.number, row.issued_at, row.amount, row.reason, row.freed)
            for row in notes.order_by("issued_at").iterator(chunk_size=A_BITE)
        ),
    )
    credited = CreditNoteLine.objects.filter(note__invoice__household=home).select_related("note")
    yield Table(
        "Lignes des avoirs",
        ("Avoir", "Désignation", "Jours", "Quantité", "Prix unitaire", "Montant"),
        (
            (row.note.number, row.label, ", ".join(row.days), row.quantity, row.unit_price, row.amount)
            for row in credited.order_by("note_id", "position").iterator(chunk_size=A_BITE)
        ),
    )
    given_up = WriteOff.objects.filter(invoice__household=home).select_related("invoice")
    yield Table(
        "Abandons de créances",
        ("Numéro", "Facture", "Nature", "Noté le", "Montant", "Motif", "Décision", "Décidé le"),
        (
            (
                row.number,
                row.invoice.number,
                row.get_kind_display(),
                row.issued_at,
                row.amount,
                row.reason,
                row.decision,
                row.decided_on,
            )
            for row in given_up.order_by("issued_at").iterator(chunk_size=A_BITE)
        ),
    )
    evenings = LateCollection.objects.filter(household=home).select_related("child", "activity")
    yield Table(
        "Départs tardifs",
        ("Enfant", "Activité", "Jour", "Parti à", "Calcul", "Montant", "Remise"),
        (
            (
                str(row.child),
                str(row.activity),
                row.day,
                f"{row.left_at:%H:%M}" if row.left_at else "",
                row.words,
                row.amount,
                row.forgiven_reason,
            )
            for row in evenings.order_by("day").iterator(chunk_size=A_BITE)
        ),
    )
    given_up_days = GivenUpDay.objects.filter(household=home).select_related("child", "activity", "formula")
    yield Table(
        "Jours annulés restés dus",
        ("Enfant", "Activité", "Formule", "Jour", "Annulé le", "Calcul", "Montant", "Remise"),
        (
            (
                str(row.child),
                str(row.activity),
                str(row.formula),
                row.day,
                row.cancelled_at,
                row.words,
                row.amount,
                row.forgiven_reason,
            )
            for row in given_up_days.order_by("day", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    cards = HouseholdCard.objects.filter(household=home)
    yield Table(
        "Cartes de tickets",
        ("Carte", "Tickets", "Prix", "Achetée le", "Valable jusqu'au", "Reprise le", "Motif"),
        (
            (
                row.name,
                row.tickets,
                row.price,
                row.bought_on,
                row.valid_until,
                row.stopped_on,
                row.stopped_reason,
            )
            for row in cards.order_by("bought_on", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    carried = Invoice.every.filter(household=home, kind=Invoice.Kind.CARRIED).order_by("issued_at", "pk")
    yield Table(
        "Relevés reportés",
        ("Numéro", "Mois", "Établi le", "Total", "Enfant", "Désignation", "Jours", "Montant"),
        (
            (
                row.number,
                row.month_name,
                row.issued_at,
                row.total,
                line.child_name,
                line.label,
                ", ".join(line.days),
                line.amount,
            )
            for row in carried.prefetch_related("lines").iterator(chunk_size=A_BITE)
            for line in row.lines.all()
        ),
    )
    entries = AccountEntry.objects.filter(household=home)
    yield Table("Mouvements du compte", accounts.COLUMNS, accounts.rows(accounts.statement(entries)))
    charges = ManualCharge.objects.filter(household=home, line=None).order_by("created_at")
    yield Table(
        "Lignes pour la prochaine facture",
        ("Désignation", "Quantité", "Prix unitaire", "Ajoutée le"),
        ((row.label, row.quantity, row.unit_price, row.created_at) for row in charges),
    )
    asked = HouseholdFee.objects.filter(household=home, superseded=False).select_related("child")
    yield Table(
        "Frais annuels",
        ("Désignation", "Enfant", "Montant", "Dus depuis le", "Dispense"),
        (
            (row.label, str(row.child or ""), row.amount, row.arises_on, "oui" if row.waived_at else "")
            for row in asked.order_by("arises_on", "pk")
        ),
    )
    meals = DinerMeal.objects.filter(diner__household=home).select_related("diner", "establishment")
    yield Table(
        "Repas d'adulte",
        ("Convive", "Jour", "Lieu", "État", "Réservé le"),
        (
            (str(row.diner), row.day, str(row.establishment), row.get_state_display(), row.booked_at)
            for row in meals.order_by("day", "pk")
        ),
    )
    parts = Instalment.objects.filter(plan__invoice__household=home).select_related("plan__invoice")
    yield Table(
        "Échéances de factures payées en plusieurs fois",
        ("Facture", "À payer au plus tard le", "Montant", "Annulé"),
        (
            (row.plan.invoice.number, row.due_on, row.amount, "oui" if row.plan.ended_at else "")
            for row in parts.order_by("plan", "due_on")
        ),
    )
    months = RecalculatedHousehold.objects.filter(
        household=home, state__in=(Recalculated.CONFIRMED, Recalculated.BILLED)
    ).select_related("recalculation", "invoice")
    yield Table(
        "Mois recalculés",
        ("Mois", "Confirmé le", "Facturé", "Recalculé", "Repris sur la facture"),
        (
            (
                month_name(row.recalculation.month),
                row.recalculation.confirmed_at,
                row.billed,
                row.amount,
                row.invoice.number if row.invoice else "",
            )
            for row in months.order_by("pk")
        ),
    )
    yield from _payments(subject)
    decisions = ArrearsDecision.objects.filter(household=home).select_related("school_year")
    yield Table(
        "Décisions d'impayés",
        (
            "Depuis le",
            "Arrête",
            "Activités",
            "Année scolaire",
            "Phrase",
            "Motif",
            "Restait à payer",
            "Jusqu'au",
            "Finie le",
            "Fin",
        ),
        (
            (
                row.since,
                row.get_stops_display(),
                ", ".join(str(one) for one in row.activities.all()),
                str(row.school_year or ""),
                row.sentence,
                row.reason,
                row.left,
                row.until,
                row.ended_at,
                row.get_ended_because_display(),
            )
            for row in decisions.prefetch_related("activities").order_by("decided_at", "pk")
        ),
    )
    notices = InvoiceNotice.objects.filter(invoice__household=home).select_related("invoice")
    yield Table(
        "Avis et relances",
        ("Facture", "Rang", "Envoyé le", "Restait à payer"),
        (
            (row.invoice.number, row.level, row.sent_at, row.left)
            for row in notices.order_by("sent_at").iterator(chunk_size=A_BITE)
        ),
    )


def _payments(subject: Subject) -> Iterator[Table]:
    home = subject.household
    payments = Payment.objects.filter(household=home).prefetch_related("allocations__invoice")
    yield Table(
        "Règlements",
        ("Reçu", "Nature", "Payé le", "Moyen", "Référence", "Montant", "État", "Factures"),
        (
            (
                row.number,
                row.get_kind_display(),
                row.paid_on,
                row.get_means_display(),
                row.reference,
                row.amount,
                row.get_state_display(),
                ", ".join(part.invoice.number for part in row.allocations.all()),
            )
            for row in payments.order_by("paid_on", "pk").iterator(chunk_size=A_BITE)
        ),
    )
    online = OnlinePayment.objects.filter(household=home).order_by("started_at")
    yield Table(
        "Paiements en ligne",
        ("Référence", "Prestataire", "Commencé le", "Montant", "État"),
        (
            (row.reference, row.get_provider_display(), row.started_at, row.amount, row.get_state_display())
            for row in online.iterator(chunk_size=A_BITE)
        ),
    )
    yield Table(
        "Mandats de prélèvement",
        ("RUM", "Compte", "Signé le", "Révoqué le"),
        (
            (row.rum, f"se termine par {row.iban[-4:]}", row.signed_on, row.revoked_on)
            for row in Mandate.objects.filter(household=home).order_by("signed_on")
        ),
    )
    refunds = TransferRefund.objects.filter(payment__household=home).select_related("payment")
    yield Table(
        "Remboursements par virement",
        ("Remboursement", "Demandé le", "Montant", "Titulaire", "Compte", "État", "Terminé le"),
        (
            (
                row.payment.number,
                row.asked_at,
                -row.payment.amount,
                row.holder,
                f"se termine par {row.iban_end}" if row.iban_end else "",
                row.get_state_display(),
                row.ended_on,
            )
            for row in refunds.order_by("asked_at")
        ),
    )


def files(subject: Subject) -> Iterator[KeptFile]:
    invoices = Invoice.objects.filter(household=subject.household).order_by("pk")
    for key, number in invoices.values_list("pk", "number"):
        yield KeptFile(f"factures/{number}.pdf", partial(_invoice, key))
    notes = CreditNote.objects.filter(invoice__household=subject.household).order_by("pk")
    for key, number in notes.values_list("pk", "number"):
        yield KeptFile(f"avoirs/{number}.pdf", partial(_credit_note, key))
    carried = Invoice.every.filter(household=subject.household, kind=Invoice.Kind.CARRIED).order_by("pk")
    for key, number in carried.values_list("pk", "number"):
        yield KeptFile(f"releves/{number}.pdf", partial(_statement, key))
    letters = ReminderLetter.objects.filter(household=subject.household).exclude(file="").order_by("pk")
    for letter in letters.iterator(chunk_size=A_BITE):
        day = timezone.localtime(letter.sent_at).date()
        yield KeptFile(f"relances/{day.isoformat()}-{letter.pk}.pdf", partial(_letter, letter))


def _credit_note(key: int) -> Iterator[bytes]:
    yield credit_notes.render(CreditNote.objects.select_related("invoice__household").get(pk=key))


def _invoice(key: int) -> Iterator[bytes]:
    invoice = Invoice.objects.select_related("pdf").prefetch_related("lines").get(pk=key)
    try:
        yield pdf.read(getattr(invoice, "pdf", None) or pdf.stored(invoice, at=timezone.now()))
    except pdf.PdfLost as loss:
        raise Lost(str(loss)) from loss


def _statement(key: int) -> Iterator[bytes]:
    yield accounts.draw_carried(accounts.carried(Invoice.every.get(pk=key)))


def _letter(letter: ReminderLetter) -> Iterator[bytes]:
    try:
        yield pdf.content(letter, "Une lettre de relance")
    except pdf.PdfLost as loss:
        raise Lost(str(loss)) from loss
