"""When families enrol for a school year, and the audiences of which campaigns speak."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from families.custody import own
from families.desk_cells import HouseholdLink
from families.models import Household
from portal.desk import previews
from portal.desk.choices import TolerantChoices
from portal.desk.columns import TypedColumns
from portal.desk.pages import WithHistory
from portal.desk.previews import Preview, ShowsPreview, Table, Typed
from portal.french import moments
from portal.french.plurals import counted
from portal.french.sentences import lower_first
from portal.reservations.days import audiences
from portal.reservations.days.campaigns import Campaigns
from portal.reservations.models import (
    Activity,
    Audience,
    AudienceAddress,
    AudienceMember,
    Campaign,
    PeriodOpening,
)
from portal.reservations.models.campaigns import USUAL, read_publics
from portal.web.signed_in import user_of


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
        named = {one.audience.pk: one.audience for one in [row, *others] if one.audience is not None}
        own = [one for one in named.values() if not one.is_usual]
        whom = [
            (f"Famille : {lower_first(each.label)}", [one for one in named.values() if one.belonging == each])
            for each in (Audience.Belonging(one) for one in USUAL)
        ]
        whom += [(f"Famille : {lower_first(one.label)}", [one]) for one in own]
        shown = []
        for hour in hours:
            said = []
            for _, its in whom:
                concerned = [one for one in [row, *others] if one.audience is None or one.audience in its]
                concerned.sort(key=_decides_first)
                campaigns = Campaigns([row.school_year], concerned, hour)
                said.append(campaigns.closed(activity, row.school_year) or "la famille inscrit son enfant")
            shown.append(previews.row(moments.moment(hour, year=True).capitalize(), *said))
        heads = ("Le", *(words for words, _ in whom))
        caption = f"Ce que lit une famille ({activity}, {row.school_year})"
        return Preview(tables=[Table(caption, heads, shown)])


def _decides_first(one: Campaign) -> tuple[bool, bool, int, int]:
    """`MOST_SPECIFIC`, of rows that are not saved yet."""
    order = one.audience.order if one.audience else 0
    return one.activity_id is None, one.audience is None, order, one.pk or 0


class AudienceAddressInline(TypedColumns, admin.TabularInline[AudienceAddress, Audience]):
    model = AudienceAddress
    extra = 0
    verbose_name_plural = "Adresses : communes, codes postaux ou rues, s'il en est par là où il habite"
    fields = ("city", "postcode", "street", "starts_on", "ends_on")


@admin.register(Audience)
class AudienceAdmin(ShowsPreview[Audience], TolerantChoices[Audience]):
    desk_order = 36
    list_display = ("label", "belonging", "order", "priced_as_resident")
    search_fields = ("label", "code")
    inlines = (AudienceAddressInline,)
    prepopulated_fields = {"code": ("label",)}
    autocomplete_fields = ("schools",)
    fieldsets = (
        (None, {"fields": ("label", "code", "belonging", "order", "households")}),
        (
            "Écoles",
            {
                "fields": ("schools",),
                "description": "Celles du secteur, s'il en est par l'école de ses enfants.",
            },
        ),
        (
            "Ce que cela change",
            {
                "fields": ("words", "priced_as_resident"),
                "description": "Ses dates d'ouverture s'écrivent sur les campagnes, les périodes et les"
                " fenêtres des délais ; ses prix, sur les tarifs. De plusieurs publics d'un foyer pour qui"
                " quelque chose est dit, le plus petit ordre compte ; puis « Commune » et « Hors commune ».",
            },
        ),
    )
    readonly_fields = ("households",)
    # Every household is counted: when it is asked for.
    preview_lives = False
    preview_hint = "Combien de foyers en seraient, et ce que la ville dit de ce public."

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> dict[str, Any]:
        return {} if obj else super().get_prepopulated_fields(request, obj)

    @admin.display(description="foyers qui en sont aujourd'hui")
    def households(self, obj: Audience) -> str:
        return str(_how_many(obj)) if obj.pk else "–"

    def preview(self, typed: Typed[Audience], request: HttpRequest, at: datetime) -> Preview:
        kept = Audience.objects.filter(pk=typed.row.pk).first()
        before = counted(_how_many(kept), "foyer en est", "foyers en sont") if kept else ""
        with typed.written() as row:
            would = counted(_how_many(row), "foyer serait de ce public", "foyers seraient de ce public")
            said = _said_of(row)
        return Preview(
            [f"{would} aujourd'hui."],
            notes=[f"{before} tel qu'il est enregistré."] if before else [],
            tables=[
                Table(
                    "Ce que la ville dit de ce public",
                    ("Quoi",),
                    [previews.row(sentence) for sentence in said],
                    none="Rien n’est encore dit de ce public : ni ouverture, ni campagne, ni prix.",
                )
            ],
        )

    def save_model(self, request: HttpRequest, obj: Audience, form: Any, change: bool) -> None:
        form.households_before = _how_many(Audience.objects.get(pk=obj.pk)) if change else 0
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Says what was changed: how many households are of it, and were."""
        super().save_related(request, form, formsets, change)
        now, before = _how_many(form.instance), form.households_before
        said = counted(now, "foyer est de ce public aujourd'hui", "foyers sont de ce public aujourd'hui")
        was = f" ({before} avant)" if change and before != now else ""
        messages.info(request, f"{said}{was}.")


