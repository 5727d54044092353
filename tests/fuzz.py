"""Stack files that nobody should write, and some that everybody does; a seed always gives the same ones."""

import random
from collections.abc import Callable

from tests.scalars import SCALARS

HEAD = {
    "aws:region": "us-east-1",
    "maestro-stack:clusterName": "regional-xyz",
    "maestro-stack:profile": "dev",
}
KEYS = (
    "maestro-stack:server",
    "maestro-stack:database",
    "maestro-stack:rotation",
    "maestro-stack:tags",
    "maestro-stack:mqtt",
    "maestro-stack:acknowledge",
    "maestro-stack:policies",
    "maestro-stack:network",
    "maestro-stack:server.replicas",
    "maestro-stack:config:kubernetes",
    "bootstrapConfigMap",
    "maestro:clusterName",
    "aws:profile",
    "aws:assumeRoles",
    "aws:defaultTags",
    "aws:regoin",
    "other:thing",
    "a:b:c",
    ":x",
    "x:",
    "'quoted key'",
    "1",
    "~",
    "true",
    "1.5",
    "2026-12-01",
    "[a, b]",
    "{a: b}",
    "? a",
    "é:ü",
)
SOUND = (
    "maestro-stack:server: {replicas: 3}",
    "maestro-stack:server: {replicas: 0x3, zoneCount: 0b1}",
    "maestro-stack:server:\n    requests: {cpu: 0.5, memory: 0.5Gi}",
    "maestro-stack:config:server: {values: {logLevel: 4}}",
    "server: {namespace: on, releaseName: 'no'}",
    "maestro-stack:database: {engineVersion: 17}",
    "maestro-stack:database: {engineVersion: !!str 17, multiAz: True}",
    "maestro-stack:database: {maintenanceWindow: Mon:00:00-Mon:03:00}",
    "maestro-stack:database: {allocatedStorageGiB: 1_00, maxAllocatedStorageGiB: 2e2}",
    "maestro-stack:rotation: {certificate: 2026-12-01, database: 012}",
    "maestro-stack:tags: {a: yes, b: 1e3, c: 12:30, d: ''}",
    "maestro-stack:tags: &t {a: b}\n  other:tags: {<<: *t, c: d}",
    "maestro-stack:mqtt: {sourceId: 0o17}",
    "maestro-stack:acknowledge: []",
    "bootstrapConfigMap: create",
    "aws:allowedAccountIds: [123456789012]",
    "aws:defaultTags: {tags: {A: b}}",
    "aws:maxRetries: 5",
)
"""Lines each of which, alone, leaves a sound file sound."""
INNER = (
    *("replicas", "image", "tag", "values", "zoneCount", "instanceClass", "engineVersion", "certificate"),
    *("iops", "multiAz", "key", "reason", "team", "sourceId", "subnetIds", "exceptions", "a b", "é", "'q'"),
    *('"\\u00e9"', "1", "~", "on", "0x1F", "1.50", "2026-12-01", "<<", "a.b", "''"),
)
SCALAR = (
    *SCALARS,
    *(
        "two",
        "2",
        "3",
        "-1",
        "true",
        "db.t4g.small",
        "17",
        "2026-12",
        "1e400",
        "0o8",
        "0b2",
        "1_0.5",
        "- a",
        "a: b",
    ),
    *("!!int 5", "!!int x", "!!float 5", "!!float x", "!!bool yes", "!!bool true", "!!null ~", "!!null x"),
    *("!!timestamp 2026-12-01", "!!timestamp x", "!own x", "!own {a: 1}", "!!set {a, b}", "!!omap [a: 1]"),
    *("!!seq [1]", "!!map {a: 1}", "!!str [1]", "!!map 1", "!!python/name:os.system x", "! 12"),
    *(
        '"a\\tb\\u00e9\\x41\\n"',
        '"\\q"',
        '"open',
        "'it''s'",
        "'open",
        "|\n    a\n    b\n",
        ">-\n    a\n    b\n",
        "|2\n     a\n",
    ),
    *(
        "\ttab",
        "a\tb",
        "a #b",
        "#b",
        "a: #b",
        "@a",
        "`a",
        "%a",
        "&a",
        "*none",
        "&a 1",
        "*a",
        "é",
        "🙂",
        "\u2028",
        "\x85",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "[1, [2, {a: 3}]]",
        "[a, b",
        "{a: 1, a: 2}",
        "{1: a, b: c}",
        "{a}",
        "[a: b]",
        "{a:1}",
        '{"a":1}',
    ),
    *(
        "&x {b: 1}",
        "{<<: {a: 1}, a: 2}",
        "{<<: [{a: 1}, {b: 2}]}",
        "{<<: 1}",
        "&r [*r]",
        "{'<<': 1}",
        ".inf",
        ".nan",
    ),
    *(
        "{a: ~, b: '', c: [], d: {}}",
        "[~, true, 1.0, 1e3]",
        '"{\\"a\\": 1}"',
        "'[1'",
        "999999999999999999999",
        "-0.0",
        "5.",
    ),
)


