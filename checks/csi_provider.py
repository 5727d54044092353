"""What the AWS provider of the Secrets Store CSI driver would put at /mnt/secrets-store.

`parse_class` reads a SecretProviderClass as the API server and the provider would, but strictly: what the
provider silently ignores (a misspelled field) or converts (a number for a string) is an error here. `mount`
then fetches the secrets and returns the files, or raises: all or nothing, like the provider.

    MountError             the volume can't be mounted; the pod stays in ContainerCreating
    └── InvalidClassError  because of what the SecretProviderClass says

No error ever holds secret content, not even in its chain of causes.

Sources: README, "SecretProviderClass options" of aws/secrets-store-csi-driver-provider-aws (3.1), whose
checks and wording are imitated; JMESPath Specification; the SecretProviderClass CustomResourceDefinition.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn, cast

import jmespath
import yaml

MOUNT_PATH: Final = "/mnt/secrets-store"
DEFAULT_MODE: Final = 0o644  # fsGroup isn't applied to this volume, so a non-root container needs it

_API_VERSION: Final = "secrets-store.csi.x-k8s.io/v1"
_KIND: Final = "SecretProviderClass"
_PARAMETERS: Final = frozenset(
    {"objects", "pathTranslation", "preferredAddressType", "region", "usePodIdentity"}
)
_NOT_REHEARSED: Final = frozenset({"failoverRegion", "failoverObject", "objectTemplate", "secretObjects"})
_OBJECT_KEYS: Final = frozenset(
    {
        "objectName",
        "objectType",
        "objectAlias",
        "objectVersion",
        "objectVersionLabel",
        "filePermission",
        "jmesPath",
    }
)
_JMES_KEYS: Final = frozenset({"path", "objectAlias", "filePermission"})
_ADDRESS_TYPES: Final = ("ipv4", "ipv6", "auto")
_OBJECT_TYPE: Final = "secretsmanager"
_MODE: Final = re.compile(r"0[0-7]{3}")
_CLIMBING: Final = re.compile(r"(^|/)\.\.(/|$)")
_ARN_PARTS: Final = 6


class MountError(Exception):
    """The mount fails. The text is what the provider's log says; ``event`` is what the pod's event says."""

    def __init__(self, reason: str, *, event: str | None = None) -> None:
        super().__init__(reason)
        self.event = event if event is not None else reason


class InvalidClassError(MountError):
    """The SecretProviderClass is refused by the API server or by the provider."""


def secret_not_found(name: str, region: str) -> MountError:
    """What a fetch raises for a missing secret; the provider passes this error on to the event."""
    return MountError(
        f"{region}: Failed fetching secret {name}: ResourceNotFoundException: "
        "Secrets Manager can't find the specified secret."
    )


def access_denied(name: str, region: str, why: str) -> MountError:
    """What a fetch raises when the role may not read the secret; only the log says so, the event doesn't."""
    return MountError(
        f"{region}: Failed fetching secret {name}: AccessDeniedException: {why}", event=_unspecific(name)
    )


def _unspecific(name: str) -> str:
    return f"Failed to fetch secret from all regions: {name}"


@dataclass(frozen=True, kw_only=True)
class JmesEntry:
    """One value picked from a secret's JSON into a file of its own."""

    path: str
    object_alias: str
    mode: int = DEFAULT_MODE


@dataclass(frozen=True, kw_only=True)
class SecretObject:
    """One secret to mount."""

    name: str  # name or ARN
    alias: str | None = None
    version: str | None = None
    version_label: str | None = None  # AWSCURRENT when neither is given
    mode: int = DEFAULT_MODE
    jmes_path: tuple[JmesEntry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SecretProviderClass:
    """A SecretProviderClass for EKS Pod Identity, parsed and checked."""

    name: str
    namespace: str | None
    region: str
    preferred_address_type: (
        str | None
    )  # which address of the Pod Identity Agent is tried; there is no fallback
    path_translation: str  # what "/" becomes in file names; empty keeps it
    objects: tuple[SecretObject, ...]

    def file_name(self, name: str) -> str:
        """The file that a secret name or alias becomes, relative to the mount point."""
        return name.replace("/", self.path_translation) if self.path_translation else name.lstrip("/")


@dataclass(frozen=True, kw_only=True)
class MountedFile:
    """One file of the volume. Its content never shows in a repr."""

    name: str  # relative to the mount point
    content: str = field(repr=False)
    mode: int
    secret: str  # the secret it came from
    whole_secret: bool  # the unchanged secret, which the provider writes next to the picked values

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.content.encode())


# --- mounting -------------------------------------------------------------------------------------


def mount(spc: SecretProviderClass, fetch: Callable[[str], str]) -> tuple[MountedFile, ...]:
    """The files of the volume, in the order of the class: each secret whole, then the values picked from it.

    ``fetch`` takes a secret's name or ARN as the class spells it and returns its string, or raises MountError
    (`secret_not_found`, `access_denied`). Every secret is fetched before anything is returned.
    Callers that want only the picked files take those without ``whole_secret``.
    """
    return tuple(file for wanted in spc.objects for file in _files(spc, wanted, fetch(wanted.name)))


