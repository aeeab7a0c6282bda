"""« Essayer comme une famille »: the one page from which an agent makes a trial household, enters it, answers
what it asks for, and removes it."""

from datetime import date, datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from families.models import TrialHousehold
from portal.desk import first_steps
from portal.desk.first_steps import Missing, Page, Standing, Step
from portal.desk.pages import OwnPages
from portal.french.grades import birth_year
from portal.french.numbers import TypedDecimalField
from portal.french.plurals import counted
from portal.reservations.acts import trials
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.acts.trials import TrialChild, TrialRefused, Wanted
from portal.reservations.models import Activity, SchoolClass, SchoolYear
from portal.reservations.pages import trying
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest, signed_in, user_of

TITLE = "Essayer comme une famille"
NAMES = ("premier enfant", "deuxième enfant", "troisième enfant")
YOUNGEST, OLDEST = 2, 17
USUAL_AGE = 7


class ClassField(forms.ModelChoiceField[SchoolClass]):
    """Each with its school."""

    def label_from_instance(self, obj: SchoolClass) -> str:
        return f"{obj.name}, {obj.school}"


class TrialForm(forms.Form):
    """The home to try as: children by class or age, and what prices ask for."""

    adults = forms.TypedChoiceField(
        label="Adultes", coerce=int, choices=((1, "Un adulte"), (2, "Deux adultes")), initial=1
    )
    quotient = TypedDecimalField(
        label="Quotient familial",
        required=False,
        min_value=0,
        max_digits=9,
        decimal_places=2,
        help_text="Vide : sans justificatif.",
    )
    resident = forms.BooleanField(label="Habite la commune", required=False, initial=True)

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        classes = SchoolClass.objects.filter(school_year__in=SchoolYear.objects.serving(today))
        in_order = classes.select_related("school", "school_year").order_by("school__name", "level", "name")
        for number, name in enumerate(NAMES, 1):
            self.fields[f"class_{number}"] = ClassField(
                label=f"Classe du {name}", queryset=in_order, required=False, empty_label="Sans classe"
            )
            self.fields[f"age_{number}"] = forms.IntegerField(
                label=f"Âge du {name}",
                required=False,
                validators=[MinValueValidator(YOUNGEST), MaxValueValidator(OLDEST)],
                help_text="Vide : l'âge habituel de la classe ; sans classe non plus, pas d'enfant.",
            )
        self.order_fields([name for name in self.fields if name.partition("_")[0] in ("class", "age")])
        if not self.is_bound:
            first = in_order.first()
            self.initial.update({"class_1": first} if first else {"age_1": USUAL_AGE})

    @property
    def wanted(self) -> Wanted:
        """What was typed."""
        said = self.cleaned_data
        children = []
        for number, _ in enumerate(NAMES, 1):
            school_class, age = said.get(f"class_{number}"), said.get(f"age_{number}")
            if age is not None:
                children.append(TrialChild(date(self.today.year - age, 1, 1), school_class))
            elif school_class is not None:
                children.append(TrialChild(_usually_born(school_class), school_class))
        return Wanted(
            children=children,
            adults=said["adults"],
            resident=said["resident"],
            quotient=said["quotient"],
        )


def _usually_born(school_class: SchoolClass) -> date:
    """On the first of January: whoever has the age of a class has it all year."""
    _, grade = school_class.grades
    return date(birth_year(grade, school_class.school_year.starts_on), 1, 1)


