"""From which day what a family asks today of an activity takes effect. At once costs nothing."""

from datetime import date, timedelta

from portal.reservations.day_rules import effects
from portal.reservations.day_rules.effects import FARTHEST, Effect
from portal.reservations.days.calendars import OpenDays
from portal.reservations.models import Activity


def first_day(activity: Activity, today: date) -> date:
    """Today, or later where the activity says so; one query where open days are counted."""
    effect = Effect(activity.effect)
    if effect is not Effect.OPEN_DAYS:
        return effects.first_day(effect, activity.effect_days or 0, today, lambda day: True)
    days = OpenDays.load(activity, None, today, today + timedelta(days=FARTHEST))
    return effects.first_day(effect, activity.effect_days or 0, today, days.is_open)


def sentence(activity: Activity, today: date, begins: date) -> str:
    """What a family reads on the form of a year that `begins` then; nothing where it is at once."""
    if not activity.effect or (first := first_day(activity, today)) <= begins:
        return ""
    return effects.sentence(Effect(activity.effect), activity.effect_days or 0, first)
