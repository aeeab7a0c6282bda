"""Papers and texts before a place: nothing is booked, or enrolled, before they are there."""

from datetime import date, timedelta

import pytest
from django.core.files.base import ContentFile

from families.models import PaperKind
from families.papers import asking, sending
from families.papers.sending import Said
from families.texts import accepting
from portal.reservations.acts import booking, enrolling, many, reservation_drafts
from portal.reservations.acts.conditions import Wish, unmet
from portal.reservations.acts.enrolling import EnrolmentRefused
from portal.reservations.acts.many import Wish as DayWish
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import ActivityPaper, Booking, Enrolment
from portal.reservations.states import Became, Override
from tests.conftest import enrolled, family
from tests.factories import ActivityTextFactory, AskedTextFactory, PaperFactory, PaperKindFactory
from tests.families.conftest import PDF, private_files
from tests.portal.reservations.audit import (
    FRIDAY,
    MONDAY,
    THURSDAY,
    TUESDAY,
    audit,
    choices,
    give_up,
    outcomes,
    reasons,
    reserve,
    states,
)

__all__ = ["private_files"]
Without, Counts = ActivityPaper.Without, ActivityPaper.Counts
ENDS = date(2026, 11, 18)


@pytest.fixture
def insurance(canteen) -> PaperKind:
    """One a child, with its own end: without it, no day."""
    kind = PaperKindFactory(code="assurance", lasts=PaperKind.Lasts.OWN_DATE)
    ActivityPaper.objects.create(activity=canteen.activity, kind=kind, without=Without.PLACE)
    return kind


def rule(kind: PaperKind, **values: str) -> None:
    row = kind.activities.get()
    for name, value in values.items():
        setattr(row, name, value)
    row.full_clean()
    row.save()


def given(who, kind, *, ends=None, state="accepted", **values):
    return PaperFactory(
        kind=kind, household=who.household, child=who.child, state=state, ends_on=ends, **values
    )


def send(who, kind, now, *, ends=None, child="own"):
    said = Said(ContentFile(PDF, "papier.pdf"), "application/pdf", None, ends)
    about = who.child if child == "own" else child
    return sending.send(who.household, kind, about, said, by=who.user, at=now)


# Days ----------------------------------------------------------------------------------------------------


def test_no_day_is_booked_before_the_insurance_is_there(books, canteen, insurance, now):
    with pytest.raises(BookingRefused, match="Attestation d'assurance de Lina : la mairie l'attend"):
        reserve(books, canteen, MONDAY, at=now)
    assert not Booking.objects.exists()


def test_an_accepted_one_opens_the_days_up_to_its_end_and_no_further(books, canteen, insurance, now):
    given(books, insurance, ends=ENDS)
    made = reserve(books, canteen, TUESDAY, THURSDAY, at=now)
    assert outcomes(made) == ["accepted", "refused"]
    assert "valable jusqu'au mercredi 18 novembre 2026" in reasons(made)[1]
    audit()


def test_of_days_past_its_end_only_the_whole_is_refused_at_once(books, canteen, insurance, now):
    given(books, insurance, ends=ENDS)
    with pytest.raises(BookingRefused, match="valable jusqu'au mercredi 18 novembre 2026"):
        reserve(books, canteen, THURSDAY, FRIDAY, at=now)


def test_a_paper_sent_and_not_yet_read_gives_no_day_unless_the_town_says_so(
    books, canteen, insurance, now, private_files
):
    send(books, insurance, now, ends=ENDS)
    with pytest.raises(BookingRefused, match="envoyé, la mairie le vérifie"):
        reserve(books, canteen, MONDAY, at=now)
    rule(insurance, counts=Counts.SENT)
    assert outcomes(reserve(books, canteen, MONDAY, THURSDAY, at=now)) == ["accepted", "refused"]


def test_a_reminder_stops_nothing(books, canteen, insurance, now):
    rule(insurance, without=Without.WARNS)
    (missing,) = unmet([Wish.of(books.enrolment, [MONDAY])], now)
    assert [(one.stops, "Vos jours se réservent quand même." in one.sentence) for one in missing] == [
        (False, True)
    ]
    assert outcomes(reserve(books, canteen, MONDAY, at=now)) == ["accepted"]


