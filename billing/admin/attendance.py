"""The list of a day at the desk: who came, who did not, who came besides."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Page, Paginator
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from billing.prices.books import is_timed
from families.models import Custody, User
from portal.desk import rights
from portal.desk.lists import ChildSearch, badge
from portal.desk.pages import OwnPages, ShownOnly, WithHistory
from portal.desk.site import DeskLink
from portal.french import moments
from portal.french.day_fields import DayField
from portal.french.plurals import counted
from portal.reservations.models import AbsenceReason, Attendance, AttendanceState, Establishment, Formula
from portal.reservations.presence import attendance
from portal.reservations.presence.attendance import OfferedFormula
from portal.reservations.staff import limits
from portal.web.form_fields import field_of
from portal.web.posted import posted_number, posted_numbers
from portal.web.signed_in import SignedInRequest

MAY_READ = "reservations.view_attendance"
# A list of more children than fit a page is ticked part by part.
MOST_TOGETHER, A_PART = 200, 100
MAY_ENTER = ("reservations.add_attendance", "reservations.change_attendance")
TINTS = {
    attendance.PresenceStanding.EXPECTED: "none",
    attendance.PresenceStanding.PRESENT: "accepted",
    attendance.PresenceStanding.JUSTIFIED: "requested",
    attendance.PresenceStanding.UNJUSTIFIED: "refused",
    attendance.PresenceStanding.UNBOOKED: "late",
    attendance.PresenceStanding.MISTAKEN: "cancelled",
}


def standing_badge(row: Attendance | None) -> SafeString:
    found = attendance.standing_of(row)
    return badge(TINTS[found], str(found.label))


# The list of a day --------------------------------------------------------------------------------------


class ListForm(forms.Form):
    """Which day and which place."""

    jour = DayField(label="Jour")
    lieu = forms.TypedChoiceField(label="Établissement")

    def __init__(self, *args: Any, known: Sequence[Establishment], **kwargs: Any) -> None:
        """`known`: the places to choose from, read once for the page."""
        super().__init__(*args, **kwargs)
        by_key = {str(one.pk): one for one in known}
        place = field_of(self, "lieu", forms.TypedChoiceField)
        place.choices = [(key, str(one)) for key, one in by_key.items()]
        place.coerce = by_key.__getitem__


def places(user: User) -> QuerySet[Establishment]:
    """Where children are received whose lists `user` may read."""
    found = Establishment.objects.filter(activities__isnull=False).distinct()
    return rights.seen_by(user, found.order_by("-active", "kind", "name"), MAY_READ)


def known_homes(user: User, *needed: str) -> QuerySet[Custody] | None:
    """The children that each of `needed` reaches, by home; None: all of the town."""
    homes = Custody.objects.all()
    theirs = rights.within_all(user, homes, *needed)
    return None if theirs is homes else theirs


class Posted:
    """What the form of a list says, row by row; whatever it does not say stays as it was."""

    def __init__(self, data: QueryDict, sheet: attendance.AttendanceSheet) -> None:
        self.said: dict[int, attendance.Said] = {}
        # What the page showed of each row: whoever else saved the list since is not undone.
        self.shown: dict[int, attendance.Shown] = {}
        for row in sheet.rows:
            key = row.booking.pk
            if (before := _shown(data.get(f"montre-{key}", ""))) is not None:
                self.shown[key] = before
            if (state := data.get(f"etat-{key}")) in AttendanceState.values:
                self.said[key] = row.said = self._row(data, row, key, state, sheet.timed)
        self.came = posted_numbers(data.getlist("venu"))
        kept, shown = set(posted_numbers(data.getlist("reste"))), set(posted_numbers(data.getlist("vu")))
        self.left_out = sorted(shown - kept)
        self.valid = not any(row.trouble for row in sheet.rows)

    @staticmethod
    def _row(
        data: QueryDict, row: attendance.ExpectedChild, key: int, state: str, timed: bool
    ) -> attendance.Said:
        reason = data.get(f"motif-{key}", "")
        reason = reason if reason in AbsenceReason.values else ""
        minutes = row.said.minutes
        if timed:
            typed = data.get(f"duree-{key}", "").strip()
            minutes = posted_number(typed)
            if typed and (minutes is None or minutes > attendance.LONGEST_MINUTES):
                row.trouble = "Indiquez la durée en minutes, par exemple 45."
        return attendance.Said(state, reason, minutes)


def _shown(value: str) -> attendance.Shown | None:
    """What a row's hidden field says the page showed (`shown_field`); None where it is anything else."""
    stamp, *said = value.split("|")
    if len(said) != 3:
        return None
    state, reason, minutes = said
    return attendance.Shown(stamp, attendance.Said(state, reason, posted_number(minutes)))


