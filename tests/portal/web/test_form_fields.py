"""The fields of a form whose own attributes are set when it is made."""

import pytest
from django import forms

from portal.web.form_fields import NamesItsFields, field_of


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


class Sheet(NamesItsFields, forms.Form):
    first_name = forms.CharField(label="Prénom")
    school = forms.ChoiceField(label="École", choices=[("a", "A")])
    proof = forms.FileField(label="PAI signé")
    days = forms.MultipleChoiceField(error_messages={"required": "Cochez un jour."})


def test_what_is_missing_is_named_field_by_field():
    assert Sheet({}).errors == {
        "first_name": ["Champ à remplir : prénom."],
        "school": ["Choix à faire : école."],
        "proof": ["Fichier à joindre : PAI signé."],
        "days": ["Cochez un jour."],
    }


def test_other_mistakes_keep_their_own_sentence():
    class Age(NamesItsFields, forms.Form):
        age = forms.IntegerField(label="Âge")

    assert "nombre entier" in str(Age({"age": "x"}).errors["age"])
    form = Age({"age": "3"})
    form.is_valid()
    form.add_error(None, "Rien ne va.")
    form.add_error("age", "Trop jeune.")
    assert form.non_field_errors() == ["Rien ne va."]
    assert form.errors["age"] == ["Trop jeune."]
