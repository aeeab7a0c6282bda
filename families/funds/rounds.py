"""Quotients of households asked for together: the only writer of rounds and of their answers.

    round = begin(homes, …)               who is to be asked for, nothing asked yet
    hand_to_worker(round, at=…)           in that transaction: it is asked to its end, whatever dies
    ask_some(round.pk, at=…)              the next questions; whether to go on, or how long to wait
    keep(round, answers, by=…, at=…)      « Enregistrer »: somebody has looked at them
    write_some(round.pk, at=…)            the next quotients; whether any are left

Nothing is held while a fund is asked: each answer is written by itself, once, by whoever asked first. A fund
that does not answer is asked again later, some times; a key that is refused ends the round.
"""

import time
from collections.abc import Collection, Iterable
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django_tasks import task

from families import quotients
from families.custody import own
from families.funds import api_particulier, choosing, consents
from families.funds.interface import (
    AccessRefused,
    Found,
    FundDown,
    FundTrouble,
    NotKnown,
    QuotientSource,
    TooMany,
)
from families.models import (
    Child,
    FamilyQuotient,
    Household,
    QuotientAnswer,
    QuotientConsent,
    QuotientRound,
    User,
)
from families.models.threads import named
from portal.french.plurals import counted
from portal.french.spelling import folded
from portal.tasks import priorities

RIGHT = "families.add_quotientround"
WRITES = "families.change_familyquotient"
State = QuotientAnswer.State
# So many questions between two looks at the round, and quotients a transaction.
BATCH = 20
# Half of what the service takes from one key (20 a second).
PAUSE_SECONDS = 0.1
# How often a question that got no answer is asked, and how long one waits in between.
TRIES = 3
WAIT = timedelta(minutes=10)
# So many without an answer, one after the other: the service is down, and the others wait as well.
IN_A_ROW = 3
# The worker looks this long after one household was asked for whether it was.
HEAD_START = timedelta(minutes=2)
# A family asks for itself: more often is a mistake, or somebody who tries names.
FAMILY_LIMITS = ((timedelta(hours=1), 3), (timedelta(days=7), 10))

# A round that never gets an answer ends.
GIVES_UP = timedelta(days=1)
pause = time.sleep

ALREADY_KEPT = "Ces quotients sont déjà enregistrés."
NOT_ANSWERED = "Toutes les réponses ne sont pas encore là : attendez qu'elles le soient."
NOBODY = "Aucun de ces foyers n'a donné son accord : il n'y a rien à demander."
SWITCHED_OFF = "La mairie n'interroge pas la CAF et la MSA."
ENDED = "L'accord a été arrêté entre-temps."
UNREADABLE = "L'état civil donné est illisible pour l'instant."
STOPPED = "Pas demandé : la demande a été arrêtée."
TOO_OFTEN = "Vous avez déjà fait plusieurs demandes : réessayez plus tard, ou envoyez votre attestation."


class RoundRefused(Exception):
    """Nothing was done; the message says why in French."""


def usual_end(day: date) -> date:
    """The last day that is proposed: the resources of a new year count at the CAF from January on, and are
    read in February."""
    return date(day.year + (day.month > 1), 1, 31)


def agreed(homes: "QuerySet[Household]") -> "QuerySet[Household]":
    """Those of which an adult has agreed."""
    return homes.filter(pk__in=QuotientConsent.objects.standing().order_by().values("guardian__household"))


def ending(homes: "QuerySet[Household]", *, until: date) -> "QuerySet[Household]":
    """Those that have no quotient on `until`: it ends before, ended, or was never known."""
    covered = FamilyQuotient.objects.in_force(until).order_by().values("household")
    return homes.exclude(pk__in=covered)


# Asked for ------------------------------------------------------------------------------------------------


@transaction.atomic
def begin(
    homes: Collection[int],
    *,
    whom: str,
    valid_from: date,
    valid_to: date | None,
    by: User,
    at: datetime,
    by_family: bool = False,
) -> QuotientRound:
    """Keeps who is to be asked for; `homes`: keys, of which those that agreed are taken. Raises
    RoundRefused."""
    if not choosing.offered():
        raise RoundRefused(SWITCHED_OFF)
    rows = QuotientConsent.objects.standing().filter(guardian__household__in=homes)
    newest = dict(rows.order_by("given_at", "pk").values_list("guardian__household_id", "pk"))
    if not newest:
        raise RoundRefused(NOBODY)
    made = QuotientRound.objects.create(
        whom=whom[:200],
        by=by,
        by_name=named(by),
        by_family=by_family,
        asked_at=at,
        valid_from=valid_from,
        valid_to=valid_to,
        wanted=len(newest),
    )
    QuotientAnswer.objects.bulk_create(
        [
            QuotientAnswer(round=made, household_id=home, consent_id=consent)
            for home, consent in sorted(newest.items())
        ],
        batch_size=1000,
    )
    return made


