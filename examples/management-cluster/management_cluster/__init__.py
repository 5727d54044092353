"""What the Maestro agent of a management cluster needs."""
