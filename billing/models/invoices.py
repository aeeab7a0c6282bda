"""Invoices, their lines, credit notes, and what payments pay of them. Written by `invoicing.py` and
`paying.py` only.
"""

from datetime import date
from decimal import Decimal
from typing import Any, Protocol, TypeAlias, TypedDict

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, ExpressionWrapper, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce, Round
from django_stubs_ext import WithAnnotations
from simple_history.models import HistoricalRecords

from billing.models.adults import DinerMeal
from billing.models.fees import HouseholdFee
from billing.models.instalments import Instalment, InstalmentPlan
from billing.models.numbered import Numbered
from billing.models.payments import Payment, PaymentState
from billing.models.regies import Regie
from families.models import Child, Household, User
from families.visibility import VisibleQuerySet
from portal.files.uploads import private_storage
from portal.french.dates import month_name
from portal.reservations.models import Activity, Booking, Establishment, Formula
from portal.reservations.models.presence import Attendance


class NumberCounter(models.Model):
    """The last number taken in a series and year. Locked by the transaction that issues."""

    series = models.CharField("série", max_length=8)
    year = models.PositiveSmallIntegerField("année")
    last = models.PositiveIntegerField("dernier numéro", default=0)

    class Meta:
        verbose_name = "compteur"
        constraints = [
            models.UniqueConstraint(fields=["series", "year"], name="one_counter_a_series_and_year")
        ]

    def __str__(self) -> str:
        return f"{self.series}{self.year}"


class BillingRun(models.Model):
    """A month being billed: what was asked, how far it got. Run again after an interruption, it goes on."""

    class State(models.TextChoices):
        WAITING = "waiting", "En attente"
        RUNNING = "running", "En cours"
        DONE = "done", "Terminée"
        FAILED = "failed", "Interrompue"

    month = models.DateField("mois facturé", help_text="Le premier jour du mois.")
    activities = models.ManyToManyField(
        Activity, blank=True, related_name="+", verbose_name="activités", help_text="Aucune : toutes."
    )
    establishments = models.ManyToManyField(
        Establishment, blank=True, related_name="+", verbose_name="établissements", help_text="Aucun : tous."
    )
    left_out = models.ManyToManyField(
        Household, blank=True, related_name="+", verbose_name="sauf ces foyers", help_text="Aucun : tous."
    )
    due_on = models.DateField("à payer au plus tard le")
    state = models.CharField("état", max_length=8, choices=State, default=State.WAITING)
    households = models.PositiveIntegerField("foyers à facturer", default=0)
    done = models.PositiveIntegerField("foyers traités", default=0)
    asked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="demandée par"
    )
    asked_at = models.DateTimeField("demandée le")
    finished_at = models.DateTimeField("terminée le", null=True, blank=True)
    trouble = models.CharField("ce qui s'est passé", max_length=300, blank=True)

    class Meta:
        verbose_name = "facturation d'un mois"
        verbose_name_plural = "facturations du mois"
        ordering = ["-month", "-pk"]

    def __str__(self) -> str:
        return f"Facturation {month_name(self.month)}"


class InvoiceState(models.TextChoices):
    """What a family reads of an invoice; of payments, credit notes and write-offs, never stored."""

    DUE = "due", "À payer"
    PARTLY = "partly", "Payée en partie"
    OVERDUE = "overdue", "En retard"
    PAID = "paid", "Payée"
    # Nothing is asked for any more, and not because it was paid.
    CLOSED = "closed", "Close"


def state_of(
    total: Decimal, left: Decimal, pay_by: date, today: date, written_off: Decimal = Decimal(0)
) -> InvoiceState:
    """Where an invoice of `total` stands today, with `left` to pay by that day."""
    if left <= 0:
        return InvoiceState.CLOSED if written_off else InvoiceState.PAID
    if pay_by < today:
        return InvoiceState.OVERDUE
    return InvoiceState.DUE if left == total else InvoiceState.PARTLY


class Balance(TypedDict):
    """What `with_balance()` adds to an invoice, in euros; `left` is to pay, on `pay_by` at the latest, or,
    `parted`, in several times, the next of them then."""

    paid: Decimal
    credited: Decimal
    written_off: Decimal
    left: Decimal
    pay_by: date
    parted: bool


