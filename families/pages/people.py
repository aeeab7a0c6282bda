"""« Mes Informations » and « Mes Enfants »."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.forms.models import model_to_dict
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from families import as_family, child_facts, child_files, documents, emails, quotients, which_home
from families.as_family import Part
from families.custody import homes
from families.forms import (
    AddressForm,
    AddressRequestForm,
    AuthorisationsForm,
    AuthorisedPersonForm,
    HealthForm,
    PhonesForm,
    ProofForm,
    QuotientRequestForm,
    SendAgainForm,
)
from families.funds import choosing
from families.models import (
    AlreadyAnswered,
    AuthorisedPerson,
    ChangeRequest,
    Child,
    ChildHealth,
    Custody,
    DietChoice,
    Document,
    Guardian,
    Household,
    Reading,
    User,
)
from families.models.asked_papers import HEALTH_RIGHT, JUSTICE_RIGHT, ORDINARY_RIGHT
from families.papers import asking
from families.threads.writing import OPENS as THREAD_RIGHT
from families.traces import changes, reading
from families.visibility import holds
from portal import town
from portal.database.encrypted import Unreadable
from portal.files import uploads
from portal.french.elision import of
from portal.web.bodies import takes_files
from portal.web.interrupted import keeps_interrupted_form, posted
from portal.web.posted import posted_number
from portal.web.signed_in import SignedInRequest

# What the register says was read, by the right that opened it; else a doctor's certificate.
READ_AS = {
    ORDINARY_RIGHT: Reading.Kind.PROOF,
    HEALTH_RIGHT: Reading.Kind.HEALTH_PAPER,
    JUSTICE_RIGHT: Reading.Kind.JUSTICE_PAPER,
    THREAD_RIGHT: Reading.Kind.MESSAGE,
}
WAITING = "Votre demande est envoyée à la mairie. Vous recevrez un message dès qu'elle sera traitée."
SENT_AGAIN = "Votre demande est renvoyée. La mairie la vérifie et vous répond par e-mail."
ALREADY_WAITING = "Une demande de ce type est déjà en attente de traitement. La mairie va y répondre."


@require_POST
def choose_household(request: SignedInRequest) -> HttpResponse:
    """« Passer au foyer n° … », for who belongs to several."""
    if not which_home.show(request, posted_number(request.POST.get("vers", ""))):
        raise Http404
    return redirect("home")


def household_context(household: Household, today: date) -> dict[str, Any]:
    """What `families/_informations.html` and `families/_children.html` show, in four queries."""
    return {
        "household": household,
        "today": today,
        "guardians": list(household.guardians.select_related("user")),
        "children": homes.children(household, today),
        "quotient": household.quotient_on(today),
        "waiting_changes": list(household.change_requests.filter(state=ChangeRequest.State.REQUESTED)),
    }


@require_GET
def household(request: SignedInRequest) -> HttpResponse:
    """« Mes Informations »: everything the town hall knows of the household."""
    own = which_home.household(request)
    shows_papers = Part.PAPERS in as_family.shown_to(request)
    context = household_context(own, timezone.localdate()) | {
        "quotients": own.quotients.all()[:5],
        "answered_changes": own.change_requests.exclude(state=ChangeRequest.State.REQUESTED)[:5],
        "documents": own.documents.all()[:20] if shows_papers else [],
        "invitations": [],
        "papers": asking.of_home(own, timezone.localdate()) if shows_papers else [],
        "now": timezone.now(),
        "asks_funds": choosing.offered(),
    }
    if any(one.user_id is None for one in context["guardians"]):
        invited = own.access_openings.waiting().filter(expires_at__isnull=False)
        context["invitations"] = invited.select_related("guardian")
    context["awaited"] = {one.child_id for one in context["waiting_changes"]}
    return render(request, "families/household.html", context)


@keeps_interrupted_form
def send_again(request: SignedInRequest) -> HttpResponse:
    """« Corriger et renvoyer » a request for an account that the town hall refused."""
    guardian, own = which_home.guardian(request), which_home.household(request)
    if not own.is_refused:
        messages.info(request, "Votre demande n'est plus refusée : rien n'est à renvoyer.")
        return redirect("home")
    children = homes.children(own, timezone.localdate())
    elsewhere = set(
        Custody.objects.filter(child__in=children).exclude(household=own).values_list("child_id", flat=True)
    )
    alone = [child for child in children if child.pk not in elsewhere]
    form = SendAgainForm(posted(request), guardian=guardian, children=alone, shares=bool(elsewhere))
    if request.method == "POST" and form.is_valid():
        try:
            form.save(by=request.user, at=timezone.now())
        except AlreadyAnswered as answered:
            messages.info(request, str(answered))
        else:
            messages.success(request, SENT_AGAIN)
        return redirect("home")
    return render(request, "families/send_again.html", {"form": form, "household": own})


@keeps_interrupted_form
def phones(request: SignedInRequest) -> HttpResponse:
    """The phones of the guardian who is logged in."""
    guardian = which_home.guardian(request)
    form = PhonesForm(posted(request), instance=guardian)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Vos numéros de téléphone sont enregistrés.")
        return redirect("families:household")
    return render(request, "families/phones.html", {"form": form})


@takes_files
@keeps_interrupted_form
def address(request: SignedInRequest) -> HttpResponse:
    """The address: changed at once, or by request with a proof, as the town has set."""
    own = which_home.household(request)
    if not town.current().address_changes_at_once:
        return _change_request(
            request, own, ChangeRequest.Kind.ADDRESS, AddressRequestForm, "families/address.html"
        )
    form = AddressForm(posted(request), instance=own)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "Votre nouvelle adresse est enregistrée.")
        return redirect("families:household")
    return render(request, "families/address.html", {"form": form, "at_once": True, "waiting": None})


@takes_files
@keeps_interrupted_form
def quotient(request: SignedInRequest) -> HttpResponse:
    """A new quotient familial, always by request with its proof."""
    own = which_home.household(request)
    return _change_request(
        request, own, ChangeRequest.Kind.QUOTIENT, QuotientRequestForm, "families/quotient.html"
    )


def _change_request(
    request: SignedInRequest, own: Household, kind: str, form_class: type[ProofForm], template: str
) -> HttpResponse:
    waiting = own.change_requests.filter(kind=kind, state=ChangeRequest.State.REQUESTED).first()
    asked = ChangeRequest(household=own, kind=kind, requested_by=request.user)
    form = form_class(posted(request), request.FILES or None, instance=asked)
    if request.method == "POST" and waiting:
        messages.info(request, ALREADY_WAITING)
        return redirect("families:household")
    if request.method == "POST" and form.is_valid():
        if _send_request(form, own, request.user):
            messages.success(request, WAITING)
        else:
            messages.info(request, ALREADY_WAITING)
        return redirect("families:household")
    promise = quotients.promise() if kind == ChangeRequest.Kind.QUOTIENT else ""
    context = {"form": form, "at_once": False, "waiting": waiting, "promise": promise}
    context["asks_funds"] = kind == ChangeRequest.Kind.QUOTIENT and choosing.offered()
    return render(request, template, context)


def _send_request(form: ProofForm, own: Household, user: User) -> bool:
    """Keeps the proof and the request together; False when the other guardian was quicker."""
    file = form.cleaned_data["file"]
    with transaction.atomic():
        Household.objects.lock([own.pk])
        if own.change_requests.filter(kind=form.instance.kind, state=ChangeRequest.State.REQUESTED).exists():
            return False
        form.instance.proof = documents.keep(own, file, form.content_type, by=user)
        change = form.save()
        emails.change_requested(change)
    return True


@require_GET
def document(request: SignedInRequest, document_id: int) -> FileResponse:
    """A private file: for its household, and for staff who have the right it asks for."""
    visible = Document.objects.visible_to(request.user) | Document.objects.open_to_staff(request.user)
    found = get_object_or_404(visible.distinct(), pk=document_id)
    if request.user.is_staff and not Document.objects.visible_to(request.user).filter(pk=found.pk).exists():
        # A paper of one's own household is opened as its parent.
        kind = READ_AS.get(found.right, Reading.Kind.CERTIFICATE)
        what = f"{kind.label} n°\xa0{found.pk}"
        reading.note(request, kind, household=found.household, what=what)
    return uploads.response(found.file.open("rb"), name=found.name, content_type=found.content_type)


# Children -------------------------------------------------------------------------------------------


def _own_child(request: SignedInRequest, child_id: int) -> Child:
    return which_home.row(request, Child.objects.visible_to(request.user), pk=child_id)


@require_GET
def child(request: SignedInRequest, child_id: int) -> HttpResponse:
    """A child's file."""
    own = _own_child(request, child_id)
    at = timezone.now()
    today = timezone.localdate(at)
    guardians = list(
        Guardian.objects.filter(
            holds(today, "household__custodies"), household__custodies__child=own
        ).order_by("household_id", "pk")
    )
    own_home = which_home.household(request).pk
    found = changes.of(
        own,
        reader=request.user,
        own_home=own_home,
        adults=guardians,
        at=at,
    )
    context = {
        "child": own,
        "age": own.age_on(today),
        "facts": child_facts.of(own),
        "papers": [one for one in asking.of_home(which_home.household(request), today) if one.child == own],
        "diet": DietChoice.objects.select_related("diet").filter(child=own).first(),
        "health": ChildHealth.objects.filter(child=own).first(),
        "people": [(one, found.people.get(one.pk, [])) for one in own.authorised_people.all()],
        "guardians": guardians,
        "several_homes": len({one.household_id for one in guardians} | {own_home}) > 1,
        "own_household_id": own_home,
        "changes": found,
    }
    return render(request, "families/child.html", context)


