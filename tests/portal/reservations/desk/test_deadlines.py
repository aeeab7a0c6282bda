"""An agent writes a rule: its fields, its sentence, its next cut-offs, and what looks wrong."""

from datetime import time

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from portal.reservations.days.rule_preview import overlapping_periods, preview
from portal.reservations.deadlines.table_field import DeadlineTableField
from portal.reservations.models import ActivityDeadline, DeadlineRule, DeadlineWindow, Period
from tests.factories import (
    ActivityDeadlineFactory,
    DeadlineRuleFactory,
    DeadlineWindowFactory,
    PeriodFactory,
    UserFactory,
    paris,
)

ADD = "admin:reservations_deadlinerule_add"
PREVIEW = "admin:reservations_deadlinerule_preview"
NO_WINDOWS = {"windows-TOTAL_FORMS": "0", "windows-INITIAL_FORMS": "0"}


@pytest.fixture
def chief(client, now, db):
    """Logged in as the one who may everything."""
    client.force_login(UserFactory(username="chef", is_staff=True, is_superuser=True))
    return client


def typed(kind: str, **fields: object) -> dict[str, object]:
    return {"name": "Essai", "kind": kind, "day_unit": "calendar", "inclusive": "on"} | NO_WINDOWS | fields


def shown(response) -> set[str]:
    """The rows of the form that are not hidden."""
    rows = response.content.decode().split('data-rule-field="')[1:]
    return {row.split('"')[0] for row in rows if " hidden" not in row.split(">")[0]}


def test_a_rule_of_days_is_saved_and_read_back(chief) -> None:
    response = chief.post(reverse(ADD), typed("days_before", number="2", at="10:30", skip_weekends="on"))
    assert response.status_code == 302
    row = DeadlineRule.objects.get()
    assert (row.number, row.at, row.skip_weekends) == (2, time(10, 30), True)
    assert row.sentence == "Au plus tard 2 jours avant, à 10 h 30. Ne comptent pas : les week-ends."


def test_only_the_fields_of_the_kind_are_shown(chief) -> None:
    week = DeadlineRuleFactory(kind="week_before", weekday=3, number=1)
    response = chief.get(reverse("admin:reservations_deadlinerule_change", args=[week.pk]))
    assert {"weekday", "number", "at"} <= shown(response)
    assert not {"table", "month_day", "reference_time"} & shown(response)
    assert "Au plus tard le jeudi de la semaine précédente" in response.content.decode()


def test_without_a_script_the_error_shows_the_fields_of_the_kind_posted(chief) -> None:
    response = chief.post(reverse(ADD), typed("month_day"))
    assert response.status_code == 200
    assert "Indiquez le jour limite du mois précédent." in response.content.decode()
    assert "month_day" in shown(response) and "table" not in shown(response)


def test_a_table_is_seven_rows(chief) -> None:
    rows = {"table-0": "3", "table-0-at": "15:00", "table-1": "3", "table-1-at": "", "table-1-earlier": "1"}
    chief.post(reverse(ADD), typed("weekday_table", **rows, **{"holiday_monday_table-2": "never"}))
    row = DeadlineRule.objects.get()
    assert row.table == {"0": [3, "15:00"], "1": [3, None, 1]}
    assert row.holiday_monday_table == {"2": None}


def test_an_unreadable_hour_of_the_table_is_kept_and_named(chief) -> None:
    response = chief.post(reverse(ADD), typed("weekday_table", **{"table-0": "3", "table-0-at": "midi"}))
    page = response.content.decode()
    assert "L&#x27;heure du lundi n&#x27;est pas lisible" in page
    assert 'value="midi"' in page


def test_what_another_kind_left_behind_is_not_kept(chief) -> None:
    chief.post(reverse(ADD), typed("same_day", at="9:00", number="deux", weekday="3", skip_weekends="on"))
    row = DeadlineRule.objects.get()
    assert (row.number, row.weekday, row.skip_weekends, row.at) == (None, None, False, time(9))


def test_the_preview_follows_what_is_typed(chief, canteen) -> None:
    """Without saving: on Monday 9 November, Wednesday 11 is a public holiday."""
    url = f"{reverse(PREVIEW)}?regle={canteen.rule.pk}"
    fields = typed("days_before", number="1", at="09:00")
    response = chief.post(url, fields, headers={"X-Requested-With": "fetch"})
    page = response.content.decode()
    assert "<html" not in page
    assert "Au plus tard la veille, à 9 h." in page
    assert "jusqu&#x27;au mercredi 11 novembre à 9 h" in page
    assert page.count('scope="row"') == 10
    assert DeadlineRule.objects.get(pk=canteen.rule.pk).number == 2


def test_the_preview_is_a_page_without_a_script(chief) -> None:
    response = chief.post(reverse(PREVIEW), typed("days_before"))
    page = response.content.decode()
    assert "<html" in page and "Indiquez combien de jours avant." in page


def test_the_preview_of_windows_reads_those_typed(chief, now, db) -> None:
    window = {
        "windows-TOTAL_FORMS": "1",
        "windows-0-covers_from": "2026-12-01",
        "windows-0-covers_to": "2026-12-18",
        "windows-0-opens_at": "2026-11-16T08:00",
        "windows-0-closes_at": "2026-11-27T18:00",
        "windows-0-audience": "all",
    }
    response = chief.post(reverse(PREVIEW), typed("windows", **window), headers={"X-Requested-With": "fetch"})
    assert (
        "à partir du lundi 16 novembre à 8 h, jusqu&#x27;au vendredi 27 novembre à 18 h"
        in response.content.decode()
    )


