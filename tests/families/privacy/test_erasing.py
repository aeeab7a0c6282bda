"""A family leaves: what named it goes, what the law keeps stays as it was, others lose nothing."""

import json
from datetime import date
from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.db import connection, models
from django.test import TestCase
from django.urls import reverse

from billing.documents.takings import Takings
from billing.invoices import invoicing
from billing.invoices.billable import Billable, Scope
from billing.models import (
    BillingSettings,
    Invoice,
    InvoiceLine,
    JoinedAccount,
    Mandate,
    ManualCharge,
    Payment,
)
from billing.payments import paying
from families import calendar_links
from families.models import (
    CalendarLink,
    Child,
    ChildHealth,
    Custody,
    Document,
    Erasure,
    Guardian,
    HomeChange,
    Household,
    Letter,
    Reading,
    Reminder,
    ReminderChoice,
    User,
)
from families.privacy import erasing
from families.reminders import choices
from portal.french.amounts import euros
from portal.reservations.models import (
    AbsenceCertificate,
    Attendance,
    Booking,
    Enrolment,
    Reservation,
    Schooling,
)
from portal.reservations.states import BookingState
from tests.billing.conftest import END_OF_NOVEMBER, NOVEMBER
from tests.conftest import THURSDAY
from tests.factories import GuardianFactory, HouseholdFactory, LetterFactory, UserFactory
from tests.families.conftest import PDF
from tests.families.joining.doubles import make_one
from tests.families.privacy.conftest import files_of, made

Why = Erasure.Why


def erase(household: Household, at, by=None, why=Why.DESK) -> Erasure:
    with TestCase.captureOnCommitCallbacks(execute=True):
        return erasing.erase(erasing.household_leaving(household), why=why, by=by, at=at)


def said_anywhere(*words: str) -> list[str]:
    """Tables, old versions among them, that still hold one of these words."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        for field in model._meta.local_fields:
            if isinstance(field, models.CharField | models.TextField | models.JSONField | models.FileField):
                with connection.cursor() as cursor:
                    cursor.execute(f'SELECT "{field.column}" FROM "{model._meta.db_table}"')
                    texts = [str(value) for (value,) in cursor.fetchall() if value]
                found += [
                    f"{model._meta.label}.{field.name}" for text in texts for word in words if word in text
                ]
    return sorted(set(found))


def paid(household: Household, at) -> Invoice:
    """November is billed to everybody, and this household's invoice is paid."""
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    invoice = Invoice.objects.get(household=household)
    paying.record(
        household, invoice.total, "cash", paid_on=END_OF_NOVEMBER.date(), by=None, at=END_OF_NOVEMBER
    )
    return invoice


# Without money ------------------------------------------------------------------------------------------


def test_a_family_that_was_never_billed_leaves_nothing_but_nameless_days(lived, agent, store, now):
    Reading.objects.create(
        at=now, reader=agent, reader_name="A", kind="health", child=lived.child, what="Fiche", page="/"
    )
    LogEntry.objects.log_actions(agent.pk, [lived.household, lived.child], 2, "Roux", single_object=False)
    made(lived, now)
    names = (
        "Roux",
        "Lina",
        "Camille",
        "Alix",
        "Odile",
        "Arachides",
        "rue Neuve",
        "rappeler",
        "roux@",
        "640.00",
    )
    assert len(said_anywhere(*names)) > 10
    erase(lived.household, now, by=agent)
    assert said_anywhere(*names) == []
    assert not User.objects.filter(username__in=["roux", "alix"]).exists()
    assert [name for name in files_of(store) if not name.startswith("effacements/")] == []
    child = Child.objects.get(erased_at__isnull=False)
    assert (child.first_name, child.birth_date.month, child.birth_date.day) == ("Enfant", 1, 1)
    assert list(Booking.objects.values_list("day", "state")) == [(date(2026, 11, 4), BookingState.ACCEPTED)]
    assert Booking.objects.get().events.count() == 0


def test_the_address_of_a_calendar_goes_with_its_guardian(stranger, now):
    token = calendar_links.make(stranger.guardian, replaces="", at=now)
    assert calendar_links.find(token)
    erase(stranger.household, now)
    assert calendar_links.find(token) is None and not CalendarLink.objects.exists()


