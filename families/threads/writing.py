"""The only writer of threads: what a family writes to the town hall, what it is answered, who has it.

    begin(household, said, by=guardian, at=now)        reply(thread, text, files, by=guardian, at=now)
    answer(thread, text, files, seen=…, by=agent, at=now)    note(thread, text, by=agent, at=now)
    hand(thread, to, by=agent, at=now)   close(thread, by=agent, at=now)   reopen(thread, by=agent, at=now)

A thread waits from the family's first word that nobody answered. What the family writes opens a closed one
again. A letter says that there is an answer, never what it says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeAlias

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from families import documents, emails
from families.custody import homes, own
from families.models import Child, Household, Thread, ThreadFile, ThreadKind, ThreadMessage, User
from families.models.threads import named
from families.threads import places
from families.threads.places import AtPlace
from portal.french import moments

RIGHT = "families.change_thread"
# Who may read the thread may open what came with it.
OPENS = "families.view_thread"
TEXT_LENGTH = 5000
MOST_FILES = 3
# Of a household: nobody writes more by hand, and an agent reads each.
LIMITS = ((timedelta(hours=1), 10), (timedelta(days=1), 30))
TOO_MANY = (
    "Vous avez déjà envoyé plusieurs messages : la mairie va y répondre. Votre texte reste sur cette page, "
    "réessayez plus tard."
)

# Who may have a thread.
Keeper: TypeAlias = User | Group | AtPlace
Side, State = ThreadMessage.Side, Thread.State


class ThreadRefused(Exception):
    """Nothing was written; the message is the French sentence to show."""


class WrittenMeanwhile(ThreadRefused):
    """Somebody wrote in the thread since it was read: an answer would not know of it."""


class Brought(NamedTuple):
    """A file that was judged: itself, and its content type."""

    file: Any
    content_type: str


@dataclass(frozen=True)
class Said:
    """What a family begins a thread with."""

    subject: str
    text: str
    kind: ThreadKind | None = None
    child: Child | None = None
    files: Sequence[Brought] = field(default_factory=tuple)


def read_at_the_desk(thread: Thread, user: User, at: datetime) -> QuerySet[ThreadMessage]:
    """What an agent reads of a thread: of the own household's no note, which is for colleagues."""
    said = thread.messages.all()
    hidden = own.kept_from(user, right=RIGHT, at=at)
    return said.exclude(side=Side.NOTE) if thread.household_id in hidden else said


# A family ---------------------------------------------------------------------------------------------------


@transaction.atomic
def begin(household: Household, said: Said, *, by: User, at: datetime) -> Thread:
    """Raises ThreadRefused: nothing is said, too much was written lately, the child has left."""
    text = _text(said.text)
    if not said.subject.strip():
        raise ThreadRefused("Indiquez le sujet de votre message.")
    if said.child is not None:
        custody = homes.held(said.child.pk, household.pk)
        if custody is None or not custody.holds_on(timezone.localdate(at)):
            raise ThreadRefused(homes.gone_sentence(said.child))
    _hold(household, at)
    thread = Thread.objects.create(
        household=household,
        child=said.child,
        kind=said.kind,
        subject=said.subject.strip(),
        state=State.WAITING,
        opened_at=at,
        last_at=at,
        waiting_since=at,
    )
    _write(thread, Side.FAMILY, text, said.files, by, at)
    return thread


@transaction.atomic
def reply(thread: Thread, text: str, files: Sequence[Brought] = (), *, by: User, at: datetime) -> Thread:
    """The family's next word: the thread waits again, closed or not. Raises ThreadRefused."""
    text = _text(text)
    _hold(thread.household, at)
    thread = _held(thread)
    _write(thread, Side.FAMILY, text, files, by, at)
    thread.waiting_since = thread.waiting_since or at
    thread.state, thread.closed_at, thread.last_at = State.WAITING, None, at
    thread.save()
    return thread


# The town hall ----------------------------------------------------------------------------------------------


@transaction.atomic
def answer(
    thread: Thread,
    text: str,
    files: Sequence[Brought] = (),
    *,
    seen: int,
    by: User,
    at: datetime,
    and_close: bool = False,
) -> Thread:
    """What the family reads, and is told by a letter. `seen`: the last message (its key) that was read.

    Who answers has it from then on, unless somebody has it already. Raises ThreadRefused, WrittenMeanwhile,
    OwnHousehold.
    """
    text = _text(text)
    own.check(by, [thread.household_id], right=RIGHT, at=at)
    thread = _held(thread)
    newer = thread.messages.filter(pk__gt=seen).exclude(side=Side.NOTE).order_by("pk").last()
    if newer is not None:
        raise WrittenMeanwhile(_meanwhile(newer))
    _write(thread, Side.TOWN, text, files, by, at)
    thread.first_answered_at = thread.first_answered_at or at
    thread.waiting_since, thread.last_at = None, at
    thread.state, thread.closed_at = (State.CLOSED, at) if and_close else (State.ANSWERED, None)
    if thread.agent_id is None:
        thread.agent, thread.role = by, None
        places.give(thread, None)
    thread.save()
    emails.thread_answered(thread)
    return thread


