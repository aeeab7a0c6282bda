"""« Annuler plusieurs jours »: many booked days ticked on one page, and asked about once, at validation."""

from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from portal.french import moments
from portal.french.dates import month_name
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import Enrolment, Establishment, Period
from portal.reservations.pages.acting import acting_of, row
from portal.reservations.pages.cells import CANCEL, Cell
from portal.reservations.pages.planning import Planning, Ticks
from portal.reservations.states import CellState
from portal.web import interrupted
from portal.web.signed_in import SignedInRequest

# What stands on a day and could be cancelled, or could have been.
STANDING = (CellState.BOOKED, CellState.REQUESTED, CellState.WAITLISTED, CellState.OFFERED, CellState.HELD)


@dataclass(frozen=True)
class Month:
    """The days of a month: those that can be cancelled, and those that no longer can."""

    key: str  # « 2027-01 »
    name: str
    cells: list[tuple[Cell, str]]  # with the formula, where there are several
    fixed: list[date]

    @property
    def fixed_text(self) -> str:
        return moments.enumerate_days(self.fixed)

    @property
    def all_ticked(self) -> bool:
        return all(cell.checked for cell, _ in self.cells)

    @property
    def any_ticked(self) -> bool:
        return any(cell.checked for cell, _ in self.cells)


@interrupted.keeps_interrupted_form
@require_http_methods(["GET", "POST"])
def cancel_days(
    request: SignedInRequest, enrolment_id: int, establishment_id: int, period_id: int
) -> HttpResponse:
    """The booked days of a child at a place in a period, to tick; « Suivant » goes on to validation."""
    at = timezone.now()
    enrolment = row(
        request,
        Enrolment.objects.select_related(
            "activity", "household", "school_year", "child__health", "establishment", "moves_to"
        ),
        timezone.localdate(at),
        pk=enrolment_id,
    )
    acting = acting_of(request)
    known = (enrolment.establishment_id, enrolment.moves_to_id)
    own = [key for key in known if key is not None] or [establishment_id]
    establishment = get_object_or_404(Establishment.objects.filter(pk__in=own), pk=establishment_id)
    period = get_object_or_404(
        Period, pk=period_id, activity=enrolment.activity_id, school_year=enrolment.school_year_id
    )
    if acting is not None and not acting.reaches(establishment):
        raise Http404
    plan = Planning.build(enrolment, establishment, period, at=at, acting=acting)
    if request.method == "POST":
        return _posted(request, plan)
    kept = interrupted.take(request)
    if kept is not None:
        for choice in plan.read(kept).cancel:
            plan.cells[choice].checked = True
    return render(request, "reservations/cancel_days.html", _context(plan, request.GET.get("mois", "")))


def _context(plan: Planning, shown: str) -> dict[str, Any]:
    return {
        "shown": shown,
        "plan": plan,
        "child": plan.enrolment.child,
        "months": _months(plan),
        "planning_url": f"{plan.address()}?annulation",
    }


def _months(plan: Planning) -> list[Month]:
    names = {formula.pk: formula.name for formula in plan.formulas}
    several = len(names) > 1
    standing = [cell for cell in plan.cells.values() if cell.state in STANDING and not _is_past(plan, cell)]
    months = []
    for key, of_month in groupby(standing, key=lambda cell: f"{cell.day:%Y-%m}"):
        cells = list(of_month)
        months.append(
            Month(
                key=key,
                name=month_name(cells[0].day),
                cells=[
                    (cell, names[cell.choice.formula_id] if several else "")
                    for cell in cells
                    if cell.field == CANCEL
                ],
                fixed=sorted({cell.day for cell in cells if cell.field != CANCEL}),
            )
        )
    return months


def _is_past(plan: Planning, cell: Cell) -> bool:
    """To families; the town hall cancels days gone by too."""
    return cell.day < plan.where.today and plan.where.desk is None


def _posted(request: SignedInRequest, plan: Planning) -> HttpResponse:
    button = request.POST.get("do", "next")
    read = plan.read(request.POST)
    kept = plan.ticks()
    ticks = Ticks(book=kept.book, wait=kept.wait, cancel=read.cancel, refused=read.refused)
    if request.POST.get("version", "") != plan.version:
        ticks.cancel |= kept.cancel  # another tab was quicker: nothing that it ticked goes
    verb, _, month = button.partition(":")
    of_month = {
        cell.choice for cell in plan.cells.values() if cell.field == CANCEL and f"{cell.day:%Y-%m}" == month
    }
    if verb == "all":
        ticks.cancel |= of_month
    elif verb == "none":
        ticks.cancel -= of_month
    for sentence in ticks.refused:
        messages.warning(request, sentence)
    try:
        draft = plan.keep(ticks, by=request.user, at=plan.where.at)
    except BookingRefused as refusal:
        messages.warning(request, str(refusal))
        return redirect("home")
    if verb in ("all", "none"):
        return redirect(f"{request.path}?mois={month}#m{month}" if of_month else request.path)
    if draft is None or not ticks.cancel:
        messages.warning(request, "Cochez au moins un jour à annuler.")
        return redirect(request.path)
    return redirect("reservations:validation", draft.pk)
