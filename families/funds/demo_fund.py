"""A fund for the demonstration, inside the portal: it answers as the CAF and the MSA would, of nobody real.

The name of birth says what becomes of a question, so that each answer can be seen: « Inconnu » is on no file,
« Panne » gets no answer. It never runs outside PORTAL_DEMO.
"""

from decimal import Decimal
from hashlib import sha256

from django.utils import timezone

from families.funds.api_particulier import DOWN, NO_FILE
from families.funds.interface import Found, FundDown, Identity, NotKnown
from portal.french.spelling import folded

LOWEST, SPREAD = 250, 1600


class DemoFund:
    name = "CAF et MSA (démonstration)"

    def ask(self, identity: Identity) -> Found:
        name = folded(identity.birth_name)
        if name == "inconnu":
            raise NotKnown(NO_FILE, "23003")
        if name == "panne":
            raise FundDown(DOWN, "37001")
        drawn = int.from_bytes(sha256(f"{name} {identity.birth_date}".encode()).digest()[:4])
        month = timezone.localdate().replace(day=1)
        return Found(Decimal(LOWEST + drawn % SPREAD), "MSA" if drawn % 5 == 0 else "CAF", month)
