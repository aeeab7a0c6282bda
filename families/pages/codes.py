"""« J'ai reçu un code »: an adult who had no login asks for one, with the letter of the town hall."""

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from families.custody import codes
from families.forms import PaperCodeForm
from families.signing_in import counters

TOO_MANY = "Trop d'essais ont échoué pour ce foyer. Patientez, puis réessayez."
LATER = "Le portail ne peut pas vérifier ce code pour le moment. Rien n'est perdu\xa0: réessayez plus tard."
ASKED = (
    "Merci, votre code est bon. Un message part à {}. L'accès s'ouvre dès qu'une personne du foyer ou un "
    "autre agent l'a confirmé\xa0: un autre message vous le dira, et vous choisirez votre mot de passe."
)


@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def use(request: HttpRequest) -> HttpResponse:
    """The same answer whether the address has an account already or not."""
    form = PaperCodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _asked(request, form):
        messages.success(request, ASKED.format(form.cleaned_data["email"]))
        return redirect("account_login")
    return render(request, "account/code.html", {"form": form})


def _asked(request: HttpRequest, form: PaperCodeForm) -> bool:
    said, at = form.cleaned_data, timezone.now()
    try:
        tried = counters.begin_code(request, said["number"], at=at)
        codes.use(said["number"], said["code"], said["email"], at=at)
    except counters.TooSoon:
        form.add_error(None, TOO_MANY)
    except counters.NotCounted:
        form.add_error(None, LATER)
    except codes.CodeRefused as refusal:
        form.add_error(None, str(refusal))
    else:
        counters.take_back(tried)
        return True
    return False
