"""The town hall's desk for people."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse

from families.models import ChildHealth, Guardian, Household, User
from portal.models import Town
from tests.conftest import Family
from tests.factories import (
    ChangeRequestFactory,
    ChildFactory,
    HealthFactory,
    QuotientFactory,
    ReservationFactory,
    UserFactory,
)
from tests.families.conftest import text_of

pytestmark = pytest.mark.django_db
HOUSEHOLDS = "/mairie/families/household/"
CHANGES = "/mairie/families/changerequest/"


def act(client: Client, where: str, action: str, *rows, **fields):
    return client.post(
        where, {"action": action, "_selected_action": [row.pk for row in rows]} | fields, follow=True
    )


def test_the_desk_counts_what_waits(agent_client, newcomers, roux: Family):
    ChangeRequestFactory(household=roux.household)
    page = text_of(agent_client.get("/mairie/"))
    assert "Comptes famille à valider" in page and "Demandes de modification à traiter" in page


def test_an_agent_accepts_one_or_many(agent_client, agent, newcomers, commit, letters):
    other = Household.objects.create(street="2 rue X", postcode="01999", city="V", state="requested")
    with commit():
        page = act(agent_client, HOUSEHOLDS, "accept_selected", newcomers, other)
    assert "2 demandes acceptées" in text_of(page)
    assert set(Household.objects.values_list("state", "decided_by")) == {("accepted", agent.pk)}
    assert [letter.to for letter in letters] == [["nouveau@example.org"]]
    again = act(agent_client, HOUSEHOLDS, "accept_selected", newcomers)
    assert "avait déjà sa réponse" in text_of(again)


def test_refusing_asks_for_the_reason(agent_client, newcomers):
    asked = act(agent_client, HOUSEHOLDS, "refuse_selected", newcomers)
    assert "Motif" in text_of(asked)
    empty = act(agent_client, HOUSEHOLDS, "refuse_selected", newcomers, reason_given="1", words="")
    assert "Indiquez le motif" in text_of(empty)
    newcomers.refresh_from_db()
    assert newcomers.state == "requested"
    act(agent_client, HOUSEHOLDS, "refuse_selected", newcomers, reason_given="1", words="Foyer déjà connu.")
    newcomers.refresh_from_db()
    assert (newcomers.state, newcomers.refusal_reason) == ("refused", "Foyer déjà connu.")


def shown_form(client: Client, row: Household) -> dict[str, str]:
    """What the page of a household posts when nothing is typed, without the rows of its inlines."""
    page = client.get(f"{HOUSEHOLDS}{row.pk}/change/", {"modifier": "tout"})
    values = {field.html_name: field.value() for field in page.context["adminform"].form}
    counts = {
        f"{inline.formset.prefix}-{count}": "0"
        for inline in page.context["inline_admin_formsets"]
        for count in ("TOTAL_FORMS", "INITIAL_FORMS")
    }
    return {name: value for name, value in values.items() if value} | counts


def test_accepting_on_the_page_keeps_what_was_typed_beside(agent_client, newcomers, commit, letters):
    typed = shown_form(agent_client, newcomers) | {
        "street": "14 rue du Lavoir",
        "_decision": "accept_selected",
    }
    with commit():
        answer = agent_client.post(f"{HOUSEHOLDS}{newcomers.pk}/change/", typed, follow=True)
    assert "1 demande acceptée" in text_of(answer)
    newcomers.refresh_from_db()
    assert (newcomers.state, newcomers.street) == ("accepted", "14 rue du Lavoir")
    assert len(letters) == 1


def test_refusing_on_the_page_keeps_it_too_and_asks_for_the_reason(agent_client, newcomers):
    typed = shown_form(agent_client, newcomers) | {
        "street": "14 rue du Lavoir",
        "_decision": "refuse_selected",
    }
    asked = agent_client.post(f"{HOUSEHOLDS}{newcomers.pk}/change/", typed)
    assert f'action="{HOUSEHOLDS}"' in asked.text
    newcomers.refresh_from_db()
    assert (newcomers.state, newcomers.street) == ("requested", "14 rue du Lavoir")


def test_what_is_not_valid_decides_nothing(agent_client, newcomers):
    typed = shown_form(agent_client, newcomers) | {"street": "", "_decision": "accept_selected"}
    page = agent_client.post(f"{HOUSEHOLDS}{newcomers.pk}/change/", typed)
    assert "Ce champ est obligatoire." in text_of(page)
    newcomers.refresh_from_db()
    assert newcomers.state == "requested"


def test_enter_in_a_field_of_the_page_saves_and_decides_nothing(agent_client, newcomers):
    page = agent_client.get(f"{HOUSEHOLDS}{newcomers.pk}/change/", {"modifier": "tout"}).text
    assert page.index('name="_save"') < page.index('name="_decision"')


def test_a_change_is_answered_from_its_own_page(agent_client, roux: Family):
    change = ChangeRequestFactory(household=roux.household)
    page = text_of(agent_client.get(f"{CHANGES}{change.pk}/change/"))
    assert "Accepter" in page and "3 rue des Lilas" in page
    act(agent_client, CHANGES, "accept_selected", change)
    roux.household.refresh_from_db()
    assert roux.household.street == "3 rue des Lilas"
    assert "Accepter" not in text_of(agent_client.get(f"{CHANGES}{change.pk}/change/"))


def test_the_page_of_a_household_shows_it_whole(agent_client, roux: Family, stranger: Family):
    QuotientFactory(household=roux.household)
    where = f"{HOUSEHOLDS}{roux.household.pk}/change/"
    page = text_of(agent_client.get(where)) + text_of(agent_client.get(where, {"onglet": "dossier"}))
    for words in (
        roux.household.number,
        "Camille",
        "Lina",
        "quotients familiaux".capitalize(),
        "roux@example.org",
    ):
        assert words in page or words.lower() in page.lower()
    assert f'value="{roux.user.password}"' not in page


def test_the_page_of_a_household_shows_what_it_reserved(agent_client, books: Family, canteen):
    submitted = ReservationFactory(enrolment=books.enrolment, period=canteen.period, state="accepted")
    draft = ReservationFactory(enrolment=books.enrolment, period=canteen.period)
    where = f"{HOUSEHOLDS}{books.household.pk}/change/"
    page = text_of(agent_client.get(where, {"onglet": "inscriptions"}))
    assert f">{submitted.number}<" in page
    assert f">{draft.number}<" not in page
    assert "Restaurant du Verger" in page


def test_the_desk_warns_of_a_child_already_known(agent_client, roux: Family, newcomers):
    ChildFactory(
        first_name="Lina", last_name="Roux", birth_date=roux.child.birth_date, households=[newcomers]
    )
    page = text_of(agent_client.get(f"{HOUSEHOLDS}{newcomers.pk}/change/"))
    assert "Parents séparés, homonymes, ou second compte ?" in page
    asked = text_of(act(agent_client, HOUSEHOLDS, "join_known_children", newcomers))
    assert f"Lina Roux : Foyer n° {roux.household.number} (Camille Roux," in asked


def guardian_fields(household: Household, **changed: str) -> dict[str, str]:
    """The household's page as the browser posts it, with one more guardian."""
    data = {name: getattr(household, name) for name in ("street", "street_more", "postcode", "city", "notes")}
    data |= {"resident": "on"}
    empty = ("custodies", "quotients", "change_requests", "enrolments", "reservations")
    for prefix, initial in (("guardians", 1), *((name, 0) for name in empty)):
        data |= {f"{prefix}-TOTAL_FORMS": str(initial), f"{prefix}-INITIAL_FORMS": str(initial)}
    known = household.guardians.get()
    data |= {
        "guardians-TOTAL_FORMS": "2",
        "guardians-0-id": str(known.pk),
        "guardians-0-household": str(household.pk),
        "guardians-0-first_name": known.first_name,
        "guardians-0-last_name": known.last_name,
        "guardians-0-phone": known.phone,
        "guardians-1-household": str(household.pk),
        "guardians-1-first_name": "Alix",
        "guardians-1-last_name": "Roux",
    }
    return data | changed


