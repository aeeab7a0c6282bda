"""`make rush`: the morning on which a period opens, with real HTTP clients against the real server.

`town.py` makes the town and says which family wants what, `server.py` starts what README starts, `crowd.py`
is a process of its own in which each family is a coroutine (`family.py`, over `visit.py` and `wire.py`),
`meters.py` reads what it all costs, `order.py` whether the line kept its order, `report.py` writes it down.
"""
