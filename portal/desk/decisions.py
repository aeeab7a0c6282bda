"""Decisions at the desk: buttons on a row and on many, asked twice, refused with a reason."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from portal.desk import held, reasons
from portal.desk.pages import Decides, ShownOnly
from portal.desk.site import DeskAdmin, M
from portal.french import moments
from portal.french.plurals import counted
from portal.french.sentences import lower_first
from portal.models import HeldDecision
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

OWN_REASON = "autre"
# The buttons of decisions on a page that is also typed in.
DECISION_FIELD = "_decision"
# A confirmation names that many rows; it counts the others.
ROWS_NAMED = 50


@dataclass(frozen=True)
class Decision:
    """A button of a change page that runs one of the list's actions on the row shown."""

    action: str
    label: str
    main: bool = False


@dataclass(frozen=True)
class Answer:
    """How a request was answered, by whom and when; `reason`: what the family reads where it was refused."""

    how: str
    by: str
    at: datetime
    reason: str = ""

    def of(self, name: str) -> str:
        """« Demande 12 avait déjà sa réponse : acceptée, par Nadia Fournier, lundi 9 novembre à 10 h. »"""
        who = f", par {self.by}" if self.by else ""
        why = f" Motif\xa0: {self.reason}" if self.reason else ""
        how = f"{lower_first(self.how)}{who}, {moments.moment(self.at)}"
        return f"{name} avait déjà sa réponse\xa0: {how}.{why}"


# An answer to what waits: where somebody else has given one meanwhile, the second is told which.
ANSWERS = ("accept_selected", "refuse_selected", "confirm_selected")
DECIDED = "Une décision est en cours\xa0: {}. Jusque-là, qui l'a prise la reprend depuis « À traiter »."
STILL_WAITS = ("requested", "waiting", "expected", "sent")
ANSWERED_NAMED = 5


