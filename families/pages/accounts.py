"""What allauth's own views lack: rows of children in the creation form, the link that opens an account of the
town hall, logging out everywhere."""

from typing import Any

from allauth.account import views as allauth_views
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.db import IntegrityError
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from families import recovery
from families.forms import CHILDREN_PREFIX, MOST_CHILDREN, NewChildForm, NewChildren, SignupForm
from families.models import User
from families.signing_in import first_address, inviting
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

SECRET_FIELDS = ("password1", "password2", "csrfmiddlewaretoken")


@method_decorator(sensitive_post_parameters("password1", "password2"), name="dispatch")
class CreateAccountView(allauth_views.SignupView):
    """« Créer un compte famille »."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "add_child" in request.POST:
            return self.with_one_more_child(request)
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: SignupForm) -> HttpResponse:
        """As allauth does; of the same form sent twice at once, the second finds the account made."""
        try:
            return self._made_or_not(form)
        except IntegrityError:  # nothing is left of what was written
            given = form.cleaned_data
            if User.objects.filter(username=given["username"], email=given["email"]).exists():
                return redirect("account_email_verification_sent")
            form.full_clean()
            return self._made_or_not(form) if form.is_valid() else self.form_invalid(form)

    def _made_or_not(self, form: SignupForm) -> HttpResponse:
        response = super().form_valid(form)
        if form.account_already_exists:
            first_address.wait_as_if(self.request, form, at=timezone.now())
        return response

    def with_one_more_child(self, request: HttpRequest) -> HttpResponse:
        """The form as typed so far, unjudged, with one more row (what the page does without a script)."""
        typed = {key: str(value) for key, value in request.POST.items() if key not in SECRET_FIELDS}
        total = posted_number(typed.get(f"{CHILDREN_PREFIX}-TOTAL_FORMS", ""))
        shown = 1 if total is None else min(total, MOST_CHILDREN)
        rows = [
            {name: typed.get(f"{CHILDREN_PREFIX}-{row}-{name}", "") for name in NewChildForm.base_fields}
            for row in range(shown)
        ]
        if shown == MOST_CHILDREN:
            messages.info(request, f"Le formulaire accueille {MOST_CHILDREN} enfants au plus.")
        else:
            rows.append({})
        children = NewChildren(initial=rows, prefix=CHILDREN_PREFIX)
        children.extra, children.min_num = len(rows), 0
        form = self.get_form_class()(initial=typed, children=children)
        return self.render_to_response(self.get_context_data(form=form, just_added=True))


create_account = CreateAccountView.as_view()


@login_not_required
@never_cache
@require_safe
def staff_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Leads who was invited to the town hall to where the first password is chosen. Following it changes
    nothing: programs that follow links may."""
    user = inviting.find(token, at=timezone.now())
    if user is None:
        return render(request, "families/invitation_over.html", status=404)
    return redirect(recovery.reset_path(user))


def log_out_everywhere(request: SignedInRequest) -> HttpResponse:
    """« Se déconnecter partout »: ends every session of this account, this one too."""
    if request.method != "POST":
        return render(request, "account/log_out_everywhere.html")
    User.objects.filter(pk=request.user.pk).update(session_generation=F("session_generation") + 1)
    logout(request)
    messages.success(request, "Vous êtes déconnecté(e) de tous vos appareils.")
    return redirect("account_login")
