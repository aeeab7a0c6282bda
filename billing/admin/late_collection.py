"""Late departures at the desk: who left when, what it costs, what is forgiven; the rule of an activity."""

from datetime import date, datetime, time
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode

from billing.admin.letting_off import LetsOff
from billing.invoices import late_collection
from billing.models import LateCollection, LateCollectionRule
from billing.prices import rule_previews
from billing.rules import late_collection as rules
from families.custody.own import OwnHousehold
from portal.desk import rights
from portal.desk.pages import OwnPages
from portal.desk.previews import Preview, ShowsPreview, Typed
from portal.desk.site import DeskLink
from portal.french import moments
from portal.french.day_fields import DayField
from portal.french.plurals import counted
from portal.reservations.models import Activity, Establishment
from portal.reservations.staff import limits
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest

MAY_NOTE = ("billing.add_latecollection", "billing.change_latecollection")


@admin.register(LateCollectionRule)
class LateCollectionRuleAdmin(ShowsPreview[LateCollectionRule]):
    desk_order = 82
    list_display = ("activity", "valid_from", "closes_at", "quarter", "flat", "flat_after", "from_nth")
    list_select_related = ("activity",)

    def preview(self, typed: Typed[LateCollectionRule], request: HttpRequest, at: datetime) -> Preview:
        return rule_previews.late_departures(typed.row)


class EveningForm(forms.Form):
    """Which day, and of which activity at which place."""

    jour = DayField(label="Jour")
    lieu = forms.TypedChoiceField(label="Établissement")
    activite = forms.TypedChoiceField(label="Activité")

    def __init__(
        self, *args: Any, places: list[Establishment], activities: list[Activity], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        known: dict[str, list[Any]] = {"lieu": list(places), "activite": list(activities)}
        for name, rows in known.items():
            by_key = {str(one.pk): one for one in rows}
            chosen = field_of(self, name, forms.TypedChoiceField)
            chosen.choices = [(key, str(one)) for key, one in by_key.items()]
            chosen.coerce = by_key.__getitem__


@admin.register(LateCollection)
class LateCollectionAdmin(LetsOff[LateCollection], OwnPages[LateCollection]):
    """Entered by « Noter les départs tardifs »; forgiven here, with a reason."""

    desk_order = 26
    desk_links = (
        DeskLink(
            "Noter les départs tardifs",
            "billing_latecollection_note",
            MAY_NOTE[0],
            "qui est parti après la fermeture, et à quelle heure",
        ),
    )
    list_display = ("day", "child", "activity", "left_at", "minutes", "amount_shown", "forgiven_reason")
    fields = (
        "child",
        "household",
        "activity",
        "establishment",
        "day",
        "left_at",
        "words",
        "amount_shown",
        "forgiven_reason",
        "forgiven_by",
        "forgiven_at",
        "entered_by",
        "entered_at",
    )
    forgive = staticmethod(late_collection.forgive)
    refusal = late_collection.LateRefused

    # The list of a day ----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.note)
        return [path("noter/", view, name="billing_latecollection_note"), *super().get_urls()]

    def note(self, request: SignedInRequest) -> HttpResponse:
        """Day, place and activity stand in the address; everybody left on time by default."""
        self.demand(request, *MAY_NOTE)
        today = timezone.localdate()
        activities = list(Activity.objects.filter(late_rules__isnull=False).distinct())
        places = list(
            rights.seen_by(
                request.user, Establishment.objects.filter(activities__in=activities).distinct(), MAY_NOTE[0]
            )
        )
        asked: dict[str, Any] = {"jour": today.isoformat()}
        if places and activities:
            asked |= {"lieu": places[0].pk, "activite": activities[0].pk}
        asked |= {name: request.GET[name] for name in ("jour", "lieu", "activite") if name in request.GET}
        form = EveningForm(asked, places=places, activities=activities)
        context: dict[str, Any] = {"form": form, "rows": None, "known": bool(places)}
        if form.is_valid():
            said = form.cleaned_data
            day, place, activity = said["jour"], said["lieu"], said["activite"]
            if not limits.opens(request.user, place.pk, day, today=today):
                form.add_error("jour", limits.TODAY_ONLY)
            else:
                typed = request.POST if request.method == "POST" else None
                rows, departures, valid = _rows(place, activity, day, typed)
                if typed is not None and valid and self._save(request, place, activity, day, departures):
                    query = urlencode({"jour": day.isoformat(), "lieu": place.pk, "activite": activity.pk})
                    return redirect(f"{reverse('admin:billing_latecollection_note')}?{query}")
                rule = late_collection.rule_on(late_collection.rules_of(activity.pk), day)
                context |= {
                    "rows": rows,
                    "sentences": rules.in_words(rule.rule()) if rule else [],
                    "title_of_day": moments.day(day, year=True),
                    "to_come": day > today,
                    "no_rule": rule is None,
                }
        title = "Noter les départs tardifs"
        return self.page(request, "admin/billing/late_evening.html", title, context)

    def _save(
        self,
        request: SignedInRequest,
        place: Establishment,
        activity: Activity,
        day: date,
        departures: dict[int, time | None],
    ) -> bool:
        try:
            done = late_collection.note(place, activity, day, departures, by=request.user, at=timezone.now())
        except (late_collection.LateRefused, OwnHousehold) as refusal:
            messages.error(request, str(refusal))
            return False
        if done.written:
            said = counted(done.written, "départ noté", "départs notés")
            messages.success(request, f"{said} : les familles concernées sont prévenues.")
        else:
            messages.info(request, "La liste était déjà enregistrée ainsi : rien n'a changé.")
        return True


def _rows(
    place: Establishment, activity: Activity, day: date, typed: Any
) -> tuple[list[dict[str, Any]], dict[int, time | None], bool]:
    """The children expected, with what is noted or typed of each; what to write; whether all can be read."""
    expected = late_collection.expected(place, activity, day)
    known = {row.child_id: row for row in LateCollection.objects.filter(activity=activity, day=day)}
    rows: list[dict[str, Any]] = []
    departures: dict[int, time | None] = {}
    valid = True
    for booking in expected:
        row = known.get(booking.child_id)
        name, trouble = f"depart-{booking.child_id}", ""
        value = f"{row.left_at:%H:%M}" if row and row.left_at else ""
        if typed is not None and name in typed:
            value = typed[name].strip()
            try:
                departures[booking.child_id] = time.fromisoformat(value) if value else None
            except ValueError:
                trouble, valid = "Indiquez l'heure du départ, par exemple 18:47.", False
        rows.append({"child": booking.child, "name": name, "value": value, "trouble": trouble, "row": row})
    return rows, departures, valid
