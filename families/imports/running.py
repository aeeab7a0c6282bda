"""A file's way: the only writer of imports.

    file = receive(content, name=…, source=…, by=…, at=…)     read once, kept, columns proposed; or Refused
    match(file, columns, options, …)                          what somebody says of its columns
    ask_check(file, …), check(key, at)                        the dry run: every row, and what is said of it
    decide(file, …)                                           a doubt, of one row or of all
    ask_run(file, …), run(key, at)                            one transaction: all that the dry run promised
    ask_undo(file, …), undo(key, at)                          one transaction: as long as nothing stands on it
    forget(at)                                                at night: files, and what was said of their rows

The dry run and the run are one reading: the parts plan the same rows with the same decisions. What has
changed in between so that a row is no longer decided stops the run, and nothing is written.
"""

import contextlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.core.files.base import ContentFile
from django.db import IntegrityError, connection, transaction
from django.db.models import Model, ProtectedError, Q, RestrictedError

from families.imports import headings, layouts, registry
from families.imports.headings import Line, Table
from families.imports.people import People
from families.imports.records import Record, Run
from families.models import ColumnMatch, FileImport, Household, ImportedRow, ImportLine, User
from families.models.imports import Verdict
from families.privacy import histories
from portal.files import scanning, sheets, uploads
from portal.files.sheets import Refused
from portal.french.plurals import counted

State = FileImport.State
A_LOT = 500
# Rows that a page checks and writes at once; more are the worker's.
SMALL = 300
# How long the file waits to be imported; what was said of its rows, and the way back, after it was.
FILE_KEPT = timedelta(days=7)
ROWS_KEPT = timedelta(days=30)
GRAVEST = (Verdict.WRONG, Verdict.DOUBTFUL, Verdict.SKIPPED, Verdict.NEW, Verdict.CHANGED)
PROMISED = (Verdict.WRONG, Verdict.NEW, Verdict.CHANGED)
NOBODY_LEFT = "Le compte de la personne qui l'avait demandé n'existe plus : demandez-le de nouveau."
MADE_ONE_TABLE = "réuni en un tableau"
NOT_NOW = "Cet import n'en est plus là : la page a changé entre-temps."
GONE = "Le fichier n'est plus gardé : apportez-le de nouveau."
OTHER_WRITES = "Un autre import est en cours d'écriture. Attendez qu'il soit terminé."
UNDECIDED = "Depuis la vérification, des lignes ont changé : vérifiez de nouveau, puis importez."
NOTHING = "Aucune ligne ne change quoi que ce soit : il n'y a rien à importer."
NO_PEOPLE = "Votre rôle ne permet pas d'écrire des foyers et des enfants dans toute la commune."
NO_WAY_BACK = "La trace de cet import n'est plus gardée : il ne s'annule plus."
NEEDED = (
    "Indiquez au moins les colonnes du nom et du prénom, ou celle du numéro : sans elles, aucune ligne ne "
    "dit de qui elle parle."
)
TWICE = "Deux colonnes ne peuvent pas dire la même chose : {}."


class ImportRefused(Exception):
    """Nothing was done; the message is the French sentence to show."""


class Stands(ImportRefused):
    """Something stands on what the import made; `what` are its sentences."""

    def __init__(self, what: Sequence[str]) -> None:
        self.what = list(what)
        super().__init__("Cet import ne s'annule plus : " + " ; ".join(self.what) + ".")


# The file arrives ---------------------------------------------------------------------------------------