def pay_by(invoice: str = "", settled: Combinable | None = None) -> Coalesce:
    """Until when an invoice is to be paid, for an annotation: what it says (`due_on`), the day that was given
    since (`NewDueDate`), or, paid in several times, that of the first instalment that is not `settled` (of
    rows with a balance; of others, said by the caller). `invoice`: the way to it, as « invoice__ »."""
    given = NewDueDate.objects.filter(invoice=OuterRef(f"{invoice}pk")).order_by("-pk").values("due_on")
    part = next_instalment(invoice, settled).values("due_on")
    return Coalesce(Subquery(part[:1]), Subquery(given[:1]), F(f"{invoice}due_on"))


# Less than a cent: SQLite adds in binary.
NEARLY = Value(Decimal("0.005"))


def next_instalment(invoice: str = "", settled: Combinable | None = None) -> "models.QuerySet[Instalment]":
    """The instalments of an invoice in the outer query that are not settled, the first one first."""
    if settled is None:
        settled = OuterRef("paid") + OuterRef("credited") + OuterRef("written_off")
    rows = Instalment.objects.filter(plan__invoice=OuterRef(f"{invoice}pk"), plan__ended_at=None)
    return rows.filter(up_to__gt=ExpressionWrapper(settled + NEARLY, output_field=MONEY)).order_by("due_on")


class Owing(Protocol):
    """What the state of an invoice depends on."""

    @property
    def total(self) -> Decimal: ...
    @property
    def left(self) -> Decimal: ...
    @property
    def written_off(self) -> Decimal: ...
    @property
    def pay_by(self) -> date: ...


class InvoiceQuerySet(VisibleQuerySet["Invoice"]):
    def waiting(self) -> "InvoiceQuerySet":
        """Statements, of `Invoice.every`, whose amount no invoice and no credit note has taken over yet, and
        that were not dropped."""
        taken = InvoiceLine.objects.filter(carried=OuterRef("pk"))
        credited = StatementCredit.objects.filter(statement=OuterRef("pk"))
        dropped = WriteOff.objects.filter(invoice=OuterRef("pk"))
        over = (~Exists(rows) for rows in (taken, credited, dropped))
        return self.filter(~Q(total=0), *over, kind=Invoice.Kind.CARRIED)

    def with_balance(self: "models.QuerySet[Invoice]") -> "models.QuerySet[InvoiceWithBalance]":
        """The invoices with their `Balance`, in the same query.

        `left` is rounded: SQLite subtracts in binary, and what is paid must leave zero, which has no sign.
        """
        paid = PaymentAllocation.objects.filter(invoice=OuterRef("pk"), payment__state=PaymentState.VALIDATED)
        credited = CreditNote.objects.filter(invoice=OuterRef("pk"))
        written_off = WriteOff.objects.filter(invoice=OuterRef("pk"))
        plan = InstalmentPlan.objects.filter(invoice=OuterRef("pk"), ended_at=None)
        taken_off = F("paid") + F("credited") + F("written_off")
        return self.annotate(
            paid=_sum_of(paid),
            credited=_sum_of(credited),
            written_off=_sum_of(written_off),
            left=ExpressionWrapper(
                Round(ExpressionWrapper(F("total") - taken_off, output_field=MONEY), 2)
                + Value(Decimal(0), output_field=MONEY),
                output_field=MONEY,
            ),
        ).annotate(pay_by=pay_by(), parted=Exists(plan))


MONEY = models.DecimalField(max_digits=12, decimal_places=2)


def _sum_of(rows: "models.QuerySet[Any]") -> Coalesce:
    """The amounts of an invoice's rows."""
    sums = rows.order_by().values("invoice").annotate(sum=Sum("amount")).values("sum")
    return Coalesce(Subquery(sums, output_field=MONEY), Value(Decimal("0.00"), output_field=MONEY))


EveryInvoice = models.Manager.from_queryset(InvoiceQuerySet)


class InvoiceManager(EveryInvoice["Invoice"]):
    """Invoices that are to be paid; statements of what is carried over are no such."""

    def get_queryset(self) -> InvoiceQuerySet:
        return InvoiceQuerySet(self.model, using=self._db).filter(kind=Invoice.Kind.INVOICE)


