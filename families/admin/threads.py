"""What families write to the town hall, at the desk: what waits, the page of one, its answer, who has it."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from families.desk_cells import HouseholdLink, person
from families.desk_links import guardian_names, household_page
from families.messages import answers
from families.models import ReadyAnswer, Thread, ThreadKind, User
from families.threads import places, writing
from families.threads.forms import MessageForm
from families.threads.places import AtPlace
from families.threads.writing import Keeper
from portal.desk import rights
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst
from portal.desk.pages import OwnPages, ShownOnly
from portal.desk.site import DeskAdmin, Queue
from portal.french import moments
from portal.french.plurals import counted
from portal.web.form_fields import field_of
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest, signed_in

LATE_AFTER = timedelta(days=3)
# What a page of a thread is posted for.
ACT, ANSWER, ANSWER_AND_CLOSE, NOTE = "acte", "repondre", "repondre-et-clore", "noter"
# A ready-made answer is put into the field; nothing is written.
BEGIN, READY = "reprendre", "reponse-prete"
# What a button does, and what is said once it is done.
DONE = {
    "prendre": "Vous suivez ce message.",
    "rendre": "Ce message est rendu à tous.",
    "clore": "L'échange est clos. « Rouvrir » le remet en attente.",
    "rouvrir": "L'échange attend de nouveau une réponse.",
}
SEEN = "vu"
EVERYBODY = "tous"


def _waiting(request: HttpRequest) -> QuerySet[Thread]:
    return Thread.objects.waiting()


class ThreadStates(WaitingFirst):
    """Those that wait first."""

    states = Thread.State
    waiting = Thread.State.WAITING


class KeptBy(admin.SimpleListFilter):
    """Who has it."""

    title = "suivi"
    parameter_name = "suivi"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [
            ("moi", "Par moi"),
            ("roles", "Par un de mes rôles"),
            ("lieux", "Par un de mes lieux"),
            ("personne", "Par personne"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "moi":
                return queryset.filter(agent=request.user)
            case "roles":
                return queryset.filter(role__in=request.user.groups.all())
            case "lieux":
                return queryset.filter(pk__in=places.of(request.user).values("pk"))
            case "personne":
                return queryset.filter(agent=None, role=None, **dict.fromkeys(places.known(), None))
        return queryset


class HandForm(forms.Form):
    """To whom a thread is handed over."""

    to = forms.ChoiceField(label="Passer à")

    def __init__(
        self, *args: Any, agents: list[User], roles: list[Group], at: list[AtPlace], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.known: dict[str, Keeper] = {f"agent-{one.pk}": one for one in agents}
        self.known |= {f"role-{one.pk}": one for one in roles}
        self.known |= {f"lieu-{one.key}": one for one in at}
        of_places = [("Lieux de la famille", [(f"lieu-{one.key}", one.name) for one in at])] if at else []
        field_of(self, "to", forms.ChoiceField).choices = [
            ("Agents", [(f"agent-{one.pk}", person(one)) for one in agents]),
            ("Rôles", [(f"role-{one.pk}", str(one)) for one in roles]),
            *of_places,
            ("À tous", [(EVERYBODY, "Personne en particulier")]),
        ]

    @property
    def chosen(self) -> Keeper | None:
        return self.known.get(self.cleaned_data["to"])


@admin.register(ThreadKind)
class ThreadKindAdmin(DeskAdmin[ThreadKind]):
    """What families may say that they write about: without any, they are not asked."""

    desk_order = 27
    list_display = ("name", "active", "order")
    list_filter = ("active",)
    search_fields = ("name",)


class ReadyAnswerForm(forms.ModelForm[ReadyAnswer]):
    """A variable that nobody knows is refused, with its name."""

    def clean_text(self) -> str:
        text: str = self.cleaned_data["text"]
        if sentence := answers.refusal(text):
            raise forms.ValidationError(sentence)
        return text


@admin.register(ReadyAnswer)
class ReadyAnswerAdmin(DeskAdmin[ReadyAnswer]):
    """What agents begin an answer with: without any, nothing is offered."""

    desk_order = 28
    list_display = ("name", "kind", "active", "order")
    list_filter = ("kind", "active")
    list_select_related = ("kind",)
    search_fields = ("name", "text")
    form = ReadyAnswerForm
    fields = ("name", "kind", "text", "order", "active")

    def get_form(
        self, request: HttpRequest, obj: ReadyAnswer | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if "text" in form.base_fields:
            offered = ", ".join(f"{{{name}}}" for name in answers.VARIABLES)
            form.base_fields["text"].help_text = f"Vous pouvez écrire\xa0: {offered}."
        return form


@admin.register(Thread)
class ThreadAdmin(HouseholdLink, StateBadge, NumberSearch[Thread], ShownOnly[Thread], OwnPages[Thread]):
    """Its page is the thread itself, with the form of the answer."""

    desk_order = 12
    work_queues = (
        Queue("Messages des familles", _waiting, order=12, since="waiting_since", late_after=LATE_AFTER),
    )
    list_display = (
        "subject",
        "household_link",
        "kind",
        "child",
        "received",
        "keeper",
        "answered",
        "state_badge",
    )
    list_display_links = ("subject",)
    list_filter = (ThreadStates, KeptBy, "kind")
    list_select_related = ("household", "kind", "child", "agent", "role")
    search_fields = ("subject", "household__guardians__folded")
    search_help_text = "Sujet, nom d'un responsable, ou numéro de foyer"
    ordering = ("waiting_since", "-last_at", "pk")
    takes_files = True
    tints = {"waiting": "requested", "answered": "accepted", "closed": "draft"}
    fields = readonly_fields = ("subject", "received", "keeper", "answered", "state_badge")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Thread]:
        return super().get_queryset(request).annotate(**places.known())

    # Cells ------------------------------------------------------------------------------------------------

    @admin.display(description="reçu le", ordering="opened_at")
    def received(self, obj: Thread) -> str:
        return moments.moment(obj.opened_at, year=True)

    @admin.display(description="suivi par")
    def keeper(self, obj: Thread) -> str:
        if obj.role:
            return f"rôle {obj.role}"
        at_place: str | None = getattr(obj, "place", None)
        return at_place or person(obj.agent)

    @admin.display(description="première réponse")
    def answered(self, obj: Thread) -> str:
        if obj.answered_in is None:
            return "–"
        return f"en {counted(obj.answered_in, 'jour', 'jours')}" if obj.answered_in else "le jour même"

    # The page of one ----------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        thread = self._thread(request, posted_number(object_id))
        if request.method != "POST":
            return self._show(request, thread, MessageForm())
        self._demand_to_act(request, thread)
        act = request.POST.get(ACT, "")
        if act == BEGIN:
            return self._begin(signed_in(request), thread)
        if act in (ANSWER, ANSWER_AND_CLOSE, NOTE):
            return self._say(signed_in(request), thread, act)
        self._do(signed_in(request), thread, act)
        return redirect(request.path)

    def _thread(self, request: HttpRequest, key: int | None) -> Thread:
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = self.get_queryset(request).select_related(*self.list_select_related)
        if key is None:
            raise Http404
        return get_object_or_404(rows, pk=key)

    def _may_act(self, request: HttpRequest, thread: Thread) -> bool:
        return self.has_decide_permission(request) and self.may(request, thread, "decide")

    def _demand_to_act(self, request: HttpRequest, thread: Thread) -> None:
        if not self._may_act(request, thread):
            raise PermissionDenied

    def _show(self, request: HttpRequest, thread: Thread, form: MessageForm) -> HttpResponse:
        read = writing.read_at_the_desk(thread, signed_in(request).user, timezone.now())
        said = list(read.prefetch_related("files__document"))
        form.fields["text"].label = "Votre réponse"
        user = request.user
        context = {
            "thread": thread,
            "said": said,
            "seen": max((one.pk for one in said), default=0),
            "form": form,
            "may_act": self._may_act(request, thread),
            "is_mine": thread.agent_id == user.pk,
            "keeper": self.keeper(thread),
            "answered": self.answered(thread),
            "state": self.state_badge(thread),
            "family": guardian_names([thread.household_id])[thread.household_id],
            "household_url": household_page(thread.household_id),
            "ready": answers.offered(thread) if self._may_act(request, thread) else (),
            "hand_url": reverse("admin:families_thread_hand", args=[thread.pk]),
        }
        return self.page(request, "admin/families/thread.html", thread.subject, context)

    def _begin(self, request: SignedInRequest, thread: Thread) -> HttpResponse:
        """The form again, with a ready-made answer after what was typed; nothing is written."""
        key = posted_number(request.POST.get(READY, ""))
        chosen = next((one for one in answers.offered(thread) if one.pk == key), None)
        if chosen is None:
            messages.warning(request, "Choisissez une réponse prête.")
            return self._show(request, thread, MessageForm(initial={"text": request.POST.get("text", "")}))
        typed = request.POST.get("text", "").strip()
        text = answers.said(chosen, thread, timezone.localdate())
        whole = f"{typed}\n\n{text}" if typed else text
        return self._show(request, thread, MessageForm(initial={"text": whole}))

    def _say(self, request: SignedInRequest, thread: Thread, act: str) -> HttpResponse:
        """An answer or a note; what cannot be written comes back with all that was typed."""
        form = MessageForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._show(request, thread, form)
        if act == NOTE and form.brought:
            form.add_error("attached", "Une note interne n'a pas de pièce jointe.")
            return self._show(request, thread, form)
        text, at = form.cleaned_data["text"], timezone.now()
        try:
            if act == NOTE:
                writing.note(thread, text, by=request.user, at=at)
            else:
                writing.answer(
                    thread,
                    text,
                    form.brought,
                    seen=posted_number(request.POST.get(SEEN, "")) or 0,
                    by=request.user,
                    at=at,
                    and_close=act == ANSWER_AND_CLOSE,
                )
        except writing.ThreadRefused as refusal:
            form.add_error(None, str(refusal))
            return self._show(request, self._thread(request, thread.pk), form)
        if act == NOTE:
            messages.success(request, "La note est écrite. La famille ne la voit pas.")
        else:
            self.log_change(request, thread, "Réponse envoyée.")
            messages.success(request, "Votre réponse est envoyée. La famille est prévenue par e-mail.")
        return redirect(request.path)

    def _do(self, request: SignedInRequest, thread: Thread, act: str) -> None:
        if act not in DONE:
            raise PermissionDenied
        user, at = request.user, timezone.now()
        try:
            match act:
                case "prendre":
                    writing.hand(thread, user, by=user, at=at)
                case "rendre":
                    writing.hand(thread, None, by=user, at=at)
                case "clore":
                    writing.close(thread, by=user, at=at)
                case "rouvrir":
                    writing.reopen(thread, by=user, at=at)
        except writing.ThreadRefused as refusal:
            messages.warning(request, str(refusal))
        else:
            messages.success(request, DONE[act])

    # Handing over -------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        hand = self.admin_site.admin_view(self.hand)
        return [path("<int:pk>/passer/", hand, name="families_thread_hand"), *super().get_urls()]

    def hand(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """To a colleague who may answer it, to all who hold a role, to a place, or back to everybody."""
        found = self._thread(request, pk)
        self._demand_to_act(request, found)
        staff = User.objects.filter(is_staff=True, is_active=True).order_by("last_name", "first_name", "pk")
        agents = [
            one for one in staff if one.has_perm(writing.RIGHT) and rights.may(one, found, writing.RIGHT)
        ]
        permission = Q(permissions__content_type__app_label="families", permissions__codename="change_thread")
        roles = list(Group.objects.filter(permission).distinct().order_by("name"))
        there = places.offered(found)
        form = HandForm(request.POST or None, agents=agents, roles=roles, at=there)
        back = reverse("admin:families_thread_change", args=[found.pk])
        if request.method == "POST" and form.is_valid():
            writing.hand(found, form.chosen, by=request.user, at=timezone.now())
            messages.success(request, "Le message est passé. L'échange garde qui l'a fait.")
            return redirect(back)
        context = {"form": form, "button": "Passer", "back": back, "lead": f"« {found.subject} »"}
        return self.page(request, "admin/families/form.html", "Passer ce message", context)