def receive(content: bytes, *, name: str, source: str, by: User, at: datetime) -> FileImport:
    """Reads the file to its end, and keeps it. Raises Refused."""
    if len(content) > sheets.LARGEST_BYTES:
        raise Refused(sheets.TOO_LARGE)
    try:
        scanning.scan(content)
    except scanning.Infected:
        raise Refused(uploads.INFECTED) from None
    except scanning.NotScanned:
        raise Refused(uploads.NOT_SCANNED) from None
    name = name.replace("\\", "/").rsplit("/", 1)[-1][:170] or "fichier"
    table, made = _table(content)
    if made is not None:
        content, name = made, f"{name}, {MADE_ONE_TABLE}"
    rows = sum(1 for _ in table.rows)
    if not rows:
        raise Refused(headings.NO_ROWS)
    if rows > sheets.MOST_ROWS:
        raise Refused(sheets.TOO_MANY)
    said = ColumnMatch.objects.filter(mark=headings.mark(table.titles)).first()
    known = {column.key for column in registry.columns()}
    columns = (
        {place: key for place, key in said.columns.items() if headings.plain_key(key) in known}
        if said is not None
        else {str(place): key for place, key in headings.propose(table.titles).items()}
    )
    file = FileImport(
        source=(source or (said.source if said else "") or "Fichier")[:60],
        name=name,
        size=len(content),
        heading_line=table.line,
        titles=list(table.titles),
        columns=columns,
        rows=rows,
        by=by,
        made_at=at,
    )
    file.file.save(uuid4().hex, ContentFile(content), save=False)
    file.save()
    return file


def _table(content: bytes) -> tuple[Table, bytes | None]:
    """Its headings and rows; where it is several tables, or a printed list, the table made of it. Raises
    Refused."""
    made = layouts.tabled(content)
    if made is not None:
        return headings.find(sheets.read(made)), made
    try:
        table = headings.find(sheets.read(content))
    except Refused as refusal:
        listed = layouts.listed(content) if str(refusal) == headings.NO_HEADINGS else None
        if listed is None:
            raise
        return headings.find(sheets.read(listed)), listed
    if not headings.propose(table.titles) and (listed := layouts.listed(content)) is not None:
        return headings.find(sheets.read(listed)), listed
    return table, None


def table_of(file: FileImport) -> Table:
    """Its headings and its rows, as they were found when it arrived. Raises ImportRefused."""
    if not file.file:
        raise ImportRefused(GONE)
    try:
        with file.file.open("rb") as opened:
            content = opened.read()
    except OSError:
        raise ImportRefused(GONE) from None
    rows = sheets.read(content)
    below = (row for row in rows if row.line > file.heading_line)
    return Table(file.heading_line, tuple(file.titles), below)


def sample(file: FileImport, some: int = 3) -> list[Sequence[Any]]:
    """Its first rows, cell by cell."""
    return [row.cells for row in islice(table_of(file).rows, some)]


def match(
    file: FileImport,
    columns: Mapping[int, str],
    *,
    source: str,
    options: Mapping[str, str],
    at: datetime,
) -> FileImport:
    """What somebody says of the columns, kept for the same headings. Raises ImportRefused."""
    keys = [key for key in columns.values() if key]
    if twice := [key for key, times in Counter(keys).items() if times > 1]:
        raise ImportRefused(TWICE.format(", ".join(headings.title_of(key) for key in twice)))
    if not any(key.endswith((".last_name", ".full_name", ".number")) for key in keys):
        raise ImportRefused(NEEDED)
    said = {str(place): key for place, key in sorted(columns.items()) if key}
    with transaction.atomic():
        held = _held(file, State.RECEIVED, State.CHECKED, State.FAILED)
        held.columns, held.options, held.source = said, dict(options), source[:60] or held.source
        held.state, held.decisions, held.counts = State.RECEIVED, {}, {}
        held.save()
        ColumnMatch.objects.update_or_create(
            mark=headings.mark(held.titles), defaults={"columns": said, "source": held.source, "said_at": at}
        )
        held.lines.all().delete()
    return held


def _held(file: FileImport, *states: str) -> FileImport:
    """It, held until the transaction ends, in one of these states. Raises ImportRefused."""
    held = FileImport.objects.select_for_update(of=("self",)).get(pk=file.pk)
    if held.state not in states:
        raise ImportRefused(NOT_NOW)
    return held


def is_small(file: FileImport) -> bool:
    return file.rows <= SMALL


# Reading it through the parts ---------------------------------------------------------------------------


def _run_of(file: FileImport, by: User, at: datetime, *, writes: bool) -> Run:
    return Run(
        key=file.pk,
        source=file.source,
        by=by,
        at=at,
        options=_options(file),
        rules=file.decisions.get("rules", {}),
        lines=file.decisions.get("lines", {}),
        keys=frozenset(file.columns.values()),
        writes=writes,
    )


