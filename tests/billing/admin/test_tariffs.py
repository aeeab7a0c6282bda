"""The accountant writes a grid, reads its warnings, simulates a price, copies it for next year."""

from datetime import date
from decimal import Decimal

import pytest
from django.urls import reverse

from billing.models import FormulaTariff, Tariff, TariffBand, TariffModifier, TariffQuantity
from billing.prices.books import FactsBook, PriceBook, copy_tariff
from billing.rules import pricing
from tests.factories import ChildFactory, EnrolmentFactory, QuotientFactory, UserFactory

D = Decimal
NBSP = "\N{NO-BREAK SPACE}"


@pytest.fixture
def accountant(client, db):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def meals(canteen):
    """Canteen prices from 1 September 2026: 0–400, then from 451 on; 1 € more when late."""
    tariff = Tariff.objects.create(
        code="repas-2026", name="Repas", valid_from=date(2026, 9, 1), valid_to=date(2027, 8, 31)
    )
    TariffBand.objects.create(tariff=tariff, low=0, high=D("449.99"), prices={"": "1.75"})
    TariffBand.objects.create(tariff=tariff, low=451, high=None, prices={"": "3.20"})
    TariffModifier.objects.create(tariff=tariff, when="late", effect="add", amount=1)
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    return tariff


def grid(rows, **tariff):
    """What the tariff's page posts: `rows` are (pk, low, high, *prices)."""
    data = {
        "name": "Repas", "code": "repas", "kind": "bands", "unit": "presence", "columns": "",
        "begun": "whole", "homes": "whole", "emptied": "kept",
        "between": "lower", "no_quotient": "highest", "step": "0.01", "vat_percent": "0", "care_percent": "0",
        "bands-TOTAL_FORMS": len(rows), "bands-INITIAL_FORMS": sum(bool(row[0]) for row in rows),
        "rates-TOTAL_FORMS": 0, "rates-INITIAL_FORMS": 0, "modifiers-TOTAL_FORMS": 0,
        "modifiers-INITIAL_FORMS": 0, "formulas-TOTAL_FORMS": 0, "formulas-INITIAL_FORMS": 0,
        "quantities-TOTAL_FORMS": 0, "quantities-INITIAL_FORMS": 0,
    }  # fmt: skip
    for place, (pk, low, high, *prices) in enumerate(rows):
        data |= {f"bands-{place}-id": pk or "", f"bands-{place}-low": low, f"bands-{place}-high": high}
        data |= {f"bands-{place}-price_{column}": price for column, price in enumerate(prices)}
    return data | tariff


def test_a_grid_is_written_as_one_table_with_its_columns(accountant):
    rows = [("", "0", "449,99", "1,75", "0,80"), ("", "450", "", "3.20", "1")]
    answer = accountant.post(reverse("admin:billing_tariff_add"), grid(rows, columns="repas\npai"))
    assert answer.status_code == 302, answer.context["errors"]
    tariff = Tariff.objects.get()
    assert tariff.columns == ["repas", "pai"]
    assert [band.prices for band in tariff.bands.all()] == [
        {"repas": "1.75", "pai": "0.80"},
        {"repas": "3.20", "pai": "1.00"},
    ]
    assert [band.high for band in tariff.bands.all()] == [D("449.99"), None]


def test_a_renamed_column_keeps_its_prices(accountant):
    tariff = Tariff.objects.create(code="repas", name="Repas", columns=["repas"])
    band = TariffBand.objects.create(tariff=tariff, prices={"repas": "2.00"})
    page = reverse("admin:billing_tariff_change", args=[tariff.pk])
    answer = accountant.post(
        page, grid([(band.pk, "", "", "2,00")], columns="déjeuner", **{"bands-0-tariff": tariff.pk})
    )
    assert answer.status_code == 302, answer.context["errors"]
    band.refresh_from_db()
    assert band.prices == {"déjeuner": "2.00"}


