"""Days that a family gives up: said before, billed after, put right when they stand again, let off."""

from datetime import date
from decimal import Decimal
from html import unescape

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.invoices import invoicing, refunds
from billing.invoices.creditable import Wanted
from billing.invoices.refunds import RefundRefused
from billing.models import BilledItem, GivenUpDay, Invoice, ManualCharge, RefundRule, RefundStep
from families.custody.own import OwnHousehold
from portal.reservations.acts import booking, ending, giving_up, reservation_drafts
from portal.reservations.acts.ending import Ending
from portal.reservations.acts.overriding import Overrides
from portal.reservations.acts.refusals import Choice
from portal.reservations.models import Activity, Booking
from portal.reservations.states import BookingState, Override
from portal.reservations.towns import town_file
from portal.reservations.towns.fields import TownFileError
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, bill, eats
from tests.conftest import other_home_of
from tests.factories import BookingFactory, FormulaFactory, UserFactory, paris
from tests.families.conftest import commit, letters

__all__ = ["commit", "letters"]

pytestmark = pytest.mark.django_db
D = Decimal
AT = paris(2026, 11, 9, 10)
# 17, 10 and 4 days after the 9th.
FAR, NEAR, NEXT = date(2026, 11, 26), date(2026, 11, 19), date(2026, 11, 13)


@pytest.fixture
def steps(canteen, meals):
    """A meal costs 3.20: cancelled 15 days before, half of it comes back; 7 days before, 30 %."""
    rule = RefundRule.objects.create(activity=canteen.activity, valid_from=date(2026, 9, 1))
    RefundStep.objects.create(rule=rule, days_before=15, percent=50)
    RefundStep.objects.create(rule=rule, days_before=7, percent=30)
    return rule


@pytest.fixture
def ask(canteen):
    def do(who, *, cancel=(), book=(), at=AT, by=None, overrides=None):
        draft = reservation_drafts.choose(
            who.enrolment,
            canteen.restaurant,
            canteen.period,
            book={Choice(canteen.formula.pk, day) for day in book},
            cancel={Choice(canteen.formula.pk, day) for day in cancel},
            by=by or who.user,
            at=at,
            at_desk=by is not None,
        )
        said = {"overrides": overrides} if overrides else {}
        return booking.submit(draft, by=by or who.user, at=at, tell=False, **said)

    return do


def due():
    return [(row.day, row.amount) for row in GivenUpDay.objects.order_by("day")]


def charges():
    return [row.unit_price for row in ManualCharge.objects.order_by("pk")]


def lines_of(month):
    lines = Invoice.objects.get(month=month).lines.filter(kind="manual")
    return [(line.label, line.amount, line.explanation) for line in lines]


def test_what_is_due_hangs_on_how_many_days_before(books, steps, ask):
    eats(books, [FAR, NEAR, NEXT])
    ask(books, cancel=[FAR, NEAR, NEXT])
    # 3.20 less half; less 30 % (0.96); less nothing.
    assert due() == [(NEXT, D("3.20")), (NEAR, D("2.24")), (FAR, D("1.60"))]


def test_it_is_a_line_of_the_invoice_with_its_calculation(books, steps, ask):
    eats(books, [FAR, date(2026, 11, 27)])
    ask(books, cancel=[FAR])
    bill(NOVEMBER, END_OF_NOVEMBER)
    ((label, amount, explanation),) = lines_of(NOVEMBER.month)
    assert label.endswith("Repas du jeudi 26 novembre, annulé le lundi 9 novembre")
    assert amount == D("1.60")
    assert explanation == "Annulé 17 jours avant : 50\xa0% rendus, 50\xa0% restent dus de 3,20\xa0€."
    assert Invoice.objects.get().total == D("4.80")


def test_a_day_booked_again_leaves_nothing_due(books, steps, ask):
    eats(books, [FAR])
    ask(books, cancel=[FAR])
    ask(books, book=[FAR])
    assert (due(), charges()) == ([(FAR, D(0))], [])


def test_what_the_town_hall_cancels_once_it_was_booked_again_stays_free(books, steps, ask, chief):
    """A day given up, booked again and closed; then another day, and another child's of the same day."""
    eats(books, [FAR])
    ask(books, cancel=[FAR])
    ask(books, book=[FAR])
    booking.cancel(Booking.objects.holding(), by=chief, at=AT, reason="Travaux")
    ask(books, book=[NEAR])
    other = other_home_of(books)
    giving_up.taken_again(
        [
            BookingFactory(enrolment=other.enrolment, day=FAR),
            BookingFactory(enrolment=books.enrolment, day=NEXT),
        ]
    )
    assert (due(), charges()) == ([(FAR, D(0))], [])


