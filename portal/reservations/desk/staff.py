"""An agent's one form: name, address, roles and places. « Rôles à la mairie » on the page of a login."""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import HORIZONTAL, get_ul_class
from django.contrib.admin.widgets import AdminRadioSelect, RelatedFieldWidgetWrapper
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Q, QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils import timezone

from families import groups, login_names
from families.admin.people import LoginAdmin
from families.admin.staff import StaffMemberAdmin
from families.desk_cells import person
from families.forms import AddressField
from families.models import StaffMember, User
from families.signing_in import inviting
from families.signing_in.asking_again import AsksAgain, asks_again
from portal.desk.choices import SeveralRows, TolerantChoices
from portal.desk.columns import TypedColumns
from portal.desk.decisions import DECISION_FIELD, Decision
from portal.desk.pages import log_all
from portal.desk.site import DeskLink
from portal.french import moments
from portal.french.plurals import counted
from portal.reservations.models import Establishment, StaffRight
from portal.reservations.staff import giving, matrix, rights
from portal.web.form_fields import field_of
from portal.web.signed_in import SignedInRequest, signed_in, user_of

WHERE = (
    "Dans des établissements choisis, la personne n'a que leurs enfants, leurs familles, leurs réservations, "
    "leurs listes et leurs menus. Les factures, les tarifs, les activités et les nouveaux comptes famille "
    "demandent toute la commune."
)


class StaffRightForm(forms.ModelForm[StaffRight]):
    """A role and where it holds."""

    class Meta:
        model = StaffRight
        fields = ("role", "everywhere", "places")
        help_texts = {"everywhere": "Décochez pour choisir des établissements.", "places": WHERE}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "role" in self.fields:
            # Another role is another line.
            self.fields["role"].disabled = True

    def clean(self) -> dict[str, Any]:
        super().clean()
        given = self.cleaned_data
        role: Group | None = given.get("role")
        if role is not None and not given.get("everywhere") and "places" in given:
            try:
                giving.check(role, given["places"])
            except giving.RightRefused as refusal:
                self.add_error("places", str(refusal))
        return given


class StaffRightFormSet(BaseInlineFormSet[StaffRight, User, StaffRightForm]):
    """Lines that `giving` writes."""

    desk_request: SignedInRequest

    def save_new(self, form: StaffRightForm, commit: bool = True) -> StaffRight:
        return self._give(form)

    def save_existing(self, form: StaffRightForm, obj: StaffRight, commit: bool = True) -> StaffRight:
        return self._give(form)

    def delete_existing(self, obj: StaffRight, commit: bool = True) -> None:
        request = self.desk_request
        giving.withdraw(self.instance, obj.role, by=request.user, request=request)

    def _give(self, form: StaffRightForm) -> StaffRight:
        given, request = form.cleaned_data, self.desk_request
        places = None if given["everywhere"] else list(given["places"])
        return giving.give(self.instance, given["role"], places=places, by=request.user, request=request)


class StaffRightInline(TypedColumns, TolerantChoices[StaffRight], admin.StackedInline[StaffRight, User]):
    model = StaffRight
    fk_name = "user"
    form = StaffRightForm
    extra = 0
    verbose_name, verbose_name_plural = "rôle à la mairie", "rôles à la mairie"
    fields = ("role", "everywhere", "places", "given")
    readonly_fields = ("given",)
    formfield_overrides = {models.ManyToManyField: {"widget": forms.CheckboxSelectMultiple}}

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[StaffRight]:
        return super().get_queryset(request).select_related("role", "given_by").prefetch_related("places")

    def get_formset(self, request: HttpRequest, obj: User | None = None, **kwargs: Any) -> Any:
        made: Any = super().get_formset(request, obj, formset=StaffRightFormSet, **kwargs)
        made.desk_request = request
        return made

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **given: Any) -> Any:
        """Roles and places are chosen here, and made on their own pages."""
        field = super().formfield_for_dbfield(db_field, request, **given)
        if isinstance(widget := getattr(field, "widget", None), RelatedFieldWidgetWrapper):
            widget.can_add_related = widget.can_change_related = False
            widget.can_delete_related = widget.can_view_related = False
        return field

    @admin.display(description="donné")
    def given(self, obj: StaffRight) -> str:
        if not obj.pk:
            return "–"
        by = f" par {person(obj.given_by)}" if obj.given_by else ""
        return f"le {moments.moment(timezone.localtime(obj.given_at), year=True)}{by}"


