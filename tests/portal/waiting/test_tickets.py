"""Cookies of the line are ours or nobody's."""

from hypothesis import given
from hypothesis import strategies as st

from portal.waiting.tickets import Ticket, Tickets, cookie_of

OURS = Tickets("a key of the portal")
TICKETS = st.builds(
    Ticket,
    kind=st.sampled_from("weas"),
    name=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    number=st.integers(0, 10**14),
)


@given(TICKETS)
def test_what_is_written_is_read(ticket: Ticket) -> None:
    assert OURS.read(OURS.write(ticket)) == ticket


@given(TICKETS, TICKETS)
def test_a_signature_serves_for_its_own_ticket_alone(one: Ticket, other: Ticket) -> None:
    said, signature = OURS.write(other).rsplit(".", 1)[0], OURS.write(one).rsplit(".", 1)[1]
    assert OURS.read(f"{said}.{signature}") == (other if one == other else None)


@given(st.text())
def test_anything_else_is_none(text: str) -> None:
    assert OURS.read(text) is None


def test_another_portals_cookie_is_none_here_and_one_of_a_key_of_before_still_counts() -> None:
    ticket = Ticket("w", "0123456789abcdef", 7)
    before = Tickets("the key of before")
    assert OURS.read(before.write(ticket)) is None
    assert Tickets("a new key", ["the key of before"]).read(before.write(ticket)) == ticket


def test_a_cookie_is_found_among_others_by_its_whole_name() -> None:
    assert cookie_of("place2=no; place=yes; x=place=no", "place") == "yes"
    assert cookie_of("", "place") == ""