@sensitive_post_parameters()
@keeps_interrupted_form
def health(request: SignedInRequest, child_id: int) -> HttpResponse:
    """Health notes: for the child's guardians only on this side of the portal."""
    own = _own_child(request, child_id)
    notes = ChildHealth.objects.filter(child=own).first() or _with_siblings_doctor(own, request)
    taken_over = notes.pk is None and bool(notes.doctor)
    form = HealthForm(posted(request), instance=notes)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            news = [child_files.health_changed(own)] if form.has_changed() or taken_over else []
            child_files.tell(own, news, by=which_home.household(request))
        messages.success(request, f"La fiche sanitaire {of(own.first_name)} est enregistrée.")
        return redirect("families:child", own.pk)
    return render(request, "families/health.html", {"form": form, "child": own})


def _siblings(own: Child, request: SignedInRequest) -> list[Child]:
    """The other children of the reader's home: what was said for one is not asked again for the next."""
    return [one for one in homes.children(which_home.household(request), timezone.localdate()) if one != own]


def _with_siblings_doctor(own: Child, request: SignedInRequest) -> ChildHealth:
    """A file not written yet, with the doctor named last for a brother or sister, where that can be read."""
    notes = ChildHealth(child=own)
    for one in ChildHealth.objects.filter(child__in=_siblings(own, request)).order_by("-updated_at"):
        if (
            one.doctor
            and not isinstance(one.doctor, Unreadable)
            and not isinstance(one.doctor_phone, Unreadable)
        ):
            notes.doctor, notes.doctor_phone = one.doctor, one.doctor_phone
            break
    return notes


