"""Late departures: entered at the desk, told, billed on their own line, corrected and forgiven."""

from datetime import date, time
from decimal import Decimal
from html import unescape

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.invoices import invoicing, late_collection
from billing.invoices.creditable import Wanted
from billing.invoices.late_collection import LateRefused, forgive, note
from billing.models import Invoice, LateCollection, LateCollectionRule, ManualCharge
from families.custody.own import OwnHousehold
from portal.reservations.towns import town_file
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, NOVEMBER, eats
from tests.conftest import family
from tests.factories import GuardianFactory, UserFactory, paris
from tests.families.conftest import commit, letters

__all__ = ["commit", "letters"]

pytestmark = pytest.mark.django_db
D = Decimal
MONDAY, TUESDAY, THURSDAY = (date(2026, 11, day) for day in (2, 3, 5))
AT = paris(2026, 11, 9, 10)


@pytest.fixture
def closing(canteen, meals):
    late_collection.used.forget()
    yield LateCollectionRule.objects.create(
        activity=canteen.activity,
        valid_from=date(2026, 9, 1),
        closes_at=time(18, 30),
        quarter=5,
        flat=10,
        flat_after=time(18, 50),
    )
    late_collection.used.forget()


@pytest.fixture
def stayed(books, closing):
    """Lina was there three days."""
    eats(books, [MONDAY, TUESDAY, THURSDAY])
    return books


@pytest.fixture
def leaves(canteen, agent):
    def say(who, day, at, now=AT):
        left = {who.child.pk: at}
        return note(canteen.restaurant, canteen.activity, day, left, by=agent, at=now)

    return say


def bill(scope=NOVEMBER, at=END_OF_NOVEMBER):
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def evening_lines(month=NOVEMBER.month):
    lines = Invoice.objects.get(month=month).lines.filter(kind="manual")
    return [(line.label, line.amount) for line in lines]


def test_an_evening_is_a_line_of_its_own_and_the_family_is_told_that_evening(stayed, leaves, letters, commit):
    with commit():
        leaves(stayed, MONDAY, time(18, 40))
    (letter,) = letters
    assert letter.subject.startswith("Départ tardif de Lina lundi 2 novembre")
    assert "1 quart d'heure commencé" in letter.body and "sur votre prochaine facture" in letter.body
    leaves(stayed, TUESDAY, time(18, 52))
    bill()
    assert [amount for _, amount in evening_lines()] == [D(5), D(10)]
    assert evening_lines()[0][0].endswith("départ tardif du lundi 2 novembre, à 18\xa0h\xa040")


def test_the_first_evening_is_only_a_warning(stayed, leaves, letters, commit):
    LateCollectionRule.objects.update(from_nth=2, flat=None, flat_after=None)
    with commit():
        leaves(stayed, MONDAY, time(18, 40))
    assert "Rien n'est facturé cette fois" in letters[0].body
    leaves(stayed, TUESDAY, time(18, 40))
    assert list(LateCollection.objects.order_by("day").values_list("number", "amount")) == [(1, 0), (2, 5)]
    assert [row.unit_price for row in ManualCharge.objects.all()] == [D(5)]


def test_a_day_entered_afterwards_makes_the_later_one_the_second(stayed, leaves):
    LateCollectionRule.objects.update(from_nth=2)
    leaves(stayed, TUESDAY, time(18, 40))
    leaves(stayed, MONDAY, time(18, 40))
    assert list(LateCollection.objects.order_by("day").values_list("number", "amount")) == [(1, 0), (2, 5)]


def test_a_time_corrected_before_the_invoice_changes_the_line(stayed, leaves):
    leaves(stayed, MONDAY, time(18, 52))
    leaves(stayed, MONDAY, time(18, 35))
    assert [row.unit_price for row in ManualCharge.objects.all()] == [D(5)]
    leaves(stayed, MONDAY, None)
    assert not ManualCharge.objects.exists() and not LateCollection.objects.exists()


def test_a_time_corrected_after_the_invoice_is_given_back_on_the_next(stayed, leaves):
    leaves(stayed, MONDAY, time(18, 52))
    bill()
    leaves(stayed, MONDAY, time(18, 35), now=paris(2026, 12, 1))
    eats(stayed, [date(2026, 12, 10), date(2026, 12, 11)])
    bill(DECEMBER, END_OF_DECEMBER)
    ((label, amount),) = evening_lines(DECEMBER.month)
    assert amount == D(-5) and label.endswith("rectification")


