"""What the engine makes of YAML: each way to write a value, and the text that a program gets of it."""

SCALARS = {
    "12e7": "120000000",
    "72225e2": "7222500",
    "1e3": "1000",
    "1e30": "1e+30",
    "1e-7": "1e-7",
    "5.0": "5",
    "1.50": "1.5",
    ".5": "0.5",
    "-.5": "-0.5",
    "123456789.123": "123456789.123",
    "0089": "89",
    "017": "15",
    "0o17": "15",
    "0x1F": "31",
    "0b11": "3",
    "1_000": "1000",
    "+5": "5",
    "-0": "0",
    "012345678901": "12345678901",
    "123456789012": "123456789012",
    "12345678901234567890": "12345678901234567890",
    "2026-12-01": "2026-12-01 00:00:00 +0000 UTC",
    "2026-2-3": "2026-02-03 00:00:00 +0000 UTC",
    "2026-12-01T10:00:00Z": "2026-12-01 10:00:00 +0000 UTC",
    "2026-12-01T10:00:00.50+02:00": "2026-12-01 10:00:00.5 +0200 +0200",
    "2026-12-01 10:00:00": "2026-12-01 10:00:00 +0000 UTC",
    "2026-13-01": "2026-13-01",
    "yes": "yes",
    "no": "no",
    "on": "on",
    "y": "y",
    "True": "true",
    "FALSE": "false",
    "12:30": "12:30",
    "190:20:30": "190:20:30",
    "mon:03:00-mon:04:00": "mon:03:00-mon:04:00",
    "1.2.3": "1.2.3",
    "0x": "0x",
    "1__0": "10",
    "_1": "_1",
    "'012'": "012",
    '"true"': "true",
    "!!str 012": "012",
    "!!binary aGVsbG8=": "hello",
    "~": "",
    "": "",
    "''": "",
    "[1, 1.0, 012, ~, yes]": '[1,1,10,null,"yes"]',
    "{b: 12e7, a: 2026-12-01}": '{"a":"2026-12-01 00:00:00 +0000 UTC","b":120000000}',
    "{a: 12345678901234567890}": '{"a":12345678901234567000}',
    "{a: 0.1, c: 1e30}": '{"a":0.1,"c":1e+30}',
    "{a: &x {q: 1}, b: {<<: *x, r: 2}}": '{"a":{"q":1},"b":{"q":1,"r":2}}',
}
"""By what is written after a configuration key."""

FORMS = {
    "clusterName: x": {"maestro-stack:clusterName": "x"},
    "maestro-stack:config:clusterName: x": {"maestro-stack:clusterName": "x"},
    "aws:config:region: us-east-1": {"aws:region": "us-east-1"},
    '"aws:region": us-east-1': {"aws:region": "us-east-1"},
}
"""By a line of `config:`."""

REFUSED = (
    "a:b:c: 1",
    "1: a",
    "maestro-stack:a: 1\n  maestro-stack:a: 2",
    "maestro-stack:a: {b: 1, b: 2}",
    "maestro-stack:a: {b: .inf}",
    "maestro-stack:a: [1",
)
"""Lines of `config:` that the engine refuses."""


def file_of(scalars: list[str]) -> str:
    """A stack file that gives each to a key of its own, `maestro-stack:k0` and so on."""
    lines = [f"  maestro-stack:k{number}: {written}" for number, written in enumerate(scalars)]
    return "\n".join(["config:", *lines, ""])
