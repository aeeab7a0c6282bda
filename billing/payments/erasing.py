"""What billing does when a household or a child is erased: next to nothing, for its documents are vouchers.

Issued documents, payments and their files stay as they are until ten years after their year (`former.py`).
What is still open stands in the way: a debt until it is paid (RGPD, article 17-3), the family's own money
until it has it back.
"""

from datetime import date, datetime
from decimal import Decimal

from django.db.models import Case, Value, When
from django.utils import timezone

from billing.invoices import drafting
from billing.invoices.billable import Billable, Scope
from billing.models import (
    ArrearsDecision,
    BillingSettings,
    ChildStatus,
    CreditNote,
    Diner,
    DinerMeal,
    GivenUpDay,
    HouseholdCard,
    HouseholdFee,
    Invoice,
    JoinedAccount,
    LateCollection,
    Mandate,
    ManualCharge,
    OnlinePayment,
    PackedMeal,
    Payment,
    PaymentState,
    RecalculatedHousehold,
    Recalculation,
    ReminderLetter,
    TransferRefund,
    WriteOff,
)
from billing.models.online import ONLINE_OPEN
from billing.payments import paying
from families.models import Household, User
from families.privacy import histories
from families.privacy.erasing import Foreseen, Leaving, Line, Part
from families.privacy.holdings import Fate
from portal.french.amounts import euros
from portal.reservations.models import Enrolment

# A reason may name somebody; that there was one stays.
ERASED_REASON = "effacé"
HOLDINGS = {
    "billing.Invoice": Fate.LAW,
    "billing.InvoiceLine": Fate.LAW,
    "billing.InvoicePdf": Fate.LAW,
    "billing.BilledItem": Fate.LAW,
    "billing.InstalmentPlan": Fate.LAW,
    "billing.Instalment": Fate.LAW,
    "billing.CreditNote": Fate.LAW,
    "billing.CreditNoteLine": Fate.LAW,
    "billing.CreditedItem": Fate.LAW,
    "billing.StatementCredit": Fate.LAW,
    "billing.WriteOff": Fate.LAW,
    "billing.Payment": Fate.LAW,
    "billing.AccountEntry": Fate.LAW,
    "billing.OpeningBalance": Fate.LAW,
    "billing.PaymentAllocation": Fate.LAW,
    "billing.JoinedAccount": Fate.LAW,
    "billing.OnlinePayment": Fate.LAW,
    "billing.OnlinePaymentInvoice": Fate.LAW,
    "billing.OnlineRefund": Fate.LAW,
    "billing.PaymentEvent": Fate.LAW,
    "billing.InvoiceNotice": Fate.LAW,
    "billing.ReminderLetter": Fate.LAW,
    "billing.Debit": Fate.LAW,
    "billing.DebitFile": Fate.LAW,
    "billing.NewDueDate": Fate.LAW,
    "billing.Reallocation": Fate.LAW,
    "billing.TransferRefund": Fate.LAW,
    "billing.TransferFile": Fate.LAW,
    "billing.Mandate": Fate.BLANK,
    "billing.ManualCharge": Fate.BLANK,
    "billing.LateCollection": Fate.GONE,
    "billing.GivenUpDay": Fate.GONE,
    "billing.HouseholdCard": Fate.GONE,
    "billing.HouseholdFee": Fate.BLANK,
    "billing.Diner": Fate.BLANK,
    # A day and a place; of whom is blank.
    "billing.DinerMeal": Fate.BLANK,
    "billing.PackedMeal": Fate.GONE,
    "billing.ArrearsDecision": Fate.GONE,
    "billing.ArrearsDecision_activities": Fate.GONE,
    "billing.ArrearsDecision_invoices": Fate.GONE,
    "billing.ChildStatus": Fate.GONE,
    "billing.Recalculation": Fate.GONE,
    "billing.RecalculatedHousehold": Fate.GONE,
    # A number, a date, an amount, a hash.
    "billing.FormerDocument": Fate.LAW,
    "billing.BookClosing": Fate.STAFF,
    # Who paid and by which cheque, as long as the payment stays (`former.py`).
    "billing.DepositLine": Fate.LAW,
    "billing.DepositSlip": Fate.STAFF,
    "billing.DepositCancellation": Fate.STAFF,
    "billing.CashCount": Fate.STAFF,
    "billing.BillingRun": Fate.STAFF,
    "billing.BillingRun_activities": Fate.STAFF,
    "billing.BillingRun_establishments": Fate.STAFF,
    "billing.BillingRun_left_out": Fate.LAW,
}
AT_THE_BANK = (TransferRefund.State.WAITING, TransferRefund.State.IN_FILE)
TEN_YEARS = "pièces comptables, dix ans après la fin de l'année"