def test_a_family_that_never_came_leaves_no_row_at_all(stranger, now):
    erase(stranger.household, now)
    assert not Household.objects.exists() and not Child.objects.exists() and not User.objects.exists()
    assert not Household.history.exists() and not Child.history.exists()


def test_days_to_come_are_cancelled_and_who_waits_gets_the_place(books, waits, canteen, asks, agent, now):
    from portal.reservations.models import Slot

    Slot.objects.filter(day=THURSDAY).update(capacity=1)
    asks(books, THURSDAY, on_request=False)
    asks(waits, THURSDAY, on_request=False)
    assert Booking.objects.get(child=waits.child).state == BookingState.WAITLISTED
    erase(books.household, now, by=agent)
    assert Booking.objects.get(child=waits.child).state == BookingState.ACCEPTED
    assert Slot.objects.get(day=THURSDAY).taken == 1
    assert list(Booking.objects.values_list("child", flat=True)) == [waits.child.pk]
    assert not Reservation.objects.filter(household=books.household.pk).exists()


def test_certificates_and_reasons_go_and_the_presence_stays(lived, store, now):
    paper = Document.objects.create(household=lived.household, name="certificat.pdf", content_type="x")
    paper.file.save("certificat.pdf", ContentFile(PDF))
    day = Booking.objects.get()
    Attendance.objects.create(
        booking=day,
        household=lived.household,
        child=lived.child,
        formula=day.formula,
        establishment=day.establishment,
        day=day.day,
        state="absent",
        reason="illness",
        certificate=paper,
        certificate_at=now,
        entered_at=now,
    )
    AbsenceCertificate.objects.create(
        household=lived.household,
        child=lived.child,
        first_day=day.day,
        last_day=day.day,
        document=paper,
        given_at=now,
    )
    erase(lived.household, now)
    absence = Attendance.objects.get()
    assert (absence.state, absence.reason, absence.certificate) == ("absent", "", None)
    assert not AbsenceCertificate.objects.exists() and not Document.objects.exists()
    assert not Attendance.history.exists() and not AbsenceCertificate.history.exists()
    assert not [name for name in files_of(store) if "certificat" in name]


# Two homes ----------------------------------------------------------------------------------------------


def test_a_child_of_two_homes_stays_with_the_other_one(lived, elsewhere, now):
    leaving = erasing.household_leaving(lived.household)
    assert (leaving.children, leaving.shared) == ((), (lived.child,))
    erase(lived.household, now)
    lived.child.refresh_from_db()
    assert lived.child.first_name == "Lina" and lived.child.erased_at is None
    assert ChildHealth.objects.get(child=lived.child).allergies == "Arachides"
    assert list(Custody.objects.values_list("household", flat=True).distinct()) == [elsewhere.pk]
    assert Schooling.objects.filter(child=lived.child).exists()
    assert Guardian.objects.filter(household=elsewhere).exists()


def test_a_child_that_left_goes_from_both_homes_which_stay(lived, elsewhere, now):
    with TestCase.captureOnCommitCallbacks(execute=True):
        erasing.erase(erasing.child_leaving(lived.child), why=Why.DESK, by=None, at=now)
    assert said_anywhere("Lina", "Arachides", "Odile") == []
    lived.household.refresh_from_db()
    assert lived.household.erased_at is None and lived.household.street
    assert User.objects.filter(username="roux").exists()
    assert Child.objects.filter(first_name="Basile").exists()


def test_others_lose_nothing(lived, waits, stranger, now):
    asked = HouseholdFactory(street="7 rue des Autres")
    GuardianFactory(household=asked, user=UserFactory(username="autre"))
    erase(lived.household, now)
    for other in (waits, stranger):
        other.household.refresh_from_db()
        assert other.household.erased_at is None
        assert Child.objects.filter(pk=other.child.pk).exists() and User.objects.filter(pk=other.user.pk)
    assert Enrolment.objects.filter(child=waits.child).exists()


