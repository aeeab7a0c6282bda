"""A certificate of absence: sent by a family or seen at the desk, answered once, felt on the invoice."""

import json
import threading
from datetime import date, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.invoices import invoicing
from billing.models import AbsencePolicy, Invoice
from billing.prices import missed_days
from families.models import Document
from portal.reservations.models import AbsenceCertificate, Attendance, Booking
from portal.reservations.presence import attendance, certificates
from portal.reservations.states import BookingState
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, eats
from tests.conftest import NOW, Family, logged_in
from tests.factories import BookingFactory, EnrolmentFactory, GuardianFactory, UserFactory, paris
from tests.families.conftest import PDF, commit, image_bytes, letters, private_files, sent_file, text_of

__all__ = ["commit", "letters", "private_files"]

D = Decimal
THURSDAY, FRIDAY = date(2026, 11, 5), date(2026, 11, 6)
ILL = [date(2026, 11, day) for day in (5, 6, 9, 10)]
LIST = "admin:reservations_absencecertificate_changelist"


def page(child) -> str:
    return reverse("absences:report", args=[child.pk])


def days(first=THURSDAY, last=FRIDAY) -> dict[str, str]:
    return {"du": first.isoformat(), "au": last.isoformat()}


def send(client: Client, child, first=THURSDAY, last=FRIDAY, content=PDF, name="certificat.pdf"):
    where = f"{page(child)}?du={first}&au={last}"
    return client.post(where, {"file": sent_file(content, name)}, follow=True)


def act(client: Client, action: str, *rows, **more):
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], "select_across": "0"}
    return client.post(reverse(LIST), chosen | more)


def said(response) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def bill(scope=NOVEMBER, at=END_OF_NOVEMBER):
    return invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def given(who: Family, first=THURSDAY, last=FRIDAY, at=NOW, **more) -> AbsenceCertificate:
    return AbsenceCertificate.objects.create(
        household=who.household, child=who.child, first_day=first, last_day=last, given_at=at, **more
    )


@pytest.fixture
def ill(books, meals):
    """Lina booked two days before and two days after the week-end, at 3.20 € each."""
    return eats(books, ILL)


# The family -------------------------------------------------------------------------------------------


def test_a_parent_reads_the_rule_and_what_becomes_of_each_day_before_sending(books, ill, books_client):
    AbsencePolicy.objects.create(within_hours=96, waiting_days=1)
    before = text_of(books_client.get(page(books.child)))
    assert "Certificat à donner dans les 4 jours après le premier jour d'absence" in before
    assert "le premier jour reste facturé" in before
    assert "Envoyer le justificatif" not in before
    chosen = text_of(books_client.get(page(books.child), days()))
    assert "Jeudi 5 novembre 2026" in chosen and "Vendredi 6 novembre 2026" in chosen
    assert chosen.index("<strong>reste facturé") < chosen.index("<strong>non facturé")
    assert chosen.count("<strong>non facturé") == 1
    assert "Envoyer le justificatif" in chosen
    assert not AbsenceCertificate.objects.exists()


def test_a_certificate_that_would_change_nothing_is_told_so(books, ill, books_client):
    AbsencePolicy.objects.create(within_hours=48)
    chosen = text_of(books_client.get(page(books.child), days()))
    assert "il n'évite la facturation d'aucun des jours réservés du 5 au 6 novembre 2026" in chosen
    assert "<strong>non facturé" not in chosen


def test_a_certificate_is_received_when_the_server_says(books, ill, books_client):
    answer = send(books_client, books.child)
    assert "Votre justificatif est envoyé." in text_of(answer)
    row = AbsenceCertificate.objects.get()
    assert (row.household, row.child, row.first_day, row.last_day) == (
        books.household, books.child, THURSDAY, FRIDAY,
    )  # fmt: skip
    assert (row.given_at, row.given_by, row.state) == (NOW, books.user, "requested")
    assert (row.document.household, row.document.content_type) == (books.household, "application/pdf")
    assert "En attente de traitement" in text_of(answer)


def test_what_is_posted_about_the_moment_is_not_believed(books, ill, books_client):
    where = f"{page(books.child)}?du={THURSDAY}&au={FRIDAY}"
    more = {"given_at": "2020-01-01T08:00", "state": "accepted", "file": sent_file(PDF, "c.pdf")}
    books_client.post(where, more)
    row = AbsenceCertificate.objects.get()
    assert (row.given_at, row.state) == (NOW, "requested")


