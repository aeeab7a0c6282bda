"""Accounts that an earlier version let have the same identifiant or address: all kept, the desk settles it.

Recovery writes to none of those that share an address, until all but one are closed or called otherwise.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from families.models import SecurityEvent, User
from families.traces import security

# Its column, the column that tells that it is shared, and how it is called.
NAMES = (("email_form", "email_shared", "adresse"), ("username_form", "username_shared", "identifiant"))


class NotToClose(Exception):
    """`str()` says why, to the desk."""


@dataclass(frozen=True)
class Shared:
    """An identifiant or an address, and the open accounts that have it, first the oldest."""

    called: str
    form: str
    users: list[User]


def groups() -> list[Shared]:
    """What several open accounts have."""
    found = []
    for column, flag, called in NAMES:
        shared = User.objects.filter(**{flag: True}).values(column)
        users: dict[str, list[User]] = {}
        having = User.objects.filter(**{f"{column}__in": shared}, is_active=True)
        for user in having.order_by(column, "pk"):
            users.setdefault(getattr(user, column), []).append(user)
        found += [Shared(called, form, having) for form, having in users.items() if len(having) > 1]
    return found


def close(pk: int, *, by: User) -> User:
    """Closes a family's account that shares a name, or raises NotToClose. Its own page reopens it."""
    with transaction.atomic():
        user: User | None = User.objects.select_for_update().filter(pk=pk).first()
        if user is None or not any(user in shared.users for shared in groups()):
            raise NotToClose("Ce compte ne partage plus de nom avec un autre.")
        if user.is_staff:
            raise NotToClose("Le compte d'un agent se ferme sur sa fiche.")
        user.is_active = False
        user.session_generation += 1
        user.save(update_fields=["is_active", "session_generation"])
        security.note(SecurityEvent.Kind.CLOSED, user=user, by=by)
    return user


def settle() -> int:
    """Names that one account alone still has are that account's, for the database too; returns how many."""
    settled = 0
    for column, flag, _ in NAMES:
        for user in User.objects.filter(**{flag: True}):
            same = Q(**{column: getattr(user, column), flag: False})
            if not User.objects.filter(same).exclude(pk=user.pk).exists():
                settled += User.objects.filter(pk=user.pk).update(**{flag: False})
    return settled
