"""Why a handler can't answer.

AwsError                 AWS (emulated) refused the call
└── PartlyMadeError      one that completes a creation: the resource is there
NoHandlerError           the emulation doesn't know what AWS would do
└── UnmappedInputError   because of an input that nothing passes on
"""

from emulator.lifecycle import State


class AwsError(Exception):
    """AWS (emulated) refused a call: what the AWS provider would report after `creating …:`."""

    def __init__(self, *, service: str, operation: str, code: str, message: str) -> None:
        super().__init__(f"operation error {service}: {operation}, {code}: {message}")
        self.service = service
        self.operation = operation
        self.code = code
        self.message = message


class PartlyMadeError(AwsError):
    """AWS made the resource, then refused a call that belongs to its creation; the next update mends it."""

    def __init__(self, refusal: AwsError, state: State) -> None:
        super().__init__(
            service=refusal.service,
            operation=refusal.operation,
            code=refusal.code,
            message=refusal.message,
        )
        self.state = state
        """The resource as far as it was made."""
        self.reasons = (str(self),)
        """What the engine keeps as the resource's initialisation errors."""


class NoHandlerError(Exception):
    """The emulation can't say what AWS would do here; the message names the file to extend."""


class UnmappedInputError(NoHandlerError):
    """A handler was given inputs that it doesn't pass on to AWS: better refused than silently dropped."""
