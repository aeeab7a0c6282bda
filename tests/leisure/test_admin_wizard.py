"""« Ouvrir une période »: three steps, a preview that tells the truth, and everything written at once."""

import re
from datetime import date

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from leisure import wizard
from portal.reservations.acts import opening
from portal.reservations.models import Activity, ActivityDeadline, Capacity, Enrolment, Period, Slot
from tests.conftest import logged_in
from tests.factories import (
    ActivityDeadlineFactory,
    ActivityFactory,
    CapacityFactory,
    CentreFactory,
    DeadlineRuleFactory,
    FormulaFactory,
    PeriodFactory,
    PublicHolidayFactory,
    SchoolHolidayFactory,
    UserFactory,
    paris,
)

PAGE = reverse("admin:leisure_open_period")


@pytest.fixture
def holiday(town):
    """Saturday 6 to Sunday 21 February 2027, of the town's zone."""
    return SchoolHolidayFactory(
        zone=town.zone, name="Vacances d'hiver", starts_on=date(2027, 2, 6), ends_on=date(2027, 2, 21)
    )


@pytest.fixture
def centre(db):
    return CentreFactory(code="les-roseaux", name="Centre des Roseaux")


@pytest.fixture
def activity(now, town, year, centre, holiday, rule):
    """« Vacances » at the centre, 40 places a morning and an afternoon, 8 at « Matinée »."""
    found = ActivityFactory(
        code="vacances", name="Vacances", service="leisure", during="holidays", establishments=[centre]
    )
    for order, (code, name, parts) in enumerate(
        [
            ("matinee", "Matinée", ["morning"]),
            ("apres-midi", "Après-midi", ["afternoon"]),
            ("journee", "Journée", ["morning", "afternoon"]),
        ]
    ):
        FormulaFactory(activity=found, code=code, name=name, parts=parts, order=order)
    for part in ("morning", "afternoon"):
        CapacityFactory(activity=found, establishment=centre, part=part, places=40)
    CapacityFactory(
        activity=found,
        establishment=centre,
        part="morning",
        formula=found.formulas.get(code="matinee"),
        places=8,
    )
    ActivityDeadlineFactory(activity=found, action="book", rule=rule)
    return found


def hidden(page) -> str:
    return re.search(r'name="deja" value="([^"]+)"', page.text)[1]


def first_step(activity: Activity, holiday, **more) -> dict:
    return {"activite": activity.pk, "vacances": holiday.pk, "vers": "places"} | more


def second_step(activity: Activity, page, **more) -> dict:
    """Step 2 as the browser would send it when nothing is touched."""
    (place,) = activity.establishments.all()
    found = {
        "deja": hidden(page),
        "formulaire_places": "1",
        "formules": [formula.pk for formula in activity.formulas.all()],
        "vers": "apercu",
        "ouvre": "2026-12-01T08:00",
        "ouvre_hors_commune": "2026-12-08T08:00",
        "clot": "2027-02-05T23:59",
    }
    for row in Capacity.objects.all():
        name = f"quota_{place.pk}_{row.formula_id}" if row.formula_id else f"places_{place.pk}_{row.part}"
        found[name] = row.places
    return found | more


def preview(client, activity, holiday, days=None, **places):
    page = client.post(PAGE, first_step(activity, holiday, **(days or {})))
    return client.post(PAGE, second_step(activity, page, **places))


def confirm(client, page):
    return client.post(PAGE, {"deja": hidden(page), "vers": "ouvrir"})


