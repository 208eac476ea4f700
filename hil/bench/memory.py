"""Memory of a process, as the kernel counts it."""

from pathlib import Path


def pss_mib(process: int | str) -> float:
    """The proportional set size of a process (or "self") in MiB: what is shared counts in parts (proc(5), smaps)."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"/proc/{process}/smaps_rollup says no Pss")
