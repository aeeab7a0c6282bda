"""A household or a child is erased: the only writer of `erased_at`, of `Erasure` and of its journal.

    foresee(leaving, at=…) -> Foreseen     what goes, what the law keeps, what stands in the way
    erase(leaving, why=…, by=…, at=…)      does it, all or nothing. Raises ErasureRefused
    sweep() -> int                         removes those of whom the law keeps nothing any more

Apps above lend a `Part` each: it knows what it holds. Parts act from the uppermost app down, people last.
What money law keeps stays as it is; the household and the children it hangs on lose all that names them. A
child that also lives elsewhere stays with its other home.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.core.files.base import ContentFile
from django.db import models, transaction
from django.db.models import Q
from django.db.models.deletion import ProtectedError
from django.utils.crypto import salted_hmac
from django.utils.text import capfirst

from families import correspondence, documents, emails
from families.custody import own
from families.messages import printing
from families.models import (
    AccessOpening,
    AuthorisedPerson,
    ChangeRequest,
    Child,
    ChildHealth,
    Concerned,
    Custody,
    CustodyCalendar,
    DataExport,
    DietChoice,
    Document,
    Erasure,
    ErasureRequest,
    FamilyQuotient,
    FormerAddress,
    Guardian,
    HomeChange,
    HomeDiet,
    Household,
    HouseholdNote,
    Letter,
    MessageCopy,
    OwnDecision,
    Paper,
    QuotientAnswer,
    QuotientConsent,
    QuotientRound,
    Reading,
    Residence,
    TextAnswer,
    Thread,
    ThreadMessage,
    User,
)
from families.privacy import exporting, histories
from portal.desk import held
from portal.desk import printing as lists_on_paper
from portal.files.uploads import private_storage
from portal.french.plurals import counted
from portal.french.spelling import folded
from portal.models import SentMail

JOURNAL = "effacements"
FIRST_NAME, LAST_NAME = "Enfant", "effacé"


class ErasureRefused(Exception):
    """Nothing was written; `str()` says why, in French."""


@dataclass(frozen=True)
class Leaving:
    """Who is erased: a household with the children that live nowhere else, or one child."""

    household: Household | None
    children: tuple[Child, ...]
    shared: tuple[Child, ...] = ()

    @property
    def concerned(self) -> Q:
        """Of rows with `household` and `child`: theirs."""
        own = Q(child__in=self.children)
        return own if self.household is None else own | Q(household=self.household)

    @property
    def homes(self) -> list[int]:
        """Households whose money this touches."""
        if self.household is not None:
            return [self.household.pk]
        return list(Custody.objects.filter(child__in=self.children).values_list("household_id", flat=True))


class Line(NamedTuple):
    """A line of the preview and of the certificate: how many of what, and why it stays where it stays."""

    number: int
    what: str
    why: str = ""
    is_counted: bool = True

    def __str__(self) -> str:
        count = f" : {self.number}" if self.is_counted else ""
        return f"{capfirst(self.what)}{count}" + (f" ({self.why})" if self.why else "")


@dataclass
class Foreseen:
    obstacles: list[str] = field(default_factory=list)
    gone: list[Line] = field(default_factory=list)
    kept: list[Line] = field(default_factory=list)


class Part(NamedTuple):
    """What an app does for an erasure: `foresee` adds its lines, `erase` acts within the transaction; later,
    `tidy` drops what only waited for what the law kept."""

    foresee: Callable[[Leaving, datetime, Foreseen], None]
    erase: Callable[[Leaving, User | None, datetime], None]
    tidy: Callable[[], None]


_parts: dict[str, Part] = {}


def register(name: str, part: Part) -> None:
    """Adds an app's part; the same name again replaces it. Those of the highest apps are registered last."""
    _parts[name] = part


def household_leaving(household: Household) -> Leaving:
    children = Child.objects.filter(custodies__household=household).order_by("pk")
    shared = [child for child in children if child.custodies.exclude(household=household).exists()]
    alone = tuple(child for child in children if child not in shared)
    return Leaving(household, alone, tuple(shared))


def child_leaving(child: Child) -> Leaving:
    return Leaving(None, (child,))


def foresee(leaving: Leaving, *, at: datetime) -> Foreseen:
    found = Foreseen()
    _foresee_people(leaving, found)
    for part in reversed(_parts.values()):
        part.foresee(leaving, at, found)
    found.gone = [line for line in found.gone if line.number]
    found.kept = [line for line in found.kept if line.number]
    return found


