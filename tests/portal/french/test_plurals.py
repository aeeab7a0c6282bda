"""Words agree with their number as French does it: none is singular."""

from django.template import Context, Template

from portal.french.plurals import agreed, counted


def test_none_is_singular():
    assert [counted(number, "jour", "jours") for number in (0, 1, 2)] == ["0 jour", "1 jour", "2 jours"]
    assert agreed(0, "est complet", "sont complets") == "est complet"


def test_pages_agree_as_sentences_do():
    page = Template(
        "{% load french %}{{ n }} créneau{{ n|agreed:'x' }} ser{{ n|agreed:'a,ont' }} vu{{ n|agreed }}"
    )
    said = [page.render(Context({"n": number})) for number in (0, 2)]
    assert said == ["0 créneau sera vu", "2 créneaux seront vus"]
