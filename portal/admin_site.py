"""The town hall's desk: Django admin, in French, grouped by the five apps, behind the portal's own login."""

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite

# Where models of other packages are shown, so that an agent sees five groups and nothing technical.
SHOWN_UNDER = {"reservations": "portal", "auth": "families", "account": "families"}


class PortalAdminSite(AdminSite):
    site_header = "Portail famille – mairie"
    site_title = "Portail famille"
    index_title = "Tableau de bord"
    enable_nav_sidebar = True
    login = secure_admin_login(AdminSite.login)
