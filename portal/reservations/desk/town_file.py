"""« Fichier de la commune » at the desk: taken away, loaded after one has read what changes, kept.

Loading is the right of who heads the service (`reservations.add_townfile`), asked again for the password.
What is confirmed is what was read: the file's text and the fingerprint of its differences; where the town has
changed meanwhile, they are shown again.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.text import slugify

from families.signing_in.asking_again import asks_again
from portal import town
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over
from portal.french.plurals import counted
from portal.reservations.models import Period, TownFile
from portal.reservations.models.bookings import BookingQuerySet
from portal.reservations.staff import limits
from portal.reservations.towns import slips, town_file
from portal.reservations.towns.fields import FileProblem, FileReport, Kind, TownFileError
from portal.web.bodies import takes_files
from portal.web.signed_in import SignedInRequest, user_of

TITLE = "Fichier de la commune"
VIEW, LOAD = "reservations.view_townfile", "reservations.add_townfile"
# Who sees the activities sees what is set up, and may take it away.
EXPORT = (VIEW, "reservations.view_activity")
MOST_BYTES = 400 * 1024
SHOWN = 400
LATEST = 10
DIGITS = 12


def may_export(request: HttpRequest) -> bool:
    return any(request.user.has_perm(right) for right in EXPORT)


class TownFileForm(forms.Form):
    """A file, or its text."""

    file = forms.FileField(
        label="Fichier",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,.txt,text/plain"}),
        help_text="Un fichier .yaml, de 400 ko au plus.",
    )
    text = forms.CharField(
        label="Ou son texte",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 18, "class": "desk-file", "spellcheck": "false"}),
        help_text="Collez-le ici, ou corrigez-le ici après une erreur. Un fichier choisi passe avant.",
    )

    def clean_file(self) -> str:
        """Its text."""
        file = self.cleaned_data["file"]
        if not file:
            return ""
        if file.size > MOST_BYTES:
            raise forms.ValidationError("Ce fichier dépasse 400 ko. Chargez-le en plusieurs fois.")
        text = slips.decoded(file.read())
        if text is None:
            raise forms.ValidationError("Ce n'est pas un fichier de texte : choisissez un fichier .yaml.")
        return text

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        if len(text.encode()) > MOST_BYTES:
            raise forms.ValidationError("Ce texte dépasse 400 ko. Chargez-le en plusieurs fois.")
        # A browser ends lines as it likes: the same text has the same fingerprint.
        return text.replace("\r\n", "\n")

    def clean(self) -> dict[str, Any] | None:
        found = super().clean()
        if not self.errors and not (self.cleaned_data["file"] or self.cleaned_data["text"].strip()):
            raise forms.ValidationError("Choisissez un fichier, ou collez son texte.")
        return found

    @property
    def chosen(self) -> str:
        text: str = self.cleaned_data["file"] or self.cleaned_data["text"]
        return text.replace("\r\n", "\n")


@admin.register(TownFile)
class TownFileAdmin(ShownOnly[TownFile], OwnPages[TownFile]):
    """What was loaded, newest first; a file of before is read, and taken away."""

    desk_order = 80
    desk_links = (
        DeskLink(
            TITLE,
            "reservations_town_file",
            "",
            "tout ce qui est réglé, à télécharger et à charger",
            order=80,
            offered=may_export,
        ),
    )
    list_display = ("loaded_at", "who", "made", "short_digest")
    list_select_related = ("by",)
    ordering = ("-loaded_at", "-pk")
    fields = readonly_fields = ("loaded_at", "who", "made", "sha256")
    change_form_template = "admin/reservations/town_file_past.html"

    @admin.display(description="par", ordering="by")
    def who(self, obj: TownFile) -> str:
        if obj.by is None:
            return "la commande du serveur"
        return obj.by.get_full_name() or obj.by.username

    @admin.display(description="ce qu'il a changé")
    def made(self, obj: TownFile) -> str:
        return in_words(obj.created, obj.changed, obj.removed, obj.unchanged)

    @admin.display(description="empreinte", ordering="sha256")
    def short_digest(self, obj: TownFile) -> str:
        return obj.sha256[:DIGITS]

    def beside(self, request: HttpRequest, row: TownFile) -> dict[str, Any]:
        return {"past": row}

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        return [
            path("commune/", wrap(self.file_page), name="reservations_town_file"),
            path("commune/configuration.yaml", wrap(self.export_town), name="reservations_town_export"),
            path("commune/charger/", wrap(self.load_page), name="reservations_town_load"),
            path("<int:pk>/fichier.yaml", wrap(self.past_file), name="reservations_townfile_past"),
            *super().get_urls(),
        ]

    # Taking it away -------------------------------------------------------------------------------------

    def file_page(self, request: HttpRequest) -> HttpResponse:
        """What there is to do with it, and what was loaded last."""
        if not may_export(request):
            raise PermissionDenied
        sees = request.user.has_perm(VIEW)
        latest = TownFile.objects.select_related("by")[:LATEST] if sees else ()
        context = {
            "may_load": request.user.has_perm(LOAD),
            "sees": sees,
            "latest": [(one, self.who(one), self.made(one)) for one in latest],
        }
        return self.page(request, "admin/reservations/town_file.html", TITLE, context)

    def export_town(self, request: HttpRequest) -> HttpResponse:
        if not may_export(request):
            raise PermissionDenied
        name = f"{slugify(town.current().name) or 'commune'}-{timezone.localdate():%Y-%m-%d}.yaml"
        return hand_over(town_file.export(), name)

    def past_file(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One that was loaded, as it was."""
        self.demand(request, VIEW)
        past = get_object_or_404(TownFile, pk=pk)
        return hand_over(past.text, f"commune-chargee-le-{timezone.localtime(past.loaded_at):%Y-%m-%d}.yaml")

    # Loading it -----------------------------------------------------------------------------------------

    @takes_files
    @asks_again
    def load_page(self, request: SignedInRequest) -> HttpResponse:
        """A file or its text, then what it would change, then « Charger ce fichier »."""
        self.demand(request, LOAD)
        sent = request.method == "POST"
        form = TownFileForm(request.POST, request.FILES) if sent else TownFileForm()
        if not sent or not form.is_valid():
            return self._form_page(request, form)
        text = form.chosen
        try:
            # Confirmed is the text that was read, and what it would do.
            if request.POST.get("digest") == town_file.digest(text):
                return self._load(request, text)
            report = town_file.load(text, dry_run=True, at=timezone.now(), may_close=self._may_close(request))
        except TownFileError as error:
            return self._form_page(request, TownFileForm(initial={"text": text}), error.problems)
        return self._preview(request, text, report)

    def _load(self, request: SignedInRequest, text: str) -> HttpResponse:
        """Loads what was read and confirmed, and nothing else."""
        agreed = "agreed" in request.POST
        try:
            report = town_file.load(
                text,
                at=timezone.now(),
                confirmed=agreed,
                by=user_of(request),
                expected=request.POST.get("differences", ""),
                may_close=self._may_close(request),
            )
        except town_file.Otherwise as otherwise:
            messages.warning(
                request,
                "La commune a changé depuis votre lecture : rien n'est chargé. Relisez ce qui change.",
            )
            return self._preview(request, text, otherwise.report)
        except town_file.Unconfirmed as unconfirmed:
            messages.error(request, "Rien n'est chargé : cochez que vous l'avez lu.")
            return self._preview(request, text, unconfirmed.report)
        except town_file.MayNotClose as barred:
            return self._preview(request, text, barred.report)
        made = in_words(*map(len, (report.created, report.changed, report.removed, report.unchanged)))
        messages.success(request, f"Fichier chargé : {made}.")
        if any(name.startswith(f"{Period._meta.verbose_name} ") for name in report.created):
            periods = reverse("admin:reservations_period_changelist")
            said = 'Ouvrez les créneaux des <a href="{}">périodes</a> nouvelles pour qu\'on y réserve.'
            messages.info(request, format_html(said, periods))
        return redirect("admin:reservations_town_file")

    def _may_close(self, request: SignedInRequest) -> Any:
        def may_close(bookings: BookingQuerySet) -> bool:
            return limits.may_close(request.user, bookings, today=timezone.localdate())

        return may_close

    def _form_page(
        self, request: HttpRequest, form: TownFileForm, problems: Sequence[FileProblem] = ()
    ) -> HttpResponse:
        more = len(problems) - SHOWN
        left_out = counted(more, "autre", "autres") if more > 0 else ""
        context = {
            "form": form,
            "problems": problems[:SHOWN],
            "all_problems": len(problems),
            "left_out": left_out,
        }
        title = "Charger un fichier de la commune"
        return self.page(request, "admin/reservations/town_file_load.html", title, context)

    def _preview(self, request: HttpRequest, text: str, report: FileReport) -> HttpResponse:
        by_kind = {kind: [one for one in report.differences if one.kind is kind] for kind in Kind}
        context = {
            "text": text,
            "report": report,
            "made": in_words(*map(len, (report.created, report.changed, report.removed, report.unchanged))),
            "parts": [
                (PARTS[kind], kind, rows[:SHOWN], max(len(rows) - SHOWN, 0))
                for kind, rows in by_kind.items()
                if rows
            ],
            "to_agree": bool(report.closes or report.asked),
            "digest": town_file.digest(text),
            "digits": f":{DIGITS}",
        }
        title = "Ce que ce fichier change"
        return self.page(request, "admin/reservations/town_file_preview.html", title, context)


PARTS = {Kind.NEW: "Nouveau", Kind.CHANGED: "Modifié", Kind.GONE: "N'y serait plus"}


def in_words(created: int, changed: int, removed: int, unchanged: int) -> str:
    """« 3 lignes nouvelles, 1 modifiée, 40 inchangées »; what there is none of is not said."""
    found = (
        (created, "nouvelle", "nouvelles"),
        (changed, "modifiée", "modifiées"),
        (removed, "retirée", "retirées"),
        (unchanged, "inchangée", "inchangées"),
    )
    said: list[str] = []
    for number, one, several in found:
        if number:
            # Only the first says of what.
            words = (one, several) if said else (f"ligne {one}", f"lignes {several}")
            said.append(counted(number, *words))
    return ", ".join(said) or "aucune ligne"
