"""Why a question couldn't be asked.

UnaskedError                 the question is then unverified: it neither holds nor fails
├── RefusedError             the identity lacks an action
└── UnreachableError         the API server can't be asked at all
"""


class UnaskedError(Exception):
    """A question couldn't be asked; the text says why."""

    def __init__(self, reason: str, remedy: str | None = None) -> None:
        super().__init__(reason)
        self.remedy = remedy


class RefusedError(UnaskedError):
    """The identity lacks the permission for a call that the question needs."""

    def __init__(self, action: str) -> None:
        super().__init__(f"{action} is refused", f"grant {action}: python -m doctor permissions --for doctor")
        self.action = action


class UnreachableError(UnaskedError):
    """The cluster can't be asked anything."""


class AwsError(UnaskedError):
    """AWS refused a call for another reason, such as that the thing doesn't exist."""

    def __init__(self, action: str, code: str, message: str) -> None:
        super().__init__(f"{action}: {code}: {message}")
        self.code = code
        self.message = message


class UnusableError(Exception):
    """Nothing can be asked at all; the text says why, and what to do."""