@pytest.mark.parametrize(
    ("first", "last", "sentence"),
    [
        (FRIDAY, THURSDAY, "Le dernier jour d'absence ne peut pas précéder le premier."),
        (date(2026, 11, 7), date(2026, 11, 8), "Aucun jour n'est réservé pour Lina"),
        (date(2025, 1, 6), date(2025, 1, 7), "Cette absence a plus d'un an"),
        (THURSDAY, date(2027, 6, 1), "ne peut pas dépasser le 9 février 2027"),
        (date(2, 1, 1), date(9999, 12, 31), "ne peut pas dépasser"),
    ],
)
def test_days_that_make_no_sense_are_told_and_kept(books, ill, books_client, first, last, sentence):
    for answer in (
        books_client.get(page(books.child), days(first, last)),
        send(books_client, books.child, first, last),
    ):
        shown = text_of(answer)
        assert sentence in shown
        assert f'value="{first}"' in shown
    assert not AbsenceCertificate.objects.exists() and not Document.objects.exists()


def test_a_certificate_too_late_for_the_rule_is_told_before_it_is_sent(books, ill, books_client):
    AbsencePolicy.objects.create(max_days=3)
    answer = send(books_client, books.child)
    assert "accepté jusqu'à 3 jours après le premier jour d'absence" in text_of(answer)
    assert not AbsenceCertificate.objects.exists()


def test_where_no_certificate_counts_none_is_asked_for(books, ill, books_client):
    AbsencePolicy.objects.create(certificates_count=False)
    answer = send(books_client, books.child)
    assert "un certificat n'évite pas la facturation" in text_of(answer)
    assert not AbsenceCertificate.objects.exists()


def test_the_same_days_are_not_certified_twice_unless_the_first_was_refused(books, ill, books_client):
    send(books_client, books.child)
    again = send(books_client, books.child, FRIDAY, ILL[2])
    assert "Un justificatif est déjà donné pour Lina du 5 au 6 novembre 2026" in text_of(again)
    assert AbsenceCertificate.objects.count() == 1
    AbsenceCertificate.objects.update(state="refused")
    send(books_client, books.child, FRIDAY, ILL[2])
    assert AbsenceCertificate.objects.count() == 2


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"MZ this is a program", "n'est pas un PDF"),
        (PDF.replace(b"%%EOF", b""), "abîmé ou incomplet"),
        (b"", "vide"),
    ],
)
def test_a_file_is_judged_by_its_content_and_the_days_stay(books, ill, books_client, content, sentence):
    shown = text_of(send(books_client, books.child, content=content))
    assert sentence in shown
    assert f'value="{THURSDAY}"' in shown
    assert not AbsenceCertificate.objects.exists()


def test_a_photo_will_do(books, ill, books_client):
    send(books_client, books.child, content=image_bytes("PNG"), name="photo")
    assert AbsenceCertificate.objects.get().document.content_type == "image/png"


def test_a_child_without_bookings_has_nothing_to_justify(stranger, stranger_client):
    shown = text_of(stranger_client.get(page(stranger.child)))
    assert "Aucun jour n'est réservé" in shown and "Envoyer" not in shown


def test_future_days_may_be_announced(books, meals, books_client):
    eats(books, [date(2026, 11, 16)])
    send(books_client, books.child, date(2026, 11, 16), date(2026, 11, 20))
    assert AbsenceCertificate.objects.get().last_day == date(2026, 11, 20)


def test_a_family_withdraws_what_waits_and_its_file_goes(books, ill, books_client, private_files, commit):
    send(books_client, books.child)
    row = AbsenceCertificate.objects.get()
    where = reverse("absences:withdraw", args=[row.pk])
    assert "Retirer le justificatif de Lina" in text_of(books_client.get(where))
    with commit():
        books_client.post(where)
    assert not AbsenceCertificate.objects.exists() and not Document.objects.exists()
    assert not [file for file in private_files.rglob("*") if file.is_file()]


def test_an_answered_certificate_stays(books, ill, books_client, agent):
    row = given(books)
    certificates.accept(row, by=agent, at=NOW)
    where = reverse("absences:withdraw", args=[row.pk])
    assert "déjà sa réponse" in text_of(books_client.get(where))
    assert "a déjà reçu une réponse : accepté" in text_of(books_client.post(where, follow=True))
    assert AbsenceCertificate.objects.get().state == "accepted"