def erase(leaving: Leaving, *, why: str, by: User | None, at: datetime) -> Erasure:
    """Raises OwnHousehold, and ErasureRefused for what is erased already or while something is in the way."""
    own.check(by, leaving.homes, right="families.add_erasure", at=at)
    with transaction.atomic():
        Household.objects.lock(leaving.homes)
        _still_there(leaving)
        foreseen = foresee(leaving, at=at)
        if foreseen.obstacles:
            raise ErasureRefused(" ".join(foreseen.obstacles))
        done = _entry(leaving, why, by, at)
        done.gone = [str(line) for line in foreseen.gone]
        done.kept = [str(line) for line in foreseen.kept]
        if leaving.household is not None and why != Erasure.Why.AGAIN:
            emails.erased(leaving.household, done)
        for part in reversed(_parts.values()):
            part.erase(leaving, by, at)
        _erase_people(leaving, at)
        # Copies of three days at most, which may name them, and answers to what they had asked.
        lists_on_paper.forget_all()
        held.forget_gone()
        done.save()
        _write_down(done)
    return done


def _still_there(leaving: Leaving) -> None:
    there = (
        Household.objects.filter(pk=leaving.household.pk, erased_at=None)
        if leaving.household is not None
        else Child.objects.filter(pk__in=[child.pk for child in leaving.children], erased_at=None)
    )
    if not there.exists():
        raise ErasureRefused("C'est déjà effacé.")


# The journal ------------------------------------------------------------------------------------------


def mark_of_household(household: Household) -> str:
    """What tells this household from another one that would bear its number after a restore."""
    return _mark(f"household:{household.pk}:{household.created_at.isoformat()}")


def mark_of_child(child: Child) -> str:
    return _mark(f"child:{child.pk}:{child.first_name}:{child.last_name}:{child.birth_date.isoformat()}")


def _mark(text: str) -> str:
    return salted_hmac("families.erasure", text, algorithm="sha256").hexdigest()


def _entry(leaving: Leaving, why: str, by: User | None, at: datetime) -> Erasure:
    if leaving.household is not None:
        kind, subject, mark = (
            Erasure.Kind.HOUSEHOLD,
            leaving.household.pk,
            mark_of_household(leaving.household),
        )
    else:
        (child,) = leaving.children
        kind, subject, mark = Erasure.Kind.CHILD, child.pk, mark_of_child(child)
    return Erasure(kind=kind, subject=subject, mark=mark, why=why, by=by, at=at)


def _write_down(done: Erasure) -> None:
    """Beside the database too: a restored one knows nothing of what was erased after it was saved."""
    entry = {"kind": done.kind, "subject": done.subject, "mark": done.mark, "at": done.at.isoformat()}
    name = f"{JOURNAL}/{done.at:%Y}/{done.reference}.json"
    content = json.dumps(entry).encode()
    transaction.on_commit(lambda: private_storage().save(name, ContentFile(content)) and None)


# People -----------------------------------------------------------------------------------------------


def _foresee_people(leaving: Leaving, found: Foreseen) -> None:
    home, children = leaving.household, leaving.children
    found.gone += [
        Line(len(children), "enfants (nom, date de naissance, autorisations)"),
        Line(ChildHealth.objects.filter(child__in=children).count(), "fiches sanitaires"),
        Line(DietChoice.objects.filter(child__in=children).count(), "régimes alimentaires"),
        Line(AuthorisedPerson.objects.filter(child__in=children).count(), "personnes autorisées"),
        Line(Paper.objects.filter(leaving.concerned).count(), "papiers demandés"),
        Line(TextAnswer.objects.filter(leaving.concerned).count(), "réponses à des textes à accepter"),
    ]
    if home is None:
        found.gone += [
            Line(Thread.objects.filter(child__in=children).count(), "échanges avec la mairie à son sujet"),
            Line(HouseholdNote.objects.filter(child__in=children).count(), "notes d'agents à son sujet"),
        ]
        return
    guardians = Guardian.objects.filter(household=home)
    found.gone += [
        Line(guardians.count(), "responsables (nom, téléphones)"),
        Line(guardians.filter(user__is_staff=False).count(), "accès au portail"),
        Line(1, "adresse du foyer, notes du service", is_counted=False),
        Line(FamilyQuotient.objects.filter(household=home).count(), "quotients familiaux"),
        Line(
            QuotientConsent.objects.filter(guardian__household=home).count(),
            "accords pour demander le quotient à la CAF ou à la MSA, avec l'état civil",
        ),
        Line(QuotientAnswer.objects.filter(household=home).count(), "réponses de la CAF et de la MSA"),
        Line(ChangeRequest.objects.filter(household=home).count(), "demandes à la mairie"),
        Line(Document.objects.filter(household=home).count(), "fichiers envoyés"),
        Line(DataExport.objects.filter(household=home).count(), "copies de données"),
        Line(Letter.objects.filter(household=home).count(), "messages envoyés"),
        Line(Thread.objects.filter(household=home).count(), "échanges avec la mairie"),
        Line(HouseholdNote.objects.filter(household=home).count(), "notes d'agents"),
    ]
    found.kept += [
        Line(len(leaving.shared), "enfants qui vivent aussi dans un autre foyer", "ils restent à celui-ci"),
        Line(
            guardians.filter(user__is_staff=True).count(),
            "comptes d'agents de la mairie",
            "ils restent ceux de l'agent",
        ),
    ]


