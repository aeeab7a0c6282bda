"""« Inscription à l'accueil de loisirs »: what is offered, to whom, and what a tampered form gets."""

from datetime import date

import pytest
from django.urls import reverse

from families.models import AuthorisedPerson, Diet, DietChoice, Household
from portal.reservations.models import Enrolment
from portal.reservations.states import EnrolmentState
from tests.factories import (
    CentreFactory,
    ChildFactory,
    DietFactory,
    HealthFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolingFactory,
)


def url(child) -> str:
    return reverse("leisure:enrol", args=[child.pk])


def post(who, child, *activities, **more):
    if "diet" not in more:
        more["diet"] = (Diet.objects.first() or DietFactory()).pk
    data = {"activities": [str(activity.pk) for activity in activities], **more}
    return who.client().post(url(child), data, follow=True).content.decode()


def test_the_childs_whole_name_and_the_activities_for_its_age_and_school_are_shown(
    plays, wednesdays, holidays
):
    page = plays.client().get(url(plays.child)).content.decode()
    assert "Inscription de Lina Roux" in page
    assert "Mercredis" in page
    assert "Vacances" in page
    assert "Quitter" in page


def test_several_activities_are_asked_for_at_once(plays, wednesdays, holidays, year):
    page = post(plays, plays.child, wednesdays.activity, holidays.activity)
    assert "la mairie vous répond par e-mail" in page.lower()
    assert set(
        Enrolment.objects.values_list("activity__code", "establishment__code", "state", "starts_on")
    ) == {
        (code, "les-roseaux", EnrolmentState.REQUESTED, date(2026, 11, 9))
        for code in ("mercredis", "vacances")
    }


def test_an_activity_may_accept_at_once(plays, wednesdays):
    wednesdays.activity.enrolment_processing = "automatic"
    wednesdays.activity.save()
    page = post(plays, plays.child, wednesdays.activity)
    assert "Vous pouvez réserver ses jours" in page
    assert Enrolment.objects.get().state == EnrolmentState.ACCEPTED


def test_an_enrolment_accepted_at_once_asks_for_the_health_file_that_a_reservation_needs(plays, wednesdays):
    type(wednesdays.activity).objects.update(enrolment_processing="automatic", health_file_required=True)
    page = post(plays, plays.child, wednesdays.activity)
    assert "Remplissez sa fiche sanitaire avant de réserver." in page
    assert "Vous pouvez réserver ses jours" not in page


def test_a_child_of_leisure_alone_has_a_diet_asked_where_a_meal_is_eaten(plays, wednesdays, holidays):
    diet = DietFactory(name="Sans porc")
    said = "Choisissez le régime alimentaire"
    assert said in post(plays, plays.child, wednesdays.activity, diet="")
    assert not Enrolment.objects.exists()
    wednesdays.activity.formulas.update(with_meal=False)
    assert said not in post(plays, plays.child, wednesdays.activity, diet="")
    assert not DietChoice.objects.exists()
    post(plays, plays.child, holidays.activity)
    assert DietChoice.objects.get(child=plays.child).diet == diet


def test_its_diet_changes_with_its_enrolment(plays, wednesdays, enrol):
    mine = enrol(plays, wednesdays)
    page = reverse("leisure:enrolment", args=[mine.pk])
    plays.client().post(page, {"diet": DietFactory(name="Sans viande").pk})
    assert DietChoice.objects.get(child=plays.child).diet.name == "Sans viande"
    assert "Régime alimentaire" in plays.client().get(page).content.decode()


def test_a_town_without_diets_asks_for_none(plays, wednesdays):
    assert "Régime alimentaire" not in plays.client().get(url(plays.child)).content.decode()
    post(plays, plays.child, wednesdays.activity, diet="")
    assert Enrolment.objects.get().activity == wednesdays.activity


def test_nothing_ticked_is_said(plays, wednesdays):
    assert "Cochez au moins une activité." in post(plays, plays.child)
    assert not Enrolment.objects.exists()


@pytest.mark.parametrize("born", [date(2024, 8, 1), date(2012, 1, 1)], ids=["too young", "too old"])
def test_a_child_of_another_age_is_not_enrolled(plays, wednesdays, school_class, born):
    child = ChildFactory(birth_date=born, households=[plays.household])
    SchoolingFactory(child=child, school_class=school_class)
    page = plays.client().get(url(child)).content.decode()
    assert "Les autres activités" in page
    assert "accueille" in page
    assert "pas proposée pour cet enfant" in post(plays, child, wednesdays.activity)
    assert not Enrolment.objects.exists()


def test_a_centre_that_does_not_serve_the_school_is_not_offered(plays, wednesdays, year):
    elsewhere = SchoolClassFactory(school=SchoolFactory(name="École du Lac"), school_year=year)
    child = ChildFactory(birth_date=date(2018, 5, 1), households=[plays.household])
    SchoolingFactory(child=child, school_class=elsewhere)
    page = plays.client().get(url(child)).content.decode()
    assert "accueille pas les élèves" in page
    assert "pas proposée pour cet enfant" in post(plays, child, wednesdays.activity)
    assert not Enrolment.objects.exists()


def test_a_school_takes_its_own_pupils_only(plays, wednesdays, school):
    wednesdays.activity.establishments.set([school, SchoolFactory(name="École du Lac")])
    post(plays, plays.child, wednesdays.activity)
    assert Enrolment.objects.get().establishment == school