@pytest.fixture
def other_home(books, ill, stranger, canteen, year):
    """Lina lives in turns at the Morels', who booked Friday 13 for her."""
    stranger.child.custodies.all().delete()
    books.child.custodies.create(household=stranger.household)
    enrolment = EnrolmentFactory(
        household=stranger.household, child=books.child, activity=canteen.activity,
        establishment=canteen.restaurant, school_year=year,
    )  # fmt: skip
    BookingFactory(enrolment=enrolment, day=date(2026, 11, 13))
    return stranger


def test_the_other_home_of_a_child_sees_and_justifies_its_own_days_only(
    books, other_home, books_client, stranger_client, agent
):
    send(books_client, books.child)
    row = AbsenceCertificate.objects.get()
    assert "Lina, du 5" in text_of(books_client.get(reverse("absences:certificates")))
    theirs = text_of(stranger_client.get(reverse("absences:certificates")))
    assert "5 au 6 novembre" not in theirs
    assert stranger_client.get(reverse("absences:withdraw", args=[row.pk])).status_code == 404
    assert stranger_client.get(reverse("families:document", args=[row.document_id])).status_code == 404
    assert "Aucun jour n'est réservé" in text_of(stranger_client.get(page(books.child), days()))
    # The same days are no overlap for a home that proves its own.
    send(stranger_client, books.child, FRIDAY, date(2026, 11, 13))
    theirs = AbsenceCertificate.objects.get(household=other_home.household)
    certificates.accept(theirs, by=agent, at=paris(2026, 11, 14))
    assert list(Attendance.objects.values_list("day", "household")) == [
        (date(2026, 11, 13), other_home.household.pk)
    ]


def test_a_stranger_finds_nothing(books, ill, stranger_client):
    row = given(books)
    assert stranger_client.get(page(books.child)).status_code == 404
    assert stranger_client.post(page(books.child)).status_code == 404
    assert stranger_client.post(reverse("absences:withdraw", args=[row.pk])).status_code == 404
    assert AbsenceCertificate.objects.exists()


def test_agents_open_the_file_and_other_staff_does_not(books, ill, books_client, agent_client, regie_client):
    send(books_client, books.child)
    where = reverse("families:document", args=[AbsenceCertificate.objects.get().document_id])
    assert agent_client.get(where).getvalue() == PDF
    assert regie_client.get(where).status_code == 404, "answering absences is not the accountant's work"
    desk = reverse("admin:reservations_absencecertificate_changelist")
    assert where in agent_client.get(desk).text and where not in regie_client.get(desk).text
    nobody = logged_in(UserFactory(username="nobody", is_staff=True))
    assert nobody.get(where).status_code == 404
    sees_tax_notices = UserFactory(username="proofs", is_staff=True)
    sees_tax_notices.user_permissions.add(Permission.objects.get(codename="view_document"))
    assert logged_in(sees_tax_notices).get(where).status_code == 404


# The town hall ----------------------------------------------------------------------------------------


def test_the_queue_shows_what_waits_and_finds_by_name_and_number(books, ill, waits, agent_client):
    given(books)
    assert "Justificatifs d'absence à traiter" in text_of(agent_client.get(reverse("admin:index")))
    for words in ("", "Lina", books.household.number):
        assert "Lina Roux" in agent_client.get(reverse(LIST), {"q": words}).text
    assert "Lina Roux" not in agent_client.get(reverse(LIST), {"q": "Noé"}).text
    AbsenceCertificate.objects.update(state="accepted")
    assert "Lina Roux" not in agent_client.get(reverse(LIST)).text
    assert "Lina Roux" in agent_client.get(reverse(LIST), {"etat": "tous"}).text


def test_accepting_justifies_the_days_that_came_and_tells_the_family(
    books, ill, agent, agent_client, letters, commit
):
    row = given(books, last=date(2026, 11, 10))
    with commit():
        answer = act(agent_client, "accept_selected", row)
    assert said(answer) == ["1 justificatif accepté."]
    row.refresh_from_db()
    assert (row.state, row.decided_by, row.decided_at) == ("accepted", agent, NOW)
    found = Attendance.objects.order_by("day")
    # Today is Monday 9: Tuesday 10 has not come.
    assert [one.day for one in found] == ILL[:3]
    assert {(one.state, one.reason, one.certificate_at, one.entered_by) for one in found} == {
        ("absent", "illness", NOW, agent)
    }
    assert all(one.history.count() == 1 for one in found)
    (letter,) = letters
    assert letter.to == [books.user.email]
    assert letter.subject == "Absence de Lina : justificatif accepté"
    assert "- jeudi 5 novembre, Restauration scolaire, Repas : non facturé" in letter.body.replace(
        str(books.enrolment.activity), "Restauration scolaire"
    )


