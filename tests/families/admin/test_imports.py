"""« Importer des familles »: a file comes in at the desk, is looked at, decided, imported, taken back."""

import io

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.files.uploadedfile import SimpleUploadedFile
from openpyxl import load_workbook

from families.models import Child, FileImport, Guardian
from portal.web import bodies
from tests.conftest import logged_in
from tests.families.imports.conftest import HEADINGS, ROUX, TOM, manager

__all__ = ["manager"]
LIST = "/mairie/families/fileimport/"


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setattr(FileImport._meta.get_field("file"), "storage", FileSystemStorage(tmp_path))


@pytest.fixture
def client(manager):
    return logged_in(manager)


def sent(client, *lines, titles=HEADINGS, name="familles.csv", source="Ancien"):
    content = "\n".join((titles, *lines)).encode()
    return client.post(
        f"{LIST}add/", {"file": SimpleUploadedFile(name, content), "source": source}, follow=True
    )


def matched(client, file, **said):
    data = {"source": file.source} | {f"colonne-{place}": key for place, key in file.columns.items()}
    return client.post(f"{LIST}{file.pk}/colonnes/", data | said, follow=True)


def page_of(file) -> str:
    return f"{LIST}{file.pk}/change/"


def test_a_file_becomes_families_in_four_pages(client, school_class):
    columns = sent(client, ROUX, TOM)
    file = FileImport.objects.get()
    assert columns.redirect_chain[-1][0] == f"{LIST}{file.pk}/colonnes/"
    page = columns.content.decode()
    assert "2 lignes" in page and "12 rue des Écoles" in page and "Née" not in page
    checked = matched(client, file).content.decode()
    assert "2 nouvelles" in checked and "Importer 2 lignes" in checked and not Child.objects.exists()
    done = client.post(f"{LIST}{file.pk}/importer/", follow=True).content.decode()
    assert "C'est importé" in done.replace("&#x27;", "'") and "2 enfants : création" in done
    assert Child.objects.count() == 2
    back = client.post(f"{LIST}{file.pk}/annuler/", follow=True).content.decode()
    assert "Ce qui a été écrit, puis annulé" in back
    assert "tout est comme avant" in back and not Child.objects.exists()
    assert "Ancien : familles.csv" in client.get(LIST).content.decode()


def test_doubts_are_decided_for_all_or_row_by_row(client, school_class):
    sent(client, ROUX.replace("612345678", "?"), TOM.replace("612345678", "aucun"))
    file = FileImport.objects.get()
    page = matched(client, file).content.decode()
    assert "2 lignes attendent une décision" in page and "Valeur qui ne se lit pas" in page
    assert "ce n&#x27;est pas un numéro de téléphone." in page and "« aucun »" in page
    decide = f"{LIST}{file.pk}/decider/"
    page = client.post(decide, {"regle-unread": "without", "ligne-3:unread": "skip"}, follow=True)
    assert "1 nouvelle" in page.content.decode() and "1 laissée de côté" in page.content.decode()
    client.post(f"{LIST}{file.pk}/importer/")
    assert [child.first_name for child in Child.objects.all()] == ["Lou"]
    assert Guardian.objects.get().phone == ""


@pytest.mark.parametrize(
    ("verb", "work", "stays"), [("importer", "run", "checked"), ("annuler", "undo", "done")]
)
def test_what_dies_at_once_leaves_the_import_where_it_was(
    client, school_class, monkeypatch, verb, work, stays
):
    sent(client, ROUX)
    file = FileImport.objects.get()
    matched(client, file)
    if stays == "done":
        client.post(f"{LIST}{file.pk}/importer/")

    def dies(key, *, at):
        raise RuntimeError

    monkeypatch.setattr(f"families.imports.running.{work}", dies)
    with pytest.raises(RuntimeError):
        client.post(f"{LIST}{file.pk}/{verb}/")
    file.refresh_from_db()
    assert file.state == stays


