"""A telephone number is taken as it is typed or pasted, kept in one form, shown as it is read in France."""

import phonenumbers
import pytest
from django.db import connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as some

from families.models import AuthorisedPerson, ChildHealth, Guardian
from portal.french import phones
from portal.models import Town
from portal.reservations.towns import fields, town_file
from tests.conftest import Family, family
from tests.factories import GuardianFactory, HouseholdFactory
from tests.families.conftest import text_of

NBSP, NARROW, LEFT_TO_RIGHT = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "\N{LEFT-TO-RIGHT EMBEDDING}"
HOUSEHOLDS = "/mairie/families/household/"


@pytest.fixture
def roux(now, town) -> Family:
    return family("roux", "Roux", "Lina")


# As it is typed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed",
    [
        "06 12 34 56 78",
        "0612345678",
        "06.12.34.56.78",
        "06/12/34/56/78",
        "06-12-34-56-78",
        "06–12–34–56–78",
        "06_12_34_56_78",
        f"06{NBSP}12{NARROW}34{NBSP}56{NBSP}78",
        "+33612345678",
        "+33 6 12 34 56 78",
        "+33 (0)6 12 34 56 78",
        "+33 06 12 34 56 78",
        "(+33) 6.12.34.56.78",
        "0033612345678",
        "00 33 (0)6 12 34 56 78",
        "33612345678",
        "612345678",
        f"{LEFT_TO_RIGHT}+33 6 12 34 56 78\N{POP DIRECTIONAL FORMATTING}",
        "０６１２３４５６７８",
        " 06 12 34 56 78. ",
        "Tél. : 06 12 34 56 78",
        "tel:+33612345678",
        "06 12 34 56 78 (portable)",
    ],
)
def test_a_french_number_is_one_however_it_is_written(typed):
    assert phones.read(typed) == "+33612345678"
    assert phones.shown("+33612345678") == "06 12 34 56 78"


@pytest.mark.parametrize(
    ("typed", "kept", "shown"),
    [
        ("01.99.00.12.34", "+33199001234", "01 99 00 12 34"),
        ("0800123456", "+33800123456", "0 800 12 34 56"),
        ("39 75", "3975", "39 75"),
        ("0690 12 34 56", "+590690123456", "0690 12 34 56"),
        ("06 90 12 34 56", "+590690123456", "0690 12 34 56"),
        ("+590 690 12 34 56", "+590690123456", "0690 12 34 56"),
        ("+33 690 12 34 56", "+590690123456", "0690 12 34 56"),
        ("0596 50 12 34", "+596596501234", "0596 50 12 34"),
        ("0594 30 12 34", "+594594301234", "0594 30 12 34"),
        ("0262 20 12 34", "+262262201234", "0262 20 12 34"),
        ("0269 61 12 34", "+262269611234", "0269 61 12 34"),
        ("+687 27 12 34", "+687271234", "+687 27.12.34"),
        ("+32 2 123 45 67", "+3221234567", "+32 2 123 45 67"),
        ("0032 470 12 34 56", "+32470123456", "+32 470 12 34 56"),
        ("+49 (30) 123456", "+4930123456", "+49 30 123456"),
        ("001 201-555-0123", "+12015550123", "+1 201-555-0123"),
    ],
)
def test_services_overseas_and_foreign_numbers(typed, kept, shown):
    assert phones.read(typed) == kept
    assert phones.shown(kept) == shown
    assert phones.read(shown) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "", "........", "----------", "non", "demain", "+", "15", "112", "06 12 34 56 7", "06 12 34 56 78 9",
        "0000000000", "00 00 00 00 00", "06 12 34 56 78 / 01 99 00 12 34", "0612345678 maman",
        "0612345678,,5", "0612345678 #12", "+33 6 12 34 56", "12 34 56", "+999 123456789", "06 12+34 56 78",
    ],
)  # fmt: skip
def test_what_is_no_number_is_not_read_and_is_shown_as_it_is(typed):
    assert phones.read(typed) == ""
    assert phones.shown(typed) == typed


@given(
    some.from_regex(r"0[1-9][0-9]{8}", fullmatch=True),
    some.lists(some.sampled_from([" ", ".", "/", "-", NBSP, NARROW, " - "]), min_size=4, max_size=4),
    some.sampled_from(["0", "+33", "0033", "+33 (0)", "+33 0", "00 33 "]),
)
def test_signs_between_the_digits_change_nothing(number, signs, start):
    pairs = [number[place : place + 2] for place in range(0, 10, 2)]
    spaced = "".join(pair + sign for pair, sign in zip(pairs, [*signs, ""], strict=True))
    kept = phones.read(number)
    assert kept.endswith(number[1:])
    assert phones.read(start + spaced[1:]) == kept
    assert phones.read(phones.shown(kept)) == kept


