"""Stacks of the unmodified program on the real engine, each in an emulated account of its own."""

import atexit
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

import tools
from common.json_values import Json, records, text
from emulator.aws.cloud import Cloud
from emulator.client import Emulation
from emulator.executables import ACCOUNT, write_plugins
from emulator.world import World
from engine.driver import Engine, Result
from engine.programs import LOG, WritePlugins
from engine.project import Stack, load_stack, write_config
from engine.settings import settings_of
from rehearsal.environment import seed_memory
from rehearsal.rehearse import world_of
from tests.checkouts import ROOT
from tests.engine.attached import Attached

CLUSTER = "regional-xyz"
PRODUCTION: dict[str, object] = {"profile": "production"}


def config(region: str = "us-east-1", /, **keys: object) -> dict[str, object]:
    """A sound stack's configuration; keys are the project's own."""
    own = {"clusterName": CLUSTER, "profile": "dev", **keys}
    return {"aws:region": region, **{f"maestro-stack:{key}": value for key, value in own.items()}}


class Region:
    """One stack in one emulated account."""

    def __init__(
        self,
        emulation: Emulation,
        folder: Path,
        account: str,
        settings: Mapping[str, object],
        *,
        root: Path = ROOT,
        name: str = "test",
        world: Callable[[World], World] = lambda world: world,
        secrets: Mapping[str, str] | None = None,
        build: bool = True,
        environment: Mapping[str, str] | None = None,
        pulumi: Path | None = None,
        attached: Attached | None = None,
        plugins: WritePlugins = write_plugins,
        program: str = "__main__.py",
    ) -> None:
        """Without `attached`, each operation starts the plugins, as for a user."""
        self.emulation = emulation
        self.folder = folder
        self.account = account
        self.name = name
        self.root = root
        self.settings = dict(settings)
        stack = self._stack(settings)
        parsed = settings_of(stack)
        self.region = parsed.region
        self.world = world(world_of(parsed).model_copy(update={"account": account}))
        if build:
            emulation.build(account=account, region=parsed.region, world=self.world)
            seed_memory(emulation, parsed, self.world)
        pulumi = pulumi or tools.find("pulumi")
        assert pulumi is not None
        environment = {
            **emulation.environment(parsed.region),
            ACCOUNT: account,
            LOG: str(folder / "state/provider.log"),
            "KUBECONFIG": "/dev/null",
            **(environment or {}),
            **(attached.variables if attached else {}),
        }
        fresh = None if (folder / "state").exists() else _fresh_state(name)
        if fresh is not None and fresh.exists():
            shutil.copytree(fresh, folder / "state")
        self.engine = Engine(
            stack,
            folder / "state",
            pulumi=pulumi,
            plugins=plugins,
            environment=environment,
            secrets=secrets,
            program=program,
        )
        if fresh is not None and not fresh.exists():
            shutil.copytree(folder / "state", fresh)
        if attached:
            attached.heed(self.engine.variables)

    def _stack(self, settings: Mapping[str, object]) -> Stack:
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / f"Pulumi.{self.name}.yaml"
        write_config(file, settings)
        return load_stack(self.root, name=self.name, file=file)

    def configure(self, settings: Mapping[str, object], *, root: Path | None = None) -> None:
        """Give the stack another configuration (or another checkout)."""
        self.root = root or self.root
        self.settings = dict(settings)
        self.engine.configure(self._stack(settings))

    def cloud(self) -> Cloud:
        """The account, as a bystander sees it."""
        return self.emulation.cloud(self.region, self.account)

    def call(self, service: str, operation: str, **parameters: Json) -> dict[str, Json]:
        """An API call behind the program's back."""
        return self.cloud().call(service, operation, parameters)

    def objects(self) -> list[dict[str, Json]]:
        """Everything in the in-memory cluster."""
        arn = self.cloud().arn("eks", f"cluster/{CLUSTER}")
        return records(self.emulation.kubernetes({"cluster": arn, "operation": "objects"}), "objects")

    def secrets(self) -> set[str]:
        """The generated values themselves, and the parts of them that survive any escaping."""
        found: set[str] = set()
        for name in ("server-mqtt-cert", "db-credentials"):
            answer = self.call("secretsmanager", "GetSecretValue", SecretId=f"{CLUSTER}/maestro/{name}")
            value = json.loads(text(answer, "SecretString"))
            found |= {value[key] for key in ("password",) if key in value}
            found |= set(value.get("privateKey", "").splitlines()[1:-1])
        return found

    def leftovers(self) -> list[str]:
        """What a destroyed stack must not leave in the account: everything that it makes there."""
        ours = (
            ("iot", "ListPolicies", "policies", "policyName"),
            ("iot", "ListCertificates", "certificates", "certificateId"),
            ("secretsmanager", "ListSecrets", "SecretList", "Name"),
            ("rds", "DescribeDBInstances", "DBInstances", "DBInstanceIdentifier"),
            ("rds", "DescribeDBSubnetGroups", "DBSubnetGroups", "DBSubnetGroupName"),
            ("rds", "DescribeDBParameterGroups", "DBParameterGroups", "DBParameterGroupName"),
            ("iam", "ListRoles", "Roles", "RoleName"),
        )
        left = [
            f"{service} {text(item, name)}"
            for service, operation, key, name in ours
            for item in records(self.call(service, operation), key)
        ]
        groups = records(self.call("ec2", "DescribeSecurityGroups"), "SecurityGroups")
        left += [text(g, "GroupName") for g in groups if text(g, "GroupName").startswith("maestro")]
        associations = self.call("eks", "ListPodIdentityAssociations", clusterName=CLUSTER)
        left += [text(a, "associationId") for a in records(associations, "associations")]
        return left

    def up(self) -> Result:
        return succeeded(self.engine.up())

    def preview(self) -> Result:
        return succeeded(self.engine.preview())

    def refresh(self) -> Result:
        return succeeded(self.engine.refresh())

    def destroy(self) -> Result:
        return succeeded(self.engine.destroy())


@cache
def _fresh_state(name: str) -> Path:
    """Where the state of a stack that has just been initialised is kept: a copy is quicker than the CLI."""
    folder = tempfile.TemporaryDirectory(prefix="maestro-fresh-")
    atexit.register(folder.cleanup)
    return Path(folder.name) / name


def succeeded(result: Result) -> Result:
    """The result, which must be a success."""
    assert result.succeeded, result.text
    return result


NewRegion = Callable[..., Region]


@pytest.fixture(scope="module")
def emulation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulation]:
    """One per module: all that an emulation holds is written to disk after each call."""
    with Emulation.start(tmp_path_factory.mktemp("aws") / "aws.state") as running:
        yield running


_accounts = itertools.count(200_000_000_000)


@pytest.fixture
def region(emulation: Emulation, tmp_path: Path) -> Iterator[NewRegion]:
    """Make a stack that isn't built yet, from its configuration."""
    numbers = itertools.count(1)
    with ExitStack() as running:

        def new(settings: Mapping[str, object] | None = None, **options: object) -> Region:
            folder = tmp_path / f"region-{next(numbers)}"
            account = str(options.pop("account", None) or next(_accounts))
            options["attached"] = running.enter_context(Attached())
            return Region(emulation, folder, account, settings or config(), **options)  # type: ignore[arg-type]

        yield new


def with_name(stack: Stack, name: str) -> Stack:
    """The same stack under another name."""
    return replace(stack, name=name)
