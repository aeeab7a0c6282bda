"""Who may see a household, or a child: the only writer of openings, and of what they open.

    ask_guardian(guardian, "a@b.fr", by=agent, at=now)   a login for an adult of a household
    ask_home(child, household, by=agent, at=now)         another home for a child
    ask_account(guardian, "a@b.fr", by=agent, at=now)    the same, with a login that is there already
    invite(guardian, "a@b.fr", by=guardian, at=now)      one adult invites another, the town hall said yes
    agree(opening, login, at=now)                        the owner of the address says yes too
    confirm(opening, by=somebody, at=now)                a guardian already there, or a second agent
    refuse(opening, by=guardian, at=now)                 cancel(opening, by=who asked, at=now)
    pass_time(at=now)                                    72 hours later, where there is neither
    ask_joined(guardian, login, by=agent, at=now)        a login of two households that became one

What is asked for is told to every guardian already there, and opens nothing until it is confirmed: the login
is tied to no guardian, the child lives in no other home. At once open are the first login of a guardian at
the address that came with the file (`expect`), and the first home of a child of which nothing is known yet.
An invitation opens once its address has agreed, through a link that is sent there (`invitations`); nobody
learns whether the address has a login already.
Two that confirm at once: the second is told that it was answered.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from functools import partial

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django_tasks import task

from families import access, login_names
from families.approval import carry_prepared, is_used
from families.custody import homes, letters, own
from families.models import (
    AccessOpening,
    AlreadyAnswered,
    Child,
    ChildHealth,
    Custody,
    Guardian,
    GuardianCode,
    Household,
    User,
)
from families.visibility import holds
from portal.database.history import written_by
from portal.letters import mailing
from portal.tasks import priorities
from portal.tasks.attempts import whole

Kind, State, Confirmed = AccessOpening.Kind, AccessOpening.State, AccessOpening.Confirmed
RIGHT = "families.change_accessopening"
WAIT = timedelta(hours=72)
INVITED_FOR = timedelta(days=14)


class OpeningRefused(Exception):
    """The act is refused; the message is the French sentence to show."""


# Asking -------------------------------------------------------------------------------------------------


def expect(guardian: Guardian, address: str, *, at: datetime) -> AccessOpening:
    """Notes the address that came with a household's own request, or with an import: the first login at that
    address waits for nobody. For those who take files in; the desk has no way to it."""
    return AccessOpening.objects.create(
        kind=Kind.GUARDIAN,
        household_id=guardian.household_id,
        guardian=guardian,
        address=login_names.normal_form(address),
        state=State.EXPECTED,
        asked_at=at,
    )


def expect_once(guardian: Guardian, address: str, *, at: datetime) -> None:
    """The same of an adult for whom nothing of the kind was noted yet, nor any access asked for."""
    if not AccessOpening.objects.filter(guardian=guardian).exists():
        expect(guardian, address, at=at)


@transaction.atomic
def ask_guardian(guardian: Guardian, address: str, *, by: User, at: datetime) -> AccessOpening:
    """A login for a guardian, which sees nothing before it is confirmed. Raises OpeningRefused."""
    own.check(by, [guardian.household_id], right="families.change_guardian", at=at)
    guardian = _without_login(guardian)
    try:
        user = access.new_login(guardian, address)
    except ValidationError as refusal:
        raise OpeningRefused(" ".join(refusal.messages)) from refusal
    opening = _new(Kind.GUARDIAN, guardian.household_id, by, at)
    opening.guardian, opening.user, opening.address = guardian, user, user.email
    if _came_with_the_file(guardian, user.email):
        opening.answered_at, opening.confirmed = at, Confirmed.FREE
        _open(opening, at)
    else:
        opening.save()
        _tell_asked(opening)
        letters.waits(opening)
    return opening


@transaction.atomic
def ask_account(guardian: Guardian, address: str, *, by: User, at: datetime) -> AccessOpening:
    """A guardian is to be reached by a login that is there already, for another household: once its owner has
    agreed, and somebody already there, or a second agent, has confirmed. Raises OpeningRefused."""
    own.check(by, [guardian.household_id], right="families.change_guardian", at=at)
    guardian = _without_login(guardian)
    found = [user for user in login_names.having_address(address) if user.is_active]
    if len(found) != 1:
        raise OpeningRefused("Aucun compte ouvert n'a cette adresse, ou plusieurs l'ont.")
    opening = _invitation(guardian, found[0].email, by, at)
    opening.save()
    _tell_asked(opening)
    mailing.post_live(letters.INVITATION, opening.pk)
    return opening


@transaction.atomic
def ask_joined(guardian: Guardian, user: User, *, by: User, at: datetime) -> AccessOpening:
    """The login of an adult of two households that became one, who would see more than before: it is tied
    again once confirmed. The household is held, and the guardian has no login any more."""
    opening = _new(Kind.GUARDIAN, guardian.household_id, by, at)
    opening.guardian, opening.user, opening.address = guardian, user, user.email
    opening.agreed_at = at
    opening.save()
    _tell_asked(opening)
    letters.waits(opening)
    return opening


@transaction.atomic
def invite(guardian: Guardian, address: str, *, by: User, at: datetime) -> AccessOpening:
    """What an adult of the household asked and the town hall accepted: the person has but to agree. Raises
    OpeningRefused."""
    guardian = _without_login(guardian)
    opening = _invitation(guardian, login_names.normal_form(address), by, at)
    inviting = Guardian.objects.filter(user=by, household=guardian.household_id).first()
    if inviting is None:
        raise OpeningRefused("La personne qui a invité n'est plus de ce foyer.")
    opening.asked_by_name, opening.confirmed = str(inviting), Confirmed.BY_GUARDIAN
    opening.save()
    mailing.post_live(letters.INVITATION, opening.pk)
    return opening


@transaction.atomic
def invite_again(opening: AccessOpening, *, by: User, at: datetime) -> AccessOpening:
    """A new link, which alone holds from now on. Raises AlreadyAnswered, OpeningRefused for others."""
    opening = _waiting(opening.pk)
    if by.pk != opening.asked_by_id or not opening.is_invitation or opening.agreed_at:
        raise OpeningRefused("Seule la personne qui a invité peut renvoyer l'invitation.")
    opening.expires_at = at + INVITED_FOR
    opening.save()
    mailing.post_live(letters.INVITATION, opening.pk)
    return opening


def _without_login(guardian: Guardian) -> Guardian:
    """The adult, with the household held. Raises OpeningRefused where a login is there, or waits."""
    Household.objects.lock([guardian.household_id])
    guardian = Guardian.objects.get(pk=guardian.pk)
    if guardian.user_id:
        raise OpeningRefused(f"{guardian} a déjà un accès au portail.")
    if guardian.access_openings.filter(state=State.WAITING).exists():
        raise OpeningRefused(f"Un accès attend déjà d'être confirmé pour {guardian}.")
    return guardian


def _invitation(guardian: Guardian, address: str, by: User, at: datetime) -> AccessOpening:
    there = Guardian.objects.filter(
        household=guardian.household_id, user__in=login_names.having_address(address)
    )
    if there.exists():
        raise OpeningRefused("Le compte qui a cette adresse voit déjà ce foyer.")
    opening = _new(Kind.GUARDIAN, guardian.household_id, by, at)
    opening.guardian, opening.address, opening.expires_at = guardian, address, at + INVITED_FOR
    return opening


@transaction.atomic
def address_changed(user: User, former: str, *, by: User, at: datetime) -> AccessOpening | None:
    """The desk gave a guardian's login another address: the wait starts anew in each of their households,
    until then it sees nothing. The first of these; None for a login that is no guardian's."""
    tied = list(Guardian.objects.filter(user=user).order_by("pk"))
    begun: list[tuple[Guardian, datetime | None]] = [(guardian, None) for guardian in tied]
    unconfirmed: set[int] = set()
    for waiting in AccessOpening.objects.waiting().filter(user=user).select_related("guardian"):
        waiting.state, waiting.answered_at = State.CANCELLED, at
        waiting.save()
        if waiting.guardian is None:
            continue
        begun.append((waiting.guardian, waiting.agreed_at))
        if waiting.former_address:
            former = waiting.former_address
        else:
            unconfirmed.add(waiting.guardian.pk)
    asked = []
    for guardian, agreed_at in begun:
        own.check(by, [guardian.household_id], right="families.change_user", at=at)
        guardian.user = None
        guardian.save()
        opening = _new(Kind.GUARDIAN, guardian.household_id, by, at)
        opening.guardian, opening.user = guardian, user
        opening.address, opening.agreed_at = user.email, agreed_at
        # Refused, an access is given back only where it was open before.
        opening.former_address = "" if guardian.pk in unconfirmed else former
        opening.save()
        _tell_asked(opening)
        asked.append(opening)
    if not asked:
        return None
    letters.address_changed(asked[0], former)
    return asked[0]


