"""« Récupérer mon quotient familial auprès de la CAF ou de la MSA »: an adult's consent, given and ended."""

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from families import which_home
from families.funds import choosing, consents, rounds
from families.funds.forms import IdentityForm
from families.models import Guardian, QuotientAnswer, QuotientConsent
from portal.web.interrupted import keeps_interrupted_form, posted
from portal.web.signed_in import SignedInRequest

ASKED = (
    "Votre accord est enregistré, et la question est posée à la CAF et à la MSA. La mairie vérifie la "
    "réponse avant qu'elle compte pour vos tarifs."
)
AGREED_ONLY = "Votre accord est enregistré."
AGAIN = "La question est posée de nouveau à la CAF et à la MSA."
ENDED = "Votre accord est arrêté, et votre état civil est effacé. Vos quotients déjà enregistrés restent."
NOTHING_TO_END = "Cet accord était déjà arrêté."


@sensitive_post_parameters()
@keeps_interrupted_form
@require_http_methods(["GET", "HEAD", "POST"])
def quotient_from_fund(request: SignedInRequest) -> HttpResponse:
    """The form, or what stands: since when, what came of it, how to end it."""
    guardian = _guardian(request)
    consent = QuotientConsent.objects.standing().filter(guardian=guardian).first()
    form = IdentityForm(posted(request), guardian=guardian)
    if request.method == "POST" and consent is None and form.is_valid():
        return _agree(request, guardian, form)
    own = which_home.household(request)
    answer = rounds.last_of(own) if consent is not None else None
    context = {
        "form": form,
        "consent": consent,
        "answer": answer,
        "asking": answer is not None and answer.state == QuotientAnswer.State.WAITS,
        "household": own,
        "words": consents.WORDS,
    }
    return render(request, "families/quotient_from_fund.html", context)


@require_POST
def ask_fund_again(request: SignedInRequest) -> HttpResponse:
    """Another question, with the identity that stands."""
    consent = QuotientConsent.objects.standing().filter(guardian=_guardian(request)).first()
    if consent is None:
        return redirect("families:quotient_from_fund")
    at = timezone.now()
    try:
        with transaction.atomic():
            asked = rounds.begin_for_family(consent, by=request.user, at=at)
            rounds.hand_to_worker(asked, at=at)
    except rounds.RoundRefused as refusal:
        messages.warning(request, str(refusal))
    else:
        messages.success(request, AGAIN)
    return redirect("families:quotient_from_fund")


@require_POST
def end_fund_consent(request: SignedInRequest) -> HttpResponse:
    guardian = which_home.guardian(request)
    consent = QuotientConsent.objects.standing().filter(guardian=guardian).first()
    if consent is not None and consents.end(consent, by=request.user, at=timezone.now()):
        messages.success(request, ENDED)
    else:
        messages.info(request, NOTHING_TO_END)
    return redirect("families:household")


def _guardian(request: SignedInRequest) -> Guardian:
    """Whose page it is; 404 where the town asks nobody."""
    if not choosing.offered():
        raise Http404
    return which_home.guardian(request)


def _agree(request: SignedInRequest, guardian: Guardian, form: IdentityForm) -> HttpResponse:
    at = timezone.now()
    with transaction.atomic():
        consent = consents.give(guardian, form.identity, by=request.user, at=at)
        said = AGREED_ONLY
        if guardian.household.is_accepted:
            try:
                with transaction.atomic():
                    asked = rounds.begin_for_family(consent, by=request.user, at=at)
                    rounds.hand_to_worker(asked, at=at)
                said = ASKED
            except rounds.RoundRefused:
                pass
    messages.success(request, said)
    return redirect("families:quotient_from_fund")