@given(some.sampled_from(sorted(phonenumbers.SUPPORTED_REGIONS)), some.sampled_from(list(range(11))))
def test_every_country_s_numbers_come_back_as_they_went(region, kind):
    example = phonenumbers.example_number_for_type(region, kind)
    if example is None:
        return
    written = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    kept = phones.read(written)
    assert kept in ("", phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164))
    assert phones.read(phones.shown(kept)) == kept


@given(some.text())
def test_reading_never_fails(text):
    kept = phones.read(text)
    assert kept == "" or phones.read(phones.shown(kept)) == kept


def test_a_territory_s_short_numbers_are_read_there_only():
    assert phones.read("27 12 34") == ""
    assert phones.read("27 12 34", "NC") == "+687271234"
    assert phones.read("40 50 12 34", "PF") == "+68940501234"
    assert phones.read("06 12 34 56 78", "NC") == "+33612345678"


def test_a_town_of_new_caledonia_takes_its_own_numbers(roux: Family):
    Town.objects.get().delete()
    Town(name="Exemple", region=Town.Region.NOUVELLE_CALEDONIE).save()
    roux.client().post("/foyer/telephones/", {"phone": "27 12 34", "phone_work": ""})
    assert kept_of(roux.guardian) == "+687271234"


# Kept in one form, shown in another -------------------------------------------------------------------


def kept_of(guardian: Guardian) -> str:
    """What the database holds, past the field that shows it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT phone FROM families_guardian WHERE id = %s", [guardian.pk])
        return cursor.fetchone()[0]


def keep(guardian: Guardian, phone: str) -> None:
    """Writes to the database what no form would."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE families_guardian SET phone = %s WHERE id = %s", [phone, guardian.pk])


def test_whoever_writes_it_the_database_keeps_one_form(roux: Family):
    made = GuardianFactory(household=roux.household, phone="06/12/34/56/78")
    assert (kept_of(made), made.phone) == ("+33612345678", "06 12 34 56 78")
    Guardian.objects.filter(pk=made.pk).update(phone="07.12.34.56.78")
    made.refresh_from_db()
    assert (kept_of(made), made.phone) == ("+33712345678", "07 12 34 56 78")
    Guardian.objects.bulk_create(
        [Guardian(household=roux.household, first_name="A", last_name="B", phone="0033 1 99 00 12 34")]
    )
    assert Guardian.objects.get(phone="01-99-00-12-34").phone == "01 99 00 12 34"
    assert list(Guardian.objects.filter(phone="+33 1 99 00 12 34").values_list("phone", flat=True)) == [
        "01 99 00 12 34"
    ]


def test_a_number_of_before_that_cannot_be_read_stays_and_is_shown_as_typed(roux: Family, agent_client):
    keep(roux.guardian, "voir la voisine")
    assert "voir la voisine" in text_of(roux.client().get("/foyer/"))
    roux.client().post("/foyer/telephones/", {"phone": "voir la voisine", "phone_work": "0199001234"})
    roux.guardian.refresh_from_db()
    assert (roux.guardian.phone, roux.guardian.phone_work) == ("voir la voisine", "01 99 00 12 34")
    refused = roux.client().post("/foyer/telephones/", {"phone": "voir le voisin", "phone_work": ""})
    assert "Écrivez un numéro" in text_of(refused) and 'value="voir le voisin"' in text_of(refused)
    assert kept_of(roux.guardian) == "voir la voisine"


def test_a_number_of_before_that_can_be_read_is_shown_as_the_others(roux: Family):
    keep(roux.guardian, "0612345678")
    assert "06 12 34 56 78" in text_of(roux.client().get("/foyer/"))


# Families -----------------------------------------------------------------------------------------------


def test_a_family_pastes_its_numbers_and_reads_them_the_french_way(roux: Family):
    client = roux.client()
    client.post("/foyer/telephones/", {"phone": "+33 (0)6.12.34.56.78", "phone_work": "+49 30 123456"})
    page = text_of(client.get("/foyer/"))
    assert "06 12 34 56 78" in page and "+49 30 123456" in page
    form = client.get("/foyer/telephones/").content.decode()
    assert 'type="tel"' in form and 'value="06 12 34 56 78"' in form


