"""`{% url %}` of the portal's templates: what Django's says, put together once."""

import pytest
from django.template import Context, Template
from django.urls import NoReverseMatch, reverse, set_script_prefix

from portal.templatetags import addresses


@pytest.fixture(autouse=True)
def nothing_kept():
    addresses._kept.clear()
    yield
    set_script_prefix("/")
    addresses._kept.clear()


def shown(text, **values):
    return Template(text).render(Context(values))


@pytest.mark.parametrize("again", [False, True])
def test_numbers_are_put_in_their_places_each_time(again):
    for one in (3, 41) if again else (3,):
        said = shown("{% url 'catering:planning' enrolment place period %}", enrolment=one, place=7, period=1)
        assert said == reverse("catering:planning", args=[one, 7, 1])


def test_an_address_is_found_once_and_none_other_is_looked_for(monkeypatch):
    shown("{% url 'catering:planning' 1 2 3 %}")
    monkeypatch.setattr(addresses, "reverse", None)
    assert shown("{% url 'catering:planning' 9 2 3 %}") == reverse("catering:planning", args=[9, 2, 3])


def test_a_name_or_a_number_comes_from_a_variable_and_into_one():
    assert (
        shown("{% url name as there %}[{{ there }}]", name="catering:book") == f"[{reverse('catering:book')}]"
    )


@pytest.mark.parametrize(
    "wrong", ["'nowhere'", "'catering:planning' 'x' 2 3", "'catering:planning' 1", "'catering:planning' ''"]
)
def test_what_leads_nowhere_is_said_as_ever(wrong):
    with pytest.raises(NoReverseMatch):
        shown(f"{{% url {wrong} %}}")
    assert shown(f"{{% url {wrong} as there %}}[{{{{ there }}}}]") == "[]"


def test_texts_and_names_of_arguments_are_left_to_django():
    calendar = shown("{% url 'admin:families_household_change' object_id=12 %}")
    assert calendar == reverse("admin:families_household_change", args=[12])
    assert shown("{% url 'admin:app_list' 'families' %}") == reverse("admin:app_list", args=["families"])


def test_under_another_prefix_nothing_of_before_is_said():
    here = shown("{% url 'catering:book' %}")
    set_script_prefix("/portail/")
    assert shown("{% url 'catering:book' %}") == f"/portail{here}"