@transaction.atomic
def ask_home(
    child: Child, household: Household, *, by: User, at: datetime, copy: Child | None = None
) -> AccessOpening | None:
    """Another home for a child, once confirmed; None where it is open at once, as its first home. `copy` is
    what the household had typed of the same child. Raises OpeningRefused."""
    today = timezone.localdate(at)
    known = list(Custody.objects.filter(child=child).values_list("household_id", flat=True))
    own.check(by, [household.pk, *known], right="families.add_custody", at=at)
    Household.objects.lock([household.pk])
    if Custody.objects.on(today).filter(child=child, household=household).exists():
        raise OpeningRefused(f"{child} vit déjà dans ce foyer.")
    if AccessOpening.objects.waiting().filter(child=child, household=household).exists():
        raise OpeningRefused(f"Ce foyer attend déjà d'être confirmé pour {child}.")
    if not known and not ChildHealth.objects.filter(child=child).exists():
        Custody.objects.create(child=child, household=household)
        return None
    opening = _new(Kind.HOME, household.pk, by, at)
    opening.child, opening.copy = child, copy
    opening.save()
    _tell_asked(opening)
    return opening


def _new(kind: AccessOpening.Kind, household: int, by: User, at: datetime) -> AccessOpening:
    name = by.get_full_name() or by.username
    return AccessOpening(kind=kind, household_id=household, asked_by=by, asked_by_name=name, asked_at=at)


