"""Addresses and identifiants are compared in one form, exactly, whatever the database makes of their letters;
letters go to the address that the account keeps."""

import re
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher, make_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from families import access, login_names
from families.models import User
from tests.conftest import NO_ROLES, Family, logged_in
from tests.factories import PASSWORD, GuardianFactory, UserFactory
from tests.families.conftest import text_of
from tests.families.test_admin import HOUSEHOLDS, guardian_fields
from tests.families.test_login import log_in
from tests.families.test_recovery import NEW, ask, choose, link_in
from tests.families.test_signup import ask_for, confirmation_in, sign_up

pytestmark = pytest.mark.django_db

STORED = "camille.martin@gmail.com"
# Other signs for the same letters: NFKC or a change of case leads from each to the stored address.
SPELLINGS = {
    "capitals": "Camille.MARTIN@Gmail.Com",
    "full width": "ｃａｍｉｌｌｅ.martin@gmail.com",
    "Roman numerals": "ca\u217fi\u217c\u217ce.martin@gmail.com",
    "mathematical": "camille.martin@𝗀𝗆𝖺𝗂𝗅.com",
}
# Other addresses, of whoever registered the domain, however alike they look or are folded by a database.
COUSINS = {
    "dotless i in the domain": "camille.martin@gmaıl.com",
    "dotless i in the name": "camılle.martin@gmail.com",
    "capital I with a dot": "camille.martin@gmaİl.com",
    "Cyrillic a": "camille.martin@gmаil.com",
    "accent": "camille.martin@gmáil.com",
}
DECOMPOSED, COMPOSED = "e\u0301te\u0301 sous la pluie 7", "été sous la pluie 7"


@pytest.fixture
def camille(now, town) -> User:
    """Camille Martin, who runs the portal."""
    return UserFactory(username="camille.martin", email=STORED, is_staff=True, is_superuser=True)


@pytest.fixture
def before() -> Any:
    """An account as an earlier version kept it: its names as they were typed."""

    def kept(username: str, email: str) -> User:
        shared = {
            "username_shared": bool(login_names.having_identifiant(username)),
            "email_shared": bool(login_names.having_address(email)),
        }
        return UserFactory(username=username, email=email, **shared)

    return kept


def each(of: dict[str, str]) -> Any:
    return pytest.mark.parametrize("typed", of.values(), ids=of)


# The form -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("ROUX", "roux"),
        ("\u212aarl", "karl"),
        ("ﬁona", "fiona"),
        ("ｒｏｕｘ", "roux"),
        ("ſophie", "sophie"),
        ("zoe\u0301", "zoé"),
        ("ZOÉ", "zoé"),
        ("ıris", "ıris"),
        ("İris", "i\u0307ris"),
        ("Strauß", "strauß"),
        ("STRAUẞ", "strauß"),
        ("strauss", "strauss"),
        ("νίκος", "νίκος"),
        ("  roux ", "roux"),
    ],
)
def test_one_form_for_what_is_the_same_and_two_for_what_is_not(typed: str, form: str):
    assert login_names.normal_form(typed) == form
    assert login_names.normal_form(form) == form


@pytest.mark.parametrize(
    "typed",
    [
        "x@straße.example",  # the mail would go to strasse.example, which is somebody else's
        "x@νίκος.example",
        "zoé@example.org",
        "camılle@example.org",
        "x@" + "ı" * 63 + ".example",
        "x" * 250 + "@example.org",
        "pas une adresse",
    ],
)
def test_an_address_is_refused_where_its_letters_would_go_elsewhere_or_nowhere(typed: str):
    with pytest.raises(ValidationError):
        login_names.free_address(typed)


def test_domains_with_accents_are_addresses_like_others():
    assert login_names.free_address("Ines@Example.org") == "ines@example.org"
    assert login_names.free_address("ines@École.Example") == "ines@école.example"
    assert login_names.free_address("ines@xn--cole-9oa.example") == "ines@xn--cole-9oa.example"


@pytest.mark.parametrize("typed", ["ﷺ" * 20, "a℀b", "iris c"])
def test_an_identifiant_is_judged_in_the_form_that_is_kept(typed: str):
    with pytest.raises(ValidationError):
        login_names.free_identifiant(typed)


def test_what_is_longer_than_any_name_is_not_worked_on(roux: Family):
    """Marks in the wrong order are sorted one by one: a page of them would keep the server busy."""
    marks = "\u0301\u0316" * 100_000
    assert log_in(marks).status_code == ask(f"{marks}@example.org").status_code == 200
    assert log_in("roux", marks).status_code == 200