@pytest.mark.parametrize(
    ("since", "eaten", "until", "later"),
    [
        ("", "3.20", date(2026, 11, 9), "4.00"),
        ("2026-12-01", "3.20", date(2026, 11, 30), "4.00"),
        ("2026-11-05", "4.00", date(2026, 11, 4), "4.00"),
        ("2026-09-01", "4.00", None, "4.00"),
    ],
    ids=["tomorrow", "next month", "a slip corrected from a day on", "a slip corrected from the start"],
)
def test_a_grid_edited_in_place_keeps_the_price_of_what_was_eaten(
    accountant, meals, canteen, now, since, eaten, until, later
):
    low, high = meals.bands.order_by("low")
    change = grid(
        [(low.pk, "0", "449,99", "1,75"), (high.pk, "451", "", "4,00")],
        code=meals.code, valid_from="2026-09-01", valid_to="2027-08-31", since=since,
        **{f"bands-{place}-tariff": meals.pk for place in (0, 1)},
    )  # fmt: skip
    answer = accountant.post(reverse("admin:billing_tariff_change", args=[meals.pk]), change)
    assert answer.status_code == 302, answer.context["errors"]

    def costs(day):
        (tariff,) = Tariff.objects.in_force(day).filter(formulas__formula=canteen.formula).with_rules()
        return pricing.price(tariff.rule(), pricing.Facts(D(900)), day).amount

    assert costs(date(2026, 11, 6)) == D(eaten)
    assert costs(date(2026, 12, 10)) == D(later)
    kept = Tariff.objects.exclude(pk=meals.pk)
    assert [one.valid_to for one in kept] == ([until] if until else [])
    for one in kept:
        assert [rule.when for rule in one.modifiers.all()] == ["late"]
        assert one.bands.count() == 2


def test_a_new_name_or_another_end_makes_no_version(accountant, meals, now):
    low, high = meals.bands.order_by("low")
    late = meals.modifiers.get()
    change = grid(
        [(low.pk, "0", "449,99", "1,75"), (high.pk, "451", "", "3,20")],
        name="Repas du midi", code=meals.code, valid_from="2026-09-01", valid_to="2027-07-05", since="",
        **{f"bands-{place}-tariff": meals.pk for place in (0, 1)},
    )  # fmt: skip
    answer = accountant.post(reverse("admin:billing_tariff_change", args=[meals.pk]), change)
    assert answer.status_code == 302, answer.context["errors"]
    assert Tariff.objects.get().name == "Repas du midi"
    assert late in meals.modifiers.all()


def test_gaps_are_told_with_exact_amounts_after_saving_and_on_the_page(accountant, meals):
    page = accountant.get(reverse("admin:billing_tariff_change", args=[meals.pk]))
    assert "Les quotients de 450 à 450,99 ne sont dans aucune tranche" in page.content.decode()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("", "500", "400", "1"), "finit avant de commencer"),
        (("", "-5", "400", "1"), "jamais négatif"),
        (("", "0", "400", ""), "Indiquez un prix"),
        (("", "abc", "400", "1"), "nombre"),
        (("", "0", "400", "-1"), "supérieure ou égale à 0"),
    ],
)
def test_a_wrong_row_is_refused_and_nothing_typed_is_lost(accountant, row, message):
    answer = accountant.post(reverse("admin:billing_tariff_add"), grid([row]))
    assert answer.status_code == 200
    assert message in answer.content.decode()
    assert f'value="{row[2]}"' in answer.content.decode()
    assert not Tariff.objects.exists()


def test_the_simulator_says_price_and_why(accountant, meals, canteen):
    page = reverse("admin:billing_tariff_simulator")
    said = {"day": "2026-11-12", "rank": 1, "children": 1, "units": 1, "quotient": "812", "late": "on"}
    answer = accountant.get(page, said | {"formula": canteen.formula.pk})
    assert answer.context["amount"] == f"4,20{NBSP}€"
    assert "Quotient 812, tranche à partir de 451" in answer.content.decode()
    alone = accountant.get(page, said | {"tariff": meals.pk, "quotient": "100", "units": "3"})
    assert alone.context["amount"] == f"8,25{NBSP}€"


@pytest.mark.parametrize(
    "change", [{"quotient": "-1"}, {"day": "2020-01-01"}, {"rank": "x"}, {"column": "gouter"}, {"day": ""}]
)
def test_the_simulator_answers_bad_input_in_words(accountant, meals, canteen, change):
    said = {"day": "2026-11-12", "rank": 1, "children": 1, "units": 1, "formula": canteen.formula.pk}
    answer = accountant.get(reverse("admin:billing_tariff_simulator"), said | change)
    assert answer.status_code == 200
    assert answer.context["price"] is None or change == {"column": "gouter"}