@transaction.atomic
def begin_for_family(consent: QuotientConsent, *, by: User, at: datetime) -> QuotientRound:
    """The household's own question, which the town hall looks at. Raises RoundRefused where it asks often."""
    home = consent.guardian.household
    Household.objects.lock([home.pk])
    for length, most in FAMILY_LIMITS:
        asked = QuotientRound.objects.filter(
            by_family=True, asked_at__gt=at - length, answers__household=home
        )
        if asked.count() >= most:
            raise RoundRefused(TOO_OFTEN)
    today = timezone.localdate(at)
    return begin(
        [home.pk],
        whom=str(home),
        valid_from=today,
        valid_to=usual_end(today),
        by=by,
        at=at,
        by_family=True,
    )


def last_of(household: Household) -> QuotientAnswer | None:
    """What became of the household's last question."""
    rows = QuotientAnswer.objects.filter(household=household).select_related("round")
    return rows.order_by("-round__asked_at", "-pk").first()


def is_small(round_: QuotientRound) -> bool:
    """Whether whoever asks waits for the answer."""
    return round_.wanted == 1


def hand_to_worker(round_: QuotientRound, *, at: datetime) -> bool:
    """In the transaction that begins it: it is asked to its end, whatever dies. Whether it is of one
    household: then whoever began it asks at once, and the worker only if that came to nothing."""
    small = is_small(round_) and not round_.by_family
    if not small:
        ask_funds.enqueue(round_.pk)
    elif ask_funds.get_backend().supports_defer:
        ask_funds.using(run_after=at + HEAD_START).enqueue(round_.pk)
    return small


def ask_some(key: int, *, at: datetime) -> int | None:
    """Asks the next questions of a round (its key): how many seconds to wait before going on, None where it
    is over."""
    round_ = QuotientRound.objects.filter(pk=key, answered_at=None).first()
    if round_ is None:
        return None
    source = choosing.current()
    if source is None:
        _stop(round_, SWITCHED_OFF, at)
        return None
    if at - round_.asked_at > GIVES_UP:
        _stop(round_, api_particulier.DOWN, at)
        return None
    silent = 0
    for answer in _next_of(round_):
        try:
            found = _asked(answer, source)
        except AccessRefused as refused:
            _stop(round_, str(refused), at)
            return None
        except TooMany as many:
            return many.seconds
        except FundDown as down:
            silent += 1
            _note_silence(answer, down, at)
            if silent >= IN_A_ROW and _next_of(round_).exists():
                return int(WAIT.total_seconds())
        except NotKnown as unknown:
            silent = 0
            _write_failure(answer, unknown, at)
        else:
            silent = 0
            _write_found(answer, found, at)
        pause(PAUSE_SECONDS)
    left = _waiting(round_)
    if not left.exists():
        QuotientRound.objects.filter(pk=key, answered_at=None).update(answered_at=at)
        return None
    # Those that were asked before and got no answer come last, and later.
    return 0 if left.filter(tries=0).exists() else int(WAIT.total_seconds())


def _waiting(round_: QuotientRound) -> "QuerySet[QuotientAnswer]":
    return QuotientAnswer.objects.filter(round=round_, state=State.WAITS)


def _next_of(round_: QuotientRound) -> "QuerySet[QuotientAnswer]":
    rows = _waiting(round_).select_related("household__joined_to", "consent__guardian")
    return rows.order_by("tries", "pk")[:BATCH]


def _asked(answer: QuotientAnswer, source: QuotientSource) -> Found:
    """Raises FundTrouble. A consent that ended meanwhile is not asked for."""
    consent = answer.consent
    if consent is None or not consent.stands:
        raise NotKnown(ENDED)
    identity = consents.identity(consent)
    if identity is None:
        raise NotKnown(UNREADABLE)
    return source.ask(identity)


def _note_silence(answer: QuotientAnswer, down: FundDown, at: datetime) -> None:
    if answer.tries + 1 >= TRIES:
        _write_failure(answer, down, at)
    else:
        QuotientAnswer.objects.filter(pk=answer.pk, state=State.WAITS).update(
            tries=answer.tries + 1, asked_at=at, why=str(down)[:300], code=down.code[:8]
        )


def _write_failure(answer: QuotientAnswer, trouble: FundTrouble, at: datetime) -> None:
    QuotientAnswer.objects.filter(pk=answer.pk, state=State.WAITS).update(
        state=State.FAILED,
        tries=answer.tries + 1,
        asked_at=at,
        why=str(trouble)[:300],
        code=trouble.code[:8],
    )


def _write_found(answer: QuotientAnswer, found: Found, at: datetime) -> None:
    home = answer.household.joined_to or answer.household
    before = home.quotient_on(timezone.localdate(at)) or home.quotients.order_by("-valid_from").first()
    state = State.NEW if before is None else State.CHANGED
    if before is not None and before.value == found.value:
        state = State.SAME
    QuotientAnswer.objects.filter(pk=answer.pk, state=State.WAITS).update(
        state=state,
        tries=answer.tries + 1,
        asked_at=at,
        value=found.value,
        before=None if before is None else before.value,
        fund=found.fund,
        month=found.month,
        said=_differences(home, found, timezone.localdate(at))[:300],
        why="",
        code="",
        chosen=_is_proposed(answer.round, before, state),
    )