def test_the_other_home_that_books_the_day_leaves_it_due(books, steps, ask):
    eats(books, [FAR])
    ask(books, cancel=[FAR])
    other = other_home_of(books)
    giving_up.taken_again([BookingFactory(enrolment=other.enrolment, day=FAR)])
    assert due() == [(FAR, D("1.60"))]


@pytest.fixture
def evening(canteen):
    return FormulaFactory(activity=canteen.activity, code="soir", name="Soir", parts=["evening"])


def test_who_keeps_the_evening_still_owes_the_noon_that_was_given_up(books, steps, ask, evening):
    eats(books, [FAR])
    eats(books, [FAR], formula=evening)
    ask(books, cancel=[FAR])
    assert (due(), charges()) == ([(FAR, D("1.60"))], [D("1.60")])


def test_who_books_the_evening_still_owes_the_noon_that_was_given_up(books, steps, ask, evening):
    eats(books, [FAR])
    ask(books, cancel=[FAR])
    giving_up.taken_again(eats(books, [FAR], formula=evening))
    assert due() == [(FAR, D("1.60"))]


def test_a_day_that_a_credit_note_took_back_is_given_up_for_nothing(books, steps, ask, canteen):
    (held,) = eats(books, [FAR])
    bill(NOVEMBER, AT)
    item = BilledItem.objects.get(booking=held)
    invoicing.credit(
        Invoice.objects.get(), Wanted(items=frozenset([item.pk])), reason="Geste", by=None, at=AT
    )
    choice = Choice(held.formula_id, FAR)
    assert giving_up.foreseen(books.enrolment, canteen.period, {choice}, at=AT) == {}
    ask(books, cancel=[FAR])
    assert (due(), charges()) == ([], [])


def test_given_up_a_second_time_the_later_day_counts_once(books, steps, ask):
    eats(books, [FAR])
    ask(books, cancel=[FAR])
    ask(books, book=[FAR])
    ask(books, cancel=[FAR], at=paris(2026, 11, 18, 10))
    assert (due(), charges()) == ([(FAR, D("2.24"))], [D("2.24")])


def test_billed_and_booked_again_it_is_given_back_on_the_next_invoice(books, steps, ask):
    day = date(2026, 12, 17)
    eats(books, [FAR, day])
    ask(books, cancel=[day])
    bill(NOVEMBER, END_OF_NOVEMBER)
    assert [amount for _, amount, _ in lines_of(NOVEMBER.month)] == [D("1.60")]
    ask(books, book=[day], at=paris(2026, 12, 1))
    bill(DECEMBER, END_OF_DECEMBER)
    ((label, amount, _),) = lines_of(DECEMBER.month)
    assert label.endswith("rectification") and amount == D("-1.60")
    assert Invoice.objects.get(month=DECEMBER.month).total == D("1.60")


def test_what_was_billed_beforehand_comes_back_but_for_what_is_due(books, steps, ask):
    far = date(2026, 11, 27)
    eats(books, [far])
    bill(NOVEMBER, AT)
    ask(books, cancel=[far])
    eats(books, [date(2026, 12, 3)])
    bill(DECEMBER, END_OF_DECEMBER)
    # One meal of 3.20, the one that was billed taken back, half of it due.
    assert Invoice.objects.get(month=DECEMBER.month).total == D("1.60")


def test_the_town_hall_gives_a_day_back_and_nothing_is_due(books, steps, ask, chief):
    eats(books, [FAR])
    ask(books, cancel=[FAR])
    booking.restore(Booking.objects.filter(day=FAR), reason="Erreur de la famille.", by=chief, at=AT)
    assert (due(), charges()) == ([(FAR, D(0))], [])


def test_days_that_the_town_hall_cancels_cost_nothing(books, steps, agent):
    eats(books, [NEXT])
    booking.cancel(Booking.objects.all(), by=agent, at=AT, reason="Travaux")
    assert not GivenUpDay.objects.exists()


def test_what_is_only_asked_for_is_given_up_for_nothing(books, steps, ask):
    eats(books, [NEXT], state=BookingState.REQUESTED)
    ask(books, cancel=[NEXT])
    assert not GivenUpDay.objects.exists()


def test_a_cancellation_that_is_asked_for_counts_from_when_it_was(books, steps, ask, agent):
    Activity.objects.update(cancel_processing=Activity.Processing.ON_REQUEST)
    eats(books, [FAR])
    asked = ask(books, cancel=[FAR])
    assert not GivenUpDay.objects.exists()
    booking.accept(asked.lines.all(), by=agent, at=paris(2026, 11, 24, 10))
    assert due() == [(FAR, D("1.60"))]


