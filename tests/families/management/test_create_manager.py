"""`manage.py create_manager`: the first Responsable logs in on the day of installation, without mail."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from families.management.commands import create_manager
from families.models import SecurityEvent, User
from portal.models import Town
from tests.conftest import Family
from tests.families.signing_in.conftest import enrol, factors_of, log_in, who

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("now", "town")]
GOOD = "girafe sous la pluie 7"
OPTIONS = {
    "prenom": "Dominique",
    "nom": "Duval",
    "identifiant": "dduval",
    "adresse": "D.Duval@Mairie.example.org",
}


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`types("Dominique", …)`: what is answered to each question, in their order."""

    def answers(*given: str) -> None:
        left: Iterator[str] = iter(given)

        def answer(prompt: str) -> str:
            try:
                return next(left)
            except StopIteration:
                raise EOFError from None

        monkeypatch.setattr(create_manager, "_typed", answer)
        monkeypatch.setattr(create_manager, "_secret", answer)

    return answers


def test_it_asks_then_the_manager_logs_in_without_a_mail(types, capsys, letters, settings):
    settings.STAFF_SECOND_FACTOR = True
    types("Dominique", "Duval", "DDuval", "d.duval@mairie.example.org", GOOD, GOOD)
    call_command("create_manager")
    user = User.objects.get()
    assert (user.username, user.email) == ("dduval", "d.duval@mairie.example.org")
    assert user.is_superuser and user.groups.get().name == "Responsable"
    client = log_in(user, password=GOOD)
    assert who(client) == str(user.pk)
    assert client.get("/mairie/").url == "/double-authentification/"
    assert letters == []
    said = capsys.readouterr().out
    assert "http://127.0.0.1:8000/mairie/" in said
    assert "d'ajouter une double authentification" in said
    assert GOOD not in said
    assert SecurityEvent.objects.filter(kind="rights", user=user, detail="compte créé au serveur").exists()


def test_it_says_what_is_wrong_and_asks_once_more(types, capsys, agent: User):
    types(
        "",
        "Dominique",
        "Duval",
        "",
        "AGENT",
        "dduval",
        "agent@example.org",
        "pas une adresse",
        "d@example.org",
        GOOD,
        "autre chose",
        "dduval",
        "dduval",
        GOOD,
        GOOD,
    )
    call_command("create_manager")
    assert User.objects.get(username="dduval").check_password(GOOD)
    said = capsys.readouterr().err
    for sentence in ("Ce champ est obligatoire.", "Les deux mots de passe sont différents."):
        assert sentence in said
    assert said.count("\n") >= 6


def test_what_is_given_as_an_option_is_not_asked_for(types):
    types(GOOD, GOOD)
    call_command("create_manager", **OPTIONS)
    assert User.objects.get().email == "d.duval@mairie.example.org"


@pytest.mark.parametrize(
    ("option", "value"), [("identifiant", "agent"), ("adresse", "agent@example.org"), ("adresse", "x")]
)
def test_an_option_that_cannot_be_is_refused_with_its_sentence(types, agent: User, option: str, value: str):
    types(GOOD, GOOD)
    with pytest.raises(CommandError):
        call_command("create_manager", **OPTIONS | {option: value})
    assert User.objects.get() == agent


def test_who_gives_up_leaves_nothing(types):
    types("Dominique", "Duval")
    with pytest.raises(CommandError, match="Rien n'a été changé"):
        call_command("create_manager")
    assert not User.objects.exists()


def test_the_last_responsable_who_lost_a_phone_gets_in_again(chief: User, commit, letters, demanded):
    enrol(chief)
    before = log_in(chief, factor="")
    with commit():
        call_command("create_manager", reset="CHIEF")
    assert factors_of(chief) == set()
    assert who(before) == ""
    assert log_in(chief).get("/mairie/").url == "/double-authentification/"
    assert [letter.subject for letter in letters] == ["Double authentification remise à zéro"]
    noted = SecurityEvent.objects.get(kind="factor_reset")
    assert (noted.user, noted.by, noted.detail) == (chief, None, "au serveur")


@pytest.mark.parametrize("name", ["personne", "roux"])
def test_nobody_but_staff_is_reset_at_the_server(name: str, roux):
    enrol(roux.user)
    with pytest.raises(CommandError, match="Aucun agent"):
        call_command("create_manager", reset=name)
    assert factors_of(roux.user)


def test_a_new_installation_waits_to_be_opened_and_one_that_is_used_stays_open(types, capsys) -> None:
    types(GOOD, GOOD)
    call_command("create_manager", **OPTIONS)
    assert not Town.objects.get().is_open
    assert "« Premiers pas » vous y attend" in capsys.readouterr().out
    Town.objects.update(is_open=True)
    types(GOOD, GOOD)
    call_command(
        "create_manager", **OPTIONS | {"identifiant": "second", "adresse": "second@mairie.example.org"}
    )
    assert Town.objects.get().is_open
    assert "Premiers pas" not in capsys.readouterr().out


def test_a_town_with_families_stays_open(types, books: Family) -> None:
    types(GOOD, GOOD)
    call_command("create_manager", **OPTIONS)
    assert Town.objects.get().is_open