def _options(file: FileImport) -> dict[str, dict[str, Any]]:
    found = {}
    for part in registry.parts():
        if part.options is not None:
            form = options_form(part, file.options)
            found[part.code] = form.cleaned_data if form.is_valid() else {}
    return found


def options_form(part: registry.Part, data: Mapping[str, str] | None) -> Any:
    """The questions of a part, answered by `data` where it is given."""
    if part.options is None:
        raise ValueError(f"the part {part.code} asks nothing")
    return part.options(data, prefix=part.code)


def _parts(run: Run) -> list[registry.Part]:
    """Those whose columns the file has, and that whoever imports may use. Raises ImportRefused."""
    allowed = registry.allowed(run.by)
    if not any(part.code == People.code for part in allowed):
        raise ImportRefused(NO_PEOPLE)
    return [part for part in asked(run.keys) if part in allowed]


def asked(keys: Collection[str]) -> list[registry.Part]:
    """The parts of which a file has a column; people always."""
    plain = {headings.plain_key(key) for key in keys}
    return [
        part
        for part in registry.parts()
        if part.code == People.code or plain & {column.key for column in part.columns}
    ]


def left_aside(file: FileImport, user: User) -> list[str]:
    """What the file has that `user` may not import, in words."""
    allowed = registry.allowed(user)
    return [part.label for part in asked(list(file.columns.values())) if part not in allowed]


def _lots(file: FileImport) -> Iterator[list[Record]]:
    columns = {int(place): key for place, key in file.columns.items()}
    lines: Iterator[Line] = (line for row in table_of(file).rows for line in headings.split(row, columns))
    while lot := list(islice(lines, A_LOT)):
        yield [Record(line.line, line.values) for line in lot]


def _read(file: FileImport, run: Run) -> Iterator[list[Record]]:
    """Every lot, planned and, where the run writes, written."""
    parts = _parts(run)
    for lot in _lots(file):
        for part in parts:
            run.part = part.code
            part.plan(run, [record for record in lot if record.stands])
        if run.writes:
            good = [record for record in lot if record.counts]
            for part in parts:
                run.part = part.code
                part.write(run, good)
            ImportedRow.objects.bulk_create(run.noted, batch_size=A_LOT)
            run.noted.clear()
        yield lot
    if run.writes:
        for part in parts:
            run.part = part.code
            part.finish(run)
        ImportedRow.objects.bulk_create(run.noted, batch_size=A_LOT)
        run.noted.clear()


# The dry run --------------------------------------------------------------------------------------------


def ask_check(file: FileImport, *, by: User | None = None) -> FileImport:
    """With the rights of whoever asks (`by`), who brought it else: a colleague may do what is no one's own.
    Raises ImportRefused."""
    with transaction.atomic():
        held = _held(file, State.RECEIVED, State.CHECKED, State.FAILED)
        held.state, held.met, held.trouble = State.CHECKING, 0, ""
        held.done_by = by or held.by
        held.save()
    return held


def check(key: int, *, at: datetime) -> None:
    """Reads the whole file and keeps what is said of each row. Done again, it says the same."""
    file = FileImport.objects.select_related("done_by").get(pk=key)
    if file.state != State.CHECKING:
        return
    if file.done_by is None:
        give_up(key, NOBODY_LEFT)
        return
    file.lines.all().delete()
    run = _run_of(file, file.done_by, at, writes=False)
    counts: Counter[str] = Counter()
    said: list[ImportLine] = []
    met = 0
    try:
        for lot in _read(file, run):
            for line, records in _by_line(lot):
                verdict = _gravest(records)
                counts[verdict] += 1
                said += _sentences(file, line, records, verdict)
            met = max(met, sum(counts.values()))
            ImportLine.objects.bulk_create(said, batch_size=A_LOT)
            said.clear()
            FileImport.objects.filter(pk=key).update(met=met)
    except (Refused, ImportRefused) as refusal:
        FileImport.objects.filter(pk=key).update(state=State.FAILED, trouble=str(refusal)[:500])
        return
    FileImport.objects.filter(pk=key, state=State.CHECKING).update(
        state=State.CHECKED, counts=dict(counts), met=met, checked_at=at
    )


def _by_line(lot: Iterable[Record]) -> Iterable[tuple[int, list[Record]]]:
    found: dict[int, list[Record]] = defaultdict(list)
    for record in lot:
        found[record.line].append(record)
    return found.items()