def _is_proposed(round_: QuotientRound, before: FamilyQuotient | None, state: str) -> bool:
    """Whether it is ticked: not one that says what holds already, as long as it would."""
    if state != State.SAME or before is None or before.valid_to is None:
        return state != State.SAME
    return round_.valid_to is None or before.valid_to < round_.valid_to


def _differences(home: Household, found: Found, today: date) -> str:
    """What of the family's file there does not agree with ours, by the names that we know already."""
    if found.children is None:
        return ""
    here = list(Child.objects.living_in(home, today))
    there = {
        (folded(name), child.birth_date) for child in found.children for name in child.first_names.split()
    }
    absent = [
        child.first_name
        for child in here
        if not {(folded(name), child.birth_date) for name in (child.first_name, *child.first_name.split())}
        & there
    ]
    said = []
    if absent:
        said.append(f"pas dans le dossier de la caisse : {', '.join(absent)}")
    more = len(found.children) - (len(here) - len(absent))
    if more > 0:
        said.append(f"{counted(more, 'autre enfant', 'autres enfants')} dans le dossier de la caisse")
    return " ; ".join(said)


def _stop(round_: QuotientRound, why: str, at: datetime) -> None:
    """Nobody else is asked for."""
    with transaction.atomic():
        _waiting(round_).update(state=State.FAILED, why=STOPPED, asked_at=at)
        QuotientRound.objects.filter(pk=round_.pk, answered_at=None).update(stopped=why[:300], answered_at=at)


# Written ---------------------------------------------------------------------------------------------------


@transaction.atomic
def keep(
    round_: QuotientRound,
    answers: Iterable[int],
    *,
    by: User,
    at: datetime,
    valid_from: date | None = None,
    valid_to: date | None = None,
) -> int:
    """Has the quotients of these answers (their keys) written; how many. Those of one's own household are a
    colleague's; those of who has ended the consent since are nobody's. Raises RoundRefused."""
    held = QuotientRound.objects.select_for_update(of=("self",)).get(pk=round_.pk)
    if held.kept_at is not None:
        raise RoundRefused(ALREADY_KEPT)
    if held.answered_at is None:
        raise RoundRefused(NOT_ANSWERED)
    if valid_from is not None:
        held.valid_from, held.valid_to = valid_from, valid_to
    rows = held.answers.filter(pk__in=list(answers), state__in=QuotientAnswer.FOUND)
    rows = rows.exclude(household__in=own.households_of(by)).filter(consent__ended_at=None)
    rows = rows.exclude(consent=None)
    held.answers.update(chosen=False)
    chosen = held.answers.filter(pk__in=list(rows.values_list("pk", flat=True))).update(chosen=True)
    held.kept_at, held.kept_by_name = at, named(by)
    held.save(update_fields=["kept_at", "kept_by_name", "valid_from", "valid_to"])
    write_quotients.enqueue(held.pk)
    return chosen


@transaction.atomic
def write_some(key: int, *, at: datetime) -> bool:
    """Writes the next quotients of a round (its key); whether any are left."""
    round_ = QuotientRound.objects.select_for_update(of=("self",)).get(pk=key)
    if not round_.is_writing or round_.kept_at is None:
        return False
    waiting = round_.answers.filter(chosen=True, written_at=None).order_by("household", "pk")
    keys = list(waiting.values_list("household_id", flat=True)[:BATCH])
    Household.objects.lock(keys)
    # Read once they are held: a consent is ended meanwhile, or it is not.
    rows = list(waiting.filter(household__in=keys).select_related("household__joined_to", "consent"))
    for row in rows:
        home = row.household.joined_to or row.household
        row.written_at = at
        if row.value is None or home.erased_at is not None:
            continue
        if row.consent is None or not row.consent.stands:
            row.written_at, row.chosen, row.why = None, False, ENDED
            continue
        row.quotient = quotients.take_over(
            home,
            row.value,
            round_.valid_from,
            known_on=timezone.localdate(round_.asked_at),
            last=round_.valid_to,
        )
    QuotientAnswer.objects.bulk_update(rows, ["quotient", "written_at", "chosen", "why"])
    if len(keys) == BATCH:
        return True
    round_.written_at = at
    round_.save(update_fields=["written_at"])
    return False


# By the worker ----------------------------------------------------------------------------------------------


@task(priority=priorities.MANY)
def ask_funds(round_: int) -> None:
    """Asks what is left of a round, and comes back later where it has to wait."""
    while (wait := ask_some(round_, at=timezone.now())) is not None:
        if wait == 0:
            continue
        if ask_funds.get_backend().supports_defer:
            ask_funds.using(run_after=timezone.now() + timedelta(seconds=wait)).enqueue(round_)
            return
        pause(wait)


@task(priority=priorities.MANY)
def write_quotients(round_: int) -> None:
    """Writes what is left of a round that somebody looked at."""
    while write_some(round_, at=timezone.now()):
        pass
