"""Every page of the desk answers."""

import pytest
from django.contrib import admin
from django.urls import reverse

from tests.conftest import logged_in
from tests.factories import UserFactory

pytestmark = pytest.mark.once


def pages():
    for model, model_admin in admin.site._registry.items():
        yield f"{model._meta.app_label}_{model._meta.model_name}", model, model_admin


def test_every_list_and_every_row_opens(lived_in, chief_client):
    failed = {}
    for name, model, _ in pages():
        answers = [chief_client.get(reverse(f"admin:{name}_changelist")).status_code]
        answers.append(chief_client.get(reverse(f"admin:{name}_changelist"), {"q": "Lina"}).status_code)
        row = model._default_manager.order_by("pk").first()
        if row:
            answers.append(chief_client.get(reverse(f"admin:{name}_change", args=[row.pk])).status_code)
            answers.append(chief_client.get(reverse(f"admin:{name}_history", args=[row.pk])).status_code)
        if not set(answers) <= {200, 302}:
            failed[name] = answers
    assert failed == {}


def test_every_adding_page_opens_or_is_refused(lived_in, chief_client):
    answers = {name: chief_client.get(reverse(f"admin:{name}_add")).status_code for name, _, _ in pages()}
    assert {name: status for name, status in answers.items() if status not in (200, 302, 403)} == {}


def test_who_has_no_right_is_refused_every_row_whatever_is_posted(lived_in, db):
    nobody = logged_in(UserFactory(username="nouveau", is_staff=True))
    nobody.raise_request_exception = False
    answers = {}
    for name, model, _ in pages():
        row = model._default_manager.order_by("pk").first()
        for url in (reverse(f"admin:{name}_add"), row and reverse(f"admin:{name}_change", args=[row.pk])):
            if url:
                answers[url] = nobody.post(url).status_code
    assert len(answers) > 60
    assert {url: status for url, status in answers.items() if status != 403} == {}


def test_no_page_restores_an_old_version(lived_in, books, chief_client):
    version = books.enrolment.history.first()
    for model, model_admin in admin.site._registry.items():
        assert not any("simple_history" in (url.name or "") for url in model_admin.get_urls()), model
    url = reverse("admin:reservations_enrolment_history", args=[books.enrolment.pk])
    assert chief_client.post(f"{url}{version.pk}/", {}).status_code in (302, 404)
