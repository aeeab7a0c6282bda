"""A code on paper by which an adult without a login asks for one: printed at the desk, typed at home.

    make(guardian, by=agent, at=now) -> "K7QM-…"     known to the paper alone; the one before is dead
    use("000123", "K7QM-…", "a@b.fr", at=now)        asks for the access that an agent would ask for

A code opens nothing by itself. It does what whoever printed it would do at the desk (`openings`), in that
person's name: the login is tied to nobody until somebody already there, or a second agent, has confirmed or,
where there is neither, 72 hours after all were told. An address that has an account already is invited, and
nobody learns which it was.
"""

import secrets
from datetime import datetime, timedelta
from typing import TypeGuard

from django.db import transaction
from django.utils.crypto import constant_time_compare, salted_hmac

from families import login_names
from families.custody import openings, own
from families.models import Guardian, GuardianCode, User
from portal.desk import rights
from portal.web.posted import posted_number

# Without letters and digits that are taken for one another: sixty bits.
ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
GROUPS, GROUP = 3, 4
LASTS = timedelta(days=60)
SALT = "families.custody.codes"
RIGHT = "families.change_guardian"
WRONG = (
    "Ce numéro de foyer et ce code ne vont pas ensemble, ou le code ne sert plus. Vérifiez ce que dit la "
    "lettre, ou appelez la mairie."
)


class CodeRefused(Exception):
    """Nothing was asked for; the message says why in French."""


@transaction.atomic
def make(guardian: Guardian, *, by: User, at: datetime) -> str:
    """A new code for an adult who has no login. Raises CodeRefused, and OwnHousehold for one's own home."""
    own.check(by, [guardian.household_id], right=RIGHT, at=at)
    if guardian.user_id is not None:
        raise CodeRefused(f"{guardian} a déjà un accès au portail.")
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    code = "-".join(groups)
    GuardianCode.objects.update_or_create(
        guardian=guardian,
        defaults={"mark": _mark(guardian, code), "made_by": by, "made_at": at, "expires_at": at + LASTS},
    )
    return code


def use(number: str, code: str, address: str, *, at: datetime) -> None:
    """Asks for the access, once. Raises CodeRefused; that the address is somebody's already is not told."""
    household = posted_number(number.strip())
    with transaction.atomic():
        row = _found(household, code, at) if household is not None else None
        if row is None or not _may_ask(row.made_by, row.guardian):
            raise CodeRefused(WRONG)
        by = row.made_by
        known = [user for user in login_names.having_address(address) if user.is_active]
        ask = openings.ask_account if known else openings.ask_guardian
        try:
            opening = ask(row.guardian, address, by=by, at=at)
        except (openings.OpeningRefused, own.OwnHousehold):
            raise CodeRefused(WRONG) from None
        opening.asked_by_name = f"{opening.asked_by_name} (code remis sur papier)"[:160]
        opening.save(update_fields=["asked_by_name"])
        row.delete()


def _may_ask(by: User | None, guardian: Guardian) -> TypeGuard[User]:
    """Whether who printed the code could ask today: a role that is gone takes its codes along."""
    if by is None or not (by.is_active and by.is_staff):
        return False
    return rights.may(by, guardian, RIGHT)


def _found(household: int, code: str, at: datetime) -> GuardianCode | None:
    """The code's row, held; that of who has no login yet and still lives there."""
    rows = GuardianCode.objects.select_for_update(of=("self",)).filter(
        guardian__household=household,
        guardian__household__joined_to=None,
        guardian__household__erased_at=None,
        guardian__user=None,
        expires_at__gt=at,
    )
    for row in rows.select_related("guardian", "made_by"):
        if constant_time_compare(row.mark, _mark(row.guardian, code)):
            return row
    return None


def _mark(guardian: Guardian, code: str) -> str:
    """What is kept of a code: it says nothing without the server's key, and fits nobody else."""
    typed = "".join(sign for sign in code.upper() if sign in ALPHABET)
    said = f"{guardian.pk}:{guardian.household_id}:{typed}"
    return salted_hmac(SALT, said, algorithm="sha256").hexdigest()


def forget(at: datetime) -> int:
    """Deletes those that are over; how many."""
    deleted, _ = GuardianCode.objects.filter(expires_at__lte=at).delete()
    return deleted
