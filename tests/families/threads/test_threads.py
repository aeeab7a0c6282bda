"""A family writes to the town hall and reads the answer; the desk answers, hands over, notes, closes."""

from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from families.custody.own import OwnHousehold
from families.models import (
    Custody,
    Guardian,
    Reading,
    ReadyAnswer,
    Thread,
    ThreadFile,
    ThreadKind,
    ThreadMessage,
)
from families.threads import writing
from families.threads.writing import Said, ThreadRefused, WrittenMeanwhile
from portal.desk import to_do
from portal.reservations.staff import giving
from tests.conftest import NOW, let_go, logged_in, other_home_of
from tests.factories import GuardianFactory, UserFactory
from tests.families.conftest import PDF, sent_file

pytestmark = pytest.mark.django_db

LIST = reverse("families:letters")
WRITE = reverse("families:write")
ASKED = {"subject": "Un repas de trop", "text": "Bonjour, pouvez-vous vérifier ?"}


def pdf(name="facture.pdf"):
    return sent_file(PDF, name)


@pytest.fixture
def thread(books):
    return writing.begin(books.household, Said(**ASKED), by=books.user, at=NOW)


@pytest.fixture
def desk(agent):
    return logged_in(agent)


def page(thread):
    return reverse("admin:families_thread_change", args=[thread.pk])


def own_page(thread):
    return reverse("families:thread", args=[thread.pk])


def last(thread):
    return thread.messages.order_by("pk").last().pk


# The family ---------------------------------------------------------------------------------------------


def test_a_family_writes_and_every_adult_of_the_home_reads_it(books, books_client):
    other = GuardianFactory(household=books.household, user=UserFactory(username="sacha"))
    answer = books_client.post(WRITE, {**ASKED, "attached": [pdf(), pdf("ticket.pdf")]}, follow=True)
    thread = Thread.objects.get()
    assert "Votre message est envoyé à la mairie" in answer.content.decode()
    assert (thread.household, thread.state, thread.waiting_since) == (books.household, "waiting", NOW)
    assert [one.document.name for one in ThreadFile.objects.all()] == ["facture.pdf", "ticket.pdf"]
    read = logged_in(other.user).get(own_page(thread)).content.decode()
    assert "pouvez-vous vérifier" in read and "facture.pdf" in read
    assert "En attente de réponse" in books_client.get(LIST).content.decode()


def test_others_do_not_know_that_it_is_there(thread, waits_client, stranger):
    for client in (waits_client, stranger.client()):
        assert client.get(own_page(thread)).status_code == 404
        assert client.post(own_page(thread), {"text": "Bonjour"}).status_code == 404
        assert thread.subject not in client.get(LIST).content.decode()


def test_each_home_of_a_child_has_its_own_threads_and_loses_those_of_a_child_that_left(books):
    other = other_home_of(books)
    about = Said("La cantine", "Bonjour", child=books.child)
    thread = writing.begin(books.household, about, by=books.user, at=NOW)
    assert other.client().get(own_page(thread)).status_code == 404
    assert books.client().get(own_page(thread)).status_code == 200
    Custody.objects.filter(child=books.child, household=books.household).update(until=NOW.date())
    assert books.client().get(own_page(thread)).status_code == 404
    with pytest.raises(ThreadRefused, match="ne vit plus"):
        writing.begin(books.household, about, by=books.user, at=NOW)


def test_what_is_offered_is_what_the_town_edits_and_the_child_of_this_home(books, waits, books_client):
    assert 'name="kind"' not in books_client.get(WRITE).content.decode()
    kind = ThreadKind.objects.create(name="Facture")
    hidden = ThreadKind.objects.create(name="Ancien", active=False)
    assert "Facture" in books_client.get(WRITE).content.decode()
    for wrong in ({"kind": hidden.pk}, {"kind": "abc"}, {"kind": "9" * 40}, {"text": ""}, {"subject": " "}):
        answer = books_client.post(WRITE, {**ASKED, "kind": kind.pk, **wrong})
        assert answer.status_code == 200 and not Thread.objects.exists()
    books_client.post(WRITE, {**ASKED, "kind": kind.pk, "child": waits.child.pk})
    assert (Thread.objects.get().kind, Thread.objects.get().child) == (kind, None)


