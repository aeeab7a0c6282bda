"""A paper's way: sent, replaced while it waits, accepted until a day, refused, seen at the counter, over."""

from datetime import date, timedelta

import pytest
import time_machine
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction

from families.custody.own import OwnHousehold
from families.models import Custody, Document, Paper, PaperKind
from families.papers import asking, sending
from families.papers.asking import Status
from families.papers.sending import AlreadyAnswered, PaperRefused, Said
from portal.reservations.models import SchoolYear
from tests.conftest import NOW, Family, other_home_of
from tests.factories import GuardianFactory, PaperFactory, PaperKindFactory, SchoolYearFactory
from tests.families.conftest import PDF

TODAY = NOW.date()
SUMMER = date(2027, 8, 31)


def status(who: Family, today: date = TODAY) -> list[Status]:
    return [line.status for line in asking.read([who.household.pk], today)[who.household.pk]]


def proposed(paper: Paper) -> date | None:
    return sending.proposed_ends([paper], TODAY)[paper.pk]


def test_a_paper_goes_from_the_family_to_accepted_until_the_summer(
    books, insurance, send, agent, commit, letters
):
    paper = send(books, insurance, books.child)
    assert status(books) == [Status.WAITS]
    assert (paper.document.household, paper.document.right) == (books.household, "families.view_document")
    assert proposed(paper) == SUMMER
    with commit():
        sending.accept(paper, ends_on=SUMMER, by=agent, at=NOW)
    assert status(books) == [Status.GOOD]
    (letter,) = letters
    assert (letter.subject, letter.to) == ("Votre papier est accepté", [books.user.email])
    assert (
        "« Attestation d'assurance » de Lina : accepté par la mairie. Valable jusqu'au 31 août 2027."
        in letter.body
    )


def test_another_file_takes_the_place_of_one_that_waits(books, insurance, send, private_files, commit):
    first = send(books, insurance, books.child)
    with commit():
        second = send(books, insurance, books.child)
    assert second.pk == first.pk
    assert Document.objects.get() == second.document != first.document
    assert len([path for path in private_files.rglob("*") if path.is_file()]) == 1


def test_a_refused_paper_says_why_and_is_sent_again(books, insurance, send, agent, commit, letters):
    paper = send(books, insurance, books.child)
    with pytest.raises(PaperRefused, match="motif"):
        sending.refuse(paper, reason=" ", by=agent, at=NOW)
    with commit():
        sending.refuse(paper, reason="Il manque une page.", by=agent, at=NOW)
    assert status(books) == [Status.REFUSED]
    assert "Il manque une page." in letters[0].body
    again = send(books, insurance, books.child)
    assert again.pk != paper.pk and status(books) == [Status.WAITS]


def test_a_paper_of_health_is_named_in_no_letter(books, canteen, send, agent, commit, letters):
    kind = PaperKindFactory(name="Protocole PAI", secrecy="health", asked_by=[canteen.activity])
    paper = send(books, kind, books.child)
    assert paper.document.right == "families.view_childhealth"
    with commit():
        sending.refuse(paper, reason="L'ordonnance manque.", by=agent, at=NOW)
    assert "Un papier de Lina" in letters[0].body
    assert "PAI" not in letters[0].body and "ordonnance" not in letters[0].body


# What is refused ------------------------------------------------------------------------------------------


def test_what_is_not_asked_cannot_be_sent(stranger: Family, books, insurance, send):
    with pytest.raises(PaperRefused, match="plus demandé"):
        send(stranger, insurance, stranger.child)
    with pytest.raises(PaperRefused, match="ne vit plus dans votre foyer"):
        send(stranger, insurance, books.child)
    assert not Paper.objects.exists() and not Document.objects.exists()


def test_what_is_in_order_is_not_sent_again_before_it_ends_soon(books, insurance, send, agent):
    paper = send(books, insurance, books.child)
    sending.accept(paper, ends_on=SUMMER, by=agent, at=NOW)
    with pytest.raises(PaperRefused, match="déjà accepté"):
        send(books, insurance, books.child)
    june = NOW.replace(year=2027, month=8, day=2)
    assert send(books, insurance, books.child, at=june).pk != paper.pk


def test_the_other_home_sends_nothing_while_one_waits_and_may_after_a_refusal(books, insurance, send, agent):
    other = other_home_of(books)
    paper = send(books, insurance, books.child)
    with pytest.raises(PaperRefused, match="sert pour vos deux foyers"):
        send(other, insurance, books.child)
    sending.refuse(paper, reason="Illisible.", by=agent, at=NOW)
    sent = send(other, insurance, books.child)
    assert (sent.household, status(books)) == (other.household, [Status.WAITS])


