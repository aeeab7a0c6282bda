"""A town's set-up as one readable YAML file: loaded, exported, loaded again without a difference.

The file holds sections (« établissements », « activités »…). A section is a list of rows or one block, and
each row is a model's fields under French names: `Rows` and `Field` say which, for reading and writing alike.
Apps above the engine add their own sections by calling `register` in a module `town_sections.py`.

    load(text) -> FileReport       all or nothing; TownFileError has every mistake, its line and field;
                                   Unconfirmed where booked days would close (ClosesDays) or what was done
                                   would change (ChangesThePast), and nobody confirmed it
    export() -> str                the same file, from the database

Rows are matched by their code or name: what exists is brought up to date, never doubled; what the file does
not name is left alone. A field left out takes its usual value, so that a file always says the same thing.
See docs/town-file.md.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.module_loading import autodiscover_modules
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from portal import town, town_time
from portal.french.normalised import NormalisedField
from portal.reservations.acts.closing import Closing
from portal.reservations.days.offer import Offer
from portal.reservations.towns.fields import (
    REQUIRED,
    AlreadyKnown,
    Field,
    FileProblem,
    FileReport,
    Loading,
    Mistake,
    TownFileError,
    closest,
    is_empty,
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
    to_check: Callable[[Any], Iterable[str]] = no_remark  # what an agent should look at in a loaded row
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
            loading.complain(node, (*where, self.key), text)
            return
        seen: dict[tuple[Any, ...], int] = {}
        loaded = [self.load_row(each, loading, (*where, self.key), parent, seen) for each in nodes]
        done = [each for each in loaded if each is not None]
        # Relations last: a restaurant may be written before the schools it serves.
        for each in done:
            self.relate(each, loading, parent)
        if self.exact or self.exact_of:
            kept = [each.row.pk for each in done]
            within = {self.parent: parent} if self.parent else {}
            if self.exact_of:
                within[f"{self.exact_of}__in"] = {getattr(each.row, self.exact_of) for each in done}
            for row in self.model._default_manager.filter(**within).exclude(pk__in=kept):
                loading.report.removed.append(self.label(row))
                row.delete()

    def load_row(
        self,
        node: Node,
        loading: Loading,
        where: tuple[str, ...],
        parent: Any,
        seen: dict[tuple[Any, ...], int],
    ) -> "Loaded | None":
        if not isinstance(node, MappingNode):
            loading.complain(node, where, "Des champs de la forme « nom: valeur » sont attendus ici.")
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
                child.load(SequenceNode("", []), loading, where, loaded.row)
        if written_over is not None and len(loading.problems) == before:
            try:
                written_over()
            except Mistake as mistake:
                loading.complain(mistake.node or node, where, mistake.text)
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
            if {other.pk for other in relation.all()} != {other.pk for other in others}:
                relation.set(others)
                loaded.changed = True
        report = loading.report
        kind = report.created if loaded.is_new else report.changed if loaded.changed else report.unchanged
        kind.append(self.label(loaded.row))

    def entries(
        self, node: MappingNode, loading: Loading, where: tuple[str, ...]
    ) -> dict[str, tuple[Node, Node]]:
        """The known keys of a block, without accents -> (key node, value node)."""
        known = [field.key for field in self.fields] + [child.key for child in self.children]
        allowed = {plain(key) for key in known}
        found: dict[str, tuple[Node, Node]] = {}
        for key_node, value_node in node.value:
            key = plain(written(key_node))
            if key not in allowed:
                text = f"Le champ « {written(key_node)} » n'existe pas ici."
                loading.complain(key_node, where, f"{text} {closest(key, known)}")
            elif key in found:
                loading.complain(key_node, where, f"Le champ « {key_node.value} » est écrit deux fois.")
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
                    values[field_.name] = field_.default() if callable(field_.default) else field_.default
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

    def find(self, values: Mapping[str, Any], parent: Any) -> models.Model | None:
        rows = self.model._default_manager.all()
        if self.parent:
            rows = rows.filter(**{self.parent: parent})
        return rows.filter(**{attribute: values[attribute] for attribute in self.match}).first()

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
        changed = is_new
        for field_ in self.fields:
            if not field_.many and getattr(row, field_.name, REQUIRED) != values[field_.name]:
                setattr(row, field_.name, values[field_.name])
                changed = True
        try:
            row.full_clean()
        except ValidationError as error:
            self.complain_about(error, node, entries, loading, where)
            return None
        if changed:
            row.save()
        return Loaded(row, is_new, changed, entries, where)

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
        rows = self.model._default_manager.all()
        if self.parent:
            rows = rows.filter(**{self.parent: parent})
        if self.order_by:
            rows = rows.order_by(*self.order_by)
        blocks = [self.export_row(row) for row in rows]
        if not blocks:
            return None
        return blocks[0] if self.single else blocks

    def export_row(self, row: models.Model) -> CommentedMap:
        block = CommentedMap()
        for field_ in self.fields:
            value = field_.value_of(row)
            default = field_.default() if callable(field_.default) else field_.default
            if value is None or (field_.default is not REQUIRED and value == default):
                continue
            block[field_.key] = field_.kind.write(self.shown(field_, value))
        for child in self.children:
            rows = child.export(row)
            if rows is not None:
                block[child.key] = rows
        if self.compact:
            block.fa.set_flow_style()
        return block


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


class ClosesDays(Unconfirmed):
    """It closes days that families have booked; the message says how many."""


class ChangesThePast(Unconfirmed):
    """It writes over what counted for days that are over."""


def load(
    text: str, *, dry_run: bool = False, at: datetime | None = None, confirmed: bool = False
) -> FileReport:
    """Loads a town's file, all or nothing; with `dry_run`, only says what it would do.

    Raises TownFileError with every mistake found, and Unconfirmed where booked days would close: once
    `confirmed`, those from the day of `at` (aware) on are cancelled and their families told; or where what
    counted on days before would be written over. Without `at`, nothing has happened yet.
    """
    today = date.min if at is None else timezone.localdate(at)
    known = sections()
    root = _parse(text)
    loading = Loading(today)
    by_key = {plain(section.key): section for section in known}
    present: dict[str, Node] = {}
    for key_node, value_node in root.value:
        key = plain(written(key_node))
        if key not in by_key:
            names = [section.key for section in known]
            text = f"La rubrique « {written(key_node)} » n'existe pas. {closest(key, names)}"
            loading.complain(key_node, (), text)
        elif key in present:
            loading.complain(key_node, (), f"La rubrique « {key_node.value} » est écrite deux fois.")
        else:
            present[key] = value_node
    try:
        with transaction.atomic():
            before = Offer.read(today)
            for section in known:
                if plain(section.key) in present:
                    section.load(present[plain(section.key)], loading)
                    town_time.activate()  # moments of the next sections are of the town that was just written
            if not loading.problems:
                _close(before, loading, today, at=at, confirmed=confirmed, dry_run=dry_run)
                if loading.report.asked and not (dry_run or confirmed):
                    raise ChangesThePast("\n".join(loading.report.asked))
            if dry_run or loading.problems:
                transaction.set_rollback(True)
    finally:
        town.forget()  # kept for half a minute: what was undone must not be
        town_time.activate()
    if loading.problems:
        raise TownFileError(loading.problems)
    return loading.report


def _close(
    before: Offer, loading: Loading, today: date, *, at: datetime | None, confirmed: bool, dry_run: bool
) -> None:
    closing = Closing.between(before, Offer.read(today), today)
    if not closing.days:
        return
    loading.report.closes = closing.sentence
    if dry_run:
        return
    if at is None or not confirmed:
        raise ClosesDays(closing.sentence)
    closing.close(by=None, at=at)


def _parse(text: str) -> MappingNode:
    """The file's tree of nodes, each with its line; values stay the texts that were written."""
    try:
        root = YAML(typ="rt").compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise TownFileError(
            [FileProblem(line, "", f"Ce n'est pas du YAML lisible : {error.problem}.")]
        ) from error
    except (YAMLError, RecursionError) as error:
        raise TownFileError([FileProblem(1, "", f"Ce n'est pas du YAML lisible : {error}.")]) from error
    if not isinstance(root, MappingNode):
        raise TownFileError(
            [FileProblem(1, "", "Le fichier doit contenir des rubriques, par exemple « commune: ».")]
        )
    return root


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
