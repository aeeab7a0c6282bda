"""A town's set-up as one readable YAML file: loaded, exported, loaded again without a difference.

The file holds sections (« établissements », « activités »…). A section is a list of rows or one block, and
each row is a model's fields under French names: `Rows` and `Field` say which, for reading and writing alike.
Apps above the engine add their own sections by calling `register` in a module `town_sections.py`.

    load(text) -> FileReport       all or nothing; TownFileError has every mistake, its line and field;
                                   Unconfirmed where booked days would close (ClosesDays) or what was done
                                   would change (ChangesThePast), and nobody confirmed it; Otherwise where
                                   it would no longer do what somebody has read (`expected`)
    export() -> str                the same file, from the database

The command and the desk load by the same function; what was loaded is kept (`TownFile`).

Rows are matched by their code or name: what exists is brought up to date, never doubled; what the file does
not name is left alone. A field left out takes its usual value, so that a file always says the same thing.
See docs/town-file.md.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from families.models import User
from portal import town, town_time
from portal.french.normalised import NormalisedField
from portal.models import Town
from portal.reservations.acts import town_clock
from portal.reservations.acts.closing import Closing
from portal.reservations.days import notices
from portal.reservations.days.offer import Offer
from portal.reservations.models import TownFile
from portal.reservations.models.bookings import BookingQuerySet
from portal.reservations.towns import slips
from portal.reservations.towns.fields import (
    REQUIRED,
    AlreadyKnown,
    Field,
    FieldDifference,
    FileReport,
    Kind,
    Loading,
    Mistake,
    RowDifference,
    TownFileError,
    closest,
    is_empty,
    is_same,
    no_remark,
    plain,
    written,
)


def as_it_is(row: Any, values: dict[str, Any], loading: Loading) -> Callable[[], None]:
    """Of most rows: the file's word counts."""
    return lambda: None


@dataclass
class Loaded:
    """A row of the file that is in the database."""

    row: models.Model
    is_new: bool
    changed: bool
    entries: dict[str, tuple[Node, Node]]
    where: tuple[str, ...]
    line: int
    fields: list[FieldDifference] = field(default_factory=list)


