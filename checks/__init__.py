"""The checks: questions about a plan, answered by what the emulated AWS and the rendered release show.

Each module has a name, a question and a `check` that adds findings; none knows how the program was run.
`every` has them all.
"""
