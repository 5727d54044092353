"""The rules for the engine: `pulumi preview --policy-pack policies/pack`.

Pulumi asks the pack about each resource before it is created, and at the end about the stack as a whole. The
stack's own configuration gives the cluster's name, whether it is production, and the exceptions to rules.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from pulumi_policy import EnforcementLevel, PolicyPack  # noqa: E402

from policies.crossguard import policies  # noqa: E402 the path comes first

PolicyPack("maestro-stack", policies(ROOT), enforcement_level=EnforcementLevel.MANDATORY)
