"""A list that is too long for one PDF: made by the worker in parts, opened by who asked, gone after days."""

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.exceptions import PermissionDenied

from families.models import Child, Reading
from portal.desk import exporting, printing
from portal.desk.exporting import ASKED
from portal.models import PrintedList, PrintedPart
from portal.reservations.staff import giving
from tests.conftest import NOW, family, let_go, logged_in
from tests.portal.desk.test_exporting import CHILDREN, exports, out, reads  # noqa: F401 fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def three(books, stranger, monkeypatch):
    """Three children on two PDFs."""
    family("dupuis", "Dupuis", "Ana")
    monkeypatch.setattr(exporting, "A_PDF", 2)


@pytest.fixture
def asked(exports, three, django_capture_on_commit_callbacks):  # noqa: F811
    """An agent has asked for them; the worker has not come yet."""
    answer = exports.post(CHILDREN, {ASKED: "pdf"})
    printed = PrintedList.objects.get()
    assert answer["Location"] == f"/mairie/listes/{printed.pk}/"
    return printed


def work(printed: PrintedList) -> None:
    printing.print_list.func(printed.pk)


def test_it_is_made_in_parts_and_its_page_says_how_far(exports, asked):  # noqa: F811
    where = f"/mairie/listes/{asked.pk}/"
    assert "0 partie sur 2" in exports.get(where).text.replace("</label>", "")
    assert exports.get(f"{where}1/").status_code == 404
    assert printing.print_next(asked, at=NOW)
    assert "1 partie sur 2" in exports.get(where).text.replace("</label>", "")
    work(asked)
    page = exports.get(where).text
    assert "La liste est prête" in page and "Lignes 3 à 3 (PDF)" in page
    answer = exports.get(f"{where}2/")
    assert answer["Content-Disposition"] == 'attachment; filename="enfants-2026-11-09-2.pdf"'
    assert answer.getvalue().startswith(b"%PDF")
    let_go(answer)
    assert Reading.objects.get(kind=Reading.Kind.EXPORT).what == "Enfants (PDF, lignes 3 à 3)"
    # Done again, nothing is made anew.
    made = set(PrintedPart.objects.values_list("file", flat=True))
    work(asked)
    assert set(PrintedPart.objects.values_list("file", flat=True)) == made


def test_nobody_else_opens_it(asked, chief_client):
    work(asked)
    for address in (f"/mairie/listes/{asked.pk}/", f"/mairie/listes/{asked.pk}/1/"):
        assert chief_client.get(address).status_code == 404


def test_who_may_take_nobody_out_any_more_gets_nothing(exports, asked, agent):  # noqa: F811
    printing.print_next(asked, at=NOW)
    giving.withdraw_all(agent, by=None)
    client = logged_in(type(agent).objects.get(pk=agent.pk))
    assert client.get(f"/mairie/listes/{asked.pk}/1/").status_code == 403
    with pytest.raises(PermissionDenied):
        work(asked)
    assert "interrompue" in client.get(f"/mairie/listes/{asked.pk}/").text


def test_a_part_with_somebody_who_is_gone_by_now_is_opened_no_more(exports, asked):  # noqa: F811
    work(asked)
    Child.objects.filter(pk=asked.keys[2]).update(erased_at=NOW)
    page = exports.get(f"/mairie/listes/{asked.pk}/2/", follow=True)
    assert "exportez la liste de nouveau" in page.text
    assert not Reading.objects.filter(kind=Reading.Kind.EXPORT).exists()


def test_what_was_deleted_meanwhile_is_not_in_it(exports, three, monkeypatch):  # noqa: F811
    exports.post(CHILDREN, {ASKED: "pdf"})
    printed = PrintedList.objects.get()
    drawn = []
    monkeypatch.setattr(
        exporting, "drawn", lambda shown, rows, **more: drawn.append((len(rows), more["first"])) or b"%PDF"
    )
    Child.objects.filter(pk=printed.keys[0]).update(erased_at=NOW)
    work(printed)
    assert drawn == [(1, 1), (1, 3)]


def test_it_goes_after_three_days_with_its_files(exports, asked):  # noqa: F811
    work(asked)
    files = [Path(part.file.path) for part in PrintedPart.objects.all()]
    assert all(one.exists() for one in files)
    assert printing.forget(NOW + timedelta(days=2)) == 0
    with time_machine.travel(NOW + timedelta(days=3), tick=False):
        assert exports.get(f"/mairie/listes/{asked.pk}/").status_code in (302, 404)
    assert printing.foresee(NOW + timedelta(days=3)) == 1
    assert printing.forget(NOW + timedelta(days=3)) == 1
    assert not PrintedPart.objects.exists()
