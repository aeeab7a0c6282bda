"""Establishments and their pupils, school years, public and school holidays."""

from datetime import date
from typing import Any

from django.db import models
from django.db.models import Case, Exists, F, OuterRef, Q, Value, When

from families.models import Child
from portal.database.trials import TrialsApart
from portal.french import grades
from portal.french.grades import Grade
from portal.french.phones import PhoneField
from portal.french.weekdays import MONDAY_TO_FRIDAY, WeekdayMaskField
from portal.models import Town


class Establishment(models.Model):
    """A school, a restaurant or a leisure centre."""

    class Kind(models.TextChoices):
        SCHOOL = "school", "École"
        RESTAURANT = "restaurant", "Restaurant scolaire"
        CENTRE = "centre", "Centre de loisirs"

    code = models.SlugField("code", max_length=60, unique=True)
    name = models.CharField("nom", max_length=120)
    kind = models.CharField("type", max_length=12, choices=Kind)
    address = models.TextField("adresse", blank=True)
    phone = PhoneField("téléphone", max_length=30, blank=True)
    open_weekdays = WeekdayMaskField("jours d'ouverture", default=MONDAY_TO_FRIDAY)
    schools = models.ManyToManyField(
        "self",
        symmetrical=False,
        blank=True,
        related_name="served_by",
        limit_choices_to={"kind": "school"},
        verbose_name="écoles desservies",
        help_text="Vide : accueille les enfants de toutes les écoles.",
    )
    active = models.BooleanField("en service", default=True)

    class Meta:
        verbose_name = "établissement"
        ordering = ["kind", "name"]

    def __str__(self) -> str:
        return self.name


class SchoolYearQuerySet(models.QuerySet["SchoolYear"]):
    def serving(self, day: date) -> "SchoolYearQuerySet":
        """Those that are not over on `day`: a year serves families until the next one begins, over the
        summer too, or without end where no next one is written; those to come are among them."""
        begun = SchoolYear.objects.filter(starts_on__gt=OuterRef("starts_on"), starts_on__lte=day)
        return self.filter(~Exists(begun))


class SchoolYear(models.Model):
    """From the first to the last school day of a year. Its enrolments hold until the next year begins."""

    name = models.CharField("année scolaire", max_length=20, unique=True)
    starts_on = models.DateField("premier jour de classe")
    ends_on = models.DateField("dernier jour de classe")

    objects = SchoolYearQuerySet.as_manager()

    class Meta:
        verbose_name = "année scolaire"
        verbose_name_plural = "années scolaires"
        ordering = ["-starts_on"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_on__gt=F("starts_on")),
                name="school_year_ends_after_start",
                violation_error_message="L'année scolaire doit finir après son début.",
            )
        ]

    def __str__(self) -> str:
        return self.name


def class_name(name: str, school: str) -> str:
    """« CE1, École du Moulin-Vert »: schools have classes of the same name. What is not known is left out."""
    return ", ".join(word for word in (name, school) if word)


class SchoolClass(models.Model):
    """A class of a school in a year."""

    class Level(models.TextChoices):
        MATERNELLE = "maternelle", "Maternelle"
        ELEMENTAIRE = "elementaire", "Élémentaire"
        COLLEGE = "college", "Collège"

    school = models.ForeignKey(
        Establishment,
        on_delete=models.CASCADE,
        related_name="classes",
        limit_choices_to={"kind": "school"},
        verbose_name="école",
    )
    school_year = models.ForeignKey(
        SchoolYear, on_delete=models.CASCADE, related_name="classes", verbose_name="année scolaire"
    )
    name = models.CharField("classe", max_length=60)
    level = models.CharField("niveau", max_length=12, choices=Level, default=Level.ELEMENTAIRE)

    class Meta:
        verbose_name = "classe"
        ordering = ["school__name", "level", "name"]
        constraints = [
            models.UniqueConstraint(
                fields=["school", "school_year", "name"],
                name="one_class_name_a_school_and_year",
                violation_error_message="Cette école a déjà une classe de ce nom cette année.",
            )
        ]

    def __str__(self) -> str:
        return class_name(self.name, self.school.name)

    @property
    def grades(self) -> tuple[Grade, Grade]:
        """The first and the last grade taught in it: those that its name says, or else its level's."""
        named = grades.named(self.name)
        return (named[0], named[-1]) if named else GRADES_OF[self.Level(self.level)]


