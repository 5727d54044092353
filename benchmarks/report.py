"""Figures as they are printed."""


def line(what: str, value: float, *, unit: str = "s", limit: float | None = None) -> bool:
    """Print a figure; says whether it is within its limit."""
    good = limit is None or value <= limit
    goal = "" if limit is None else f"  goal: at most {limit:g} {unit}{'' if good else '  MISSED'}"
    print(f"{what:<44} {value:7.2f} {unit}{goal}", flush=True)
    return good
