"""What people know of a household on its screen at the desk: adults, children, requests, papers, letters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString

from families import desk_actions, household_screen, notes, unreached
from families.admin.codes import code_page
from families.admin.funds import fund_page
from families.admin.messages import write_to
from families.admin.notes import note_page
from families.admin.screen import change_page, home_change, tab_page
from families.chronicle import entries
from families.chronicle.entries import Group
from families.custody import codes
from families.desk_links import (
    copy_link,
    document_link,
    erase_household_link,
    papers_page,
)
from families.funds import rounds
from families.household_screen import Asked, Block, Column, Requests, Screen, Tab, Waiting
from families.joining import joining
from families.messages import audiences, printing
from families.models import (
    AccessOpening,
    ChangeRequest,
    Guardian,
    Household,
    HouseholdNote,
    Letter,
    PaperLetter,
    SeenNote,
    Thread,
)
from families.papers import asking
from families.papers.asking import Line, Status
from families.privacy.telling import Subject
from portal.database.composed import Composed, Given
from portal.database.kept import once_a_page
from portal.desk import rights
from portal.desk.lists import badge
from portal.desk.rights import Seen
from portal.french import moments, phones
from portal.french.dates import short_day
from portal.french.plurals import counted

DIETS, HEALTH, PAPERS = (f"families.view_{one}" for one in ("dietchoice", "childhealth", "paper"))
LETTERS = ("families.view_undeliveredletter",)
PRINTS = "families.view_paperletter"
LETTERS_SHOWN, LETTERS_OF_TAB = 3, 50
THREADS, THREADS_OF_TAB = "families.view_thread", 50
OWN_NOTES = "C'est votre propre foyer, ou celui d'un de vos enfants : ces notes sont pour vos collègues."
NOTES, CHANGES_NOTES = notes.LOOK
NOTES_SHOWN, NOTES_OF_HOME = 3, 100
PAPERS_SHOWN = 4
HAPPENED_SHOWN = 50
KIND = "nature"


@dataclass(frozen=True)
class WayOn:
    """A block's own link, beside its heading; `of`: what a voice says after it."""

    label: str
    url: str
    of: str = ""


# Adults -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Phone:
    """A number, as one reads it and as a telephone dials it."""

    shown: str
    url: str
    what: str = ""


@dataclass(frozen=True)
class Adult:
    """Whom one calls."""

    name: str
    phones: tuple[Phone, ...]
    login: str
    trouble: str
    note: str


def _phones(adult: Guardian) -> tuple[Phone, ...]:
    typed = ((adult.phone, ""), (adult.phone_work, "travail"))
    return tuple(
        Phone(phones.shown(number), f"tel:{phones.read_here(number) or number}", what)
        for number, what in typed
        if number
    )


def _adult(adult: Guardian) -> Adult:
    login = adult.user.email if adult.user else "sans compte"
    note = "" if adult.is_payer else "ne reçoit pas les factures"
    return Adult(str(adult), _phones(adult), login, unreached.said_of(adult), note)


def _adults(screen: Screen) -> Mapping[str, Any]:
    mine = screen.holds("families.change_guardian")
    way_on = WayOn("Modifier", change_page(screen.household, "responsables"), "les responsables")
    adults = [_adult(one) for one in household_screen.adults(screen.household)]
    return {"adults": adults, "way_on": way_on if mine else None}


# Children ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ChildLine:
    """A child with its cells and what one does for it."""

    name: str
    url: str
    age: str
    cells: list[Any]
    buttons: list[desk_actions.Button]


def _children(screen: Screen) -> Mapping[str, Any]:
    labels, cells = household_screen.columns(screen)
    buttons = desk_actions.of_children(screen.user, screen.household, screen.children)
    known = {adult.last_name for adult in household_screen.adults(screen.household)}
    lines = [
        ChildLine(
            child.first_name if child.last_name in known else str(child),
            reverse("admin:families_child_change", args=[child.pk]),
            counted(child.age_on(screen.today), "an", "ans"),
            cells[child.pk],
            buttons[child.pk],
        )
        for child in screen.children
    ]
    mine = screen.holds("families.add_custody")
    way_on = WayOn("Ajouter ou retirer", change_page(screen.household, "enfants"), "un enfant du foyer")
    return {"labels": labels, "lines": lines, "way_on": way_on if mine else None}


