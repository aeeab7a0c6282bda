"""Files of people that the town hall brings: what was found in each, what became of it, what it made.

Written by `families.imports.running` only.
"""

from django.db import models
from django.db.models import Q

from families.models.accounts import User
from families.models.children import Child
from families.models.households import Household
from portal.files.uploads import private_storage


class Verdict(models.TextChoices):
    """What becomes of a row of a file."""

    NEW = "new", "Nouveau"
    CHANGED = "changed", "Changé"
    SAME = "same", "Identique"
    DOUBTFUL = "doubtful", "À décider"
    WRONG = "wrong", "À corriger"
    SKIPPED = "skipped", "Laissé de côté"
    # Of a sentence: somebody has decided it.
    DECIDED = "decided", "Décidé"


class FileImport(models.Model):
    """A file, from its arrival to its way back. The file itself goes once it is imported, or after some days;
    what was said of its rows, and the way back, some weeks later. How many they were stays."""

    class State(models.TextChoices):
        RECEIVED = "received", "Colonnes à vérifier"
        CHECKING = "checking", "Vérification en cours"
        CHECKED = "checked", "Vérifié, rien n'est écrit"
        RUNNING = "running", "Import en cours"
        DONE = "done", "Importé"
        UNDOING = "undoing", "Annulation en cours"
        UNDONE = "undone", "Annulé"
        FAILED = "failed", "Arrêté, rien n'est écrit"
        DROPPED = "dropped", "Abandonné"

    # Whose numbers the file has: « ONDE », « Ancien logiciel ». Numbers are kept for each.
    source = models.CharField("logiciel d'origine", max_length=60)
    name = models.CharField("nom du fichier", max_length=200)
    file = models.FileField("fichier", storage=private_storage, upload_to="imports/%Y/%m", blank=True)
    size = models.PositiveIntegerField("taille en octets", default=0)
    state = models.CharField("état", max_length=10, choices=State, default=State.RECEIVED, db_index=True)
    # The heading's lines, the titles found, and by number of column (from 0) what each says.
    heading_line = models.PositiveIntegerField("ligne des titres", default=1)
    titles = models.JSONField("titres", default=list)
    columns = models.JSONField("colonnes", default=dict)
    # By part: what was asked beside the columns, as it was posted.
    options = models.JSONField("options", default=dict, blank=True)
    # « rules »: by kind of doubt; « lines »: by line and kind.
    decisions = models.JSONField("décisions", default=dict, blank=True)
    counts = models.JSONField("lignes", default=dict, blank=True)
    # What was made and changed, in words, by model.
    made = models.JSONField("ce qui a été écrit", default=dict, blank=True)
    rows = models.PositiveIntegerField("lignes du fichier", default=0)
    met = models.PositiveIntegerField("lignes traitées", default=0)
    trouble = models.CharField("pourquoi", max_length=500, blank=True, default="")
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name="apporté par"
    )
    made_at = models.DateTimeField("apporté le")
    checked_at = models.DateTimeField("vérifié le", null=True, blank=True)
    done_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="importé par"
    )
    done_at = models.DateTimeField("importé le", null=True, blank=True)
    undone_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="annulé par"
    )
    undone_at = models.DateTimeField("annulé le", null=True, blank=True)

    class Meta:
        verbose_name = "import de familles"
        verbose_name_plural = "imports de familles"
        ordering = ["-made_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["state"],
                condition=Q(state__in=["running", "undoing"]),
                name="one_import_writes_at_a_time",
                violation_error_message="Un autre import est en cours d'écriture.",
            ),
        ]

    def __str__(self) -> str:
        return f"Import n°\xa0{self.pk}"

    @property
    def is_at_work(self) -> bool:
        return self.state in (self.State.CHECKING, self.State.RUNNING, self.State.UNDOING)


