"""The drill: a portal is saved while it lives, lost, and brought back in a new place."""

import io
import threading
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from billing.models import InvoicePdf
from families.models import Document, Household
from families.privacy import erasing, journal
from portal.backups import archives, databases, keeping, restoring, saving
from portal.backups.refusals import KeyMissing, NotEmpty, Refused
from portal.database import field_keys, versions
from portal.files import private_files
from portal.files.uploads import private_storage
from portal.models import Backup, Restoration, Town
from portal.tasks import holding
from tests.factories import HouseholdFactory, TownFactory, paris
from tests.fakes.s3_server import FakeS3
from tests.portal.backups.places import database_at, stores_under
from tests.portal.backups.reading import Unread
from tests.processes import own_database

pytestmark = pytest.mark.django_db(transaction=True)

AT = paris(2026, 11, 9, 2)
LATER = paris(2026, 11, 9, 8)
KEY = "k" * 40
A_PDF = b"%PDF-1.7 " + b"certificate " * 5000


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sauvegardes"


@pytest.fixture
def portal(tmp_path, settings):
    """A town with its crest, two families, a paper of one of them, and a mail that waits."""
    settings.VAR_DIR = tmp_path
    with stores_under(tmp_path / "before"):
        yield lived_in()


def lived_in() -> list[Household]:
    town = TownFactory(name="Rivebourg")
    town.crest.save("blason.svg", ContentFile(b"<svg/>"))
    homes = [HouseholdFactory(), HouseholdFactory()]
    paper = Document(household=homes[0], name="avis.pdf", content_type="application/pdf")
    paper.file.save("avis.pdf", ContentFile(A_PDF))
    queue_a_mail()
    return homes


def queue_a_mail():
    return DBTaskResult.objects.create(
        task_path="portal.letters.mailing.send",
        queue_name="mail",
        backend_name="default",
        args_kwargs={"args": [], "kwargs": {}},
        exception_class_path="",
        traceback="",
    )


@pytest.fixture
def new_place_after(tmp_path):
    """Enters an empty portal of its own; the place where its files lie."""

    @contextmanager
    def entered(private=None):
        place = tmp_path / "after"
        place.mkdir()
        with (
            own_database(place, called="restored") as address,
            stores_under(place, private),
            database_at(address),
        ):
            yield place

    return entered


def saved(folder: Path, key: str | None = None) -> saving.Saved:
    return saving.save(folder, key=key, at=AT)


def test_a_portal_comes_back_whole_in_a_new_place(portal, folder, new_place_after, monkeypatch):
    """What others write while it is saved is not in it; a file that a stopped restore left is taken as it is;
    no mail leaves until somebody says so."""
    copied = DBTaskResult.objects.get()
    counts = databases.tables

    def then_written(moment):
        found = counts(moment)
        elsewhere(HouseholdFactory)
        return found

    monkeypatch.setattr(databases, "tables", then_written)
    done = saved(folder, KEY)
    assert (done.whole, done.files, done.encrypted) == (True, 2, True)
    assert Household.objects.count() == 3
    with new_place_after() as place:
        left = place / "private" / private_names(done.path, KEY)[0]
        left.parent.mkdir(parents=True)
        left.write_bytes(A_PDF)
        brought = restoring.restore(done.path, keys=[KEY], at=timezone.now())
        assert (brought.files, brought.held, brought.found.made_at) == (2, 1, AT)
        assert set(Household.objects.values_list("pk", flat=True)) == {home.pk for home in portal}
        assert content_of(Document.objects.get().file) == A_PDF
        assert content_of(Town.objects.get().crest) == b"<svg/>"

        since = queue_a_mail()
        assert holding.waiting(holding.held()) == (1, 1)
        assert said("release_mails").endswith("Ils attendent : choisissez --abandonner ou --envoyer.\n")
        assert set(DBTaskResult.objects.values_list("pk", flat=True)) == {copied.pk, since.pk}
        text = said("release_mails", "--abandonner")
        assert "1 courrier à envoyer" in text and "1 courrier de la sauvegarde abandonné" in text
        assert DBTaskResult.objects.get() == since and holding.held() is None
        assert said("release_mails") == "Aucun courrier n'est retenu.\n"


