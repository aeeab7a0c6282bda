"""« Aperçu »: every kind of rule says on its page what it does to families, and nothing of it is kept."""

from datetime import date

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from billing.models import (
    AbsencePolicy,
    AdultPrice,
    BillingSettings,
    Fee,
    LateCollectionRule,
    RefundRule,
    Tariff,
    TicketCard,
)
from families.models import AskedText, PaperKind
from leisure.models import ActivityCriterion
from portal.desk.previews import ShowsPreview
from portal.french.amounts import NBSP
from portal.reservations.models import (
    Activity,
    ActivityDeadline,
    Audience,
    Campaign,
    DayRule,
    DeadlineRule,
    NeededChildren,
    OversightRule,
)
from tests.conftest import logged_in
from tests.factories import UserFactory

# The kinds of docs/rules.md, each by the page that says it.
RULES = [
    AbsencePolicy, Activity, ActivityCriterion, ActivityDeadline, AdultPrice, AskedText, Audience,
    BillingSettings,
    Campaign, DayRule, DeadlineRule, Fee, LateCollectionRule, NeededChildren, OversightRule, PaperKind,
    RefundRule, Tariff, TicketCard,
]  # fmt: skip


def name_of(model):
    return f"{model._meta.app_label}_{model._meta.model_name}"


@pytest.fixture
def look(chief_client):
    """The preview of what is typed, in one line."""

    def look(model, **typed):
        url = reverse(f"admin:{name_of(model)}_preview")
        answer = chief_client.post(url, typed, headers={"X-Requested-With": "fetch"})
        assert answer.status_code == 200
        return " ".join(answer.content.decode().replace(NBSP, " ").replace("&#x27;", "'").split())

    return look


def test_each_page_of_a_rule_has_one() -> None:
    assert {model for model, its in admin.site._registry.items() if isinstance(its, ShowsPreview)} == {*RULES}


@pytest.mark.parametrize("model", RULES)
def test_its_button_stands_on_an_empty_page(model, chief_client, town) -> None:
    page = chief_client.get(reverse(f"admin:{name_of(model)}_add")).content.decode()
    assert f'formaction="{reverse(f"admin:{name_of(model)}_preview")}"' in page
    assert page.count('id="rule-preview"') == 1


@pytest.mark.parametrize("model", RULES)
def test_who_may_write_no_rule_looks_at_none(model, town) -> None:
    agent = UserFactory(is_staff=True)
    agent.user_permissions.add(Permission.objects.get(codename=f"view_{model._meta.model_name}"))
    url = reverse(f"admin:{name_of(model)}_preview")
    assert logged_in(agent).post(url).status_code == 403
    assert logged_in(agent).get(url).status_code == 405


@pytest.mark.parametrize("model", [one for one in RULES if one not in (DeadlineRule, DayRule)])
def test_what_is_missing_is_said_with_its_name(model, look, town) -> None:
    page = look(model)
    assert "rule-problems" in page and " : " in page


def test_what_is_typed_of_a_late_deadline_is_said_day_by_day(look, canteen) -> None:
    other = DeadlineRule.objects.create(name="La veille à midi", kind="days_before", number=1, at="12:00")
    page = look(
        ActivityDeadline, activity=canteen.activity.pk, action="book", rule=canteen.rule.pk, late="request",
        last_moment=other.pk, surcharge="", free_late_a_month="0", period=canteen.period.pk,
    )  # fmt: skip
    assert (
        '<th scope="row">jeudi 12 novembre</th><td>jusqu\'au mardi 10 novembre à 10 h</td>'
        "<td>sur demande, jusqu'au mercredi 11 novembre à 12 h</td>" in page
    )


def test_a_late_day_that_costs_more_says_what(look, canteen) -> None:
    page = look(
        ActivityDeadline, activity=canteen.activity.pk, action="book", rule=canteen.rule.pk, late="accept",
        surcharge="add", surcharge_amount="2", free_late_a_month="1", period=canteen.period.pk,
    )  # fmt: skip
    assert "Hors délai, un montant en plus : 2" in page
    assert "accepté, jusqu'au" in page and "après 1 jour par mois sans supplément" in page


def test_how_many_children_are_missing(look, canteen, books) -> None:
    typed = {"activity": canteen.activity.pk, "children": "2", "per": "day", "days_before": "4"}
    page = look(NeededChildren, **typed)
    assert "Sous réserve : ouvre avec 2 enfants au moins. Réponse le mardi 10 novembre au plus tard." in page
    assert "sous réserve : il en manque 2, annulé le jeudi 12 novembre" in page
    assert not NeededChildren.objects.exists()


def test_what_families_read_around_a_campaign(look, canteen, year) -> None:
    page = look(
        Campaign, school_year=year.pk, opens_at_0="2026-11-16", opens_at_1="08:00",
        closes_at_0="2026-11-30", closes_at_1="18:00", opens_at="2026-11-16T08:00",
        closes_at="2026-11-30T18:00",
    )  # fmt: skip
    assert "ouvrent le lundi 16 novembre 2026 à 8 h" in page
    assert page.count("la famille inscrit son enfant") == 2
    assert "sont closes depuis" in page


def test_a_year_that_no_calendar_has_is_said(look, year) -> None:
    page = look(Campaign, school_year=year.pk, opens_at_0="0001-01-01", opens_at_1="08:00")
    assert "Choisissez un jour entre 2000 et 2200." in page


