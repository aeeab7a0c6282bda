"""The town hall's desk: Django admin, in French, its menu by job, behind the portal's own login.

Its pages are made of `DeskAdmin[Child]`, which says how a model takes part in the desk. Models of libraries
keep their libraries' admin classes, and take part with their lists only.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial, wraps
from typing import Any, TypeVar, cast

from allauth.account.decorators import secure_admin_login
from django.apps import apps
from django.contrib import messages
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth import get_permission_codename
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import get_script_prefix, get_urlconf, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from portal import town
from portal.desk import (
    finding,
    first_page,
    first_steps,
    held,
    jobs,
    list_tools,
    long_lists,
    own_choices,
    printing,
    rights,
    tallies,
)
from portal.desk.columns import TypedColumns
from portal.desk.jobs import Job
from portal.french import moments

# Apps whose lists stand together on the page of either.
TOGETHER = {"reservations": "portal"}
# Whoever may change a row may look at it.
LOOKING = ("view", "change")
OUT_OF_REACH = "Lignes laissées de côté, d'établissements que vous ne suivez pas"

# The model of a page of the desk.
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Queue:
    """Work that waits: `rows` answers what waits, `query` opens the list filtered to it.

    `since` is the field of when a row began to wait; what waits longer than `late_after` is late. Without it
    a queue is watched rather than answered.
    """

    title: str
    rows: Callable[[HttpRequest], QuerySet[Any]]
    query: str = ""
    order: int = 50
    hint: str = ""
    since: str = ""
    late_after: timedelta = timedelta(days=7)
    # A block of its own says more of it than its number.
    shown: bool = True


def always(request: HttpRequest) -> bool:
    """A page that is of use wherever one may open it."""
    return True


@dataclass(frozen=True)
class DeskLink:
    """A page of the desk that is no list of a model: shown to who has `permission` ("": whoever it is offered
    to), where it is of use."""

    title: str
    url_name: str
    permission: str
    hint: str = ""
    order: int = 50
    offered: Callable[[HttpRequest], bool] = always


@dataclass(frozen=True)
class DeskNotice:
    """A sentence that somebody has to see on the desk's first page, and where it leads."""

    sentence: str
    url: str

    def as_link(self) -> SafeString:
        return format_html('<a href="{}">{}</a>', self.url, self.sentence)


