"""Why a handler can't answer.

AwsError                 the emulated AWS refused the call
└── PartlyMadeError      the call was to complete a creation: the resource exists
NoHandlerError           the emulation doesn't know what AWS would do
└── UnmappedInputError   because of an input that nothing passes on
"""

from emulator.lifecycle import State


class AwsError(Exception):
    """The emulated AWS refused a call: what the AWS provider would report after `creating …:`."""

    def __init__(self, *, service: str, operation: str, code: str, message: str) -> None:
        super().__init__(f"operation error {service}: {operation}, {code}: {message}")
        self.service = service
        self.operation = operation
        self.code = code
        self.message = message


class PartlyMadeError(AwsError):
    """AWS created the resource, then refused a call that completes it; the next update repairs it."""

    def __init__(self, refusal: AwsError, state: State) -> None:
        super().__init__(
            service=refusal.service,
            operation=refusal.operation,
            code=refusal.code,
            message=refusal.message,
        )
        self.state = state
        """The resource as far as it was created."""
        self.reasons = (str(self),)
        """What the engine records as the resource's initialization errors."""


class NoHandlerError(Exception):
    """The emulation doesn't know what AWS would do here; the message names the file to extend."""


class UnmappedInputError(NoHandlerError):
    """A handler got inputs that it doesn't pass on to AWS, and refuses them instead of dropping them."""
