"""What the town hall recognises of a child changes its price between two days: AEEH, scholarship, foster
care, staff's child."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone

from billing.invoices import invoicing, recalculating, told_since
from billing.models import (
    BillingSettings,
    ChildStatus,
    Invoice,
    InvoiceLine,
    ManualCharge,
    PackedMeal,
    Tariff,
    TariffModifier,
)
from billing.prices.books import FactsBook, PriceBook
from billing.prices.estimates import Estimates, forget
from billing.rules import pricing
from families import groups
from families.models import User
from portal.reservations.towns import town_file
from tests.billing.conftest import DECEMBER, END_OF_DECEMBER, END_OF_NOVEMBER, MEALS, NOVEMBER, eats
from tests.conftest import logged_in
from tests.factories import GuardianFactory, UserFactory, paris

D = Decimal


@pytest.fixture
def scholarship(meals):
    """3.20 € a meal, 40 % less for a scholarship; 0.50 € for a child under AEEH."""
    told_since.statuses_count.forget()
    TariffModifier.objects.create(
        tariff=meals, when="status", status="scholarship", effect="percent", amount=-40
    )
    TariffModifier.objects.create(
        tariff=meals, when="status", status="disability", effect="price", amount="0.50"
    )
    yield meals
    told_since.statuses_count.forget()


def recognised(child, kind="scholarship", first=MEALS[0], last=None, **fields):
    return ChildStatus.objects.create(child=child, kind=kind, valid_from=first, valid_to=last, **fields)


def bill(scope=NOVEMBER, at=END_OF_NOVEMBER):
    invoicing.issue(invoicing.start(scope, by=None, at=at), at=at)


def test_a_status_counts_from_its_first_to_its_last_day(scholarship, books):
    recognised(books.child, first=MEALS[1], last=MEALS[2])
    eats(books)
    bill()
    assert Invoice.objects.get().total == 2 * D("3.20") + 2 * D("1.92")


def test_the_invoice_does_not_say_which_it_is(scholarship, books):
    recognised(books.child, "disability")
    eats(books)
    bill()
    said = InvoiceLine.objects.get().explanation
    assert "Situation reconnue : 0,50" in said
    assert "andicap" not in said
    assert "AEEH" not in said


def test_the_status_comes_after_brothers_and_sisters_and_before_what_is_late():
    tariff = pricing.Tariff(
        pricing.Kind.FLAT,
        (pricing.Band(None, None, {"": D("4.00")}),),
        modifiers=(
            pricing.Modifier(pricing.When.LATE, pricing.Effect.ADD, D(1)),
            pricing.Modifier(pricing.When.STATUS, pricing.Effect.PERCENT, D(-50), status="staff"),
            pricing.Modifier(pricing.When.RANK, pricing.Effect.ADD, D(-1), number=2),
        ),
    )
    facts = pricing.Facts(rank=2, late=True, statuses=frozenset({"staff"}))
    assert pricing.price(tariff, facts).amount == D("2.50")  # (4 − 1) / 2 + 1


def test_a_child_of_another_status_pays_the_ordinary_price(scholarship, books):
    recognised(books.child, "foster")
    eats(books)
    bill()
    assert Invoice.objects.get().total == D("12.80")


def test_families_see_the_same_price_before_they_reserve(scholarship, books, canteen):
    recognised(books.child, last=MEALS[1])
    forget()
    costs = Estimates.load(books.enrolment, MEALS[0], MEALS[-1])
    assert [costs.on(canteen.formula.pk, day) for day in MEALS] == [D("1.92")] * 2 + [D("3.20")] * 2


def test_a_status_told_late_is_asked_to_be_recalculated(scholarship, books):
    eats(books)
    bill()
    recognised(books.child, known_on=date(2026, 12, 3))
    (told,) = told_since.told_since(paris(2026, 12, 4, 9))
    assert (told.month, told.what) == (NOVEMBER.month, "situation reconnue")
    found = recalculating.compare([books.household.pk], NOVEMBER.month, BillingSettings.current())
    assert found[books.household.pk].amount == 4 * D("1.92")
    bill(DECEMBER, END_OF_DECEMBER)
    assert Invoice.objects.get().total == D("12.80")


def test_a_town_whose_tariffs_ask_for_none_reads_none(meals, books, django_assert_num_queries):
    recognised(books.child)
    prices = PriceBook.load([books.enrolment.activity.formulas.get().pk], MEALS[0], MEALS[-1])
    assert pricing.When.STATUS not in prices.asks
    facts = FactsBook.load([books.household.pk], MEALS[0], MEALS[-1], asks=prices.asks)
    found = facts.facts(books.household.pk, books.child.pk, books.enrolment.activity_id, MEALS[0])
    assert found.statuses == frozenset()


# At the desk ----------------------------------------------------------------------------------------------


def desk(*rights):
    user = UserFactory(username="agent-statuts", is_staff=True)
    user.groups.add(Group.objects.get_or_create(name=groups.AGENT)[0])
    for right in rights:
        user.user_permissions.add(Permission.objects.get(codename=right))
    return logged_in(User.objects.get(pk=user.pk))


def test_a_handicap_is_there_for_who_may_read_of_health_alone(scholarship, books):
    recognised(books.child, "staff")
    hidden = recognised(books.child, "disability")
    url = reverse("admin:billing_childstatus_changelist")
    client = desk()
    without = client.get(url).content.decode()
    assert "Enfant du personnel" in without
    assert '<td class="field-kind">Handicap (AEEH)' not in without
    change = reverse("admin:billing_childstatus_change", args=[hidden.pk])
    assert client.get(change).status_code != 200
    User.objects.filter(username="agent-statuts").delete()
    assert desk("view_childhealth").get(change).status_code == 200


def test_who_may_not_read_of_health_cannot_write_a_handicap(scholarship, books):
    client = desk()
    posted = {"child": books.child.pk, "kind": "disability", "valid_from": "01/09/2026", "valid_to": ""}
    answer = client.post(reverse("admin:billing_childstatus_add"), posted)
    assert answer.status_code == 200
    assert not ChildStatus.objects.exists()
    answer = client.post(reverse("admin:billing_childstatus_add"), posted | {"kind": "foster"})
    assert answer.status_code == 302
    assert ChildStatus.objects.get().known_on == timezone.localdate()


def test_nobody_writes_or_removes_one_of_the_own_child(scholarship, books, waits):
    client = desk()
    GuardianFactory(household=books.household, user=User.objects.get(username="agent-statuts"))
    add = reverse("admin:billing_childstatus_add")
    posted = {"child": books.child.pk, "kind": "foster", "valid_from": "01/09/2026", "valid_to": ""}
    client.post(add, posted)
    assert not ChildStatus.objects.exists()
    client.post(add, posted | {"child": waits.child.pk})
    theirs = ChildStatus.objects.get()
    change = reverse("admin:billing_childstatus_change", args=[theirs.pk])
    client.post(change, posted)
    mine = recognised(books.child)
    client.post(reverse("admin:billing_childstatus_delete", args=[mine.pk]), {"post": "yes"})
    assert sorted(ChildStatus.objects.values_list("child", flat=True)) == [books.child.pk, waits.child.pk]


def test_nobody_adds_a_line_or_a_packed_meal_of_the_own_household(meals, books, waits, regie, regie_client):
    GuardianFactory(household=books.household, user=regie)
    add = reverse("admin:billing_manualcharge_add")
    said = {"label": "Geste", "quantity": "1", "unit_price": "-50", "reason": "x"}
    regie_client.post(add, said | {"household": books.household.pk})
    regie_client.post(add, said | {"household": waits.household.pk})
    assert ManualCharge.objects.get().household == waits.household
    meal = reverse("admin:billing_packedmeal_add")
    regie_client.post(meal, {"enrolment": books.enrolment.pk, "valid_from": "01/11/2026"})
    assert not PackedMeal.objects.exists()


def test_the_file_of_a_town_writes_it(db, canteen):
    town_file.load(
        """
tarifs:
  - code: repas
    nom: Repas
    principe: unique
    tranches: [{prix: 4}]
    règles_particulières: [{quand: situation, situation: boursier, effet: pour_cent, valeur: -40}]
"""
    )
    (rule,) = Tariff.objects.get().rule().modifiers
    assert (rule.when, rule.status, rule.amount) == (pricing.When.STATUS, "scholarship", -40)
    assert town_file.load(town_file.export()).changed == []
