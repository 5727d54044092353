"""Prints figures."""


class BenchmarkError(Exception):
    """What ran isn't what was to be measured."""


def line(
    what: str, value: float, *, unit: str = "s", limit: float | None = None, least: float | None = None
) -> bool:
    """Print a figure; returns whether it is within its limits."""
    good = (limit is None or value <= limit) and (least is None or value >= least)
    goals = [f"at most {limit:g} {unit}"] if limit is not None else []
    goals += [f"at least {least:g} {unit}"] if least is not None else []
    goal = f"  goal: {', '.join(goals)}{'' if good else '  MISSED'}" if goals else ""
    print(f"{what:<44} {value:7.2f} {unit}{goal}", flush=True)
    return good
