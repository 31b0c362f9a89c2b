"""Code that models write, run in a child process without network, with limits, on a read-only workspace.

`bubblewrap` confines where it is installed and works, else Landlock does; without either, nothing is run.
In both, `system_calls` filters what the kernel is asked for, and `watch` ends what exceeds `Limits`.
"""