def test_a_file_is_judged_and_nothing_typed_is_lost(books_client):
    wrong = SimpleUploadedFile("virus.pdf", b"MZ\x00", content_type="application/pdf")
    answer = books_client.post(WRITE, {**ASKED, "attached": [pdf(), wrong]}).content.decode()
    assert "virus.pdf" in answer and ASKED["text"] in answer and not Thread.objects.exists()
    many = books_client.post(WRITE, {**ASKED, "attached": [pdf() for _ in range(4)]}).content.decode()
    assert "3 fichiers au plus" in many and not Thread.objects.exists()


def test_nobody_fills_the_desk_with_messages(books, books_client, thread):
    for _ in range(9):
        writing.reply(thread, "Encore", by=books.user, at=NOW)
    answer = books_client.post(own_page(thread), {"text": "Un de plus"}).content.decode()
    assert "plusieurs messages" in answer and "Un de plus" in answer
    later = writing.reply(thread, "Le lendemain", by=books.user, at=NOW + timedelta(hours=2))
    assert later.messages.count() == 11


def test_a_list_and_a_thread_cost_the_same_with_one_and_with_ten(
    books, books_client, thread, django_assert_max_num_queries
):
    counts = []
    books_client.get(LIST)
    for round_ in range(2):
        for url in (LIST, own_page(thread)):
            with django_assert_max_num_queries(40) as asked:
                books_client.get(url)
            counts.append(len(asked))
        if not round_:
            for hour in range(9):
                at = NOW + timedelta(hours=2 * hour + 1)
                writing.begin(books.household, Said(**ASKED), by=books.user, at=at)
                writing.reply(thread, "Encore", by=books.user, at=at + timedelta(minutes=61))
    assert counts[:2] == counts[2:]


# The desk -----------------------------------------------------------------------------------------------


def test_the_answer_is_read_and_told_by_a_letter_without_its_words(
    thread, agent, books_client, django_capture_on_commit_callbacks
):
    with (
        time_machine.travel(NOW + timedelta(days=2), tick=False),
        django_capture_on_commit_callbacks(execute=True),
    ):
        said = {"acte": "repondre", "text": "C'est corrigé.", "vu": last(thread)}
        answer = logged_in(agent).post(page(thread), said, follow=True).content.decode()
    assert "La famille est prévenue" in answer
    thread.refresh_from_db()
    assert (thread.state, thread.agent, thread.answered_in) == ("answered", agent, 2)
    (letter,) = mail.outbox
    assert letter.subject == "La mairie vous a répondu"
    assert own_page(thread) in letter.body
    assert "corrigé" not in letter.body and "repas" not in letter.body
    read = books_client.get(own_page(thread)).content.decode()
    assert "C&#x27;est corrigé." in read and "en 2 jours" in read


def test_a_note_and_who_has_it_are_the_desks_own(thread, desk, agent, books_client, regie):
    desk.post(page(thread), {"acte": "noter", "text": "Vu avec la régie", "vu": last(thread)})
    desk.post(page(thread), {"acte": "prendre"})
    hand = reverse("admin:families_thread_hand", args=[thread.pk])
    role = Group.objects.get(name="Régie")
    assert desk.post(hand, {"to": f"agent-{UserFactory(is_staff=True).pk}"}).status_code == 200
    assert desk.post(hand, {"to": f"role-{role.pk}"}).status_code == 302
    thread.refresh_from_db()
    assert (thread.agent, thread.role, thread.state) == (None, role, "waiting")
    desk.post(hand, {"to": f"agent-{regie.pk}"})
    thread.refresh_from_db()
    assert (thread.agent, thread.role) == (regie, None)
    read = desk.get(page(thread)).content.decode()
    assert "Vu avec la régie" in read and "Passé au rôle" in read and "Claude" in read
    seen = books_client.get(own_page(thread)).content.decode()
    assert "Vu avec la régie" not in seen and "Passé" not in seen


def test_the_second_who_answers_is_told_and_keeps_what_was_typed(thread, desk, agent, regie):
    seen = last(thread)
    writing.answer(thread, "Déjà vu.", seen=seen, by=regie, at=NOW)
    said = {"acte": "repondre", "text": "Ma réponse à moi", "vu": seen}
    answer = desk.post(page(thread), said).content.decode()
    assert "Claude Régie a répondu entre-temps" in answer
    assert "Ma réponse à moi" in answer and "Déjà vu." in answer
    assert thread.messages.filter(side="town").count() == 1
    with pytest.raises(WrittenMeanwhile):
        writing.answer(thread, "Encore", seen=seen, by=agent, at=NOW)
    writing.answer(thread, "En plus", seen=last(thread), by=agent, at=NOW)