def _foresee(leaving: Leaving, at: datetime, found: Foreseen) -> None:
    homes = leaving.homes
    today = timezone.localtime(at).date()
    found.obstacles += _to_bill(leaving, homes, today)
    if leaving.household is None:
        return
    found.obstacles += _open_money(homes)
    found.obstacles += _still_eats(homes, today)
    invoices = Invoice.objects.filter(household__in=homes)
    found.kept += [
        Line(invoices.count(), "factures et leurs PDF", TEN_YEARS),
        Line(CreditNote.objects.filter(invoice__household__in=homes).count(), "avoirs", TEN_YEARS),
        Line(
            WriteOff.objects.filter(invoice__household__in=homes).count(), "abandons de créances", TEN_YEARS
        ),
        Line(Payment.objects.filter(household__in=homes).count(), "règlements", TEN_YEARS),
        Line(ReminderLetter.objects.filter(household__in=homes).count(), "lettres de relance", TEN_YEARS),
        Line(
            Mandate.objects.filter(household__in=homes, debits__isnull=False).distinct().count(),
            "mandats de prélèvement, révoqués",
            "le temps où un prélèvement se conteste",
        ),
    ]
    charges = ManualCharge.objects.filter(household__in=homes, line=None)
    found.gone += [
        Line(charges.count(), "lignes à facturer"),
        Line(HouseholdFee.objects.filter(household__in=homes, billings=None).count(), "frais annuels"),
        Line(
            DinerMeal.objects.filter(diner__household__in=homes, billed=None).count(),
            "repas d'adulte jamais facturés",
        ),
        Line(RecalculatedHousehold.objects.filter(household__in=homes).count(), "mois recalculés"),
        Line(ArrearsDecision.objects.filter(household__in=homes).count(), "décisions d'impayés"),
        Line(
            Mandate.objects.filter(household__in=homes, debits=None).count(),
            "mandats de prélèvement jamais utilisés",
        ),
    ]


def _to_bill(leaving: Leaving, homes: list[int], today: date) -> list[str]:
    """What was lived and not billed yet; what is too little for an invoice is nobody's obstacle."""
    settings = BillingSettings.current()
    scope = Scope(today.replace(day=1))
    unbilled = Billable(scope, settings, households=homes)
    past = unbilled.unbilled_bookings().filter(day__lt=today)
    unreserved = unbilled.unbilled_attendance()
    if leaving.household is None:
        past, unreserved = (
            past.filter(child__in=leaving.children),
            unreserved.filter(child__in=leaving.children),
        )
    charges = leaving.household is not None and unbilled.charges().exists()
    meals = DinerMeal.objects.filter(
        diner__household__in=homes, day__lt=today, state=DinerMeal.State.BOOKED, billed=None
    )
    of_adult = leaving.household is not None and meals.exists()
    if not (past.exists() or unreserved.exists() or charges or of_adult):
        return []
    drafts, _ = drafting.drafts(homes, scope, settings)
    total = sum((draft.total for draft in drafts if not settings.carries(draft.total)), Decimal(0))
    return [f"Il reste à facturer, pour {euros(total)} environ."] if total > 0 else []


def _still_eats(homes: list[int], today: date) -> list[str]:
    """An account without a child is not one that everybody left."""
    here = Diner.objects.filter(household__in=homes).exclude(ends_on__lt=today)
    return [f"{one} mange encore à la cantine : indiquez d'abord son dernier jour." for one in here]