def test_files_that_lie_in_a_bucket_come_back_into_another(tmp_path, folder, settings, new_place_after):
    settings.VAR_DIR = tmp_path
    with FakeS3("KEY").running() as fake:
        address = f"s3+http://KEY:secret@{fake.url.removeprefix('http://')}"
        before, after = (
            storages.create_storage(private_files.storage(f"{address}/{bucket}?region=fr-par", tmp_path))
            for bucket in ("avant", "apres")
        )
        with stores_under(tmp_path / "before", before):
            homes = lived_in()
            erasing.erase(erasing.household_leaving(homes[1]), why="again", by=None, at=AT)
            done = saved(folder)
            assert (done.whole, done.files) == (True, 3), "the paper, the crest, the journal of erasures"
            before.delete(Document.objects.get().file.name)
            assert saved(tmp_path / "later").missing == [f"prive/{Document.objects.get().file.name}"]
        with new_place_after(after):
            assert restoring.restore(done.path, keys=[], at=LATER).files == 3
            assert content_of(Document.objects.get().file) == A_PDF
            assert after.listdir(erasing.JOURNAL)[0] == ["2026"]


def content_of(field):
    with field.open() as file:
        return file.read()


def said(*command, **options) -> str:
    out = io.StringIO()
    call_command(*command, stdout=out, **options)
    return out.getvalue()


def test_who_was_erased_since_is_erased_again(portal, folder, new_place_after, tmp_path, monkeypatch):
    """In a backup of an older version, which is brought to this one first. It holds the journal of its time;
    a later copy may be given."""
    before, since, stays = *portal, HouseholdFactory()
    erasing.erase(erasing.household_leaving(before), why="again", by=None, at=AT - timedelta(days=1))
    done = saved(folder)
    assert A_PDF[:40] not in done.path.read_bytes()
    erasing.erase(erasing.household_leaving(since), why="again", by=None, at=LATER)
    migrated = []
    monkeypatch.setattr(versions, "hindrance", lambda connection: "La base attend sa mise à jour")
    monkeypatch.setattr(restoring, "call_command", lambda name, **options: migrated.append(name))
    with new_place_after():
        lost = tmp_path / "before" / "private" / erasing.JOURNAL
        brought = restoring.restore(done.path, keys=[], at=LATER, journal_copy=lost)
        assert migrated == ["migrate"]
        assert brought.erased[journal.Outcome.ERASED] == 1
        assert list(Household.objects.filter(erased_at=None)) == [stays]
        assert private_storage().listdir(erasing.JOURNAL)[0] == ["2026"]


def test_all_mails_may_leave(portal):
    since = holding.hold(made_at=AT, at=timezone.now())
    assert holding.waiting(since) == (1, 0)
    assert "1 courrier à envoyer" in said("release_mails", "--envoyer")
    assert DBTaskResult.objects.count() == 1 and holding.held() is None


# What must be refused ------------------------------------------------------------------------------------


def test_a_database_that_is_not_empty_is_refused(portal, folder):
    done = saved(folder)
    with pytest.raises(NotEmpty) as refused:
        restoring.restore(done.path, keys=[], at=LATER)
    assert "n'est pas vide" in str(refused.value)
    assert not Restoration.objects.exists()


def test_keys_that_the_data_asks_for_are_named_and_never_inside(portal, folder, settings, empty_here):
    settings.FIELD_KEYS = ["f" * 40]
    done = saved(folder)
    inside = done.path.read_bytes()
    assert b"f" * 40 not in inside and settings.SECRET_KEY.encode() not in inside
    settings.FIELD_KEYS = ["g" * 40]
    with pytest.raises(KeyMissing) as refused:
        restoring.restore(done.path, keys=[], at=LATER)
    assert field_keys.name_of("f" * 40) in str(refused.value) and "--cles-perdues" in str(refused.value)
    assert f"absente ici : FIELD_KEYS : {field_keys.name_of('f' * 40)}" in said(
        "restore", str(done.path), "--essai"
    )


@pytest.fixture
def empty_here(monkeypatch):
    """The suite's own database is taken for a new one, by what is refused before it is looked at."""
    monkeypatch.setattr(databases, "refuse_full", lambda: None)


def test_a_newer_version_s_backup_is_refused_with_a_sentence(portal, folder, monkeypatch):
    monkeypatch.setattr(versions, "version", lambda: "99.10.0")
    done = saved(folder)
    monkeypatch.setattr(versions, "version", lambda: "99.9.0")
    with pytest.raises(Refused) as refused:
        restoring.look(done.path, keys=[])
    assert "vient du portail 99.10.0, plus récent que ce programme (99.9.0)" in str(refused.value)


def test_a_backup_of_the_other_database_is_refused(portal, folder, monkeypatch):
    done = saved(folder)
    monkeypatch.setattr(connection, "vendor", "oracle")
    with pytest.raises(Refused) as refused:
        restoring.look(done.path, keys=[])
    assert "DATABASE_URL" in str(refused.value)


def test_files_of_another_portal_are_not_written_over(portal, folder, empty_here):
    done = saved(folder)
    Path(Document.objects.get().file.path).write_bytes(b"another town's")
    with pytest.raises(NotEmpty):
        restoring.restore(done.path, keys=[], at=LATER)
    assert content_of(Document.objects.get().file) == b"another town's"


