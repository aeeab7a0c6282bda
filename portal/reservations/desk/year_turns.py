"""« Préparer l'année » at the desk: one page that says where it stands, with steps that can be left and taken
up, what will come of it school by school, the one button, and its way back.

What is typed in the steps is kept and is nobody's class, period or price before « Préparer l'année ».
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.forms.boundfield import BoundField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from families.custody.own import OwnHousehold
from families.models import FamilyQuotient, Paper
from families.signing_in.asking_again import asks_again
from portal.desk import to_do
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.site import DeskLink
from portal.desk.to_do import Asked
from portal.french import moments
from portal.french.dates import short_day
from portal.french.day_fields import DayField, MomentField
from portal.french.plurals import counted
from portal.reservations.acts import going_up, next_year
from portal.reservations.acts.going_up import Goes, Pupil
from portal.reservations.acts.next_year import Field, Line, Part, Pending, Proposed, Room, TurnRefused, Way
from portal.reservations.models import (
    Enrolment,
    Establishment,
    NextClass,
    SchoolClass,
    Schooling,
    YearTurn,
)
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

RIGHT = next_year.RIGHT
BEFORE, CLASSES, PUPILS = "avant", "classes", "eleves"
# How many new classes a page offers at once.
NEW_CLASSES = 3
A_DAY = timedelta(days=1)
# Of children of an age: what was chosen by hand of them is forgotten.
AS_PROPOSED = "propose"
SAVED = "C'est noté. Rien n'est encore créé."


# What is settled first ------------------------------------------------------------------------------------


def waiting(user: Any, turn: YearTurn, at: datetime) -> list[Pending]:
    """Requests that wait for an answer, kind by kind."""
    address = reverse("admin:desk_queue")
    found = []
    for kind, count in to_do.pile(user, Asked(), at).counts:
        if count:
            said = f"{kind.label} : {counted(count, 'demande attend', 'demandes attendent')}."
            found.append(Pending(said, f"{address}?nature={kind.key}"))
    return found


def papers_ending(user: Any, turn: YearTurn, at: datetime) -> list[Pending]:
    """Papers and quotients that are good until the next year begins, and no longer."""
    span = (timezone.localdate(at), turn.starts_on - A_DAY)
    eve = short_day(span[1], year=True)
    found = []
    if user.has_perm("families.view_paper"):
        papers = Paper.objects.filter(state=Paper.State.ACCEPTED, ends_on__range=span).count()
        if papers:
            what = counted(papers, "papier se périme", "papiers se périment")
            found.append(Pending(f"{what} d'ici au {eve}.", reverse("admin:families_paper_missing")))
    if user.has_perm("families.view_familyquotient"):
        quotients = FamilyQuotient.objects.filter(valid_to__range=span).count()
        if quotients:
            what = counted(quotients, "quotient familial finit", "quotients familiaux finissent")
            found.append(Pending(f"{what} d'ici au {eve} : les familles en donnent un nouveau."))
    return found


def without_class(user: Any, turn: YearTurn, at: datetime) -> list[Pending]:
    """Children who are enrolled this year and whose class nobody knows: no list can take them along."""
    known = Schooling.objects.current().filter(school_year=turn.before).values("child")
    rows = Enrolment.objects.live().filter(school_year=turn.before).exclude(child__in=known)
    count = rows.order_by().values("child").distinct().count()
    if not count:
        return []
    what = counted(count, "enfant inscrit n'a pas de classe", "enfants inscrits n'ont pas de classe")
    return [Pending(f"{what} en {turn.before} : ils n'auront pas de classe proposée.")]


def register_all() -> None:
    """Once the app is ready."""
    next_year.look_before(10, waiting)
    next_year.look_before(30, papers_ending)
    next_year.look_before(40, without_class)


# Forms ----------------------------------------------------------------------------------------------------


class BeginForm(forms.Form):
    """The year that ends, and the dates of the next."""

    name = forms.CharField(label="Année à préparer", max_length=20)
    starts_on = DayField(label="Premier jour de classe")
    ends_on = DayField(label="Dernier jour de classe")

    def __init__(self, *args: Any, proposed: Proposed, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial = {
            "name": proposed.name,
            "starts_on": proposed.starts_on,
            "ends_on": proposed.ends_on,
        }
        self.proposed = proposed
        if proposed.year is not None:
            # Written already: its own page changes it.
            for each in self.fields.values():
                each.disabled = True

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        first, last = said.get("starts_on"), said.get("ends_on")
        if first and last and last <= first:
            self.add_error("ends_on", "L'année scolaire doit finir après son début.")
        return said

    @property
    def asked(self) -> Proposed:
        said = self.cleaned_data
        return Proposed(said["name"], said["starts_on"], said["ends_on"], self.proposed.year)


class ClassesForm(forms.Form):
    """The classes of the next year, a row each, and empty rows for new ones."""

    def __init__(self, *args: Any, turn: YearTurn, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.turn = turn
        self.rows = sorted(turn.classes.select_related("school", "copied_from"), key=_in_order)
        for row in self.rows:
            if row.school_class_id is not None:
                continue
            self._add(str(row.pk), row.name, row.level, f"{row.name}, {row.school}", required=True)
            self.fields[f"{row.pk}-drop"] = forms.BooleanField(
                label=f"Supprimer {row.name}, {row.school}", required=False
            )
        schools = Establishment.objects.filter(kind=Establishment.Kind.SCHOOL, active=True)
        for number in range(NEW_CLASSES):
            label = f"nouvelle classe {number + 1}"
            self.fields[f"n{number}-school"] = forms.ModelChoiceField(
                schools, label=f"École, {label}", required=False, empty_label="Choisir…"
            )
            self._add(f"n{number}", "", SchoolClass.Level.ELEMENTAIRE, label, required=False)

    def _add(self, key: str, name: str, level: str, label: str, *, required: bool) -> None:
        self.fields[f"{key}-name"] = forms.CharField(
            label=f"Nom, {label}", max_length=60, initial=name, required=required
        )
        self.fields[f"{key}-level"] = forms.ChoiceField(
            label=f"Niveau, {label}", choices=SchoolClass.Level.choices, initial=level
        )

    @property
    def by_school(self) -> list[tuple[str, list[dict[str, Any]]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self.rows:
            found[row.school.name].append(
                {"row": row}
                if row.school_class_id is not None
                else {"row": row} | {name: self[f"{row.pk}-{name}"] for name in ("name", "level", "drop")}
            )
        return sorted(found.items())

    @property
    def new(self) -> list[dict[str, BoundField]]:
        return [
            {name: self[f"n{number}-{name}"] for name in ("school", "name", "level")}
            for number in range(NEW_CLASSES)
        ]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        for number in range(NEW_CLASSES):
            school, name = said.get(f"n{number}-school"), said.get(f"n{number}-name")
            if bool(school) != bool(name):
                missing = "name" if school else "school"
                self.add_error(f"n{number}-{missing}", "Indiquez l'école et le nom de la nouvelle classe.")
        return said

    @property
    def rooms(self) -> list[Room]:
        said = self.cleaned_data
        found = [
            Room(row.school, said[f"{row.pk}-name"], said[f"{row.pk}-level"], row)
            for row in self.rows
            if row.school_class_id is None and not said[f"{row.pk}-drop"]
        ]
        for number in range(NEW_CLASSES):
            if school := said[f"n{number}-school"]:
                found.append(Room(school, said[f"n{number}-name"], said[f"n{number}-level"]))
        return found


class Ways:
    """Where children may be sent by hand: the classes of the next year, those of the `own` school first;
    away; nowhere yet."""

    def __init__(self, turn: YearTurn, own: int | None = None) -> None:
        self.turn = turn
        self.known = {f"c{one.pk}": one for one in turn.classes.select_related("school")}
        groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for key, room in sorted(
            self.known.items(), key=lambda each: (each[1].school_id != own, *_in_order(each[1]))
        ):
            groups[room.school.name].append((key, room.name))
        without: list[Any] = [(Goes.LEAVES.value, Goes.LEAVES.label), (Goes.OPEN.value, Goes.OPEN.label)]
        self.choices: list[Any] = [*groups.items(), ("Sans classe", without)]

    def way(self, chosen: str, last: date | None) -> Way:
        """Empty: as proposed."""
        if chosen in self.known:
            return Way(Goes.CLASS, self.known[chosen])
        return Way(Goes(chosen), last_day=last) if chosen else Way()

    def what_of_last_day_is_wrong(self, chosen: str | None, last: date | None) -> str:
        if last is None:
            return ""
        first, eve = self.turn.before.starts_on, self.turn.starts_on - A_DAY
        if chosen != Goes.LEAVES:
            return "Un dernier jour se dit d'un enfant qui part."
        if not first <= last <= eve:
            return f"Choisissez un jour de {self.turn.before}, le {short_day(eve, year=True)} au plus tard."
        return ""


class PupilsForm(forms.Form):
    """The children of a class: where each goes, and the last day of who leaves."""

    def __init__(self, *args: Any, turn: YearTurn, pupils: Sequence[Pupil], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pupils = pupils
        self.there = Ways(turn, pupils[0].attended.school_id if pupils else None)
        choices = self.there.choices
        for one in pupils:
            if one.told is not None:
                continue
            proposal = f"Comme proposé : {one.then}" if not one.by_hand else "Comme proposé"
            self.fields[f"e{one.child.pk}"] = forms.ChoiceField(
                label=f"{one.child}, l'an prochain",
                choices=[("", proposal), *choices],
                required=False,
                initial=_key(one) if one.by_hand else "",
            )
            self.fields[f"d{one.child.pk}"] = DayField(
                label=f"Dernier jour de {one.child}", required=False, initial=one.last_day
            )
        self.fields["all"] = forms.ChoiceField(
            label="Toute la classe va", choices=[("", "Choisir…"), *choices], required=False
        )

    @property
    def rows(self) -> Iterator[dict[str, Any]]:
        for one in self.pupils:
            way = f"e{one.child.pk}"
            if way in self.fields:
                yield {"pupil": one, "way": self[way], "last_day": self[f"d{one.child.pk}"]}
            else:
                yield {"pupil": one}

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        for one in self.pupils:
            way, last = said.get(f"e{one.child.pk}"), said.get(f"d{one.child.pk}")
            if wrong := self.there.what_of_last_day_is_wrong(way, last):
                self.add_error(f"d{one.child.pk}", wrong)
        return said

    def ways(self, *, all_of_them: bool) -> dict[int, Way]:
        said = self.cleaned_data
        found = {}
        for one in self.pupils:
            if one.told is None:
                chosen = said["all"] if all_of_them else said[f"e{one.child.pk}"]
                last = None if all_of_them else said[f"d{one.child.pk}"]
                found[one.child.pk] = self.there.way(chosen, last)
        return found


class AgesForm(forms.Form):
    """Children of an age, of all classes or of some, sent somewhere together."""

    prefix = "age"
    born_from = DayField(label="Nés à partir du", required=False)
    born_to = DayField(label="et jusqu'au", required=False)
    among = forms.ChoiceField(label="Parmi", required=False)
    way = forms.ChoiceField(label="L'an prochain")
    last_day = DayField(label="Dernier jour, s'ils partent", required=False)

    def __init__(self, *args: Any, turn: YearTurn, pupils: Sequence[Pupil], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pupils, self.there = pupils, Ways(turn)
        rooms: dict[str, dict[int, SchoolClass]] = defaultdict(dict)
        for one in pupils:
            rooms[one.attended.school.name].setdefault(one.attended.pk, one.attended)
        among: list[Any] = [("", "Tous les élèves")]
        for school, classes in rooms.items():
            some = sorted(classes.values(), key=_in_order)
            whole = (f"s{some[0].school_id}", f"Toute l'école : {school}")
            among.append((school, [whole, *((f"c{one.pk}", one.name) for one in some)]))
        field_of(self, "among", forms.ChoiceField).choices = among
        ways: list[Any] = [("", "Choisir…"), *self.there.choices, (AS_PROPOSED, "Comme proposé")]
        field_of(self, "way", forms.ChoiceField).choices = ways

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        first, last = said.get("born_from"), said.get("born_to")
        if first is None and last is None and not {"born_from", "born_to"} & self.errors.keys():
            self.add_error("born_from", "Indiquez au moins un des deux jours de naissance.")
        if first and last and last < first:
            self.add_error("born_to", "Le second jour vient avant le premier.")
        if wrong := self.there.what_of_last_day_is_wrong(said.get("way"), said.get("last_day")):
            self.add_error("last_day", wrong)
        if not self.errors and not self.ways:
            self.add_error(None, "Aucun élève de cet âge n'est à envoyer là : rien n'a changé.")
        return said

    @property
    def ways(self) -> dict[int, Way]:
        """Of those of that age whose class is not told already; by child."""
        said = self.cleaned_data
        first, last, among = said["born_from"] or date.min, said["born_to"] or date.max, said["among"]
        chosen = "" if said["way"] == AS_PROPOSED else said["way"]
        way = self.there.way(chosen, said["last_day"])
        return {
            one.child.pk: way
            for one in self.pupils
            if one.told is None
            and first <= one.child.birth_date <= last
            and among in ("", f"s{one.attended.school_id}", f"c{one.attended.pk}")
        }


def _key(one: Pupil) -> str:
    return f"c{one.next_class.pk}" if one.next_class else one.goes.value


FIELDS: dict[str, type[forms.Field]] = {
    "day": DayField,
    "moment": MomentField,
    "text": forms.CharField,
    "percent": forms.DecimalField,
}
MORE: dict[str, dict[str, Any]] = {
    "text": {"max_length": 80},
    "percent": {"min_value": -50, "max_value": 100, "max_digits": 5, "decimal_places": 2},
}
# Of a line, what has to come after what.
IN_ORDER = (
    ("starts_on", "ends_on"),
    ("valid_from", "valid_to"),
    ("covers_from", "covers_to"),
    ("opens_at", "closes_at"),
)


class LinesForm(forms.Form):
    """The lines of a part: which are made, with which names and dates; what differs is kept."""

    def __init__(self, *args: Any, lines: Sequence[Line], proposed: Sequence[Line], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lines = lines
        self.proposed = {one.key: one for one in proposed}
        for line in lines:
            if line.exists:
                continue
            self.fields[f"{line.key}-chosen"] = forms.BooleanField(
                label="Créer pour l'année suivante", required=False, initial=line.chosen
            )
            for one in line.fields:
                self.fields[f"{line.key}-{one.name}"] = self._field(one)

    def _field(self, one: Field) -> forms.Field:
        return FIELDS[one.kind](
            label=one.label, required=one.required, initial=one.value, **MORE.get(one.kind, {})
        )

    @property
    def groups(self) -> list[tuple[str, list[dict[str, Any]]]]:
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for line in self.lines:
            shown: dict[str, Any] = {"line": line}
            if not line.exists:
                shown["chosen"] = self[f"{line.key}-chosen"]
                shown["fields"] = [self[f"{line.key}-{one.name}"] for one in line.fields]
            found[line.group].append(shown)
        return list(found.items())

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        for line in self.lines:
            for first, last in IN_ORDER:
                one, other = said.get(f"{line.key}-{first}"), said.get(f"{line.key}-{last}")
                if one and other and other < one:
                    self.add_error(f"{line.key}-{last}", "La fin vient avant le début.")
                elif one and one == other and isinstance(one, datetime):
                    self.add_error(f"{line.key}-{last}", "La clôture vient après l'ouverture.")
        return said

    @property
    def answers(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for line in self.lines:
            if line.exists:
                continue
            usual = self.proposed[line.key]
            answer = {}
            if (chosen := self.cleaned_data[f"{line.key}-chosen"]) != usual.chosen:
                answer["chosen"] = chosen
            for one in usual.fields:
                if (value := self.cleaned_data[f"{line.key}-{one.name}"]) != one.value:
                    answer[one.name] = value
            if answer:
                found[line.key] = answer
        return found


# The page -------------------------------------------------------------------------------------------------


@dataclass
class Step:
    """A step of the page: what stands in it."""

    key: str
    title: str
    url: str
    seen: bool
    said: list[str] = field(default_factory=list)
    grave: bool = False


@admin.register(YearTurn)
class YearTurnAdmin(ShownOnly[YearTurn], OwnPages[YearTurn]):
    """Written by `acts/next_year.py`."""

    desk_order = 36
    desk_links = (
        DeskLink(
            "Préparer l'année",
            "reservations_year_prepare",
            RIGHT,
            "classes, élèves, périodes, tarifs et inscriptions de l'année suivante",
            order=20,
        ),
    )
    list_display = ("name", "before", "begun", "standing")
    list_select_related = ("before", "year")
    fields = readonly_fields = ("before", "name", "starts_on", "ends_on", "begun", "standing")

    @admin.display(description="commencée", ordering="begun_at")
    def begun(self, obj: YearTurn) -> str:
        return moments.moment(obj.begun_at, year=True)

    @admin.display(description="où elle en est")
    def standing(self, obj: YearTurn) -> str:
        if obj.carried_at is not None:
            return f"faite le {moments.moment(obj.carried_at, year=True)}"
        return f"annulée le {moments.moment(obj.undone_at, year=True)}" if obj.undone_at else "en préparation"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("preparer/", wrap(self.prepare), name="reservations_year_prepare"),
            path("<int:pk>/preparer/", wrap(self.overview), name="reservations_year_turn"),
            path("<int:pk>/etape/<slug:step>/", wrap(self.step), name="reservations_year_step"),
            path("<int:pk>/classe/<int:class_pk>/", wrap(self.pupils), name="reservations_year_class"),
            path("<int:pk>/faire/", wrap(self.carry_out), name="reservations_year_carry_out"),
            path("<int:pk>/annuler/", wrap(self.take_back), name="reservations_year_take_back"),
            path("<int:pk>/abandonner/", wrap(require_POST(self.drop)), name="reservations_year_drop"),
            *super().get_urls(),
        ]

    # Beginning ---------------------------------------------------------------------------------------------

    def prepare(self, request: SignedInRequest) -> HttpResponseBase:
        """Begins the preparation of the year after the one that ends; leads to it where it is begun."""
        self.demand(request, RIGHT)
        at = timezone.now()
        before = next_year.ending_year(timezone.localdate(at))
        if before is None:
            messages.warning(request, "Aucune année scolaire n'a commencé : ajoutez d'abord celle en cours.")
            return redirect("admin:index")
        standing = YearTurn.objects.filter(before=before).first()
        if standing is not None:
            return redirect("admin:reservations_year_turn", standing.pk)
        posted = request.POST if request.method == "POST" else None
        form = BeginForm(posted, proposed=next_year.proposed(before))
        if posted is not None and form.is_valid():
            try:
                turn = next_year.begin(before, form.asked, by=request.user, at=at)
            except TurnRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                self.log_change(request, turn, f"Préparation de {turn.name} commencée.")
                return redirect("admin:reservations_year_turn", turn.pk)
        context = {"form": form, "before": before}
        return self.page(request, "admin/reservations/year_begin.html", "Préparer l'année", context)

    # Where it stands ---------------------------------------------------------------------------------------

    def overview(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """The steps, what will come of it by school, the button; once done, its way back."""
        self.demand(request, RIGHT)
        turn, at = self._turn(pk), timezone.now()
        pupils = going_up.read(turn)
        schools = next_year.by_school(pupils)
        lines = {one.key: next_year.answered(turn, one, at=at) for one in next_year.parts()}
        context = {
            "turn": turn,
            "steps": self._steps(request, turn, pupils, lines, at),
            "schools": schools,
            "total": _total(schools),
            "hindrances": next_year.stands_on(turn) if turn.is_carried_out else [],
            "to_do": _to_do(pupils, turn, lines),
        }
        return self.page(
            request, "admin/reservations/year_turn.html", f"Préparer l'année {turn.name}", context
        )

    def _steps(
        self,
        request: SignedInRequest,
        turn: YearTurn,
        pupils: Sequence[Pupil],
        lines: dict[str, list[Line]],
        at: datetime,
    ) -> list[Step]:
        ahead = next_year.pending(request.user, turn, at)
        classes = turn.classes.count()
        open_ = sum(one.goes == Goes.OPEN for one in pupils)
        said_of_pupils = [counted(len(pupils), "élève", "élèves")]
        if open_:
            said_of_pupils.append(f"{open_} à décider")
        found = [
            self._step(turn, BEFORE, [counted(len(ahead), "point à regarder", "points à regarder")]),
            self._step(turn, CLASSES, [counted(classes, "classe", "classes")]),
            self._step(turn, PUPILS, said_of_pupils, grave=bool(open_)),
        ]
        for one in next_year.parts():
            wanted = sum(line.wanted for line in lines[one.key])
            there = sum(bool(line.exists) for line in lines[one.key])
            said = [f"{wanted} à créer" if wanted else "rien à créer"]
            said += [f"{there} déjà là"] if there else []
            found.append(self._step(turn, one.key, said, grave=bool(one.warnings(turn, at=at))))
        return found

    def _step(self, turn: YearTurn, key: str, said: list[str], *, grave: bool = False) -> Step:
        url = reverse("admin:reservations_year_step", args=[turn.pk, key])
        return Step(key, _title(key), url, key in turn.seen, said, grave)

    def _turn(self, pk: int) -> YearTurn:
        rows = YearTurn.objects.select_related("before", "year", "carried_by", "undone_by")
        return get_object_or_404(rows, pk=pk)

    # Its steps ---------------------------------------------------------------------------------------------

    def step(self, request: SignedInRequest, pk: int, step: str) -> HttpResponseBase:
        self.demand(request, RIGHT)
        turn, at = self._turn(pk), timezone.now()
        match step:
            case "avant":
                return self._before_step(request, turn, at)
            case "classes":
                return self._classes_step(request, turn)
            case "eleves":
                return self._pupils_step(request, turn)
        part = next_year.part(step)
        if part is None:
            raise Http404
        return self._part_step(request, turn, part, at)

    def _before_step(self, request: SignedInRequest, turn: YearTurn, at: datetime) -> HttpResponseBase:
        if request.method == "POST":
            return self._onward(request, turn, BEFORE)
        context = {"pending": next_year.pending(request.user, turn, at)}
        return self._step_page(request, turn, BEFORE, "year_before.html", context)

    def _classes_step(self, request: SignedInRequest, turn: YearTurn) -> HttpResponseBase:
        posted = request.POST if request.method == "POST" else None
        form = ClassesForm(posted, turn=turn)
        if posted is not None and form.is_valid():
            try:
                next_year.arrange(turn, form.rooms)
            except TurnRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._onward(request, turn, CLASSES, stay="encore" in posted)
        return self._step_page(request, turn, CLASSES, "year_classes.html", {"form": form})

    def _pupils_step(self, request: SignedInRequest, turn: YearTurn) -> HttpResponseBase:
        by_age = "ages" in request.POST
        if request.method == "POST" and not by_age:
            return self._onward(request, turn, PUPILS)
        pupils = going_up.read(turn)
        form = AgesForm(request.POST if by_age else None, turn=turn, pupils=pupils)
        if by_age and form.is_valid():
            try:
                changed = next_year.send(turn, form.ways, by=request.user, at=timezone.now())
            except OwnHousehold as refusal:
                form.add_error(None, str(refusal))
            else:
                text = counted(changed, "enfant changé", "enfants changés")
                messages.success(request, f"Par âge : {text}. Rien n'est encore créé.")
                return redirect("admin:reservations_year_step", turn.pk, PUPILS)
        context = {
            "form": form,
            "schools": _by_class(turn, pupils),
            "total": _total(next_year.by_school(pupils)),
            "newcomers": _newcomers(request),
        }
        return self._step_page(request, turn, PUPILS, "year_pupils.html", context)

    def pupils(self, request: SignedInRequest, pk: int, class_pk: int) -> HttpResponseBase:
        """The children of one class, each with where it goes."""
        self.demand(request, RIGHT)
        turn = self._turn(pk)
        there = get_object_or_404(
            SchoolClass.objects.select_related("school"), pk=class_pk, school_year=turn.before
        )
        pupils = going_up.read(turn, classes=[there.pk])
        posted = request.POST if request.method == "POST" else None
        form = PupilsForm(posted, turn=turn, pupils=pupils)
        if posted is not None and form.is_valid():
            try:
                ways = form.ways(all_of_them="tous" in posted)
                changed = next_year.send(turn, ways, by=request.user, at=timezone.now())
            except OwnHousehold as refusal:
                form.add_error(None, str(refusal))
            else:
                text = counted(changed, "enfant changé", "enfants changés")
                messages.success(request, f"{there} : {text}. Rien n'est encore créé.")
                return redirect("admin:reservations_year_step", turn.pk, PUPILS)
        return self._step_page(request, turn, PUPILS, "year_class.html", {"form": form, "there": there})

    def _part_step(
        self, request: SignedInRequest, turn: YearTurn, part: Part, at: datetime
    ) -> HttpResponseBase:
        proposed = part.lines(turn, at=at)
        lines = next_year.answered(turn, part, at=at)
        posted = request.POST if request.method == "POST" else None
        form = LinesForm(posted, lines=lines, proposed=proposed)
        if posted is not None and form.is_valid():
            next_year.answer(turn, part.key, form.answers)
            return self._onward(request, turn, part.key)
        context = {"form": form, "part": part, "warnings": part.warnings(turn, at=at)}
        return self._step_page(request, turn, part.key, "year_part.html", context)

    def _step_page(
        self, request: SignedInRequest, turn: YearTurn, key: str, template: str, context: dict[str, Any]
    ) -> HttpResponse:
        keys = _keys()
        steps = [
            (_title(one), reverse("admin:reservations_year_step", args=[turn.pk, one]), one == key)
            for one in keys
        ]
        base = {"turn": turn, "steps": steps, "is_last": keys[-1] == key}
        title = f"{_title(key)}, {turn.name}"
        return self.page(request, f"admin/reservations/{template}", title, base | context)

    def _onward(
        self, request: SignedInRequest, turn: YearTurn, key: str, *, stay: bool = False
    ) -> HttpResponse:
        """The step is seen; the next one, or where all of it stands."""
        next_year.see(turn, key)
        if key != BEFORE:
            messages.success(request, SAVED)
        if stay:
            return redirect("admin:reservations_year_step", turn.pk, key)
        keys = _keys()
        following = keys[keys.index(key) + 1 :]
        if following:
            return redirect("admin:reservations_year_step", turn.pk, following[0])
        return redirect("admin:reservations_year_turn", turn.pk)

    # Done, and taken back ----------------------------------------------------------------------------------

    @asks_again
    def carry_out(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, RIGHT)
        turn = self._turn(pk)
        if request.method == "POST":
            try:
                done = next_year.carry_out(turn, by=request.user, at=timezone.now())
            except TurnRefused as refusal:
                messages.error(request, str(refusal))
            else:
                self.log_change(request, turn, f"Année {turn.name} préparée : {done.sentence}.")
                messages.success(request, f"L'année {turn.name} est prête : {done.sentence}.")
                if done.ends_left:
                    left = counted(done.ends_left, "inscription", "inscriptions")
                    messages.warning(
                        request,
                        f"{left} d'enfants qui partent n'ont pas été terminées : des jours sont réservés"
                        " après leur dernier jour, ou c'est votre propre foyer. Terminez-les une à une.",
                    )
        return redirect("admin:reservations_year_turn", turn.pk)

    @asks_again
    def take_back(self, request: SignedInRequest, pk: int) -> HttpResponse:
        self.demand(request, RIGHT)
        turn = self._turn(pk)
        if request.method == "POST":
            try:
                next_year.take_back(turn, by=request.user, at=timezone.now())
            except TurnRefused as refusal:
                messages.error(request, str(refusal))
            else:
                self.log_change(request, turn, f"Préparation de {turn.name} annulée.")
                messages.success(request, "Tout est comme avant. Vos choix sont gardés.")
        return redirect("admin:reservations_year_turn", turn.pk)

    def drop(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """« Abandonner »: what was chosen goes, and it may be begun with other dates."""
        self.demand(request, RIGHT)
        turn = self._turn(pk)
        try:
            with transaction.atomic():
                self.log_change(request, turn, f"Préparation de {turn.name} abandonnée.")
                next_year.drop(turn)
        except TurnRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:reservations_year_turn", pk)
        messages.success(request, f"La préparation de {turn.name} est abandonnée : rien n'avait été créé.")
        return redirect("admin:reservations_year_prepare")

    def get_queryset(self, request: HttpRequest) -> QuerySet[YearTurn]:
        return super().get_queryset(request).select_related("before", "year")


def _keys() -> list[str]:
    """The steps, in their order."""
    return [BEFORE, CLASSES, PUPILS, *(one.key for one in next_year.parts())]


def _title(key: str) -> str:
    own = {BEFORE: "À finir avant", CLASSES: "Classes", PUPILS: "Élèves"}
    part = next_year.part(key)
    return own[key] if part is None else part.title


def _newcomers(request: SignedInRequest) -> list[tuple[str, str]]:
    """Pages by which new pupils come in, of those that one may open."""
    found = []
    for one in next_year.newcomers():
        if request.user.has_perm(one.right):
            try:
                found.append((one.label, reverse(f"admin:{one.url_name}")))
            except NoReverseMatch:
                continue
    return found


def _total(schools: Sequence[next_year.OfSchool]) -> next_year.OfSchool:
    total = next_year.OfSchool("Ensemble")
    for one in schools:
        for name in ("children", "up", "stays", "elsewhere", "leaves", "open", "told", "to_look_at"):
            setattr(total, name, getattr(total, name) + getattr(one, name))
    return total


def _to_do(pupils: Sequence[Pupil], turn: YearTurn, lines: dict[str, list[Line]]) -> bool:
    """Whether carrying it out would write something."""
    if not turn.is_carried_out:
        return True
    carried = set(turn.pupils.filter(attended__isnull=False).values_list("child", flat=True))
    return (
        any(one.told is None and (one.next_class or one.child.pk not in carried) for one in pupils)
        or turn.classes.filter(school_class=None).exists()
        or any(line.wanted for each in lines.values() for line in each)
    )


@dataclass
class OfClass:
    """A class of this year: how many children go where."""

    school_class: SchoolClass
    url: str
    children: int = 0
    ways: dict[str, int] = field(default_factory=dict)
    notes: dict[str, int] = field(default_factory=dict)
    by_hand: int = 0

    @property
    def said(self) -> list[str]:
        return [f"{count} → {way}" for way, count in self.ways.items()]

    @property
    def noted(self) -> list[str]:
        return [f"{count} : {note}" for note, count in self.notes.items()]


def _by_class(turn: YearTurn, pupils: Sequence[Pupil]) -> list[tuple[str, list[OfClass]]]:
    found: dict[str, dict[int, OfClass]] = defaultdict(dict)
    for one in pupils:
        there = found[one.attended.school.name]
        row = there.get(one.attended.pk)
        if row is None:
            url = reverse("admin:reservations_year_class", args=[turn.pk, one.attended.pk])
            row = there[one.attended.pk] = OfClass(one.attended, url)
        row.children += 1
        room: NextClass | SchoolClass | None = one.told or one.next_class
        way = Goes(one.goes).label
        if room is not None:
            way = room.name if room.school_id == one.attended.school_id else str(room)
        row.ways[way] = row.ways.get(way, 0) + 1
        row.by_hand += one.by_hand
        if one.note:
            row.notes[one.note] = row.notes.get(one.note, 0) + 1
    return [
        (name, sorted(rows.values(), key=lambda one: _in_order(one.school_class)))
        for name, rows in found.items()
    ]


def _in_order(one: NextClass | SchoolClass) -> tuple[int, str]:
    """From the youngest to the eldest."""
    return min(going_up.taught(one)), one.name