def test_a_window_that_closes_before_it_opens_is_refused(chief) -> None:
    window = {
        "windows-TOTAL_FORMS": "1",
        "windows-0-covers_from": "2026-12-01",
        "windows-0-covers_to": "2026-12-18",
        "windows-0-opens_at": "2026-11-27T08:00",
        "windows-0-closes_at": "2026-11-16T18:00",
        "windows-0-audience": "all",
    }
    response = chief.post(reverse(ADD), typed("windows", **window))
    assert "La fenêtre clôt avant d&#x27;ouvrir." in response.content.decode()
    assert not DeadlineRule.objects.exists()


@pytest.mark.parametrize("payload", [{}, {"kind": "??"}, {"kind": "days_before", "number": "x" * 500}])
def test_the_preview_survives_anything(chief, payload: dict[str, str]) -> None:
    assert chief.post(reverse(PREVIEW), payload).status_code == 200
    assert chief.get(reverse(PREVIEW)).status_code == 405


def test_who_may_only_look_sees_the_rule_and_its_preview(client, canteen) -> None:
    looker = UserFactory(username="stagiaire", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_deadlinerule"))
    client.force_login(looker)
    response = client.get(reverse("admin:reservations_deadlinerule_change", args=[canteen.rule.pk]))
    assert "Au plus tard 2 jours avant, à 10 h." in response.content.decode()
    assert client.post(reverse(PREVIEW), typed("never")).status_code == 403


def test_families_see_none_of_it(books) -> None:
    assert books.client().post(reverse(PREVIEW), {}).status_code in (302, 403)


# What looks wrong -------------------------------------------------------------------------------------------


def test_a_table_with_a_day_nobody_opens_is_warned_about(chief, canteen) -> None:
    rows = {f"table-{day}": "3" for day in (0, 1, 2, 3, 4, 5)}
    response = chief.post(reverse(ADD), typed("weekday_table", **rows), follow=True)
    assert (
        "Le tableau a une ligne pour samedi : aucun établissement n&#x27;y ouvre."
        in response.content.decode()
    )


def test_a_day_that_opens_without_a_row_is_warned_about(canteen) -> None:
    row = DeadlineRule(kind="weekday_table", table={str(day): [3, None] for day in (0, 1, 3, 4)})
    found = preview(row, [], paris(2026, 11, 9, 10)).warnings
    assert found == ["Le tableau n'a pas de ligne pour mercredi : ce sera toujours « jamais »."]


def test_windows_that_overlap_are_warned_about(chief, now) -> None:
    rule = DeadlineWindowFactory().rule
    DeadlineWindowFactory(rule=rule, covers_from="2026-12-01", covers_to="2026-12-31")
    found = preview(rule, list(DeadlineWindow.objects.all()), now).warnings
    assert found == [
        "Les fenêtres 02/11/2026 – 18/12/2026 et 01/12/2026 – 31/12/2026 se chevauchent : "
        "l'une ou l'autre suffira."
    ]


def test_no_window_at_all_is_warned_about(now, db) -> None:
    row = DeadlineRule(kind="windows")
    assert preview(row, [], now).warnings == ["Aucune fenêtre n'est indiquée : ce sera toujours « jamais »."]


def test_periods_that_overlap_are_warned_about(canteen) -> None:
    other = PeriodFactory(
        activity=canteen.activity, school_year=canteen.period.school_year, code="decembre", name="Décembre"
    )
    Period.objects.filter(pk=other.pk).update(starts_on="2026-12-01", ends_on="2027-01-31")
    other.refresh_from_db()
    assert overlapping_periods(other) == [
        f"« Décembre » et « {canteen.period} » se chevauchent (du 1er au 18 décembre 2026)."
    ]
    elsewhere = PeriodFactory(school_year=canteen.period.school_year)
    assert overlapping_periods(elsewhere) == []


# Lists and deadlines ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 10])
@pytest.mark.parametrize("model", ["deadlinerule", "activitydeadline"])
def test_lists_cost_the_same_at_any_length(
    chief, canteen, django_assert_max_num_queries, model: str, rows: int
) -> None:
    for _ in range(rows):
        rule = DeadlineWindowFactory().rule
        ActivityDeadlineFactory(rule=rule)
    # Two of them are of every list: its kept filters, and which pages the town uses.
    with django_assert_max_num_queries(14):
        assert chief.get(reverse(f"admin:reservations_{model}_changelist")).status_code == 200


def test_a_deadline_is_written_for_an_activity(chief, canteen) -> None:
    ActivityDeadline.objects.all().delete()
    fields = {
        "activity": canteen.activity.pk,
        "action": "book",
        "rule": canteen.rule.pk,
        "late": "accept",
        "surcharge": "multiply",
        "surcharge_amount": "1,5",
        "free_late_a_month": "2",
    }
    response = chief.post(reverse("admin:reservations_activitydeadline_add"), fields)
    assert response.status_code == 302
    row = ActivityDeadline.objects.get()
    assert (str(row.surcharge_amount), row.free_late_a_month) == ("1.500", 2)


def test_the_table_field_reads_what_it_shows() -> None:
    field = DeadlineTableField(empty="jamais", with_never=True)
    table = {"0": [3, "15:00"], "2": None, "4": [1, None, 1]}
    rows = field.prepare_value(table)
    assert field.clean(rows) == table
    assert not field.has_changed(table, rows)
    assert field.clean(field.prepare_value({"x": "?"})) == {}
