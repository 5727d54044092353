"""Everything that can prevent the tools from being built.

ToolsError           printed as text that says what to do
├── Impossible       nothing was tried: no space, a cache that isn't writable, a wrong command line
│   └── NoGo         there is no Go, or it is too old
└── BuildFailed      Go was asked and failed; what it finished is kept
"""


class ToolsError(Exception):
    """What is wrong, why, and what to do, as text for people. `status` is the command's exit status."""

    status = 1


class Impossible(ToolsError):  # noqa: N818 reads as what it says: raise Impossible(…)
    """The machine lacks something, or the command line is wrong; nothing was tried."""

    status = 2


class NoGo(Impossible):
    """There is no Go that can build the tools, which can still be installed by hand."""


class BuildFailed(ToolsError):  # noqa: N818
    """Fetching or compiling failed."""