def test_three_steps_open_the_winter_holidays(activity, centre, holiday, agent_client):
    start = agent_client.get(PAGE)
    assert "Vacances d&#x27;hiver, du 6 au 21 février 2027" in start.text
    page = agent_client.post(PAGE, first_step(activity, holiday))
    assert 'value="40"' in page.text and 'value="8"' in page.text
    assert "Comme d&#x27;habitude (Deux jours avant à 10 h)" in page.text
    shown = agent_client.post(PAGE, second_step(activity, page))
    # Ten open weekdays: a morning, an afternoon and a quota each.
    assert "Ouvrir la période" in shown.text
    assert "<strong>30</strong>" in shown.text
    assert "mardi 8 décembre 2026 à 8 h" in shown.text
    assert not Period.objects.exists()
    answer = confirm(agent_client, shown)
    period = Period.objects.get()
    assert answer.url == reverse("admin:reservations_period_change", args=[period.pk])
    assert (period.name, period.code) == ("Vacances d'hiver 2027", "vacances-dhiver-2027")
    assert (period.starts_on, period.ends_on) == (holiday.starts_on, holiday.ends_on)
    assert period.opens_at == paris(2026, 12, 1, 8)
    assert period.opens_at_non_residents == paris(2026, 12, 8, 8)
    assert period.closes_at == paris(2027, 2, 5, 23, 59)
    assert list(period.establishments.all()) == [centre]
    assert Slot.objects.count() == 30
    assert set(Slot.objects.filter(formula=None).values_list("part", "capacity")) == {
        ("morning", 40),
        ("afternoon", 40),
    }
    assert set(Slot.objects.exclude(formula=None).values_list("formula__code", "capacity")) == {
        ("matinee", 8)
    }


def test_again_adds_what_is_missing_and_nothing_twice(activity, holiday, agent_client):
    shown = preview(agent_client, activity, holiday)
    confirm(agent_client, shown)
    Slot.objects.filter(day=date(2027, 2, 8)).delete()
    Slot.objects.filter(day=date(2027, 2, 9)).update(capacity=3)
    again = preview(agent_client, activity, holiday)
    assert "Cette période existe déjà" in again.text
    assert "<strong>3</strong>" in again.text
    confirm(agent_client, again)
    confirm(agent_client, again)
    assert Period.objects.count() == 1
    assert Slot.objects.count() == 30
    assert set(Slot.objects.filter(day=date(2027, 2, 9)).values_list("capacity", flat=True)) == {3}


def test_other_places_hold_for_this_period_only(activity, centre, holiday, agent_client):
    changed = {f"places_{centre.pk}_morning": "12", f"places_{centre.pk}_afternoon": ""}
    confirm(agent_client, preview(agent_client, activity, holiday, **changed))
    assert set(Slot.objects.filter(formula=None).values_list("part", "capacity")) == {
        ("morning", 12),
        ("afternoon", None),
    }
    assert set(Capacity.objects.filter(formula=None).values_list("places", flat=True)) == {40}


def test_a_formula_left_out_is_closed_every_day(activity, holiday, agent_client):
    whole = activity.formulas.get(code="journee")
    kept = [formula.pk for formula in activity.formulas.exclude(pk=whole.pk)]
    shown = preview(agent_client, activity, holiday, formules=kept)
    assert "<strong>30</strong>" in shown.text
    confirm(agent_client, shown)
    shut = Slot.objects.filter(formula=whole)
    assert (shut.count(), set(shut.values_list("closed", flat=True))) == (10, {True})
    assert not Slot.objects.exclude(formula=whole).filter(closed=True).exists()


def test_a_formula_left_out_stays_out_when_its_parts_open_later(activity, holiday, agent_client, now):
    morning = activity.formulas.get(code="matinee")
    confirm(agent_client, preview(agent_client, activity, holiday, formules=[morning.pk]))
    assert not Slot.objects.filter(part="afternoon", formula=None).exists()
    opening.open_slots(Period.objects.get(), at=now)
    assert Slot.objects.filter(part="afternoon", formula=None).count() == 10
    left_out = Slot.objects.filter(formula__code__in=["apres-midi", "journee"])
    assert (left_out.count(), set(left_out.values_list("closed", flat=True))) == (20, {True})


def test_deadlines_of_its_own_are_written_once(activity, holiday, agent_client):
    own = DeadlineRuleFactory(name="Une semaine avant")
    typed = {"regle_book": own.pk, "tard_book": "request"}
    shown = preview(agent_client, activity, holiday, **typed)
    assert "Une semaine avant (au-delà : demande à la mairie)" in shown.text
    confirm(agent_client, shown)
    confirm(agent_client, preview(agent_client, activity, holiday, **typed))
    (deadline,) = ActivityDeadline.objects.exclude(period=None)
    assert (deadline.action, deadline.rule, deadline.late) == ("book", own, "request")


