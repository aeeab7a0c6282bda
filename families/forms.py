"""Forms of accounts and households."""

import re
from datetime import date, datetime
from typing import Any

from allauth.account import forms as allauth_forms
from allauth.account.adapter import get_adapter
from django import forms
from django.contrib.auth import password_validation
from django.contrib.auth.hashers import make_password
from django.core.validators import RegexValidator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from families import approval, login_names, passwords, recovery
from families.custody import newcomers
from families.models import (
    Allergen,
    AuthorisedPerson,
    ChangeRequest,
    Child,
    ChildHealth,
    Custody,
    Guardian,
    Household,
    User,
)
from families.traces import security
from portal.database.encrypted import KEPT_AS_IT_IS, Unreadable
from portal.files import uploads
from portal.french import phones
from portal.french.day_fields import DayInput, NearDateField
from portal.french.numbers import TypedDecimalField
from portal.web.form_fields import NamesItsFields, field_of

MOST_CHILDREN = 12
OLDEST_CHILD_YEARS = 20

postcode_validator = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9 -]{1,9}$", "Écrivez le code postal en chiffres ; à l'étranger, comme là-bas."
)
FRENCH_POSTCODE = re.compile(r"\d{5}")
# « Tournai (Belgique) », « Tournai, Belgique ».
NAMES_A_COUNTRY = re.compile(r"[(,]\s*[^\W\d_]{3,}")


class WithoutPlaceholders(NamesItsFields, forms.Form):
    """A placeholder that repeats the label vanishes while typing, and is read twice aloud."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)


# Accounts -------------------------------------------------------------------------------------------


class AddressField(forms.EmailField):
    """An e-mail address, read and judged in the form that an account keeps."""

    default_validators = [login_names.check_address]

    def to_python(self, value: Any) -> str:
        return login_names.normal_form(super().to_python(value) or "")

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        return {"autocomplete": "email"} | super().widget_attrs(widget)


class LoginForm(WithoutPlaceholders, allauth_forms.LoginForm):
    """Identifiant or e-mail, and password."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        login, password = field_of(self, "login", forms.CharField), self.fields["password"]
        login.label = "Identifiant"
        login.help_text = "Votre identifiant ou votre adresse e-mail."
        login.max_length = 254
        login.widget.attrs |= {"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        password.label = "Mot de passe"
        password.help_text = ""

    def clean_login(self) -> str:
        return login_names.normal_form(self.cleaned_data["login"])

    def user_credentials(self) -> dict[str, str]:
        """One name for both: whose it is says our backend, and no letter ever goes to what was typed here."""
        return {"username": self.cleaned_data["login"], "password": self.cleaned_data["password"]}


class RecoveryForm(WithoutPlaceholders, allauth_forms.ResetPasswordForm):
    """« Identifiant ou mot de passe oublié ? »: hands the address to the worker, looks up nothing itself."""

    email = AddressField(label="Adresse e-mail")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"])

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email: str = self.cleaned_data["email"]
        recovery.send_recovery.enqueue(email, security.network_mark(request))
        return email


class NewPasswordForm(WithoutPlaceholders, allauth_forms.ResetPasswordKeyForm):
    """A new password, behind the link of a recovery letter."""

    def save(self) -> None:
        super().save()
        recovery.mark_address_proven(self.user)


class ChangePasswordForm(WithoutPlaceholders, allauth_forms.ChangePasswordForm):
    """« Modifier mon mot de passe »."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["oldpassword"].label = "Mot de passe actuel"
        self.fields["oldpassword"].help_text = ""
        self.fields["password1"].label = "Nouveau mot de passe"
        self.fields["password2"].label = "Nouveau mot de passe, encore une fois"


class ConfirmIdentityForm(WithoutPlaceholders, allauth_forms.ReauthenticateForm):
    """The password again, before the address of the account changes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].label = "Mot de passe"
        self.fields["password"].help_text = ""


