"""What the desk's pages share: pages that only show, search by number, badges, decisions with a reason."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from simple_history.admin import SimpleHistoryAdmin

from portal import spelling

# Numbers beyond this are no record of ours, and SQLite would not even compare them.
LONGEST_NUMBER = 9
OWN_REASON = "autre"
# The buttons of decisions on a page that is also typed in.
DECISION_FIELD = "_decision"
# A spreadsheet takes a cell that begins with one of these for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# A confirmation names that many rows; it counts the others.
ROWS_NAMED = 50


def badge(state: str, label: str) -> SafeString:
    """A state as the desk shows it: its word on its tint, never the tint alone."""
    return format_html('<span class="desk-state desk-state-{}">{}</span>', state or "none", label)


def counted(number: int, one: str, many: str) -> str:
    """« 1 réservation », « 12 réservations »; none is singular in French."""
    return f"{number} {one if number < 2 else many}"


def log_all(request: HttpRequest, rows: Iterable[models.Model], text: str) -> None:
    """Notes one sentence in the desk's log for each row, in one query."""
    LogEntry.objects.log_actions(
        user_id=request.user.pk, queryset=list(rows), action_flag=CHANGE, change_message=text
    )


class Decides(admin.ModelAdmin):
    """Whoever may change the model may answer what waits in it."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


class ShownOnly(Decides):
    """Rows that only verbs write: pages show them, actions decide, nothing is typed or deleted.

    An action with `permissions=["decide"]` is for who may change the model.
    """

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # `change` is what deciding needs: without this, it would no longer include looking.
        return super().has_view_permission(request, obj) or self.has_decide_permission(request)


class ShownOnlyInline(admin.TabularInline):
    """Rows of an inline that only verbs write."""

    extra = 0
    can_delete = False
    show_change_link = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class OwnPages(admin.ModelAdmin):
    """Pages of the desk that are no list and no form of a model."""

    def demand(self, request: HttpRequest, *permissions: str) -> None:
        """Raises PermissionDenied unless the user holds all of `permissions`."""
        if not request.user.has_perms(permissions):
            raise PermissionDenied

    def page(
        self, request: HttpRequest, template: str, title: str, context: dict[str, Any]
    ) -> TemplateResponse:
        """A page with the desk's own frame."""
        base = self.admin_site.each_context(request) | {"title": title, "subtitle": None, "opts": self.opts}
        return TemplateResponse(request, template, base | context)