def _came_with_the_file(guardian: Guardian, address: str) -> bool:
    """Whether this is the guardian's first login, at the address that came with the file."""
    return login_names.normal_form(address) in expected([guardian.pk]).get(guardian.pk, set())


def forget_expected(homes: Collection[int], *, at: datetime) -> None:
    """The addresses that came with files of these households (keys) are free no more, and codes on paper are
    dead: they were given for other people and children than those who are there now."""
    rows = AccessOpening.objects.filter(household__in=homes, state=State.EXPECTED)
    rows.update(state=State.CANCELLED, answered_at=at)
    Guardian.objects.filter(household__in=homes).exclude(email_given="").update(email_given="")
    GuardianCode.objects.filter(guardian__household__in=homes).delete()


def expected(guardians: Collection[int]) -> dict[int, set[str]]:
    """Of guardians (keys) for whom no access was ever asked: the addresses that came with their files."""
    found: dict[int, set[str]] = {}
    rows = AccessOpening.objects.filter(guardian__in=guardians)
    asked = set(rows.exclude(state=State.EXPECTED).values_list("guardian", flat=True))
    for guardian, address in rows.filter(state=State.EXPECTED).values_list("guardian", "address"):
        if guardian is not None and guardian not in asked:
            found.setdefault(guardian, set()).add(address)
    return found


def _tell_asked(opening: AccessOpening) -> None:
    transaction.on_commit(partial(tell_asked.enqueue, opening.pk), robust=True)


