"""« Mes filtres » of every list: what is chosen there, kept under a name by the agent who looks."""

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.urls import reverse

from families.models import KeptFilter
from portal.desk import list_tools
from portal.web.posted import posted_number
from portal.web.signed_in import user_of

if TYPE_CHECKING:
    from portal.desk.site import DeskAdmin

KEEP, FORGET = "_garder", "_oublier"
# The words searched for are mostly a family's name; a page, an error and a window that opened are no filter.
NO_FILTERS = ("q", "p", "e", "all", "_popup", "_to_field", "_facets")
MOST = 20
LONGEST_NAME, LONGEST_QUERY = 60, 1000


def _chosen(request: HttpRequest) -> str:
    """The filters and the order of the list, without anything else of its address."""
    query: QueryDict = request.GET.copy()
    for name in NO_FILTERS:
        query.pop(name, None)
    return query.urlencode()


class KeptFilters:
    """The tool of lists: each agent reads, writes and forgets its own."""

    def shown(self, page: "DeskAdmin[Any]", request: HttpRequest) -> dict[str, Any]:
        opts, chosen = page.opts, _chosen(request)
        address = reverse(f"admin:{opts.app_label}_{opts.model_name}_changelist")
        rows = [
            (one, f"{address}?{one.query}", one.query == chosen)
            for one in KeptFilter.objects.filter(user=user_of(request), page=_page(page))
        ]
        keeps = bool(chosen) and not any(current for _, _, current in rows)
        return {"kept_filters": rows, "keeps_filter": keeps, "keep_as": KEEP, "forget_as": FORGET}

    def answer(self, page: "DeskAdmin[Any]", request: HttpRequest) -> list_tools.Answer | None:
        if FORGET in request.POST:
            key = posted_number(request.POST[FORGET])
            KeptFilter.objects.filter(pk=key or 0, user=user_of(request), page=_page(page)).delete()
        elif KEEP in request.POST:
            self._keep(page, request, " ".join(request.POST[KEEP].split()))
        else:
            return None
        return HttpResponseRedirect(request.get_full_path())

    def _keep(self, page: "DeskAdmin[Any]", request: HttpRequest, name: str) -> None:
        mine = KeptFilter.objects.filter(user=user_of(request), page=_page(page))
        chosen = _chosen(request)
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            messages.error(request, f"Donnez un nom à ce filtre, de {LONGEST_NAME} lettres au plus.")
        elif not chosen or len(chosen) > LONGEST_QUERY:
            messages.error(request, "Choisissez d'abord un filtre de la liste.")
        elif mine.exclude(name=name).count() >= MOST:
            messages.error(request, f"Vous gardez déjà {MOST} filtres ici : oubliez-en un d'abord.")
        else:
            KeptFilter.objects.update_or_create(
                user=user_of(request), page=_page(page), name=name, defaults={"query": chosen}
            )
            messages.success(request, f"Filtre gardé : « {name} ».")


def _page(page: "DeskAdmin[Any]") -> str:
    return f"{page.opts.app_label}_{page.opts.model_name}"


list_tools.register("filters", KeptFilters())