def test_closed_days_are_named_with_their_reason(activity, holiday, agent_client):
    PublicHolidayFactory(day=date(2027, 2, 10), name="Fête du lac")
    page = preview(agent_client, activity, holiday).text
    assert "le 10 février (férié : Fête du lac)" in page
    assert "<strong>27</strong>" in page


def test_what_looks_wrong_is_said_before(activity, centre, holiday, agent_client):
    PeriodFactory(activity=activity, name="Février", starts_on=date(2027, 2, 15), ends_on=date(2027, 3, 1))
    page = preview(
        agent_client,
        activity,
        holiday,
        clot="2027-03-05T12:00",
        **{f"places_{centre.pk}_{part}": "" for part in ("morning", "afternoon")},
        **{f"quota_{centre.pk}_{formula.pk}": "" for formula in activity.formulas.all()},
    ).text
    for sentence in (
        "« Vacances d&#x27;hiver 2027 » et « Février » se chevauchent",
        "Centre des Roseaux n&#x27;a aucune limite de places.",
        "La clôture tombe après le dernier jour de la période.",
        "Aucun tarif pour Matinée, Après-midi et Journée",
    ):
        assert sentence in page


def test_missing_health_files_are_counted(activity, holiday, books, year, centre):
    Activity.objects.filter(pk=activity.pk).update(health_file_required=True)
    activity.refresh_from_db()
    Enrolment.objects.filter(pk=books.enrolment.pk).update(activity=activity)
    plan = wizard.Plan(activity, [centre], "Hiver", holiday.starts_on, holiday.ends_on)
    found = wizard.outlook(plan, at=paris(2026, 11, 9)).warnings
    assert "1 enfant inscrit n'a pas encore de fiche sanitaire, obligatoire ici." in found


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"activite": ""}, "Ce champ est obligatoire"),
        ({"activite": "999"}, "Sélectionnez un choix valide"),
        ({"vacances": ""}, "Choisissez des vacances du calendrier, ou indiquez ce jour."),
        ({"vacances": "", "debut": "2027-02-09", "fin": "2027-02-08", "nom": "Hiver"}, "finir après"),
        ({"vacances": "", "debut": "2026-12-01", "fin": "2028-06-08", "nom": "Hiver"}, "au plus 400 jours"),
        ({"vacances": "", "debut": "9999-99-99", "fin": "hier", "nom": "Hiver"}, "date valide"),
        ({"vacances": "", "debut": "0001-01-01", "fin": "0001-01-02", "nom": "Hiver"}, "entre 2000 et 2200"),
        ({"vacances": "", "debut": "2010-02-01", "fin": "2010-02-02", "nom": "Hiver"}, "année scolaire"),
        ({"nom": "!!!"}, "avec des lettres ou des chiffres"),
        ({"centres": "x"}, "n’est pas une valeur correcte"),
    ],
)
def test_a_wrong_first_step_is_said_at_its_field(activity, holiday, agent_client, wrong, sentence):
    page = agent_client.post(PAGE, first_step(activity, holiday, **wrong))
    assert page.status_code == 200
    assert "Nom pour les familles" in page.text
    assert sentence in page.text


def test_a_centre_of_another_activity_is_refused(activity, holiday, agent_client):
    other = CentreFactory(name="Centre du Lac")
    ActivityFactory(name="Mercredis", service="leisure", establishments=[other])
    page = agent_client.post(PAGE, first_step(activity, holiday, centres=[other.pk]))
    assert "« Vacances » n&#x27;a pas lieu ici : Centre du Lac." in page.text


def test_the_same_days_under_another_name_are_the_same_period(activity, holiday, agent_client):
    standing = PeriodFactory(
        activity=activity, name="Hiver", code="hiver", starts_on=holiday.starts_on, ends_on=holiday.ends_on
    )
    shown = preview(agent_client, activity, holiday)
    assert "Cette période existe déjà" in shown.text
    assert "se chevauchent" not in shown.text
    confirm(agent_client, shown)
    standing.refresh_from_db()
    assert (Period.objects.count(), standing.code, standing.name) == (1, "hiver", "Vacances d'hiver 2027")