class Invoice(Numbered):
    """An issued invoice: a document that copies all it says. The database refuses every later change.

    Where a month comes to nothing, to too little or to less than nothing, what it says is a statement instead
    (`Kind.CARRIED`): the same document in a series of its own, that nobody pays. The next invoice takes its
    lines over, each of which names it (`InvoiceLine.carried`).
    """

    class Kind(models.TextChoices):
        INVOICE = "invoice", "Facture"
        CARRIED = "carried", "Relevé reporté"

    kind = models.CharField(
        "nature", max_length=7, choices=Kind, default=Kind.INVOICE, db_default=Kind.INVOICE
    )
    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="invoices", verbose_name="foyer"
    )
    # Where it was found before households were joined: whom the run billed.
    first_household = models.ForeignKey(
        Household,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name="établie pour le foyer",
    )
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    run = models.ForeignKey(
        BillingRun,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="invoices",
        verbose_name="facturation",
    )
    month = models.DateField("mois")
    issued_at = models.DateTimeField("émise le")
    due_on = models.DateField("à payer au plus tard le")
    payer = models.CharField("destinataire", max_length=200)
    address = models.TextField("adresse")
    quotient = models.DecimalField("quotient familial", max_digits=9, decimal_places=2, null=True, blank=True)
    issuer = models.JSONField("émetteur", default=dict)
    total = models.DecimalField("total", max_digits=10, decimal_places=2)
    line_count = models.PositiveSmallIntegerField("nombre de lignes")

    objects = InvoiceManager()
    # Statements too.
    every = InvoiceQuerySet.as_manager()

    class Meta:
        verbose_name = "facture"
        ordering = ["-issued_at", "-sequence"]
        indexes = [models.Index(fields=["month", "series"], name="invoice_by_month")]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "year", "sequence"], name="one_invoice_a_number_in_series"
            ),
            models.UniqueConstraint(
                Coalesce("first_household", "household"),
                "run",
                condition=Q(run__isnull=False, regie__isnull=True),
                name="one_invoice_a_household_and_run",
                violation_error_message="Ce foyer a déjà sa facture dans cette facturation.",
            ),
            models.UniqueConstraint(
                Coalesce("first_household", "household"),
                "run",
                "regie",
                condition=Q(run__isnull=False, regie__isnull=False),
                name="one_invoice_a_household_run_and_regie",
                violation_error_message="Ce foyer a déjà sa facture de cette régie dans cette facturation.",
            ),
            models.CheckConstraint(
                condition=Q(total__gt=0) | Q(kind="carried"),
                name="invoice_total_positive",
                violation_error_message="Une facture est toujours d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"{'Relevé' if self.kind == self.Kind.CARRIED else 'Facture'} n°\xa0{self.number}"

    @property
    def month_name(self) -> str:
        return month_name(self.month)

    def state_on(self: Owing, today: date) -> InvoiceState:
        """Where it stands, of an invoice with its balance."""
        return state_of(self.total, self.left, self.pay_by, today, self.written_off)


InvoiceWithBalance: TypeAlias = "WithAnnotations[Invoice, Balance]"


class NewDueDate(models.Model):
    """Until when an invoice is to be paid that was settled and is due again; it itself does not change. The
    last row counts (`pay_by`). Written by `undoing.py` only, and as final as the invoice."""

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="new_due_dates", verbose_name="facture"
    )
    due_on = models.DateField("à payer au plus tard le")
    reason = models.CharField("motif", max_length=300)
    by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="par")
    at = models.DateTimeField("le")

    class Meta:
        verbose_name = "nouvelle échéance"
        verbose_name_plural = "nouvelles échéances"
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.invoice} : {self.due_on:%d/%m/%Y}"


class InvoicePdf(models.Model):
    """The document as it was printed first, with its checksum: never another one for the same invoice."""

    invoice = models.OneToOneField(
        Invoice, on_delete=models.PROTECT, related_name="pdf", verbose_name="facture"
    )
    file = models.FileField("fichier", storage=private_storage, upload_to="factures/%Y/%m", max_length=200)
    sha256 = models.CharField("empreinte", max_length=64)
    paid = models.DecimalField(
        "déjà payé à l'impression", max_digits=10, decimal_places=2, default=Decimal(0)
    )
    credited = models.DecimalField(
        "avoirs à l'impression", max_digits=10, decimal_places=2, default=Decimal(0), db_default=Decimal(0)
    )
    written_off = models.DecimalField(
        "abandons à l'impression", max_digits=10, decimal_places=2, default=Decimal(0), db_default=Decimal(0)
    )
    made_at = models.DateTimeField("imprimée le")

    class Meta:
        verbose_name = "facture imprimée"
        verbose_name_plural = "factures imprimées"

    def __str__(self) -> str:
        return f"{self.invoice} (PDF)"