def spreadsheet(name: str, rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """A CSV file as French spreadsheets read it: semicolons, a UTF-8 mark, no text taken for a formula."""
    response = HttpResponse("\ufeff", content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    writer = csv.writer(response, delimiter=";")
    for row in rows:
        writer.writerow([plain_cell(value) if isinstance(value, str) else value for value in row])
    return response


def plain_cell(text: str) -> str:
    """`text` as a CSV file holds it, so that no spreadsheet takes it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


class WithHistory(SimpleHistoryAdmin):
    """History to read. The library's page that restores an old version is left out, address and all:
    saving it would write states behind the verbs' back."""

    def get_urls(self) -> list[Any]:
        return super(SimpleHistoryAdmin, self).get_urls()


class NumberSearch(admin.ModelAdmin):
    """Search where a number typed alone finds the household's or the reservation's number.

    A name is found however it is spelled.
    """

    number_fields: Sequence[str] = ("household_id",)

    def get_search_fields(self, request: HttpRequest) -> Sequence[str]:
        return [f"{field}__iregex" for field in super().get_search_fields(request)]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet, search_term: str
    ) -> tuple[QuerySet, bool]:
        typed = search_term.split()
        numbers = [word for word in typed if word.isdecimal() and len(word) <= LONGEST_NUMBER]
        words = " ".join(spelling.pattern(word) for word in typed if word not in numbers)
        found, duplicates = super().get_search_results(request, queryset, words)
        for number in numbers:
            named = Q()
            for field in self.number_fields:
                named |= Q(**{field: int(number)})
            found = found.filter(named)
        return found, duplicates


class WaitingFirst(admin.SimpleListFilter):
    """State filter that shows what waits unless another state, or all, is asked for."""

    title = "état"
    parameter_name = "etat"
    states: type[models.TextChoices]
    waiting = "requested"
    everything = "tous"
    hidden: Sequence[str] = ()
    field = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin) -> list[tuple[str, str]]:
        return [(value, label) for value, label in self.states.choices if value not in self.hidden]

    def choices(self, changelist: Any) -> Any:
        chosen = self.value() or self.waiting
        for value, label in [*self.lookup_choices, (self.everything, "Tous")]:
            yield {
                "selected": chosen == str(value),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        chosen = self.value() or self.waiting
        return queryset if chosen == self.everything else queryset.filter(**{self.field: chosen})


@dataclass(frozen=True)
class Decision:
    """A button of a change page that runs one of the list's actions on the row shown."""

    action: str
    label: str
    main: bool = False


class DecisionButtons(Decides):
    """The list's actions, also as buttons on the page of one row that waits.

    Where the page can be typed in, a decision saves what was typed first; what is not valid decides nothing.
    """

    change_form_template = "admin/reservations/decidable.html"
    decisions: Sequence[Decision] = ()

    def waits(self, obj: Any) -> bool:
        """Whether the row still waits for a decision."""
        raise NotImplementedError

    def decisions_for(self, obj: Any) -> Sequence[Decision]:
        """The buttons that make sense for a row that waits."""
        return self.decisions

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        obj = self.get_object(request, object_id)
        offered = obj is not None and self.has_decide_permission(request) and self.waits(obj)
        context = {
            "decisions": self.decisions_for(obj) if offered else (),
            "checkbox_name": ACTION_CHECKBOX_NAME,
            "decision_field": DECISION_FIELD,
        }
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        wanted = request.POST.get(DECISION_FIELD, "")
        if wanted not in {decision.action for decision in self.decisions_for(obj)}:
            return super().response_change(request, obj)
        decide = self.get_actions(request).get(wanted)
        if decide is None:
            raise PermissionDenied
        answer = decide[0](self, request, self.get_queryset(request).filter(pk=obj.pk))
        if answer is None:
            return self.response_post_save_change(request, obj)
        # A page that asks for more goes on as it does from the list.
        queue = f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_changelist"
        answer.context_data["form_url"] = reverse(queue)
        return answer


class Decidable(DecisionButtons, ShownOnly):
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
        self.fields["ready"].choices = [*reasons, (OWN_REASON, "Un autre motif")]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        words, ready = cleaned.get("words", ""), cleaned.get("ready", "")
        reason = words or (ready if ready != OWN_REASON else "")
        if not reason and not self.errors:
            self.add_error("words", "Indiquez le motif : la famille le lira.")
        cleaned["reason"] = reason
        return cleaned


def ask_reason(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet,
    *,
    action: str,
    title: str,
    button: str,
    ready: Sequence[str],
) -> str | HttpResponse:
    """The reason once it is given; until then, the page that asks for it."""
    form = ReasonForm(request.POST if "reason_given" in request.POST else None, ready=ready)
    if form.is_bound and form.is_valid():
        return form.cleaned_data["reason"]
    return confirm_page(
        model_admin,
        request,
        queryset,
        action=action,
        title=title,
        button=button,
        template="admin/reservations/reason.html",
        form=form,
    )


def confirm_page(
    model_admin: admin.ModelAdmin,
    request: HttpRequest,
    queryset: QuerySet,
    *,
    action: str,
    title: str,
    button: str,
    template: str,
    **context: Any,
) -> TemplateResponse:
    """A page between a list's action and its effect; its form posts the same selection again.

    It names the rows by the model admin's `name_of(row)`, or else by what they say of themselves.
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
            "names": [getattr(model_admin, "name_of", str)(row) for row in rows[:ROWS_NAMED]],
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


class AcceptOrRefuse:
    """« Accepter » and « Refuser » of a queue; a subclass says how one list of rows is decided."""

    refusals: tuple[str, ...] = ()
    refuse_title = ""

    @admin.action(description="Accepter", permissions=["decide"])
    def accept_selected(self, request: HttpRequest, queryset: QuerySet) -> None:
        self.accept_rows(request, queryset)

    @admin.action(description="Refuser…", permissions=["decide"])
    def refuse_selected(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        answer = ask_reason(
            self,
            request,
            queryset,
            action="refuse_selected",
            title=self.refuse_title,
            button="Refuser et prévenir les familles",
            ready=self.refusals,
        )
        if isinstance(answer, HttpResponse):
            return answer
        self.refuse_rows(request, queryset, answer)
        return None
