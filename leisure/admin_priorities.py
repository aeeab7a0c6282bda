"""Who comes first at the desk: an activity's criteria, the priority district, the situations of families."""

import sys
from collections.abc import Collection
from datetime import date, datetime
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from families.custody import own
from families.desk_cells import HouseholdLink, person
from leisure import priorities
from leisure.criteria import Kind, OwnOrder, examples, ranked
from leisure.models import ActivityCriterion, PriorityFact, PriorityStreet
from portal.desk import previews
from portal.desk.choices import TolerantChoices
from portal.desk.pages import WithHistory
from portal.desk.previews import Preview, ShowsPreview, Table, Typed
from portal.desk.site import DeskAdmin, M
from portal.french.dates import short_day
from portal.web.signed_in import user_of

HEALTH = "families.view_childhealth"


class ForgetsOrders(DeskAdmin[M]):
    """What is kept for half a minute is read anew."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        priorities.forget()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        priorities.forget()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[M]) -> None:
        super().delete_queryset(request, queryset)
        priorities.forget()


@admin.register(ActivityCriterion)
class ActivityCriterionAdmin(
    ShowsPreview[ActivityCriterion],
    ForgetsOrders[ActivityCriterion],
    TolerantChoices[ActivityCriterion],
    WithHistory[ActivityCriterion],
):
    desk_order = 60
    list_display = ("activity", "order", "kind", "whole_order")
    list_filter = ("activity",)
    list_select_related = ("activity",)
    autocomplete_fields = ("activity",)
    fieldsets = (
        (
            None,
            {
                "fields": ("activity", "order", "kind"),
                "description": "« Départager les demandes » les applique dans leur rang, et dit pour chaque"
                " enfant ce qui a compté. À égalité de tout, l'ordre d'arrivée. Les familles lisent cet"
                " ordre avant de réserver.",
            },
        ),
    )

    @admin.display(description="l'ordre entier")
    def whole_order(self, obj: ActivityCriterion) -> str:
        order = priorities.order_of(obj.activity_id)
        return order.explanation if order else ""

    def preview(self, typed: Typed[ActivityCriterion], request: HttpRequest, at: datetime) -> Preview:
        """Families that differ in what the criteria of the activity look at, in the order that these give."""
        row = typed.row
        others = ActivityCriterion.objects.filter(activity=row.activity).exclude(pk=row.pk)
        rows = sorted([row, *others], key=lambda one: (one.order, one.pk or sys.maxsize))
        order = OwnOrder(tuple(Kind(one.kind) for one in rows))
        asked = examples(order.kinds, at)
        names = {asking.line_id: name for name, asking in asked}
        shown = [
            previews.row(str(place), names[one.asking.line_id].capitalize())
            for place, one in enumerate(ranked([asking for _, asking in asked], order), 1)
        ]
        caption = "Si une place manque : des demandes de la même heure"
        return Preview([order.explanation], tables=[Table(caption, ("Rang", "Qui demande"), shown)])


@admin.register(PriorityStreet)
class PriorityStreetAdmin(ForgetsOrders[PriorityStreet]):
    desk_order = 61
    list_display = ("street", "postcode")
    list_display_links = ("street", "postcode")
    search_fields = ("street", "postcode")


class InForceFilter(admin.SimpleListFilter):
    title = "en cours"
    parameter_name = "en-cours"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("oui", "En cours"), ("a-verifier", "Déclarées, à justifier")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        today = timezone.localdate()
        if self.value() == "oui":
            return queryset.in_force(today)
        return queryset.in_force(today).filter(proved=False) if self.value() == "a-verifier" else queryset


@admin.register(PriorityFact)
class PriorityFactAdmin(HouseholdLink, TolerantChoices[PriorityFact], WithHistory[PriorityFact]):
    desk_order = 62
    list_display = ("household_link", "child", "kind", "since", "until_shown", "proved", "noted_by_name")
    list_display_links = ("kind",)
    list_filter = (InForceFilter, "kind", "proved")
    list_select_related = ("child", "noted_by")
    search_fields = ("household__guardians__last_name",)
    autocomplete_fields = ("household", "child")
    fields = ("household", "child", "kind", "since", "until", "proved", "noted_at", "noted_by_name")
    readonly_fields = ("noted_at", "noted_by_name")

    @admin.display(description="jusqu'au", ordering="until")
    def until_shown(self, obj: PriorityFact) -> str:
        return short_day(obj.until, year=True) if isinstance(obj.until, date) else "–"

    @admin.display(description="notée par")
    def noted_by_name(self, obj: PriorityFact) -> str:
        return person(obj.noted_by)

    def get_queryset(self, request: HttpRequest) -> QuerySet[PriorityFact]:
        """A handicap is of a child's health: without that right, there is none."""
        rows = super().get_queryset(request)
        if request.user.has_perm(HEALTH):
            return rows
        return rows.exclude(kind=PriorityFact.Sort.DISABILITY)

    def formfield_for_choice_field(self, db_field: Any, request: HttpRequest, **given: Any) -> Any:
        if db_field.name == "kind" and not request.user.has_perm(HEALTH):
            given["choices"] = [
                one for one in db_field.get_choices() if one[0] != PriorityFact.Sort.DISABILITY
            ]
        return super().formfield_for_choice_field(db_field, request, **given)

    def save_model(self, request: Any, obj: PriorityFact, form: Any, change: bool) -> None:
        before = PriorityFact.objects.filter(pk=obj.pk).values_list("household", flat=True)
        self._check_own(request, {obj.household_id, *before})
        if not change:
            obj.noted_at, obj.noted_by = timezone.now(), request.user
        super().save_model(request, obj, form, change)

    def delete_model(self, request: HttpRequest, obj: PriorityFact) -> None:
        self._check_own(request, [obj.household_id])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[PriorityFact]) -> None:
        self._check_own(request, list(queryset.values_list("household", flat=True)))
        super().delete_queryset(request, queryset)

    def _check_own(self, request: HttpRequest, households: Collection[int]) -> None:
        """Raises OwnHousehold."""
        own.check(user_of(request), households, right=self.right_for("change"), at=timezone.now())
