"""The buttons of a household's page at the desk: what one does for it, and for each of its children.

An app registers its own once it is ready; this floor knows none of what they lead to.

    desk_actions.for_household("voir", "Voir comme la famille", ("reservations.see_as_family",), address)
    desk_actions.for_children("reserver", "Réserver", ("reservations.change_booking",), addresses)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from families.models import Child, Household

# The address that a button of this household leads to, for this member of staff; "": no button.
Address = Callable[[Any, Household], str]
# The same of its children of today, all at once and in one query at most: by their keys, without those that
# nothing can be done for.
Addresses = Callable[[Any, Household, Sequence[Child]], Mapping[int, str]]


@dataclass(frozen=True)
class ForHousehold:
    """A button at the head of the page, for who has all of `rights`; `main`: what one mostly comes for."""

    label: str
    rights: tuple[str, ...]
    address: Address
    order: int = 50
    main: bool = False


@dataclass(frozen=True)
class ForChildren:
    """A link on each child's line, for who has all of `rights`."""

    label: str
    rights: tuple[str, ...]
    addresses: Addresses
    order: int = 50


@dataclass(frozen=True)
class ForChosen:
    """What one does for children ticked in a list, for who has all of `rights`: the address that it leads to,
    by their keys, `most` of them at a time."""

    label: str
    rights: tuple[str, ...]
    address: Callable[[Sequence[int]], str]
    most: int


@dataclass(frozen=True)
class Button:
    """One that is shown; `of`: whom it is for, which a voice says after its label."""

    label: str
    url: str
    of: str = ""
    main: bool = False


@dataclass
class _Registered:
    household: dict[str, ForHousehold] = field(default_factory=dict)
    children: dict[str, ForChildren] = field(default_factory=dict)
    chosen: dict[str, ForChosen] = field(default_factory=dict)


_known = _Registered()


def for_household(
    code: str,
    label: str,
    rights: tuple[str, ...],
    address: Address,
    *,
    order: int = 50,
    main: bool = False,
) -> None:
    """For an app, once it is ready; the same code again replaces the button."""
    _known.household[code] = ForHousehold(label, rights, address, order, main)


def for_children(
    code: str, label: str, rights: tuple[str, ...], addresses: Addresses, *, order: int = 50
) -> None:
    """For an app, once it is ready; the same code again replaces the link."""
    _known.children[code] = ForChildren(label, rights, addresses, order)


def for_chosen(code: str, label: str, rights: tuple[str, ...], address: Any, *, most: int) -> None:
    """For an app, once it is ready; the same code again replaces the action."""
    _known.chosen[code] = ForChosen(label, rights, address, most)


def actions_for_chosen(user: Any) -> dict[str, tuple[Callable[..., HttpResponse], str, str]]:
    """As a list of children of Django's admin wants its actions."""
    return {
        code: (partial(_go_on, one), code, one.label)
        for code, one in _known.chosen.items()
        if user.has_perms(one.rights)
    }


def _go_on(one: ForChosen, admin: Any, request: HttpRequest, children: QuerySet[Child]) -> HttpResponse:
    keys = list(children.order_by("pk").values_list("pk", flat=True)[: one.most + 1])
    if len(keys) > one.most:
        messages.warning(request, f"{one.most} enfants au plus à la fois.")
        keys = []
    return redirect(one.address(keys))


def of_household(user: Any, household: Household) -> list[Button]:
    """Those that `user` may press, in their order."""
    shown = sorted(_known.household.values(), key=lambda one: one.order)
    found = [(one, one.address(user, household)) for one in shown if user.has_perms(one.rights)]
    return [Button(one.label, url, main=one.main) for one, url in found if url]


def of_children(user: Any, household: Household, children: Sequence[Child]) -> dict[int, list[Button]]:
    """By the key of each child, in their order."""
    found: dict[int, list[Button]] = {child.pk: [] for child in children}
    for one in sorted(_known.children.values(), key=lambda one: one.order):
        if not children or not user.has_perms(one.rights):
            continue
        addresses = one.addresses(user, household, children)
        for child in children:
            if url := addresses.get(child.pk):
                found[child.pk].append(Button(one.label, url, of=child.first_name))
    return found
