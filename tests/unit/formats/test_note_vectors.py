"""Signed notes and cosignatures against answers of other implementations.

- key, private key, note and bad messages: golang.org/x/mod/sumdb/note, note_test.go
- cosigner key `remora.n621.de` and the timestamp of a real cosignature: github.com/transparency-dev/formats,
  note/note_cosigv1_test.go
- the cosigned checkpoint: the example of c2sp.org/tlog-cosignature (its keys are not published)
- the witnessed checkpoint: one of the public log `arche2025h1.staging.ct.transparency.dev`, signed by that log and
  cosigned by the public witness `remora.n621.de` among others (2026-05-23)
"""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sync.formats import checkpoint, cosignature, note
from sync.formats.errors import FormatError

VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501

WITNESSED = """arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

— arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
— arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
— transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
— witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
— remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
— witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
"""  # noqa: E501
WITNESSED_LOG = "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f"
REMORA = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2"


def peter() -> note.SigningKey:
    return note.SigningKey("PeterNeumann", Ed25519PrivateKey.from_private_bytes(SEED))


def test_the_verifier_key_of_the_go_implementation_is_read_and_written() -> None:
    key = note.VerifierKey.parse(VKEY)
    assert (key.name, key.algorithm, key.key_id.hex(), str(key)) == ("PeterNeumann", 1, "c74f20a3", VKEY)


def test_signing_gives_the_go_implementations_note_byte_for_byte() -> None:
    assert str(peter().verifier()) == VKEY
    assert note.sign(TEXT, peter()) == f"{TEXT}\n{LINE}"


def test_the_go_implementations_note_opens() -> None:
    opened = note.open_note(f"{TEXT}\n{LINE}", [note.VerifierKey.parse(VKEY)])
    assert opened == note.Note(TEXT, ("PeterNeumann",), ())


def test_no_part_of_a_verifier_key_is_a_key() -> None:
    for start in range(len(VKEY)):
        for end in range(start + 1, len(VKEY) + 1):
            if (start, end) != (0, len(VKEY)):
                with pytest.raises(FormatError):
                    note.VerifierKey.parse(VKEY[start:end])


def test_no_verifier_key_with_a_changed_character_is_a_key() -> None:
    for place, letter in enumerate(VKEY):
        with pytest.raises(FormatError):
            note.VerifierKey.parse(VKEY[:place] + chr(ord(letter) + 1) + VKEY[place + 1 :])


@pytest.mark.parametrize(
    "text",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "bananas.sigstore.dev+12344556",
        "rekor.sigstore.dev+12345678+THIS_IS_NOT_BASE64!",
        "rekor.sigstore.dev+12345678+AwEB",
        "rekor.sigstore.dev+12345678+",
        "",
    ],
)
def test_verifier_keys_that_others_refuse_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        note.VerifierKey.parse(text)


@pytest.mark.parametrize(
    "message",
    [
        TEXT,
        TEXT + "\n",
        TEXT + "\n" + LINE[:-1],
        "\x01" + TEXT + "\n" + LINE,
        TEXT + "\n" + LINE.replace("PeterNeumann", "Bad Name"),
        TEXT + "\n" + LINE + "Unexpected line.\n",
        TEXT + "\n" + LINE * 101,
        TEXT + "\n" + LINE.replace("— ", "- "),
        TEXT + "\n" + LINE.replace("nAM=", "nAN="),
        TEXT + "\n— PeterNeumann x08gow==\n",
        TEXT.replace("cryptography", "Cryptography") + "\n" + LINE,
        TEXT + "\n" + LINE.replace("PeterNeumann", "Stranger"),
        "x" * 200_000 + "\n\n" + LINE,
    ],
)
def test_malformed_or_untrue_notes_are_refused(message: str) -> None:
    with pytest.raises(FormatError):
        note.open_note(message, [note.VerifierKey.parse(VKEY)])


