"""Days closed or opened out of turn. Closing says first whom it concerns, then cancels and tells them."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import unquote
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from portal.desk import own_choices
from portal.desk.choices import TolerantChoices
from portal.desk.site import DeskAdmin
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.acts import booking, opening
from portal.reservations.models import Closure, Period
from portal.web.signed_in import user_of

CONFIRMED = "_closing_confirmed"


@admin.register(Closure)
class ClosureAdmin(TolerantChoices[Closure], DeskAdmin[Closure]):
    desk_order = 10
    list_display = ("dates", "reason", "concerns", "opens")
    list_display_links = ("dates",)
    list_filter = ("why", "opens", "establishment", "activity")
    list_select_related = ("establishment", "activity", "school_class__school")
    search_fields = ("label", "establishment__name", "activity__name")
    date_hierarchy = "starts_on"
    autocomplete_fields = ("establishment", "activity", "school_class")
    fieldsets = (
        (None, {"fields": ("starts_on", "ends_on", "why", "label", "opens")}),
        (
            "Ce qui ferme",
            {
                "fields": ("establishment", "activity", "school_class"),
                "description": "Sans rien choisir, toute la commune est concernée.",
            },
        ),
    )

    @admin.display(description="jours", ordering="starts_on")
    def dates(self, obj: Closure) -> str:
        return moments.span(obj.starts_on, obj.ends_on, year=True)

    @admin.display(description="motif", ordering="why")
    def reason(self, obj: Closure) -> str:
        return obj.reason

    @admin.display(description="concerne")
    def concerns(self, obj: Closure) -> str:
        named = [str(one) for one in (obj.establishment, obj.activity, obj.school_class) if one]
        return ", ".join(named) or "toute la commune"

    def get_form(
        self, request: HttpRequest, obj: Closure | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        own_choices.require(form, request.user, "establishment", self.right_for("change"))
        return form

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if request.method == "POST" and CONFIRMED not in request.POST:
            question = self._question(request, object_id)
            if question:
                return question
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _question(self, request: HttpRequest, object_id: str | None) -> TemplateResponse | None:
        """The page that says whom the closure concerns; None when it concerns nobody or is not valid yet."""
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        allowed = self.has_change_permission(request, obj) if object_id else self.has_add_permission(request)
        if not allowed or (object_id and obj is None):
            return None
        form = self.get_form(request, obj, change=bool(object_id))(request.POST, instance=obj)
        if not form.is_valid():
            return None
        concerned = booking.concerned_by(form.instance)
        bookings = concerned.values("pk").count()
        if not bookings:
            return None
        typed = [(name, value) for name, values in request.POST.lists() for value in values]
        return TemplateResponse(
            request,
            "admin/reservations/closure_confirm.html",
            self.admin_site.each_context(request)
            | {
                "title": "Confirmer la fermeture",
                "button": "Confirmer la fermeture",
                "subtitle": None,
                "opts": self.opts,
                "closure": form.instance,
                "dates": moments.span(form.instance.starts_on, form.instance.ends_on, year=True),
                "concerns": self.concerns(form.instance),
                "bookings": counted(
                    bookings, "réservation sera annulée sans frais", "réservations seront annulées sans frais"
                ),
                "households": counted(
                    concerned.values("household").distinct().count(),
                    "famille sera prévenue",
                    "familles seront prévenues",
                ),
                "typed": [(name, value) for name, value in typed if name != "csrfmiddlewaretoken"],
                "confirmed": CONFIRMED,
                "is_popup": IS_POPUP_VAR in request.POST,
            },
        )

    def save_model(self, request: HttpRequest, obj: Closure, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        at = timezone.now()
        if obj.opens:
            opened = sum(
                opening.open_slots(period, at=at, within=(obj.starts_on, obj.ends_on))
                for period in _periods_in_use(obj)
            )
            if opened:
                text = counted(opened, "créneau ouvert", "créneaux ouverts")
                self.message_user(request, f"{text} à la réservation.", messages.SUCCESS)
            return
        cancelled = booking.close_days(obj, by=user_of(request), at=at)
        if cancelled:
            text = counted(cancelled, "réservation annulée", "réservations annulées")
            self.message_user(request, f"{text} sans frais ; les familles sont prévenues.", messages.SUCCESS)

    def delete_model(self, request: HttpRequest, obj: Closure) -> None:
        super().delete_model(request, obj)
        self._warn_deleted(request)

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        super().delete_queryset(request, queryset)
        self._warn_deleted(request)

    def _warn_deleted(self, request: HttpRequest) -> None:
        self.message_user(
            request,
            "Les réservations déjà annulées le restent : les familles peuvent réserver ces jours à nouveau.",
            messages.WARNING,
        )


def _periods_in_use(closure: Closure) -> list[Period]:
    """The periods over these days whose slots were opened: others wait for the town hall to open them."""
    periods = Period.objects.filter(
        starts_on__lte=closure.ends_on, ends_on__gte=closure.starts_on, activity__slots__isnull=False
    ).select_related("activity")
    if closure.activity_id:
        periods = periods.filter(activity=closure.activity_id)
    if closure.establishment_id:
        periods = periods.filter(
            Q(establishments=closure.establishment_id)
            | Q(establishments=None, activity__establishments=closure.establishment_id)
        )
    return list(periods.distinct())
