"""Who bills and cashes: what the town's own régie and any further one both say of themselves."""

from decimal import Decimal

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from billing.models.tariffs import NEVER_NEGATIVE
from portal.database.history import History
from portal.french.official_numbers import BicField, CreditorField, IbanField, SiretField
from portal.reservations.models import Activity


class Issuer(models.Model):
    """What documents copy of who issues them, and the account that the money goes to."""

    collection = models.CharField(
        "recouvrement",
        max_length=8,
        choices=[("regie", "Régie de recettes"), ("titre", "Titre de recettes")],
        default="regie",
    )
    issuer_name = models.CharField(
        "émetteur", max_length=160, blank=True, help_text="Vide : le nom de la commune."
    )
    issuer_address = models.TextField("adresse de l'émetteur", blank=True)
    signatory = models.CharField(
        "signataire",
        max_length=120,
        blank=True,
        help_text="Nom et qualité, au bas des factures, reçus, relevés et relances :"
        " « Dominique Roy, régisseur titulaire ».",
    )
    siret = SiretField("SIRET", max_length=14, blank=True)
    vat_notice = models.CharField(
        "mention de TVA",
        max_length=200,
        blank=True,
        help_text="Par exemple : restauration scolaire hors du champ de la TVA.",
    )
    legal_notice = models.TextField("mentions légales de la facture", blank=True)
    recourse = models.TextField("voies de recours", blank=True)
    reminder_notice = models.TextField(
        "mention des relances",
        blank=True,
        help_text="Ce qui arrive sans paiement, par exemple la transmission au comptable public.",
    )
    iban = IbanField("IBAN", max_length=34, blank=True)
    bic = BicField("BIC", max_length=11, blank=True)
    cheque_payable_to = models.CharField("chèque à l'ordre de", max_length=120, blank=True)
    cheque_address = models.TextField("où envoyer ou déposer le chèque", blank=True)
    desk = models.CharField(
        "guichet", max_length=200, blank=True, help_text="Lieu et horaires pour payer sur place."
    )
    creditor_identifier = CreditorField("identifiant créancier SEPA (ICS)", max_length=35, blank=True)

    cash_float = models.DecimalField(
        "fonds de caisse",
        max_digits=8,
        decimal_places=2,
        default=Decimal(0),
        db_default=Decimal(0),
        validators=[NEVER_NEGATIVE],
        help_text="Ce qui reste toujours en caisse pour rendre la monnaie.",
    )
    cash_maximum = models.DecimalField(
        "encaisse maximale",
        max_digits=8,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[NEVER_NEGATIVE],
        help_text="Espèces à garder au plus, sans le fonds de caisse, avant un versement au comptable. Vide :"
        " aucune limite.",
    )

    class Meta:
        abstract = True


class Regie(Issuer):
    """A further régie. The town's own is `BillingSettings`: what is of no régie is of that one.

    It bills the activities that it owns, in series of its own, and keeps its money apart.
    """

    name = models.CharField(
        "nom",
        max_length=120,
        unique=True,
        error_messages={"unique": "Une autre régie porte ce nom."},
        help_text="Comme les familles le lisent : « Centre de loisirs ».",
    )
    code = models.CharField(
        "code",
        max_length=12,
        unique=True,
        validators=[
            RegexValidator(r"^[A-Z][A-Z0-9]{1,11}\Z", "Deux à douze lettres majuscules ou chiffres.")
        ],
        error_messages={"unique": "Une autre régie a ce code."},
        help_text="Il nomme son contrat de paiement en ligne dans les réglages du serveur, par exemple"
        " STRIPE_SECRET_KEY__LOISIRS, et l'adresse de ses notifications.",
    )
    letters = models.CharField(
        "lettres des séries",
        max_length=4,
        validators=[RegexValidator(r"^[A-Z]{1,4}\Z", "Une à quatre lettres majuscules.")],
        help_text="« CL » : factures F-CL2026-000001, reçus R-CL2026-000001. Elles ne changent plus.",
    )
    activities = models.ManyToManyField(
        Activity, through="ActivityRegie", related_name="+", verbose_name="activités"
    )

    history = History()

    class Meta:
        verbose_name = "régie"
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                fields=["letters"],
                name="regies_never_share_a_series",
                violation_error_message="Une autre régie a ces lettres : deux régies n'ont jamais les mêmes"
                " numéros.",
            ),
            models.CheckConstraint(
                condition=~Q(letters=""),
                name="regie_has_letters",
                violation_error_message="Donnez des lettres à ses séries.",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        before = Regie.objects.filter(pk=self.pk).first() if self.pk else None
        if before is not None and (before.code, before.letters) != (self.code, self.letters):
            raise ValidationError(
                "Le code et les lettres d'une régie ne changent plus : ses reçus les portent."
            )


class ActivityRegie(models.Model):
    """Which régie bills an activity; without a row, the town's own."""

    activity = models.OneToOneField(
        Activity, on_delete=models.CASCADE, related_name="+", verbose_name="activité"
    )
    regie = models.ForeignKey(Regie, on_delete=models.PROTECT, related_name="owned", verbose_name="régie")

    class Meta:
        verbose_name = "activité d'une régie"
        verbose_name_plural = "activités des régies"
        ordering = ["regie", "activity"]

    def __str__(self) -> str:
        return f"{self.activity} : {self.regie}"
