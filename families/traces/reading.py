"""The register of reading: which member of staff read what of whom. The only writer of `Reading`."""

from allauth.account.adapter import get_adapter
from django.utils import timezone

from families.models import Child, Household, Reading
from portal.web.signed_in import SignedInRequest


def note(
    request: SignedInRequest,
    kind: Reading.Kind,
    *,
    child: Child | None = None,
    household: Household | None = None,
    what: str = "",
) -> None:
    """Adds a line: who is logged in has read `kind` of this child or household. Families are not noted."""
    if not request.user.is_staff:
        return
    Reading.objects.create(
        at=timezone.now(),
        reader=request.user,
        reader_name=request.user.get_full_name() or request.user.username,
        kind=kind,
        child=child,
        household=household,
        what=what[:200],
        page=request.path[:200],
        network_address=get_adapter().get_client_ip(request),
    )