def test_a_second_guardian_gets_an_own_access(agent_client, roux: Family, commit, letters):
    where = f"{HOUSEHOLDS}{roux.household.pk}/change/"
    with commit():
        page = agent_client.post(
            where, guardian_fields(roux.household, **{"guardians-1-invite": "alix@example.org"}), follow=True
        )
    assert "Accès pour Alix Roux : la demande est envoyée" in text_of(page)
    user = User.objects.get(email="alix@example.org")
    assert not Guardian.objects.filter(user=user).exists()
    assert not user.has_usable_password() and not user.is_staff
    to = {letter.to[0]: letter.body for letter in letters}
    assert set(to) == {"alix@example.org", "roux@example.org"}
    assert user.username in to["alix@example.org"]


def test_an_access_is_not_opened_on_a_known_address(agent_client, roux: Family, stranger: Family):
    where = f"{HOUSEHOLDS}{roux.household.pk}/change/"
    page = agent_client.post(
        where, guardian_fields(roux.household, **{"guardians-1-invite": "MOREL@example.org"})
    )
    assert "Un compte utilise déjà cette adresse." in text_of(page)
    assert roux.household.guardians.count() == 1


def test_health_notes_are_for_permitted_staff_only(agent, agent_client, roux: Family):
    HealthFactory(child=roux.child, allergies="Arachide")
    page = f"/mairie/families/child/{roux.child.pk}/change/"
    assert "Arachide" not in text_of(agent_client.get(page))
    agent.groups.add(Group.objects.get(name="Fiches sanitaires"))
    assert "Arachide" in text_of(agent_client.get(page))
    assert ChildHealth.objects.count() == 1


