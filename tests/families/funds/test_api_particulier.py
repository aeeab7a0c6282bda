"""The real client of the API Particulier, against a small server: each answer that its documents name."""

import logging
from datetime import date
from decimal import Decimal

import pytest

from families.funds import api_particulier, choosing
from families.funds.api_particulier import ApiParticulier
from families.funds.interface import AccessRefused, FundDown, Identity, KnownChild, NotKnown, TooMany
from portal.checks import quotient_source
from tests.families.funds.conftest import SIRET

MARTIN = Identity("MARTIN", ("AXELLE", "LAURENCE"), date(1989, 12, 3), "F", town="Rennes", department="35")


def test_a_quotient_is_asked_for_as_the_service_wants_it(particulier):
    particulier.known = {"MARTIN": 150}
    particulier.children = [
        {"nom_naissance": "MARTIN", "prenoms": "LOU", "date_naissance": "2018-02-01", "sexe": "F"},
        {"nom_naissance": "MARTIN", "prenoms": None, "date_naissance": None, "sexe": "M"},
    ]
    found = ApiParticulier().ask(MARTIN)
    assert (found.value, found.fund, found.month) == (Decimal(150), "CAF", date(2026, 11, 1))
    assert found.children == (KnownChild("LOU", date(2018, 2, 1)), KnownChild("", None))
    assert particulier.questions == [
        {
            "recipient": [SIRET],
            "nomNaissance": ["MARTIN"],
            "prenoms[]": ["AXELLE", "LAURENCE"],
            "anneeDateNaissance": ["1989"],
            "moisDateNaissance": ["12"],
            "jourDateNaissance": ["3"],
            "codeCogInseePaysNaissance": ["99100"],
            "sexeEtatCivil": ["F"],
            "nomCommuneNaissance": ["Rennes"],
            "codeCogInseeDepartementNaissance": ["35"],
        }
    ]


def test_who_was_born_abroad_gives_a_country_and_no_town():
    asked = dict(
        api_particulier.parameters(Identity("DIOP", ("AWA",), date(1990, 1, 2), country="99341"), SIRET)
    )
    assert asked["codeCogInseePaysNaissance"] == "99341"
    assert "nomCommuneNaissance" not in asked and "sexeEtatCivil" not in asked


def test_a_town_that_may_not_read_the_family_is_told_the_quotient_alone(particulier):
    particulier.known, particulier.children, particulier.fund = {"MARTIN": 0}, None, "MSA"
    found = ApiParticulier().ask(MARTIN)
    assert (found.value, found.fund, found.children) == (Decimal(0), "MSA", None)


@pytest.mark.parametrize(
    ("status", "code", "kind", "sentence"),
    [
        (401, "00101", AccessRefused, "n'est pas reconnue"),
        (401, "00103", AccessRefused, "a expiré"),
        (401, "00105", AccessRefused, "a été révoquée"),
        (403, "00100", AccessRefused, "n'a pas le droit"),
        (422, "00203", AccessRefused, "SIRET de la mairie"),
        (403, "", AccessRefused, "est refusée"),
        (404, "10003", NotKnown, "La MSA ne trouve pas"),
        (404, "23003", NotKnown, "La CAF ne trouve pas"),
        (404, "35003", NotKnown, "n'est pas reconnue"),
        (404, "99999", NotKnown, "ne trouvent pas de dossier"),
        (422, "00366", NotKnown, "incomplète ou mal écrite"),
        (400, "", NotKnown, "incomplète ou mal écrite"),
        (409, "00015", FundDown, "déjà en cours"),
        (429, "00429", TooMany, "demande d'attendre"),
        (502, "37999", FundDown, "n'ont pas répondu"),
        (504, "37001", FundDown, "n'ont pas répondu"),
        (504, "00501", FundDown, "n'ont pas répondu"),
    ],
)
def test_each_documented_refusal_has_its_french_sentence(particulier, status, code, kind, sentence):
    particulier.refusals = {"MARTIN": (status, code)}
    with pytest.raises(kind, match=sentence) as raised:
        ApiParticulier().ask(MARTIN)
    assert raised.value.code == code


def test_how_long_to_wait_is_what_it_says_within_reason(particulier):
    particulier.refusals = {"MARTIN": (429, "00429")}
    for said, seconds in (("12", 12), ("", 60), ("999999", 300), ("demain", 60)):
        particulier.headers = {"Retry-After": said} if said else {}
        with pytest.raises(TooMany) as raised:
            ApiParticulier().ask(MARTIN)
        assert raised.value.seconds == (60 if said == "999999" else seconds)


def test_a_quotient_that_is_not_worked_out_is_said(particulier):
    particulier.known = {"MARTIN": None}
    with pytest.raises(NotKnown, match="n'est pas calculé"):
        ApiParticulier().ask(MARTIN)


@pytest.mark.parametrize("value", ["150", -1, True, 1.5, [], {}])
def test_what_is_no_quotient_is_no_answer(particulier, value):
    particulier.known = {"MARTIN": value}
    with pytest.raises(FundDown):
        ApiParticulier().ask(MARTIN)


@pytest.mark.parametrize("fault", ["down", "garbage", "500", "302", "slow"])
def test_a_service_that_fails_is_down_and_no_log_names_anybody(particulier, fault, caplog, monkeypatch):
    monkeypatch.setattr(api_particulier, "TIMEOUT_SECONDS", 0.1)
    particulier.known, particulier.fault = {"MARTIN": 150}, fault
    with caplog.at_level(logging.INFO), pytest.raises((FundDown, NotKnown)) as raised:
        ApiParticulier().ask(MARTIN)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None or raised.value.__suppress_context__
    told = f"{caplog.text} {raised.value!r} {MARTIN!r}"
    assert "MARTIN" not in told and "AXELLE" not in told and "1989" not in told


def test_without_a_key_nobody_is_asked(settings):
    settings.DEMO = False
    assert settings.API_PARTICULIER_TOKEN == ""
    assert not choosing.offered() and choosing.current() is None and quotient_source(None) == []


@pytest.mark.parametrize(
    ("siret", "url", "said"),
    [
        ("", "https://particulier.api.gouv.fr", "SIRET de la mairie"),
        ("21350238800018", "https://particulier.api.gouv.fr", "erreur de frappe"),
        (SIRET, "http://particulier.api.gouv.fr", "en https"),
        (SIRET, "", "en https"),
    ],
)
def test_a_key_without_what_it_needs_keeps_the_portal_from_starting(settings, siret, url, said):
    settings.API_PARTICULIER_TOKEN, settings.API_PARTICULIER_SIRET = "jeton", siret
    settings.API_PARTICULIER_URL = url
    assert [said in error.msg for error in quotient_source(None)] == [True]
    settings.API_PARTICULIER_SIRET, settings.API_PARTICULIER_URL = (
        SIRET,
        "https://staging.particulier.api.gouv.fr",
    )
    assert quotient_source(None) == []