@dataclass(frozen=True)
class Rows:
    """A list of rows of one model, under `key` of the file or of a parent row."""

    key: str
    model: type[models.Model]
    fields: tuple[Field, ...]
    match: tuple[str, ...]  # the attributes that tell one row from another
    parent: str = ""  # the foreign key to the parent row
    children: tuple["Rows", ...] = ()
    exact: bool = False  # rows missing from the file are deleted: they only make sense together
    exact_of: str = ""  # likewise, of those only that share this with a row of the file
    compact: bool = False  # written on one line
    single: bool = False  # one block instead of a list
    comment: str = ""
    order_by: tuple[str, ...] = ()
    only: Mapping[str, Any] = field(default_factory=dict)  # other rows of the model are not the file's
    to_check: Callable[[Any], Iterable[str]] = no_remark  # what an agent should look at in a loaded row
    contradicts: Callable[[Any], Iterable[str]] = no_remark  # why a row cannot mean what its lists say
    # Looks at a row that is there and at its values of the file, which it may set; what it answers is called
    # once the row and its children are written. Both raise Mistake.
    rewrites: Callable[[Any, dict[str, Any], Loading], Callable[[], None]] = as_it_is

    # Reading

    def load(self, node: Node, loading: Loading, where: tuple[str, ...] = (), parent: Any = None) -> None:
        """Brings the rows of `node` into the database; complains to `loading`."""
        if self.single:
            nodes = [node]
        elif is_empty(node):
            nodes = []
        elif isinstance(node, SequenceNode):
            nodes = node.value
        else:
            text = "Une liste de lignes qui commencent par « - » est attendue ici."
            loading.complain(node, (*where, self.key), _slip_in(node) or text)
            return
        seen: dict[tuple[Any, ...], int] = {}
        loaded = [self.load_row(each, loading, (*where, self.key), parent, seen) for each in nodes]
        done = [each for each in loaded if each is not None]
        # Relations last: a restaurant may be written before the schools it serves.
        for each in done:
            self.relate(each, loading, parent)
        kept = [each.row.pk for each in done]
        rows = self.rows(parent).exclude(pk__in=kept)
        if self.exact_of:
            rows = rows.filter(
                **{f"{self.exact_of}__in": {getattr(each.row, self.exact_of) for each in done}}
            )
        if self.exact or self.exact_of:
            line, path = node.start_mark.line + 1, " › ".join((*where, self.key))
            for row in rows:
                label = self.label(row)
                loading.report.removed.append(label)
                loading.report.differences.append(RowDifference(line, path, label, Kind.GONE))
                row.delete()
        elif not self.single:
            loading.report.left.extend(self.label(row) for row in rows)

    def load_row(
        self,
        node: Node,
        loading: Loading,
        where: tuple[str, ...],
        parent: Any,
        seen: dict[tuple[Any, ...], int],
    ) -> "Loaded | None":
        if not isinstance(node, MappingNode):
            text = "Des champs de la forme « nom: valeur » sont attendus ici."
            loading.complain(node, where, _slip_in(node) or text)
            return None
        name = self.name_in(node)
        where = (*where, name) if name else where
        before = len(loading.problems)
        entries = self.entries(node, loading, where)
        values = self.values(node, entries, loading, where, parent)
        if values is None or len(loading.problems) > before:
            if name:
                loading.refused.add((self.model, name))
            return None
        key = tuple(values[attribute] for attribute in self.match)
        if self.match and key in seen:
            loading.complain(node, where, f"Déjà écrit à la ligne {seen[key]}.")
            return None
        seen[key] = node.start_mark.line + 1
        there = self.find(values, parent)
        written_over = self.rewrites(there, values, loading) if there is not None else None
        loaded = self.save(node, entries, values, loading, where, parent)
        if loaded is None:
            if name:
                loading.refused.add((self.model, name))
            return None
        for child in self.children:
            if plain(child.key) in entries:
                child.load(entries[plain(child.key)][1], loading, where, loaded.row)
            elif child.exact:
                nothing = SequenceNode("", [], node.start_mark, node.end_mark)
                child.load(nothing, loading, where, loaded.row)
        if written_over is not None and len(loading.problems) == before:
            try:
                written_over()
            except Mistake as mistake:
                loading.complain(mistake.node or node, where, mistake.text)
        for sentence in self.contradicts(loaded.row):
            loading.complain(node, where, sentence)
        loading.remark(node, where, self.to_check(loaded.row))
        return loaded

    def relate(self, loaded: "Loaded", loading: Loading, parent: Any) -> None:
        """Sets the row's relations to others, then counts the row in the report."""
        for field_ in self.fields:
            if not field_.many:
                continue
            entry = loaded.entries.get(plain(field_.key))
            others = []
            if entry and not is_empty(entry[1]):
                try:
                    others = field_.kind.read(entry[1], loading, parent)
                except Mistake as mistake:
                    loading.complain(mistake.node or entry[1], (*loaded.where, field_.key), mistake.text)
                    continue
                except AlreadyKnown:
                    continue
            relation = getattr(loaded.row, field_.name)
            before = list(relation.all())
            if {other.pk for other in before} != {other.pk for other in others}:
                relation.set(others)
                loaded.changed = True
                loaded.fields.append(self.difference(field_, before, others))
        report, label = loading.report, self.label(loaded.row)
        kind = report.created if loaded.is_new else report.changed if loaded.changed else report.unchanged
        kind.append(label)
        if loaded.changed:
            report.differences.append(
                RowDifference(
                    loaded.line,
                    " › ".join(loaded.where),
                    label,
                    Kind.NEW if loaded.is_new else Kind.CHANGED,
                    tuple(loaded.fields),
                )
            )

    def difference(self, field_: Field, before: Any, after: Any) -> FieldDifference:
        return FieldDifference(field_.key, self.said(field_, before), self.said(field_, after))

    def said(self, field_: Field, value: Any) -> str:
        """A value as the file writes it, on one line of a page; empty where there is none."""
        if value is None or value == "" or value == [] or value == {}:
            return ""
        return on_a_page(field_.kind.write(self.shown(field_, value)))

    def entries(
        self, node: MappingNode, loading: Loading, where: tuple[str, ...]
    ) -> dict[str, tuple[Node, Node]]:
        """The known keys of a block, without accents -> (key node, value node)."""
        known = [field.key for field in self.fields] + [child.key for child in self.children]
        allowed = {plain(key) for key in known}
        found: dict[str, tuple[Node, Node]] = {}
        for key_node, value_node in node.value:
            key = plain(written(key_node))
            if key not in allowed and is_empty(value_node) and (split := _without_space(key_node, allowed)):
                key, value_node = split
            if key not in allowed:
                text = f"Le champ « {written(key_node)} » n'existe pas ici."
                hint = closest(key, known)
                if node.flow_style and is_empty(value_node):
                    between = "Entre accolades, une virgule sépare deux champs : un texte qui en contient une"
                    near = hint if hint.startswith("Vouliez") else ""
                    hint = f"{between} se met entre guillemets. {near}".strip()
                loading.complain(key_node, where, f"{text} {hint}")
            elif key in found:
                first = found[key][0].start_mark.line + 1
                said = f"Le champ « {written(key_node)} » est écrit deux fois"
                loading.complain(key_node, where, f"{said} : il l'est déjà à la ligne {first}.")
            else:
                found[key] = (key_node, value_node)
        return found

    def name_in(self, node: MappingNode) -> str:
        """What the row calls itself, for messages and references: its code or else its name."""
        named = {plain(field_.key) for field_ in self.fields if field_.name in (*self.match, "code", "name")}
        for key_node, value_node in node.value:
            if plain(written(key_node)) in named and isinstance(value_node, ScalarNode):
                return str(value_node.value)
        return ""

    def values(
        self,
        node: Node,
        entries: dict[str, tuple[Node, Node]],
        loading: Loading,
        where: tuple[str, ...],
        parent: Any,
    ) -> dict[str, Any] | None:
        """Attribute -> value of every field; None when one cannot be read."""
        values: dict[str, Any] = {}
        complete = True
        for field_ in self.fields:
            if field_.many:
                continue
            here = (*where, field_.key)
            entry = entries.get(plain(field_.key))
            if entry is None or is_empty(entry[1]):
                if field_.default is REQUIRED:
                    loading.complain(entry[0] if entry else node, here, f"Le champ « {field_.key} » manque.")
                    complete = False
                else:
                    values[field_.name] = field_.usual
                continue
            try:
                values[field_.name] = self.kept(field_, field_.kind.read(entry[1], loading, parent))
            except Mistake as mistake:
                loading.complain(mistake.node or entry[1], here, mistake.text)
                complete = False
            except AlreadyKnown:
                complete = False
        return values if complete else None

    def kept(self, field_: Field, value: Any) -> Any:
        """`value` as its column keeps it: a telephone written otherwise is still the same."""
        column = self.model._meta.get_field(field_.name)
        return column.to_python(value) if isinstance(column, NormalisedField) else value

    def shown(self, field_: Field, value: Any) -> Any:
        """`value` as its column shows it: an IBAN in groups of four."""
        column = self.model._meta.get_field(field_.name)
        return column.shown(value) if isinstance(column, NormalisedField) else value

    def rows(self, parent: Any) -> "models.QuerySet[Any]":
        """Those that are the file's, of a parent where it has one."""
        within = {self.parent: parent} if self.parent else {}
        return self.model._default_manager.filter(**self.only, **within)

    def find(self, values: Mapping[str, Any], parent: Any) -> models.Model | None:
        named = {attribute: values[attribute] for attribute in self.match}
        return self.rows(parent).filter(**named).order_by("pk").first()

    def save(
        self,
        node: Node,
        entries: dict[str, tuple[Node, Node]],
        values: dict[str, Any],
        loading: Loading,
        where: tuple[str, ...],
        parent: Any,
    ) -> "Loaded | None":
        """Creates or updates the row; None when the model refuses it."""
        row = self.find(values, parent)
        is_new = row is None
        if row is None:
            row = self.model(**({self.parent: parent} if self.parent else {}))
        changed, told = is_new, []
        for field_ in self.fields:
            if field_.many:
                continue
            before, after = getattr(row, field_.name, None), values[field_.name]
            differs = not is_same(before, after)
            if differs or is_new:
                setattr(row, field_.name, after)
                changed = True
            # Of a new row what the file says; of another one what becomes different.
            if is_new and plain(field_.key) in entries:
                told.append(self.difference(field_, None, after))
            elif not is_new and differs:
                told.append(self.difference(field_, before, after))
        try:
            row.full_clean()
        except ValidationError as error:
            self.complain_about(error, node, entries, loading, where)
            return None
        if changed:
            row.save()
        return Loaded(row, is_new, changed, entries, where, node.start_mark.line + 1, told)

    def complain_about(
        self,
        error: ValidationError,
        node: Node,
        entries: dict[str, tuple[Node, Node]],
        loading: Loading,
        where: tuple[str, ...],
    ) -> None:
        """Says a model's refusal at the line of the field it is about."""
        keys = {field_.name: field_.key for field_ in self.fields}
        for name, messages in error.message_dict.items():
            key = keys.get(name, "") if name != NON_FIELD_ERRORS else ""
            at = entries[plain(key)][1] if plain(key) in entries else node
            for message in messages:
                loading.complain(at, (*where, key) if key else where, message)

    def label(self, row: models.Model) -> str:
        return f"{row._meta.verbose_name} « {row} »"

    # Writing

    def export(self, parent: Any = None) -> Any:
        """The rows as the file writes them; None when there are none."""
        blocks = [self.export_row(row) for row in self.ordered(parent)]
        if not blocks:
            return None
        return blocks[0] if self.single else blocks

    def ordered(self, parent: Any = None) -> list[Any]:
        """The rows in the file's order."""
        rows = self.rows(parent)
        return list(rows.order_by(*self.order_by) if self.order_by else rows)

    def export_row(self, row: models.Model) -> CommentedMap:
        block = CommentedMap()
        for field_ in self.fields:
            value = field_.value_of(row)
            if value is None or (field_.default is not REQUIRED and value == field_.usual):
                continue
            block[field_.key] = field_.kind.write(self.shown(field_, value))
        for child in self.children:
            rows = child.export(row)
            if rows is not None:
                block[child.key] = rows
        if self.compact:
            block.fa.set_flow_style()
        return block