def test_a_paper_only_asked_for_stops_nothing_and_costs_nothing(
    books, canteen, insurance, now, django_assert_num_queries
):
    rule(insurance, without=Without.ASKED)
    unmet([Wish.of(books.enrolment, [MONDAY])], now)
    with django_assert_num_queries(0):
        assert unmet([Wish.of(books.enrolment, [MONDAY])], now) == [[]]


def test_what_is_cancelled_needs_no_paper(books, canteen, insurance, now):
    given(books, insurance)
    reserve(books, canteen, MONDAY, at=now)
    books.household.papers.all().delete()
    assert outcomes(give_up(books, canteen, MONDAY, at=now)) == ["accepted"]


def test_the_town_hall_passes_over_with_its_reason(books, canteen, insurance, agent, now):
    ticks = {"book": choices(canteen, [MONDAY])}
    draft = reservation_drafts.choose(
        books.enrolment, canteen.restaurant, canteen.period, **ticks, by=agent, at=now, at_desk=True
    )
    with pytest.raises(BookingRefused, match="la mairie l'attend"):
        booking.submit(draft, by=agent, at=now)
    made = booking.submit(
        draft, by=agent, at=now, overrides=Overrides({Override.PAPERS: "L'assureur tarde."})
    )
    assert (outcomes(made), made.desk_reason) == (["accepted"], "Papiers : L'assureur tarde.")


def test_it_passes_over_the_end_of_a_paper_too(books, canteen, insurance, agent, now):
    given(books, insurance, ends=ENDS)
    ticks = {"book": choices(canteen, [TUESDAY, THURSDAY])}
    draft = reservation_drafts.choose(
        books.enrolment, canteen.restaurant, canteen.period, **ticks, by=agent, at=now, at_desk=True
    )
    made = booking.submit(draft, by=agent, at=now, overrides=Overrides({Override.PAPERS: "Vu."}))
    assert (outcomes(made), reasons(made)) == (["accepted", "accepted"], ["", "Papiers : Vu."])


def test_a_freed_place_goes_to_the_next_who_has_the_paper_and_the_first_keeps_its_rank(
    books, waits, stranger, canteen, insurance, now, year
):
    """Lina leaves; Noé waits first, his insurance has ended since."""
    last = enrolled(stranger, canteen, year)
    slot = canteen.slot(MONDAY)
    slot.capacity = 1
    slot.save()
    for who in (books, waits, last):
        given(who, insurance)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    reserve(last, canteen, MONDAY, at=now, wait=True)
    waits.child.papers.update(ends_on=now.date() - timedelta(days=1))
    give_up(books, canteen, MONDAY, at=now)
    assert (states(waits, MONDAY), states(last, MONDAY)) == (["waitlisted"], ["accepted"])
    waits.child.papers.update(ends_on=None)
    give_up(last, canteen, MONDAY, at=now)
    assert states(waits, MONDAY) == ["accepted"]
    audit()


def test_a_paper_that_arrives_gives_the_place_that_stayed_free(
    books, waits, canteen, insurance, agent, now, django_capture_on_commit_callbacks
):
    """Lina leaves; Noé, who waits, has no good insurance: the place is nobody's until his is accepted."""
    slot = canteen.slot(MONDAY)
    slot.capacity = 1
    slot.save()
    for who in (books, waits):
        given(who, insurance)
    reserve(books, canteen, MONDAY, at=now)
    reserve(waits, canteen, MONDAY, at=now, wait=True)
    waits.child.papers.update(state="expired", ends_on=now.date() - timedelta(days=1))
    give_up(books, canteen, MONDAY, at=now)
    assert states(waits, MONDAY) == ["waitlisted"]
    sent = send(waits, insurance, now, ends=ENDS)
    with django_capture_on_commit_callbacks(execute=True):
        sending.accept(sent, ends_on=ENDS, by=agent, at=now)
    assert states(waits, MONDAY) == ["accepted"]
    audit()


