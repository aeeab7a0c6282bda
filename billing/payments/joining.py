"""Two households become one: their invoices, payments, mandates and what is still to be billed.

Billing's part of `families.joining`. No document changes a character: an invoice keeps its number, payer,
address, lines, PDF and checksum, a payment its number and amount; both are only found under the household
that is kept (`JoinedAccount`, see `immutable.py`). What both have left to pay is the same sum as before.
"""

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.invoices import fees, refunds
from billing.invoices.billable import BY_QUANTITY, UNCREDITED
from billing.invoices.flats import Flat
from billing.models import (
    ONLINE_OPEN,
    BilledItem,
    Invoice,
    InvoiceLine,
    JoinedAccount,
    LateCollection,
    Mandate,
    ManualCharge,
    OnlinePayment,
    Payment,
    RecalculatedHousehold,
    ReminderLetter,
)
from billing.payments import paying
from families.joining import parting
from families.joining.fates import Joins
from families.joining.joining import EMPTIED, KEPT, Choice, Foreseen, Joining, Part, in_words
from families.joining.parting import Parting
from families.models import Household, User
from portal.french.amounts import euros
from portal.french.spelling import folded

KEYS = {
    # Found elsewhere by `JoinedAccount` only; whom the run billed stays said.
    "billing.Invoice.household": Joins.RULED,
    "billing.Invoice.first_household": Joins.STAYS,
    # A line says of which row it was made; a child typed twice leads to the other.
    "billing.InvoiceLine.child": Joins.STAYS,
    "billing.Payment.household": Joins.MOVES,
    "billing.AccountEntry.household": Joins.MOVES,
    "billing.OpeningBalance.household": Joins.MOVES,
    # Whom a run was asked to leave out.
    "billing.BillingRun_left_out.household": Joins.STAYS,
    "billing.JoinedAccount.emptied": Joins.STAYS,
    "billing.JoinedAccount.kept": Joins.STAYS,
    "billing.ManualCharge.household": Joins.MOVES,
    "billing.ArrearsDecision.household": Joins.MOVES,
    "billing.ManualCharge.child": Joins.MOVES,
    "billing.LateCollection.household": Joins.MOVES,
    "billing.LateCollection.child": Joins.RULED,
    "billing.HouseholdCard.household": Joins.MOVES,
    "billing.GivenUpDay.household": Joins.RULED,
    "billing.GivenUpDay.child": Joins.RULED,
    # Of two for the same year one is too many, and given back.
    "billing.HouseholdFee.household": Joins.RULED,
    "billing.HouseholdFee.child": Joins.RULED,
    "billing.Diner.household": Joins.MOVES,
    "billing.ChildStatus.child": Joins.MOVES,
    "billing.OnlinePayment.household": Joins.MOVES,
    "billing.Mandate.household": Joins.RULED,
    "billing.ReminderLetter.household": Joins.RULED,
    "billing.Recalculation.household": Joins.MOVES,
    "billing.RecalculatedHousehold.household": Joins.RULED,
}
SECTION = "Factures et règlements"
ZERO = Decimal(0)


def left_of(household: Household) -> Decimal:
    """What a household has left to pay on its invoices, in euros."""
    rows = Invoice.objects.filter(household=household).with_balance()
    return sum((row.left for row in rows), ZERO)


def _foresee(joining: Joining, at: datetime, found: Foreseen) -> None:
    kept, emptied = joining.kept, joining.emptied
    ours, theirs = left_of(kept), left_of(emptied)
    if ours or theirs:
        found.say(
            SECTION,
            f"Reste à payer : {euros(ours)} au foyer n°\xa0{kept.number}, {euros(theirs)} au foyer n°\xa0"
            f"{emptied.number} ; ensemble {euros(ours + theirs)}, comme avant.",
        )
    if (over := paying.unused_of([emptied.pk])) > 0:
        found.say(SECTION, f"{euros(over)} payés d'avance suivent.")
    elif over < 0:
        found.say(SECTION, f"{euros(-over)} repris en trop par la banque suivent.")
    invoices = Invoice.objects.filter(household=emptied).count()
    payments = Payment.objects.filter(household=emptied).count()
    online = OnlinePayment.objects.filter(household=emptied, state__in=ONLINE_OPEN).count()
    charges = ManualCharge.objects.filter(household=emptied, line=None).count()
    found.say(
        SECTION,
        in_words(
            invoices,
            "facture suit, sans changer d'un signe : numéro, destinataire, montants, PDF",
            "factures suivent, sans changer d'un signe : numéro, destinataire, montants, PDF",
        ),
        in_words(payments, "règlement suit", "règlements suivent"),
        in_words(
            online,
            "paiement en ligne attend la banque : sa réponse sera pour le foyer gardé",
            "paiements en ligne attendent la banque : sa réponse sera pour le foyer gardé",
        ),
        in_words(charges, "ligne à facturer suit", "lignes à facturer suivent"),
    )
    _say_mandates(joining, found)
    for item in _flats_billed_twice(joining):
        found.say(
            SECTION,
            f"{item.line.label}, {item.line.child_name}, {item.line.invoice.month_name} : ce forfait a été "
            f"facturé deux fois, la prochaine facture rend {euros(item.amount)}.",
        )
    confirmed = RecalculatedHousehold.objects.filter(
        household=emptied, state=RecalculatedHousehold.State.CONFIRMED
    )
    for row in confirmed.select_related("recalculation"):
        found.obstacles.append(
            f"« {row.recalculation} » attend la prochaine facture : facturez d'abord ce foyer."
        )


