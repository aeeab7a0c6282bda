"""Where in the budget money goes: codes of activities and formulas, accounts of the general journal."""

from typing import Any

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from portal.reservations.models import Activity, Formula

ACCOUNT = RegexValidator(r"^[0-9]{1,20}$", "Un compte s'écrit en chiffres, sans espace : 7067.")


def account(name: str, **said: Any) -> "models.CharField[str, str]":
    """A number of the chart of accounts."""
    return models.CharField(name, max_length=20, validators=[ACCOUNT], **said)


class BudgetCode(models.Model):
    """The codes of an activity, or of one of its formulas: what a formula says wins, code by code."""

    activity = models.OneToOneField(
        Activity,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="budget_code",
        verbose_name="activité",
        help_text="Pour toutes ses formules qui n'ont pas leur propre code.",
    )
    formula = models.OneToOneField(
        Formula,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="budget_code",
        verbose_name="formule",
        help_text="Ou pour une seule formule : son code l'emporte sur celui de son activité.",
    )
    analytic = models.CharField("code analytique", max_length=20, blank=True)
    account = models.CharField(
        "compte (M57)",
        max_length=20,
        validators=[ACCOUNT],
        blank=True,
        help_text="Vide : celui des recettes du journal.",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "code budgétaire"
        verbose_name_plural = "codes budgétaires"
        ordering = ["activity", "formula"]
        constraints = [
            models.CheckConstraint(
                condition=Q(activity__isnull=False, formula__isnull=True)
                | Q(activity__isnull=True, formula__isnull=False),
                name="budget_code_of_one_thing",
                violation_error_message="Choisissez une activité ou une formule, l'une des deux.",
            ),
            models.CheckConstraint(
                condition=~Q(analytic="", account=""),
                name="budget_code_says_something",
                violation_error_message="Indiquez un code analytique, un compte, ou les deux.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.formula or self.activity} : {' · '.join(filter(None, (self.analytic, self.account)))}"


class JournalAccounts(models.Model):
    """The accounts that the general journal writes: one row. The defaults are the customary ones of M57."""

    debtors = account("redevables", default="4111", help_text="Ce que les familles doivent.")
    revenue = account(
        "recettes", default="7067", help_text="De ce qui n'a pas de compte dans les codes budgétaires."
    )
    earlier_years = account(
        "avoirs sur une facture d'une année passée",
        default="673",
        blank=True,
        help_text="Vide : repris sur le compte de la recette, comme dans l'année.",
    )
    written_off = account("abandons de créances", default="6541")
    waiting = account("à classer", default="4718", help_text="Ce qui n'est d'aucun autre compte.")
    cash = account("espèces", default="5411")
    cheques = account("chèques", default="5112")
    cards = account("cartes au guichet", default="5115")
    vouchers = account("titres (CESU, chèques-vacances…)", default="5118")
    bank = account("compte de la régie (virements, prélèvements, en ligne)", default="515")

    vat = account(
        "TVA collectée",
        default="",
        blank=True,
        db_default="",
        help_text="Vide : la TVA reste sur le compte de la recette.",
    )

    history = HistoricalRecords()

    class Meta:
        verbose_name = "comptes du journal général"
        verbose_name_plural = "comptes du journal général"
        constraints = [
            models.CheckConstraint(
                condition=Q(pk=1),
                name="only_one_journal_accounts",
                violation_error_message="Ces comptes n'existent qu'une fois.",
            )
        ]

    def __str__(self) -> str:
        return "Comptes du journal général"

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)

    @classmethod
    def current(cls) -> "JournalAccounts":
        """The row, or the defaults where nobody said anything."""
        return cls.objects.filter(pk=1).first() or cls()
