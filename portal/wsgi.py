"""The WSGI application gunicorn serves, on a database of this version only."""

import os

from django.core.wsgi import get_wsgi_application
from gunicorn.http import wsgi as server

from portal import launching

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

server.SERVER = "portail"  # what serves it is nobody's business

application = get_wsgi_application()
launching.serve_or_leave()
