"""The worked deadlines of a town that has a file: decided by the deadlines of its activities."""

from collections.abc import Iterable
from datetime import date

from portal.conformance import facts, households, loaded_towns
from portal.conformance.published_towns import Document
from portal.conformance.values import Unreadable, plain, read_day, read_flag, read_moment, within
from portal.reservations.days import audiences
from portal.reservations.days.calendars import OpenDays
from portal.reservations.days.deadline_book import DeadlineBook
from portal.reservations.deadlines.decisions import Standing
from portal.reservations.models import Activity, Formula
from portal.reservations.states import Action

LATE = (Standing.LATE_REQUEST, Standing.LATE_ACCEPT, Standing.CLOSED)
EXPECTED: dict[str, tuple[Standing, ...]] = {
    "on_time": (Standing.ON_TIME,),
    "late": LATE,
    "too_late": LATE,
    "late_request": (Standing.LATE_REQUEST,),
    "request": (Standing.LATE_REQUEST,),
    "late_accept": (Standing.LATE_ACCEPT,),
    "surcharge": (Standing.LATE_ACCEPT,),
    "closed": (Standing.CLOSED,),
    "refused": (Standing.CLOSED, Standing.NEVER),
    "too_early": (Standing.EARLY,),
    "early": (Standing.EARLY,),
    "never": (Standing.NEVER,),
}
ACTIONS = {
    "reserve": Action.BOOK,
    "reserver": Action.BOOK,
    "book": Action.BOOK,
    "cancel": Action.CANCEL,
    "annuler": Action.CANCEL,
}


def why_wrong(town: Document, case: Document) -> str | None:
    """None when the file, loaded, decides as expected, else the reason. Raises Unreadable."""
    expected = EXPECTED.get(plain(case.get("expect")))
    if expected is None:
        raise Unreadable(f"« {case.get('expect')} » n'est pas prévu : {', '.join(EXPECTED)}.", "expect")
    with within("attempt"):
        at = read_moment(case.get("attempt"))
    with within("target"):
        target = read_day(case.get("target"))
    action = ACTIONS.get(plain(case.get("action") or "reserve"))
    if action is None:
        raise Unreadable(f"« {case.get('action')} » n'est pas prévu : reserve, cancel.", "action")
    with within("service"):
        activity, formula = loaded_towns.activity_and_formula(case.get("service"), case.get("formula"))
    period = loaded_towns.period_on(activity, target)
    book = DeadlineBook.for_activity(activity, period)
    formula = formula or _own(book, activity, action)
    place = activity.establishments.order_by("pk").first()
    calendar = OpenDays.load(activity, place, min(at.date(), target), max(at.date(), target))
    schedule = book.schedule(
        formula.pk if formula else None,
        action,
        calendar,
        at,
        resident=_is_resident(case),
        publics=_publics(case, at.date()),
    )
    verdict = schedule.verdict(target)
    if verdict.standing in expected:
        return None
    row = book.row(formula.pk if formula else None, action)
    said = row.rule.sentence if row else "aucun délai dans le fichier : jusqu'à la fin de la veille"
    moment = f" ({verdict.moment:%d/%m/%Y %H:%M})" if verdict.moment else ""
    return f"attendu {case['expect']}, obtenu {verdict.standing.value}{moment} ; {said}"


def offers(case: Document) -> bool:
    """Whether the file has what the case asks for."""
    try:
        loaded_towns.activity_and_formula(case.get("service"), case.get("formula"))
    except Unreadable:
        return False
    return True


def _own(book: DeadlineBook, activity: Activity, action: str) -> Formula | None:
    """Where only formulas have deadlines, the first of them that has one."""
    if book.row(None, action) is not None:
        return None
    its: Iterable[Formula] = activity.formulas.order_by("order", "pk")
    return next((one for one in its if book.row(one.pk, action) is not None), None)


def _publics(case: Document, day: date) -> tuple[int, ...]:
    """The town's own audiences, where the case says where the family lives or what was recognised of it."""
    if not {"address", "publics", "moved"} & set(case):
        return ()
    household = households.household_of(case)
    facts.audiences(household, case)
    return audiences.of_home(household, day)


def _is_resident(case: Document) -> bool:
    for name, answer in (("resident", True), ("non_resident", False), ("nonresident", False)):
        if name in case:
            with within(name):
                return read_flag(case[name]) == answer
    return plain(case.get("audience") or "").replace("-", "_") not in ("non_resident", "hors_commune", "ext")
