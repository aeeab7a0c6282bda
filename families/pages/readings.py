"""« Qui a consulté mon dossier »: what of the register of reading concerns a family."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db.models import BooleanField, Case, CharField, Count, F, Max, Q, QuerySet, Value, When
from django.db.models.functions import TruncDate
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from families import which_home
from families.models import Child, Concerned, Household, Reading
from families.traces import reading
from portal.french import moments
from portal.web.signed_in import SignedInRequest

A_PAGE = 30
# What was read, as the family calls it.
WORDS = {
    Reading.Kind.HEALTH: "Fiche sanitaire",
    Reading.Kind.PROOF: "Justificatif que vous avez envoyé",
    Reading.Kind.HEALTH_PAPER: "Papier de santé",
    Reading.Kind.JUSTICE_PAPER: "Papier de justice",
    Reading.Kind.CERTIFICATE: "Certificat médical que vous avez envoyé",
    Reading.Kind.EXPORT: "Liste de plusieurs dossiers, dont le vôtre, enregistrée dans un fichier",
    Reading.Kind.FAMILY_DATA: "Toutes les données de votre foyer",
    Reading.Kind.KEPT_DOCUMENT: "Document conservé par la loi",
    Reading.Kind.MESSAGE: "Pièce jointe d'un de vos messages à la mairie",
    Reading.Kind.AS_FAMILY: "Votre compte, tel que vous le voyez",
}
IN_A_LIST = "Dans une liste de plusieurs enfants"


@dataclass(frozen=True)
class SeenBy:
    """What one member of staff read of one child, or of the household, on a day, however often.

    The name is told: whoever has dealings with the administration knows by whom they are treated (code des
    relations entre le public et l'administration, article L. 111-2), and staff read in their function.
    """

    what: str
    child: str
    listed: str
    when: str
    reader: str


@require_GET
def readings(request: SignedInRequest) -> HttpResponse:
    """By day, the latest first: what was read, of whom, by whom."""
    own = which_home.household(request)
    children = Child.objects.living_in(own, timezone.localdate())
    page = Paginator(_by_day(own, children), A_PAGE).get_page(request.GET.get("page"))
    names = dict(children.values_list("pk", "first_name"))
    context = {"household": own, "page": page, "rows": [_row(each, names) for each in page]}
    return render(request, "families/readings.html", context)


def _by_day(own: Household, children: QuerySet[Child]) -> QuerySet[Concerned, Any]:
    """One row a day, reader, kind and child, with how often and when last.

    A list is named where it is of the household's own. One of children says by its place and its day what a
    child does there, which is for the home that booked it.
    """
    in_list = Q(reading__people__gt=1)
    named = Case(
        When(in_list, household=own, then=F("reading__what")), default=Value(""), output_field=CharField()
    )
    listed = Case(When(in_list, then=Value(True)), default=Value(False), output_field=BooleanField())
    return (
        reading.concerned([own.pk], children)
        .annotate(
            day=TruncDate("reading__at"),
            kind=F("reading__kind"),
            reader=F("reading__reader_name"),
            named=named,
            listed=listed,
        )
        .values("day", "kind", "reader", "child", "named", "listed")
        .annotate(times=Count("pk"), last=Max("reading__at"), one=Max("pk"))
        .order_by("-last", "-one")
    )


def _row(found: dict[str, Any], names: dict[int, str]) -> SeenBy:
    return SeenBy(
        what=WORDS[Reading.Kind(found["kind"])],
        child=names.get(found["child"], ""),
        listed=found["named"] or (IN_A_LIST if found["listed"] and found["child"] else ""),
        when=_when(found["last"], found["times"]),
        reader=found["reader"],
    )


def _when(last: datetime, times: int) -> str:
    """« lundi 9 novembre 2026 à 10 h », « lundi 9 novembre 2026, 3 fois, la dernière à 10 h »."""
    if times == 1:
        return moments.moment(last, year=True)
    local = timezone.localtime(last)
    return f"{moments.day(local.date(), year=True)}, {times} fois, la dernière à {moments.hour(local.time())}"
