"""Why there is no control plane.

ControlPlaneError        it can't be started; the text says what is wrong and what to do
├── ToolsMissingError    a Kubernetes program is missing
└── DiedError            one of its processes ended
    └── PortTakenError   because another program has its port
"""


class ControlPlaneError(Exception):
    """The control plane can't be started or has crashed; the text is for the user."""


class ToolsMissingError(ControlPlaneError):
    """Programs that the control plane consists of are missing on this machine."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(f"the control plane needs {', '.join(missing)}: run `make tools`")
        self.missing = missing


class DiedError(ControlPlaneError):
    """A process of the control plane ended by itself; the text holds the end of its log."""


class PortTakenError(DiedError):
    """A process ended because another program took its port after it was chosen."""
