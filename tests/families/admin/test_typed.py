"""What is typed at the desk of people is checked as on the families' side."""

import pytest

from families.models import Child, Custody, Household
from tests.conftest import Family, brother_of
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
CHILD = "/mairie/families/child/"
HOUSEHOLD = "/mairie/families/household/"


def none_of(*prefixes: str) -> dict[str, str]:
    return {f"{one}-{which}_FORMS": "0" for one in prefixes for which in ("TOTAL", "INITIAL")}


def a_child(home: Household | None = None, **said: str) -> dict[str, str]:
    typed = {"first_name": "Lou", "last_name": "Marchand", "birth_date": "14/05/2018"} | said
    rows = none_of("custodies", "authorised_people", "health")
    if home is not None:
        rows |= {"custodies-TOTAL_FORMS": "1", "custodies-0-household": str(home.pk)}
    return typed | rows


def a_household(**said: str) -> dict[str, str]:
    address = {"street": "2 rue Neuve", "postcode": "01999", "city": "Valmirelle-les-Prés"}
    adult = {"first_name": "Ana", "last_name": "Diaz", "phone": "06 12 34 56 78", "is_payer": "on"}
    rows = none_of("guardians", "custodies", "quotients") | {"guardians-TOTAL_FORMS": "1"}
    typed = {f"guardians-0-{name}": said.pop(name, value) for name, value in adult.items()}
    return address | rows | typed | said


def test_a_child_is_typed_with_its_household(agent_client, stranger: Family):
    page = text_of(agent_client.post(f"{CHILD}add/", a_child()))
    assert "Indiquez le foyer où vit cet enfant." in page
    assert not Child.objects.filter(first_name="Lou").exists()
    agent_client.post(f"{CHILD}add/", a_child(stranger.household))
    assert Child.objects.get(first_name="Lou")


def test_a_child_typed_from_its_household_gets_it_there(agent_client, stranger: Family):
    agent_client.post(f"{CHILD}add/?_popup=1", a_child(_popup="1"))
    assert Child.objects.get(first_name="Lou").custodies.count() == 0
    listed = text_of(agent_client.get(CHILD, {"foyer": "sans"}))
    assert "Marchand" in listed and "Morel" not in listed


def test_a_child_known_already_is_not_typed_again_unawares(agent_client, stranger: Family):
    known, home = stranger.child, stranger.household
    same = {"first_name": known.first_name.upper(), "last_name": f" {known.last_name} "}
    twin = a_child(home, **same, birth_date=f"{known.birth_date:%d/%m/%Y}")
    asked = agent_client.post(f"{CHILD}add/", twin)
    assert f'href="{CHILD}{known.pk}/change/"' in asked.content.decode()
    assert "est déjà connu" in text_of(asked) and "C'est un autre enfant" in text_of(asked)
    assert Child.objects.filter(last_name=known.last_name).count() == 1
    agent_client.post(f"{CHILD}add/", twin | {"another": "on"})
    assert Child.objects.filter(birth_date=known.birth_date).count() == 2
    # Nobody is asked where nobody is known.
    assert "C'est un autre enfant" not in text_of(agent_client.get(f"{CHILD}add/"))
    wrong = agent_client.post(f"{CHILD}add/", a_child(home, birth_date="14/05/2031"))
    assert "dans le futur" in text_of(wrong) and "C'est un autre enfant" not in text_of(wrong)


def test_two_children_do_not_come_to_be_called_alike_unawares(agent_client, books: Family):
    brother = brother_of(books, "Nino", born=books.child.birth_date).child
    same = a_child(first_name=books.child.first_name, last_name=books.child.last_name)
    same |= {"birth_date": f"{brother.birth_date:%d/%m/%Y}", "custodies-INITIAL_FORMS": "0"}
    assert "est déjà connu" in text_of(agent_client.post(f"{CHILD}{brother.pk}/change/", same))
    brother.refresh_from_db()
    assert brother.first_name == "Nino"


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ({"phone": "pas un numéro"}, "Écrivez un numéro de téléphone à dix chiffres"),
        ({"postcode": "XX!"}, "Écrivez le code postal en chiffres"),
        ({"postcode": "019"}, "Un code postal français a cinq chiffres"),
        ({}, ""),
    ],
)
def test_a_household_is_typed_as_a_family_types_it(agent_client, said, answered):
    page = agent_client.post(f"{HOUSEHOLD}add/", a_household(**said))
    assert Household.objects.exists() == (not answered)
    assert answered in text_of(page)


def test_what_stood_there_before_hinders_nothing(agent_client, stranger: Family):
    Household.objects.filter(pk=stranger.household.pk).update(postcode="XX", city="Nulle part")
    rows = none_of("guardians", "change_requests", "enrolments", "reservations")
    page = agent_client.post(
        f"{HOUSEHOLD}{stranger.household.pk}/change/",
        a_household(postcode="XX", city="Nulle part", notes="Rappeler mardi.", **rows),
    )
    assert page.status_code == 302, text_of(page)
    assert Household.objects.get().notes == "Rappeler mardi."
    assert Custody.objects.count() == 1
