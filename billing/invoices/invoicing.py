"""The only writer of invoices and credit notes.

    preview(scope, at=…) -> MonthPreview          computed, nothing written
    start(scope, due_on=…, by=…, at=…) -> BillingRun
    issue(run, at=…)                              in chunks; run again after a kill, it goes on
    issue_one(household, scope, by=…, at=…) -> [Invoice]   one household now, beside the month's runs
    open_accounts({household: amount}, by=…, at=…) -> [Invoice]   what the books of before said, as statements
    credit(invoice, wanted, reason=…, by=…, at=…) -> CreditNote    of what is left to pay of it

Every chunk is one transaction that first takes its households' rows, then the counter's: whoever moves their
money waits, issuers follow one another, numbers have no gap, and what a killed chunk began is rolled back
with its numbers. Nothing is billed twice because
every booking bears its billing (BilledItem, unique), read again under that lock.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.conf import settings as django_settings
from django.db import transaction
from django.db.models.functions import Coalesce
from django.utils import timezone

from billing.invoices import adults, budget, cards, creditable, drafting, fees, ledger, regies, sealing
from billing.invoices.billable import Billable, Scope
from billing.invoices.contracts import Contract
from billing.invoices.creditable import Wanted
from billing.invoices.draft import ITEM_COLUMNS, Draft, Warnings
from billing.invoices.numbering import Numbering
from billing.invoices.refusals import BillingRefused as BillingRefused
from billing.models import (
    BilledItem,
    BillingRun,
    BillingSettings,
    CreditedItem,
    CreditNote,
    CreditNoteLine,
    Invoice,
    InvoiceLine,
    Issuer,
    ManualCharge,
    RecalculatedHousehold,
    Regie,
)
from families.custody import own
from families.models import Household, User
from portal import town
from portal.database.garbage_collection import uncollected
from portal.database.plain_rows import insert
from portal.french.amounts import euros
from portal.french.dates import month_name, short_day
from portal.french.official_numbers import grouped
from portal.french.plurals import counted

CHUNK = 500
CREDIT_SERIES = "A"
# Longer than a town's own may be.
CARRIED_SERIES = "REPORT"


Kind = Invoice.Kind


@dataclass
class MonthPreview:
    """What issuing would do now. `warnings` are French sentences, the gravest first."""

    households: int = 0
    lines: int = 0
    total: Decimal = Decimal(0)
    carried: int = 0
    carried_total: Decimal = Decimal(0)
    warnings: list[str] = field(default_factory=list)


def scope_of(run: BillingRun) -> Scope:
    return Scope(
        run.month,
        tuple(run.activities.values_list("pk", flat=True)),
        tuple(run.establishments.values_list("pk", flat=True)),
        tuple(run.left_out.order_by("pk").values_list("pk", flat=True)),
    )


def preview(scope: Scope, *, at: datetime, only: Household | None = None) -> MonthPreview:
    """Households, lines and total that would be issued, with what deserves a look; writes nothing. `only`:
    as `issue_one` would.

    Raises BillingRefused when the month cannot be billed.
    """
    if only is None:
        check_month(scope, at)
    else:
        _check_begun(scope, at)
    settings = BillingSettings.current()
    billable = Billable(scope, settings, households=None if only is None else [only.pk])
    found, warnings, troubles = MonthPreview(), Warnings(), []
    for chunk in _chunks(_concerned(billable)):
        made, said = drafting.drafts(chunk, scope, settings)
        warnings.add(said)
        for draft in made:
            if draft.trouble:
                troubles.append(draft.trouble)
            elif settings.carries(draft.total):
                found.carried += 1
                found.carried_total += draft.total
            else:
                found.households += 1
                found.lines += len(draft.lines)
                found.total += draft.total
    found.warnings = [
        *_sentences(troubles, warnings, scope),
        *(_of_no_home(billable) if only is None else ()),
        *_unfinished(scope, at),
    ]
    return found


def check_month(scope: Scope, at: datetime) -> None:
    """Raises BillingRefused for a month to come, or billed already with these activities."""
    name = month_name(scope.month)
    _check_begun(scope, at)
    for run in _overlapping(scope):
        if run.state == BillingRun.State.DONE:
            day = timezone.localtime(run.finished_at) if run.finished_at else None
            when = f" le {short_day(day.date(), year=True)}" if day else ""
            raise BillingRefused(
                f"Le mois de {name} est déjà facturé{when}. Ce qui manque encore ira sur la facture suivante."
            )


def _check_begun(scope: Scope, at: datetime) -> None:
    if scope.month > timezone.localtime(at).date():
        name = month_name(scope.month)
        raise BillingRefused(f"Le mois de {name} n'a pas commencé : il n'y a rien à facturer.")


def _overlapping(scope: Scope) -> Iterator[BillingRun]:
    """Runs of the same month that bill an activity and an establishment of the scope."""
    for run in BillingRun.objects.filter(month=scope.month):
        other = scope_of(run)
        if all(
            not mine or not theirs or set(mine) & set(theirs)
            for mine, theirs in (
                (scope.activities, other.activities),
                (scope.establishments, other.establishments),
            )
        ):
            yield run


def start(scope: Scope, *, by: User | None, at: datetime, due_on: date | None = None) -> BillingRun:
    """The run to issue: a new one, or the interrupted one of the same month. Raises BillingRefused."""
    check_month(scope, at)
    today = timezone.localtime(at).date()
    settings = BillingSettings.current()
    due_on = _due_on(due_on, today, settings)
    with transaction.atomic():
        Numbering(settings.series, today.year)  # one at a time
        for run in _overlapping(scope):
            if scope_of(run) == scope:
                return run
            raise BillingRefused(
                f"Une facturation de {month_name(scope.month)} est en cours : reprenez-la avant d'en"
                " commencer une autre."
            )
        run = BillingRun.objects.create(month=scope.month, due_on=due_on, asked_by=by, asked_at=at)
        run.activities.set(scope.activities)
        run.establishments.set(scope.establishments)
        run.left_out.set(scope.left_out)
    return run


def _due_on(said: date | None, today: date, settings: BillingSettings) -> date:
    due_on = said or today + timedelta(days=settings.payment_days)
    if due_on < today:
        raise BillingRefused("La date limite de paiement est déjà passée.")
    return due_on


def issue(run: BillingRun, *, at: datetime, progress: Callable[[int], None] | None = None) -> BillingRun:
    """Issues the run's invoices, chunk after chunk; what is issued already is left alone.

    `progress` is called with the number of households done after every chunk.
    """
    if run.state == BillingRun.State.DONE:
        return run
    scope, settings = scope_of(run), BillingSettings.current()
    billed = _billed_by(run)
    waiting = [pk for pk in _concerned(Billable(scope, settings)) if pk not in billed]
    BillingRun.objects.filter(pk=run.pk).update(
        state=BillingRun.State.RUNNING, households=len(billed) + len(waiting), done=len(billed), trouble=""
    )
    troubles: list[str] = []
    warnings = Warnings()
    done = len(billed)
    for chunk in _chunks(waiting):
        with transaction.atomic():
            made, said = _issue_chunk(run, chunk, scope, settings, at, run.due_on)
            done += len(chunk)
            BillingRun.objects.filter(pk=run.pk).update(done=done)
        troubles += made.troubles
        warnings.add(said)
        if progress:
            progress(done)
    left = _sentences(troubles, warnings, scope)
    BillingRun.objects.filter(pk=run.pk).update(
        state=BillingRun.State.DONE, finished_at=at, trouble=" ".join(left)[:300]
    )
    run.refresh_from_db()
    return run


def issue_one(
    household: Household, scope: Scope, *, by: User | None, at: datetime, due_on: date | None = None
) -> list[Invoice]:
    """Bills one household now, beside the month's runs: all that is due up to the month's end, a document a
    régie. What it bills is billed for them, and what comes to be due later is theirs. Too little for an
    invoice is a statement.

    Raises BillingRefused where there is nothing to bill, or nobody to bill it to.
    """
    own.check(by, [household.pk], right="billing.add_billingrun", at=at)
    _check_begun(scope, at)
    settings = BillingSettings.current()
    due_on = _due_on(due_on, timezone.localtime(at).date(), settings)
    with transaction.atomic():
        made, said = _issue_chunk(None, [household.pk], scope, settings, at, due_on)
    if made.troubles:
        raise BillingRefused(" ".join(_sentences(made.troubles, Warnings(), scope)))
    if not made.documents:
        why = " ".join(said.reasons.values())
        raise BillingRefused(f"Il n'y a rien à facturer à ce foyer. {why}".strip())
    return made.documents


OPENED = "Solde repris à l'ouverture du compte"


def open_accounts(balances: Mapping[int, Decimal], *, by: User | None, at: datetime) -> list[Invoice]:
    """What households (keys) owed in the books of before, in euros, or were owed (below zero): a statement
    each, in the town's own régie, which the next invoice takes over. In as many queries for any number."""
    if not balances:
        return []
    own.check(by, list(balances), right="billing.add_billingrun", at=at)
    settings, today = BillingSettings.current(), timezone.localdate(at)
    with transaction.atomic():
        Household.objects.lock(balances)
        Numbering(settings.series, today.year)  # one at a time, whatever the series
        return _write(
            drafting.openings(balances, OPENED),
            Numbering(CARRIED_SERIES, today.year),
            run=None,
            month=today.replace(day=1),
            due_on=today,
            facts=settings,
            regie=None,
            codes=budget.Codes.today(),
            at=at,
            kind=Kind.CARRIED,
        )