@keeps_interrupted_form
def authorisations(request: SignedInRequest, child_id: int) -> HttpResponse:
    own = _own_child(request, child_id)
    form = AuthorisationsForm(posted(request), instance=own)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, f"Les autorisations {of(own.first_name)} sont enregistrées.")
        return redirect("families:child", own.pk)
    return render(request, "families/authorisations.html", {"form": form, "child": own})


@keeps_interrupted_form
def add_person(request: SignedInRequest, child_id: int) -> HttpResponse:
    own = _own_child(request, child_id)
    known = _known_people(own, request)
    asked = posted_number(request.GET.get("comme", ""))
    taken = next((person for person in known if person.pk == asked), None)
    initial = model_to_dict(taken, AuthorisedPersonForm.Meta.fields) if taken else {}
    form = AuthorisedPersonForm(posted(request), initial=initial)
    if request.method == "POST" and form.is_valid():
        person = child_files.authorise(own, form.cleaned_data, by=which_home.household(request))
        messages.success(request, f"{person} peut maintenant venir chercher {own.first_name}.")
        return redirect("families:child", own.pk)
    context = {"form": form, "child": own, "person": None, "known": known}
    return render(request, "families/person.html", context)


def _known_people(own: Child, request: SignedInRequest) -> list[AuthorisedPerson]:
    """Who may collect a brother or sister and not the child itself, each once, in order of names."""
    rows = AuthorisedPerson.objects.filter(child__in=_siblings(own, request)).select_related("child")
    there = {(one.name, one.phone) for one in own.authorised_people.all()}
    found = {(one.name, one.phone): one for one in rows.order_by("-pk")}
    return sorted((one for key, one in found.items() if key not in there), key=lambda one: one.name)


@keeps_interrupted_form
def change_person(request: SignedInRequest, child_id: int, person_id: int) -> HttpResponse:
    own = _own_child(request, child_id)
    person = get_object_or_404(own.authorised_people, pk=person_id)
    form = AuthorisedPersonForm(posted(request), instance=person)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            news = [child_files.changed(person)] if form.has_changed() else []
            child_files.tell(own, news, by=which_home.household(request))
        messages.success(request, f"Les coordonnées de {person} sont enregistrées.")
        return redirect("families:child", own.pk)
    return render(request, "families/person.html", {"form": form, "child": own, "person": person})


def remove_person(request: SignedInRequest, child_id: int, person_id: int) -> HttpResponse:
    own = _own_child(request, child_id)
    person = get_object_or_404(own.authorised_people, pk=person_id)
    if request.method == "POST":
        child_files.withdraw(person, by=which_home.household(request))
        messages.success(request, f"{person} ne peut plus venir chercher {own.first_name}.")
        return redirect("families:child", own.pk)
    return render(request, "families/remove_person.html", {"child": own, "person": person})
