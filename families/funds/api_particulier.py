"""The State's API Particulier, version 3: quotients of the CAF and of the MSA by one question.

The only module that knows its addresses, parameters and codes. `recipient` is the SIRET of the town, on whose
behalf is asked; the key is the town's own, or its editor's with a delegation.
"""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

import requests
from django.conf import settings

from families.funds.interface import (
    FRANCE,
    TIMEOUT_SECONDS,
    AccessRefused,
    Found,
    FundDown,
    Identity,
    KnownChild,
    NotKnown,
    TooMany,
)

logger = logging.getLogger(__name__)

PATH = "/v3/dss/quotient_familial/identite"
LONGEST_ANSWER = 1024 * 1024
A_PIECE = 64 * 1024
MOST_FIRST_NAMES = 3
# What the service calls the funds, and how families do.
FUNDS = {"CNAF": "CAF", "CAF": "CAF", "MSA": "MSA"}

NO_FILE = (
    "La CAF et la MSA ne trouvent pas de dossier d'allocataire à ce nom, ou ce dossier n'a plus d'allocation "
    "ni de quotient. C'est l'allocataire du foyer qui doit donner son identité ; sinon, l'attestation reste "
    "à envoyer."
)
NOT_WORKED_OUT = (
    "Le dossier existe, mais son quotient n'est pas calculé : les ressources n'y sont pas connues. "
    "L'attestation reste à envoyer."
)
ILL_WRITTEN = (
    "L'identité est incomplète ou mal écrite : vérifiez le nom de naissance, les prénoms, la date et la "
    "commune de naissance."
)
DOWN = "La CAF et la MSA n'ont pas répondu. La question sera posée de nouveau plus tard."
# By the service's code: about the person.
UNKNOWN = {
    "10003": "La MSA ne trouve pas de dossier d'allocataire à ce nom, ou ce dossier n'a plus d'allocation. "
    "L'attestation reste à envoyer.",
    "23003": "La CAF ne trouve pas de dossier d'allocataire à ce nom, ou ce dossier n'a plus d'allocation. "
    "L'attestation reste à envoyer.",
    "35003": "Cette personne n'est pas reconnue : vérifiez le nom de naissance, les prénoms, la date et la "
    "commune de naissance, tels qu'à l'état civil.",
    "00366": ILL_WRITTEN,
}
# About the town's key.
REFUSED = {
    "00101": "La clé API_PARTICULIER_TOKEN n'est pas reconnue : vérifiez-la.",
    "00103": "La clé API_PARTICULIER_TOKEN a expiré : demandez-en une autre sur particulier.api.gouv.fr.",
    "00105": "La clé API_PARTICULIER_TOKEN a été révoquée : demandez-en une autre sur "
    "particulier.api.gouv.fr.",
    "00100": "La clé API_PARTICULIER_TOKEN n'a pas le droit de lire le quotient familial : demandez-le par "
    "DataPass.",
    "00203": "Le SIRET de la mairie (API_PARTICULIER_SIRET) manque ou n'est pas celui de la clé.",
}
KEY_REFUSED = "La clé de l'API Particulier est refusée : vérifiez API_PARTICULIER_TOKEN."
WAIT = "L'API Particulier demande d'attendre : trop de questions en peu de temps."
SAME_CALL = "La même question est déjà en cours : elle sera posée de nouveau."
LONGEST_WAIT = 300


