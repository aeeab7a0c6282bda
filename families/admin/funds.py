"""« Quotients CAF et MSA »: households are asked for, what came is looked at, then written."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from families.custody import own
from families.desk_links import guardian_names, household_page
from families.funds import choosing, consents, rounds
from families.funds.forms import PaperForm
from families.messages import printing
from families.messages.audiences import known_homes
from families.models import (
    QUOTIENT_ENDS_SOON,
    Household,
    QuotientAnswer,
    QuotientConsent,
    QuotientRound,
    Reading,
)
from families.traces import reading
from portal.desk import rights
from portal.desk.lists import badge
from portal.desk.pages import OwnPages, ShownOnly, log_all
from portal.desk.site import LOOKING, DeskLink, Queue
from portal.files.handing_over import hand_over
from portal.french import moments
from portal.french.dates import short_day
from portal.french.day_fields import DayField
from portal.french.plurals import counted
from portal.letters import paper
from portal.web.posted import posted_number, posted_numbers
from portal.web.signed_in import SignedInRequest

RIGHT = rounds.RIGHT
# So many lines are shown, and ticked, on a page; the others are written as they are proposed.
SHOWN = 500
NAMED = 50


class DatesForm(forms.Form):
    """From when to when the quotients hold that will be written."""

    valid_from = DayField(
        label="Quotients valables à partir du",
        help_text="Le quotient d'avant s'arrête la veille.",
    )
    valid_to = DayField(
        label="Jusqu'au",
        required=False,
        help_text="En janvier, la CAF change les ressources qu'elle compte. Vide : sans fin.",
    )

    def clean(self) -> dict[str, Any]:
        typed = super().clean() or self.cleaned_data
        first, last = typed.get("valid_from"), typed.get("valid_to")
        if first is not None and last is not None and last < first:
            self.add_error("valid_to", "Le dernier jour vient après le premier.")
        return typed


class AskForm(DatesForm):
    """Which households: those without a quotient that day."""

    until = DayField(
        label="Foyers dont le quotient sera fini le",
        help_text="Ceux qui n'en ont pas, n'en ont plus, ou n'en auront plus ce jour-là.",
    )
    field_order = ("until", "valid_from", "valid_to")


def _received(request: HttpRequest) -> QuerySet[QuotientRound]:
    """Answers that somebody has to look at."""
    found = QuotientAnswer.objects.filter(state__in=QuotientAnswer.FOUND).values("round")
    rows = QuotientRound.objects.filter(answered_at__isnull=False, kept_at=None, pk__in=found)
    return rows if choosing.offered() else rows.none()


def _offered(request: HttpRequest) -> bool:
    return choosing.offered()


@admin.register(QuotientRound)
class QuotientRoundAdmin(ShownOnly[QuotientRound], OwnPages[QuotientRound]):
    """Written by `families.funds.rounds`."""

    desk_order = 13
    exports = False
    work_queues = (
        Queue(
            "Quotients reçus de la CAF et de la MSA",
            _received,
            query="etat=verifier",
            order=24,
            since="answered_at",
            hint="À vérifier avant qu'ils comptent.",
        ),
    )
    desk_links = (
        DeskLink(
            "Demander les quotients",
            "families_quotientround_ask",
            RIGHT,
            "À la CAF et à la MSA, pour les familles qui l'acceptent.",
            order=35,
            offered=_offered,
        ),
    )
    list_display = ("whom", "asked", "by_name", "standing")
    list_display_links = ("whom",)
    search_fields = ("whom", "by_name")
    date_hierarchy = "asked_at"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("demander/", view(self.ask), name="families_quotientround_ask"),
            path("foyer/<int:pk>/", view(self.ask_one), name="families_quotientround_one"),
            path(
                "foyer/<int:pk>/papier/<int:adult>/",
                view(sensitive_post_parameters()(self.on_paper)),
                name="families_quotientround_paper",
            ),
            path(
                "foyer/<int:pk>/papier/<int:adult>/texte/",
                view(require_GET(self.to_sign)),
                name="families_quotientround_to_sign",
            ),
            path(
                "foyer/<int:pk>/arreter/<int:consent>/",
                view(require_POST(self.end_consent)),
                name="families_quotientround_end",
            ),
            path(
                "<int:pk>/enregistrer/",
                view(require_POST(self.keep)),
                name="families_quotientround_keep",
            ),
            *super().get_urls(),
        ]

    def get_list_filter(self, request: HttpRequest) -> Any:
        return (Standing,)

    # Asking ---------------------------------------------------------------------------------------------

    def _usual(self) -> dict[str, Any]:
        today = timezone.localdate()
        return {"valid_from": today, "valid_to": rounds.usual_end(today)}

    def ask(self, request: SignedInRequest) -> HttpResponse:
        """Which, how many of them have agreed; then, confirmed, the round."""
        self._demand_asking(request)
        at = timezone.now()
        data = request.POST if request.method == "POST" else None
        usual = self._usual() | {"until": timezone.localdate(at) + QUOTIENT_ENDS_SOON}
        form = AskForm(data, initial=usual)
        context: dict[str, Any] = {"form": form, "seen": None}
        if data is not None and form.is_valid():
            today, until = timezone.localdate(at), form.cleaned_data["until"]
            homes = rounds.ending(rights.seen_by(request.user, known_homes(), RIGHT), until=max(until, today))
            agreed = rounds.agreed(homes)
            keys = list(agreed.order_by("pk").values_list("pk", flat=True))
            if "demander" in data and keys:
                return self._begin(
                    request,
                    keys,
                    f"{counted(len(keys), 'foyer', 'foyers')} sans quotient au {short_day(until, year=True)}",
                    form,
                )
            context["seen"] = {
                "homes": homes.count(),
                "agreed": len(keys),
                "names": list(guardian_names(keys[:NAMED]).items()),
                "more": max(0, len(keys) - NAMED),
            }
        return self.page(request, "admin/families/quotients_ask.html", "Demander les quotients", context)

    def ask_one(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """For one household, at once: whoever calls waits for the answer."""
        self._demand_asking(request)
        home = self._home(request, pk)
        standing = consents.standing(home)
        data = request.POST if request.method == "POST" else None
        form = DatesForm(data, initial=self._usual())
        if data is not None and form.is_valid() and standing:
            own.check(request.user, [home.pk], right=RIGHT, at=timezone.now())
            return self._begin(request, [home.pk], str(home), form)
        ended = QuotientConsent.objects.filter(guardian__household=home).exclude(ended_at=None)
        agreed = {consent.guardian_id for consent in standing}
        context = {
            "asked": [adult for adult in home.guardians.order_by("pk") if adult.pk not in agreed],
            "form": form,
            "home": home,
            "back": household_page(home.pk),
            "standing": standing,
            "ended": list(ended.select_related("guardian")[:5]),
            "last": rounds.last_of(home),
        }
        return self.page(request, "admin/families/quotient_one.html", "Quotient CAF ou MSA", context)

    def _home(self, request: SignedInRequest, pk: int) -> Household:
        return get_object_or_404(rights.seen_by(request.user, known_homes(), RIGHT), pk=pk)

    # On paper -------------------------------------------------------------------------------------------

    def on_paper(self, request: SignedInRequest, pk: int, adult: int) -> HttpResponse:
        """What an adult has signed, written down by an agent."""
        self._demand_asking(request)
        home = self._home(request, pk)
        guardian = get_object_or_404(home.guardians.all(), pk=adult)
        at = timezone.now()
        form = PaperForm(request.POST if request.method == "POST" else None, guardian=guardian)
        if request.method == "POST" and form.is_valid():
            own.check(request.user, [home.pk], right=RIGHT, at=at)
            signed_on = form.cleaned_data["signed_on"]
            with transaction.atomic():
                consents.give(guardian, form.identity, by=request.user, at=at, signed_on=signed_on)
                day = short_day(signed_on, year=True)
                log_all(
                    request, [home], f"Accord de {guardian} pour le quotient, signé le {day}, enregistré."
                )
            messages.success(request, f"L'accord de {guardian} est enregistré.")
            return redirect("admin:families_quotientround_one", home.pk)
        context = {
            "form": form,
            "home": home,
            "adult": guardian,
            "words": consents.ON_PAPER,
            "back": reverse("admin:families_quotientround_one", args=[home.pk]),
        }
        return self.page(request, "admin/families/quotient_paper.html", "Accord sur papier", context)

    def to_sign(self, request: SignedInRequest, pk: int, adult: int) -> HttpResponse:
        """The text to be signed, as a letter to that adult."""
        self._demand_asking(request)
        home = self._home(request, pk)
        guardian = get_object_or_404(home.guardians.all(), pk=adult)
        text = consents.TO_SIGN.format(words=consents.ON_PAPER)
        sheet = printing.sheet(
            home, [str(guardian)], timezone.localdate(), "Demander votre quotient à la CAF ou à la MSA", text
        )
        drawn = paper.draw([sheet], identifier=f"accord-quotient-{guardian.pk}-{timezone.localdate()}")
        reading.note(request, Reading.Kind.EXPORT, what="Accord à signer (PDF)", households=[home.pk])
        return hand_over(drawn, "accord-quotient.pdf", inline=True)

    def end_consent(self, request: SignedInRequest, pk: int, consent: int) -> HttpResponse:
        """Told to the town hall by a family that has no account, say."""
        self._demand_asking(request)
        home, at = self._home(request, pk), timezone.now()
        row = get_object_or_404(QuotientConsent.objects.filter(guardian__household=home), pk=consent)
        own.check(request.user, [home.pk], right=RIGHT, at=at)
        with transaction.atomic():
            if consents.end(row, by=request.user, at=at):
                log_all(request, [home], f"Accord de {row.guardian} pour le quotient arrêté.")
        messages.success(request, f"L'accord de {row.guardian} est arrêté, et son état civil effacé.")
        return redirect("admin:families_quotientround_one", home.pk)

    def _demand_asking(self, request: HttpRequest) -> None:
        self.demand(request, RIGHT)
        if not choosing.offered():
            raise PermissionDenied

    def _begin(self, request: SignedInRequest, keys: list[int], whom: str, form: DatesForm) -> HttpResponse:
        at = timezone.now()
        try:
            with transaction.atomic():
                made = rounds.begin(
                    keys,
                    whom=whom,
                    valid_from=form.cleaned_data["valid_from"],
                    valid_to=form.cleaned_data["valid_to"],
                    by=request.user,
                    at=at,
                )
                self.log_change(request, made, f"Quotients demandés : {whom}.")
                small = rounds.hand_to_worker(made, at=at)
        except rounds.RoundRefused as refusal:
            messages.error(request, str(refusal))
            return redirect("admin:families_quotientround_ask")
        if small:
            rounds.ask_some(made.pk, at=at)
        return redirect("admin:families_quotientround_change", made.pk)

    # Its page -------------------------------------------------------------------------------------------

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """What came, line by line, and which to write."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.get_queryset(request), pk=posted_number(object_id) or 0)
        answer = self.page(request, "admin/families/quotients_round.html", str(row), self._told(request, row))
        if row.is_asking or row.is_writing:
            answer["Refresh"] = "3"
        return answer

    def _told(self, request: HttpRequest, row: QuotientRound) -> dict[str, Any]:
        rows = rights.seen_by(request.user, row.answers.all(), *map(self.right_for, LOOKING))
        shown = list(
            rows.select_related("household", "consent__guardian").order_by("household", "pk")[:SHOWN]
        )
        names = guardian_names({one.household_id for one in shown})
        mine = own.households_of(request.user) if request.user.is_authenticated else frozenset()
        counts = dict.fromkeys(QuotientAnswer.State.values, 0)
        for state in rows.values_list("state", flat=True):
            counts[state] += 1
        met = row.wanted - counts[QuotientAnswer.State.WAITS]
        return {
            "round": row,
            "lines": [
                (one, names[one.household_id], one.household_id in mine, _has_ended(one)) for one in shown
            ],
            "unshown": max(0, row.wanted - len(shown)),
            "met": met,
            "counts": counts,
            "asked": moments.moment(row.asked_at, year=True),
            "may_keep": row.can_be_kept and request.user.has_perm(rounds.WRITES),
            "found": sum(counts[state] for state in QuotientAnswer.FOUND),
            "form": DatesForm(initial={"valid_from": row.valid_from, "valid_to": row.valid_to}),
        }

    def keep(self, request: SignedInRequest, pk: int) -> HttpResponse:
        """« Enregistrer »: those that are ticked."""
        self.demand(request, rounds.WRITES)
        rows = rights.seen_by(request.user, QuotientRound.objects.all(), *map(self.right_for, LOOKING))
        row = get_object_or_404(rows, pk=pk)
        form = DatesForm(request.POST)
        if not form.is_valid():
            for errors in form.errors.values():
                messages.error(request, " ".join(map(str, errors)))
            return redirect("admin:families_quotientround_change", row.pk)
        chosen = posted_numbers(request.POST.getlist("ligne"))
        lines = row.answers.order_by("household", "pk")
        shown = list(lines.values_list("pk", flat=True)[:SHOWN])
        beyond = lines.filter(chosen=True)
        beyond = beyond.exclude(pk__in=shown)
        try:
            with transaction.atomic():
                kept = rounds.keep(
                    row,
                    [*chosen, *beyond.values_list("pk", flat=True)],
                    by=request.user,
                    at=timezone.now(),
                    valid_from=form.cleaned_data["valid_from"],
                    valid_to=form.cleaned_data["valid_to"],
                )
                self.log_change(
                    request, row, f"{counted(kept, 'quotient enregistré', 'quotients enregistrés')}."
                )
        except rounds.RoundRefused as refusal:
            messages.warning(request, str(refusal))
        else:
            messages.success(
                request,
                f"{counted(kept, 'quotient est enregistré', 'quotients sont enregistrés')}."
                if kept
                else "Aucun quotient n'est enregistré : la demande est close.",
            )
        return redirect("admin:families_quotientround_change", row.pk)

    # Cells ----------------------------------------------------------------------------------------------

    @admin.display(description="le", ordering="asked_at")
    def asked(self, obj: QuotientRound) -> str:
        return moments.moment(obj.asked_at, year=True)

    @admin.display(description="où elle en est")
    def standing(self, obj: QuotientRound) -> SafeString:
        if obj.stopped:
            return badge("refused", "arrêtée")
        if obj.is_asking:
            return badge("requested", "en cours")
        if obj.kept_at is None:
            return badge("requested", "à vérifier")
        return badge("accepted", "enregistrée")


def _has_ended(line: QuotientAnswer) -> bool:
    """Whether what came is written no more: the family has ended its consent."""
    return line.written_at is None and (line.consent is None or not line.consent.stands)


class Standing(admin.SimpleListFilter):
    """Those whose answers wait to be looked at."""

    title = "état"
    parameter_name = "etat"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [("verifier", "À vérifier")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return _received(request) & queryset if self.value() else queryset


def fund_page(user: Any, household: Household) -> str:
    """The button of a household's page."""
    known = choosing.offered() and household.is_accepted
    if not known or not rights.may(user, household, RIGHT):
        return ""
    return reverse("admin:families_quotientround_one", args=[household.pk])
