"""When families enrol for a school year, and the audiences of which campaigns speak."""

from django.contrib import admin

from portal.desk.choices import TolerantChoices
from portal.desk.pages import WithHistory
from portal.desk.site import DeskAdmin
from portal.reservations.models import Audience, Campaign


@admin.register(Campaign)
class CampaignAdmin(TolerantChoices[Campaign], WithHistory[Campaign]):
    desk_order = 22
    list_display = ("school_year", "concerns", "opens_at", "closes_at")
    list_filter = ("school_year", "activity", "audience")
    list_select_related = ("school_year", "activity", "audience")
    autocomplete_fields = ("school_year", "activity")
    fieldsets = (
        (
            None,
            {
                "fields": ("school_year", "opens_at", "closes_at"),
                "description": "Sans campagne, une année s'ouvre quand la précédente finit, et ne clôt pas. "
                "La mairie, elle, inscrit à tout moment : « Inscrire un enfant ».",
            },
        ),
        (
            "Pour qui",
            {
                "fields": ("activity", "audience"),
                "description": "La campagne d'une activité compte avant la générale ; celle d'un public, "
                "avant celle de tous.",
            },
        ),
    )

    @admin.display(description="concerne")
    def concerns(self, obj: Campaign) -> str:
        named = [str(one) for one in (obj.activity, obj.audience) if one]
        return ", ".join(named) or "toutes les activités, tous les foyers"


@admin.register(Audience)
class AudienceAdmin(DeskAdmin[Audience]):
    desk_order = 36
    list_display = ("label", "belonging", "order")
    search_fields = ("label", "code")
    fields = ("label", "code", "belonging", "order")