def opened(households: Collection[int]) -> dict[int, Decimal]:
    """What was taken over of the books of before, by household (key), of these."""
    lines = InvoiceLine.objects.filter(kind=InvoiceLine.Kind.MANUAL, label=OPENED)
    statements = Invoice.every.filter(kind=Kind.CARRIED, household__in=households, lines__in=lines)
    return dict(statements.order_by().values_list("household", "total"))


def _billed_by(run: BillingRun, among: Sequence[int] | None = None) -> set[int]:
    """The households (keys; `among` these) that have their invoice of the run, wherever it is found since."""
    invoices = Invoice.every.filter(run=run).annotate(whose=Coalesce("first_household", "household"))
    if among is not None:
        invoices = invoices.filter(whose__in=among)
    return set(invoices.order_by().values_list("whose", flat=True))


@dataclass(frozen=True)
class Issued:
    """The documents of some households, and French sentences of what stood in the way of others."""

    documents: list[Invoice]
    troubles: list[str]


@uncollected()
def _issue_chunk(
    run: BillingRun | None,
    households: Sequence[int],
    scope: Scope,
    settings: BillingSettings,
    at: datetime,
    due_on: date,
) -> tuple[Issued, Warnings]:
    """Issues the invoices of some households, in the caller's transaction."""
    Household.objects.lock(households, rows_may_come=True)
    year = timezone.localtime(at).year
    Numbering(settings.series, year)  # one at a time, whatever the régies
    # Read again under the lock: another issuer may have been faster.
    billed = _billed_by(run, households) if run else set()
    left = [pk for pk in households if pk not in billed]
    if asked := fees.of_town():
        fees.note(asked, scope.ends_on, households=left, since=settings.starts_on or date.min)
    made, warnings = drafting.drafts(left, scope, settings)
    sound = [draft for draft in made if not draft.trouble]
    documents: list[Invoice] = []
    codes = budget.Codes.today()
    write = partial(_write, run=run, month=scope.month, due_on=due_on, at=at, codes=codes)
    facts_of = regies.facts_of((draft.regie for draft in sound), settings)
    for regie in sorted({draft.regie for draft in sound}, key=lambda one: one or 0):
        facts = facts_of[regie]
        of_regie = [draft for draft in sound if draft.regie == regie]
        drafts = [draft for draft in of_regie if not settings.carries(draft.total)]
        carried = [draft.of_the_month() for draft in of_regie if settings.carries(draft.total)]
        numbering = Numbering(regies.invoices(regie, settings), year)
        documents += write(drafts, numbering, facts=facts, regie=regie)
        if carried := [draft for draft in carried if draft.lines]:
            numbering = Numbering(regies.series(CARRIED_SERIES, regie), year)
            documents += write(carried, numbering, facts=facts, regie=regie, kind=Kind.CARRIED)
    return Issued(documents, [draft.trouble for draft in made if draft.trouble]), warnings


