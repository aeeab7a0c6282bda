"""The town hall's desk for people: a module a subject, registered here."""

from families.admin import people as people
from families.admin.people import HouseholdAdmin as HouseholdAdmin