@pytest.mark.parametrize("how", ["save", "save of the name alone", "bulk_create", "update_or_create"])
def test_whoever_writes_a_name_writes_its_form(now, db, how: str):
    names = {"username": "Ｃamille", "email": "Camille@ｅxample.org"}
    if how == "bulk_create":
        User.objects.bulk_create([User(**names)])
    elif how == "update_or_create":
        User.objects.create(username="autre")
        User.objects.update_or_create(username="autre", defaults=names)
    elif how == "save":
        User(**names).save()
    else:
        user = User.objects.create(username="autre", first_name="Camille")
        for name, value in names.items():
            setattr(user, name, value)
            user.save(update_fields=[name])
    user = User.objects.get()
    assert (user.username_form, user.email_form) == ("camille", "camille@example.org")
    assert login_names.called("CAMILLE@example.org") == login_names.called("camille") == [user]


@pytest.mark.parametrize(
    "changed", [{"email": "autre@example.org"}, {"username": "autre", "first_name": "A"}]
)
def test_what_would_leave_the_form_behind_is_refused(camille: User, changed: dict[str, str]):
    with pytest.raises(ValueError, match="normal form"):
        User.objects.filter(pk=camille.pk).update(**changed)
    camille.email = "autre@example.org"
    with pytest.raises(ValueError, match="normal form"):
        User.objects.bulk_update([camille], ["email"])


@each(SPELLINGS)
def test_the_database_itself_keeps_one_account_a_form(camille: User, typed: str):
    for names in ({"username": "autre", "email": typed}, {"username": typed.partition("@")[0]}):
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create(**names)


@each(COUSINS)
def test_the_database_keeps_nobody_from_a_cousins_address(camille: User, typed: str):
    assert User.objects.create(username="autre", email=typed).pk


@pytest.mark.parametrize("look_up", [login_names.called, login_names.having_address])
def test_an_account_is_found_by_an_index(camille: User, look_up):
    User.objects.bulk_create(User(username=f"compte{n}", email=f"compte{n}@example.org") for n in range(500))
    with CaptureQueriesContext(connection) as seen:
        assert look_up(STORED) == [camille]
    (query,) = seen.captured_queries
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {query['sql']}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
        plan = " ".join(str(row) for row in cursor.fetchall())
    assert "account_by_address" in plan


# Recovery -------------------------------------------------------------------------------------------


@each(COUSINS)
def test_the_cousin_of_an_address_opens_nobodys_account(camille: User, commit, letters, typed: str):
    with commit():
        ask(typed)
    assert {letter.subject for letter in letters} <= {"Aucun compte pour cette adresse"}
    assert not any(re.search(r"/mot-de-passe-oublie/\w+-", letter.body) for letter in letters)
    assert [STORED] not in [letter.to for letter in letters]


@each(SPELLINGS)
def test_however_it_is_typed_the_letter_goes_to_the_stored_address(
    camille: User, commit, letters, typed: str
):
    with commit():
        assert ask(typed).url == "/mot-de-passe-oublie/envoye/"
    (letter,) = letters
    assert letter.to == [STORED]
    assert choose(link_in(letter)).url == "/mot-de-passe-oublie/modifie/"


@pytest.mark.parametrize("stored", ["camille@\u212aermit.example", "camille@ｋermit.example"])
def test_an_address_kept_as_it_was_typed_is_found_and_written_to(now, town, before, commit, letters, stored):
    before("camille", stored)
    with commit():
        ask("camille@kermit.example")
    assert [letter.to for letter in letters] == [[stored]]


def test_two_accounts_of_one_form_get_no_letter(now, town, before, commit, letters):
    before("camille", "camille@kermit.example")
    twin = before("autre", "camille@ｋermit.example")
    for typed in ("camille@kermit.example", "camille@ｋermit.example"):
        with commit():
            assert ask(typed).url == "/mot-de-passe-oublie/envoye/"
    assert letters == []
    User.objects.filter(pk=twin.pk).update(is_active=False)
    with commit():
        ask("camille@kermit.example")
    assert [letter.to for letter in letters] == [["camille@kermit.example"]], "once the desk closed the other"


def test_spellings_of_one_address_share_one_limit(camille: User):
    assert [ask(typed).status_code for typed in SPELLINGS.values()] == [302, 302, 302, 429]


