"""« Télécharger mes données »: all of one's own, nothing of anybody else's, whatever stops the worker."""

from datetime import timedelta

import pytest
from django.core import mail
from django.test import Client

from billing.documents import pdf
from billing.invoices import invoicing
from billing.models import Invoice
from families import calendar_links
from families.models import DataExport, Document, Reading, SecurityEvent
from families.privacy import asking, exporting, nights, retention, tasks, telling
from families.privacy.telling import KeptFile, Table
from tests.billing.conftest import END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER
from tests.conftest import logged_in
from tests.factories import GuardianFactory, LetterFactory
from tests.families.conftest import text_of
from tests.families.privacy.conftest import files_of, inside, made, opened, tables_of

PAGE = "/foyer/mes-donnees/"


def test_a_copy_holds_all_that_the_portal_keeps_of_the_family(lived, now):
    tables = tables_of(made(lived, now))
    assert tables["Vous"][0]["Prénom"] == "Camille"
    assert tables["Votre compte"][0]["Identifiant"] == "roux"
    assert tables["Votre foyer"][0]["Numéro"] == lived.household.number
    assert tables["Quotients familiaux"][0]["Quotient"] == "640.00"
    assert tables["Demandes à la mairie"][0]["Contenu"] == "9 rue Neuve 01999 Valmirelle-les-Prés"
    assert tables["Vos enfants"][0]["Prénom"] == "Lina"
    assert tables["Fiches sanitaires"][0]["Allergies"] == "Arachides"
    assert tables["Personnes autorisées à venir chercher vos enfants"][0]["Nom"] == "Mamie Odile"
    assert tables["École et classe"][0]["Classe"] == "CE1"
    assert tables["Inscriptions"][0]["Enfant"] == "Lina Roux"
    assert tables["Jours réservés"][0]["Jour"] == "2026-11-04"
    assert [row["Fichier"] for row in tables["Fichiers envoyés"]] == ["avis.pdf"]


def test_a_copy_says_what_the_own_calendar_shows_and_not_where_it_is(lived, now):
    token = calendar_links.make(lived.guardian, replaces="", at=now)
    copy = made(lived, now)
    content = inside(copy)
    assert tables_of(copy)["Votre lien d'agenda"][0]["Montre les fermetures"] is True
    hashed = calendar_links.of(lived.guardian).token_hash
    assert not [name for name, text in content.items() if token.encode() in text or hashed.encode() in text]


def test_its_page_reads_in_french_and_its_files_are_the_familys(lived, now):
    content = inside(made(lived, now))
    page = content["mes-donnees.html"].decode()
    assert '<html lang="fr">' in page and page.endswith("</html>\n")
    assert "<h2>Fiches sanitaires</h2>" in page and "Arachides" in page and "<td>oui</td>" in page
    assert [name for name in content if name.startswith("documents/")] == [
        f"documents/{Document.objects.get().pk}-avis.pdf"
    ]
    assert content[f"documents/{Document.objects.get().pk}-avis.pdf"].startswith(b"%PDF-")


def test_invoices_come_with_their_pdf_as_it_was_printed(lived, month, now):
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    invoice = Invoice.objects.get(household=lived.household)
    kept = pdf.stored(invoice, at=END_OF_NOVEMBER)
    export = made(lived, now)
    assert inside(export)[f"factures/{invoice.number}.pdf"] == pdf.read(kept)
    assert tables_of(export)["Factures"][0]["Total"] == str(invoice.total)
    others = Invoice.objects.exclude(household=lived.household).get()
    assert others.number not in str(inside(export))


def test_what_was_carried_over_and_the_account_s_movements_are_in_it(reported, store):
    export = made(reported, END_OF_DECEMBER)
    tables = tables_of(export)
    assert [(row["Numéro"], row["Total"], row["Montant"]) for row in tables["Relevés reportés"]] == [
        ("REPORT2026-000001", "-9.60", "3.20"),
        ("REPORT2026-000001", "-9.60", "-12.80"),
    ]
    assert [(row["Pièce"], row["Solde"]) for row in tables["Mouvements du compte"]] == [
        ("F2026-000001", "12.80"),
        ("R2026-000001", "0.00"),
        ("REPORT2026-000001", "-9.60"),
    ]
    assert inside(export)["releves/REPORT2026-000001.pdf"].startswith(b"%PDF")


def test_nothing_of_the_other_home_is_in_it(lived, elsewhere, now):
    export = made(lived, now)
    everything = b" ".join(inside(export).values()).decode(errors="replace")
    for secret in ("rue Cachée", "sorel@example.org", "99 00 55 66", "99005566", "333", "Basile"):
        assert secret not in everything
    assert tables_of(export)["Responsables de l'autre foyer de vos enfants"] == [
        {"Prénom": "Dominique", "Nom": "Sorel"}
    ]