def _files(spc: SecretProviderClass, wanted: SecretObject, content: str) -> tuple[MountedFile, ...]:
    whole = MountedFile(
        name=spc.file_name(wanted.alias or wanted.name),
        content=content,
        mode=wanted.mode,
        secret=wanted.name,
        whole_secret=True,
    )
    if not wanted.jmes_path:
        return (whole,)
    data = _decoded(content, wanted.name)
    picked = (
        MountedFile(
            name=spc.file_name(entry.object_alias),
            content=_picked(data, entry, wanted.name),
            mode=entry.mode,
            secret=wanted.name,
            whole_secret=False,
        )
        for entry in wanted.jmes_path
    )
    return (whole, *picked)


def _decoded(content: str, name: str) -> object:
    # Raised outside the except block: a JSONDecodeError holds the whole text and would stay as context.
    try:
        return cast("object", json.loads(content, parse_constant=_no_constant))
    except ValueError:
        pass
    raise MountError(f"Invalid JSON used with jmesPath in secret: {name}.", event=_unspecific(name))


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")  # Python would read NaN and Infinity


def _picked(data: object, entry: JmesEntry, name: str) -> str:
    found, ok = _search(entry.path, data)
    if not ok:
        problem = f"Invalid JMES Path: {entry.path}."
    elif found is None:
        alias = entry.object_alias
        problem = f"JMES Path - {entry.path} for object alias - {alias} does not point to a valid object."
    elif not isinstance(found, str):
        problem = f"Invalid JMES search result type for path:{entry.path}. Only string is allowed."
    else:
        return found
    raise MountError(f"{problem} (secret {name})", event=_unspecific(name))


def _search(path: str, data: object) -> tuple[object, bool]:
    """The result of a JMESPath expression, and whether it could be evaluated at all.

    jmespath is untyped, and its errors quote the data: neither leaves this function.
    """
    try:
        result: object = jmespath.search(path, data)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    except ValueError:
        return None, False
    return result, True


# --- parsing --------------------------------------------------------------------------------------


def parse_class(manifest: Mapping[str, object]) -> SecretProviderClass:
    """Read a rendered SecretProviderClass. Raises InvalidClassError, naming the field."""
    if manifest.get("apiVersion") != _API_VERSION or manifest.get("kind") != _KIND:
        found = f"{manifest.get('apiVersion')} {manifest.get('kind')}"
        raise InvalidClassError(f"not a {_KIND} of {_API_VERSION}: {found}")
    metadata = _mapping(manifest.get("metadata"), "metadata")
    spec = _mapping(manifest.get("spec"), "spec")
    _refuse_unknown(spec, frozenset({"provider", "parameters"}), "spec")
    if spec.get("provider") != "aws":
        raise InvalidClassError(f'spec.provider must be "aws", not {json.dumps(spec.get("provider"))}')
    parameters = _parameters(spec.get("parameters"))
    region = parameters.get("region", "")
    if not region:
        # The provider would ask the Kubernetes API for the region of the node; the secrets may be elsewhere.
        raise InvalidClassError("spec.parameters.region is missing: say in which region the secrets are")
    parsed = SecretProviderClass(
        name=_text(metadata.get("name"), "metadata.name"),
        namespace=_text(metadata["namespace"], "metadata.namespace") if "namespace" in metadata else None,
        region=region,
        preferred_address_type=parameters.get("preferredAddressType"),
        path_translation=_translation(parameters.get("pathTranslation", "")),
        objects=_objects(parameters.get("objects", ""), region),
    )
    _check_names(parsed)
    return parsed


def _parameters(raw: object) -> Mapping[str, str]:
    parameters = _mapping(raw, "spec.parameters")
    _refuse_unknown(parameters, _PARAMETERS, "spec.parameters")
    texts = {key: value for key, value in parameters.items() if isinstance(value, str)}
    for key in parameters.keys() - texts.keys():
        raise InvalidClassError(
            f"spec.parameters.{key}: Invalid value: must be of type string, "
            f"not {json.dumps(parameters[key], default=str)}: quote it"
        )
    if texts.get("usePodIdentity") != "true":
        raise InvalidClassError(
            'spec.parameters.usePodIdentity must be "true": otherwise the provider takes the role from an '
            "annotation on the service account (IRSA), which is not used here"
        )
    address_type = texts.get("preferredAddressType")
    if address_type is not None and address_type not in _ADDRESS_TYPES:
        raise InvalidClassError(
            f"spec.parameters.preferredAddressType must be one of {', '.join(_ADDRESS_TYPES)}, "
            f'not "{address_type}"'
        )
    return texts