def test_a_copy_for_next_year_starts_where_the_original_ends(accountant, meals):
    page = reverse("admin:billing_tariff_copy", args=[meals.pk])
    shown = accountant.get(page)
    assert shown.context["form"].initial["valid_from"] == date(2027, 9, 1)
    answer = accountant.post(
        page,
        {"name": "Repas", "code": "repas-2027", "valid_from": "2027-09-01", "valid_to": "", "percent": "2"},
    )
    assert answer.status_code == 302
    copied = Tariff.objects.get(code="repas-2027")
    assert [band.prices for band in copied.bands.all()] == [{"": "1.79"}, {"": "3.26"}]
    assert copied.formulas.count() == copied.modifiers.count() == 1
    assert [band.prices for band in meals.bands.all()] == [{"": "1.75"}, {"": "3.20"}]


def test_copying_early_ends_the_original_the_day_before(accountant, meals):
    accountant.post(
        reverse("admin:billing_tariff_copy", args=[meals.pk]),
        {"name": "Repas", "code": "repas-b", "valid_from": "2027-01-01", "valid_to": "", "percent": "0"},
    )
    meals.refresh_from_db()
    assert meals.valid_to == date(2026, 12, 31)


def test_a_copy_before_the_original_is_refused(accountant, meals):
    answer = accountant.post(
        reverse("admin:billing_tariff_copy", args=[meals.pk]),
        {"name": "Repas", "code": "repas-2026", "valid_from": "2026-09-01", "valid_to": "", "percent": "0"},
    )
    said = answer.content.decode()
    assert "Un tarif porte déjà ce code." in said and "après le tarif d&#x27;origine" in said


def test_the_family_pays_by_quotient_rank_and_residence_of_that_day(
    meals, books, canteen, year, django_assert_num_queries
):
    QuotientFactory(household=books.household, value=D(300), valid_from=date(2026, 1, 1))
    QuotientFactory(household=books.household, value=D(900), valid_from=date(2026, 12, 1))
    elder = ChildFactory(birth_date=date(2015, 1, 1), households=[books.household])
    EnrolmentFactory(
        household=books.household, child=elder, activity=canteen.activity, school_year=year,
        establishment=canteen.restaurant,
    )  # fmt: skip
    with django_assert_num_queries(17):
        book = PriceBook.load([canteen.formula.pk], date(2026, 11, 1), date(2026, 12, 31))
        people = FactsBook.load([books.household.pk], date(2026, 11, 1), date(2026, 12, 31))
        november = people.facts(books.household.pk, books.child.pk, canteen.activity.pk, date(2026, 11, 12))
        december = people.facts(books.household.pk, books.child.pk, canteen.activity.pk, date(2026, 12, 3))
        prices = [
            book.price(canteen.formula.pk, november, date(2026, 11, 12)).amount,
            book.price(canteen.formula.pk, december, date(2026, 12, 3)).amount,
        ]
    assert (november.rank, november.children, november.resident, november.level) == (
        2,
        2,
        True,
        "elementaire",
    )
    assert prices == [D("1.75"), D("3.20")]


def test_the_deadline_s_surcharge_counts_when_the_tariff_says_nothing_of_late(meals, canteen):
    deadline = canteen.activity.deadlines.get(action="book")
    deadline.surcharge, deadline.surcharge_amount = "multiply", D("1.5")
    deadline.save()
    day = date(2026, 11, 12)
    late = pricing.Facts(D(812), late=True)
    assert PriceBook.load([canteen.formula.pk], day, day).price(canteen.formula.pk, late, day).amount == D(
        "4.20"
    )
    meals.modifiers.all().delete()
    assert PriceBook.load([canteen.formula.pk], day, day).price(canteen.formula.pk, late, day).amount == D(
        "4.80"
    )


def test_the_list_of_tariffs_asks_the_same_number_of_queries_for_ten(
    accountant, meals, canteen, django_assert_max_num_queries
):
    for number in range(9):
        tariff = Tariff.objects.create(code=f"t{number}", name=f"T{number}")
        FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)
    accountant.get("/mairie/")  # each process keeps for half a minute when the next offer ends
    with django_assert_max_num_queries(12):
        accountant.get(reverse("admin:billing_tariff_changelist"))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("bands", "Indiquez au moins un prix"),
        ("flat", "Indiquez au moins un prix"),
        ("effort", "Indiquez un taux"),
    ],
)
def test_a_tariff_without_a_price_is_refused(accountant, kind, says):
    answer = accountant.post(reverse("admin:billing_tariff_add"), grid([], kind=kind))
    assert says in answer.content.decode()
    assert not Tariff.objects.exists()


