"""« Réinscrire »: last year's answers of all the children on one page, to confirm or to change."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from families import which_home
from portal.french import moments
from portal.french.dates import WEEKDAYS
from portal.french.elision import of
from portal.french.plurals import counted
from portal.french.weekdays import WeekdayMaskFormField, names_of, weekdays_in
from portal.reservations.acts import renewing
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.renewing import Answer, Chosen, Line, Pupil, Renewal
from portal.reservations.models import Enrolment, Establishment, SchoolClass
from portal.web import interrupted
from portal.web.form_fields import NamesItsFields
from portal.web.signed_in import SignedInRequest

ANY_PLACE = "À choisir à chaque réservation"
NOT_KNOWN = "classe pas encore connue"


@dataclass(frozen=True)
class LineFields:
    """An activity on the page, with the fields it has; `said` is what is proposed, in words."""

    line: Line
    wanted: forms.BoundField | None
    place: forms.BoundField | None
    days: forms.BoundField | None

    @property
    def said(self) -> str:
        """« Restaurant du Verger · lundi, mardi »."""
        place = str(self.line.place or ANY_PLACE)
        return f"{place} · {names_of(self.line.before.weekdays)}" if self.days else place

    @property
    def unfolded(self) -> bool:
        return _wants_answer(self.place) or _wants_answer(self.days)


@dataclass(frozen=True)
class PupilFields:
    """A child, with the fields it has; `said` is what is proposed: « Les Tilleuls, CE2 · Sans porc »."""

    pupil: Pupil
    said: str
    school_class: forms.BoundField | None
    diet: forms.BoundField | None
    lines: list[LineFields]

    @property
    def unfolded(self) -> bool:
        return _wants_answer(self.school_class) or _wants_answer(self.diet)


def _wants_answer(field: forms.BoundField | None) -> bool:
    return field is not None and (bool(field.errors) or (field.field.required and not field.value()))


class RenewalForm(NamesItsFields, forms.Form):
    """Every child's class and diet, and of each activity whether, where and when; filled in as last year."""

    def __init__(self, *args: Any, renewal: Renewal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.renewal = renewal
        self.schools = {school.pk: school for school in renewal.schools}
        self.classes = {one.pk: one for one in renewal.classes}
        self.diets = {one.pk: one for one in renewal.diets}
        for pupil in renewal.pupils:
            if not pupil.offered:
                continue
            who = pupil.child.first_name
            if self.schools and not pupil.leaves:
                label = f"École et classe {of(who)}"
                self._choice(_name(pupil, "classe"), label, self._classes(), self._own(pupil))
            if pupil.plate.diet is not None:
                diets = [(str(pk), str(diet)) for pk, diet in self.diets.items()]
                kept = str(pupil.plate.diet) if pupil.plate.diet in self.diets else ""
                self._choice(_name(pupil, "regime"), f"Régime alimentaire {of(who)}", diets, kept)
            for line in pupil.offered:
                self._line(pupil, line)

    def _choice(self, name: str, label: str, choices: list[Any], initial: str, *, empty: str = "") -> None:
        self.fields[name] = forms.ChoiceField(
            label=label,
            choices=[("", empty or "Choisir…"), *choices],
            initial=initial,
            required=not empty,
            widget=forms.Select({"class": "form-select"}),
        )

    def _classes(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """A group a school: its classes of the year, and that the class is not known yet."""
        groups = []
        for school in self.renewal.schools:
            there = [one for one in self.renewal.classes if one.school_id == school.pk]
            named = [(f"c{one.pk}", f"{school}, {one.name}") for one in there]
            groups.append((str(school), [*named, (f"e{school.pk}", f"{school}, {NOT_KNOWN}")]))
        return groups

    def _own(self, pupil: Pupil) -> str:
        if pupil.school_class is not None and pupil.school_class.pk in self.classes:
            return f"c{pupil.school_class.pk}"
        return f"e{pupil.school.pk}" if pupil.school is not None and pupil.school.pk in self.schools else ""

    def _said(self, pupil: Pupil) -> str:
        where = pupil.school and f"{pupil.school}, {pupil.school_class or NOT_KNOWN}"
        diet = self.diets.get(pupil.plate.diet or 0)
        return " · ".join(str(one) for one in (where, diet) if one)

    def _line(self, pupil: Pupil, line: Line) -> None:
        who, activity = pupil.child.first_name, line.activity
        name = _name(pupil, str(activity.pk))
        self.fields[name] = forms.BooleanField(label=f"{activity}, {who}", required=False, initial=True)
        if len(line.places) > 1 or (line.places and line.place is None):
            places = [(str(one.pk), str(one)) for one in line.places]
            kept = str(line.place.pk) if line.place else ""
            empty = "" if line.before.establishment_id else ANY_PLACE
            self._choice(f"{name}-lieu", f"Lieu d'accueil, {activity}, {who}", places, kept, empty=empty)
        open_days = _weekdays(line)
        if line.before.weekdays and len(weekdays_in(open_days)) > 1:
            self.fields[f"{name}-jours"] = WeekdayMaskFormField(
                label=f"Jours habituels, {activity}, {who}",
                choices=[(number, WEEKDAYS[number].capitalize()) for number in weekdays_in(open_days)],
                initial=line.before.weekdays & open_days,
                required=False,
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        answers = self.answers()
        if not any(answer.chosen for answer in answers):
            raise forms.ValidationError("Cochez au moins une activité, ou quittez cette page.")
        for pupil, answer in zip(self._asked(), answers, strict=True):
            school = self._school(pupil)
            for one in answer.chosen:
                name = _name(pupil, str(one.activity.pk))
                if one.place is not None and not pupil.leaves and not renewing.takes(one.place, school):
                    where = f"{name}-lieu" if f"{name}-lieu" in self.fields else name
                    self._refuse(where, _elsewhere(pupil, one.activity.pk, one.place, school))
                closed = one.weekdays & ~one.place.open_weekdays if one.place else 0
                if closed and f"{name}-jours" in self.fields:
                    self._refuse(f"{name}-jours", f"{one.place} est fermé ({names_of(closed)}).")
                elif not one.weekdays and f"{name}-jours" in self.fields:
                    self._refuse(f"{name}-jours", "cochez au moins un jour.")
        return data

    def _refuse(self, name: str, sentence: str) -> None:
        """With the field's name, which says of which child and activity it is."""
        self.add_error(name, f"{self.fields[name].label} : {sentence}")

    def answers(self) -> list[Answer]:
        """What is confirmed, once the fields are valid: a child an answer."""
        return [
            Answer(
                pupil.child,
                self._class(pupil),
                self.diets.get(int(self.cleaned_data.get(_name(pupil, "regime")) or 0)),
                [self._chosen(pupil, line) for line in pupil.offered if self._wants(pupil, line)],
            )
            for pupil in self._asked()
        ]

    def _asked(self) -> list[Pupil]:
        return [pupil for pupil in self.renewal.pupils if pupil.offered]

    def _wants(self, pupil: Pupil, line: Line) -> bool:
        return bool(self.cleaned_data.get(_name(pupil, str(line.activity.pk))))

    def _chosen(self, pupil: Pupil, line: Line) -> Chosen:
        name = _name(pupil, str(line.activity.pk))
        place = line.place
        if f"{name}-lieu" in self.fields:
            wanted = self.cleaned_data.get(f"{name}-lieu")
            place = next((one for one in line.places if str(one.pk) == wanted), None)
        weekdays = self.cleaned_data.get(f"{name}-jours", line.before.weekdays & _weekdays(line))
        return Chosen(line.activity, place, weekdays)

    def _class(self, pupil: Pupil) -> SchoolClass | None:
        said = self.cleaned_data.get(_name(pupil, "classe")) or ""
        return self.classes.get(int(said[1:])) if said.startswith("c") else None

    def _school(self, pupil: Pupil) -> Establishment | None:
        said = self.cleaned_data.get(_name(pupil, "classe")) or ""
        known = self._class(pupil)
        return known.school if known else self.schools.get(int(said[1:])) if said else None

    def pupils(self) -> list[PupilFields]:
        """For the template: each child with its fields."""

        def field(name: str) -> forms.BoundField | None:
            return self[name] if name in self.fields else None

        found = []
        for pupil in self.renewal.pupils:
            lines = []
            for line in pupil.lines:
                name = _name(pupil, str(line.activity.pk))
                lines.append(LineFields(line, field(name), field(f"{name}-lieu"), field(f"{name}-jours")))
            school_class, diet = field(_name(pupil, "classe")), field(_name(pupil, "regime"))
            found.append(PupilFields(pupil, self._said(pupil), school_class, diet, lines))
        return found


def _name(pupil: Pupil, what: str) -> str:
    return f"enfant-{pupil.child.pk}-{what}"


def _weekdays(line: Line) -> int:
    """Those on which the activity takes place, at one of its places."""
    mask = 0
    for place in line.places:
        mask |= place.open_weekdays
    return line.activity.weekdays & mask


def _elsewhere(pupil: Pupil, activity: int, place: Establishment, school: Establishment | None) -> str:
    line = next(one for one in pupil.lines if one.activity.pk == activity)
    fitting = [f"« {one} »" for one in line.places if renewing.takes(one, school)]
    said = f"{place} n'accueille pas les élèves de « {school} »."
    return f"{said} Choisissez {' ou '.join(fitting)}." if fitting else f"{said} Décochez cette activité."


@interrupted.keeps_interrupted_form
@require_http_methods(["GET", "POST"])
def renew(request: SignedInRequest) -> HttpResponse:
    """One page to confirm, for the year whose campaign is open."""
    guardian = which_home.find(request)
    household = guardian.household if guardian else None
    if household is None or household.is_refused:
        return redirect("home")
    at = timezone.now()
    renewal = renewing.propose(household, at=at)
    if renewal is None:
        messages.info(request, "Aucune réinscription n'est ouverte pour le moment.")
        return redirect("home")
    form = RenewalForm(interrupted.posted(request), renewal=renewal)
    if request.method == "POST" and renewal.offered and form.is_valid():
        try:
            made = renewing.renew(household, renewal.year, form.answers(), by=request.user, at=at)
        except EnrolmentRefused as refusal:
            form.add_error(None, str(refusal))
        else:
            messages.success(request, _renewed(made, renewal))
            return redirect("home")
    return render(request, "reservations/renew.html", {"form": form, "renewal": renewal})


def _renewed(made: list[Enrolment], renewal: Renewal) -> str:
    names = moments.listing(list(dict.fromkeys(one.child.first_name for one in made)))
    waits = sum(not one.is_accepted for one in made)
    said = f"Réinscription {renewal.year} enregistrée : {names}."
    if waits:
        said += f" La mairie vous répond par e-mail pour {counted(waits, 'inscription', 'inscriptions')}."
    return said
