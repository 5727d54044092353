"""Figures as they are printed."""


class BenchmarkError(Exception):
    """What was to be measured isn't what ran."""


def line(
    what: str, value: float, *, unit: str = "s", limit: float | None = None, least: float | None = None
) -> bool:
    """Print a figure; says whether it is within its limits."""
    good = (limit is None or value <= limit) and (least is None or value >= least)
    goals = [f"at most {limit:g} {unit}"] if limit is not None else []
    goals += [f"at least {least:g} {unit}"] if least is not None else []
    goal = f"  goal: {', '.join(goals)}{'' if good else '  MISSED'}" if goals else ""
    print(f"{what:<44} {value:7.2f} {unit}{goal}", flush=True)
    return good
