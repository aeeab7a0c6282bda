"""What billing knows of a household on its screen at the desk: its balance, what is overdue, what came."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse

from billing.documents import accounts
from billing.invoices import cards, ledger, regies
from billing.models import Invoice, InvoiceWithBalance, Payment, cards_are_sold, state_of
from billing.models.means import label as means_label
from billing.models.payments import PaymentKind
from billing.reminders import arrears
from families import desk_actions, household_screen
from families.admin.screen_blocks import WayOn
from families.household_screen import Block, Screen, Tab
from families.models import Household
from portal.database.composed import Composed, Given
from portal.desk.lists import badge
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.plurals import counted

MONEY = ("billing.view_payment",)
INVOICES = ("billing.view_invoice",)
CARDS = ("billing.view_householdcard",)
ROWS_SHOWN = 24
TINTS = {
    "due": "requested",
    "partly": "requested",
    "overdue": "refused",
    "paid": "accepted",
    "closed": "none",
}


DONE = {
    PaymentKind.PAYMENT: "Payé",
    PaymentKind.TRANSFER: "Transféré",
    PaymentKind.REFUND: "Remboursé",
    PaymentKind.BACK: "Remboursement revenu :",
    PaymentKind.REVERSAL: "Paiement annulé :",
}


def _balance(screen: Screen) -> Mapping[str, Any]:
    """« 125,60 € à payer »; what is overdue, and until when the next is to be paid; the last payment."""
    home = screen.household
    found = {regie: sum_ for (_, regie), sum_ in ledger.balances_by_regie([home.pk]).items()}
    names = regies.named(found)
    total = sum(found.values(), Decimal("0.00"))
    unpaid = _unpaid(home=home.pk)
    overdue = [one for one in unpaid if one.pay_by < screen.today]
    paid = next(iter(_last_paid(home=home.pk)), None)
    account = reverse("admin:billing_payment_account", args=[home.pk])
    return {
        "amount": euros(abs(total)),
        "said": "à payer" if total > 0 else "dus à la famille" if total < 0 else "à jour",
        "is_owed": total > 0,
        "is_overdue": bool(overdue),
        "overdue": _overdue(overdue),
        "next": _next(unpaid, screen),
        "unpaid": [(_invoice_page(one), one.number, euros(one.left)) for one in unpaid[:3]],
        "more": max(0, len(unpaid) - 3),
        "by_regie": accounts.standings({names[key]: amount for key, amount in found.items()}, desk=True)
        if names
        else [],
        "paid": _last(paid) if paid else "",
        "decided": [f"Décision d'impayés : {one.what}." for one in arrears.of_home(home, screen.today)],
        "way_on": WayOn("Le compte", account, "de la famille"),
    }


@Composed
def _unpaid() -> "QuerySet[InvoiceWithBalance]":
    mine = Invoice.objects.with_balance().filter(household=Given("home"))
    return mine.filter(left__gt=Decimal(0)).order_by("pay_by", "pk")


@Composed
def _last_paid() -> "QuerySet[Payment]":
    return Payment.objects.validated().filter(household=Given("home")).order_by("-paid_on", "-pk")[:1]


def _last(payment: Payment) -> str:
    """« Payé 41,25 € le 30 novembre », « Remboursé 41,25 € le 30 novembre »."""
    return f"{DONE[PaymentKind(payment.kind)]} {euros(abs(payment.amount))} le {short_day(payment.paid_on)}"


def _overdue(invoices: list[InvoiceWithBalance]) -> str:
    if not invoices:
        return ""
    left = sum((one.left for one in invoices), Decimal("0.00"))
    since = short_day(invoices[0].pay_by, year=True)
    return f"{euros(left)} en retard, {counted(len(invoices), 'facture', 'factures')}, depuis le {since}"


def _next(invoices: list[InvoiceWithBalance], screen: Screen) -> str:
    coming = next((one for one in invoices if one.pay_by >= screen.today), None)
    return f"avant le {short_day(coming.pay_by, year=True)}" if coming else ""


def _tint(told: Mapping[str, Any]) -> str:
    return "due" if told["is_overdue"] else "owed" if told["is_owed"] else ""


def _invoice_page(invoice: Invoice) -> str:
    return reverse("admin:billing_invoice_change", args=[invoice.pk])


def _invoices(screen: Screen) -> Mapping[str, Any]:
    rows = Invoice.objects.with_balance().filter(household=screen.household).order_by("-month", "-pk")
    page = reverse("admin:billing_invoice_changelist")
    return {
        "rows": [
            (
                _invoice_page(one),
                one.number,
                one.month_name,
                euros(one.total),
                euros(one.left),
                short_day(one.pay_by, year=True),
                _state(one, screen),
            )
            for one in rows[:ROWS_SHOWN]
        ],
        "way_on": WayOn("Toutes les factures", f"{page}?q={screen.household.number}", "du foyer"),
    }


def _state(invoice: InvoiceWithBalance, screen: Screen) -> Any:
    state = state_of(invoice.total, invoice.left, invoice.pay_by, screen.today, invoice.written_off)
    return badge(TINTS[state.value], state.label)


def _payments(screen: Screen) -> Mapping[str, Any]:
    rows = Payment.objects.filter(household=screen.household).order_by("-paid_on", "-pk")
    page = reverse("admin:billing_payment_changelist")
    return {
        "rows": [
            (
                reverse("admin:billing_payment_change", args=[one.pk]),
                one.number,
                short_day(one.paid_on, year=True),
                one.get_kind_display(),
                means_label(one.means),
                euros(one.amount),
                one.get_state_display(),
            )
            for one in rows[:ROWS_SHOWN]
        ],
        "way_on": WayOn("Tous les paiements", f"{page}?q={screen.household.number}", "du foyer"),
    }


def _cards(screen: Screen) -> Mapping[str, Any] | None:
    """What is left of each card; nothing where the town sells none."""
    if not cards_are_sold():
        return None
    sell = reverse("admin:billing_householdcard_add") if screen.holds(cards.RIGHT) else ""
    return {
        "rows": [
            (
                reverse("admin:billing_householdcard_change", args=[one.row.pk]),
                str(one.row),
                f"{one.left} sur {one.row.tickets}",
                short_day(one.row.last_day, year=True),
            )
            for one in cards.left(screen.household.pk)
        ],
        "sell": f"{sell}?household={screen.household.pk}" if sell else "",
    }


def _page(name: str) -> Any:
    def address(user: Any, household: Household) -> str:
        return reverse(f"admin:{name}", args=[household.pk])

    return address


def _of(name: str) -> str:
    """The template of a block."""
    return f"admin/billing/screen/{name}.html"


def register_all() -> None:
    """Once the desk is ready."""
    take, bill = _page("billing_payment_take_from"), _page("billing_billingrun_bill_one")
    desk_actions.for_household("encaisser", "Encaisser", ("billing.add_payment",), take, order=10, main=True)
    desk_actions.for_household("facturer", "Facturer maintenant", ("billing.add_billingrun",), bill, order=80)
    for code, block in {
        "solde": Block("Solde", MONEY, _of("balance"), _balance, order=10, size=2, tint=_tint),
        "le-solde": Block("Solde", MONEY, _of("balance"), _balance, Tab.MONEY, 10, tint=_tint),
        "factures": Block("Factures", INVOICES, _of("invoices"), _invoices, Tab.MONEY, 20),
        "paiements": Block("Paiements", MONEY, _of("payments"), _payments, Tab.MONEY, 30),
        "cartes": Block("Cartes de tickets", CARDS, _of("cards"), _cards, Tab.MONEY, 40),
    }.items():
        household_screen.register(code, block)


register_all()
