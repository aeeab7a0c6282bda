"""What travels through an import: a run, its records, and references to rows that may not be written yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from django.db.models import Model
from django.utils import timezone

from families.imports import registry
from families.imports.cells import Unreadable, as_text
from families.imports.registry import SKIP
from families.models import ImportedRow, User
from families.models.imports import Verdict
from portal.files.sheets import SheetCell

Row = TypeVar("Row", bound=Model)
Value = TypeVar("Value")
# An optional cell that cannot be read: the row may come in without it.
UNREAD = "unread"
# Two rows of a file do not say the same of somebody: what was read first may stay.
TWO_VALUES = "two_values"


@dataclass(eq=False)
class Ref(Generic[Row]):
    """A row, known or to be written: `pk` is None until it is. `known`: it stood there before the import."""

    row: Row
    known: bool = False
    # What the import changed of it, by column: what stood there before.
    before: dict[str, Any] = field(default_factory=dict)
    written: bool = False

    @property
    def pk(self) -> int | None:
        key: int | None = self.row.pk
        return key

    def change(self, name: str, value: Any) -> None:
        """Another value for a column, kept with what stood there."""
        self.before.setdefault(name, registry.plain(getattr(self.row, name)))
        setattr(self.row, name, value)


@dataclass(frozen=True)
class Said:
    """One sentence of a record, about one of its columns."""

    verdict: Verdict
    key: str
    value: str
    text: str
    doubt: str = ""


@dataclass(eq=False)
class Record:
    """A line of the file, or the part of it that speaks of one child."""

    line: int
    values: Mapping[str, SheetCell]
    said: list[Said] = field(default_factory=list)
    skipped: bool = False
    child: Ref[Any] | None = None
    homes: list[Ref[Any]] = field(default_factory=list)
    adults: list[Ref[Any]] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def home(self) -> Ref[Any] | None:
        return self.homes[0] if self.homes else None

    def text(self, key: str) -> str:
        """The cell as text, with single spaces; empty where there is none."""
        return as_text(self.values.get(key))

    def read(
        self,
        run: "Run",
        key: str,
        reader: Callable[[SheetCell], Value],
        *,
        needed: bool = False,
    ) -> Value | None:
        """What `reader` makes of the cell; None for an empty one. What it cannot read is wrong where it is
        needed, and else a doubt: the row may come in without it."""
        cell = self.values.get(key)
        if cell is None or cell == "":
            return None
        try:
            return reader(cell)
        except Unreadable as error:
            if needed:
                self.wrong(key, str(error))
            else:
                self.doubt(run, UNREAD, key, str(error))
            return None

    # What is said of it ------------------------------------------------------------------------------------

    def _say(self, verdict: Verdict, key: str, text: str, doubt: str = "", value: str | None = None) -> None:
        shown = self.text(key) if value is None else value
        self.said.append(Said(verdict, key, shown[:200], text[:400], doubt))

    def is_new(self, what: str, key: str = "") -> None:
        self._say(Verdict.NEW, key, what)

    def changes(self, key: str, before: str, after: str) -> None:
        self._say(Verdict.CHANGED, key, f"« {before} » devient « {after} »" if before else f"« {after} »")

    def wrong(self, key: str, sentence: str) -> None:
        self._say(Verdict.WRONG, key, sentence)

    def doubt(self, run: "Run", code: str, key: str, sentence: str) -> str | None:
        """The choice that was made; None while there is none, or where the row is left out."""
        choice = run.decided(self.line, code)
        if choice == SKIP:
            self.skipped = True
            self._say(Verdict.SKIPPED, key, sentence, code)
            return None
        self._say(Verdict.DECIDED if choice else Verdict.DOUBTFUL, key, sentence, code)
        return choice

    def is_first(self, run: "Run", told: dict[int, tuple[int, Any]], whose: Any, key: str, said: Any) -> bool:
        """Whether no row before said it of `whose`; one that said otherwise is a doubt."""
        line, first = told.setdefault(id(whose), (self.line, said))
        if line != self.line and first != said:
            self.doubt(
                run, TWO_VALUES, key, f"la ligne {line} dit autre chose de la même personne ou du même foyer."
            )
        return line == self.line

    @property
    def stands(self) -> bool:
        """Whether it may still be imported, once all is decided."""
        return not self.skipped and not any(one.verdict == Verdict.WRONG for one in self.said)

    @property
    def counts(self) -> bool:
        """Whether nothing speaks against it, so far."""
        return not self.skipped and not any(
            one.verdict in (Verdict.WRONG, Verdict.DOUBTFUL) for one in self.said
        )

    @property
    def verdict(self) -> Verdict:
        """The gravest of what is said of it."""
        said = {one.verdict for one in self.said}
        if self.skipped:
            return Verdict.SKIPPED
        for verdict in (Verdict.WRONG, Verdict.DOUBTFUL, Verdict.NEW, Verdict.CHANGED):
            if verdict in said:
                return verdict
        return Verdict.SAME


@dataclass(eq=False)
class Run:
    """One reading of the file: dry, or (`writes`) for good."""

    key: int
    source: str
    by: User
    at: datetime
    # By part: what was asked of its options, cleaned.
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)
    # The columns that the file has.
    keys: frozenset[str] = frozenset()
    writes: bool = False
    memory: dict[str, Any] = field(default_factory=dict)
    noted: list[ImportedRow] = field(default_factory=list)
    part: str = ""

    @property
    def today(self) -> date:
        return timezone.localdate(self.at)

    @property
    def why(self) -> str:
        """What the history of rows says of it."""
        return f"Import n°\xa0{self.key}"

    def decided(self, line: int, code: str) -> str | None:
        return self.lines.get(f"{line}:{code}") or self.rules.get(code)

    def note(self, row: Model, *, of: Record | None, before: Mapping[str, Any] | None = None) -> None:
        """That a row was made or, with what stood `before`, changed."""
        after = {name: registry.plain(getattr(row, name)) for name in before or ()}
        self.noted.append(
            ImportedRow(
                file_id=self.key,
                part=self.part,
                model=row._meta.label,
                key=row.pk,
                created=before is None,
                before=dict(before or {}),
                after=after,
                line=of.line if of else None,
            )
        )
