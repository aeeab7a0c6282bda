"""The leisure centre joins the cast."""

from tests.leisure.cast import brother, centre, enrol, holidays, plays, wednesdays

__all__ = ["brother", "centre", "enrol", "holidays", "plays", "wednesdays"]
