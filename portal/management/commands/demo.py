"""`manage.py demo`: everything needed to try the portal, from an empty directory to a page in the browser.

Prepares (static files, database, demo town) what is not ready yet, then serves with gunicorn and the task
worker, as in production, until Ctrl-C. Meant for PORTAL_DEMO=1; `make demo` sets it.
"""

import ctypes
import fcntl
import hashlib
import io
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.urls import reverse

from portal.database import versions
from portal.files import closed, modes

PASSWORD = "demo-2026-portail"  # noqa: S105 - public by design, and refused outside PORTAL_DEMO
LOGINS = {
    "parent": "un foyer avec deux enfants inscrits à la cantine, et un troisième sans inscription",
    "voisin": "un autre foyer, qui ne voit rien du premier",
    "famille0004": "un adulte de deux foyers, qui choisit lequel est affiché",
    "famille0005": "un foyer de cinq enfants",
    "agent": "la mairie : demandes, calendriers, plannings (/mairie/)",
    "regie": "la régie : factures et règlements (/mairie/)",
    "responsable": "à la tête du service : fiches sanitaires, registre des consultations (/mairie/)",
    "animation": "un animateur : le registre du jour, et rien d'autre (/mairie/)",
    "cuisine": "la cuisine d'un restaurant : menus, effectifs, régimes (/mairie/)",
    "direction": "la direction du centre de loisirs (/mairie/)",
    "lecture": "lit tout, ne change rien (/mairie/)",
    "comptable": "lit factures, règlements et journaux (/mairie/)",
}
START_WITHIN_SECONDS = 60
STOP_WITHIN_SECONDS = 30  # as service managers are told: the worker ends what it does
PR_SET_PDEATHSIG = 1  # see prctl(2)


def _address(port: int) -> str:
    """Where families find the demonstration: the address that is set, or this machine's at that port."""
    return os.environ.get("PORTAL_URL", f"http://127.0.0.1:{port}")


class Command(BaseCommand):
    help = "Sert le portail de démonstration : base, ville d'exemple, serveur et tâches."
    # The checks run once, in the first command called below.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=2, help="gunicorn processes")
        parser.add_argument("--threads", type=int, default=4, help="threads a process")

    def handle(self, *, port: int, workers: int, threads: int, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("Set PORTAL_DEMO=1: this command is not for production (see the README).")
        _refuse_taken_port(port)
        # What is written while the town is loaded leads to where it will be served.
        settings.PORTAL_URL = _address(port)
        with _one_at_a_time():
            self.prepare()
        connections.close_all()
        self.serve(port, workers, threads)

    def prepare(self) -> None:
        closed.prepare(connection)
        if estrangement := versions.estrangement(connection):
            raise CommandError(estrangement)
        self._collect_static_files()
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("→ Base de données…")
            call_command("migrate", interactive=False, verbosity=0)
        call_command("createcachetable", verbosity=0)
        if not apps.get_model("families", "Household").objects.exists():
            self.stdout.write("→ Ville de démonstration…")
            # Its progress is shown; its summary is not, since _welcome says the logins each time.
            call_command("load_demo", stdout=io.StringIO())

    def _collect_static_files(self) -> None:
        """Only when a file has changed: compressing them all takes longer than starting the server."""
        mark = settings.STATIC_ROOT / ".collected"
        wanted = _fingerprint_of_static_files()
        if mark.exists() and mark.read_text() == wanted:
            return
        self.stdout.write("→ Fichiers statiques…")
        call_command("collectstatic", interactive=False, verbosity=0)
        mark.write_text(wanted)

    def serve(self, port: int, workers: int, threads: int) -> None:
        """Runs both processes until one of them ends or a signal asks to stop; leaves none behind."""
        environment = os.environ | {"PORTAL_URL": _address(port)}
        environment["DJANGO_SETTINGS_MODULE"] = settings.SETTINGS_MODULE
        server = [sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}"]
        server += ["--workers", str(workers), "--threads", str(threads), "--log-level", "warning"]
        server += ["--no-control-socket", "--logger-class", "portal.web.server_logs.ServerLog"]
        worker = [sys.executable, "manage.py", "db_worker", "--no-reload", "--verbosity", "0"]

        stopped_by = _StopSignals()
        running: dict[str, subprocess.Popen[bytes]] = {}
        try:
            for name, command in (("Le serveur", server), ("Le worker", worker)):
                running[name] = subprocess.Popen(
                    command,
                    cwd=settings.BASE_DIR,
                    env=environment,
                    # Ctrl-C reaches this process only, which then stops the others in order; and
                    # should this process be killed, the kernel stops them.
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            ready = False
            deadline = time.monotonic() + START_WITHIN_SECONDS
            while not stopped_by.signal:
                for name, process in running.items():
                    if process.poll() is not None:
                        raise CommandError(f"{name} s'est arrêté (code {process.returncode}).")
                if not ready and _answers(port):
                    ready = True
                    self._welcome(port)
                if not ready and time.monotonic() > deadline:
                    raise CommandError(f"Rien ne répond au port {port} après {START_WITHIN_SECONDS} s.")
                time.sleep(0.1 if not ready else 0.5)
        finally:
            _stop(list(running.values()))
        self.stdout.write("\nPortail arrêté.")

    def _welcome(self, port: int) -> None:
        width = max(len(login) for login in LOGINS)
        lines = [
            "",
            self.style.SUCCESS(f"Portail famille : http://127.0.0.1:{port}"),
            "",
            f"Identifiants (mot de passe : {PASSWORD}, adresses IDENTIFIANT@example.org)",
            *(f"  {login.ljust(width)}  {who}" for login, who in LOGINS.items()),
            "  famille0003, famille0006…  les autres foyers",
            "",
            "Ctrl-C arrête tout ; « make reset » repart d'une ville neuve.",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


class _StopSignals:
    """Remembers the signal that asked to stop, for the loop to see."""

    def __init__(self) -> None:
        self.signal = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.signal = number


def _refuse_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CommandError(
                f"Le port {port} est déjà pris ({error.strerror}). Le portail tourne peut-être déjà : "
                f"http://127.0.0.1:{port}. Sinon choisissez-en un autre : make demo PORT={port + 1}"
            ) from error


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two demos started together prepare one after the other."""
    modes.make_private(settings.VAR_DIR)
    with (settings.VAR_DIR / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint_of_static_files() -> str:
    seen = hashlib.sha256()
    for finder in get_finders():
        for path, storage in finder.list([]):
            state = os.stat(storage.path(path))
            seen.update(f"{path} {state.st_size} {state.st_mtime_ns}\n".encode())
    return seen.hexdigest()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{reverse(settings.LOGIN_URL)}", timeout=10):
            return True
    except urllib.error.HTTPError:
        raise CommandError("La page de connexion répond par une erreur (voir ci-dessus).") from None
    except OSError:
        return False  # not listening yet


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Asks each to finish what it is doing; whoever has not after STOP_WITHIN_SECONDS is killed."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + STOP_WITHIN_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
