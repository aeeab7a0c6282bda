"""What an agent sees of rules about money before they are saved: what families would pay on given days. Each
asks the function that bills.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from billing.models import (
    AbsencePolicy,
    AdultPrice,
    BillingSettings,
    LateCollectionRule,
    RefundRule,
    Tariff,
    TicketCard,
)
from billing.prices import quantity_preview
from billing.rules import absences as absence_rules
from billing.rules import adults, arrears, fees, flats, instalments, pricing, refunds
from billing.rules import late_collection as late_rules
from billing.rules.absences import Missed, Paperless, Reason
from portal.desk import previews
from portal.desk.previews import Preview, Table
from portal.french import moments
from portal.french.amounts import euros
from portal.french.dates import month_name, months_after
from portal.french.plurals import counted

HOUR = timedelta(hours=1)
CHILDREN = 4
EXAMPLE = Decimal(36)  # euros, of a day that is cancelled
WEEKDAYS = 5  # of a week of school, for who has no calendar yet

# Absences ---------------------------------------------------------------------------------------------------


def absences(row: AbsencePolicy, today: date) -> Preview:
    """Ill from next Monday on, for one, two or four booked days."""
    rule = row.rule()
    monday = today + timedelta(days=7 - today.weekday())
    days = [monday + timedelta(days=number) for number in range(4)]
    shown = []
    for what, missed in _missed(rule, days):
        shown.append(previews.row(what, *(_billed(rule, missed[:many]) for many in (1, 2, 4))))
    notes = ["Les jours gratuits de l'année sont tous encore là."] if rule.a_year else []
    caption = f"Un enfant absent à partir du {moments.day(monday)}, et qui était réservé"
    heads = ("Ce que dit la famille", "1 jour", "2 jours", "4 jours")
    return Preview(absence_rules.in_words(rule), notes=notes, tables=[Table(caption, heads, shown)])


def _missed(rule: absence_rules.AbsenceRule, days: Sequence[date]) -> Iterator[tuple[str, list[Missed]]]:
    first = days[0]

    def all_of(reason: Reason = Reason.NONE, **more: datetime) -> list[Missed]:
        return [Missed(day, reason, **more) for day in days]

    yield "Rien", all_of()
    if rule.paperless is Paperless.TOLD:
        limit = absence_rules.told_limit(rule, first)
        for at in (limit - HOUR, limit + HOUR):
            yield f"Malade, prévenu le {_moment(at)}", all_of(Reason.ILLNESS, told=at)
    else:
        morning = datetime.combine(first, time(9))
        yield f"Malade, prévenu le {_moment(morning)}", all_of(Reason.ILLNESS, told=morning)
    if rule.certificates_count:
        given = [datetime.combine(first, time(18))]
        if rule.within_hours is not None:
            end = datetime.combine(first + timedelta(days=1), time.min)
            given.append(end + timedelta(hours=rule.within_hours) + HOUR)
        if rule.max_days is not None:
            given.append(datetime.combine(first + timedelta(days=rule.max_days + 1), time(9)))
        for at in given:
            yield f"Certificat donné le {_moment(at)}", all_of(Reason.ILLNESS, certificate=at)
    for reason, words in absence_rules.FREE_WORDS.items():
        yield words.capitalize(), all_of(reason)


def _moment(at: datetime) -> str:
    return f"{moments.day(at.date())} à {moments.hour(at.time())}"


def _billed(rule: absence_rules.AbsenceRule, missed: Sequence[Missed]) -> str | tuple[str, str]:
    found = sorted(one.day for one in absence_rules.billed(rule, missed, [one.day for one in missed]))
    if not found:
        return "rien n'est facturé"
    said = counted(len(found), "jour facturé", "jours facturés")
    return (said, moments.enumerate_days(found)) if len(found) < len(missed) else said


# Late departures --------------------------------------------------------------------------------------------


def late_departures(row: LateCollectionRule) -> Preview:
    """Children who leave some minutes after closing."""
    rule = row.rule()
    closing = rule.closes_at.hour * 60 + rule.closes_at.minute
    after = {rule.tolerance, 5, 17, 31, 60} - {0}
    if rule.flat_after is not None:
        after.add(rule.flat_after.hour * 60 + rule.flat_after.minute - closing + 1)
    turns = sorted({1, rule.from_nth})
    shown = []
    for minutes in sorted(after):
        at = min(closing + minutes, 24 * 60 - 1)
        left = time(at // 60, at % 60)
        shown.append(previews.row(moments.hour(left), *(_late(rule, left, turn) for turn in turns)))
    heads = ["Départ à", *(f"{fees.ordinal(turn)} retard".capitalize() for turn in turns)]
    caption = f"Ce que paierait une famille ({row.activity}), par enfant"
    return Preview(late_rules.in_words(rule), tables=[Table(caption, heads, shown)])


def _late(rule: late_rules.LateRule, left: time, turn: int) -> str | tuple[str, str]:
    found = late_rules.late(rule, left, turn - 1)
    if found is None:
        return "pas de retard"
    return ("rien" if found.is_warning else euros(found.amount), found.words.partition(" : ")[2])


# What is cancelled, cards, adults ---------------------------------------------------------------------------


def given_back(row: RefundRule, steps: Sequence[refunds.Step], today: date) -> Preview:
    """A day of EXAMPLE that is cancelled at each step, and a day too late for it."""
    until = refunds.Until(row.until)
    before = sorted({one.days_before for one in steps} | {max(one.days_before - 1, 0) for one in steps})
    shown = []
    for number in reversed(before):
        one = refunds.kept(steps, EXAMPLE, today + timedelta(days=number), today)
        when = f"{counted(number, 'jour', 'jours')} avant" if number else "Le jour même"
        shown.append(previews.row(when, euros(one.back), (euros(one.due), refunds.explained(one))))
    caption = f"Ce que devient un jour à {euros(EXAMPLE)} ({row.activity})"
    return Preview(
        refunds.in_words(steps, until),
        tables=[Table(caption, ("Annulé", "Rendu", "Reste dû"), shown)],
    )


def tickets(row: TicketCard, today: date) -> Preview:
    """Bought today, or when its sale begins."""
    bought = max(today, row.valid_from or today)
    shown = [
        previews.row(moments.day(day, year=True), moments.day(row.last_day(day), year=True))
        for day in (bought, months_after(bought.replace(day=1), 1), months_after(bought.replace(day=1), 6))
    ]
    return Preview(
        [f"{row.sentence()}. Un ticket revient à {euros(row.price / row.tickets)}."],
        notes=["Les tickets qui restent à la fin sont perdus : la famille le lit avant d'acheter."],
        tables=[Table("Jusqu'à quand elle paie", ("Achetée le", "Dernier jour"), shown)],
    )


def adult_meals(row: AdultPrice, today: date) -> Preview:
    """Meals of one day, booked around its deadline."""
    price = row.rule()
    day = max(today, row.valid_from or today) + timedelta(days=price.notice_days + 1)
    last = adults.last_day(price, day)
    shown = []
    for booked in dict.fromkeys((last, last + timedelta(days=1), day)):
        worth = adults.worth(price, day, booked)
        said = euros(worth.amount) if worth.amount is not None else "refusé"
        shown.append(previews.row(moments.day(booked, year=True), (said, worth.said)))
    caption = f"Un repas du {moments.day(day, year=True)} ({row.formula})"
    return Preview([adults.sentence(price)], tables=[Table(caption, ("Réservé le", "Prix"), shown)])


# A fee a year -----------------------------------------------------------------------------------------------


def fee(name: str, per: fees.Per, span: fees.Span, steps: list[fees.Step], day: date) -> Preview:
    """What families would pay that enrol on `day`."""
    by_child = per is fees.Per.CHILD
    shown = []
    total = {True: Decimal(0), False: Decimal(0)}
    for rank in range(1, (CHILDREN if by_child else 1) + 1):
        said = []
        for resident in (True, False):
            worth = fees.worth(steps, per, day=day, rank=rank, resident=resident)
            total[resident] += worth.amount if worth else 0
            said.append(euros(worth.amount) if worth else "–")
        whom = f"{fees.ordinal(rank)} enfant".capitalize() if by_child else "Une famille"
        shown.append(previews.row(whom, *said))
    if by_child:
        whom = f"Une famille de {CHILDREN} enfants"
        shown.append(previews.row(whom, euros(total[True]), euros(total[False])))
    return Preview(
        [fees.sentence(name, steps, per, span, day=day)],
        tables=[
            Table(
                "Une inscription qui commence aujourd'hui",
                ("Qui paie", "De la commune", "Hors commune"),
                shown,
            )
        ],
    )


# A tariff ---------------------------------------------------------------------------------------------------


def tariff(row: Tariff, today: date) -> Preview:
    """Of a tariff as it stands in the database, perhaps for this moment only: one presence of families that
    its rules tell apart, the months of a flat price, then days by their number."""
    rule = row.rule()
    found = Preview()
    quotients = quantity_preview.quotients(rule)
    heads = [quantity_preview.named(one) for one in quotients]
    shown = [
        previews.row(who, *(_price(rule, replace(facts, quotient=one)) for one in quotients))
        for who, facts in _families(row, rule)
    ]
    what = row.get_unit_display()
    found.tables.append(Table(f"Ce que coûte {what}", ("Qui", *heads), shown))
    if rule.unit == pricing.Unit.MONTH:
        found.tables += _months(row, rule, quotients[0], today)
    by_number = quantity_preview.preview(row, today - timedelta(days=today.weekday()))
    if by_number is not None:
        found.sentences += by_number.sentences
        found.warnings += by_number.warnings
        found.tables += by_number.tables
    return found


def _price(rule: pricing.Tariff, facts: pricing.Facts) -> str | tuple[str, str]:
    try:
        price = pricing.price(rule, facts)
    except pricing.NoPrice as refusal:
        return ("–", str(refusal))
    return (euros(price.amount), price.explanation)


def _families(row: Tariff, rule: pricing.Tariff) -> Iterator[tuple[str, pricing.Facts]]:
    """One as the others are, then one for each rule of its own."""
    columns = rule.columns if len(rule.columns) > 1 else ("",)
    for column in columns:
        yield (f"Colonne « {column} »" if column else "Une famille"), pricing.Facts(column=column)
    for stored, one in zip(row.modifiers.all(), rule.modifiers, strict=True):
        yield _who(stored.get_when_display(), one), _facts(one)


def _who(words: str, rule: pricing.Modifier) -> str:
    """« À partir du 2e enfant », « Moins de 6 ans »."""
    match rule.when:
        case pricing.When.RANK:
            return words.replace("…", f"{rule.number}e")
        case pricing.When.CHILDREN | pricing.When.AGE:
            return words.replace("…", str(rule.number))
        case pricing.When.LEVEL | pricing.When.GRADE:
            return rule.level.capitalize() or words
        case pricing.When.PUBLIC:
            return rule.public_name
    return words


def _facts(rule: pricing.Modifier) -> pricing.Facts:
    """Of a child for which the rule holds."""
    facts = pricing.Facts()
    match rule.when:
        case pricing.When.RANK:
            return replace(facts, rank=rule.number, children=rule.number)
        case pricing.When.CHILDREN:
            return replace(facts, children=rule.number)
        case pricing.When.AGE:
            age = rule.number - 1
            return replace(facts, age=age, age_december=age, age_september=age)
        case pricing.When.LEVEL:
            return replace(facts, level=rule.level)
        case pricing.When.GRADE:
            grade = rule.number or rule.last
            return replace(facts, grades=(grade, grade))
        case pricing.When.STATUS:
            return replace(facts, statuses=frozenset({rule.status}))
        case pricing.When.PUBLIC:
            return replace(facts, resident=False, publics=(rule.public,))
        case pricing.When.NON_RESIDENT:
            return replace(facts, resident=False)
        case pricing.When.ADULT:
            return replace(facts, adult=True)
        case pricing.When.PAI:
            return replace(facts, pai=True)
        case pricing.When.LATE:
            return replace(facts, late=True)
        case pricing.When.UNRESERVED:
            return replace(facts, unreserved=True)
        case pricing.When.ABSENT:
            return replace(facts, absent=True)


def _months(row: Tariff, rule: pricing.Tariff, quotient: Decimal | None, today: date) -> Iterator[Table]:
    """The months of a school year, and the parts of a month that is not whole."""
    try:
        amount = pricing.price(rule, pricing.Facts(quotient=quotient)).amount
    except pricing.NoPrice:
        return
    september = date(today.year - (today.month < 9), 9, 1)
    shown = []
    total = Decimal(0)
    for number in range(12):
        month = months_after(september, number)
        due = flats.due_in(row.due_months, month)
        total += amount if due else 0
        said = euros(amount) if due else ("rien", flats.not_due(row.due_months, month))
        shown.append(previews.row(month_name(month).capitalize(), said))
    shown.append(previews.row("L'année", euros(total)))
    who = f"Un enfant qui vient chaque mois, {quantity_preview.named(quotient)}"
    yield Table(who, ("Mois", "À payer"), shown)
    yield Table("Un mois qui n'est pas entier", ("Qui", "À payer"), list(_parts(row, amount, today)))


def _parts(row: Tariff, amount: Decimal, today: date) -> Iterator[previews.Row]:
    first = months_after(today.replace(day=1), 1)
    after = months_after(first, 1)
    open_days = [
        day
        for day in (first + timedelta(days=number) for number in range((after - first).days))
        if day.weekday() < WEEKDAYS
    ]
    begins = first.replace(day=16)
    part = flats.part(flats.Begun(row.begun), open_days, [(begins, after)])
    yield previews.row(
        f"Inscrit le {moments.day(begins)}", (euros(part.of(amount)), part.words or "le forfait entier")
    )
    if row.homes == Tariff.Homes.SHARED:
        here, there = flats.shares(amount, [12, 8])
        said = f"{euros(here)} et {euros(there)}"
    else:
        said = f"{euros(amount)} chacun"
    yield previews.row("Deux foyers, 12 jours chez l'un et 8 chez l'autre", said)


# The settings -----------------------------------------------------------------------------------------------


def settings(row: BillingSettings, today: date) -> Preview:
    """An invoice of today in several due dates; from when an agent may decide about one that is not paid."""
    due = today + timedelta(days=row.payment_days)
    amount = max(Decimal(100), row.instalments_from)
    shown = [
        previews.row(
            f"En {count} fois",
            "\n".join(
                f"{euros(one.amount)} le {moments.day(one.due_on, year=True)}"
                for one in instalments.schedule(amount, count, due)
            ),
        )
        for count in range(2, row.instalments_most + 1)
    ]
    tables = [
        Table(
            f"Une facture de {euros(amount)}, à payer le {moments.day(due, year=True)}",
            ("La famille choisit", "Elle paie"),
            shown,
            none="Une famille ne choisit pas de payer en plusieurs fois ; un agent le peut.",
        )
    ]
    before = row.before_arrears
    last = today
    cases = []
    for sent in range(before.reminders + 1):
        owed = [arrears.Owed("", max(before.amount, Decimal(1)), sent, last if sent else None)]
        words = counted(sent, "relance", "relances")
        for day in (last, last + timedelta(days=before.days)):
            said = arrears.refusal(owed, before, day) or "un agent peut décider"
            cases.append(previews.row(f"{words}, le {moments.day(day)}", said))
    tables.append(
        Table(
            f"Impayés de {euros(before.amount)}, dernière relance le {moments.day(last)}",
            ("Quand", "Ce qui est possible"),
            cases,
        )
    )
    return Preview(tables=tables)