@pytest.mark.parametrize(
    ("lasts", "said", "sentence"),
    [
        ("months", {}, "Indiquez la date inscrite"),
        ("months", {"dated_on": TODAY + timedelta(days=1)}, "à venir"),
        ("months", {"dated_on": date(2026, 8, 8)}, "plus de 3 mois"),
        ("own_date", {}, "jusqu'à quand"),
        ("own_date", {"ends_on": TODAY - timedelta(days=1)}, "n'est plus valable"),
    ],
)
def test_a_paper_that_would_be_of_no_use_is_refused_at_once(books, canteen, send, lasts, said, sentence):
    months = 3 if lasts == "months" else None
    kind = PaperKindFactory(lasts=lasts, months=months, asked_by=[canteen.activity])
    with pytest.raises(PaperRefused, match=sentence):
        send(books, kind, books.child, **said)
    assert not Document.objects.exists()


def test_the_last_day_of_three_months_is_still_good(books, canteen, send):
    kind = PaperKindFactory(lasts="months", months=3, asked_by=[canteen.activity])
    assert proposed(send(books, kind, books.child, dated_on=date(2026, 8, 9))) == TODAY


# What the town hall answers ---------------------------------------------------------------------------------


def test_the_end_of_the_year_is_the_eve_of_the_next_one(books, insurance, send):
    SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 2), ends_on=date(2028, 7, 5))
    assert proposed(send(books, insurance, books.child)) == date(2027, 9, 1)
    with time_machine.travel(NOW.replace(year=2027, month=7, day=10), tick=False):
        given = asking.year_end(date(2027, 7, 10))
    assert given == date(2028, 8, 31), "once classes are over, what is given is the next year's"


def test_a_next_one_is_proposed_until_the_end_of_the_next_year(books, insurance, send, agent):
    SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 2), ends_on=date(2028, 7, 5))
    paper = send(books, insurance, books.child)
    sending.accept(paper, ends_on=TODAY + timedelta(days=290), by=agent, at=NOW)
    later = NOW + timedelta(days=280)
    following = send(books, insurance, books.child, at=later)
    assert sending.proposed_ends([following], later.date())[following.pk] == date(2028, 8, 31)
    sending.accept(following, ends_on=date(2028, 8, 31), by=agent, at=later)
    paper.refresh_from_db()
    assert (paper.state, paper.ends_on) == ("expired", later.date() - timedelta(days=1))
    assert Paper.objects.get(state="accepted") == following


def test_no_years_at_all_propose_nothing_and_the_town_hall_says(books, insurance, send, agent):
    paper = send(books, insurance, books.child)
    assert asking.year_end(date(2031, 1, 1)) is None
    with pytest.raises(PaperRefused, match="jusqu'à quand"):
        sending.accept(paper, ends_on=None, by=agent, at=NOW)
    with pytest.raises(PaperRefused, match="passé"):
        sending.accept(paper, ends_on=TODAY - timedelta(days=1), by=agent, at=NOW)
    assert Paper.objects.get().state == "sent"
    assert SchoolYear.objects.exists()


def test_what_never_ends_has_no_end_whatever_is_posted(books, rules, send, agent):
    paper = sending.accept(send(books, rules), ends_on=TODAY, by=agent, at=NOW)
    assert paper.ends_on is None


def test_a_second_agent_learns_that_it_is_answered(books, insurance, send, agent):
    paper = send(books, insurance, books.child)
    sending.accept(paper, ends_on=SUMMER, by=agent, at=NOW)
    for answer in (
        lambda: sending.accept(paper, ends_on=SUMMER, by=agent, at=NOW),
        lambda: sending.refuse(paper, reason="Illisible.", by=agent, at=NOW),
    ):
        with pytest.raises(AlreadyAnswered, match="accepté"):
            answer()


def test_a_file_that_was_replaced_meanwhile_is_not_accepted_unread(books, insurance, send, agent):
    first = send(books, insurance, books.child).document
    paper = send(books, insurance, books.child)
    with pytest.raises(PaperRefused, match="un autre fichier"):
        sending.accept(paper, ends_on=SUMMER, looked_at=first.pk, by=agent, at=NOW)
    sending.accept(paper, ends_on=SUMMER, looked_at=paper.document_id, by=agent, at=NOW)


def test_nobody_answers_for_his_own_household(books, insurance, send, agent, chief):
    GuardianFactory(household=books.household, user=agent)
    paper = send(books, insurance, books.child)
    for act in (
        lambda: sending.accept(paper, ends_on=SUMMER, by=agent, at=NOW),
        lambda: sending.refuse(paper, reason="Non.", by=agent, at=NOW),
        lambda: sending.take(
            books.household, insurance, books.child, Said(), seen_on=TODAY, by=agent, at=NOW
        ),
    ):
        with pytest.raises(OwnHousehold):
            act()