@whole
@task(queue_name="mail", priority=priorities.URGENT)
def tell_asked(opening_id: int) -> None:
    """Writes to who is already there; the 72 hours run from then. Again, it does nothing."""
    with transaction.atomic():
        waiting = AccessOpening.objects.waiting().filter(pk=opening_id, letters_left_at=None)
        opening = waiting.select_for_update().first()
        if opening is not None:
            letters.asked(opening, there(opening), may_confirm(opening))
            opening.letters_left_at = timezone.now()
            opening.save(update_fields=["letters_left_at"])


# Who is there, who may answer ---------------------------------------------------------------------------


def there(opening: AccessOpening) -> QuerySet[Guardian]:
    """Every guardian already there, who has a login: of the household, and of the other homes of the child
    (of the household's children, where the access is a guardian's)."""
    today = timezone.localdate()
    if opening.child_id is not None:
        children = Child.objects.filter(pk=opening.child_id)
    else:
        children = Child.objects.living_in(opening.household_id, today)
    living = Custody.objects.on(today).filter(child__in=children).values("household_id")
    return _with_login(Q(household=opening.household_id) | Q(household__in=living), opening)


def may_confirm(opening: AccessOpening) -> QuerySet[Guardian]:
    """Those of them whose own it is to open: the other adults of the household for an access to it; for a
    child's other home, the adults of the homes in which it lives. Nobody confirms what opens for oneself, and
    a former partner has no say in who joins the other's household."""
    if opening.child_id is None:
        return _with_login(Q(household=opening.household_id), opening)
    today = timezone.localdate()
    living = holds(today, "household__custodies") & Q(household__custodies__child=opening.child_id)
    joining = Guardian.objects.filter(household=opening.household_id, user__isnull=False)
    return _with_login(living & ~Q(user__in=joining.values("user")), opening)


def _with_login(which: Q, opening: AccessOpening) -> QuerySet[Guardian]:
    found = Guardian.objects.filter(which, user__is_active=True).select_related("user")
    if opening.guardian_id is not None:
        found = found.exclude(pk=opening.guardian_id)
    return found.exclude(user=opening.user_id).distinct().order_by("pk")


def for_guardian(user: User) -> QuerySet[AccessOpening]:
    """What waits for this guardian's answer, newest first."""
    today, found = timezone.localdate(), AccessOpening.objects.none()
    for guardian in Guardian.objects.filter(user=user).order_by("pk"):
        found |= _to_answer(guardian.pk, guardian.household_id, user.pk, today)
    return found.select_related("household", "guardian", "child")


def wait_for_guardian(today: date) -> Exists:
    """Of rows of guardians: whether something waits for this one's answer."""
    return Exists(_to_answer(OuterRef("pk"), OuterRef("household"), OuterRef("user"), today))


def _to_answer(
    guardian: int | OuterRef, household: int | OuterRef, user: int | OuterRef, today: date
) -> QuerySet[AccessOpening]:
    """A login for another adult of the household, another home for a child that lives there."""
    lives_here = Custody.objects.on(today).filter(child=OuterRef("child"), household=_outer(household))
    own_home = Guardian.objects.filter(household=OuterRef("household"), user=_outer(user))
    return (
        AccessOpening.objects.waiting()
        .filter(
            Q(kind=Kind.GUARDIAN, household=household)
            | Q(kind=Kind.HOME) & Exists(lives_here) & ~Exists(own_home),
            confirmed="",
        )
        .exclude(guardian=guardian)
        .exclude(asked_by=user)
    )


def _outer(value: int | OuterRef) -> int | OuterRef:
    """The same value, seen from one query further in."""
    return OuterRef(value) if isinstance(value, OuterRef) else value


def second_agents(opening: AccessOpening) -> list[User]:
    """The members of staff who may confirm: not who asked, not who is concerned."""
    found = own.others(RIGHT, but=opening.asked_by)
    return [one for one in found if not _concerned(one, opening)]


def _concerned(user: User, opening: AccessOpening) -> bool:
    return opening.user_id == user.pk or bool(own.households_of(user) & _households(opening))


def _households(opening: AccessOpening) -> set[int]:
    concerned = {opening.household_id}
    if opening.child_id is not None:
        known = Custody.objects.filter(child=opening.child_id)
        concerned |= set(known.values_list("household_id", flat=True))
    return concerned


