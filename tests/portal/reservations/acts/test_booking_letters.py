"""Who is written to, when, and what the letter says."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from portal.reservations.acts import booking, enrolling, reservation_drafts, tasks
from portal.reservations.acts.refusals import Choice, PlacesLost
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Enrolment,
    Reservation,
    ReservationLine,
    Slot,
)
from tests.conftest import brother_of
from tests.factories import (
    BookingFactory,
    ClosureFactory,
    GuardianFactory,
    HealthFactory,
    UserFactory,
)
from tests.portal.reservations.audit import MONDAY, THURSDAY, TUESDAY, give_up, reserve
from tests.portal.reservations.shutting import close_days

pytestmark = pytest.mark.usefixtures("books_kept")


@pytest.fixture
def letters(django_capture_on_commit_callbacks, mailoutbox):
    """Runs an act, lets its transaction commit, and returns the letters sent."""

    def run(act, *args, **kwargs):
        with django_capture_on_commit_callbacks(execute=True):
            act(*args, **kwargs)
        sent = list(mailoutbox)
        mailoutbox.clear()
        return sent

    return run


def test_nothing_is_sent_before_the_commit(books, canteen, now, mailoutbox):
    reserve(books, canteen, MONDAY, at=now)
    assert mailoutbox == []


def test_a_reservation_is_acknowledged_with_its_days(books, canteen, now, letters):
    Slot.objects.filter(day=THURSDAY).update(capacity=0)
    reserve(books, canteen, THURSDAY, at=now, wait=True)
    (letter,) = letters(reserve, books, canteen, MONDAY, TUESDAY, at=now)
    number = ReservationLine.objects.get(day=MONDAY).reservation
    assert letter.subject == f"Réservation n° {number.number} enregistrée pour Lina"
    assert letter.to == ["roux@example.org"]
    assert "Restauration scolaire, Restaurant du Verger – Novembre et décembre 2026" in letter.body
    assert "Jours réservés (2 jours)\n  novembre 2026 : lundi 16, mardi 17\n" in letter.body
    assert f"http://127.0.0.1:8000{reverse('reservations:detail', args=[number.pk])}" in letter.body
    html = letter.alternatives[0][0]
    assert "<li>novembre 2026 : lundi 16, mardi 17</li>" in html
    assert "jeudi 19" not in letter.body + html


def test_one_letter_tells_of_all_children_recorded_together_with_each_amount_and_the_total(
    books, canteen, now, letters
):
    ActivityDeadline.objects.update(late="accept")
    his = brother_of(books, "Hugo", requested_by=books.user)
    late, on_time = MONDAY - timedelta(days=6), MONDAY
    keys = [f"{canteen.formula.pk}:{day}" for day in (late, on_time)]

    def record():
        recorded = []
        for enrolment in (books.enrolment, his):
            draft = reservation_drafts.choose(
                enrolment,
                canteen.restaurant,
                canteen.period,
                book={Choice(canteen.formula.pk, day) for day in (late, on_time)},
                by=books.user,
                at=now,
            )
            recorded.append(booking.submit(draft, by=books.user, at=now, tell=False))
        amounts = {keys[0]: ["5.90", "1.00"], keys[1]: ["4.90", "0"]}
        booking.tell_recorded(recorded, {one.pk: amounts for one in recorded})
        return recorded

    (letter,) = letters(record)
    assert letter.body.startswith("Bonjour Camille,")
    assert "enregistrées pour Lina et Hugo" in letter.subject
    said = letter.body.replace("\N{NO-BREAK SPACE}", " ")
    assert "Jours réservés, hors délai, + 1,00 € par jour (1 jour)" in said
    for child in ("Lina", "Hugo"):
        assert f"Montant estimé pour {child} : 10,80 €, dont 1,00 € de supplément hors délai" in said
    assert "Montant estimé en tout : 21,60 €, dont 2,00 € de supplément hors délai" in said


def test_a_refused_day_costs_nothing_in_the_letter(books, canteen, now, letters):
    tomorrow = MONDAY - timedelta(days=6)  # too late

    def record():
        draft = reservation_drafts.choose(
            books.enrolment,
            canteen.restaurant,
            canteen.period,
            book={Choice(canteen.formula.pk, day) for day in (tomorrow, MONDAY)},
            by=books.user,
            at=now,
        )
        recorded = booking.submit(draft, by=books.user, at=now, tell=False)
        amounts = {f"{canteen.formula.pk}:{day}": ["4.90", "0"] for day in (tomorrow, MONDAY)}
        booking.tell_recorded([recorded], {recorded.pk: amounts})

    (letter,) = letters(record)
    assert "Montant estimé : 4,90" in letter.body


def test_a_letter_on_a_cancellation_is_titled_as_one(books, canteen, now, letters):
    reserve(books, canteen, MONDAY, at=now)
    (letter,) = letters(give_up, books, canteen, MONDAY, at=now)
    assert re.fullmatch(r"Annulation n° \d+ enregistrée pour Lina", letter.subject)
    assert "Voir mon annulation" in letter.alternatives[0][0]


def test_what_an_earlier_version_left_in_the_queue_is_still_told(books, canteen, now, letters):
    recorded = reserve(books, canteen, MONDAY, at=now)
    reservation = recorded or Reservation.objects.get()
    (letter,) = letters(tasks.tell_recorded.func, reservation.pk)
    assert reservation.number in letter.subject


def test_each_answer_has_its_own_title(books, canteen, now, letters):
    Slot.objects.filter(day=THURSDAY).update(capacity=0)
    (letter,) = letters(reserve, books, canteen, THURSDAY, at=now, wait=True)
    assert "Jours complets, sur la liste d'attente (1 jour)\n  novembre 2026 : jeudi 19" in letter.body


def test_a_refused_day_says_why(books, canteen, now, letters):
    tomorrow = MONDAY - timedelta(days=6)
    (letter,) = letters(reserve, books, canteen, tomorrow, at=now)
    assert "Jours refusés (1 jour)" in letter.body
    assert "Motif : Réservation close depuis le dimanche 8 novembre à 10 h." in letter.body


def test_a_late_day_is_marked(books, canteen, now, letters):
    ActivityDeadline.objects.update(late="accept")
    (letter,) = letters(reserve, books, canteen, MONDAY - timedelta(days=6), at=now)
    assert "Jours réservés, hors délai (1 jour)" in letter.body


def test_both_parents_of_a_home_are_told_the_neighbours_are_not(books, waits, canteen, now, letters):
    other = UserFactory(username="conjoint")
    GuardianFactory(household=books.household, user=other)
    GuardianFactory(household=books.household, user=None)
    gone = UserFactory(username="ancien", is_active=False)
    GuardianFactory(household=books.household, user=gone)
    sent = letters(reserve, books, canteen, MONDAY, at=now)
    assert sorted(letter.to for letter in sent) == [["conjoint@example.org"], ["roux@example.org"]]


def test_a_reservation_that_fails_sends_nothing(books, canteen, now, letters):
    Slot.objects.update(capacity=0)

    def try_it():
        with pytest.raises(PlacesLost):
            reserve(books, canteen, MONDAY, at=now)

    assert letters(try_it) == []


def test_recording_twice_writes_once(books, canteen, now, letters):
    found = reserve(books, canteen, MONDAY, at=now)
    assert letters(booking.submit, found, by=books.user, at=now) == []


def test_an_answer_tells_the_days_answered_only(books, canteen, agent, now, letters):
    Activity.objects.update(processing="on_request")
    asked = reserve(books, canteen, MONDAY, TUESDAY, at=now)
    (letter,) = letters(booking.accept, asked.lines.filter(day=MONDAY), by=agent, at=now)
    assert letter.subject == f"La mairie a répondu à votre réservation n° {asked.number}"
    assert "Jours réservés (1 jour)\n  novembre 2026 : lundi 16\n" in letter.body
    assert "mardi 17" not in letter.body
    reason = "Trop peu d'animateurs."
    (letter,) = letters(booking.refuse, asked.lines.all(), reason=reason, by=agent, at=now)
    assert (
        "Jours refusés (1 jour)\n  novembre 2026 : mardi 17\n  Motif : Trop peu d'animateurs." in letter.body
    )


def test_who_still_waits_is_not_written_to_again(books, canteen, agent, now, letters):
    Slot.objects.update(capacity=0)
    asked = reserve(books, canteen, MONDAY, at=now, wait=True)
    assert letters(booking.accept, asked.lines.all(), by=agent, at=now) == []


def test_the_waiting_list_brings_good_news(books, waits, canteen, now, letters):
    Slot.objects.update(capacity=1)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    sent = letters(give_up, books, canteen, MONDAY, at=now)
    good, acknowledged = sorted(sent, key=lambda letter: letter.to)
    assert (good.to, good.subject) == (
        ["petit@example.org"],
        "Bonne nouvelle : une place s'est libérée pour Noé",
    )
    assert "Noé – Restauration scolaire, Repas (Restaurant du Verger) (1 jour)" in good.body
    assert "novembre 2026 : lundi 16" in good.body
    assert acknowledged.to == ["roux@example.org"]
    assert "Jours annulés (1 jour)" in acknowledged.body


def test_a_closure_is_told_once_a_home(books, waits, canteen, agent, now, letters):
    for day in (MONDAY, TUESDAY):
        BookingFactory(enrolment=books.enrolment, day=day)
    BookingFactory(enrolment=waits.enrolment, day=MONDAY)
    closure = ClosureFactory(starts_on=MONDAY, ends_on=TUESDAY, label="Grève du personnel")
    sent = letters(close_days, closure, by=agent, at=now)
    mine, theirs = sorted(sent, key=lambda letter: letter.to, reverse=True)
    assert mine.subject == "Réservations annulées par la mairie pour Lina"
    assert "Grève du personnel : annulé par la mairie, sans frais." in mine.body
    assert "novembre 2026 : lundi 16, mardi 17" in mine.body
    assert ("Noé" in theirs.body, "Lina" in theirs.body) == (True, False)


def test_an_apostrophe_stays_one_in_plain_text(books, canteen, agent, now, letters):
    Activity.objects.update(processing="on_request", name="Cantine d'été")
    asked = reserve(books, canteen, MONDAY, at=now)
    (letter,) = letters(booking.refuse, asked.lines.all(), reason="<L'eau>", by=agent, at=now)
    assert "Cantine d'été" in letter.body
    assert "Motif : <L'eau>" in letter.body
    assert "&lt;L&#x27;eau&gt;" in letter.alternatives[0][0]


@pytest.mark.parametrize(
    ("state", "subject"),
    [("accepted", "Inscription acceptée"), ("refused", "Inscription refusée")],
)
def test_an_enrolment_is_answered_by_letter(books, canteen, agent, now, letters, state, subject):
    books.enrolment.state = "requested"
    books.enrolment.save()
    if state == "accepted":
        (letter,) = letters(enrolling.accept, books.enrolment, by=agent, at=now)
    else:
        (letter,) = letters(enrolling.refuse, books.enrolment, reason="Effectif complet.", by=agent, at=now)
        assert "Motif : Effectif complet." in letter.body
    assert letter.subject == f"{subject} : Lina, Restauration scolaire"
    assert "À partir du mardi 1er septembre 2026" in letter.body


def test_the_letter_asks_for_the_health_file_that_a_reservation_needs(books, canteen, agent, now, letters):
    canteen.activity.health_file_required = True
    canteen.activity.save()
    Enrolment.objects.update(state="requested")
    (letter,) = letters(enrolling.accept, books.enrolment, by=agent, at=now)
    assert "Avant de réserver, remplissez sa fiche sanitaire" in letter.body
    Enrolment.objects.update(state="requested")
    HealthFactory(child=books.child)
    (letter,) = letters(enrolling.accept, books.enrolment, by=agent, at=now)
    assert "Vous pouvez réserver dès maintenant" in letter.body
