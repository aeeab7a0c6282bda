"""Adults without a login are invited together: by mail where an address came with the file, else on paper."""

from datetime import timedelta
from io import BytesIO

import pytest
from django.core import mail
from django.urls import reverse
from pypdf import PdfReader

from families.custody import codes, lots, openings
from families.models import (
    FileImport,
    Guardian,
    GuardianCode,
    Household,
    ImportedRow,
    InvitationLot,
    Invited,
    User,
)
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

NEW = "admin:families_invitationlot_new"
ALL = {"familles-everyone": "on"}


def adult(family, name, address=""):
    made = Guardian.objects.create(household=family.household, first_name=name, last_name="Roux")
    if address:
        openings.expect(made, address, at=NOW)
    return made


@pytest.fixture
def nobody_yet(books, waits, stranger):
    """One who can be written to, one who has the same address, one who has none."""
    return (
        adult(books, "Sacha", "sacha@example.org"),
        adult(books, "Lou", "sacha@example.org"),
        adult(waits, "Alix"),
    )


def foreseen(**given):
    return [
        (str(one.guardian), one.way, one.address or one.why)
        for one in lots.foresee(Household.objects.all(), at=NOW, **given)
    ]


def test_each_is_foreseen_by_mail_on_paper_or_why_not(nobody_yet, agent):
    assert foreseen() == [
        ("Sacha Roux", "mail", "sacha@example.org"),
        ("Lou Roux", "left", lots.SAME_ADDRESS.format(other="Sacha Roux")),
        ("Alix Roux", "paper", ""),
    ]
    codes.make(nobody_yet[2], by=agent, at=NOW)
    assert foreseen()[2][1] == "left" and "déjà été imprimée" in foreseen()[2][2]
    assert foreseen(codes_again=True)[2][1] == "paper"


def test_run_twice_nobody_is_invited_twice(nobody_yet, agent, django_capture_on_commit_callbacks):
    homes = Household.objects.all()
    with django_capture_on_commit_callbacks(execute=True):
        lot = lots.begin(homes, whom="toutes les familles", by=agent, at=NOW)
    lots.send_some(lot.pk, at=NOW)
    sacha = nobody_yet[0]
    sacha.refresh_from_db()
    assert sacha.user is not None and sacha.user.email == "sacha@example.org"
    assert [one.to for one in mail.outbox].count(["sacha@example.org"]) == 1
    assert lots.standing([lot.pk])[lot.pk] == {
        "mail": 1, "mailed": 1, "failed": 0, "left": 1, "paper": 1, "printed": 0, "opened": 0,
    }  # fmt: skip
    User.objects.filter(pk=sacha.user.pk).update(last_login=NOW)
    assert lots.standing([lot.pk])[lot.pk]["opened"] == 1
    with django_capture_on_commit_callbacks(execute=True):
        again = lots.begin(homes, whom="toutes les familles", by=agent, at=NOW + timedelta(days=1))
    assert [(one.way, one.guardian.first_name) for one in again.invited.order_by("pk")] == [
        ("left", "Lou"),
        ("paper", "Alix"),
    ]
    assert again.invited.get(way="left").why == lots.TAKEN
    assert [one.to for one in mail.outbox].count(["sacha@example.org"]) == 1


def test_where_all_have_an_account_nobody_is_invited(books, agent):
    with pytest.raises(lots.LotRefused):
        lots.begin(Household.objects.all(), whom="toutes", by=agent, at=NOW)


def test_the_lot_is_looked_at_confirmed_and_its_letters_printed_once(nobody_yet, agent_client, agent):
    seen = agent_client.post(reverse(NEW), ALL | {"voir": "1"}).content.decode()
    assert "1 par e-mail, 1 sur papier" in seen and not InvitationLot.objects.exists()
    read = agent_client.post(reverse(NEW), ALL | {"inviter": "1"}, follow=True).content.decode()
    lot = InvitationLot.objects.get()
    assert "1 lettre à imprimer" in read
    letters = reverse("admin:families_invitationlot_letters", args=[lot.pk])
    paper = agent_client.post(letters)
    text = PdfReader(BytesIO(paper.content)).pages[0].extract_text()
    assert "Alix Roux" in text and GuardianCode.objects.get().mark not in text
    first = GuardianCode.objects.get().mark
    agent_client.post(letters)
    assert GuardianCode.objects.get().mark == first
    agent_client.post(letters, {"encore": "1"})
    assert GuardianCode.objects.get().mark != first
    assert Invited.objects.get(way="paper").done_at is not None


def test_two_who_print_at_once_kill_none_of_each_others_codes(nobody_yet, agent):
    lot = lots.begin(Household.objects.all(), whom="toutes", by=agent, at=NOW)
    first, second = list(lots.to_print(lot)), list(lots.to_print(lot))
    assert len(lots.make_codes(first, by=agent, at=NOW)) == 1
    mark = GuardianCode.objects.get().mark
    assert lots.make_codes(second, by=agent, at=NOW) == []
    assert GuardianCode.objects.get().mark == mark


def test_choosing_nobody_is_said(agent_client):
    assert "Choisissez des familles" in agent_client.post(reverse(NEW), {"voir": "1"}).content.decode()


def test_an_agent_does_not_invite_into_the_own_household(nobody_yet, agent, books):
    books.household.guardians.filter(user=books.user).update(user=agent)
    lot = lots.begin(Household.objects.all(), whom="toutes", by=agent, at=NOW)
    line = lot.invited.get(way="mail")
    assert line.done_at is None and "votre propre foyer" in line.why


def test_those_whom_an_import_brought_are_chosen_together(
    nobody_yet, books, agent_client, chief_client, chief
):
    file = FileImport.objects.create(
        source="Ancien", name="a.csv", state="done", made_at=NOW, done_at=NOW, by=chief
    )
    alix = nobody_yet[2]
    ImportedRow.objects.create(file=file, part="people", model="families.Guardian", key=alix.pk, created=True)
    seen = chief_client.post(reverse(NEW), {"imports-files": [file.pk], "voir": "1"}).content.decode()
    assert "0 par e-mail, 1 sur papier" in seen and "Alix Roux" in seen


def test_an_address_that_a_file_brought_is_invited_at_once(books, waits, agent):
    made = Guardian.objects.create(
        household=waits.household, first_name="Nour", last_name="Petit", email_given="Nour@example.org"
    )
    lot = lots.begin(Household.objects.all(), whom="toutes", by=agent, at=NOW)
    made.refresh_from_db()
    assert made.user is not None and lot.invited.get().opening.state == "open"


def test_where_households_become_one_no_address_is_free_any_more(books, agent):
    made = adult(books, "Lou")
    Guardian.objects.filter(pk=made.pk).update(email_given="lou@example.org")
    openings.forget_expected([books.household.pk], at=NOW)
    assert foreseen() == [("Lou Roux", "paper", "")]


def test_a_box_stands_before_its_words_and_the_list_leads_to_the_next_lot(agent_client, chief_client, now):
    page = agent_client.get(reverse(NEW)).content.decode()
    assert '<label class="vCheckboxLabel" for="id_familles-everyone"><input type="checkbox"' in page
    lots_page = reverse("admin:families_invitationlot_changelist")
    assert reverse(NEW) in chief_client.get(lots_page).content.decode().partition('class="object-tools"')[2]
