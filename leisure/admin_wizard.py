"""« Ouvrir une période »: three steps at the desk, which also work without JavaScript.

What was answered travels from step to step in one signed field, and each step checks all of it again: the
forms decide, never what the browser sends back.
"""

from datetime import date
from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone

from families.models import User
from leisure import wizard
from leisure.models import SERVICE
from portal import town
from portal.desk import rights
from portal.desk.pages import OwnPages, log_all
from portal.desk.site import DeskLink
from portal.french import moments
from portal.french.day_fields import DayField, MomentField
from portal.french.plurals import counted
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Capacity,
    DeadlineRule,
    Establishment,
    Formula,
    Part,
    SchoolHoliday,
)
from portal.reservations.states import Action
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

SALT = "leisure.wizard"
NOT_ANSWERS = ("csrfmiddlewaretoken", "deja", "vers")
TWO_AT_ONCE = "Quelqu'un d'autre ouvre cette période en ce moment : vérifiez l'aperçu, puis recommencez."
OTHERS_TOO = "« {} », aux mêmes dates, concerne aussi d'autres établissements que les vôtres."
KEPT_SECONDS = 24 * 3600
MOST_PLACES = 100_000
# Of each step, what was posted.
Answers = dict[str, QueryDict]
STEPS = ("Période", "Dates et places", "Aperçu")
RIGHTS = ("reservations.add_period", "reservations.change_period", "reservations.add_slot")


class HolidayField(forms.ModelChoiceField[SchoolHoliday]):
    def label_from_instance(self, holiday: SchoolHoliday) -> str:
        return f"{holiday.name}, {moments.span(holiday.starts_on, holiday.ends_on, year=True)}"


class ActivityField(forms.ModelChoiceField[Activity]):
    def label_from_instance(self, activity: Activity) -> str:
        return f"{activity} ({activity.get_during_display().lower()})"