def test_an_agent_who_is_a_parent_keeps_the_login_of_an_agent(lived, now):
    User.objects.filter(pk=lived.user.pk).update(is_staff=True)
    erase(lived.household, now)
    assert User.objects.filter(pk=lived.user.pk).exists()
    assert not Guardian.objects.filter(user=lived.user).exists()


# With money ---------------------------------------------------------------------------------------------


def test_issued_documents_and_payments_stay_as_they_are(lived, month, now):
    invoice = paid(lived.household, now)
    tables = (Invoice, InvoiceLine, Payment)
    before = [list(model.objects.order_by("pk").values()) for model in tables]
    done = erase(lived.household, END_OF_NOVEMBER)
    assert [list(model.objects.order_by("pk").values()) for model in tables] == before
    assert any(line.startswith("Factures et leurs PDF : 1 (pièces comptables") for line in done.kept)
    home = Household.objects.get(pk=lived.household.pk)
    assert home.erased_at == END_OF_NOVEMBER and (home.street, home.city, home.notes) == ("", "", "")
    # The invoice itself still says to whom it was, and the receipt by whom it was paid; nothing else does.
    said = said_anywhere("Roux", "Lina")
    assert {place.split(".")[1] for place in said} <= {"Invoice", "InvoiceLine"}
    assert Invoice.objects.get(pk=invoice.pk).payer


def test_sums_of_the_desk_stay_right_and_name_nobody(lived, month, now, regie_client):
    """A month's totals are the town's accounts: they hold what an erased family paid, not whose it was."""
    invoice = paid(lived.household, now)
    book = f"{reverse('admin:billing_payment_cash_book')}?mois=2026-11"
    chart = reverse("admin:billing_payment_chart")

    def sums() -> tuple[Takings, object]:
        pages = regie_client.get(book), regie_client.get(chart)
        assert not [word for page in pages for word in ("Roux", "Lina") if word in page.text]
        return pages[0].context["takings"], pages[1].context["rows"]

    before = sums()
    assert before[0].total == euros(invoice.total)
    erase(lived.household, END_OF_NOVEMBER)
    assert sums() == before


def test_nobody_bills_what_was_too_little_for_an_invoice_once_the_family_is_erased(lived, month, now):
    BillingSettings(minimum_amount=Decimal(900)).save()
    billable = Billable(Scope(date(2026, 12, 1)), BillingSettings.current())
    assert lived.household.pk in billable.households_concerned()
    erase(lived.household, now)
    assert lived.household.pk not in billable.households_concerned()


def test_a_debt_stands_in_the_way_until_it_is_paid(lived, month, now):
    invoicing.issue(invoicing.start(NOVEMBER, by=None, at=END_OF_NOVEMBER), at=END_OF_NOVEMBER)
    with pytest.raises(erasing.ErasureRefused, match="à payer"):
        erase(lived.household, END_OF_NOVEMBER)
    lived.household.refresh_from_db()
    assert lived.household.street and lived.household.erased_at is None
    assert not Erasure.objects.exists()


def test_what_is_not_billed_yet_stands_in_the_way(lived, month, now):
    with pytest.raises(erasing.ErasureRefused, match="reste à facturer"):
        erase(lived.household, now)


def test_money_of_the_familys_goes_back_first(lived, now):
    paying.record(lived.household, Decimal(20), "cash", paid_on=now.date(), by=None, at=now)
    with pytest.raises(erasing.ErasureRefused, match="20,00"):
        erase(lived.household, now)


def test_a_mandate_that_debited_is_revoked_and_one_that_never_did_goes(lived, now):
    Mandate.objects.create(
        household=lived.household,
        rum="R1",
        debtor="Camille Roux",
        iban="FR1420041010050500013M02606",
        signed_on=date(2026, 9, 1),
    )
    ManualCharge.objects.create(
        household=lived.household, label="Remise", unit_price=Decimal("-1.00"), reason="Roux : geste"
    )
    erase(lived.household, now)
    assert not Mandate.objects.exists() and not Mandate.history.exists()
    assert not ManualCharge.objects.exists() and not ManualCharge.history.exists()


# All or nothing, once ---------------------------------------------------------------------------------