class ApiParticulier:
    name = "CAF et MSA"

    def __init__(self) -> None:
        self._session = requests.Session()
        # No proxy or key of the machine's own surroundings is sent along.
        self._session.trust_env = False

    def ask(self, identity: Identity) -> Found:
        status, headers, body = self._asked(identity)
        if status == requests.codes.ok:
            return _found(body)
        raise _trouble(status, _code(body), headers)

    def _asked(self, identity: Identity) -> tuple[int, Mapping[str, str], Any]:
        """(status, headers, what the body says as JSON, None where it is none). Raises FundDown."""
        try:
            with self._session.get(
                settings.API_PARTICULIER_URL.rstrip("/") + PATH,
                params=parameters(identity, settings.API_PARTICULIER_SIRET),
                headers={
                    "Authorization": f"Bearer {settings.API_PARTICULIER_TOKEN}",
                    "Accept": "application/json",
                },
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                stream=True,
            ) as answer:
                return answer.status_code, answer.headers, _read(answer)
        except requests.RequestException as error:
            kind = type(error).__name__
        # The errors of the library quote the address, and in it the identity: only their kind is told.
        logger.warning("API Particulier does not answer: %s", kind)
        raise FundDown(DOWN)


def parameters(identity: Identity, recipient: str) -> list[tuple[str, str]]:
    """The question, as the service wants it."""
    born = identity.birth_date
    asked = [
        ("recipient", recipient),
        ("nomNaissance", identity.birth_name),
        *(("prenoms[]", name) for name in identity.first_names[:MOST_FIRST_NAMES]),
        ("anneeDateNaissance", str(born.year)),
        ("moisDateNaissance", str(born.month)),
        ("jourDateNaissance", str(born.day)),
        ("codeCogInseePaysNaissance", identity.country),
    ]
    if identity.used_name:
        asked.append(("nomUsage", identity.used_name))
    if identity.sex:
        asked.append(("sexeEtatCivil", identity.sex))
    if identity.country == FRANCE and identity.town:
        asked.append(("nomCommuneNaissance", identity.town))
        asked.append(("codeCogInseeDepartementNaissance", identity.department))
    return asked


def _read(answer: requests.Response) -> Any:
    content = b""
    for piece in answer.iter_content(A_PIECE):
        content += piece
        if len(content) > LONGEST_ANSWER:
            return None
    try:
        return json.loads(content)
    except ValueError:
        return None


def _found(body: Any) -> Found:
    try:
        said = body["data"]["quotient_familial"]
        value = said["valeur"]
        if value is None:
            raise NotKnown(NOT_WORKED_OUT)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise FundDown(DOWN)
        month = date(int(said["annee"]), int(said["mois"]), 1)
        fund = FUNDS.get(str(said["fournisseur"]), "")
        children = body["data"].get("enfants")
        known = None if children is None else tuple(_child(one) for one in children)
    except (AttributeError, KeyError, TypeError, ValueError):
        logger.warning("API Particulier answered nothing that can be read.")
        raise FundDown(DOWN) from None
    return Found(Decimal(value), fund, month, known)


def _child(said: Mapping[str, Any]) -> KnownChild:
    born = None
    with suppress(ValueError):
        born = date.fromisoformat(str(said.get("date_naissance")))
    return KnownChild(str(said.get("prenoms") or ""), born)


def _code(body: Any) -> str:
    """That of the first error; empty where there is none to read."""
    try:
        return str(body["errors"][0]["code"])
    except (KeyError, TypeError, IndexError):
        return ""


def _trouble(status: int, code: str, headers: Mapping[str, str]) -> Exception:
    """What an answer other than a quotient means."""
    logger.info("API Particulier answered %s, code %s.", status, code if code.isalnum() else "–")
    if code in REFUSED or status in (401, 403):
        return AccessRefused(REFUSED.get(code, KEY_REFUSED), code)
    if status == 429:
        return TooMany(WAIT, code, seconds=_seconds(headers))
    if status == 409:
        return FundDown(SAME_CALL, code)
    if status == 404:
        return NotKnown(UNKNOWN.get(code, NO_FILE), code)
    if code in UNKNOWN or 400 <= status < 500:
        return NotKnown(UNKNOWN.get(code, ILL_WRITTEN), code)
    return FundDown(DOWN, code)


def _seconds(headers: Mapping[str, str]) -> int:
    """How long to wait: what it says, else a minute, over which it counts."""
    text = headers.get("Retry-After", "")
    asked = int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 60
    return max(1, min(asked, LONGEST_WAIT))
