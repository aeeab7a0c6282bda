"""A payment put right at the desk: reversed, moved to another household, paying other invoices, used at once,
given back by transfer. Each page shows first what it does."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from billing.admin.cash_desk import say_closed
from billing.admin.fields import AmountField, proposed
from billing.admin.once import OnceForm
from billing.admin.whose import HouseholdForm
from billing.models import (
    Debit,
    Invoice,
    Payment,
    PaymentKind,
    UndoneBecause,
)
from billing.payments import paying, transfers, under_way, undoing
from families.desk_links import guardian_names, household_link
from families.models import Household
from families.signing_in.asking_again import ask_again
from portal.desk.pages import OwnPages
from portal.french.amounts import euros
from portal.french.dates import short_day
from portal.french.day_fields import NearDateField
from portal.french.official_numbers import BicField, IbanField
from portal.web.signed_in import SignedInRequest

PERMISSION = "billing.change_payment"
USE = "Utiliser pour les factures dues"
# What is possible, its page, and its words. What may be given back by transfer may be in cash.
ACTS = (
    ("transfer", "refund", "Rembourser"),
    ("transfer", "transfer", "Rembourser par virement"),
    ("reverse", "reverse", "Annuler ce règlement"),
    ("move", "move", "Transférer à un autre foyer"),
    ("reallocate", "reallocate", "Réaffecter"),
    ("undo", "undo_refund", "Annuler ce remboursement"),
)
# The return of a debit has a page of its own, where the bank's code is typed.
BECAUSE = [choice for choice in UndoneBecause.choices if choice[0] != UndoneBecause.RETURNED]


class WhyForm(OnceForm):
    """Why, and until when what is due again is to be paid."""

    reason = forms.CharField(
        label="Motif", max_length=300, help_text="Pour vos collègues : la famille ne le lit pas."
    )
    due_on = NearDateField(
        label="Nouvelle échéance", help_text="Pour ce qui est de nouveau à payer. Aucune date n'est avancée."
    )


class ReverseForm(WhyForm):
    because = forms.ChoiceField(label="Ce qui s'est passé", choices=BECAUSE)
    on = NearDateField(
        label="Annulé le",
        required=False,
        help_text="Vide : aujourd'hui pour un rejet, la date du règlement pour une erreur de saisie.",
    )
    instead = AmountField(
        label="Montant juste",
        required=False,
        help_text="Enregistre en même temps le règlement avec ce montant : 12,80 au lieu de 128.",
    )
    field_order = ("because", "reason", "instead", "on", "due_on")


class UndoRefundForm(OnceForm):
    reason = forms.CharField(
        label="Motif", max_length=300, help_text="Pour vos collègues : la famille ne le lit pas."
    )
    instead = AmountField(
        label="Montant juste",
        required=False,
        help_text="Enregistre en même temps le remboursement de ce montant, du même jour, par le même moyen."
        " Vide : rien n'a été rendu.",
    )


class ReallocateForm(WhyForm):
    """An amount for each invoice that is unpaid, or that the payment pays today."""

    def __init__(self, *args: Any, payment: Payment, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parts = {one.invoice_id: one.amount for one in payment.allocations.all()}
        rows = Invoice.objects.with_balance().filter(household=payment.household_id, regie=payment.regie_id)
        self.invoices = list(
            rows.filter(Q(left__gt=Decimal(0)) | Q(pk__in=self.parts)).order_by("pay_by", "sequence")
        )
        for invoice in self.invoices:
            self.fields[self._name(invoice)] = AmountField(
                label=f"{invoice.number} ({invoice.month_name})",
                required=False,
                initial=self.parts.get(invoice.pk),
                help_text=f"Reste {euros(invoice.left)} ; ce règlement en paie"
                f" {euros(self.parts.get(invoice.pk, Decimal(0)))}.",
            )
        self.order_fields([*map(self._name, self.invoices), "reason", "due_on"])

    @staticmethod
    def _name(invoice: Invoice) -> str:
        return f"invoice_{invoice.pk}"

    @property
    def amounts(self) -> dict[int, Decimal]:
        """By the invoice's key."""
        return {one.pk: self.cleaned_data[self._name(one)] or Decimal(0) for one in self.invoices}