def _without_space(key_node: Node, allowed: set[str]) -> tuple[str, Node] | None:
    """« {code:repas} » as field and value, where there is such a field."""
    word, sign, value = written(key_node).partition(":")
    if not sign or plain(word) not in allowed:
        return None
    return plain(word), ScalarNode(key_node.tag, value.strip(), key_node.start_mark, key_node.end_mark)


def _slip_in(node: Node) -> str:
    """What a space would have made readable; empty where it is something else."""
    if isinstance(node, ScalarNode):
        return slips.no_space(str(node.value))
    if isinstance(node, MappingNode) and node.value:
        return slips.no_space(f"{written(node.value[0][0])}: …")
    return ""


def on_a_page(value: Any) -> str:
    if isinstance(value, CommentedMap):
        return ", ".join(f"{key} : {on_a_page(one)}" for key, one in value.items())
    if isinstance(value, CommentedSeq):
        return ", ".join(map(on_a_page, value))
    return str(value)


# The file ---------------------------------------------------------------------------------------------

_sections: dict[str, Rows] = {}


def register(section: Rows) -> None:
    """Adds a section to the file, after those already there: rows it refers to come before it."""
    _sections[section.key] = section


def sections() -> list[Rows]:
    """Every section, the engine's first, in the order in which they are loaded and written."""
    autodiscover_modules("town_sections")
    return list(_sections.values())


