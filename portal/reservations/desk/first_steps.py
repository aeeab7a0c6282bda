"""« Premiers pas » at the desk: the steps as the town stands, a town to start from, « Ouvrir au public »."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone

from families.models import Guardian
from families.signing_in.asking_again import asks_again
from portal import open_to_public, town
from portal.desk import first_page, first_steps
from portal.desk.pages import OwnPages, log_all
from portal.desk.site import DeskLink
from portal.french.plurals import counted
from portal.models import Town
from portal.reservations.towns import starting, town_file
from portal.reservations.towns.fields import FileReport
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest, user_of

RIGHT, TITLE, URL_NAME = first_steps.RIGHT, first_steps.TITLE, first_steps.URL_NAME
# A preview names so many rows of a kind.
NAMED = 4


class StartForm(forms.ModelForm[Town]):
    """Which template, and whose town it becomes."""

    template = forms.ChoiceField(
        label="Modèle",
        choices=[(name, one.label) for name, one in starting.TEMPLATES.items()],
        widget=forms.RadioSelect,
    )

    field_order = ("template",)

    class Meta:
        model = Town
        fields = ("name", "phone", "email", "zone", "region")
        labels = {"name": "Nom de la commune"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        texts = [f"{one.label} : {one.text}" for one in starting.TEMPLATES.values()]
        choices = zip(starting.TEMPLATES, texts, strict=True)
        field_of(self, "template", forms.ChoiceField).choices = list(choices)
        # What nobody has said yet is asked for, not proposed.
        if self.instance.name == Town._meta.get_field("name").default:
            self.initial["name"] = ""


class OpenForm(forms.Form):
    """Shown where families could do nothing yet."""

    seen = forms.BooleanField(
        label="Ouvrir quand même : j'ai lu ce qui manque.",
        error_messages={"required": "Cochez la case pour ouvrir malgré ce qui manque."},
    )


class FirstSteps(OwnPages[Town]):
    """Adds these pages to the town's."""

    first_steps_link = DeskLink(TITLE, URL_NAME, RIGHT, "ce qu'il faut pour ouvrir, pas à pas", order=1)

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("premiers-pas/", wrap(self.first_steps), name=URL_NAME),
            path("premiers-pas/modele/", wrap(self.start), name="portal_town_start"),
            path("premiers-pas/ouvrir/", wrap(self.open_up), name="portal_town_open"),
            path("premiers-pas/fermer/", wrap(self.close), name="portal_town_close"),
            *super().get_urls(),
        ]

    def first_steps(self, request: HttpRequest) -> HttpResponse:
        """Where the town stands, computed each time."""
        self.demand(request, RIGHT)
        at = timezone.now()
        with first_steps.reading():
            shown, readies = first_steps.shown_to(request.user, at), first_steps.readiness(at)
        asked = [one for one in shown if not one.standing.unused]
        done = [one for one in asked if one.standing.is_done]
        following = next((one for one in asked if one.standing.blocks), None)
        context = {
            "steps": shown,
            "said": f"{counted(len(done), 'étape faite', 'étapes faites')} sur {len(asked)}",
            "following": following or next((one for one in asked if not one.standing.is_done), None),
            "readies": readies,
            "is_open": town.current().is_open,
            "may_open": request.user.has_perm(open_to_public.RIGHT),
            "may_start": starting.is_empty(),
        }
        return self.page(request, "admin/first_steps/page.html", TITLE, context)

    def start(self, request: SignedInRequest) -> HttpResponse:
        """A template: chosen, seen, loaded. Nothing of it is written before it was seen."""
        self.demand(request, RIGHT)
        if not starting.is_empty():
            messages.warning(request, "Un modèle ne se charge que dans une commune encore vide.")
            return redirect(f"admin:{URL_NAME}")
        its = Town.objects.first() or Town()
        form = StartForm(request.POST or None, instance=its)
        context: dict[str, Any] = {"form": form}
        if request.method == "POST" and form.is_valid():
            at = timezone.now()
            text = starting.text_of(form.cleaned_data["template"], form.instance, at)
            if "confirmed" in request.POST:
                return self._load(request, text, form.cleaned_data["template"])
            context |= {
                "preview": _in_words(town_file.load(text, dry_run=True, at=at)),
                "warnings": starting.warnings_of(form.instance, at),
            }
        return self.page(request, "admin/first_steps/start.html", "Partir d'un modèle", context)

    @asks_again
    def _load(self, request: SignedInRequest, text: str, name: str) -> HttpResponse:
        town_file.load(text, at=timezone.now())
        label = starting.TEMPLATES[name].label
        log_all(request, Town.objects.all(), f"Modèle « {label} » chargé.")
        messages.success(
            request, f"Le modèle « {label} » est en place : corrigez ce qui n'est pas comme chez vous."
        )
        return redirect(f"admin:{URL_NAME}")

    @asks_again
    def open_up(self, request: SignedInRequest) -> HttpResponse:
        """« Ouvrir au public », with what is still missing."""
        self._demand_opening(request)
        if town.current().is_open:
            return redirect(f"admin:{URL_NAME}")
        at = timezone.now()
        with first_steps.reading():
            shown, readies = first_steps.shown_to(request.user, at), first_steps.readiness(at)
        blocked = any(one.standing.blocks for one in shown) or not any(one.ready for one in readies)
        posted = request.POST if request.method == "POST" else None
        form = OpenForm(posted) if blocked else forms.Form(posted)
        if form.is_valid():
            open_to_public.open_up(user_of(request))
            messages.success(request, "Le portail est ouvert au public : les familles peuvent entrer.")
            return redirect("admin:index")
        left = [one for one in shown if one.standing.missing or one.standing.doubtful]
        context = {"form": form, "left": left, "readies": readies, "blocked": blocked}
        return self.page(request, "admin/first_steps/open.html", "Ouvrir au public", context)

    @asks_again
    def close(self, request: SignedInRequest) -> HttpResponse:
        """Takes it back: families read that the portal opens soon."""
        self._demand_opening(request)
        if not town.current().is_open:
            return redirect(f"admin:{URL_NAME}")
        if request.method == "POST":
            open_to_public.close(user_of(request))
            messages.success(
                request, "Le portail est fermé au public. Rien de ce qui est réservé n'a changé."
            )
            return redirect(f"admin:{URL_NAME}")
        known = Guardian.objects.filter(user__isnull=False).count()
        said = counted(known, "personne s'y connecte", "personnes s'y connectent") if known else ""
        context = {"said": said}
        return self.page(request, "admin/first_steps/close.html", "Fermer au public", context)

    def _demand_opening(self, request: HttpRequest) -> None:
        if not request.user.has_perm(open_to_public.RIGHT):
            raise PermissionDenied


def _in_words(report: FileReport) -> list[tuple[str, int, list[str]]]:
    """What loading would write, by kind: its name, how many, the first of them."""
    found: dict[str, list[str]] = {}
    for label in (*report.created, *report.changed):
        kind, _, name = label.partition(" « ")
        found.setdefault(kind, []).append(name.removesuffix(" »"))
    return [(kind, len(names), names[:NAMED]) for kind, names in found.items()]


def is_offered(request: HttpRequest) -> bool:
    return request.user.has_perm(RIGHT) and not town.current().is_open


first_page.way(first_page.Way(0, "Premiers pas", URL_NAME, is_offered))
