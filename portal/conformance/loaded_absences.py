"""The worked absences of a town that has a file: booked days that a child missed, billed or not."""

from billing.invoices import reading
from billing.invoices.billable import Billable, Scope
from billing.invoices.other_days import absences_billed
from billing.models import AbsencePolicy, BillingSettings
from portal.conformance import households, loaded_towns
from portal.conformance.published_towns import Document
from portal.conformance.values import Unreadable, first_of, listed, read_day, read_number, within
from portal.reservations.models import Activity


def why_wrong(town: Document, case: Document) -> str | None:
    """None when as many days are billed as expected. The file is loaded. Raises Unreadable."""
    with within("absent"):
        absent = [read_day(one) for one in listed(first_of(case, "absent", "first_absence"))]
    with within("billed_days"):
        expected = read_number(case.get("billed_days"))
    if not absent:
        raise Unreadable("Les jours d'absence manquent.", "absent")
    with within("booked"):
        booked = sorted({*absent, *(read_day(one) for one in listed(case.get("booked")))})
    activity = _activity(case)
    formula = activity.formulas.order_by("order", "pk").first()
    if formula is None:
        raise Unreadable(f"« {activity.code} » n'a aucune formule.", "service")
    said = [
        case.get("reason"),
        case.get("certificate"),
        first_of(case, "told", "announced", "called", "prevenu"),
    ]
    child = {
        "acts": {activity.code: {formula.code: list(map(str, booked))}},
        "absent": dict.fromkeys(map(str, absent), said),
    }
    home = households.settle({"children": [child]}, absent[0])
    households.come(home, households.book(home), {})
    scope = Scope(absent[-1].replace(day=1))
    found = reading.read(Billable(scope, BillingSettings.current(), households=[home.household.pk]))
    billed = sum(absences_billed(found, AbsencePolicy.rules).values())
    return None if billed == expected else f"attendu {expected} jours facturés, obtenu {billed}"


def _activity(case: Document) -> Activity:
    """The one that the case names, or the first that has a rule of absence of its own, or the first."""
    word = first_of(case, "service", "activity")
    if word is not None:
        with within("service"):
            return loaded_towns.activity_and_formula(word)[0]
    policy = AbsencePolicy.objects.exclude(activity=None).select_related("activity").first()
    found = policy.activity if policy else Activity.objects.order_by("order", "pk").first()
    if found is None:
        raise Unreadable("Le fichier n'a aucune activité.", "town_file")
    return found
