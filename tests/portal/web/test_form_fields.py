"""The fields of a form whose own attributes are set when it is made."""

import pytest
from django import forms

from portal.web.form_fields import field_of


class Asked(forms.Form):
    day = forms.ChoiceField()
    name = forms.CharField(required=False)


def test_a_field_s_own_attributes_can_be_set():
    form = Asked({"day": "lundi"})
    field_of(form, "day", forms.ChoiceField).choices = [("lundi", "Lundi")]
    assert form.is_valid()


def test_a_field_of_another_kind_is_an_error_of_the_programmer():
    with pytest.raises(TypeError, match=r"Asked\.name is a CharField, no ChoiceField"):
        field_of(Asked(), "name", forms.ChoiceField)
