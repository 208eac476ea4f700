"""What HQ says of each kind of record: the tables of its fields, each with what it means.

``sync/RECORDS.md`` is written from them.
"""

from collections.abc import Mapping
from enum import Enum

from sync.formats.permit_facts import PERMIT_FACTS
from sync.formats.record_fields import Choice, Field, Flag, Hexadecimal, Identifier, Instant, ListOf, Table, Text, Whole
from sync.formats.rule_text import PackedText


class Kind(Enum):
    """Kinds of record. A ``badge`` has no record: its id is a token's id in hexadecimal, and it is only revoked.
    Of ``rules``, see ``sync.formats.rule_text``, each is one version of a rule pack."""

    WORKER = "worker"
    CERTIFICATE = "cert"
    PERMIT = "permit"
    AREA = "area"
    DEVICE = "device"
    CONTRACTOR = "contractor"
    ISSUER = "issuer"
    GATEWAY = "gateway"
    BADGE = "badge"
    RULES = "rules"


_ID = Identifier()

RECORDS: Mapping[Kind, Table] = {
    Kind.WORKER: {
        "name": Field(Text(64), words="As people know them; it stays in the gateway's cache."),
        "roster": Field(Text(64), required=False, words="Crew or unit."),
        "id_hash": Field(
            Hexadecimal(16, 64),
            required=False,
            words="Keyed hash of the ID number: the number itself never leaves the register that holds it.",
        ),
    },
    Kind.CERTIFICATE: {
        "worker": Field(_ID, words="Whose it is."),
        "trade": Field(_ID, words="As rule packs name trades, such as welding."),
        "issued": Field(Instant(), required=False, words="When it was issued."),
        "review_due": Field(
            Instant(day_end=True), required=False, words="Last valid second before the review; the earlier date counts."
        ),
        "ends": Field(Instant(day_end=True), words="Last valid second; a bare date is that whole day in China."),
        "status": Field(
            Choice(("valid", "review_overdue", "resit", "cancelled", "revoked", "lapsed")),
            words="Only `valid` opens; `resit` (under re-examination) goes to a person.",
        ),
    },
    Kind.PERMIT: {
        "type": Field(Identifier(16), words="AQ 3064.2-2025 A.2, two digits: 02 is hot work of grade 1."),
        "areas": Field(ListOf(_ID, least=1, most=16), words="Where the work is."),
        "workers": Field(ListOf(_ID, least=1), words="Who works on it."),
        "guardians": Field(ListOf(_ID, most=32), words="Who watches over it (监护人); they do no other work."),
        "start": Field(Instant(), words="First valid instant."),
        "end": Field(Instant(day_end=True), words="Last valid second; a bare date is that whole day in China."),
        "status": Field(
            Whole(0, 6),
            words="AQ 3064.2-2025 A.1: 0 not issued, 1 issued, 2 working, 3 accepted, 4 void, 5 withdrawn, 6 held.",
        ),
        "gas": Field(Text(64), required=False, words="What was or is in the equipment."),
        "links": Field(
            ListOf(_ID, most=32),
            required=False,
            words="Permits of the other special work of the same job, each naming this one (GB 30871-2022 4.6).",
        ),
        "short_id": Field(Whole(1, 65_535), words="What badges name it by; unique on the site while it is open."),
        "position": Field(Text(256), required=False, words="The place in words, for people."),
        "grade": Field(
            Identifier(16),
            required=False,
            words="What hot work is by itself where it is managed one grade up (GB 30871-2022 5.1.1): a type of A.2.",
        ),
        "approver": Field(
            _ID,
            required=False,
            words="Who approves it; they tap at its door before anyone goes in (4.11; AQ 3064.2-2025 5.5.2, alarm 30).",
        ),
        "approved_in": Field(
            _ID,
            required=False,
            words="The area where HQ was shown the approver to be; it takes the place of their tap.",
        ),
        "points": Field(
            ListOf(Identifier(32), least=1, most=16),
            required=False,
            words="Where gas is sampled before work begins, such as top, middle, bottom (5.3.1, 6.3b; alarms 01, 02).",
        ),
        "permit_version": Field(
            Whole(0, 2**31 - 1),
            required=False,
            words="Counts changes of content, scope or place: older badges, samples and confirmations are void.",
        ),
        **PERMIT_FACTS,
    },
    Kind.AREA: {
        "name": Field(Text(64), words="What people call it."),
        "codes": Field(ListOf(_ID, most=32), required=False, words="All codes, old and new, that mean it."),
        "doors": Field(ListOf(_ID, most=64), required=False, words="The doors that lead into it."),
        "ex": Field(Flag(), words="Whether explosive atmosphere can occur."),
    },
    Kind.DEVICE: {
        "name": Field(Text(64), words="What people call it."),
        "area": Field(_ID, required=False, words="Where it measures."),
    },
    Kind.CONTRACTOR: {"name": Field(Text(128), words="The firm.")},
    Kind.ISSUER: {
        "kid": Field(Hexadecimal(4, 4), words="What tokens name the key by."),
        "alg": Field(Whole(-8, -8), words="COSE algorithm -8, EdDSA (RFC 9053 table 2); a gateway believes no other."),
        "key": Field(Hexadecimal(32, 32), words="Its public Ed25519 key."),
        "not_before": Field(Instant(), words="First valid instant."),
        "not_after": Field(Instant(day_end=True), words="Last valid second."),
        "site": Field(_ID, words="The one site whose badges it signs."),
    },
    Kind.GATEWAY: {
        "origin": Field(Identifier(128), words="The name of its log."),
        "vkey": Field(Identifier(256), words="Its verifier key, in C2SP form."),
    },
    Kind.RULES: {
        "sha256": Field(Hexadecimal(32, 32), words="Of the text."),
        "text": Field(PackedText(), words="The pack's TOML, deflated, in base64; made by `permitgate hq publish`."),
    },
}