def files(count: int, seed: int = 1) -> list[bytes]:
    """`count` files, each the content of a `Pulumi.<stack>.yaml`."""
    return [_file(random.Random(f"{seed} {number}")) for number in range(count)]  # noqa: S311


def _file(chance: random.Random) -> bytes:
    lines = [f"  {key}: {value}" for key, value in HEAD.items() if chance.random() < 0.97]
    keys = (chance.choice(KEYS[:14] if chance.random() < 0.8 else KEYS) for _ in range(chance.randint(1, 3)))
    lines += [f"  {key}: {_value(chance, 0)}" for key in keys]
    if chance.random() < 0.4:
        lines = [*(f"  {key}: {value}" for key, value in HEAD.items()), f"  {chance.choice(SOUND)}"]
    chance.shuffle(lines)
    text = "\n".join(["config:", *lines, ""])
    if chance.random() < 0.25:
        text = chance.choice(WHOLE)(text, chance)
    content = text.encode()
    return chance.choice(ENCODED)(content, chance) if chance.random() < 0.1 else content


def _value(chance: random.Random, depth: int) -> str:
    kind = chance.random()
    if depth > 4 or kind < 0.5:
        return chance.choice(SCALAR)
    if kind < 0.65:
        return f"[{', '.join(_value(chance, depth + 1) for _ in range(chance.randint(0, 3)))}]"
    members = (f"{chance.choice(INNER)}: {_value(chance, depth + 1)}" for _ in range(chance.randint(0, 3)))
    if kind < 0.85 or depth:
        return f"{{{', '.join(members)}}}"
    return "".join(f"\n    {member}" for member in members)


def _edited(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text))
    return (
        text[:place] + chance.choice(("", *"\t\n :-#'\"[]{}&*!|>%@,?")) + text[place + chance.randint(0, 1) :]
    )


WHOLE: tuple[Callable[[str, random.Random], str], ...] = (
    _edited,
    _edited,
    _edited,
    lambda text, _: text + text,
    lambda text, _: text + text.partition("\n")[2],
    lambda text, chance: text[: chance.randrange(len(text))],
    lambda text, _: f"--- # first\n{text}---\nconfig: {{}}\n",
    lambda text, _: f"%YAML 1.1\n---\n{text}...\n",
    lambda text, _: f"%YAML 2.0\n---\n{text}",
    lambda text, _: text.replace("\n", "\r\n"),
    lambda text, _: text.replace("  ", "\t"),
    lambda text, _: text.replace(": ", ":\t"),
    lambda text, _: f"environment: [a/b]\n{text}",
    lambda text, _: f"encryptionsalt: 5\nsecretsprovider: [x]\n{text}",
    lambda text, _: f"confg: {{}}\n{text}",
    lambda text, _: f"{text}  maestro-stack:network: {{vpcId: {{secure: AAAB}}}}\n",
    lambda text, chance: f"{text}  maestro-stack:policies: {'[' * (n := chance.randint(1, 60))}{']' * n}\n",
    lambda text, chance: f"{text}  maestro-stack:policies: {'[' * chance.choice((500, 5000, 20000))}\n",
    lambda text, _: (
        f"{text}  other:a: &a [1,1,1,1,1,1,1,1,1]\n"
        + "".join(
            f"  other:{to}: &{to} [{','.join([f'*{of}'] * 9)}]\n"
            for of, to in zip("abcdefgh", "bcdefghi", strict=True)
        )
    ),
    lambda _, chance: chance.choice(
        ("", "\n", "# nothing\n", "config:\n", "config: []\n", "[]\n", "text\n", "~\n", "---\n")
    ),
)
ENCODED: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    lambda content, _: b"\xef\xbb\xbf" + content,
    lambda content, _: content.decode().encode("utf-16"),
    lambda content, _: content.decode().encode("utf-16-be"),
    lambda content, _: content.replace(b"regional", b"r\xe9gional"),
    lambda content, _: content.replace(b"regional", b"r\x00gional"),
    lambda content, _: content.replace(b"regional", b"r\x7fgional"),
    lambda content, _: content.replace(b"regional", b"r\xed\xa0\x80gional"),
    lambda content, _: content.replace(b"regional", "r\ufeffgional".encode()),
    lambda content, chance: content + bytes(chance.randrange(256) for _ in range(5)),
)