def test_of_several_places_one_may_be_chosen_or_none(plays, wednesdays, brother):
    other = CentreFactory(code="le-lac", name="Centre du Lac")
    wednesdays.activity.establishments.add(other)
    place = f"place-{wednesdays.activity.pk}"
    assert "À choisir à chaque réservation" in plays.client().get(url(plays.child)).content.decode()
    post(plays, plays.child, wednesdays.activity, **{place: other.pk})
    post(plays, brother, wednesdays.activity)
    assert set(Enrolment.objects.values_list("child__first_name", "establishment__code")) == {
        ("Lina", "le-lac"),
        ("Hugo", None),
    }
    mine = Enrolment.objects.get(child=plays.child)
    address = reverse("leisure:enrolment", args=[mine.pk])
    plays.client().post(address, {"place": wednesdays.centre.pk})
    mine.refresh_from_db()
    assert mine.establishment == wednesdays.centre


@pytest.mark.parametrize("forged", ["9999", "x", "", "1' OR 1"])
def test_a_forged_activity_or_place_is_refused_and_nothing_typed_is_lost(plays, wednesdays, holidays, forged):
    data = {"activities": [forged, str(wednesdays.activity.pk)]}
    page = plays.client().post(url(plays.child), data).content.decode()
    assert "vérifiez votre choix" in page
    assert f'value="{wednesdays.activity.pk}" checked' in page
    wednesdays.activity.establishments.add(CentreFactory(name="Centre du Lac"))
    place = {f"place-{wednesdays.activity.pk}": forged or "0"}
    assert "n&#x27;accueille pas cet enfant" in post(plays, plays.child, wednesdays.activity, **place)
    assert not Enrolment.objects.exists()


def test_an_activity_of_another_service_is_not_offered(plays, wednesdays, canteen):
    assert "vérifiez votre choix" in post(plays, plays.child, canteen.activity)
    assert not Enrolment.objects.exists()


def test_one_enrols_once(plays, wednesdays, enrol):
    enrol(plays, wednesdays)
    page = plays.client().get(url(plays.child)).content.decode()
    assert "y a déjà une inscription" in page
    post(plays, plays.child, wednesdays.activity)
    assert Enrolment.objects.count() == 1


def test_a_household_not_yet_accepted_prepares_its_enrolment(plays, wednesdays):
    Household.objects.update(state=Household.State.REQUESTED)
    assert "inscription de Lina est prête" in post(plays, plays.child, wednesdays.activity)
    assert Enrolment.objects.get().state == EnrolmentState.REQUESTED


def test_a_refused_household_enrols_nobody(plays, wednesdays):
    Household.objects.update(state=Household.State.REFUSED)
    assert "pas validé" in post(plays, plays.child, wednesdays.activity)
    assert not Enrolment.objects.exists()


@pytest.mark.parametrize("state", [EnrolmentState.REFUSED, EnrolmentState.ENDED])
@pytest.mark.parametrize("places", ["one place", "two places"])
def test_an_enrolment_that_is_over_changes_no_more(plays, wednesdays, enrol, state, places):
    mine = enrol(plays, wednesdays)
    other = CentreFactory(name="Centre du Lac")
    if places == "two places":
        wednesdays.activity.establishments.add(other)
    Enrolment.objects.filter(pk=mine.pk).update(state=state)
    client, address = plays.client(), reverse("leisure:enrolment", args=[mine.pk])
    page = client.get(address).content.decode()
    said = "Corriger et renvoyer" if state == EnrolmentState.REFUSED else "Faire une nouvelle demande"
    again = f"annee={mine.school_year_id}&amp;reprise={mine.pk}"
    assert said in page and f'href="{url(plays.child)}?{again}"' in page
    assert "Enregistrer" not in page and 'name="place"' not in page
    answer = client.post(address, {"place": other.pk}, follow=True)
    assert answer.redirect_chain == [(address, 302)]
    assert f"Cette inscription est {state.label.lower()} : elle ne change plus." in answer.content.decode()
    mine.refresh_from_db()
    assert (mine.establishment, mine.state) == (wednesdays.centre, state)


def test_what_is_missing_before_the_first_day_is_listed(plays, wednesdays, enrol):
    wednesdays.activity.health_file_required = True
    wednesdays.activity.save()
    address = reverse("leisure:enrolment", args=[enrol(plays, wednesdays).pk])
    page = plays.client().get(address).content.decode()
    assert "La fiche sanitaire de Lina" in page
    assert reverse("families:health", args=[plays.child.pk]) in page
    assert "personnes autorisées à venir chercher Lina" in page
    HealthFactory(child=plays.child)
    AuthorisedPerson.objects.create(child=plays.child, name="Jeanne Roux", phone="0100000000")
    assert "À compléter" not in plays.client().get(address).content.decode()


def test_others_enrolments_do_not_exist(plays, wednesdays, enrol, stranger_client):
    mine = enrol(plays, wednesdays)
    for name in ("enrolment", "start"):
        assert stranger_client.get(reverse(f"leisure:{name}", args=[mine.pk])).status_code == 404
    assert stranger_client.get(url(plays.child)).status_code == 404
    assert stranger_client.post(url(plays.child), {"activities": wednesdays.activity.pk}).status_code == 404


def test_the_pages_cost_the_same_whatever_is_offered(
    plays, wednesdays, holidays, enrol, django_assert_max_num_queries
):
    client = plays.client()
    client.get("/")
    client.get(url(plays.child))  # what every process keeps for half a minute is read
    with django_assert_max_num_queries(15):
        client.get(url(plays.child))
    mine = enrol(plays, wednesdays)
    enrol(plays, holidays)
    with django_assert_max_num_queries(12):
        client.get(reverse("leisure:enrolment", args=[mine.pk]))
    with django_assert_max_num_queries(12):
        client.get(reverse("leisure:start", args=[mine.pk]))
    with django_assert_max_num_queries(14):
        client.get("/")
