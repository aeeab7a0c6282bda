"""Each kind of data goes when its row says so, not a day before, and the page tells the same."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.base import ContentFile
from django.test import TestCase

from billing.models import DebitFile, Mandate, OnlinePayment, PaymentEvent
from families.models import (
    ChangeRequest,
    Child,
    ChildHealth,
    DataExport,
    Document,
    ErasureRequest,
    Reading,
    RetentionRule,
    SecurityEvent,
    User,
)
from families.privacy import nights, retention
from portal.reservations.models import AbsenceCertificate, Attendance, Booking, Enrolment
from portal.reservations.towns import town_file
from tests.factories import BookingFactory, UserFactory, paris
from tests.families.conftest import PDF, text_of
from tests.families.privacy.conftest import files_of

Unit = RetentionRule.Unit
A_DAY = timedelta(days=1)


def ends(code: str, began: datetime) -> datetime:
    return retention.end_of(code, began)


def apply(code: str, at: datetime) -> int:
    kind = retention.kind_of(code)
    assert kind is not None
    foreseen = nights.foresee(kind, at=at)
    with TestCase.captureOnCommitCallbacks(execute=True):
        done = nights.apply(kind, at=at)
    assert foreseen == done
    assert nights.apply(kind, at=at) == 0
    return done


def goes(code: str, began: datetime) -> None:
    """Of what began then, one goes on the day it is over, none on the eve."""
    assert apply(code, ends(code, began) - A_DAY) == 0
    assert apply(code, ends(code, began) + A_DAY) == 1


# The rows ---------------------------------------------------------------------------------------------


def test_each_kind_has_its_row_with_the_usual_value_and_its_source(db):
    rows = {row.kind: row for row in RetentionRule.objects.all()}
    assert set(rows) == {kind.code for kind in retention.kinds()}
    for kind in retention.kinds():
        assert (rows[kind.code].duration, rows[kind.code].unit) == (kind.duration, kind.unit)
        assert rows[kind.code].source


def test_what_a_town_wrote_stays_after_a_migration(db):
    RetentionRule.objects.filter(kind="proofs").update(duration=2)
    RetentionRule.objects.filter(kind="health").delete()
    from django.apps import apps

    retention.make_rules(apps.get_app_config("families"), using="default")
    assert retention.rule("proofs").duration == 2
    assert RetentionRule.objects.filter(kind="health").exists()


@pytest.mark.parametrize(
    ("began", "count", "unit", "ends"),
    [
        (paris(2026, 1, 31), 1, Unit.MONTH, paris(2026, 2, 28)),
        (paris(2028, 2, 29), 1, Unit.YEAR, paris(2029, 2, 28)),
        (paris(2026, 10, 24, 10), 7, Unit.DAY, paris(2026, 10, 31, 10)),
        (paris(2026, 12, 15), -13, Unit.MONTH, paris(2025, 11, 15)),
    ],
)
def test_months_are_counted_on_the_calendar(began, count, unit, ends):
    assert retention.shifted(began, count, unit) == ends


def test_a_rule_that_is_not_applied_removes_nothing(lived, now):
    Reading.objects.create(at=now, reader_name="x", kind="proof", page="/")
    RetentionRule.objects.filter(kind="readings").update(active=False)
    assert apply("readings", now + timedelta(days=4000)) == 0


# Kinds ------------------------------------------------------------------------------------------------


def test_proofs_go_with_their_file_and_requests_stay_without_them(lived, store, now):
    ChangeRequest.objects.update(state="accepted", decided_at=now)
    assert files_of(store)
    goes("proofs", now)
    assert not Document.objects.exists() and not files_of(store)
    assert ChangeRequest.objects.get().proof is None


def test_a_proof_that_waits_for_an_answer_stays(lived, now):
    assert apply("proofs", ends("proofs", now) + A_DAY) == 0


def test_a_proof_without_a_request_goes_too(lived, now):
    ChangeRequest.objects.all().delete()
    goes("proofs", now)


def test_answered_requests_go_with_their_history(lived, now):
    ChangeRequest.objects.update(state="refused", decided_at=now)
    goes("requests", now)
    assert not ChangeRequest.history.exists()


def test_answered_requests_for_an_erasure_go_and_those_that_wait_stay(lived, now):
    ErasureRequest.objects.create(
        household=lived.household, state="refused", requested_at=now, decided_at=now
    )
    waiting = ErasureRequest.objects.create(household=lived.household, requested_at=now)
    goes("requests", now)
    assert list(ErasureRequest.objects.all()) == [waiting]


def test_a_health_file_stays_as_long_as_the_child_comes(lived, year, now):
    """The school year ends on 2 July 2027: it goes three months later, not while it protects a child."""
    ChildHealth.objects.update(updated_at=now - timedelta(days=900))
    last = paris(year.ends_on.year, year.ends_on.month, year.ends_on.day)
    assert apply("health", ends("health", last)) == 0
    assert apply("health", ends("health", last) + 2 * A_DAY) == 1


def test_a_health_file_goes_when_nothing_was_ever_booked(stranger, now):
    ChildHealth.objects.create(child=stranger.child, allergies="Lait")
    type(stranger.household).objects.update(created_at=now)
    goes("health", now)


def test_certificates_go_with_their_file_and_the_absence_stays_certified(lived, store, now):
    paper = Document.objects.create(household=lived.household, name="certificat.pdf", content_type="x")
    paper.file.save("certificat.pdf", ContentFile(PDF))
    booking = Booking.objects.get()
    absence = Attendance.objects.create(
        booking=booking,
        household=lived.household,
        child=lived.child,
        formula=booking.formula,
        establishment=booking.establishment,
        day=booking.day,
        state="absent",
        reason="illness",
        certificate_at=now,
        certificate=paper,
        entered_at=now,
    )
    AbsenceCertificate.objects.create(
        household=lived.household,
        child=lived.child,
        first_day=booking.day,
        last_day=booking.day,
        document=paper,
        given_at=now,
        state="accepted",
    )
    assert apply("proofs", ends("proofs", now) + A_DAY) == 0
    goes("certificates", now)
    absence.refresh_from_db()
    assert absence.certificate is None and absence.certificate_at == now
    assert not Document.objects.filter(pk=paper.pk).exists()
    assert not AbsenceCertificate.history.exists()
    assert [name for name in files_of(store) if "certificat" in name] == []


def test_logins_never_used_go_and_the_guardian_stays(stranger, agent, now):
    User.objects.update(date_joined=now, last_login=None)
    used = UserFactory(username="habitué", date_joined=now)
    User.objects.filter(pk=used.pk).update(last_login=now)
    goes("unused_logins", now)
    stranger.guardian.refresh_from_db()
    assert stranger.guardian.user is None
    assert set(User.objects.all()) == {used, agent}


def test_logs_go_after_a_year(lived, agent, now):
    Reading.objects.create(at=now, reader=agent, reader_name="A", kind="health", child=lived.child, page="/")
    SecurityEvent.objects.all().delete()  # that the agent was given a role
    SecurityEvent.objects.create(at=now, kind="login", user=lived.user)
    LogEntry.objects.create(
        user=agent, action_flag=2, action_time=now, object_repr="Foyer", change_message="x"
    )
    for code in ("readings", "security", "desk_log"):
        goes(code, now)


def test_histories_of_people_go_before_those_of_money(lived, now):
    mandate = Mandate.objects.create(
        household=lived.household, rum="R1", debtor="Roux", iban="FR1420041010050500013M02606", signed_on=now
    )
    assert apply("histories", ends("histories", now) + A_DAY) > 0
    assert not Child.history.exists() and not Enrolment.history.exists()
    assert Mandate.history.filter(id=mandate.pk).exists()
    assert apply("voucher_histories", ends("voucher_histories", now) + A_DAY) > 0
    assert not Mandate.history.exists()


def test_a_revoked_mandate_forgets_whose_account_it_was(lived, now):
    Mandate.objects.create(
        household=lived.household,
        rum="R1",
        debtor="Camille Roux",
        iban="FR1420041010050500013M02606",
        signed_on=date(2026, 9, 1),
        revoked_on=now.date(),
    )
    goes("mandates", now)
    mandate = Mandate.objects.get()
    assert (mandate.debtor, mandate.iban, mandate.rum) == ("", "", "R1")
    assert not Mandate.history.exists()


def test_the_file_of_debits_loses_its_ibans_and_the_debits_stay(lived, now, client, chief):
    """The file is encrypted: nothing is looked for in it, and it can still be told whether it is empty."""
    file = DebitFile.objects.create(
        message="20261109-202611", collected_on=now.date(), content="FR1420041010050500013M02606", made_at=now
    )
    goes("debit_files", now)
    file.refresh_from_db()
    assert (file.content, file.collected_on) == ("", now.date())
    client.force_login(chief)
    page = client.get(f"/mairie/billing/debitfile/{file.pk}/fichier/", follow=True)
    assert "n&#x27;est plus conservé" in page.text


def test_what_banks_answered_goes_and_the_payment_stays(lived, now):
    online = OnlinePayment.objects.create(
        reference="P1",
        household=lived.household,
        provider="demo",
        amount=Decimal(5),
        email="roux@example.org",
        started_at=now,
        expires_at=now,
    )
    PaymentEvent.objects.create(
        online_payment=online, provider="demo", kind="query", raw={"nom": "R"}, at=now
    )
    assert apply("payment_answers", ends("payment_answers", now) + A_DAY) == 2
    online.refresh_from_db()
    assert online.email == "" and PaymentEvent.objects.get().raw == {}


def test_copies_that_never_became_one_go_too(lived, now):
    DataExport.objects.create(
        household=lived.household, guardian=lived.guardian, state="failed", asked_at=now, touched_at=now
    )
    goes("exports", now)


def test_presences_that_no_invoice_holds_go_once_the_archives_agreed(lived, now):
    RetentionRule.objects.filter(kind="presence").update(needs_visa=False)
    BookingFactory(enrolment=lived.enrolment, day=date(2026, 11, 5))
    began = paris(2026, 11, 4)
    assert apply("presence", ends("presence", began)) == 0
    assert apply("presence", ends("presence", began) + A_DAY) == 1
    assert Booking.objects.get().day == date(2026, 11, 5)


# What is told -----------------------------------------------------------------------------------------


def test_the_page_says_what_the_rows_say(client, town, db):
    page = text_of(client.get("/donnees-personnelles/"))
    for kind in retention.kinds():
        visa = ", puis jusqu'au visa des archives départementales" if kind.needs_visa else ""
        assert f"{kind.label} : {retention.in_words(kind.usual)} {kind.since}{visa}." in page
    for fixed in retention.fixed():
        assert f"{fixed.label} : {fixed.kept()}." in page
    RetentionRule.objects.filter(kind="proofs").update(duration=1, unit=Unit.YEAR)
    RetentionRule.objects.filter(kind="readings").update(active=False)
    page = text_of(client.get("/donnees-personnelles/"))
    assert "Justificatifs envoyés (adresse, quotient) : 1 an après leur envoi." in page
    assert "qui a lu quoi à la mairie) : sans durée fixée à ce jour." in page


def test_the_page_costs_three_queries(client, town, db, django_assert_max_num_queries):
    with django_assert_max_num_queries(3):
        client.get("/donnees-personnelles/")


def test_the_chief_changes_a_duration_and_sees_what_it_would_do(lived, chief_client, now):
    Reading.objects.create(at=now - timedelta(days=200), reader_name="A", kind="proof", page="/")
    rule = RetentionRule.objects.get(kind="readings")
    where = f"/mairie/families/retentionrule/{rule.pk}/change/"
    assert "0 élément concerné" in text_of(chief_client.get(where))
    saved: dict[str, Any] = {"duration": 6, "unit": "months", "active": "on", "source": "Délibération"}
    assert chief_client.post(where, saved).status_code == 302
    assert "1 élément concerné" in text_of(chief_client.get(where))
    answer = chief_client.post(where, saved | {"needs_visa": "on"})
    assert "aucun bordereau ne peut les décrire" in text_of(answer)


def test_an_agent_changes_no_duration(agent_client, db):
    rule = RetentionRule.objects.get(kind="readings")
    assert agent_client.get(f"/mairie/families/retentionrule/{rule.pk}/change/").status_code == 403


def test_a_towns_file_names_only_what_the_town_changed(db):
    assert "durées_de_conservation" not in town_file.export()
    text = """
durées_de_conservation:
  - {nature: justificatifs, durée: 6, fondement: Délibération du 3 mars}
"""
    town_file.load(text)
    assert retention.rule("proofs").duration == 6
    written = town_file.export()
    assert "nature: justificatifs" in written and "connexions" not in written
    assert not town_file.load(written).changed


def test_no_town_keeps_vouchers_shorter_than_the_law(chief_client, now):
    rule = RetentionRule.objects.get(kind="invoices")
    where = f"/mairie/families/retentionrule/{rule.pk}/change/"
    for duration, unit in ((9, "years"), (119, "months")):
        answer = chief_client.post(where, {"duration": duration, "unit": unit, "active": "on"})
        assert "La loi fait garder ces données 10 ans au moins." in text_of(answer)
    assert chief_client.post(where, {"duration": 120, "unit": "months"}).status_code == 302
