"""Roles given and taken: the only writer of `StaffRight`, of a login's groups and so of what Django checks.

Whatever else puts a login into a group (a script, a command) means what it always meant: the role in the
whole town, as a row. So rows and groups never say two things.
"""

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.http import HttpRequest

from families.models import SecurityEvent, User
from families.traces import security
from portal.reservations.models import Establishment, StaffRight
from portal.reservations.staff import rights


class RightRefused(Exception):
    """Nothing was given; the message is the sentence to show."""


@transaction.atomic
def give(
    user: User,
    role: Group,
    *,
    places: Collection[Establishment] | None = None,
    by: User | None,
    request: HttpRequest | None = None,
) -> StaffRight:
    """Gives a role in the whole town, or at `places` only; a role that is held changes its places.

    Raises RightRefused where places are asked for and the role cannot be held there.
    """
    if places is not None:
        check(role, places)
    _lock(user)
    right, new = StaffRight.objects.get_or_create(
        user=user, role=role, defaults={"everywhere": places is None, "given_by": by}
    )
    before = None if new else _words(right)
    if not new:
        right.everywhere, right.given_by = places is None, by
        right.save()
    right.places.set(places or ())
    user.groups.add(role)
    if (after := _words(right)) != before:
        _note(user, by, f"{role} : {after}", request)
    return right


def check(role: Group, places: Collection[Establishment]) -> None:
    """Raises RightRefused where a role cannot be held at these places only."""
    if not places:
        raise RightRefused("Choisissez au moins un établissement, ou cochez « toute la commune ».")
    if not rights.counts_at_places(role):
        raise RightRefused(
            f"« {role} » ne porte que sur ce qui concerne toute la commune : cochez « toute la commune »."
        )


def givable(by: User) -> list[Group]:
    """The roles that `by` may give and take away: nobody gives more than they hold in the whole town."""
    roles = Group.objects.prefetch_related("permissions__content_type").order_by("name")
    if by.is_superuser:
        return list(roles)
    own = rights.held(by).everywhere
    return [role for role in roles if rights.rights_of(role) <= own]


@transaction.atomic
def withdraw(user: User, role: Group, *, by: User | None, request: HttpRequest | None = None) -> None:
    """Takes a role away; without one, nothing happens."""
    _lock(user)
    for right in StaffRight.objects.filter(user=user, role=role):
        right.delete()
        _note(user, by, f"{role} : retiré", request)
    user.groups.remove(role)


@transaction.atomic
def withdraw_all(user: User, *, by: User | None, request: HttpRequest | None = None) -> None:
    """Takes every role away, and what the login was given past them. Whether it is one of staff's or a
    superuser's at all stays for the caller to say."""
    _lock(user)
    for right in StaffRight.objects.filter(user=user).select_related("role"):
        withdraw(user, right.role, by=by, request=request)
    user.groups.clear()
    if user.user_permissions.exists():
        user.user_permissions.clear()
        _note(user, by, "Droits donnés hors des rôles : retirés", request)


def _lock(user: User) -> None:
    """Two who change the same login's roles come one after the other."""
    User.objects.select_for_update().get(pk=user.pk)


def _words(right: StaffRight) -> str:
    if right.everywhere:
        return "toute la commune"
    return ", ".join(right.places.order_by("name").values_list("name", flat=True))


def _note(user: User, by: User | None, detail: str, request: HttpRequest | None = None) -> None:
    security.note(SecurityEvent.Kind.RIGHTS, user=user, by=by, request=request, detail=detail)


def follow_groups(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: set[int] | None, **kwargs: Any
) -> None:
    """Receiver of changes of `User.groups` by whatever way: rows come and go with them."""
    if action == "post_add":
        for user, role in _pairs(instance, reverse, pk_set or ()):
            _, new = StaffRight.objects.get_or_create(user=user, role=role)
            if new:
                _note(user, None, f"{role} : toute la commune")
    elif action == "post_remove":
        for user, role in _pairs(instance, reverse, pk_set or ()):
            _forget(user=user, role=role)
    elif action == "pre_clear":
        _forget(**{"role" if reverse else "user": instance})


def _forget(**which: Any) -> None:
    for right in StaffRight.objects.filter(**which).select_related("user", "role"):
        right.delete()
        _note(right.user, None, f"{right.role} : retiré")


def _pairs(instance: Any, reverse: bool, keys: Iterable[int]) -> list[tuple[User, Group]]:
    if reverse:
        return [(user, instance) for user in User.objects.filter(pk__in=keys)]
    return [(instance, role) for role in Group.objects.filter(pk__in=keys)]
