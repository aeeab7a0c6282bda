"""The town hall books, cancels and changes for a family, on the families' own pages."""

import re
from datetime import date, timedelta

import pytest
import time_machine
from django.contrib.auth.models import Group, Permission
from django.urls import reverse

from families.models import Document, Guardian, Reading
from portal.reservations.acts import booking
from portal.reservations.models import Booking, Reservation, Slot
from portal.reservations.staff import giving
from tests.conftest import brother_of, logged_in
from tests.factories import InvoiceFactory, LetterFactory, UserFactory
from tests.portal.reservations.audit import THURSDAY, audit, reserve, states

TUESDAY = date(2026, 11, 10)
WHY = "La mère est hospitalisée."


@pytest.fixture
def prefix(books):
    return f"/mairie/reservations/booking/famille/{books.household.pk}/agir/"


@pytest.fixture
def planning(prefix, books, canteen):
    where = books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk
    return prefix + "cantine/planning/{}/{}/{}/".format(*where)


@pytest.fixture
def tick(agent_client, planning, canteen):
    """The agent ticks days on the family's planning and goes on; answers where « Enregistrer » is."""

    def go(*days, field="book", client=agent_client, address=planning):
        shown = client.get(address)
        version = shown.context["plan"].version
        data = {"shown": "toutes", "version": version, field: [f"{canteen.formula.pk}:{day}" for day in days]}
        answer = client.post(address, data)
        assert answer.status_code == 302, answer.content
        assert "/validation/" in answer.url, (answer.url, shown.content.decode()[:0])
        answer = client.post(answer.url)
        assert answer.url.endswith("/enregistrement/")
        return answer.url

    return go


def test_a_late_day_is_booked_with_a_reason(
    agent_client,
    tick,
    planning,
    prefix,
    books,
    books_client,
    mailoutbox,
    django_capture_on_commit_callbacks,
):
    address = tick(TUESDAY)
    assert address.startswith(prefix)
    first = agent_client.get(planning).content.decode()
    assert "Retour à la fiche du foyer" in first and "Retour à l'accueil" not in first
    page = agent_client.get(address).content.decode()
    assert f"Vous agissez pour le foyer {books.household.number}." in page
    assert "Mardi 10 novembre" in page
    refused = agent_client.post(address, {"motif_deadline": " ", "prevenir": "1"})
    assert "Indiquez pourquoi" in refused.content.decode()
    assert states(books, TUESDAY) == [None]
    with django_capture_on_commit_callbacks(execute=True):
        done = agent_client.post(address, {"motif_deadline": WHY, "prevenir": "1"})
    assert states(books, TUESDAY) == ["accepted"]
    assert agent_client.get(done.url).url == f"/mairie/families/household/{books.household.pk}/change/"
    (letter,) = mailoutbox
    assert "par la mairie" in letter.body
    assert f"Motif : Délai : {WHY}" in letter.body
    made = Reservation.objects.get()
    assert f"/reservations/{made.pk}/" in letter.body
    assert "/mairie/" not in letter.body
    own = books_client.get(reverse("reservations:detail", args=[made.pk])).content.decode()
    assert "Enregistrée par la mairie pour vous. Délai : La mère est hospitalisée." in own
    told = books_client.get(reverse("families:chronicle")).content.decode()
    assert WHY in told and "la mairie" in told


def test_the_way_back_says_where_it_leads(agent_client, planning, tick, prefix, seen):
    page = agent_client.get(planning).content.decode()
    assert "Retour à la fiche du foyer" in page and "Retour à l&#x27;accueil" not in page
    agent_client.post(tick(THURSDAY))
    made = agent_client.get(f"{prefix}reservations/{Reservation.objects.get().pk}/").content.decode()
    assert made.count("Retour à la fiche du foyer") == 2
    assert "Retour à l&#x27;accueil" in agent_client.get(f"{seen}foyer/").content.decode()


def test_no_mail_leaves_without_the_tick(agent_client, tick, mailoutbox, django_capture_on_commit_callbacks):
    address = tick(THURSDAY)
    with django_capture_on_commit_callbacks(execute=True):
        agent_client.post(address)
    assert (Booking.objects.get().state, mailoutbox) == ("accepted", [])


def test_a_full_day_is_forced_and_counted(agent_client, tick, books, waits, canteen, shut, now):
    shut(THURSDAY, 1)
    reserve(waits, canteen, THURSDAY, at=now)
    agent_client.post(tick(THURSDAY, field="wait"), {"motif_capacity": "Fratrie."})
    assert states(books, THURSDAY) == ["accepted"]
    slot = Slot.objects.get(day=THURSDAY)
    assert (slot.taken, slot.capacity, slot.forced) == (2, 1, 1)
    page = agent_client.get(reverse("admin:reservations_slot_change", args=[slot.pk])).content.decode()
    assert "2, dont 1 en plus" in page
    assert "place en plus" in page
    audit()