def _gravest(records: Sequence[Record]) -> Verdict:
    said = {record.verdict for record in records}
    return next((verdict for verdict in GRAVEST if verdict in said), Verdict.SAME)


def _sentences(
    file: FileImport, line: int, records: Sequence[Record], verdict: Verdict
) -> Iterator[ImportLine]:
    titles = {key: file.titles[int(place)] for place, key in file.columns.items()}
    for record in records:
        who = who_is(record)
        for one in record.said:
            yield ImportLine(
                file=file,
                line=line,
                verdict=one.verdict,
                line_verdict=verdict,
                who=who[:200],
                column=(titles.get(one.key) or (headings.title_of(one.key) if one.key else ""))[:120],
                value=one.value,
                text=one.text,
                doubt=one.doubt,
            )


def who_is(record: Record) -> str:
    """Of whom a row speaks, as the file writes it."""
    for group in ("child", "adult"):
        names = (record.text(f"{group}.first_name"), record.text(f"{group}.last_name"))
        if said := " ".join(name for name in names if name) or record.text(f"{group}.full_name"):
            return said
    return record.text("child.number") or record.text("family.number")


def decide(file: FileImport, *, rules: Mapping[str, str], lines: Mapping[str, str]) -> FileImport:
    """Choices of kinds of doubts, and of single rows (« 12:other_name »); an empty one takes a choice back.
    What is no choice is passed over. Raises ImportRefused."""
    known = registry.doubts()

    def fits(code: str, choice: str) -> bool:
        return code in known and choice in {"", *(name for name, _ in known[code].all_choices)}

    with transaction.atomic():
        held = _held(file, State.CHECKED)
        kept: dict[str, dict[str, str]] = {
            "rules": dict(held.decisions.get("rules", {})), "lines": dict(held.decisions.get("lines", {}))
        }  # fmt: skip
        kept["rules"] |= {code: choice for code, choice in rules.items() if fits(code, choice)}
        for name, choice in lines.items():
            line, _, code = name.partition(":")
            if line.isascii() and line.isdigit() and fits(code, choice):
                kept["lines"][name] = choice
        held.decisions = {
            kind: {name: one for name, one in said.items() if one} for kind, said in kept.items()
        }
        held.save(update_fields=["decisions"])
    return held


# For good -----------------------------------------------------------------------------------------------


def why_not(file: FileImport) -> str:
    """Why a file that was checked cannot be imported yet; empty where it can."""
    if file.state != State.CHECKED:
        return NOT_NOW
    if doubtful := file.counts.get(Verdict.DOUBTFUL, 0):
        return f"{counted(doubtful, 'ligne attend', 'lignes attendent')} une décision."
    if not (file.counts.get(Verdict.NEW, 0) or file.counts.get(Verdict.CHANGED, 0)):
        return NOTHING
    return ""


def ask_run(file: FileImport, *, by: User) -> FileImport:
    """Raises ImportRefused."""
    try:
        with transaction.atomic():
            held = _held(file, State.CHECKED)
            if refusal := why_not(held):
                raise ImportRefused(refusal)
            held.state, held.done_by, held.met, held.trouble = State.RUNNING, by, 0, ""
            held.save()
    except IntegrityError:
        raise ImportRefused(OTHER_WRITES) from None
    return held


def run(key: int, *, at: datetime) -> None:
    """Writes all of it, in one transaction; begun again after a worker died, it begins anew."""
    file = FileImport.objects.select_related("done_by").get(pk=key)
    if file.state != State.RUNNING:
        return
    if file.done_by is None:
        give_up(key, NOBODY_LEFT)
        return
    try:
        with transaction.atomic():
            _write(file, file.done_by, at)
    except (Refused, ImportRefused) as refusal:
        give_up(key, str(refusal))
        return
    except IntegrityError:
        give_up(key, UNDECIDED)
        return
    transaction.on_commit(lambda: _drop_file(FileImport.objects.get(pk=key)), robust=True)


