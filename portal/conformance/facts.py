"""What a case says of a family besides its days: papers, texts, situations, late departures, decisions.

    papers: {assurance: accepted}                    # or sent, refused; {state: accepted, until: 2026-11-18}
    texts: [reglement]                               # in their first version; {reglement: 2027-01-05}
    decision: {stops: days, activities: [mercredi], since: 2026-11-09, until: 2027-06-30}   # of the household
    oversights: {stops: late, activities: [cantine], since: 2026-11-09, until: 2026-12-18}  # of its children
    cards: {dix-repas: 2026-11-03}                   # bought by the household, on that day
    publics: [personnel]                             # recognised; {public: personnel, since: 2026-11-16}
    moved: {since: 2026-11-16, from: {city: Cesson, resident: false}}
    children:
    - status: handicap                               # boursier, famille_d'accueil, personnel
      left_at: {'2026-11-02': '18:46'}               # by day, or by activity and day

Whatever a version of the portal does not know yet is said in a sentence.
"""

from collections.abc import Mapping
from datetime import date, datetime, time
from importlib import import_module
from typing import Any

from django.apps import apps
from django.utils import timezone

from billing.invoices import cards
from billing.models import TicketCard
from families import residences
from families.addresses import Address
from families.models import Child, Household, Paper, PaperKind
from portal.conformance import households, loaded_towns
from portal.conformance.published_towns import Document
from portal.conformance.values import (
    Unreadable,
    first_of,
    listed,
    plain,
    read_day,
    read_flag,
    read_time,
    within,
)
from portal.reservations.models import Activity, Audience, AudienceMember

PAPER_STATES = {
    "accepted": Paper.State.ACCEPTED,
    "accepte": Paper.State.ACCEPTED,
    "sent": Paper.State.SENT,
    "envoye": Paper.State.SENT,
    "refused": Paper.State.REFUSED,
    "refuse": Paper.State.REFUSED,
}
STATUSES = {
    "handicap": "disability",
    "aeeh": "disability",
    "disability": "disability",
    "boursier": "scholarship",
    "scholarship": "scholarship",
    "famille_d'accueil": "foster",
    "foster": "foster",
    "personnel": "staff",
    "staff": "staff",
}


def write(home: "households.Home", case: Document) -> None:
    """What is true of the family before it asks for anything. Raises Unreadable."""
    for said in (case, *(one for one in households.children_of(case) if one is not case)):
        child = next((pupil.child for pupil in home.pupils if pupil.said is said), home.pupils[0].child)
        _papers(home, said, child)
        _texts(home, said, child)
    for pupil in home.pupils:
        _status(pupil)
    _decision(home, case)
    _oversights(home, case)
    _cards(home, case)
    audiences(home.household, case)


def _model(app: str, name: str, what: str) -> Any:
    try:
        return apps.get_model(app, name)
    except LookupError:
        raise Unreadable(f"{what} ne se disent pas encore.") from None


def _papers(home: "households.Home", said: Document, child: Child) -> None:
    papers = said.get("papers") or {}
    with within("papers"):
        if not isinstance(papers, Mapping):
            papers = dict.fromkeys(listed(papers), "accepted")
        for code, told in papers.items():
            kind = PaperKind.objects.filter(code=str(code)).first()
            if kind is None:
                known = PaperKind.objects.values_list("code", flat=True)
                raise Unreadable(
                    f"« {code} » n'est pas un papier du fichier.{loaded_towns.near(code, known)}"
                )
            of = told if isinstance(told, Mapping) else {"state": told}
            state = PAPER_STATES.get(plain(of.get("state") or "accepted"))
            if state is None:
                raise Unreadable(f"« {of.get('state')} » n'est pas prévu : accepted, sent, refused.")
            until, since = first_of(of, "until", "ends_on"), first_of(of, "since", "from", "dated_on")
            first = households.ALWAYS if since is None else read_day(since)
            Paper.objects.create(
                kind=kind,
                household=home.household,
                child=None if kind.about == PaperKind.About.HOUSEHOLD else child,
                private=kind.is_private,
                state=state,
                sent_at=timezone.make_aware(datetime.combine(first, time(8))),
                starts_on=first if state == Paper.State.ACCEPTED else None,
                ends_on=None if until is None else read_day(until),
            )


