"""Public archives: proposed by the night, signed by their director, then gone, and nothing else."""

from datetime import date, timedelta

import pytest

from families.models import DisposalList, Household, RetentionRule
from families.privacy import archives, nights, processing, retention
from portal.reservations.models import Booking
from tests.conftest import logged_in
from tests.factories import BookingFactory, paris
from tests.families.conftest import text_of
from tests.families.privacy.test_erasure_requests import manager, manager_client

__all__ = ["manager", "manager_client"]

LATER = paris(2037, 2, 1, 3)


@pytest.fixture
def presence() -> retention.Kind:
    kind = retention.kind_of("presence")
    assert kind is not None
    return kind


@pytest.fixture
def proposed(lived, presence) -> DisposalList:
    BookingFactory(enrolment=lived.enrolment, day=date(2026, 11, 5))
    assert nights.foresee(presence, at=LATER) == 2
    assert nights.apply(presence, at=LATER) == 2
    return DisposalList.objects.get()


def test_a_night_proposes_and_removes_nothing(proposed, presence):
    assert Booking.objects.count() == 2
    assert (proposed.count, proposed.first_day, proposed.last_day) == (
        2,
        date(2026, 11, 4),
        date(2026, 11, 5),
    )
    assert proposed.kept_for == "10 ans" and proposed.source
    assert nights.apply(presence, at=LATER) == 0


def test_a_later_night_adds_to_what_is_open_and_starts_anew_once_it_is_closed(proposed, presence, lived):
    BookingFactory(enrolment=lived.enrolment, day=date(2026, 11, 6))
    assert nights.apply(presence, at=LATER) == 1
    archives.close(proposed, at=LATER)
    BookingFactory(enrolment=lived.enrolment, day=date(2026, 11, 9))
    assert nights.apply(presence, at=LATER) == 1
    assert [row.count for row in DisposalList.objects.order_by("pk")] == [3, 1]


def test_after_the_visa_exactly_what_was_listed_goes(proposed, presence, lived, manager):
    archives.close(proposed, at=LATER)
    kept = BookingFactory(enrolment=lived.enrolment, day=date(2026, 11, 6))
    archives.sign(proposed, on=LATER.date(), reference="AD 2037-12", by=manager, today=LATER.date())
    assert nights.foresee(presence, at=LATER) == 3
    assert nights.apply(presence, at=LATER) == 3
    assert list(Booking.objects.all()) == [kept]
    proposed.refresh_from_db()
    assert (proposed.state, proposed.removed, proposed.rows) == ("done", 2, [])


@pytest.mark.parametrize("day", [LATER.date() - timedelta(1), LATER.date() + timedelta(1)])
def test_a_visa_dates_from_after_the_sending_and_not_from_tomorrow(proposed, manager, day):
    archives.close(proposed, at=LATER)
    with pytest.raises(archives.VisaRefused, match="date d'après"):
        archives.sign(proposed, on=day, reference="AD", by=manager, today=LATER.date())


def test_no_visa_on_an_open_list_nor_twice_nor_without_a_reference(proposed, manager):
    today = LATER.date()
    with pytest.raises(archives.VisaRefused, match="arrêté"):
        archives.sign(proposed, on=today, reference="AD", by=manager, today=today)
    archives.close(proposed, at=LATER)
    with pytest.raises(archives.VisaRefused, match="référence"):
        archives.sign(proposed, on=today, reference="  ", by=manager, today=today)
    with pytest.raises(archives.VisaRefused, match="déjà arrêté"):
        archives.close(proposed, at=LATER)


def test_the_responsable_closes_prints_and_notes_the_visa(proposed, manager_client, now):
    page = f"/mairie/families/disposallist/{proposed.pk}/bordereau/"
    assert "Bordereaux d'élimination à envoyer" in text_of(manager_client.get("/mairie/"))
    assert "du 4 novembre 2026 au 5 novembre 2026" in text_of(manager_client.get(page))
    manager_client.post(page, {"close": "1"})
    assert "Arrêté le" in text_of(manager_client.get(page))
    manager_client.post(page, {"sign": "1", "on": now.date().isoformat(), "reference": "AD 7"})
    proposed.refresh_from_db()
    assert (proposed.state, proposed.visa_reference) == ("signed", "AD 7")


def test_agents_and_families_do_not(proposed, agent_client, books_client):
    page = f"/mairie/families/disposallist/{proposed.pk}/bordereau/"
    for client in (agent_client, books_client):
        assert client.post(page, {"close": "1"}).status_code in (302, 403)
    proposed.refresh_from_db()
    assert proposed.state == "proposed"


def test_families_that_left_long_ago_are_proposed_then_erased(lived, stranger, manager, year):
    kind = retention.kind_of("family_file")
    assert kind is not None
    Household.objects.update(created_at=paris(2026, 9, 1))
    lived.child.health.__class__.objects.update(updated_at=paris(2026, 9, 1))
    assert nights.apply(kind, at=paris(2029, 10, 1)) == 1
    assert DisposalList.objects.get().rows == [stranger.household.pk]
    # Lina's school year ended on 2 July 2027.
    at = paris(year.ends_on.year + 3, year.ends_on.month, year.ends_on.day + 2)
    assert nights.apply(kind, at=at) == 1
    listed = DisposalList.objects.get()
    archives.close(listed, at=at)
    archives.sign(listed, on=at.date(), reference="AD", by=manager, today=at.date())
    assert nights.apply(kind, at=at) == 2
    assert not Household.objects.filter(erased_at=None).exists()


def test_refused_accounts_go_by_themselves(stranger, now):
    kind = retention.kind_of("refused")
    assert kind is not None
    Household.objects.update(state="refused", decided_at=now)
    assert nights.apply(kind, at=retention.end_of("refused", now)) == 0
    assert nights.apply(kind, at=retention.end_of("refused", now) + timedelta(1)) == 1
    assert not Household.objects.exists()


# The register of processing ---------------------------------------------------------------------------


def test_every_kind_of_data_is_in_the_register_of_processing(db):
    assert processing.undescribed() == []


def test_the_register_says_todays_durations_and_the_towns_own_words(manager_client, town):
    page = "/mairie/families/processingtexts/registre/"
    shown = text_of(manager_client.get(page))
    for kind in retention.kinds():
        assert f"{kind.label} : {retention.in_words(kind.usual)} {kind.since}" in shown
    assert "une commune doit en désigner un" in shown
    RetentionRule.objects.filter(kind="health").update(duration=5)
    add = manager_client.get("/mairie/families/processingtexts/add/")
    assert add.status_code == 200
    manager_client.post("/mairie/families/processingtexts/add/", {"officer": "dpo@example.org"})
    shown = text_of(manager_client.get(page))
    assert "dpo@example.org" in shown and "Fiches sanitaires et PAI : 5 mois" in shown


def test_an_agent_reads_no_register(agent, agent_client, now):
    assert agent_client.get("/mairie/families/processingtexts/registre/").status_code == 403
    assert logged_in(agent).get("/mairie/families/retentionrule/").status_code == 403
