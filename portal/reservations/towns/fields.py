"""The fields of a town's file: how a kind of value is read, refused in French with its line, written again.

`Field` says which model field a French name stands for; `Loading` gathers the mistakes of a whole file.
"""

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from hashlib import sha256
from typing import Any, NamedTuple

from django.db import models
from django.utils import timezone
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scalarstring import LiteralScalarString

from portal.french import numbers
from portal.french.dates import WEEKDAYS, month_name
from portal.french.months import IN_ORDER, called, months_between, months_in, months_mask
from portal.french.plurals import counted
from portal.french.spelling import bare
from portal.french.weekdays import mask_of, weekdays_in
from portal.reservations.deadlines.rule_rows import read_table, write_table
from portal.reservations.deadlines.rules import TableRow

YES = ("oui", "true", "vrai", "yes")
NO = ("non", "false", "faux", "no")


class FileProblem(NamedTuple):
    """A mistake: the line of the file (from 1), where in it (« activités › cantine › jours »), what to do."""

    line: int
    where: str
    text: str

    def __str__(self) -> str:
        where = f" ({self.where})" if self.where else ""
        return f"Ligne {self.line}{where} : {self.text}"


class TownFileError(Exception):
    """The file cannot be loaded; nothing was written. `problems` in the order of the lines."""

    def __init__(self, problems: Iterable[FileProblem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


class Mistake(Exception):
    """One value cannot be read: the sentence for the reader of the file, and the node it is about."""

    def __init__(self, text: str, node: Node | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.node = node


class AlreadyKnown(Exception):
    """The value depends on a row that was already refused: nothing more to say."""


class Kind(StrEnum):
    """What becomes of a row."""

    NEW = "new"
    CHANGED = "changed"
    GONE = "gone"


class FieldDifference(NamedTuple):
    """A field as it was and as the file has it, both as the file writes them."""

    key: str
    before: str
    after: str


class RowDifference(NamedTuple):
    """A row that loading writes or removes, and where the file says so."""

    line: int
    where: str
    label: str
    kind: Kind
    fields: tuple[FieldDifference, ...] = ()


@dataclass
class FileReport:
    """What loading did, in labels for the reader: « établissement « Le Verger » »."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    differences: list[RowDifference] = field(default_factory=list)  # in the order of the file
    left: list[str] = field(default_factory=list)  # in place, and not named by sections that the file has
    to_check: list[str] = field(default_factory=list)  # loaded, but an agent should look at it
    closes: str = ""  # whose booked days it closes, in words; nothing where it closes none
    barred: bool = False  # who loads it may not close them
    # What it changes of what has happened already, a sentence each: asked about before it is done.
    asked: list[str] = field(default_factory=list)

    @property
    def changes_nothing(self) -> bool:
        return not (self.created or self.changed or self.removed)

    @property
    def fingerprint(self) -> str:
        """Of all that loading would do to the town as it stands: another one, and something has changed."""
        rows = sorted((one.where, one.label, one.kind, *one.fields) for one in self.differences)
        facts = [rows, sorted(self.removed), self.closes, self.asked]
        return sha256(json.dumps(facts, ensure_ascii=False).encode()).hexdigest()


def plain(word: str) -> str:
    """The word without accents, capitals, spaces or signs: « École desservie » is ecole_desservie."""
    letters = bare(word.strip())
    return "_".join("".join(c if c.isalnum() else " " for c in letters).split())


def closest(word: str, known: Iterable[str]) -> str:
    """« Vouliez-vous écrire … ? », or the list of what is known."""
    by_plain = {plain(name): name for name in known}
    near = difflib.get_close_matches(plain(word), by_plain, n=1)
    if near:
        return f"Vouliez-vous écrire « {by_plain[near[0]]} » ?"
    return "Possible : " + ", ".join(by_plain.values()) + "."


# How many lines a remark on many of them names.
LINES_SAID = 3
MOST_DIGITS = 9
MONTH_NUMBERS = {plain(month_name(date(2000, number, 1), year=False)): number for number in range(1, 13)}

# Values -----------------------------------------------------------------------------------------------


class Loading:
    """One run of a day (`today`): the mistakes so far, what was done, and which rows were refused."""

    def __init__(self, today: date = date.min) -> None:
        self.today = today
        self.problems: list[FileProblem] = []
        self.report = FileReport()
        self.refused: set[tuple[type[models.Model], str]] = set()
        self._remarks: dict[str, list[FileProblem]] = {}

    def complain(self, node: Node, where: Sequence[str], text: str) -> None:
        self.problems.append(FileProblem(node.start_mark.line + 1, " › ".join(where), text))

    def remark(self, node: Node, where: Sequence[str], texts: Iterable[str]) -> None:
        for text in texts:
            found = FileProblem(node.start_mark.line + 1, " › ".join(where), text)
            self._remarks.setdefault(text, []).append(found)

    def finish(self) -> FileReport:
        """The report; what is remarked of several rows is said once, with their lines."""
        report = self.report
        report.to_check = [_said_once(text, found) for text, found in self._remarks.items()]
        report.differences.sort(key=lambda one: one.line)
        return report


def _said_once(text: str, found: Sequence[FileProblem]) -> str:
    if len(found) == 1:
        return str(found[0])
    named = ", ".join(f"{one.line} ({one.where})" for one in found[:LINES_SAID])
    more = f" et {counted(len(found) - LINES_SAID, 'autre', 'autres')}" if len(found) > LINES_SAID else ""
    return f"Lignes {named}{more} : {text}"


def scalar(node: Node) -> str:
    if not isinstance(node, ScalarNode):
        raise Mistake("Une seule valeur est attendue ici, pas une liste ni un bloc.", node)
    return str(node.value)


def written(key: Node) -> str:
    """The key as the file writes it; « ? » when it is no word."""
    return str(key.value) if isinstance(key, ScalarNode) else "?"


def is_empty(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.style is None and node.value in ("", "~", "null")


def items(node: Node) -> list[Node]:
    if isinstance(node, ScalarNode) and not node.style:
        return [
            ScalarNode(node.tag, word.strip(), node.start_mark, node.end_mark)
            for word in node.value.split(",")
        ]
    if not isinstance(node, SequenceNode):
        raise Mistake("Une liste est attendue ici, par exemple [lundi, mardi].", node)
    return list(node.value)


def in_lines(text: str) -> str:
    """A text as a file keeps it: browsers end lines otherwise, and leave blanks behind them."""
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of a field say the same: texts by their lines."""
    if isinstance(one, str) and isinstance(other, str):
        return in_lines(one) == in_lines(other)
    return bool(one == other)


class Text:
    """A text as it stands."""

    example = "texte"

    def read(self, node: Node, loading: Loading, parent: Any) -> Any:
        return scalar(node).strip()

    def write(self, value: Any) -> Any:
        text = in_lines(str(value))
        return LiteralScalarString(text) if "\n" in text else text


class Flag(Text):
    """« oui » or « non »."""

    example = "oui"

    def read(self, node: Node, loading: Loading, parent: Any) -> bool:
        word = plain(scalar(node))
        if word not in YES + NO:
            raise Mistake(f"« {scalar(node)} » n'est ni oui ni non. Écrivez oui ou non.", node)
        return word in YES

    def write(self, value: Any) -> Any:
        return "oui" if value else "non"


class Number(Text):
    """A whole number, never negative: « 30 », « 1 250 »."""

    example = "30"

    def read(self, node: Node, loading: Loading, parent: Any) -> int:
        text = scalar(node).strip()
        digits = "".join(text.split())
        if digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS:
            return int(digits)
        with_unit = re.fullmatch(r"(\d{1,9})\s*[^\W\d]+\.?", text)  # « 30 jours »
        hint = f" Écrivez-le seul : {with_unit[1]}." if with_unit else ""
        raise Mistake(f"« {text} » n'est pas un nombre entier.{hint}", node)

    def write(self, value: Any) -> Any:
        return int(value)


class Amount(Text):
    """A decimal: « 2,50 », « 2.50 », « 1 250 € » or « 2 € 50 »."""

    example = "2.50"
    UNIT = re.compile(r"\s*(?:€|%|euros?|eur)\s*$", re.IGNORECASE)
    CENTS_LAST = re.compile(r"\s*(\d+)\s*(?:€|euros?)\s*(\d\d)\s*$", re.IGNORECASE)

    def read(self, node: Node, loading: Loading, parent: Any) -> Decimal:
        text = scalar(node)
        number = self.UNIT.sub("", self.CENTS_LAST.sub(r"\1.\2", text))
        try:
            amount = Decimal(numbers.plain(number))
        except InvalidOperation:
            raise Mistake(f"« {text} » n'est pas un nombre. Écrivez-le ainsi : 2.50.", node) from None
        if not amount.is_finite():
            raise Mistake(f"« {text} » n'est pas un nombre. Écrivez-le ainsi : 2.50.", node)
        return amount

    def write(self, value: Any) -> Any:
        shown = f"{Decimal(value).normalize():f}"
        whole, _, cents = shown.partition(".")
        return f"{whole}.{cents:0<2}" if cents else whole


# A day as French writes it, the year last; as the file writes it, the year first; with the month's name.
DAY_FIRST = re.compile(r"(\d{1,2})\s*[/.-]\s*(\d{1,2})\s*[/.-]\s*(\d{4})")
YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
IN_WORDS = re.compile(r"(\d{1,2})(?:er)?\s+([^\W\d]+)\s+(\d{4})")
SHORT_YEAR = re.compile(r"(\d{1,2})\s*[/.-]\s*(\d{1,2})\s*[/.-]\s*(\d{2})")


def read_day(text: str) -> date:
    """« 2026-09-01 », « 1/9/2026 », « 1er septembre 2026 ». Raises ValueError."""
    text = text.strip()
    if found := YEAR_FIRST.fullmatch(text):
        return date(*map(int, found.groups()))
    if found := DAY_FIRST.fullmatch(text):
        day, month, year = map(int, found.groups())
        return date(year, month, day)
    if (found := IN_WORDS.fullmatch(text)) and plain(found[2]) in MONTH_NUMBERS:
        return date(int(found[3]), MONTH_NUMBERS[plain(found[2])], int(found[1]))
    raise ValueError(text)


def read_hour(text: str) -> time:
    """« 10:00 », « 10h », « 10 h 30 », « 8 heures », « midi », « 10:00:30 ». Raises ValueError."""
    text = HOURS_IN_WORDS.sub("h", text.strip().lower())
    found = HOUR.fullmatch("12:00" if text == "midi" else text)
    if found is None:
        raise ValueError(text)
    hour, minute, second = (int(number or 0) for number in found.groups())
    return time(hour, minute, second)


HOUR = re.compile(r"(\d{1,2})\s*[h:]\s*(\d{2})?(?::(\d{2}))?")
HOURS_IN_WORDS = re.compile(r"heures?")
ALMOST_AN_HOUR = re.compile(r"(\d{1,2})(?:[.,](\d{2}))?")  # « 8 », « 8.30 »
MOMENT = re.compile(r"(?P<day>.+?)(?:\s+à\s+|T|,?\s+)(?P<hour>\d{1,2}\s*[h:].*|midi)", re.IGNORECASE)


def _hour_meant(text: str) -> str:
    """How an hour that was almost one is spelt; else an example."""
    found = ALMOST_AN_HOUR.fullmatch(text.strip())
    if found is None or int(found[1]) > 23:
        return "10:00"
    return f"{int(found[1])}:{found[2] or '00'}"


def write_hour(value: time) -> str:
    return f"{value:%H:%M:%S}" if value.second else f"{value:%H:%M}"


class Day(Text):
    """2026-09-01, or 1/9/2026."""

    example = "2026-09-01"

    def read(self, node: Node, loading: Loading, parent: Any) -> date:
        text = scalar(node).strip()
        try:
            return read_day(text)
        except ValueError:
            raise Mistake(self.refusal(text), node) from None

    def refusal(self, text: str) -> str:
        if found := SHORT_YEAR.fullmatch(text):
            day, month, year = found.groups()
            return f"« {text} » : écrivez l'année en entier, {int(day)}/{int(month)}/20{year}."
        if found := MOMENT.fullmatch(text):
            try:
                return f"« {text} » : ici, le jour suffit. Écrivez {read_day(found['day'])}, sans heure."
            except ValueError:
                pass
        return f"« {text} » n'est pas une date. Écrivez-la ainsi : 2026-09-01."

    def write(self, value: Any) -> Any:
        return value


class Hour(Text):
    """10:00, or 10 h."""

    example = "10:00"

    def read(self, node: Node, loading: Loading, parent: Any) -> time:
        text = scalar(node)
        try:
            return read_hour(text)
        except ValueError:
            said = f"« {text} » n'est pas une heure. Écrivez-la ainsi : {_hour_meant(text)}."
            raise Mistake(said, node) from None

    def write(self, value: Any) -> Any:
        return write_hour(value)


class Moment(Text):
    """2026-06-01 08:00, in the town's own time."""

    example = "2026-06-01 08:00"

    def read(self, node: Node, loading: Loading, parent: Any) -> datetime:
        text = scalar(node).strip()
        found = MOMENT.fullmatch(text)
        try:
            if found is None:
                raise ValueError(text)
            return timezone.make_aware(datetime.combine(read_day(found["day"]), read_hour(found["hour"])))
        except (ValueError, OverflowError):
            raise Mistake(self.refusal(text), node) from None

    def refusal(self, text: str) -> str:
        try:
            day = read_day(text)
        except ValueError:
            return f"« {text} » n'est pas une date avec son heure. Écrivez ainsi : 2026-06-01 08:00."
        return f"« {text} » ne dit pas l'heure. Écrivez le jour et l'heure, par exemple : {day} 08:00."

    def write(self, value: Any) -> Any:
        local = timezone.localtime(value)
        return f"{local:%Y-%m-%d} {write_hour(local.time())}"


class Words(Text):
    """One of the given French words, each standing for a stored value. `also` are spellings of before, which
    are read and no longer written."""

    def __init__(self, words: Mapping[str, Any], *, also: Mapping[str, Any] | None = None) -> None:
        self.words = dict(words)
        self.values = {plain(word): value for word, value in {**(also or {}), **words}.items()}
        self.example = next(iter(words), "")

    def read(self, node: Node, loading: Loading, parent: Any) -> Any:
        text = scalar(node)
        if plain(text) not in self.values:
            raise Mistake(f"« {text} » n'est pas prévu ici. {closest(text, self.words)}", node)
        return self.values[plain(text)]

    def write(self, value: Any) -> Any:
        return next(word for word, stored in self.words.items() if stored == value)


class ListOf(Text):
    """[…]: several values of one kind, each once, in the file's order. « lundi, mardi » is one too."""

    def __init__(self, kind: Text) -> None:
        self.kind = kind
        self.example = f"[{kind.example}]"

    def read(self, node: Node, loading: Loading, parent: Any) -> list[Any]:
        found: list[Any] = []
        for item in items(node):
            value = self.kind.read(item, loading, parent)
            if value in found:
                raise Mistake(f"« {scalar(item)} » est écrit deux fois.", item)
            found.append(value)
        return found

    def write(self, value: Any) -> Any:
        return flow([self.kind.write(item) for item in value])


WEEKDAY = Words({name: number for number, name in enumerate(WEEKDAYS)})


class Weekdays(Text):
    """[lundi, mardi]: a mask of weekdays. « du lundi au vendredi » is one too."""

    example = "[lundi, mardi, jeudi, vendredi]"
    SPAN = re.compile(r"(?:du )?(?P<first>[^\W\d]+) au (?P<last>[^\W\d]+)", re.IGNORECASE)

    def read(self, node: Node, loading: Loading, parent: Any) -> int:
        span = self.SPAN.fullmatch(node.value.strip()) if isinstance(node, ScalarNode) else None
        if span is not None:
            first, last = (WEEKDAY.values.get(plain(span[name])) for name in ("first", "last"))
            if first is not None and last is not None and first <= last:
                return mask_of(range(first, last + 1))
        return mask_of(ListOf(WEEKDAY).read(node, loading, parent))

    def write(self, value: Any) -> Any:
        return flow([WEEKDAYS[weekday] for weekday in weekdays_in(value)])


MONTH = Words({called(month): month for month in IN_ORDER})


class Months(Text):
    """[septembre, octobre]: a mask of months. « de septembre à juin » is one too."""

    example = "de septembre à juin"
    SPAN = re.compile(r"(?:de |d')?(?P<first>[^\W\d]+) à (?P<last>[^\W\d]+)", re.IGNORECASE)

    def read(self, node: Node, loading: Loading, parent: Any) -> int:
        span = self.SPAN.fullmatch(node.value.strip()) if isinstance(node, ScalarNode) else None
        if span is not None:
            first, last = (MONTH.values.get(plain(span[name])) for name in ("first", "last"))
            if first is not None and last is not None:
                return months_mask(months_between(first, last))
        return months_mask(ListOf(MONTH).read(node, loading, parent))

    def write(self, value: Any) -> Any:
        return flow([called(month) for month in months_in(value)])


class Reference(Text):
    """Another row, by its code or name; `within` narrows it to the children of the same parent row."""

    def __init__(
        self,
        model: type[models.Model],
        by: str = "code",
        *,
        within: str = "",
        only: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.by = by
        self.within = within
        self.only = dict(only or {})
        self.example = f"un {by} de « {model._meta.verbose_name_plural} »"

    def read(self, node: Node, loading: Loading, parent: Any) -> Any:
        text = scalar(node).strip()
        rows = self.model._default_manager.filter(**self.only)
        if self.within:
            rows = rows.filter(**{self.within: parent})
        found = rows.filter(**{self.by: text}).first()
        if found is None:
            if (self.model, text) in loading.refused:
                raise AlreadyKnown
            known = list(rows.values_list(self.by, flat=True)[:200])
            name = self.model._meta.verbose_name
            hint = closest(text, known) if known else "Il n'y en a encore aucun."
            raise Mistake(f"« {text} » : aucun {name} de ce nom. {hint}", node)
        return found

    def write(self, value: Any) -> Any:
        return str(getattr(value, self.by))


def flow(values: Iterable[Any]) -> CommentedSeq:
    """A list written on one line."""
    sequence = CommentedSeq(values)
    sequence.fa.set_flow_style()
    return sequence


class DeadlineTable(Text):
    """{lundi: jeudi 15:00, mercredi: jamais}: limit weekday and hour of each target weekday."""

    example = "{lundi: jeudi 15:00, mardi: jamais}"
    LIMIT = re.compile(
        r"(?P<weekday>[^\W\d]+)(\s+(à\s*)?(?P<at>\d{1,2}\s*[h:]\s*\d{0,2}))?"
        r"(\s*\(?(?P<weeks>\d+) semaines? plus tôt\)?)?"
    )

    def read(self, node: Node, loading: Loading, parent: Any) -> dict[str, Any]:
        if not isinstance(node, MappingNode):
            raise Mistake(
                "Un tableau est attendu ici, par exemple : {lundi: jeudi 15:00, mardi: jamais}.", node
            )
        rows: dict[int, TableRow | None] = {}
        for key_node, value_node in node.value:
            target = WEEKDAY.read(key_node, loading, parent)
            if target in rows:
                raise Mistake(f"« {scalar(key_node)} » est écrit deux fois.", key_node)
            rows[target] = self.read_limit(value_node)
        return write_table(rows)

    def read_limit(self, node: Node) -> TableRow | None:
        text = scalar(node).strip().lower()
        if text == "jamais":
            return None
        found = self.LIMIT.fullmatch(text)
        try:
            if found is None or plain(found["weekday"]) not in WEEKDAY.values:
                raise ValueError(text)
            at = read_hour(found["at"]) if found["at"] else None
        except ValueError:
            raise Mistake(
                f"« {text} » : écrivez le jour limite et son heure, par exemple : jeudi 15:00.", node
            ) from None
        return TableRow(WEEKDAY.values[plain(found["weekday"])], at, int(found["weeks"] or 0))

    def write(self, value: Any) -> Any:
        table = CommentedMap()
        for target, row in read_table(value).items():
            table[WEEKDAYS[target]] = "jamais" if row is None else self.write_limit(row)
        return table

    def write_limit(self, row: TableRow) -> str:
        text = WEEKDAYS[row.weekday]
        if row.at:
            text += f" {write_hour(row.at)}"
        if row.more_weeks:
            text += f" ({counted(row.more_weeks, 'semaine', 'semaines')} plus tôt)"
        return text


# Rows -------------------------------------------------------------------------------------------------

REQUIRED: Any = object()


def no_remark(row: models.Model) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class Field:
    """A French key of a row and the model's attribute behind it."""

    key: str
    name: str
    kind: Text = field(default_factory=Text)
    default: Any = REQUIRED
    many: bool = False  # a many-to-many relation, read as a list of references
    example: str = ""  # where its kind's own says too little
    says: str = ""  # what it means, where the model's own words would not do

    @property
    def usual(self) -> Any:
        return self.default() if callable(self.default) else self.default

    def value_of(self, row: models.Model) -> Any:
        return list(getattr(row, self.name).all()) if self.many else getattr(row, self.name)
