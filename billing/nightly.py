"""Billing's nightly work."""

from datetime import datetime

from billing.reminders import arrears
from portal import nightly


def arrears_over(at: datetime) -> int:
    return arrears.settle(at=at)


nightly.register(
    "décisions d'impayés finies",
    "{} décision(s) d'impayés payée(s) ou arrivée(s) à leur date.",
    arrears_over,
)
