"""« Nombres de jours à prendre » at the desk and in the town's file: typed, previewed, refused."""

import pytest
from django.urls import reverse

from portal.reservations.models import DayRule
from portal.reservations.towns.fields import TownFileError
from portal.reservations.towns.town_file import export, load
from tests.conftest import logged_in
from tests.factories import UserFactory

ADD = "admin:reservations_dayrule_add"


@pytest.fixture
def chief(now, db):
    return logged_in(UserFactory(is_staff=True, is_superuser=True))


def typed(canteen, **more):
    return {"activity": canteen.activity.pk, "kind": "count", "per": "week", "least": "3", **more}


def test_a_rule_is_typed_and_read_in_words(chief, canteen):
    chief.post(reverse(ADD), typed(canteen))
    assert DayRule.objects.get().sentence == "Au moins 3 jours par semaine."
    page = chief.get(reverse("admin:reservations_dayrule_changelist")).content.decode()
    assert "Au moins 3 jours par semaine." in page


def test_before_it_is_saved_its_page_shows_what_a_family_could_take(chief, canteen):
    answer = chief.post(reverse("admin:reservations_dayrule_preview"), typed(canteen))
    page = answer.content.decode()
    assert not DayRule.objects.exists()
    assert "Semaine du 16 novembre" in page and "5 jours" in page and "de 3 à 5 jours" in page
    assert "1 ou 2 jours : Semaine du 16 novembre : 2 jours, il en faut 3." in page


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        ({"kind": "whole"}, "5 jours"),
        ({"kind": "fixed", "most": "2"}, "1 ou 2 jours"),
        ({"kind": "usual"}, "lundi, mardi"),
        ({"per": "month", "least": "", "most": "2"}, "Décembre 2026"),
        ({"least": ""}, "Indiquez un minimum"),
        ({"least": "x"}, "Saisissez un nombre entier"),
        ({"activity": ""}, "Choisissez l'activité"),
    ],
)
def test_each_kind_has_its_preview(chief, canteen, more, shown):
    page = chief.post(reverse("admin:reservations_dayrule_preview"), typed(canteen, **more)).content.decode()
    assert shown in page.replace("&#x27;", "'")


def test_what_a_kind_does_not_read_is_not_kept(chief, canteen):
    chief.post(reverse(ADD), typed(canteen, kind="whole", most="2"))
    row = DayRule.objects.get()
    assert (row.kind, row.least, row.most) == ("whole", None, None)


def test_two_that_contradict_each_other_are_refused_with_a_sentence(chief, canteen):
    chief.post(reverse(ADD), typed(canteen))
    page = chief.post(reverse(ADD), typed(canteen, least="", most="2")).content.decode()
    assert "Ces deux règles se contredisent" in page and "Au moins 3 jours par semaine." in page
    assert DayRule.objects.count() == 1


TOWN = """
activités:
  - code: cantine
    nom: Cantine
    service: cantine
    jours: [lundi, mardi, jeudi, vendredi]
    formules:
      - {code: demi, nom: Demi-forfait, moments: [midi]}
    nombres_de_jours:
      - {au_moins: 3, au_moins_avec_un_férié: 2}
      - {principe: jours_fixes, par: mois, au_plus: 2, formule: demi, niveau: élémentaire}
      - {principe: tout_ou_rien, par: période, à_partir_du: 2027-01-04, jusqu'au: 2027-07-02}
"""


def test_the_town_s_file_says_them_and_writes_them(town, now):
    load(TOWN)
    assert {row.sentence for row in DayRule.objects.all()} == {
        "Au moins 3 jours par semaine, 2 quand un jour est férié.",
        "Demi-forfait : 2 jours fixes par semaine, les mêmes tout le mois.",
        "Période entière : tous les jours ouverts, ou aucun, "
        "à partir du 4 janvier 2027 jusqu'au 2 juillet 2027.",
    }
    written = export()
    assert "au_moins_avec_un_férié: 2" in written and "principe: tout_ou_rien" in written
    load(written)
    assert DayRule.objects.count() == 3


def test_a_contradiction_in_the_file_is_said_with_its_line(town, now):
    with pytest.raises(TownFileError) as refused:
        load(TOWN + "      - {par: mois, au_plus: 2}\n")
    assert "se contredisent" in str(refused.value)