class InvoiceLine(models.Model):
    """One line of an invoice: a child's presences at one price, an adjustment, or a line by hand."""

    class Kind(models.TextChoices):
        PRESENCE = "presence", "Présences"
        FLAT = "flat", "Forfait"
        QUANTITY = "quantity", "Prix selon le nombre"
        FREE = "free", "Non facturé"
        CREDIT = "credit", "Régularisation en votre faveur"
        DEBIT = "debit", "Régularisation"
        MANUAL = "manual", "Ligne ajoutée"
        CARRIED = "carried", "Report"
        FEE = "fee", "Frais annuels"
        MEAL = "meal", "Repas d'adulte"

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="lines", verbose_name="facture"
    )
    position = models.PositiveSmallIntegerField("rang")
    kind = models.CharField("nature", max_length=8, choices=Kind, default=Kind.PRESENCE)
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="enfant"
    )
    child_name = models.CharField("enfant", max_length=170, blank=True)
    formula = models.ForeignKey(
        Formula, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="formule"
    )
    activity_name = models.CharField("activité", max_length=120, blank=True)
    label = models.CharField("désignation", max_length=200)
    days = models.JSONField("jours", default=list, blank=True)
    quantity = models.DecimalField("quantité", max_digits=8, decimal_places=2)
    unit_price = models.DecimalField("prix unitaire", max_digits=9, decimal_places=2)
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    explanation = models.CharField("calcul", max_length=600, blank=True)
    vat_percent = models.DecimalField("TVA (%)", max_digits=4, decimal_places=2, default=Decimal(0))
    care_percent = models.DecimalField(
        "part de garde (%)", max_digits=5, decimal_places=2, default=Decimal(0)
    )
    # Those of the day it was issued; of lines of before, and where the town has none, nothing.
    analytic_code = models.CharField("code analytique", max_length=20, blank=True, default="", db_default="")
    account_code = models.CharField("compte", max_length=20, blank=True, default="", db_default="")
    carried = models.ForeignKey(
        Invoice,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="taken_over",
        verbose_name="reprise du relevé",
    )

    class Meta:
        verbose_name = "ligne de facture"
        verbose_name_plural = "lignes de facture"
        ordering = ["invoice", "position"]
        constraints = [models.UniqueConstraint(fields=["invoice", "position"], name="one_line_a_position")]

    def __str__(self) -> str:
        return self.label


class Counted(models.TextChoices):
    """As what a day was billed."""

    PRESENT = "present", "Présent"
    ABSENT = "absent", "Absent, non justifié"
    WAITING = "waiting", "Absent, jour de carence"
    FREE = "free", "Absent, non facturé"