def test_a_domain_with_double_s_is_another_than_one_with_eszett(now, town, before, commit, letters):
    before("strauss", "anna@strauss.example")
    with commit():
        assert ask("anna@strauß.example").status_code == 200
    assert letters == []
    with commit():
        assert sign_up(email="anna@strauß.example").status_code == 200
    assert letters == [] and User.objects.count() == 1


# Login ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [*SPELLINGS.values(), "CAMILLE.Martin", "camille.ｍartin"])
def test_one_logs_in_however_the_letters_are_made(camille: User, typed: str):
    assert log_in(typed).url == "/"


@pytest.mark.parametrize("typed", [*COUSINS.values(), "camılle.martin", "camİlle.martin"])
def test_a_cousin_does_not_log_in_even_with_the_password(camille: User, typed: str):
    assert "Identifiant ou mot de passe incorrect." in text_of(log_in(typed))


def test_logging_in_by_another_spelling_writes_to_nobody_else(now, town, commit, letters):
    user = UserFactory(username="invite", email=STORED, verified_address=False)
    with commit():
        assert log_in(SPELLINGS["full width"]).url == "/creer-un-compte/verifiez-vos-messages/"
    assert [letter.to for letter in letters] == [[STORED]]
    assert list(EmailAddress.objects.values_list("user", "email")) == [(user.pk, STORED)]


def test_an_address_that_waits_to_be_confirmed_opens_nothing(camille: User, roux: Family, commit, letters):
    with commit():
        ask_for(roux.client(), "nouvelle@example.org")
    assert "Identifiant ou mot de passe incorrect." in text_of(log_in("nouvelle@example.org"))


def test_spellings_of_one_login_share_one_count_of_wrong_passwords(camille: User):
    for typed in [
        "camille.martin",
        "CAMILLE.martin",
        "camille.ｍartin",
        "ｃamille.martin",
        "cａmille.martin",
    ]:
        log_in(typed, "faux")
    assert "Trop d'essais de connexion" in text_of(log_in("camille.martin"))


def test_of_two_accounts_of_one_form_the_password_tells(now, town, before):
    first, second = before("ﬁona", "a@example.org"), before("fiona", "b@example.org")
    for user, password in ((first, "girafe"), (second, "zèbre")):
        user.set_password(password)
        user.save()
        client = Client()
        assert log_in("fiona", password, client).url == "/"
        assert int(client.session["_auth_user_id"]) == user.pk


def test_a_wrong_password_takes_the_same_work_whoever_is_meant(camille: User, roux: Family, monkeypatch):
    UserFactory(username="invite", password=make_password(None))
    hashed: list[Any] = []
    encode = MD5PasswordHasher.encode
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda *given: hashed.append(given) or encode(*given))
    for password, times in (("faux", 1), (DECOMPOSED, 2)):
        for login in ("roux", "roux@example.org", "personne", "personne@example.org", "invite"):
            log_in(login, password)
            assert len(hashed) == times, (login, password)
            hashed.clear()


# Sign-up --------------------------------------------------------------------------------------------


@each(SPELLINGS)
def test_a_known_address_gets_no_second_account_however_it_is_typed(
    camille: User, commit, letters, typed: str
):
    with commit():
        assert sign_up(email=typed).url == "/creer-un-compte/verifiez-vos-messages/"
    assert User.objects.count() == 1
    assert [(letter.to, letter.subject) for letter in letters] == [([STORED], "Vous avez déjà un compte")]


def test_that_an_account_exists_is_told_to_the_address_as_it_is_kept(now, town, before, commit, letters):
    before("camille", "camille@\u212aermit.example")
    with commit():
        assert sign_up(email="camille@kermit.example").url == "/creer-un-compte/verifiez-vos-messages/"
    assert User.objects.count() == 1
    assert [letter.to for letter in letters] == [["camille@\u212aermit.example"]]


def test_of_two_accounts_that_exist_neither_is_written_to(now, town, before, commit, letters):
    before("camille", "camille@kermit.example")
    before("autre", "camille@ｋermit.example")
    with commit():
        assert sign_up(email="camille@kermit.example").url == "/creer-un-compte/verifiez-vos-messages/"
    assert letters == []
    assert User.objects.count() == 2


