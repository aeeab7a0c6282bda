"""The portal's addresses, with the third service among them."""

from django.urls import include, path

from portal.urls import urlpatterns as portal_urls

urlpatterns = [*portal_urls, path("transport/", include("tests.toy_transport.urls"))]
