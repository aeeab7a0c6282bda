"""Papers at the desk: kinds, those that wait, those seen or asked for at the counter, who lacks which."""

from datetime import date, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString

from families.admin.foreseen import called
from families.desk_cells import HouseholdLink, person
from families.desk_links import document_link, guardian_names, papers_page
from families.models import Child, Household, Paper, PaperKind, in_force, openable
from families.papers import asking, lasting, missing, sending
from families.texts import accepting
from portal.desk import previews, rights
from portal.desk.decisions import AcceptOrRefuse, Decidable, Decision, confirm_page
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst
from portal.desk.pages import OwnPages, WithHistory, log_all
from portal.desk.previews import Preview, ShowsPreview, Table, Typed
from portal.desk.site import DeskLink, Queue
from portal.files import uploads
from portal.french import moments
from portal.french.dates import months_after, short_day
from portal.french.day_fields import DayField
from portal.french.plurals import counted
from portal.web.bodies import takes_files
from portal.web.form_fields import field_of
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

REFUSALS = (
    "Le papier est illisible : envoyez-en un autre.",
    "Ce n'est pas le papier demandé.",
    "Le papier n'est plus valable : envoyez le plus récent.",
    "Il manque une page, ou une signature.",
    "Le papier ne concerne pas cet enfant.",
)
SOON = timedelta(days=30)
# Accepted together, each with its own last day.
MOST_TOGETHER = 50
MOST_FOUND = 20
A_PAGE = 50


def _homes() -> QuerySet[Household]:
    """Of whom a paper may be asked: what was joined to another is that one's."""
    return Household.objects.filter(erased_at=None, joined_to=None)


@admin.register(PaperKind)
class PaperKindAdmin(ShowsPreview[PaperKind], WithHistory[PaperKind]):
    """What the town may ask for; which activities ask for it stands on their own pages."""

    desk_order = 26
    list_display = ("name", "about", "lasts", "way", "secrecy", "active", "order")
    list_filter = ("about", "secrecy", "active")
    search_fields = ("name", "code")
    prepopulated_fields = {"code": ("name",)}
    fieldsets = (
        (None, {"fields": ("name", "code", "purpose", "about", "active", "order")}),
        ("Jusqu'à quand il vaut", {"fields": ("lasts", "months", "remind_days")}),
        ("Comment il est donné, et qui l'ouvre", {"fields": ("way", "secrecy")}),
    )

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        # A code that the town's file names does not follow a name that changes.
        return {} if obj else dict(self.prepopulated_fields)

    def preview(self, typed: Typed[PaperKind], request: HttpRequest, at: datetime) -> Preview:
        """Until when a paper sent today is good, by the date it bears, and when the next one is asked for."""
        row, today = typed.row, timezone.localdate(at)
        shown = []
        for months in (0, 1, 2, 4):
            dated = months_after(today, -months)
            last = lasting.end(
                row.lasts,
                months=row.months,
                dated_on=dated,
                written_on_it=today + timedelta(days=180),
                year_ends=asking.year_end(today),
            )
            until, then = "pour toujours", "–"
            if last is not None:
                until = f"jusqu'au {moments.day(last, year=True)}" if last >= today else "n'est plus valable"
                reminded = last - timedelta(days=row.remind_days)
                then = moments.day(max(reminded, today), year=True).capitalize() if last >= today else "–"
            shown.append(previews.row(moments.day(dated, year=True).capitalize(), until, then))
        notes = []
        if row.lasts == PaperKind.Lasts.OWN_DATE:
            notes = ["Un papier sur lequel est écrite une fin dans six mois."]
        heads = ("Daté du", "Il vaut", "Le suivant est demandé le")
        return Preview(notes=notes, tables=[Table("Un papier envoyé aujourd'hui", heads, shown)])


