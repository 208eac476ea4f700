"""Which requests read a device: registers gathered into blocks, so that one request gives a whole device."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from drivers.modbus.register_map import Profile, Register

PROTOCOL_MAX_REGISTERS = 125
"""Modbus Application Protocol V1.1b3, 6.3 and 6.4: quantity of registers 1 to 0x7D."""


@dataclass(frozen=True, slots=True)
class Block:
    """One request: ``count`` registers from ``address`` with function code ``function`` (3 or 4)."""

    function: int
    address: int
    count: int
    registers: tuple[Register, ...]


def plan_blocks(registers: Iterable[Register], max_registers: int, gap: int) -> tuple[Block, ...]:
    """The fewest blocks in address order that bridge at most ``gap`` unused registers and hold ``max_registers``."""
    blocks: list[Block] = []
    for register in sorted(registers, key=lambda each: (each.function, each.address)):
        last = blocks[-1] if blocks else None
        if last is not None and _joins(last, register, max_registers, gap):
            count = max(last.count, register.end - last.address)
            blocks[-1] = replace(last, count=count, registers=(*last.registers, register))
        else:
            blocks.append(Block(register.function, register.address, register.kind.words, (register,)))
    return tuple(blocks)


def _joins(block: Block, register: Register, max_registers: int, gap: int) -> bool:
    fits = register.end - block.address <= max_registers
    return block.function == register.function and register.address <= block.address + block.count + gap and fits


def plan_of(profile: Profile) -> tuple[Block, ...]:
    """The blocks that read every register of the profile."""
    return plan_blocks(profile.registers, profile.max_registers, profile.gap)


def plan_lines(unit: int, blocks: Iterable[Block]) -> list[str]:
    """The requests as a technician can compare them with the manual: addresses as printed and as sent."""
    return [
        f"unit {unit} FC{block.function:02d} 0x{block.address:04X}+{block.count}: "
        + ", ".join(f"{register.name} ({register.printed})" for register in block.registers)
        for block in blocks
    ]
