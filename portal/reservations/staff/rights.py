"""What a member of staff may see: one reading of its rows, one answer for all pages.

Pages ask the ground (`portal.desk.rights`), to which this is lent.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from django.apps import apps
from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet
from django.utils import timezone

from portal.desk.rights import Row
from portal.reservations.models import StaffRight
from portal.reservations.staff import scopes
from portal.reservations.staff.scopes import Asked, Places


class Whole(Enum):
    """The whole town."""

    TOWN = "town"


Reach: TypeAlias = Whole | Places
NOWHERE: Places = frozenset()


@dataclass(frozen=True)
class Held:
    """What somebody's roles give: in the whole town, and at which places."""

    everywhere: frozenset[str] = frozenset()
    at: Mapping[str, Places] = field(default_factory=dict)

    @property
    def all(self) -> set[str]:
        return {*self.everywhere, *self.at}


def held(user: Any) -> Held:
    """Of staff only. Read once for an object of a login, as Django does, in one query; two where places are
    named."""
    if not (user.is_active and user.is_staff):
        return Held()
    found: Held | None = getattr(user, "_staff_rights_held", None)
    if found is None:
        found = user._staff_rights_held = _read(user)
    return found


def _read(user: Any) -> Held:
    permission = "role__permissions"
    rows = list(
        StaffRight.objects.filter(user=user, role__permissions__isnull=False)
        .order_by()
        .values_list(
            "pk",
            "everywhere",
            f"{permission}__content_type__app_label",
            f"{permission}__content_type__model",
            f"{permission}__codename",
        )
    )
    places: dict[int, set[int]] = defaultdict(set)
    if not all(everywhere for _, everywhere, *_ in rows):
        tied = StaffRight.places.through._default_manager.filter(staffright__user=user)
        for right, place in tied.values_list("staffright", "establishment"):
            places[right].add(place)
    everywhere: set[str] = set()
    some: dict[str, set[int]] = defaultdict(set)
    for right, whole, app, model, codename in rows:
        if whole:
            everywhere.add(f"{app}.{codename}")
        elif places[right] and _counts(app, model, codename):
            some[f"{app}.{codename}"] |= places[right]
    named = {name: frozenset(found) for name, found in some.items() if name not in everywhere}
    return Held(frozenset(everywhere), named)


def _counts(app: str, model: str, codename: str) -> bool:
    """Whether a right says something to who has some places only."""
    try:
        scope = scopes.of(apps.get_model(app, model))
    except LookupError:
        return False  # a permission of a model that is gone
    return scope is not None and scope.allows(codename.partition("_")[0])


def rights_of(role: Group) -> set[str]:
    """« families.view_child »…: what a role gives, as the database holds it."""
    return {f"{one.content_type.app_label}.{one.codename}" for one in role.permissions.all()}


def counts(right: str) -> bool:
    """Whether a right, « app.verb_model », says something to who has some places only."""
    app, _, codename = right.partition(".")
    return _counts(app, codename.rpartition("_")[2], codename)


def counts_at_places(role: Group) -> bool:
    """Whether a role says anything at all to who holds it at some places only."""
    named = role.permissions.order_by().values_list(
        "content_type__app_label", "content_type__model", "codename"
    )
    return any(_counts(*one) for one in named)


def places_of(user: Any, right: str) -> Reach:
    """Where somebody holds a right."""
    if user.is_active and user.is_superuser:
        return Whole.TOWN
    found = held(user)
    if right in found.everywhere:
        return Whole.TOWN
    if user.is_active and user.is_staff and right in user.get_user_permissions():
        # Given to the login itself, past the roles: such a right knows no places.
        return Whole.TOWN
    return found.at.get(right, NOWHERE)


class StaffRights:
    """What is lent to the desk."""

    def held_by(self, user: Any) -> set[str]:
        return held(user).all

    def held_in_part_by(self, user: Any) -> set[str]:
        return {right for right in held(user).at if not isinstance(places_of(user, right), Whole)}

    def reaches_all(self, user: Any, right: str) -> bool:
        return isinstance(places_of(user, right), Whole)

    def seen_by(self, user: Any, rows: QuerySet[Row], rights: tuple[str, ...]) -> QuerySet[Row]:
        looking, writing = NOWHERE, NOWHERE
        for right in rights:
            reach = places_of(user, right)
            if isinstance(reach, Whole):
                return rows
            if right.partition(".")[2].startswith("view_"):
                looking |= reach
            else:
                writing |= reach
        scope = scopes.of(rows.model)
        if scope is None or not (looking or writing):
            return rows.none()
        if scope.where is None:
            return rows
        today = timezone.localdate()
        wanted = Q(pk__in=())
        if looking:
            wanted |= scope.where(Asked(looking, today, looking=True))
        if writing:
            wanted |= scope.where(Asked(writing, today, looking=False))
        return rows.filter(wanted)
