"""The figures of one or several rushes: a table to read, and JSON."""

import json
from pathlib import Path
from typing import Any

from tests.bench.rush import scale

# What « Opening day » promises on two cores.
SERVED_BEYOND_ARRIVAL, INSIDE_P95 = 60.0, 1.0


def faults(run: dict[str, Any]) -> list[str]:
    """What may not happen on any machine, however slow: in words."""
    line, audit = run["line"], run["audit"]
    found = [f"{number} × {why}" for why, number in run["errors"].items()]
    found += [f"{run['unserved']} families were not served"] * bool(run["unserved"])
    found += [f"the line was given up {run['open_doors']} times"] * bool(run["open_doors"])
    found += [f"{line['overtaken']} families were overtaken in the line"] * bool(line["overtaken"])
    found += [f"{audit['places_over']} slots have more places taken than there are"] * bool(
        audit["places_over"]
    )
    found += [f"{audit['slots_uneven']} slots count other places than their bookings"] * bool(
        audit["slots_uneven"]
    )
    found += [audit["rows"]] * bool(audit["rows"])
    kept = sum(run["results"].get(name, 0) for name in ("recorded", "partly"))
    if audit["recorded"] != kept:
        found.append(f"{audit['recorded']} families have recorded, {kept} were told so")
    return found


def goals(run: dict[str, Any]) -> list[tuple[str, bool]]:
    """The promises, and whether this machine keeps them."""
    beyond = run["all_served_after"] - run["seconds"]
    return [
        (f"all served {beyond:.0f} s after the last arrivals, of {SERVED_BEYOND_ARRIVAL:.0f}",
         not run["unserved"] and beyond <= SERVED_BEYOND_ARRIVAL),
        (f"p95 of requests inside {run['inside']['p95']:.2f} s, of {INSIDE_P95:.0f}",
         run["inside"]["p95"] < INSIDE_P95),
        ("no errors, no places over, the line in order", not faults(run)),
    ]  # fmt: skip


def table(run: dict[str, Any]) -> str:
    """A run in lines of text."""
    redis = ", Redis" if run["redis"] else ""
    lines = [
        "",
        f"{run['families']} families in {run['seconds']:.0f} s, thinking {run['thinking']:g} s a page; "
        f"gunicorn {_servers(run)}{run['workers']} × {run['threads']}, {run['database']}{redis}; "
        f"{run['cores']} cores",
        "",
        f"  {'step':22}{'count':>8}{'p50':>9}{'p95':>9}{'max':>9}{'kB':>8}",
    ]
    shown = [
        *run["steps"].items(),
        ("every request inside", run["inside"]),
        ("planning to end", run["errand"]),
    ]
    if run["line"]["waited"]:
        shown.append(("in the line", run["line"]["seconds"]))
    for step, its in shown:
        weight = f"{run['kB'][step]:8.1f}" if step in run["kB"] else ""
        times = "".join(f"{its[name]:9.3f}" for name in ("p50", "p95", "max"))
        lines.append(f"  {step:22}{its['count']:8}{times}{weight}")
    results = ", ".join(f"{number} {name}" for name, number in sorted(run["results"].items()))
    line, cost = run["line"], run["cost"]
    lines += [
        "",
        f"  ended         {results}; {run['days_recorded']} days; "
        f"all served after {run['all_served_after']} s",
        f"  line          {line['waited']} waited, at most {line['longest']} at a time, {line['overtaken']} "
        f"overtaken",
        f"  a family      web {cost['web_ms']:.0f} ms{_postgres(cost)} of processor; "
        f"{run['requests_a_family']} requests",
        *(f"  beside it     {name} {spent:.1f} ms a family" for name, spent in cost["beside_ms"].items()),
        f"  the client    {run['client']['processor']} s of processor, "
        f"{cost['client_ms']:.1f} ms a family; {run['client']['memory']:.0f} MB. The web takes "
        f"{cost['web_ms'] / cost['client_ms']:.1f} × as much, whatever the machine",
        f"  memory        web {cost['memory_total']:.0f} MB (PSS), its heaviest process "
        f"{cost['memory_heaviest']:.0f} MB; {cost['connections']} connections",
        f"  the machine   busy {cost['machine_busy']:.0%}, of which the rush {cost['machine_ours']:.0%}",
        *(
            f"  a town        of {one.inhabitants:,} inhabitants: {one.families:,} families in "
            f"{scale.MINUTES} min, {one.web:g} cores for web and {one.postgres:g} for PostgreSQL"
            for one in scale.needs(cost)
        ),
        "",
        *(f"  {'✓' if held else '✗'} {promise}" for promise, held in goals(run)),
        *(f"  ✗ {fault}" for fault in faults(run)),
    ]
    return "\n".join(lines)


def _servers(run: dict[str, Any]) -> str:
    return f"{run['servers']} × " if run["servers"] > 1 else ""


def _postgres(cost: dict[str, Any]) -> str:
    if cost["postgres_ms"] is None:
        return (
            ""
            if cost["statement_ms"] is None
            else f", PostgreSQL {cost['statement_ms']:.0f} ms in statements"
        )
    return f", PostgreSQL {cost['postgres_ms']:.0f} ms (and {cost['postgres_shared_ms']:.0f} shared)"


def growth(runs: list[dict[str, Any]]) -> str:
    """Several runs side by side."""
    lines = [
        "",
        f"  {'servers':>8}{'workers':>9}{'Redis':>7}{'served/s':>10}{'inside p95':>12}{'web ms':>8}"
        f"{'pg ms':>8}{'MB':>7}",
    ]
    for run in runs:
        cost = run["cost"]
        postgres = "" if cost["postgres_ms"] is None else f"{cost['postgres_ms']:.0f}"
        lines.append(
            f"  {run['servers']:8}{run['workers']:9}{'yes' if run['redis'] else 'no':>7}"
            f"{run['served_a_second']:10.2f}{run['inside']['p95']:12.3f}{cost['web_ms']:8.0f}{postgres:>8}{cost['memory_total']:7.0f}"
        )
    return "\n".join(lines)


def write(runs: list[dict[str, Any]], where: Path) -> None:
    where.parent.mkdir(parents=True, exist_ok=True)
    kept = [run | {"faults": faults(run), "goals": dict(goals(run))} for run in runs]
    where.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
