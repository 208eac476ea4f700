"""The nightly re-hash of the journal: ``python -P -m edge.app.integrity JOURNAL …``, started by the daemon.

A process of its own and of low priority, because re-hashing in the daemon holds up taps. Prints one line of JSON:
``{"cosigned", "entry", "finding", "ok", "signed", "size"}``. Exit 0: as written, 1: not, 3: it cannot be judged.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from edge.ports.errors import PermitgateError
from edge.storage.journal_verify import verify_journal
from sync.formats.note import VerifierKey

_NICE = 10
"""Measured: a re-hash beside the daemon costs a tap 1.7 to 4 ms at this priority."""


def arguments(journal: Path, checkpoint: Path, log_key: VerifierKey, mirror: VerifierKey) -> list[str]:
    """The command that checks this journal. Verifier keys are public, so they may be seen in the process list."""
    keys = ["--log-key", str(log_key), "--mirror", str(mirror)]
    return [sys.executable, "-P", "-m", "edge.app.integrity", str(journal), "--checkpoint", str(checkpoint), *keys]


def main(given: Sequence[str] | None = None) -> int:
    """Check, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="edge.app.integrity", description="Re-hash a journal.")
    parser.add_argument("journal", type=Path)
    parser.add_argument("--checkpoint", type=Path, required=True, help="the file of the last signed checkpoint")
    parser.add_argument("--log-key", type=VerifierKey.parse, required=True, help="the log's verifier key")
    parser.add_argument("--mirror", type=VerifierKey.parse, required=True, help="HQ's verifier key")
    asked = parser.parse_args(given)
    try:
        report = verify_journal(
            asked.journal, checkpoint_path=asked.checkpoint, log_key=asked.log_key, mirror=asked.mirror
        )
    except PermitgateError as error:
        sys.stderr.write(f"integrity: {error}\n")
        return 3
    finding = report.finding
    answer = {
        "cosigned": report.acked,
        "entry": None if finding is None else finding.seq,
        "finding": None if finding is None else finding.en,
        "ok": report.ok,
        "signed": report.signed_size,
        "size": report.size,
    }
    sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
    sys.stdout.buffer.flush()
    return 0 if report.ok else 1


if __name__ == "__main__":
    os.nice(_NICE)
    sys.exit(main())
