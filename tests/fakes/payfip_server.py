"""A small PayFIP: its two SOAP operations, its faults, its page by number."""

import uuid
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from tests.fakes.server import Fake, Handler

NAMESPACE = (
    "http://securite.service.tpa.cp.finances.gouv.fr/services/mas_securite/contrat_paiement_securise/"
    "PaiementSecuriseService"
)
ENVELOPE = '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>{}</soap:Body></soap:Envelope>'
FAULT = (
    "<soap:Fault><faultcode>soap:Server</faultcode>"
    "<faultstring>fr.gouv.finances.cp.tpa.webservice.exceptions.FonctionnelleErreur</faultstring><detail>"
    '<ns1:FonctionnelleErreur xmlns:ns1="{}"><code xmlns="">{}</code><descriptif xmlns="">{}</descriptif>'
    "</ns1:FonctionnelleErreur></detail></soap:Fault>"
)
TECHNICAL = FAULT.replace("FonctionnelleErreur", "TechDysfonctionnementErreur")
DETAIL = "dattrans exer heurtrans idOp mel montant numauto numcli objet refdet resultrans saisie".split()


class PayFipHandler(Handler):
    fake: "FakePayFip"

    def do_POST(self) -> None:  # noqa: N802
        body = self.body()
        if self.misbehaves():
            return
        call = etree.fromstring(body).find("{*}Body")[0]
        name = etree.QName(call).localname
        said = {etree.QName(one).localname: one.text or "" for one in call.find("arg0")}
        self.fake.asked.append(name)
        status, answer = self.fake.answer(name, said)
        self.say(ENVELOPE.format(answer), status=status, kind="text/xml; charset=utf-8")


class FakePayFip(Fake):
    handler = PayFipHandler

    def __init__(self) -> None:
        super().__init__()
        self.operations: dict[str, dict[str, Any]] = {}
        self.faults: dict[str, str] = {}  # codes, by number of operation; "": of what it should open
        self.namespace_of_fields = ""  # of an answer's fields; with one, « idOp » is written « idop »

    def answer(self, name: str, said: dict[str, str]) -> tuple[int, str]:
        fault = self.faults.get(said.get("idOp", ""))
        if fault is not None:
            return 500, (TECHNICAL if fault == "999" else FAULT).format(
                NAMESPACE, fault, "Le texte du service"
            )
        if name == "creerPaiementSecurise":
            if not 6 <= len(said["refdet"]) <= 30 or not said["refdet"].isalnum():
                return 500, FAULT.format(NAMESPACE, "R3", "Le format du paramètre REFDET n'est pas conforme")
            number = str(uuid.uuid4())
            self.operations[number] = said | {"idOp": number}
            return 200, self._wrap(name, {"idOp": number})
        operation = self.operations.get(said["idOp"])
        if operation is None:
            return 500, FAULT.format(NAMESPACE, "P1", "IdOp incorrect.")
        if "resultrans" not in operation:
            return 500, FAULT.format(NAMESPACE, "P5", "Résultat de la transaction non connu.")
        return 200, self._wrap(name, {key: operation[key] for key in DETAIL if key in operation})

    def _wrap(self, name: str, fields: dict[str, str]) -> str:
        if self.namespace_of_fields:
            fields = {"idop" if key == "idOp" else key: value for key, value in fields.items()}
        inside = "".join(
            f'<{key} xmlns="{self.namespace_of_fields}">{escape(str(value))}</{key}>'
            for key, value in fields.items()
        )
        return f'<ns2:{name}Response xmlns:ns2="{NAMESPACE}"><return>{inside}</return></ns2:{name}Response>'

    def ends(self, number: str, result: str) -> None:
        """The payer has finished: P, V paid; R, Z refused; A cancelled."""
        self.operations[number] |= {
            "resultrans": result,
            "dattrans": "23112026",
            "heurtrans": "1015",
            "numauto": "112233445566-tip" if result in "PV" else "",
        }

    def forgets(self, number: str) -> None:
        del self.operations[number]
