"""What « À traiter » shows of people, enrolments and days: the kinds that the engine lends, its places."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Case, CharField, Exists, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce, Concat
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from families.admin.papers import EndsForm
from families.approval import awaited
from families.custody import homes
from families.desk_links import household_link
from families.models import (
    ChangeRequest,
    Child,
    ChildHealth,
    DietChoice,
    Guardian,
    Household,
    Paper,
    Reading,
    Thread,
    ThreadMessage,
    openable,
)
from families.papers import asking, sending
from families.traces import reading
from portal.desk import rights, to_do
from portal.desk.to_do import Kind, Part, Section, Sheet
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.desk.cells import asks_for_place, places_cell
from portal.reservations.models import Enrolment, Establishment, Reservation, ReservationLine
from portal.reservations.models.queries import lines_with_places, to_answer
from portal.reservations.staff import scopes
from portal.reservations.states import EnrolmentState, Outcome

TEXT = CharField()
VIEW_CHILD = ("families.view_child", "families.change_child")
VIEW_PAPER = "families.view_paper"


class TownPlaces:
    """Which rows belong to a place, as the roles' own table says it."""

    def choices(self, user: Any) -> Sequence[tuple[int, str]]:
        there = Establishment.objects.filter(active=True).order_by("kind", "name")
        seen = rights.seen_by(user, there, "reservations.view_establishment")
        return list(seen.values_list("pk", "name"))

    def within(self, rows: QuerySet[Any], place: int) -> QuerySet[Any]:
        scope = scopes.of(rows.model)
        if scope is None or scope.where is None:
            return rows
        asked = scopes.Asked(frozenset({place}), timezone.localdate(), looking=True)
        return rows.filter(scope.where(asked))


# What is to be known of who asks ------------------------------------------------------------------------


def family(request: HttpRequest, household: Household) -> Section:
    """The adults, with their telephones, and the household's page."""
    adults = rights.seen_by(
        request.user,
        Guardian.objects.filter(household=household).order_by("pk"),
        "families.view_guardian",
        "families.change_guardian",
    )
    return Section(
        "La famille",
        [
            *((str(one), _phones(one)) for one in adults),
            ("Foyer", format_html("n° {}", household_link(household.pk))),
        ],
    )


def _phones(adult: Guardian) -> SafeString:
    numbers = [str(one) for one in (adult.phone, adult.phone_work) if one]
    return format_html_join(" · ", '<a href="tel:{}">{}</a>', ((one, one) for one in numbers)) or format_html(
        "{}", "sans téléphone"
    )


def child_of(request: HttpRequest, child: Child, household: Household, attended: str | None) -> Section:
    """Class, diet, signs of health by right, brothers and sisters, papers."""
    today = timezone.localdate()
    facts: list[tuple[str, Any]] = [("Né(e) le", f"{child.birth_date:%d/%m/%Y}")]
    facts.append(("Classe", attended or "non indiquée"))
    if rights.may(request.user, child, "families.view_dietchoice"):
        choice = DietChoice.objects.select_related("diet").filter(child=child).first()
        facts.append(("Régime", str(choice.diet) if choice else "non indiqué"))
    if health := _health(request, child):
        facts.append(("Santé", health))
    facts.append(("Fratrie", _siblings(request.user, child, household, today) or "aucune"))
    if lacking := papers(request.user, household, [child], today):
        facts.append(("Papiers", lacking))
    return Section("L'enfant", facts)


def _health(request: HttpRequest, child: Child) -> SafeString | str:
    """Signs only, as on every list; the file itself is on the child's page, where it is opened."""
    if not rights.may(request.user, child, "families.view_childhealth"):
        return ""
    file = ChildHealth.objects.filter(child=child).first()
    if file is None:
        return "aucune fiche"
    reading.note(request, Reading.Kind.HEALTH, child=child, what="Signes de santé, « À traiter »")
    signs = [
        word for word, there in (("PAI", file.has_pai), ("Allergie", bool(file.known_allergies))) if there
    ]
    if not signs:
        return "rien de signalé"
    page = reverse("admin:families_child_change", args=[child.pk])
    return format_html(
        '<strong class="desk-late">{}</strong> <a href="{}">Sa fiche</a>', ", ".join(signs), page
    )


