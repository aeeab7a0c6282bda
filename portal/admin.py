"""The town hall's desk for the portal itself."""

from django.conf import settings
from django.contrib import admin

from portal.models import SentMail
from portal.outbox_admin import SentMailAdmin

if settings.DEMO:
    admin.site.register(SentMail, SentMailAdmin)
