"""Why a question wasn't asked.

UnaskedError                 the question is then unverified, never passed or failed
├── RefusedError             the identity lacks an action
└── UnreachableError         the API server can't be asked at all
"""


class UnaskedError(Exception):
    """A question couldn't be asked; the text says why."""

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy


class RefusedError(UnaskedError):
    """The identity may not make the call that the question needs."""

    def __init__(self, action: str) -> None:
        super().__init__(f"{action} is refused", f"grant {action}: python -m doctor permissions --for doctor")
        self.action = action


class UnreachableError(UnaskedError):
    """Nothing can be asked of the cluster."""


class AwsError(UnaskedError):
    """AWS refused a call for a reason of its own, such as that there is no such thing."""

    def __init__(self, action: str, code: str, message: str) -> None:
        super().__init__(f"{action}: {code}: {message}")
        self.code = code
        self.message = message


class UnusableError(Exception):
    """Nothing can be asked at all; the text says why, and what to do."""
