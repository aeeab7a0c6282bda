"""Lists of the desk: search by number and by name, what waits first, badges, counts in words."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import lookup_spawns_duplicates
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.desk.finding import LONGEST_NUMBER
from portal.desk.site import DeskAdmin, M
from portal.french import phones, spelling
from portal.french.sentences import lower_first
from portal.web.posted import posted_number


def badge(state: str, label: str) -> SafeString:
    """A state as the desk shows it: its word on its tint, never the tint alone."""
    return format_html('<span class="desk-state desk-state-{}">{}</span>', state or "none", label)


def sent_again(received: str, refused_at: datetime | None, reason: str) -> SafeString | str:
    """When a request came; of one refused before, « renvoyée, refusée le 10/11/2026 parce que… »."""
    if refused_at is None:
        return received
    when = f"{timezone.localtime(refused_at):%d/%m/%Y}"
    text = '{}<br><span class="help">renvoyée, refusée le {} parce que : {}</span>'
    return format_html(text, received, when, lower_first(reason))


class Stated(Protocol):
    """A row with a state of its model's choices."""

    @property
    def state(self) -> str: ...

    def get_state_display(self) -> str: ...


class StateBadge:
    """« État », as a badge; `tints` names the state whose tint another one takes."""

    tints: Mapping[str, str] = {}

    @admin.display(description="état", ordering="state")
    def state_badge(self, obj: Stated) -> SafeString:
        return badge(self.tints.get(obj.state, obj.state), obj.get_state_display())


class NumberSearch(DeskAdmin[M]):
    """Search where a number typed alone finds the household's or the reservation's number.

    A name is found however it is spelled, and a telephone number typed alone however it is written.
    """

    number_fields: Sequence[str] = ("household_id",)
    phone_fields: Sequence[str] = ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        longer = sum(map(str.isdigit, search_term)) > LONGEST_NUMBER
        phone = phones.read(search_term) if longer and self.phone_fields else ""
        if phone:
            return queryset.filter(_any_is(self.phone_fields, phone)), True
        words = search_term.split()
        typed = [word for word in words if spelling.folded(word)] or words
        numbers = [word for word in typed if _is_number(word)]
        fields = self.get_search_fields(request)
        asked = Q()
        for word in typed:
            asked &= (
                _any_is(self.number_fields, int(word)) if word in numbers else spelling.holds(word, *fields)
            )
        several = any(lookup_spawns_duplicates(self.opts, field) for field in fields)
        return queryset.filter(asked), several


class ChildSearch(NumberSearch[M]):
    """Of what has a row for each day of each child: children are found first, then their rows by an index.
    In one query the database would read every day of everybody."""

    most_children = 2000

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        words = search_term.split()
        names = [word for word in words if spelling.folded(word) and not _is_number(word)]
        if not names:
            return super().get_search_results(request, queryset, search_term)
        children: Any = self.opts.get_field("child").related_model
        named = children.objects.filter(*(spelling.holds(word, "folded") for word in names))
        found = list(named.order_by().values_list("pk", flat=True)[: self.most_children + 1])
        if len(found) > self.most_children:
            return super().get_search_results(request, queryset, search_term)
        rest = " ".join(word for word in words if _is_number(word))
        rows, several = super().get_search_results(request, queryset, rest) if rest else (queryset, False)
        return rows.filter(child__in=found), several


def _is_number(word: str) -> bool:
    return len(word) <= LONGEST_NUMBER and posted_number(word) is not None


def _any_is(fields: Iterable[str], value: object) -> Q:
    return Q(*((field, value) for field in fields), _connector=Q.OR)


def names_rows(request: HttpRequest) -> bool:
    """Whether an action was posted for rows that it names, one by one; a file of the list names none."""
    return ACTION_CHECKBOX_NAME in request.POST and request.POST.get("select_across", "0") != "1"


class WaitingFirst(admin.SimpleListFilter):
    """State filter that shows what waits unless another state, or all, is asked for."""

    title = "état"
    parameter_name = "etat"
    states: type[models.TextChoices]
    waiting = "requested"
    everything = "tous"
    hidden: Sequence[str] = ()
    field = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(value, label) for value, label in self.states.choices if value not in self.hidden]

    def choices(self, changelist: Any) -> Any:
        chosen = self.value() or self.waiting
        for value, label in [*self.lookup_choices, (self.everything, "Tous")]:
            yield {
                "selected": chosen == str(value),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }

    def queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> QuerySet[M]:
        """Rows that an action names are found whatever the list shows first: who answers one that was
        answered meanwhile is told so."""
        if names_rows(request) and self.value() is None:
            return queryset
        chosen = self.value() or self.waiting
        return queryset if chosen == self.everything else queryset.filter(**{self.field: chosen})