def test_refusing_says_why_and_leaves_the_days_alone(books, ill, agent_client, letters, commit):
    row = given(books)
    asked = act(agent_client, "refuse_selected", row)
    assert "Refuser des justificatifs" in asked.text
    with commit():
        answer = act(agent_client, "refuse_selected", row, reason_given="1", words="Illisible.")
    assert said(answer) == ["1 justificatif refusé."]
    row.refresh_from_db()
    assert (row.state, row.refusal_reason) == ("refused", "Illisible.")
    assert not Attendance.objects.exists()
    (letter,) = letters
    assert "Illisible." in letter.body and page(books.child) in letter.body


def test_a_certificate_is_answered_once(books, ill, agent, agent_client):
    row = given(books)
    certificates.accept(row, by=agent, at=NOW)
    for verb in (
        lambda: certificates.accept(row, by=agent, at=NOW),
        lambda: certificates.refuse(row, reason="Non", by=agent, at=NOW),
        lambda: certificates.withdraw(row),
    ):
        with pytest.raises(certificates.AlreadyAnswered, match="a déjà reçu une réponse : accepté"):
            verb()
    [told] = said(
        agent_client.post(
            f"{reverse(LIST)}?etat=tous",
            {"action": "accept_selected", "_selected_action": [row.pk], "select_across": "0"},
        )
    )
    assert "avait déjà sa réponse\xa0: accepté, par Dominique Agent" in told
    assert Attendance.objects.count() == 2
    assert all(one.history.count() == 1 for one in Attendance.objects.all())


def test_one_withdrawn_meanwhile_cannot_be_accepted(books, ill, agent):
    row = given(books)
    certificates.withdraw(row)
    with pytest.raises(certificates.AlreadyAnswered, match="retiré par la famille"):
        certificates.accept(row, by=agent, at=NOW)


def test_a_child_who_was_seen_stays_present_and_the_agent_is_warned(books, ill, agent, agent_client, canteen):
    attendance.record(
        canteen.restaurant, canteen.formula, FRIDAY, {ill[1].pk: attendance.Said("present")}, by=agent, at=NOW
    )
    answer = act(agent_client, "accept_selected", given(books))
    assert "Lina Roux est pointé présent (vendredi 6 novembre)" in said(answer)[0]
    assert dict(Attendance.objects.values_list("day", "state")) == {THURSDAY: "absent", FRIDAY: "present"}


def test_an_absence_entered_before_gets_the_certificate_but_a_strike_stays_one(books, ill, agent, canteen):
    for booking, reason in ((ill[0], ""), (ill[1], "strike")):
        attendance.record(
            canteen.restaurant, canteen.formula, booking.day,
            {booking.pk: attendance.Said("absent", reason)}, by=agent, at=NOW,
        )  # fmt: skip
    certificates.accept(given(books), by=agent, at=NOW)
    found = Attendance.objects.order_by("day").values_list("reason", "certificate_at")
    assert list(found) == [("illness", NOW), ("strike", NOW)]


def test_a_cancelled_booking_needs_no_excuse(books, ill, agent):
    Booking.objects.filter(pk=ill[0].pk).update(state=BookingState.CANCELLED)
    certificates.accept(given(books), by=agent, at=NOW)
    assert list(Attendance.objects.values_list("day", flat=True)) == [FRIDAY]


def test_the_night_writes_the_days_that_came_since(books, ill, agent, capsys):
    row = given(books, last=ILL[3])
    certificates.accept(row, by=agent, at=NOW)
    assert Attendance.objects.count() == 3
    for _ in range(2):
        certificates.catch_up(at=paris(2026, 11, 11, 3))
        assert Attendance.objects.count() == 4
    last = Attendance.objects.get(day=ILL[3])
    assert (last.state, last.certificate_at) == ("absent", NOW)
    certificates.catch_up(at=paris(2027, 2, 1))
    assert Attendance.objects.count() == 4


def test_the_page_of_a_certificate_says_what_it_changes(books, ill, agent_client):
    AbsencePolicy.objects.create(waiting_days=1)
    row = given(books)
    shown = text_of(agent_client.get(reverse("admin:reservations_absencecertificate_change", args=[row.pk])))
    assert "jeudi 5 novembre" in shown and "reste facturé" in shown and "non facturé" in shown
    assert "Accepter" in shown


