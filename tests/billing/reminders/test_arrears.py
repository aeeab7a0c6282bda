"""A decision about arrears is an agent's, after reminders: what it stops, what stands, how it ends."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import ArrearsDecision, BillingSettings, Invoice, InvoiceNotice
from billing.payments import instalments, paying
from billing.reminders import arrears
from billing.reminders.arrears import ArrearsRefused, DecisionChanged, Wanted
from billing.rules.arrears import Stops
from families.custody.own import OwnHousehold
from families.models import Guardian, PaperLetter
from portal.reservations.acts import booking, enrolling, reservation_drafts
from portal.reservations.acts.overriding import NONE, Overrides
from portal.reservations.acts.refusals import BookingRefused
from portal.reservations.models import ActivityDeadline, Booking, Enrolment
from portal.reservations.states import Override
from tests.conftest import brother_of, enrolled, family, other_home_of
from tests.factories import ActivityFactory, InvoiceFactory, SchoolYearFactory, paris
from tests.portal.reservations.audit import THURSDAY, audit, choices, outcomes

D = Decimal
LATE_TUESDAY = date(2026, 11, 10)
LAST_REMINDER = paris(2026, 10, 20, 9)
SENTENCE = "Parlons-en : un échéancier est possible."


def plain(text):
    return " ".join(unescape(str(text)).replace("\xa0", " ").split())


def reminded(home, left="84.20", *, times=2):
    """An invoice past its date, reminded of `times` times."""
    invoice = InvoiceFactory(household=home.household, due_on=date(2026, 9, 30), total=D(left))
    for level in range(times + 1):
        sent = LAST_REMINDER - timedelta(days=20 * (times - level))
        InvoiceNotice.objects.create(invoice=invoice, level=level, left=D(left), sent_at=sent)
    return invoice


def lets_stop(*activities):
    BillingSettings().save()
    BillingSettings.objects.get().arrears_activities.set(activities)


@pytest.fixture
def owing(books, canteen, regie):
    """The family that books owes 84.20, was reminded twice, and the town lets its canteen be stopped (a town
    whose canteen is no public school's)."""
    lets_stop(canteen.activity)
    reminded(books)
    return books


@pytest.fixture
def decide(regie, now):
    """The régie decides about a family, as it was previewed."""

    def do(home, *activities, stops=Stops.DAYS, by=regie, at=now, **more):
        wanted = Wanted(stops, list(activities), SENTENCE, "Trois relances, aucun appel.", **more)
        found = arrears.foresee(home.household, wanted, at=at)
        return arrears.decide(home.household, wanted, seen=found.stamp, by=by, at=at)

    return do


def reserves(home, canteen, now, *days, by=None, overrides=None):
    draft = reservation_drafts.choose(
        home.enrolment,
        canteen.restaurant,
        canteen.period,
        book=choices(canteen, days),
        by=by or home.user,
        at=now,
        at_desk=by is not None,
    )
    return booking.submit(draft, by=by or home.user, at=now, overrides=overrides or NONE)


# Deciding -------------------------------------------------------------------------------------------------


def test_nothing_is_ever_stopped_without_somebody(owing, canteen, now):
    assert arrears.settle(at=now) == 0
    assert outcomes(reserves(owing, canteen, now, THURSDAY)) == ["accepted"]
    assert not ArrearsDecision.objects.exists()


def test_who_may_be_decided_about_is_listed_who_owes_most_first(owing, waits, stranger):
    reminded(waits, "120.00")
    reminded(stranger, "500.00", times=1)
    found = arrears.to_decide(date(2026, 11, 9))
    assert [(one.household, one.left, one.reminders) for one in found] == [
        (waits.household.pk, D("120.00"), 2),
        (owing.household.pk, D("84.20"), 2),
    ]


def test_the_preview_says_whom_it_concerns_and_which_days_stand(owing, canteen, now):
    brother_of(owing, "Tom")
    reserves(owing, canteen, now, THURSDAY)
    wanted = Wanted(Stops.DAYS, [canteen.activity], SENTENCE, "Aucun appel.")
    found = arrears.foresee(owing.household, wanted, at=now)
    assert (found.left, found.standing) == (D("84.20"), 1)
    assert sorted(found.concerned) == ["Lina : Restauration scolaire", "Tom : Restauration scolaire"]
    assert plain(found.said) == (
        "Décision de la mairie du lundi 9 novembre 2026 : pas de nouveau jour pour « Restauration scolaire »,"
        f" jusqu'au paiement de 84,20 €. {SENTENCE}"
    )
    assert not ArrearsDecision.objects.exists()


@pytest.mark.parametrize("times", [0, 1])
def test_before_enough_reminders_it_is_refused(books, canteen, decide, times):
    lets_stop(canteen.activity)
    reminded(books, times=times)
    with pytest.raises(ArrearsRefused, match="Une décision demande 2 relances"):
        decide(books, canteen.activity)


def test_a_town_may_ask_for_more_reminders_and_more_money(owing, canteen, decide):
    BillingSettings.objects.update(arrears_amount=D(100))
    with pytest.raises(ArrearsRefused, match="au moins"):
        decide(owing, canteen.activity)
    BillingSettings.objects.update(arrears_amount=D(15), arrears_reminders=3)
    with pytest.raises(ArrearsRefused, match="3 relances"):
        decide(owing, canteen.activity)


def test_unless_the_town_names_it_an_activity_stops_late_days_only(books, canteen, decide):
    """The canteen of a public school is a right of its pupils."""
    reminded(books)
    for stops in (Stops.DAYS, Stops.YEAR):
        with pytest.raises(ArrearsRefused, match="seuls les jours hors délai"):
            decide(books, canteen.activity, stops=stops)
    assert decide(books, canteen.activity, stops=Stops.LATE).stops == "late"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"sentence": " "}, "Écrivez la phrase"),
        ({"reason": ""}, "Écrivez la phrase"),
        ({"activities": []}, "Choisissez au moins une activité"),
        ({"until": date(2026, 11, 8)}, "La date de fin est passée"),
        ({"stops": Stops.YEAR}, "Choisissez l'année scolaire"),
    ],
)
def test_what_is_missing_or_contradicts_itself_is_refused_with_its_sentence(owing, canteen, now, said, why):
    whole = {
        "stops": Stops.DAYS, "activities": [canteen.activity], "sentence": SENTENCE, "reason": "Aucun appel.",
    } | said  # fmt: skip
    with pytest.raises(ArrearsRefused, match=why):
        arrears.foresee(owing.household, Wanted(**whole), at=now)


