"""Steps of « Premiers pas » about money: prices, absences, how families pay."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal

from django.urls import reverse
from django.utils import timezone

from billing.models import AbsencePolicy, BillingSettings
from billing.payments.providers import choosing
from billing.prices.books import PriceBook
from billing.rules import pricing, tariff_checks
from portal.desk import first_steps
from portal.desk.first_steps import Missing, Page, Standing, Step
from portal.french import moments
from portal.french.dates import short_day
from portal.french.plurals import counted
from portal.reservations.days import first_days
from portal.reservations.models import Formula, Period

# An ordinary child of the town: what costs nothing for it has no price at all.
ORDINARY = (pricing.Facts(quotient=Decimal(1000)), pricing.Facts(quotient=None))


def _is_priced(book: PriceBook, formula: int, day: date) -> bool:
    for facts in ORDINARY:
        try:
            book.price(formula, facts, day)
        except pricing.NoPrice:
            continue
        return True
    return False


def _book() -> PriceBook:
    return first_steps.once("prices", PriceBook.of_town)


def unpriced(days: Mapping[int, date]) -> Mapping[int, Sequence[str]]:
    """By activity, the formulas that nothing prices on its first day; eight queries at most."""
    formulas = list(Formula.objects.filter(activity__in=days, active=True).order_by("order", "name"))
    if not formulas:
        return {}
    book = _book()
    found: dict[int, list[str]] = defaultdict(list)
    for one in formulas:
        if not _is_priced(book, one.pk, days[one.activity_id]):
            day = short_day(days[one.activity_id], year=True)
            found[one.activity_id].append(f"le prix de « {one} » le {day}")
    return found


def prices(at: datetime) -> Standing:
    """Ten queries at most."""
    today, stands = timezone.localdate(at), Standing()
    rows = Formula.objects.filter(active=True, activity__active=True).select_related("activity")
    formulas = list(rows.order_by("activity__order", "activity__name", "order", "name"))
    book = _book()
    first = {one.activity_id: max(today, one.starts_on) for one in _next_periods(today)}
    without = [
        f"{one.activity} – {one}"
        for one in formulas
        if not _is_priced(book, one.pk, first.get(one.activity_id, today))
    ]
    tariffs = list(book.tariffs)
    current = [one for one in tariffs if one.valid_to is None or one.valid_to >= today]
    if current:
        named = moments.listing([str(one) for one in current[:6]])
        stands.there.append(f"{counted(len(current), 'tarif', 'tarifs')} : {named}.")
    if without:
        shown = moments.listing([f"« {one} »" for one in without[:6]])
        more = f" et {len(without) - 6} de plus" if len(without) > 6 else ""
        page = reverse("admin:billing_tariff_add")
        stands.missing.append(Missing(f"Sans prix : {shown}{more}.", page, "billing.add_tariff"))
    for one in current:
        for problem in tariff_checks.to_check(one.rule()):
            page = reverse("admin:billing_tariff_change", args=[one.pk])
            text = f"« {one} » : {problem.sentence}"
            stands.doubtful.append(Missing(text, page, "billing.change_tariff"))
    if not formulas:
        stands.missing.append(Missing("Aucune formule : les prix viennent après les activités."))
    return stands


def _next_periods(today: date) -> Sequence[Period]:
    """Of each activity, the last of these is the one that begins first."""
    return list(Period.objects.filter(ends_on__gte=today).order_by("-starts_on"))


def absences(at: datetime) -> Standing:
    """One query. Without a rule of the town's, the usual ones hold."""
    found = list(AbsencePolicy.objects.select_related("activity"))
    if not found:
        return Standing(
            there=[
                "Règle d'usage : un certificat médical, une grève ou une sortie ne sont pas facturés ; une "
                "absence sans raison l'est."
            ]
        )
    return Standing(there=[f"{one}." for one in found])


def payments(at: datetime) -> Standing:
    """One query at most."""
    its, stands = BillingSettings.current(), Standing()
    page, right = reverse("admin:billing_billingsettings_changelist"), "billing.change_billingsettings"
    ways = ["au guichet"]
    if its.cheque_payable_to:
        ways.append(f"par chèque à l'ordre de {its.cheque_payable_to}")
    if its.iban:
        ways.append("par virement")
    if choosing.offered():
        ways.append("en ligne")
    stands.there.append(f"Les familles paient {moments.listing(ways)}, sous {its.payment_days} jours.")
    lacking = [
        what
        for what, there in (
            ("le SIRET", its.siret),
            ("le lieu et les heures du guichet", its.desk),
            ("les voies de recours", its.recourse),
        )
        if not there
    ]
    if lacking:
        text = f"Sur la facture, il manque {moments.listing(lacking)}."
        stands.missing.append(Missing(text, page, right, needed=False))
    return stands


first_days.lend(unpriced)
first_steps.register(
    Step(
        "prix",
        90,
        "Les prix",
        "Un prix par formule, unique ou par tranches de quotient familial. Sans tarif, un jour réservé ne "
        "peut pas être facturé.",
        "Mametz : 0,50 € jusqu'à 699,99 de quotient, 1,00 € de 700 à 1 000, 3,10 € au-delà. La "
        "Selle-Craonnaise : 3,70 € en élémentaire, 3,30 € en maternelle et dès le troisième enfant.",
        (
            Page("Tarifs", "billing_tariff_changelist", "billing.view_tariff"),
            Page("Simuler un prix", "billing_tariff_simulator", "billing.view_tariff"),
        ),
        prices,
    )
)
first_steps.register(
    Step(
        "absences",
        100,
        "Les absences",
        "Lesquelles ne sont pas facturées : maladie, grève, sortie. Sans règle à vous, celles d'usage.",
        "Vailhauquès facture une absence injustifiée à un prix à part ; La Selle-Craonnaise ajoute 0,50 € "
        "au repas réservé d'un enfant absent.",
        (Page("Règles d'absence", "billing_absencepolicy_changelist", "billing.view_absencepolicy"),),
        absences,
    )
)
first_steps.register(
    Step(
        "paiements",
        110,
        "Les factures et les paiements",
        "Qui émet la facture, comment on la paie, ce qu'elle doit dire.",
        "Un village : chèque et espèces au guichet le samedi matin, virement. Mametz fait payer d'avance, "
        "par carte, 20 € au moins par enfant.",
        (
            Page("Réglages", "billing_billingsettings_changelist", "billing.view_billingsettings"),
            Page("Moyens de paiement", "billing_paymentmeans_changelist", "billing.view_paymentmeans"),
        ),
        payments,
    )
)