class Unconfirmed(Exception):
    """The file does what is asked about first, and nobody confirmed it; the message says what."""

    def __init__(self, said: str, report: FileReport) -> None:
        super().__init__(said)
        self.report = report


class ClosesDays(Unconfirmed):
    """It closes days that families have booked; the message says how many."""


class ChangesThePast(Unconfirmed):
    """It writes over what counted for days that are over."""


class Otherwise(Exception):
    """The town has changed since somebody read what the file would do; `report` says what it would do now."""

    def __init__(self, report: FileReport) -> None:
        super().__init__("La commune a changé entre-temps.")
        self.report = report


class MayNotClose(Unconfirmed):
    """It closes booked days, and who loads it has no right to."""


def anybody(bookings: BookingQuerySet) -> bool:
    """Whoever runs the command may close days."""
    return True


def load(
    text: str,
    *,
    dry_run: bool = False,
    at: datetime | None = None,
    confirmed: bool = False,
    by: User | None = None,
    expected: str | None = None,
    may_close: Callable[[BookingQuerySet], bool] = anybody,
) -> FileReport:
    """Loads a town's file, all or nothing; with `dry_run`, only says what it would do.

    Raises TownFileError with every mistake found, and Unconfirmed where booked days would close: once
    `confirmed`, those from the day of `at` (aware) on are cancelled and their families told; or where what
    counted on days before would be written over. Without `at`, nothing has happened yet.

    `expected`: the fingerprint of the report that was read before; raises Otherwise where it is another one.
    `may_close` is asked of the booked days that close; raises MayNotClose.

    What changed something at a moment `at` is kept as a TownFile, `by` whom.
    """
    today = date.min if at is None else timezone.localdate(at)
    known = sections()
    root = slips.parse(text)
    loading = Loading(today)
    by_key = {plain(section.key): section for section in known}
    present: dict[str, Node] = {}
    for key_node, value_node in root.value:
        key = plain(written(key_node))
        if key not in by_key:
            names = [section.key for section in known]
            said = f"La rubrique « {written(key_node)} » n'existe pas. {closest(key, names)}"
            loading.complain(key_node, (), said)
        elif key in present:
            loading.complain(key_node, (), f"La rubrique « {key_node.value} » est écrite deux fois.")
        else:
            present[key] = value_node
    try:
        with transaction.atomic():
            # One file after the other: what is compared is what is written.
            stored = Town.objects.select_for_update().first()
            clock = None if stored is None else town_time.zone_of(stored)
            before = Offer.read(today)
            for section in known:
                if plain(section.key) in present:
                    section.load(present[plain(section.key)], loading)
                    if section.model is Town and at is not None:
                        _keep_hours(clock, loading, at)
                    town_time.activate()  # moments of the next sections are of the town that was just written
            if loading.problems:
                transaction.set_rollback(True)
                raise TownFileError(loading.problems)
            report = loading.finish()
            closing = Closing.between(before, Offer.read(today), today)
            if closing.days:
                report.closes, report.barred = closing.sentence, not may_close(closing.bookings)
            if dry_run:
                transaction.set_rollback(True)
                return report
            if expected is not None and expected != report.fingerprint:
                raise Otherwise(report)
            if report.barred:
                raise MayNotClose(report.closes, report)
            if report.closes and (at is None or not confirmed):
                raise ClosesDays(report.closes, report)
            if report.asked and not confirmed:
                raise ChangesThePast("\n".join(report.asked), report)
            if at is not None and closing.days:
                closing.close(by=by, at=at)
            if at is not None and not report.changes_nothing:
                _keep(text, report, by=by, at=at)
    finally:
        town.forget()  # kept for half a minute: what was undone must not be
        notices.current.forget()
        town_time.activate()
    return report


