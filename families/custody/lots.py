"""Adults without a login, invited together: the only writer of lots of invitations.

    foresee(homes, at=…)                 who would be invited how, and who not and why; nothing is written
    begin(homes, whom=…, by=…, at=…)     the lot, and a line an adult
    send_some(lot.pk, at=…)              the next mails; whether any are left
    make_codes(lines, by=…, at=…)        a code each, for letters that alone know them

By mail is invited who has an address that came with the household's request or with an import, and only
there: the login opens at once (`openings.expect`). Everybody else has a letter with a code (`codes`).
Who has a login, or an invitation that waits, is not invited again, whatever is run twice.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_tasks import task

from families import login_names
from families.custody import codes, openings, own
from families.models import (
    AccessOpening,
    Guardian,
    GuardianCode,
    Household,
    InvitationLot,
    Invited,
    User,
)
from families.models.threads import named
from portal.french.dates import short_day
from portal.tasks import priorities
from portal.tasks.attempts import whole

RIGHT = codes.RIGHT
Way = Invited.Way
# Mails a transaction.
A_BITE = 20
# Letters drawn in one PDF while somebody waits: some seconds.
LETTERS_AT_ONCE = 100

NOBODY = "Personne n'est à inviter : tous les responsables de ces foyers ont un compte, ou une invitation."
WAITS = "Un accès attend déjà d'être confirmé."
HAS_CODE = "Une lettre avec un code lui a déjà été imprimée, valable jusqu'au {until}."
TAKEN = "Un compte de ce foyer a déjà cette adresse e-mail."
SAME_ADDRESS = "La même adresse e-mail que {other} : un compte par personne."


class LotRefused(Exception):
    """Nothing was done; the message says why in French."""


@dataclass(frozen=True)
class Foreseen:
    """How an adult would be invited; `why`: why not."""

    guardian: Guardian
    way: Way
    address: str = ""
    why: str = ""


def foresee(homes: "QuerySet[Household]", *, at: datetime, codes_again: bool = False) -> list[Foreseen]:
    """Every adult without a login of these households, by household; `codes_again`: also who has a letter
    whose code still holds. In five queries."""
    rows = Guardian.objects.filter(household__in=homes.order_by().values("pk"), user=None)
    adults = list(rows.select_related("household").order_by("household", "pk"))
    keys = [adult.pk for adult in adults]
    waiting = set(
        AccessOpening.objects.waiting().filter(guardian__in=keys).values_list("guardian_id", flat=True)
    )
    printed = dict(
        GuardianCode.objects.filter(guardian__in=keys, expires_at__gt=at).values_list(
            "guardian", "expires_at"
        )
    )
    expected = openings.expected(keys)
    there = Guardian.objects.filter(
        household__in={adult.household_id for adult in adults}, user__isnull=False
    )
    taken = {
        (home, login_names.normal_form(address))
        for home, address in there.values_list("household_id", "user__email")
    }
    first_with: dict[str, Guardian] = {}
    found = []
    for adult in adults:
        address = min(expected.get(adult.pk, ()), default="") or login_names.normal_form(adult.email_given)
        if adult.pk in waiting:
            found.append(Foreseen(adult, Way.LEFT, why=WAITS))
        elif (adult.household_id, address) in taken:
            found.append(Foreseen(adult, Way.LEFT, why=TAKEN))
        elif address and (other := first_with.setdefault(address, adult)) != adult:
            found.append(Foreseen(adult, Way.LEFT, why=SAME_ADDRESS.format(other=other)))
        elif address:
            found.append(Foreseen(adult, Way.MAIL, address))
        elif adult.pk in printed and not codes_again:
            until = short_day(timezone.localdate(printed[adult.pk]), year=True)
            found.append(Foreseen(adult, Way.LEFT, why=HAS_CODE.format(until=until)))
        else:
            found.append(Foreseen(adult, Way.PAPER))
    return found


@transaction.atomic
def begin(
    homes: "QuerySet[Household]", *, whom: str, by: User, at: datetime, codes_again: bool = False
) -> InvitationLot:
    """Keeps who is invited how, and has the mails sent. Raises LotRefused where nobody is."""
    found = foresee(homes, at=at, codes_again=codes_again)
    ways = Counter(one.way for one in found)
    if not ways[Way.MAIL] and not ways[Way.PAPER]:
        raise LotRefused(NOBODY)
    lot = InvitationLot.objects.create(
        whom=whom[:1000], by=by, by_name=named(by), made_at=at, done_at=None if ways[Way.MAIL] else at
    )
    Invited.objects.bulk_create(
        [
            Invited(lot=lot, guardian=one.guardian, way=one.way, address=one.address, why=one.why)
            for one in found
        ],
        batch_size=1000,
    )
    if ways[Way.MAIL]:
        invite_lot.enqueue(lot.pk)
    return lot


# By mail --------------------------------------------------------------------------------------------------


@transaction.atomic
def send_some(key: int, *, at: datetime) -> bool:
    """Invites the next ones of a lot (its key) by mail; whether any are left."""
    lot = InvitationLot.objects.select_for_update(of=("self",)).select_related("by").get(pk=key)
    if lot.done_at is not None:
        return False
    waiting = lot.invited.filter(way=Way.MAIL, done_at=None, why="").order_by("guardian__household", "pk")
    rows = list(waiting.select_related("guardian")[:A_BITE])
    Household.objects.lock({row.guardian.household_id for row in rows})
    for row in rows:
        _invite(row, lot.by, at)
    Invited.objects.bulk_update(rows, ["done_at", "why", "opening"])
    if len(rows) == A_BITE:
        return True
    lot.done_at = at
    lot.save(update_fields=["done_at"])
    return False


def _invite(row: Invited, by: User | None, at: datetime) -> None:
    """An address that is somebody's login already gets an invitation, as at the desk."""
    if by is None:
        row.why = "Le compte de l'agent qui invitait n'existe plus."
        return
    if row.address == login_names.normal_form(row.guardian.email_given):
        # Written by imports alone: it came with the file.
        openings.expect_once(row.guardian, row.address, at=at)
    known = [user for user in login_names.having_address(row.address) if user.is_active]
    ask = openings.ask_account if known else openings.ask_guardian
    try:
        with transaction.atomic():
            row.opening = ask(row.guardian, row.address, by=by, at=at)
    except (openings.OpeningRefused, own.OwnHousehold) as refusal:
        row.why = str(refusal)[:300]
    else:
        row.done_at = at


