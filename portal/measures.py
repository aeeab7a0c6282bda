"""What a monitor is told of this portal: figures, and what a human should look at.

    facts(at=…) -> Facts            read anew; nobody's name, no address
    troubles(facts, at=…)           French sentences; none when all is well
    prometheus(facts, at=…)         the figures in Prometheus' text form, version 0.0.4

A database that is away is a fact, too: what it alone knows is then None.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError

from families.models import Letter
from portal.backups.sizes import said
from portal.database import clock, versions
from portal.french.plurals import counted
from portal.models import Backup
from portal.tasks import holding, queue, workers

# A task due since so long means that a living worker does not get to its work.
STUCK_AFTER = timedelta(minutes=10)
# A night's backup, and two hours for a night that took longer.
BACKUP_EACH = timedelta(hours=26)
LEAST_FREE, LEAST_SHARE = 1_000_000_000, 0.05
LETTERS_OF = timedelta(days=1)


@dataclass(frozen=True)
class Disk:
    """Bytes of the disk that a folder lies on."""

    free: int
    total: int


@dataclass(frozen=True)
class FromDatabase:
    """What the database knows. `seen`: the last beat of a worker; `undelivered`: letters of the last day that
    reached nobody; `held`: mails that wait since a restore, None on any other day."""

    at: datetime
    tasks: queue.Facts
    seen: datetime | None
    undelivered: int
    held: int | None
    backup: Backup | None


@dataclass(frozen=True)
class Facts:
    known: FromDatabase | None
    disks: dict[str, Disk]


def facts(*, at: datetime) -> Facts:
    """Of this moment (aware)."""
    try:
        known = _from_database(at)
    except DatabaseError:
        known = None
    return Facts(known, dict(_disks()))


def _from_database(at: datetime) -> FromDatabase:
    there = clock.now()
    since = holding.held()
    return FromDatabase(
        at=there,
        tasks=queue.facts(at=there),
        seen=workers.last_seen(),
        undelivered=Letter.objects.filter(state=Letter.State.FAILED, posted_at__gte=at - LETTERS_OF).count(),
        held=None if since is None else sum(holding.waiting(since)),
        backup=Backup.objects.first(),
    )


def _disks() -> Iterator[tuple[str, Disk]]:
    for name, folder in (("var", settings.VAR_DIR), ("sauvegardes", settings.BACKUP_DIR)):
        if (there := _made(folder)) is not None:
            usage = shutil.disk_usage(there)
            yield name, Disk(usage.free, usage.total)


def _made(folder: Path) -> Path | None:
    """The folder, or the one in which it will be made."""
    return next((one for one in (folder, *folder.parents) if one.is_dir()), None)


def troubles(found: Facts, *, at: datetime) -> list[str]:
    """What a human should look at, the gravest first."""
    told = []
    known = found.known
    if known is None:
        told.append("La base de données ne répond pas.")
    else:
        if trouble := worker_trouble(known.tasks, known.seen, at=known.at):
            told.append(trouble)
        if known.tasks.running_too_long:
            task = "tâche dure", "tâches durent"
            minutes = queue.TOO_LONG // timedelta(minutes=1)
            told.append(f"{counted(known.tasks.running_too_long, *task)} depuis plus de {minutes} minutes.")
        told += _of_the_backup(known.backup, at)
        if known.held is not None:
            told.append(
                "Aucun courrier ne part depuis la restauration "
                f"({counted(known.held, 'attend', 'attendent')}) : « manage.py release_mails »."
            )
    for name, disk in found.disks.items():
        if disk.free < min(LEAST_FREE, disk.total * LEAST_SHARE):
            told.append(f"Il reste {said(disk.free)} sur le disque de {name}.")
    return told


def worker_trouble(tasks: queue.Facts, seen: datetime | None, *, at: datetime) -> str:
    """Why nobody does what is due, in French; empty where a worker beat lately and gets to its work, or where
    tasks are done on the spot. All of one moment `at` of the database."""
    if "DatabaseBackend" not in settings.TASKS["default"]["BACKEND"]:
        return ""
    if seen is None or at - seen > workers.SILENT_AFTER:
        return "Aucun worker ne travaille : les courriers et les tâches attendent."
    if tasks.age is not None and tasks.age > STUCK_AFTER:
        waiting = counted(tasks.waiting, "tâche attend", "tâches attendent")
        return f"{waiting}, la plus ancienne depuis {tasks.age // timedelta(minutes=1)} minutes."
    return ""


def _of_the_backup(last: Backup | None, at: datetime) -> Iterator[str]:
    if last is None:
        if not settings.DEMO:
            yield "Aucune sauvegarde n'a été faite."
        return
    if at - last.made_at > BACKUP_EACH:
        hours = int((at - last.made_at).total_seconds() // 3600)
        yield f"La dernière sauvegarde a {hours} heures."
    if not last.whole:
        yield "La dernière sauvegarde n'est pas entière : des fichiers manquent."


def prometheus(found: Facts, *, at: datetime) -> str:
    """Lines of the exposition format; gauges, in seconds and bytes."""
    return "".join(f"{line}\n" for line in _lines(found, at))


def _lines(found: Facts, at: datetime) -> Iterator[str]:
    yield from _gauge("portal_info", "The version of the portal.", {f'version="{versions.version()}"': 1})
    yield from _gauge(
        "portal_database_up", "Whether the database answers.", {"": int(found.known is not None)}
    )
    known = found.known
    if known is not None:
        tasks = known.tasks
        age = tasks.age.total_seconds() if tasks.age else 0
        counts = {
            "waiting": tasks.waiting,
            "later": tasks.later,
            "running": tasks.running,
            "running_too_long": tasks.running_too_long,
            "failed": tasks.failed,
            "interrupted": tasks.interrupted,
            "held": known.held or 0,
        }
        yield from _gauge(
            "portal_tasks",
            "Tasks of the queue.",
            {f'state="{name}"': count for name, count in counts.items()},
        )
        yield from _gauge("portal_queue_age_seconds", "Since when the oldest task is due.", {"": age})
        if known.seen is not None:
            silent = max(0.0, (known.at - known.seen).total_seconds())
            yield from _gauge(
                "portal_worker_silent_seconds", "Since the last beat of a worker.", {"": silent}
            )
        yield from _gauge(
            "portal_letters_undelivered",
            "Letters of the last day that reached nobody.",
            {"": known.undelivered},
        )
        if known.backup is not None:
            last = known.backup
            since = (at - last.made_at).total_seconds()
            yield from _gauge("portal_backup_age_seconds", "Since the last backup.", {"": since})
            yield from _gauge("portal_backup_bytes", "Size of the last backup.", {"": last.size})
            yield from _gauge(
                "portal_backup_whole", "Whether all files were in the last backup.", {"": int(last.whole)}
            )
    free = {f'folder="{name}"': disk.free for name, disk in found.disks.items()}
    yield from _gauge("portal_disk_free_bytes", "Room on the disk of a folder.", free)
    total = {f'folder="{name}"': disk.total for name, disk in found.disks.items()}
    yield from _gauge("portal_disk_bytes", "Size of the disk of a folder.", total)


def _gauge(name: str, about: str, samples: Mapping[str, float]) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} gauge"
    for labels, value in samples.items():
        yield f"{name}{{{labels}}} {value}" if labels else f"{name} {value}"
