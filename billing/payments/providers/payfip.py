"""PayFIP, the public treasury's service: the only module that knows the SOAP library `zeep`.

The description of the service (`payfip.wsdl`) is written here from the published list of its fields, so that
nothing is fetched to build a request. A notification is not signed: it only makes the portal ask, and the
answer to that question decides.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import requests
import zeep
from django.utils import timezone
from lxml import etree
from zeep.exceptions import Error, Fault
from zeep.helpers import serialize_object
from zeep.settings import Settings
from zeep.transports import Transport

from billing.invoices.contracts import Contract
from billing.payments.providers.interface import (
    TIMEOUT_SECONDS,
    Answer,
    Collected,
    Notice,
    NotificationRefused,
    OpenedPage,
    PaymentOrder,
    ProviderDown,
    ProviderOutcome,
    ProviderRefused,
    TakenBack,
)
from portal import town

WSDL = Path(__file__).with_name("payfip.wsdl")
BINDING = "{http://securite.service.tpa.cp.finances.gouv.fr/services/mas_securite/contrat_paiement_securise/PaiementSecuriseService}PaiementSecuriseServiceBinding"
# The link must be followed within a quarter of an hour; the bank's own page then has its time.
LINK_LIVES = timedelta(minutes=15)
PAGE_LIVES = timedelta(minutes=60)
NUMBER = re.compile(r"[0-9A-Za-z-]{8,64}")
OUTCOMES = {
    "P": ProviderOutcome.PAID,
    "V": ProviderOutcome.PAID,
    "R": ProviderOutcome.REFUSED,
    "Z": ProviderOutcome.REFUSED,
    "A": ProviderOutcome.CANCELLED,
}
LONGEST_MAIL = 80
NO_REFUNDS = "PayFIP ne rembourse pas en ligne : remboursez par virement, puis notez-le au guichet."
# What it answers of a payment whose end it does not know. Never received, or forgotten in the night; the
# link was not followed in time: nobody can pay there. Otherwise the page may be paid until its time is over.
UNKNOWN, TOO_LATE = "P1", "P4"
# Its refusals to open a page, by code, in words for who wants to pay.
_ILL_SET = "Le paiement en ligne est mal réglé : prévenez votre mairie"
REFUSALS = {
    "A1": "PayFIP demande un e-mail : indiquez le vôtre dans votre compte",
    "A2": "PayFIP n'accepte pas votre e-mail : corrigez-le dans votre compte",
    "D1": _ILL_SET,
    "M1": "PayFIP n'accepte pas ce montant",
    "M3": "PayFIP ne prend pas de paiement de moins de 1,00 €",
    "M5": "PayFIP ne prend pas de paiement si élevé : payez en deux fois",
    "N1": _ILL_SET,
    "R3": _ILL_SET,
    "S1": _ILL_SET,
    "T1": _ILL_SET,
    "T2": _ILL_SET,
    "T4": _ILL_SET,
}


def _mail(email: str) -> str:
    """PayFIP wants an address, of at most 80 signs: the town's own takes the receipt otherwise."""
    found = email if 0 < len(email) <= LONGEST_MAIL else town.current().email
    if not found:
        raise _Refusal("A1", "")
    return found