def _diets(screen: Screen) -> Mapping[int, str]:
    found = {}
    for child in screen.reached(DIETS):
        choice = getattr(child, "diet_choice", None)
        if choice is not None:
            differs = " (les foyers diffèrent)" if choice.differs_since else ""
            found[child.pk] = f"{choice.diet}{differs}"
    return found


def _signs(screen: Screen) -> Mapping[int, SafeString]:
    """« PAI », « Allergie »: signs, as registers show them; the file itself opens on the child's page."""
    found = {}
    for child in screen.reached(HEALTH):
        health = getattr(child, "health", None)
        if health is None:
            continue
        signs = ["PAI"] if health.has_pai else []
        signs += ["Allergie"] if health.known_allergies else []
        if signs:
            found[child.pk] = badge("full", ", ".join(signs))
    return found


# What waits -------------------------------------------------------------------------------------------


def _changes(seen: Seen) -> QuerySet[Any, Any]:
    rows = ChangeRequest.objects.filter(household=Given("home"), state=ChangeRequest.State.REQUESTED)
    return household_screen.as_waiting("demandes", rows, what="kind", since="requested_at")


def _say_change(row: Waiting, screen: Screen) -> Asked:
    url = reverse("admin:families_changerequest_change", args=[row.key])
    return Asked("", ChangeRequest.Kind(row.what).label, row.since or screen.at, url)


def _openings(seen: Seen) -> QuerySet[Any, Any]:
    rows = AccessOpening.objects.waiting().filter(household=Given("home"))
    who = Coalesce("guardian__first_name", "child__first_name", Value(""))
    return household_screen.as_waiting("acces", rows, what="kind", who=who, since="asked_at")


def _say_opening(row: Waiting, screen: Screen) -> Asked:
    url = reverse("admin:families_accessopening_change", args=[row.key])
    return Asked(row.who, AccessOpening.Kind(row.what).label, row.since or screen.at, url)


def _requests(screen: Screen) -> Mapping[str, Any]:
    rows = household_screen.asked(screen)
    return {"rows": [(row, _for_days(row, screen)) for row in rows]}


def _for_days(row: Asked, screen: Screen) -> str:
    days = (screen.today - timezone.localdate(row.since)).days
    return f"depuis {counted(days, 'jour', 'jours')}" if days else "depuis aujourd'hui"


# Papers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PaperLine:
    """A paper as the desk says it."""

    badge: SafeString
    what: str
    detail: str
    note: str


TINTS = {
    Status.MISSING: "refused",
    Status.TO_SHOW: "refused",
    Status.REFUSED: "refused",
    Status.EXPIRED: "refused",
    Status.WAITS: "requested",
    Status.ENDS_SOON: "requested",
    Status.GOOD: "accepted",
}
AT_THE_DESK = {Status.MISSING: "Manque", Status.TO_SHOW: "À voir au guichet", Status.WAITS: "À vérifier"}


def _paper(line: Line) -> PaperLine:
    said = AT_THE_DESK.get(line.status, line.status.words)
    whose = f"{line.kind}, {line.child.first_name}" if line.child else str(line.kind)
    ends = line.good.ends_on if line.good is not None else None
    asked = f"pour {', '.join(line.asked_by)}" if line.asked_by else ""
    detail = f"jusqu'au {short_day(ends, year=True)}" if ends else asked
    note = reverse("admin:families_paper_note", args=[line.household])
    return PaperLine(badge(TINTS[line.status], said), whose, detail, note if line.is_to_do else "")


def _papers(screen: Screen, shown: int) -> Mapping[str, Any]:
    lines = asking.of_children(screen.household, screen.reached(PAPERS), screen.today)
    urgent = sorted(lines, key=lambda one: one.status in (Status.GOOD,))
    all_of = WayOn(f"Tous ({len(lines)})", tab_page(screen.household, Tab.PAPERS), "les papiers")
    return {
        "lines": [_paper(one) for one in urgent[:shown]],
        "good": bool(lines) and all(one.status is Status.GOOD for one in lines),
        "may_note": screen.holds("families.add_paper"),
        "way_on": all_of if len(lines) > shown else None,
    }


