"""What the executables of the emulated providers run: `python -m emulator.plugin aws|kubernetes|random`.

It is `emulator.protocol` without the rest of Pulumi's SDK. Importing that takes as long as all else that a
plugin does before it answers, and the engine starts one for each provider in each operation.
"""

import sys
from importlib.util import find_spec
from types import ModuleType


def _without_sdk() -> None:
    """Makes the SDK's packages hold nothing but the modules that are imported from them by name."""
    for name in ("pulumi", "pulumi.runtime"):
        spec = find_spec(name)
        assert spec is not None  # noqa: S101 it is installed: the engine's program needs it, too
        package = ModuleType(name)
        package.__path__ = list(spec.submodule_search_locations or ())
        sys.modules[name] = package


if __name__ == "__main__":
    _without_sdk()
    from emulator.protocol import main

    main()
