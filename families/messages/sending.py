"""How a message leaves: the only writer of messages and of their copies.

    save(message, …)                 a draft, written or changed
    reach(audience) -> Reach         whom it would go to, by mail and on paper
    send(message, audience, …)       a copy a recipient, in one transaction; the worker writes their letters
    write_some(message, at)          the next letters, and what is said of them, kept or lost together
    stop(…), resume(…)               what has not left yet stays; or goes on
    test(message, user)              to whoever writes, alone

One message leaves at a time, which the database holds. A copy is written once: its row is held while its
letter is kept and queued, so that a worker that is killed sends none twice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q
from django.utils import timezone

from families.messages import wording
from families.messages.audiences import Audience
from families.models import FamilyMessage, Guardian, Household, Letter, MessageCopy, MessageFile, User
from families.unreached import there as unreached_there
from portal.letters import mailing, variables
from portal.letters.mailing import Posted

KIND = "families/message"
State = FamilyMessage.State
# Letters that are written at once: as many can still leave after « Arrêter ».
A_BITE = 50
ANOTHER_LEAVES = "Un autre message est en cours d'envoi. Attendez qu'il soit parti, ou arrêtez-le."
CHANGED = (
    "Depuis l'aperçu, les destinataires ou le texte ont changé\xa0: vérifiez de nouveau, puis confirmez."
)
NOBODY = "Aucune famille ne correspond à ces choix."
LEFT_ALREADY = "Ce message est déjà parti."
NO_ADDRESS = "Ce responsable n'a plus d'adresse e-mail."


class SendingRefused(Exception):
    """Nothing was done; the message says why in French."""


@dataclass(frozen=True)
class Reach:
    """Whom a message goes to: households, adults with an address (household, guardian), and those households
    (keys) of which no adult has an address that answers."""

    homes: list[int] = field(default_factory=list)
    adults: list[tuple[int, int]] = field(default_factory=list)
    paper: list[int] = field(default_factory=list)

    def fingerprint(self, message: FamilyMessage) -> str:
        """Another one as soon as somebody comes or goes, or the message says something else."""
        files = list(message.files.values_list("pk", flat=True))
        said = (message.subject, message.text, files, self.homes, self.adults, self.paper)
        return hashlib.sha256(repr(said).encode()).hexdigest()


def reach(audience: Audience) -> Reach:
    """In three queries."""
    if not audience.is_valid():
        return Reach()
    homes = audience.homes()
    keys = list(homes.values_list("pk", flat=True))
    reached = Guardian.objects.filter(household__in=homes.order_by().values("pk"), user__is_active=True)
    rows = reached.exclude(user__email="").order_by("household", "pk")
    adults = list(rows.values_list("household_id", "pk"))
    silent = set(unreached_there().values_list("pk", flat=True))
    by_mail = {home for home, adult in adults if adult not in silent}
    return Reach(keys, adults, [key for key in keys if key not in by_mail])


# Drafts -----------------------------------------------------------------------------------------------


def _held_draft(message: FamilyMessage) -> FamilyMessage:
    """It, held until the transaction ends. Raises SendingRefused where it has left meanwhile."""
    held = FamilyMessage.objects.select_for_update().get(pk=message.pk)
    if not held.is_draft:
        raise SendingRefused(LEFT_ALREADY)
    return held


def save(
    message: FamilyMessage | None,
    *,
    subject: str,
    text: str,
    audience: Mapping[str, Any],
    by: User,
    at: datetime,
) -> FamilyMessage:
    """A new draft, or one that is changed. Raises SendingRefused where it has left meanwhile."""
    if message is None:
        return FamilyMessage.objects.create(
            subject=subject, text=text, audience=audience, written_by=by, written_at=at
        )
    with transaction.atomic():
        held = _held_draft(message)
        held.subject, held.text, held.audience = subject, text, audience
        held.save(update_fields=["subject", "text", "audience"])
    return held


def discard(message: FamilyMessage) -> None:
    """With its files."""
    for row in message.files.all():
        row.file.delete(save=False)
    if message.paper:
        message.paper.delete(save=False)
    message.delete()


def discard_draft(message: FamilyMessage) -> None:
    """Raises SendingRefused where it has left meanwhile."""
    with transaction.atomic():
        held = _held_draft(message)
        discard(held)


def why_not(message: FamilyMessage) -> str:
    """Why it cannot leave as it is written; empty where it can."""
    if not message.subject.strip() or not message.text.strip():
        return "Écrivez l'objet et le texte du message avant de l'envoyer."
    return wording.refusal(f"{message.subject}\n{message.text}")


# It leaves --------------------------------------------------------------------------------------------


def send(message: FamilyMessage, audience: Audience, *, seen: str, by: User, at: datetime) -> FamilyMessage:
    """`seen`: the fingerprint of what was confirmed. Raises SendingRefused."""
    try:
        with transaction.atomic():
            held = _held_draft(message)
            if refusal := why_not(held):
                raise SendingRefused(refusal)
            found = reach(audience)
            if not found.homes:
                raise SendingRefused(NOBODY)
            if found.fingerprint(held) != seen:
                raise SendingRefused(CHANGED)
            held.state, held.sent_by, held.sent_at = State.SENDING, by, at
            held.to_whom = audience.words()[:1000]
            held.save()
            MessageCopy.objects.bulk_create(
                [
                    *(
                        MessageCopy(message=held, household_id=home, guardian_id=adult)
                        for home, adult in found.adults
                    ),
                    *(MessageCopy(message=held, household_id=home) for home in found.paper),
                ],
                batch_size=1000,
            )
    except IntegrityError:
        raise SendingRefused(ANOTHER_LEAVES) from None
    return held


def write_some(key: int, *, at: datetime) -> FamilyMessage | None:
    """Writes the next letters of a message (its key); it, as long as there are more to write. Within the
    caller's transaction or one of its own."""
    with transaction.atomic():
        message = FamilyMessage.objects.select_for_update().filter(pk=key, state=State.SENDING).first()
        if message is None:
            return None
        waiting = message.copies.waiting().select_related("household__joined_to", "guardian__user")
        copies = list(waiting.order_by("pk")[:A_BITE])
        if copies:
            _write(message, copies, at)
        if len(copies) == A_BITE:
            return message
        message.state, message.ended_at = State.SENT, at
        message.save(update_fields=["state", "ended_at"])
        return None