def _translation(text: str) -> str:
    if text.lower() == "false":
        return ""
    if len(text) > 1:
        raise InvalidClassError("pathTranslation must be either 'False' or a single character string")
    return text or "_"


def _objects(text: str, region: str) -> tuple[SecretObject, ...]:
    where = "spec.parameters.objects"
    try:
        loaded = cast("object", yaml.safe_load(text))
    except yaml.YAMLError as error:
        # The class holds names only, so quoting it gives nothing away.
        raise InvalidClassError(f"Failed to load SecretProviderClass: {where}: {error}") from error
    if not isinstance(loaded, list) or not loaded:
        raise InvalidClassError(f"{where} must be a YAML list with at least one object")
    entries = cast("list[object]", loaded)
    return tuple(_object(entry, f"{where}[{index}]", region) for index, entry in enumerate(entries))


def _object(raw: object, where: str, region: str) -> SecretObject:
    entry = _mapping(raw, where)
    _refuse_unknown(entry, _OBJECT_KEYS, where)
    if "objectName" not in entry:
        raise InvalidClassError(f"Object name must be specified: {where}")
    name = _text(entry["objectName"], f"{where}.objectName")
    _check_type(name, _optional(entry, "objectType", where), where, region)
    raw_entries = entry.get("jmesPath", cast("list[object]", []))
    if not isinstance(raw_entries, list):
        raise InvalidClassError(f"{where}.jmesPath must be a list")
    return SecretObject(
        name=name,
        alias=_optional(entry, "objectAlias", where),
        version=_optional(entry, "objectVersion", where),
        version_label=_optional(entry, "objectVersionLabel", where),
        mode=_mode(entry, where),
        jmes_path=tuple(
            _jmes_entry(item, f"{where}.jmesPath[{index}]")
            for index, item in enumerate(cast("list[object]", raw_entries))
        ),
    )


def _check_type(name: str, object_type: str | None, where: str, region: str) -> None:
    parts = name.split(":") if name.startswith("arn:") else None
    if parts is None and object_type is None:
        raise InvalidClassError(f"Must use objectType when a full ARN is not specified: {name}")
    if object_type is not None and object_type != _OBJECT_TYPE:
        raise InvalidClassError(f'{where}.objectType must be "{_OBJECT_TYPE}", not "{object_type}"')
    if parts is None:
        return
    if len(parts) < _ARN_PARTS:
        raise InvalidClassError(f"Invalid ARN format in object name: {name}")
    if parts[3] != region:
        raise InvalidClassError(f"ARN region must match region {region}: {name}")
    if parts[2] != _OBJECT_TYPE:
        raise InvalidClassError(f"objectType does not match ARN: {name}")


def _jmes_entry(raw: object, where: str) -> JmesEntry:
    entry = _mapping(raw, where)
    _refuse_unknown(entry, _JMES_KEYS, where)
    if not entry.get("path"):
        raise InvalidClassError(f"Path must be specified for JMES object: {where}")
    if not entry.get("objectAlias"):
        raise InvalidClassError(f"Object alias must be specified for JMES object: {where}")
    return JmesEntry(
        path=_text(entry["path"], f"{where}.path"),
        object_alias=_text(entry["objectAlias"], f"{where}.objectAlias"),
        mode=_mode(entry, where),
    )


def _check_names(spc: SecretProviderClass) -> None:
    """Every file name occurs once in the whole class, and none leaves the volume."""
    names = [
        spc.file_name(name)
        for wanted in spc.objects
        for name in (wanted.alias or wanted.name, *(entry.object_alias for entry in wanted.jmes_path))
    ]
    for name, times in Counter(names).items():
        if times > 1:
            raise InvalidClassError(f"Name already in use for objectAlias: {name} names {times} files")
        if _CLIMBING.search(name):
            raise InvalidClassError(f"path can not contain ../: {name}")


def _mode(entry: Mapping[str, object], where: str) -> int:
    text = _optional(entry, "filePermission", where)
    if text is None:
        return DEFAULT_MODE
    if not _MODE.fullmatch(text):
        raise InvalidClassError(f'{where}.filePermission must be four octal digits like "0644", not "{text}"')
    return int(text, 8)


def _refuse_unknown(entry: Mapping[str, object], known: frozenset[str], where: str) -> None:
    for key in sorted(entry.keys() - known):
        problem = (
            "is not rehearsed" if key in _NOT_REHEARSED else f"is unknown (known: {', '.join(sorted(known))})"
        )
        raise InvalidClassError(f"{where}.{key} {problem}")


def _optional(entry: Mapping[str, object], key: str, where: str) -> str | None:
    return _text(entry[key], f"{where}.{key}") if key in entry else None


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidClassError(
            f"{where} must be a non-empty string, not {json.dumps(value, default=str)}: quote it"
        )
    return value


def _mapping(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidClassError(f"{where} must be a mapping")
    mapping = cast("Mapping[object, object]", value)
    return {str(key): item for key, item in mapping.items()}