class BilledItem(models.Model):
    """What a line bills: a booking, an unreserved presence, a month's flat price, a fee a year, or a meal of
    an adult. `flat` also names what the number of presences in a span changes (« q:… »,
    `invoices/quantities.py`), and what the tickets of a card pay (« q:card:… », `invoices/cards.py`): those
    of one name add up.

    `turn` 1 is its billing; it is taken back by a line of credit at the next turn, billed again at the one
    after; a day that cost nothing needs no taking back. Unique, so that nothing is billed twice. `counted`
    and `minutes` are what was known of the day.
    """

    line = models.ForeignKey(
        InvoiceLine, on_delete=models.PROTECT, related_name="items", verbose_name="ligne"
    )
    booking = models.ForeignKey(
        Booking, on_delete=models.PROTECT, null=True, related_name="billed", verbose_name="présence réservée"
    )
    attendance = models.ForeignKey(
        Attendance, on_delete=models.PROTECT, null=True, related_name="billed", verbose_name="pointage"
    )
    flat = models.CharField("forfait", max_length=60, blank=True)
    fee = models.ForeignKey(
        HouseholdFee,
        on_delete=models.PROTECT,
        null=True,
        related_name="billings",
        verbose_name="frais annuels",
    )
    meal = models.ForeignKey(
        DinerMeal,
        on_delete=models.PROTECT,
        null=True,
        related_name="billed",
        verbose_name="repas d'adulte",
    )
    turn = models.PositiveSmallIntegerField("tour", default=1)
    amount = models.DecimalField("montant", max_digits=9, decimal_places=2)
    counted = models.CharField("compté comme", max_length=8, choices=Counted, blank=True)
    minutes = models.PositiveSmallIntegerField("durée (minutes)", null=True, blank=True)

    class Meta:
        verbose_name = "élément facturé"
        verbose_name_plural = "éléments facturés"
        constraints = [
            models.UniqueConstraint(
                fields=["booking", "turn"],
                condition=Q(booking__isnull=False),
                name="booking_billed_once_a_turn",
            ),
            models.UniqueConstraint(
                fields=["attendance", "turn"],
                condition=Q(attendance__isnull=False),
                name="attendance_billed_once_a_turn",
            ),
            models.UniqueConstraint(
                fields=["flat", "turn"], condition=~Q(flat=""), name="flat_billed_once_a_turn"
            ),
            models.UniqueConstraint(
                fields=["fee", "turn"], condition=Q(fee__isnull=False), name="fee_billed_once_a_turn"
            ),
            models.UniqueConstraint(
                fields=["meal", "turn"], condition=Q(meal__isnull=False), name="meal_billed_once_a_turn"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} – {self.amount}"


class ManualCharge(models.Model):
    """A line that the town hall adds to a household's next invoice, with its reason. Negative: a discount."""

    household = models.ForeignKey(
        Household, on_delete=models.PROTECT, related_name="manual_charges", verbose_name="foyer"
    )
    child = models.ForeignKey(
        Child, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="enfant"
    )
    # None: the town's own.
    regie = models.ForeignKey(
        Regie, on_delete=models.PROTECT, null=True, blank=True, related_name="+", verbose_name="régie"
    )
    # The late evening that it bills, whose own module writes it.
    late = models.ForeignKey(
        "billing.LateCollection",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="charges",
        verbose_name="départ tardif",
    )
    # The day given up that it bills, whose own module writes it too.
    given_up = models.ForeignKey(
        "billing.GivenUpDay",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="charges",
        verbose_name="jour annulé",
    )
    # The card of tickets that it sells: written by its own module as well.
    card = models.ForeignKey(
        "billing.HouseholdCard",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="charges",
        verbose_name="carte de tickets",
    )
    label = models.CharField("désignation", max_length=200)
    quantity = models.DecimalField(
        "quantité",
        max_digits=8,
        decimal_places=2,
        default=Decimal(1),
        validators=[MinValueValidator(Decimal("0.01"), "La quantité est positive.")],
    )
    unit_price = models.DecimalField(
        "prix unitaire", max_digits=8, decimal_places=2, help_text="Négatif : une remise."
    )
    reason = models.CharField("motif (interne)", max_length=300)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="ajoutée par"
    )
    created_at = models.DateTimeField("ajoutée le", auto_now_add=True)
    line = models.OneToOneField(
        InvoiceLine,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="manual_charge",
        verbose_name="facturée par",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "ligne à facturer"
        verbose_name_plural = "lignes à facturer"
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.label

    @property
    def is_free(self) -> bool:
        """Whether the desk may still change it by hand."""
        return self.line_id is None and not (self.late_id or self.given_up_id or self.card_id)


class CreditNoteQuerySet(VisibleQuerySet["CreditNote"]):
    of_household = "invoice__household"


class CreditNote(Numbered):
    """What takes back an issued invoice, in whole or in part. As final as the invoice.

    What was paid of it is `freed` then: the family's again, for its next invoices or to be given back
    (`becomes`). Those of versions before 0.6.0 have no lines.
    """

    class Becomes(models.TextChoices):
        KEPT = "kept", "gardé pour la suite"
        REFUNDED = "refunded", "à rembourser"

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="credit_notes", verbose_name="facture"
    )
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    reason = models.CharField("motif", max_length=300)
    freed = models.DecimalField(
        "déjà payé, rendu disponible",
        max_digits=10,
        decimal_places=2,
        default=Decimal(0),
        db_default=Decimal(0),
    )
    becomes = models.CharField(
        "ce que devient l'argent", max_length=8, choices=Becomes, blank=True, default="", db_default=""
    )
    line_count = models.PositiveSmallIntegerField("nombre de lignes", default=0, db_default=0)
    issued_at = models.DateTimeField("émis le")
    issued_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="émis par"
    )

    objects = CreditNoteQuerySet.as_manager()

    class Meta:
        verbose_name = "avoir"
        ordering = ["-issued_at", "-sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "year", "sequence"], name="one_credit_note_a_number_in_series"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="credit_note_positive",
                violation_error_message="Un avoir est toujours d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"Avoir n°\xa0{self.number}"


class CreditNoteLine(models.Model):
    """One line of a credit note: what it takes back of an invoice's line, or (`line` None) an amount that
    is of no line. As final as the note."""

    note = models.ForeignKey(CreditNote, on_delete=models.PROTECT, related_name="lines", verbose_name="avoir")
    position = models.PositiveSmallIntegerField("rang")
    line = models.ForeignKey(
        InvoiceLine,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="credit_lines",
        verbose_name="ligne de facture",
    )
    label = models.CharField("désignation", max_length=200)
    days = models.JSONField("jours", default=list, blank=True)
    quantity = models.DecimalField("quantité", max_digits=8, decimal_places=2)
    unit_price = models.DecimalField("prix unitaire", max_digits=9, decimal_places=2)
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)

    class Meta:
        verbose_name = "ligne d'avoir"
        verbose_name_plural = "lignes d'avoirs"
        ordering = ["note", "position"]
        constraints = [
            models.UniqueConstraint(fields=["note", "position"], name="one_credit_line_a_position")
        ]

    def __str__(self) -> str:
        return self.label