def _some_papers(screen: Screen) -> Mapping[str, Any]:
    return _papers(screen, PAPERS_SHOWN)


def _all_papers(screen: Screen) -> Mapping[str, Any]:
    told = _papers(screen, 10_000)
    return {**told, "way_on": WayOn("Voir tous ceux donnés", papers_page(screen.household.pk))}


def note_paper(user: Any, household: Any) -> str:
    return reverse("admin:families_paper_note", args=[household.pk])


# Letters ----------------------------------------------------------------------------------------------


STATES = {
    Letter.State.WAITING: "requested",
    Letter.State.SENT: "accepted",
    Letter.State.FAILED: "refused",
    Letter.State.PAPER: "requested",
    Letter.State.PRINTED: "accepted",
}


def _letters(screen: Screen, shown: int) -> list[tuple[str, Letter, SafeString]]:
    """What was written to this family, by its subject: nobody at the town hall reads what it says, but who
    prints it."""
    return [
        (
            short_day(timezone.localdate(row.posted_at)),
            row,
            badge(STATES[Letter.State(row.state)], row.get_state_display()),
        )
        for row in _last_written(shown, home=screen.household.pk)
    ]


@Composed
def _last_written(shown: int) -> "QuerySet[Letter]":
    to_adults = Q(guardian__household=Given("home"))
    on_paper = Q(household=Given("home"), guardian=None)
    rows = Letter.objects.filter(to_adults | on_paper).defer("text")
    return rows.select_related("guardian").order_by("-posted_at", "-pk")[:shown]


def _last_letters(screen: Screen) -> Mapping[str, Any]:
    all_of = WayOn("Tous", tab_page(screen.household, Tab.MESSAGES), "les messages")
    rows = _letters(screen, LETTERS_SHOWN)
    return {"letters": rows, "way_on": all_of if rows else None, "prints": _read_on_paper(screen, rows)}


def _all_letters(screen: Screen) -> Mapping[str, Any]:
    rows = _letters(screen, LETTERS_OF_TAB)
    return {"letters": rows, "whole": True, "prints": _read_on_paper(screen, rows)}


def _read_on_paper(screen: Screen, rows: list[tuple[str, Letter, SafeString]]) -> set[int]:
    """The keys of those letters that the reader may print, and so reads."""
    keys = [row.pk for _, row, _ in rows if row.guardian_id is None]
    if not keys or not screen.holds(PRINTS):
        return set()
    seen = rights.seen_by(screen.user, PaperLetter.objects.filter(pk__in=keys), PRINTS)
    return set(printing.readable(screen.user, seen).values_list("pk", flat=True))


# Threads ----------------------------------------------------------------------------------------------


TINTS_OF_THREADS = {
    Thread.State.WAITING: "requested",
    Thread.State.ANSWERED: "accepted",
    Thread.State.CLOSED: "draft",
}


def _threads(screen: Screen) -> Mapping[str, Any]:
    """What the family wrote, and where it stands; of children of other places, nothing."""
    rows = Thread.objects.filter(household=screen.household).select_related("child", "agent")
    seen = rights.seen_by(screen.user, rows, THREADS)
    return {
        "threads": [
            (
                short_day(timezone.localdate(row.last_at), year=True),
                row,
                badge(TINTS_OF_THREADS[Thread.State(row.state)], row.get_state_display()),
                reverse("admin:families_thread_change", args=[row.pk]),
            )
            for row in seen.order_by("-last_at", "-pk")[:THREADS_OF_TAB]
        ]
    }


def _waiting_threads(seen: Seen) -> QuerySet[Any, Any]:
    rows = seen(Thread.objects.waiting().filter(household=Given("home")), THREADS)
    who = Coalesce("child__first_name", Value(""))
    return household_screen.as_waiting("echanges", rows, what="subject", who=who, since="waiting_since")


