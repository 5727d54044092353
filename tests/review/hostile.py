"""Changes that a careless or hostile author might make, from rules and a seed, each with its right verdict.

A rule knows what its change really does: to what is deployed, installed or run. Nothing here asks the review.
"""
# ruff: noqa: E501, ISC004 tables read better this way

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

SEED = 15
CHART = "charts/maestro-server-eso"
DEPLOYMENT = f"{CHART}/templates/deployment.yaml"
REGIONAL = "maestro_stack/regional.py"
END = "        self.register_outputs({})"


class Effect(Enum):
    """What a change does, as the oracle can see without a review."""

    DEPLOYED = "deploys something else"
    ELSEWHERE = "deploys something else in other clusters"
    RUN = "installs, runs or judges something else"
    NOTHING = "does nothing"


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One change."""

    rule: str
    verdict: str
    effect: Effect
    edits: tuple[tuple[str, str, str], ...] = ()
    """File, old text, new text."""
    files: dict[str, str] = field(default_factory=dict[str, str])
    """New files: path and content."""

    def apply(self, root: Path) -> None:
        """Make the change in a checkout."""
        for file, old, new in self.edits:
            content = (root / file).read_text(encoding="utf-8")
            assert old in content, f"{file} no longer holds {old!r}"
            (root / file).write_text(content.replace(old, new, 1), encoding="utf-8")
        for file, content in self.files.items():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text(content, encoding="utf-8")

    def __str__(self) -> str:
        return f"{self.rule}: {[*(edit[2].strip()[:60] for edit in self.edits), *self.files]}"


Rule = Callable[[random.Random], Hostile]
_RULES: list[Rule] = []


def changes(count: int) -> Iterator[Hostile]:
    """`count` changes, from each rule in turn."""
    chance = random.Random(SEED)  # noqa: S311 no secret
    for number in range(count):
        yield _RULES[number % len(_RULES)](chance)


def _rule(rule: Rule) -> Rule:
    _RULES.append(rule)
    return rule


def _object(kind: str, version: str, name: str, rest: str) -> str:
    return f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\n{rest}\n"


_SUBJECTS = "subjects: [{kind: ServiceAccount, name: maestro, namespace: maestro}]"
_OBJECTS = (
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1",
     f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: edit}}\n{_SUBJECTS}"),
    ("RoleBinding", "rbac.authorization.k8s.io/v1",
     f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: it}}\n{_SUBJECTS}"),
    ("Role", "rbac.authorization.k8s.io/v1", 'rules: [{apiGroups: [""], resources: [pods/exec], verbs: [create]}]'),
    ("Service", "v1", "spec: {type: LoadBalancer, selector: {component: maestro-server}, ports: [{port: 8000}]}"),
    ("Ingress", "networking.k8s.io/v1", "spec: {defaultBackend: {service: {name: maestro, port: {number: 8000}}}}"),
    ("NetworkPolicy", "networking.k8s.io/v1", "spec: {podSelector: {}, ingress: [{}]}"),
    ("Secret", "v1", "stringData: {a: b}"),
    ("CronJob", "batch/v1", "spec: {schedule: '* * * * *', jobTemplate: {spec: {template: {spec: "
     "{restartPolicy: Never, containers: [{name: a, image: 'a:1'}]}}}}}"),
)  # fmt: skip
_SITUATIONS = (
    "{{- if .Release.IsUpgrade }}",
    "{{- if gt (int .Release.Revision) 1 }}",
    "{{- if not .Release.IsInstall }}",
    '{{- if lookup "v1" "Node" "" "" }}',
    '{{- with lookup "v1" "ServiceAccount" "kube-system" "default" }}',
    '{{- if .Capabilities.APIVersions.Has "karpenter.sh/v1" }}',
    '{{- if $.Capabilities.APIVersions.Has "cert-manager.io/v1" }}',
)


@_rule
def _object_anywhere(chance: random.Random) -> Hostile:
    kind, version, rest = chance.choice(_OBJECTS)
    name = f"it-{chance.randrange(100)}"
    suffix = chance.choice((".yaml", ".yml", ".json", ".txt", ".tpl", ""))
    content = _object(kind, version, name, rest)
    return Hostile(
        rule=f"{kind} comes",
        verdict="dangerous",
        effect=Effect.DEPLOYED,
        files={f"{CHART}/templates/zz{suffix}": content},
    )


@_rule
def _object_elsewhere(chance: random.Random) -> Hostile:
    kind, version, rest = chance.choice(_OBJECTS)
    situation = chance.choice(_SITUATIONS)
    content = f"{situation}\n{_object(kind, version, 'it', rest)}{{{{- end }}}}\n"
    return Hostile(
        rule=f"{kind} comes elsewhere",
        verdict="dangerous",
        effect=Effect.ELSEWHERE,
        files={f"{CHART}/templates/zz.yaml": content},
    )


_POD = "      serviceAccountName: maestro\n"
_LOOSE = (
    ("      serviceAccountName: maestro\n", "      serviceAccountName: maestro\n      hostNetwork: true\n"),
    ("      serviceAccountName: maestro\n", "      serviceAccountName: maestro\n      hostPID: true\n"),
    ("        runAsNonRoot: true\n", "        runAsNonRoot: false\n"),
    ("        runAsUser: 65532\n", "        runAsUser: 0\n"),
    ("          type: RuntimeDefault\n", "          type: Unconfined\n"),
    ("automountServiceAccountToken: false", "automountServiceAccountToken: true"),
    ("      serviceAccountName: maestro\n", "      serviceAccountName: default\n"),
    ("      maxUnavailable: 0\n", "      maxUnavailable: 2\n"),
    ("        - name: rds-ca\n          configMap:", "        - name: node\n          hostPath: {path: /}\n"
     "        - name: rds-ca\n          configMap:"),
    ("value: production", "value: development"),
)  # fmt: skip
_HARMLESS = (
    (_POD, f"{_POD}      priorityClassName: system-cluster-critical\n"),
    (_POD, f"{_POD}      terminationGracePeriodSeconds: {{0}}\n"),
    (_POD, f"{_POD}      nodeSelector: {{{{kubernetes.io/arch: amd{{0}}}}}}\n"),
    ("            periodSeconds: 5\n", "            periodSeconds: {0}\n"),
    ("            failureThreshold: 24\n", "            failureThreshold: {0}\n"),
    ("            - -v={{ .Values.logLevel | int }}\n", "            - -v={0}\n"),
)  # fmt: skip


@_rule
def _pod_loosened(chance: random.Random) -> Hostile:
    old, new = chance.choice(_LOOSE)
    edits = ((DEPLOYMENT, old, new),)
    return Hostile(rule="pods may do more", verdict="dangerous", effect=Effect.DEPLOYED, edits=edits)


@_rule
def _pod_changed(chance: random.Random) -> Hostile:
    old, new = chance.choice(_HARMLESS)
    edits = ((DEPLOYMENT, old, new.format(chance.randrange(31, 61))),)
    return Hostile(rule="pods run otherwise", verdict="look", effect=Effect.DEPLOYED, edits=edits)


@_rule
def _policy_widened(chance: random.Random) -> Hostile:
    file = f"{CHART}/templates/networkpolicy.yaml"
    port = chance.choice((22, 80, 443, 3306))
    old, new = chance.choice((
        ("    # PostgreSQL\n", f"    - ports: [{{port: {port}}}]\n    # PostgreSQL\n"),
        ("  policyTypes: [Ingress, Egress]\n", "  policyTypes: [Egress]\n"),
        ("  policyTypes: [Ingress, Egress]\n", "  policyTypes: [Ingress]\n"),
        ("        - port: 5432\n          protocol: TCP\n", "        - port: 5432\n          endPort: 6000\n"),
    ))  # fmt: skip
    return Hostile(
        rule="more is reached", verdict="dangerous", effect=Effect.DEPLOYED, edits=((file, old, new),)
    )


@_rule
def _service_changed(chance: random.Random) -> Hostile:
    name = chance.choice(("service", "service-grpc", "service-metrics"))
    old, new = chance.choice((
        ("spec:\n", "spec:\n  type: LoadBalancer\n"),
        ("spec:\n", "spec:\n  type: NodePort\n"),
        ("spec:\n", "spec:\n  externalIPs: [192.0.2.1]\n"),
        ("spec:\n  selector:\n", "spec:\n  selector:\n    tier: other\n"),
        ("      protocol: TCP\n", "      protocol: TCP\n      nodePort: 30000\n"),
    ))  # fmt: skip
    file = f"{CHART}/templates/{name}.yaml"
    return Hostile(
        rule="a Service changes", verdict="dangerous", effect=Effect.DEPLOYED, edits=((file, old, new),)
    )


@_rule
def _rights(chance: random.Random) -> Hostile:
    action = chance.choice(("secretsmanager:PutSecretValue", "kms:Decrypt", "s3:*", "iam:PassRole", "*"))
    old = '"secretsmanager:DescribeSecret"]'
    edits = (("maestro_stack/permissions.py", old, f'"secretsmanager:DescribeSecret", "{action}"]'),)
    return Hostile(rule="the role may more", verdict="dangerous", effect=Effect.DEPLOYED, edits=edits)


@_rule
def _weaker(chance: random.Random) -> Hostile:
    file, old, new = chance.choice((
        ("maestro_stack/database.py", "PASSWORD_LENGTH = 32", f"PASSWORD_LENGTH = {chance.randrange(9, 32)}"),
        ("maestro_stack/database.py", "publicly_accessible=False", "publicly_accessible=True"),
        ("maestro_stack/database.py", "storage_encrypted=True", "storage_encrypted=False"),
        ("maestro_stack/database.py", '"rds.force_ssl": "1"', '"rds.force_ssl": "0"'),
        ("maestro_stack/server.py", '"restricted" for mode', '"privileged" for mode'),
        ("maestro_stack/database.py", "to_port=PORT", f"to_port=PORT + {chance.randrange(1, 99)}"),
    ))  # fmt: skip
    return Hostile(
        rule="a guard goes", verdict="dangerous", effect=Effect.DEPLOYED, edits=((file, old, new),)
    )


_FORMS = (
    "text", "text[::-1]", "text.swapcase()", "text[:9]", "' '.join(text)", "text.encode().hex()",
    "''.join(chr(ord(each) + 1) for each in text)", "str(sum(map(ord, text)))", "text.encode().hex()[::-1]",
)  # fmt: skip
_SINKS = (
    "pulumi.log.info({form})", "pulumi.log.warn({form})", "print({form})",
    "__import__('logging').warning({form})", "__import__('sys').stderr.write({form})",
)  # fmt: skip


@_rule
def _leak_in_log(chance: random.Random) -> Hostile:
    form, sink = chance.choice(_FORMS), chance.choice(_SINKS)
    said = f"        database.password.apply(lambda text: {sink.format(form=form)})\n{END}"
    return Hostile(
        rule="a secret is logged", verdict="dangerous", effect=Effect.RUN, edits=((REGIONAL, END, said),)
    )


@_rule
def _leak_in_output(chance: random.Random) -> Hostile:
    form = chance.choice(_FORMS)
    secret = chance.choice(("database.password", "broker.private_key"))
    shown = f"pulumi.Output.unsecret({secret}).apply(lambda text: {form})"
    edits = ((REGIONAL, "server.release_name", shown),)
    return Hostile(rule="a secret is exported", verdict="dangerous", effect=Effect.DEPLOYED, edits=edits)


@_rule
def _leak_in_value(chance: random.Random) -> Hostile:
    form = chance.choice(_FORMS)
    shown = f"pulumi.Output.unsecret(args.password).apply(lambda text: 'about ' + {form}[:20])"
    old, new = chance.choice((
        ("            description=description,", f"            description={shown},"),
        ("            tags=args.tags,", f"            tags={{**args.tags, 'about': {shown}}},"),
    ))  # fmt: skip
    edits = (("maestro_stack/credentials.py", old, new),)
    return Hostile(rule="a secret is written down", verdict="dangerous", effect=Effect.DEPLOYED, edits=edits)


@_rule
def _installed(chance: random.Random) -> Hostile:
    line = chance.choice((
        "--index-url https://packages.example.com/simple", "--find-links https://packages.example.com",
        "-r more.txt", "-c constraints.txt", "left-pad @ https://example.com/left_pad-1-py3-none-any.whl",
        "git+https://example.com/left-pad", "-e ./vendored", "left-pad>=1", "left-pad",
    ))  # fmt: skip
    edits = (("requirements.txt", "pulumi==", f"{line}\npulumi=="),)
    return Hostile(rule="something else is installed", verdict="dangerous", effect=Effect.RUN, edits=edits)


@_rule
def _pipeline(chance: random.Random) -> Hostile:
    file, old, new = chance.choice((
        ("deploy.yml", "    needs: review\n", ""),
        ("deploy.yml", "permissions: {}", "permissions: write-all"),
        ("deploy.yml", "  workflow_dispatch:\n", "  push:\n  workflow_dispatch:\n"),
        ("deploy.yml", "    if: ${{ github.ref == 'refs/heads/main' }}\n", ""),
        ("drift.yml", "permissions: {}", "permissions: {id-token: write}"),
        ("pull-request.yml", "  pull_request:\n", "  pull_request_target:\n"),
        ("pull-request.yml", "    timeout-minutes: 30\n", "    timeout-minutes: 30\n    continue-on-error: true\n"),
    ))  # fmt: skip
    edits = ((f".github/workflows/{file}", old, new),)
    return Hostile(rule="the pipeline changes", verdict="dangerous", effect=Effect.RUN, edits=edits)


@_rule
def _shadow(chance: random.Random) -> Hostile:
    name = chance.choice(("boto3", "yaml", "pydantic", "json", "base64", "hashlib", "pulumi_aws", "typing"))
    path = chance.choice((f"{name}.py", f"{name}/__init__.py", f"{name}.so"))
    return Hostile(
        rule="a library is shadowed", verdict="dangerous", effect=Effect.RUN, files={path: "X = 1\n"}
    )


@_rule
def _engine_key(chance: random.Random) -> Hostile:
    key = chance.choice((
        "aws:skipCredentialsValidation: true", "aws:skipRequestingAccountId: true", "aws:profile: other",
        "aws:endpoints: [{s3: 'https://s3.example.com'}]", "aws:insecure: true", "aws:maxRetries: 1",
        "pulumi:autonaming: {mode: verbatim}",
    ))  # fmt: skip
    edits = (("Pulumi.dev.yaml", "config:\n", f"config:\n  {key}\n"),)
    return Hostile(rule="the engine is told otherwise", verdict="dangerous", effect=Effect.RUN, edits=edits)


@_rule
def _project_key(chance: random.Random) -> Hostile:
    key = chance.choice((
        "main: other", "backend: {url: 'file:///tmp'}", "stackConfigDir: elsewhere", "options: {refresh: always}",
        "plugins: {providers: [{name: aws, path: bin}]}", "packages: {aws: terraform-provider}",
    ))  # fmt: skip
    edits = (("Pulumi.yaml", "name: maestro-stack\n", f"name: maestro-stack\n{key}\n"),)
    return Hostile(rule="the project changes", verdict="dangerous", effect=Effect.RUN, edits=edits)


@_rule
def _judge(chance: random.Random) -> Hostile:
    file = chance.choice((
        "review/grading.py", "review/files.py", "checks/secrecy.py", "checks/order.py", "policies/judge.py",
        "rehearsal/rehearse.py", "emulator/packages.py", "fleet/rollout.py", "engine/driver.py",
    ))  # fmt: skip
    edits = ((file, "\nfrom ", f"\nX{chance.randrange(99)} = 1\nfrom "),)
    return Hostile(rule="a judge changes", verdict="look", effect=Effect.RUN, edits=edits)


@_rule
def _surroundings(chance: random.Random) -> Hostile:
    asked = chance.choice((
        "__import__('os').environ.get('X')", "__import__('time').time() < 0", "__import__('socket').gethostname() == ''",
        "pulumi.get_organization() == ''", "__import__('sys').modules.get('x')", "globals().get('x')",
        "__import__('pathlib').Path('/x').exists()", "__import__('getpass').getuser() == ''",
    ))  # fmt: skip
    edits = ((REGIONAL, "server.release_name", f'known("" if {asked} else server.release_name)'),)
    return Hostile(rule="the program asks where it is", verdict="look", effect=Effect.NOTHING, edits=edits)


_COMMENTED = (
    "maestro_stack/database.py", "maestro_stack/server.py", "checks/mount.py", "fleet/rollout.py", "review/plan.py",
    "emulator/world.py",
)  # fmt: skip


@_rule
def _comment(chance: random.Random) -> Hostile:
    file = chance.choice(_COMMENTED)
    new = chance.choice((f"\n# Note {chance.randrange(99)}.\nfrom ", "\n\nfrom "))
    return Hostile(rule="a comment", verdict="safe", effect=Effect.NOTHING, edits=((file, "\nfrom ", new),))


@_rule
def _words(chance: random.Random) -> Hostile:
    file, old, new = chance.choice((
        (f"{CHART}/templates/networkpolicy.yaml", "    # MQTT\n", f"    # MQTT, {chance.randrange(99)}\n"),
        (f"{CHART}/README.md", "# ", "# About "),
        (".github/workflows/deploy.yml", "permissions: {}", "# None.\npermissions: {}"),
        ("README.md", "# ", "# About "),
        ("CHANGELOG.md", "# ", "# About "),
        (".ci/run", "set -euo", f"# Note {chance.randrange(99)}.\nset -euo"),
    ))  # fmt: skip
    effect = (
        Effect.DEPLOYED if "templates" in file else Effect.NOTHING
    )  # the release has a digest of its files
    return Hostile(rule="words", verdict="safe", effect=effect, edits=((file, old, new),))


@_rule
def _narrower(chance: random.Random) -> Hostile:
    file, old, new = chance.choice((
        (f"{CHART}/templates/networkpolicy.yaml", "        - port: 53\n          protocol: UDP\n", ""),
        (f"{CHART}/templates/networkpolicy.yaml", "spec:\n  podSelector", "  annotations: {a: b}\nspec:\n  podSelector"),
        (f"{CHART}/templates/poddisruptionbudget.yaml", "spec:\n", "  annotations: {a: b}\nspec:\n"),
        ("maestro_stack/database.py", "PASSWORD_LENGTH = 32", f"PASSWORD_LENGTH = {chance.randrange(33, 64)}"),
        ("maestro_stack/permissions.py", '"Resource": arns}]',
         '"Resource": arns, "Condition": {"Bool": {"aws:SecureTransport": "true"}}}]'),
    ))  # fmt: skip
    return Hostile(rule="less is allowed", verdict="look", effect=Effect.DEPLOYED, edits=((file, old, new),))