def _said_of(row: Audience) -> list[str]:
    """What is said of an audience: what opens to it on days of its own, what it pays."""
    openings = row.period_openings.select_related("period__activity").order_by("opens_at")
    found = [
        f"{one.period.activity}, {one.period} : ouvre {moments.opening(one.opens_at, year=True)}"
        for one in openings
    ]
    for campaign in row.campaigns.select_related("school_year", "activity").order_by("opens_at"):
        found.append(f"{campaign} : ouvre {moments.opening(campaign.opens_at, year=True)}")
    told = {AudienceAddress, AudienceMember, PeriodOpening, Campaign}
    # Windows, and what apps above say of its prices.
    for link in Audience._meta.related_objects:
        model = link.related_model
        if link.one_to_many and model not in told:
            number = model._base_manager.filter(**{link.field.name: row}).count()
            if number:
                one, many = str(model._meta.verbose_name), str(model._meta.verbose_name_plural)
                found.append(counted(number, one, many))
    if row.priced_as_resident:
        found.append("paie comme les familles de la commune")
    return found


def _how_many(row: Audience) -> int:
    homes = Household.objects.filter(state=Household.State.ACCEPTED, joined_to=None, erased_at=None)
    if row.is_usual:
        return homes.filter(resident=row.belonging == Audience.Belonging.RESIDENT).count()
    rows = homes.only("street", "postcode", "city")
    return audiences.count_of(read_publics().of(row.pk), rows, timezone.localdate())


@admin.register(AudienceMember)
class AudienceMemberAdmin(HouseholdLink, TolerantChoices[AudienceMember], WithHistory[AudienceMember]):
    """Who is of an audience because the town hall says so: an agent of the town."""

    desk_order = 37
    list_display = ("household_link", "audience", "starts_on", "ends_on", "proof")
    list_display_links = ("audience",)
    list_filter = ("audience",)
    list_select_related = ("audience",)
    search_fields = ("household__guardians__folded",)
    autocomplete_fields = ("household",)
    fields = ("household", "audience", "starts_on", "ends_on", "proof")

    def save_model(self, request: HttpRequest, obj: AudienceMember, form: Any, change: bool) -> None:
        before = AudienceMember.objects.filter(pk=obj.pk).values_list("household", flat=True)
        self._check_own(request, {obj.household_id, *before})
        if {"household", "audience", "starts_on", "ends_on"} & set(form.changed_data):
            obj.known_on = timezone.localdate()
        super().save_model(request, obj, form, change)
        if obj.starts_on < timezone.localdate().replace(day=1):
            messages.info(
                request,
                "Des jours d'avant ce mois sont peut-être déjà facturés à un autre prix : ils le gardent,"
                " sauf si vous recalculez leur mois (« Recalculer un mois »).",
            )

    def delete_model(self, request: HttpRequest, obj: AudienceMember) -> None:
        self._check_own(request, [obj.household_id])
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[AudienceMember]) -> None:
        self._check_own(request, list(queryset.values_list("household", flat=True)))
        super().delete_queryset(request, queryset)

    def _check_own(self, request: HttpRequest, households: Collection[int]) -> None:
        """Raises OwnHousehold."""
        own.check(user_of(request), households, right=self.right_for("change"), at=timezone.now())
