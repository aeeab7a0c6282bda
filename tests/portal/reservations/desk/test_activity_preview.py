"""An activity's own rules at the desk, seen before they are saved: whom it takes, what is paid before."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from billing.models import FormulaTariff, Tariff, TariffBand
from portal.french.amounts import NBSP
from portal.reservations.models import Activity, Advance
from tests.conftest import logged_in
from tests.factories import UserFactory
from tests.portal.reservations.desk.test_activities import typed

PREVIEW = "admin:reservations_activity_preview"


def asked(canteen, **more):
    """The canteen as its page posts it."""
    return typed(
        name="Restauration scolaire",
        code="restauration-scolaire",
        service="catering",
        establishments=[canteen.restaurant.pk],
        weekdays=["0", "1", "2", "3", "4"],
        **{
            "formulas-INITIAL_FORMS": "1",
            "formulas-0-id": canteen.formula.pk,
            "formulas-0-activity": canteen.activity.pk,
            "formulas-0-name": "Repas",
            "formulas-0-code": "repas",
            "formulas-0-parts": ["noon"],
        },
        **more,
    )


def advance(kind, **more):
    return {"advances-TOTAL_FORMS": "1", "advances-0-kind": kind, "advances-0-minutes": "20"} | {
        f"advances-0-{name}": value for name, value in more.items()
    }


@pytest.fixture
def look(chief_client, canteen):
    """What the preview of the canteen says, in one line."""

    def look(who=chief_client, **more):
        url = f"{reverse(PREVIEW)}?regle={canteen.activity.pk}"
        answer = who.post(url, asked(canteen, **more), headers={"X-Requested-With": "fetch"})
        assert answer.status_code == 200
        return " ".join(answer.content.decode().replace(NBSP, " ").replace("&#x27;", "'").split())

    return look


@pytest.fixture
def meals(canteen):
    tariff = Tariff.objects.create(code="repas", name="Repas", kind="flat")
    TariffBand.objects.create(tariff=tariff, prices={"": "3.60"})
    FormulaTariff.objects.create(formula=canteen.formula, tariff=tariff)


def test_a_deposit_is_counted_for_the_children_enrolled_last(look, meals, books):
    page = look(**advance("part", percent="30"))
    first = books.child.first_name
    assert f'<th scope="row">{first}</th><td>À payer dans les 20 minutes : 1,08 € (30 % du prix' in page
    assert "5,40 € (30 % du prix, le reste sur facture)" in page
    assert not Advance.objects.exists()


def test_the_whole_price_and_the_account(look, meals, books):
    assert "À payer dans les 20 minutes : 18,00 €." in look(**advance("whole"))
    page = look(**advance("account"))
    assert "Il manque 18,00 € sur votre compte famille : ces jours coûtent 18,00 €" in page


def test_without_a_child_enrolled_an_example_is_counted(look, meals):
    page = look(**advance("part", percent="30"))
    assert "Un jour à 10,00 €" in page and "3,00 € (30 % du prix" in page


def test_who_sees_no_enrolment_reads_no_name(look, meals, books):
    agent = UserFactory(is_staff=True)
    names = ["change_activity", "view_activity", "change_advance", "view_advance", "change_formula"]
    names += ["view_formula", "add_advance"]
    agent.user_permissions.set(Permission.objects.filter(codename__in=names))
    page = look(logged_in(agent), **advance("whole"))
    assert books.child.first_name not in page and "Un jour à 10,00 €" in page


def test_money_first_and_an_answer_first_contradict_each_other(look):
    page = look(**advance("whole"), processing="on_request")
    assert "elles ne peuvent pas être payées avant" in page


def test_whom_it_takes_is_said_by_age_and_by_class(look, canteen):
    page = look(min_age="3", max_age="11", last_grade="9")
    assert '<th scope="row">Moins de 3 ans</th><td>refusé : dès 3 ans</td>' in page
    assert '<th scope="row">De 3 à 11 ans</th><td>accueilli</td>' in page
    assert '<th scope="row">12 ans et plus</th><td>refusé : jusqu\'à 11 ans</td>' in page
    assert '<th scope="row">toute petite section – CM2</th><td>accueilli</td>' in page
    assert '<th scope="row">6e – 3e</th><td>refusé : jusqu\'au CM2</td>' in page


def test_a_formula_of_its_own_limits_has_its_column(look):
    page = look(**{"formulas-0-min_age": "6"})
    assert "« Repas »" in page
    assert '<th scope="row">Moins de 6 ans</th><td>accueilli</td><td>refusé : dès 6 ans</td>' in page


def test_from_when_an_enrolment_counts(look):
    assert "à partir du mardi 1er décembre 2026" in look(effect="next_month")


def test_an_activity_without_rules_says_so(look):
    assert "Tout enfant est accueilli" in look()
    assert Activity.objects.get().min_age is None


def test_one_that_is_not_saved_yet_is_looked_at_too(chief_client, town):
    answer = chief_client.post(reverse(PREVIEW), typed(min_age="3", **advance("whole")))
    page = answer.content.decode().replace(NBSP, " ")
    assert "refusé : dès 3 ans" in page and "Un jour à 10,00 €" in page
    assert not Activity.objects.exists()
