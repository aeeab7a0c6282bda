"""« Essayer une règle » on an activity's page: what a paper's rule would do to families, unsaved."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from django.utils import timezone

from families.models import PaperKind
from portal.desk import rights
from portal.desk.pages import OwnPages
from portal.french.day_fields import DayField
from portal.reservations.acts import asked_first
from portal.reservations.acts.conditions import Unmet, Wish
from portal.reservations.models import Activity, ActivityPaper, Enrolment
from portal.web.signed_in import SignedInRequest

RIGHT = "reservations.change_activitypaper"
MOST = 5


@dataclass(frozen=True)
class Tried:
    """An enrolled child: what its family would read asking for its enrolment, and booking that day. An empty
    sentence: nothing would be in the way."""

    child: str
    enrolment: str
    day: str


class TryForm(forms.Form):
    kind = forms.ModelChoiceField(label="Papier", queryset=PaperKind.objects.none())
    without = forms.ChoiceField(label="Sans lui", choices=ActivityPaper.Without.choices)
    counts = forms.ChoiceField(label="Il compte", choices=ActivityPaper.Counts.choices)
    day = DayField(label="Jour à réserver")

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        mine = [one for one, right in PaperKind.RIGHTS.items() if user.has_perm(right)]
        kinds = PaperKind.objects.filter(active=True, secrecy__in=mine)
        self.fields["kind"] = forms.ModelChoiceField(label="Papier", queryset=kinds)


class TriesPapers(OwnPages[Activity]):
    """The activity's page that tries a rule before it is saved."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.try_paper)
        return [
            path("<int:pk>/papiers/", view, name="reservations_activity_try_paper"),
            *super().get_urls(),
        ]

    def try_paper(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """Only reads: nothing of what is typed is kept."""
        self.demand(request, RIGHT, "families.view_paper")
        found = get_object_or_404(self.get_queryset(request), pk=pk)
        today = timezone.localdate()
        asked = request.GET if "kind" in request.GET else None
        form = TryForm(asked, user=request.user, initial={"without": "place", "day": today + timedelta(7)})
        tried: list[Tried] | None = None
        if form.is_valid():
            said = form.cleaned_data
            row = ActivityPaper(
                activity=found, kind=said["kind"], without=said["without"], counts=said["counts"]
            )
            try:
                row.clean_fields()
                row.clean()
                row.validate_constraints(exclude={"activity", "kind"})
            except forms.ValidationError as refusal:
                form.add_error(None, " ".join(refusal.messages))
            else:
                tried = self._tried(request, row, said["day"])
        context = {"activity": found, "form": form, "tried": tried}
        return self.page(request, "admin/reservations/try_paper.html", "Essayer une règle de papier", context)

    def _tried(self, request: HttpRequest, row: ActivityPaper, day: date) -> list[Tried]:
        enrolled = Enrolment.objects.accepted().filter(activity=row.activity).order_by("-pk")
        seen = rights.seen_by(request.user, enrolled, "reservations.view_enrolment")
        rows = list(seen.select_related("child", "activity")[:MOST])
        at = timezone.now()
        wishes = [wish for one in rows for wish in (Wish.of(one, ()), Wish.of(one, [day]))]
        said = [_sentence(one) for one in asked_first.tried(row, wishes, at)]
        return [
            Tried(one.child.first_name, said[2 * number], said[2 * number + 1])
            for number, one in enumerate(rows)
        ]


def _sentence(found: Unmet | None) -> str:
    return found.sentence if found is not None else ""
