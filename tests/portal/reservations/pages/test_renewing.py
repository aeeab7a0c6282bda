"""« Réinscrire pour 2027-2028 »: last year's answers of all the children, confirmed on one page.

It is 10 June 2027. The Roux: Lina in CE1 and Hugo in CM2 at Les Tilleuls, both at the canteen; Lina on
Wednesdays too.
"""

import re
from datetime import date, datetime
from html import unescape
from types import SimpleNamespace

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from families import diets
from families.models import DietChoice, Household
from portal.reservations.acts import enrolling, renewing
from portal.reservations.models import Activity, Enrolment, Schooling, SchoolYear
from portal.reservations.states import EnrolmentState
from tests.conftest import Family, other_home_of
from tests.factories import (
    ActivityFactory,
    AudienceFactory,
    CampaignFactory,
    CentreFactory,
    ChildFactory,
    DietFactory,
    EnrolmentFactory,
    EstablishmentFactory,
    SchoolClassFactory,
    SchoolFactory,
    SchoolingFactory,
    SchoolYearFactory,
    paris,
)

JUNE = paris(2027, 6, 10, 9)
PAGE = reverse("reservations:renew")
HOME = reverse("home")


@pytest.fixture
def next_year(year) -> SchoolYear:
    return SchoolYearFactory(name="2027-2028", starts_on=date(2027, 9, 1), ends_on=date(2028, 7, 3))


@pytest.fixture
def campaign(next_year):
    return CampaignFactory(
        school_year=next_year, opens_at=paris(2027, 6, 1, 8), closes_at=paris(2027, 7, 15, 18)
    )


@pytest.fixture
def roux(books: Family, canteen, school, year, next_year) -> SimpleNamespace:
    lina = books.child
    lina.birth_date = date(2019, 5, 4)
    lina.save()
    hugo = ChildFactory(
        first_name="Hugo", last_name="Roux", birth_date=date(2016, 3, 4), households=[books.household]
    )
    SchoolingFactory(child=hugo, school_class=SchoolClassFactory(school=school, school_year=year, name="CM2"))
    centre = CentreFactory(code="les-roseaux", name="Centre des Roseaux", open_weekdays=0b11111)
    wednesdays = ActivityFactory(
        code="mercredis", name="Mercredis", service="leisure", establishments=[centre], weekdays=0b100,
        max_age=12, enrolment_processing=Activity.Processing.AUTOMATIC, order=2,
    )  # fmt: skip
    Enrolment.objects.filter(pk=books.enrolment.pk).update(weekdays=0b01011)
    EnrolmentFactory(
        household=books.household, child=hugo, activity=canteen.activity, establishment=canteen.restaurant
    )
    EnrolmentFactory(
        household=books.household, child=lina, activity=wednesdays, establishment=centre, weekdays=0
    )
    classes = {
        name: SchoolClassFactory(school=school, school_year=next_year, name=name) for name in ("CE1", "CE2")
    }
    return SimpleNamespace(
        family=books, home=books.household, lina=lina, hugo=hugo, wednesdays=wednesdays, centre=centre,
        classes=classes,
    )  # fmt: skip


@pytest.fixture
def client_of(roux) -> Client:
    with time_machine.travel(JUNE, tick=False):
        return roux.family.client()


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def proposed(roux, at: datetime = JUNE) -> renewing.Renewal:
    found = renewing.propose(Household.objects.get(pk=roux.home.pk), at=at)
    assert found is not None
    return found


def lines(renewal: renewing.Renewal) -> dict[tuple[str, str], str]:
    """Of each child and activity, where it is proposed, or why it is not."""
    return {
        (pupil.child.first_name, str(line.activity)): line.refusal
        or ("déjà" if line.already else str(line.place))
        for pupil in renewal.pupils
        for line in pupil.lines
    }


