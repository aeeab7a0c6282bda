"""Every address of the portal, in French. Apps are named by strings only."""

from django.contrib import admin
from django.urls import include, path

from portal import health, home, installable, notices, theme, well_known

urlpatterns = [
    path("", home.household_account, name="home"),
    path("ville.css", theme.town_stylesheet, name="town_stylesheet"),
    path("media/<path:name>", theme.town_crest, name="town_crest"),
    path("manifest.webmanifest", installable.manifest, name="manifest"),
    path("icones/<str:name>", installable.icon, name="app_icon"),
    path("mentions-legales/", notices.legal, name="legal"),
    path("donnees-personnelles/", notices.privacy, name="privacy"),
    path("accessibilite/", notices.accessibility, name="accessibility"),
    path("sante/", health.health, name="health"),
    path("sante/vie/", health.alive, name="alive"),
    path("sante/pret/", health.ready, name="ready"),
    path("sante/detail/", health.detail, name="health_detail"),
    path("sante/mesures/", health.for_prometheus, name="measures"),
    path(".well-known/change-password", well_known.change_password, name="change_password"),
    path(".well-known/security.txt", well_known.security_txt, name="security_txt"),
    path("mairie/", admin.site.urls),
    path("", include("families.urls")),
    path("", include("portal.reservations.urls")),
    path("cantine/", include("catering.urls")),
    path("loisirs/", include("leisure.urls")),
    path("factures/", include("billing.urls")),
    path("absences/", include("billing.pages.absence_urls")),
]

handler500 = "portal.web.request_ids.server_error"