def test_where_payment_ends_nothing_a_date_is_asked_for(owing, canteen, decide):
    BillingSettings.objects.update(arrears_end_when_paid=False)
    with pytest.raises(ArrearsRefused, match="indiquez une date de fin"):
        decide(owing, canteen.activity)
    made = decide(owing, canteen.activity, until=date(2026, 12, 31))
    assert (made.ends_when_paid, made.until) == (False, date(2026, 12, 31))


def test_the_same_is_not_decided_twice(owing, canteen, decide):
    decide(owing, canteen.activity)
    with pytest.raises(ArrearsRefused, match="levez-la d'abord"):
        decide(owing, canteen.activity)
    assert decide(owing, canteen.activity, stops=Stops.LATE)


def test_what_changed_since_the_preview_is_previewed_again(owing, canteen, regie, now):
    wanted = Wanted(Stops.DAYS, [canteen.activity], SENTENCE, "Aucun appel.")
    seen = arrears.foresee(owing.household, wanted, at=now).stamp
    paying.record(owing.household, D(10), "cash", paid_on=now.date(), by=None, at=now)
    with pytest.raises(DecisionChanged):
        arrears.decide(owing.household, wanted, seen=seen, by=regie, at=now)
    assert not ArrearsDecision.objects.exists()


def test_nobody_decides_about_the_own_household(owing, canteen, decide, regie):
    Guardian.objects.create(household=owing.household, user=regie, first_name="Claude", last_name="Roux")
    with pytest.raises(OwnHousehold):
        decide(owing, canteen.activity)


def test_it_keeps_who_when_and_why_and_its_history(owing, canteen, decide, regie):
    made = decide(owing, canteen.activity)
    assert (made.decided_by, made.since, made.reason) == (
        regie, date(2026, 11, 9), "Trois relances, aucun appel.",
    )  # fmt: skip
    assert list(made.invoices.all()) == [Invoice.objects.get()]
    assert made.history.get().history_user == regie


def test_the_database_keeps_its_promises(owing, canteen, decide, regie, now):
    made = decide(owing, canteen.activity)
    for wrong in (
        {"stops": "year"}, {"ends_when_paid": False}, {"until": date(2026, 11, 1)}, {"sentence": ""},
        {"left": 0}, {"ended_because": "paid"},
    ):  # fmt: skip
        with pytest.raises(IntegrityError), transaction.atomic():
            ArrearsDecision.objects.filter(pk=made.pk).update(**wrong)