class ImportLine(models.Model):
    """A sentence about a line of a file, as the last reading found it. A line that is wholly the same has
    none."""

    file = models.ForeignKey(
        FileImport, on_delete=models.CASCADE, related_name="lines", verbose_name="import"
    )
    line = models.PositiveIntegerField("ligne")
    verdict = models.CharField("résultat", max_length=10, choices=Verdict)
    # Of the line as a whole: the gravest.
    line_verdict = models.CharField("résultat de la ligne", max_length=10, choices=Verdict)
    who = models.CharField("enfant ou foyer", max_length=200, blank=True, default="")
    column = models.CharField("colonne", max_length=120, blank=True, default="")
    value = models.CharField("valeur", max_length=200, blank=True, default="")
    text = models.CharField("remarque", max_length=400)
    doubt = models.CharField("à décider", max_length=40, blank=True, default="")

    class Meta:
        verbose_name = "ligne d'un import"
        verbose_name_plural = "lignes d'un import"
        ordering = ["line", "pk"]
        indexes = [models.Index(fields=["file", "line_verdict", "line"], name="lines_of_an_import")]

    def __str__(self) -> str:
        return f"Ligne {self.line} : {self.text}"


class ImportedRow(models.Model):
    """A row that an import made, or changed: for its way back. `line`: of the file."""

    file = models.ForeignKey(
        FileImport, on_delete=models.CASCADE, related_name="imported", verbose_name="import"
    )
    part = models.CharField("partie", max_length=40)
    model = models.CharField("table", max_length=80)
    key = models.BigIntegerField("clé")
    created = models.BooleanField("créé")
    before = models.JSONField("avant", default=dict, blank=True)
    after = models.JSONField("après", default=dict, blank=True)
    line = models.PositiveIntegerField("ligne", null=True, blank=True)

    class Meta:
        verbose_name = "trace d'un import"
        verbose_name_plural = "traces d'un import"
        ordering = ["pk"]
        indexes = [models.Index(fields=["model", "key"], name="rows_that_imports_made")]

    def __str__(self) -> str:
        return f"{self.model} {self.key}"


class SourceNumber(models.Model):
    """The number by which another program knows a household or a child: the same file brought again finds
    them by it."""

    source = models.CharField("logiciel d'origine", max_length=60)
    number = models.CharField("numéro", max_length=60)
    household = models.ForeignKey(
        Household, on_delete=models.CASCADE, null=True, blank=True, related_name="source_numbers",
        verbose_name="foyer",
    )  # fmt: skip
    child = models.ForeignKey(
        Child, on_delete=models.CASCADE, null=True, blank=True, related_name="source_numbers",
        verbose_name="enfant",
    )  # fmt: skip

    class Meta:
        verbose_name = "numéro d'origine"
        verbose_name_plural = "numéros d'origine"
        constraints = [
            models.UniqueConstraint(
                fields=["source", "number"],
                condition=Q(child=None),
                name="one_household_a_number_of_a_source",
                violation_error_message="Ce numéro est déjà celui d'un foyer.",
            ),
            models.UniqueConstraint(
                fields=["source", "number"],
                condition=Q(household=None),
                name="one_child_a_number_of_a_source",
                violation_error_message="Ce numéro est déjà celui d'un enfant.",
            ),
            models.CheckConstraint(
                condition=Q(child=None, household__isnull=False) | Q(child__isnull=False, household=None),
                name="source_number_of_one",
                violation_error_message="Un numéro est celui d'un foyer ou celui d'un enfant.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.number}"


class ColumnMatch(models.Model):
    """Which column is which, of a set of headings, as somebody said it last: proposed the next time."""

    mark = models.CharField("empreinte des titres", max_length=64, unique=True)
    columns = models.JSONField("colonnes")
    source = models.CharField("logiciel d'origine", max_length=60, blank=True, default="")
    said_at = models.DateTimeField("dit le")

    class Meta:
        verbose_name = "colonnes reconnues"
        verbose_name_plural = "colonnes reconnues"

    def __str__(self) -> str:
        return self.mark[:12]
