"""Everything that can keep the tools from being built.

ToolsError           printed as text, with the way out
├── Impossible       nothing was tried: no space, a cache that can't be written, a wrong command line
│   └── NoGo         there is no Go, or it is too old
└── BuildFailed      Go was asked and failed; what it finished is kept
"""


class ToolsError(Exception):
    """What is wrong, why, and the way out, as text for a person. `status` is the command's exit status."""

    status = 1


class Impossible(ToolsError):  # noqa: N818 reads as what it says: raise Impossible(…)
    """The machine lacks something, or the command line is wrong; nothing was tried."""

    status = 2


class NoGo(Impossible):
    """There is no Go that can build the tools: they can still be installed by hand."""


class BuildFailed(ToolsError):  # noqa: N818
    """Fetching or compiling failed."""