# On paper -------------------------------------------------------------------------------------------------


def to_print(lot: InvitationLot, *, again: bool = False) -> "QuerySet[Invited]":
    """Those of a lot whose letter was not printed yet, by household; `again`: those whose was. Without those
    who have a login meanwhile."""
    rows = lot.invited.filter(way=Way.PAPER, guardian__user=None, done_at__isnull=not again)
    rows = rows.exclude(guardian__access_openings__state=AccessOpening.State.WAITING)
    return rows.select_related("guardian__household").order_by("guardian__household", "guardian")


def make_codes(rows: Sequence[Invited], *, by: User, at: datetime) -> list[tuple[Invited, str]]:
    """A code for each, which makes the one before dead; those who may have none say why in their line."""
    made = []
    with transaction.atomic():
        Household.objects.lock({row.guardian.household_id for row in rows})
        # Two print at once: the second finds what the first has printed, and kills none of its codes.
        done = dict(Invited.objects.filter(pk__in=[row.pk for row in rows]).values_list("pk", "done_at"))
        rows = [row for row in rows if row.pk in done and done[row.pk] == row.done_at]
        for row in rows:
            try:
                with transaction.atomic():
                    code = codes.make(row.guardian, by=by, at=at)
            except (codes.CodeRefused, own.OwnHousehold) as refusal:
                row.why = str(refusal)[:300]
                continue
            row.done_at, row.why = at, ""
            made.append((row, code))
        Invited.objects.bulk_update(list(rows), ["done_at", "why"])
    return made


def standing(lots: Collection[int]) -> dict[int, Counter[str]]:
    """What became of the adults of lots (keys), counted: « mail », « mailed », « failed », « paper »,
    « printed », « left », and « opened » who has logged in since: an invitation by mail makes a login at
    once."""
    found: dict[int, Counter[str]] = {key: Counter() for key in lots}
    rows = Invited.objects.filter(lot__in=lots).values_list(
        "lot_id", "way", "done_at", "why", "guardian__user__last_login"
    )
    for lot, way, done_at, why, logged_in in rows:
        counts = found[lot]
        counts[way] += 1
        if way == Way.MAIL:
            counts["mailed"] += done_at is not None
            counts["failed"] += bool(why)
        elif way == Way.PAPER:
            counts["printed"] += done_at is not None
        counts["opened"] += way != Way.LEFT and logged_in is not None
    return found


# By the worker --------------------------------------------------------------------------------------------


@whole
@task(queue_name="mail", priority=priorities.MANY)
def invite_lot(lot: int) -> None:
    """Invites some of a lot by mail, and has itself called for the next ones: a bite is kept with its mails,
    or not at all."""
    if send_some(lot, at=timezone.now()):
        invite_lot.enqueue(lot)
