"""Two people on one page: nobody's change is lost without a word.

A page says which values it showed (`Shown`, one short hash a field, in the form). When it is posted, each row
is compared with what is stored now, under the lock of the row whose page it is. What only somebody else has
changed stays theirs, what only this page changed is taken; where both changed the same field to other values,
both are shown side by side, and nothing is written until one of them is chosen.

    class HouseholdAdmin(TwoAtOnce[Household], …)
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.db import router, transaction
from django.db.models import Model, QuerySet
from django.forms.models import model_to_dict
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString

from portal.desk.site import DeskAdmin, M
from portal.french import moments
from portal.web.posted import posted_number

VERSION = "_version"
# The boxes by which what was stored meanwhile is kept: « prefix-field ».
THEIRS = "_theirs"
NOTHING = "rien"
# Far beyond the whole form of the longest household.
LONGEST = 500_000
UNKNOWN = (
    "Le portail ne sait pas ce que cette page vous montrait : rien n'est enregistré. "
    "Rechargez la page, ou relisez ce qui suit et enregistrez de nouveau."
)

GONE = (
    "Une ligne a été supprimée pendant que vous écriviez\xa0: rien n'est enregistré. Rechargez la page, et "
    "recopiez ce qui compte encore. Vous y aviez écrit\xa0: {}."
)
CHANGED = (
    "« {} » a changé pendant que vous vouliez le supprimer{} : relisez la ligne, et enregistrez de nouveau "
    "pour la supprimer quand même."
)

# What a page showed of its rows: by « app.model:key », a hash of each field.
Shown = Mapping[str, Mapping[str, str]]


def _plain(value: Any) -> Any:
    """A value in the one form in which it is compared, stored or typed."""
    if isinstance(value, Model):
        return value.pk
    if isinstance(value, QuerySet | list | tuple | set):
        return sorted(str(_plain(one)) for one in value)
    if isinstance(value, Decimal):
        return str(value.normalize())
    return "" if value is None else value


def _hash(value: Any) -> str:
    return hashlib.sha256(repr(_plain(value)).encode()).hexdigest()[:12]


def _name(row: Model) -> str:
    return f"{row._meta.label_lower}:{row.pk}"


def hashes(row: Model, fields: Iterable[str]) -> dict[str, str]:
    """Of the fields of a row that a form has."""
    return {name: _hash(value) for name, value in model_to_dict(row, list(fields)).items()}


def version(formed: Sequence[Any], posted: Shown) -> str:
    """What these forms show of stored rows. Of a page that is shown again, what it was posted with counts;
    where a field was disputed, both values are seen now."""
    found: dict[str, dict[str, str]] = {}
    for form in formed:
        if form.instance.pk is None:
            continue
        name = _name(form.instance)
        now = getattr(form, "stored", None) or hashes(form.instance, form.fields)
        disputed: set[str] = getattr(form, "disputed", set())
        before = posted.get(name, {})
        found[name] = {
            field: one if field in disputed else before.get(field, one) for field, one in now.items()
        }
    return json.dumps(found, separators=(",", ":"), sort_keys=True)


def posted_version(text: str) -> Shown:
    """What a page said that it had shown; nothing where that cannot be read."""
    if not text or len(text) > LONGEST:
        return {}
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(said, dict):
        return {}
    return {name: one for name, one in said.items() if isinstance(one, dict)}


class Compared:
    """Beside a `ModelForm`: compares what is posted with what was shown and with what is stored."""

    shown: Shown = {}
    kept: frozenset[str] = frozenset()
    # Of the row whose page it is: says for all where nothing is known of what was shown.
    is_first = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        form: Any = self  # a ModelForm's too
        stored = form.instance.pk is not None
        self.stored = hashes(form.instance, form.fields) if stored else {}
        self.disputed: set[str] = set()
        self.gone = False

    def _post_clean(self) -> None:
        form: Any = self
        if self._is_gone():
            return
        # Nothing is known of what was shown: whatever differs may be somebody else's.
        unknown = not self.shown
        before = self.shown.get(_name(form.instance), {})
        if unknown and self.is_first and form.instance.pk is not None:
            form.add_error(None, UNKNOWN)
        for name, now in self.stored.items():
            if name not in form.cleaned_data:
                continue
            if form.add_prefix(name) in self.kept:
                self._keep(name)
            elif unknown:
                self._settle(name, None, now)
            elif before.get(name, now) != now:
                self._settle(name, before[name], now)
        super()._post_clean()  # type: ignore[misc]  # a ModelForm's

    def _is_gone(self) -> bool:
        """Whether the row has been deleted since the page was shown: that is said, what was typed stays."""
        form: Any = self
        key = form._meta.model._meta.pk.name
        if form.instance.pk is not None or not form.data.get(form.add_prefix(key)) or key not in form.errors:
            return False
        self.gone = True
        return True

    def typed(self) -> str:
        """What was typed in, in words: of a row that is gone the page has no place left."""
        form: Any = self
        boxes = [form[name] for name in form.changed_data if not form[name].is_hidden]
        told = [(box.label, form.cleaned_data.get(box.name)) for box in boxes]
        return (
            ", ".join(f"{label} « {value} »" for label, value in told if value not in (None, "")) or NOTHING
        )

    def changed_meanwhile(self) -> bool:
        """Whether somebody else has changed the row since the page was shown; asked of one to be deleted. Its
        values are seen now: asked again, it has not."""
        form: Any = self
        before = self.shown.get(_name(form.instance), {}) if form.instance.pk is not None else {}
        self.disputed |= {name for name, now in self.stored.items() if before.get(name, now) != now}
        return bool(self.disputed)

    def _settle(self, name: str, before: str | None, now: str) -> None:
        """A field that somebody else has changed since the page was shown, or may have."""
        form: Any = self
        typed = form.cleaned_data[name]
        mine = _hash(typed)
        if mine == before:
            self._keep(name)
        elif mine != now:
            self.disputed.add(name)
            form.add_error(name, self._both(name, typed))

    def _keep(self, name: str) -> None:
        """What is stored stays."""
        form: Any = self
        stored = getattr(form.instance, name)
        form.cleaned_data[name] = stored.all() if hasattr(stored, "all") else stored
        form.changed_data = [one for one in form.changed_data if one != name]

    def _both(self, name: str, typed: Any) -> SafeString:
        form: Any = self
        row = form.instance
        return format_html(
            "Changé pendant que vous écriviez{}. Enregistré\xa0: «\xa0{}\xa0». "
            "Vous avez écrit\xa0: «\xa0{}\xa0». Enregistrez de nouveau pour garder le vôtre, ou "
            '<label class="desk-theirs"><input type="checkbox" name="{}" value="{}"> '
            "garder ce qui est enregistré</label>",
            _who_and_when(row),
            said(row, name, getattr(row, name)),
            said(row, name, typed),
            THEIRS,
            form.add_prefix(name),
        )


class ComparedRows:
    """Beside a formset of such forms: a row that somebody else has changed is not deleted without a word."""

    def clean(self) -> None:
        rows: Any = self
        formset: Any = super()
        formset.clean()
        changed = [form for form in rows.initial_forms if rows._should_delete_form(form)]
        said = [GONE.format(form.typed()) for form in rows.initial_forms if form.gone and form not in changed]
        said += [
            CHANGED.format(form.instance, _who_and_when(form.instance))
            for form in changed
            if form.changed_meanwhile()
        ]
        if said:
            raise forms.ValidationError(said)


def said(row: Model, name: str, value: Any) -> str:
    """A value in words."""
    field: Any = row._meta.get_field(name)
    if isinstance(value, bool):
        return "oui" if value else "non"
    if hasattr(value, "all") or isinstance(value, QuerySet | list | tuple):
        rows = value.all() if hasattr(value, "all") else value
        return ", ".join(map(str, rows)) or NOTHING
    choices = dict(getattr(field, "flatchoices", ()) or ())
    if value in choices:
        return str(choices[value])
    if isinstance(value, datetime):
        value = timezone.localtime(value)
    return str(localize(value)) if value not in (None, "") else NOTHING


def _who_and_when(row: Model) -> str:
    """« , par Nadia Fournier, lundi 9 novembre à 10 h 02 », where versions of the row are kept."""
    versions = getattr(row, "history", None)
    last = versions.select_related("history_user").first() if versions is not None else None
    if last is None:
        return ""
    author = last.history_user
    who = f", par {author.get_full_name() or author.get_username()}" if author else ""
    return f"{who}, {moments.moment(last.history_date)}"


class TwoAtOnce(DeskAdmin[M]):
    """A page that is typed in, and says what somebody else has changed meanwhile."""

    def lock(self, key: int) -> None:
        """Holds the row whose page it is, and with it those typed beside it, until the transaction ends."""
        list(self.model._default_manager.select_for_update(of=("self",)).filter(pk=key).values_list("pk"))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        key = posted_number(object_id or "")
        if request.method != "POST" or key is None:
            return super().changeform_view(request, object_id, form_url, extra_context)
        with transaction.atomic(using=router.db_for_write(self.model)):
            self.lock(key)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        return compared(super().get_form(request, obj, change=change, **kwargs), request, is_first=True)

    def get_formsets_with_inlines(self, request: HttpRequest, obj: M | None = None) -> Any:
        for formset, inline in super().get_formsets_with_inlines(request, obj):
            formset.form = compared(formset.form, request)
            yield type(formset.__name__, (ComparedRows, formset), {}), inline

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> Any:
        if obj is not None and context.get("adminform") is not None:
            formed = [context["adminform"].form]
            for one in context["inline_admin_formsets"]:
                formed += one.formset.initial_forms
            posted = posted_version(request.POST.get(VERSION, ""))
            context = context | {"version_name": VERSION, "version": version(formed, posted)}
        return super().render_change_form(request, context, add, change, form_url, obj)


def compared(form: type[forms.ModelForm[Any]], request: HttpRequest, *, is_first: bool = False) -> Any:
    """The same form, which compares."""
    told = {
        "is_first": is_first,
        "shown": posted_version(request.POST.get(VERSION, "")),
        "kept": frozenset(request.POST.getlist(THEIRS)),
    }
    kind: Any = type(form)
    made = kind(form.__name__, (Compared, form), told)
    # Made anew by the class of forms, they would forget which rows may be chosen.
    made.base_fields = form.base_fields
    return made