# What it stops --------------------------------------------------------------------------------------------


def test_new_days_are_refused_with_its_sentence_and_booked_days_stand(owing, canteen, decide, now):
    reserves(owing, canteen, now, THURSDAY)
    decide(owing, canteen.activity)
    with pytest.raises(BookingRefused, match="pas de nouveau jour"):
        reserves(owing, canteen, now, date(2026, 11, 20))
    assert [one.state for one in Booking.objects.filter(enrolment=owing.enrolment)] == ["accepted"]
    audit()


def test_a_booked_day_is_still_cancelled(owing, canteen, decide, now):
    reserves(owing, canteen, now, THURSDAY)
    decide(owing, canteen.activity)
    draft = reservation_drafts.choose(
        owing.enrolment, canteen.restaurant, canteen.period, book=[], cancel=choices(canteen, [THURSDAY]),
        by=owing.user, at=now,
    )  # fmt: skip
    booking.submit(draft, by=owing.user, at=now)
    assert Booking.objects.get().state == "cancelled"


def test_other_families_and_the_childs_other_home_are_not_concerned(owing, waits, canteen, decide, now):
    other = other_home_of(owing)
    decide(owing, canteen.activity)
    assert outcomes(reserves(waits, canteen, now, THURSDAY)) == ["accepted"]
    assert outcomes(reserves(other, canteen, now, THURSDAY)) == ["accepted"]


def test_late_days_alone_are_refused_where_only_they_are_stopped(owing, waits, canteen, decide, now):
    ActivityDeadline.objects.update(late="accept")
    decide(owing, canteen.activity, stops=Stops.LATE)
    assert outcomes(reserves(owing, canteen, now, THURSDAY)) == ["accepted"], "in time, as always"
    refused = reserves(owing, canteen, now, LATE_TUESDAY)
    assert outcomes(refused) == ["refused"]
    assert "pas de jour hors délai" in refused.lines.get().reason
    assert outcomes(reserves(waits, canteen, now, LATE_TUESDAY)) == ["accepted"], "others are late as before"


def test_the_town_hall_passes_over_it_with_a_reason(owing, canteen, decide, agent, now):
    decide(owing, canteen.activity)
    made = reserves(
        owing, canteen, now, THURSDAY, by=agent, overrides=Overrides({Override.ARREARS: "Accord du maire."})
    )
    assert (outcomes(made), made.desk_reason) == (["accepted"], "Impayés : Accord du maire.")


def test_next_years_enrolments_are_stopped_this_years_are_not(owing, canteen, decide, agent, year, now):
    coming = SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 7))
    decide(owing, canteen.activity, stops=Stops.YEAR, school_year=coming)
    asked = {
        "household": owing.household, "child": owing.child, "activity": canteen.activity,
        "establishment": canteen.restaurant, "weekdays": 1, "starts_on": date(2027, 9, 1), "at": now,
    }  # fmt: skip
    with time_machine.travel(datetime(2027, 7, 20, 8).astimezone(), tick=False):
        at = paris(2027, 7, 20, 10)
        with pytest.raises(enrolling.EnrolmentRefused, match="pas d'inscription 2027-2028"):
            enrolling.request(**(asked | {"at": at}), school_year=coming, by=owing.user)
        passed = {"at_desk": True, "passing_over": "Accord du maire."}
        made = enrolling.request(**(asked | {"at": at}), school_year=coming, by=agent, **passed)
    assert made.is_accepted, "the agent knows, and decides"
    assert outcomes(reserves(owing, canteen, now, THURSDAY)) == ["accepted"], "this year goes on"


def test_another_activity_is_not_concerned(owing, canteen, decide, now):
    wednesdays = ActivityFactory(code="mercredis", name="Mercredis")
    BillingSettings.objects.get().arrears_activities.add(wednesdays)
    decide(owing, wednesdays)
    assert outcomes(reserves(owing, canteen, now, THURSDAY)) == ["accepted"]


# Its end --------------------------------------------------------------------------------------------------


def test_payment_ends_it_at_once_and_the_night_writes_it_down(owing, canteen, decide, now, mailoutbox):
    made = decide(owing, canteen.activity)
    paying.record(owing.household, D("84.20"), "cash", paid_on=now.date(), by=None, at=now)
    assert outcomes(reserves(owing, canteen, now, THURSDAY)) == ["accepted"], "before any night"
    assert arrears.settle(at=now) == 1
    made.refresh_from_db()
    assert (made.ended_because, made.ended_by) == ("paid", None)
    assert arrears.settle(at=now) == 0, "once"


