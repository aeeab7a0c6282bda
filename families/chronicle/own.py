"""What this app tells of a household's past: requests, facts of its file, letters."""

from collections.abc import Collection, Mapping
from typing import Any

from django.db.models import F, OuterRef, Q, Subquery
from django.urls import reverse

from families.chronicle.entries import Entry, Group, Rows, Source, by, by_town, register
from families.models import (
    AuthorisedPerson,
    ChangeRequest,
    Child,
    ChildHealth,
    FamilyQuotient,
    Guardian,
    HomeChange,
    Household,
    Letter,
    Paper,
    ThreadMessage,
)
from families.privacy.telling import Subject
from portal.database.history import KNOWN_BEFORE
from portal.french.amounts import number
from portal.french.dates import short_day
from portal.french.elision import of
from portal.french.sentences import lower_first

AUTHOR = "history_user"
# What became of a row with a version, said of something masculine: « modifiées » is made of it.
WORDS = {"+": "enregistré", "~": "modifié", "-": "retiré"}
PEOPLE = {
    "+": "{name} peut venir chercher {child}",
    "~": "{name}, qui peut venir chercher {child} : coordonnées modifiées",
    "-": "{name} ne peut plus venir chercher {child}",
}


# Requests to the town hall ----------------------------------------------------------------------------


def _requests(subject: Subject, child: int | None) -> Rows | None:
    return None if child else ChangeRequest.objects.filter(household=subject.household)


def _answers(subject: Subject, child: int | None) -> Rows | None:
    rows = _requests(subject, child)
    return None if rows is None else rows.filter(decided_at__isnull=False)


