"""Texts to accept: which version, who, when; nothing asked twice."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse

from families.models import TextAnswer, TextVersion
from families.texts import accepting, standing
from families.texts.accepting import AnswerRefused
from tests.conftest import logged_in
from tests.factories import ActivityTextFactory, AskedTextFactory


@pytest.fixture
def rules(canteen):
    """Asked by the canteen, once a household."""
    text = AskedTextFactory(name="Règlement intérieur", code="reglement")
    ActivityTextFactory(activity=canteen.activity, text=text)
    return text


@pytest.fixture
def image(db):
    """A free consent of every child in town."""
    return AskedTextFactory(name="Droit à l'image", code="image", need="free", about="child", everywhere=True)


def said(who, now):
    who.household.__dict__.pop("_kept_for_the_page", None)
    return [(str(one.text), one.status.name) for one in standing.of_home(who.household, now.date())]


def test_an_activity_asks_who_is_enrolled_and_the_town_everybody(books, stranger, rules, image, now):
    assert said(books, now) == [("Règlement intérieur", "MISSING"), ("Droit à l'image", "MISSING")]
    assert said(stranger, now) == [("Droit à l'image", "MISSING")]


def test_the_answer_says_which_version_who_and_when(books, rules, now):
    version = rules.versions.get()
    (made,) = accepting.answer(books.household, version, {None: True}, by=books.user, at=now)
    assert (made.version, made.by, made.by_name, made.at) == (version, books.user, "roux", now)
    assert accepting.answer(books.household, version, {None: True}, by=books.user, at=now) == [], "told again"
    assert said(books, now) == [("Règlement intérieur", "YES")]


def test_a_new_version_asks_again_from_its_day_and_the_old_answer_stays(books, rules, now):
    accepting.answer(books.household, rules.versions.get(), {None: True}, by=books.user, at=now)
    later = now + timedelta(days=5)
    new = rules.versions.create(starts_on=later.date(), body="Autre.")
    assert said(books, now) == [("Règlement intérieur", "YES")]
    assert said(books, later) == [("Règlement intérieur", "AGAIN")]
    accepting.answer(books.household, new, {None: True}, by=books.user, at=later)
    assert TextAnswer.objects.count() == 2


def test_who_read_the_version_before_reads_the_new_one_first(books, rules, now):
    old = rules.versions.get()
    rules.versions.create(starts_on=now.date(), body="Autre.")
    with pytest.raises(AnswerRefused, match="vient de changer"):
        accepting.answer(books.household, old, {None: True}, by=books.user, at=now)


def test_a_consent_is_given_withdrawn_and_given_again(books, image, now):
    version = image.versions.get()
    for yes in (True, False, True):
        accepting.answer(books.household, version, {books.child.pk: yes}, by=books.user, at=now)
    assert list(TextAnswer.objects.order_by("pk").values_list("accepted", flat=True)) == [True, False, True]
    assert said(books, now) == [("Droit à l'image", "YES")]


def test_what_is_required_takes_no_no(books, rules, now):
    with pytest.raises(AnswerRefused, match="s'accepte"):
        accepting.answer(books.household, rules.versions.get(), {None: False}, by=books.user, at=now)


def test_nobody_answers_for_the_child_of_others(books, stranger, image, now):
    with pytest.raises(AnswerRefused):
        accepting.answer(
            stranger.household, image.versions.get(), {books.child.pk: True}, by=stranger.user, at=now
        )


def test_a_version_that_was_answered_does_not_change_any_more(books, rules, now):
    version = rules.versions.get()
    version.body = "Corrigé avant la première réponse."
    version.full_clean()
    version.save()
    accepting.answer(books.household, version, {None: True}, by=books.user, at=now)
    version.body = "Autrement."
    with pytest.raises(ValidationError, match="ajoutez-en une autre"):
        version.full_clean()
    rules.need = "free"
    with pytest.raises(ValidationError, match="Créez un autre texte"):
        rules.full_clean()


def test_a_version_says_something(rules):
    with pytest.raises(ValidationError, match="Écrivez le texte"):
        TextVersion(text=rules, starts_on=rules.versions.get().starts_on + timedelta(days=1)).full_clean()


# Pages ---------------------------------------------------------------------------------------------------


def test_a_parent_reads_and_accepts(books, rules, now):
    client = logged_in(books.user)
    page = client.get(reverse("families:papers")).content.decode()
    assert "Règlement intérieur" in page and "Lire et accepter" in page
    assert "1 texte à lire" in client.get("/").content.decode()
    path = reverse("families:asked_text", args=["reglement"])
    version = rules.versions.get()
    assert "ouvre à 7 h 30." in client.get(path).content.decode()
    unticked = client.post(path, {"version": version.pk})
    assert "Cochez la case pour accepter ce texte." in unticked.content.decode()
    client.post(path, {"version": version.pk, "answer-0": "on"})
    assert TextAnswer.objects.get().accepted
    assert "Accepté le" in client.get(path).content.decode()


def test_the_version_that_is_posted_is_one_of_this_text(books, rules, image, now):
    client, path = logged_in(books.user), reverse("families:asked_text", args=["reglement"])
    for forged in (999, image.versions.get().pk):
        answer = client.post(path, {"version": forged, "answer-0": "on"}).content.decode()
        assert "vient de changer" in answer
    assert not TextAnswer.objects.exists()


def test_a_version_to_come_is_nobodys_to_read(books, rules, now):
    new = rules.versions.create(starts_on=now.date() + timedelta(days=1), file="textes/demain.pdf")
    assert logged_in(books.user).get(reverse("families:text_file", args=[new.pk])).status_code == 404


def test_a_parent_says_no_to_a_consent(books, image, now):
    client = logged_in(books.user)
    path = reverse("families:asked_text", args=["image"])
    name = f"answer-{books.child.pk}"
    client.post(path, {"version": image.versions.get().pk, name: "non"})
    assert not TextAnswer.objects.get().accepted
    forged = client.post(path, {"version": image.versions.get().pk, name: "peut-être"})
    assert forged.status_code == 200 and TextAnswer.objects.count() == 1


def test_a_text_that_is_not_asked_is_not_there(books, rules, now):
    rules.active = False
    rules.save()
    assert logged_in(books.user).get(reverse("families:asked_text", args=["reglement"])).status_code == 404


# The desk ------------------------------------------------------------------------------------------------


def test_the_desk_notes_what_was_signed_on_paper(agent_client, agent, books, rules, now):
    path = reverse("admin:families_textanswer_note", args=[books.household.pk])
    version = rules.versions.get()
    posted = {"what": f"{version.pk}:", "accepted": "oui", "signed_on": "2026-11-02"}
    assert agent_client.post(path, posted).status_code == 302
    made = TextAnswer.objects.get()
    assert (made.by, made.signed_on.isoformat(), made.accepted) == (agent, "2026-11-02", True)
    assert (
        "Règlement intérieur"
        in agent_client.get(reverse("admin:families_textanswer_changelist")).content.decode()
    )
    later = agent_client.post(path, posted | {"signed_on": "2027-11-02"}).content.decode()
    assert "pas encore venu." in later


def test_the_desk_writes_a_text_and_its_version(agent_client, year):
    path = reverse("admin:families_askedtext_add")
    posted = {
        "name": "Charte",
        "code": "charte",
        "purpose": "",
        "about": "household",
        "need": "place",
        "active": "on",
        "order": "0",
        "versions-TOTAL_FORMS": "1",
        "versions-INITIAL_FORMS": "0",
        "versions-0-starts_on": "01/09/2026",
        "versions-0-body": "",
    }
    assert "Écrivez le texte, ou joignez-le en PDF." in agent_client.post(path, posted).content.decode()
    answer = agent_client.post(path, posted | {"versions-0-body": "Bonjour."})
    assert answer.status_code == 302
    assert TextVersion.objects.get().body == "Bonjour."