def opens_by_time(opening: AccessOpening) -> datetime | None:
    """When it opens by itself; None where somebody has to confirm, or while the letters wait."""
    if opening.letters_left_at is None or may_confirm(opening).exists() or second_agents(opening):
        return None
    return opening.letters_left_at + WAIT


# Answering ----------------------------------------------------------------------------------------------


@transaction.atomic
def confirm(opening: AccessOpening, *, by: User, at: datetime) -> AccessOpening:
    """Opens what waits. Raises OpeningRefused for who may not, AlreadyAnswered, and OwnHousehold."""
    opening = _waiting(opening.pk)
    if by.pk == opening.asked_by_id:
        raise OpeningRefused("Vous avez demandé cet accès : une autre personne le confirme.")
    if opening.confirmed:
        raise AlreadyAnswered("Cet accès est déjà confirmé : il attend l'accord de la personne invitée.")
    if may_confirm(opening).filter(user=by).exists():
        opening.confirmed = Confirmed.BY_GUARDIAN
    elif by.is_staff and by.has_perm(RIGHT) and opening.user_id != by.pk:
        own.check(by, _households(opening), right=RIGHT, at=at)
        opening.confirmed = Confirmed.BY_STAFF
    else:
        raise OpeningRefused("Cet accès n'est pas le vôtre à confirmer.")
    _answer(opening, by, at)
    if opening.is_invitation and opening.agreed_at is None:
        opening.save()
    else:
        _open(opening, at)
    return opening


@transaction.atomic
def agree(opening: AccessOpening, user: User, *, at: datetime) -> AccessOpening:
    """The owner of the address says yes, with this login, which has the address. Opens what is confirmed.
    Raises OpeningRefused, AlreadyAnswered."""
    opening = _waiting(opening.pk)
    if opening.expires_at is None or opening.expires_at <= at or not _has(user, opening.address):
        raise OpeningRefused("Cette invitation n'est plus valable.")
    if opening.agreed_at is not None:
        raise AlreadyAnswered("Vous avez déjà accepté cette invitation.")
    if Guardian.objects.filter(user=user, household=opening.household_id).exists():
        raise OpeningRefused("Votre compte voit déjà ce foyer.")
    opening.user, opening.agreed_at = user, at
    if opening.confirmed:
        opening.answered_at = opening.answered_at or at
        _open(opening, at)
    else:
        opening.save()
    return opening


def _has(user: User, address: str) -> bool:
    return login_names.normal_form(user.email) == login_names.normal_form(address)


@transaction.atomic
def refuse(opening: AccessOpening, *, by: User, at: datetime) -> AccessOpening:
    """A guardian already there says no, or the town hall. Raises OpeningRefused, AlreadyAnswered."""
    opening = _waiting(opening.pk)
    if not may_confirm(opening).filter(user=by).exists():
        if not (by.is_staff and by.has_perm(RIGHT)):
            raise OpeningRefused("Cet accès n'est pas le vôtre à refuser.")
        own.check(by, _households(opening), right=RIGHT, at=at)
    _answer(opening, by, at)
    _close(opening, State.REFUSED)
    return opening


@transaction.atomic
def cancel(opening: AccessOpening, *, by: User, at: datetime) -> AccessOpening:
    """Who asked takes it back. Raises AlreadyAnswered, OpeningRefused for others."""
    opening = _waiting(opening.pk)
    if by.pk != opening.asked_by_id:
        raise OpeningRefused("Seule la personne qui a demandé cet accès l'annule ; refusez-le plutôt.")
    _answer(opening, by, at)
    _close(opening, State.CANCELLED)
    return opening


def pass_time(*, at: datetime) -> int:
    """Opens what has waited long enough and nobody could confirm; returns how many. Invitations whose link
    ended, and that nobody sent again for as long, are over."""
    over = AccessOpening.objects.waiting().filter(expires_at__lte=at - INVITED_FOR, agreed_at=None)
    over.update(state=State.CANCELLED, answered_at=at)
    due = AccessOpening.objects.waiting().filter(letters_left_at__lte=at - WAIT)
    return sum(_pass(pk, at) for pk in due.order_by("pk").values_list("pk", flat=True))