def test_a_name_that_stands_for_other_dates_is_refused(activity, holiday, agent_client):
    PeriodFactory(activity=activity, name="Vacances d'hiver 2027", code="vacances-dhiver-2027")
    page = agent_client.post(PAGE, first_step(activity, holiday))
    assert "choisissez un autre nom" in page.text


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"clot": "2026-11-30T08:00"}, "La période clôt avant d&#x27;ouvrir."),
        ({"ouvre_hors_commune": "2026-11-20T08:00"}, "Les familles de la commune ouvrent en premier."),
        ({"clot": "2026-12-05T08:00"}, "avant d&#x27;ouvrir aux familles hors commune"),
        ({"ouvre": "jamais"}, "Saisissez une date et une heure valides"),
        ({"formules": []}, "Gardez au moins une formule."),
        ({"formules": ["999"]}, "Sélectionnez un choix valide"),
        ({"regle_book": "999"}, "Sélectionnez un choix valide"),
        ({"tard_book": "demain"}, "Sélectionnez un choix valide"),
    ],
)
def test_a_wrong_second_step_is_said_at_its_field(activity, holiday, agent_client, wrong, sentence):
    page = preview(agent_client, activity, holiday, **wrong)
    assert page.status_code == 200
    assert "Places par jour" in page.text and "Ouvrir la période" not in page.text
    assert sentence in page.text


@pytest.mark.parametrize("places", ["-1", "beaucoup", "9" * 30])
def test_a_wrong_number_of_places_keeps_what_was_typed(activity, centre, holiday, agent_client, places):
    page = preview(agent_client, activity, holiday, **{f"places_{centre.pk}_morning": places})
    assert "errorlist" in page.text
    assert f'value="{places}"' in page.text
    assert 'value="2026-12-01T08:00"' in page.text


def test_going_back_keeps_what_was_typed(activity, centre, holiday, agent_client):
    shown = preview(agent_client, activity, holiday, **{f"places_{centre.pk}_morning": "12"})
    back = agent_client.post(PAGE, {"deja": hidden(shown), "vers": "places"})
    assert 'value="12"' in back.text
    first = agent_client.post(
        PAGE, second_step(activity, back, vers="periode") | {f"places_{centre.pk}_morning": "13"}
    )
    assert f'value="{holiday.pk}" selected' in first.text
    forward = agent_client.post(PAGE, first_step(activity, holiday, deja=hidden(first)))
    assert 'value="13"' in forward.text


def test_what_the_browser_sends_back_is_not_believed(activity, holiday, agent_client, chief_of_centre):
    shown = preview(agent_client, activity, holiday)
    forged = hidden(shown)[:-3] + "abc"
    for text in (forged, "", "n'importe quoi"):
        answer = agent_client.post(PAGE, {"deja": text, "vers": "ouvrir"})
        assert answer.url == PAGE
    # Another agent's answers are not ours.
    answer = logged_in(chief_of_centre).post(PAGE, {"deja": hidden(shown), "vers": "ouvrir"})
    assert answer.url == PAGE
    assert not Period.objects.exists()


def test_rows_that_went_meanwhile_lead_back_to_their_step(activity, holiday, agent_client):
    shown = preview(agent_client, activity, holiday)
    holiday.delete()
    page = confirm(agent_client, shown)
    assert "Sélectionnez un choix valide" in page.text
    assert not Period.objects.exists()


@pytest.fixture
def chief_of_centre(agent):
    other = UserFactory(username="autre", is_staff=True)
    other.groups.set(agent.groups.all())
    return other


def test_only_agents_open_periods(activity, regie_client, stranger_client, agent_client):
    assert agent_client.get(PAGE).status_code == 200
    assert regie_client.get(PAGE).status_code == 403
    assert regie_client.post(PAGE, {"vers": "ouvrir"}).status_code == 403
    assert stranger_client.get(PAGE).status_code == 302


def test_the_preview_costs_the_same_for_one_centre_and_ten(activity, centre, holiday, now):
    def cost(count: int) -> int:
        places = list(activity.establishments.all())[:count]
        formulas = list(activity.formulas.all())
        plan = wizard.Plan(activity, places, "Hiver", holiday.starts_on, holiday.ends_on, formulas=formulas)
        with CaptureQueriesContext(connection) as queries:
            wizard.outlook(plan, at=now)
        return len(queries)

    cost(1)
    activity.establishments.add(*(CentreFactory() for _ in range(9)))
    assert cost(1) == cost(10) <= 12
