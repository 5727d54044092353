"""What prevents a review."""


class ReviewError(Exception):
    """The review itself failed; the text says why and what to do."""


class UsageError(ReviewError):
    """The request can't be met: a revision, stack or file doesn't exist."""
