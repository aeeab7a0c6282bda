"""The town hall's desk for people: households, children, requests, logins."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar, TypeAlias, TypedDict, TypeVar

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.db import models
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django_stubs_ext import WithAnnotations

from families import (
    approval,
    child_files,
    desk_actions,
    diets,
    groups,
    login_names,
    notes,
    residences,
    unreached,
)
from families.addresses import Address
from families.admin import typed
from families.admin.codes import GivesCodes
from families.admin.custody import WAITS, ShownCustodies, ask_homes, in_homes_seen
from families.admin.health import HealthInline, HealthOnRequest, note_health_history
from families.admin.login_changes import NotesChanges
from families.admin.messages import WritesToFamilies
from families.admin.screen import OneScreen, home_change
from families.admin.twins import JoinsKnown
from families.admin.undelivered import UNREACHED, Unreached
from families.custody import homes, letters, newcomers, openings, own
from families.desk_cells import HouseholdLink
from families.desk_links import (
    copy_link,
    document_link,
    erase_child_link,
    erase_household_link,
    household_link,
    papers_link,
    shown_to,
)
from families.forms import AddressField
from families.joining import alike, joining
from families.models import (
    AuthorisedPerson,
    ChangeRequest,
    Child,
    ChildHealth,
    Custody,
    Diet,
    DietChoice,
    Document,
    FamilyQuotient,
    Guardian,
    HomeDiet,
    Household,
    SecurityEvent,
    User,
    household_number,
)
from families.signing_in.asking_again import AsksAgain, ask_again
from families.traces import security
from portal.desk import first_page, rights
from portal.desk.choices import SeveralRows, TolerantChoices
from portal.desk.columns import TypedColumns
from portal.desk.decisions import AcceptOrRefuse, Decidable
from portal.desk.histories import HistoryPart
from portal.desk.lists import NumberSearch, StateBadge, WaitingFirst, sent_again
from portal.desk.pages import WithHistory, log_all
from portal.desk.site import DeskAdmin, M, Queue
from portal.desk.two_at_once import TwoAtOnce
from portal.french.plurals import counted
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest, signed_in, user_of

Asked = TypeVar("Asked", Household, ChangeRequest)

HOUSEHOLD_REFUSALS = (
    "Votre foyer est déjà connu : utilisez le compte existant, ou demandez-nous un accès.",
    "L'adresse indiquée n'est pas dans la commune.",
    "Les informations sur vos enfants ne correspondent pas à celles de leur école.",
)
CHANGE_REFUSALS = (
    "Cet enfant n'habite pas chez vous d'après nos informations : envoyez-nous un justificatif.",
    "Le justificatif est illisible : envoyez-en un autre.",
    "Le justificatif a plus de trois mois.",
    "Le justificatif ne correspond pas aux informations indiquées.",
)


class Answers(AcceptOrRefuse[Asked]):
    """Decides rows one by one with the verbs of `approval`, and says honestly what was done."""

    one, many = "demande", "demandes"

    def accept_row(self, row: Asked, request: SignedInRequest) -> Asked:
        raise NotImplementedError

    def refuse_row(self, row: Asked, reason: str, request: SignedInRequest) -> Asked:
        raise NotImplementedError

    def accept_rows(self, request: SignedInRequest, queryset: QuerySet[Asked]) -> None:
        self._answer(request, queryset, "acceptée", lambda row: self.accept_row(row, request))

    def refuse_rows(self, request: SignedInRequest, queryset: QuerySet[Asked], reason: str) -> None:
        self._answer(request, queryset, "refusée", lambda row: self.refuse_row(row, reason, request), reason)

    def _answer(
        self,
        request: SignedInRequest,
        queryset: QuerySet[Asked],
        done_as: str,
        answer: Callable[[Asked], Asked],
        reason: str = "",
    ) -> None:
        done, left = [], 0
        for row in queryset:
            try:
                done.append(answer(row))
            except approval.AlreadyAnswered:
                left += 1
            except openings.OpeningRefused as refusal:
                self.message_user(request, f"{row} : {refusal}", messages.ERROR)
        log_all(request, done, f"Demande {done_as}.{' Motif : ' + reason if reason else ''}")
        text = counted(len(done), f"demande {done_as}", f"demandes {done_as}s")
        if left:
            text += f", {counted(left, 'avait déjà sa réponse', 'avaient déjà leur réponse')}"
        self.message_user(request, f"{text}.", messages.WARNING if left else messages.SUCCESS)


# Households -----------------------------------------------------------------------------------------


class GuardianForm(forms.ModelForm[Guardian]):
    """A guardian, with a login to open at once when an address is given."""

    invite = AddressField(
        label="ouvrir un accès à cette adresse",
        required=False,
        help_text="La personne reçoit un message avec son identifiant ; l'accès s'ouvre une fois confirmé.",
    )

    join = AddressField(
        label="rattacher un compte existant",
        required=False,
        help_text="L'adresse d'un compte déjà ouvert, pour une personne de deux foyers : elle doit dire oui "
        "par le lien qu'elle reçoit, et l'accès être confirmé.",
    )

    class Meta:
        model = Guardian
        fields = ("first_name", "last_name", "phone", "phone_work", "is_payer")

    def clean_join(self) -> str:
        email: str = self.cleaned_data["join"]
        if email and self.instance.user_id:
            raise forms.ValidationError(f"{self.instance} a déjà un accès au portail.")
        return email

    def clean_invite(self) -> str:
        email: str = self.cleaned_data["invite"]
        if email and self.instance.user_id:
            raise forms.ValidationError(f"{self.instance} a déjà un accès au portail.")
        return login_names.free_address(email) if email else ""


class GuardianInline(admin.StackedInline[Guardian, Household]):
    model = Guardian
    form = GuardianForm
    extra = 0
    fields = ("first_name", "last_name", "phone", "phone_work", "is_payer", "login", "invite", "join")
    readonly_fields = ("login",)

    def get_fields(self, request: HttpRequest, obj: Household | None = None) -> Any:
        """Without the two addresses to type, for who only reads."""
        if self.has_add_permission(request, obj) or self.has_change_permission(request, obj):
            return self.fields
        return [name for name in self.fields if name not in ("invite", "join")]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Guardian]:
        return super().get_queryset(request).select_related("user")

    @admin.display(description="accès au portail")
    def login(self, obj: Guardian) -> str:
        if obj.user is None:
            return "aucun"
        unanswered = unreached.said_of(obj)
        return f"{obj.user.username}, {obj.user.email}{' – ' + unanswered if unanswered else ''}"


class CustodyInline(TypedColumns, ShownCustodies, admin.TabularInline[Custody, Household]):
    verbose_name, verbose_name_plural = "enfant", "enfants"
    autocomplete_fields = ("child",)
    fields = ("child", "since", "until", "ends")


class QuotientInline(TypedColumns, admin.TabularInline[FamilyQuotient, Household]):
    model = FamilyQuotient
    extra = 0


# What the pages behind the links of a household and of a child ask for.
NEEDS = {
    "homes": ("families.view_household",),
    "papers": ("families.view_household", "families.view_paper", "families.add_paper"),
    "own_copy": ("families.view_household", "families.add_dataexport"),
    "own_erasure": ("families.view_household", "families.view_erasurerequest"),
    "own_data": ("families.view_household", "families.view_erasurerequest"),
    "calendar": ("families.change_custodycalendar",),
    "joins": ("families.change_household", joining.RIGHT),
}


class Alike(admin.SimpleListFilter):
    """Families that may have registered twice."""

    title = "ressemblance"
    parameter_name = "ressemblance"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("oui", "Ressemble à un autre foyer")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Household]) -> QuerySet[Household]:
        return queryset.filter(pk__in=alike.households().values("pk")) if self.value() else queryset


class ChildrenHere(TypedDict):
    children_here: int


HouseholdInList: TypeAlias = "WithAnnotations[Household, ChildrenHere]"


first_page.way(
    first_page.Way(
        20,
        "Nouveau foyer",
        "families_household_add",
        lambda request: request.user.has_perm("families.add_household"),
    )
)


@admin.register(Household)
class HouseholdAdmin(
    StateBadge,
    Answers[Household],
    OneScreen,
    NumberSearch[Household],
    JoinsKnown,
    WritesToFamilies,
    GivesCodes,
    TwoAtOnce[Household],
    WithHistory[Household],
):
    """Households; new ones wait for « Accepter » or « Refuser »."""

    desk_order = 1
    work_queues = (
        Queue(
            "Comptes famille à valider",
            lambda request: Household.objects.filter(
                state=Household.State.REQUESTED, erased_at=None, joined_to=None
            ),
            query="state__exact=requested",
            order=10,
            since="created_at",
            late_after=timedelta(days=3),
        ),
        Queue(
            "Foyers qui se ressemblent",
            lambda request: alike.households(),
            query="ressemblance=oui",
            order=26,
            hint="Le même enfant, et un même adulte ou la même adresse : une famille inscrite deux fois ?",
        ),
        UNREACHED,
    )
    list_display = (
        "number",
        "guardian_names",
        "child_count",
        "street",
        "city",
        "resident",
        "state_badge",
        "received",
    )
    list_filter = ("state", "resident", "city", Alike, Unreached)
    phone_fields = ("guardians__phone", "guardians__phone_work")
    search_fields = ("guardians__folded", "children__folded", "folded")
    search_help_text = "Numéro de foyer, nom d'un responsable ou d'un enfant, rue, téléphone"
    number_fields = ("pk",)
    ordering = ("-pk",)
    actions = (*AcceptOrRefuse.actions, "join_known_children", "write_to_selected")
    decisions = (*AcceptOrRefuse.decisions, JoinsKnown.join)
    refusals = HOUSEHOLD_REFUSALS
    refuse_title = "Refuser des comptes famille"
    form = typed.HouseholdForm
    inlines: ClassVar[tuple[type[InlineModelAdmin[Any, Household]], ...]] = (
        GuardianInline,
        CustodyInline,
        QuotientInline,
    )
    history_parts = (
        HistoryPart(
            "responsables",
            "Responsables",
            Guardian,
            "household_id",
            "families.view_guardian",
            named=lambda version: f"{version.first_name} {version.last_name}",
        ),
        HistoryPart(
            "quotients",
            "Quotients familiaux",
            FamilyQuotient,
            "household_id",
            "families.view_familyquotient",
            named=lambda version: f"à partir du {version.valid_from:%d/%m/%Y}",
        ),
    )
    fieldsets = (
        (None, {"fields": ("number", "state_badge", "twins", "joins", "home_changes")}),
        (
            "Adresse",
            {
                "fields": (
                    "street",
                    "street_more",
                    "postcode",
                    "city",
                    "resident",
                    "resident_since",
                    "moves",
                )
            },
        ),
        (
            "Suivi",
            {"fields": ("notes", "papers", "created_at", "decided_at", "decided_by", "refusal_reason")},
        ),
        ("Données personnelles", {"fields": ("own_copy", "own_erasure")}),
    )
    readonly_fields = (
        "number",
        "state_badge",
        "twins",
        "joins",
        "home_changes",
        "moves",
        "papers",
        "created_at",
        "decided_at",
        "decided_by",
        "refusal_reason",
        "own_copy",
        "own_erasure",
    )
    change_form_template = "admin/families/household_form.html"

    def get_fieldsets(self, request: HttpRequest, obj: Household | None = None) -> Any:
        shown = [
            (title, options | {"fields": shown_to(request.user, options["fields"], NEEDS)})
            for title, options in super().get_fieldsets(request, obj)
        ]
        if not self.has_change_permission(request, obj):
            # From which day a change would hold: nothing is asked of who only reads.
            shown = [
                (title, options | {"fields": [one for one in options["fields"] if one != "resident_since"]})
                for title, options in shown
            ]
        if obj is not None and obj.pk in notes.kept_from(user_of(request), timezone.now()):
            shown = [
                (title, options | {"fields": [one for one in options["fields"] if one != "notes"]})
                for title, options in shown
            ]
        return [(title, options) for title, options in shown if options["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[HouseholdInList]:
        guardians = Prefetch("guardians", Guardian.objects.order_by("pk"))
        counted_children = Count("custodies", distinct=True)
        there = super().get_queryset(request).filter(erased_at=None)
        return there.annotate(children_here=counted_children).prefetch_related(guardians)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Household], search_term: str
    ) -> tuple[QuerySet[Household], bool]:
        """Without households that were joined to another, which the list finds by their number alone."""
        found, several = super().get_search_results(request, queryset, search_term)
        number = posted_number(search_term.strip())
        match = request.resolver_match
        listed = match is None or match.url_name != "autocomplete"
        return found.filter(Q(joined_to=None) | Q(pk=number if listed else None)), several

    def has_change_permission(self, request: HttpRequest, obj: Household | None = None) -> bool:
        """Of one that was joined to another nothing is typed any more."""
        joined = obj is not None and obj.joined_to_id is not None
        return not joined and super().has_change_permission(request, obj)

    def get_inlines(
        self, request: HttpRequest, obj: Household | None
    ) -> list[type[InlineModelAdmin[Any, Household]]]:
        if obj is not None and obj.joined_to_id is not None:
            return []
        return list(super().get_inlines(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Household, form: Any, change: bool) -> None:
        if change:
            own.check(user_of(request), [obj.pk], right="families.change_household", at=timezone.now())
        else:
            # Whoever creates a household at the desk has checked it.
            obj.state, obj.decided_by = Household.State.ACCEPTED, user_of(request)
            obj.decided_at = timezone.now()
        resident = obj.resident
        moved = change and "resident" in form.changed_data
        if moved:
            # Written by its own verb, with the day from which it holds.
            obj.resident = not resident
        super().save_model(request, obj, form, change)
        at = timezone.now()
        since = form.cleaned_data.get("resident_since") or timezone.localdate(at)
        if change and {"street", "postcode", "city"} & set(form.changed_data):
            before = Address(*(form.initial[name] for name in ("street", "postcode", "city")))
            residences.move(obj, before, since=since, at=at)
        if moved:
            residences.settle(obj, resident=resident, since=since, at=at)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is Custody:
            added = formset.save(commit=False)
            ask_homes(signed_in(request), added)
            return
        if formset.model is FamilyQuotient:
            for row in formset.forms:
                if row.instance.pk is None and row.instance.known_on is None:
                    row.instance.known_on = timezone.localdate()
        super().save_formset(request, form, formset, change)
        if formset.model is not Guardian:
            return
        for removed in formset.deleted_objects:
            letters.removed(removed, user_of(request))
        for row in formset.forms:
            email = getattr(row, "cleaned_data", {}).get("invite")
            if email and row.instance.pk:
                self._invite(request, row.instance, email)
            address = getattr(row, "cleaned_data", {}).get("join")
            if address and row.instance.pk and not email:
                self._join_account(request, row.instance, address)

    def _join_account(self, request: HttpRequest, guardian: Guardian, address: str) -> None:
        try:
            openings.ask_account(guardian, address, by=user_of(request), at=timezone.now())
        except openings.OpeningRefused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
        else:
            self.message_user(
                request, f"{guardian} est invité(e) à rejoindre ce foyer avec son compte.", messages.WARNING
            )

    def _invite(self, request: HttpRequest, guardian: Guardian, email: str) -> None:
        try:
            opening = openings.ask_guardian(guardian, email, by=user_of(request), at=timezone.now())
        except openings.OpeningRefused as refusal:
            self.message_user(request, str(refusal), messages.ERROR)
            return
        if opening.waits:
            self.message_user(request, f"Accès pour {guardian} : {WAITS}", messages.WARNING)
        else:
            login = opening.user.username if opening.user else ""
            self.message_user(request, f"Accès ouvert à {guardian} : identifiant « {login} ».")

    def lock(self, key: int) -> None:
        """Its children first, as whoever acts for one of them."""
        homes.hold(household=key)
        Household.objects.lock([key])

    def known_twins(self, home: Household) -> SafeString | str:
        return self.twins(home)

    def waits(self, obj: Household) -> bool:
        return obj.state == Household.State.REQUESTED

    def accept_row(self, row: Household, request: SignedInRequest) -> Household:
        return approval.accept_household(row, by=request.user, at=timezone.now())

    def refuse_row(self, row: Household, reason: str, request: SignedInRequest) -> Household:
        return approval.refuse_household(row, reason=reason, by=request.user, at=timezone.now())

    @admin.display(description="numéro", ordering="pk")
    def number(self, obj: Household) -> SafeString | str:
        if not obj.pk or obj.joined_to_id is None:
            return obj.number if obj.pk else "–"
        return format_html("{}, réuni avec le n°\xa0{}", obj.number, household_number(obj.joined_to_id))

    @admin.display(description="réunir, séparer")
    def joins(self, obj: Household) -> SafeString | str:
        if not obj.pk or obj.joined_to_id is not None:
            return "–"
        join, part = (
            reverse(f"admin:families_homechange_{verb}", args=[obj.pk]) for verb in ("join", "part")
        )
        words = '<a href="{}">Réunir avec un autre foyer…</a> · <a href="{}">Séparer ce foyer…</a>'
        return format_html(words, join, part)

    @admin.display(description="réunions et séparations")
    def home_changes(self, obj: Household) -> SafeString | str:
        rows = joining.changes_of(obj) if obj.pk else []
        said = format_html_join("", "<li>{}</li>", ((home_change(row, obj),) for row in rows))
        return format_html('<ul class="desk-rows">{}</ul>', said) if rows else "aucune"

    @admin.display(description="résidence")
    def moves(self, obj: Household) -> str:
        rows = obj.residences.all() if obj.pk else ()
        return ", ".join(str(row) for row in rows) or "toujours la même"

    @admin.display(description="papiers")
    def papers(self, obj: Household) -> SafeString | str:
        return papers_link(obj.pk) if obj.pk else "–"

    @admin.display(description="copie")
    def own_copy(self, obj: Household) -> SafeString | str:
        return copy_link(obj.pk) if obj.pk else "–"

    @admin.display(description="effacement")
    def own_erasure(self, obj: Household) -> SafeString | str:
        return erase_household_link(obj.pk) if obj.pk else "–"

    @admin.display(description="responsables")
    def guardian_names(self, obj: Household) -> str:
        return ", ".join(str(guardian) for guardian in obj.guardians.all()) or "–"

    @admin.display(description="créé le", ordering="created_at")
    def received(self, obj: Household) -> SafeString | str:
        """When it asked; of one that was refused and asks again, when and why it was."""
        made = f"{timezone.localtime(obj.created_at):%d/%m/%Y à %H:%M}"
        again = obj.state == Household.State.REQUESTED and obj.refusal_reason
        return sent_again(made, obj.decided_at if again else None, obj.refusal_reason)

    @admin.display(description="enfants", ordering="children_here")
    def child_count(self, obj: HouseholdInList) -> int:
        return obj.children_here


# Children -------------------------------------------------------------------------------------------


class HomesInline(TypedColumns, ShownCustodies, admin.TabularInline[Custody, Child]):
    formset = typed.HomesFormSet
    verbose_name, verbose_name_plural = "foyer", "foyers"
    autocomplete_fields = ("household",)
    fields = ("household", "since", "until", "ends")


class Homeless(admin.SimpleListFilter):
    """Children of whom no household is known today: gone, or typed without one."""

    title = "foyer"
    parameter_name = "foyer"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("sans", "Sans foyer aujourd'hui")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Child]) -> QuerySet[Child]:
        live = Custody.objects.on(timezone.localdate())
        return queryset.exclude(pk__in=live.values("child")) if self.value() else queryset


class AuthorisedPersonInline(TypedColumns, admin.TabularInline[AuthorisedPerson, Child]):
    model = AuthorisedPerson
    extra = 0


@admin.register(Child)
class ChildAdmin(HealthOnRequest, NumberSearch[Child], TwoAtOnce[Child], WithHistory[Child]):
    desk_order = 2
    list_display = ("last_name", "first_name", "birth_date", "homes")
    list_display_links = ("last_name", "first_name")
    list_filter = (Homeless,)
    search_fields = ("folded",)
    search_help_text = "Nom de l'enfant ou numéro de foyer"
    number_fields = ("custodies__household_id",)
    form = typed.ChildForm
    inlines = (HomesInline, AuthorisedPersonInline, HealthInline)
    history_parts = (
        HistoryPart(
            "personnes",
            "Personnes autorisées",
            AuthorisedPerson,
            "child_id",
            "families.view_authorisedperson",
            named=lambda version: version.name,
        ),
        HistoryPart(
            "sante",
            "Fiche sanitaire",
            ChildHealth,
            "child_id",
            "families.view_childhealth",
            noted=note_health_history,
        ),
    )
    fields = (
        "first_name",
        "last_name",
        "birth_date",
        "photo_allowed",
        "leaves_alone",
        "emergency_care_allowed",
        "calendar",
        "own_data",
    )
    readonly_fields = ("calendar", "own_data")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Besides, what apps above do for ticked children."""
        return super().get_actions(request) | desk_actions.actions_for_chosen(request.user)

    def get_fields(self, request: HttpRequest, obj: Child | None = None) -> Any:
        asked = (typed.ANOTHER,) if typed.asks_whether_another(request) else ()
        return [*shown_to(request.user, super().get_fields(request, obj), NEEDS), *asked]

    def get_list_display(self, request: HttpRequest) -> Any:
        return shown_to(request.user, super().get_list_display(request), NEEDS)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """A child that was typed twice leads to the one that stays."""
        key = posted_number(object_id)
        double = None if key is None else Child.objects.filter(pk=key, joined_to__isnull=False).first()
        if double is not None:
            return redirect("admin:families_child_change", double.joined_to_id)
        return super().change_view(request, object_id, form_url, extra_context)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Child]:
        seen = Prefetch("custodies", in_homes_seen(request.user, Custody.objects.all()), to_attr="homes_seen")
        return super().get_queryset(request).filter(erased_at=None, joined_to=None).prefetch_related(seen)

    def lock(self, key: int) -> None:
        homes.hold(child=key)
        super().lock(key)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """What the town hall changes in a child's file is told in its homes."""
        super().save_related(request, form, formsets, change)
        child: Child = form.instance
        news: list[str] = []
        for formset in formsets:
            touched = [row for row, _ in formset.changed_objects]
            if formset.model is AuthorisedPerson:
                news += map(child_files.added, formset.new_objects)
                news += map(child_files.changed, touched)
                news += map(child_files.removed, formset.deleted_objects)
            elif formset.model is ChildHealth and (formset.new_objects or touched or formset.deleted_objects):
                news.append(child_files.health_changed(child))
        child_files.tell(child, news, by=None)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Child, form: Any, change: bool) -> None:
        if change:
            where = obj.custodies.values_list("household_id", flat=True)
            own.check(user_of(request), list(where), right="families.change_child", at=timezone.now())
        super().save_model(request, obj, form, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        if formset.model is Custody:
            ask_homes(signed_in(request), formset.save(commit=False))
            return
        super().save_formset(request, form, formset, change)

    @admin.display(description="calendrier de garde")
    def calendar(self, obj: Child) -> SafeString | str:
        """For a child in two homes; what counted before a third came can still be ended."""
        today = timezone.localdate()
        homes = 0 if obj.pk is None else sum(one.holds_on(today) for one in obj.custodies.all())
        if homes != 2 and not (homes > 2 and obj.custody_calendar_id):
            return "–"
        url = reverse("admin:families_custodycalendar_write", args=[obj.pk])
        word = "Voir ou changer…" if obj.custody_calendar_id else "Écrire…"
        return format_html('<a href="{}">{}</a>', url, word)

    @admin.display(description="données personnelles")
    def own_data(self, obj: Child) -> SafeString | str:
        return erase_child_link(obj.pk) if obj.pk else "–"

    @admin.display(description="foyers")
    def homes(self, obj: Child) -> SafeString:
        today = timezone.localdate()
        seen: list[Custody] = getattr(obj, "homes_seen", [])
        here = [custody for custody in seen if custody.holds_on(today)]
        links = ((household_link(custody.household_id),) for custody in here)
        return format_html_join(", ", "{}", links)


# Requests -------------------------------------------------------------------------------------------


class WaitingChanges(WaitingFirst):
    states = ChangeRequest.State


@admin.register(ChangeRequest)
class ChangeRequestAdmin(
    HouseholdLink,
    StateBadge,
    Answers[ChangeRequest],
    NumberSearch[ChangeRequest],
    Decidable[ChangeRequest],
    WithHistory[ChangeRequest],
):
    """What families ask to change: addresses and quotients, each with its proof; one more child, or adult."""

    desk_order = 3
    work_queues = (
        Queue(
            "Demandes de modification à traiter",
            lambda request: ChangeRequest.objects.filter(state=ChangeRequest.State.REQUESTED),
            order=20,
            since="requested_at",
        ),
    )
    list_display = ("kind", "household_link", "asked", "requested_at", "proof_link", "state_badge")
    list_display_links = ("kind",)
    list_filter = (WaitingChanges, "kind")
    list_select_related = ("household", "proof")
    search_fields = ("household__guardians__folded",)
    search_help_text = "Nom d'un responsable ou numéro de foyer"
    ordering = ("requested_at", "pk")
    refusals = CHANGE_REFUSALS
    refuse_title = "Refuser des demandes de modification"
    fields = readonly_fields = (
        "kind",
        "household_link",
        "state_badge",
        "current",
        "asked",
        "proof_link",
        "twins",
        "requested_by",
        "requested_at",
        "decided_by",
        "decided_at",
        "refusal_reason",
    )

    def waits(self, obj: ChangeRequest) -> bool:
        return obj.state == ChangeRequest.State.REQUESTED

    def accept_row(self, row: ChangeRequest, request: SignedInRequest) -> ChangeRequest:
        return newcomers.accept(row, by=request.user, at=timezone.now())

    def refuse_row(self, row: ChangeRequest, reason: str, request: SignedInRequest) -> ChangeRequest:
        return newcomers.refuse(row, reason=reason, by=request.user, at=timezone.now())

    @admin.display(description="demandé")
    def asked(self, obj: ChangeRequest) -> str:
        if obj.kind == ChangeRequest.Kind.QUOTIENT and obj.quotient is not None:
            return f"{number_format(obj.quotient)} à partir du {obj.valid_from:%d/%m/%Y}"
        if obj.kind == ChangeRequest.Kind.CHILD and obj.birth_date is not None:
            return f"{obj.first_name} {obj.last_name}, né(e) le {obj.birth_date:%d/%m/%Y}"
        if obj.kind == ChangeRequest.Kind.GUARDIAN:
            return f"{obj.first_name} {obj.last_name}, {obj.email}"
        since = f" à partir du {obj.valid_from:%d/%m/%Y}" if obj.valid_from else ""
        return _address(obj) + since + self._residence(obj)

    def _residence(self, obj: ChangeRequest) -> str:
        """What accepting would make of « Habite la commune », on which prices may depend."""
        moved = approval.residence_after(obj) if self.waits(obj) else None
        return "" if moved is None else f" ({'s’installe dans' if moved else 'quitte'} la commune)"

    @admin.display(description="actuellement")
    def current(self, obj: ChangeRequest) -> str:
        if obj.kind == ChangeRequest.Kind.QUOTIENT:
            return str(obj.household.quotient_on(timezone.localdate()) or "aucun quotient")
        if obj.kind == ChangeRequest.Kind.CHILD:
            return ", ".join(map(str, homes.children(obj.household, timezone.localdate()))) or "aucun enfant"
        if obj.kind == ChangeRequest.Kind.GUARDIAN:
            return ", ".join(map(str, obj.household.guardians.all())) or "aucun responsable"
        return _address(obj.household)

    @admin.display(description="enfants déjà connus")
    def twins(self, obj: ChangeRequest) -> SafeString | str:
        """Whether the child asked for is known elsewhere, and the page on which the two are joined."""
        if obj.child is None or not self.waits(obj):
            return "–"
        twins = approval.known_twins(obj.household)
        known = [str(one) for found in twins if found.child == obj.child for one in found.known]
        if not known:
            return "aucun"
        join = reverse("admin:families_household_join", args=[obj.household_id])
        said = '{} : même nom, même date de naissance. <a href="{}">Rattacher</a>'
        return format_html(said, ", ".join(known), join)

    @admin.display(description="justificatif")
    def proof_link(self, obj: ChangeRequest) -> SafeString | str:
        return "aucun" if obj.proof is None else document_link(obj.proof)


def _address(row: Household | ChangeRequest) -> str:
    return " ".join(part for part in (row.street, row.street_more, row.postcode, row.city) if part)


@admin.register(Document)
class DocumentAdmin(NumberSearch[Document], WithHistory[Document]):
    """Proofs, only to look at; the file itself comes from the view that checks who asks."""

    desk_order = 4
    list_display = ("name", "household", "uploaded_at", "open_link")
    list_select_related = ("household",)
    search_fields = ("household__guardians__folded",)
    search_help_text = "Nom d'un responsable ou numéro de foyer"
    fields = readonly_fields = (
        "name",
        "household",
        "content_type",
        "uploaded_by",
        "uploaded_at",
        "open_link",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        return Document.objects.open_to_staff(request.user)

    @admin.display(description="fichier")
    def open_link(self, obj: Document) -> SafeString:
        return format_html('<a href="{}">Télécharger</a>', reverse("families:document", args=[obj.pk]))


# Logins ---------------------------------------------------------------------------------------------


admin.site.unregister(Group)


VERBS = {"add": "ajouter", "change": "modifier", "delete": "supprimer", "view": "consulter"}
# What says too little as a verb and a model.
NAMED = {one.right.partition(".")[2]: one.does for one in groups.DANGEROUS}


def right_in_french(right: Permission) -> str:
    """Django keeps their names in the database, in English."""
    if (named := NAMED.get(right.codename)) is not None:
        return f"{right.content_type} : {named[:1].lower()}{named[1:]}"
    return f"{right.content_type} : {VERBS.get(right.codename.partition('_')[0], right.name)}"


class Rights(SeveralRows[Permission]):
    """Rights in French."""

    def label_from_instance(self, obj: Permission) -> str:
        return right_in_french(obj)


class GivesRights(AsksAgain[M], TolerantChoices[M]):
    def formfield_for_manytomany(
        self, db_field: models.ManyToManyField[Any, Any], request: HttpRequest, **given: Any
    ) -> Any:
        if db_field.related_model is Permission:
            # Old versions are read with their rows: no right of their own is ever asked for.
            now = Permission.objects.exclude(codename__contains="_historical").select_related("content_type")
            # No page of the desk shows factors and sessions.
            now = now.exclude(content_type__app_label__in=("mfa", "usersessions"))
            given |= {"form_class": Rights, "queryset": now}
        return super().formfield_for_manytomany(db_field, request, **given)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Without the rows that only tie rights to groups, and groups to logins: they have no name."""
        named, counts, *refused = super().get_deleted_objects(objs, request)
        ties = [
            model._meta for model in apps.get_models(include_auto_created=True) if model._meta.auto_created
        ]
        first_words = tuple(capfirst(str(tie.verbose_name)) for tie in ties)

        def kept(rows: list[Any]) -> list[Any]:
            found = [kept(row) if isinstance(row, list) else row for row in rows]
            return [row for row in found if row and not str(row).startswith(first_words)]

        plural = {tie.verbose_name_plural for tie in ties}
        return kept(named), {name: n for name, n in counts.items() if name not in plural}, *refused


@admin.register(Group)
class RightsAdmin(GivesRights[Group], GroupAdmin):  # type: ignore[misc]  # GroupAdmin also does without a request
    """Groups and their rights. A town that wants fewer of them in « Agent » saves a copy, and unticks."""

    save_as = True


@admin.register(User)
class LoginAdmin(GivesRights[User], WithHistory[User], NotesChanges):
    """Logins of families and of staff; whoever may change these gives rights."""

    desk_order = 9
    list_display = ("username", "email", "first_name", "last_name", "is_staff", "is_active", "last_login")
    list_filter = ("is_staff", "is_active", "groups")
    inlines: ClassVar[tuple[type[InlineModelAdmin[Any, User]], ...]] = ()
    formfield_overrides = {models.EmailField: {"form_class": AddressField}}

    def said_in_history(self, value: Any) -> str:
        return right_in_french(value) if isinstance(value, Permission) else str(value)

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return super().get_inlines(request, obj) if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Without groups, which follow the roles given below. Rights given past the roles are shown where
        there are some, to be taken away."""
        past_roles = obj is not None and obj.user_permissions.exists()
        hidden = {"groups"} if past_roles else {"groups", "user_permissions"}
        return [
            (title, options | {"fields": tuple(name for name in options["fields"] if name not in hidden)})
            for title, options in super().get_fieldsets(request, obj)
        ]

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Another address for a guardian's login is another person, until somebody there has confirmed it."""
        former = User.objects.filter(pk=obj.pk).values_list("email", flat=True).first()
        super().save_model(request, obj, form, change)
        said = [f"{name} : {'oui' if now else 'non'}" for name, now in _changed(form, obj)]
        if said:
            kind = SecurityEvent.Kind.RIGHTS
            security.note(kind, user=obj, by=user_of(request), request=request, detail=", ".join(said))
        if former is not None and former != obj.email:
            opening = openings.address_changed(obj, former, by=user_of(request), at=timezone.now())
            if opening is not None:
                self.message_user(request, f"{opening.guardian} : {WAITS}", messages.WARNING)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        ask_again(request)
        return super().user_change_password(request, id=id, form_url=form_url)


def _changed(form: Any, login: User) -> list[tuple[str, bool]]:
    """What a page that was posted changes of who a login is, in words."""
    words = {"is_staff": "à la mairie", "is_superuser": "tous les droits"}
    if login.is_active:  # that it was closed is an event of its own
        words["is_active"] = "compte ouvert"
    return [(word, getattr(login, name)) for name, word in words.items() if name in form.changed_data]


@admin.register(Diet)
class DietAdmin(DeskAdmin[Diet]):
    desk_order = 60
    list_display = ("name", "needs_pai", "active", "order")
    search_fields = ("name",)
    fields = (
        "name",
        "needs_pai",
        ("without_pork", "without_meat", "without_fish", "without_animals"),
        "order",
        "active",
    )


class DifferingHomes(admin.SimpleListFilter):
    title = "accord des foyers"
    parameter_name = "accord"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("a-accorder", "À accorder")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DietChoice]) -> QuerySet[DietChoice]:
        return queryset.filter(differs_since__isnull=False) if self.value() else queryset


