"""From configuration, profiles and rule packs to the controller's ``Site``: bound before anything starts."""

from collections.abc import Mapping
from typing import TypeAlias

from drivers.modbus.register_map import Profile, with_decimals
from edge import rules
from edge.config_values import Area, Config, Device
from edge.core.doors import DoorTiming
from edge.core.instruments import Check, Demanded
from edge.core.interlocks import Timing
from edge.core.rules import Channel, RulePack, without_longest_time
from edge.core.site import AreaPlan, DoorPlan, Policy, Site, plan_area

Held: TypeAlias = Mapping[str, tuple[RulePack, ...]]
"""Every version that is believed of each pack that an area names, the oldest first."""

_GAS = frozenset({"combustible", "oxygen", "toxic"})
_T90S_TO_SETTLE = 3
"""After three times its t90 a detector shows what it measures to within 0.1 % of the step [D]."""


def profiles_of(config: Config) -> dict[str, Profile]:
    """The profile of each configured device."""
    profiles = config.profiles
    return {each.id: with_decimals(profiles[each.profile], each.decimals) for each in config.devices}


def shipped(config: Config) -> Held:
    """The versions that ship with this program of every pack that an area names."""
    return {pack: rules.versions(pack) for area in config.areas for pack in area.rule_packs}


def build_site(config: Config, held: Held | None = None) -> Site:
    """The site that a checked configuration describes, under these versions, or those that ship with this program.

    Raises RulePackError if a channel cannot be judged.
    """
    profiles = profiles_of(config)
    policy = config.policy
    return Site(
        gateway=config.gateway.id,
        site=config.gateway.site,
        origin=config.gateway.origin,
        simulated=config.gateway.simulate,
        areas=area_plans(config, shipped(config) if held is None else held),
        doors={
            door.id: DoorPlan(
                door.id,
                door.area,
                DoorTiming(door.release_ms, door.open_ms, door.prealarm_ms, door.access_grace_ms),
            )
            for door in config.doors
        },
        channels={device: tuple(each.name for each in profile.channels) for device, profile in profiles.items()},
        windows=_windows(profiles, policy.gust_window_ms),
        policy=Policy(
            guardian_ms=policy.guardian_ms,
            siren_ms=policy.siren_ms,
            reader_rest_ms=policy.reader_rest_ms,
            stale_ms=policy.stale_ms,
            offline_normal_ms=policy.offline_normal_ms,
            offline_ex_ms=policy.offline_ex_ms,
            offline_begun_ms=policy.offline_begun_ms,
            drift_ppm=config.clock.drift_ppm,
            permit_facts=policy.permit_facts,
        ),
        calendar=config.calendar,
        checks={device: _checks(config) for device, profile in profiles.items() if _measures_gas(profile)},
    )


def _measures_gas(profile: Profile) -> bool:
    return any(channel.quantity.value in _GAS for channel in profile.channels)


def _checks(config: Config) -> Demanded:
    policy = config.policy
    allowed = (
        (Check.BUMP, policy.bump_ms),
        (Check.CALIBRATION, policy.calibration_ms),
        (Check.VERIFICATION, policy.verification_ms),
    )
    return tuple((check, allowed_ms) for check, allowed_ms in allowed if allowed_ms)


def _windows(profiles: Mapping[str, Profile], gust_window_ms: int) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for device, profile in profiles.items():
        for channel in profile.channels:
            if channel.quantity.value == "wind_speed":
                found.setdefault(device, {})[channel.name] = gust_window_ms
    return found


def area_plans(config: Config, held: Held) -> dict[str, AreaPlan]:
    """Every area of the site bound to the versions ``held``. Raises RulePackError."""
    return {area.id: plan_of_area(config, area, held) for area in config.areas}


def plan_of_area(config: Config, area: Area, held: Held) -> AreaPlan:
    """One area bound to the versions ``held`` of the packs that it names. Raises RulePackError."""
    policy = config.policy
    timing = Timing(policy.settle_ms, policy.stale_ms, policy.gust_window_ms)
    packs = packs_of(area, held)
    if not policy.longest_time:
        packs = tuple(without_longest_time(each) for each in packs)
    channels = channels_in(config, area.id, profiles_of(config))
    open_air, people_max = area.open_air, area.people_max
    return plan_area(area.id, area.ex, packs, channels, timing, open_air=open_air, people_max=people_max)


def packs_of(area: Area, held: Held) -> tuple[RulePack, ...]:
    """Every version that an area is bound to, in the order of its packs."""
    return tuple(version for pack in area.rule_packs for version in held[pack])


def channels_in(config: Config, area_id: str, profiles: Mapping[str, Profile]) -> tuple[Channel, ...]:
    """All channels that an area has; ``profiles`` are those of its devices."""
    return tuple(
        channel
        for device in config.devices
        if device.area == area_id
        for channel in channels_of(device, profiles[device.id], config.gateway.simulate)
    )


def channels_of(device: Device, profile: Profile, simulated: bool) -> tuple[Channel, ...]:
    """The channels of one configured device as rules see them. Only a simulated instrument needs no time to settle."""
    return tuple(
        Channel(
            device=device.id,
            channel=each.name,
            quantity=each.quantity.value,
            unit=each.unit,
            resolution=str(each.resolution),
            gas=device.gas,
            settle_ms=0 if simulated else _T90S_TO_SETTLE * each.t90_s * 1000,
        )
        for each in profile.channels
    )