def test_the_accountant_reads_and_decides_nothing(books, ill, regie_client):
    row = given(books)
    assert "Lina Roux" in regie_client.get(reverse(LIST)).text
    act(regie_client, "accept_selected", row)
    row.refresh_from_db()
    assert row.state == "requested"
    assert regie_client.get(reverse("admin:reservations_absencecertificate_take")).status_code == 403
    custody = books.child.custodies.get()
    where = reverse("admin:reservations_absencecertificate_take_from", args=[custody.pk])
    assert regie_client.post(where).status_code == 403


def test_a_certificate_seen_at_the_desk_counts_from_that_moment(
    books, ill, agent, agent_client, letters, commit
):
    found = text_of(agent_client.get(reverse("admin:reservations_absencecertificate_take"), {"q": "lina"}))
    custody = books.child.custodies.get()
    where = reverse("admin:reservations_absencecertificate_take_from", args=[custody.pk])
    assert where in found
    asked = "?du=2026-11-05&au=2026-11-06&vu=2026-11-06T09:30"
    assert "non facturé" in text_of(agent_client.get(where + asked))
    with commit():
        answer = agent_client.post(where + asked, follow=True)
    assert "enregistré et accepté" in text_of(answer)
    row = AbsenceCertificate.objects.get()
    assert (row.state, row.given_at, row.given_by, row.decided_by, row.document) == (
        "accepted", paris(2026, 11, 6, 9, 30), agent, agent, None,
    )  # fmt: skip
    assert set(Attendance.objects.values_list("certificate_at", flat=True)) == {paris(2026, 11, 6, 9, 30)}
    assert [letter.to for letter in letters] == [[books.user.email]]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("?du=2026-11-05&au=2026-11-06&vu=2026-11-10T09:30", "Ce moment n'est pas encore venu."),
        ("?du=2026-11-06&au=2026-11-05&vu=2026-11-06T09:30", "ne peut pas précéder le premier"),
        ("?du=2026-11-07&au=2026-11-08&vu=2026-11-09T09:30", "Aucun jour n'est réservé pour Lina"),
        ("?du=0001-01-01&au=9999-12-31&vu=2026-11-09T09:30", "ne peut pas dépasser"),
        ("?du=x&au=&vu=", "Corrigez"),
        ("", "Corrigez"),
    ],
)
def test_what_makes_no_sense_at_the_desk_is_told(books, ill, agent_client, asked, sentence):
    custody = books.child.custodies.get()
    where = reverse("admin:reservations_absencecertificate_take_from", args=[custody.pk])
    assert sentence in text_of(agent_client.post(where + asked))
    assert not AbsenceCertificate.objects.exists()


# The invoice ------------------------------------------------------------------------------------------


def lines(invoice):
    return [(line.label, line.quantity, line.amount) for line in invoice.lines.all()]


def test_a_certificate_in_time_leaves_the_waiting_days_on_the_next_invoice(books, ill, agent):
    AbsencePolicy.objects.create(within_hours=96, waiting_days=1)
    certificates.accept(given(books), by=agent, at=NOW)
    bill()
    assert lines(Invoice.objects.get()) == [
        ("Repas", D(2), D("6.40")),
        ("Repas – absence non facturée", D(1), D(0)),
        ("Repas – absence, jour de carence", D(1), D("3.20")),
    ]


def test_a_late_certificate_changes_nothing_on_the_invoice(books, ill, agent):
    AbsencePolicy.objects.create(within_hours=48)
    certificates.accept(given(books), by=agent, at=NOW)
    bill()
    assert Invoice.objects.get().total == D("12.80")


def test_a_certificate_accepted_after_the_invoice_gives_back_on_the_next_one(books, ill, agent):
    AbsencePolicy.objects.create(within_hours=96, waiting_days=1)
    row = given(books)
    bill()
    assert Invoice.objects.get().total == D("12.80")
    with time_machine.travel(paris(2026, 12, 3), tick=False):
        certificates.accept(row, by=agent, at=paris(2026, 12, 3))
    eats(books, [date(2026, 12, 3), date(2026, 12, 4)])
    bill(DECEMBER, END_OF_DECEMBER)
    december = Invoice.objects.get(month=DECEMBER.month)
    assert lines(december) == [
        ("Repas", D(2), D("6.40")),
        ("Repas – absence non facturée", D(1), D(0)),
        ("Repas : absence connue après la facture F2026-000001", D(1), D("-3.20")),
    ]
    assert december.total == D("3.20")


