"""What one region's Maestro is made of. Imports nothing, so that other projects can use `outputs` alone."""