def private_names(path: Path, key: str) -> list[str]:
    found = []

    class Names(Unread):
        def file(self, where, name, size, content):
            if where == "prive":
                found.append(name)

    with path.open("rb") as file:
        archives.read(file, [key], Names())
    return found


# What goes wrong while it is written ----------------------------------------------------------------------


def test_a_file_that_is_missing_is_told_and_the_backup_serves(portal, folder, settings):
    settings.BACKUP_DIR = folder
    lost = Document.objects.get().file
    Path(lost.path).unlink()
    with pytest.raises(CommandError) as ended:
        said("backup")
    assert ended.value.returncode == 3 and f"prive/{lost.name} : introuvable" in str(ended.value)
    assert Backup.objects.get().whole is False
    assert f"Manquait déjà : prive/{lost.name}" in said(
        "restore", str(keeping.backups(folder)[0].path), "--essai"
    )


def test_a_file_that_is_no_longer_its_checksum_s_is_told(portal, folder, monkeypatch):
    """Invoices' PDFs know theirs."""
    named = [one._replace(sha256="0" * 64) for one in names_now()]
    monkeypatch.setattr(saving.named_files, "of_moment", lambda moment: nullcontext(iter(named)))
    assert len(saved(folder).changed) == 2


def names_now():
    with databases.moment(saving.settings.VAR_DIR) as moment, saving.named_files.of_moment(moment) as names:
        return list(names)


def test_the_rows_checksum_is_the_one_compared():
    found = {column.model: column.knows_sha256 for column in saving.named_files.columns()}
    assert found[InvoicePdf] and not found[Document]


def test_what_was_erased_meanwhile_is_not_missing(portal, folder, monkeypatch):
    reads = saving.named_files.of_moment

    def then_erased(moment):
        found = reads(moment)
        Path(Document.objects.get().file.path).unlink()
        return found

    def is_still_named(named):
        Document.objects.all().delete()
        return usual(named)

    usual = saving.named_files.is_still_named
    monkeypatch.setattr(saving.named_files, "of_moment", then_erased)
    monkeypatch.setattr(saving.named_files, "is_still_named", is_still_named)
    done = saved(folder)
    assert done.whole and done.gone == 1


def test_a_full_disk_leaves_nothing_and_is_said(portal, folder, settings, monkeypatch):
    settings.BACKUP_DIR = folder
    kept = saved(folder).path
    opens = Path.open

    def full(path, mode="r", *more, **named):
        return opens(Path("/dev/full") if path.name.endswith(".partiel") else path, mode, *more, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(CommandError) as ended:
        said("backup")
    assert "plus de place" in str(ended.value) and ended.value.returncode == 1
    assert [path.name for path in folder.iterdir() if path.name != ".verrou"] == [kept.name]
    assert not Backup.objects.exists()


def test_two_at_a_time_do_not_meet(portal, folder):
    with keeping.alone(folder), pytest.raises(Refused) as refused:
        saved(folder)
    assert "Une autre sauvegarde est en cours" in str(refused.value)


def elsewhere(write):
    """By another connection, as another process does; SQLite's copy is made already."""
    if connection.vendor == "sqlite":
        write()
        return

    def work():
        write()
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_the_command_says_where_and_tidies(portal, folder, settings):
    settings.BACKUP_DIR, settings.BACKUP_DAYS, settings.BACKUP_WEEKS = folder, 1, 0
    assert "Aucune sauvegarde" in said("backup", "--liste")
    saved(folder)
    text = said("backup")
    assert f"{folder}/portail-" in text and "relue" in text and "1 sauvegarde plus ancienne retirée" in text
    assert len(keeping.backups(folder)) == 1
    assert Backup.objects.get().name == keeping.backups(folder)[0].path.name
    assert str(folder) in said("backup", "--liste")


def test_a_trial_says_what_it_is_and_writes_nothing(portal, folder):
    text = said("restore", str(saved(folder).path), "--essai")
    assert "Sauvegarde du 09/11/2026 à 02:00" in text and "2 fichiers, lue jusqu'au bout" in text
    assert not Restoration.objects.exists()


def test_what_is_no_archive_is_refused(tmp_path):
    for content in (b"", b"x" * 2000):
        wrong = tmp_path / "wrong"
        wrong.write_bytes(content)
        with pytest.raises(CommandError):
            said("restore", str(wrong), "--essai")
    with pytest.raises(CommandError) as ended:
        said("restore", str(tmp_path / "absent"), "--essai")
    assert "ne se lit pas" in str(ended.value)