def test_an_activity_that_cannot_be_one_is_said(look, canteen) -> None:
    assert "Sélectionnez un choix valide" in look(Fee, name="Adhésion", activities=["9" * 20])


def test_who_comes_first_by_the_criteria_of_an_activity(look, canteen) -> None:
    ActivityCriterion.objects.create(activity=canteen.activity, order=1, kind="district")
    page = look(ActivityCriterion, activity=canteen.activity.pk, order="2", kind="resident")
    assert "D'abord les familles du quartier prioritaire, puis les familles de la commune." in page
    first, second, last = (
        page.index("Seulement les familles du quartier"),
        page.index("Seulement les familles de la commune"),
        page.index("Aucun de ces critères"),
    )
    assert first < second < last


def test_from_when_each_version_of_a_text_is_asked(look, town) -> None:
    page = look(
        AskedText, name="Règlement", code="reglement", about="household", need="place", active="on",
        everywhere="on", order="0", **{
            "versions-TOTAL_FORMS": "2", "versions-INITIAL_FORMS": "0",
            "versions-0-starts_on": "2027-01-04", "versions-0-body": "7 h 15",
            "versions-1-starts_on": "2026-09-01", "versions-1-body": "7 h 30",
        },
    )  # fmt: skip
    assert "« Règlement », lu par toutes les familles. Une réponse par foyer." in page
    first, then = page.index("septembre 2026"), page.index("À partir du lundi 4 janvier 2027")
    assert first < then and "chaque foyer répond de nouveau" in page
    assert not AskedText.objects.exists()


def test_until_when_a_paper_is_good(look, town) -> None:
    page = look(
        PaperKind, name="Domicile", code="domicile", about="household", lasts="months", months="3",
        remind_days="30", way="file", secrecy="ordinary", order="0", active="on",
    )  # fmt: skip
    assert "jusqu'au mardi 9 février 2027" in page and "Dimanche 10 janvier 2027" in page
    assert "n'est plus valable" in page  # of four months ago


def test_a_row_that_stands_keeps_what_it_has(chief_client, canteen) -> None:
    rule = LateCollectionRule.objects.create(
        activity=canteen.activity, valid_from=date(2026, 9, 1), closes_at="18:30", quarter=5
    )
    page = chief_client.get(
        reverse("admin:billing_latecollectionrule_change", args=[rule.pk])
    ).content.decode()
    assert "Ensuite, 5,00" in page
    url = f"{reverse('admin:billing_latecollectionrule_preview')}?regle={rule.pk}"
    typed = {
        "activity": canteen.activity.pk, "valid_from": "2026-09-01", "closes_at": "18:30", "tolerance": "0",
        "quarter": "7", "from_nth": "1", "span": "year",
    }  # fmt: skip
    page = chief_client.post(url, typed).content.decode()
    assert "Ensuite, 7,00" in page and "14,00" in page
    rule.refresh_from_db()
    assert rule.quarter == 5


def steps(*rows: tuple[int, int]) -> dict[str, str]:
    typed = {"steps-TOTAL_FORMS": str(len(rows)), "steps-INITIAL_FORMS": "0"}
    for number, (days, percent) in enumerate(rows):
        typed |= {f"steps-{number}-days_before": str(days), f"steps-{number}-percent": str(percent)}
    return typed


def test_what_a_day_gives_back_step_by_step(look, canteen) -> None:
    typed = {"activity": canteen.activity.pk, "valid_from": "2026-09-01", "until": "day"}
    page = look(RefundRule, **typed, **steps((30, 70), (15, 50)))
    assert "30 jours avant</th><td>25,20 €</td><td>10,80 €" in page
    assert "15 jours avant</th><td>18,00 €</td><td>18,00 €" in page
    assert "14 jours avant</th><td>0,00 €</td><td>36,00 €" in page
    assert not RefundRule.objects.exists()


def test_steps_that_contradict_one_another_show_no_amount(look, canteen) -> None:
    typed = {"activity": canteen.activity.pk, "valid_from": "2026-09-01", "until": "day"}
    page = look(RefundRule, **typed, **steps((30, 50), (15, 70)))
    assert "doit rendre plus" in page
    assert "36,00 €" not in page


def test_until_when_a_card_pays(look, canteen) -> None:
    page = look(
        TicketCard, name="Carte de 10 repas", code="dix", activities=[canteen.activity.pk], tickets="10",
        price="38", until_day="31", until_month="8", vat_percent="0",
    )  # fmt: skip
    assert "Un ticket revient à 3,80 €." in page
    assert "31 août 2027" in page
    assert not TicketCard.objects.exists()


def test_what_an_adult_pays_before_and_after_the_deadline(look, canteen) -> None:
    page = look(
        AdultPrice, formula=canteen.formula.pk, kind="", valid_from="2026-09-01", amount="3,80",
        notice_days="7", late_amount="6", vat_percent="10",
    )  # fmt: skip
    assert "3,80 €" in page
    assert "6,00 €" in page
    assert not AdultPrice.objects.exists()


def test_what_a_family_reads_oversight_by_oversight(look, canteen) -> None:
    page = look(
        OversightRule, activity=canteen.activity.pk, valid_from="2026-09-01", number="3", per="year",
        unreserved="on",
    )  # fmt: skip
    assert "1 oubli</th><td>rien" in page
    assert "2 oublis cette année scolaire" in page
    assert not OversightRule.objects.exists()
