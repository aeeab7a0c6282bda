"""« Annonces aux familles »: what families read on their first page, between two dates."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from portal.desk import own_choices
from portal.desk.choices import TolerantChoices
from portal.desk.lists import badge
from portal.desk.pages import WithHistory
from portal.desk.site import DeskAdmin
from portal.french import moments
from portal.reservations.days import notices
from portal.reservations.models import Notice
from portal.reservations.models.notices import State

TINTS = {State.TO_COME: "requested", State.SHOWN: "accepted", State.OVER: "draft"}


class NoticeStates(admin.SimpleListFilter):
    """Where they stand today."""

    title = "état"
    parameter_name = "etat"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(one.value, str(one.label)) for one in State]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        today = timezone.localdate()
        match self.value():
            case State.TO_COME:
                return queryset.filter(starts_on__gt=today)
            case State.SHOWN:
                return queryset.filter(starts_on__lte=today, ends_on__gte=today)
            case State.OVER:
                return queryset.filter(ends_on__lt=today)
        return queryset


@admin.register(Notice)
class NoticeAdmin(WithHistory[Notice], TolerantChoices[Notice], DeskAdmin[Notice]):
    """One that a closure put there can be worded otherwise, or removed: the closure stays."""

    desk_order = 11
    list_display = ("title", "level", "dates", "where", "state_badge")
    list_display_links = ("title",)
    list_filter = (NoticeStates, "level", "places")
    search_fields = ("title", "text")
    date_hierarchy = "starts_on"
    autocomplete_fields = ("places",)
    fieldsets = (
        (None, {"fields": ("title", "text", "level")}),
        ("Quand, et pour qui", {"fields": ("starts_on", "ends_on", "places")}),
    )
    change_form_template = "admin/reservations/notice.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice]:
        return super().get_queryset(request).prefetch_related("places")

    @admin.display(description="jours", ordering="starts_on")
    def dates(self, obj: Notice) -> str:
        return moments.span(obj.starts_on, obj.ends_on, year=True)

    @admin.display(description="pour")
    def where(self, obj: Notice) -> str:
        return ", ".join(str(place) for place in obj.places.all()) or "toutes les familles"

    @admin.display(description="état")
    def state_badge(self, obj: Notice) -> SafeString:
        state = obj.state_on(timezone.localdate())
        return badge(TINTS[state], str(state.label))

    def get_form(
        self, request: HttpRequest, obj: Notice | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        own_choices.require(form, request.user, "places", self.right_for("change"))
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"starts_on": timezone.localdate(), **super().get_changeform_initial_data(request)}

    def beside(self, request: HttpRequest, row: Notice) -> dict[str, Any]:
        return {"notice": row, "notice_state": self.state_badge(row), "notice_where": self.where(row)}

    def save_model(self, request: HttpRequest, obj: Notice, form: Any, change: bool) -> None:
        obj.by_hand = obj.by_hand or bool({"title", "text", "level"} & set(form.changed_data))
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        notices.current.forget()

    def delete_model(self, request: HttpRequest, obj: Notice) -> None:
        super().delete_model(request, obj)
        notices.current.forget()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        super().delete_queryset(request, queryset)
        notices.current.forget()