def _say_thread(row: Waiting, screen: Screen) -> Asked:
    url = reverse("admin:families_thread_change", args=[row.key])
    return Asked(row.who, f"Message : {row.what}", row.since or screen.at, url)


# Notes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NoteLine:
    """A note of an agent's with what may be done with it; `until`: as long as it is an alert."""

    note: HouseholdNote
    written: str
    until: str
    seen: bool
    see_url: str
    alter_url: str
    withdraw_url: str


@once_a_page
def _notes_of(home: Household, user: Any, at: datetime) -> list[NoteLine]:
    """Those that stand, the last first; one query a page."""
    if home.pk in notes.kept_from(user, at):
        return []
    today, changes = timezone.localdate(at), user.has_perm(CHANGES_NOTES)
    lines = []
    for row in rights.read(user, _standing_notes, (NOTES,), home=home.pk, user=user.pk):
        see, alter, withdraw = (
            reverse(f"admin:families_householdnote_{verb}", args=[row.pk])
            for verb in ("see", "alter", "withdraw")
        )
        lines.append(
            NoteLine(
                row,
                short_day(timezone.localdate(row.at), year=True),
                short_day(row.alert_until, year=True) if row.alert_until and row.alerts_on(today) else "",
                row.seen_by_me,
                see,
                alter if changes else "",
                withdraw if changes else "",
            )
        )
    return lines


@Composed
def _standing_notes(seen: Seen) -> "QuerySet[Any]":
    mine = SeenNote.objects.filter(note=OuterRef("pk"), user=Given("user"))
    standing = HouseholdNote.objects.standing().filter(household=Given("home")).select_related("child")
    rows = seen(standing, NOTES, CHANGES_NOTES).annotate(seen_by_me=Exists(mine))
    return rows.order_by("-at", "-pk")[:NOTES_OF_HOME]


def _alerts(screen: Screen) -> Mapping[str, Any] | None:
    """What colleagues are to read first, until each has said « Vu »."""
    lines = _notes_of(screen.household, screen.user, screen.at)
    alerts = [one for one in lines if one.until and not one.seen]
    return {"notes": alerts} if alerts else None


def _last_notes(screen: Screen) -> Mapping[str, Any] | None:
    lines = _notes_of(screen.household, screen.user, screen.at)
    way_on = WayOn(f"Toutes ({len(lines)})", tab_page(screen.household, Tab.FILE), "les notes")
    return {"notes": lines[:NOTES_SHOWN], "way_on": way_on} if lines else None


def _all_notes(screen: Screen) -> Mapping[str, Any]:
    way_on = WayOn("Ajouter", note_page(screen.household.pk), "une note")
    if screen.household.pk in notes.kept_from(screen.user, screen.at):
        return {"own": OWN_NOTES}
    lines = _notes_of(screen.household, screen.user, screen.at)
    return {"notes": lines, "whole": True, "way_on": way_on if screen.holds(notes.ADD) else None}


def _write_note(user: Any, household: Any) -> str:
    return note_page(household.pk)


# The file ---------------------------------------------------------------------------------------------


def _address(screen: Screen) -> Mapping[str, Any]:
    home = screen.household
    facts: list[tuple[str, Any]] = [
        ("Adresse", ", ".join(part for part in (home.street, home.street_more) if part)),
        ("Commune", f"{home.postcode} {home.city}"),
        ("Habite la commune", "oui" if home.resident else "non"),
        ("Résidence", ", ".join(map(str, home.residences.all())) or "toujours la même"),
        ("État", home.get_state_display()),
        ("Créé le", short_day(timezone.localdate(home.created_at), year=True)),
    ]
    if home.decided_at:
        decided = short_day(timezone.localdate(home.decided_at), year=True)
        who = f", par {home.decided_by.get_full_name() or home.decided_by}" if home.decided_by else ""
        facts.append(("Traité le", f"{decided}{who}"))
    if home.refusal_reason:
        facts.append(("Motif du refus", home.refusal_reason))
    may = screen.holds("families.change_household")
    way_on = WayOn("Modifier", change_page(home, "adresse"), "l'adresse")
    return {"facts": facts, "way_on": way_on if may else None}