def _erase_people(leaving: Leaving, at: datetime) -> None:
    home = leaving.household
    # Households, and rows of a child, that were joined to these go with them.
    gone = [] if home is None else [home, *home.joined_homes.all()]
    for one in gone:
        _erase_household(one, at)
    for child in (*Child.objects.filter(joined_to__in=leaving.children), *leaving.children):
        _erase_child(child, at)
    for one in reversed(gone):
        if _removed(Household, one.pk):
            continue
        Household.objects.filter(pk=one.pk).update(
            street="",
            street_more="",
            postcode="",
            city="",
            folded="",
            notes="",
            refusal_reason="",
            decided_by=None,
            erased_at=at,
        )


def _erase_household(home: Household, at: datetime) -> None:
    for export in DataExport.objects.filter(household=home):
        exporting.discard(export)
    # Logins that wait to be confirmed are tied to no guardian.
    waiting = AccessOpening.objects.waiting().filter(household=home, user__isnull=False)
    waited = list(waiting.values_list("user", flat=True))
    addresses = (Residence, FormerAddress)
    for model in (ChangeRequest, ErasureRequest, FamilyQuotient, *addresses, AccessOpening, OwnDecision):
        _delete(model, list(model._default_manager.filter(household=home).values_list("pk", flat=True)))
    QuotientAnswer.objects.filter(household=home).delete()
    # Of its own, nobody else was asked for.
    QuotientRound.objects.filter(by_family=True, answers=None).delete()
    # What it gave of a child that also lives elsewhere goes with its file: the other home gives its own.
    _delete(Paper, list(Paper.objects.filter(household=home).values_list("pk", flat=True)))
    TextAnswer.objects.filter(household=home).delete()
    Thread.objects.filter(household=home).delete()
    _delete(HouseholdNote, list(HouseholdNote.objects.filter(household=home).values_list("pk", flat=True)))
    documents.remove(Document.objects.filter(household=home))
    Letter.objects.filter(household=home).delete()
    printing.forget(home)
    MessageCopy.objects.filter(household=home).delete()
    for lines in (Reading, Concerned):
        lines.objects.filter(household=home).update(household=None)
    HomeChange.objects.filter(Q(household=home) | Q(other=home)).update(reason="", said=[])
    # Who belongs to another household too keeps the login for it.
    elsewhere = Guardian.objects.exclude(household=home).filter(user__isnull=False).values("user_id")
    logins = list(
        User.objects.filter(
            Q(guardians__household=home) | Q(pk__in=waited), is_staff=False, is_superuser=False
        )
        .exclude(pk__in=elsewhere)
        .distinct()
    )
    SentMail.objects.filter(to__in=[login.email for login in logins if login.email]).delete()
    _delete(Guardian, list(Guardian.objects.filter(household=home).values_list("pk", flat=True)))
    _delete(User, [login.pk for login in logins])
    _delete(HomeDiet, list(HomeDiet.objects.filter(household=home).values_list("pk", flat=True)))
    theirs = CustodyCalendar.objects.filter(Q(even=home) | Q(odd=home))
    _delete(CustodyCalendar, list(theirs.values_list("pk", flat=True)))
    _delete(Custody, list(Custody.objects.filter(household=home).values_list("pk", flat=True)))
    histories.forget(Household, [home.pk])


