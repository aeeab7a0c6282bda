"""Rules and moments in plain French."""

from datetime import date, time

import pytest

from portal.french import moments
from portal.reservations.deadlines import wording
from portal.reservations.deadlines.rules import (
    Audience,
    ClearDays,
    CountedDays,
    DaysBefore,
    DayUnit,
    HoursBefore,
    MonthDay,
    Never,
    Rule,
    SameDay,
    TableRow,
    WeekBefore,
    WeekdayTable,
    Window,
    Windows,
)
from tests.factories import paris

NOON = time(12)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (DaysBefore(1), "Au plus tard la veille."),
        (DaysBefore(1, NOON), "Au plus tard la veille, à 12 h."),
        (DaysBefore(2, time(10, 30)), "Au plus tard 2 jours avant, à 10 h 30."),
        (DaysBefore(8), "Au plus tard 8 jours avant, jusqu'à minuit."),
        (DaysBefore(2, NOON, CountedDays(DayUnit.WORKING)), "Au plus tard 2 jours ouvrés avant, à 12 h."),
        (DaysBefore(2, NOON, inclusive=False), "Au plus tard 2 jours avant, avant 12 h."),
        (
            DaysBefore(2, NOON, CountedDays(skip_weekends=True, skip_weekdays=frozenset({2})), True),
            "Au plus tard 2 jours avant, à 12 h. Ne comptent pas : les week-ends et les mercredis. "
            "Après des vacances, on compte depuis le dernier jour de classe.",
        ),
        (HoursBefore(72), "Au plus tard 72 heures avant le jour (compté depuis minuit, au début du jour)."),
        (HoursBefore(48, time(8)), "Au plus tard 48 heures avant le jour (compté depuis 8 h)."),
        (WeekBefore(3, 1, NOON), "Au plus tard le jeudi de la semaine précédente, à 12 h."),
        (WeekBefore(6, 2), "Au plus tard le dimanche 2 semaines avant inclus."),
        (
            WeekBefore(0, 1, NOON, CountedDays(skip_public_holidays=True)),
            "Au plus tard le lundi de la semaine précédente, à 12 h. "
            "Si la limite tombe sur les jours fériés, elle est avancée au jour d'avant.",
        ),
        (WeekdayTable({0: TableRow(3, time(15))}), "Pour le lundi : au plus tard le jeudi précédent à 15 h."),
        (
            WeekdayTable({0: TableRow(3, None, 1), 2: None}, {1: TableRow(3)}),
            "Pour le lundi : au plus tard le jeudi précédent, une semaine plus tôt, inclus. "
            "Pour le mercredi : jamais. "
            "Semaine dont le lundi est férié : pour le mardi : au plus tard le jeudi précédent inclus.",
        ),
        (SameDay(time(8, 30)), "Le jour même jusqu'à 8 h 30."),
        (SameDay(time(8, 30), inclusive=False), "Le jour même avant 8 h 30."),
        (MonthDay(17), "Au plus tard le 17 du mois précédent inclus."),
        (MonthDay(31, at=NOON), "Au plus tard le dernier jour du mois précédent, à 12 h."),
        (ClearDays(15), "Au plus tard 15 jours francs avant le premier jour de la période."),
        (Never(), "Jamais possible."),
        (
            Windows(
                (
                    Window(
                        date(2026, 12, 21),
                        date(2026, 12, 31),
                        paris(2026, 11, 2, 8),
                        paris(2026, 12, 4, 23, 59),
                        Audience.RESIDENT,
                    ),
                )
            ),
            "Pour les jours du 21 au 31 décembre 2026 (familles de la commune) : "
            "à partir du lundi 2 novembre 2026 à 8 h et jusqu'au vendredi 4 décembre 2026 inclus.",
        ),
    ],
)
def test_a_rule_reads_as_a_sentence(rule: Rule, sentence: str) -> None:
    assert wording.sentence(rule) == sentence


def test_many_windows_are_summed_up() -> None:
    windows = tuple(Window(date(2026, month, 1), date(2026, month, 28)) for month in range(1, 7))
    assert wording.sentence(Windows(windows)) == "6 fenêtres, pour les jours du 1er janvier au 28 juin 2026."


def test_moments_are_written_as_in_a_letter() -> None:
    noon, evening, midnight = paris(2026, 11, 26, 12), paris(2026, 11, 26, 23, 59), paris(2026, 12, 1, 0)
    assert moments.moment(noon) == "jeudi 26 novembre à 12 h"
    assert moments.moment(midnight, year=True) == "mardi 1er décembre 2026 à 0 h"
    assert moments.until(noon) == "jusqu'au jeudi 26 novembre à 12 h"
    assert moments.until(evening) == "jusqu'au jeudi 26 novembre inclus"
    assert moments.since(noon) == "depuis le jeudi 26 novembre à 12 h"
    assert moments.since(evening) == "depuis le jeudi 26 novembre au soir"
    assert moments.opening(midnight) == "à partir du mardi 1er décembre"
    assert moments.opening(noon) == "à partir du jeudi 26 novembre à 12 h"


def test_spans_say_no_more_than_needed() -> None:
    spans = [
        moments.span(date(2026, 5, 4), date(2026, 5, 4)),
        moments.span(date(2026, 12, 1), date(2026, 12, 30)),
        moments.span(date(2026, 12, 19), date(2027, 1, 3), year=True),
    ]
    assert spans == ["le 4 mai", "du 1er au 30 décembre", "du 19 décembre 2026 au 3 janvier 2027"]


def test_a_list_ends_with_and() -> None:
    lists = [moments.listing(words) for words in ([], ["lundi"], ["lundi", "mardi", "jeudi"])]
    assert lists == ["", "lundi", "lundi, mardi et jeudi"]