def test_part_of_it_ends_nothing(owing, canteen, decide, now):
    decide(owing, canteen.activity)
    paying.record(owing.household, D("84.19"), "cash", paid_on=now.date(), by=None, at=now)
    with pytest.raises(BookingRefused, match="0,01"):
        reserves(owing, canteen, now, THURSDAY)


def test_an_invoice_of_later_does_not_make_it_last(owing, canteen, decide, now):
    decide(owing, canteen.activity)
    paying.record(owing.household, D("84.20"), "cash", paid_on=now.date(), by=None, at=now)
    reminded(owing, "30.00")
    assert outcomes(reserves(owing, canteen, now, THURSDAY)) == ["accepted"]


def test_its_date_ends_it_though_nothing_is_paid(owing, canteen, decide, now):
    made = decide(owing, canteen.activity, until=date(2026, 11, 12))
    with pytest.raises(BookingRefused, match="au plus tard"):
        reserves(owing, canteen, now, THURSDAY)
    later = paris(2026, 11, 13, 8)
    with time_machine.travel(later, tick=False):
        assert outcomes(reserves(owing, canteen, later, date(2026, 11, 20))) == ["accepted"]
        assert arrears.settle(at=later) == 1
    made.refresh_from_db()
    assert made.ended_because == "date"


def test_where_the_town_says_so_payment_does_not_end_it(owing, canteen, decide, now):
    BillingSettings.objects.update(arrears_end_when_paid=False)
    decide(owing, canteen.activity, until=date(2026, 12, 31))
    paying.record(owing.household, D("84.20"), "cash", paid_on=now.date(), by=None, at=now)
    assert arrears.settle(at=now) == 0
    with pytest.raises(BookingRefused, match="jusqu'au jeudi 31 décembre 2026"):
        reserves(owing, canteen, now, THURSDAY)


def test_it_is_taken_back_at_any_time_with_a_reason(owing, canteen, decide, regie, now):
    made = decide(owing, canteen.activity)
    with pytest.raises(ArrearsRefused, match="Indiquez pourquoi"):
        arrears.take_back(made, reason=" ", by=regie, at=now)
    arrears.take_back(made, reason="Échéancier signé.", by=regie, at=now)
    made.refresh_from_db()
    assert (made.ended_because, made.ended_by, made.end_reason) == ("taken_back", regie, "Échéancier signé.")
    assert outcomes(reserves(owing, canteen, now, THURSDAY)) == ["accepted"]
    with pytest.raises(ArrearsRefused, match="déjà finie"):
        arrears.take_back(made, reason="Encore.", by=regie, at=now)


def test_it_may_be_decided_anew(owing, canteen, decide, regie, now):
    arrears.take_back(decide(owing, canteen.activity), reason="Erreur.", by=regie, at=now)
    assert decide(owing, canteen.activity)


# Invoices in several times --------------------------------------------------------------------------------


def in_three(invoice, at, agent):
    return instalments.agree(invoice, 3, by=agent, at=at, at_desk=True)


def test_due_dates_agreed_since_end_it_and_the_first_missed_one_founds_nothing_at_once(
    owing, canteen, decide, regie, now
):
    decide(owing, canteen.activity)
    in_three(Invoice.objects.get(), now, regie)  # the first part is due today
    assert outcomes(reserves(owing, canteen, now, THURSDAY)) == ["accepted"]
    assert arrears.settle(at=now) == 1
    wanted = Wanted(Stops.DAYS, [canteen.activity], SENTENCE, "Aucun appel.")
    with pytest.raises(ArrearsRefused, match="possible à partir du 24/11/2026"):
        arrears.foresee(owing.household, wanted, at=now + timedelta(days=1))


def test_it_rests_on_what_is_late_alone_and_ends_once_that_is_paid(owing, canteen, regie, now):
    invoice = Invoice.objects.get()
    in_three(invoice, now, regie)  # 28.07 today, the rest in the two months that follow
    later = now + timedelta(days=29)
    wanted = Wanted(Stops.DAYS, [canteen.activity], SENTENCE, "Aucun appel.")
    with time_machine.travel(later, tick=False):
        (candidate,) = arrears.to_decide(later.date())
        found = arrears.foresee(owing.household, wanted, at=later)
        assert candidate.left == found.left == D("28.07")
        made = arrears.decide(owing.household, wanted, seen=found.stamp, by=regie, at=later)
        page = plain(owing.client().get(reverse("billing:arrears")).content.decode())
        assert "jusqu'au paiement de 28,07 €" in page and "84,20" not in page
        paying.record(
            owing.household, D("28.07"), "cheque", paid_on=later.date(), by=None, at=later, invoices=[invoice]
        )
        assert arrears.settle(at=later) == 1
    made.refresh_from_db()
    assert made.ended_because == "paid"