def _reached(user: Any, children: Sequence[Child], *needed: str) -> list[Child]:
    """Those of these children whom one of these rights reaches; no query for who has the whole town."""
    rows = Child.objects.filter(pk__in=[one.pk for one in children])
    seen = rights.seen_by(user, rows, *needed)
    keys = None if seen is rows else set(seen.order_by().values_list("pk", flat=True))
    return [one for one in children if keys is None or one.pk in keys]


def _siblings(user: Any, child: Child, household: Household, today: Any) -> SafeString | str:
    """« Mila : Restauration scolaire, Mercredis ». Two queries."""
    others = [one for one in homes.children(household, today) if one.pk != child.pk]
    others = _reached(user, others, *VIEW_CHILD)
    if not others:
        return ""
    enrolled: dict[int, list[str]] = {one.pk: [] for one in others}
    live = Enrolment.objects.accepted().filter(child__in=others, school_year__ends_on__gte=today)
    seen = rights.seen_by(user, live, "reservations.view_enrolment", "reservations.change_enrolment")
    for key, activity in seen.values_list("child", "activity__name").order_by("activity__order", "pk"):
        if activity not in enrolled[key]:  # of this year and the next
            enrolled[key].append(activity)
    return format_html_join(
        "",
        "{} : {}<br>",
        ((one.first_name, ", ".join(enrolled[one.pk]) or "pas d'inscription") for one in others),
    )


def papers(user: Any, household: Household, children: Sequence[Child], today: Any) -> SafeString | str:
    """Where what is asked of the household and of these children stands, as far as one reads their papers."""
    if not rights.may(user, household, VIEW_PAPER):
        return ""
    keys = {one.pk for one in _reached(user, children, VIEW_PAPER)}
    lines = [
        one
        for one in asking.of_home(household, today)
        if one.is_asked and (one.child is None or one.child.pk in keys)
    ]
    return format_html_join("", "{} : {}<br>", ((one.kind.name, one.status.words.lower()) for one in lines))


# The kinds ----------------------------------------------------------------------------------------------


def _family_name(household: str) -> Any:
    """« Famille Roux », after its first adult."""
    adults = Guardian.objects.filter(household=OuterRef(household)).order_by("pk")
    named = Coalesce(Subquery(adults.values("last_name")[:1]), Value("sans adulte"), output_field=TEXT)
    return Concat(Value("Famille "), named, output_field=TEXT)


def _child_name() -> Any:
    return Concat("child__first_name", Value(" "), "child__last_name", output_field=TEXT)


def _account(request: HttpRequest, row: Household) -> Sheet:
    today = timezone.localdate()
    children = _reached(request.user, homes.children(row, today), *VIEW_CHILD)
    facts = [(str(one), f"né(e) le {one.birth_date:%d/%m/%Y}") for one in children]
    if lacking := papers(request.user, row, children, today):
        facts.append(("Papiers", lacking))
    return Sheet([family(request, row), Section("Les enfants", facts)])


def _change(request: HttpRequest, row: ChangeRequest) -> Sheet:
    sections = [family(request, row.household)]
    if row.child is not None:
        sections.append(child_of(request, row.child, row.household, None))
    return Sheet(sections)


def _paper(request: HttpRequest, row: Paper) -> Sheet:
    """With the last day that its kind proposes, to be read on it; a paper without end asks nothing."""
    sections = [family(request, row.household)]
    if row.child is not None:
        sections.append(child_of(request, row.child, row.household, None))
    proposed = sending.proposed_ends([row], timezone.localdate())
    return Sheet(sections, asks=EndsForm(papers=[row], proposed=proposed))


def _enrolment(request: HttpRequest, row: Any) -> Sheet:
    return Sheet([family(request, row.household), child_of(request, row.child, row.household, row.attended)])


def _message(request: HttpRequest, row: Thread) -> Sheet:
    """The family, and its last words, which nobody answered yet."""
    last = row.messages.filter(side=ThreadMessage.Side.FAMILY).order_by("at", "pk").last()
    sections = [family(request, row.household)]
    if last is not None:
        sections.append(Section("Le dernier message", [(last.by_name, moments.moment(last.at))], last.text))
    return Sheet(sections)


def _left(places: int | None) -> str:
    """« 3 places libres »: in a sentence of its own, where no column's head says what a number counts."""
    return counted(places, "place libre", "places libres") if places and places > 0 else places_cell(places)