class CorrectAddressForm(WithoutPlaceholders, forms.Form):
    """« Corriger mon adresse », before it is confirmed."""

    email = AddressField(label="Adresse e-mail", help_text="Par exemple : camille.martin@exemple.fr")


class PaperCodeForm(WithoutPlaceholders, forms.Form):
    """« J'ai reçu un code »: what the letter says, and where to write."""

    number = forms.CharField(
        label="Numéro de foyer", max_length=12, widget=forms.TextInput(attrs={"inputmode": "numeric"})
    )
    code = forms.CharField(
        label="Code de la lettre",
        max_length=40,
        help_text="Douze lettres et chiffres. Les tirets et les majuscules ne comptent pas.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "characters"}),
    )
    email = AddressField(label="Votre adresse e-mail", help_text="Nous y écrirons : vérifiez-la.")


class ChangeEmailForm(WithoutPlaceholders, allauth_forms.AddEmailForm):
    """« Modifier mon adresse e-mail »."""

    email = AddressField(label="Nouvelle adresse e-mail")

    def clean_email(self) -> str:
        """Anybody's but one's own: whether it is another account's is only told to its owner."""
        email: str = self.cleaned_data["email"]
        if self.user in login_names.having_address(email):
            raise get_adapter().validation_error("duplicate_email")
        return email


def check_birth_date(day: date, today: date) -> date:
    """A day on which a child may be born. Raises ValidationError."""
    if day > today:
        raise forms.ValidationError("La date de naissance est dans le futur.")
    if today.year - day.year > OLDEST_CHILD_YEARS:
        raise forms.ValidationError("Vérifiez l'année de naissance : le portail s'adresse aux enfants.")
    return day


class NewChildForm(NamesItsFields, forms.Form):
    """One child of a new household; an untouched row says nothing."""

    first_name = forms.CharField(label="Prénom", max_length=80)
    last_name = forms.CharField(label="Nom", max_length=80)
    birth_date = forms.DateField(label="Date de naissance", widget=DayInput())

    def clean_birth_date(self) -> date:
        return check_birth_date(self.cleaned_data["birth_date"], timezone.localdate())


class RowsOfChildren(forms.BaseFormSet[NewChildForm]):
    """Rows of a creation form, with sentences for people rather than for programmers."""

    default_error_messages = forms.BaseFormSet.default_error_messages | {
        "missing_management_form": "Le formulaire est arrivé incomplet. Vérifiez vos enfants.",
        "too_few_forms": "Indiquez au moins un enfant.",
        "too_many_forms": f"Le formulaire accueille {MOST_CHILDREN} enfants au plus.",
    }

    def initial_form_count(self) -> int:
        # What was typed before a row was added is no child yet: a row left empty stays allowed to be.
        return 0


NewChildren = forms.formset_factory(
    NewChildForm,
    formset=RowsOfChildren,
    extra=2,
    min_num=1,
    validate_min=True,
    max_num=MOST_CHILDREN,
    validate_max=True,
    absolute_max=MOST_CHILDREN,
)
CHILDREN_PREFIX = "enfants"


class HoldsAnAddress:
    """A postcode, then a town: one abroad names its country, so that a slip in a French one shows."""

    cleaned_data: dict[str, Any]

    def clean_city(self) -> str:
        city: str = self.cleaned_data["city"]
        postcode = self.cleaned_data.get("postcode", "")
        if postcode and not FRENCH_POSTCODE.fullmatch(postcode) and not NAMES_A_COUNTRY.search(city):
            raise forms.ValidationError(
                "Un code postal français a cinq chiffres. Pour une adresse à l'étranger, écrivez le pays "
                "après la commune : « Tournai (Belgique) »."
            )
        return city