def test_at_the_telephone_the_same_is_due_unless_the_deadline_is_passed_over(books, steps, ask, chief):
    eats(books, [NEAR, date(2026, 11, 10)])
    ask(books, cancel=[NEAR], by=chief)
    passing = Overrides({Override.DEADLINE: "La mère est hospitalisée."})
    ask(books, cancel=[date(2026, 11, 10)], by=chief, overrides=passing)
    assert due() == [(NEAR, D("2.24"))]


def test_another_formula_is_no_cancellation(books, steps, canteen):
    other = FormulaFactory(activity=canteen.activity, code="pique-nique", name="Pique-nique")
    (held,) = eats(books, [FAR], formula=canteen.formula)
    booking.change(held, other, by=books.user, at=AT, tell=False)
    assert not GivenUpDay.objects.exists()


def test_a_rule_holds_for_the_days_from_its_first_on(books, steps, ask):
    RefundRule.objects.update(valid_from=NEAR)
    eats(books, [NEXT, NEAR])
    ask(books, cancel=[NEXT, NEAR])
    assert due() == [(NEAR, D("2.24"))]


def test_days_are_counted_up_to_the_period_where_the_town_says_so(books, steps, ask):
    # The period began on 2 November.
    steps.until = RefundRule.Until.PERIOD
    steps.save()
    eats(books, [FAR])
    ask(books, cancel=[FAR])
    assert due() == [(FAR, D("3.20"))]


def test_the_family_reads_it_before_it_confirms(books, books_client, steps, canteen, now):
    eats(books, [FAR, date(2026, 11, 27)])
    draft = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book=(),
        cancel={Choice(canteen.formula.pk, FAR), Choice(canteen.formula.pk, date(2026, 11, 27))},
        by=books.user,
        at=now,
    )
    page = unescape(books_client.get(reverse("reservations:validation", args=[draft.pk])).content.decode())
    assert "Annulés aujourd'hui, ces 2 jours vous restent dus à 50\xa0% : 3,20\xa0€." in page
    assert 'class="sum"' not in page  # no box around nothing


def test_a_family_that_books_reads_what_cancelling_would_give_back(books, books_client, steps, canteen, now):
    draft = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book={Choice(canteen.formula.pk, FAR)},
        by=books.user,
        at=now,
    )
    page = unescape(books_client.get(reverse("reservations:recording", args=[draft.pk])).content.decode())
    assert "Un jour annulé 15 jours avant ou plus tôt rend 50\xa0% de son prix" in page


def test_who_ends_an_enrolment_reads_what_its_days_leave_due(books, steps, now):
    Activity.objects.update(families_end=True)
    eats(books, [FAR, date(2026, 11, 27)])
    books.enrolment.refresh_from_db()
    said = Ending(date(2026, 11, 20), "Déménagement", by_family=True)
    found = ending.outlook(books.enrolment, said, at=now)
    assert found.sentences[-1] == "Annulés aujourd'hui, ces 2 jours vous restent dus à 50\xa0% : 3,20\xa0€."
    assert "sans frais" not in found.sentences[0]
    ending.end(books.enrolment, said, by=books.user, at=now, seen=found.fingerprint)
    assert [amount for _, amount in due()] == [D("1.60"), D("1.60")]


def test_its_letter_says_what_is_due(books, steps, canteen, now, letters, commit):
    eats(books, [FAR])
    draft = reservation_drafts.choose(
        books.enrolment,
        canteen.restaurant,
        canteen.period,
        book=(),
        cancel={Choice(canteen.formula.pk, FAR)},
        by=books.user,
        at=now,
    )
    with commit():
        booking.submit(draft, by=books.user, at=now)
    assert "Jours annulés, 1,60\xa0€ restant dus sur votre prochaine facture" in letters[0].body


def test_a_request_says_what_would_be_due(books):
    due = giving_up.Due(50, D("61.20"))
    assert giving_up.sentence(3, due, asks=True) == (
        "Si la mairie accepte, ces 3 jours vous resteront dus à 50\xa0% : 61,20\xa0€."
    )
    assert giving_up.sentence(1, giving_up.Due(100, D("36.00")), asks=False) == (
        "Annulé aujourd'hui, ce jour vous reste dû en entier : 36,00\xa0€."
    )


def test_a_town_without_steps_asks_no_query(books, canteen, meals, now):
    (held,) = eats(books, [FAR])
    choice = Choice(held.formula_id, FAR)
    with CaptureQueriesContext(connection) as asked:
        assert giving_up.foreseen(books.enrolment, canteen.period, {choice}, at=now) == {}
        giving_up.taken_again([held])
        assert not giving_up.in_words(canteen.activity.pk, FAR)
    assert len(asked) == 0