@transaction.atomic
def _pass(pk: int, at: datetime) -> bool:
    try:
        opening = _waiting(pk)
    except AlreadyAnswered:
        return False
    opens = opens_by_time(opening)
    if opens is None or at < opens or (opening.is_invitation and opening.agreed_at is None):
        return False
    opening.answered_at, opening.confirmed = at, Confirmed.BY_TIME
    _open(opening, at)
    return True


def of_login(user: User, *, at: datetime) -> AccessOpening | None:
    """The opening for which this login waits, None where it waits for none (any more)."""
    waiting = AccessOpening.objects.waiting().filter(user=user).select_related("household").first()
    if waiting is not None and _pass(waiting.pk, at):
        return None
    return waiting


def _waiting(pk: int) -> AccessOpening:
    opening = (
        AccessOpening.objects.select_for_update(of=("self",))
        .select_related("guardian", "child", "copy", "household", "user")
        .get(pk=pk)
    )
    if not opening.waits:
        raise AlreadyAnswered(f"Cet accès a déjà sa réponse : {opening.get_state_display().lower()}.")
    return opening


def _answer(opening: AccessOpening, by: User, at: datetime) -> None:
    opening.answered_by, opening.answered_at = by, at
    opening.answered_by_name = by.get_full_name() or by.username


def _open(opening: AccessOpening, at: datetime) -> None:
    opening.state = State.OPEN
    opening.save()
    if opening.kind == Kind.GUARDIAN:
        _tie(opening)
    else:
        _take_in(opening, at)
    letters.opened(opening)


def _tie(opening: AccessOpening) -> None:
    guardian = opening.guardian
    if guardian is None or opening.user is None:
        raise OpeningRefused("Ce compte n'existe plus : demandez un nouvel accès.")
    try:
        with transaction.atomic():
            tied = Guardian.objects.filter(pk=guardian.pk, user=None).update(user=opening.user)
    except IntegrityError:
        tied = 0
    if not tied:
        raise OpeningRefused(f"{guardian} a déjà un accès au portail.")
    guardian.user = opening.user


def _take_in(opening: AccessOpening, at: datetime) -> None:
    child, copy, today = opening.child, opening.copy, timezone.localdate(at)
    if child is None:
        raise OpeningRefused("Cet enfant n'est plus connu.")
    if copy is not None and not is_used(copy):
        carry_prepared(copy, child, opening.household_id, at=at)
        copy.custodies.filter(household=opening.household_id).delete()
        if not copy.custodies.exists():
            copy.delete()
    custody = homes.held(child.pk, opening.household_id)
    if custody is None:
        custody = Custody(child=child, household_id=opening.household_id)
    if custody.pk is None or not custody.holds_on(today):
        custody.since, custody.until = today, None
    written_by(custody, opening.answered_by or opening.asked_by).save()


def _close(opening: AccessOpening, state: AccessOpening.State) -> None:
    """Nothing of it stays: a login made for it goes, one that had another address has it again."""
    user, guardian = opening.user, opening.guardian
    opening.state = state
    if opening.is_invitation or opening.is_of_joining:  # the login, where there is one, is somebody's own
        opening.save()
        return
    if user is not None and not opening.former_address:
        opening.user = None
        opening.save()
        user.delete()
        return
    opening.save()
    if user is not None and guardian is not None:
        # Whoever read the letters of the other address may have chosen a password meanwhile.
        user.email = opening.former_address
        user.set_unusable_password()
        user.save()
        EmailAddress.objects.filter(user=user, email=opening.address).delete()
        Guardian.objects.filter(pk=guardian.pk, user=None).update(user=user)
        for other in AccessOpening.objects.waiting().filter(user=user, former_address=user.email):
            other.state, other.answered_at = state, opening.answered_at
            other.save()
            if other.guardian_id is not None:
                Guardian.objects.filter(pk=other.guardian_id, user=None).update(user=user)