@transaction.atomic
def note(thread: Thread, text: str, *, by: User, at: datetime) -> ThreadMessage:
    """For colleagues: no family reads it. Raises ThreadRefused where it says nothing, OwnHousehold."""
    own.check(by, [thread.household_id], right=RIGHT, at=at)
    return _write(_held(thread), Side.NOTE, _text(text), (), by, at)


@transaction.atomic
def hand(thread: Thread, to: Keeper | None, *, by: User, at: datetime) -> Thread:
    """To an agent, to all who hold a role, to a place, or back to everybody (None); the thread keeps who did
    it. Raises OwnHousehold."""
    own.check(by, [thread.household_id], right=RIGHT, at=at)
    thread = _held(thread)
    thread.agent = to if isinstance(to, User) else None
    thread.role = to if isinstance(to, Group) else None
    thread.save(update_fields=["agent", "role"])
    places.give(thread, to if isinstance(to, AtPlace) else None)
    _write(thread, Side.NOTE, _handed(to, by), (), by, at)
    return thread


@transaction.atomic
def close(thread: Thread, *, by: User, at: datetime) -> Thread:
    """Nothing is to be answered any more. Raises ThreadRefused where it is closed already, OwnHousehold."""
    own.check(by, [thread.household_id], right=RIGHT, at=at)
    thread = _held(thread)
    if thread.is_closed:
        raise ThreadRefused("Cet échange est déjà clos.")
    thread.state, thread.closed_at, thread.waiting_since = State.CLOSED, at, None
    thread.save(update_fields=["state", "closed_at", "waiting_since"])
    _write(thread, Side.NOTE, "Échange clos.", (), by, at)
    return thread


@transaction.atomic
def reopen(thread: Thread, *, by: User, at: datetime) -> Thread:
    """It waits for the town hall again. Raises ThreadRefused where it is not closed, OwnHousehold."""
    own.check(by, [thread.household_id], right=RIGHT, at=at)
    thread = _held(thread)
    if not thread.is_closed:
        raise ThreadRefused("Cet échange n'est pas clos.")
    thread.state, thread.closed_at, thread.waiting_since = State.WAITING, None, at
    thread.save(update_fields=["state", "closed_at", "waiting_since"])
    _write(thread, Side.NOTE, "Échange rouvert.", (), by, at)
    return thread


# Rows -------------------------------------------------------------------------------------------------------


def _text(text: str) -> str:
    said = text.strip()
    if not said:
        raise ThreadRefused("Écrivez votre message.")
    if len(said) > TEXT_LENGTH:
        raise ThreadRefused(f"Votre message est trop long : {TEXT_LENGTH} caractères au plus.")
    return said


def _hold(household: Household, at: datetime) -> None:
    """Nobody else of this household writes until the transaction ends, so that its messages can be counted.
    Raises ThreadRefused."""
    if Household.objects.lock([household.pk]).get(household.pk):
        raise ThreadRefused("Ce foyer vient d'être réuni avec un autre : recommencez depuis l'accueil.")
    written = ThreadMessage.objects.filter(thread__household=household, side=Side.FAMILY)
    if any(written.filter(at__gt=at - window).count() >= most for window, most in LIMITS):
        raise ThreadRefused(TOO_MANY)


def _held(thread: Thread) -> Thread:
    return Thread.objects.select_for_update(of=("self",)).get(pk=thread.pk)


def _write(
    thread: Thread, side: ThreadMessage.Side, text: str, files: Sequence[Brought], by: User, at: datetime
) -> ThreadMessage:
    message = ThreadMessage.objects.create(
        thread=thread, side=side, text=text, by=by, by_name=named(by), at=at
    )
    for one in files:
        document = documents.keep(thread.household, one.file, one.content_type, by=by, right=OPENS)
        ThreadFile.objects.create(message=message, document=document)
    return message


def _meanwhile(newer: ThreadMessage) -> str:
    when = moments.moment(newer.at)
    if newer.side == Side.FAMILY:
        return f"La famille a écrit entre-temps, {when} : lisez son message, puis envoyez votre réponse."
    return f"{newer.by_name} a répondu entre-temps, {when} : lisez sa réponse avant d'envoyer la vôtre."


def _handed(to: Keeper | None, by: User) -> str:
    if to is None:
        return "Remis à tous."
    if isinstance(to, AtPlace):
        return f"Passé au lieu « {to} »."
    if isinstance(to, Group):
        return f"Passé au rôle « {to} »."
    return "Pris en charge." if to == by else f"Passé à {named(to)}."