@admin.register(DietChoice)
class DietChoiceAdmin(DeskAdmin[DietChoice]):
    """The diet of each child: asked for with its first enrolment where a meal is eaten, corrected here. Where
    its homes say different ones, whoever saves the page decides."""

    desk_order = 50
    work_queues = (
        Queue(
            "Régimes à accorder",
            lambda request: DietChoice.objects.filter(differs_since__isnull=False),
            query="accord=a-accorder",
            order=45,
            since="differs_since",
            late_after=timedelta(days=14),
            hint="Deux foyers d'un enfant ont indiqué un régime différent : la cuisine suit le plus strict.",
        ),
    )
    list_display = ("child", "diet", "differs_since")
    list_filter = (DifferingHomes, "diet", "diet__needs_pai")
    list_select_related = ("child", "diet")
    search_fields = ("child__folded",)
    ordering = ("child__last_name", "child__first_name", "pk")
    fields = ("child", "said_by_homes", "differs_since", "diet")
    readonly_fields = ("child", "said_by_homes", "differs_since")

    def get_fields(self, request: HttpRequest, obj: DietChoice | None = None) -> Any:
        """A kitchen reads diets, and no family."""
        shown = super().get_fields(request, obj)
        if obj is not None and rights.may(request.user, obj.child, "families.view_household"):
            return shown
        return [name for name in shown if name != "said_by_homes"]

    @admin.display(description="indiqué par")
    def said_by_homes(self, obj: DietChoice) -> str:
        said = HomeDiet.objects.filter(child=obj.child_id).select_related("household", "diet").order_by("pk")
        return " ; ".join(f"{one.household} : {one.diet}" for one in said) or "–"

    def save_model(self, request: HttpRequest, obj: DietChoice, form: Any, change: bool) -> None:
        diets.decide(obj, obj.diet, by=user_of(request), at=timezone.now())

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
