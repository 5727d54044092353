"""What keeps a review from being made."""


class ReviewError(Exception):
    """The review itself failed; the text says why and what to do."""


class UsageError(ReviewError):
    """What was asked for can't be: a revision, a stack or a file that there isn't."""
