"""« Fin de fonctions »: a member of staff leaves. Access, rights, factors and sessions end at once.

Nothing has to be handed over: what waits at the desk waits in queues, of which no row is anybody's own, and
what was decided keeps the name of who decided it. Who is a guardian too keeps the family's account.
"""

from django.db import transaction
from django.http import HttpRequest

from families.models import Guardian, SecurityEvent, User
from families.signing_in import factors, sessions
from families.traces import security
from portal.desk import rights
from portal.letters import mailing


def end_functions(user: User, *, reason: str, by: User, request: HttpRequest | None = None) -> User:
    """Takes the town hall's rights from a login, and the login too where it is no family's."""
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        is_family = Guardian.objects.filter(user=user).exists()
        user.is_staff = user.is_superuser = False
        user.is_active = is_family
        user.save(update_fields=["is_staff", "is_superuser", "is_active"])
        rights.take_all_roles(user, by=by, request=request)
        factors.remove_all(user)
        sessions.end_all(user)
        security.note(
            SecurityEvent.Kind.RIGHTS,
            user=user,
            by=by,
            request=request,
            detail=f"fin de fonctions : {reason}",
        )
        context = {"name": user.first_name, "is_family": is_family}
        mailing.post("account/functions_ended", [user.email], context)
    return user