def shown_field(shown: attendance.Shown) -> str:
    """« 2026-11-30T09:12:00+00:00|present||45 »."""
    said = shown.said
    return "|".join([shown.stamp, said.state, said.reason, "" if said.minutes is None else str(said.minutes)])


@admin.register(Attendance)
class AttendanceAdmin(
    ShownOnly[Attendance], ChildSearch[Attendance], WithHistory[Attendance], OwnPages[Attendance]
):
    """What was entered, to look at; « Pointer » enters it."""

    desk_order = 25
    desk_links = (
        DeskLink(
            "Pointer les présences",
            "reservations_attendance_list",
            MAY_READ,
            "présents et absents d'un jour, par établissement et formule",
        ),
    )
    list_display = ("day", "child", "formula", "establishment", "standing", "reason_shown", "entered_by")
    list_filter = ("state", "reason", "establishment", "formula__activity")
    list_select_related = ("child", "formula", "establishment", "entered_by")
    search_fields = ("child__folded",)
    search_help_text = "Nom de l'enfant ou numéro de foyer"
    date_hierarchy = "day"
    fields = readonly_fields = (
        "child",
        "household",
        "day",
        "formula",
        "establishment",
        "standing",
        "reason_shown",
        "minutes",
        "certificate_at",
        "certificate",
        "entered_by",
        "entered_at",
        "list_link",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Attendance]:
        return limits.of_days_opened(request.user, super().get_queryset(request), today=timezone.localdate())

    def has_view_permission(self, request: HttpRequest, obj: Attendance | None = None) -> bool:
        if not super().has_view_permission(request, obj):
            return False
        today = timezone.localdate()
        return obj is None or limits.opens(request.user, obj.establishment_id, obj.day, today=today)

    @admin.display(description="présence", ordering="state")
    def standing(self, obj: Attendance) -> SafeString:
        return standing_badge(obj)

    @admin.display(description="motif", ordering="reason")
    def reason_shown(self, obj: Attendance) -> str:
        return obj.get_reason_display() if obj.reason else "–"

    @admin.display(description="liste du jour")
    def list_link(self, obj: Attendance) -> SafeString:
        return format_html('<a href="{}">Ouvrir</a>', list_url(obj.day, obj.establishment_id, obj.formula_id))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.point)
        return [path("pointer/", view, name="reservations_attendance_list"), *super().get_urls()]

    def point(self, request: SignedInRequest) -> HttpResponse:
        """« Pointer »: day, place and formula stand in the address; everybody is there by default."""
        self.demand(request, MAY_READ)
        at = timezone.now()
        today = timezone.localdate(at)
        form, nobody = _asked(request.GET, today, request.user)
        if form.is_valid() and not limits.opens(
            request.user, form.cleaned_data["lieu"].pk, form.cleaned_data["jour"], today=today
        ):
            form.add_error("jour", limits.TODAY_ONLY)
        context: dict[str, Any] = {
            "form": form,
            "sheet": None,
            "nobody": nobody,
            "conflicts": None,
            "parts": None,
        }
        if form.is_valid() and not nobody:
            day, place = form.cleaned_data["jour"], form.cleaned_data["lieu"]
            offered = attendance.formulas(place, day)
            formula = _chosen(offered, request.GET.get("formule", ""))
            context["formulas"] = [(one, list_url(day, place.pk, one.pk)) for one in offered]
            if formula is not None:
                parts = _parts(formula, request.GET.get("page", ""))
                sheet = _load(request, place, formula, day, parts)
                enters = limits.holds_at(request.user, place.pk, *MAY_ENTER)
                writable = request.user.has_perms(MAY_ENTER) and enters and day <= today
                context |= {"found": [], "words": "", "chosen": [], "posted": None}
                shown: Mapping[int, attendance.Shown] = {}
                if request.method == "POST":
                    self.demand(request, *MAY_ENTER)
                    if not enters:
                        raise rights.OutOfReach
                    posted = Posted(request.POST, sheet)
                    if (known := known_homes(request.user, *MAY_ENTER)) is not None:
                        posted.came = list(known.filter(pk__in=posted.came).values_list("pk", flat=True))
                    saves = "chercher" not in request.POST and posted.valid
                    conflicts = self._record(request, sheet, posted, at) if saves else None
                    if conflicts is not None and not conflicts:
                        return redirect(list_url(day, place.pk, formula.pk, parts.number if parts else None))
                    if conflicts:
                        sheet = _to_answer(_load(request, place, formula, day, parts), posted, conflicts)
                        posted.came = []  # these are saved
                    else:  # nothing is saved yet: the page still is of the moment when it was opened
                        shown = posted.shown
                    context |= self._search(request, formula, day, posted) | {"conflicts": conflicts}
                context |= self._list(sheet, writable, day > today, shown)
                context |= {"parts": parts, "ways": _ways(parts, day, place, formula)}
        return self.page(request, "admin/billing/attendance.html", "Pointer les présences", context)

    def _record(
        self, request: SignedInRequest, sheet: attendance.AttendanceSheet, posted: Posted, at: datetime
    ) -> list[attendance.Conflict] | None:
        """The rows that another page changed otherwise meanwhile; None where nothing is saved."""
        try:
            done = attendance.record(
                sheet.establishment,
                sheet.formula,
                sheet.day,
                posted.said,
                came=posted.came,
                left_out=posted.left_out,
                shown=posted.shown,
                by=request.user,
                at=at,
            )
        except attendance.AttendanceRefused as refusal:
            messages.error(request, str(refusal))
            return None
        for warning in done.warnings:
            messages.warning(request, warning)
        if done.written:
            messages.success(
                request, f"La liste est enregistrée : {counted(done.written, 'changement', 'changements')}."
            )
        elif not done.conflicts:
            messages.info(request, "La liste était déjà enregistrée ainsi : rien n'a changé.")
        return done.conflicts

    def _search(
        self, request: SignedInRequest, formula: Formula, day: date, posted: Posted
    ) -> dict[str, Any]:
        """Who came besides: those chosen so far, and those whose name is looked for."""
        words = request.POST.get("q", "").strip()
        chosen = attendance.homes(posted.came)
        known = attendance.homes_of(words, formula, day=day, among=known_homes(request.user, *MAY_ENTER))
        found = [one for one in known if one.pk not in set(posted.came)]
        return {"words": words, "found": found, "chosen": chosen, "posted": posted}

    def _list(
        self,
        sheet: attendance.AttendanceSheet,
        writable: bool,
        to_come: bool,
        shown: Mapping[int, attendance.Shown],
    ) -> dict[str, Any]:
        groups = groupby(sheet.rows, key=lambda row: row.group)
        counts = sheet.counts
        return {
            "sheet": sheet,
            "groups": [
                (
                    name or "Classe non indiquée",
                    [(row, shown_field(shown.get(row.booking.pk, row.shown))) for row in rows],
                )
                for name, rows in groups
            ],
            "counts": [(number, state.label) for state, number in counts.items() if number],
            "reasons": AbsenceReason.choices,
            "writable": writable,
            "to_come": to_come,
            "title_of_day": moments.day(sheet.day, year=True),
        }


