"""What people write instead of a town's file: understood, or answered in French with line and spelling."""

from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml.nodes import ScalarNode

from portal.french.dates import short_day
from portal.reservations.towns import slips
from portal.reservations.towns.fields import (
    Amount,
    Day,
    Flag,
    Hour,
    ListOf,
    Loading,
    Mistake,
    Moment,
    Number,
    Text,
    TownFileError,
    Weekdays,
)

# More than anybody writes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["a: [" + "1," * 40_000 + "1]", "a:\n" + "- 1\n" * 40_000, "a:\n" + "- {}\n" * 40_000, "a: 1\n" * 40_000],
)
def test_a_file_of_too_many_rows_is_refused_before_it_is_read(text: str, monkeypatch):
    monkeypatch.setattr(slips, "YAML", None)
    with pytest.raises(TownFileError, match="Chargez-le en plusieurs fois"):
        slips.parse(text)


# What YAML cannot read --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("commune:\n\tnom: x\n", 2, "Une tabulation ne se lit pas ici. Mettez des espaces, deux par niveau."),
        (
            "commune:\n  nom:Saint\n  zone: A\n",
            2,
            "« nom:Saint » : une espace manque après les deux-points. Écrivez « nom: Saint ».",
        ),
        (
            "a:\n  -code: x\n   nom: y\n",
            2,
            "« -code: x » : une espace manque après le tiret. Écrivez « - code: x ».",
        ),
        (
            "commune:\n  nom x\n  zone: A\n",
            2,
            "« nom x » : il manque les deux-points. Écrivez « nom: x ».",
        ),
        ("commune\n  nom: x\n", 1, "« commune » : il manque les deux-points. Écrivez « commune: »."),
        (
            "commune:\n  nom: Mairie : accueil\n",
            2,
            'Un texte qui contient « : » se met entre guillemets : nom: "Mairie : accueil".',
        ),
        ("commune:\n  nom: a\n    zone: A\n", 3, "« zone: A » n'est pas aligné"),
        ("commune:\n    nom: a\n  zone: A\n", 3, "« zone: A » n'est pas aligné"),
        ("a:\n  - code: x\n   nom: y\n", 3, "« nom: y » n'est pas aligné"),
        (
            "a:\n  - {code: x, nom: y\n  - {code: z}\n",
            2,
            "« { » s'ouvre ici et ne se ferme pas : ajoutez « } » à la fin de « - {code: x, nom: y ».",
        ),
        (
            "a:\n  jours: [lundi, mardi\nb: c\n",
            2,
            "« [ » s'ouvre ici et ne se ferme pas : ajoutez « ] » à la fin de « jours: [lundi, mardi ».",
        ),
        ("a: [", 1, "« [ » s'ouvre ici et ne se ferme pas : ajoutez « ] » à la fin de « a: [ »."),
        ("a: {b: [c], d:", 1, "« { » s'ouvre ici et ne se ferme pas : ajoutez « } »"),
        ("a:\n  - {code: x}}\n", 2, "« } » ferme ce qui n'est pas ouvert. Retirez ce signe."),
        ("a: [lundi,, mardi]\n", 1, "« a: [lundi,, mardi] » : une virgule est de trop"),
        ('a: {nom: "x"y}\n', 1, "une virgule sépare deux valeurs"),
        ('a:\n  nom: "x\nb: c\n', 2, "Un guillemet s'ouvre ici et ne se ferme pas : « nom: \"x »."),
        ("a:\n  nom: 'l'école'\n", 2, "un guillemet ou une apostrophe ferme ce texte trop tôt."),
        ("a:\n  nom: @x\n", 2, "« @x » : un texte qui commence par « @ » se met entre guillemets."),
        ("a:\n  nom: *x\n", 2, "« *x » : un texte qui commence par « * » se met entre guillemets."),
        ("a: > x\n", 1, "Un texte de plusieurs lignes commence à la ligne d'après"),
        ("a: 1\n---\nb: 2\n", 2, "« --- » commence un second fichier. Retirez cette ligne."),
        ("a: 1\nb: \x07\n", 2, "Un caractère invisible ne se lit pas ici."),
        ("a: " + "[" * 2000, 1, "Trop de crochets"),
        ("a: &x {b: c}\nd: *x\n", 1, "« & » et « * » ne se lisent pas ici"),
        ("- une liste", 1, "Le fichier doit contenir des rubriques"),
        ("", 1, "Le fichier doit contenir des rubriques"),
    ],
)
def test_what_cannot_be_read_is_answered_with_its_line_and_the_right_spelling(text, line, said):
    with pytest.raises(TownFileError) as error:
        slips.parse(text)
    [problem] = error.value.problems
    assert problem.line == line
    assert said in problem.text