def _texts(home: "households.Home", said: Document, child: Child) -> None:
    texts = said.get("texts") or {}
    if not texts:
        return
    with within("texts"):
        answers, versions = (_model("families", name, "Les textes") for name in ("TextAnswer", "TextVersion"))
        accepted = texts if isinstance(texts, Mapping) else dict.fromkeys(listed(texts))
        for code, told in accepted.items():
            its = versions.objects.filter(text__code=str(code)).select_related("text").order_by("starts_on")
            if told is not None:
                its = its.filter(starts_on__lte=read_day(told)).reverse()
            version = its.first()
            if version is None:
                raise Unreadable(f"« {code} » n'est pas un texte du fichier.")
            day = version.starts_on if told is None else read_day(told)
            answers.objects.create(
                version=version,
                household=home.household,
                child=child if version.text.is_childs else None,
                at=timezone.make_aware(datetime.combine(day, time(8))),
                by=home.user,
            )


def _status(pupil: "households.Pupil") -> None:
    for word in listed(pupil.said.get("status")):
        with within("status"):
            if plain(word) not in STATUSES:
                raise Unreadable(f"« {word} » n'est pas prévu : {', '.join(STATUSES)}.")
            _model("billing", "ChildStatus", "Les situations").objects.create(
                child=pupil.child,
                kind=STATUSES[plain(word)],
                valid_from=households.ALWAYS,
                known_on=households.ALWAYS,
            )


def _decision(home: "households.Home", case: Document) -> None:
    said = case.get("decision")
    if said is None:
        return
    with within("decision"):
        if not isinstance(said, Mapping):
            raise Unreadable("Écrivez {stops: days, activities: […], since, until}.")
        stops = plain(said.get("stops"))
        if stops not in ("late", "days", "year"):
            raise Unreadable(f"« {said.get('stops')} » n'est pas prévu : late, days, year.", "stops")
        since = read_day(said.get("since"))
        until = said.get("until")
        made = _model("billing", "ArrearsDecision", "Les décisions d'impayés").objects.create(
            household=home.household,
            stops=stops,
            school_year=home.year if stops == "year" else None,
            left="10.00",
            since=since,
            until=date(since.year + 1, 8, 31) if until is None else read_day(until),
            ends_when_paid=False,
            sentence="Cas rejoué.",
            reason="Cas rejoué.",
            decided_at=timezone.make_aware(datetime.combine(since, time(8))),
            decided_by=home.user,
        )
        named = [loaded_towns.activity_and_formula(one)[0] for one in listed(said.get("activities"))]
        made.activities.set(named or Activity.objects.all())


def _oversights(home: "households.Home", case: Document) -> None:
    said = case.get("oversights")
    if said is None:
        return
    with within("oversights"):
        if not isinstance(said, Mapping):
            raise Unreadable("Écrivez {stops: late, activities: […], since, until}.")
        stops = plain(said.get("stops"))
        if stops not in ("late", "days"):
            raise Unreadable(f"« {said.get('stops')} » n'est pas prévu : late, days.", "stops")
        since = read_day(said.get("since"))
        for word in listed(said.get("activities")):
            for pupil in home.pupils:
                _model("reservations", "OversightDecision", "Les décisions d'oublis").objects.create(
                    household=home.household,
                    child=pupil.child,
                    activity=loaded_towns.activity_and_formula(word)[0],
                    stops=stops,
                    count=1,
                    since=since,
                    until=read_day(said.get("until")),
                    sentence="Cas rejoué.",
                    reason="Cas rejoué.",
                    decided_at=timezone.make_aware(datetime.combine(since, time(8))),
                    decided_by=home.user,
                )


