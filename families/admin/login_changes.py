"""What the desk does to an account is noted in the security log; accounts that share a name are shown."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest, HttpResponse

from families.admin.security_log import shared_notice
from families.models import SecurityEvent, User
from families.signing_in import counters
from families.traces import security
from portal.web.posted import posted_number
from portal.web.signed_in import user_of


class NotesChanges(UserAdmin[User]):
    """Notes another address, a closed account and a new password, and by whom."""

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            security.note(SecurityEvent.Kind.ADDRESS, user=obj, by=user_of(request), request=request)
        if change and "is_active" in form.changed_data and not obj.is_active:
            security.note(SecurityEvent.Kind.CLOSED, user=obj, by=user_of(request), request=request)

    def user_change_password(self, request: HttpRequest, *args: Any, **given: Any) -> HttpResponse:
        pk = posted_number(str(given["id"])) if request.method == "POST" else None
        before = User.objects.filter(pk=pk).first()
        answer = super().user_change_password(request, *args, **given)
        if before is not None:
            user = User.objects.get(pk=before.pk)
            if user.password != before.password:
                counters.clear(user)
                security.note(SecurityEvent.Kind.PASSWORD, user=user, by=user_of(request), request=request)
        return answer

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if self.has_view_permission(request) and (notice := shared_notice()):
            self.message_user(request, notice.as_link(), messages.WARNING)
        return super().changelist_view(request, extra_context)