def test_it_was_not_late_at_all(stayed, leaves, letters, commit):
    leaves(stayed, MONDAY, time(18, 52))
    bill()
    with commit():
        leaves(stayed, MONDAY, None, now=paris(2026, 12, 1))
    assert "corrigé" in letters[-1].body
    assert ManualCharge.objects.get(line=None).unit_price == D(-10)
    leaves(stayed, MONDAY, time(18, 52), now=paris(2026, 12, 2))
    assert not ManualCharge.objects.filter(line=None).exists()


def test_said_twice_it_changes_nothing(stayed, leaves):
    assert leaves(stayed, MONDAY, time(18, 52)).written == 1
    assert leaves(stayed, MONDAY, time(18, 52)).written == 0
    assert LateCollection.objects.get().history.count() == 2


def test_the_town_hall_forgives_with_a_reason_and_the_next_is_the_first_again(stayed, leaves, agent):
    LateCollectionRule.objects.update(from_nth=2)
    leaves(stayed, MONDAY, time(18, 40))
    leaves(stayed, TUESDAY, time(18, 40))
    monday = LateCollection.objects.get(day=MONDAY)
    with pytest.raises(LateRefused, match="motif"):
        forgive(monday, reason=" ", by=agent, at=AT)
    forgive(monday, reason="Route coupée", by=agent, at=AT)
    assert LateCollection.objects.get(day=TUESDAY).amount == 0
    assert not ManualCharge.objects.exists()
    with pytest.raises(LateRefused, match="déjà remis"):
        forgive(monday, reason="Encore", by=agent, at=AT)


def test_nobody_is_late_where_the_town_has_no_rule_that_day_or_the_day_is_to_come(stayed, leaves):
    with pytest.raises(LateRefused, match="pas encore venu"):
        leaves(stayed, date(2026, 11, 10), time(19))
    LateCollectionRule.objects.update(valid_from=date(2026, 11, 4))
    with pytest.raises(LateRefused, match="pas de règle"):
        leaves(stayed, MONDAY, time(19))


def test_a_child_that_was_not_expected_is_left_out(stayed, leaves, canteen):
    other = family("voisin", "Petit", "Jules")
    assert leaves(other, MONDAY, time(19)).written == 0


def test_of_two_rules_the_later_one_counts(stayed, leaves, canteen):
    LateCollectionRule.objects.create(
        activity=canteen.activity, valid_from=TUESDAY, closes_at=time(18, 30), quarter=7
    )
    leaves(stayed, MONDAY, time(18, 40))
    leaves(stayed, TUESDAY, time(18, 40))
    assert list(LateCollection.objects.order_by("day").values_list("amount", flat=True)) == [5, 7]


def test_the_family_reads_its_evenings_and_the_rule_and_no_other_family_does(stayed, leaves):
    leaves(stayed, MONDAY, time(18, 52))
    shown = unescape(stayed.client().get(reverse("billing:late")).text)
    assert (
        "Lina, lundi 2 novembre" in shown and "10,00\xa0€" in shown and "Fermeture à 18\xa0h\xa030" in shown
    )
    stranger = family("voisin", "Petit", "Jules")
    assert "Lina" not in stranger.client().get(reverse("billing:late")).text
    assert reverse("billing:late") in stayed.client().get(reverse("billing:invoices")).text


def test_a_town_without_rules_has_no_such_page(books):
    late_collection.used.forget()
    assert books.client().get(reverse("billing:late")).status_code == 404
    assert reverse("billing:late") not in books.client().get(reverse("billing:invoices")).text


def test_the_desk_enters_the_list_of_an_evening(stayed, agent_client, canteen):
    url = reverse("admin:billing_latecollection_note")
    query = f"?jour=2026-11-02&lieu={canteen.restaurant.pk}&activite={canteen.activity.pk}"
    shown = agent_client.get(url + query)
    field = f"depart-{stayed.child.pk}"
    assert f'name="{field}"' in shown.text
    wrong = agent_client.post(url + query, {field: "tard"})
    assert 'value="tard"' in wrong.text and "par exemple 18:47" in wrong.text
    assert not LateCollection.objects.exists()
    done = agent_client.post(url + query, {field: "18:47"}, follow=True)
    assert "1 départ noté" in done.text and 'value="18:47"' in done.text


