"""Every address of the desk, asked for and posted to by everybody: parents and visitors, staff without a
role, each role in the whole town, at a place of its own and at another one. Who may what is derived from
rights; others are refused. The gate asks for what a role at a place may ask for; the long test for all.

The addresses come from the registry and the desk's own patterns: a page without its rights here is an error.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpResponseForbidden, HttpResponseNotFound
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import resolve, reverse

from billing.admin.reminders import stamp_of
from billing.reminders import reminding
from families import groups
from families.models import QuotientConsent, User
from portal import town, urls
from portal.database import kept
from portal.desk import rights
from portal.desk.site import PortalAdminSite
from portal.reservations.models import Attendance, Booking, Establishment
from portal.reservations.staff import giving, limits
from portal.reservations.staff.rights import counts_at_places
from tests.billing.conftest import keep_apart
from tests.browser.test_desk_accessibility import class_of_year, first_row, furnished
from tests.conftest import NOW, logged_in
from tests.factories import InvoiceFactory, UserFactory
from tests.portal.desk.costs import too_dear

pytestmark = [pytest.mark.django_db, pytest.mark.once]

# Rights that a page of its own asks for; after « | », those that posting to it asks for besides.
OWN_PAGES = {
    "auth_user_password_change": "families.change_user",
    "billing_absencepolicy_preview": "billing.change_absencepolicy",
    "billing_adultprice_preview": "billing.change_adultprice",
    "billing_refundrule_preview": "billing.change_refundrule",
    "billing_ticketcard_preview": "billing.change_ticketcard",
    "billing_billingsettings_preview": "billing.change_billingsettings",
    "billing_billingrun_bill": "billing.add_billingrun",
    "billing_billingrun_bill_one": "billing.add_billingrun",
    "billing_billingrun_go_on": "billing.add_billingrun",
    "billing_cashcount_count": "billing.add_cashcount",
    "billing_debit_download": "billing.view_debitfile families.export_household",
    "billing_arrearsdecision_decide": "billing.add_arrearsdecision",
    "billing_arrearsdecision_find": "billing.add_arrearsdecision",
    "billing_arrearsdecision_take_back": "billing.change_arrearsdecision",
    "reservations_oversightdecision_decide": "reservations.add_oversightdecision",
    "reservations_oversightdecision_find": "reservations.add_oversightdecision",
    "reservations_oversightdecision_take_back": "reservations.change_oversightdecision",
    "billing_latecollectionrule_preview": "billing.change_latecollectionrule",
    "billing_latecollection_note": "billing.add_latecollection or billing.change_latecollection",
    "billing_debit_make": "billing.add_debitfile",
    "billing_debit_read": "billing.change_debit",
    "billing_debit_return": "billing.change_debit",
    "billing_diner_days": "billing.change_diner",
    "billing_creditnote_pdf": "billing.view_creditnote",
    "billing_depositslip_cancel": "billing.change_depositslip",
    "billing_depositslip_make": "billing.add_depositslip",
    "billing_depositslip_pdf": "billing.view_depositslip families.export_household",
    "billing_depositslip_waiting": "billing.add_depositslip",
    "billing_fee_preview": "billing.change_fee",
    "billing_householdfee_ask_again": "billing.waive_householdfee",
    "billing_householdfee_waive": "billing.waive_householdfee",
    "billing_invoice_credit": "billing.add_creditnote",
    "billing_invoice_write_off": "billing.add_writeoff",
    "billing_invoice_in_parts": "billing.add_instalmentplan",
    "billing_invoice_letters": "billing.add_invoicenotice families.export_household",
    "billing_invoice_pdf": "billing.view_invoice",
    "billing_invoice_print_letters": "billing.add_invoicenotice",
    "billing_invoice_remind": "billing.add_invoicenotice",
    "billing_invoice_sending": "billing.add_invoicenotice",
    "billing_online_refund": "billing.change_onlinepayment billing.add_payment",
    "billing_online_statement": "billing.view_onlinepayment",
    "billing_payment_bookkeeping": "billing.view_journalaccounts",
    "billing_payment_cash_book": "billing.view_payment",
    "billing_payment_chart": "billing.view_journalaccounts",
    "billing_payment_close": "billing.add_bookclosing",
    "billing_payment_receipt": "billing.view_payment",
    "billing_payment_receipt_pdf": "billing.view_payment",
    "billing_payment_refund": "billing.change_payment",
    "billing_payment_account": "billing.view_payment",
    "billing_payment_accounts": "billing.view_payment",
    "billing_payment_carried": "billing.view_payment",
    "billing_payment_drop": "billing.add_writeoff",
    "billing_payment_give_back": "billing.add_creditnote",
    "billing_payment_opening_balances": "billing.view_openingbalance",
    "billing_payment_move": "billing.change_payment",
    "billing_payment_move_to": "billing.change_payment",
    "billing_payment_reallocate": "billing.change_payment",
    "billing_payment_reverse": "billing.change_payment",
    "billing_payment_take": "billing.add_payment",
    "billing_payment_take_from": "billing.add_payment",
    "billing_payment_tax_certificate": "billing.view_payment",
    "billing_payment_tax_certificates": "billing.view_payment",
    "billing_payment_tax_zip": "billing.view_payment families.export_household",
    "billing_payment_transfer": "billing.change_payment",
    "billing_payment_undo_refund": "billing.change_payment",
    "billing_payment_use": "billing.change_payment",
    "billing_payment_waiting": "billing.view_payment",
    "billing_recalculation_ask": "billing.add_recalculation",
    "billing_recalculation_confirm": "billing.add_recalculation",
    "billing_recalculation_go_on": "billing.add_recalculation",
    "billing_tariff_copy": "billing.add_tariff",
    "billing_tariff_preview": "billing.change_tariff",
    "billing_tariff_simulator": "billing.view_tariff",
    "billing_transfer_cancel": "billing.change_transferrefund",
    "billing_transfer_download": "billing.view_transferfile families.export_household",
    "billing_transfer_make": "billing.add_transferfile",
    "billing_transfer_refused": "billing.change_transferrefund",
    "catering_kitchen": "families.view_dietchoice",
    "catering_menu_import": "catering.add_menu catering.change_menu",
    "catering_menu_template": "catering.add_menu",
    # For who may answer requests of one kind at least.
    "desk_queue": (
        "families.change_household or families.change_changerequest or reservations.change_enrolment or "
        "reservations.change_reservationline or reservations.change_absencecertificate or "
        "families.change_paper or families.change_thread"
    ),
    "families_askedtext_preview": "families.change_askedtext",
    "families_custody_end": "families.change_custody",
    "families_custodycalendar_write": "families.change_custodycalendar",
    "families_dataexport_download": "families.view_household families.add_dataexport",
    "families_dataexport_household": "families.view_household families.add_dataexport",
    "families_disposal_slip": "families.change_disposallist",
    "families_erasure_certificate": "families.view_erasure",
    "families_erasure_child": ("families.view_household families.view_erasurerequest | families.add_erasure"),
    # Of a household that asked for it itself; any other one is for who may see it.
    "families_erasure_household": "families.view_erasurerequest | families.add_erasure",
    # One's own places' messages; what has left is followed by who may write.
    "families_familymessage_attached": "families.view_familymessage or families.change_familymessage",
    "families_familymessage_check": "families.add_familymessage",
    "families_familymessage_draw": "families.add_familymessage",
    "families_familymessage_letters": "families.add_familymessage",
    "families_familymessage_resume": "families.add_familymessage",
    "families_familymessage_send": "families.add_familymessage",
    "families_familymessage_stop": "families.add_familymessage",
    "families_familymessage_test": "families.add_familymessage",
    "families_fileimport_columns": "families.add_fileimport",
    "families_fileimport_decide": "families.add_fileimport",
    "families_fileimport_drop": "families.add_fileimport",
    "families_fileimport_run": "families.add_fileimport",
    "families_fileimport_sample": "families.add_fileimport",
    "families_fileimport_undo": "families.add_fileimport",
    "families_homechange_join": "families.change_household families.add_homechange",
    "families_homechange_part": ("families.change_household families.add_homechange families.change_custody"),
    "families_household_join": "families.change_household",
    "families_householdnote_alter": "families.change_householdnote",
    "families_householdnote_see": "families.view_householdnote or families.change_householdnote",
    "families_householdnote_withdraw": "families.change_householdnote",
    "families_householdnote_write": "families.add_householdnote",
    # For who lives there: refused to everybody else, whatever the rights.
    "families_owndecision_declare": "families.view_owndecision",
    "families_household_code": "families.change_guardian",
    "families_paperkind_preview": "families.change_paperkind",
    "families_paperletter_one": "families.view_paperletter",
    "families_paper_find": "families.add_paper",
    "families_paper_missing": "families.view_paper",
    "families_paper_note": "families.add_paper",
    "families_textanswer_note": "families.add_textanswer",
    "reservations_activity_preview": "reservations.change_activity",
    "reservations_activitydeadline_preview": "reservations.change_activitydeadline",
    "reservations_activity_try_paper": "reservations.change_activitypaper families.view_paper",
    "families_processingtexts_register": "families.view_processingtexts",
    "families_staffmember_matrix": "families.view_staffmember",
    "families_thread_hand": "families.change_thread",
    # As a message to many, and as the code of one household.
    "families_invitationlot_letters": (
        "families.add_invitationlot families.add_familymessage families.change_guardian"
    ),
    "families_invitationlot_new": (
        "families.add_invitationlot families.add_familymessage families.change_guardian"
    ),
    "families_quotientround_ask": "families.add_quotientround",
    "families_quotientround_end": "families.add_quotientround",
    "families_quotientround_keep": "families.change_familyquotient",
    "families_quotientround_one": "families.add_quotientround",
    "families_quotientround_paper": "families.add_quotientround",
    "families_quotientround_to_sign": "families.add_quotientround",
    "families_shared_names": "families.view_securityevent",
    # As of every establishment: its slots and what families booked would go with it.
    "leisure_activitycriterion_preview": "leisure.change_activitycriterion",
    "leisure_centre_delete": "reservations.delete_establishment",
    "leisure_open_period": "reservations.add_period reservations.change_period reservations.add_slot",
    "leisure_register": "leisure.view_centre",
    "leisure_requests": "reservations.view_reservationline | reservations.change_reservationline",
    "portal_town_close": "portal.open_public_town",
    "portal_town_first_steps": "portal.change_town",
    "portal_town_line": "portal.open_line_town",
    "portal_town_open": "portal.open_public_town",
    "portal_town_start": "portal.change_town",
    "reservations_absencecertificate_take": "reservations.add_absencecertificate",
    "reservations_absencecertificate_take_from": "reservations.add_absencecertificate",
    "reservations_attendance_list": (
        "reservations.view_attendance | reservations.add_attendance reservations.change_attendance"
    ),
    "reservations_booking_act": "reservations.change_booking",
    "reservations_booking_act_on": "reservations.change_booking",
    "reservations_booking_for_child": "reservations.change_booking",
    "reservations_booking_restore": "reservations.change_booking",
    "reservations_booking_see": "families.see_as_family_reading",
    "reservations_booking_see_page": "families.see_as_family_reading",
    "reservations_booking_whom": "reservations.change_booking",
    "reservations_statistics": "reservations.view_monthlyfigure",
    "reservations_calendar_import": (
        "reservations.add_schoolyear reservations.add_publicholiday reservations.add_schoolholiday"
    ),
    "reservations_audience_preview": "reservations.change_audience",
    "reservations_campaign_preview": "reservations.change_campaign",
    "reservations_dayrule_preview": "reservations.change_dayrule",
    "reservations_deadlinerule_preview": "reservations.change_deadlinerule",
    "reservations_oversightrule_preview": "reservations.change_oversightrule",
    "reservations_neededchildren_preview": "reservations.change_neededchildren",
    "reservations_enrolment_enrol": "reservations.change_enrolment",
    "reservations_lot_new": "reservations.change_booking reservations.change_lot",
    "reservations_town_export": "reservations.view_townfile or reservations.view_activity",
    "reservations_town_file": "reservations.view_townfile or reservations.view_activity",
    "reservations_town_load": "reservations.add_townfile",
    "reservations_townfile_past": "reservations.view_townfile",
    "reservations_year_carry_out": "reservations.add_yearturn",
    "reservations_year_class": "reservations.add_yearturn",
    "reservations_year_drop": "reservations.add_yearturn",
    "reservations_year_prepare": "reservations.add_yearturn",
    "reservations_year_step": "reservations.add_yearturn",
    "reservations_year_take_back": "reservations.add_yearturn",
    "reservations_year_turn": "reservations.add_yearturn",
}
# Their row is a household.
JOINING = {"families_homechange_join", "families_homechange_part"}
OF_A_HOUSEHOLD = {
    "billing_payment_tax_certificate",
    "families_quotientround_end",
    "families_quotientround_one",
    "families_quotientround_paper",
    "families_quotientround_to_sign",
    *JOINING,
}
# On these a family's own pages are shown.
SHOWN = ("act", "act_on", "for_child", "see", "see_page")
FOR_A_HOUSEHOLD = {
    *(f"reservations_booking_{name}" for name in SHOWN),
    "families_householdnote_write",
    "families_textanswer_note",
}
# The small roles are added to others, and walk together.
ROLES = [[groups.AGENT], [groups.REGIE], [groups.HEALTH, groups.MANAGER, groups.TILL]]
# Of Django's own pages, the rights to look and to post.
DJANGOS = {
    "changelist": ("view|change", "view|change"),
    "add": ("add", "add"),
    "change": ("view|change", "change"),
    "delete": ("delete", "delete"),
    "history": ("view|change", "view|change"),
}
# A row's history does not exist for who may not see the row; some pages are only posted to.
REFUSED = {403, 404, 405}
# Reading a page keeps nothing but the visit.
WRITES = re.compile(r"^\s*(INSERT|UPDATE|DELETE)\b(?! (?:INTO )?\"django_session\")", re.IGNORECASE)
LINK = re.compile(r'href="(/mairie/[^"#?]*)')


@dataclass(frozen=True)
class Address:
    """An address of the desk; `row` is whose page it is, `looks` and `posts` what it asks for: all of one of
    the groups."""

    name: str
    url: str
    row: Model | None
    looks: tuple[frozenset[str], ...]
    posts: tuple[frozenset[str], ...]

    def is_for(self, user: User, *, posting: bool) -> bool:
        return any(user.has_perms(group) for group in self._asked(posting))

    def reaches(self, user: User, *, posting: bool) -> bool:
        """Whether the rights that it asks for reach the row whose page it is."""
        groups = self._asked(posting)
        return self.row is None or any(
            all(rights.may(user, self.row, one) for one in group) for group in groups
        )

    def _asked(self, posting: bool) -> tuple[frozenset[str], ...]:
        return self.posts if posting else self.looks


def asked(model: type[Model], text: str) -> tuple[frozenset[str], ...]:
    """« view|change » of a model, as rights."""
    label, name = model._meta.app_label, model._meta.model_name
    return tuple(frozenset({f"{label}.{verb}_{name}"}) for verb in text.split("|"))


def addresses(booking: Booking) -> Iterator[Address]:
    ids = {
        "activity": booking.activity_id,
        "address": "foyer/",
        "adult": booking.household.guardians.first().pk,
        "child": booking.child_id,
        "custody": booking.child.custodies.first().pk,
        "household": booking.household_id,
        "class_pk": class_of_year(booking),
        "consent": QuotientConsent.objects.get(guardian=booking.household.guardians.first()).pk,
        "means": "cheque",
        "step": "periodes",
        "statement": InvoiceFactory(household=booking.household, kind="carried", total=0).pk,
        "stamp": stamp_of(reminding.last_sendings(1)[0]),
        "year": NOW.year,
    }
    for model, page in admin.site._registry.items():
        row = first_row(model)
        for pattern in page.get_urls():
            if not pattern.name:
                continue  # an address of before Django 1.9, which leads to the row's page
            wanted = pattern.pattern.converters
            found = ids | dict.fromkeys(("object_id", "pk", "id"), row.pk)
            if pattern.name in OF_A_HOUSEHOLD:
                found |= {"pk": booking.household_id}
            verb = pattern.name.rpartition("_")[2]
            if pattern.name in OWN_PAGES:
                looks, _, more = OWN_PAGES[pattern.name].partition(" | ")
                groups_of = [one.split() for one in looks.split(" or ")]
                looking = tuple(frozenset(one) for one in groups_of)
                posting = tuple(frozenset(one + more.split()) for one in groups_of)
            else:
                assert verb in DJANGOS, f"{pattern.name}: say in this test which rights it asks for."
                looking, posting = (asked(model, text) for text in DJANGOS[verb])
            if model is Attendance and wanted:
                # Who only calls the register sees today's; this row is of another day.
                looking, posting = (
                    tuple(group | {limits.ANY_DAY} for group in one) for one in (looking, posting)
                )
            url = reverse(f"admin:{pattern.name}", kwargs={name: found[name] for name in wanted})
            of = booking.child.custodies.first() if "custody" in wanted else row
            of = booking.child if pattern.name == "families_custodycalendar_write" else of
            of = booking.household if pattern.name in JOINING | FOR_A_HOUSEHOLD else of
            yield Address(pattern.name, url, of if wanted else None, looking, posting)


class Menu:
    """As every page has it, or none."""

    whole = False

    @classmethod
    def of(cls, request: Any, app_label: str | None = None) -> list[dict[str, Any]]:
        return PortalAdminSite.get_app_list(admin.site, request, app_label) if cls.whole else []


@pytest.fixture(scope="module")
def desk(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: Any) -> Iterator[list[Address]]:
    """A town with a row of each kind, made once for all tests here; each undoes what it writes."""
    folder = tmp_path_factory.mktemp("desk")
    with (
        pytest.MonkeyPatch.context() as patch,
        override_settings(MEDIA_ROOT=folder),
        django_db_blocker.unblock(),
        transaction.atomic(),
        time_machine.travel(NOW, tick=False),
    ):
        keep_apart(patch, folder)
        # The same page for each of thousands of refusals, the same menu on every page and long lists would
        # say nothing more.
        patch.setattr(admin.site, "get_app_list", Menu.of)
        patch.setattr(urls, "handler403", lambda request, exception: HttpResponseForbidden(), raising=False)
        patch.setattr(urls, "handler404", lambda request, exception: HttpResponseNotFound(), raising=False)
        # What a process keeps is read once, however long the walk takes.
        patch.setattr(kept, "FRESH_SECONDS", 3600)
        for page in admin.site._registry.values():
            patch.setattr(page, "list_per_page", 5)
        chief = UserFactory(username="chief", is_staff=True, is_superuser=True)
        yield list(addresses(furnished(chief)))
        transaction.set_rollback(True)
    town.forget()


def cost(client: Client, url: str) -> int:
    client.get(url)  # content types and the like are kept from the first time on
    with CaptureQueriesContext(connection) as queries:
        assert client.get(url).status_code in (200, 302), url
    return len(queries)


@pytest.fixture
def whole_menu(desk, monkeypatch):
    monkeypatch.setattr(Menu, "whole", True)


def test_lists_cost_the_same_for_one_row_and_ten(desk, monkeypatch, whole_menu):
    """Whatever list it is, and fifteen queries at most."""
    client = logged_in(User.objects.get(username="chief"))
    costs = {}
    for model, page in admin.site._registry.items():
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        if any(getattr(one, "parameter_name", "") == "etat" for one in page.list_filter):
            url += "?etat=tous"
        for rows in (1, 10):
            monkeypatch.setattr(page, "list_per_page", rows)
            costs[url, rows] = cost(client, url)
    addresses = {url for url, _ in costs}
    # What the first row has nothing of is asked for once where another one has.
    assert {url: costs[url, 10] for url in addresses if costs[url, 10] > costs[url, 1] + 1} == {}
    assert too_dear({url: costs[url, 10] for url in addresses}) == {}


def test_queues_and_counts_ask_fifteen_queries_at_most(desk, whole_menu):
    """Every page of the menu that is no list; for who has the whole town, and who has one place."""
    place = Establishment.objects.filter(activities__isnull=False).order_by("pk").first()
    assert place is not None
    pages = [
        reverse(f"admin:{link.url_name}")
        for page in admin.site._registry.values()
        for link in getattr(page, "desk_links", ())
        if not link.url_name.endswith(("_changelist", "_add"))
        and "." not in reverse(f"admin:{link.url_name}")
    ]
    assert len(pages) > 20
    for user in (User.objects.get(username="chief"), role(groups.DIRECTOR, places=[place])):
        client = logged_in(user)
        open_to = [url for url in pages if client.get(url).status_code == 200]
        assert too_dear({url: cost(client, url) for url in open_to}) == {}


def role(*names: str, places: list[Establishment] | None = None) -> User:
    """Somebody with these roles, in the whole town or at places."""
    user = UserFactory(is_staff=True)
    for name in names:
        giving.give(user, Group.objects.get(name=name), places=places, by=None)
    return User.objects.get(pk=user.pk)


@dataclass
class Answer:
    status: int
    html: str
    written: int


def ask(client: Client, address: Address, *, posting: bool) -> Answer:
    """What it answers, and how many rows it writes, all undone; an error of the server fails the test."""
    written = 0

    def count(execute: Any, query: str, *rest: Any) -> Any:
        nonlocal written
        written += bool(WRITES.match(query))
        return execute(query, *rest)

    with transaction.atomic(), connection.execute_wrapper(count):
        answer = client.post(address.url, {}) if posting else client.get(address.url)
        html = "" if answer.streaming or posting else answer.content.decode(errors="replace")
        transaction.set_rollback(True)
    return Answer(answer.status_code, html, written)


def walk(client: Client, desk: list[Address]) -> Iterator[tuple[Address, bool, Answer]]:
    for address in desk:
        for posting in (False, True):
            yield address, posting, ask(client, address, posting=posting)


@pytest.mark.parametrize("who", ["visitor", "parent", "no role"])
def test_nobody_without_a_role_gets_anything(desk, who):
    client, refused = Client(), {302}
    if who != "visitor":
        user = User.objects.get(username="parent") if who == "parent" else UserFactory(is_staff=True)
        client, refused = logged_in(user), {302} if who == "parent" else REFUSED
    for address, posting, answer in walk(client, desk):
        assert answer.status in refused and not answer.written, (address.name, posting, answer.status)


@pytest.mark.parametrize("names", ROLES)
def test_a_role_gets_what_its_rights_say_and_no_link_to_more(desk, names):
    assert in_the_whole_town(desk, names) > 30


def in_the_whole_town(desk: list[Address], names: list[str]) -> int:
    """How many pages are refused to who holds these roles: what is not theirs, and nothing leads there."""
    user, chief = role(*names), logged_in(User.objects.get(username="chief"))
    client, refused, links = logged_in(user), set[str](), dict[str, str]()
    for address, posting, answer in walk(client, desk):
        where = (address.name, posting)
        if not address.is_for(user, posting=posting):
            assert answer.status in REFUSED and not answer.written, (where, answer.status)
            refused |= {address.name} if not posting else set()
        else:
            # Pages on which nothing is ever typed are refused to everybody.
            assert answer.status != 403 or ask(chief, address, posting=posting).status == 403, where
            assert answer.status in {200, 302, 403, 405}, where
            links |= dict.fromkeys(LINK.findall(answer.html), address.url)
    lost = {link: page for link, page in links.items() if resolve(link).url_name in refused}
    assert lost == {}
    return len(refused)


def places(desk: list[Address]) -> tuple[Establishment, Establishment]:
    """Of the two restaurants, the one where the child of the rows asked for eats, and the one where nobody
    of them does."""
    own = next(address.row for address in desk if isinstance(address.row, Booking)).establishment
    return own, Establishment.objects.filter(kind="restaurant").exclude(pk=own.pk)[0]


def at_a_place(user: User, asked: list[Address]) -> Counter[int]:
    """What it answers to somebody who has some places only: rows of others do not exist, lists name none."""
    client, found = logged_in(user), Counter[int]()
    for address, posting, answer in walk(client, asked):
        where = (address.name, posting, answer.status)
        if address.is_for(user, posting=posting) and address.reaches(user, posting=posting):
            assert answer.status in {200, 302, 403, 405}, where
            if not posting and address.name.endswith("_changelist"):
                assert named_in(answer.html, address.url) <= seen(user, address), where
        else:
            assert answer.status in REFUSED and not answer.written, where
        found[answer.status] += 1
    return found


def named_in(html: str, url: str) -> set[str]:
    """The rows to whose pages a list leads."""
    return set(re.findall(rf'href="{re.escape(url)}([^/"?]+)/change/', html))


def seen(user: User, address: Address) -> set[str]:
    """The rows of a list that its rights reach."""
    model = next(one for one in admin.site._registry if list_of(one) == address.name)
    asked_for = [right for group in address.looks for right in group]
    rows = rights.seen_by(user, model._default_manager.all(), *asked_for)
    return {str(key) for key in rows.values_list("pk", flat=True)}


def list_of(model: type[Model]) -> str:
    return f"{model._meta.app_label}_{model._meta.model_name}_changelist"


@pytest.mark.parametrize("name", [groups.AGENT, groups.DIRECTOR, groups.ANIMATOR, groups.KITCHEN])
def test_a_role_at_a_place_gets_its_rows_only(desk, name):
    """Of what it may ask for at all; the rest is refused as to everybody without the right."""
    answers = []
    for place in places(desk):
        user = role(name, places=[place])
        may = [
            address
            for address in desk
            if address.row and any(address.is_for(user, posting=posting) for posting in (False, True))
        ]
        answers.append(at_a_place(user, may))
    own, other = answers
    assert own[404] or other[404]
    if name == groups.AGENT:
        assert own[200] > other[200] > 20
        assert other[404] > 30


@pytest.mark.long
@pytest.mark.parametrize("where", ["town", "own", "other"])
@pytest.mark.parametrize("name", groups.RIGHTS)
def test_each_role_by_itself_gets_what_the_matrix_says(desk, name, where):
    """docs/roles.md, address by address: each role × the town, a place of its own, another one."""
    if where == "town":
        in_the_whole_town(desk, [name])
    elif rights_at_places(name):
        at_a_place(role(name, places=[places(desk)[where == "other"]]), desk)
    else:
        with pytest.raises(giving.RightRefused):
            role(name, places=[places(desk)[0]])


def rights_at_places(name: str) -> bool:
    return counts_at_places(Group.objects.get(name=name))
