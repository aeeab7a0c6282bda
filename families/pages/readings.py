"""« Qui a consulté mon dossier »: what of the register of reading concerns a family."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Max, QuerySet
from django.db.models.functions import TruncDate
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET

from families.models import Child, Concerned, Household, Reading
from families.traces import reading
from portal.french import moments
from portal.web.signed_in import SignedInRequest

A_PAGE = 30
# What was read, as the family calls it.
WORDS = {
    Reading.Kind.HEALTH: "Fiche sanitaire",
    Reading.Kind.PROOF: "Justificatif que vous avez envoyé",
    Reading.Kind.CERTIFICATE: "Certificat médical que vous avez envoyé",
    Reading.Kind.EXPORT: "Liste de plusieurs dossiers, dont le vôtre, enregistrée dans un fichier",
    Reading.Kind.FAMILY_DATA: "Toutes les données de votre foyer",
    Reading.Kind.KEPT_DOCUMENT: "Document conservé par la loi",
    Reading.Kind.AS_FAMILY: "Votre compte, tel que vous le voyez",
}


@dataclass(frozen=True)
class SeenBy:
    """What one member of staff read of one file on a day, however often.

    The name is told: whoever has dealings with the administration knows by whom they are treated (code des
    relations entre le public et l'administration, article L. 111-2), and staff read in their function.
    """

    what: str
    children: str
    listed: str
    when: str
    reader: str


@require_GET
def readings(request: SignedInRequest) -> HttpResponse:
    """By day, the latest first: what was read, of whom, by whom."""
    own = get_object_or_404(Household.objects.visible_to(request.user))
    children = list(Child.objects.visible_to(request.user))
    page = Paginator(_by_day(own, children), A_PAGE).get_page(request.GET.get("page"))
    context = {"household": own, "page": page, "rows": _rows(list(page), children)}
    return render(request, "families/readings.html", context)


def _by_day(own: Household, children: list[Child]) -> QuerySet[Reading, Any]:
    """One row a day, reader, kind and list, with how often and when last."""
    mine = Child.objects.filter(pk__in=[child.pk for child in children])
    return (
        reading.about([own.pk], mine)
        .annotate(day=TruncDate("at"))
        .values("day", "kind", "reader_name", "people", "what", "child")
        .annotate(times=Count("pk"), last=Max("at"), one=Max("pk"))
        .order_by("-last", "-one")
    )


def _when(last: datetime, times: int) -> str:
    """« lundi 9 novembre 2026 à 10 h », « lundi 9 novembre 2026, 3 fois, la dernière à 10 h »."""
    local = timezone.localtime(last)
    if times == 1:
        return moments.moment(last, year=True)
    return f"{moments.day(local.date(), year=True)}, {times} fois, la dernière à {moments.hour(local.time())}"


def _rows(found: list[dict[str, Any]], children: list[Child]) -> list[SeenBy]:
    names = {child.pk: child.first_name for child in children}
    concerned: dict[int, list[str]] = {}
    of_lists = Concerned.objects.filter(reading__in=[row["one"] for row in found], child__in=names)
    for key, child in of_lists.order_by("pk").values_list("reading", "child"):
        concerned.setdefault(key, []).append(names[child])
    return [
        SeenBy(
            what=WORDS[Reading.Kind(row["kind"])],
            children=", ".join(concerned.get(row["one"], [])),
            # Of a list, its name. What a line says of one file may be of the child's other home.
            listed=row["what"] if row["people"] > 1 else "",
            when=_when(row["last"], row["times"]),
            reader=row["reader_name"],
        )
        for row in found
    ]
