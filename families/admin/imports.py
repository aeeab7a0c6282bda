"""« Importer des familles »: a file, its columns, what would become of each row, the import, its way back."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.views.decorators.http import require_GET, require_POST
from django_tasks.base import Task

from families.desk_cells import person
from families.groups import IMPORT
from families.imports import headings, registry, running, samples, tasks
from families.imports.cells import as_text
from families.imports.running import ImportRefused
from families.models import FileImport
from families.models.imports import Verdict
from families.signing_in.asking_again import ask_again
from portal.desk import rights
from portal.desk.exporting import sheets as workbook
from portal.desk.lists import StateBadge, badge
from portal.desk.pages import OwnPages
from portal.desk.site import DeskLink
from portal.files.handing_over import hand_over, spreadsheet
from portal.files.sheets import LARGEST_BYTES, TOO_LARGE, Refused
from portal.french import moments
from portal.french.plurals import counted
from portal.web.bodies import takes_tables
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest, signed_in

State = FileImport.State
A_PAGE = 100
VERDICTS = {
    Verdict.NEW: ("nouvelle", "nouvelles"),
    Verdict.CHANGED: ("changée", "changées"),
    Verdict.SAME: ("identique", "identiques"),
    Verdict.DOUBTFUL: ("à décider", "à décider"),
    Verdict.WRONG: ("à corriger", "à corriger"),
    Verdict.SKIPPED: ("laissée de côté", "laissées de côté"),
}
TINTS = {
    Verdict.NEW: "accepted",
    Verdict.CHANGED: "requested",
    Verdict.DOUBTFUL: "full",
    Verdict.WRONG: "refused",
    Verdict.SKIPPED: "cancelled",
}
REFRESH_SECONDS = "3"


class FileForm(forms.Form):
    """The file, and where it comes from."""

    file = forms.FileField(
        label="Fichier", help_text="CSV, XLSX, XLS ou ODS ; 20 Mo et 50 000 lignes au plus."
    )
    source = forms.CharField(
        label="Logiciel d'origine",
        max_length=60,
        help_text="Les numéros de familles et d'enfants du fichier sont gardés sous ce nom : la fois "
        "d'après, ils les retrouvent. Par exemple : ONDE, ou le nom de votre ancien logiciel.",
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > LARGEST_BYTES:
            raise forms.ValidationError(TOO_LARGE)
        return file


class ColumnsForm(forms.Form):
    """What each column of a file is."""

    def __init__(self, data: Any, *, file: FileImport) -> None:
        super().__init__(data, initial={"source": file.source})
        self.file = file
        self.fields["source"] = forms.CharField(label="Logiciel d'origine", max_length=60)
        shown = sample(file)
        said = {int(place): key for place, key in file.columns.items()}
        choices = _choices(set(said.values()))
        self.samples: dict[str, str] = {}
        for place, title in enumerate(file.titles):
            values = [as_text(row[place]) for row in shown if place < len(row)]
            if not title and not any(values):
                continue
            name = f"colonne-{place}"
            self.fields[name] = forms.ChoiceField(
                label=title or f"Colonne {place + 1}",
                choices=choices,
                required=False,
                initial=said.get(place, ""),
            )
            self.samples[name] = ", ".join(value[:40] for value in values if value)

    @property
    def rows(self) -> list[tuple[forms.BoundField, str]]:
        return [(self[name], shown) for name, shown in self.samples.items()]

    @property
    def columns(self) -> dict[int, str]:
        """Of a form that is valid."""
        return {int(name.removeprefix("colonne-")): self.cleaned_data[name] for name in self.samples}


def sample(file: FileImport) -> list[Any]:
    """The file's first rows, or none where it is gone."""
    try:
        return running.sample(file)
    except (Refused, ImportRefused):
        return []


def _choices(used: set[str]) -> list[Any]:
    groups: list[Any] = [("", "Ne pas importer")]
    for part in registry.parts():
        usual, numbered, one_a_line = [], [], []
        for column in part.columns:
            group, _, name = column.key.partition(".")
            if group == "person":
                one_a_line.append((column.key, column.title))
                continue
            usual.append((column.key, column.title))
            if group in ("adult", "home"):
                key = f"{group}2.{name}"
                numbered.append((key, headings.title_of(key)))
        usual += [(key, headings.title_of(key)) for key in sorted(used) if key.startswith("child") and
                  not key.startswith("child.")]  # fmt: skip
        groups.append((part.label, usual))
        if numbered:
            groups.append(("Second responsable, seconde adresse", numbered))
        if one_a_line:
            groups.append(("Fichier d'une personne par ligne", one_a_line))
    return groups


