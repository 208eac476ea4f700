"""``permitgate enrol``: make this gateway's key, show HQ the code, and pin what HQ answers."""

from dataclasses import dataclass

from edge.app.trust import Enrolment, NotEnrolledError, TrustFiles, write_public, write_secret
from edge.config_values import Gateway
from edge.host import system_clock
from edge.ports.errors import RefusedError
from sync.formats.enrolment_code import parse_code
from sync.link.enrolment import fetch_authority, request_enrolment


@dataclass(frozen=True, slots=True)
class EnrolReport:
    """What was agreed; nothing secret."""

    origin: str
    log_vkey: str
    authority_origin: str
    mirror_vkey: str


def enrol(gateway: Gateway, hq_url: str, code_text: str) -> EnrolReport:
    """Enrol this gateway at HQ. An enrolment that was broken off may be run again with the same code.

    Raises RefusedError if it is enrolled already or HQ says no, LinkError if HQ cannot be reached, FormatError for a
    code that is none.
    """
    files = TrustFiles(gateway.data_dir)
    _check_new(files)
    code = parse_code(code_text)
    write_public(files.ca, fetch_authority(hq_url, code))
    key = files.make_log_key(gateway.origin)
    enrolled = request_enrolment(hq_url, files.ca, code, (gateway.site, key), system_clock.monotonic_ms)
    write_secret(files.site_pepper, enrolled.site_pepper.encode())
    write_secret(files.link_token, enrolled.link_token.encode())
    write_public(files.root, enrolled.root)
    files.write_enrolment(
        Enrolment(
            hq_url=hq_url.rstrip("/"),
            site=enrolled.site,
            gateway=enrolled.gateway,
            epoch=gateway.epoch,
            origin=enrolled.origin,
            authority_origin=enrolled.authority_origin,
            authority_vkey=enrolled.authority_vkey,
            mirror_vkey=enrolled.mirror_vkey,
        )
    )
    return EnrolReport(enrolled.origin, str(key.verifier()), enrolled.authority_origin, enrolled.mirror_vkey)


def _check_new(files: TrustFiles) -> None:
    try:
        found = files.read_enrolment()
    except NotEnrolledError:
        return
    raise RefusedError(
        f"{files.enrolment}: enrolled already as {found.origin}; a new start needs a higher [gateway] epoch "
        "and an empty data_dir"
    )
