"""What only the canteen has: diets and menus."""

from django.db import models

from portal.reservations.models import Enrolment, Establishment

SERVICE = "catering"


class Diet(models.Model):
    """A diet that the kitchen cooks for: « Sans régime particulier », « Sans porc »…"""

    name = models.CharField("nom", max_length=80, unique=True)
    needs_pai = models.BooleanField("demande un PAI", default=False)
    order = models.PositiveSmallIntegerField("ordre", default=0)
    active = models.BooleanField("proposé", default=True)

    class Meta:
        verbose_name = "régime alimentaire"
        verbose_name_plural = "régimes alimentaires"
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name


class DietChoice(models.Model):
    """The diet of an enrolled child."""

    enrolment = models.OneToOneField(
        Enrolment, on_delete=models.CASCADE, related_name="diet_choice", verbose_name="inscription"
    )
    diet = models.ForeignKey(
        Diet, on_delete=models.PROTECT, related_name="choices", verbose_name="régime alimentaire"
    )

    class Meta:
        verbose_name = "régime choisi"
        verbose_name_plural = "régimes choisis"

    def __str__(self) -> str:
        return str(self.diet)


class Allergen(models.TextChoices):
    """The fourteen allergens to declare: règlement (UE) n° 1169/2011, annexe II."""

    GLUTEN = "gluten", "Gluten"
    CRUSTACEANS = "crustaceans", "Crustacés"
    EGGS = "eggs", "Œufs"
    FISH = "fish", "Poisson"
    PEANUTS = "peanuts", "Arachides"
    SOYA = "soya", "Soja"
    MILK = "milk", "Lait"
    NUTS = "nuts", "Fruits à coque"
    CELERY = "celery", "Céleri"
    MUSTARD = "mustard", "Moutarde"
    SESAME = "sesame", "Sésame"
    SULPHITES = "sulphites", "Sulfites"
    LUPIN = "lupin", "Lupin"
    MOLLUSCS = "molluscs", "Mollusques"


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
    name = models.CharField("plat", max_length=160)
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