class AdultForm(HoldsAnAddress, forms.Form):
    """An adult and the household's address, as one gives them to have an account."""

    first_name = forms.CharField(label="Prénom", max_length=80)
    last_name = forms.CharField(label="Nom", max_length=80)
    phone = phones.PhoneInput(label="Téléphone", validators=[phones.check])
    street = forms.CharField(label="Adresse", max_length=200, help_text="Numéro et rue.")
    street_more = forms.CharField(label="Complément d'adresse", max_length=200, required=False)
    postcode = forms.CharField(label="Code postal", max_length=10, validators=[postcode_validator])
    city = forms.CharField(label="Commune", max_length=100)

    AUTOCOMPLETE = {
        "first_name": "given-name",
        "last_name": "family-name",
        "phone": "tel",
        "street": "address-line1",
        "street_more": "address-line2",
        "postcode": "postal-code",
        "city": "address-level2",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, token in self.AUTOCOMPLETE.items():
            self.fields[name].widget.attrs["autocomplete"] = token


class SignupForm(AdultForm, WithoutPlaceholders, allauth_forms.SignupForm):
    """« Créer un compte famille »: a guardian, their address, their children, their login."""

    email = AddressField()

    # The order of the page, which is also that of the summary of mistakes.
    field_order = [
        *("first_name", "last_name", "phone", "street", "street_more", "postcode", "city"),
        *("username", "email", "password1", "password2"),
    ]

    def __init__(self, *args: Any, children: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Identifiant"
        self.fields["username"].help_text = "Il vous servira à vous connecter, comme votre adresse e-mail."
        self.fields["email"].label = "Adresse e-mail"
        self.fields["password1"].label = "Mot de passe"
        self.fields["password1"].help_text = password_validation.password_validators_help_text_html()
        self.fields["password2"].label = "Mot de passe, encore une fois"
        if children is None:
            children = NewChildren(self.data if self.is_bound else None, prefix=CHILDREN_PREFIX)
        self.children = children

    def is_valid(self) -> bool:
        # Both are judged, so that every mistake shows at once.
        return all([super().is_valid(), self.children.is_valid()])

    def validate_unique_email(self, value: str) -> str:
        self.account_already_exists = bool(login_names.having_address(value))
        return value

    # The password of an account that is not made, as a hash: see `signing_in.first_address`.
    kept_hash = ""

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        """As allauth does; a known address takes the time of hashing too, by which it would show itself."""
        if self.account_already_exists:
            self.kept_hash = make_password(passwords.kept_form(self.cleaned_data["password1"]))
        return super().try_save(request)

    def save(self, request: HttpRequest) -> User:
        """The account, with its household waiting for the town hall. All or nothing."""
        with transaction.atomic():
            user = super().save(request)
            given = self.cleaned_data
            household = Household.objects.create(
                **{name: given[name] for name in ("street", "street_more", "postcode", "city")},
                resident=approval.seems_resident(given["postcode"], given["city"]),
            )
            names = {name: given[name] for name in ("first_name", "last_name", "phone")}
            Guardian.objects.create(household=household, user=user, **names)
            for row in self.children:
                if row.has_changed():
                    Custody.objects.create(
                        household=household, child=Child.objects.create(**row.cleaned_data)
                    )
        return user


class InvitedForm(WithoutPlaceholders, forms.Form):
    """The login of somebody who was invited to a household; the address is the one invited."""

    username = forms.CharField(
        label="Identifiant",
        max_length=150,
        help_text="Il vous servira à vous connecter, comme votre adresse e-mail.",
        widget=forms.TextInput({"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}),
    )
    password1 = forms.CharField(
        label="Mot de passe",
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=password_validation.password_validators_help_text_html,
    )
    password2 = forms.CharField(
        label="Mot de passe, encore une fois",
        strip=False,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, guardian: Guardian, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = User(first_name=guardian.first_name, last_name=guardian.last_name, email=email)

    def clean_username(self) -> str:
        self.user.username = get_adapter().clean_username(self.cleaned_data["username"])
        return self.user.username

    def clean_password1(self) -> str:
        return str(get_adapter().clean_password(self.cleaned_data["password1"], user=self.user))

    def clean(self) -> dict[str, Any] | None:
        given = super().clean()
        if {"password1", "password2"} <= self.cleaned_data.keys() and (
            self.cleaned_data["password1"] != self.cleaned_data["password2"]
        ):
            self.add_error("password2", "Les deux mots de passe ne sont pas les mêmes.")
        return given

    def save(self) -> User:
        """Raises IntegrityError where somebody else took the identifiant, or the address, meanwhile."""
        self.user.set_password(self.cleaned_data["password1"])
        self.user.save()
        recovery.mark_address_proven(self.user)
        return self.user


class NewGuardianForm(NamesItsFields, forms.Form):
    """Another adult of the household, to invite."""

    first_name = forms.CharField(label="Prénom", max_length=80)
    last_name = forms.CharField(label="Nom", max_length=80)
    email = AddressField(
        label="Adresse e-mail", help_text="L'invitation y sera envoyée une fois acceptée par la mairie."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["autocomplete"] = "off"


# Household ------------------------------------------------------------------------------------------


MoreChildren = forms.formset_factory(
    NewChildForm,
    formset=RowsOfChildren,
    extra=1,
    max_num=MOST_CHILDREN,
    validate_max=True,
    absolute_max=MOST_CHILDREN,
)


class SentChildForm(NewChildForm):
    """A child as it was sent: corrected, or left out of what is sent again."""

    left_out = forms.BooleanField(required=False)

    def __init__(self, data: Any, *, child: Child) -> None:
        sent = {name: getattr(child, name) for name in NewChildForm.base_fields}
        super().__init__(data, prefix=f"enfant-{child.pk}", initial=sent)
        self.fields["left_out"].label = f"Retirer {child.first_name} de ma demande"

    @property
    def leaves(self) -> bool:
        """Whether it is left out: what is typed of it is of no matter then."""
        return self.is_bound and bool(self["left_out"].data)

    def is_valid(self) -> bool:
        return self.leaves or super().is_valid()


class SendAgainForm(NamesItsFields, AdultForm):
    """« Corriger et renvoyer »: what a refused household had sent, of its adult, its address, its children.

    A child that lives in another home too is not theirs alone to correct (`shares`: there is one).
    """

    def __init__(self, data: Any, *, guardian: Guardian, children: list[Child], shares: bool = False) -> None:
        household = guardian.household
        sent = {name: getattr(guardian, name) for name in GUARDIAN_FIELDS}
        sent |= {name: getattr(household, name) for name in approval.ADDRESS}
        super().__init__(data, initial=sent)
        self.guardian = guardian
        self.shares = shares
        self.known = [(child, SentChildForm(data, child=child)) for child in children]
        self.more = MoreChildren(data, prefix=CHILDREN_PREFIX)

    def is_valid(self) -> bool:
        # All are judged, so that every mistake shows at once.
        judged = [super().is_valid(), *(form.is_valid() for _, form in self.known), self.more.is_valid()]
        if all(judged) and not self._has_a_child():
            self.add_error(None, RowsOfChildren.default_error_messages["too_few_forms"])
            return False
        return all(judged)

    def _has_a_child(self) -> bool:
        stays = (not form.leaves for _, form in self.known)
        return self.shares or any(stays) or any(row.has_changed() for row in self.more)

    def save(self, *, by: User, at: datetime) -> Household:
        """All or nothing. Raises AlreadyAnswered."""
        given = self.cleaned_data
        with transaction.atomic():
            household = approval.send_again(self.guardian.household, given)
            for name in GUARDIAN_FIELDS:
                setattr(self.guardian, name, given[name])
            self.guardian.save()
            for child, form in self.known:
                if form.leaves:
                    newcomers.leave_out(child, household, by=by, at=at)
                    continue
                for name in NewChildForm.base_fields:
                    setattr(child, name, form.cleaned_data[name])
                child.save()
            for row in self.more:
                if row.has_changed():
                    child = Child.objects.create(**row.cleaned_data)
                    Custody.objects.create(household=household, child=child)
        return household


GUARDIAN_FIELDS = ("first_name", "last_name", "phone")


class PhonesForm(NamesItsFields, forms.ModelForm[Guardian]):
    """A guardian's own phones: changed at once."""

    class Meta:
        model = Guardian
        fields = ["phone", "phone_work"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["phone"].required = True
        for name in self.fields:
            self.fields[name].widget.attrs["autocomplete"] = "tel"


class AddressForm(HoldsAnAddress, NamesItsFields, forms.ModelForm[Household]):
    """An address that takes effect at once, where the town allows it."""

    postcode = forms.CharField(label="Code postal", max_length=10, validators=[postcode_validator])

    class Meta:
        model = Household
        fields = ["street", "street_more", "postcode", "city"]


class ProofForm(NamesItsFields, forms.ModelForm[ChangeRequest]):
    """What every request to the town hall carries: a proof whose content was checked."""

    file = forms.FileField(label="Justificatif", help_text="PDF, JPEG, PNG ou HEIC, 10 Mo au plus.")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        self.content_type = uploads.check(file)
        return file


class AddressRequestForm(HoldsAnAddress, ProofForm):
    """A change of address, for the town hall to check."""

    valid_from = NearDateField(
        label="Nous y habitons à partir du",
        required=False,
        help_text="Vide : du jour où la mairie répond. Si vos tarifs changent, ce sera à partir de ce jour.",
    )

    class Meta:
        model = ChangeRequest
        fields = ["street", "street_more", "postcode", "city", "valid_from"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("street", "postcode", "city"):
            self.fields[name].required = True
        self.fields["postcode"].validators.append(postcode_validator)
        self.fields["file"].label = "Justificatif de domicile"


class QuotientRequestForm(ProofForm):
    """A new quotient familial, for the town hall to check."""

    quotient = TypedDecimalField(
        label="Quotient familial",
        max_digits=9,
        decimal_places=2,
        help_text="Le montant inscrit sur votre attestation, par exemple 850,00.",
    )
    valid_from = NearDateField(label="Valable à partir du")

    class Meta:
        model = ChangeRequest
        fields = ["quotient", "valid_from"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.required = True
        self.fields["file"].label = "Attestation de la CAF ou de la MSA"


# Children -------------------------------------------------------------------------------------------


class HealthForm(forms.ModelForm[ChildHealth]):
    """What those who look after a child must know: for families and for the desk."""

    allergens = forms.MultipleChoiceField(
        label="Allergènes",
        choices=Allergen.choices,
        widget=forms.CheckboxSelectMultiple,
        required=False,
        help_text="Les quatorze allergènes indiqués sur les menus.",
    )

    class Meta:
        model = ChildHealth
        fields = ["has_pai", "allergens", "allergies", "treatment", "doctor", "doctor_phone"]
        widgets = {"allergies": forms.Textarea({"rows": 3}), "treatment": forms.Textarea({"rows": 4})}
        help_texts = {"allergies": "Une autre allergie, des traces permises ou non, ce qui se passe alors."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if isinstance(self.instance.allergens, Unreadable):
            self.initial["allergens"] = []
            self.fields["allergens"].help_text = KEPT_AS_IT_IS
        for name in ("allergies", "treatment"):
            field_of(self, name, forms.CharField).max_length = 2000
            self.fields[name].widget.attrs["maxlength"] = 2000


class AuthorisationsForm(forms.ModelForm[Child]):
    """What a guardian allows."""

    class Meta:
        model = Child
        fields = ["photo_allowed", "leaves_alone", "emergency_care_allowed"]
        labels = {"photo_allowed": "Peut être pris en photo"}


class AuthorisedPersonForm(NamesItsFields, forms.ModelForm[AuthorisedPerson]):
    """Somebody who may collect the child."""

    class Meta:
        model = AuthorisedPerson
        fields = ["name", "relationship", "phone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["relationship"].help_text = "Par exemple : grand-mère, voisin, grande sœur."