def test_the_desk_forgives_on_the_evening_s_own_page(stayed, leaves, agent_client):
    leaves(stayed, MONDAY, time(18, 40))
    row = LateCollection.objects.get()
    url = reverse("admin:billing_latecollection_change", args=[row.pk])
    assert "forgiven_reason" in agent_client.get(url).text
    agent_client.post(url, {"forgiven_reason": "Neige"}, follow=True)
    row.refresh_from_db()
    assert (row.amount, row.forgiven_reason) == (0, "Neige")
    # A line of a late evening is not written by hand.
    assert not ManualCharge.objects.exists()


def test_of_the_own_household_one_reads_why_and_not_that_it_is_done(stayed, leaves, agent_client, agent):
    leaves(stayed, MONDAY, time(18, 40))
    row = LateCollection.objects.get()
    GuardianFactory(household=stayed.household, user=agent)
    UserFactory(is_staff=True, is_superuser=True)
    url = reverse("admin:billing_latecollection_change", args=[row.pk])
    page = agent_client.post(url, {"forgiven_reason": "Moi"}, follow=True).text
    assert "un collègue décide à votre place" in page and "avec succès" not in page
    row.refresh_from_db()
    assert row.forgiven_at is None


def test_the_whole_list_takes_as_many_queries_for_ten_children(stayed, canteen):
    def count() -> int:
        with CaptureQueriesContext(connection) as seen:
            late_collection.expected(canteen.restaurant, canteen.activity, MONDAY)
        return len(seen)

    assert count() == 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"quarter": None, "flat": None}, "__all__"),
        ({"quarter": 5, "flat": 10}, "flat_after"),
        ({"quarter": 5, "flat_after": time(18, 50)}, "flat"),
        ({"flat": 10, "flat_after": time(18, 0)}, "flat_after"),
        ({"quarter": 5, "from_nth": 0}, "__all__"),
        ({"quarter": 5, "valid_to": date(2026, 1, 1)}, "__all__"),
    ],
)
def test_rules_that_contradict_themselves_are_refused(canteen, fields, field):
    row = LateCollectionRule(
        activity=canteen.activity, valid_from=date(2026, 9, 1), closes_at=time(18, 30), **fields
    )
    with pytest.raises(ValidationError) as refused:
        row.full_clean()
    assert field in refused.value.message_dict


def test_the_town_s_file_says_it(canteen):
    code = canteen.activity.code
    town_file.load(
        f"""
départs_tardifs:
  - {{activité: {code}, du: 2026-09-01, fermeture: "18:30", quart_d'heure: 5, forfait: 10,
     forfait_après: "18:50", à_partir_du_retard: 3, comptés_par: mois}}
"""
    )
    row = LateCollectionRule.objects.get()
    assert (row.quarter, row.flat_after, row.from_nth, row.span) == (5, time(18, 50), 3, "month")
    assert "forfait_après: 18:50" in town_file.export()


@pytest.mark.parametrize("whole", [True, False])
def test_what_a_credit_note_took_back_is_not_given_back_again(stayed, leaves, agent, whole):
    leaves(stayed, MONDAY, time(18, 40))
    bill()
    invoice = Invoice.objects.get()
    line = invoice.lines.get(kind="manual")
    wanted = Wanted(whole=True) if whole else Wanted(lines=frozenset([line.pk]))
    invoicing.credit(invoice, wanted, reason="Geste", by=None, at=END_OF_NOVEMBER)
    forgive(LateCollection.objects.get(), reason="Route coupée", by=agent, at=END_OF_NOVEMBER)
    assert not ManualCharge.objects.filter(line=None).exists()


def test_a_parent_among_the_staff_enters_the_others_evening_and_not_the_own(stayed, waits, canteen, agent):
    eats(waits, [MONDAY])
    GuardianFactory(household=stayed.household, user=agent)
    said = {stayed.child.pk: None, waits.child.pk: time(18, 40)}
    assert note(canteen.restaurant, canteen.activity, MONDAY, said, by=agent, at=AT).written == 1
    said = {stayed.child.pk: time(18, 40), waits.child.pk: time(18, 40)}
    with pytest.raises(OwnHousehold):
        note(canteen.restaurant, canteen.activity, MONDAY, said, by=agent, at=AT)
