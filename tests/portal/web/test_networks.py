"""Where a request comes from: what trusted proxies say, and nothing that a stranger writes."""

import pytest
from django.test import RequestFactory

from portal.web.networks import network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
    ],
)
def test_an_address_of_ipv6_stands_for_its_network(address: str, network: str):
    assert network_of(RequestFactory().get("/", REMOTE_ADDR=address)) == network


def test_only_trusted_proxies_are_believed(settings):
    said = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 198.51.100.7"}
    request = RequestFactory().get("/", **said)
    assert network_of(request) == "10.0.0.1"
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert network_of(request) == "198.51.100.7"