def test_what_the_family_was_told_is_what_it_pays(books, ill, agent):
    AbsencePolicy.objects.create(within_hours=96, waiting_days=2, late_waiting_days=3)
    foreseen = missed_days.outlook(books.household, books.child, THURSDAY, ILL[2], given=NOW)
    certificates.accept(given(books, last=ILL[2]), by=agent, at=NOW)
    bill()
    free = Invoice.objects.get().lines.get(kind="free")
    told = [one.day.isoformat() for one in foreseen.days if not one.billed]
    assert json.loads(json.dumps(free.days)) == told == ["2026-11-09"]


def test_days_billed_long_ago_still_part_one_absence_from_another(books, ill, agent):
    """She ate on Friday: Thursday and Monday are two absences, each with its own waiting day."""
    AbsencePolicy.objects.create(waiting_days=1)
    bill()
    later = paris(2026, 12, 3)
    certificates.accept(given(books, THURSDAY, THURSDAY, at=later), by=agent, at=later)
    certificates.accept(given(books, ILL[2], ILL[2], at=later), by=agent, at=later)
    eats(books, [date(2026, 12, 3)])
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get(month=DECEMBER.month).total == D("3.20")


# At the same moment, and at what cost -----------------------------------------------------------------


def test_two_agents_accept_at_the_same_moment_and_it_happens_once(transactional_db, books, ill, agent):
    if connection.vendor != "postgresql":
        second = given(books)
        certificates.accept(second, by=agent, at=NOW)
        with pytest.raises(certificates.AlreadyAnswered):
            certificates.accept(second, by=agent, at=NOW)
        return
    row = given(books)
    outcomes, start = [], threading.Barrier(4)

    def accept() -> None:
        start.wait()
        try:
            certificates.accept(row, by=agent, at=NOW)
            outcomes.append("accepted")
        except certificates.AlreadyAnswered:
            outcomes.append("answered")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=accept) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["accepted", "answered", "answered", "answered"]
    assert Attendance.objects.count() == 2


def test_pages_cost_the_same_for_one_day_and_ten_for_one_row_and_ten(
    books, meals, books_client, agent_client
):
    def cost(client, where, **asked):
        client.get(where, asked)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(where, asked).status_code == 200
        return len(queries)

    def all_costs():
        span = days(date(2026, 11, 2), date(2026, 12, 4))
        row = AbsenceCertificate.objects.order_by("pk").first()
        return [
            cost(books_client, page(books.child), **days(date(2026, 11, 16), date(2026, 12, 4))),
            cost(books_client, reverse("absences:certificates")),
            cost(agent_client, reverse(LIST)),
            cost(agent_client, reverse("admin:reservations_absencecertificate_change", args=[row.pk])),
            cost(
                agent_client,
                reverse(
                    "admin:reservations_absencecertificate_take_from", args=[books.child.custodies.get().pk]
                ),
                vu="2026-11-09T08:00",
                **span,
            ),
        ]

    eats(books, [date(2026, 11, 16)])
    given(
        books, date(2026, 9, 1), date(2026, 9, 1), document=Document.objects.create(household=books.household)
    )
    once = all_costs()
    eats(books, [date(2026, 11, 17) + timedelta(days=n) for n in (0, 1, 2, 3, 6, 7, 8, 9)])
    for number in range(9):
        day = date(2026, 9, 2) + timedelta(days=number)
        given(books, day, day, document=Document.objects.create(household=books.household))
    assert all_costs() == once


def test_accepting_costs_the_same_for_one_day_and_four(books, ill, agent):
    def cost(last):
        row = given(books, first=ILL[0], last=last)
        with CaptureQueriesContext(connection) as queries:
            certificates.accept(row, by=agent, at=paris(2026, 11, 12))
        Attendance.objects.all().delete()
        row.delete()
        return len(queries)

    cost(ILL[0])
    assert cost(ILL[0]) == cost(ILL[3])


def test_a_second_adult_of_the_home_may_withdraw_it_too(books, ill):
    user = UserFactory(username="alix")
    GuardianFactory(household=books.household, user=user)
    row = given(books)
    logged_in(user).post(reverse("absences:withdraw", args=[row.pk]))
    assert not AbsenceCertificate.objects.exists()
