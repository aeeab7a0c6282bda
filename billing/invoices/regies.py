"""Several régies: which bills an activity, whose series a number is of, whose account money goes to.

    of_formulas() -> {formula: régie}        by key; what is not in it is the town's own
    of_activities(keys) -> {régie}           those that bill these activities now
    facts(regie), facts_of(keys) -> Issuer   whose bank account, words and signature: the only author
    series(base, regie) -> str               « R » of the town's own, « R-CL » of a further one
    named(keys) -> {key: name}               how pages call them

A régie is its key, and None the town's own, whose facts are `BillingSettings`. A town without further régies
asks the database one question more, where a run prices what it bills.
"""

from collections.abc import Collection, Iterable

from billing.models import ActivityRegie, BillingSettings, Issuer, Regie

# Of a further régie's invoices; the town's own choose their letters.
INVOICES = "F"
# With the hyphen and four letters a series fills its eight signs.
LONGEST_BASE = 3
OWN = "Mairie"


def of_formulas() -> dict[int, int]:
    """The further régie (key) that bills each formula, by what its activity is owned by now; in one query."""
    rows = ActivityRegie.objects.filter(activity__formulas__isnull=False)
    return dict(rows.order_by().values_list("activity__formulas", "regie"))


def of_activities(activities: Collection[int]) -> set[int | None] | None:
    """The régies that bill these activities (keys) now; None where there is the town's own alone."""
    rows = dict(Regie.objects.values_list("owned__activity", "pk"))
    return {rows.get(one) for one in activities} if rows else None


def facts(regie: int | None, settings: BillingSettings | None = None) -> Issuer:
    """Whose bank account, words and signature: the only author. `settings`: where they were read already."""
    if regie is None:
        return settings or BillingSettings.current()
    return Regie.objects.get(pk=regie)


def facts_of(keys: Iterable[int | None], settings: BillingSettings) -> dict[int | None, Issuer]:
    """Those of several régies, by key, in one query; none where they are all the town's own."""
    further = set(keys) - {None}
    found: dict[int | None, Issuer] = {None: settings}
    return found | dict(Regie.objects.in_bulk(further)) if further else found


def series(base: str, regie: int | None) -> str:
    """The series of a kind of documents, by its letters at the town's own: « A », « R », « REPORT ».

    A hyphen is in no series of the town's own and the letters are one régie's: no two share a series.
    """
    if regie is None:
        return base
    letters = Regie.objects.values_list("letters", flat=True).get(pk=regie)
    return f"{base[:LONGEST_BASE]}-{letters}"


def invoices(regie: int | None, settings: BillingSettings) -> str:
    """The series of invoices."""
    return settings.series if regie is None else series(INVOICES, regie)


def code_of(regie: int | None) -> str:
    """By which its contract with a provider is found; empty: the town's own."""
    return "" if regie is None else Regie.objects.values_list("code", flat=True).get(pk=regie)


def all_named() -> dict[int | None, str]:
    """Every régie's name; nothing where the town's own is alone."""
    found: dict[int | None, str] = {None: OWN}
    found.update(Regie.objects.values_list("pk", "name"))
    return found if len(found) > 1 else {}


def named(keys: Iterable[int | None]) -> dict[int | None, str]:
    """Their names, where they are of several régies or of a further one; otherwise nothing, unasked."""
    wanted = set(keys)
    further = {key for key in wanted if key is not None}
    if not further:
        return {}
    found: dict[int | None, str] = {None: OWN} if None in wanted else {}
    found.update(Regie.objects.filter(pk__in=further).values_list("pk", "name"))
    return found