def test_what_the_family_writes_opens_a_closed_thread_again(thread, desk, books, books_client):
    said = {"acte": "repondre-et-clore", "text": "C'est fait.", "vu": last(thread)}
    desk.post(page(thread), said)
    thread.refresh_from_db()
    assert (thread.state, thread.closed_at) == ("closed", NOW)
    books_client.post(own_page(thread), {"text": "Merci, mais…"})
    thread.refresh_from_db()
    assert (thread.state, thread.closed_at, thread.waiting_since) == ("waiting", None, NOW)
    desk.post(page(thread), {"acte": "clore"})
    desk.post(page(thread), {"acte": "clore"})
    desk.post(page(thread), {"acte": "rouvrir"})
    thread.refresh_from_db()
    assert thread.state == "waiting"


def test_hostile_posts_change_nothing(thread, desk):
    for said in (
        {},
        {"acte": "supprimer"},
        {"acte": "repondre", "text": "", "vu": "0"},
        {"acte": "repondre", "text": "Oui", "vu": "'; --"},
        {"acte": "repondre", "text": "x" * 6000, "vu": last(thread)},
        {"acte": "noter", "text": "Oui", "attached": [pdf()]},
    ):
        assert desk.post(page(thread), said).status_code in (200, 403)
    assert thread.messages.count() == 1
    assert desk.get(reverse("admin:families_thread_change", args=["abc"])).status_code == 404


def test_nobody_acts_on_a_message_of_the_own_household_nor_reads_its_notes(thread, books, agent, regie, desk):
    writing.note(thread, "Une famille difficile", by=regie, at=NOW)
    assert "difficile" in desk.get(page(thread)).content.decode()
    agent.guardians.all().delete()
    Guardian.objects.create(household=books.household, user=agent, first_name="Sam", last_name="Roux")
    for act in (
        lambda: writing.answer(thread, "Oui", seen=last(thread), by=agent, at=NOW),
        lambda: writing.note(thread, "Oui", by=agent, at=NOW),
        lambda: writing.hand(thread, agent, by=agent, at=NOW),
        lambda: writing.close(thread, by=agent, at=NOW),
    ):
        with pytest.raises(OwnHousehold):
            act()
    read = desk.get(page(thread)).content.decode()
    assert ASKED["text"][:7] in read and "difficile" not in read
    said = desk.post(page(thread), {"acte": "noter", "text": "Oui", "vu": "0"}, follow=True).content.decode()
    assert "un collègue décide" in said.replace("&#x27;", "'")
    writing.close(thread, by=regie, at=NOW)
    with pytest.raises(OwnHousehold):
        writing.reopen(thread, by=agent, at=NOW)


def test_a_message_is_handed_to_a_place_of_the_family_until_somebody_has_it(
    thread, books, school_class, canteen, desk, agent, regie, books_client, mill
):
    books.child.schoolings.get_or_create(school_class=school_class, school_year=school_class.school_year)
    hand = reverse("admin:families_thread_hand", args=[thread.pk])
    offered = desk.get(hand).content.decode()
    assert "Lieux de la famille" in offered and f'value="lieu-{school_class.school_id}"' in offered
    assert f'value="lieu-{mill.school.pk}"' not in offered
    assert desk.post(hand, {"to": f"lieu-{mill.school.pk}"}).status_code == 200
    assert desk.post(hand, {"to": f"lieu-{school_class.school_id}"}).status_code == 302
    head = UserFactory(is_staff=True)
    giving.give(head, Group.objects.get(name="Agent"), places=[school_class.school], by=None)
    elsewhere = UserFactory(is_staff=True)
    giving.give(elsewhere, Group.objects.get(name="Agent"), places=[mill.school], by=None)
    listed = reverse("admin:families_thread_changelist")
    read = logged_in(head).get(listed, {"suivi": "lieux"}).content.decode()
    assert thread.subject in read and school_class.school.name in read
    assert thread.subject not in logged_in(elsewhere).get(listed, {"suivi": "lieux"}).content.decode()
    assert thread.subject not in desk.get(listed, {"suivi": "personne"}).content.decode()
    assert "Passé au lieu" in desk.get(page(thread)).content.decode()
    assert "Passé au lieu" not in books_client.get(own_page(thread)).content.decode()
    writing.answer(thread, "Oui", seen=last(thread), by=head, at=NOW)
    assert (
        thread.subject not in logged_in(head).get(listed, {"suivi": "lieux", "etat": "tous"}).content.decode()
    )


