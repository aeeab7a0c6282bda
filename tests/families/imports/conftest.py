"""Whoever imports, and the file that is brought."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.storage import FileSystemStorage

from families.imports import running
from families.models import FileImport, User
from tests.factories import UserFactory

HEADINGS = (
    "Nom de l'enfant;Prénom de l'enfant;Date de naissance;Nom du responsable;Prénom du responsable;Courriel;"
    "Portable;Adresse;Code postal;Commune;Classe"
)
ROUX = "ROUX;Lou;03/01/2019;ROUX;Anne;anne@exemple.fr;612345678;12 rue des Écoles;1000;Bourg;CE1"
TOM = "ROUX;Tom;14/06/2021;ROUX;Anne;anne@exemple.fr;612345678;12 rue des Écoles;1000;Bourg;"


@pytest.fixture
def manager(now: Any, town: Any) -> User:
    """Heads the service, and does its daily work."""
    user = UserFactory(username="responsable", is_staff=True, first_name="Maud", last_name="Responsable")
    for role in ("Agent", "Responsable"):
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    return User.objects.get(pk=user.pk)


@pytest.fixture(autouse=True)
def apart(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of one test are no other's."""
    monkeypatch.setattr(FileImport._meta.get_field("file"), "storage", FileSystemStorage(tmp_path))


@pytest.fixture
def bring(manager: User, now: Any) -> Callable[..., FileImport]:
    """A file as far as its check, with what was decided of all its doubts."""

    def brought(
        *lines: str, titles: str = HEADINGS, source: str = "Ancien", options: Any = None, **rules: str
    ) -> FileImport:
        content = "\n".join((titles, *lines)).encode()
        file = running.receive(content, name="familles.csv", source=source, by=manager, at=now)
        columns = {int(place): key for place, key in file.columns.items()}
        running.match(file, columns, source=source, options=options or {}, at=now)
        return checked(file, **rules)

    def checked(file: FileImport, **rules: str) -> FileImport:
        running.ask_check(file)
        running.check(file.pk, at=now)
        file.refresh_from_db()
        if rules:
            running.decide(file, rules=rules, lines={})
            running.ask_check(file)
            running.check(file.pk, at=now)
            file.refresh_from_db()
        return file

    return brought


@pytest.fixture
def imported(bring: Callable[..., FileImport], manager: User, now: Any) -> Callable[..., FileImport]:
    """As `bring`, and imported."""

    def done(*lines: str, **said: Any) -> FileImport:
        file = bring(*lines, **said)
        running.ask_run(file, by=manager)
        running.run(file.pk, at=now)
        file.refresh_from_db()
        return file

    return done


def said(file: FileImport) -> list[str]:
    """« 2 wrong: … », of each sentence."""
    return [f"{one.line} {one.verdict} {one.text}" for one in file.lines.all()]