def _write(
    drafts: Sequence[Draft],
    numbering: Numbering,
    *,
    run: BillingRun | None,
    month: date,
    due_on: date,
    facts: Issuer,
    regie: int | None,
    codes: budget.Codes,
    at: datetime,
    kind: str = Kind.INVOICE,
) -> list[Invoice]:
    issuer = issuer_of(facts)
    invoices = Invoice.objects.bulk_create(
        Invoice(
            **number.fields,
            kind=kind,
            household=draft.household,
            regie_id=regie,
            run=run,
            month=month,
            issued_at=at,
            due_on=due_on,
            payer=draft.payer[:200],
            address=draft.address,
            quotient=draft.quotient,
            issuer=issuer,
            total=draft.total,
            line_count=len(draft.lines),
        )
        for number, draft in zip(numbering.take(len(drafts)), drafts, strict=True)
    )
    pairs = [
        (
            line,
            InvoiceLine(
                invoice=invoice,
                position=position,
                kind=line.kind,
                child_id=line.child,
                child_name=line.child_name[:170],
                formula_id=line.formula,
                activity_name=line.activity_name,
                label=line.label[:200],
                days=[day.isoformat() for day in sorted(line.days)],
                quantity=line.quantity,
                unit_price=line.unit_price,
                amount=line.amount,
                explanation=line.explanation,
                vat_percent=line.vat_percent,
                care_percent=line.care_percent,
                carried=line.carried,
                analytic_code=line.analytic_code or codes.of(line.formula).analytic,
                account_code=line.account_code or codes.of(line.formula).account,
            ),
        )
        for invoice, draft in zip(invoices, drafts, strict=True)
        for position, line in enumerate(draft.lines, start=1)
    ]
    rows = InvoiceLine.objects.bulk_create([row for _, row in pairs], batch_size=2000)
    # As plain rows: there is one for every meal of the month.
    insert(
        BilledItem,
        ("line_id", *ITEM_COLUMNS),
        [(row.pk, *item) for (line, _), row in zip(pairs, rows, strict=True) for item in line.items],
    )
    for invoice, draft in zip(invoices, drafts, strict=True):
        if draft.recalculated:
            taken = RecalculatedHousehold.objects.filter(pk__in=draft.recalculated, invoice=None)
            taken.update(state=RecalculatedHousehold.State.BILLED, invoice=invoice)
    for (line, _), row in zip(pairs, rows, strict=True):
        if line.manual is not None:
            ManualCharge.objects.filter(pk=line.manual.pk).update(line=row)
    sealing.seal(invoices)
    ledger.billed(invoices)
    ledger.taken_over(
        (statement, invoice)
        for invoice, draft in zip(invoices, drafts, strict=True)
        for statement in draft.carried.values()
    )
    return invoices