class DaysForm(forms.Form):
    """Step 1: what, where, when."""

    activite = ActivityField(
        Activity.objects.filter(service=SERVICE), label="Activité", empty_label="Choisir…"
    )
    vacances = HolidayField(
        SchoolHoliday.objects.none(),
        label="Vacances du calendrier",
        required=False,
        empty_label="Aucune : j'indique les dates",
        help_text="Leurs dates sont reprises du calendrier de la commune.",
    )
    debut = DayField(label="Premier jour", required=False)
    fin = DayField(label="Dernier jour", required=False)
    nom = forms.CharField(
        label="Nom pour les familles",
        max_length=80,
        required=False,
        help_text="Vide : le nom des vacances et leur année.",
    )
    centres = forms.ModelMultipleChoiceField(
        Establishment.objects.none(),
        label="Établissements",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Rien de coché : tous ceux de l'activité.",
    )

    def __init__(self, *args: Any, today: date, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user
        field_of(self, "vacances", HolidayField).queryset = SchoolHoliday.objects.filter(
            zone=town.current().zone, ends_on__gte=today
        )
        offered = Establishment.objects.filter(activities__service=SERVICE, active=True).distinct()
        field_of(self, "centres", forms.ModelMultipleChoiceField).queryset = self._theirs(offered)

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        activity, holiday = cleaned.get("activite"), cleaned.get("vacances")
        if self.errors or activity is None:
            return cleaned
        if holiday:
            cleaned["debut"], cleaned["fin"] = holiday.starts_on, holiday.ends_on
            cleaned["nom"] = cleaned["nom"] or f"{holiday.name} {holiday.starts_on.year}"
        self._check_dates(activity)
        self._check_places(activity)
        return cleaned

    def _theirs(self, rows: QuerySet[Establishment]) -> QuerySet[Establishment]:
        """Where who fills this in opens periods."""
        return rights.within_all(self.user, rows, *RIGHTS)

    def _check_dates(self, activity: Activity) -> None:
        first, last = self.cleaned_data.get("debut"), self.cleaned_data.get("fin")
        for name, value in (("debut", first), ("fin", last)):
            if value is None:
                self.add_error(name, "Choisissez des vacances du calendrier, ou indiquez ce jour.")
        if not self.cleaned_data.get("nom"):
            self.add_error("nom", "Donnez un nom à la période.")
        if not self.errors:
            given = self.cleaned_data
            try:
                wizard.check_dates(activity, given["nom"], given["debut"], given["fin"])
            except ValidationError as error:
                self.add_error(None, error)
                return
            standing = wizard.Plan(activity, [], given["nom"], given["debut"], given["fin"]).standing()
            if standing and not rights.may(self.user, standing, "reservations.change_period"):
                self.add_error(None, OTHERS_TOO.format(standing))

    def _check_places(self, activity: Activity) -> None:
        own = list(self._theirs(activity.establishments.filter(active=True)))
        chosen = list(self.cleaned_data["centres"]) or own
        strangers = [str(place) for place in chosen if place not in own]
        if strangers:
            text = f"« {activity} » n'a pas lieu ici : {moments.listing(strangers)}."
            self.add_error("centres", text)
        elif not chosen:
            self.add_error("activite", "Cette activité n'a aucun établissement en service que vous suiviez.")
        self.cleaned_data["centres"] = chosen


class FormulaPlacesForm(forms.Form):
    """Step 2: from when to when families reserve, which formulas, how many places, deadlines of its own."""

    ouvre = MomentField(label="Ouvre le", required=False, help_text="Vide : tout de suite.")
    ouvre_hors_commune = MomentField(
        label="Ouvre aux familles hors commune le",
        required=False,
        help_text="Vide : en même temps.",
    )
    clot = MomentField(
        label="Clôt le",
        required=False,
        help_text="Vide : selon les délais de l'activité seulement.",
    )
    formules = forms.ModelMultipleChoiceField(
        Formula.objects.none(),
        label="Formules proposées",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Gardez au moins une formule."},
    )

    def __init__(self, *args: Any, days: dict[str, Any], **kwargs: Any) -> None:
        self.days = days
        self.activity: Activity = days["activite"]
        self.places: list[Establishment] = list(days["centres"])
        self.offered = list(self.activity.formulas.filter(active=True))
        standing = _plan_of_days(days).standing()
        kwargs["initial"] = self._usual(standing)
        super().__init__(*args, **kwargs)
        formulas = field_of(self, "formules", forms.ModelMultipleChoiceField)
        formulas.queryset = self.activity.formulas.filter(active=True)
        self.parts = wizard.parts_of(self.offered)
        for place in self.places:
            for part in self.parts:
                self.fields[f"places_{place.pk}_{part}"] = _places_field(f"{place}, {Part(part).label}")
            for formula in self.offered:
                name = f"quota_{place.pk}_{formula.pk}"
                self.fields[name] = _places_field(f"{place}, quota {formula}")
        rules = list(DeadlineRule.objects.all())
        usual = self._usual_deadlines()
        for action in Action:
            own_rule = forms.ModelChoiceField(
                DeadlineRule.objects.all(),
                label="Pour réserver" if action == Action.BOOK else "Pour annuler",
                required=False,
                empty_label=f"Comme d'habitude ({usual[action]})",
            )
            # Read once for both.
            own_rule.choices = [("", own_rule.empty_label), *((rule.pk, rule.name) for rule in rules)]
            self.fields[f"regle_{action}"] = own_rule
            self.fields[f"tard_{action}"] = forms.ChoiceField(
                label="Au-delà", choices=ActivityDeadline.Late.choices, required=False
            )

    def _usual(self, standing: Any) -> dict[str, Any]:
        """Capacities as they usually are; moments of the period where it exists."""
        found: dict[str, Any] = {"formules": [formula.pk for formula in self.offered]}
        for row in Capacity.objects.filter(activity=self.activity, establishment__in=self.places):
            if row.formula_id:
                found.setdefault(f"quota_{row.establishment_id}_{row.formula_id}", row.places)
            else:
                found[f"places_{row.establishment_id}_{row.part}"] = row.places
        if standing:
            found["ouvre"], found["clot"] = standing.opens_at, standing.closes_at
            found["ouvre_hors_commune"] = standing.opens_at_non_residents
            for deadline in standing.activitydeadline_set.filter(formula=None):
                found[f"regle_{deadline.action}"] = deadline.rule_id
                found[f"tard_{deadline.action}"] = deadline.late
        return found

    def _usual_deadlines(self) -> dict[str, str]:
        rows = ActivityDeadline.objects.filter(
            activity=self.activity, formula=None, period=None
        ).select_related("rule")
        named = {row.action: row.rule.name for row in rows}
        return {action: named.get(action, "jusqu'à la fin de la veille") for action in Action}

    @property
    def tables(self) -> list[tuple[Establishment, list[Any], list[Any]]]:
        """For each establishment, its fields of places and of quotas."""
        return [
            (
                place,
                [(Part(part).label, self[f"places_{place.pk}_{part}"]) for part in self.parts],
                [(formula.name, self[f"quota_{place.pk}_{formula.pk}"]) for formula in self.offered],
            )
            for place in self.places
        ]

    @property
    def columns(self) -> list[str]:
        return [Part(part).label for part in self.parts] + [f"quota {formula}" for formula in self.offered]

    @property
    def deadlines(self) -> list[tuple[Any, Any]]:
        return [(self[f"regle_{action}"], self[f"tard_{action}"]) for action in Action]

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        opens, later, closes = (cleaned.get(name) for name in ("ouvre", "ouvre_hors_commune", "clot"))
        if opens and later and later < opens:
            self.add_error("ouvre_hors_commune", "Les familles de la commune ouvrent en premier.")
        if opens and closes and closes <= opens:
            self.add_error("clot", "La période clôt avant d'ouvrir.")
        elif later and closes and closes <= later:
            self.add_error("clot", "La période clôt avant d'ouvrir aux familles hors commune.")
        return cleaned

    def plan(self) -> wizard.Plan:
        """What was typed in both steps; call it on a valid form."""
        data = self.cleaned_data
        return _plan_of_days(
            self.days,
            opens_at=data["ouvre"],
            opens_at_non_residents=data["ouvre_hors_commune"],
            closes_at=data["clot"],
            formulas=list(data["formules"]),
            places={
                (place.pk, part): data[f"places_{place.pk}_{part}"]
                for place in self.places
                for part in self.parts
            },
            quotas={
                (place.pk, formula.pk): data[f"quota_{place.pk}_{formula.pk}"]
                for place in self.places
                for formula in self.offered
            },
            overrides=[
                wizard.Override(action, rule, data[f"tard_{action}"] or ActivityDeadline.Late.REFUSE)
                for action in Action
                if (rule := data[f"regle_{action}"])
            ],
        )


def _plan_of_days(days: dict[str, Any], **more: Any) -> wizard.Plan:
    return wizard.Plan(
        days["activite"], list(days["centres"]), days["nom"], days["debut"], days["fin"], **more
    )


def _places_field(label: str) -> forms.IntegerField:
    return forms.IntegerField(label=label, min_value=0, max_value=MOST_PLACES, required=False)


class OpensPeriods(OwnPages[Establishment]):
    """Admin mixin that holds the wizard."""

    wizard_link = DeskLink(
        "Ouvrir des vacances ou une période",
        "leisure_open_period",
        "reservations.add_slot",
        "dates du calendrier, places, créneaux, en trois étapes",
        # A period is the town's: who adds places at some centres only writes none.
        offered=lambda request: request.user.has_perms(RIGHTS),
    )

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.open_period)
        return [path("ouvrir/", view, name="leisure_open_period"), *super().get_urls()]

    def open_period(self, request: SignedInRequest) -> HttpResponse:
        """Period, dates and places, preview, « Ouvrir la période »; `vers` is the step asked for."""
        self.demand(request, *RIGHTS)
        at = timezone.now()
        today = timezone.localdate(at)
        if request.method != "POST":
            initial = {"vacances": request.GET.get("vacances"), "activite": request.GET.get("activite")}
            return self._days_page(request, DaysForm(today=today, user=request.user, initial=initial))
        kept = self._answers(request)
        asked = request.POST.get("vers", "places")
        if "days" not in kept:
            messages.error(request, "Cette page était restée ouverte trop longtemps : recommencez.")
            return redirect("admin:leisure_open_period")
        days_form = DaysForm(kept["days"], today=today, user=request.user)
        if asked == "periode" or not days_form.is_valid():
            return self._days_page(request, days_form, kept)
        places_form = FormulaPlacesForm(kept.get("places"), days=days_form.cleaned_data)
        if asked == "places" or not places_form.is_valid():
            return self._places_page(request, places_form, kept)
        plan = places_form.plan()
        if asked != "ouvrir":
            return self._preview_page(request, plan, kept)
        try:
            opened = wizard.carry_out(plan, at=at)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
        except IntegrityError:
            messages.error(request, TWO_AT_ONCE)
        else:
            return self._tell(request, opened)
        return self._preview_page(request, plan, kept)

    def _answers(self, request: SignedInRequest) -> Answers:
        """The answers of each step so far: those just posted, and those that the signed field holds."""
        kept = _kept(request.POST.get("deja", ""), request)
        if "activite" in request.POST:
            before = kept.get("days")
            if before is not None and before.get("activite") != request.POST["activite"]:
                kept.pop("places", None)
            kept["days"] = request.POST
        if "formulaire_places" in request.POST:
            kept["places"] = request.POST
        return kept

    def _tell(self, request: SignedInRequest, opened: wizard.Opened) -> HttpResponse:
        slots = counted(opened.slots, "créneau ouvert", "créneaux ouverts")
        text = f"« {opened.period} » est {'ouverte' if opened.created else 'complétée'} : {slots}."
        log_all(request, [opened.period], text)
        messages.success(request, text)
        return redirect(reverse("admin:reservations_period_change", args=[opened.period.pk]))

    # Pages ----------------------------------------------------------------------------------------------

    def _days_page(
        self, request: SignedInRequest, form: DaysForm, kept: Answers | None = None
    ) -> HttpResponse:
        return self._step(request, 0, "period.html", {"form": form, "kept": _sign(kept or {}, request)})

    def _places_page(self, request: SignedInRequest, form: FormulaPlacesForm, kept: Answers) -> HttpResponse:
        plan = _plan_of_days(form.days)
        context = {"form": form, "plan": plan, "dates": _dates(plan), "kept": _sign(kept, request)}
        return self._step(request, 1, "places.html", context)

    def _preview_page(self, request: SignedInRequest, plan: wizard.Plan, kept: Answers) -> HttpResponse:
        outlook = wizard.outlook(plan, at=timezone.now())
        context = {
            "plan": plan,
            "outlook": outlook,
            "dates": _dates(plan),
            "moments": _moments(plan),
            "kept": _sign(kept, request),
        }
        return self._step(request, 2, "preview.html", context)

    def _step(
        self, request: SignedInRequest, step: int, template: str, context: dict[str, Any]
    ) -> HttpResponse:
        steps = [(name, number == step) for number, name in enumerate(STEPS)]
        title = "Ouvrir des vacances ou une période"
        return self.page(request, f"admin/leisure/wizard_{template}", title, context | {"steps": steps})


