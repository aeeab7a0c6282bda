"""« Aperçu » on the page of a rule: what it does to families on given days, before it is saved. One way for
rules of every kind.

An admin that is a `ShowsPreview` says `preview(typed, request, at)`. What is typed is asked as it stands in
the form; nothing of it is kept.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from portal.desk.site import DeskAdmin, M

Inline = TypeVar("Inline", bound=models.Model)


class Cell(NamedTuple):
    text: str
    why: str = ""


class Row(NamedTuple):
    """`tint` says how the row stands, for the page's style: « late », « never »."""

    head: str
    cells: Sequence[Cell]
    tint: str = ""


def row(head: str, *cells: str | tuple[str, str], tint: str = "") -> Row:
    """« lundi 7 décembre », then what becomes of a family; a pair says why as well."""
    return Row(head, [Cell(one) if isinstance(one, str) else Cell(*one) for one in cells], tint)


@dataclass(frozen=True)
class Table:
    caption: str
    heads: Sequence[str]
    rows: Sequence[Row]
    none: str = "Rien à montrer."


@dataclass
class Preview:
    """A rule as it would be if it was saved now, in the words that families read. With `problems` there is
    nothing else."""

    sentences: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)


class Typed(Generic[M]):
    """A rule as it stands in its form, or as it is kept where nothing was posted."""

    def __init__(self, row: M, form: Any = None, formsets: Sequence[Any] = ()) -> None:
        self.row = row
        self._form, self._formsets = form, formsets

    def rows(self, model: type[Inline]) -> list[Inline] | None:
        """Those of an inline, without what is taken off; None where the agent does not type any."""
        formset = next((one for one in self._formsets if one.model is model), None)
        if formset is None or (formset.is_bound and not formset.management_form.is_valid()):
            return None
        if not formset.is_bound:
            return list(formset.get_queryset())
        return [
            one.instance
            for one in formset.forms
            if one.is_valid()
            and (one.has_changed() or one.instance.pk)
            and not one.cleaned_data.get("DELETE")
        ]

    @property
    def problems(self) -> list[str]:
        """What keeps it from being saved, with the name of the field."""
        found = list(_said(self._form))
        for formset in self._formsets:
            formset.is_valid()
            found += formset.non_form_errors()
            for one in formset.forms:
                found += _said(one)
        return list(dict.fromkeys(found))

    @contextmanager
    def written(self) -> Iterator[M]:
        """All of it stands in the database for as long as one looks; then it is taken back."""
        with transaction.atomic():
            self._form.save()
            for formset in self._formsets:
                formset.save()
            yield self.row
            transaction.set_rollback(True)


def _said(form: Any) -> Iterator[str]:
    for name, texts in form.errors.items():
        label = "" if name == NON_FIELD_ERRORS else f"{form[name].label} : "
        yield from (f"{label}{text}" for text in texts)


class ShowsPreview(DeskAdmin[M]):
    """The page of a rule with its preview, for who may write it; without a script it is a page of its own."""

    change_form_template = "admin/preview/form.html"
    # Said before there is anything to show.
    preview_hint: ClassVar[str] = "Remplissez la règle : ce qu'elle fait aux familles s'affichera ici."
    # Whether it follows what is typed, and is shown of a rule as it is kept.
    preview_lives: ClassVar[bool] = True

    class Media:
        js = [forms.Script("js/admin-preview.js", type="module")]
        css = {"all": ["css/admin-rule.css"]}

    def preview(self, typed: Typed[M], request: HttpRequest, at: datetime) -> Preview | None:
        """At the moment `at`, read by who asks; None: there is not enough of it yet."""
        raise NotImplementedError

    def problems(self, typed: Typed[M]) -> list[str]:
        return typed.problems

    @property
    def preview_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_preview"

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(require_POST(self.preview_view))
        mine: list[URLPattern] = [path("apercu/", view, name=self.preview_name)]
        return [*mine, *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        def shown() -> Preview | None:
            """Where the page is shown: not of one that is saved and left."""
            row = self.get_object(request, object_id) if object_id else None
            return self._preview_of(request, row)

        context = {
            "preview": SimpleLazyObject(shown) if self.preview_lives else None,
            "preview_hint": self.preview_hint,
            "preview_lives": self.preview_lives,
            "preview_url": self._preview_url(object_id),
        }
        return super().changeform_view(request, object_id, form_url, context | (extra_context or {}))

    def _preview_url(self, object_id: str | None) -> str:
        url = reverse(f"admin:{self.preview_name}")
        return f"{url}?{urlencode({'regle': object_id})}" if object_id else url

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """The preview of what is typed, saved or not: a fragment for the script, else a page."""
        row = self.get_object(request, request.GET["regle"]) if request.GET.get("regle") else None
        if not (self.has_change_permission(request, row) or self.has_add_permission(request)):
            return HttpResponse(status=403)
        context = self.admin_site.each_context(request) | {
            "title": "Aperçu de la règle",
            "opts": self.opts,
            "preview": self._preview_of(request, row),
            "preview_hint": self.preview_hint,
        }
        fragment = request.headers.get("X-Requested-With") == "fetch"
        return TemplateResponse(request, f"admin/preview/{'fragment' if fragment else 'page'}.html", context)

    def _preview_of(self, request: HttpRequest, row: M | None) -> Preview | None:
        """Of what is posted, else of the rule as it is."""
        at = timezone.now()
        if request.method != "POST":
            if row is None:
                return None
            return self.preview(Typed(row, None, self._formsets(request, row, row)), request, at)
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row)
        form.is_valid()
        typed = Typed(form.instance, form, self._formsets(request, row, form.instance))
        if problems := self.problems(typed):
            return Preview(problems=problems)
        return self.preview(typed, request, at)

    def _formsets(self, request: HttpRequest, row: M | None, instance: M) -> list[Any]:
        """As the page makes them, of the inlines that the agent sees."""
        found, _ = self._create_formsets(  # type: ignore[attr-defined]  # Django's own, which the stubs leave out
            request, instance, change=row is not None
        )
        return list(found)