@admin.register(FileImport)
class FileImportAdmin(StateBadge, OwnPages[FileImport]):
    """Each opens where it is: its columns, what was found, what was written."""

    desk_order = 60
    exports = False
    desk_links = (
        DeskLink(
            "Importer des familles",
            "families_fileimport_add",
            IMPORT,
            "Foyers, responsables, enfants et ce qui est à eux, depuis un fichier.",
            order=60,
        ),
    )
    list_display = ("title", "state_badge", "lines_shown", "author", "when")
    list_display_links = ("title",)
    list_filter = ("state",)
    list_select_related = ("by", "done_by")
    search_fields = ("name", "source")
    search_help_text = "Nom du fichier, logiciel d'origine"
    tints = {
        "received": "requested",
        "checking": "requested",
        "checked": "requested",
        "running": "requested",
        "undoing": "requested",
        "done": "accepted",
        "undone": "cancelled",
        "dropped": "cancelled",
        "failed": "refused",
    }

    def has_change_permission(self, request: HttpRequest, obj: FileImport | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: FileImport | None = None) -> bool:
        return False

    # Cells ----------------------------------------------------------------------------------------------

    @admin.display(description="import", ordering="pk")
    def title(self, obj: FileImport) -> str:
        return f"{obj}, {obj.source} : {obj.name}"

    @admin.display(description="lignes")
    def lines_shown(self, obj: FileImport) -> str:
        return counts_in_words(obj.counts) or counted(obj.rows, "ligne", "lignes")

    @admin.display(description="par")
    def author(self, obj: FileImport) -> str:
        return person(obj.done_by or obj.by)

    @admin.display(description="le", ordering="made_at")
    def when(self, obj: FileImport) -> str:
        return moments.moment(obj.done_at or obj.made_at, year=True)

    # Addresses ------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path(f"<int:pk>/{words}/", wrap(page), name=f"families_fileimport_{name}")
            for words, page, name in (
                ("colonnes", self.columns, "columns"),
                ("decider", require_POST(self.decide), "decide"),
                ("importer", require_POST(self.run), "run"),
                ("annuler", require_POST(self.undo), "undo"),
                ("abandonner", require_POST(self.drop), "drop"),
            )
        ]
        model = path("modele/", wrap(require_GET(self.model_file)), name="families_fileimport_sample")
        return [model, *own, *super().get_urls()]

    def _mine(self, request: HttpRequest, pk: int) -> FileImport:
        """One that whoever asks may act on; 404 for another."""
        self.demand(request, IMPORT)
        return get_object_or_404(rights.seen_by(request.user, FileImport.objects.all(), IMPORT), pk=pk)

    # The file arrives -----------------------------------------------------------------------------------

    @takes_tables
    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """A file, read at once: what cannot be read is said before anything is kept."""
        self.demand(request, IMPORT)
        sent = request.method == "POST"
        form = FileForm(request.POST, request.FILES) if sent else FileForm()
        if sent and form.is_valid():
            try:
                return self._received(signed_in(request), form)
            except Refused as refusal:
                form.add_error("file", str(refusal))
        context = {"form": form, "columns": registry.columns(), "parts": registry.parts()}
        return self.page(request, "admin/families/import_new.html", "Importer des familles", context)

    def _received(self, request: SignedInRequest, form: FileForm) -> HttpResponse:
        ask_again(request)
        upload = form.cleaned_data["file"]
        with transaction.atomic():
            file = running.receive(
                upload.read(),
                name=upload.name,
                source=form.cleaned_data["source"],
                by=request.user,
                at=timezone.now(),
            )
            self.log_change(request, file, f"Fichier apporté : {file.name}.")
        return redirect("admin:families_fileimport_columns", file.pk)

    def model_file(self, request: SignedInRequest) -> HttpResponse | FileResponse:
        """Headings, two examples, the rules beside them: as CSV, or as a workbook."""
        self.demand(request, IMPORT)
        if request.GET.get("format") == "xlsx":
            return hand_over(workbook(samples.sheets()), "modele-familles.xlsx")
        return spreadsheet("modele-familles.csv", samples.rows())

    # Its columns ----------------------------------------------------------------------------------------

    def columns(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """Which column is which; then the file is checked."""
        file = self._mine(request, pk)
        if file.state not in (State.RECEIVED, State.CHECKED, State.FAILED):
            return redirect("admin:families_fileimport_change", pk)
        data = request.POST if request.method == "POST" else None
        form = ColumnsForm(data, file=file)
        asked = [(part, running.options_form(part, self._kept(file, part, data))) for part in self._asking()]
        valid = all([form.is_valid(), *(one.is_valid() for _, one in asked if data is not None)])
        if data is not None and valid:
            try:
                matched = running.match(
                    file,
                    form.columns,
                    source=form.cleaned_data["source"],
                    options={name: data[name] for _, one in asked for name in map(one.add_prefix, one.fields)
                             if name in data},
                    at=timezone.now(),
                )  # fmt: skip
            except ImportRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                return self._check(request, matched)
        context = {
            "form": form,
            "asked": asked,
            "file": file,
            "known": sum(1 for field, _ in form.rows if field.value()),
            "aside": running.left_aside(file, request.user),
        }
        return self.page(request, "admin/families/import_columns.html", "Colonnes du fichier", context)

    def _asking(self) -> list[registry.Part]:
        return [part for part in registry.parts() if part.options is not None]

    def _kept(self, file: FileImport, part: registry.Part, data: Any) -> Mapping[str, str] | None:
        """What is posted, or what was said before; nothing yet: its initial values."""
        posted: Mapping[str, str] | None = data
        if posted is not None:
            return posted
        mine = {name: value for name, value in file.options.items() if name.startswith(f"{part.code}-")}
        return mine or None

    def _check(self, request: SignedInRequest, file: FileImport) -> HttpResponse:
        self._take(request, file, running.ask_check, running.check, tasks.check_file)
        return redirect("admin:families_fileimport_change", file.pk)

    def _take(
        self,
        request: SignedInRequest,
        file: FileImport,
        ask: Callable[..., FileImport],
        do: Callable[..., None],
        by_worker: Task[..., None],
        said: str = "",
    ) -> bool:
        """A step of the import: done at once where the file is small, by the worker else. Whether it was
        taken; why not is said."""
        try:
            # What is done at once is one transaction with its asking: of what dies midway nothing stays.
            with transaction.atomic():
                asked = ask(file, by=request.user)
                if said:
                    self.log_change(request, asked, said)
                if running.is_small(asked):
                    do(asked.pk, at=timezone.now())
                else:
                    by_worker.enqueue(asked.pk)
        except ImportRefused as refusal:
            messages.error(request, str(refusal))
            return False
        return True

    # Where it is ----------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        key = posted_number(object_id)
        rows = self.get_queryset(request).select_related("by", "done_by", "undone_by")
        file = None if key is None else rows.filter(pk=key).first()
        if file is None or not self.has_view_permission(request, file):
            raise Http404
        if request.method == "POST":
            raise PermissionDenied
        if file.state == State.RECEIVED and request.user.has_perm(IMPORT):
            return redirect("admin:families_fileimport_columns", file.pk)
        answer = self._follow(signed_in(request), file)
        if file.is_at_work:
            answer["Refresh"] = REFRESH_SECONDS
        return answer

    def _follow(self, request: SignedInRequest, file: FileImport) -> HttpResponse:
        shown = request.GET.get("voir", "")
        lines = file.lines.all()
        if shown in Verdict.values:
            lines = lines.filter(line_verdict=shown)
        numbers = lines.order_by("line").values_list("line", flat=True).distinct()
        page = Paginator(numbers, A_PAGE).get_page(request.GET.get("p"))
        found = lines.filter(line__in=list(page.object_list)).order_by("line", "pk")
        may = request.user.has_perm(IMPORT)
        context = {
            "file": file,
            "state": self.state_badge(file),
            "author": person(file.by),
            "done_by": person(file.done_by),
            "undone_by": person(file.undone_by),
            "counts": [
                (verdict, _badge(verdict, file.counts[verdict]), file.counts[verdict])
                for verdict in VERDICTS
                if file.counts.get(verdict)
            ],
            "shown": shown,
            "lines": [_shown(file, line, list(of), may) for line, of in groupby(found, lambda one: one.line)],
            "page": page,
            "rules": self._rules(file) if file.state == State.CHECKED else [],
            "may": may,
            "why_not": running.why_not(file) if file.state == State.CHECKED else "",
            "wrong": file.counts.get(Verdict.WRONG, 0),
            "to_write": file.counts.get(Verdict.NEW, 0) + file.counts.get(Verdict.CHANGED, 0),
            "made": _made(file),
            "can_undo": file.state == State.DONE and may and file.imported.exists(),
            "has_file": bool(file.file),
        }
        return self.page(request, "admin/families/import.html", f"{file} : {file.name}", context)

    def _rules(self, file: FileImport) -> list[dict[str, Any]]:
        """The kinds of doubts that its rows have, each with what was decided for all."""
        known = registry.doubts()
        said = file.lines.exclude(doubt="").values_list("doubt", "line").distinct()
        waiting = Counter(
            file.lines.filter(verdict=Verdict.DOUBTFUL).order_by().values_list("doubt", flat=True)
        )
        lines = Counter(doubt for doubt, _ in said.order_by())
        return [
            {
                "doubt": known[code],
                "lines": lines[code],
                "waiting": waiting[code],
                "rule": file.decisions.get("rules", {}).get(code, ""),
            }
            for code in sorted(lines, key=lambda code: (-waiting[code], code))
            if code in known
        ]

    # What is decided, what is done ------------------------------------------------------------------------

    def decide(self, request: SignedInRequest, pk: int) -> HttpResponse:
        file = self._mine(request, pk)
        rules: dict[str, str] = {}
        lines: dict[str, str] = {}
        for name in request.POST:
            value = request.POST.get(name, "")
            kind, _, said = name.partition("-")
            if kind == "regle":
                rules[said] = value
            elif kind == "ligne":
                lines[said] = value
        try:
            decided = running.decide(file, rules=rules, lines=lines)
        except ImportRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:families_fileimport_change", pk)
        return self._check(request, decided)

    def run(self, request: SignedInRequest, pk: int) -> HttpResponse:
        file = self._mine(request, pk)
        ask_again(request)
        if self._take(request, file, running.ask_run, running.run, tasks.import_file, "Import demandé."):
            self._say(request, pk)
        return redirect("admin:families_fileimport_change", pk)

    def undo(self, request: SignedInRequest, pk: int) -> HttpResponse:
        file = self._mine(request, pk)
        ask_again(request)
        said = "Annulation demandée."
        if self._take(request, file, running.ask_undo, running.undo, tasks.take_back_file, said):
            self._say(request, pk)
        return redirect("admin:families_fileimport_change", pk)

    def _say(self, request: HttpRequest, pk: int) -> None:
        """What became of it at once, or that it is under way."""
        file = FileImport.objects.get(pk=pk)
        if file.is_at_work:
            messages.info(request, "C'est en cours : cette page en dit l'avancement, on peut la quitter.")
        elif file.trouble:
            messages.error(request, file.trouble)
        elif file.state == State.DONE:
            messages.success(request, "C'est importé. Aucune lettre n'est partie.")
        elif file.state == State.UNDONE:
            messages.success(request, "L'import est annulé : tout est comme avant.")

    def drop(self, request: SignedInRequest, pk: int) -> HttpResponse:
        file = self._mine(request, pk)
        try:
            running.drop(file)
        except ImportRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:families_fileimport_change", pk)
        self.log_change(request, file, "Fichier abandonné.")
        messages.success(request, "Le fichier est abandonné, et effacé.")
        return redirect("admin:families_fileimport_changelist")


def _badge(verdict: str, number: int) -> SafeString:
    return badge(TINTS.get(Verdict(verdict), "cancelled"), counted(number, *VERDICTS[Verdict(verdict)]))


def counts_in_words(counts: Mapping[str, int]) -> str:
    """« 12 nouvelles, 3 changées »."""
    return ", ".join(
        counted(counts[verdict], *words) for verdict, words in VERDICTS.items() if counts.get(verdict)
    )


def _shown(file: FileImport, line: int, said: list[Any], may: bool) -> dict[str, Any]:
    """A line of the file with its sentences, and the choice of each doubt."""
    known = registry.doubts()
    verdict = Verdict(said[0].line_verdict)
    sentences = []
    for one in said:
        doubt = known.get(one.doubt) if file.state == State.CHECKED and may else None
        chosen = file.decisions.get("lines", {}).get(f"{line}:{one.doubt}", "")
        sentences.append({"said": one, "doubt": doubt, "chosen": chosen})
    return {
        "line": line,
        "who": said[0].who,
        "badge": badge(TINTS.get(verdict, "cancelled"), capfirst(VERDICTS[verdict][0])),
        "sentences": sentences,
    }


def _made(file: FileImport) -> list[str]:
    """« 12 foyers : création », « 1 classe : modification »: no word that has to agree."""
    found = []
    for how, word in (("created", "création"), ("changed", "modification")):
        for label, number in file.made.get(how, {}).items():
            model = apps.get_model(label)
            name = counted(number, str(model._meta.verbose_name), str(model._meta.verbose_name_plural))
            found.append(f"{name} : {word}")
    return found