def _dates(plan: wizard.Plan) -> str:
    return moments.span(plan.starts_on, plan.ends_on, year=True)


def _moments(plan: wizard.Plan) -> list[tuple[str, str]]:
    """When families may reserve, in words."""
    found = [
        ("Ouverture", moments.moment(plan.opens_at, year=True) if plan.opens_at else "tout de suite"),
    ]
    if plan.opens_at_non_residents:
        found.append(("Familles hors commune", moments.moment(plan.opens_at_non_residents, year=True)))
    closes = moments.moment(plan.closes_at, year=True) if plan.closes_at else "selon les délais de l'activité"
    found.append(("Clôture", closes))
    for override in plan.overrides:
        late = ActivityDeadline.Late(override.late).label.lower()
        found.append(
            (f"Délai pour {Action(override.action).label.lower()}", f"{override.rule} (au-delà : {late})")
        )
    return found


# What travels from step to step -------------------------------------------------------------------------


def _sign(kept: Answers, request: SignedInRequest) -> str:
    """The answers of the steps before, as one signed text that only this agent can send back."""
    plain = {
        step: {name: data.getlist(name) for name in data if name not in NOT_ANSWERS}
        for step, data in kept.items()
    }
    return signing.dumps([request.user.pk, plain], salt=SALT, compress=True)


def _kept(text: str, request: SignedInRequest) -> Answers:
    """What `_sign` wrote; nothing when it was changed, is too old or is somebody else's."""
    try:
        user_id, plain = signing.loads(text, salt=SALT, max_age=KEPT_SECONDS)
    except signing.BadSignature:
        return {}
    if user_id != request.user.pk:
        return {}
    found = {}
    for step, values in plain.items():
        data = QueryDict(mutable=True)
        for name, texts in values.items():
            data.setlist(name, texts)
        found[step] = data
    return found