# What families are told -----------------------------------------------------------------------------------


def test_its_letter_says_what_why_how_to_pay_and_whom_to_talk_to(
    owing, canteen, decide, regie, now, mailoutbox, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        made = decide(owing, canteen.activity)
    (mail,) = mailoutbox
    assert mail.to == [owing.user.email]
    for words in (
        "pas de nouveau jour pour « Restauration scolaire », jusqu'au paiement de 84,20 €", SENTENCE,
        "Les jours déjà réservés restent réservés",
        f"facture n° {Invoice.objects.get().number}", "/factures/decision/",
        "tribunal administratif", "Parlez-nous-en",
    ):  # fmt: skip
        assert words in plain(mail.body), words
    with django_capture_on_commit_callbacks(execute=True):
        arrears.take_back(made, reason="Échéancier signé.", by=regie, at=now)
    assert "a levé sa décision" in plain(mailoutbox[1].body)
    assert "Échéancier" not in mailoutbox[1].body, "the reason is the colleagues'"


def test_who_has_no_address_has_it_on_paper(owing, canteen, decide):
    owing.user.email = ""
    owing.user.save()
    decide(owing, canteen.activity)
    assert PaperLetter.objects.get().household == owing.household


def test_home_says_it_calmly_and_its_page_how_to_pay(owing, canteen, decide):
    client = owing.client()
    assert "Décision de la mairie" not in client.get(reverse("home")).content.decode()
    decide(owing, canteen.activity)
    home = plain(client.get(reverse("home")).content.decode())
    assert "Décision de la mairie : pas de nouveau jour" in home
    page = plain(client.get(reverse("billing:arrears")).content.decode())
    for words in (SENTENCE, "84,20 €", "Les jours déjà réservés restent réservés", "tribunal administratif"):
        assert words in page, words


def test_another_family_reads_nothing_of_it(owing, waits_client, canteen, decide):
    decide(owing, canteen.activity)
    page = waits_client.get(reverse("billing:arrears")).content.decode()
    assert "Aucune décision" in page and SENTENCE not in page


def test_the_canteens_enrolment_page_says_it_before_anything_is_typed(owing, canteen, decide, year):
    Enrolment.objects.all().delete()
    decide(owing, canteen.activity, stops=Stops.YEAR, school_year=year)
    answer = owing.client().get(reverse("catering:enrol", args=[owing.child.pk]), follow=True)
    assert "pas d'inscription" in plain(answer.content.decode())


# What it costs --------------------------------------------------------------------------------------------


def queries(act):
    with CaptureQueriesContext(
        connection,
    ) as seen:
        act()
    return len(seen)


def test_a_town_without_decisions_asks_nothing(owing, canteen, now):
    arrears.in_use()
    assert queries(lambda: arrears.standing([owing.household.pk], now.date())) == 0
    assert queries(lambda: arrears.of_home(owing.household, now.date())) == 0


def test_ten_households_cost_as_many_queries_as_one(canteen, books, waits, decide, regie, now):
    lets_stop(canteen.activity)
    homes = [
        books,
        waits,
        *(
            enrolled(family(f"f{n}", f"Nom{n}", f"E{n}"), canteen, books.enrolment.school_year)
            for n in range(8)
        ),
    ]
    for home in homes:
        reminded(home)
    one = queries(lambda: arrears.to_decide(now.date()))
    decide(homes[0], canteen.activity)
    arrears.in_use()
    few = queries(lambda: arrears.standing([one.household.pk for one in homes], now.date()))
    for home in homes[1:]:
        decide(home, canteen.activity)
    arrears.in_use()
    assert queries(lambda: arrears.standing([one.household.pk for one in homes], now.date())) == few
    assert one == queries(lambda: arrears.to_decide(now.date()))
    for home in homes:
        paying.record(home.household, D("84.20"), "cash", paid_on=now.date(), by=None, at=now)
    assert arrears.settle(at=now) == 10