def as_shown(html: str) -> dict[str, list[str]]:
    """What the page posts when one confirms it as it is."""
    posted: dict[str, list[str]] = {}
    form = html.partition('class="form renewal"')[2].partition("</form>")[0]
    for tag in re.findall(r"<input[^>]*checkbox[^>]*>", form):
        if " checked" in tag:
            name = re.search(r'name="([^"]+)"', tag)[1]  # type: ignore[index]
            value = re.search(r'value="([^"]+)"', tag)
            posted.setdefault(name, []).append(value[1] if value else "on")
    for name, options in re.findall(r'<select name="([^"]+)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options)
        posted[name] = [chosen[1] if chosen else ""]
    return posted


# What is proposed ----------------------------------------------------------------------------------------


def test_while_homes_differ_each_is_proposed_its_own_word(roux, campaign, canteen):
    plain = DietChoice.objects.get(child=roux.lina).diet
    strict = DietFactory(name="Sans viande", without_meat=True)
    other = other_home_of(roux.family)
    diets.say(roux.lina, plain, by=roux.home, at=JUNE)
    diets.say(roux.lina, strict, by=other.household, at=JUNE)
    plate = next(one for one in proposed(roux).pupils if one.child == roux.lina).plate
    assert (plate.diet, "Les deux foyers" in plate.note) == (plain.pk, True)


def test_a_class_up_the_same_school_activities_days_and_diet(roux, campaign, canteen):
    renewal = proposed(roux)
    pupils = {pupil.child.first_name: pupil for pupil in renewal.pupils}
    lina = pupils["Lina"]
    assert (renewal.year.name, renewal.first_day, renewal.closes) == (
        "2027-2028", date(2027, 9, 1), campaign.closes_at,
    )  # fmt: skip
    assert (lina.grade, lina.school_class, lina.note) == ("CE2", roux.classes["CE2"], "")
    assert lina.plate.diet == DietChoice.objects.get(child=roux.lina).diet_id
    assert lines(renewal) == {
        ("Hugo", "Restauration scolaire"): "N'accueille plus les enfants après le CM2.",
        ("Lina", "Restauration scolaire"): "Restaurant du Verger",
        ("Lina", "Mercredis"): "Centre des Roseaux",
    }
    assert (
        pupils["Hugo"].leaves
        and pupils["Hugo"].note == "Hugo entre en 6e : École des Tilleuls s'arrête au CM2."
    )


def test_a_centre_for_all_goes_on_after_cm2_as_long_as_the_age_allows(roux, campaign):
    EnrolmentFactory(
        household=roux.home, child=roux.hugo, activity=roux.wednesdays, establishment=roux.centre
    )
    said = lines(proposed(roux))
    assert said["Hugo", "Mercredis"] == "Centre des Roseaux"
    (line,) = [line for pupil in proposed(roux).pupils if pupil.child == roux.hugo for line in pupil.offered]
    assert line.note == ""
    roux.hugo.birth_date = date(2015, 3, 4)
    roux.hugo.save()
    (line,) = [line for pupil in proposed(roux).pupils if pupil.child == roux.hugo for line in pupil.offered]
    assert line.note == "Jusqu'à ses 13 ans, le 4 mars 2028."
    roux.hugo.birth_date = date(2014, 8, 30)
    roux.hugo.save()
    assert lines(proposed(roux))["Hugo", "Mercredis"].startswith("Hugo aura 13 ans")


def test_an_activity_that_is_gone_and_a_place_that_is_closed_are_said(roux, campaign, canteen, school):
    roux.wednesdays.active = False
    roux.wednesdays.save()
    other = EstablishmentFactory(name="Restaurant du Lac", serves=[school])
    canteen.activity.establishments.add(other)
    canteen.restaurant.active = False
    canteen.restaurant.save()
    said = lines(proposed(roux))
    assert said["Lina", "Mercredis"] == "Cette activité n'est plus proposée."
    assert said["Lina", "Restauration scolaire"] == "Restaurant du Lac"


def test_where_the_level_leaves_the_school_the_next_one_is_proposed(roux, campaign, school, year, next_year):
    nursery = SchoolFactory(code="les-iris", name="École des Iris")
    section = SchoolClassFactory(school=nursery, school_year=year, name="Grande section", level="maternelle")
    Schooling.objects.filter(child=roux.lina).update(school_class=section)
    roux.lina.birth_date = date(2021, 5, 4)
    roux.lina.save()
    first = SchoolClassFactory(school=school, school_year=next_year, name="CP")
    (pupil,) = [one for one in proposed(roux).pupils if one.child == roux.lina]
    assert (pupil.grade, pupil.school_class) == ("CP", first)
    assert pupil.note == "École des Iris n'a pas de CP : ce sera École des Tilleuls."
    SchoolClassFactory(school=SchoolFactory(code="les-pins"), school_year=next_year, name="CP")
    (pupil,) = [one for one in proposed(roux).pupils if one.child == roux.lina]
    assert (pupil.school, pupil.school_class) == (None, None)
    assert pupil.note == "École des Iris n'a pas de CP : choisissez la nouvelle école de Lina."


def test_of_two_classes_of_the_grade_none_is_guessed(roux, campaign, school, next_year):
    SchoolClassFactory(school=school, school_year=next_year, name="CE1/CE2")
    (pupil,) = [one for one in proposed(roux).pupils if one.child == roux.lina]
    assert (pupil.school, pupil.school_class) == (school, None)


def test_nothing_is_proposed_outside_of_a_campaign(roux, campaign, next_year):
    home = roux.home
    assert renewing.propose(home, at=paris(2027, 5, 31)) is None
    assert renewing.propose(home, at=paris(2027, 7, 15, 18)) is None
    campaign.delete()
    assert renewing.propose(home, at=JUNE) is None
    CampaignFactory(school_year=next_year, audience=AudienceFactory(), opens_at=paris(2027, 6, 1))
    assert renewing.propose(home, at=JUNE) is None


def test_a_family_that_forgot_is_asked_in_september_too(roux, campaign):
    campaign.closes_at = paris(2027, 9, 15)
    campaign.save()
    at = paris(2027, 9, 6, 9)
    assert proposed(roux, at).first_day == date(2027, 9, 6)
    with time_machine.travel(at, tick=False):
        assert "Réinscrire pour 2027-2028" in roux.family.client().get(HOME).text


# On the first page ---------------------------------------------------------------------------------------


def test_the_first_page_leads_there_while_the_campaign_is_open_and_not_all_is_done(roux, campaign, client_of):
    for at, there in ((paris(2027, 6, 1, 7, 59), False), (JUNE, True), (campaign.closes_at, False)):
        with time_machine.travel(at, tick=False):
            page = roux.family.client().get(HOME).text
            assert ("Réinscrire pour 2027-2028" in page and f'href="{PAGE}"' in page) is there
    with time_machine.travel(JUNE, tick=False):
        page = words(client_of.get(HOME).text)
        # Hugo leaves: nothing is to be done for him.
        assert "Réinscrire pour 2027-2028 Lina. Réinscrire" in page
        client_of.post(PAGE, as_shown(client_of.get(PAGE).text))
        assert "Réinscrire pour" not in client_of.get(HOME).text


def test_the_first_page_asks_no_more_of_the_database(roux, next_year, client_of):
    with time_machine.travel(JUNE, tick=False):
        client_of.get(HOME)
        with CaptureQueriesContext(
            connection,
        ) as before:
            client_of.get(HOME)
        CampaignFactory(school_year=next_year, opens_at=paris(2027, 6, 1))
        with CaptureQueriesContext(connection) as after:
            assert "Réinscrire pour" in client_of.get(HOME).text
    assert len(after) == len(before) <= 14


# Confirmed -----------------------------------------------------------------------------------------------


def test_confirmed_as_it_is_in_one_act_with_one_letter(
    roux, campaign, canteen, next_year, client_of, mailoutbox, django_capture_on_commit_callbacks
):
    with time_machine.travel(JUNE, tick=False):
        page = client_of.get(PAGE).text
        assert "Ouvert jusqu'au jeudi 15 juillet 2027" in words(page)
        with django_capture_on_commit_callbacks(execute=True):
            answer = client_of.post(PAGE, as_shown(page), follow=True)
    assert "Réinscription 2027-2028 enregistrée : Lina." in words(answer.text)
    made = Enrolment.objects.filter(school_year=next_year).order_by("activity__order")
    assert [(one.child, one.activity, one.establishment, one.weekdays, one.starts_on) for one in made] == [
        (roux.lina, canteen.activity, canteen.restaurant, 0b01011, date(2027, 9, 1)),
        (roux.lina, roux.wednesdays, roux.centre, 0, date(2027, 9, 1)),
    ]
    assert [one.state for one in made] == [EnrolmentState.REQUESTED, EnrolmentState.ACCEPTED]
    attended = Schooling.objects.get(child=roux.lina, school_year=next_year)
    assert attended.school_class == roux.classes["CE2"]
    (letter,) = mailoutbox
    assert letter.subject == "Réinscription 2027-2028 : Lina"
    assert "Restauration scolaire, Restaurant du Verger : demande à l'étude" in letter.body


def test_june_is_still_booked_with_this_year_s_enrolment(roux, campaign, client_of):
    with time_machine.travel(JUNE, tick=False):
        client_of.post(PAGE, as_shown(client_of.get(PAGE).text))
        page = words(client_of.get(HOME).text)
    assert "En attente de traitement : 2027-2028" in page and "Acceptée : 2026-2027" in page
    assert "Acceptées Consulter / modifier" in page and "2026-2027 (mercredis), 2027-2028 (mercredis)" in page
    assert (
        list(
            enrolling.of_child(roux.lina.pk, roux.home.pk, JUNE.date()).values_list("state", flat=True)
        ).count("accepted")
        == 3
    )


def test_everything_can_be_changed(roux, campaign, canteen, school, next_year, client_of):
    lake = EstablishmentFactory(name="Restaurant du Lac", serves=[school])
    canteen.activity.establishments.add(lake)
    diet = DietFactory(name="Sans porc")
    with time_machine.travel(JUNE, tick=False):
        given = as_shown(client_of.get(PAGE).text)
        own = f"enfant-{roux.lina.pk}"
        given |= {
            f"{own}-classe": [f"c{roux.classes['CE1'].pk}"],
            f"{own}-regime": [str(diet.pk)],
            f"{own}-{canteen.activity.pk}-lieu": [str(lake.pk)],
            f"{own}-{canteen.activity.pk}-jours": ["4"],
        }
        del given[f"{own}-{roux.wednesdays.pk}"]
        client_of.post(PAGE, given)
    (made,) = Enrolment.objects.filter(school_year=next_year)
    assert (made.activity, made.establishment, made.weekdays) == (canteen.activity, lake, 0b10000)
    assert Schooling.objects.get(child=roux.lina, school_year=next_year).school_class.name == "CE1"
    assert DietChoice.objects.get(child=roux.lina).diet == diet


def test_what_does_not_fit_is_said_and_nothing_is_written(roux, campaign, canteen, next_year, client_of):
    far = SchoolFactory(code="les-pins", name="École des Pins")
    there = SchoolClassFactory(school=far, school_year=next_year, name="CE2")
    own = f"enfant-{roux.lina.pk}"
    days = f"{own}-{canteen.activity.pk}-jours"
    with time_machine.travel(JUNE, tick=False):
        given = as_shown(client_of.get(PAGE).text)
        refused = [
            given | {f"{own}-classe": [f"c{there.pk}"]},
            {name: value for name, value in given.items() if name != days},
            {name: value for name, value in given.items() if not name.endswith(f"-{roux.wednesdays.pk}")
             and not name.endswith(f"-{canteen.activity.pk}")},
            given | {f"{own}-classe": ["c99999"]},
            given | {f"{own}-classe": [""]},
        ]  # fmt: skip
        said = [words(client_of.post(PAGE, each).text) for each in refused]
    assert "n'accueille pas les élèves de « École des Pins »" in said[0]
    assert "Jours habituels, Restauration scolaire, Lina : cochez au moins un jour." in said[1]
    assert "Cochez au moins une activité" in said[2]
    assert all("à corriger" in each for each in said)
    assert not Enrolment.objects.filter(school_year=next_year).exists()
    assert not Schooling.objects.filter(school_year=next_year).exists()


def test_twice_changes_nothing_the_second_time(roux, campaign, next_year, client_of):
    with time_machine.travel(JUNE, tick=False):
        given = as_shown(client_of.get(PAGE).text)
        client_of.post(PAGE, given)
        again = client_of.post(PAGE, given)
    assert again.text.count("Déjà demandée pour 2027-2028.") == 2
    assert Enrolment.objects.filter(school_year=next_year).count() == 2


def test_all_or_nothing(roux, campaign, canteen, next_year):
    """A child that is refused meanwhile takes nobody along halfway."""
    renewal = proposed(roux)
    pupil = next(one for one in renewal.pupils if one.child == roux.lina)
    wanted = [renewing.Chosen(line.activity, line.place, line.before.weekdays) for line in pupil.offered]
    twice = renewing.Answer(roux.lina, None, None, [*wanted, wanted[0]])
    with pytest.raises(enrolling.EnrolmentRefused, match="a déjà une inscription"):
        renewing.renew(roux.home, next_year, [twice], by=roux.family.user, at=JUNE)
    assert not Enrolment.objects.filter(school_year=next_year).exists()


def test_posted_after_it_closed_nothing_is_written(roux, campaign, next_year, client_of):
    with time_machine.travel(JUNE, tick=False):
        given = as_shown(client_of.get(PAGE).text)
    with time_machine.travel(campaign.closes_at, tick=False):
        answer = roux.family.client().post(PAGE, given, follow=True)
    assert "Aucune réinscription n'est ouverte pour le moment." in words(answer.text)
    assert not Enrolment.objects.filter(school_year=next_year).exists()


def test_a_stranger_renews_nothing_of_others(roux, campaign, canteen, next_year, stranger, client_of):
    with time_machine.travel(JUNE, tick=False):
        given = as_shown(client_of.get(PAGE).text)
        answer = stranger.client().post(PAGE, given)
    assert answer["Location"] == HOME
    assert not Enrolment.objects.filter(school_year=next_year).exists()


def test_as_many_queries_for_five_children_as_for_two(roux, campaign, canteen, school_class, client_of):
    def asked() -> int:
        with time_machine.travel(JUNE, tick=False), CaptureQueriesContext(connection) as found:
            assert client_of.get(PAGE).status_code == 200
        return len(found)

    asked()
    before = asked()
    for number in range(3):
        child = ChildFactory(first_name=f"Enfant {number}", households=[roux.home])
        SchoolingFactory(child=child, school_class=school_class)
        for activity, place in ((canteen.activity, canteen.restaurant), (roux.wednesdays, roux.centre)):
            EnrolmentFactory(household=roux.home, child=child, activity=activity, establishment=place)
    assert asked() == before
