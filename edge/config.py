"""The configuration of a gateway: one TOML file in, one frozen ``Config`` out, or every finding at once."""

from edge.config_values import (
    Area,
    Bus,
    Clock,
    Config,
    Device,
    Door,
    FailState,
    Gateway,
    Hq,
    Outputs,
    Policy,
    Reader,
    RtuBus,
    Side,
    TcpBus,
)

__all__ = [
    "Area",
    "Bus",
    "Clock",
    "Config",
    "Device",
    "Door",
    "FailState",
    "Gateway",
    "Hq",
    "Outputs",
    "Policy",
    "Reader",
    "RtuBus",
    "Side",
    "TcpBus",
]