def _service_notes(screen: Screen) -> Mapping[str, Any]:
    home = screen.household
    if home.pk in notes.kept_from(screen.user, screen.at):
        return {"facts": [("", OWN_NOTES)]}
    may = screen.holds("families.change_household")
    return {
        "facts": [("", home.notes or "aucune")],
        "way_on": WayOn("Modifier", change_page(home, "notes"), "les notes du service") if may else None,
    }


def _quotients(screen: Screen) -> Mapping[str, Any]:
    home = screen.household
    rows = [
        (
            number_format(one.value),
            f"du {short_day(one.valid_from, year=True)}"
            + (f" au {short_day(one.valid_to, year=True)}" if one.valid_to else ", sans fin"),
        )
        for one in home.quotients.all()
    ]
    may = screen.holds("families.change_familyquotient") or screen.user.has_perm(
        "families.add_familyquotient"
    )
    way_on = WayOn("Ajouter ou modifier", change_page(home, "quotients"), "un quotient")
    return {"facts": rows or [("", "aucun quotient")], "way_on": way_on if may else None}


def _asked_before(screen: Screen) -> Mapping[str, Any]:
    """What the family asked to change, and what was answered."""
    rows = ChangeRequest.objects.filter(household=screen.household).select_related("decided_by", "proof")
    return {
        "rows": [
            (
                reverse("admin:families_changerequest_change", args=[row.pk]),
                row.get_kind_display(),
                short_day(timezone.localdate(row.requested_at), year=True),
                badge(row.state, row.get_state_display()),
                document_link(row.proof) if row.proof else "",
            )
            for row in rows.order_by("-requested_at")
        ]
    }


def _ways(screen: Screen) -> Mapping[str, Any]:
    """What is done rarely, each by its own right."""
    home = screen.household
    ways: list[SafeString] = []
    if screen.holds("families.change_household", joining.RIGHT):
        for verb, words in (("join", "Réunir avec un autre foyer…"), ("part", "Séparer ce foyer…")):
            url = reverse(f"admin:families_homechange_{verb}", args=[home.pk])
            ways.append(format_html('<a href="{}">{}</a>', url, words))
    if screen.holds("families.add_dataexport"):
        ways.append(copy_link(home.pk))
    if screen.holds("families.view_erasurerequest"):
        ways.append(erase_household_link(home.pk))
    history = reverse("admin:families_household_history", args=[home.pk])
    ways.append(format_html('<a href="{}">Versions de la fiche, avant et après</a>', history))
    return {"ways": ways, "changes": [home_change(row, home) for row in joining.changes_of(home)]}


# Which kinds of things are told to whom.
TOLD = {
    Group.RESERVATIONS: ("reservations.view_reservation", "reservations.view_booking"),
    Group.ENROLMENTS: ("reservations.view_enrolment",),
    Group.FILE: (
        "families.view_changerequest",
        PAPERS,
        # What else is said there: incomes, adults, children, who fetches them.
        "families.view_familyquotient",
        "families.view_guardian",
        "families.view_child",
        "families.view_authorisedperson",
    ),
    Group.MONEY: ("billing.view_payment", "billing.view_invoice"),
    Group.LETTERS: LETTERS,
}


def _history(screen: Screen) -> Mapping[str, Any]:
    """All that ever happened, by whom; of one kind where that is asked for. Of what one has a right to at
    some places only nothing is told: what happened is not sorted by place."""
    home, user = screen.household, screen.user
    in_part = rights.held_in_part_by(user)
    if "families.view_household" in in_part:
        return {"elsewhere": True}
    held = [one for one in Group if user.has_perms(TOLD[one])]
    mine = [one for one in held if in_part.isdisjoint(TOLD[one])]
    if held and not mine:
        return {"elsewhere": True}
    asked = screen.request.GET.get(KIND, "")
    group = asked if asked in mine else ""
    subject = Subject(Guardian(household=home), home, tuple(screen.children), at_desk=True)
    rows = entries.order(subject, group=group, within=mine) if mine else None
    found: Any = [] if rows is None else rows
    page = Paginator(found, HAPPENED_SHOWN).get_page(screen.request.GET.get("page"))
    here = tab_page(home, Tab.HISTORY)
    return {
        "happened": [
            (moments.moment(one.at, year=True), one.entry)
            for one in entries.said(subject, list(page.object_list))
        ],
        "page": page,
        "here": f"{here}&{KIND}={group}" if group else here,
        "groups": [("Tout", here, not group)]
        + [(one.label, f"{here}&{KIND}={one.value}", group == one.value) for one in mine],
    }