@given(st.text(alphabet="ab:é-{}[]\"' ,\n\t&*!|>#@%1", max_size=60))
def test_whatever_is_written_is_read_or_answered(text):
    try:
        slips.parse(text)
    except TownFileError as error:
        for problem in error.problems:
            assert 1 <= problem.line <= text.count("\n") + 1
            assert problem.text


def read(text):
    """What the braces of « a: {…} » hold, text by text."""
    [(_, braces)] = slips.parse(f"a: {text}\n").value
    return {key.value: value.value for key, value in braces.value}


@given(st.integers(0, 99_999), st.integers(0, 99), st.sampled_from(["", " €", "€", " euros"]))
def test_a_french_comma_in_braces_is_an_amount(euros, cents, sign):
    assert read(f"{{prix: {euros},{cents:02d}{sign}, nom: A}}") == {
        "prix": f"{euros},{cents:02d}{sign}",
        "nom": "A",
    }


def test_other_commas_in_braces_stay_what_they_are():
    assert read("{de: 0,à: 500}") == {"de": "0", "à": "500"}
    assert read("{nom: Repas, midi}") == {"nom": "Repas", "midi": ""}
    assert read("{de: 1 250,01, à: 2}") == {"de": "1 250,01", "à": "2"}


def test_spaces_of_a_word_processor_are_spaces():
    [(_, block)] = slips.parse("commune:\n\u00a0\u00a0nom:\tx\n  zone: A\n").value
    assert [(key.value, value.value) for key, value in block.value] == [("nom", "x"), ("zone", "A")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_file_is_read_whatever_wrote_it(encoding):
    assert slips.decoded("commune: {nom: Été}".encode(encoding)) == "commune: {nom: Été}"


def test_what_is_no_text_is_none():
    assert slips.decoded(b"PK\x03\x04\x00\x00") is None
    assert slips.decoded(b"\xff\xfe\x00") is None


# Values -----------------------------------------------------------------------------------------------


def value(kind, text):
    return kind.read(ScalarNode("", text), Loading(), None)


def refusal(kind, text):
    with pytest.raises(Mistake) as mistake:
        value(kind, text)
    return mistake.value.text


@given(st.dates(date(2000, 1, 1), date(2199, 12, 31)))
def test_a_day_is_read_as_french_writes_it(day):
    written = (
        f"{day:%Y-%m-%d}",
        f"{day.year}-{day.month}-{day.day}",
        f"{day.day}/{day.month}/{day.year}",
        f"{day:%d.%m.%Y}",
        short_day(day, year=True),
    )
    assert {value(Day(), text) for text in written} == {day}


@given(st.times(max_value=time(23, 59)).map(lambda one: one.replace(second=0, microsecond=0)))
def test_an_hour_is_read_as_french_writes_it(hour):
    written = (f"{hour:%H:%M}", f"{hour.hour}h{hour:%M}", f"{hour.hour} h {hour:%M}", f"{hour:%H}:{hour:%M}")
    assert {value(Hour(), text) for text in written} == {hour}
    assert value(Hour(), f"{hour.hour} h") == value(Hour(), f"{hour.hour} heures") == time(hour.hour)


@given(st.decimals(0, 99_999, places=2))
def test_an_amount_is_read_as_french_writes_it(amount):
    euros, cents = divmod(int(amount * 100), 100)
    written = (f"{amount}", f"{euros},{cents:02d} €", f"{euros},{cents:02d}€", f"{euros} € {cents:02d}")
    assert {value(Amount(), text) for text in written} == {amount}


@pytest.mark.parametrize(
    "text",
    ["2026-05-01 08:00", "1/5/2026 8h", "1er mai 2026 à 8 h", "2026-05-01T08:00", "1/5/2026, 8 heures"],
)
def test_a_moment_is_read_as_french_writes_it(text):
    assert value(Moment(), text).astimezone(UTC) == datetime(2026, 5, 1, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        (Hour(), "midi", time(12)),
        (Flag(), "Non", False),
        (Flag(), "yes", True),
        (Number(), "1 250", 1250),
        (Amount(), "1 250,50 euros", Decimal("1250.50")),
        (Amount(), "20 %", Decimal(20)),
        (Weekdays(), "du lundi au vendredi", 0b11111),
        (Weekdays(), "lundi, jeudi", 0b1001),
        (ListOf(Text()), "verger, tilleuls", ["verger", "tilleuls"]),
    ],
)
def test_what_can_only_mean_one_thing_is_understood(kind, text, read):
    assert value(kind, text) == read


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (
            Moment(),
            "2026-05-01",
            "« 2026-05-01 » ne dit pas l'heure. Écrivez le jour et l'heure, par exemple : 2026-05-01 08:00.",
        ),
        (
            Moment(),
            "1/5/2026",
            "« 1/5/2026 » ne dit pas l'heure. Écrivez le jour et l'heure, par exemple : 2026-05-01 08:00.",
        ),
        (Moment(), "bientôt", "« bientôt » n'est pas une date avec son heure."),
        (Moment(), "2026-02-31 08:00", "« 2026-02-31 08:00 » n'est pas une date avec son heure."),
        (Day(), "2026-05-01 08:00", "« 2026-05-01 08:00 » : ici, le jour suffit. Écrivez 2026-05-01"),
        (Day(), "1/5/26", "« 1/5/26 » : écrivez l'année en entier, 1/5/2026."),
        (Day(), "31/02/2026", "« 31/02/2026 » n'est pas une date. Écrivez-la ainsi : 2026-09-01."),
        (Day(), "", "n'est pas une date"),
        (Hour(), "8.30", "« 8.30 » n'est pas une heure. Écrivez-la ainsi : 8:30."),
        (Hour(), "8", "« 8 » n'est pas une heure. Écrivez-la ainsi : 8:00."),
        (Hour(), "minuit", "« minuit » n'est pas une heure."),
        (Number(), "30 jours", "« 30 jours » n'est pas un nombre entier. Écrivez-le seul : 30."),
        (Number(), "²", "« ² » n'est pas un nombre entier."),
        (Number(), "9" * 12, "n'est pas un nombre entier."),
        (Amount(), "gratuit", "« gratuit » n'est pas un nombre. Écrivez-le ainsi : 2.50."),
        (Amount(), "NaN", "« NaN » n'est pas un nombre."),
        (Flag(), "peut-être", "« peut-être » n'est ni oui ni non. Écrivez oui ou non."),
        (Weekdays(), "du lundi au tantôt", "n'est pas prévu ici."),
    ],
)
def test_a_value_is_refused_with_what_was_read_and_the_right_spelling(kind, text, said):
    assert said in refusal(kind, text)


@given(
    st.sampled_from([Day(), Hour(), Moment(), Number(), Amount(), Flag(), Weekdays()]),
    st.text(alphabet="0123456789/-:., hT€àert²٣", max_size=20),
)
def test_no_value_breaks_its_reader(kind, text):
    with suppress(Mistake):
        value(kind, text)