def _open_money(homes: list[int]) -> list[str]:
    said = []
    due = Invoice.objects.filter(household__in=homes).with_balance().filter(left__gt=Decimal(0))
    if left := sum((invoice.left for invoice in due), Decimal(0)):
        said.append(f"Il reste {euros(left)} à payer : l'effacement attend que ce soit réglé.")
    waiting = Invoice.every.waiting().filter(household__in=homes)
    if (owed := sum((one.total for one in waiting), Decimal(0))) < 0:
        said.append(f"La mairie doit {euros(-owed)} à la famille : remboursez-la d'abord.")
    if OnlinePayment.objects.filter(household__in=homes, state__in=ONLINE_OPEN).exists():
        said.append("Un paiement en ligne attend la réponse de la banque.")
    payments = Payment.objects.filter(household__in=homes)
    if payments.filter(state=PaymentState.PENDING).exists():
        said.append("Un règlement attend la validation de la banque.")
    if TransferRefund.objects.filter(payment__household__in=homes, state__in=AT_THE_BANK).exists():
        said.append("Un remboursement par virement n'est pas terminé.")
    if (over := paying.unused_of(homes)) > 0:
        said.append(f"La famille a {euros(over)} d'avance : remboursez-la d'abord.")
    return said


def _erase(leaving: Leaving, by: User | None, at: datetime) -> None:
    meals = PackedMeal.objects.filter(enrolment__in=Enrolment.objects.filter(leaving.concerned))
    keys = list(meals.values_list("pk", flat=True))
    meals.delete()
    histories.forget(PackedMeal, keys)
    evenings = LateCollection.objects.filter(leaving.concerned)
    keys = list(evenings.values_list("pk", flat=True))
    ManualCharge.objects.filter(late__in=keys).update(late=None)
    evenings.delete()
    histories.forget(LateCollection, keys)
    given_up = GivenUpDay.objects.filter(leaving.concerned)
    keys = list(given_up.values_list("pk", flat=True))
    ManualCharge.objects.filter(given_up__in=keys).update(given_up=None)
    given_up.delete()
    histories.forget(GivenUpDay, keys)
    statuses = ChildStatus.objects.filter(child__in=leaving.children)
    keys = list(statuses.values_list("pk", flat=True))
    statuses.delete()
    histories.forget(ChildStatus, keys)
    if leaving.household is None:
        return
    home = leaving.household
    charges = ManualCharge.objects.filter(household=home)
    keys = list(charges.values_list("pk", flat=True))
    charges.filter(line=None).delete()
    charges.update(reason="", card=None)
    histories.forget(ManualCharge, keys)
    cards = HouseholdCard.objects.filter(household=home)
    keys = list(cards.values_list("pk", flat=True))
    cards.delete()
    histories.forget(HouseholdCard, keys)
    asked = HouseholdFee.objects.filter(household=home)
    asked.filter(billings=None).delete()
    asked.update(waived_reason=Case(When(waived_at=None, then=Value("")), default=Value(ERASED_REASON)))
    _erase_diners(home)
    decisions = ArrearsDecision.objects.filter(household=home)
    keys = list(decisions.values_list("pk", flat=True))
    decisions.delete()
    histories.forget(ArrearsDecision, keys)
    RecalculatedHousehold.objects.filter(household=home).delete()
    Recalculation.objects.filter(household=home).delete()
    mandates = Mandate.objects.filter(household=home)
    unused = list(mandates.filter(debits=None).values_list("pk", flat=True))
    mandates.filter(pk__in=unused).delete()
    histories.forget(Mandate, unused)
    mandates.filter(revoked_on=None).update(revoked_on=timezone.localtime(at).date())


def _erase_diners(home: Household) -> None:
    """Meals that no invoice names go; an adult of billed ones has no name and no diet any more."""
    diners = Diner.objects.filter(household=home)
    keys = list(diners.values_list("pk", flat=True))
    DinerMeal.objects.filter(diner__in=keys, billed=None).delete()
    diners.filter(meals=None).delete()
    diners.update(first_name="", last_name=ERASED_REASON, diet=None)
    histories.forget(Diner, keys)


def _tidy() -> None:
    """Mandates of the erased that no debit names any more, and that accounts were joined where no document
    says which of them it was issued to."""
    issued = Invoice.every.filter(first_household__isnull=False).values("first_household")
    JoinedAccount.objects.filter(emptied__erased_at__isnull=False).exclude(emptied__in=issued).delete()
    unused = Mandate.objects.filter(household__erased_at__isnull=False, debits=None)
    keys = list(unused.values_list("pk", flat=True))
    Mandate.objects.filter(pk__in=keys).delete()
    histories.forget(Mandate, keys)


PART = Part(_foresee, _erase, _tidy)