class PayFip:
    name = "payfip"
    minimum = Decimal("1.00")
    maximum = Decimal("99999.99")
    refunds_online = False

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    @cached_property
    def _service(self) -> Any:
        """Made when the first question is asked: what is knocked at the door builds no client."""
        transport = Transport(
            session=requests.Session(), timeout=TIMEOUT_SECONDS, operation_timeout=TIMEOUT_SECONDS
        )
        client = zeep.Client(
            str(WSDL), transport=transport, settings=Settings(forbid_external=True), plugins=[_FieldsByName()]
        )
        return client.create_service(BINDING, self._contract.said("PAYFIP_SERVICE_URL"))

    def open(self, order: PaymentOrder) -> OpenedPage:
        with _speaking():
            answer = self._service.creerPaiementSecurise(
                arg0={
                    "exer": str(timezone.localtime(order.started_at).year),
                    "mel": _mail(order.email),
                    "montant": str(int(order.amount * 100)),
                    "numcli": self._contract.said("PAYFIP_CLIENT"),
                    "objet": _plain(order.label),
                    "refdet": order.reference,
                    "saisie": self._contract.said("PAYFIP_MODE"),
                    "urlnotif": order.notify_url,
                    "urlredirect": order.return_url,
                }
            )
            number = answer if isinstance(answer, str) else answer.idOp
            if not NUMBER.fullmatch(number):
                raise ProviderDown("PayFIP answered no number.")
        return OpenedPage(
            number,
            f"{self._contract.said('PAYFIP_PAGE_URL')}?idop={number}",
            order.started_at + LINK_LIVES,
            {"idOp": number},
        )

    def read_notification(self, headers: Mapping[str, str], body: bytes) -> Notice | None:
        found = parse_qs(body.decode(errors="replace"), max_num_fields=20)
        numbers = found.get("idop") or found.get("idOp") or [""]
        if not NUMBER.fullmatch(numbers[0]):
            raise NotificationRefused("Aucun numéro d'opération dans la notification.")
        return Notice(None, "résultat connu", provider_reference=numbers[0], raw={"idop": numbers[0]})

    def ask(self, provider_reference: str, started_at: datetime) -> Answer:
        try:
            with _speaking():
                found = self._service.recupererDetailPaiementSecurise(arg0={"idOp": provider_reference})
        except _Refusal as refusal:
            return self._without_result(refusal, provider_reference, started_at)
        with _speaking():
            detail: dict[str, Any] = serialize_object(found, dict)
            if detail["numcli"] != self._contract.said("PAYFIP_CLIENT"):
                raise ProviderDown("PayFIP answered about another client.")
            return Answer(
                reference=detail["refdet"],
                outcome=OUTCOMES[detail["resultrans"]],
                amount=Decimal(int(detail["montant"])) / 100,
                provider_reference=detail["idOp"],
                charge_reference=detail.get("numauto") or "",
                raw=detail,
            )

    def _without_result(self, refusal: "_Refusal", number: str, started_at: datetime) -> Answer:
        """Every refusal ends by itself: at once where nobody can pay any more, else when the page is over."""
        over = refusal.code in (UNKNOWN, TOO_LATE) or timezone.now() > started_at + PAGE_LIVES
        return Answer(
            reference="",
            outcome=ProviderOutcome.CANCELLED if over else ProviderOutcome.OPEN,
            provider_reference=number,
            note=refusal.said,
            raw={"fault": refusal.code, "text": refusal.said},
        )

    def close(self, provider_reference: str, started_at: datetime) -> Answer:
        """PayFIP closes no page: it only says where the payment stands."""
        return self.ask(provider_reference, started_at)

    def refund(self, charge_reference: str, amount: Decimal, key: str) -> TakenBack:
        raise ProviderRefused(NO_REFUNDS)

    def taken_back(self, charge_reference: str) -> Answer:
        raise ProviderRefused(NO_REFUNDS)

    def collected(self, first: datetime, last: datetime) -> list[Collected] | None:
        return None


class _FieldsByName(zeep.Plugin):
    """Reads an answer by the names of its fields: examples of the service differ in their namespaces, and
    write the number of an operation « idOp » or « idop »."""

    def ingress(self, envelope: Any, http_headers: Any, operation: Any) -> tuple[Any, Any]:
        for answer in envelope.iter("{*}return"):
            for element in answer.iter("{*}*"):
                name = etree.QName(element).localname
                element.tag = "idOp" if name == "idop" else name
        return envelope, http_headers


class _Refusal(ProviderRefused):
    """A functional error of PayFIP, with its code."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        self.said = f"PayFIP répond {code} : {text}" if text else f"PayFIP répond {code}."
        words = REFUSALS.get(code)
        super().__init__(f"{words} ({code})." if words else self.said)


@contextmanager
def _speaking() -> Iterator[None]:
    """Turns faults into refusals, and everything else that fails into ProviderDown."""
    try:
        yield
    except Fault as fault:
        found = _details(fault.detail)
        if found.get("code"):
            raise _Refusal(found["code"], found.get("descriptif") or found.get("libelle") or "") from fault
        raise ProviderDown(f"PayFIP: {fault.message}") from fault
    except (
        Error,
        requests.RequestException,
        etree.LxmlError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:
        raise ProviderDown(f"PayFIP: {type(error).__name__}") from error


def _details(detail: Any) -> dict[str, str]:
    """Code and words of a functional error, whatever namespace they come in; nothing for technical ones."""
    if detail is None:
        return {}
    errors = [one for one in detail.iter() if etree.QName(one).localname == "FonctionnelleErreur"]
    return {etree.QName(one).localname: (one.text or "").strip() for error in errors for one in error}


def _plain(text: str) -> str:
    """At most 99 letters, digits and spaces: the service takes no other sign for sure."""
    return " ".join(re.sub(r"[^0-9A-Za-z ]", " ", text.replace("°", "")).split())[:99]