def test_a_paper_that_nothing_waits_for_asks_the_worker_for_nothing(
    waits, canteen, insurance, agent, now, django_capture_on_commit_callbacks
):
    rule(insurance, without=Without.ASKED)
    sent = send(waits, insurance, now, ends=ENDS)
    with django_capture_on_commit_callbacks() as later:
        sending.accept(sent, ends_on=ENDS, by=agent, at=now)
    assert not any("serve_waiting" in repr(one) for one in later)


@pytest.mark.parametrize("number", [1, 10])
def test_a_lot_asks_for_all_children_at_once(
    number, canteen, insurance, agent, now, year, school_class, django_assert_max_num_queries
):
    found = [
        enrolled(family(f"foyer{one}", f"Nom{one}", f"Enfant{one}", school_class), canteen, year)
        for one in range(number)
    ]
    given(found[0], insurance)
    wishes = [DayWish(one.enrolment.pk, MONDAY) for one in found]
    with django_assert_max_num_queries(40):
        many.foresee_many(wishes, canteen.formula, by=agent, at=now)
    assert wishes[0].became == Became.DONE
    assert {one.became for one in wishes[1:]} <= {Became.LEFT}
    assert all("la mairie l'attend" in one.why for one in wishes[1:])


@pytest.mark.parametrize("number", [1, 10])
def test_any_number_of_wishes_costs_three_queries(
    number, canteen, insurance, now, year, school_class, django_assert_num_queries
):
    found = [
        enrolled(family(f"foyer{one}", f"Nom{one}", f"Enfant{one}", school_class), canteen, year)
        for one in range(number)
    ]
    wishes = [Wish.of(one.enrolment, [MONDAY]) for one in found]
    unmet(wishes, now)
    with django_assert_num_queries(3):
        assert [len(one) for one in unmet(wishes, now)] == [1] * number


def test_a_paper_of_health_or_justice_is_not_named(books, canteen, insurance, now):
    insurance.secrecy, insurance.name = PaperKind.Secrecy.HEALTH, "PAI"
    insurance.save()
    rule(insurance)
    (missing,) = unmet([Wish.of(books.enrolment, [MONDAY])], now)
    assert "PAI" not in missing[0].sentence
    assert missing[0].sentence.startswith("Un papier demandé de Lina")


# Enrolments ----------------------------------------------------------------------------------------------


@pytest.fixture
def enrol(stranger, canteen, year, now):
    def ask(**given):
        said = {"by": stranger.user, "at": now, "weekdays": 0, "starts_on": now.date()} | given
        return enrolling.request(
            household=stranger.household,
            child=stranger.child,
            activity=canteen.activity,
            establishment=canteen.restaurant,
            school_year=year,
            **said,
        )

    return ask


@pytest.fixture
def address(canteen) -> PaperKind:
    """A proof of address of the household, under three months, before one enrols."""
    kind = PaperKindFactory(
        code="domicile",
        name="Justificatif de domicile",
        about=PaperKind.About.HOUSEHOLD,
        lasts=PaperKind.Lasts.NUMBER_OF_MONTHS,
        months=3,
    )
    ActivityPaper.objects.create(activity=canteen.activity, kind=kind, without=Without.ENROLMENT)
    return kind


def of_address(who, kind, now, *, dated_on):
    said = Said(ContentFile(PDF, "papier.pdf"), "application/pdf", dated_on, None)
    return sending.send(who.household, kind, None, said, by=who.user, at=now)


def test_no_enrolment_is_sent_before_the_proof_of_address_which_can_be_sent_before_it(
    enrol, stranger, address, now, private_files
):
    with pytest.raises(EnrolmentRefused, match="Justificatif de domicile : la mairie l'attend"):
        enrol()
    assert asking.of_home(stranger.household, now.date()) == [], "nobody who does not enrol is asked for it"
    of_address(stranger, address, now, dated_on=now.date() - timedelta(days=10))
    assert enrol().pk, "sent is enough for the request, which the town hall reads"


def test_one_that_is_older_than_three_months_is_not_taken(stranger, address, now, private_files):
    with pytest.raises(sending.PaperRefused, match="plus de 3 mois"):
        of_address(stranger, address, now, dated_on=now.date() - timedelta(days=100))