def issuer_of(facts: Issuer) -> dict[str, str]:
    """What an invoice copies of the town hall, or of a further régie."""
    here = town.current()
    contract = Contract(facts.code if isinstance(facts, Regie) else "")
    return {
        "name": facts.issuer_name or here.name,
        "service": facts.name if isinstance(facts, Regie) else here.service,
        "address": facts.issuer_address or here.address,
        "phone": here.phone,
        "email": here.email,
        "siret": facts.siret,
        "collection": facts.get_collection_display(),
        "vat_notice": facts.vat_notice,
        "legal_notice": facts.legal_notice,
        "recourse": facts.recourse,
        "iban": grouped(facts.iban),
        "bic": facts.bic,
        "cheque_payable_to": facts.cheque_payable_to,
        "cheque_address": facts.cheque_address,
        "desk": facts.desk,
        "signatory": facts.signatory,
        "portal": django_settings.PORTAL_URL.rstrip("/") if contract.provider else "",
    }


def credit(
    invoice: Invoice,
    wanted: Wanted,
    *,
    reason: str,
    by: User | None,
    at: datetime,
    freed: Decimal = Decimal(0),
    becomes: str = "",
) -> CreditNote:
    """A credit note answering an issued invoice; `freed` of what had paid it is the family's again already
    (`billing.payments.crediting`). Raises BillingRefused when it exceeds what is left of it."""
    if not reason.strip():
        raise BillingRefused("Indiquez le motif de l'avoir.")
    with transaction.atomic():
        Household.objects.lock([invoice.household_id])
        numbering = Numbering(regies.series(CREDIT_SERIES, invoice.regie_id), timezone.localtime(at).year)
        # Its household may have been joined to another meanwhile.
        found = creditable.of(invoice)
        plan, now = creditable.plan(found, wanted), found.invoice
        if plan.amount > now.left:
            raise BillingRefused(
                f"Il ne reste que {euros(now.left)} à payer sur la facture {now.number} :"
                " remboursez d'abord ce qui est déjà réglé."
            )
        (number,) = numbering.take()
        note = CreditNote.objects.create(
            **number.fields,
            invoice=now,
            amount=plan.amount,
            reason=reason.strip(),
            freed=freed,
            becomes=becomes,
            line_count=len(plan.lines),
            issued_at=at,
            issued_by=by,
        )
        _write_lines(note, plan)
        sealing.seal([note])
        ledger.credited(note)
    return note


