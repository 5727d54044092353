"""Why a handler can't answer.

AwsError                 AWS (emulated) refused the call
NoHandlerError           the emulation doesn't know what AWS would do
└── UnmappedInputError   because of an input that nothing passes on
"""


class AwsError(Exception):
    """AWS (emulated) refused a call: what the AWS provider would report after `creating …:`."""

    def __init__(self, *, service: str, operation: str, code: str, message: str) -> None:
        super().__init__(f"operation error {service}: {operation}, {code}: {message}")
        self.service = service
        self.operation = operation
        self.code = code
        self.message = message


class NoHandlerError(Exception):
    """The emulation can't say what AWS would do here; the message names the file to extend."""


class UnmappedInputError(NoHandlerError):
    """A handler was given inputs that it doesn't pass on to AWS: better refused than silently dropped."""