def test_a_ready_made_answer_is_begun_with_and_nothing_is_sent(thread, books, desk, books_client):
    assert "Réponse prête" not in desk.get(page(thread)).content.decode()
    other, kind = ThreadKind.objects.create(name="Loisirs"), ThreadKind.objects.create(name="Facture")
    text = "Bonjour {prénom}, pour « {sujet} » : voyez avec {service}."
    ready = ReadyAnswer.objects.create(name="Vérification", text=text)
    ReadyAnswer.objects.create(name="Piscine", text="Non", kind=other)
    ReadyAnswer.objects.create(name="Ancienne", text="Non", active=False)
    Thread.objects.update(kind=kind)
    read = desk.get(page(thread)).content.decode()
    assert "Vérification" in read and "Piscine" not in read and "Ancienne" not in read
    begun = {"acte": "reprendre", "reponse-prete": ready.pk, "text": "Déjà tapé.", "vu": last(thread)}
    read = desk.post(page(thread), begun).content.decode()
    assert f"Déjà tapé.\n\nBonjour {books.guardian.first_name}, pour « {ASKED['subject']} »" in read
    for wrong in ("", "abc", "9" * 30):
        read = desk.post(page(thread), begun | {"reponse-prete": wrong}).content.decode()
        assert "Choisissez une réponse prête" in read and "Déjà tapé." in read
    assert thread.messages.count() == 1


def test_a_ready_made_answer_names_no_unknown_variable(chief):
    add = reverse("admin:families_readyanswer_add")
    said = {"name": "Cantine", "text": "Bonjour {clase}", "order": "10", "active": "on"}
    answer = logged_in(chief).post(add, said).content.decode()
    assert "La variable {clase} n" in answer and not ReadyAnswer.objects.exists()
    logged_in(chief).post(add, said | {"text": "Bonjour {prénom}"})
    assert ReadyAnswer.objects.get().text == "Bonjour {prénom}"


def test_it_waits_in_the_queue_and_on_the_households_page(thread, desk, agent, books):
    kind, key = to_do.find(agent, f"message-{thread.pk}")
    assert kind.in_words and key == thread.pk
    queue = desk.get(reverse("admin:desk_queue"), {"nature": "message"}).content.decode()
    assert thread.subject in queue and "Lire et répondre" in queue and "pouvez-vous vérifier" in queue
    assert "Refuser" not in queue
    posted = {"demande": f"message-{thread.pk}", "action": "accept_selected"}
    assert desk.post(reverse("admin:desk_queue"), posted).status_code == 403
    home = reverse("admin:families_household_change", args=[books.household.pk])
    assert f"Message : {thread.subject}" in desk.get(home).content.decode()
    assert page(thread) in desk.get(f"{home}?onglet=messages").content.decode()
    late = to_do.pile(agent, to_do.Asked("message"), NOW + timedelta(days=4))
    assert late.late == 1


def test_a_file_that_is_read_at_the_desk_is_a_line_of_the_register(books, books_client, desk):
    books_client.post(WRITE, {**ASKED, "attached": [pdf()]})
    file = ThreadFile.objects.get()
    answer = desk.get(reverse("families:document", args=[file.document_id]))
    let_go(answer)
    assert answer.status_code == 200
    assert Reading.objects.filter(kind=Reading.Kind.MESSAGE, household=books.household).count() == 1
    assert "Pièce jointe" in books_client.get(reverse("families:readings")).content.decode()


def test_a_reader_reads_and_writes_nothing(thread, db):
    reader = UserFactory(is_staff=True)
    reader.groups.add(Group.objects.get(name="Lecture"))
    client = logged_in(reader)
    read = client.get(page(thread))
    assert read.status_code == 200 and "Répondre et prévenir" not in read.content.decode()
    assert client.post(page(thread), {"acte": "repondre", "text": "Oui", "vu": 0}).status_code == 403
    assert ThreadMessage.objects.count() == 1


def test_days_are_counted_by_the_calendar(thread, agent):
    late = NOW.replace(hour=23)
    writing.answer(thread, "Oui", seen=last(thread), by=agent, at=late)
    thread.refresh_from_db()
    assert thread.answered_in == (timezone.localdate(late) - timezone.localdate(NOW)).days