def test_of_the_other_adult_of_the_home_the_name_alone_is_told(lived, now):
    everything = b" ".join(inside(made(lived, now)).values()).decode(errors="replace")
    assert "Alix" in everything
    assert "alix.roux@example.org" not in everything and "99001122" not in everything


def test_the_letters_in_it_are_the_guardians_own(lived, now):
    LetterFactory(guardian=lived.guardian, subject="À vous")
    LetterFactory(guardian=GuardianFactory(household=lived.household), subject="À l'autre")
    told = tables_of(made(lived, now))["Messages que nous vous avons envoyés"]
    assert "À vous" in [row["Objet"] for row in told] and "À l'autre" not in str(told)


def test_notes_of_the_service_are_there_only_when_the_desk_read_them_over(lived, now):
    assert "Notes du service" not in tables_of(made(lived, now))
    with_notes = made(lived, now, at_desk=True, with_notes=True)
    assert tables_of(with_notes)["Notes du service"] == [{"Notes": "À rappeler après 18 h."}]


def test_who_read_is_told_without_a_name(lived, agent, now):
    Reading.objects.create(
        at=now, reader=agent, reader_name="Dominique Agent", kind="health", child=lived.child, page="/mairie/"
    )
    SecurityEvent.objects.create(at=now, kind="login", user=lived.user)
    export = made(lived, now)
    read = tables_of(export)["Consultations de votre dossier par la mairie"]
    assert [row["Quoi"] for row in read] == ["Fiche sanitaire"]
    assert "Dominique Agent" not in str(inside(export))
    assert [row["Événement"] for row in tables_of(export)["Connexions de votre compte"]] == ["Connexion"]


def test_what_a_family_typed_is_text_on_the_page(lived, now):
    lived.child.first_name = "<script>alert(1)</script>"
    lived.child.save()
    page = inside(made(lived, now))["mes-donnees.html"].decode()
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_the_guardian_is_told_without_a_link_to_the_file(lived, now, letters, commit):
    with commit():
        export = made(lived, now)
    (letter,) = letters
    assert letter.to == [lived.user.email]
    assert "/foyer/mes-donnees/" in letter.body
    assert export.file.name not in letter.body and f"/mes-donnees/{export.pk}" not in letter.body


def test_a_family_asks_on_its_page_and_takes_the_file(lived, books_client, now, letters, commit):
    with commit():
        books_client.post(PAGE)
    export = DataExport.objects.get()
    assert export.is_ready
    assert "Télécharger" in text_of(books_client.get(PAGE))
    answer = books_client.get(f"{PAGE}{export.pk}/")
    assert answer["Content-Disposition"].startswith("attachment")
    assert "mes-donnees.html" in opened(b"".join(answer.streaming_content))


def test_nobody_else_takes_it_not_even_at_home_or_at_the_town_hall(
    lived, elsewhere, stranger_client, agent_client, now
):
    export = made(lived, now)
    alix, sorel = (logged_in(each.guardians.last().user) for each in (lived.household, elsewhere))
    for client in (alix, sorel, stranger_client, agent_client):
        assert client.get(f"{PAGE}{export.pk}/").status_code == 404
        assert f"{PAGE}{export.pk}/" not in client.get(PAGE).content.decode()
    assert agent_client.get(PAGE).status_code == 404


def test_a_copy_is_no_longer_handed_over_once_a_child_left_the_home(lived, books_client, now):
    export = made(lived, now)
    lived.child.custodies.filter(household=lived.household).delete()
    answer = books_client.get(f"{PAGE}{export.pk}/", follow=True)
    assert "a changé depuis cette copie" in text_of(answer)


def test_it_is_there_for_seven_days_then_gone_with_its_file(lived, store, now, commit):
    export = made(lived, now)
    kind = retention.kind_of("exports")
    assert export.expires_at == now + timedelta(days=7)
    assert nights.apply(kind, at=now + timedelta(days=6, hours=23)) == 0
    assert nights.foresee(kind, at=now + timedelta(days=7)) == 1
    assert DataExport.objects.exists()
    with commit():
        assert nights.apply(kind, at=now + timedelta(days=7)) == 1
    assert not DataExport.objects.exists()
    assert not [name for name in files_of(store) if name.startswith("copies/")]
    assert nights.apply(kind, at=now + timedelta(days=7)) == 0


def test_an_expired_copy_that_no_night_removed_yet_is_not_there(lived, books_client, now):
    export = made(lived, now)
    DataExport.objects.update(expires_at=now)
    assert books_client.get(f"{PAGE}{export.pk}/").status_code == 404