def _flats_billed_twice(joining: Joining) -> list[BilledItem]:
    """Of children typed twice, the flat prices of the double that the child's own file paid for too. Their
    days end with the double's bookings, which gives nothing back: a flat price stays due. One query."""
    children = joining.children
    if not children:
        return []
    items = (
        BilledItem.objects.filter(
            UNCREDITED,
            flat__gt="",
            line__child__in={*children, *children.values()},
            line__invoice__household__in=joining.homes,
        )
        .exclude(flat__startswith=BY_QUANTITY)
        .select_related("line__invoice")
    )
    last = {item.flat: item for item in items.order_by("turn", "pk")}
    paid: dict[Flat, list[BilledItem]] = defaultdict(list)
    for item in last.values():
        if item.line.kind != InvoiceLine.Kind.CREDIT and item.amount > 0:
            flat = Flat.read(item.flat, joining.kept.pk)
            paid[flat._replace(child=children.get(flat.child, flat.child))].append(item)
    return [
        item
        for same in paid.values()
        if any(one.line.child_id not in children for one in same)
        for item in same
        if item.line.child_id in children
    ]


def _give_flats_back(joining: Joining, by: User) -> None:
    for item in _flats_billed_twice(joining):
        label = f"{item.line.label} : facturé deux fois, facture {item.line.invoice.number}"
        ManualCharge.objects.create(
            household=joining.kept,
            regie_id=item.line.invoice.regie_id,
            child_id=joining.children[item.line.child_id or 0],
            label=label[: ManualCharge._meta.get_field("label").max_length],
            unit_price=-item.amount,
            reason=f"Réunion avec le foyer n°\xa0{joining.emptied.number}",
            created_by=by,
        )


def _live_mandates(joining: Joining) -> list[tuple[str, dict[int, Mandate]]]:
    """Of each régie (its code; empty: the town's own) those of either household: a creditor has its own."""
    found: dict[str, dict[int, Mandate]] = defaultdict(dict)
    rows = Mandate.objects.filter(household__in=joining.homes, revoked_on=None)
    for row in rows.select_related("regie"):
        found[row.regie.code if row.regie else ""][row.household_id] = row
    return sorted(found.items())


def _mandate_choice(joining: Joining, code: str, live: dict[int, Mandate]) -> Choice | None:
    if len(live) < 2:
        return None
    options = tuple(
        (name, f"{live[home.pk].rum}, compte de {live[home.pk].debtor} ({live[home.pk].account})")
        for name, home in ((KEPT, joining.kept), (EMPTIED, joining.emptied))
    )
    regie = live[joining.kept.pk].regie
    return Choice(
        f"mandat-{code.lower()}" if code else "mandat",
        f"Deux mandats de prélèvement sont en cours{f' ({regie})' if regie else ''} : lequel reste ?",
        options,
        KEPT,
        "L'autre est révoqué aujourd'hui ; ce qui est déjà prélevé n'est pas touché.",
    )


def _say_mandates(joining: Joining, found: Foreseen) -> None:
    for code, live in _live_mandates(joining):
        choice = _mandate_choice(joining, code, live)
        if choice is not None:
            found.choices.append(choice)
            goes = joining.emptied if joining.answer(choice) == KEPT else joining.kept
            found.say(SECTION, f"Le mandat {live[goes.pk].rum} est révoqué.")
        elif joining.emptied.pk in live:
            found.say(SECTION, f"Le mandat {live[joining.emptied.pk].rum} suit.")