def _parts(formula: OfferedFormula, asked: str) -> "Page[int] | None":
    """The part of the list that is asked for; None where the list is one page."""
    total = formula.expected or 0
    return Paginator(range(total), A_PART).get_page(asked) if total > MOST_TOGETHER else None


def _load(
    request: HttpRequest, place: Establishment, formula: Formula, day: date, parts: "Page[int] | None"
) -> attendance.AttendanceSheet:
    """The list, or the part of it that is looked at. What is sent back is of the children that the page
    showed, even where the list has moved on since."""
    part, only = slice(None), None
    if parts is not None and request.method == "POST":
        only = posted_numbers(
            name.removeprefix("montre-") for name in request.POST if name.startswith("montre-")
        )
    elif parts is not None:
        part = slice(parts.start_index() - 1, parts.end_index())
    return attendance.AttendanceSheet.load(place, formula, day, timed=is_timed(formula), part=part, only=only)


def _ways(
    parts: "Page[int] | None", day: date, place: Establishment, formula: Formula
) -> list[tuple[int | str, str]]:
    """To the other parts of a list; where some are left out, without an address."""
    if parts is None:
        return []
    shown = parts.paginator.get_elided_page_range(parts.number)
    return [(one, list_url(day, place.pk, formula.pk, one) if isinstance(one, int) else "") for one in shown]


