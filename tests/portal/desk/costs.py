"""What one page of the desk may ask, its frame and menu with it: here, and in the bench of a large town."""

QUERIES = 15
# A page that needs more stands here with its number and why.
MORE = {
    # No list: fifteen steps, each read from the rows of its floor, by who opens a town.
    "/mairie/portal/town/premiers-pas/": 54,
    # A form: what an audience may be chosen by, a query for each.
    "/mairie/families/invitationlot/nouveau/": 16,
}


def too_dear(costs: dict[str, int]) -> dict[str, int]:
    """Of queries by address, those that are too many."""
    return {url: found for url, found in costs.items() if found > MORE.get(url, QUERIES)}