def _join(joining: Joining, by: User, at: datetime) -> None:
    kept, emptied = joining.kept, joining.emptied
    _give_flats_back(joining, by)
    fees.join(kept.pk, emptied.pk, joining.children)
    JoinedAccount.objects.create(emptied=emptied, kept=kept, at=at)
    Invoice.every.filter(household=emptied).update(
        first_household=Coalesce("first_household", "household"), household=kept
    )
    _join_mandates(joining, at)
    _join_evenings(joining)
    refunds.join(kept.pk, emptied.pk, joining.children)
    # Of one reminding both may have a letter, printed once and for all under its household.
    printed = ReminderLetter.objects.filter(household=kept).values("sent_at")
    ReminderLetter.objects.filter(household=emptied).exclude(sent_at__in=printed).update(household=kept)
    recalculated = RecalculatedHousehold.objects.filter(household=emptied)
    open_states = (RecalculatedHousehold.State.PROPOSED, RecalculatedHousehold.State.CHANGED)
    recalculated.filter(state__in=open_states).update(state=RecalculatedHousehold.State.REPLACED)
    known = RecalculatedHousehold.objects.filter(household=kept).values("recalculation")
    recalculated.exclude(recalculation__in=known).update(household=kept)


def _join_evenings(joining: Joining) -> None:
    """Late evenings of children typed twice are the one child's; what was noted twice stays once."""
    for row in LateCollection.objects.filter(child__in=joining.children).order_by("pk"):
        child = joining.children[row.child_id]
        same = LateCollection.objects.filter(child=child, activity=row.activity_id, day=row.day)
        if same.exists():
            ManualCharge.objects.filter(late=row).update(late=None)
            row.delete()
        else:
            row.child_id = child
            row.save()


def _join_mandates(joining: Joining, at: datetime) -> None:
    for code, live in _live_mandates(joining):
        choice = _mandate_choice(joining, code, live)
        if choice is not None:
            goes = joining.emptied if joining.answer(choice) == KEPT else joining.kept
            over = live[goes.pk]
            over.revoked_on = max(timezone.localdate(at), over.signed_on)
            over.save()
    for mandate in Mandate.objects.filter(household=joining.emptied):
        mandate.household = joining.kept
        mandate.save()


PART = Part(_foresee, _join)


# An adult leaves ------------------------------------------------------------------------------------------


def _parting_choices(parted: Parting) -> list[tuple[Choice, Mandate]]:
    """Whose account it is that a mandate debits is for somebody to say; proposed by its holder's name."""
    live = Mandate.objects.filter(household=parted.household, revoked_on=None)
    return [_parting_choice(parted, one) for one in live.select_related("regie").order_by("pk")]


def _parting_choice(parted: Parting, live: Mandate) -> tuple[Choice, Mandate]:
    holder = set(folded(live.debtor).split())
    leaves = any(set(folded(f"{one.first_name} {one.last_name}").split()) <= holder for one in parted.adults)
    choice = Choice(
        f"mandat-{live.regie.code.lower()}" if live.regie else "mandat",
        f"Le mandat {live.rum} débite le compte de {live.debtor} ({live.account}).",
        ((KEPT, "Il reste à ce foyer"), (EMPTIED, "Il suit qui part")),
        EMPTIED if leaves else KEPT,
        "Proposé d'après le titulaire du compte.",
    )
    return choice, live


def _foresee_parting(parted: Parting, at: datetime, found: Foreseen) -> None:
    left = left_of(parted.household)
    if left:
        found.say(parting.MONEY, f"{euros(left)} à payer, au foyer n°\xa0{parted.household.number}.")
    if (over := paying.unused_of([parted.household.pk])) > 0:
        found.say(parting.MONEY, f"{euros(over)} payés d'avance, au foyer n°\xa0{parted.household.number}.")
    for choice, mandate in _parting_choices(parted):
        found.choices.append(choice)
        if parted.answer(choice) == KEPT:
            found.say(parting.MONEY, f"Le mandat {mandate.rum}.")
            continue
        found.say(parting.HOME, f"Le mandat {mandate.rum} suit, pour les factures à venir du nouveau foyer.")
        same = Mandate.objects.filter(household=parted.other, regie=mandate.regie_id, revoked_on=None)
        if same.exists():
            found.obstacles.append(
                "L'autre foyer a déjà un mandat en cours : gardez celui-ci, ou révoquez-le d'abord."
            )


def _part(parted: Parting, home: Household, at: datetime) -> None:
    for choice, mandate in _parting_choices(parted):
        if parted.answer(choice) == EMPTIED:
            mandate.household = home
            mandate.save()


PARTING = parting.Part(_foresee_parting, _part)
