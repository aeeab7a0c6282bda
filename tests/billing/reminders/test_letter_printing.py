"""A reminder on paper: what it says, printed once by the worker, kept, handed over as a ZIP."""

import re
from datetime import date, timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from pypdf import PdfReader

from billing.models import BillingSettings, Invoice, LetterLot, ReminderLetter
from billing.payments import paying
from billing.reminders import letter_printing, reminder_letters, reminding
from families.models import Household
from tests.billing.conftest import LATE
from tests.billing.reminders.test_reminding import plain, queries, remind, without_address
from tests.factories import GuardianFactory, HouseholdFactory, InvoiceFactory

pytestmark = pytest.mark.usefixtures("private")

D = Decimal


def work(at=LATE):
    """What the worker does once the reminders are sent."""
    for lot in letter_printing.lots(at):
        letter_printing.print_lot(lot, at=at)


def printed(at=LATE, **which):
    work(at)
    return dict(letter_printing.contents(at, **which))


def pages(content):
    return [plain(page.extract_text()) for page in PdfReader(BytesIO(content)).pages]


def name_for(family):
    return f"relance-{family.household.number}.pdf"


@pytest.fixture
def drawn(monkeypatch):
    """The households whose letters were drawn alone, in this order."""
    draw, found = reminder_letters.draw, []

    def noting(letters, **said):
        if len(letters) == 1:
            found.append(letters[0].household)
        return draw(letters, **said)

    monkeypatch.setattr(reminder_letters, "draw", noting)
    return found


# What it says --------------------------------------------------------------------------------------------


def test_a_letter_says_what_is_owed_and_how_to_pay_as_it_stood_that_day(late, books, waits):
    BillingSettings(
        iban="FR76 1234", cheque_payable_to="Régie", recourse="Deux mois.", reminder_notice="Comptable."
    ).save()
    paying.record(books.household, D(5), "cash", paid_on=LATE.date(), by=None, at=LATE)
    remind()
    paying.record(books.household, D(1), "cash", paid_on=LATE.date(), by=None, at=LATE)
    found = printed()
    assert list(found) == [name_for(books), name_for(waits)]
    (said,) = pages(found[name_for(books)])
    for words in (
        "Valmirelle-les-Prés", "Camille Roux", "Le 4 janvier 2027", "Première relance", "F2026-000001",
        "novembre 2026", "30 décembre 2026", "12,80 €", "5,00 €", "7,80 €", "FR76 1234", "Régie",
        "Deux mois.", "nous chercherons une solution avec vous", books.household.street,
    ):  # fmt: skip
        assert words in said, words
    assert "Comptable." not in said and "Petit" not in said
    reader = PdfReader(BytesIO(found[name_for(books)]))
    home = f"foyer n°\xa0{books.household.number}"
    assert reader.metadata.title == f"Première relance – {home} – Valmirelle-les-Prés"
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    assert reader.trailer["/Root"]["/Lang"] == "fr"


def test_the_last_letter_says_what_comes_next(late, books):
    BillingSettings(reminder_notice="Le comptable public prendra le relais.", reminder_days=0).save()
    for days in (-2, -1, 0):
        remind(LATE + timedelta(days=days))
    said = pages(printed()[name_for(books)])[0]
    assert "Dernière relance" in said and "Le comptable public prendra le relais." in said


def test_the_address_stands_in_the_window_of_the_envelope(late, books):
    remind()
    seen = {}

    def visit(text, matrix, position, font, size):
        if "Camille Roux" in text:
            # Points from the bottom left to millimetres from the top left.
            right, up = position[4] * matrix[0] + matrix[4], position[5] * matrix[3] + matrix[5]
            seen["left"], seen["top"] = right / 72 * 25.4, 297 - up / 72 * 25.4

    PdfReader(BytesIO(printed()[name_for(books)])).pages[0].extract_text(visitor_text=visit)
    assert 103 <= seen["left"] <= 107 and 50 <= seen["top"] <= 58


def test_a_household_that_owes_much_gets_a_letter_of_several_pages_with_every_invoice(late, books):
    for sequence in range(40):
        InvoiceFactory(household=books.household, number=f"F2026-8{sequence:05d}", due_on=date(2026, 12, 1))
    remind()
    found = pages(printed()[name_for(books)])
    assert len(found) == 2
    assert all(f"F2026-8{sequence:05d}" in " ".join(found) for sequence in range(40))


# Printed once, and kept ------------------------------------------------------------------------------------


def test_a_letter_never_changes_afterwards(late, books, drawn):
    remind()
    first = printed()
    assert drawn == [books.household, Household.objects.latest("pk")]
    BillingSettings(iban="FR76 9999").save()
    books.guardian.last_name = "Rousseau"
    books.guardian.save()
    assert printed() == first and len(drawn) == 2