class CreditedItem(models.Model):
    """A billed day, or flat price, that a credit note's line takes back: once, and for good. Whatever is
    entered, cancelled or recalculated of it afterwards, it costs nothing any more."""

    line = models.ForeignKey(
        CreditNoteLine, on_delete=models.PROTECT, related_name="items", verbose_name="ligne d'avoir"
    )
    item = models.OneToOneField(
        BilledItem, on_delete=models.PROTECT, related_name="credited", verbose_name="élément facturé"
    )

    class Meta:
        verbose_name = "élément crédité"
        verbose_name_plural = "éléments crédités"

    def __str__(self) -> str:
        return f"{self.line} : {self.item}"


class WriteOffQuerySet(VisibleQuerySet["WriteOff"]):
    of_household = "invoice__household"


class WriteOff(Numbered):
    """What the town hall no longer asks for of an issued invoice, though it was due: no receipt, and no
    credit note. As final as the invoice. Written by `writing_off.py` only.

    A statement that was too little to bill is dropped by one too (`DROPPED`): whole, and without a council's
    decision.
    """

    class Kind(models.TextChoices):
        UNCOLLECTABLE = "uncollectable", "Admission en non-valeur"
        REMISSION = "remission", "Remise gracieuse"
        EXTINGUISHED = "extinguished", "Créance éteinte"
        DROPPED = "dropped", "Reste abandonné"

    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="write_offs", verbose_name="facture"
    )
    kind = models.CharField("nature", max_length=13, choices=Kind)
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)
    reason = models.CharField("motif", max_length=300)
    decision = models.CharField(
        "décision", max_length=100, blank=True, help_text="La référence de la délibération."
    )
    decided_on = models.DateField("décidé le")
    issued_at = models.DateTimeField("noté le")
    issued_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="noté par"
    )

    objects = WriteOffQuerySet.as_manager()

    class Meta:
        verbose_name = "abandon de créance"
        verbose_name_plural = "abandons de créances"
        ordering = ["-issued_at", "-sequence"]
        constraints = [
            models.UniqueConstraint(
                fields=["series", "year", "sequence"], name="one_write_off_a_number_in_series"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="write_off_positive",
                violation_error_message="Un abandon de créance est d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} n°\xa0{self.number}"

    @property
    def told(self) -> bool:
        """Whether the family no longer owes it. What cannot be collected is still owed."""
        return self.kind != self.Kind.UNCOLLECTABLE


class StatementCredit(models.Model):
    """That a credit note has what a statement owed the family, which no invoice takes over any more. As final
    as the note. Written by `billing.payments.carried` only."""

    statement = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="credited_by", verbose_name="relevé reporté"
    )
    note = models.OneToOneField(
        CreditNote, on_delete=models.PROTECT, related_name="of_statement", verbose_name="avoir"
    )

    class Meta:
        verbose_name = "report rendu par avoir"
        verbose_name_plural = "reports rendus par avoir"

    def __str__(self) -> str:
        return f"{self.statement} : {self.note}"


class PaymentAllocation(models.Model):
    """The part of a payment that pays an invoice."""

    payment = models.ForeignKey(
        Payment, on_delete=models.PROTECT, related_name="allocations", verbose_name="règlement"
    )
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="allocations", verbose_name="facture"
    )
    amount = models.DecimalField("montant", max_digits=10, decimal_places=2)

    class Meta:
        verbose_name = "affectation"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["payment", "invoice"], name="one_allocation_a_payment_and_invoice"
            ),
            models.CheckConstraint(
                condition=Q(amount__gt=0),
                name="allocation_positive",
                violation_error_message="Une affectation est d'un montant positif.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payment} → {self.invoice}"
