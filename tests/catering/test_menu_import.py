"""Menus from a file: shown first, all or nothing, replaced knowingly."""

import io
from datetime import date

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from openpyxl import Workbook

from catering import menu_import
from catering.models import Dish, Menu
from tests.conftest import FRIDAY, THURSDAY

PAGE = "admin:catering_menu_import"
HEADER = "restaurant;date;service;plat;allergènes\n"
GOOD = HEADER + (
    "Restaurant du Verger;26/11/2026;Entrée;Carottes râpées;Moutarde\n"
    "Restaurant du Verger;26/11/2026;Plat;Gratin de poisson;Poisson, Lait\n"
    "le-verger;2026-11-27;dessert;Œufs au lait;ŒUFS|lait\n"
)


def upload(client, text: str | bytes, name: str = "menus.csv"):
    raw = text if isinstance(text, bytes) else text.encode()
    return client.post(reverse(PAGE), {"file": SimpleUploadedFile(name, raw, "text/csv")})


def read(text: str | bytes) -> menu_import.MenuFile:
    return menu_import.read(text if isinstance(text, bytes) else text.encode())


def mistakes(text: str | bytes) -> list[str]:
    return [str(mistake) for mistake in read(text).mistakes]


def workbook(*rows: tuple[object, ...]) -> bytes:
    book, written = Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(written)
    return written.getvalue()


def test_the_file_is_shown_before_anything_is_written(canteen, agent_client):
    page = upload(agent_client, GOOD)
    assert "Gratin de poisson" in page.text
    assert not Menu.objects.exists()


def test_confirmed_menus_are_written_in_order(canteen, agent_client):
    content = upload(agent_client, GOOD).context["content"]
    agent_client.post(reverse(PAGE), {"content": content})
    written = {menu.day: [str(dish) for dish in menu.dishes.all()] for menu in Menu.objects.all()}
    assert written == {THURSDAY: ["Carottes râpées", "Gratin de poisson"], FRIDAY: ["Œufs au lait"]}
    assert Dish.objects.get(menu__day=FRIDAY).allergens == ["eggs", "milk"]


def test_menus_that_exist_are_replaced_knowingly_only(canteen, agent_client):
    old = Menu.objects.create(restaurant=canteen.restaurant, day=THURSDAY)
    old.dishes.create(course="main", name="Lasagnes")
    page = upload(agent_client, GOOD)
    assert "remplace le menu actuel" in page.text
    refused = agent_client.post(reverse(PAGE), {"content": page.context["content"]})
    assert "cochez la case" in refused.text
    assert Dish.objects.get().name == "Lasagnes"
    agent_client.post(reverse(PAGE), {"content": page.context["content"], "replace": "on"})
    assert not Dish.objects.filter(name="Lasagnes").exists()
    assert Menu.objects.get(day=THURSDAY).pk == old.pk


def test_every_mistake_names_its_line_and_nothing_is_written(canteen, agent_client):
    text = HEADER + (
        "Chez Paul;26/11/2026;Entrée;Soupe;\n"
        "Restaurant du Verger;31/02/2026;Entrée;Soupe;\n"
        "\n"
        "Restaurant du Verger;26/11/2026;Brunch;;Licorne\n"
        "Restaurant du Verger;26/11/2026;Plat;Riz;\n"
        "Restaurant du Verger;26/11/2026;Plat;Riz;\n"
    )
    assert mistakes(text) == [
        "Ligne 2 : le restaurant « Chez Paul » n'existe pas.",
        "Ligne 3 : « 31/02/2026 » n'est pas une date : écrivez-la comme 24/11/2026.",
        "Ligne 5 : « Brunch » n'est pas un service : Entrée, Plat, Accompagnement, Laitage, Dessert.",
        "Ligne 5 : il manque le plat.",
        "Ligne 5 : « Licorne » n'est pas un des quatorze allergènes.",
        "Ligne 7 : « Riz » est déjà dans ce menu.",
    ]
    assert "Ligne 7" in upload(agent_client, text).text
    agent_client.post(reverse(PAGE), {"content": text, "replace": "on"})
    assert not Menu.objects.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Ce fichier est vide."),
        (HEADER, "Ligne 1 : le fichier ne contient aucun plat."),
        (
            "a;b\n1;2\n",
            "Ligne 1 : il manque « restaurant », « date », « service », « plat » parmi les titres",
        ),
        ("PK\x03\x04\0\0", "Ce classeur est abîmé."),
        ("%PDF-1.7", "Ce fichier n'est pas un tableau."),
        (HEADER + "x" * 20_000, "Ligne 2, colonne 1 : une case a plus de 5000 signes."),
        (HEADER + "a;b;c;d;e\n" * 5_001, "Ce fichier a plus de 5000 plats"),
        (HEADER + f"a;b;c;{'d' * 4_000};e\n" * 300, "Ce fichier est trop long"),
    ],
)
def test_a_file_that_is_no_menu_says_so(text, said, canteen):
    assert mistakes(text)[0].startswith(said)