class DeskAdmin(TypedColumns, ModelAdmin[M]):
    """What every page of the desk for our own models is made of."""

    # Its place within its group: daily work first.
    desk_order: int = 50
    # Lists that wait for somebody, counted on the desk's first page.
    work_queues: Sequence[Queue] = ()
    # Pages of its own, offered beside the queues.
    desk_links: Sequence[DeskLink] = ()
    # Whether its list is offered as a file.
    exports: bool = True
    # A list is counted as far as anybody looks, and once.
    paginator = long_lists.LongPaginator
    show_full_result_count = False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with what stands beside every list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST" and (answer := list_tools.answer(self, request)) is not None:
            return cast("HttpResponse", answer)  # a file is one as well, though the stubs tell them apart
        return super().changelist_view(request, list_tools.shown(self, request) | (extra_context or {}))

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[M], *args: Any, **kwargs: Any
    ) -> HttpResponse | None:
        """No action takes « all » where nobody has counted them all."""
        if request.POST.get("select_across", "0") == "1" and long_lists.is_long(queryset):
            self.message_user(request, long_lists.TOO_MANY, messages.ERROR)
            return None
        return super().response_action(request, queryset, *args, **kwargs)

    def name_of(self, row: M) -> str:
        """How a page of confirmation names a row."""
        return str(row)

    def beside(self, request: HttpRequest, row: M) -> dict[str, Any]:
        """What the page of a row is told besides its form."""
        return {}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        told = {} if obj is None else self.beside(request, obj)
        return super().render_change_form(request, context | told, add, change, form_url, obj)

    # Which rows: every list, form, action and search of ours passes here -----------------------------------

    def right_for(self, verb: str) -> str:
        """The right behind a verb of Django's or behind an action's `permissions`."""
        if verb == "export":
            return rights.EXPORT
        meant = {"decide": "change"}.get(verb, verb)
        return f"{self.opts.app_label}.{get_permission_codename(meant, self.opts)}"

    def may(self, request: HttpRequest, row: Model | None, *verbs: str) -> bool:
        return row is None or rights.may(request.user, row, *map(self.right_for, verbs))

    def get_queryset(self, request: HttpRequest) -> QuerySet[M]:
        rows = super().get_queryset(request)
        return rights.seen_by(request.user, rows, *map(self.right_for, LOOKING))

    def has_view_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return super().has_view_permission(request, obj) and self.may(request, obj, *LOOKING)

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return super().has_change_permission(request, obj) and self.may(request, obj, "change")

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return super().has_delete_permission(request, obj) and self.may(request, obj, "delete")

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Of an action that hands over a file of people: a right of its own (`families.traces.reading`)."""
        return request.user.has_perm(rights.EXPORT)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Each on the rows that its own right reaches, which may be fewer than those that are looked at."""
        found: dict[str, Any] = super().get_actions(request)
        return {
            name: (self._reaching(function, getattr(function, "allowed_permissions", ())), *named)
            for name, (function, *named) in found.items()
        }

    def _reaching(self, function: Callable[..., Any], verbs: Sequence[str]) -> Callable[..., Any]:
        @wraps(function)
        def reaching(model_admin: Any, request: HttpRequest, queryset: QuerySet[M]) -> Any:
            reached = rights.seen_by(request.user, queryset, *map(self.right_for, verbs))
            if reached is not queryset and (left := queryset.count() - reached.count()):
                messages.warning(request, f"{OUT_OF_REACH} : {left}.")
            return function(model_admin, request, reached)

        return reaching if verbs else function

    def get_form(
        self, request: HttpRequest, obj: M | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.desk_request = request
        verb = "change" if change else "add"
        own_choices.offer(form, request.user, self.right_for(verb), kept_of=obj)
        return form

    def get_inline_instances(self, request: HttpRequest, obj: M | None = None) -> list[Any]:
        """Those whose rights reach the row on whose page they stand."""
        found = super().get_inline_instances(request, obj)
        if obj is None:
            return found
        return [
            one
            for one in found
            if rights.may(request.user, obj, *own_choices.looking(one.model), *own_choices.writing(one.model))
        ]

    def get_formsets_with_inlines(self, request: HttpRequest, obj: M | None = None) -> Any:
        for formset, inline in super().get_formsets_with_inlines(request, obj):
            formset.form.desk_request = request
            own_choices.offer(formset.form, request.user, *own_choices.writing(inline.model))
            yield formset, inline

    def get_formset_kwargs(self, request: HttpRequest, obj: M, inline: Any, prefix: str) -> dict[str, Any]:
        given = super().get_formset_kwargs(request, obj, inline, prefix)
        looking = own_choices.looking(inline.model)
        return given | {"queryset": rights.seen_by(request.user, given["queryset"], *looking)}

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        add, alter, remove = own_choices.writing(formset.model)
        for row in getattr(formset, "deleted_forms", ()):
            if row.instance.pk:
                own_choices.demand(request.user, row.instance, remove)
        super().save_formset(request, form, formset, change)
        for row in formset.new_objects:
            own_choices.demand(request.user, row, add)
        for row, _ in formset.changed_objects:
            own_choices.demand(request.user, row, alter)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        # Within Django's transaction: what is refused here was never written.
        super().save_related(request, form, formsets, change)
        own_choices.demand(request.user, form.instance, self.right_for("change" if change else "add"))

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> Any:
        # What one may not see does not exist, as everywhere on the portal.
        raise Http404

    def desk_notices(self, request: HttpRequest) -> Sequence[DeskNotice]:
        """What is to be seen on the desk's first page by who may see the model."""
        return ()


def _answers(request: HttpRequest, model: type[Model]) -> bool:
    return request.user.has_perm(own_choices.changing(model))


def _page(name: str) -> str:
    """The address of a page of the desk, as it is served here."""
    return _looked_up(name, get_urlconf(), get_script_prefix())


@cache
def _looked_up(name: str, urlconf: str | None, prefix: str) -> str:
    return reverse(f"admin:{name}", urlconf=urlconf)


def _links(entries: Sequence[Mapping[str, Any]]) -> SafeString:
    """A part of the menu as the side bar has it. Some hundred of them stand on every page: in a template each
    would cost more than all that the page says."""
    return format_html_join(
        "\n",
        '<li class="model-{}">{}</li>',
        ((entry["object_name"].lower(), _link(entry)) for entry in entries),
    )


def _link(entry: Mapping[str, Any]) -> SafeString:
    if not entry["admin_url"]:
        return format_html("<span>{}</span>", entry["name"])
    here = mark_safe(' aria-current="page"') if entry["current"] else ""
    return format_html('<a href="{}"{}>{}</a>', entry["admin_url"], here, entry["name"])


def _address(queue: Queue, model: type[Model]) -> str:
    """Of the list, filtered to what waits."""
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{page}?{queue.query}" if queue.query else page


class PortalAdminSite(AdminSite):
    index_title = "Accueil"
    index_template = "admin/desk.html"
    enable_nav_sidebar = True
    site_url = "/"

    @login_not_required
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        # The portal's login counts attempts and asks for the second factor; the admin's own does neither.
        answer: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return answer

    def password_change(  # type: ignore[override]  # Django's own answers a page, ours leads to another
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        # As with logging in: the portal's own page counts attempts, and tells the address of the change.
        return redirect("account_change_password")

    def get_urls(self) -> list[Any]:
        own = [
            path("rechercher/", self.admin_view(self.find), name="find"),
            path("listes/<int:key>/", self.admin_view(self.printed_list), name="printed_list"),
            path("listes/<int:key>/<int:number>/", self.admin_view(printing.download), name="printed_part"),
        ]
        return [*own, *super().get_urls()]

    def printed_list(self, request: HttpRequest, key: int) -> HttpResponse:
        """A long list that the worker puts on paper."""
        return printing.page(request, key, self.each_context(request))

    def find(self, request: HttpRequest) -> HttpResponse:
        """« Rechercher »."""
        # The results alone, asked for while somebody types, have no frame.
        alone = finding.PART in request.GET
        return finding.page(request, {} if alone else self.each_context(request))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        name = town.current().name
        return super().each_context(request) | {
            "finds": finding.is_for(request.user),
            "found_words": "",  # of the field at the head
            "site_header": f"{name} – mairie",
            "site_title": f"{name} – mairie",
            "may_export": request.user.has_perm(rights.EXPORT),
            "first_steps": "" if town.current().is_open else first_steps.address(request),
        }

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """The menu by job, what is technical for superusers. With `app_label`, that app's lists alone."""
        if app_label is not None:
            return self._lists_of(app_label, list(self._build_app_dict(request).values()), request)
        # A page asks for it twice, and some lists look at their rows to say what may be done in them.
        found: list[dict[str, Any]] | None = getattr(request, "_desk_menu", None)
        if found is None:
            found = self._menu(request)
            setattr(request, "_desk_menu", found)  # noqa: B010 a request has no such attribute for mypy
        return found

    def _menu(self, request: HttpRequest) -> list[dict[str, Any]]:
        entries = [*self._lists(request), *self._pages(request)]
        urls = [entry["admin_url"] for _, entry in entries if entry["admin_url"]]
        # A page of its own stands below its model's list: the longest address is the nearest.
        here = max((url for url in urls if request.path.startswith(url)), key=len, default="")
        of_job: dict[Job, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
        for name, entry in entries:
            if name not in jobs.WITHIN_A_PAGE:
                place = jobs.place_of(name)
                of_job[place.job].append((place.order, name, entry))
        menu = [self._job(job, of_job[job], here) for job in self._jobs(request)]
        return [group for group in menu if group["models"] or group["seldom"]]

    def _lists(self, request: HttpRequest) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each list that is open to who asks, as Django's own menu describes it: every page asks for all of
        them, so that their addresses are not looked up each time."""
        for model, page in self._registry.items():
            if not page.has_module_permission(request):
                continue
            perms = page.get_model_perms(request)
            if True not in perms.values():
                continue
            name = f"{model._meta.app_label}_{model._meta.model_name}"
            looks = perms.get("change") or perms.get("view")
            yield (
                jobs.key_of(model),
                {
                    "model": model,
                    "name": capfirst(model._meta.verbose_name_plural),
                    "object_name": model._meta.object_name,
                    "perms": perms,
                    "admin_url": _page(f"{name}_changelist") if looks else None,
                    "add_url": _page(f"{name}_add") if perms.get("add") else None,
                    "view_only": bool(looks) and not perms.get("change"),
                },
            )

    def _jobs(self, request: HttpRequest) -> list[Job]:
        return [job for job in Job if job is not Job.TECHNICAL or request.user.is_superuser]

    def _job(self, job: Job, its: list[tuple[int, str, dict[str, Any]]], here: str) -> dict[str, Any]:
        """A part of the menu, as Django's templates read an app: `models` in sight, `seldom` under a fold.
        `its`: order, name and entry of each."""
        its.sort(key=lambda one: one[:2])
        shown: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
        for _, name, entry in its:
            entry["current"] = bool(here) and entry["admin_url"] == here
            shown[jobs.in_sight(name)].append(entry)
        return {
            "name": job.label,
            "app_label": job.value,
            "app_url": "",
            "has_module_perms": True,
            "models": shown[True],
            "seldom": shown[False],
            "links": partial(_links, shown[True]),
            "seldom_links": partial(_links, shown[False]),
            "current": any(entry["current"] for _, _, entry in its) or (job is Job.HOME and not here),
            "seldom_current": any(entry["current"] for entry in shown[False]),
        }

    def _lists_of(
        self, app_label: str, known: list[dict[str, Any]], request: HttpRequest
    ) -> list[dict[str, Any]]:
        """One group: the lists of an app, as the crumbs of their pages lead to it."""
        asked = TOGETHER.get(app_label, app_label)
        entries = [
            entry | {"current": False}
            for app in known
            if TOGETHER.get(app["app_label"], app["app_label"]) == asked
            for entry in app["models"]
            if jobs.place_of(jobs.key_of(entry["model"])).job in self._jobs(request)
        ]
        if not entries:
            return []
        name = apps.get_app_config(asked).verbose_name
        entries.sort(key=lambda entry: entry["name"])
        return [{"name": name, "app_label": asked, "app_url": "", "models": entries, "seldom": []}]

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        queues = self.queues(request)
        desk = {
            "title": capfirst(moments.day(timezone.localdate(), year=True)),
            "queues": queues,
            "ways": first_page.ways(request),
            "blocks": first_page.shown_to(request, queues, self._notices(request)),
        }
        return super().index(request, desk | (extra_context or {}))

    def _notices(self, request: HttpRequest) -> list[DeskNotice]:
        return [
            notice
            for model_admin in self._registry.values()
            if isinstance(model_admin, DeskAdmin) and model_admin.has_view_permission(request)
            for notice in model_admin.desk_notices(request)
        ]

    def queues(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Each queue the user may see, with its number of rows and since when the oldest waits: one query."""
        found = [
            (queue, model)
            for model, model_admin in self._registry.items()
            if isinstance(model_admin, DeskAdmin) and model_admin.has_view_permission(request)
            for queue in model_admin.work_queues
        ]
        found.sort(key=lambda pair: pair[0].order)
        counted = tallies.of([(self._seen(request, queue, model), queue.since) for queue, model in found])
        return [
            {
                "title": queue.title,
                "model": model._meta.label_lower,
                "hint": queue.hint,
                "count": tally.count,
                "since": tally.oldest,
                "late_after": queue.late_after,
                "answered": bool(queue.since),
                # Who only reads what waits cannot answer it.
                "mine": _answers(request, model),
                "shown": queue.shown,
                "url": _address(queue, model),
            }
            for (queue, model), tally in zip(found, counted, strict=True)
        ]

    def beside_the_queue(self, request: HttpRequest) -> list[tuple[dict[str, str], QuerySet[Any]]]:
        """What one has to answer and « À traiter » does not go through: title and address, and the rows."""
        found = [
            (queue, model)
            for model, model_admin in self._registry.items()
            if isinstance(model_admin, DeskAdmin) and model_admin.has_view_permission(request)
            for queue in model_admin.work_queues
            if queue.since and _answers(request, model) and not first_page.one_by_one(model._meta.label_lower)
        ]
        found.sort(key=lambda pair: pair[0].order)
        return [
            ({"title": queue.title, "url": _address(queue, model)}, self._seen(request, queue, model))
            for queue, model in found
        ]

    def _seen(self, request: HttpRequest, queue: Queue, model: type[Model]) -> QuerySet[Any]:
        """What one may answer, where one may answer at all, without what is decided and not final yet."""
        answers = queue.since and _answers(request, model)
        needed = (own_choices.changing(model),) if answers else own_choices.looking(model)
        rows = rights.seen_by(request.user, queue.rows(request), *needed)
        return held.without(rows) if queue.since else rows

    def waiting(self, request: HttpRequest) -> list[dict[str, Any]]:
        """The queues in which something waits, as the desk's first page counts them."""
        return [queue for queue in self.queues(request) if queue["count"]]

    def _pages(self, request: HttpRequest) -> list[tuple[str, dict[str, Any]]]:
        """The pages that are no list, as entries of the menu; a list that a link names stands there."""
        links = {
            link.url_name: link
            for model_admin in self._registry.values()
            if isinstance(model_admin, DeskAdmin)
            for link in model_admin.desk_links
            if (not link.permission or request.user.has_perm(link.permission)) and link.offered(request)
        }
        return [
            (
                name,
                {
                    "name": link.title,
                    "object_name": name,
                    "hint": link.hint,
                    "admin_url": _page(name),
                    "add_url": None,
                    "view_only": True,
                },
            )
            for name, link in links.items()
            if not name.endswith("_changelist")
        ]