def test_printing_killed_midway_goes_on_with_what_is_left(late, books, waits, drawn, monkeypatch):
    monkeypatch.setattr(letter_printing, "A_LOT", 1)
    remind()
    with monkeypatch.context() as broken:
        noting = reminder_letters.draw

        def fail(letters, **said):
            if letters[0].household == waits.household:
                raise MemoryError
            return noting(letters, **said)

        broken.setattr(reminder_letters, "draw", fail)
        with pytest.raises(MemoryError):
            work()
    assert letter_printing.progress(LATE) == letter_printing.Progress(letters=2, to_post=0, printed=1)
    first = ReminderLetter.objects.get(household=books.household).sha256
    assert list(printed()) == [name_for(books), name_for(waits)]
    assert letter_printing.progress(LATE).ready
    # Drawn twice each: the letter, and its lot of one.
    assert drawn == [books.household] * 2 + [waits.household] * 2
    assert ReminderLetter.objects.get(household=books.household).sha256 == first


def test_of_two_that_print_the_same_letters_the_first_one_counts(late, private, monkeypatch):
    remind()
    draw = reminder_letters.draw
    (lot,) = letter_printing.lots(LATE)

    def slow(letters, **said):
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(reminder_letters, "draw", draw)
            letter_printing.print_lot(lot, at=LATE)
        return b"%PDF of the second"

    monkeypatch.setattr(reminder_letters, "draw", slow)
    letter_printing.print_lot(lot, at=LATE + timedelta(seconds=5))
    assert LetterLot.objects.get().printed_at == LATE
    assert all(content.startswith(b"%PDF-1.7") for content in printed().values())
    assert len([path for path in private.rglob("*") if path.is_file()]) == 3


def test_letters_are_printed_in_one_go_or_only_for_who_has_no_address(late, books, waits, monkeypatch):
    without_address(waits)
    remind()
    monkeypatch.setattr(letter_printing, "A_LOT", 1)
    joined = printed(joined=True)
    assert list(joined) == ["lettres-001-a-poster.pdf", "lettres-002-aussi-par-mail.pdf"]
    said = [page for content in joined.values() for page in pages(content)]
    assert [re.search("Camille (Roux|Petit)", page).group(1) for page in said] == ["Petit", "Roux"]
    assert list(printed(only_paper=True)) == [name_for(waits)]
    assert list(printed(only_paper=True, joined=True)) == ["lettres-001-a-poster.pdf"]


def test_a_lot_holds_many_letters_one_after_the_other(late, books, waits):
    remind()
    (said,) = [pages(content) for content in printed(joined=True).values()]
    assert ["Roux" in said[0], "Petit" in said[1], len(said)] == [True, True, 2]


def test_who_gives_an_address_later_still_gets_the_letter_that_no_mail_replaced(late, waits):
    without_address(waits)
    remind()
    waits.user.email = "petit@example.org"
    waits.user.save()
    assert list(printed(only_paper=True)) == [name_for(waits)]


def test_another_reminding_s_letters_are_not_mixed_in(late, books, waits):
    remind(invoices=Invoice.objects.filter(pk=late.pk))
    later = LATE + timedelta(hours=1)
    remind(later)
    assert list(printed(later)) == [name_for(waits)]
    assert letter_printing.progress(LATE).printed == 0
    assert reminding.last_sendings(5) == [later, LATE]


# The ZIP ---------------------------------------------------------------------------------------------------


def test_letters_are_read_one_at_a_time_and_what_is_lost_is_named(late, books, waits, private):
    remind()
    work()
    contents = letter_printing.contents(LATE)
    assert next(contents)[0] == name_for(books)
    (private / ReminderLetter.objects.get(household=waits.household).file.name).unlink()
    ((name, said),) = contents
    assert (name, said.decode()) == (
        "manquantes.txt",
        f"{name_for(waits)} est introuvable : la mairie doit le restaurer depuis sa sauvegarde.",
    )


def test_a_file_that_somebody_changed_is_not_handed_over(late, private):
    remind()
    work()
    (private / LetterLot.objects.get().file.name).write_bytes(b"%PDF-1.7 another")
    ((name, said),) = printed(joined=True).items()
    assert name == "manquantes.txt"
    assert said.decode().startswith("lettres-001-aussi-par-mail.pdf a été modifié")


def more_households(count):
    for _ in range(count):
        household = HouseholdFactory()
        GuardianFactory(household=household)
        InvoiceFactory(household=household)


@pytest.mark.django_db
def test_printing_and_the_zip_take_the_same_queries_for_one_and_for_ten(town):
    counts = []
    for count in (1, 10):
        more_households(count)
        at = LATE + timedelta(days=count)
        remind(at, Invoice.objects.exclude(household__reminder_letters__isnull=False))
        (lot,) = letter_printing.lots(at)
        counts.append(
            [
                queries(lambda lot=lot, at=at: letter_printing.print_lot(lot, at=at)),
                *(
                    queries(lambda at=at, joined=joined: list(letter_printing.contents(at, joined=joined)))
                    for joined in (False, True)
                ),
            ]
        )
        assert ReminderLetter.objects.filter(sent_at=at).count() == count
    assert counts[0] == counts[1] and counts[0][1:] == [1, 1]