def _write(file: FileImport, by: User, at: datetime) -> None:
    run = _run_of(file, by, at, writes=True)
    counts: Counter[str] = Counter()
    with _progress(file) as tell:
        for lot in _read(file, run):
            for _, records in _by_line(lot):
                counts[_gravest(records)] += 1
            # What nobody has seen is not written: a value that somebody corrected since the check, say.
            if counts[Verdict.DOUBTFUL] or any(counts[one] > file.counts.get(one, 0) for one in PROMISED):
                raise ImportRefused(UNDECIDED)
            tell(sum(counts.values()))
    made = Counter(file.imported.filter(created=True).order_by().values_list("model", flat=True).iterator())
    changed = file.imported.filter(created=False).order_by().values("model", "key").distinct()
    again = Counter(row["model"] for row in changed)
    done = FileImport.objects.filter(pk=file.pk, state=State.RUNNING).update(
        state=State.DONE,
        counts=dict(counts),
        made={"created": dict(made), "changed": dict(again)},
        met=sum(counts.values()),
        done_at=at,
    )
    if not done:
        raise ImportRefused(NOT_NOW)


@contextlib.contextmanager
def _progress(file: FileImport) -> Iterator[Any]:
    """Says how far the writing got, past its own transaction, which nobody sees into. SQLite knows one
    writer: there it is said at the end."""
    if connection.vendor != "postgresql" or is_small(file):
        yield lambda met: None
        return
    beside = connection.copy()

    def tell(met: int) -> None:
        with beside.cursor() as cursor:
            cursor.execute(f'UPDATE "{FileImport._meta.db_table}" SET met = %s WHERE id = %s', [met, file.pk])  # noqa: S608

    try:
        yield tell
    finally:
        beside.close()


def give_up(key: int, why: str) -> None:
    """Nothing was written: the file waits where it was."""
    FileImport.objects.filter(pk=key, state=State.CHECKING).update(state=State.FAILED, trouble=why[:500])
    FileImport.objects.filter(pk=key, state=State.RUNNING).update(state=State.FAILED, trouble=why[:500])
    FileImport.objects.filter(pk=key, state=State.UNDOING).update(state=State.DONE, trouble=why[:500])


# The way back -------------------------------------------------------------------------------------------


def ask_undo(file: FileImport, *, by: User) -> FileImport:
    """Raises ImportRefused, Stands."""
    try:
        with transaction.atomic():
            held = _held(file, State.DONE)
            if not held.imported.exists():
                raise ImportRefused(NO_WAY_BACK)
            if what := standing(held):
                raise Stands(what)
            held.state, held.undone_by, held.trouble = State.UNDOING, by, ""
            held.save()
    except IntegrityError:
        raise ImportRefused(OTHER_WRITES) from None
    return held


def undo(key: int, *, at: datetime) -> None:
    """Takes back all that the import made, in one transaction."""
    file = FileImport.objects.get(pk=key)
    if file.state != State.UNDOING:
        return
    try:
        with transaction.atomic():
            _hold_homes(file)
            if what := standing(file):
                raise Stands(what)
            made = list(file.imported.order_by("pk"))
            for part in reversed(registry.parts()):
                of_part = [row for row in made if row.part == part.code]
                part.take_back(of_part)
                _forget_versions(of_part)
            file.imported.all().delete()
            if not FileImport.objects.filter(pk=key, state=State.UNDOING).update(
                state=State.UNDONE, undone_at=at
            ):
                raise ImportRefused(NOT_NOW)
    except (ProtectedError, RestrictedError, IntegrityError):
        give_up(key, "Cet import ne s'annule plus : des données enregistrées depuis en dépendent.")
    except ImportRefused as refusal:
        give_up(key, str(refusal))


def _hold_homes(file: FileImport) -> None:
    """The households that go: whoever books or invites there meanwhile comes before, or finds nothing."""
    rows = file.imported.filter(model=Household._meta.label, created=True).order_by("key")
    for some in _some(list(rows.values_list("key", flat=True))):
        Household.objects.lock(some)


def _forget_versions(made: Sequence[ImportedRow]) -> None:
    """Of people who were there by a mistake nothing stays."""
    keys: dict[str, list[int]] = defaultdict(list)
    for row in made:
        if row.created:
            keys[row.model].append(row.key)
    for label, of_model in keys.items():
        histories.forget(apps.get_model(label), of_model)