def _write(message: FamilyMessage, copies: list[MessageCopy], at: datetime) -> None:
    homes = [copy.household.joined_to or copy.household for copy in copies]
    facts = wording.Facts({home.pk for home in homes}, timezone.localdate(at))
    files = list(message.files.all())
    letters, written = [], []
    for copy, home in zip(copies, homes, strict=True):
        copy.written_at = at
        address = _address(copy.guardian)
        if copy.guardian is not None and not address:
            copy.trouble = NO_ADDRESS
            continue
        letters.append(written_to(message, home, copy.guardian, facts, to=address, files=files))
        written.append(copy)
    for copy, number in zip(written, mailing.queue(letters), strict=True):
        copy.letter_id = number
    MessageCopy.objects.bulk_update(copies, ["written_at", "trouble", "letter"])


def _address(adult: Guardian | None) -> str:
    return adult.user.email if adult is not None and adult.user is not None and adult.user.is_active else ""


def written_to(
    message: FamilyMessage,
    home: Household,
    adult: Guardian | None,
    facts: wording.Facts,
    *,
    to: str,
    files: Sequence[MessageFile] = (),
) -> Posted:
    """The letter as this adult gets it or, without any, as this household has it on paper; `files` are the
    message's."""
    values = facts.of(home, adult)
    context = {
        "subject": variables.fill(message.subject, values),
        "body": variables.fill(message.text, values),
        "files": [row.name for row in files],
        "name": values["prénom"],
    }
    attached = message.pk if files and to else None
    return Posted(KIND, to, *mailing.render(KIND, context), home=home.pk, files=attached)


# Stopped, gone on with, tried -------------------------------------------------------------------------


def stop(message: FamilyMessage, *, at: datetime) -> bool:
    """What has left has left; whether there was anything to stop."""
    going = FamilyMessage.objects.filter(pk=message.pk, state=State.SENDING)
    return bool(going.update(state=State.STOPPED, ended_at=at))


def resume(message: FamilyMessage) -> bool:
    """Those who have nothing yet get theirs; whether there was anything to go on with. Raises
    SendingRefused where another one leaves."""
    stopped = FamilyMessage.objects.filter(pk=message.pk, state=State.STOPPED)
    try:
        with transaction.atomic():
            return bool(stopped.update(state=State.SENDING, ended_at=None))
    except IntegrityError:
        raise SendingRefused(ANOTHER_LEAVES) from None


def test(message: FamilyMessage, audience: Audience, *, by: User, at: datetime) -> None:
    """To `by` alone, as the first family would read it. Raises SendingRefused."""
    if refusal := why_not(message):
        raise SendingRefused(refusal)
    if not by.email:
        raise SendingRefused("Votre compte n'a pas d'adresse e-mail\xa0: l'essai ne peut pas partir.")
    found = sample(audience)
    if found is None:
        raise SendingRefused(NOBODY)
    home, adult = found
    facts = wording.Facts([home.pk], timezone.localdate(at))
    letter = written_to(message, home, adult, facts, to=by.email, files=list(message.files.all()))
    # Nobody's correspondence: another household's names stand in it.
    mailing.post_unkept(replace(letter, subject=f"[Essai] {letter.subject}"))


def sample(audience: Audience, home: int | None = None) -> tuple[Household, Guardian | None] | None:
    """The household (its key; None: the first one) that a preview is made for, and the adult who reads it."""
    if not audience.is_valid():
        return None
    homes = audience.homes()
    found = (homes.filter(pk=home).first() if home is not None else None) or homes.first()
    if found is None:
        return None
    adults = Guardian.objects.filter(household=found, user__is_active=True).exclude(user__email="")
    return found, adults.select_related("user").order_by("pk").first()


# What became of it ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How many copies there are, by mail and on paper; of those, how many are written, and have left."""

    mails: int
    paper: int
    written: int
    sent: int
    failed: int

    @property
    def all(self) -> int:
        return self.mails + self.paper


def progress(message: FamilyMessage) -> Progress:
    """In one query."""
    counts: dict[str, Any] = message.copies.order_by().aggregate(
        mails=Count("pk", filter=Q(guardian__isnull=False)),
        paper=Count("pk", filter=Q(guardian=None)),
        written=Count("pk", filter=Q(written_at__isnull=False)),
        sent=Count("pk", filter=Q(letter__state=Letter.State.SENT)),
        failed=Count("pk", filter=Q(letter__state=Letter.State.FAILED) | ~Q(trouble="")),
    )
    return Progress(**counts)
