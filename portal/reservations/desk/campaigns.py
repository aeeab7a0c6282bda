"""When families enrol for a school year, and the audiences of which campaigns speak."""

from datetime import datetime, timedelta

from django.contrib import admin
from django.http import HttpRequest

from portal.desk import previews
from portal.desk.choices import TolerantChoices
from portal.desk.pages import WithHistory
from portal.desk.previews import Preview, ShowsPreview, Table, Typed
from portal.desk.site import DeskAdmin
from portal.french import moments
from portal.reservations.days.campaigns import Campaigns
from portal.reservations.models import Activity, Audience, Campaign


@admin.register(Campaign)
class CampaignAdmin(ShowsPreview[Campaign], TolerantChoices[Campaign], WithHistory[Campaign]):
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

    def preview(self, typed: Typed[Campaign], request: HttpRequest, at: datetime) -> Preview | None:
        """What families read around its opening and its end, beside the other campaigns of the year."""
        row = typed.row
        activity = row.activity or Activity.objects.filter(active=True).first()
        if activity is None:
            return None
        known = Campaign.objects.filter(school_year=row.school_year).exclude(pk=row.pk)
        others = list(known.select_related("audience"))
        hours = [row.opens_at - timedelta(days=1), row.opens_at]
        hours += [row.closes_at] if row.closes_at else []
        shown = []
        for hour in hours:
            said = []
            for belonging in Audience.Belonging.values:
                concerned = [
                    one
                    for one in [row, *others]
                    if one.audience is None or one.audience.belonging == belonging
                ]
                concerned.sort(key=_decides_first)
                campaigns = Campaigns([row.school_year], concerned, hour)
                said.append(campaigns.closed(activity, row.school_year) or "la famille inscrit son enfant")
            shown.append(previews.row(moments.moment(hour, year=True).capitalize(), *said))
        heads = ("Le", *(f"Famille : {label.lower()}" for label in Audience.Belonging.labels))
        caption = f"Ce que lit une famille ({activity}, {row.school_year})"
        return Preview(tables=[Table(caption, heads, shown)])


def _decides_first(one: Campaign) -> tuple[bool, bool, int, int]:
    """`MOST_SPECIFIC`, of rows that are not saved yet."""
    order = one.audience.order if one.audience else 0
    return one.activity_id is None, one.audience is None, order, one.pk or 0


@admin.register(Audience)
class AudienceAdmin(DeskAdmin[Audience]):
    desk_order = 36
    list_display = ("label", "belonging", "order")
    search_fields = ("label", "code")
    fields = ("label", "code", "belonging", "order")
