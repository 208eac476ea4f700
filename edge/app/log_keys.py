"""The public keys by which this gateway's own log is judged: its own, and HQ's mirror's."""

from dataclasses import dataclass

from edge.app.trust import TrustFiles
from edge.config_values import Config
from sync.formats.note import VerifierKey


@dataclass(frozen=True, slots=True)
class LogKeys:
    """Public keys of the journal and of the mirror that cosigns it."""

    log: VerifierKey
    mirror: VerifierKey

    def lines(self) -> str:
        """Both keys in C2SP form (c2sp.org/signed-note, "Verifier keys"), one a line."""
        return f"{self.log}\n{self.mirror}\n"


def read_log_keys(config: Config) -> LogKeys:
    """The keys that this gateway's enrolment left. Raises NotEnrolledError, UnusableError or DamagedError."""
    files = TrustFiles(config.gateway.data_dir)
    enrolment = files.read_enrolment()
    return LogKeys(files.read_log_key(enrolment.origin).verifier(), enrolment.mirror)