def _cards(home: "households.Home", case: Document) -> None:
    said = case.get("cards")
    if said is None:
        return
    with within("cards"):
        if not isinstance(said, Mapping):
            raise Unreadable("Écrivez {carte: jour}, par exemple {dix-repas: 2026-11-03}.")
        for code, day in said.items():
            card = TicketCard.objects.filter(code=code).first()
            if card is None:
                raise Unreadable(f"« {code} » n'est pas une carte de la commune.")
            at = timezone.make_aware(datetime.combine(read_day(day), time(8)))
            cards.sell(home.household, card, by=home.user, at=at)


def audiences(household: Household, case: Document) -> None:
    """Where it lived before, and of which audiences of the town it is recognised. Raises Unreadable."""
    for said in listed(case.get("publics")):
        with within("publics"):
            of = said if isinstance(said, Mapping) else {"public": said}
            codes = Audience.objects.filter(belonging=Audience.Belonging.RECOGNISED)
            audience = codes.filter(code=str(of.get("public"))).first()
            if audience is None:
                known = codes.values_list("code", flat=True)
                near = loaded_towns.near(str(of.get("public")), known)
                raise Unreadable(f"« {of.get('public')} » n'est pas un public que la mairie reconnaît.{near}")
            since, until = of.get("since"), of.get("until")
            AudienceMember.objects.create(
                audience=audience,
                household=household,
                starts_on=households.ALWAYS if since is None else read_day(since),
                ends_on=None if until is None else read_day(until),
                known_on=households.ALWAYS,
            )
    moved = case.get("moved")
    if moved is None:
        return
    with within("moved"):
        if not isinstance(moved, Mapping) or not isinstance(moved.get("from"), Mapping):
            raise Unreadable("Écrivez {since: jour, from: {city: …}}.")
        since = read_day(moved.get("since"))
        left = {"street": household.street, "postcode": household.postcode, "city": household.city}
        left |= households.read_address(moved["from"])
        at = timezone.make_aware(datetime.combine(since, time(8)))
        residences.move(household, Address(**left), since=since, at=at)
        if "resident" in moved["from"]:
            lives, lived = household.resident, read_flag(moved["from"]["resident"])
            Household.objects.filter(pk=household.pk).update(resident=lived)
            residences.settle(household, resident=lives, since=since, at=at)
            # `settle` says what holds today, whenever that is; the case says it of its own days.
            Household.objects.filter(pk=household.pk).update(resident=lives)
            household.resident = lives


def left_late(home: "households.Home") -> None:
    """The hours at which children were collected, once their days are booked. Raises Unreadable."""
    for pupil in home.pupils:
        said = pupil.said.get("left_at")
        if said is None:
            continue
        with within("left_at"):
            if not isinstance(said, Mapping):
                raise Unreadable("Écrivez {jour: heure}, par exemple {'2026-11-02': '18:46'}.")
            for key, value in said.items():
                if households.is_day(key):
                    _leave(home, pupil, read_day(key), value)
                    continue
                for day, at in (value if isinstance(value, Mapping) else {}).items():
                    _leave(home, pupil, read_day(day), at, str(key))


def _leave(home: "households.Home", pupil: "households.Pupil", day: date, at: Any, word: str = "") -> None:
    try:
        late_collection: Any = import_module("billing.invoices.late_collection")
    except ImportError:
        raise Unreadable("Les départs tardifs ne se disent pas encore.") from None
    found = [act.activity for act in pupil.acts if act.day == day]
    if word:
        found = [loaded_towns.activity_and_formula(word)[0]]
    if not found:
        raise Unreadable(f"{day} : parti un jour qui n'est pas réservé.")
    evening = timezone.make_aware(datetime.combine(day, time(20)))
    for activity in dict.fromkeys(found):
        if late_collection.rules_of(activity.pk):
            late_collection.note(
                households.place_of(activity),
                activity,
                day,
                {pupil.child.pk: read_time(at)},
                by=home.user,
                at=evening,
            )