def test_asking_twice_is_asking_once(lived, now):
    first = asking.ask(lived.guardian, by=lived.user, at=now)
    assert asking.ask(lived.guardian, by=lived.user, at=now + timedelta(minutes=14)) == first
    assert DataExport.objects.count() == 1


class Killed(BaseException):
    """The worker is gone: nothing after it runs."""


@pytest.fixture
def killing(monkeypatch):
    """An app whose second table kills the worker as long as `killing` is not empty."""
    alive = ["once"]

    def rows():
        if alive:
            raise Killed
        return iter([("x",)])

    monkeypatch.setattr(telling, "_known", dict(telling._known))
    telling.register("fragile", tables=lambda subject: iter([Table("Fragile", ("Colonne",), Lazy(rows))]))
    return alive


class Lazy:
    def __init__(self, rows):
        self.rows = rows

    def __iter__(self):
        return self.rows()


def test_a_killed_worker_leaves_a_copy_that_is_begun_anew(lived, now, killing, store, books_client, commit):
    export = asking.ask(lived.guardian, by=lived.user, at=now)
    with pytest.raises(Killed):
        exporting.prepare(export, at=now)
    export.refresh_from_db()
    assert export.is_waiting and export.done > 0
    assert not [name for name in files_of(store) if name.startswith("copies/")]
    DataExport.objects.update(touched_at=now - timedelta(minutes=16))
    assert "Relancer la préparation" in text_of(books_client.get(PAGE))
    killing.clear()
    with commit():
        books_client.post(PAGE)
    assert DataExport.objects.get().is_ready
    assert len([name for name in files_of(store) if name.startswith("copies/")]) == 1


def test_a_worker_killed_between_store_and_row_leaves_one_file(lived, now, store, monkeypatch):
    export = asking.ask(lived.guardian, by=lived.user, at=now)
    with monkeypatch.context() as patch:
        patch.setattr(exporting.retention, "end_of", lambda *given: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            exporting.prepare(export, at=now)
    export.refresh_from_db()
    assert export.is_waiting
    tasks.prepare_copy.call(export.pk)
    tasks.prepare_copy.call(export.pk)
    export.refresh_from_db()
    assert export.is_ready
    assert [name for name in files_of(store) if name.startswith("copies/")] == [export.file.name]


def test_of_two_workers_at_once_one_file_remains(lived, now, store, monkeypatch):
    export = asking.ask(lived.guardian, by=lived.user, at=now)
    writing, begun = exporting.archive.write, []

    def meanwhile(*given, **more):
        writing(*given, **more)
        if not begun:
            begun.append(1)
            tasks.prepare_copy.call(export.pk)

    monkeypatch.setattr(exporting.archive, "write", meanwhile)
    tasks.prepare_copy.call(export.pk)
    export.refresh_from_db()
    assert [name for name in files_of(store) if name.startswith("copies/")] == [export.file.name]


def test_what_fails_says_so_and_may_be_asked_again(lived, now, books_client, monkeypatch, commit):
    export = asking.ask(lived.guardian, by=lived.user, at=now)
    with monkeypatch.context() as patch:
        patch.setattr(exporting.archive, "write", lambda *given, **more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            exporting.prepare(export, at=now)
    assert "s'est arrêtée" in text_of(books_client.get(PAGE))
    with commit():
        books_client.post(PAGE)
    assert [copy.state for copy in DataExport.objects.order_by("pk")] == ["failed", "ready"]


def test_a_file_that_is_lost_is_named_and_the_rest_is_there(lived, now, store):
    Document.objects.get().file.storage.delete(Document.objects.get().file.name)
    content = inside(made(lived, now))
    assert "avis.pdf" in content["fichiers-manquants.txt"].decode()
    assert "mes-donnees.json" in content


def test_large_files_go_through_in_pieces(lived, now, monkeypatch):
    """No piece waits for the next one: what is read is written before more is read."""
    read = []

    def pieces():
        for rank in range(100):
            read.append(rank)
            yield b"x" * 1000

    monkeypatch.setattr(telling, "_known", dict(telling._known))
    telling.register(
        "volumineux",
        tables=lambda subject: iter(()),
        files=lambda subject: [KeptFile("grand.bin", pieces)],
    )
    assert len(inside(made(lived, now))["grand.bin"]) == 100_000
    assert read == list(range(100))


def test_the_page_asks_the_same_for_one_copy_and_for_ten(lived, books_client, now, django_assert_num_queries):
    def queries() -> int:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as found:
            books_client.get(PAGE)
        return len(found)

    made(lived, now)
    queries()  # each process keeps for half a minute when the next offer ends
    one = queries()
    for _ in range(9):
        made(lived, now)
    assert queries() == one <= 6


def test_a_visitor_must_log_in(lived, now):
    assert Client().post(PAGE).status_code == 302
    assert mail.outbox == []
