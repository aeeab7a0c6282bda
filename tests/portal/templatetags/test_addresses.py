"""`{% url %}` of our templates: what it answers is what Django answers."""

import pytest
from django.http import HttpRequest
from django.template import Context, Template
from django.urls import NoReverseMatch, reverse

from portal.web.under import under


def said(template: str, **names: object) -> str:
    return Template(template).render(Context(names))


@pytest.mark.parametrize("number", [0, 7, 12_345, 7_000_000_003])
def test_an_address_says_its_number_each_time(number):
    expected = reverse("families:child", args=[number])
    for _ in range(2):
        assert said("{% url 'families:child' child %}", child=number) == expected


def test_an_address_without_numbers_is_the_same_each_time():
    for _ in range(2):
        assert said("{% url 'home' %}") == "/"
        assert said("{% url 'home' as way %}{{ way }}") == "/"


def test_an_address_under_another_one_is_there():
    assert said("{% url 'families:child' 3 %}") == reverse("families:child", args=[3])
    with under("/ailleurs/"):
        assert said("{% url 'families:child' 3 %}") == reverse("families:child", args=[3])
        assert said("{% url 'home' %}") == "/ailleurs/"


def test_what_no_address_takes_is_refused():
    for wrong in (-1, "un", None):
        with pytest.raises(NoReverseMatch):
            said("{% url 'families:child' child %}", child=wrong)
        assert said("{% url 'families:child' child as way %}[{{ way }}]", child=wrong) == "[]"
    with pytest.raises(NoReverseMatch):
        said("{% url 'nowhere' %}")


def test_a_text_a_name_and_a_name_from_elsewhere_are_taken_as_ever():
    expected = reverse("families:child", args=[3])
    assert said("{% url 'families:child' '3' %}") == expected
    assert said("{% url name 3 %}", name="families:child") == expected
    assert said("{% url 'families:child' child_id=3 %}") == expected


def test_a_page_of_a_request_reads_the_same():
    context = Context()
    context.request = HttpRequest()
    assert Template("{% url 'families:child' 3 %}").render(context) == reverse("families:child", args=[3])
