"""The WSGI application gunicorn serves: behind its gate, on a database of this version only."""

import os

from django.core.wsgi import get_wsgi_application
from django.db import connection
from gunicorn.http import wsgi as server

from portal import launching

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

server.SERVER = "portail"  # what serves it is nobody's business

ungated = get_wsgi_application()
launching.serve_or_leave()

# Its pages name the town, whose model is there from here on.
from portal.waiting import gates  # noqa: E402

application = gates.guarded(ungated)
# Processes forked from this one need connections of their own.
connection.close()