class PaperStates(WaitingFirst):
    """Those that wait first; and of those accepted, the ones that end soon."""

    states = Paper.State
    waiting = Paper.State.SENT
    soon = "bientot"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        found = super().lookups(request, model_admin)
        return [*found, (self.soon, f"Accepté, finit sous {SOON.days} jours")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == self.soon:
            today = timezone.localdate()
            return queryset.filter(state=Paper.State.ACCEPTED, ends_on__range=(today, today + SOON))
        return super().queryset(request, queryset)


class EndsForm(forms.Form):
    """Until when each paper is good, as proposed; and which file was looked at."""

    def __init__(
        self, *args: Any, papers: list[Paper], proposed: dict[int, date | None], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.papers = papers
        for paper in papers:
            if paper.kind.lasts != PaperKind.Lasts.FOR_EVER:
                said = []
                if paper.dated_on:
                    said.append(f"Daté du {short_day(paper.dated_on, year=True)}, d'après la famille.")
                if paper.ends_on:
                    said.append("La date de fin que la famille a lue : vérifiez-la.")
                self.fields[f"ends-{paper.pk}"] = DayField(
                    label=f"{paper}, valable jusqu'au", initial=proposed[paper.pk], help_text=" ".join(said)
                )
            self.fields[f"file-{paper.pk}"] = forms.IntegerField(
                required=False, widget=forms.HiddenInput, initial=paper.document_id
            )

    def end_of(self, paper: Paper) -> date | None:
        found: date | None = self.cleaned_data.get(f"ends-{paper.pk}")
        return found

    def file_of(self, paper: Paper) -> int | None:
        found: int | None = self.cleaned_data.get(f"file-{paper.pk}")
        return found


class NoteForm(forms.Form):
    """A paper seen at the counter, or asked of this family."""

    SEEN, ASK = "seen", "ask"

    paper = forms.ChoiceField(label="Papier")
    what = forms.ChoiceField(
        label="Que faire",
        choices=[(SEEN, "Vu au guichet : l'accepter"), (ASK, "Le demander à cette famille")],
        initial=SEEN,
        widget=forms.RadioSelect,
    )
    seen_on = DayField(label="Vu le", required=False)
    dated_on = DayField(
        label="Daté du",
        required=False,
        help_text="Pour un papier valable un nombre de mois. Vide : du jour vu.",
    )
    ends_on = DayField(
        label="Valable jusqu'au",
        required=False,
        help_text="Vide : selon la durée de ce papier. À remplir s'il porte sa propre date de fin.",
    )
    file = forms.FileField(
        label="Copie", required=False, help_text="Facultative : PDF, JPEG, PNG ou HEIC, 10 Mo au plus."
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field_of(self, "paper", forms.ChoiceField).choices = choices
        self.content_type = ""

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file:
            self.content_type = uploads.check(file)
        return file

    def clean(self) -> dict[str, Any]:
        super().clean()
        unsaid = not self.cleaned_data.get("seen_on") and "seen_on" not in self.errors
        if self.cleaned_data.get("what") == self.SEEN and unsaid:
            self.add_error("seen_on", "Indiquez le jour où vous avez vu ce papier.")
        return self.cleaned_data


def _waiting_for(request: HttpRequest) -> QuerySet[Paper]:
    return Paper.objects.waiting().filter(openable(request.user))


@admin.register(Paper)
class PaperAdmin(
    HouseholdLink,
    StateBadge,
    AcceptOrRefuse[Paper],
    NumberSearch[Paper],
    Decidable[Paper],
    WithHistory[Paper],
    OwnPages[Paper],
):
    """Papers that families sent wait here; those of health and of justice for who may open them."""

    desk_order = 25
    work_queues = (Queue("Papiers à vérifier", _waiting_for, order=24, since="sent_at"),)
    desk_links = (
        DeskLink(
            "Noter ou demander un papier",
            "families_paper_find",
            sending.MAY_TAKE,
            "vu au guichet, ou à demander à une famille",
        ),
        DeskLink(
            "Papiers manquants", "families_paper_missing", "families.view_paper", "qui n'a pas donné quoi"
        ),
    )
    list_display = ("kind", "whose", "household_link", "received", "until", "proof_link", "state_badge")
    list_display_links = ("kind",)
    list_filter = (PaperStates, "kind")
    list_select_related = ("kind", "child", "household", "document")
    search_fields = ("child__folded", "household__guardians__folded")
    search_help_text = "Nom d'un enfant ou d'un responsable, ou numéro de foyer"
    ordering = ("sent_at", "pk")
    actions = (*AcceptOrRefuse.actions, "stop_asking_selected")
    decisions = (
        Decision("accept_selected", "Accepter…", main=True),
        Decision("refuse_selected", "Refuser…"),
    )
    refusals = REFUSALS
    refuse_title = "Refuser des papiers"
    tints = {"awaited": "draft", "sent": "requested", "expired": "cancelled"}
    fields = readonly_fields = (
        "kind",
        "whose",
        "household_link",
        "state_badge",
        "proof_link",
        "received",
        "sent_by_name",
        "dated_on",
        "starts_on",
        "until",
        "seen_on",
        "asked_on",
        "decided_by_name",
        "decided_at",
        "refusal_reason",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Paper]:
        return super().get_queryset(request).filter(openable(request.user))

    def waits(self, obj: Paper) -> bool:
        return obj.state == Paper.State.SENT

    # Answers --------------------------------------------------------------------------------------------

    @admin.action(description="Accepter…", permissions=["decide"])
    def accept_selected(self, request: SignedInRequest, queryset: QuerySet[Paper]) -> HttpResponse | None:
        """Each with its last day, proposed by the rule of its kind."""
        found = queryset.filter(state=Paper.State.SENT).select_related("kind", "child", "household")
        papers = list(found[: MOST_TOGETHER + 1])
        if not papers:
            self.message_user(request, "Aucun de ces papiers n'attend de réponse.", messages.WARNING)
            return None
        if len(papers) > MOST_TOGETHER:
            self.message_user(request, f"Choisissez {MOST_TOGETHER} papiers au plus.", messages.ERROR)
            return None
        proposed = sending.proposed_ends(papers, timezone.localdate())
        confirmed = request.POST if "confirmed" in request.POST else None
        form = EndsForm(confirmed, papers=papers, proposed=proposed)
        if form.is_bound and form.is_valid() and self._accept(request, form):
            return None
        title = "Accepter ce papier" if len(papers) == 1 else "Accepter ces papiers"
        return confirm_page(
            self,
            request,
            Paper.objects.filter(pk__in=[paper.pk for paper in papers]),
            action="accept_selected",
            title=title,
            button="Accepter et prévenir la famille",
            template="admin/families/paper_accept.html",
            form=form,
        )

    def _accept(self, request: SignedInRequest, form: EndsForm) -> bool:
        """Whether all is said and done; what cannot be accepted is said at its field."""
        done, left = [], 0
        for paper in form.papers:
            try:
                sending.accept(
                    paper,
                    ends_on=form.end_of(paper),
                    looked_at=form.file_of(paper),
                    by=request.user,
                    at=timezone.now(),
                )
            except sending.AlreadyAnswered:
                left += 1
            except sending.PaperRefused as refusal:
                form.add_error(
                    f"{refusal.field.partition('_')[0]}-{paper.pk}" if refusal.field else None, str(refusal)
                )
            else:
                done.append(paper)
        log_all(request, done, "Papier accepté.")
        if done or left:
            self._say(request, counted(len(done), "papier accepté", "papiers acceptés"), left)
        form.papers = [paper for paper in form.papers if paper not in done]
        return form.is_valid()

    def refuse_rows(self, request: SignedInRequest, queryset: QuerySet[Paper], reason: str) -> None:
        done, left = [], 0
        for row in queryset:
            try:
                done.append(sending.refuse(row, reason=reason, by=request.user, at=timezone.now()))
            except sending.AlreadyAnswered:
                left += 1
        log_all(request, done, f"Papier refusé. Motif : {reason}")
        self._say(request, counted(len(done), "papier refusé", "papiers refusés"), left)

    @admin.action(description="Ne plus demander", permissions=["decide"])
    def stop_asking_selected(self, request: SignedInRequest, queryset: QuerySet[Paper]) -> None:
        """Of what the town hall asked of a family by hand."""
        rows = list(queryset.filter(asked_on__isnull=False).select_related("kind", "household", "child"))
        for row in rows:
            sending.stop_asking(row)
        log_all(request, {row.household for row in rows}, "Papier qui n'est plus demandé.")
        self._say(
            request, counted(len(rows), "papier n'est plus demandé", "papiers ne sont plus demandés"), 0
        )

    def _say(self, request: SignedInRequest, text: str, left: int) -> None:
        if left:
            text += f", {counted(left, 'avait déjà sa réponse', 'avaient déjà leur réponse')}"
        self.message_user(request, f"{text}.", messages.WARNING if left else messages.SUCCESS)

    # Cells ----------------------------------------------------------------------------------------------

    @admin.display(description="de qui", ordering="child__last_name")
    def whose(self, obj: Paper) -> str:
        return str(obj.child) if obj.child else "le foyer"

    @admin.display(description="reçu le", ordering="sent_at")
    def received(self, obj: Paper) -> str:
        return moments.moment(obj.sent_at, year=True) if obj.sent_at else "–"

    @admin.display(description="valable jusqu'au", ordering="ends_on")
    def until(self, obj: Paper) -> str:
        return short_day(obj.ends_on, year=True) if obj.ends_on else "–"

    @admin.display(description="fichier")
    def proof_link(self, obj: Paper) -> SafeString | str:
        if obj.document is not None:
            return document_link(obj.document)
        return f"vu au guichet le {short_day(obj.seen_on, year=True)}" if obj.seen_on else "–"

    @admin.display(description="envoyé par")
    def sent_by_name(self, obj: Paper) -> str:
        return person(obj.sent_by)

    @admin.display(description="traité par")
    def decided_by_name(self, obj: Paper) -> str:
        return person(obj.decided_by)

    # Pages of their own -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("noter/", wrap(self.find), name="families_paper_find"),
            path("noter/<int:household>/", wrap(self.note), name="families_paper_note"),
            path("manquants/", wrap(self.missing), name="families_paper_missing"),
            *super().get_urls(),
        ]

    def find(self, request: SignedInRequest) -> HttpResponse:
        """Whose paper: a household, by its number or a name."""
        self.demand(request, sending.MAY_TAKE)
        words = request.GET.get("q", "").strip()
        found: list[Household] = []
        if words:
            homes = rights.seen_by(request.user, _homes(), sending.MAY_TAKE)
            rows = called(self.admin_site, request, homes, words).prefetch_related("guardians", "children")
            found = list(rows.order_by("pk")[:MOST_FOUND])
        context = {"words": words, "homes": found, "most": MOST_FOUND}
        return self.page(request, "admin/families/paper_find.html", "Noter ou demander un papier", context)

    @takes_files
    def note(self, request: SignedInRequest, household: int) -> HttpResponse:
        """What was seen at the counter, or is asked for: of the household, or of a child that lives there."""
        self.demand(request, sending.MAY_TAKE)
        at = timezone.now()
        today = timezone.localdate(at)
        homes = rights.seen_by(request.user, _homes(), sending.MAY_TAKE)
        home = get_object_or_404(homes, pk=household)
        living = Child.objects.living_in(home, today).order_by("birth_date", "pk")
        children = {child.pk: child for child in rights.seen_by(request.user, living, sending.MAY_TAKE)}
        kinds = [kind for kind in PaperKind.objects.filter(active=True) if request.user.has_perm(kind.right)]
        choices = [
            (
                f"{kind.pk}:{child.pk if child else ''}",
                f"{child.first_name if child else 'Le foyer'} : {kind}",
            )
            for child in (None, *children.values())
            for kind in kinds
            if kind.is_childs == (child is not None)
        ]
        posted = request.method == "POST"
        form = NoteForm(
            request.POST if posted else None,
            request.FILES if posted else None,
            choices=choices,
            initial={"seen_on": today},
        )
        if posted and form.is_valid():
            chosen, _, child = form.cleaned_data["paper"].partition(":")
            kind = next(one for one in kinds if one.pk == int(chosen))
            if self._note(request, home, kind, children[int(child)] if child else None, form):
                return redirect(papers_page(home.pk))
        details = [form[name] for name in ("seen_on", "dated_on", "ends_on", "file")]
        context = {"home": home, "form": form, "choices": choices, "details": details}
        context["texts"] = bool(in_force(today)) and request.user.has_perm(accepting.RIGHT)
        return self.page(request, "admin/families/paper_note.html", "Noter ou demander un papier", context)

    def _note(
        self, request: SignedInRequest, home: Household, kind: PaperKind, child: Child | None, form: NoteForm
    ) -> bool:
        said = form.cleaned_data
        at = timezone.now()
        try:
            if said["what"] == NoteForm.ASK:
                paper = sending.ask(home, kind, child, at=at)
                done, told = "Papier demandé à la famille.", "Le papier est demandé. La famille est prévenue."
            else:
                given = sending.Said(said["file"], form.content_type, said["dated_on"], said["ends_on"])
                paper = sending.take(
                    home, kind, child, given, seen_on=said["seen_on"], by=request.user, at=at
                )
                done, told = "Papier vu au guichet, accepté.", "Le papier est noté. La famille est prévenue."
        except sending.PaperRefused as refusal:
            form.add_error(refusal.field or None, str(refusal))
            return False
        log_all(request, [paper], done)
        messages.success(request, told)
        return True

    def missing(self, request: SignedInRequest) -> HttpResponse:
        """Who has not given what is asked: of one kind, or of all."""
        self.demand(request, "families.view_paper")
        right = "families.view_paper"
        kinds = [kind for kind in PaperKind.objects.filter(active=True) if request.user.has_perm(kind.right)]
        wanted = posted_number(request.GET.get("papier", ""))
        chosen = {kind.pk for kind in kinds if wanted in (None, kind.pk)}
        homes = rights.seen_by(request.user, _homes(), right)
        seen = rights.seen_by(request.user, Child.objects.all(), right)
        lines = missing.lines(homes, seen, chosen, timezone.localdate())
        page = Paginator(lines, A_PAGE).get_page(request.GET.get("page"))
        adults = guardian_names(line.household for line in page)
        rows = [(line, adults[line.household]) for line in page]
        context = {"kinds": kinds, "wanted": wanted, "page": page, "rows": rows, "total": len(lines)}
        return self.page(request, "admin/families/paper_missing.html", "Papiers manquants", context)
