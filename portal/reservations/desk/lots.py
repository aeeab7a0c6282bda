"""« Jours de plusieurs enfants »: a class, a list or all of an activity × formula × days, with a preview.

The first page says whom, what and when; the second what will happen, child by child, and nothing is written
until it is confirmed: then all of it is decided again under lock. Small lots are done at once, others by the
worker; each has its page, with « Annuler ce lot ».
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from families import desk_actions
from families.models import Child
from portal.desk import rights
from portal.desk.decisions import Decidable, Decision, confirm_page
from portal.desk.lists import badge
from portal.desk.pages import OwnPages
from portal.desk.site import LOOKING, DeskAdmin, DeskLink
from portal.french import moments
from portal.french.dates import short_day
from portal.french.day_fields import DayField, is_possible
from portal.french.plurals import counted
from portal.french.weekdays import WeekdayMaskFormField
from portal.reservations.acts import lots, overriding
from portal.reservations.acts.many import Wish
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import (
    Enrolment,
    Establishment,
    Formula,
    Lot,
    LotDay,
    Period,
    SchoolClass,
    SchoolYear,
    attended_on,
)
from portal.reservations.models.queries import class_of
from portal.reservations.states import Became, LotVerb, Override
from portal.web.form_fields import field_of
from portal.web.posted import posted_numbers
from portal.web.signed_in import SignedInRequest

ACTION = "Réserver, annuler ou déplacer des jours…"
RIGHTS = (overriding.ACTS, "reservations.change_lot")
ALL, SCHOOL, CLASS, LIST = "tous", "ecole", "classe", "liste"
# What an address may hold of ticked rows.
MOST_TICKED = 300
MOST_DAYS = 200
CHILDREN_SHOWN = 300
REASONS = (
    "Sortie de la classe.",
    "À la demande de l'école.",
    "Classe absente ce jour-là.",
    "Réservation pour tous par la mairie.",
)
PASSING_OVER = {
    Override.DEADLINE: "les délais (un jour passé aussi, dont les comptes ne sont pas clos)",
    Override.CAPACITY: "le nombre de places : ce seront des places en plus",
    Override.LIMITS: "l'âge ou la classe",
    Override.PAPERS: "les papiers et la fiche sanitaire qui manquent",
    Override.DAYS: "le nombre de jours demandé",
    Override.ARREARS: "les impayés",
    Override.PAYMENT: "le paiement demandé",
    Override.OVERSIGHTS: "une décision d'oublis",
}
WORDS = {
    LotVerb.BOOK: ("jour sera réservé", "jours seront réservés"),
    LotVerb.CANCEL: ("jour sera annulé", "jours seront annulés"),
    LotVerb.MOVE: ("jour sera déplacé", "jours seront déplacés"),
}
DONE = {
    LotVerb.BOOK: ("jour réservé", "jours réservés"),
    LotVerb.CANCEL: ("jour annulé", "jours annulés"),
    LotVerb.MOVE: ("jour déplacé", "jours déplacés"),
}

BOOKED_OR_WAITED = ("jour réservé ou attendu", "jours réservés ou attendus")


class FormulaField(forms.ModelChoiceField[Formula]):
    """Each with its activity."""

    def label_from_instance(self, obj: Formula) -> str:
        return _formula_name(obj)


class LotForm(forms.Form):
    """Whose days, which, and what is done to them."""

    whom = forms.ChoiceField(label="Quels enfants")
    verb = forms.ChoiceField(label="Quoi faire", choices=LotVerb.choices, widget=forms.RadioSelect)
    formula = FormulaField(label="Formule", queryset=Formula.objects.none())
    place = forms.ModelChoiceField(
        label="Lieu",
        queryset=Establishment.objects.none(),
        required=False,
        help_text="Pour les enfants dont l'inscription n'en dit pas (accueil de loisirs).",
    )
    first = DayField(label="Du")
    last = DayField(label="Au", required=False, help_text="Vide : un seul jour.")
    weekdays = WeekdayMaskFormField(
        label="Ces jours de la semaine", required=False, help_text="Aucun coché : tous les jours ouverts."
    )
    to_day = DayField(label="Déplacer vers le", required=False, help_text="Pour « Déplacer » seulement.")
    reason = forms.CharField(
        label="Motif", max_length=200, help_text="Les familles le lisent. 200 caractères au plus."
    )
    passing_over = forms.MultipleChoiceField(
        label="Passer outre, pour ce motif", required=False, widget=forms.CheckboxSelectMultiple
    )
    waits = forms.BooleanField(
        label="Mettre sur la liste d'attente les jours complets",
        required=False,
        help_text="Pour « Réserver », là où l'activité a une liste d'attente ; l'ordre est celui des foyers.",
    )
    late = forms.BooleanField(label="Au prix hors délai, là où le délai est passé", required=False)
    tell = forms.BooleanField(label="Prévenir les familles par courriel", required=False, initial=True)

    def __init__(self, *args: Any, user: Any, ticked: Sequence[int], today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user, self.ticked = user, ticked
        places = rights.seen_by(user, Establishment.objects.filter(active=True), overriding.ACTS)
        years = SchoolYear.objects.serving(today)
        classes = SchoolClass.objects.filter(school_year__in=years, school__in=places)
        whom: list[Any] = [(ALL, "Tous les inscrits à l'activité")]
        if ticked:
            whom.insert(0, (LIST, counted(len(ticked), "enfant choisi", "enfants choisis")))
        schools = [one for one in places if one.kind == Establishment.Kind.SCHOOL]
        in_order = classes.select_related("school").order_by("school__name", "level", "name")
        of_school = [(f"{SCHOOL}:{one.pk}", str(one)) for one in schools]
        of_class = [(f"{CLASS}:{one.pk}", f"{one.name}, {one.school}") for one in in_order]
        self.names: dict[str, str] = dict([*whom, *of_school, *of_class])
        whom += [("Une école", of_school), ("Une classe", of_class)]
        field_of(self, "whom", forms.ChoiceField).choices = whom
        formulas = Formula.objects.filter(active=True, activity__active=True)
        formulas = formulas.filter(Q(activity__establishments__in=places)).distinct()
        formula = field_of(self, "formula", forms.ModelChoiceField)
        formula.queryset = formulas.select_related("activity").order_by("activity__order", "order", "pk")
        field_of(self, "place", forms.ModelChoiceField).queryset = places.exclude(
            kind=Establishment.Kind.SCHOOL
        )
        may = [one for one in Override if user.has_perm(overriding.RIGHTS[one])]
        field_of(self, "passing_over", forms.MultipleChoiceField).choices = [
            (one.value, PASSING_OVER[one]) for one in may
        ]
        if not any(one.activity.waiting_list for one in formula.queryset):
            del self.fields["waits"]
        if Override.DEADLINE not in may:
            del self.fields["late"]
        self.fields["reason"].widget.attrs["list"] = "motifs"
        if len(formula.queryset) == 1:
            self.initial.setdefault("formula", formula.queryset[0])
        self.initial.setdefault("verb", LotVerb.BOOK)

    def clean(self) -> dict[str, Any]:
        said = super().clean() or {}
        first, last = said.get("first"), said.get("last") or said.get("first")
        if first is None or last is None or not is_possible(last):
            return said
        if said.get("verb") == LotVerb.MOVE:
            to_day = said.get("to_day")
            if to_day is None and "to_day" not in self.errors:
                self.add_error("to_day", "Indiquez le jour vers lequel déplacer.")
            elif to_day == first:
                self.add_error("to_day", "Choisissez un autre jour que celui qui est déplacé.")
            if last != first:
                self.add_error("last", "Un seul jour se déplace à la fois : laissez cette case vide.")
            said["days"] = [first]
            return said
        said["to_day"] = None
        if last < first:
            self.add_error("last", "Ce jour est avant le premier.")
        elif (last - first).days > 366:
            self.add_error("last", "Un lot va sur un an au plus.")
        else:
            mask = said.get("weekdays") or 0
            days = [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
            # Without a weekday, those of the activity; what is closed on a day says so in the preview.
            formula = said.get("formula")
            mask = mask or (formula.activity.weekdays if formula else 0)
            said["days"] = [day for day in days if mask >> day.weekday() & 1]
            if not said["days"] and formula:
                self.add_error("weekdays", "Aucun de ces jours n'est entre ces deux dates.")
            if len(said["days"]) > MOST_DAYS:
                self.add_error("last", f"Un lot a {MOST_DAYS} jours au plus : choisissez moins de jours.")
        return said

    @property
    def overrides(self) -> Overrides:
        said = self.cleaned_data
        reasons = {Override(one): said["reason"] for one in said.get("passing_over", ())}
        return Overrides(reasons, late=bool(said.get("late")))

    @property
    def waits_for_places(self) -> bool:
        return bool(self.cleaned_data.get("waits"))

    @property
    def plan(self) -> lots.Plan:
        """Raises nothing: what cannot be is said line by line."""
        said = self.cleaned_data
        return lots.plan(
            self.enrolments.order_by("household_id", "child_id", "pk"),
            LotVerb(said["verb"]),
            said["formula"],
            said["days"],
            to_day=said.get("to_day"),
            place=said.get("place"),
        )

    @property
    def enrolments(self) -> QuerySet[Enrolment]:
        """Of the children meant, those that this agent may act for."""
        said = self.cleaned_data
        ends = [*said["days"], *([said["to_day"]] if said.get("to_day") else [])]
        years = Period.objects.filter(
            activity=said["formula"].activity_id, starts_on__lte=max(ends), ends_on__gte=min(ends)
        )
        rows: QuerySet[Enrolment] = Enrolment.objects.accepted().filter(
            activity=said["formula"].activity_id, school_year__in=years.values("school_year")
        )
        rows = rights.seen_by(self.user, rows, overriding.ACTS)
        if said["whom"] != ALL:
            rows = rows.filter(child__in=self.meant.values("pk"))
        return rows.select_related("child", "household", "establishment", "moves_to")

    @property
    def meant(self) -> QuerySet[Child]:
        """The children meant, of a class, a school or a list."""
        kind, _, key = self.cleaned_data["whom"].partition(":")
        everybody = Child.objects.filter(erased_at=None, joined_to=None)
        children = rights.seen_by(self.user, everybody, overriding.ACTS)
        if kind == LIST:
            return children.filter(pk__in=self.ticked)
        there = attended_on(self.cleaned_data["days"][0], "schoolings")
        if kind == SCHOOL:
            there &= Q(schoolings__school_class__school=int(key))
        else:
            there &= Q(schoolings__school_class=int(key))
        years = SchoolYear.objects.filter(ends_on__gte=self.cleaned_data["days"][0])
        return children.filter(there, schoolings__school_year__in=years).distinct()

    @property
    def not_enrolled(self) -> list[Child]:
        """Of the children meant by class or list, those without an enrolment there."""
        if self.cleaned_data["whom"] == ALL:
            return []
        return list(
            self.meant.exclude(pk__in=self.enrolments.values("child")).order_by("last_name", "first_name")
        )

    @property
    def whom_said(self) -> str:
        """« CM1, École Jules Ferry »."""
        return self.names[self.cleaned_data["whom"]]


def _formula_name(formula: Any) -> str:
    return f"{formula}, {formula.activity}"


@dataclass
class OfChild:
    """What a lot does, or did, to the days of one child."""

    child: Child
    household: Any
    attended: str
    done: list[str] = field(default_factory=list)
    said: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """Of the days that stay as they are, or are only asked for: why, and which."""
        return [
            f"{why or Became(became).label} : {', '.join(days)}" for (became, why), days in self.said.items()
        ]

    def add(self, became: str, why: str, day: str) -> None:
        if became == Became.DONE:
            self.done.append(day)
        else:
            self.said.setdefault((became, why.rstrip(".")), []).append(day)


def _by_child(lines: Iterable[Wish | LotDay], enrolments: Mapping[int, Any]) -> list[OfChild]:
    """In the order of names."""
    found: dict[int, OfChild] = {}
    for one in lines:
        key = one.enrolment if isinstance(one, Wish) else one.enrolment_id
        of = enrolments[key]
        to_day = one.instead if isinstance(one, Wish) else one.to_day
        day = short_day(one.day) if to_day is None else f"{short_day(one.day)} → {short_day(to_day)}"
        row = found.setdefault(key, OfChild(of.child, of.household, of.attended or ""))
        row.add(one.became, one.why, day)
    return sorted(found.values(), key=lambda row: (row.child.last_name, row.child.first_name, row.child.pk))


def _named(enrolments: QuerySet[Enrolment]) -> dict[int, Any]:
    """With the class attended."""
    rows = enrolments.select_related("child", "household")
    return {one.pk: one for one in rows.annotate(attended=class_of(school_year="school_year"))}


def ticked_address(children: Iterable[int]) -> str:
    """Where one goes on with these children (keys)."""
    keys = ",".join(map(str, children))
    page = reverse("admin:reservations_lot_new")
    return f"{page}?enfants={keys}" if keys else page


class TicksChildren(DeskAdmin[Enrolment]):
    """An action of the list of enrolments: the days of their children."""

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """For who may act for families: the page that it leads to asks of which rows."""
        found = super().get_actions(request)
        return (
            found
            if request.user.has_perms(RIGHTS)
            else {name: action for name, action in found.items() if name != "act_in_lots"}
        )

    @admin.action(description=ACTION)
    def act_in_lots(self, request: SignedInRequest, queryset: QuerySet[Enrolment]) -> HttpResponse | None:
        keys = queryset.order_by().values_list("child", flat=True).distinct()
        children = list(keys[: MOST_TICKED + 1])
        if len(children) > MOST_TICKED:
            messages.warning(request, f"{MOST_TICKED} enfants au plus à la fois.")
            children = []
        return redirect(ticked_address(children))


def register_actions() -> None:
    """Once the app is ready."""
    desk_actions.for_chosen("act_in_lots", ACTION, RIGHTS, ticked_address, most=MOST_TICKED)


@admin.register(Lot)
class LotAdmin(Decidable[Lot], OwnPages[Lot]):
    """Written by `acts/lots.py`."""

    desk_order = 12
    desk_links = (
        DeskLink(
            "Jours de plusieurs enfants",
            "reservations_lot_new",
            RIGHTS[1],
            "Réserver, annuler ou déplacer des jours d'une classe, d'une liste ou de tous les inscrits.",
            order=30,
        ),
    )
    list_display = ("name", "made", "by", "standing")
    list_display_links = ("name",)
    list_filter = ("verb",)
    list_select_related = ("formula__activity", "by", "undo_by")
    search_fields = ("whom", "reason")
    date_hierarchy = "made_at"
    actions = ("take_back",)
    decisions: Sequence[Decision] = (Decision("take_back", "Annuler ce lot…"),)
    fields = readonly_fields = (
        "name",
        "reason",
        "over",
        "waited",
        "told",
        "made",
        "by",
        "standing",
        "undo_by",
    )
    change_form_template = "admin/reservations/lot.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.new)
        return [path("nouveau/", view, name="reservations_lot_new"), *super().get_urls()]

    def waits(self, obj: Lot) -> bool:
        return obj.done_at is not None and obj.undo_asked_at is None

    # Beginning one -----------------------------------------------------------------------------------------

    def new(self, request: SignedInRequest) -> HttpResponse:
        """Whom, what and when; then the preview; then, confirmed, the lot."""
        self.demand(request, *RIGHTS)
        at = timezone.now()
        data = request.POST if request.method == "POST" else None
        asked = (request.POST if data is not None else request.GET).get("enfants", "")
        ticked = posted_numbers(asked.split(","))[:MOST_TICKED]
        initial = {} if data is not None else {"whom": LIST if ticked else request.GET.get("qui", "")}
        form = LotForm(data, user=request.user, ticked=ticked, today=timezone.localdate(at), initial=initial)
        if data is None or "changer" in data or not form.is_valid():
            return self._form_page(request, form, ticked)
        planned = form.plan
        if "confirmer" in data:
            try:
                with transaction.atomic():
                    lot = lots.begin(
                        planned,
                        whom=form.whom_said,
                        reason=form.cleaned_data["reason"],
                        overrides=form.overrides,
                        waits=form.waits_for_places,
                        tell=form.cleaned_data["tell"],
                        by=request.user,
                        at=at,
                    )
                    self.log_change(request, lot, f"{lot}. {lot.reason}")
                    small = lots.hand_to_worker(lot, at=at)
            except BookingRefused as refusal:
                form.add_error(None, str(refusal))
                return self._form_page(request, form, ticked)
            self._carry(request, lot, small=small)
            return redirect("admin:reservations_lot_change", lot.pk)
        if len(planned.wishes) > lots.MOST_LINES:
            form.add_error(None, lots.TOO_MANY)
            return self._form_page(request, form, ticked)
        lots.foresee(planned, by=request.user, at=at, overrides=form.overrides, waits=form.waits_for_places)
        return self._preview(request, form, planned, data)

    def _form_page(self, request: HttpRequest, form: LotForm, ticked: Sequence[int]) -> HttpResponse:
        context = {"form": form, "ticked": ",".join(map(str, ticked)), "reasons": REASONS}
        return self.page(request, "admin/reservations/lot_new.html", "Jours de plusieurs enfants", context)

    def _preview(
        self, request: HttpRequest, form: LotForm, planned: lots.Plan, data: QueryDict
    ) -> HttpResponse:
        rows = _by_child(planned.wishes, _named(form.enrolments))
        kinds = Counter(one.became for one in planned.wishes)
        reasons = Counter(one.why for one in planned.wishes if one.became == Became.LEFT)
        said = form.cleaned_data
        context = {
            "form": form,
            "typed": [
                (name, value)
                for name, values in data.lists()
                for value in values
                if name not in ("csrfmiddlewaretoken", "changer", "confirmer")
            ],
            "verb": LotVerb(said["verb"]).label,
            "formula": _formula_name(said["formula"]),
            "whom": form.whom_said,
            "days": moments.enumerate_days(said["days"]),
            "to_day": moments.day(said["to_day"]) if said.get("to_day") else "",
            "will": counted(kinds[Became.DONE], *WORDS[LotVerb(said["verb"])]),
            "some": sum(kinds[one] for one in lots.CHANGED),
            "queued": kinds[Became.QUEUED],
            "asked": kinds[Became.ASKED],
            "already": kinds[Became.ALREADY],
            "left": kinds[Became.LEFT],
            "reasons": reasons.most_common(),
            "rows": rows[:CHILDREN_SHOWN],
            "unshown": max(0, len(rows) - CHILDREN_SHOWN),
            "children": len(rows),
            "not_enrolled": form.not_enrolled,
        }
        title = "Jours de plusieurs enfants : ce qui va se passer"
        return self.page(request, "admin/reservations/lot_preview.html", title, context)

    def _carry(self, request: HttpRequest, lot: Lot, *, small: bool, back: bool = False) -> None:
        """At once where it is small, by the worker else."""
        if not small:
            messages.info(request, "C'est en cours : cette page en dit l'avancement, on peut la quitter.")
            return
        step = lots.go_back if back else lots.go_on
        while step(lot.pk, at=timezone.now()):
            pass

    # Its page ----------------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        answer = super().change_view(request, object_id, form_url, extra_context)
        lot = self.get_object(request, object_id)
        if lot is not None and _is_at_work(lot):
            answer["Refresh"] = "3"
        return answer

    def beside(self, request: HttpRequest, row: Lot) -> dict[str, Any]:
        # Who sees some places only reads nothing of a child without one.
        days = rights.seen_by(request.user, row.days.all(), *map(self.right_for, LOOKING))
        shown = days.order_by("enrolment_id").values_list("enrolment_id", flat=True).distinct()
        keys = list(shown[: CHILDREN_SHOWN + 1])
        lines = list(days.filter(enrolment__in=keys[:CHILDREN_SHOWN]))
        enrolments = _named(Enrolment.objects.filter(pk__in={one.enrolment_id for one in lines}))
        rows = _by_child(lines, enrolments)
        names = {key: f"{one.child}" for key, one in enrolments.items()}
        not_back = [
            (names[key], one.not_back, short_day(one.day))
            for key, of in groupby(lines, key=lambda one: one.enrolment_id)
            for one in of
            if one.taken_back == Became.LEFT
        ]
        return {
            "lines": rows,
            "some_unshown": len(keys) > CHILDREN_SHOWN,
            "working": _is_at_work(row),
            "not_back": not_back,
        }

    @admin.display(description="lot", ordering="pk")
    def name(self, obj: Lot) -> str:
        return f"{obj}, {obj.formula.activity}"

    @admin.display(description="le", ordering="made_at")
    def made(self, obj: Lot) -> str:
        return moments.moment(obj.made_at, year=True)

    @admin.display(description="passé outre")
    def over(self, obj: Lot) -> str:
        # Not the empty value: a page of one, unlike a list, says « None » for it.
        return ", ".join(Override(one).label for one in obj.passing_over) or "rien"

    @admin.display(description="jours complets")
    def waited(self, obj: Lot) -> str:
        return "mis sur liste d'attente" if obj.waits else "laissés"

    @admin.display(description="familles")
    def told(self, obj: Lot) -> str:
        return "prévenues par courriel" if obj.tell else "pas prévenues"

    @admin.display(description="où il en est")
    def standing(self, obj: Lot) -> SafeString:
        if obj.undone_at is not None:
            return badge("cancelled", f"annulé : {obj.back} sur {obj.changed} remis comme avant")
        if obj.undo_asked_at is not None:
            return badge("requested", f"annulation en cours, {obj.back} sur {obj.changed}")
        if obj.done_at is None:
            return badge("requested", f"en cours, {obj.met} sur {obj.wanted}")
        done = counted(obj.changed, *(BOOKED_OR_WAITED if obj.waits else DONE[LotVerb(obj.verb)]))
        return badge("accepted", f"{done}, sur {counted(obj.wanted, 'demandé', 'demandés')}")

    # The way back ------------------------------------------------------------------------------------------

    @admin.action(description="Annuler ce lot…", permissions=["decide"])
    def take_back(self, request: SignedInRequest, queryset: QuerySet[Lot]) -> HttpResponse | None:
        if not request.user.has_perms(RIGHTS):
            messages.error(request, "Vous n'avez pas le droit d'agir pour les familles.")
            return None
        if "confirmed" not in request.POST:
            return confirm_page(
                self,
                request,
                queryset,
                action="take_back",
                title="Annuler ce lot",
                button="Annuler ce lot",
                template="admin/reservations/lot_back.html",
            )
        # What came last goes first: it may stand on what came before.
        for lot in queryset.order_by("-made_at", "-pk"):
            at = timezone.now()
            try:
                with transaction.atomic():
                    lots.ask_back(lot, by=request.user, at=at)
                    self.log_change(request, lot, "Lot annulé.")
                    small = lots.hand_to_worker(lot, at=at, back=True)
            except BookingRefused as refusal:
                messages.warning(request, f"{lot} : {refusal}")
                continue
            self._carry(request, lot, small=small, back=True)
            if small:
                messages.success(request, f"{lot} : annulé. Sa page dit ligne par ligne ce qui est remis.")
        if "seule" in request.POST and (one := queryset.first()) is not None:
            return redirect("admin:reservations_lot_change", one.pk)
        return None


def _is_at_work(lot: Lot) -> bool:
    """Whether the worker has something left to do for it."""
    return lot.done_at is None or (lot.undo_asked_at is not None and lot.undone_at is None)