def _say_requests(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = ChangeRequest.objects.filter(pk__in=keys).select_related("requested_by")
    path = reverse("families:household")
    return {
        row.pk: Entry(
            f"Demande à la mairie : {lower_first(row.get_kind_display())}",
            by(row.requested_by, subject),
            _asked(row),
            path,
        )
        for row in rows
    }


def _say_answers(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = ChangeRequest.objects.filter(pk__in=keys).select_related("decided_by")
    path = reverse("families:household")
    return {
        row.pk: Entry(
            f"Réponse à votre demande, {lower_first(row.get_kind_display())} : "
            f"{lower_first(row.get_state_display())}",
            by_town(row.decided_by, subject),
            row.refusal_reason,
            path,
        )
        for row in rows
    }


def _asked(row: ChangeRequest) -> str:
    if row.kind == ChangeRequest.Kind.QUOTIENT and row.quotient is not None and row.valid_from:
        return f"{number(row.quotient)} à partir du {short_day(row.valid_from, year=True)}"
    if row.first_name:
        return f"{row.first_name} {row.last_name}"
    return " ".join(part for part in (row.street, row.street_more, row.postcode, row.city) if part)


# Papers -----------------------------------------------------------------------------------------------


def _papers(subject: Subject, child: int | None) -> Rows | None:
    """What either home of a child gave, but for what is private to the other."""
    rows = Paper.objects.of_home(subject.household, [one.pk for one in subject.children])
    return rows.filter(sent_at__isnull=False, **({"child": child} if child else {}))


def _paper_answers(subject: Subject, child: int | None) -> Rows | None:
    """To this household: what the other home was answered is its own."""
    rows = Paper.objects.filter(household=subject.household, decided_at__isnull=False)
    return rows.filter(child=child) if child else rows


def _say_papers(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    path = reverse("families:papers")
    rows = Paper.objects.filter(pk__in=keys).select_related("kind", "child", "sent_by")
    return {
        row.pk: Entry(f"Papier envoyé : {_paper(row)}", by(row.sent_by, subject), path=path) for row in rows
    }


def _say_paper_answers(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    path = reverse("families:papers")
    rows = Paper.objects.filter(pk__in=keys).select_related("kind", "child", "decided_by")
    return {
        row.pk: Entry(
            f"{_paper(row)} : {'refusé' if row.state == Paper.State.REFUSED else 'accepté'}",
            by_town(row.decided_by, subject),
            row.refusal_reason or (f"jusqu'au {short_day(row.ends_on, year=True)}" if row.ends_on else ""),
            path,
        )
        for row in rows
    }


def _paper(row: Paper) -> str:
    return f"{row.kind}, {row.child.first_name}" if row.child else str(row.kind)


# Facts of the file ------------------------------------------------------------------------------------


def _quotients(subject: Subject, child: int | None) -> Rows | None:
    return None if child else FamilyQuotient.history.filter(household=subject.household)


def _say_quotients(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = FamilyQuotient.history.filter(pk__in=keys).select_related(AUTHOR)
    return {
        row.pk: Entry(
            f"Quotient familial {WORDS[row.history_type]} : {number(row.value)}",
            by(row.history_user, subject),
            f"à partir du {short_day(row.valid_from, year=True)}"
            + (f", jusqu'au {short_day(row.valid_to, year=True)}" if row.valid_to else ""),
        )
        for row in rows
    }


def _addresses(subject: Subject, child: int | None) -> Rows | None:
    """Versions of the household that say another address than the one before."""
    if child:
        return None
    history = Household.history.model.objects
    before = history.filter(id=OuterRef("id"), history_id__lt=OuterRef("history_id")).order_by("-history_id")
    same = Q(
        street=F("was_street"), street_more=F("was_more"), postcode=F("was_postcode"), city=F("was_city")
    )
    rows: Rows = (
        history.filter(id=subject.household.pk)
        .annotate(
            was_street=Subquery(before.values("street")[:1]),
            was_more=Subquery(before.values("street_more")[:1]),
            was_postcode=Subquery(before.values("postcode")[:1]),
            was_city=Subquery(before.values("city")[:1]),
        )
        .filter(was_street__isnull=False)
        .exclude(same)
    )
    return rows


def _say_addresses(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = Household.history.model.objects.filter(pk__in=keys).select_related(AUTHOR)
    return {
        row.pk: Entry(
            "Adresse du foyer modifiée",
            by(row.history_user, subject),
            " ".join(part for part in (row.street, row.street_more, row.postcode, row.city) if part),
        )
        for row in rows
    }


def _guardian(subject: Subject, child: int | None) -> Rows | None:
    """Of the reader's own row only: the other adult's telephone is theirs."""
    if child:
        return None
    whose = {"household_id": subject.household.pk} if subject.at_desk else {"id": subject.guardian.pk}
    rows: Rows = Guardian.history.filter(**whose)
    return rows.exclude(history_change_reason=KNOWN_BEFORE)


def _say_guardian(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = Guardian.history.filter(pk__in=keys).select_related(AUTHOR)
    return {
        row.pk: Entry(
            f"Coordonnées {of(row.first_name)} {WORDS[row.history_type]}es"
            if subject.at_desk
            else f"Vos coordonnées {WORDS[row.history_type]}es",
            by(row.history_user, subject),
        )
        for row in rows
    }


def _of_children(model: Any, path: str) -> Any:
    def rows(subject: Subject, child: int | None) -> Rows:
        children = [one.pk for one in subject.children if child in (None, one.pk)]
        found: Rows = model.history.model.objects.filter(**{f"{path}__in": children})
        return found.exclude(history_change_reason=KNOWN_BEFORE)

    return rows


def _say_people(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = AuthorisedPerson.history.filter(pk__in=keys).select_related(AUTHOR)
    names = _names(subject)
    return {
        row.pk: Entry(
            PEOPLE[row.history_type].format(name=row.name, child=names[row.child_id]),
            by(row.history_user, subject),
            path=reverse("families:child", args=[row.child_id]),
        )
        for row in rows
    }


def _say_health(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    """That it changed; what it says is on its own page."""
    rows = ChildHealth.history.model.objects.filter(pk__in=keys).select_related(AUTHOR)
    names = _names(subject)
    return {
        row.pk: Entry(
            f"Fiche sanitaire {of(names[row.child_id])} {WORDS[row.history_type]}e",
            by(row.history_user, subject),
            path=reverse("families:child", args=[row.child_id]),
        )
        for row in rows.only("history_type", "child_id", "history_user")
    }


def _say_children(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = Child.history.filter(pk__in=keys).select_related(AUTHOR)
    names = _names(subject)
    return {
        row.pk: Entry(
            f"Dossier {of(names[row.id])} {WORDS[row.history_type]}",
            by(row.history_user, subject),
            path=reverse("families:child", args=[row.id]),
        )
        for row in rows
    }


def _home_changes(subject: Subject, child: int | None) -> Rows | None:
    """What was joined to the household, or left it; also what was done to one joined to it since."""
    if child:
        return None
    home = subject.household
    mine = Q(household=home) | Q(other=home) | Q(household__joined_to=home)
    return HomeChange.objects.filter(mine)


def _say_home_changes(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = HomeChange.objects.filter(pk__in=keys).select_related("household", "other", "by")
    return {row.pk: Entry(_changed(row, subject.household), by_town(row.by, subject)) for row in rows}


def _changed(row: HomeChange, home: Household) -> str:
    if row.kind == HomeChange.Kind.JOINED:
        return f"Foyers n°\xa0{row.household.number} et n°\xa0{row.other.number} réunis"
    if row.household_id == home.pk:
        return f"Départ d'une partie du foyer vers le foyer n°\xa0{row.other.number}"
    return f"Arrivée depuis le foyer n°\xa0{row.household.number}"


# Letters ----------------------------------------------------------------------------------------------


def _letters(subject: Subject, child: int | None) -> Rows | None:
    if child:
        return None
    if subject.at_desk:
        return Letter.objects.filter(guardian__household=subject.household)
    return Letter.objects.filter(guardian=subject.guardian)


def _say_letters(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    return {
        row.pk: Entry(
            f"Message : {row.subject}",
            detail="non remis" if row.is_failed else "",
            path=reverse("families:letter", args=[row.pk]),
        )
        for row in Letter.objects.filter(pk__in=keys).defer("text")
    }


# Threads with the town hall -----------------------------------------------------------------------------


def _messages(subject: Subject, child: int | None) -> Rows | None:
    """What both sides wrote, never the desk's own notes; of a child, as long as it lives here."""
    rows = ThreadMessage.objects.filter(thread__household=subject.household)
    rows = rows.exclude(side=ThreadMessage.Side.NOTE)
    if child:
        return rows.filter(thread__child=child)
    children = [one.pk for one in subject.children]
    return rows.filter(Q(thread__child=None) | Q(thread__child__in=children))


def _say_messages(subject: Subject, keys: Collection[int]) -> Mapping[int, Entry]:
    rows = ThreadMessage.objects.filter(pk__in=keys).select_related("thread", "by").defer("text")
    found = {}
    for row in rows:
        path = reverse("families:thread", args=[row.thread_id])
        if row.side == ThreadMessage.Side.TOWN:
            found[row.pk] = Entry("Réponse de la mairie", by_town(row.by, subject), row.thread.subject, path)
        else:
            found[row.pk] = Entry("Message à la mairie", by(row.by, subject), row.thread.subject, path)
    return found


def _names(subject: Subject) -> dict[int, str]:
    return {child.pk: child.first_name for child in subject.children}


def register_all() -> None:
    """Once the app is ready."""
    version = "history_date"
    register(Source("requests", Group.FILE, _requests, _say_requests, "requested_at"))
    register(Source("answers", Group.FILE, _answers, _say_answers, "decided_at"))
    register(Source("papers", Group.FILE, _papers, _say_papers, "sent_at"))
    register(Source("paper_answers", Group.FILE, _paper_answers, _say_paper_answers, "decided_at"))
    register(Source("quotients", Group.FILE, _quotients, _say_quotients, version))
    register(Source("addresses", Group.FILE, _addresses, _say_addresses, version))
    register(Source("guardian", Group.FILE, _guardian, _say_guardian, version))
    register(Source("people", Group.FILE, _of_children(AuthorisedPerson, "child_id"), _say_people, version))
    register(Source("health", Group.FILE, _of_children(ChildHealth, "child_id"), _say_health, version))
    register(Source("children", Group.FILE, _of_children(Child, "id"), _say_children, version))
    register(Source("home_changes", Group.FILE, _home_changes, _say_home_changes, "at"))
    register(Source("messages", Group.LETTERS, _messages, _say_messages, "at"))
    register(Source("letters", Group.LETTERS, _letters, _say_letters, "posted_at"))
