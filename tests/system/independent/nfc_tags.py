"""Tags by somebody else: nfcpy's own listening, and datagrams written from the NFC Forum's texts alone."""

import socket
from collections.abc import Callable
from threading import Thread

import nfc
import nfc.clf

Card = Callable[[bytes], bytes]


def nfcpy_type4(port: int, uid: bytes, message: bytes) -> None:
    """One tap of a Type 4A tag emulated with nfcpy; returns when the reader has left. UID of four bytes."""
    files = {
        b"\xe1\x03": bytes.fromhex("000F2000FF00FF0406E10401000000"),
        b"\xe1\x04": len(message).to_bytes(2, "big") + message,
    }
    chosen = [b""]

    def answer(command: bytes) -> bytes:
        if command[1] == 0xA4 and command[2] == 4:
            return b"\x90\0" if command[5:12] == bytes.fromhex("D2760000850101") else b"\x6a\x82"
        if command[1] == 0xA4:
            chosen[0] = command[5:7]
            return b"\x90\0" if chosen[0] in files else b"\x6a\x82"
        if command[1] == 0xB0:
            return files[chosen[0]][command[2] << 8 | command[3] :][: command[4]] + b"\x90\0"
        return b"\x6d\0"

    def block(command: bytes) -> bytes:
        if command[0] == 0xE0:
            return bytes.fromhex("067777710280")
        return bytes([command[0] & 3]) + answer(command[1:])

    target = nfc.clf.LocalTarget(
        "106A", sens_res=bytearray(b"\x44\x03"), sdd_res=bytearray(uid), sel_res=bytearray(b"\x20")
    )
    _listen(port, target, "tt4_cmd", block)


def nfcpy_type2(port: int, uid: bytes, message: bytes) -> None:
    """One tap of a Type 2 tag with 496 bytes of data, emulated with nfcpy. UID of four bytes."""
    memory = bytearray(512)
    memory[12:16] = b"\xe1\x10\x3e\x00"
    body = b"\x03" + bytes([len(message)]) + message + b"\xfe"
    memory[16 : 16 + len(body)] = body
    target = nfc.clf.LocalTarget("106A", sens_res=bytearray(b"\x44\0"), sdd_res=bytearray(uid), sel_res=bytearray(1))
    _listen(
        port,
        target,
        "tt2_cmd",
        lambda command: bytes((memory[command[1] * 4 :] + memory)[:16]) if command[0] == 0x30 else b"\0",
    )


def _listen(port: int, target: nfc.clf.LocalTarget, first: str, answer: Card) -> None:
    with nfc.ContactlessFrontend(f"udp:127.0.0.1:{port}") as frontend:
        found = frontend.listen(target, 4.0)
        command = found and getattr(found, first)
        try:
            while command:
                command = frontend.exchange(answer(bytes(command)), 2.0)
        except nfc.clf.CommunicationError:
            pass


def checksum(part: bytes) -> bytes:
    """BCC of ISO/IEC 14443-3: the exclusive or of four UID bytes."""
    return bytes([part[0] ^ part[1] ^ part[2] ^ part[3]])


class RawTag:
    """A tag from the standards' texts: ISO/IEC 14443-3 selection of a UID of 7 bytes, then ``card`` answers.

    ``sak`` 0x00 is a Type 2 tag, 0x20 one that speaks ISO-DEP. ``card(frame)`` gives the answer, b"" for silence.
    """

    def __init__(self, port: int, uid: bytes, sak: int, card: Card) -> None:
        assert len(uid) == 7
        first, second = b"\x88" + uid[:3], uid[3:]
        self._fixed = {
            b"\x26": b"\x44\x00",
            b"\x52": b"\x44\x00",
            b"\x93\x20": first + checksum(first),
            b"\x93\x70" + first + checksum(first): b"\x04",
            b"\x95\x20": second + checksum(second),
            b"\x95\x70" + second + checksum(second): bytes([sak]),
        }
        self._card = card
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._port = self._socket.getsockname()[1]
        self.frames = 0
        self._thread = Thread(target=self._serve, name="raw-tag")
        self._thread.start()

    def _serve(self) -> None:
        while True:
            datagram, sender = self._socket.recvfrom(2048)
            if datagram == b"END":
                return
            if not datagram.startswith(b"106A "):
                continue
            frame = bytes.fromhex(datagram[5:].decode("ascii"))
            self.frames += 1
            answer = self._fixed[frame] if frame in self._fixed else b"" if frame == b"\x50\x00" else self._card(frame)
            if answer:
                self._socket.sendto(b"106A " + answer.hex().encode("ascii"), sender)

    def __enter__(self) -> "RawTag":
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"END", ("127.0.0.1", self._port))
        self._thread.join(5)
        self._socket.close()


def type2_card(message: bytes, announced: int | None = None, data_bytes: int = 496) -> Card:
    """NFC Forum Type 2 Tag 1.1: READ (0x30) gives 16 bytes, wrapping at the end; the message in an NDEF TLV.

    ``announced`` is what the TLV says its length is.
    """
    length = len(message) if announced is None else announced
    field = bytes([length]) if length < 255 else b"\xff" + length.to_bytes(2, "big")
    data = (b"\x03" + field + message + b"\xfe").ljust(data_bytes, b"\0")[:data_bytes]
    memory = bytes(12) + bytes([0xE1, 0x10, data_bytes // 8, 0x00]) + data

    def card(frame: bytes) -> bytes:
        if frame[0] != 0x30 or len(frame) != 2 or frame[1] * 4 >= len(memory):
            return b"\x00"
        return (memory[frame[1] * 4 :] + memory)[:16]

    return card


def type4_card(message: bytes, announced: int | None = None, chunk: int = 64) -> Card:
    """NFC Forum Type 4 Tag, mapping 2.0, on ISO-DEP with chained answers of at most ``chunk`` bytes a block."""
    length = len(message) if announced is None else announced
    capability = bytes.fromhex("000f20003b00340406e104") + (1024).to_bytes(2, "big") + b"\x00\xff"
    files = {b"\xe1\x03": capability, b"\xe1\x04": length.to_bytes(2, "big") + message}
    state = {"file": b"", "rest": b""}

    def respond(command: bytes) -> bytes:
        match command[1], command[2]:
            case 0xA4, 0x04:
                return b"\x90\x00" if command[5:12] == bytes.fromhex("d2760000850101") else b"\x6a\x82"
            case 0xA4, 0x00:
                state["file"] = command[5:7]
                return b"\x90\x00" if command[5:7] in files else b"\x6a\x82"
            case 0xB0, _:
                offset = command[2] << 8 | command[3]
                return files[state["file"]][offset : offset + command[4]] + b"\x90\x00"
        return b"\x6d\x00"

    def send(number: int) -> bytes:
        part, state["rest"] = state["rest"][:chunk], state["rest"][chunk:]
        return bytes([0x02 | number | (0x10 if state["rest"] else 0)]) + part

    def card(frame: bytes) -> bytes:
        if frame[0] == 0xE0:
            return bytes.fromhex("0578807102")
        if frame[0] & 0xF6 == 0xA2:
            return send(frame[0] & 1)
        if frame[0] & 0xE2 == 0x02:
            state["rest"] = respond(frame[1:])
            return send(frame[0] & 1)
        return b"\xc2" if frame[0] == 0xC2 else b""

    return card
