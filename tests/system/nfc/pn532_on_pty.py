"""A PN532 on a serial line: enough of its host protocol for nfcpy's driver to find and read one Type 4A tag.

Source: NXP PN532 user manual UM0701-02, section 6.2 (frames) and 7 (commands).
"""

import os
import pty
import select
import tty
from threading import Thread

from hil.tag import Type4Card

_ACK = bytes.fromhex("0000ff00ff00")
_SIMPLE = {0x10: b"", 0x12: b"", 0x14: b"", 0x32: b"", 0x08: b"", 0x16: b"\x00", 0x02: bytes.fromhex("32010607")}


class Pn532:
    """One chip on a new pty. ``unplug`` closes the line as pulling the cable does."""

    def __init__(self, uid: bytes, ndef: bytes) -> None:
        self._uid = uid
        self._card = Type4Card(ndef, ())
        self.present = True
        self.garbage = False
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave
        self._wake, self._woken = os.pipe()
        self._thread = Thread(target=self._serve, name="pn532", daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        os.close(self._woken)
        self._thread.join(5)
        for descriptor in (self._master, self._slave, self._wake):
            os.close(descriptor)

    def _serve(self) -> None:
        waiting = b""
        while True:
            readable, _, _ = select.select([self._master, self._wake], [], [])
            if self._wake in readable:
                return
            waiting += os.read(self._master, 1_024)
            while (start := waiting.find(b"\x00\x00\xff")) >= 0:
                frame = waiting[start + 3 :]
                if frame[:2] == b"\x00\xff":
                    waiting = frame[3:]
                    continue
                extended = frame[:2] == b"\xff\xff"
                begin, length = (5, int.from_bytes(frame[2:4], "big")) if extended else (2, frame[0] if frame else 0)
                if len(frame) < begin + max(length, 1) + 2:
                    break
                waiting = frame[begin + length + 2 :]
                self._answer(frame[begin + 1], frame[begin + 2 : begin + length])

    def _answer(self, command: int, data: bytes) -> None:
        if self.garbage:
            os.write(self._master, b"\x01\x02\x03")
            return
        content = bytes([0xD5, command + 1]) + self._respond(command, data)
        size = len(content)
        if size > 255:
            head = b"\xff\xff" + size.to_bytes(2, "big") + bytes([-(size // 256 + size % 256) & 0xFF])
        else:
            head = bytes([size, -size & 0xFF])
        os.write(self._master, _ACK)
        os.write(self._master, b"\x00\x00\xff" + head + content + bytes([-sum(content) & 0xFF, 0]))

    def _respond(self, command: int, data: bytes) -> bytes:
        if command == 0x00:
            return data
        if command == 0x06:
            return b"\x26" * (len(data) // 2)
        if command == 0x4A:
            found = bytes([1, 1, 0x03, 0x44, 0x20, len(self._uid)]) + self._uid
            self._card.reset()
            return found if self.present else b"\x00"
        if command == 0x42:
            answer = self._card.answer(data) if self.present else None
            return b"\x01" if answer is None else b"\x00" + answer
        return _SIMPLE[command]