def _of(name: str) -> str:
    """The template of a block."""
    return f"admin/families/screen/{name}.html"


def register_all() -> None:
    """Once the desk is ready."""
    desk_actions.for_household("papier", "Noter un papier", ("families.add_paper",), note_paper, order=60)
    desk_actions.for_household("caisse", "Quotient CAF ou MSA", (rounds.RIGHT,), fund_page, order=75)
    desk_actions.for_household("code", "Code pour un compte", (codes.RIGHT,), code_page, order=80)
    desk_actions.for_household("ecrire", "Écrire", (audiences.RIGHT,), write_to, order=70)
    household_screen.register_column("regime", Column("Régime", (DIETS,), _diets, 30))
    household_screen.register_column("sante", Column("Santé", (HEALTH,), _signs, 40))
    household_screen.register_requests(
        "demandes", Requests(("families.view_changerequest",), _changes, _say_change)
    )
    desk_actions.for_household(
        "note", "Ajouter une note", ("families.add_householdnote",), _write_note, order=65
    )
    household_screen.register_requests("echanges", Requests((THREADS,), _waiting_threads, _say_thread))
    household_screen.register_requests(
        "acces", Requests(("families.view_accessopening",), _openings, _say_opening)
    )
    guardian, household, paper = ((f"families.view_{one}",) for one in ("guardian", "household", "paper"))
    for code, block in {
        "alerte": Block("À savoir", (NOTES,), _of("alerts"), _alerts, order=5, tint=lambda told: "owed"),
        "notes": Block("Notes des agents", (NOTES,), _of("notes"), _last_notes, order=80),
        "toutes-notes": Block("Notes des agents", (NOTES,), _of("notes"), _all_notes, Tab.FILE, 31, 3),
        "echanges": Block("Échanges avec la mairie", (THREADS,), _of("threads"), _threads, Tab.MESSAGES, 55),
        "responsables": Block("Responsables", guardian, _of("adults"), _adults, order=20, size=2),
        "attente": Block("Demandes en cours", household, _of("requests"), _requests, order=30, size=2),
        "enfants": Block("Enfants", ("families.view_child",), _of("children"), _children, order=40),
        "papiers": Block("Papiers", paper, _of("papers"), _some_papers, order=60, size=3),
        "messages": Block("Derniers messages", LETTERS, _of("letters"), _last_letters, order=70, size=3),
        "tous-papiers": Block("Papiers", paper, _of("papers"), _all_papers, Tab.PAPERS),
        "tous-messages": Block("Messages envoyés", LETTERS, _of("letters"), _all_letters, Tab.MESSAGES, 60),
        "fiche": Block("Fiche du foyer", household, _of("facts"), _address, Tab.FILE, 10, 3),
        "quotients": Block(
            "Quotients familiaux",
            ("families.view_familyquotient",),
            _of("facts"),
            _quotients,
            Tab.FILE,
            20,
            3,
        ),
        "service": Block("Notes du service", household, _of("facts"), _service_notes, Tab.FILE, 30, 3),
        "demandes": Block(
            "Demandes de modification",
            ("families.view_changerequest",),
            _of("asked_before"),
            _asked_before,
            Tab.FILE,
            40,
            3,
        ),
        "tout": Block("Tout ce qui s'est passé", household, _of("history"), _history, Tab.HISTORY),
        "rares": Block("Plus rarement", household, _of("ways"), _ways, Tab.FILE, 50),
    }.items():
        household_screen.register(code, block)


register_all()
