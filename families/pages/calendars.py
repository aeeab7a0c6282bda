"""« Calendrier de garde »: whose day it is, as a home of the child proposes it and the other one answers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from families import which_home
from families.custody import calendars
from families.custody.calendar_forms import CalendarPage
from families.custody.calendars import CalendarRefused, Terms
from families.custody.whose_days import holidays_between
from families.models import AlreadyAnswered, Child, CustodyCalendar, Household
from portal.french import moments
from portal.web.interrupted import keeps_interrupted_form, posted
from portal.web.signed_in import SignedInRequest

# How far the page shows whose days come.
AHEAD = timedelta(weeks=10)
OWN, OTHER = "chez vous", "dans l'autre foyer"


@dataclass(frozen=True)
class Spell:
    """« du samedi 5 au vendredi 11 décembre », and whose days they are."""

    days: str
    own: bool
    words: str


@keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def calendar(request: SignedInRequest, child_id: int) -> HttpResponse:
    """What counts, what waits for an answer, and the form of a new one."""
    child = which_home.row(request, Child.objects.visible_to(request.user), pk=child_id)
    home = which_home.household(request)
    at = timezone.now()
    today = timezone.localdate(at)
    homes = [one.pk for one in calendars.homes_of(child, today)]
    if len(homes) < 2 or home.pk not in homes:
        raise Http404
    names = {home.pk: OWN} | {one: OTHER for one in homes if one != home.pk}
    counting = child.custody_calendar
    waiting = CustodyCalendar.objects.waiting().filter(child=child).first()
    if counting is not None and not calendars.is_of(counting, home):
        counting = None
    if waiting is not None and not calendars.is_of(waiting, home):
        waiting = None
    data = posted(request)
    button = "" if data is None else data.get("do", "")
    if request.method == "POST" and button in _ANSWERS:
        return _answer(request, child, waiting, button, at)
    if button == "propose" and len(homes) > 2:
        messages.error(request, calendars.TWO_HOMES)
        return redirect("families:custody_calendar", child.pk)
    terms = calendars.terms_of(counting) if counting else None
    asked = calendars.terms_of(waiting) if waiting else None
    page = CalendarPage(data if button == "propose" else None, names=names, terms=asked or terms)
    if request.method == "POST" and button == "propose" and page.is_valid():
        try:
            calendars.propose(child, page.terms, home=home, by=request.user, at=at)
        except CalendarRefused as refusal:
            page.form.add_error(None, str(refusal))
        else:
            messages.success(request, "Votre proposition est envoyée : l'autre foyer, ou la mairie, répond.")
            return redirect("families:custody_calendar", child.pk)
    context: dict[str, Any] = {
        "child": child,
        "homes": len(homes),
        "page": page,
        "counting": counting,
        "spells": _spells(terms, home, today),
        "waiting": waiting,
        "asked": _spells(asked, home, today),
        "mine": waiting is not None and waiting.asked_by_home_id == home.pk,
        "by_town": counting is not None and counting.asked_by_home_id is None,
    }
    return render(request, "families/custody_calendar.html", context)


def _spells(terms: Terms | None, home: Household, today: date) -> list[Spell]:
    if terms is None:
        return []
    last = today + AHEAD
    holidays = holidays_between(today, last) if terms.first_half is not None else []
    return [
        Spell(moments.span(first, until), whose == home.pk, OWN if whose == home.pk else OTHER)
        for first, until, whose in terms.turns.spells(today, last, holidays)
    ]


def _confirm(child: Child, waiting: CustodyCalendar, request: SignedInRequest, at: datetime) -> str:
    calendars.confirm(waiting, by=request.user, at=at)
    return "C'est confirmé : chaque jour est marqué chez vous ou dans l'autre foyer."


def _refuse(child: Child, waiting: CustodyCalendar, request: SignedInRequest, at: datetime) -> str:
    calendars.refuse(waiting, by=request.user, at=at)
    return "C'est refusé : rien ne change. Vous pouvez proposer un autre calendrier."


def _withdraw(child: Child, waiting: CustodyCalendar, request: SignedInRequest, at: datetime) -> str:
    calendars.withdraw(waiting, by=request.user, at=at)
    return "Votre proposition est retirée."


_ANSWERS: dict[str, Callable[..., str] | None] = {
    "confirm": _confirm,
    "refuse": _refuse,
    "withdraw": _withdraw,
    "stop": None,
}


def _answer(
    request: SignedInRequest, child: Child, waiting: CustodyCalendar | None, button: str, at: datetime
) -> HttpResponse:
    verb = _ANSWERS[button]
    try:
        if verb is None:
            calendars.stop(child, by=request.user, at=at)
            messages.success(request, "Le calendrier de garde n'est plus suivi. L'autre foyer est prévenu.")
        elif waiting is None:
            messages.info(request, "Il n'y a plus rien à répondre.")
        else:
            messages.success(request, verb(child, waiting, request, at))
    except (CalendarRefused, AlreadyAnswered) as refusal:
        messages.error(request, str(refusal))
    return redirect("families:custody_calendar", child.pk)