@pytest.mark.parametrize("typed", ["........", "06 12 34 56 7", "demain", "06 12 34 56 78 9"])
def test_a_slip_is_explained_and_loses_nothing_typed(roux: Family, typed):
    answer = roux.client().post("/foyer/telephones/", {"phone": "06/12/34/56/78", "phone_work": typed})
    page = text_of(answer)
    assert "Écrivez un numéro de téléphone à dix chiffres" in page
    assert 'value="06/12/34/56/78"' in page and f'value="{typed}"' in page
    assert not Guardian.objects.filter(phone="06 12 34 56 78").exists()


def test_who_may_collect_a_child_and_its_doctor_are_called_alike(roux: Family):
    client, child = roux.client(), roux.child
    person = {"name": "Jeanne Roux", "relationship": "", "phone": "0033 612345678"}
    client.post(f"/enfants/{child.pk}/personnes/ajouter/", person)
    client.post(f"/enfants/{child.pk}/personnes/ajouter/", person | {"phone": "06/12/34/56/78"})
    assert AuthorisedPerson.objects.get().phone == "06 12 34 56 78"
    client.post(f"/enfants/{child.pk}/sante/", {"doctor": "Dr Adam", "doctor_phone": "01/99/00/12/34"})
    assert ChildHealth.objects.get().doctor_phone == "01 99 00 12 34"


# The town hall ------------------------------------------------------------------------------------------


def household_fields(household, **changed: str) -> dict[str, str]:
    data = {name: getattr(household, name) for name in ("street", "street_more", "postcode", "city", "notes")}
    for prefix in ("guardians", "custodies", "quotients", "change_requests", "enrolments", "reservations"):
        data |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    guardian = {"household": str(household.pk), "first_name": "Alix", "last_name": "Roux"}
    data |= {f"guardians-0-{name}": value for name, value in guardian.items()}
    return data | {"guardians-TOTAL_FORMS": "1"} | changed


def test_the_desk_takes_numbers_as_they_are_typed_and_refuses_none_in_silence(agent_client, town):
    household = HouseholdFactory()
    where = f"{HOUSEHOLDS}{household.pk}/change/"
    refused = agent_client.post(where, household_fields(household, **{"guardians-0-phone": "........"}))
    assert "Écrivez un numéro" in text_of(refused) and 'value="........"' in text_of(refused)
    agent_client.post(where, household_fields(household, **{"guardians-0-phone": "06/12/34/56/78"}))
    assert household.guardians.get().phone == "06 12 34 56 78"


@pytest.mark.parametrize(
    "typed", ["06 12 34 56 78", "0612345678", "06.12.34.56.78", "+33 6 12 34 56 78", "0033612345678"]
)
def test_the_desk_finds_a_household_by_the_number_that_called(agent_client, roux: Family, stranger, typed):
    Guardian.objects.filter(pk=roux.guardian.pk).update(phone="", phone_work="06 12 34 56 78")
    found = agent_client.get(HOUSEHOLDS, {"q": typed}).context_data["cl"].result_list
    assert [household.pk for household in found] == [roux.household.pk]


def test_a_household_s_number_is_no_telephone_number(agent_client, roux: Family):
    Guardian.objects.update(phone="01 23 45 67 89")
    for number in (roux.household.number, f"{roux.household.pk:09d}"):
        found = agent_client.get(HOUSEHOLDS, {"q": number}).context_data["cl"].result_list
        assert [household.pk for household in found] == [roux.household.pk]
    assert not agent_client.get(HOUSEHOLDS, {"q": "123456789"}).context_data["cl"].result_list


def test_a_town_s_file_says_the_same_number_otherwise_and_changes_nothing(db):
    text = "commune: {nom: Exemple, téléphone: 01 99 00 12 34}\n"
    town_file.load(text)
    assert Town.objects.get().phone == "01 99 00 12 34"
    again = town_file.load(text.replace("01 99 00 12 34", "'+33199001234'"))
    assert not again.changed and len(again.unchanged) == 1
    assert "téléphone: 01 99 00 12 34" in town_file.export()
    with pytest.raises(
        fields.TownFileError, match=r"Ligne 1 \(commune › Exemple › téléphone\) : Écrivez un numéro"
    ):
        town_file.load(text.replace("01 99 00 12 34", "sur demande"))


def test_every_page_leads_to_the_town_s_number(town: Town):
    town.phone = "+33 (0)1 99 00 12 34"
    town.save()
    assert '<a href="tel:0199001234">01 99 00 12 34</a>' in Client().get("/connexion/").content.decode()
