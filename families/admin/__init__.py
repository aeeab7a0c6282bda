"""The town hall's desk for people: a module a subject, registered here."""

from families.admin import calendars as calendars
from families.admin import custody as custody
from families.admin import erasing as erasing
from families.admin import exporting as exporting
from families.admin import finding as finding
from families.admin import imports as imports
from families.admin import joining as joining
from families.admin import kept_filters as kept_filters
from families.admin import messages as messages
from families.admin import notes as notes
from families.admin import openings as openings
from families.admin import outbox as outbox
from families.admin import own as own
from families.admin import paper_letters as paper_letters
from families.admin import papers as papers
from families.admin import people as people
from families.admin import privacy as privacy
from families.admin import processing as processing
from families.admin import readings as readings
from families.admin import screen_blocks as screen_blocks
from families.admin import security_log as security_log
from families.admin import staff as staff
from families.admin import threads as threads
from families.admin import twins as twins
from families.admin import undelivered as undelivered
from families.admin.people import HouseholdAdmin as HouseholdAdmin
