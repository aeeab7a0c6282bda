"""What only the canteen has: its menus."""

from django.db import models

from families.models import Allergen
from portal.reservations.models import Establishment

SERVICE = "catering"
# How a town's file calls it.
SERVICE_WORD = "cantine"
LONGEST_DISH = 160


class Menu(models.Model):
    """What a restaurant serves on a day."""

    restaurant = models.ForeignKey(
        Establishment,
        on_delete=models.CASCADE,
        related_name="menus",
        limit_choices_to={"kind": "restaurant"},
        verbose_name="restaurant scolaire",
    )
    day = models.DateField("jour")

    class Meta:
        verbose_name = "menu"
        ordering = ["day", "restaurant"]
        constraints = [
            models.UniqueConstraint(
                fields=["restaurant", "day"],
                name="one_menu_a_restaurant_and_day",
                violation_error_message="Ce restaurant a déjà un menu ce jour-là.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.restaurant} – {self.day:%d/%m/%Y}"


class Dish(models.Model):
    """A dish of a menu, in the order it is served."""

    class Course(models.TextChoices):
        STARTER = "starter", "Entrée"
        MAIN = "main", "Plat"
        SIDE = "side", "Accompagnement"
        DAIRY = "dairy", "Laitage"
        DESSERT = "dessert", "Dessert"

    menu = models.ForeignKey(Menu, on_delete=models.CASCADE, related_name="dishes", verbose_name="menu")
    course = models.CharField("service", max_length=8, choices=Course)
    name = models.CharField("plat", max_length=LONGEST_DISH)
    allergens = models.JSONField("allergènes", default=list, blank=True)
    order = models.PositiveSmallIntegerField("ordre", default=0)

    class Meta:
        verbose_name = "plat"
        ordering = ["menu", "order", "pk"]

    def __str__(self) -> str:
        return self.name

    @property
    def allergen_names(self) -> list[str]:
        """The allergens in French, for display."""
        return [Allergen(code).label for code in self.allergens]