class TransferForm(OnceForm):
    amount = AmountField(label="Montant à rembourser")
    holder = forms.CharField(label="Titulaire du compte", max_length=70)
    iban = IbanField("IBAN").formfield(help_text="Il sert à ce remboursement seulement, puis il est effacé.")
    bic = BicField("BIC", blank=True).formfield(help_text="Facultatif.")


class Undoing(OwnPages[Payment]):
    """Adds these pages to a model's."""

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("<int:pk>/annuler/", wrap(self.reverse), name="billing_payment_reverse"),
            path("<int:pk>/transferer/", wrap(self.move), name="billing_payment_move"),
            path("<int:pk>/transferer/<int:household>/", wrap(self.move_to), name="billing_payment_move_to"),
            path("<int:pk>/reaffecter/", wrap(self.reallocate), name="billing_payment_reallocate"),
            path(
                "<int:pk>/annuler-remboursement/",
                wrap(self.undo_refund),
                name="billing_payment_undo_refund",
            ),
            path("<int:pk>/virement/", wrap(self.transfer), name="billing_payment_transfer"),
            path("comptes/<int:household>/utiliser/", wrap(self.use), name="billing_payment_use"),
            *super().get_urls(),
        ]

    def beside(self, request: HttpRequest, row: Payment) -> dict[str, Any]:
        """What became of the payment, and what can be done."""
        can = acts(row) if request.user.has_perm(PERMISSION) else []
        return {**super().beside(request, row), "became": became(row), "acts": can}

    def reverse(self, request: SignedInRequest, pk: int) -> HttpResponseBase:
        """« Annuler ce règlement »."""
        payment = self._asked(request, pk)
        debit = Debit.objects.filter(payment=payment).first()
        if debit is not None:
            return redirect("admin:billing_debit_return", debit.pk)
        if why := undoing.hindrance(payment, UndoneBecause.BOUNCED):
            return self._cannot(request, payment, why)
        form = ReverseForm(request.POST or None, initial={"due_on": undoing.next_due(timezone.now())})
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data

            def act() -> str:
                done = undoing.reverse(
                    payment,
                    because=said["because"],
                    reason=said["reason"],
                    on=said["on"],
                    due_on=said["due_on"],
                    instead=said["instead"],
                    by=request.user,
                    at=timezone.now(),
                )
                say_closed(request, *(row for row in (done.reversal, done.instead) if row))
                right = (
                    f" Le règlement de {euros(done.instead.amount)} est enregistré, reçu"
                    f" n°\xa0{done.instead.number}."
                    if done.instead
                    else ""
                )
                return (
                    f"Le règlement n°\xa0{payment.number} de {euros(payment.amount)} est annulé, sous le"
                    f" n°\xa0{done.reversal.number}.{right} La famille est prévenue."
                )

            if form.done(request, act, paying.PaymentRefused):
                return redirect("admin:billing_payment_change", payment.pk)
        return self._page(request, payment, form, "Annuler ce règlement", "Annuler ce règlement")

    def move(self, request: SignedInRequest, pk: int) -> HttpResponseBase:
        """« Transférer à un autre foyer »: to which one."""
        payment = self._asked(request, pk)
        if why := undoing.movable(payment):
            return self._cannot(request, payment, why)
        form = HouseholdForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            household = form.cleaned_data["number"]
            if household.pk != payment.household_id:
                return redirect("admin:billing_payment_move_to", payment.pk, household.pk)
            form.add_error("number", "Ce règlement est déjà à ce foyer.")
        context = {
            "form": form,
            "back": reverse("admin:billing_payment_change", args=[pk]),
            "button": "Suivant",
            "lead": f"Règlement n°\xa0{payment.number} de {euros(payment.amount)} : à quel foyer est-il ?",
        }
        return self.page(request, "admin/billing/form.html", "Transférer à un autre foyer", context)

    def move_to(self, request: SignedInRequest, pk: int, household: int) -> HttpResponseBase:
        """The same: shown first, then done."""
        payment = self._asked(request, pk)
        other = get_object_or_404(Household, pk=household, erased_at=None, joined_to=None)
        if why := undoing.movable(payment):
            return self._cannot(request, payment, why)
        form = WhyForm(request.POST or None, initial={"due_on": undoing.next_due(timezone.now())})
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data

            def act() -> str:
                done = undoing.move(
                    payment,
                    other,
                    reason=said["reason"],
                    due_on=said["due_on"],
                    by=request.user,
                    at=timezone.now(),
                )
                today = (
                    f" Ils gardent la date du {short_day(payment.paid_on, year=True)} et sont comptabilisés"
                    " aujourd'hui."
                    if done.gone.booked_on
                    else ""
                )
                return (
                    f"{euros(done.come.amount)} sont passés au foyer n°\xa0{other.number}, sous les"
                    f" n°\xa0{done.gone.number} et {done.come.number}.{today}"
                    " Les deux familles sont prévenues."
                )

            if form.done(request, act, paying.PaymentRefused):
                return redirect("admin:billing_payment_change", payment.pk)
        more = {
            "to": household_link(other.pk),
            "to_adults": guardian_names([other.pk])[other.pk],
            "amount": euros(undoing.held(payment)),
            "pays": Invoice.objects.with_balance()
            .filter(household=other, regie=payment.regie_id, left__gt=Decimal(0))
            .order_by("pay_by", "sequence"),
        }
        return self._page(request, payment, form, "Transférer à un autre foyer", "Transférer", more)

    def reallocate(self, request: SignedInRequest, pk: int) -> HttpResponseBase:
        """« Réaffecter »: what the payment pays."""
        payment = self._asked(request, pk)
        if payment.kind not in undoing.MONEY_CAME or undoing.held(payment) <= 0:
            return self._cannot(request, payment, "Ce règlement ne contient rien à répartir.")
        form = ReallocateForm(
            request.POST or None, payment=payment, initial={"due_on": undoing.next_due(timezone.now())}
        )
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data

            def act() -> str:
                done = undoing.reallocate(
                    payment,
                    form.amounts,
                    reason=said["reason"],
                    due_on=said["due_on"],
                    by=request.user,
                    at=timezone.now(),
                )
                parts = ", ".join(f"{number} {euros(Decimal(part))}" for number, part in done.row.pays_now)
                pays = f"paie maintenant {parts}" if parts else "ne paie plus aucune facture"
                return f"Le règlement n°\xa0{payment.number} {pays}. La famille est prévenue."

            if form.done(request, act, paying.PaymentRefused):
                return redirect("admin:billing_payment_change", payment.pk)
        context = {
            "form": form,
            "back": reverse("admin:billing_payment_change", args=[pk]),
            "button": "Réaffecter",
            "warning": under_way.warning(form.invoices),
            "lead": f"Règlement n°\xa0{payment.number} de {euros(payment.amount)} :"
            f" {euros(undoing.held(payment))} à répartir. Ce qui ne l'est pas reste au compte de la famille.",
        }
        return self.page(request, "admin/billing/form.html", "Réaffecter ce règlement", context)

    def undo_refund(self, request: SignedInRequest, pk: int) -> HttpResponseBase:
        """« Annuler ce remboursement », typed wrong at the desk."""
        refund = self._asked(request, pk)
        if why := undoing.refund_hindrance(refund):
            return self._cannot(request, refund, why)
        form = UndoRefundForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data

            def act() -> str:
                done = undoing.undo_refund(
                    refund,
                    reason=said["reason"],
                    instead=said["instead"],
                    by=request.user,
                    at=timezone.now(),
                )
                say_closed(request, *(row for row in (done.back, done.instead) if row))
                right = (
                    f" Le remboursement de {euros(-done.instead.amount)} est enregistré,"
                    f" n°\xa0{done.instead.number}."
                    if done.instead
                    else ""
                )
                return (
                    f"Le remboursement n°\xa0{refund.number} de {euros(-refund.amount)} est annulé, sous le"
                    f" n°\xa0{done.back.number}.{right} La famille est prévenue."
                )

            if form.done(request, act, paying.PaymentRefused):
                return redirect("admin:billing_payment_change", refund.pk)
        of = f" du règlement n°\xa0{refund.refunds.number}" if refund.refunds else ""
        context = {
            "form": form,
            "back": reverse("admin:billing_payment_change", args=[pk]),
            "button": "Annuler ce remboursement",
            "lead": f"Remboursement n°\xa0{refund.number} de {euros(-refund.amount)}"
            f" ({refund.get_means_display()}, {short_day(refund.paid_on, year=True)}){of}. Annulé, cet argent"
            " est de nouveau d'avance au compte de la famille, par un mouvement à part qui a son numéro.",
        }
        return self.page(request, "admin/billing/form.html", "Annuler ce remboursement", context)

    def transfer(self, request: SignedInRequest, pk: int) -> HttpResponseBase:
        """« Rembourser par virement »."""
        payment = self._asked(request, pk)
        free = paying.unused(payment)
        form = TransferForm(request.POST or None, initial={"amount": proposed(request, free)})
        if request.method == "POST" and form.is_valid():
            said = form.cleaned_data

            def act() -> str:
                done = transfers.ask(
                    payment,
                    said["amount"],
                    holder=said["holder"],
                    iban=said["iban"],
                    bic=said["bic"],
                    by=request.user,
                    at=timezone.now(),
                )
                return (
                    f"Le remboursement de {euros(said['amount'])} est noté, n°\xa0{done.payment.number} :"
                    " il attend le prochain fichier de virements. La famille est prévenue."
                )

            if form.done(request, act, paying.PaymentRefused):
                return redirect("admin:billing_transferrefund_changelist")
        context = {
            "form": form,
            "back": reverse("admin:billing_payment_change", args=[pk]),
            "button": "Rembourser par virement",
            "lead": f"Règlement n°\xa0{payment.number} de {euros(payment.amount)} :"
            f" {euros(free)} ne paient aucune facture.",
        }
        return self.page(request, "admin/billing/form.html", "Rembourser par virement", context)

    def use(self, request: SignedInRequest, household: int) -> HttpResponseBase:
        """« Utiliser pour les factures dues »: asked from the account, or from a payment."""
        self.demand(request, PERMISSION)
        home = get_object_or_404(Household, pk=household)
        back = reverse("admin:billing_payment_account", args=[home.pk])
        if request.method == "POST":
            try:
                used = undoing.use(home, by=request.user, at=timezone.now())
            except paying.PaymentRefused as refusal:
                messages.warning(request, str(refusal))
            else:
                left = euros(max(paying.unused_of([home.pk]), Decimal(0)))
                messages.success(
                    request, f"{euros(used)} paient maintenant des factures dues. Il reste {left} d'avance."
                )
            return redirect(back)
        due = Invoice.objects.with_balance().filter(household=home, left__gt=Decimal(0))
        can = usable(home.pk)
        context = {
            "household": home,
            "home": household_link(home.pk),
            "held": euros(max(paying.unused_of([home.pk]), Decimal(0))),
            "due": due.order_by("pay_by", "issued_at", "sequence"),
            "warning": under_way.warning(due) if can else "",
            "usable": can,
            "back": back,
        }
        return self.page(request, "admin/billing/use.html", USE, context)

    # What they share

    def _asked(self, request: SignedInRequest, pk: int) -> Payment:
        self.demand(request, PERMISSION)
        ask_again(request)
        return get_object_or_404(Payment.objects.select_related("household", "refunds"), pk=pk)

    def _cannot(self, request: HttpRequest, payment: Payment, why: str) -> HttpResponse:
        messages.warning(request, why)
        return redirect("admin:billing_payment_change", payment.pk)

    def _page(
        self,
        request: HttpRequest,
        payment: Payment,
        form: forms.Form,
        title: str,
        button: str,
        more: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What is due again, then the form. `more` may name the invoices that are paid instead (`pays`)."""
        reopens = payment.allocations.select_related("invoice").order_by("pk")
        more = more or {}
        context = {
            "payment": payment,
            "form": form,
            "button": button,
            "home": household_link(payment.household_id),
            "adults": guardian_names([payment.household_id])[payment.household_id],
            "reopens": [(one.invoice, euros(one.amount)) for one in reopens],
            "warning": under_way.warning([*(one.invoice for one in reopens), *more.get("pays", ())]),
            "shown_amount": euros(payment.amount),
            "paid_on": short_day(payment.paid_on, year=True),
            "back": reverse("admin:billing_payment_change", args=[payment.pk]),
        }
        return self.page(request, "admin/billing/undo.html", title, context | more)


def became(payment: Payment) -> list[str]:
    """What was done about a payment, or what a row is of, in sentences; oldest first."""
    said: list[tuple[Any, str]] = []
    about = Payment.objects.filter(Q(refunds=payment) | Q(refunds__refunds=payment))
    for row in about.select_related("recorded_by", "moved_to__household"):
        by = f" par {row.recorded_by}" if row.recorded_by else ""
        on = short_day(timezone.localtime(row.recorded_at).date(), year=True)
        why = " : ".join(part for part in (row.get_because_display(), row.reason) if part)
        words = {
            PaymentKind.REVERSAL: "Annulé",
            PaymentKind.REFUND: f"{euros(-row.amount)} remboursés",
            PaymentKind.TRANSFER: f"{euros(-row.amount)} transférés à un autre foyer",
            PaymentKind.BACK: f"Remboursement de {euros(row.amount)} {'annulé' if row.reason else 'revenu'}",
        }[PaymentKind(row.kind)]
        there = getattr(row, "moved_to", None)
        numbers = f"n°\xa0{row.number}" + (f", arrivé sous le n°\xa0{there.number}" if there else "")
        said.append((row.recorded_at, f"{words} le {on}{by}, {numbers}{f' ({why})' if why else ''}."))
    for change in payment.reallocations.select_related("by"):
        by = f" par {change.by}" if change.by else ""
        on = short_day(timezone.localtime(change.at).date(), year=True)
        before, now = (
            ", ".join(f"{number} {euros(Decimal(part))}" for number, part in parts) or "rien"
            for parts in (change.paid_before, change.pays_now)
        )
        words = f"Réaffecté le {on}{by} ({change.reason}) : payait {before} ; paie {now}."
        said.append((change.at, words))
    return [words for _, words in sorted(said, key=lambda one: one[0])]


def acts(payment: Payment) -> list[tuple[str, str]]:
    """What can be done about a payment: words and address."""
    can = undoing.possible(payment)
    found = [
        (words, reverse(f"admin:billing_payment_{page}", args=[payment.pk]))
        for name, page, words in ACTS
        if name in can
    ]
    if "use" in can and usable(payment.household_id):
        found.insert(0, (USE, reverse("admin:billing_payment_use", args=[payment.household_id])))
    return found


def usable(household: int) -> str:
    """What of a household's money could pay invoices that are due, in words; empty: nothing."""
    amount = undoing.usable(household)
    return euros(amount) if amount else ""
