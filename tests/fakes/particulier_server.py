"""A small API Particulier: the quotient of who it knows by birth name, its documented refusals."""

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.server import Fake, Handler

PATH = "/v3/dss/quotient_familial/identite"


class ParticulierHandler(Handler):
    fake: "FakeParticulier"

    def do_GET(self) -> None:  # noqa: N802
        address = urlsplit(self.path)
        said = parse_qs(address.query)
        self.fake.asked.append(said.get("nomNaissance", [""])[0])
        self.fake.questions.append(said)
        if self.misbehaves():
            return
        if address.path != PATH or self.headers.get("Authorization") != f"Bearer {self.fake.token}":
            self.say(json.dumps({"errors": [{"code": "00101", "title": "Jeton"}]}), status=401)
            return
        status, body, headers = self.fake.answer(said)
        self.say(json.dumps(body), status=status, **headers)


class FakeParticulier(Fake):
    handler = ParticulierHandler

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.questions: list[dict[str, list[str]]] = []
        # By birth name: a quotient, or what is said instead (status, code).
        self.known: dict[str, Any] = {}
        self.children: list[dict[str, Any]] | None = []
        self.fund = "CNAF"
        self.refusals: dict[str, tuple[int, str]] = {}
        self.headers: dict[str, str] = {}

    def answer(self, said: dict[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        name = said["nomNaissance"][0]
        if name in self.refusals:
            status, code = self.refusals[name]
            return status, {"errors": [{"code": code, "title": "Refus", "detail": name}]}, self.headers
        if name not in self.known:
            return 404, {"errors": [{"code": "23003", "title": "Dossier absent"}]}, {}
        data: dict[str, Any] = {
            "quotient_familial": {
                "fournisseur": self.fund,
                "valeur": self.known[name],
                "annee": 2026,
                "mois": 11,
                "annee_calcul": 2026,
                "mois_calcul": 11,
            }
        }
        if self.children is not None:
            data["enfants"] = self.children
        return 200, {"data": data, "links": {}, "meta": {}}, {}
