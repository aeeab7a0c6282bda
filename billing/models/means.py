"""Means of payment as the town wants them. What no row says is `billing.rules.means.BUILT_IN`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models.functions import Coalesce

from billing.rules import means as rules
from portal.database.history import History
from portal.database.kept import KeptAWhile
from portal.reservations.models import Activity, Formula


class PaymentMeans(models.Model):
    """A means that the town changes, or adds: the row of a code says all of it."""

    class Deposit(models.TextChoices):
        NONE = rules.NO_DEPOSIT, "rien à remettre : l'argent est déjà à la banque"
        SLIP = rules.SLIP, "remis par bordereau (chèques, titres)"
        CASH = rules.CASH, "compté en caisse, puis versé au comptable"

    code = models.CharField(
        "code",
        max_length=8,
        unique=True,
        validators=[RegexValidator(r"^[a-z][a-z0-9_]*\Z", "Des minuscules sans accent, huit au plus.")],
        help_text="Écrit avec chaque règlement : il ne change plus.",
    )
    label = models.CharField("libellé", max_length=60)
    order = models.PositiveSmallIntegerField("ordre", default=50)
    active = models.BooleanField("utilisé", default=True)
    at_desk = models.BooleanField("pris au guichet", default=True)
    limited = models.BooleanField(
        "ne paie que certaines activités",
        default=False,
        help_text="Celles de la liste, et rien d'autre : un CESU, par exemple, ne paie jamais un repas.",
    )
    reference = models.CharField(
        "référence demandée",
        max_length=40,
        blank=True,
        help_text="Comment elle s'appelle, par exemple « N° de chèque ». Vide : aucune.",
    )
    no_change = models.BooleanField(
        "ne rend pas la monnaie",
        default=False,
        help_text="Ce qui dépasse n'est pris que si l'agent le dit, et reste pour les factures suivantes.",
    )
    deposit = models.CharField("remise", max_length=4, choices=Deposit, default=Deposit.NONE, blank=True)
    account = models.CharField("compte ou code budgétaire", max_length=30, blank=True)

    history = History()

    class Meta:
        verbose_name = "moyen de paiement"
        verbose_name_plural = "moyens de paiement"
        ordering = ["order", "label"]
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(code__in=rules.OF_BANKS, limited=True),
                name="means_of_banks_pay_all",
                violation_error_message="Ce que la banque encaisse paie toutes les activités.",
            ),
            models.CheckConstraint(
                condition=~models.Q(code__in=rules.OF_BANKS, at_desk=True),
                name="means_of_banks_not_at_the_desk",
                violation_error_message="Ce moyen ne se prend pas au guichet : la banque le dit elle-même.",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    def save(self, *args: Any, **kwargs: Any) -> None:
        super().save(*args, **kwargs)
        forget()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        found = super().delete(*args, **kwargs)
        forget()
        return found

    def rule(self) -> rules.Means:
        """With its uses, prefetched or asked for."""
        return rules.Means(
            code=self.code,
            label=self.label,
            order=self.order,
            at_desk=self.at_desk and self.active,
            limited=self.limited,
            uses=tuple(rules.Use(one.activity_id, one.formula_id, one.under_age) for one in self.uses.all()),
            reference=self.reference,
            account=self.account,
            no_change=self.no_change,
            deposit=self.deposit,
        )


class PaymentMeansUse(models.Model):
    """An activity that a limited means may pay."""

    means = models.ForeignKey(
        PaymentMeans, on_delete=models.CASCADE, related_name="uses", verbose_name="moyen de paiement"
    )
    activity = models.ForeignKey(
        Activity, on_delete=models.CASCADE, related_name="+", verbose_name="activité"
    )
    formula = models.ForeignKey(
        Formula,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="formule",
        help_text="Vide : toutes celles de l'activité.",
    )
    under_age = models.PositiveSmallIntegerField(
        "moins de (ans)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(18)],
        help_text="Le jour même. Vide : à tout âge.",
    )

    class Meta:
        verbose_name = "activité payable"
        verbose_name_plural = "activités payables"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                "means",
                "activity",
                Coalesce("formula", models.Value(0), output_field=models.BigIntegerField()),
                name="one_use_a_means_and_formula",
                violation_error_message="Cette activité est déjà dans la liste.",
            )
        ]

    def __str__(self) -> str:
        what = f"{self.activity}, {self.formula}" if self.formula else str(self.activity)
        return f"{what}, moins de {self.under_age} ans" if self.under_age else what

    def clean(self) -> None:
        if self.formula is not None and self.formula.activity_id != self.activity_id:
            raise ValidationError({"formula": "Cette formule est d'une autre activité."})


@KeptAWhile
def _labels() -> dict[str, str]:
    return dict(PaymentMeans.objects.values_list("code", "label"))


def forget() -> None:
    """Reads the labels anew."""
    _labels.forget()


def label(code: str) -> str:
    """A means as everybody reads it, whatever the town has made of it since; an unknown code as it is."""
    found = _labels().get(code)
    if found is not None:
        return found
    return rules.BUILT_IN[code].label if code in rules.BUILT_IN else code


def labels() -> dict[str, str]:
    """Of every code there is, in their order by code."""
    return {code: one.label for code, one in rules.BUILT_IN.items()} | _labels()