def _to_answer(
    now: attendance.AttendanceSheet, posted: Posted, conflicts: list[attendance.Conflict]
) -> attendance.AttendanceSheet:
    """The list as it stands `now`, with this page's word on the rows that two pages changed: saved again, it
    counts."""
    sentences = {one.booking: one.sentence for one in conflicts}
    for row in now.rows:
        if (sentence := sentences.get(row.booking.pk)) is not None:
            row.said = posted.said[row.booking.pk]
            row.trouble = f"{sentence} Enregistrez de nouveau pour garder votre réponse, ou corrigez-la."
    return now


def _asked(query: QueryDict, today: date, user: User) -> tuple[ListForm, str]:
    """Day and place: without a place, the first where somebody is expected. Where nobody is anywhere, that
    day in words besides."""
    wanted: date | None = None
    if "lieu" not in query:
        with suppress(forms.ValidationError):  # the form says so
            wanted = DayField().clean(query.get("jour", today.isoformat()))
    concerned = Q(pk__in=()) if wanted is None else attendance.places_concerned(wanted)
    there = ExpressionWrapper(concerned, BooleanField())
    known = list(places(user).annotate(concerned=there))
    asked: dict[str, Any] = {"jour": today.isoformat(), "lieu": known[0].pk if known else ""}
    given = {name: query[name] for name in asked if name in query}
    form = ListForm(asked | given, known=known)
    if "lieu" in given or not form.is_valid():
        return form, ""
    day = form.cleaned_data["jour"]
    place = next((one for one in known if one.concerned), None)
    if place is None:
        return form, moments.day(day, year=True)
    return ListForm(asked | given | {"lieu": place.pk}, known=known), ""


def _chosen(offered: Sequence[OfferedFormula], asked: str) -> "OfferedFormula | None":
    """The formula asked for; else the first for which somebody is expected."""
    by_key = {str(one.pk): one for one in offered}
    if asked in by_key:
        return by_key[asked]
    return next((one for one in offered if one.expected), offered[0] if offered else None)


def list_url(day: date, place: int, formula: int, part: int | None = None) -> str:
    asked = {"jour": day.isoformat(), "lieu": str(place), "formule": str(formula)}
    if part is not None:
        asked["page"] = str(part)
    return f"{reverse('admin:reservations_attendance_list')}?{urlencode(asked)}"