@pytest.mark.parametrize("many", [1, 8])
def test_what_is_due_of_many_days_is_foreseen_in_as_many_queries(books, steps, canteen, now, many):
    days = [date(2026, 11, day) for day in (16, 17, 19, 20, 23, 24, 26, 27)][:many]
    choices = {Choice(one.formula_id, one.day) for one in eats(books, days)}
    giving_up.in_words(canteen.activity.pk, FAR)
    giving_up.foreseen(books.enrolment, canteen.period, choices, at=now)
    with CaptureQueriesContext(connection) as asked:
        found = giving_up.foreseen(books.enrolment, canteen.period, choices, at=now)
    assert len(found) == many
    assert len(asked) == 3


# At the desk, and in the town's file -----------------------------------------------------------------


@pytest.fixture
def given_up(books, steps, ask):
    eats(books, [FAR])
    ask(books, cancel=[FAR])
    return GivenUpDay.objects.get()


def test_the_regie_lets_a_family_off_with_a_reason(given_up, regie, regie_client):
    address = reverse("admin:billing_givenupday_change", args=[given_up.pk])
    regie_client.post(address, {"forgiven_reason": "Hospitalisation"})
    given_up.refresh_from_db()
    assert (given_up.amount, given_up.forgiven_by, charges()) == (D(0), regie, [])
    page = regie_client.get(reverse("admin:billing_givenupday_changelist")).content.decode()
    assert "rien à payer" in page and "Hospitalisation" in page


def test_a_day_is_let_off_once_and_for_a_reason(given_up, regie):
    with pytest.raises(RefundRefused, match="motif"):
        refunds.forgive(given_up, reason=" ", by=regie, at=AT)
    refunds.forgive(given_up, reason="Hospitalisation", by=regie, at=AT)
    with pytest.raises(RefundRefused, match="déjà remis"):
        refunds.forgive(given_up, reason="Encore", by=regie, at=AT)


def test_nobody_lets_the_own_household_off(given_up, books):
    books.user.is_staff = True
    books.user.save()
    with pytest.raises(OwnHousehold):
        refunds.forgive(given_up, reason="Moi", by=books.user, at=AT)


def test_whoever_tries_reads_why_and_not_that_it_is_done(given_up, regie_client, regie):
    given_up.household.guardians.update(user=regie)
    UserFactory(is_staff=True, is_superuser=True)
    address = reverse("admin:billing_givenupday_change", args=[given_up.pk])
    page = regie_client.post(address, {"forgiven_reason": "Moi"}, follow=True).content.decode()
    assert "un collègue décide à votre place" in page and "avec succès" not in page
    given_up.refresh_from_db()
    assert given_up.amount and not given_up.forgiven


def test_its_line_is_not_changed_by_hand(given_up):
    assert not ManualCharge.objects.get().is_free


def test_a_rule_is_typed_with_its_steps_and_says_what_they_give(canteen, regie_client):
    said = {
        "activity": canteen.activity.pk,
        "valid_from": "01/09/2026",
        "until": "period",
        "steps-TOTAL_FORMS": "2",
        "steps-INITIAL_FORMS": "0",
        "steps-0-days_before": "30",
        "steps-0-percent": "70",
        "steps-1-days_before": "15",
        "steps-1-percent": "50",
    }
    address = reverse("admin:billing_refundrule_add")
    wrong = regie_client.post(address, said | {"steps-1-percent": "80"}).content.decode()
    assert "doit rendre plus" in unescape(wrong) and not RefundRule.objects.exists()
    assert regie_client.post(address, said).status_code == 302
    rule = RefundRule.objects.get()
    page = regie_client.get(reverse("admin:billing_refundrule_change", args=[rule.pk])).content.decode()
    assert "36,00" in page and "25,20" in page and "10,80" in page


RULE = """
remboursements:
  - {activité: restauration-scolaire, du: 2026-09-01, compté_avant: période, paliers: [%s]}
"""


def test_the_towns_file_says_it(canteen, meals, now):
    town_file.load(RULE % '{jours_avant: 30, "rendu_en_%": 70}, {jours_avant: 15, "rendu_en_%": 50}')
    rule = RefundRule.objects.get()
    assert rule.until == RefundRule.Until.PERIOD
    assert [(one.days_before, one.percent) for one in rule.steps.all()] == [(30, 70), (15, 50)]
    assert "remboursements" in town_file.export()


@pytest.mark.parametrize(
    "steps", ['{jours_avant: 30, "rendu_en_%": 50}, {jours_avant: 15, "rendu_en_%": 70}', ""]
)
def test_steps_that_contradict_one_another_are_refused_in_the_file(canteen, meals, now, steps):
    with pytest.raises(TownFileError):
        town_file.load(RULE % steps)
    assert not RefundRule.objects.exists()


def test_a_step_gives_back_no_more_than_all(steps):
    with pytest.raises(ValidationError):
        RefundStep(rule=steps, days_before=60, percent=120).full_clean()
