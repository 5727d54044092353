"""A stack's settings, or every problem of its configuration with its place in the stack's file."""

from engine.project import Stack
from maestro_stack.errors import ConfigurationError
from maestro_stack.settings import Settings, parse


def settings_of(stack: Stack) -> Settings:
    """What the stack's file configures.

    Raises:
        ConfigurationError: with every problem found.
    """
    try:
        return parse(stack.config, project=stack.project, root=stack.root, secret=stack.secret_keys)
    except ConfigurationError as unusable:
        raise unusable.placed(stack.place) from None
