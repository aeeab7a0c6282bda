"""The next school year as the town hall prepares it: its classes, who goes where, what is copied, what came
of it. Nothing of it is anybody's class or period before it is carried out. Written by `acts/next_year.py`."""

from django.db import models
from django.db.models import F, Q

from families.models import Child, User
from portal.reservations.models.calendar import Establishment, SchoolClass, Schooling, SchoolYear


class YearTurn(models.Model):
    """From a school year to the next one: begun, carried out; taken back, it may be carried out again."""

    before = models.ForeignKey(
        SchoolYear, on_delete=models.PROTECT, related_name="+", verbose_name="année qui finit"
    )
    # The one prepared: where the town has not written it yet, made with all the rest.
    year = models.ForeignKey(
        SchoolYear,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="année préparée",
    )
    name = models.CharField("nom de l'année préparée", max_length=20)
    starts_on = models.DateField("premier jour de classe")
    ends_on = models.DateField("dernier jour de classe")
    # What was chosen otherwise than proposed, by part and line: {"periods": {"12": {"skip": true}}}.
    answers = models.JSONField("réponses", default=dict)
    seen = models.JSONField("étapes vues", default=list)
    # What was written, by part: keys of rows made, and what rows that changed said before.
    made = models.JSONField("ce qui a été créé", default=dict)
    begun_at = models.DateTimeField("commencée le")
    begun_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="commencée par"
    )
    carried_at = models.DateTimeField("faite le", null=True, blank=True)
    carried_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="faite par"
    )
    # The last time it was taken back.
    undone_at = models.DateTimeField("annulée le", null=True, blank=True)
    undone_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="annulée par"
    )

    class Meta:
        verbose_name = "préparation d'une année"
        verbose_name_plural = "préparations d'années"
        ordering = ["-begun_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["before"],
                name="one_turn_a_year",
                violation_error_message="L'année suivante est déjà en préparation.",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__gt=F("starts_on")),
                name="turn_ends_after_start",
                violation_error_message="L'année scolaire doit finir après son début.",
            ),
        ]

    def __str__(self) -> str:
        return f"De {self.before} à {self.name}"

    @property
    def is_carried_out(self) -> bool:
        return self.carried_at is not None


class NextClass(models.Model):
    """A class of the next year: copied from this one's, or added."""

    turn = models.ForeignKey(
        YearTurn, on_delete=models.CASCADE, related_name="classes", verbose_name="préparation"
    )
    school = models.ForeignKey(
        Establishment,
        on_delete=models.CASCADE,
        related_name="+",
        limit_choices_to={"kind": "school"},
        verbose_name="école",
    )
    name = models.CharField("classe", max_length=60)
    level = models.CharField(
        "niveau", max_length=12, choices=SchoolClass.Level, default=SchoolClass.Level.ELEMENTAIRE
    )
    copied_from = models.ForeignKey(
        SchoolClass,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="classe de cette année",
    )
    school_class = models.ForeignKey(
        SchoolClass,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="classe de l'année préparée",
    )

    class Meta:
        verbose_name = "classe de l'année préparée"
        verbose_name_plural = "classes de l'année préparée"
        ordering = ["school__name", "level", "name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["turn", "school", "name"],
                name="one_next_class_name_a_school",
                violation_error_message="Cette école a déjà une classe de ce nom l'année prochaine.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.school}"


class NextPupil(models.Model):
    """Where a child goes: chosen by hand, or as it came when the year was carried out."""

    class Goes(models.TextChoices):
        CLASS = "class", "dans une classe"
        LEAVES = "leaves", "quitte les écoles de la commune"
        OPEN = "open", "à décider"

    turn = models.ForeignKey(
        YearTurn, on_delete=models.CASCADE, related_name="pupils", verbose_name="préparation"
    )
    child = models.ForeignKey(Child, on_delete=models.CASCADE, related_name="+", verbose_name="enfant")
    goes = models.CharField("va", max_length=6, choices=Goes, default=Goes.CLASS)
    next_class = models.ForeignKey(
        NextClass,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="pupils",
        verbose_name="classe de l'année préparée",
    )
    last_day = models.DateField(
        "dernier jour", null=True, blank=True, help_text="De qui part. Vide : avec l'année."
    )
    by_hand = models.BooleanField("choisi par la mairie", default=False, db_default=False)
    attended = models.ForeignKey(
        SchoolClass,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="classe de cette année",
    )
    schooling = models.ForeignKey(
        Schooling,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name="scolarité créée",
    )

    class Meta:
        verbose_name = "élève de l'année préparée"
        verbose_name_plural = "élèves de l'année préparée"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["turn", "child"],
                name="one_way_a_child_and_turn",
                violation_error_message="Cet enfant est déjà dans la liste.",
            ),
            models.CheckConstraint(
                condition=Q(goes="class", next_class__isnull=False) | (~Q(goes="class") & Q(next_class=None)),
                name="next_pupil_goes_somewhere",
                violation_error_message="Choisissez la classe.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.next_class or self.get_goes_display()}"
