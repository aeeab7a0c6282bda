"""Which work goes first: of what is due the worker takes the highest, then the oldest."""

# Somebody waits for it to log in or to confirm an address.
URGENT = 50
# Any other letter, and all work that nothing else is said of.
USUAL = 0
# Letters to all households at once: hundreds, which may come a few minutes later.
MANY = -5
# Minutes of printing and packing.
LONG = -10