@admin.register(TrialHousehold)
class TrialHouseholdAdmin(OwnPages[TrialHousehold]):
    """Its list is the page; nothing of it is a form of Django's."""

    desk_order = 9
    exports = False

    # Django's own pages of a row lead to it, for who has the right: no row is typed, and what is removed goes
    # whole.

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._to_the_page(self.has_add_permission(request))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        changes = request.method == "POST"
        return self._to_the_page(
            self.has_change_permission(request) if changes else self.has_view_permission(request)
        )

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._to_the_page(self.has_delete_permission(request))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return self._to_the_page(self.has_view_permission(request))

    def _to_the_page(self, may: bool) -> HttpResponse:
        if not may:
            raise PermissionDenied
        return redirect("admin:families_trialhousehold_changelist")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        user = user_of(request)
        if not self.has_view_permission(request):
            raise PermissionDenied
        # Who comes back from it is oneself again.
        trying.end(request)
        mine = TrialHousehold.tried.filter(trial_of=user).select_related("trial_of").first()
        asked = signed_in(request)
        form = TrialForm(request.POST if "commencer" in request.POST else None, today=timezone.localdate())
        if request.method == "POST":
            answer = self._posted(asked, mine, form)
            if answer is not None:
                return answer
        return self._page(asked, mine, form)

    def _posted(
        self, request: SignedInRequest, mine: TrialHousehold | None, form: TrialForm
    ) -> HttpResponse | None:
        """None: the page again, with what is wrong."""
        at = timezone.now()
        if "supprimer" in request.POST:
            return self._remove(request)
        if "commencer" in request.POST:
            self.demand(request, "families.add_trialhousehold")
            if not form.is_valid():
                return None
            try:
                mine = trials.make(form.wanted, by=request.user, at=at)
            except TrialRefused as refusal:
                form.add_error(None, str(refusal))
                return None
            messages.success(request, f"{mine} est prêt : entrez-y quand vous voulez.")
            return redirect(request.path)
        if mine is None:
            messages.info(request, "Ce foyer d'essai n'existe plus.")
            return redirect(request.path)
        if "entrer" in request.POST:
            trying.begin(request, mine)
            return redirect("home")
        reason = request.POST.get("motif", "").strip()[:300] if "refuser" in request.POST else ""
        if "refuser" in request.POST and not reason:
            messages.error(request, "Indiquez le motif du refus : la famille le lirait.")
        elif "refuser" in request.POST or "accepter" in request.POST:
            try:
                trials.answer(mine, reason=reason, by=request.user, at=at)
            except (BookingRefused, EnrolmentRefused) as refusal:
                messages.error(request, str(refusal))
            else:
                messages.success(request, "C'est répondu : la lettre de la famille part à votre adresse.")
        return redirect(request.path)

    def _remove(self, request: SignedInRequest) -> HttpResponse:
        """One's own, or a colleague's who no longer tries."""
        self.demand(request, "families.delete_trialhousehold")
        key = posted_number(request.POST.get("essai", ""))
        home = None if key is None else TrialHousehold.tried.filter(pk=key).first()
        if home is not None:
            name = str(home)
            trials.remove(home)
            messages.success(request, f"{name} est supprimé, avec tout ce qu'il avait fait.")
        return redirect(request.path)

    def _page(self, request: SignedInRequest, mine: TrialHousehold | None, form: TrialForm) -> HttpResponse:
        others = TrialHousehold.tried.select_related("trial_of").order_by("pk")
        if mine is not None:
            others = others.exclude(pk=mine.pk)
        removes = request.user.has_perm("families.delete_trialhousehold")
        context: dict[str, Any] = {
            "form": form,
            "mine": mine,
            "others": list(others) if removes else [],
            "removes": removes,
            "makes": request.user.has_perm("families.add_trialhousehold"),
            "address": request.user.email,
            "opens": Activity.objects.filter(active=True).exists(),
        }
        if mine is not None:
            context |= {"waiting": trials.waiting(mine), "holds": _holds(mine)}
        return self.page(request, "admin/reservations/trial.html", TITLE, context)


def _holds(home: TrialHousehold) -> str:
    """« 2 enfants, 3 jours réservés »."""
    children, days = trials.holds(home)
    said = counted(days, "jour demandé ou réservé", "jours demandés ou réservés")
    return f"{counted(children, 'enfant', 'enfants')}, {said}"


def tried(at: datetime) -> Standing:
    """Whether somebody tries, or could; two queries."""
    there = TrialHousehold.tried.count()
    if there:
        text = counted(there, "foyer d'essai est en place", "foyers d'essai sont en place")
        return Standing(there=[f"{text}."])
    if not Activity.objects.filter(active=True).exists():
        return Standing(missing=[Missing("Aucune activité : cette étape vient après.", needed=False)])
    page = reverse("admin:families_trialhousehold_changelist")
    text = "Réservez quelques jours comme le ferait une famille : c'est la meilleure relecture."
    return Standing(missing=[Missing(text, page, "families.add_trialhousehold", needed=False)])


first_steps.register(
    Step(
        "essai",
        140,
        TITLE,
        "Un foyer d'essai inscrit, réserve, annule et voit sa facture. Il ne compte nulle part, ne prend la "
        "place de personne, et s'en va d'un bouton.",
        "Deux enfants, l'un en maternelle, l'autre au CE1 : ce que chacun mange, ce que cela coûte.",
        (Page(TITLE, "families_trialhousehold_changelist", "families.view_trialhousehold"),),
        tried,
    )
)