# Prices by number -----------------------------------------------------------------------------------------


def by_number(*rules, **tariff):
    """A tariff of packages, with these rules: (kind, span, number, amount, column)."""
    data = grid([("", "0", "719,99", "49", "67"), ("", "720", "", "51", "70")], columns="f2\nf3", **tariff)
    data["quantities-TOTAL_FORMS"] = len(rules)
    for place, rule in enumerate(rules):
        for name, value in zip(("kind", "span", "number", "amount", "column"), rule, strict=True):
            data[f"quantities-{place}-{name}"] = value
        data |= {f"quantities-{place}-count": "days", f"quantities-{place}-counted": "reserved"}
    return data


PACKAGES = (("package", "week", "2", "", "f2"), ("package", "week", "3", "", "f3"))


def test_packages_of_days_are_written_beside_the_grid(accountant):
    answer = accountant.post(reverse("admin:billing_tariff_add"), by_number(*PACKAGES))
    assert answer.status_code == 302, answer.context["errors"]
    assert [str(rule) for rule in Tariff.objects.get().quantities.all()] == [
        "2 jours par semaine : tarif « f2 »",
        "3 jours par semaine : tarif « f3 »",
    ]


@pytest.mark.parametrize(
    ("rules", "tariff", "sentence"),
    [
        ((*PACKAGES, ("column", "week", "4", "", "f3")), {}, "aucune colonne ne le change plus"),
        (PACKAGES, {"unit": "month"}, "ne dépend pas du nombre de jours pris"),
        ((("cap", "month", "1", "", "f9"),), {}, "La grille n&#x27;a pas la colonne « f9 »"),
        ((("cap", "month", "1", "", ""),), {}, "Indiquez un montant, ou la colonne de la grille qui le dit."),
    ],
)
def test_rules_that_contradict_each_other_are_refused_and_kept_as_typed(accountant, rules, tariff, sentence):
    answer = accountant.post(reverse("admin:billing_tariff_add"), by_number(*rules, **tariff))
    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Tariff.objects.exists()


def test_what_rules_come_to_is_seen_before_they_are_saved(accountant):
    answer = accountant.post(reverse("admin:billing_tariff_preview"), by_number(*PACKAGES))
    page = " ".join(answer.content.decode().replace(NBSP, " ").split())
    assert "3 jours dans la semaine" in page
    assert '<td>70,00 €<br><span class="help">3 jours : forfait 3 jours, 70,00 €</span>' in page
    assert not Tariff.objects.exists()


def test_looking_at_a_tariff_that_is_used_changes_nothing_of_it(accountant, meals):
    TariffQuantity.objects.create(tariff=meals, kind="cap", span="month", amount=32)
    rows = [(band.pk, band.low, band.high or "", "5.20") for band in meals.bands.all()]
    posted = grid(rows, code="repas-2026") | {
        "bands-INITIAL_FORMS": 2, "modifiers-TOTAL_FORMS": 0,
        "quantities-TOTAL_FORMS": 1, "quantities-INITIAL_FORMS": 1,
        "quantities-0-id": meals.quantities.get().pk, "quantities-0-tariff": meals.pk,
        "quantities-0-kind": "cap", "quantities-0-span": "month", "quantities-0-number": "1",
        "quantities-0-amount": "30", "quantities-0-count": "days", "quantities-0-counted": "reserved",
    }  # fmt: skip
    url = f"{reverse('admin:billing_tariff_preview')}?regle={meals.pk}"
    page = accountant.post(url, posted).content.decode().replace(NBSP, " ")
    assert "Jamais plus de 30,00 € par mois" in page
    assert meals.quantities.get().amount == 32
    assert Tariff.objects.count() == 1


def test_a_copy_for_next_year_has_the_rules_by_number_too(accountant, meals):
    TariffQuantity.objects.create(tariff=meals, kind="cap", span="month", amount=32)
    copied = copy_tariff(
        Tariff.objects.with_rules().get(),
        name="Suite", code="suite", valid_from=date(2027, 9, 1), valid_to=None, percent=D(10),
    )  # fmt: skip
    assert [rule.amount for rule in copied.quantities.all()] == [D("35.20")]