def test_groups_have_least_rights(agent, regie):
    assert agent.has_perms(
        ["families.change_household", "families.change_changerequest", "families.view_document"]
    )
    assert regie.has_perms(["families.view_household", "families.change_familyquotient"])
    for user in (agent, regie):
        forbidden = {
            "families.change_user",
            "families.view_user",
            "families.delete_household",
            "families.delete_child",
            "families.view_childhealth",
            "auth.change_group",
            "portal.change_town",
        }
        assert not forbidden & user.get_all_permissions()
    assert not regie.has_perm("families.change_household")
    assert not regie.has_perm("reservations.change_enrolment")


@pytest.mark.parametrize(
    "where", [HOUSEHOLDS, CHANGES, "/mairie/families/child/", "/mairie/families/document/"]
)
def test_lists_open_search_and_cost_the_same_for_many(
    agent_client, roux: Family, where, django_assert_max_num_queries
):
    for number in range(10):
        change = ChangeRequestFactory()
        ChildFactory(households=[change.household, roux.household])
        UserFactory(username=f"autre{number}")
    agent_client.get(where)
    with django_assert_max_num_queries(14):
        assert agent_client.get(where, {"q": "Roux"}).status_code == 200
    with django_assert_max_num_queries(14):
        assert agent_client.get(where, {"q": roux.household.number}).status_code == 200


@pytest.mark.parametrize("where", [HOUSEHOLDS, CHANGES, "/mairie/families/child/", "/mairie/families/user/"])
def test_families_and_strangers_stay_outside(roux: Family, client, where):
    for visitor in (client, roux.client()):
        assert visitor.get(where).status_code == 302


def test_the_accountant_looks_at_households_without_changing_them(regie_client, newcomers):
    assert regie_client.get(f"{HOUSEHOLDS}{newcomers.pk}/change/").status_code == 200
    act(regie_client, HOUSEHOLDS, "accept_selected", newcomers)
    newcomers.refresh_from_db()
    assert newcomers.state == "requested"


def test_agents_do_not_open_logins(agent_client, roux: Family):
    assert agent_client.get(reverse("admin:families_user_changelist")).status_code == 403


def town_page() -> str:
    return reverse("admin:portal_town_change", args=[Town.objects.get().pk])


def test_who_heads_the_service_writes_what_pages_say_of_the_town(agent, agent_client, town):
    assert agent_client.get(town_page()).status_code == 403
    agent.groups.add(Group.objects.get(name="Responsable"))
    page = agent_client.get(town_page())
    typed = {name: value for name, value in page.context["adminform"].form.initial.items() if value}
    typed["legal_notice"] = "Directrice de la publication : la maire."
    typed.pop("crest", None)
    agent_client.post(town_page(), typed)
    assert Town.objects.get().legal_notice == "Directrice de la publication : la maire."
    settings = agent_client.get(reverse("admin:billing_billingsettings_changelist"), follow=True)
    assert settings.status_code == 200
    # Nothing that would let it give itself more.
    assert agent_client.get(reverse("admin:families_user_changelist")).status_code == 403
    assert agent_client.get(reverse("admin:auth_group_changelist")).status_code == 403


def test_the_regie_sets_billing_up_and_leaves_the_town_alone(regie_client, town):
    answer = regie_client.get(reverse("admin:billing_billingsettings_changelist"), follow=True)
    assert answer.status_code == 200
    assert regie_client.get(town_page()).status_code == 403