def test_without_a_reason_a_full_day_waits(agent_client, tick, books, waits, canteen, shut, now):
    shut(THURSDAY, 1)
    reserve(waits, canteen, THURSDAY, at=now)
    agent_client.post(tick(THURSDAY, field="wait"))
    assert states(books, THURSDAY) == ["waitlisted"]


def test_days_are_cancelled_late_with_a_reason(agent_client, tick, books, canteen, now):
    agent_client.post(tick(TUESDAY), {"motif_deadline": WHY})
    agent_client.post(tick(TUESDAY, field="cancel"), {"motif_deadline": "Enfant malade."})
    assert states(books, TUESDAY) == ["cancelled"]


def test_buttons_for_many_days_pass_over_none(agent_client, planning, canteen):
    agent_client.post(planning, {"do": "all", "shown": "toutes", "version": ""})
    days = set(Reservation.objects.get().lines.values_list("day", flat=True))
    assert days and TUESDAY not in days and min(days) >= date(2026, 11, 12)


def test_a_family_posts_no_override(books, books_client, canteen, planning):
    own = reverse("catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk])
    data = {
        "shown": "toutes",
        "version": "",
        "book": [f"{canteen.formula.pk}:{TUESDAY}"],
        "motif_deadline": WHY,
    }
    books_client.post(own, data)
    assert not Reservation.objects.exists(), "not even ticked"
    books_client.post(own, data | {"book": [f"{canteen.formula.pk}:{THURSDAY}"]})
    draft = Reservation.objects.get()
    books_client.post(
        reverse("reservations:recording", args=[draft.pk]), {"motif_deadline": WHY, "motif_capacity": WHY}
    )
    draft.refresh_from_db()
    assert (draft.state, draft.desk_reason, draft.at_desk) == ("accepted", "", False)
    assert books_client.get(planning).status_code in (302, 403)


def test_an_agent_without_the_right_ticks_no_late_day(agent, agent_client, planning, canteen):
    (role,) = agent.groups.all()
    role.permissions.remove(Permission.objects.get(codename="override_deadline_booking"))
    cells = agent_client.get(planning + "?mois=toutes").context["plan"].cells
    assert [cell.field for choice, cell in cells.items() if choice.day == TUESDAY] == [""]
    role.permissions.remove(Permission.objects.get(codename="change_booking"))
    assert agent_client.get(planning).status_code == 403


def test_drafts_of_the_desk_and_of_the_family_are_apart(books, books_client, tick, canteen, agent_client):
    own = reverse("catering:planning", args=[books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk])
    other = date(2026, 11, 26)
    books_client.post(own, {"shown": "toutes", "version": "", "book": [f"{canteen.formula.pk}:{other}"]})
    address = tick(THURSDAY)
    theirs = Reservation.objects.get(at_desk=False)
    assert list(theirs.lines.values_list("day", flat=True)) == [other]
    assert books_client.get("/").content.decode().count("Réservation à terminer") == 1
    assert books_client.get(address.partition("/agir")[2]).status_code == 404
    prefix = address.partition("reservations/")[0]
    mine = agent_client.get(f"{address.partition('/agir/')[0]}/agir/reservations/{theirs.pk}/validation/")
    assert (mine.status_code, bool(prefix)) == (404, True)


def test_rows_of_another_household_are_not_found(agent_client, prefix, waits, canteen):
    where = waits.enrolment.pk, canteen.restaurant.pk, canteen.period.pk
    assert agent_client.get(prefix + "cantine/planning/{}/{}/{}/".format(*where)).status_code == 404


def test_only_the_steps_are_there(agent_client, prefix, books):
    assert agent_client.get(f"{prefix}foyer/mes-donnees/").status_code == 302
    assert agent_client.get(f"{prefix}mairie/").status_code == 404
    assert agent_client.get(f"{prefix}nulle-part/").status_code == 404


def test_another_formula_is_taken_late(agent, agent_client, books, wednesdays, plays, now):
    who = plays(books)
    wednesday = wednesdays.slots(date(2026, 11, 18))["morning"].day
    reserve(who, wednesdays, wednesday, at=now)
    made = Booking.objects.get()
    type(wednesdays.period).objects.update(closes_at=now)
    type(wednesdays.activity).objects.filter(pk=wednesdays.activity.pk).update(service="leisure")
    address = (
        f"/mairie/reservations/booking/famille/{books.household.pk}/agir/reservations/changer/{made.pk}/"
    )
    with time_machine.travel(now + timedelta(minutes=1), tick=False):
        page = agent_client.get(address).content.decode()
        assert "À passer outre : délai" in page
        answer = agent_client.post(address, {"formule": wednesdays.morning.pk})
        assert "Indiquez pourquoi vous passez outre" in answer.content.decode()
        agent_client.post(address, {"formule": wednesdays.morning.pk, "motif_deadline": WHY})
    assert Booking.objects.live().get().formula == wednesdays.morning
    audit()


def test_a_cancelled_monday_is_given_back_at_the_desk(agent, agent_client, books, canteen, now):
    monday = date(2026, 11, 16)
    reserve(books, canteen, monday, at=now)
    made = Booking.objects.get()
    booking.cancel([made], by=agent, at=now)
    page = agent_client.get(reverse("admin:reservations_booking_change", args=[made.pk])).content.decode()
    assert "Rétablir ou accepter ce jour…" in page
    queue = reverse("admin:reservations_booking_changelist")
    data = {"action": "restore_selected", "_selected_action": [made.pk]}
    # From the booking's own page one goes on with its household, from the list with the list.
    assert 'name="seule"' in page and 'name="seule"' not in agent_client.post(queue, data).content.decode()
    data["seule"] = "1"
    asked = agent_client.post(queue, data).content.decode()
    assert "aussi un jour passé" in asked and 'name="seule"' in asked
    done = agent_client.post(queue, data | {"reason_given": "1", "ready": "Annulé par erreur.", "tell": "on"})
    assert done.url == reverse("admin:families_household_change", args=[books.household.pk])
    assert states(books, monday) == ["accepted"]
    audit()


def test_it_is_given_back_from_the_household_s_page(agent, agent_client, books, canteen, now):
    monday = date(2026, 11, 16)
    reserve(books, canteen, monday, at=now)
    made = Booking.objects.get()
    booking.cancel([made], by=agent, at=now)
    home = reverse("admin:families_household_change", args=[books.household.pk])
    way = reverse("admin:reservations_booking_restore", args=[made.pk])
    assert f'href="{way}"' in agent_client.get(home).content.decode()
    form = agent_client.get(way).content.decode()
    assert "Rétablir Lina" in form and 'name="reason_given"' in form
    assert "Indiquez le motif" in agent_client.post(way, {"reason_given": "1"}).content.decode()
    done = agent_client.post(way, {"reason_given": "1", "words": "Annulé par erreur.", "tell": "on"})
    assert (done.url, states(books, monday)) == (home, ["accepted"])
    assert agent_client.get(way).url == home, "nothing to give back any more"


def test_a_box_that_is_missing_loses_nothing_typed(agent, agent_client, books, waits, canteen, shut, now):
    monday = date(2026, 11, 16)
    reserve(books, canteen, monday, at=now)
    made = Booking.objects.get()
    booking.cancel([made], by=agent, at=now)
    reserve(waits, canteen, monday, at=now)
    shut(monday, 1)
    way = reverse("admin:reservations_booking_restore", args=[made.pk])
    said = {"reason_given": "1", "words": "Fratrie."}
    page = agent_client.post(way, said).content.decode()
    assert "Il n&#x27;y a plus de place." in page and "Fratrie." in page
    agent_client.post(way, said | {"passing_over": "capacity"})
    assert states(books, monday) == ["accepted"]
    audit()


def test_a_day_gone_by_comes_with_its_box_ticked(agent, agent_client, books, canteen, now):
    reserve(books, canteen, THURSDAY, at=now)
    made = Booking.objects.get()
    booking.cancel([made], by=agent, at=now)
    way = reverse("admin:reservations_booking_restore", args=[made.pk])
    with time_machine.travel(now + timedelta(days=14), tick=False):
        client = logged_in(agent)
        assert re.search(r'value="deadline"[^>]*checked', client.get(way).content.decode())


def test_who_follows_another_place_gives_nothing_back(agent, books, canteen, mill, now):
    reserve(books, canteen, THURSDAY, at=now)
    made = Booking.objects.get()
    booking.cancel([made], by=agent, at=now)
    some = UserFactory(is_staff=True)
    giving.give(some, Group.objects.get(name="Agent"), places=[mill.restaurant], by=None)
    way = reverse("admin:reservations_booking_restore", args=[made.pk])
    assert logged_in(some).post(way, {"reason_given": "1", "words": "x"}).status_code == 404


def test_what_is_checked_is_recorded_on_one_page(agent_client, planning, books, canteen):
    shown = agent_client.get(planning)
    ticks = {"shown": "toutes", "version": shown.context["plan"].version}
    address = agent_client.post(planning, ticks | {"book": [f"{canteen.formula.pk}:{TUESDAY}"]}).url
    page = agent_client.get(address).content.decode()
    assert "Validation du planning" in page and "la mairie vous répond" not in page
    missing = agent_client.post(address, {"enregistrer": "1", "motif_deadline": " "}).content.decode()
    assert "Indiquez pourquoi" in missing and states(books, TUESDAY) == [None]
    done = agent_client.post(address, {"enregistrer": "1", "motif_deadline": WHY})
    assert states(books, TUESDAY) == ["accepted"]
    assert agent_client.get(done.url).url == f"/mairie/families/household/{books.household.pk}/change/"


def test_a_child_is_found_by_its_name_and_booked_for_in_two_clicks(agent_client, books, prefix):
    found = agent_client.get("/mairie/reservations/booking/famille/?q=lina").content.decode()
    where = f"/mairie/reservations/booking/famille/{books.household.pk}/{books.child.pk}/"
    assert f'href="{where}"' in found
    start = f"{prefix}cantine/reservation/{books.enrolment.pk}/"
    assert agent_client.get(where).url == start, "enrolled for one thing: nothing to choose"
    page = agent_client.get(f"{where}?choisir").content.decode()
    assert f'href="/mairie/reservations/booking/famille/{books.household.pk}/voir/"' in page
    assert f'href="{start}"' in page and f'href="{start}?annulation"' in page
    assert agent_client.get(start).url.startswith(f"{prefix}cantine/planning/")


@pytest.fixture
def of_the_mill(books, mill):
    """Who follows the mill only, where the family has its second child; the first goes elsewhere."""
    brother = brother_of(books, "Noé")
    type(brother).objects.filter(pk=brother.pk).update(establishment=mill.restaurant)
    some = UserFactory(is_staff=True)
    giving.give(some, Group.objects.get(name="Agent"), places=[mill.restaurant], by=None)
    return logged_in(some), brother


def test_a_brother_or_sister_elsewhere_is_not_found(of_the_mill, books):
    client, brother = of_the_mill
    home = f"/mairie/reservations/booking/famille/{books.household.pk}/"
    assert client.get(f"{home}{brother.child_id}/?choisir").status_code == 200
    assert client.get(f"{home}{books.child.pk}/").status_code == 404


def test_nor_chosen_among_the_children_to_book_for(of_the_mill, prefix, books, agent_client):
    client, brother = of_the_mill
    page = agent_client.get(f"{prefix}cantine/reservation/").content.decode()
    assert "Lina" in page and "Noé" in page
    answer = client.get(f"{prefix}cantine/reservation/")
    assert answer.url == f"{prefix}cantine/reservation/{brother.pk}/"


# Seen as the family ---------------------------------------------------------------------------------------


@pytest.fixture
def seen(books):
    return f"/mairie/reservations/booking/famille/{books.household.pk}/voir/"


def test_the_pages_of_a_family_are_seen_and_noted(agent_client, seen, books, canteen):
    page = agent_client.get(seen)
    assert page.status_code == 200
    text = page.content.decode()
    assert f"Vous voyez les pages du foyer {books.household.number} comme Camille Roux." in text
    line = Reading.objects.get()
    assert (line.kind, line.household, line.reader_name) == ("as_family", books.household, "Dominique Agent")
    where = books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk
    assert agent_client.get(seen + "cantine/planning/{}/{}/{}/".format(*where)).status_code == 200
    assert Reading.objects.count() == 2


def test_what_leads_nowhere_cannot_be_pressed(agent_client, seen, books, canteen):
    where = books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk
    for address in ("", "cantine/planning/{}/{}/{}/".format(*where)):
        page = agent_client.get(seen + address).content.decode()
        links = {one.partition("?")[0] for one in re.findall(r'href="([^"#]*)', page) if seen in one}
        answers = [agent_client.get(one, follow=True) for one in links]
        assert [one for one in answers if "ne se montre pas ici" in one.content.decode()] == []
        assert {one.status_code for one in answers} == {200}
        assert 'aria-disabled="true"' in page or "<button disabled" in page


def test_nothing_is_written_by_looking(agent_client, seen, books, canteen):
    where = books.enrolment.pk, canteen.restaurant.pk, canteen.period.pk
    planning = seen + "cantine/planning/{}/{}/{}/".format(*where)
    answer = agent_client.post(planning, {"book": [f"{canteen.formula.pk}:{THURSDAY}"], "version": ""})
    assert (answer.status_code, Reservation.objects.exists()) == (302, False)


@pytest.mark.parametrize(
    "address", ["mon-agenda/", "mes-messages/", "foyer/mes-donnees/", "mes-connexions/", "factures/"]
)
def test_what_is_the_family_s_alone_is_not_shown(agent_client, seen, address):
    assert agent_client.get(seen + address).url == seen


def test_health_is_seen_with_its_right_and_noted(agent, agent_client, seen, books):
    for address in (f"{seen}enfants/{books.child.pk}/sante/", f"{seen}enfants/{books.child.pk}/"):
        assert agent_client.get(address).status_code == 302
    agent.user_permissions.add(Permission.objects.get(codename="view_childhealth"))
    assert agent_client.get(address).status_code == 200
    assert Reading.objects.filter(kind="health", child=books.child).count() == 1


def reads_health_at(place, agent):
    """The agent of the whole town may open health files at this place alone."""
    role = Group.objects.create(name="Santé")
    role.permissions.add(Permission.objects.get(codename="view_childhealth"))
    giving.give(agent, role, places=[place], by=None)
    return logged_in(agent)


def test_health_is_not_seen_where_its_right_does_not_reach(agent, seen, books, mill):
    elsewhere = reads_health_at(mill.restaurant, agent)
    for page in ("", "sante/"):
        assert elsewhere.get(f"{seen}enfants/{books.child.pk}/{page}").status_code == 404
    assert not Reading.objects.exists()


def test_papers_are_seen_with_the_right_in_the_whole_town_and_noted(agent, seen, books, restaurant):
    here = reads_health_at(restaurant, agent)
    assert here.get(f"{seen}enfants/{books.child.pk}/").status_code == 200
    assert here.get(f"{seen}mes-papiers/").url == seen, "papers are not of one child alone"
    agent.user_permissions.add(Permission.objects.get(codename="view_childhealth"))
    assert here.get(f"{seen}mes-papiers/").status_code == 200
    assert Reading.objects.filter(kind="health", child=books.child).count() == 2


@pytest.fixture
def owing(books):
    """The family owes an invoice, was written a letter and has sent a proof."""
    LetterFactory(guardian=books.household.guardians.get(), subject="Votre code secret")
    Document.objects.create(household=books.household, name="allergie.pdf", content_type="application/pdf")
    return InvoiceFactory(household=books.household)


AT_HOME = ("Mes Factures &amp; Paiements", "à payer")
TOLD = ("Facture d&#x27;octobre", "Factures et règlements</option>")
LETTERS = ("Votre code secret", "Messages</option>")


def test_who_sees_as_a_family_reads_neither_letters_nor_money_nor_proofs(agent_client, seen, owing):
    history = f"{seen}mon-historique/"
    for address in (seen, history, f"{history}?nature=messages", f"{history}?nature=factures"):
        page = agent_client.get(address).content.decode()
        assert [word for word in (*AT_HOME, *TOLD, *LETTERS) if word in page] == []
    assert "allergie.pdf" not in agent_client.get(f"{seen}foyer/").content.decode()


def test_with_the_right_on_invoices_money_is_seen_and_letters_still_are_not(agent, seen, owing):
    giving.give(agent, Group.objects.get(name="Régie"), by=None)
    both = logged_in(agent)
    page = both.get(seen).content.decode()
    assert all(word in page for word in AT_HOME)
    told = both.get(f"{seen}mon-historique/").content.decode()
    assert [word for word in (*TOLD, *LETTERS) if word in told] == [*TOLD]


def test_a_family_itself_sees_all_of_it(books_client, owing):
    page = books_client.get("/").content.decode()
    assert all(word in page for word in AT_HOME)
    told = books_client.get("/mon-historique/").content.decode()
    assert all(word in told for word in (*TOLD, *LETTERS))
    assert "allergie.pdf" in books_client.get("/foyer/").content.decode()


def test_the_other_household_of_the_same_adult_is_not_seen(agent_client, seen, books, waits, asks):
    Guardian.objects.create(household=waits.household, user=books.user, first_name="C", last_name="R")
    other = asks(waits, THURSDAY)
    assert agent_client.get(f"{seen}reservations/{other.pk}/").status_code == 404


def test_an_agent_of_one_place_sees_no_family_s_pages(books, seen, restaurant, agent):
    some = UserFactory(is_staff=True)
    giving.give(some, Group.objects.get(name="Agent"), places=[restaurant], by=None)
    assert logged_in(some).get(seen).status_code == 403


def test_who_may_not_see_as_a_family_does_not(regie_client, seen):
    assert regie_client.get(seen).status_code == 403