def test_bytes_that_are_not_utf_8_are_refused() -> None:
    with pytest.raises(FormatError):
        note.open_note(b"\xff" + f"{TEXT}\n{LINE}".encode(), [note.VerifierKey.parse(VKEY)])


def test_a_hundred_signatures_are_read() -> None:
    assert note.open_note(f"{TEXT}\n{LINE * 100}", [note.VerifierKey.parse(VKEY)]).verified == ("PeterNeumann",)


def test_signatures_by_strangers_are_carried_along_and_a_false_one_by_a_friend_refuses_all() -> None:
    other = note.SigningKey("other", Ed25519PrivateKey.generate())
    both = note.sign(TEXT, peter(), other)
    opened = note.open_note(both, [peter().verifier()])
    assert [line.name for line in opened.unverified] == ["other"]
    wrong = note.sign("Another text.\n", other).split("\n\n")[1]
    with pytest.raises(FormatError, match="does not verify"):
        note.open_note(f"{TEXT}\n{LINE}{wrong}", [peter().verifier(), other.verifier()])


@pytest.mark.parametrize("text", ["", "no newline", "tab\t\n", "\x00\n", "carriage\r\n", "\ud800\n"])
def test_text_that_a_note_cannot_hold_is_not_signed(text: str) -> None:
    with pytest.raises(FormatError):
        note.sign(text, peter())


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "x" * 256, "\ud800"])
def test_names_that_a_note_cannot_hold_are_refused(name: str) -> None:
    with pytest.raises(FormatError):
        note.SigningKey(name, peter().private)


def test_a_private_key_is_never_printed() -> None:
    assert repr(peter()) == "SigningKey(name='PeterNeumann')"


def test_a_public_logs_checkpoint_and_its_public_witness_verify() -> None:
    head = checkpoint.open_checkpoint(WITNESSED, note.VerifierKey.parse(WITNESSED_LOG))
    assert head.size == 1432088532
    assert str(note.VerifierKey.parse(REMORA)) == REMORA
    assert cosignature.verify_cosignature(WITNESSED, WITNESSED, note.VerifierKey.parse(REMORA)) == 0x6A122120
    changed = WITNESSED.replace("1432088532", "1432088533")
    with pytest.raises(FormatError):
        checkpoint.open_checkpoint(changed, note.VerifierKey.parse(WITNESSED_LOG))
    with pytest.raises(FormatError):
        cosignature.verify_cosignature(changed, changed, note.VerifierKey.parse(REMORA))


def test_the_published_cosigned_checkpoint_reads_as_the_specification_says() -> None:
    text, lines = note.split_note(COSIGNED)
    assert checkpoint.parse(text).size == 20852163
    assert [line.name for line in lines] == ["example.com/behind-the-sofa", "witness.example.com/w1"]
    assert int.from_bytes(lines[1].signature[:8], "big") == 1679315147
    assert note.cosignature_message(text, 1679315147).decode() == f"cosignature/v1\ntime 1679315147\n{text}"
    assert text + "\n" + "".join(map(str, lines)) == COSIGNED


def test_the_timestamp_of_a_cosignature_lies_where_other_implementations_find_it() -> None:
    line = note.parse_line(
        "— w ZGhGuQAAAABm/qTPeyKXD+R2rzyQsxPiP8mXum7qq/iF0u4vanlqJyocWODBt97w9uL+8qT7S5gxEHWWOworDcFiEBYJXORmnFBOBA==\n"
    )
    assert int.from_bytes(line.signature[:8], "big") == 1727964367


LOG = note.SigningKey("pg.example.org/gw/g/1", Ed25519PrivateKey.from_private_bytes(b"1" * 32))
MIRROR = note.SigningKey("pg.example.org/hq/mirror", Ed25519PrivateKey.from_private_bytes(b"2" * 32))
HEAD = checkpoint.Checkpoint("pg.example.org/gw/g/1", 7, b"\x07" * 32)