def test_an_erasure_that_breaks_off_changes_nothing(lived, store, now, monkeypatch):
    made(lived, now)
    before = files_of(store)

    def broken(*given):
        raise ValueError("midway")

    monkeypatch.setattr(erasing, "_erase_child", broken)
    with pytest.raises(ValueError, match="midway"):
        erase(lived.household, now)
    lived.household.refresh_from_db()
    assert lived.household.street and Child.objects.filter(first_name="Lina").exists()
    assert files_of(store) == before and not Erasure.objects.exists()


def test_twice_is_refused(lived, now):
    erase(lived.household, now)
    with pytest.raises(erasing.ErasureRefused, match="déjà effacé"):
        erasing.erase(erasing.household_leaving(lived.household), why=Why.DESK, by=None, at=now)


def test_the_last_letter_says_what_is_kept(lived, month, now, letters):
    paid(lived.household, now)
    letters.clear()
    erase(lived.household, END_OF_NOVEMBER)
    assert sorted(to for letter in letters for to in letter.to) == sorted(
        ["alix.roux@example.org", lived.user.email]
    )
    assert "Factures et leurs PDF : 1" in letters[0].body


# The journal ------------------------------------------------------------------------------------------


def test_the_journal_names_nobody_and_lies_in_the_store_too(lived, agent, store, now):
    done = erase(lived.household, now, by=agent, why=Why.REQUEST)
    assert (done.kind, done.subject, done.by) == ("household", lived.household.pk, agent)
    (name,) = [name for name in files_of(store) if name.startswith("effacements/")]
    kept = json.loads((store / name).read_text())
    assert set(kept) == {"kind", "subject", "mark", "at"}
    assert kept["mark"] == done.mark and "Roux" not in str(kept)


def test_what_nothing_hangs_on_any_more_is_swept(lived, now):
    erase(lived.household, now)
    assert erasing.sweep(now) == 0
    Booking.objects.all().delete()
    assert erasing.sweep(now) == 2
    assert not Household.objects.filter(erased_at__isnull=False).exists()
    assert erasing.sweep(now) == 0


def test_letters_and_reminders_go_with_the_household_and_others_keep_theirs(stranger, waits, now):
    for who in (stranger, waits):
        LetterFactory(guardian=who.guardian)
        choices.choose(who.guardian, ["usual"], at=now)
        Reminder.objects.create(guardian=who.guardian, kind="usual", mark="0", evening=now.date(), at=now)
    done = erase(stranger.household, now)
    assert "Messages envoyés : 1" in done.gone
    for model in (Letter, ReminderChoice, Reminder):
        assert set(model.objects.values_list("guardian", flat=True)) == {waits.guardian.pk}


def test_letters_that_name_an_erased_child_go_and_the_others_stay(stranger, now):
    zoe = stranger.child
    kept = LetterFactory(guardian=stranger.guardian, text="Zoélie est attendue jeudi.")
    for given in ({"subject": "Réservation pour Zoé"}, {"text": "Bonjour, zoé est inscrite."}):
        LetterFactory(guardian=stranger.guardian, **given)
    erasing.erase(erasing.child_leaving(zoe), why=Why.DESK, by=None, at=now)
    assert list(Letter.objects.all()) == [kept]


def test_what_was_said_when_homes_were_joined_names_an_erased_child_no_more(stranger, waits, agent, now):
    make_one(waits.household, stranger.household, by=agent, at=now)
    assert any("Zoé" in line for line in HomeChange.objects.get().said)
    erasing.erase(erasing.child_leaving(stranger.child), why=Why.DESK, by=None, at=now)
    said = HomeChange.objects.get().said
    assert said and not any("Zoé" in line for line in said)


def test_households_that_were_joined_and_erased_are_swept_with_what_joined_them(stranger, agent, now):
    """None keeps the other's row for ever: the night takes them, the one after what leads to it."""
    other = HouseholdFactory()
    make_one(stranger.household, other, by=agent, at=now)
    erase(stranger.household, now)
    for _ in range(2):
        erasing.sweep(now)
    assert not Household.objects.exists() and not HomeChange.objects.exists()
    assert not JoinedAccount.objects.exists()
