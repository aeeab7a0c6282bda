"""Every address of the portal, in French. Apps are named by strings only."""

from django.contrib import admin
from django.urls import include, path

from portal import home

urlpatterns = [
    path("", home.household_account, name="home"),
    path("mairie/", admin.site.urls),
    path("", include("families.urls")),
    path("cantine/", include("catering.urls")),
]