def test_a_new_account_is_kept_in_the_normal_form(now, town, commit, letters):
    with commit():
        sign_up(username="Ｉnès.Faure", email="Ines@E\u0301cole.Example")
    user = User.objects.get()
    assert (user.username, user.email) == ("inès.faure", "ines@école.example")
    assert [(letter.to) for letter in letters] == [["ines@école.example"]]
    assert list(EmailAddress.objects.values_list("email", flat=True)) == ["ines@école.example"]


@pytest.mark.parametrize("typed", ["ROUX", "ｒｏｕｘ", "ro\u1d58x"])
def test_an_identifiant_is_taken_in_every_spelling(roux: Family, typed: str):
    assert "déjà pris" in text_of(sign_up(username=typed))


def test_an_identifiant_kept_as_it_was_typed_is_taken_too(now, town, before):
    before("ﬁona", "fiona@example.org")
    assert "déjà pris" in text_of(sign_up(username="fiona"))


def test_a_reserved_identifiant_is_reserved_in_every_spelling(now, town):
    assert "réservé" in text_of(sign_up(username="ｍairie"))


def test_whoever_asked_for_an_address_without_proving_it_keeps_nobody_from_it(
    roux: Family, stranger: Family, commit, letters
):
    with commit():
        ask_for(stranger.client(), "ines@example.org")
    letters.clear()
    with commit():
        sign_up(email="ines@example.org")
    assert [letter.subject for letter in letters] in ([], ["Confirmez votre adresse e-mail"])
    assert User.objects.filter(email="ines@example.org").exists()


# E-mail change --------------------------------------------------------------------------------------


def test_ones_own_address_in_another_spelling_is_no_new_one(camille: User, commit, letters):
    client = logged_in(camille)
    ask_for(client, "autre@example.org")
    page = client.post("/mon-adresse-e-mail/", {"email": SPELLINGS["full width"], "action_add": ""})
    assert "C'est déjà l'adresse de votre compte." in text_of(page)


def test_a_new_address_is_kept_and_written_to_in_the_normal_form(roux: Family, commit, letters):
    client = roux.client()
    with commit():
        ask_for(client, "Nouvelle@ｅxample.org")
    assert [letter.to for letter in letters] == [["nouvelle@example.org"]]
    client.post(confirmation_in(letters[0]))
    roux.user.refresh_from_db()
    assert roux.user.email == "nouvelle@example.org"


def test_an_address_that_is_anothers_in_another_spelling_gets_no_link(roux: Family, before, commit, letters):
    before("camille", "camille@\u212aermit.example")
    with commit():
        ask_for(roux.client(), "camille@kermit.example")
    (letter,) = letters
    assert letter.to == ["camille@\u212aermit.example"]
    assert "/confirmer-mon-adresse/" not in letter.body


def test_an_address_of_two_accounts_gets_no_letter_at_all(roux: Family, before, commit, letters):
    before("camille", "camille@kermit.example")
    before("autre", "camille@ｋermit.example")
    with commit():
        ask_for(roux.client(), "camille@kermit.example")
    assert letters == []


def test_of_two_that_confirm_one_address_at_once_the_second_is_refused(
    roux: Family, monkeypatch, commit, letters
):
    client = roux.client()
    with commit():
        ask_for(client, "nouvelle@example.org")
    UserFactory(username="quicker", email="nouvelle@example.org", verified_address=False)
    monkeypatch.setattr(login_names, "free_address", lambda typed, owner=None: typed)
    assert "nouvelle@example.org" in text_of(client.post(confirmation_in(letters[0]), follow=True))
    roux.user.refresh_from_db()
    assert roux.user.email == "roux@example.org"


def test_a_cousins_address_is_not_anothers(camille: User, roux: Family, commit, letters):
    """Nobody is kept from an own address because a database folds it into another's."""
    client = roux.client()
    with commit():
        ask_for(client, "camille.martin@gmaıl.com")
    client.post(confirmation_in(letters[0]))
    roux.user.refresh_from_db()
    assert roux.user.email == "camille.martin@gmaıl.com"


# The town hall --------------------------------------------------------------------------------------


def open_at_the_desk(agent_client: Client, roux: Family, email: str):
    where = f"{HOUSEHOLDS}{roux.household.pk}/change/"
    return agent_client.post(
        where, guardian_fields(roux.household, **{"guardians-1-invite": email}), follow=True
    )


@each(SPELLINGS)
def test_the_desk_opens_no_access_on_a_known_address(agent_client, camille: User, roux: Family, typed: str):
    page = open_at_the_desk(agent_client, roux, typed)
    assert "Un compte utilise déjà cette adresse." in text_of(page)