def test_a_checkpoint_and_its_cosignature_verify() -> None:
    signed = checkpoint.sign(HEAD, LOG)
    line = cosignature.cosign(signed, MIRROR, 1_793_900_000)
    whole = cosignature.add_line(signed, line)
    assert checkpoint.open_checkpoint(whole, LOG.verifier()) == HEAD
    for form in (line, whole):
        assert cosignature.verify_cosignature(signed, form, MIRROR.cosigner()) == 1_793_900_000
        assert cosignature.verify_cosignature(checkpoint.encode(HEAD), form, MIRROR.cosigner()) == 1_793_900_000
    assert cosignature.add_line(whole, line) == whole


def test_the_newest_of_several_cosignatures_counts_and_all_must_be_true() -> None:
    signed = checkpoint.sign(HEAD, LOG)
    lines = cosignature.cosign(signed, MIRROR, 300) + cosignature.cosign(signed, MIRROR, 200)
    assert cosignature.verify_cosignature(signed, lines, MIRROR.cosigner()) == 300
    data = bytearray(note.parse_line(cosignature.cosign(signed, MIRROR, 200)).signature)
    data[7] += 1
    forged = str(note.SignatureLine(MIRROR.name, MIRROR.cosigner().key_id, bytes(data)))
    with pytest.raises(FormatError, match="does not verify"):
        cosignature.verify_cosignature(signed, lines + forged, MIRROR.cosigner())


def test_a_cosignature_of_another_head_or_kind_does_not_count() -> None:
    signed = checkpoint.sign(HEAD, LOG)
    other = checkpoint.sign(checkpoint.Checkpoint(HEAD.origin, 8, HEAD.root), LOG)
    line = cosignature.cosign(other, MIRROR, 1)
    with pytest.raises(FormatError):
        cosignature.verify_cosignature(signed, line, MIRROR.cosigner())
    with pytest.raises(FormatError):
        cosignature.verify_cosignature(signed, cosignature.add_line(other, line), MIRROR.cosigner())
    with pytest.raises(FormatError, match="type 0x01"):
        cosignature.verify_cosignature(other, line, MIRROR.verifier())
    with pytest.raises(FormatError, match="no cosignature"):
        cosignature.verify_cosignature(signed, signed, MIRROR.cosigner())
    with pytest.raises(FormatError):
        cosignature.cosign(signed, MIRROR, 2**63)


def test_a_log_signature_is_no_cosignature_even_with_one_key() -> None:
    both = note.SigningKey(LOG.name, LOG.private)
    with pytest.raises(FormatError):
        cosignature.verify_cosignature(checkpoint.sign(HEAD, LOG), checkpoint.sign(HEAD, LOG), both.cosigner())


@pytest.mark.parametrize(
    "text",
    [
        "o\n7\n" + base64.b64encode(b"r" * 32).decode() + "\nextension\n",
        "o\n07\n" + base64.b64encode(b"r" * 32).decode() + "\n",
        "o\n-7\n" + base64.b64encode(b"r" * 32).decode() + "\n",
        "o\n9223372036854775808\n" + base64.b64encode(b"r" * 32).decode() + "\n",
        "o\n7\n" + base64.b64encode(b"r" * 31).decode() + "\n",
        "o\n7\nnot base64\n",
        "\n7\n" + base64.b64encode(b"r" * 32).decode() + "\n",
        "o\n0\n" + base64.b64encode(b"r" * 32).decode() + "\n",
        "o\n7\n" + base64.b64encode(b"r" * 32).decode(),
        "o\n٧\n" + base64.b64encode(b"r" * 32).decode() + "\n",
    ],
)
def test_checkpoints_outside_the_form_are_refused(text: str) -> None:
    with pytest.raises(FormatError):
        checkpoint.parse(text)


def test_a_checkpoint_of_another_log_is_not_signed_nor_opened() -> None:
    with pytest.raises(FormatError):
        checkpoint.sign(HEAD, MIRROR)
    signed = note.sign(checkpoint.encode(HEAD), MIRROR)
    with pytest.raises(FormatError, match="origin"):
        checkpoint.open_checkpoint(signed, MIRROR.verifier())
