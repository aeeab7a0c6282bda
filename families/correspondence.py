"""The only writer of letters' rows, lent to `mailing`: each in the transaction that posts it.

A letter is whose login has the address that it goes to. One to somebody else (the town hall, an address that
waits to be confirmed) is read by nobody, and so kept in the demo only, whose outbox shows it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django_tasks_db.models import DBTaskResult

from families import unreached, which_home
from families.models import Guardian, Letter
from portal.letters.mailing import Posted, with_query
from portal.tasks import taking_up

LONGEST_SUBJECT = 255
# Of one query.
IN_BITES = 500


class Correspondence:
    """See `mailing.Keeper`."""

    def keep(self, letters: Sequence[Posted], at: datetime) -> list[tuple[Posted, int | None]]:
        """Of who belongs to several households, each letter is of the one that it is written to, which its
        links name."""
        owners = _owners({letter.to for letter in letters})
        addressed, rows = [], []
        for letter in letters:
            if letter.is_paper:
                addressed.append(letter)
                rows.append(self._on_paper(letter, at))
                continue
            there = owners.get(letter.to, [])
            owner = next(
                (one for one in there if one.household_id == letter.home), there[0] if there else None
            )
            if owner is not None and len(there) > 1 and letter.home == owner.household_id:
                letter = with_query(letter, which_home.mark(owner.household_id))
            addressed.append(letter)
            rows.append(self._row(letter, owner, at))
        Letter.objects.bulk_create([row for row in rows if row is not None])
        numbers = [None if row is None else row.pk for row in rows]
        return list(zip(addressed, numbers, strict=True))

    def _row(self, letter: Posted, owner: Guardian | None, at: datetime) -> Letter | None:
        if owner is None and not settings.DEMO:
            return None
        return Letter(
            household_id=owner.household_id if owner else None,
            guardian=owner,
            to=letter.to[:254],
            kind=letter.kind,
            subject=letter.subject[:LONGEST_SUBJECT],
            text=letter.text,
            live=letter.live,
            posted_at=at,
        )

    def _on_paper(self, letter: Posted, at: datetime) -> Letter | None:
        """Nobody's but the household's."""
        if letter.home is None:
            return None
        return Letter(
            household_id=letter.home,
            kind=letter.kind,
            subject=letter.subject[:LONGEST_SUBJECT],
            text=letter.text,
            state=Letter.State.PAPER,
            posted_at=at,
        )

    def sent(self, number: int, at: datetime) -> None:
        Letter.objects.filter(pk=number).update(state=Letter.State.SENT, sent_at=at)
        unreached.passed(number)

    def failed(self, number: int, why: str = "") -> None:
        Letter.objects.filter(pk=number).update(state=Letter.State.FAILED, trouble=why)

    def repeated(self, number: int) -> None:
        Letter.objects.filter(pk=number).update(repeated=True)

    def unreached(self, number: int, why: str, at: datetime, *, by_report: bool) -> None:
        self.failed(number, why)
        unreached.mark(number, why, at=at, by_report=by_report)


def send_again(letters: Iterable[Letter]) -> int:
    """Has letters that were not delivered sent once more, to the address that their guardian has today; how
    many of them still can be. The queue keeps what they say for a month."""
    wanted = {letter.pk: letter for letter in letters if letter.state == Letter.State.FAILED}
    rows = DBTaskResult.objects.failed().filter(
        task_path__startswith="portal.letters.", args_kwargs__kwargs__number__in=list(wanted)
    )
    with transaction.atomic():
        # The latest try of each.
        last = {row.args_kwargs["kwargs"]["number"]: row for row in rows.order_by("enqueued_at")}
        for number, row in last.items():
            letter = wanted[number]
            address = letter.guardian.user.email if letter.guardian and letter.guardian.user else letter.to
            if row.args_kwargs["args"][0] == letter.to:
                row.args_kwargs["args"][0] = address
                row.save(update_fields=["args_kwargs"])
            Letter.objects.filter(pk=number).update(to=address, state=Letter.State.WAITING, trouble="")
        return taking_up.do_again(list(last.values()))


def _owners(addresses: set[str]) -> dict[str, list[Guardian]]:
    """Whose login has each address, which is written as the login keeps it: the same adult in each of their
    households; nobody where two share it."""
    found: dict[str, list[Guardian]] = defaultdict(list)
    wanted = sorted(addresses)
    for first in range(0, len(wanted), IN_BITES):
        rows = Guardian.objects.filter(user__email__in=wanted[first : first + IN_BITES])
        for guardian in rows.select_related("user").order_by("pk"):
            found[guardian.user.email if guardian.user else ""].append(guardian)
    return {
        address: guardians
        for address, guardians in found.items()
        if len({guardian.user_id for guardian in guardians}) == 1
    }


def naming(letters: Iterable[Letter], name: str) -> list[int]:
    """The keys of those that name somebody by this first name: what an erasure of one child takes."""
    sought = re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE)
    return [letter.pk for letter in letters if sought.search(f"{letter.subject}\n{letter.text}")]