def test_the_desk_opens_an_access_on_the_normal_form(agent_client, roux: Family, commit, letters):
    with commit():
        open_at_the_desk(agent_client, roux, "Alix@ｅxample.org")
    assert ["alix@example.org"] in [letter.to for letter in letters]
    assert User.objects.filter(email="alix@example.org").exists()


def test_the_desk_is_told_when_no_letter_would_arrive(agent_client, roux: Family):
    page = open_at_the_desk(agent_client, roux, "alix@strauß.example")
    assert "Nous ne pouvons pas écrire à cette adresse." in text_of(page)
    assert roux.household.guardians.count() == 1


def test_an_access_takes_no_identifiant_that_another_has_in_another_spelling(roux: Family, before):
    before("ﬁona.roux", "fiona@example.org")
    guardian = GuardianFactory(
        household=roux.household, user=None, first_name="Fiona", last_name="Roux", is_payer=False
    )
    user = access.new_login(guardian, "fiona.roux@example.org")
    assert login_names.normal_form(user.username) != "fiona.roux"
    with pytest.raises(ValidationError):
        access.new_login(GuardianFactory(household=roux.household, user=None), "FIONA.roux@ｅxample.org")


def test_the_page_of_logins_keeps_names_in_the_normal_form_and_apart(chief_client, camille: User, before):
    other = before("autre", "autre@example.org")
    where = f"/mairie/families/user/{other.pk}/change/"
    fields = NO_ROLES | {"date_joined_0": "2026-01-01", "date_joined_1": "10:00", "is_active": "on"}
    taken = chief_client.post(
        where, fields | {"username": "Ｃamille.martin", "email": SPELLINGS["mathematical"]}
    )
    assert "déjà pris" in text_of(taken)
    assert "Un compte utilise déjà cette adresse" in text_of(taken)
    chief_client.post(where, fields | {"username": "Ａutre", "email": "Nouvelle@ｅxample.org"})
    other.refresh_from_db()
    assert (other.username, other.email) == ("autre", "nouvelle@example.org")


# Passwords ------------------------------------------------------------------------------------------


def test_a_phone_and_a_mac_write_one_password(roux: Family):
    assert DECOMPOSED != COMPOSED
    for chosen in (DECOMPOSED, COMPOSED):
        roux.user.set_password(chosen)
        roux.user.save()
        assert [log_in("roux", typed).status_code for typed in (DECOMPOSED, COMPOSED)] == [302, 302]


@pytest.mark.parametrize("chosen", [DECOMPOSED, COMPOSED])
def test_a_password_chosen_on_one_device_opens_on_the_other(roux: Family, commit, letters, chosen: str):
    with commit():
        ask("roux@example.org")
    choose(link_in(letters[0]), chosen)
    assert [log_in("roux", typed).status_code for typed in (DECOMPOSED, COMPOSED)] == [302, 302]
    client = roux.client()
    roux.user.refresh_from_db()
    client.force_login(roux.user)
    other_way = {"oldpassword": DECOMPOSED, "password1": NEW, "password2": NEW}
    assert client.post("/mon-mot-de-passe/", other_way).status_code == 302


def test_a_new_account_has_its_password_on_every_device(now, town, commit, letters):
    with commit():
        sign_up(password1=DECOMPOSED, password2=DECOMPOSED)
    assert User.objects.get().check_password(COMPOSED)


def test_an_old_hash_opens_as_it_was_typed_and_then_in_every_way(roux: Family):
    User.objects.filter(pk=roux.user.pk).update(password=make_password(DECOMPOSED))
    assert log_in("roux", COMPOSED).status_code == 200
    assert log_in("roux", DECOMPOSED).status_code == 302
    assert log_in("roux", COMPOSED).status_code == 302


def test_a_right_password_ends_no_session(roux: Family):
    phone = Client()
    log_in("roux", client=phone)
    roux.user.refresh_from_db()
    roux.user.set_password(COMPOSED)
    roux.user.save()
    log_in("roux", COMPOSED, phone)
    log_in("roux", DECOMPOSED)
    assert phone.get("/foyer/").status_code == 200


def test_signs_that_only_look_long_make_no_strong_password(roux: Family):
    weak = "ｍｏｔｄｅｐａｓｓｅ２０２６"
    page = roux.client().post(
        "/mon-mot-de-passe/", {"oldpassword": PASSWORD, "password1": weak, "password2": weak}
    )
    assert "trop facile à deviner" in text_of(page)