def _keep_hours(old: ZoneInfo | None, loading: Loading, at: datetime) -> None:
    """Of a town that has just changed its clock, written hours stay what they are, as at the desk."""
    stored = Town.objects.first()
    if old is None or stored is None or (new := town_time.zone_of(stored)) == old:
        return
    loading.report.asked += town_clock.foresee(old, new, at)
    town_clock.move(old, new, at)


def digest(text: str) -> str:
    """A file's fingerprint."""
    return sha256(text.encode()).hexdigest()


def _keep(text: str, report: FileReport, *, by: User | None, at: datetime) -> None:
    TownFile.objects.create(
        loaded_at=at,
        by=by,
        text=text,
        sha256=digest(text),
        created=len(report.created),
        changed=len(report.changed),
        removed=len(report.removed),
        unchanged=len(report.unchanged),
    )


HEADER = "Configuration d'une commune. Chaque champ est expliqué dans docs/town-file.md."


def export() -> str:
    """The town's set-up as a file that `load` takes back without changing anything."""
    document = CommentedMap()
    for section in sections():
        rows = section.export()
        if rows is not None:
            document[section.key] = rows
            document.yaml_set_comment_before_after_key(section.key, before=f"\n{section.comment}")
    document.yaml_set_start_comment(HEADER)
    writer = YAML()
    writer.width = 4096  # one row, one line
    writer.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    writer.dump(document, out)
    return out.getvalue()