def test_where_it_has_to_be_accepted_a_sent_one_does_not_do(enrol, stranger, address, now, private_files):
    rule(address, counts=Counts.ACCEPTED)
    of_address(stranger, address, now, dated_on=now.date())
    with pytest.raises(EnrolmentRefused, match="L'inscription attend qu'il soit accepté"):
        enrol()


def test_days_of_who_is_enrolled_do_not_wait_for_it(books, canteen, address, now):
    assert outcomes(reserve(books, canteen, MONDAY, at=now)) == ["accepted"]


def test_an_enrolment_whose_paper_was_refused_is_not_accepted_by_mistake(
    enrol, canteen, stranger, address, agent, now, private_files
):
    canteen.activity.enrolment_processing = "on_request"
    canteen.activity.save()
    paper = of_address(stranger, address, now, dated_on=now.date())
    asked = enrol()
    sending.refuse(paper, reason="Illisible.", by=agent, at=now)
    with pytest.raises(EnrolmentRefused, match="la mairie l'a refusé"):
        enrolling.accept(asked, by=agent, at=now)
    assert enrolling.accept(asked, by=agent, at=now, passing_over="Vu au guichet.")


def test_the_town_hall_enrols_without_it_by_right_and_with_a_reason(enrol, address, agent, now):
    with pytest.raises(EnrolmentRefused, match="la mairie l'attend"):
        enrol(by=agent, at_desk=True)
    assert enrol(by=agent, at_desk=True, passing_over="Emménage demain.").is_accepted
    with pytest.raises(EnrolmentRefused):
        enrol(passing_over="Je suis pressé.")


# Texts ---------------------------------------------------------------------------------------------------


def test_no_day_before_the_rules_are_accepted_and_once_is_enough(books, canteen, now):
    text = AskedTextFactory(name="Règlement intérieur")
    ActivityTextFactory(activity=canteen.activity, text=text)
    with pytest.raises(BookingRefused, match="Règlement intérieur : à lire et à accepter"):
        reserve(books, canteen, MONDAY, at=now)
    accepting.answer(books.household, text.versions.get(), {None: True}, by=books.user, at=now)
    assert outcomes(reserve(books, canteen, MONDAY, at=now)) == ["accepted"]


def test_a_new_version_asks_again_from_its_day(books, canteen, now):
    text = AskedTextFactory(everywhere=True)
    accepting.answer(books.household, text.versions.get(), {None: True}, by=books.user, at=now)
    text.versions.create(starts_on=now.date() + timedelta(days=3), body="Nouveau.")
    (missing,) = unmet([Wish.of(books.enrolment, [FRIDAY])], now)
    assert missing == []
    (missing,) = unmet([Wish.of(books.enrolment, [FRIDAY])], now + timedelta(days=3))
    assert [one.link for one in missing] == ["Lire et accepter"]


def test_a_free_consent_stops_nothing(books, canteen, now):
    text = AskedTextFactory(need="free", everywhere=True)
    accepting.answer(books.household, text.versions.get(), {None: False}, by=books.user, at=now)
    assert outcomes(reserve(books, canteen, MONDAY, at=now)) == ["accepted"]


def test_a_text_before_the_enrolment_stops_it(enrol, canteen, stranger, now):
    text = AskedTextFactory(need="both")
    ActivityTextFactory(activity=canteen.activity, text=text)
    with pytest.raises(EnrolmentRefused, match="avant l'inscription"):
        enrol()
    accepting.answer(stranger.household, text.versions.get(), {None: True}, by=stranger.user, at=now)
    assert Enrolment.objects.filter(pk=enrol().pk).exists()


def test_one_of_each_child_is_asked_of_each(books, canteen, now):
    text = AskedTextFactory(about="child", everywhere=True)
    (missing,) = unmet([Wish.of(books.enrolment, [MONDAY])], now)
    assert len(missing) == 1
    accepting.answer(books.household, text.versions.get(), {books.child.pk: True}, by=books.user, at=now)
    assert unmet([Wish.of(books.enrolment, [MONDAY])], now) == [[]]