# Of rows of these tables nothing depends: they tell of others, and go or stay by themselves.
TELLS_ONLY = frozenset(
    {"families.SourceNumber", "families.Reading", "families.Concerned", "families.GuardianCode"}
)


def standing(file: FileImport) -> list[str]:
    """What stands on rows that the import made, or has changed since, in sentences."""
    made = list(file.imported.order_by("pk"))
    created: dict[str, set[int]] = defaultdict(set)
    for row in made:
        if row.created:
            created[row.model].add(row.key)
    found: Counter[type[Model]] = Counter()
    for label, keys in created.items():
        for model, column in _links_to(apps.get_model(label)):
            for some in _some(sorted(keys)):
                rows = model._base_manager.filter(Q(**{f"{column}__in": some}))
                mine = created.get(model._meta.label)
                found[model] += (
                    sum(key not in mine for key in rows.values_list("pk", flat=True))
                    if mine
                    else rows.count()
                )
    said = [
        counted(number, str(model._meta.verbose_name), str(model._meta.verbose_name_plural))
        for model, number in found.items()
        if number
    ]
    for label, keys in created.items():
        if label == "families.Guardian":
            logins = sum(
                apps.get_model(label)._base_manager.filter(pk__in=some, user__isnull=False).count()
                for some in _some(sorted(keys))
            )
            if logins:
                said.append(counted(logins, "compte de famille", "comptes de familles"))
    said += [f"{later} a changé ce qu'il avait créé" for later in _later(file, created)]
    for part in registry.parts():
        said += part.stands([row for row in made if row.part == part.code])
    return said + registry.seen_since(file, made)


def _later(file: FileImport, created: Mapping[str, set[int]]) -> list[FileImport]:
    """Imports that found rows which this one made, and wrote in them."""
    found: set[int] = set()
    for label, keys in created.items():
        for some in _some(sorted(keys)):
            rows = ImportedRow.objects.filter(model=label, key__in=some, created=False)
            found |= set(rows.exclude(file=file).order_by().values_list("file", flat=True).distinct())
    return list(FileImport.objects.filter(pk__in=found).order_by("pk"))


def _links_to(model: type[Model]) -> Iterator[tuple[type[Model], str]]:
    """The tables that name rows of `model`, but for old versions and what only tells of them."""
    for link in model._meta.get_fields(include_hidden=True):
        if not (link.auto_created and not link.concrete and (link.one_to_many or link.one_to_one)):
            continue
        other: Any = link.related_model
        column: Any = link
        if other._meta.label in TELLS_ONLY or any(one.name == "history_date" for one in other._meta.fields):
            continue
        yield other, column.field.name


def _some(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(keys), A_LOT):
        yield keys[start : start + A_LOT]


# What is forgotten --------------------------------------------------------------------------------------


def _drop_file(file: FileImport) -> None:
    if file.file:
        file.file.delete(save=False)
        FileImport.objects.filter(pk=file.pk).update(file="")


@transaction.atomic
def drop(file: FileImport) -> None:
    """« Abandonner »: a file that is not imported goes, with what was said of it. Raises ImportRefused."""
    held = _held(file, State.RECEIVED, State.CHECKED, State.FAILED)
    held.state = State.DROPPED
    held.save(update_fields=["state"])
    held.lines.all().delete()
    transaction.on_commit(lambda: _drop_file(held))


def forget(at: datetime) -> int:
    """Files that nobody imported, and what was said of rows long ago; how many imports that concerned."""
    waiting = FileImport.objects.filter(
        state__in=[State.RECEIVED, State.CHECKED, State.FAILED], made_at__lt=at - FILE_KEPT
    )
    forgotten = 0
    for file in waiting:
        with contextlib.suppress(ImportRefused):
            drop(file)
            forgotten += 1
    for file in FileImport.objects.exclude(file="").filter(
        state__in=[State.DONE, State.UNDONE, State.DROPPED]
    ):
        _drop_file(file)
        forgotten += 1
    old = FileImport.objects.filter(made_at__lt=at - ROWS_KEPT, state__in=[State.DONE, State.UNDONE])
    for file in old.filter(Q(lines__isnull=False) | Q(imported__isnull=False)).distinct():
        file.lines.all().delete()
        file.imported.all().delete()
        forgotten += 1
    return forgotten