def test_a_spreadsheets_own_ways_are_understood(canteen):
    windows = GOOD.replace("Œufs", "Oeufs").replace("ŒUFS", "oeufs").replace(";", "\t").encode("cp1252")
    assert [menu.day for menu in read(windows).menus] == [THURSDAY, FRIDAY]
    assert not mistakes("\ufeff" + GOOD)
    assert not mistakes(GOOD.encode("utf-16"))
    (menu,) = read(HEADER + "le-verger;26/11/26;Plat;Riz;\n").menus
    assert menu.day == THURSDAY


def test_a_workbook_is_shown_then_written_as_a_text_is(canteen, agent_client):
    titles = ("Restaurant", "Date", "Service", "Plat", "Allergènes")
    book = workbook(titles, ("le-verger", date(2026, 11, 26), "Plat", "- Gratin", "Lait"))
    page = upload(agent_client, book, "menus.xlsx")
    assert "jeudi 26 novembre 2026" in page.text and "- Gratin" in page.text
    agent_client.post(reverse(PAGE), {"content": page.context["content"]})
    dish = Dish.objects.get()
    assert (dish.menu.day, dish.name, dish.allergens) == (THURSDAY, "- Gratin", ["milk"])


def test_the_example_file_reads_without_mistake(canteen, agent_client):
    answer = agent_client.get(reverse("admin:catering_menu_template"))
    assert not mistakes(answer.content)


def test_no_file_and_too_big_a_file_are_said(canteen, agent_client):
    assert "errorlist" in agent_client.post(reverse(PAGE), {}).text
    assert "dépasse 1 Mo" in upload(agent_client, b"x" * (menu_import.MOST_BYTES + 1)).text


def test_a_day_the_restaurant_never_opens_is_doubted(canteen):
    sunday = HEADER + "le-verger;29/11/2026;Plat;Riz;\n"
    assert read(sunday).menus[0].warning == "ce restaurant n'ouvre pas le dimanche"


def test_reading_costs_two_queries_for_one_line_or_many(canteen, django_assert_num_queries):
    many = HEADER + "".join(f"le-verger;26/11/2026;Plat;Plat {n};\n" for n in range(50))
    with django_assert_num_queries(2):
        read(many)


def test_a_menu_is_entered_by_hand_with_its_allergens(canteen, agent_client):
    typed = {
        "restaurant": canteen.restaurant.pk,
        "day": "26/11/2026",
        "dishes-TOTAL_FORMS": "1",
        "dishes-INITIAL_FORMS": "0",
        "dishes-0-course": "main",
        "dishes-0-name": "Gratin",
        "dishes-0-allergens": ["milk", "gluten"],
        "dishes-0-order": "1",
    }
    agent_client.post(reverse("admin:catering_menu_add"), typed)
    assert set(Dish.objects.get().allergen_names) == {"Lait", "Gluten"}