class DecisionButtons(Decides[M]):
    """The list's actions, also as buttons on the page of one row that waits.

    Where the page can be typed in, a decision saves what was typed first; what is not valid decides nothing.
    """

    decisions: Sequence[Decision] = ()
    change_form_template = "admin/decisions/decidable.html"

    def waits(self, obj: M) -> bool:
        """Whether the row still waits for a decision."""
        raise NotImplementedError

    def answer_of(self, row: M) -> Answer | None:
        """What was answered to a row; None where it still waits, or where nobody keeps that."""
        found: Any = row
        at = getattr(found, "decided_at", None) or getattr(found, "answered_at", None)
        if at is None or found.state in STILL_WAITS:
            return None
        by = getattr(found, "decided_by", None) or getattr(found, "answered_by", None)
        name = (by.get_full_name() or by.get_username()) if by else getattr(found, "answered_by_name", "")
        return Answer(found.get_state_display(), name, at, getattr(found, "refusal_reason", ""))

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {
            name: (self._telling(function) if name in ANSWERS else function, *named)
            for name, (function, *named) in super().get_actions(request).items()
        }

    def _telling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """An answer to the rows that wait for one; of the others is said who answered, when and how."""

        @wraps(function)
        def telling(model_admin: Any, request: HttpRequest, queryset: QuerySet[M]) -> Any:
            answered = self._answered(list(queryset))
            if not answered:
                return function(model_admin, request, queryset)
            for said in list(answered.values())[:ANSWERED_NAMED]:
                messages.warning(request, said)
            if (more := len(answered) - ANSWERED_NAMED) > 0:
                messages.warning(
                    request, f"{counted(more, 'autre avait', 'autres avaient')} déjà une réponse."
                )
            waiting = queryset.exclude(pk__in=list(answered))
            return function(model_admin, request, waiting) if waiting.exists() else None

        return telling

    def _answered(self, rows: Sequence[M]) -> dict[Any, str]:
        """By row (key) that somebody has answered, or decided to, the sentence that says how."""
        decided = self.held_about(rows)
        found = {}
        for row in rows:
            if (one := self.answer_of(row)) is not None:
                found[row.pk] = one.of(self.name_of(row))
            elif (first := decided.get(row.pk)) is not None:
                found[row.pk] = f"{self.name_of(row)} a déjà une décision\xa0: {held.in_words(first)}."
        return found

    def held_about(self, rows: Sequence[M]) -> dict[Any, HeldDecision]:
        """By row (key), the decision about it that can still be taken back."""
        return dict(held.of(self.model, [row.pk for row in rows]))

    def decisions_for(self, obj: M) -> Sequence[Decision]:
        """The buttons that make sense for a row that waits."""
        return self.decisions

    def buttons_for(self, request: HttpRequest, obj: M) -> Sequence[Decision]:
        """The buttons of a row that waits, for who asks; where somebody has decided already, that is said."""
        may_decide = self.has_decide_permission(request) and self.may(request, obj, "decide")
        if not (may_decide and self.waits(obj)):
            return ()
        if decided := self.held_about([obj]):
            messages.info(request, DECIDED.format(held.in_words(decided[obj.pk])))
            return ()
        return self.decisions_for(obj)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        context = {
            "decisions": () if obj is None else self.buttons_for(request, obj),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "decision_field": DECISION_FIELD,
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def response_change(self, request: HttpRequest, obj: M) -> HttpResponse:
        wanted = request.POST.get(DECISION_FIELD, "")
        if wanted not in {decision.action for decision in self.decisions_for(obj)}:
            return super().response_change(request, obj)
        decide = self.get_actions(request).get(wanted)
        if decide is None:
            raise PermissionDenied
        answer: object = decide[0](self, request, self.get_queryset(request).filter(pk=obj.pk))
        if not isinstance(answer, TemplateResponse):
            return self.response_post_save_change(request, obj)
        # A page that asks for more goes on as it does from the list.
        queue = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist"
        answer.context_data = (answer.context_data or {}) | {"form_url": reverse(queue)}
        return answer


class Decidable(DecisionButtons[M], ShownOnly[M]):
    """A queue whose rows only its actions write."""


class ReasonForm(forms.Form):
    """A ready-made reason, or one's own words; the family reads it."""

    ready = forms.ChoiceField(label="Motif", widget=forms.RadioSelect, required=False)
    words = forms.CharField(
        label="Vos mots",
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=300,
        required=False,
        help_text="Ces mots remplacent le motif choisi. 300 caractères au plus.",
    )

    def __init__(self, *args: Any, ready: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reasons = [(reason, reason) for reason in ready]
        field_of(self, "ready", forms.ChoiceField).choices = [*reasons, (OWN_REASON, "Un autre motif")]

    def clean(self) -> dict[str, Any]:
        super().clean()
        cleaned = self.cleaned_data
        reason = _reason(cleaned.get("words", ""), cleaned.get("ready", ""))
        if not reason and not self.errors:
            self.add_error("words", "Indiquez le motif : la famille le lira.")
        cleaned["reason"] = reason
        return cleaned


def _reason(words: str, ready: str) -> str:
    return words or (ready if ready != OWN_REASON else "")


def refusal_in(posted: Mapping[str, list[str]]) -> str:
    """The reason in a form that was kept as it was posted, to `ask_reason`."""
    words, ready = ("".join(posted.get(name, [])[-1:]).strip() for name in ("words", "ready"))
    return _reason(words, ready)


def ask_reason(
    model_admin: DeskAdmin[M],
    request: HttpRequest,
    queryset: QuerySet[M],
    *,
    action: str,
    title: str,
    button: str,
    ready: Sequence[str],
) -> str | HttpResponse:
    """The reason once it is given; until then, the page that asks for it."""
    form = ReasonForm(request.POST if "reason_given" in request.POST else None, ready=ready)
    if form.is_bound and form.is_valid():
        reason: str = form.cleaned_data["reason"]
        return reason
    return confirm_page(
        model_admin,
        request,
        queryset,
        action=action,
        title=title,
        button=button,
        template="admin/decisions/reason.html",
        form=form,
    )


def confirm_page(
    model_admin: DeskAdmin[M],
    request: HttpRequest,
    queryset: QuerySet[M],
    *,
    action: str,
    title: str,
    button: str,
    template: str,
    **context: Any,
) -> TemplateResponse:
    """A page between a list's action and its effect; its form posts the same selection again.

    It names the rows by the model admin's `name_of(row)`.
    """
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    across = request.POST.get("select_across", "0")
    rows = list(queryset[:ROWS_NAMED]) if across == "1" else list(queryset)
    total = queryset.count() if across == "1" else len(rows)
    return TemplateResponse(
        request,
        template,
        model_admin.admin_site.each_context(request)
        | {
            "title": title,
            "subtitle": None,
            "opts": model_admin.opts,
            "media": model_admin.media,
            "rows": rows[:ROWS_NAMED],
            "names": [model_admin.name_of(row) for row in rows[:ROWS_NAMED]],
            "unnamed": total - len(rows[:ROWS_NAMED]),
            # « Tout sélectionner » needs one key to be a selection at all; Django then takes every row.
            "keys": [row.pk for row in (rows[:1] if across == "1" else rows)],
            "action": action,
            "button": button,
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "select_across": across,
        }
        | context,
    )


class AcceptOrRefuse(Decides[M]):
    """« Accepter » and « Refuser » of a queue; a subclass says how one list of rows is decided."""

    actions: Sequence[str] = ("accept_selected", "refuse_selected")
    decisions: Sequence[Decision] = (
        Decision("accept_selected", "Accepter", main=True),
        Decision("refuse_selected", "Refuser…"),
    )
    refusals: tuple[str, ...] = ()
    refuse_title = ""
    # Whose reasons these are, where another model's page has the same: « app.model ».
    reasons_of = ""

    def ready_reasons(self) -> Sequence[str]:
        """The town's own reasons; those that the portal came with where it keeps none."""
        key = self.reasons_of or f"{self.opts.app_label}.{self.opts.model_name}"
        return reasons.of(key) or self.refusals

    def accept_rows(self, request: SignedInRequest, queryset: QuerySet[M]) -> None:
        """Accepts what of `queryset` still waits, and says so."""
        raise NotImplementedError

    def refuse_rows(self, request: SignedInRequest, queryset: QuerySet[M], reason: str) -> None:
        """Refuses what of `queryset` still waits, and says so; families read `reason`."""
        raise NotImplementedError

    @admin.action(description="Accepter", permissions=["decide"])
    def accept_selected(self, request: SignedInRequest, queryset: QuerySet[M]) -> HttpResponse | None:
        self.accept_rows(request, queryset)
        return None

    @admin.action(description="Refuser…", permissions=["decide"])
    def refuse_selected(self, request: SignedInRequest, queryset: QuerySet[M]) -> HttpResponse | None:
        answer = ask_reason(
            self,
            request,
            queryset,
            action="refuse_selected",
            title=self.refuse_title,
            button="Refuser et prévenir les familles",
            ready=self.ready_reasons(),
        )
        if isinstance(answer, HttpResponse):
            return answer
        self.refuse_rows(request, queryset, answer)
        return None
