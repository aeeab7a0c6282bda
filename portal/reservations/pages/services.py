"""What a service (the canteen, leisure…) declares of itself, once; the engine never asks which one it serves.

A service's URL namespace is its slug, and holds `planning` with (enrolment, establishment, period).
"""

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.http import QueryDict
from django.urls import reverse

from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Activity, Period
from portal.reservations.pages import prices
from portal.reservations.pages.cells import Cell
from portal.reservations.pages.planning import Planning, Ticks
from portal.web.signed_in import SignedInRequest


def no_context(request: SignedInRequest, plan: Planning) -> dict[str, Any]:
    """For a planning that needs nothing more."""
    return {}


def no_button(button: str, data: QueryDict, plan: Planning, ticks: Ticks) -> bool:
    """For a planning without buttons of its own."""
    return False


def everywhere(plan: Planning, days: tuple[date, date]) -> bool:
    """For a planning that is computed whole."""
    return True


def everything(data: QueryDict, plan: Planning, reach: str) -> Iterable[Cell]:
    """For a planning whose buttons act on all its days."""
    return plan.cells.values()


@dataclass(frozen=True)
class Service:
    """What a service lends to the shared steps.

    `slug` is Activity.service and the URL namespace; `template` draws the planning; `context` adds to it.
    `act` carries out the buttons only this planning has: it changes the ticks and says whether the button
    was its own. `shown` gives the choices a posted form holds, where a planning does not show them all; an
    address says by the name `shown_by` what to show, and `within` makes days of it, so that no other is
    computed; where the address says nothing, those of `opening` are, if `opens_within` finds that they tell
    what to show. `reached` gives the cells that « Tout sélectionner » and its like act on, as the field says
    whose name it is handed. `together`: the planning can show brothers and sisters side by side; `apart`:
    each at its own place. `by_child`: one chooses a child, and then among all its enrolments, instead of
    an enrolment. `pricer` says what days cost, if any.
    `called` is what a parent calls it, where it has one activity only: « cantine ». `book_label` is its large
    way on at the top of « Mon compte famille », with the icon `icon`; it leads to `book` of its namespace.
    """

    slug: str
    name: str
    template: str
    context: Callable[[SignedInRequest, Planning], dict[str, Any]] = no_context
    act: Callable[[str, QueryDict, Planning, Ticks], bool] = no_button
    shown: Callable[[QueryDict, Planning], Container[Choice] | None] | None = None
    shown_by: str = "semaine"
    within: Callable[[QueryDict, Period], tuple[date, date] | None] | None = None
    opening: Callable[[Period, date], tuple[date, date]] | None = None
    opens_within: Callable[[Planning, tuple[date, date]], bool] = everywhere
    reached: Callable[[QueryDict, Planning, str], Iterable[Cell]] = everything
    together: bool = False
    apart: bool = False
    by_child: bool = False
    pricer: prices.Pricer | None = None
    called: str = ""
    book_label: str = ""
    icon: str = "accepted"
    book: str = "book"

    def book_url(self) -> str:
        """Where one begins to reserve, whatever the child."""
        return reverse(f"{self.slug}:{self.book}")


# Those that declared themselves, by slug.
SERVICES: dict[str, Service] = {}


def register(service: Service) -> Service:
    """Makes a service known to the steps that are given a reservation only: they ask its `pricer`."""
    SERVICES[service.slug] = service
    return service


def pricer_of(activity: Activity) -> prices.Pricer | None:
    """How the activity's service says what days cost; None where it does not."""
    service = SERVICES.get(activity.service)
    return service.pricer if service else None
