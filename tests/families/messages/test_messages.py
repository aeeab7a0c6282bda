"""Messages to many families: who is chosen, what each reads, how they leave, stop and go on."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django_tasks_db.models import DBTaskResult

from families import unreached
from families.messages import printing, sending, wording
from families.messages.audiences import Audience
from families.models import FamilyMessage, Letter, MessageCopy
from portal.letters import variables
from portal.reservations.staff import giving
from portal.town import current as town_of
from tests.conftest import family, let_go, logged_in
from tests.factories import (
    BookingFactory,
    EstablishmentFactory,
    GuardianFactory,
    InvoiceFactory,
    LetterFactory,
    SchoolClassFactory,
    SchoolingFactory,
    UserFactory,
)

LIST = "/mairie/families/familymessage/"
WORKER = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "mail"]}}
EVERYONE = {"familles-everyone": ["on"]}
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0>>endobj\n%%EOF\n"


@pytest.fixture
def town_of_three(now, town, year, school_class):
    """Roux in CE1, Petit in CM2 of another school; Silva, whose adult has no login, in CE1."""
    roux, petit, silva = (
        family(name.lower(), name, child)
        for name, child in (("Roux", "Lou"), ("Petit", "Tom"), ("Silva", "Zoé"))
    )
    other = SchoolClassFactory(
        school=EstablishmentFactory(name="École du Moulin"), school_year=year, name="CM2"
    )
    for who, where in ((roux, school_class), (petit, other), (silva, school_class)):
        SchoolingFactory(child=who.child, school_class=where)
    silva.guardian.user = None
    silva.guardian.save()
    return roux, petit, silva


def draft(agent, now, audience=EVERYONE, text="Bonne rentrée à {enfants}, foyer {foyer}."):
    return sending.save(None, subject="Rentrée de {commune}", text=text, audience=audience, by=agent, at=now)


def leave(message, by, at):
    audience = Audience(by, message.audience, at)
    seen = sending.reach(audience).fingerprint(message)
    return sending.send(message, audience, seen=seen, by=by, at=at)


# Variables --------------------------------------------------------------------------------------------


def test_a_variable_is_said_however_it_is_spelled_and_an_unknown_one_is_named():
    assert variables.fill("Bonjour {Prénom} et {prenom}", {"prénom": "Lou {nom}"}) == (
        "Bonjour Lou {nom} et Lou {nom}"
    )
    assert variables.unknown("{prenom} {clase} {clase}", ["prénom"]) == ["{clase}"]
    assert "{clase}" in wording.refusal("Bonjour {clase}")
    assert wording.refusal("Bonjour {prénom}") == ""


def test_what_a_value_holds_is_escaped(town_of_three, agent, now):
    roux, *_ = town_of_three
    roux.child.first_name = "<b>Lou</b>"
    roux.child.save()
    message = draft(agent, now)
    facts = wording.Facts([roux.household.pk], now.date())
    letter = sending.written_to(message, roux.household, roux.guardian, facts, to=roux.user.email)
    assert "<b>Lou" not in letter.html
    assert "&lt;b&gt;Lou" in letter.html


# To whom ----------------------------------------------------------------------------------------------


def chosen(user, now, **data):
    audience = Audience(user, {name.replace("__", "-"): values for name, values in data.items()}, now)
    assert audience.is_valid(), [part.errors for part in audience.parts]
    return set(audience.homes().values_list("pk", flat=True))


def test_nobody_chosen_is_nobody_and_all_are_all(town_of_three, agent, now):
    assert chosen(agent, now) == set()
    assert chosen(agent, now, familles__everyone=["on"]) == {one.household.pk for one in town_of_three}


def test_a_school_a_class_and_a_list_of_homes(town_of_three, agent, now, school, school_class):
    roux, petit, silva = (one.household.pk for one in town_of_three)
    assert chosen(agent, now, enfants__places=[str(school.pk)]) == {roux, silva}
    assert chosen(agent, now, enfants__classes=[str(school_class.pk)]) == {roux, silva}
    both = {"enfants__classes": [str(school_class.pk)], "familles__homes_chosen": [str(roux), str(petit)]}
    assert chosen(agent, now, **both) == {roux}, "each part that is filled in keeps some"


def test_what_is_booked_that_day_by_a_child_of_that_class(books, canteen, agent, now, school_class):
    day = now.date() + timedelta(days=7)
    BookingFactory(enrolment=books.enrolment, formula=canteen.formula, day=day, state="accepted")
    other = SchoolClassFactory(school=school_class.school, school_year=school_class.school_year, name="CM1")
    booked = {"enfants__day": [str(day)], "enfants__formulas": [str(canteen.formula.pk)]}
    assert chosen(agent, now, **booked) == {books.household.pk}
    assert chosen(agent, now, **booked, enfants__classes=[str(school_class.pk)]) == {books.household.pk}
    assert chosen(agent, now, **booked, enfants__classes=[str(other.pk)]) == set()
    assert chosen(agent, now, enfants__day=[str(day + timedelta(days=1))]) == set()


def test_who_owes_enough_for_who_reads_invoices_only(town_of_three, agent, regie, now):
    roux, petit, _ = town_of_three
    InvoiceFactory(household=roux.household, total=Decimal(40))
    InvoiceFactory(household=petit.household, total=Decimal(5))
    assert chosen(regie, now, factures__owes=["10"]) == {roux.household.pk}
    assert Audience(agent, {"factures-owes": ["10"]}, now).is_valid() is False, "it would go to everybody"


def test_an_agent_of_one_school_reaches_its_families_only(town_of_three, now, school):
    roux, _, silva = town_of_three
    of_school = UserFactory(is_staff=True)
    giving.give(of_school, Group.objects.get(name="Agent"), places=[school], by=None)
    assert chosen(of_school, now, familles__everyone=["on"]) == {roux.household.pk, silva.household.pk}


# It leaves --------------------------------------------------------------------------------------------


def test_each_family_reads_its_own_and_who_has_no_address_gets_paper(town_of_three, agent, now):
    roux, petit, silva = town_of_three
    message = leave(draft(agent, now), agent, now)
    assert sending.write_some(message.pk, at=now) is None, "all of it"
    assert sorted(one.to[0] for one in mail.outbox) == sorted([roux.user.email, petit.user.email])
    assert {one.subject for one in mail.outbox} == {f"Rentrée de {town_of().name}"}
    [of_roux] = Letter.objects.filter(guardian=roux.guardian)
    assert "Bonne rentrée à Lou" in of_roux.text
    paper = Letter.objects.get(household=silva.household)
    assert (paper.state, paper.guardian) == ("paper", None)
    assert "Bonne rentrée à Zoé" in paper.text
    message.refresh_from_db()
    assert message.state == "sent"
    assert sending.progress(message) == sending.Progress(mails=2, paper=1, written=3, sent=2, failed=0)


def test_what_was_confirmed_is_what_leaves(town_of_three, agent, now):
    message = draft(agent, now)
    audience = Audience(agent, EVERYONE, now)
    with pytest.raises(sending.SendingRefused, match="vérifiez de nouveau"):
        sending.send(message, audience, seen="ce que montrait un vieil aperçu", by=agent, at=now)
    leave(message, agent, now)
    with pytest.raises(sending.SendingRefused, match="déjà parti"):
        leave(message, agent, now)


def test_one_leaves_at_a_time_stops_and_goes_on_without_anybody_twice(town_of_three, agent, now, monkeypatch):
    monkeypatch.setattr(sending, "A_BITE", 1)
    first, second = draft(agent, now), draft(agent, now)
    leave(first, agent, now)
    with pytest.raises(sending.SendingRefused, match="Un autre message"):
        leave(second, agent, now)
    assert sending.write_some(first.pk, at=now) is not None
    assert sending.stop(first, at=now)
    assert sending.write_some(first.pk, at=now) is None, "the task that comes next finds it stopped"
    assert MessageCopy.objects.left().count() == 1
    assert sending.resume(first)
    while sending.write_some(first.pk, at=now) is not None:
        pass
    assert len(mail.outbox) == 2
    assert len({one.to[0] for one in mail.outbox}) == 2
    copy = MessageCopy.objects.filter(guardian__isnull=False)[0]
    with pytest.raises(IntegrityError), transaction.atomic():
        MessageCopy.objects.create(message=first, household=copy.household, guardian=copy.guardian)


def test_a_worker_that_dies_while_it_writes_leaves_nothing_half_done(town_of_three, agent, now, monkeypatch):
    message = leave(draft(agent, now), agent, now)

    def dies(*args, **kwargs):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MessageCopy.objects, "bulk_update", dies)
        with pytest.raises(KeyboardInterrupt):
            sending.write_some(message.pk, at=now)
    assert not MessageCopy.objects.left().exists()
    assert not Letter.objects.exists(), "what was not kept was not queued either"


@pytest.mark.django_db(transaction=True)
def test_the_worker_does_it_from_the_click_to_the_pdf(town_of_three, agent, agent_client, now, settings):
    settings.TASKS = WORKER
    message = draft(agent, now)
    page = agent_client.get(f"{LIST}{message.pk}/verifier/").content.decode()
    assert "3 familles, dont 1 sans adresse e-mail" in page
    seen = page.partition('name="vu" value="')[2].partition('"')[0]
    agent_client.post(f"{LIST}{message.pk}/envoyer/", {"vu": seen})
    assert DBTaskResult.objects.get().priority < 0, "mails that somebody waits for go first"
    call_command("db_worker", batch=True, interval=0)
    assert len(mail.outbox) == 2
    message.refresh_from_db()
    assert (message.state, bool(message.paper)) == ("sent", True)
    assert agent_client.get(f"{LIST}{message.pk}/lettres/").content.startswith(b"%PDF")
    printing.forget(town_of_three[2].household)
    assert agent_client.get(f"{LIST}{message.pk}/lettres/").status_code == 302, "it held an erased family's"
    agent_client.post(f"{LIST}{message.pk}/imprimer/")
    call_command("db_worker", batch=True, interval=0)
    assert agent_client.get(f"{LIST}{message.pk}/lettres/").content.startswith(b"%PDF")
    page = agent_client.get(f"{LIST}{message.pk}/change/").content.decode()
    assert "3 sur 3" in page
    assert "1 lettre sur papier" in page


def test_what_did_not_arrive_is_listed(town_of_three, agent, agent_client, now):
    roux, *_ = town_of_three
    message = leave(draft(agent, now), agent, now)
    sending.write_some(message.pk, at=now)
    letter = Letter.objects.get(guardian=roux.guardian)
    Letter.objects.filter(pk=letter.pk).update(state="failed", trouble="550 5.1.1")
    unreached.mark(letter.pk, "550 5.1.1", at=now, by_report=False)
    page = agent_client.get(f"{LIST}{message.pk}/change/").content.decode()
    assert "550 5.1.1" in page
    assert roux.household.pk in sending.reach(Audience(agent, EVERYONE, now)).paper, "next time, on paper too"


# Files ------------------------------------------------------------------------------------------------


def post(client, message=None, **data):
    where = f"{LIST}add/" if message is None else f"{LIST}{message.pk}/change/"
    return client.post(where, {"subject": "Rentrée", "text": "Bonjour {prénom}", **data})


def test_a_file_goes_with_each_mail_and_the_family_opens_it(town_of_three, agent, agent_client, now):
    roux, petit, _ = town_of_three
    post(agent_client, file=SimpleUploadedFile("menu.exe.pdf", PDF), **{"familles-everyone": "on"})
    message = FamilyMessage.objects.get()
    assert (str(message.files.get()), message.files.get().content_type) == ("menu.exe.pdf", "application/pdf")
    leave(message, agent, now)
    sending.write_some(message.pk, at=now)
    assert [len(one.attachments) for one in mail.outbox] == [1, 1]
    letter = Letter.objects.get(guardian=roux.guardian)
    page = roux.client().get(f"/mes-messages/{letter.pk}/").content.decode()
    file = message.files.get()
    url = f"/mes-messages/{letter.pk}/pieces/{file.pk}/"
    assert url in page
    answer = roux.client().get(url)
    assert b"".join(answer.streaming_content) == PDF
    let_go(answer)
    assert petit.client().get(url).status_code == 404
    at_the_desk = f"{LIST}{message.pk}/piece/"
    answer = agent_client.get(at_the_desk, {"fichier": file.pk})
    assert b"".join(answer.streaming_content) == PDF
    let_go(answer)
    assert agent_client.get(at_the_desk, {"fichier": "abc"}).status_code == 302


def test_what_is_no_document_is_refused_and_nothing_typed_is_lost(town_of_three, agent_client):
    answer = post(agent_client, file=SimpleUploadedFile("menu.pdf", b"MZ"), **{"familles-everyone": "on"})
    page = answer.content.decode()
    assert "PDF, une image" in page
    assert "Bonjour {prénom}" in page
    assert not FamilyMessage.objects.exists()


# At the desk --------------------------------------------------------------------------------------------


def test_an_unknown_variable_is_refused_with_its_name(agent_client, town):
    page = post(agent_client, text="Bonjour {clase}").content.decode()
    assert "La variable {clase}" in page
    assert not FamilyMessage.objects.exists()


def test_the_preview_is_what_one_family_reads_and_the_test_goes_to_oneself(
    town_of_three, agent, agent_client, now, commit
):
    _, petit, _ = town_of_three
    message = draft(agent, now)
    page = agent_client.get(f"{LIST}{message.pk}/verifier/?foyer={petit.household.pk}").content.decode()
    assert "Bonne rentrée à Tom" in page
    with commit():
        agent_client.post(f"{LIST}{message.pk}/essai/")
    [tried] = mail.outbox
    assert tried.to == [agent.email]
    assert tried.subject.startswith("[Essai]")
    assert not Letter.objects.exists()


def test_tampered_choices_are_sentences(town_of_three, agent_client):
    for data in (
        {"enfants-places": "abc"},
        {"enfants-classes": "99999999999999999999"},
        {"familles-homes_chosen": "4711"},
        {"enfants-day": "0000-13-45"},
        {"enfants-until": "2026-12-01"},
        {"familles-where": "lune"},
    ):
        answer = post(agent_client, **data)
        assert answer.status_code == 200, data
        assert "Corrigez ce qui est signalé" in answer.content.decode(), data


def test_from_the_list_of_households_to_a_draft(town_of_three, agent_client):
    roux, _, silva = town_of_three
    ticked = {"action": "write_to_selected", "_selected_action": [roux.household.pk, silva.household.pk]}
    answer = agent_client.post("/mairie/families/household/", ticked, follow=True)
    assert answer.redirect_chain[-1][0].endswith("/change/")
    message = FamilyMessage.objects.get()
    assert message.is_draft
    page = agent_client.get(f"{LIST}{message.pk}/verifier/").content.decode()
    assert "Écrivez l&#x27;objet et le texte" in page


def test_colleagues_of_other_schools_do_not_see_it(town_of_three, agent, now, school):
    theirs, others = (UserFactory(is_staff=True) for _ in range(2))
    giving.give(theirs, Group.objects.get(name="Agent"), places=[school], by=None)
    giving.give(others, Group.objects.get(name="Agent"), places=[EstablishmentFactory()], by=None)
    mine, of_town = draft(theirs, now), draft(agent, now)
    assert logged_in(theirs).get(f"{LIST}{mine.pk}/change/").status_code == 200
    assert logged_in(theirs).get(f"{LIST}{of_town.pk}/change/").status_code == 404
    for page in ("change/", "verifier/"):
        assert logged_in(others).get(f"{LIST}{mine.pk}/{page}").status_code == 404
    assert logged_in(others).post(f"{LIST}{mine.pk}/envoyer/").status_code == 404


def of_school_only(school):
    user = UserFactory(is_staff=True)
    giving.give(user, Group.objects.get(name="Agent"), places=[school], by=None)
    return user


def test_a_draft_of_one_school_that_the_town_sent_is_the_towns(town_of_three, agent, now, school):
    theirs = of_school_only(school)
    message = leave(draft(theirs, now), agent, now)
    assert message.copies.count() == 3, "whoever sends it reaches more"
    for page in ("change/", "lettres/"):
        assert logged_in(theirs).get(f"{LIST}{message.pk}/{page}").status_code == 404


def test_whoever_has_one_school_from_now_on_reads_no_other_families(town_of_three, now, school):
    _, petit, silva = town_of_three
    petit.guardian.user = None
    petit.guardian.save()
    writer = UserFactory(is_staff=True)
    role = Group.objects.get(name="Agent")
    writer.groups.add(role)
    message = leave(draft(writer, now), writer, now)
    sending.write_some(message.pk, at=now)
    printing.print_message(message.pk)
    message.copies.update(trouble="Boîte pleine")
    writer.groups.clear()
    giving.give(writer, role, places=[school], by=None)
    client = logged_in(writer)
    page = client.get(f"{LIST}{message.pk}/change/").content.decode()
    assert silva.household.number in page
    assert petit.household.number not in page
    assert "Toutes les lettres (PDF)" not in page
    assert client.get(f"{LIST}{message.pk}/lettres/").status_code == 403, "one file for all"
    papers = client.get("/mairie/families/paperletter/").content.decode()
    assert "Silva" in papers
    assert "Petit" not in papers


def test_who_owes_is_not_told_by_the_message_that_told_them(town_of_three, agent, regie, now):
    *_, silva = town_of_three
    InvoiceFactory(household=silva.household, total=Decimal(40))
    message = leave(draft(regie, now, {"factures-owes": ["10"]}), regie, now)
    sending.write_some(message.pk, at=now)
    printing.print_message(message.pk)
    message.copies.update(trouble="Boîte pleine")
    letter = message.copies.get().letter
    home = f"/mairie/families/household/{silva.household.pk}/change/"
    for who, knows in ((regie, True), (agent, False)):
        client = logged_in(who)
        page = client.get(f"{LIST}{message.pk}/change/").content.decode()
        assert (silva.household.number in page) is knows
        one = f"/mairie/families/paperletter/{letter.pk}/"
        assert (client.get(f"{one}pdf/").status_code == 200) is knows
        assert (f"{one}change/" in client.get(home).content.decode()) is knows
        assert (client.get(f"{LIST}{message.pk}/lettres/").status_code == 200) is knows


def test_what_leaves_meanwhile_is_neither_changed_nor_deleted(town_of_three, agent, now):
    message = draft(agent, now)
    leave(FamilyMessage.objects.get(pk=message.pk), agent, now)
    with pytest.raises(sending.SendingRefused):
        sending.discard_draft(message)
    assert MessageCopy.objects.count() == 3


def test_the_list_and_the_page_cost_the_same_for_ten(town_of_three, agent, agent_client, now):
    def cost(url):
        with CaptureQueriesContext(connection) as found:
            assert agent_client.get(url).status_code == 200
        return len(found)

    message = leave(draft(agent, now), agent, now)
    sending.write_some(message.pk, at=now)
    cost(LIST)
    one = cost(LIST), cost(f"{LIST}{message.pk}/change/")
    for _ in range(9):
        draft(agent, now)
        who = GuardianFactory(user__is_active=True)
        MessageCopy.objects.create(
            message=message,
            household=who.household,
            guardian=who,
            letter=LetterFactory(guardian=who, state="failed"),
        )
    assert (cost(LIST), cost(f"{LIST}{message.pk}/change/")) == one