LoginAdmin.inlines = (*LoginAdmin.inlines, StaffRightInline)


# One form for an agent ------------------------------------------------------------------------------------


class Where(StrEnum):
    """What the form says of a role."""

    NOWHERE = ""
    TOWN = "commune"
    PLACES = "lieux"
    AS_IS = "inchange"


def field_name(role: Group) -> str:
    return f"role_{role.pk}"


class StaffForm(forms.ModelForm[StaffMember]):
    """A name, an address; beside them a field a role, and the places of those that are held at some only."""

    first_name = forms.CharField(label="Prénom", max_length=150)
    last_name = forms.CharField(label="Nom", max_length=150)
    email = AddressField(
        label="Adresse e-mail",
        help_text="Professionnelle de préférence : le lien pour choisir le mot de passe y part.",
    )
    places = SeveralRows(
        Establishment.objects.none(),
        label="Établissements",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=WHERE,
    )
    # Of who gives, set by the page.
    roles: ClassVar[list[Group]] = []

    class Meta:
        model = StaffMember
        fields = ("first_name", "last_name", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = list(self._held())
        self.held = {right.role_id: right for right in held}
        # The places of the first role that has some; a role with others stays as it is unless it is changed.
        tied = [{place.pk for place in right.places.all()} for right in held if not right.everywhere]
        self.shared: set[int] = tied[0] if tied else set()
        if "places" in self.fields:
            offered = Establishment.objects.filter(Q(active=True) | Q(pk__in=self.shared))
            field_of(self, "places", forms.ModelMultipleChoiceField).queryset = offered.order_by(
                "kind", "name"
            )
            self.initial["places"] = sorted(self.shared)
        for role in self.roles:
            if (name := field_name(role)) in self.fields:
                self.initial[name] = self._before(role)
                field_of(self, name, forms.ChoiceField).choices = self._choices(role)
        if self.is_deciding:
            for field in self.fields.values():
                field.required = False

    @property
    def is_deciding(self) -> bool:
        """Whether a button ends functions, or the like: an account that lacks a name or a role is no reason
        to let it go on."""
        return bool(self.instance.pk and DECISION_FIELD in self.data)

    def _held(self) -> Iterable[StaffRight]:
        if not self.instance.pk:
            return ()
        return StaffRight.objects.filter(user=self.instance.pk).prefetch_related("places")

    def _before(self, role: Group) -> Where:
        right = self.held.get(role.pk)
        if right is None:
            return Where.NOWHERE
        if right.everywhere:
            return Where.TOWN
        return Where.PLACES if {place.pk for place in right.places.all()} == self.shared else Where.AS_IS

    def _choices(self, role: Group) -> list[tuple[str, str]]:
        offered: list[tuple[str, str]] = [(Where.NOWHERE, "Non"), (Where.TOWN, "Toute la commune")]
        if rights.counts_at_places(role):
            offered.append((Where.PLACES, "Établissements cochés plus bas"))
        if self._before(role) is Where.AS_IS:
            names = ", ".join(place.name for place in self.held[role.pk].places.all())
            offered.append((Where.AS_IS, f"Comme aujourd'hui : {names}"))
        return offered

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"]
        return login_names.free_address(email, owner=self.instance if self.instance.pk else None)

    def clean(self) -> dict[str, Any]:
        super().clean()
        given = self.cleaned_data
        said = {role.pk: given.get(field_name(role), Where.NOWHERE) for role in self.roles}
        keeps_others = self.held.keys() - said.keys()
        lacks_all = not any(said.values()) and not keeps_others
        if not self.errors and lacks_all and not self.is_deciding:
            self.add_error(None, "Donnez au moins un rôle. Pour retirer tout accès : « Fin de fonctions… ».")
        for role in self.roles:
            if said[role.pk] == Where.PLACES and "places" in given:
                try:
                    giving.check(role, given["places"])
                except giving.RightRefused as refusal:
                    self.add_error("places", str(refusal))
                    break
        return given

    def give_roles(self, user: User, *, by: User, request: HttpRequest) -> None:
        """What the form changes of the roles: the others keep who gave them, and since when."""
        places = list(self.cleaned_data.get("places", ()))
        moved = {place.pk for place in places} != self.shared
        for role in self.roles:
            said, before = Where(self.cleaned_data[field_name(role)]), self._before(role)
            if said is before and not (said is Where.PLACES and moved):
                continue
            if said is Where.NOWHERE:
                giving.withdraw(user, role, by=by, request=request)
            else:
                where = places if said is Where.PLACES else None
                giving.give(user, role, places=where, by=by, request=request)


def in_order(roles: Iterable[Group]) -> list[Group]:
    """The portal's own as a town reads them, then those that it made itself."""
    known = list(groups.PURPOSES)
    return sorted(
        roles, key=lambda role: (known.index(role.name) if role.name in known else len(known), role.name)
    )


admin.site.unregister(StaffMember)


@admin.register(StaffMember)
class StaffWithRolesAdmin(AsksAgain[StaffMember], StaffMemberAdmin):
    """The list of who enters the desk, with the form that invites them and says what they may do."""

    desk_links = (
        DeskLink(
            "Inviter un agent",
            "families_staffmember_add",
            "families.add_staffmember",
            "un nom, une adresse, un rôle ; le reste se fait par message",
            order=85,
        ),
    )
    actions: Sequence[str] = ("invite_again", *StaffMemberAdmin.actions)
    decisions: Sequence[Decision] = (
        Decision("invite_again", "Renvoyer l'invitation"),
        *StaffMemberAdmin.decisions,
    )
    form = StaffForm
    change_list_template = "admin/reservations/staff_list.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """With one button: who is invited is not invited again, nor opened at once."""
        one_button = {"show_save_and_add_another": False, "show_save_and_continue": False}
        return super().changeform_view(request, object_id, form_url, one_button | (extra_context or {}))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("families.add_staffmember")

    def has_change_permission(self, request: HttpRequest, obj: StaffMember | None = None) -> bool:
        """Who may invite may change roles: of others, and of no superuser without being one."""
        may = self.has_add_permission(request) and request.user.has_perm("families.change_staffmember")
        return may and (obj is None or self.may_decide_about(signed_in(request), obj))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        held = models.Prefetch("staff_rights", StaffRight.objects.select_related("role"))
        # Groups only follow these rows.
        rows = super().get_queryset(request).prefetch_related(None)
        return rows.prefetch_related(held, "staff_rights__places")

    @admin.display(description="rôles")
    def roles(self, obj: StaffMember) -> str:
        """With the places of those that are held at some only."""
        said = ["Administrateur"] if obj.is_superuser else []
        for right in obj.staff_rights.all():
            places = ", ".join(sorted(place.name for place in right.places.all()))
            said.append(str(right.role) if right.everywhere else f"{right.role} ({places})")
        return " ; ".join(said) or "aucun"

    def decisions_for(self, obj: StaffMember) -> Sequence[Decision]:
        found = super().decisions_for(obj)
        return found if inviting.waits(obj) else found[1:]

    def get_fieldsets(self, request: HttpRequest, obj: StaffMember | None = None) -> Any:
        if obj is not None and not self.has_change_permission(request, obj):
            return [(None, {"fields": self.fields})]
        names = tuple(field_name(role) for role in self._givable(request))
        known = (
            ()
            if obj is None
            else (
                (
                    "Ce compte",
                    {"fields": ("login_name", "roles", "factors_here", "last_login", "is_family")},
                ),
            )
        )
        return [
            ("Qui", {"fields": ("first_name", "last_name", "email")}),
            (
                "Rôles",
                {
                    "fields": names,
                    "description": "Chacun ne donne que les rôles dont il a lui-même tous les droits dans"
                    " toute la commune ; un administrateur les donne tous.",
                },
            ),
            ("Où", {"fields": ("places",)}),
            *known,
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: StaffMember | None = None) -> Any:
        if obj is None:
            return ()
        if not self.has_change_permission(request, obj):
            return self.readonly_fields
        shown = ("login_name", "roles", "factors_here", "last_login", "is_family")
        return shown if self._may_redirect(request, obj) else ("email", *shown)

    def _may_redirect(self, request: HttpRequest, obj: User) -> bool:
        """Whether one may say where an invitation goes: who reads it has all that waits for its reader.

        Once the account is open its address is its owner's to change: a password could be asked for there.
        """
        by = user_of(request)
        if not inviting.waits(obj):
            return False
        if by.is_superuser:
            return True
        if obj.is_superuser or obj.user_permissions.exists():
            return False
        given = set(StaffRight.objects.filter(user=obj.pk).values_list("role", flat=True))
        return not given or given <= {role.pk for role in giving.givable(by)}

    def get_form(
        self, request: HttpRequest, obj: StaffMember | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None or self.has_change_permission(request, obj):
            offered = self._givable(request)
            fields = {
                field_name(role): forms.ChoiceField(
                    label=role.name,
                    help_text=groups.PURPOSES.get(role.name, "Rôle propre à la commune."),
                    widget=AdminRadioSelect(attrs={"class": get_ul_class(HORIZONTAL)}),
                    required=False,
                )
                for role in offered
            }
            of_page: dict[str, Any] = {**fields, "roles": offered}
            if "email" in self.get_readonly_fields(request, obj):
                of_page["email"] = None  # takes the field out
            kwargs["form"] = type("StaffFormOfRoles", (StaffForm,), of_page)
        return super().get_form(request, obj, change=change, **kwargs)

    def _givable(self, request: HttpRequest) -> list[Group]:
        return in_order(giving.givable(user_of(request)))

    def save_model(self, request: HttpRequest, obj: StaffMember, form: Any, change: bool) -> None:
        by = user_of(request)
        if not change:
            inviting.invite(obj, by=by, request=request)
            self.message_user(request, f"{self.full_name(obj)} reçoit une invitation à {obj.email}.")
            return
        # A password chosen meanwhile, or an end of functions, is not undone: names only, and where it goes
        # while somebody still waits for it there.
        stored = User.objects.select_for_update(of=("self",)).get(pk=obj.pk)
        fields = ["first_name", "last_name"]
        if "email" in form.changed_data and self._may_redirect(request, stored):
            fields.append("email")
        obj.save(update_fields=fields)
        if "email" in fields and inviting.invite_again(obj, by=by, request=request):
            self.message_user(request, f"Une nouvelle invitation part à {obj.email}.")

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        form.give_roles(form.instance, by=user_of(request), request=request)

    @admin.action(description="Renvoyer l'invitation", permissions=["decide"])
    @asks_again
    def invite_again(self, request: SignedInRequest, queryset: QuerySet[StaffMember]) -> None:
        rows = [row for row in queryset if self.may_decide_about(request, row)]
        sent = [row for row in rows if inviting.invite_again(row, by=request.user, request=request)]
        if sent:
            log_all(request, sent, "Invitation envoyée de nouveau.")
            self.message_user(
                request, f"{counted(len(sent), 'invitation envoyée', 'invitations envoyées')} de nouveau."
            )
        if left := len(rows) - len(sent):
            text = counted(left, "compte est déjà ouvert", "comptes sont déjà ouverts")
            self.message_user(request, f"{text} : rien ne lui est envoyé.", messages.WARNING)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.matrix)
        return [path("qui-peut-quoi/", view, name="families_staffmember_matrix"), *super().get_urls()]

    def matrix(self, request: HttpRequest) -> HttpResponse:
        """« Qui peut quoi »: the roles of this town, as they stand."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        roles = in_order(Group.objects.prefetch_related("permissions__content_type"))
        context = self.admin_site.each_context(request) | {
            "title": "Qui peut quoi",
            "subtitle": None,
            "opts": self.opts,
            "roles": [(role.name, groups.PURPOSES.get(role.name, "")) for role in roles],
            "parts": matrix.table({role.name: rights.rights_of(role) for role in roles}),
            "dangerous": groups.DANGEROUS,
        }
        return TemplateResponse(request, "admin/reservations/roles.html", context)