GRADES_OF = {
    SchoolClass.Level.MATERNELLE: (Grade.TPS, Grade.GS),
    SchoolClass.Level.ELEMENTAIRE: (Grade.CP, Grade.CM2),
    SchoolClass.Level.COLLEGE: (Grade.SIXTH, Grade.THIRD),
}


class SchoolingQuerySet(models.QuerySet["Schooling"]):
    def current(self) -> "SchoolingQuerySet":
        """One a child and year: the class that the child stays in, as far as is known."""
        return self.filter(ends_on=None)

    def nearest_first(self, day: date) -> "SchoolingQuerySet":
        """Those of the year that serves on `day` first, older ones next; those to come only then."""
        to_come = Case(When(school_year__starts_on__gt=day, then=Value(1)), default=Value(0))
        return self.order_by(to_come, "-school_year__starts_on", "pk")


def attended_on(day: Any, schoolings: str = "") -> Q:
    """Those of the class attended on `day` (a date, or what a query knows it by), at path `schoolings`."""
    path = f"{schoolings}__" if schoolings else ""
    begun = Q(**{f"{path}starts_on": None}) | Q(**{f"{path}starts_on__lte": day})
    return begun & (Q(**{f"{path}ends_on": None}) | Q(**{f"{path}ends_on__gte": day}))


SchoolingManager = TrialsApart.from_queryset(SchoolingQuerySet)


class Schooling(models.Model):
    """The class a child attends in a year, from a day to a day: both null, all the year.

    Written by `enrolling.attend`. Of a child's rows of one year the last has no end, and none overlap.
    """

    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, related_name="schoolings", verbose_name="enfant"
    )
    school_class = models.ForeignKey(
        SchoolClass, on_delete=models.PROTECT, related_name="schoolings", verbose_name="classe"
    )
    school_year = models.ForeignKey(
        SchoolYear, on_delete=models.PROTECT, related_name="schoolings", verbose_name="année scolaire"
    )
    starts_on = models.DateField("du", null=True, blank=True, help_text="Vide : depuis le début de l'année.")
    ends_on = models.DateField("au", null=True, blank=True, help_text="Vide : en cours.")
    known_on = models.DateField("su le", null=True, blank=True, editable=False)

    objects = SchoolingManager()

    class Meta:
        verbose_name = "scolarité"
        constraints = [
            models.UniqueConstraint(
                fields=["child", "school_year"],
                condition=Q(ends_on=None),
                name="one_class_at_a_time",
                violation_error_message="Cet enfant a déjà une classe cette année.",
            ),
            models.CheckConstraint(
                condition=Q(starts_on=None) | Q(ends_on=None) | Q(ends_on__gte=F("starts_on")),
                name="schooling_ends_after_start",
                violation_error_message="La classe doit finir après son premier jour.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.child} – {self.school_class}"

    def holds_on(self, day: date) -> bool:
        """Whether the class is attended on a day of its year: what `attended_on` asks of many."""
        return (self.starts_on is None or self.starts_on <= day) and (
            self.ends_on is None or day <= self.ends_on
        )


class PublicHoliday(models.Model):
    """A public holiday of the town, a row an agent may edit."""

    day = models.DateField("jour", unique=True)
    name = models.CharField("nom", max_length=80)

    class Meta:
        verbose_name = "jour férié"
        verbose_name_plural = "jours fériés"
        ordering = ["day"]

    def __str__(self) -> str:
        return f"{self.name} ({self.day:%d/%m/%Y})"


class SchoolHoliday(models.Model):
    """Days without school: `starts_on` is the first day off, `ends_on` the last."""

    zone = models.CharField("zone", max_length=5, choices=Town.Zone)
    name = models.CharField("vacances", max_length=80)
    starts_on = models.DateField("premier jour sans classe")
    ends_on = models.DateField("dernier jour sans classe")

    class Meta:
        verbose_name = "vacances scolaires"
        verbose_name_plural = "vacances scolaires"
        ordering = ["starts_on"]
        constraints = [
            models.UniqueConstraint(
                fields=["zone", "starts_on"],
                name="one_holiday_a_zone_and_start",
                violation_error_message="Des vacances de cette zone commencent déjà ce jour-là.",
            ),
            models.CheckConstraint(
                condition=Q(ends_on__gte=F("starts_on")),
                name="school_holiday_ends_after_start",
                violation_error_message="Les vacances doivent finir après leur début.",
            ),
        ]

    def __str__(self) -> str:
        return self.name