def _erase_child(child: Child, at: datetime) -> None:
    # Letters are a household's, and name its children: those that name this one go with it.
    written = Letter.objects.filter(household__custodies__child=child)
    naming = correspondence.naming(written.iterator(chunk_size=200), child.first_name)
    Letter.objects.filter(pk__in=naming).delete()
    _forget_in_threads(child)
    _forget_in_home_changes(child)
    of_child = (
        ChildHealth,
        DietChoice,
        HomeDiet,
        AuthorisedPerson,
        CustodyCalendar,
        Custody,
        AccessOpening,
        ChangeRequest,
    )
    papers = list(Paper.objects.filter(child=child))
    _delete(Paper, [paper.pk for paper in papers])
    documents.remove(
        Document.objects.filter(pk__in=[paper.document_id for paper in papers if paper.document_id])
    )
    TextAnswer.objects.filter(child=child).delete()
    for model in of_child:
        _delete(model, list(model._default_manager.filter(child=child).values_list("pk", flat=True)))
    for lines in (Reading, Concerned):
        lines.objects.filter(child=child).update(child=None)
    if not _removed(Child, child.pk):
        # The year of birth stays, for statistics by age.
        Child.objects.filter(pk=child.pk).update(
            first_name=FIRST_NAME,
            last_name=LAST_NAME,
            folded=folded(f"{FIRST_NAME} {LAST_NAME}"),
            birth_date=child.birth_date.replace(month=1, day=1),
            photo_allowed=False,
            leaves_alone=False,
            emergency_care_allowed=False,
            erased_at=at,
        )
    histories.forget(Child, [child.pk])


def _forget_in_threads(child: Child) -> None:
    """Threads and notes about the child go; of the others, the words that name it."""
    names = re.compile(rf"\b{re.escape(child.first_name)}\b", re.IGNORECASE)
    homes = Custody.objects.filter(child=child).values("household")
    of_homes = Thread.objects.filter(household__in=homes).exclude(child=child)
    about = [one.pk for one in of_homes.iterator(chunk_size=200) if names.search(one.subject)]
    gone = Thread.objects.filter(Q(child=child) | Q(pk__in=about))
    said = ThreadMessage.objects.filter(thread__in=of_homes.exclude(pk__in=about))
    words = [one.pk for one in said.iterator(chunk_size=200) if names.search(one.text)]
    files = Document.objects.filter(
        Q(thread_file__message__thread__in=gone) | Q(thread_file__message__in=words)
    )
    documents.remove(list(files))
    ThreadMessage.objects.filter(pk__in=words).delete()
    gone.delete()
    Thread.objects.filter(household__in=homes, messages=None).delete()
    notes = HouseholdNote.objects.filter(Q(child=child) | Q(household__in=homes))
    _delete(
        HouseholdNote,
        [
            one.pk
            for one in notes.iterator(chunk_size=200)
            if one.child_id == child.pk or names.search(one.text)
        ],
    )


def _forget_in_home_changes(child: Child) -> None:
    """What was said when homes were joined or parted names children: what names this one goes."""
    homes = Custody.objects.filter(child=child).values("household")
    for change in HomeChange.objects.filter(Q(household__in=homes) | Q(other__in=homes)):
        said = [line for line in change.said if folded(child.first_name) not in folded(line)]
        if said != change.said:
            HomeChange.objects.filter(pk=change.pk).update(said=said)


def _delete(model: type, keys: Sequence[int]) -> None:
    """Rows, with their versions: the one that their deletion itself writes among them."""
    model._default_manager.filter(pk__in=keys).delete()  # type: ignore[attr-defined]  # any model of ours
    histories.forget(model, keys)


def _removed(model: type[Household] | type[Child], key: int) -> bool:
    """Deletes the row unless something the law keeps hangs on it."""
    try:
        with transaction.atomic():
            if any(_held(model, key)):
                return False
            model.objects.filter(pk=key).delete()
    except ProtectedError:
        return False
    histories.forget(model, [key])
    return True


def _held(model: type[Household] | type[Child], key: int) -> list[bool]:
    """Whether each table of presences or money still points at the row: it would go with it, or refuse."""
    return [
        link.related_model._base_manager.filter(**{link.field.name: key}).exists()
        for link in model._meta.related_objects
        if link.on_delete in (models.CASCADE, models.PROTECT)
    ]


def sweep(at: datetime) -> int:
    """Removes erased children and households on which nothing hangs any more; how many."""
    for part in reversed(_parts.values()):
        part.tidy()
    # That erased homes were joined or parted is nobody's matter any more, and would keep their rows.
    HomeChange.objects.filter(household__erased_at__isnull=False, other__erased_at__isnull=False).delete()
    removed = 0
    emptied: tuple[type[Child] | type[Household], ...] = (Child, Household)
    for model in emptied:
        for key in model.objects.filter(erased_at__isnull=False).values_list("pk", flat=True):
            removed += _removed(model, key)
    return removed


def said(leaving: Leaving) -> str:
    """« le foyer n° 000012 et 2 enfants »."""
    if leaving.household is None:
        return str(leaving.children[0])
    children = counted(len(leaving.children), "enfant", "enfants")
    return f"foyer n°\xa0{leaving.household.number}, {children}"