def test_seen_at_the_counter_answers_what_waited(books, insurance, send, agent, commit, letters):
    waiting = send(books, insurance, books.child)
    with commit():
        paper = sending.take(books.household, insurance, books.child, Said(), seen_on=TODAY, by=agent, at=NOW)
    assert (paper.pk, paper.state, paper.ends_on) == (waiting.pk, "accepted", SUMMER)
    assert paper.document is None and not Document.objects.exists()
    assert "vu au guichet le 9 novembre 2026" in letters[0].body


@pytest.mark.parametrize(
    ("way", "brings", "sentence"), [("file", False, "joignez-en"), ("desk", True, "ne garde aucun fichier")]
)
def test_what_a_kind_keeps_is_kept_and_nothing_else(books, canteen, agent, way, brings, sentence):
    kind = PaperKindFactory(way=way, asked_by=[canteen.activity])
    said = Said(ContentFile(PDF, "papier.pdf"), "application/pdf") if brings else Said()
    with pytest.raises(PaperRefused, match=sentence):
        sending.take(books.household, kind, books.child, said, seen_on=TODAY, by=agent, at=NOW)


def test_what_is_asked_by_hand_is_asked_until_the_town_hall_stops(
    stranger, now, send, agent, commit, letters
):
    judgment = PaperKindFactory(name="Jugement", secrecy="justice", lasts="months", months=12)
    with commit():
        asked = sending.ask(stranger.household, judgment, stranger.child, at=NOW)
    assert "Un papier de Zoé : la mairie vous le demande." in letters[0].body
    with pytest.raises(PaperRefused, match="déjà demandé"):
        sending.ask(stranger.household, judgment, stranger.child, at=NOW)
    sent = send(stranger, judgment, stranger.child, dated_on=TODAY)
    assert (sent.pk, sent.private, sent.document.right) == (asked.pk, True, "families.open_justice_paper")
    sending.refuse(sent, reason="Illisible.", by=agent, at=NOW)
    again = send(stranger, judgment, stranger.child, dated_on=TODAY)
    sending.accept(again, ends_on=date(2027, 11, 9), by=agent, at=NOW)
    assert status(stranger) == [Status.GOOD]
    assert status(stranger, date(2027, 11, 1)) == [Status.ENDS_SOON], "asked again before it ends"
    sending.stop_asking(again)
    assert status(stranger, date(2027, 11, 10)) == []


def test_the_night_ends_what_is_over_and_asks_again(books, insurance, send, agent):
    paper = send(books, insurance, books.child)
    sending.accept(paper, ends_on=TODAY, by=agent, at=NOW)
    assert sending.expire(at=NOW) == 0, "its last day is a good one"
    tomorrow = NOW + timedelta(days=1)
    assert (sending.expire(at=tomorrow), sending.expire(at=tomorrow)) == (1, 0)
    assert status(books, tomorrow.date()) == [Status.EXPIRED]


# What the database keeps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["sent", "accepted"])
def test_two_homes_never_hold_two_of_a_childs_papers(books, insurance, state):
    other = other_home_of(books)
    PaperFactory(kind=insurance, household=books.household, child=books.child, state=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        PaperFactory(kind=insurance, household=other.household, child=books.child, state=state)
    judgment = PaperKindFactory(secrecy="justice")
    for home in (books.household, other.household):
        PaperFactory(kind=judgment, household=home, child=books.child, state=state)
    with pytest.raises(IntegrityError), transaction.atomic():
        PaperFactory(kind=judgment, household=home, child=books.child, state=state)


def test_a_household_holds_one_of_its_own_and_others_theirs(books, stranger, rules):
    for who in (books, stranger):
        PaperFactory(kind=rules, household=who.household)
    with pytest.raises(IntegrityError), transaction.atomic():
        PaperFactory(kind=rules, household=books.household, state="awaited")


def test_a_kind_that_was_given_changes_neither_whom_it_is_about_nor_who_opens_it(books, insurance: PaperKind):
    insurance.secrecy = "justice"
    insurance.full_clean()
    PaperFactory(kind=insurance, household=books.household, child=books.child)
    for change in ({"secrecy": "justice"}, {"secrecy": "ordinary", "about": "household"}):
        for name, value in change.items():
            setattr(insurance, name, value)
        with pytest.raises(ValidationError, match="ne change plus"):
            insurance.full_clean()


def test_months_are_said_of_a_paper_that_counts_them_and_of_no_other(db):
    for lasts, months in (("months", None), ("for_ever", 3)):
        with pytest.raises(ValidationError, match="nombre de mois"):
            PaperKindFactory.build(lasts=lasts, months=months).full_clean()


def test_a_child_that_has_left_takes_no_more_papers(books, insurance, send):
    Custody.objects.filter(household=books.household).update(until=TODAY)
    with pytest.raises(PaperRefused, match="ne vit plus"):
        send(books, insurance, books.child)