def _days(request: HttpRequest, row: Any) -> Sheet:
    """Each day that waits, with the places left on it."""
    lines = lines_with_places(row.lines.filter(outcome=Outcome.REQUESTED))
    parts = [
        Part(
            one.pk,
            f"{moments.day(one.day)} : {one.get_action_display().lower()} {one.formula}",
            _left(one.fewest) if asks_for_place(one) else "–",
            one.late,
        )
        for one in lines.select_related("formula").order_by("day", "pk")
    ]
    household = row.household
    return Sheet([family(request, household), child_of(request, row.child, household, row.attended)], parts)


def _soon(at: datetime) -> Q:
    """A day asked for is today, tomorrow or over."""
    tomorrow = timezone.localdate(at) + timedelta(days=1)
    lines = ReservationLine.objects.filter(
        reservation=OuterRef("pk"), outcome=Outcome.REQUESTED, day__lte=tomorrow
    )
    return Q(Exists(lines))


to_do.lend(TownPlaces())
to_do.register(
    Kind(
        key="compte",
        label="Comptes famille",
        model=Household,
        order=10,
        rows=lambda: Household.objects.filter(
            state=Household.State.REQUESTED, erased_at=None, joined_to=None
        ),
        since="created_at",
        late_after=timedelta(days=3),
        title=_family_name("pk"),
        about=Concat(Value("Compte famille, "), "city", output_field=TEXT),
        facts=("street", "postcode", "city", "resident", "twins"),
        sheet=_account,
    )
)
to_do.register(
    Kind(
        key="changement",
        label="Changements",
        model=ChangeRequest,
        order=20,
        rows=lambda: ChangeRequest.objects.filter(state=ChangeRequest.State.REQUESTED),
        since="requested_at",
        title=_family_name("household"),
        about=Case(
            *(When(kind=kind.value, then=Value(str(kind.label))) for kind in ChangeRequest.Kind),
            default=Value(""),
            output_field=TEXT,
        ),
        facts=("kind", "current", "asked", "proof_link", "twins"),
        sheet=_change,
    )
)
to_do.register(
    Kind(
        key="papier",
        label="Papiers",
        model=Paper,
        order=22,
        rows=Paper.objects.waiting,
        opened_by=openable,
        since="sent_at",
        title=Case(
            When(child=None, then=_family_name("household")), default=_child_name(), output_field=TEXT
        ),
        about=Concat(Value("Papier, "), "kind__name", output_field=TEXT),
        facts=("proof_link", "kind", "whose", "dated_on", "received", "sent_by_name"),
        sheet=_paper,
    )
)
to_do.register(
    Kind(
        key="inscription",
        label="Inscriptions",
        model=Enrolment,
        order=30,
        rows=lambda: Enrolment.objects.filter(
            ~Exists(awaited(OuterRef("household"), OuterRef("child"))),
            state=EnrolmentState.REQUESTED,
            household__state=Household.State.ACCEPTED,
        ),
        since="requested_at",
        title=_child_name(),
        about=Concat(
            "activity__name",
            Value(", "),
            Coalesce("establishment__name", Value("lieu à choisir")),
            output_field=TEXT,
        ),
        facts=(
            "activity",
            "establishment",
            "school_year",
            "days",
            "starts",
            "limits",
            "places_left",
            "received",
        ),
        sheet=_enrolment,
    )
)
to_do.register(
    Kind(
        key="jours",
        label="Jours",
        model=Reservation,
        order=40,
        rows=lambda: to_answer(Reservation.objects.all()),
        since="submitted_at",
        late_after=timedelta(days=3),
        is_late=_soon,
        urgent="jour tout proche",
        title=_child_name(),
        about=Concat("enrolment__activity__name", Value(", "), "establishment__name", output_field=TEXT),
        facts=("number_shown", "activity", "period", "days", "received"),
        sheet=_days,
        parts_of=ReservationLine,
        part_of="reservation",
    )
)
to_do.register(
    Kind(
        key="message",
        label="Messages",
        model=Thread,
        order=50,
        rows=Thread.objects.waiting,
        since="waiting_since",
        late_after=timedelta(days=3),
        title=_family_name("household"),
        about=Case(
            When(kind=None, then="subject"),
            default=Concat("kind__name", Value(" : "), "subject", output_field=TEXT),
            output_field=TEXT,
        ),
        facts=("subject", "kind", "child", "received", "keeper"),
        sheet=_message,
        in_words=True,
    )
)
