"""The register of reading: which member of staff read what of whom. The only writer of its rows.

Each reading is a line, also the same one twice in a minute: what the register says is what happened, and
pages that show it count. A list is one line with the number of files in it, and knows whom it concerned.
Lines are added and stay, which the database holds (`REGISTER`); only `forget` removes any, once their time is
over. So no line says a name, but the reader's: when a family is erased, its lines stay and point at nobody.
"""

from collections.abc import Iterable
from datetime import datetime

from allauth.account.adapter import get_adapter
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from families.models import Child, Concerned, Household, Reading, User
from portal.database import schema
from portal.database.final import append_only
from portal.desk import rights
from portal.web.signed_in import user_of

REGISTER = append_only(
    "families.readings",
    "Le registre des consultations ne se modifie pas : ses lignes s'ajoutent, puis leur durée de conservation"
    " les efface.",
    Reading,
    Concerned,
)
A_BITE = 2000


def note(
    request: HttpRequest,
    kind: Reading.Kind,
    *,
    child: Child | None = None,
    household: Household | None = None,
    what: str = "",
    children: Iterable[int] = (),
    households: Iterable[int] = (),
) -> None:
    """Adds a line: who is logged in has read `kind` of this child or household, or of these (keys) in a list.

    `what` says which list or document, and never a name. Families are not noted. Before the answer is given:
    what cannot be noted is not read.
    """
    reader = user_of(request)
    if not reader.is_staff:
        return
    add(
        reader,
        kind,
        at=timezone.now(),
        child=child,
        household=household,
        what=what,
        children=children,
        households=households,
        page=request.path,
        network_address=get_adapter().get_client_ip(request),
    )


def note_export(
    request: HttpRequest, what: str, *, children: Iterable[int] = (), households: Iterable[int] = ()
) -> None:
    """A line for a file of many people that leaves the portal: who asks takes out the list `what`.

    Raises PermissionDenied where a member of staff holds no right to take people out, whatever they may read.
    """
    reader = user_of(request)
    if reader.is_staff and not reader.has_perm(rights.EXPORT):
        raise PermissionDenied
    note(request, Reading.Kind.EXPORT, what=what, children=children, households=households)


def add(
    reader: User,
    kind: Reading.Kind,
    *,
    at: datetime,
    child: Child | None = None,
    household: Household | None = None,
    what: str = "",
    children: Iterable[int] = (),
    households: Iterable[int] = (),
    page: str = "",
    network_address: str | None = None,
) -> Reading:
    """A line, and whom it concerns."""
    all_children = dict.fromkeys([*([child.pk] if child else ()), *children])
    all_households = dict.fromkeys([*([household.pk] if household else ()), *households])
    with transaction.atomic():
        reading = Reading.objects.create(
            at=at,
            reader=reader,
            reader_name=reader.get_full_name() or reader.username,
            kind=kind,
            child=child,
            household=household,
            what=what[:200],
            page=page[:200],
            network_address=network_address,
            people=len(all_children) + len(all_households),
        )
        Concerned.objects.bulk_create(
            [
                *(Concerned(reading=reading, child_id=pk) for pk in all_children),
                *(Concerned(reading=reading, household_id=pk) for pk in all_households),
            ],
            batch_size=A_BITE,
        )
    return reading


def concerned(households: Iterable[int], children: QuerySet[Child]) -> QuerySet[Concerned]:
    """Where these households (keys) stand in the register, and these children wherever they live; those too
    that were joined to them."""
    keys, own = list(households), children.order_by().values("pk")
    homes = Household.objects.filter(Q(pk__in=keys) | Q(joined_to__in=keys))
    people = Child.objects.filter(Q(pk__in=own) | Q(joined_to__in=own))
    return Concerned.objects.filter(
        Q(household__in=homes.order_by().values("pk")) | Q(child__in=people.order_by().values("pk"))
    )


def about(households: Iterable[int], children: QuerySet[Child]) -> QuerySet[Reading]:
    """The lines that concern one of these."""
    return Reading.objects.filter(pk__in=concerned(households, children).values("reading"))


def remove(lines: QuerySet[Reading]) -> int:
    """Removes lines whose time is over; how many. Nothing else takes one away."""
    if not lines.exists():
        return 0
    with schema.lifted(REGISTER.name, connection):
        Concerned.objects.filter(reading__in=lines).delete()
        return lines.delete()[0]