def _write_lines(note: CreditNote, plan: creditable.Plan) -> None:
    for position, one in enumerate(plan.lines, start=1):
        line = CreditNoteLine.objects.create(
            note=note,
            position=position,
            line=one.line,
            label=one.label,
            days=list(one.days),
            quantity=one.quantity,
            unit_price=one.unit_price,
            amount=one.amount,
        )
        CreditedItem.objects.bulk_create(CreditedItem(line=line, item_id=pk) for pk in one.items)
    if plan.given_back:
        ManualCharge.objects.create(
            household=note.invoice.household,
            regie_id=note.invoice.regie_id,
            label=f"Régularisation de la facture {note.invoice.number}, annulée par un avoir",
            unit_price=-plan.given_back,
            reason=f"Avoir {note.number}",
            created_by=note.issued_by,
        )


def _concerned(billable: Billable) -> list[int]:
    """Every household with something to bill, in order: a fee of the year, meals of adults, cards too."""
    asked = fees.of_town()
    found = fees.read(asked, billable.scope.ends_on, households=billable.only, since=billable.since)
    return billable.households_concerned(
        and_also=found.households | adults.concerned(billable) | cards.holders()
    )


# Words and small things ----------------------------------------------------------------------------------


def _chunks(households: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(households), CHUNK):
        yield households[first : first + CHUNK]


def _sentences(troubles: Sequence[str], warnings: Warnings, scope: Scope) -> list[str]:
    found = [f"{trouble} Pas de facture tant que ce n'est pas corrigé." for trouble in troubles[:10]]
    if len(troubles) > 10:
        others = counted(len(troubles) - 10, "autre foyer n'a", "autres foyers n'ont")
        found.append(f"{others} pas de destinataire ou d'adresse.")
    for formula, count in warnings.unpriced.most_common():
        why = warnings.reasons[formula]
        found.append(f"{formula} : {counted(count, 'présence', 'présences')} sans prix. {why}")
    if warnings.without_quotient:
        count = len(warnings.without_quotient)
        found.append(
            f"{counted(count, 'foyer', 'foyers')} sans justificatif de quotient :"
            " le tarif prévu pour ce cas s'applique."
        )
    for formula, count in warnings.not_entered.most_common():
        found.append(
            f"{formula} : {counted(count, 'présence', 'présences')} sans pointage, facturées comme présentes."
        )
    for formula, count in warnings.without_minutes.most_common():
        found.append(
            f"{formula} : {counted(count, 'présence', 'présences')} sans durée, comptées pour une unité."
        )
    return found


def _of_no_home(billable: Billable) -> list[str]:
    count = billable.bookings_of_no_home().count()
    if not count:
        return []
    days = counted(count, "jour réservé n'est pas facturé", "jours réservés ne sont pas facturés")
    return [f"{days} : l'enfant ne vivait plus dans le foyer qui l'avait inscrit."]


def _unfinished(scope: Scope, at: datetime) -> list[str]:
    if scope.ends_on >= timezone.localtime(at).date():
        return [
            f"Le mois de {month_name(scope.month)} n'est pas terminé : la suite ira sur la facture suivante."
        ]
    return []
