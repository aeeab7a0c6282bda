"""« Registre des consultations » at the desk: who read what of whom, for who heads the service."""

from itertools import chain
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from families.models import Child, Custody, Household, Reading
from families.signing_in.asking_again import ask_again
from families.traces import reading
from portal.desk.lists import NumberSearch
from portal.desk.pages import ShownOnly
from portal.desk.site import DeskLink
from portal.files.handing_over import Cell, csv_lines, hand_over
from portal.french.plurals import counted
from portal.web.posted import posted_numbers

COLUMNS = (
    "Lu le", "Heure", "Par", "Quoi", "Enfant", "Foyer", "Dossiers", "Précisément", "Page", "Adresse réseau",
)  # fmt: skip
TITLE = "Registre des consultations"
# Of a list, the first files are named; the register knows the others.
NAMED = 100
A_BITE = 2000


class ReaderFilter(admin.SimpleListFilter):
    """Who reads, of those who are in the register at all."""

    title = "lu par"
    parameter_name = "par"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        readers = Reading.objects.exclude(reader=None).order_by("reader_name")
        return [(str(pk), name) for pk, name in readers.values_list("reader", "reader_name").distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Reading]) -> QuerySet[Reading]:
        chosen = posted_numbers([self.value() or ""])
        return queryset.filter(reader__in=chosen) if self.value() else queryset


@admin.register(Reading)
class ReadingAdmin(ShownOnly[Reading], NumberSearch[Reading]):
    """The register, to look at, to search and to take out: nobody writes in it here."""

    desk_order = 70
    desk_links = (
        DeskLink(
            TITLE, "families_reading_changelist", "families.view_reading", "qui a lu quoi, de qui, quand"
        ),
    )
    list_display = ("at", "reader_shown", "kind", "whom", "what")
    list_filter = ("kind", ReaderFilter)
    list_select_related = ("child",)
    list_per_page = 50
    search_fields = ("reader_name", "concerned__child__folded")
    search_help_text = "Nom de l'agent ou de l'enfant, ou numéro de foyer"
    date_hierarchy = "at"
    actions = ("download_csv",)
    fields = readonly_fields = (
        "at",
        "reader_shown",
        "kind",
        "concerned_shown",
        "what",
        "page",
        "network_address",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Reading], search_term: str
    ) -> tuple[QuerySet[Reading], bool]:
        """A household's number finds what concerns it or a child that lives there, in lists too."""
        words = search_term.split()
        numbers = [word for word in words if posted_numbers([word])]
        rest = " ".join(word for word in words if word not in numbers)
        found, duplicates = super().get_search_results(request, queryset, rest)
        for number in posted_numbers(numbers):
            found = found.filter(pk__in=_of_household(number).values("pk"))
        return found, duplicates

    @admin.display(description="lu par", ordering="reader_name")
    def reader_shown(self, obj: Reading) -> str:
        return obj.reader_name

    @admin.display(description="de qui")
    def whom(self, obj: Reading) -> str:
        if obj.people > 1:
            return counted(obj.people, "dossier", "dossiers")
        if obj.child:
            return str(obj.child)
        return str(obj.household or "–")

    @admin.display(description="dossiers consultés")
    def concerned_shown(self, obj: Reading) -> str:
        rows = obj.concerned.select_related("child", "household").order_by("pk")
        names = ", ".join(str(row) for row in rows[:NAMED])
        others = obj.people - NAMED
        return f"{names} et {counted(others, 'autre', 'autres')}" if others > 0 else names or "–"

    @admin.action(description="Télécharger les consultations (CSV)", permissions=["view"])
    def download_csv(self, request: HttpRequest, queryset: QuerySet[Reading]) -> StreamingHttpResponse:
        ask_again(request)
        # Who heads the service takes out who read; whom it concerned is not in it.
        reading.note(request, Reading.Kind.EXPORT, what="Registre des consultations (CSV)")
        rows = queryset.order_by("at", "pk").select_related("child", "household")
        lines = csv_lines(chain([COLUMNS], map(_row, rows.iterator(chunk_size=A_BITE))))
        return hand_over(lines, "consultations.csv")


def _of_household(number: int) -> QuerySet[Reading]:
    homes = Household.objects.filter(pk=number)
    children = Child.objects.filter(pk__in=Custody.objects.filter(household__in=homes).values("child"))
    return reading.about([number], children)


def _row(one: Reading) -> tuple[Cell, ...]:
    at = timezone.localtime(one.at)
    return (
        at.date(), f"{at:%H:%M:%S}", one.reader_name, one.get_kind_display(), str(one.child or ""),
        one.household.number if one.household else "", one.people, one.what, one.page,
        one.network_address,
    )  # fmt: skip