def test_lines_are_shown_by_what_becomes_of_them(client, school_class):
    sent(client, ROUX, TOM.replace("14/06/2021", "14/06/21"))
    file = FileImport.objects.get()
    matched(client, file)
    page = client.get(page_of(file), {"voir": "wrong"}).content.decode()
    assert "14/06/21" in page and "Lou" not in page.split("Ligne par ligne")[1]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.xlsx", b"PK\x03\x04nothing", "Ce classeur est abîmé"),
        ("a.csv", b"%PDF-1.4", "pas un tableau"),
        ("a.csv", HEADINGS.encode(), "que des titres"),
        ("a.csv", b"1;2\n3;4\n", "Aucune ligne de titres"),
    ],
)
def test_what_cannot_be_read_is_said_and_not_kept(client, name, content, sentence):
    answer = client.post(f"{LIST}add/", {"file": SimpleUploadedFile(name, content), "source": "A"})
    assert sentence in answer.content.decode().replace("&#x27;", "'") and not FileImport.objects.exists()


def test_an_empty_form_says_what_is_missing(client):
    page = client.post(f"{LIST}add/", {}).content.decode()
    assert page.count("errorlist") == 2


def test_columns_that_make_no_sense_are_said(client):
    sent(client, ROUX)
    file = FileImport.objects.get()
    page = matched(client, file, **{"colonne-1": "child.last_name"}).content.decode()
    assert "Deux colonnes ne peuvent pas dire la même chose" in page
    nothing = {f"colonne-{place}": "" for place in file.columns}
    assert "Indiquez au moins" in matched(client, file, **nothing).content.decode()
    page = matched(client, file, **{"colonne-1": "child.secret"}).content.decode()
    assert "Corrigez ce qui est signalé" in page


def test_a_file_that_is_given_up_is_gone(client, django_capture_on_commit_callbacks):
    sent(client, ROUX)
    file = FileImport.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        client.post(f"{LIST}{file.pk}/abandonner/")
    file.refresh_from_db()
    assert file.state == "dropped" and not file.file
    assert client.get(page_of(file)).status_code == 200
    assert client.post(f"{LIST}{file.pk}/importer/", follow=True).status_code == 200
    assert not Child.objects.exists()


def test_what_a_long_file_does_is_the_workers(client, school_class, monkeypatch, settings):
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.dummy.DummyBackend", "QUEUES": []}}
    monkeypatch.setattr("families.imports.running.SMALL", 1)
    sent(client, ROUX, TOM)
    file = FileImport.objects.get()
    answer = matched(client, file)
    assert answer["Refresh"] == "3" and "0 ligne sur 2" in answer.content.decode()


def test_who_may_not_import_sees_nothing(agent_client, client, school_class):
    sent(client, ROUX)
    file = FileImport.objects.get()
    assert agent_client.get(f"{LIST}add/").status_code == 403
    assert agent_client.get(page_of(file)).status_code in (403, 404)
    for verb in ("importer", "annuler", "abandonner", "decider"):
        assert agent_client.post(f"{LIST}{file.pk}/{verb}/").status_code == 403
    assert "Importer des familles" not in agent_client.get("/mairie/").content.decode()
    assert client.post(f"{LIST}99999/importer/").status_code == 404


def test_the_file_to_fill_in_can_be_imported_as_it_is(client, school_class, canteen):
    csv = client.get(f"{LIST}modele/").content
    assert csv.decode("utf-8-sig").startswith("Numéro de famille;")
    book = load_workbook(io.BytesIO(b"".join(client.get(f"{LIST}modele/?format=xlsx").streaming_content)))
    assert book.sheetnames == ["Familles", "Règles"]
    client.post(f"{LIST}add/", {"file": SimpleUploadedFile("m.csv", csv), "source": "A"})
    file = FileImport.objects.get()
    assert len(file.columns) == len(file.titles)
    assert matched(client, file).status_code == 200


def test_a_large_table_comes_in_here_and_nowhere_else(client, monkeypatch):
    monkeypatch.setattr(bodies, "LARGEST_WITH_FILES", 10_000)
    content = SimpleUploadedFile("a.csv", b"Nom;Prenom\n" + b"x;y\n" * 5_000)
    assert client.post(f"{LIST}add/", {"file": content, "source": "A"}).status_code == 302
    content.seek(0)
    assert client.post("/mairie/families/familymessage/add/", {"file": content}).status_code == 413
