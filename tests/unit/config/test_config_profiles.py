"""``profiles_dir``: a site's own device models, checked as strictly as those that ship, and never in their place."""

import re
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import pytest
from gateways import write_config

from edge.app.site_plan import build_site, profiles_of
from edge.config import Config, check, load
from edge.ports.errors import ConfigurationError
from hil.virtual_site import Instrument

GENERIC = (files("drivers.profiles") / "generic.toml").read_text(encoding="utf-8")


def own_model(folder: Path, name: str = "cellar", text: str = GENERIC) -> Path:
    """A profile of the site's own, made as generic.toml says: copied, and given its name."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.toml"
    path.write_text(text.replace('model = "generic"', f'model = "{name}"'), encoding="utf-8")
    return path


def configured(folder: Path, profile: str = "cellar", profiles: Path | None = None) -> Path:
    path = write_config(folder)
    text = path.read_text(encoding="utf-8").replace('"honeywell_xcd"', f'"{profile}"')
    key = f'profiles_dir = "{folder / "profiles" if profiles is None else profiles}"'
    path.write_text(text.replace("simulate = true", f"simulate = true\n{key}"), encoding="utf-8")
    return path


def findings(path: Path) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    return caught.value.problems


def line_of(path: Path, beginning: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(beginning))


def test_a_device_may_be_of_a_model_that_the_site_wrote_itself(tmp_path: Path) -> None:
    own_model(tmp_path / "profiles")
    config: Config = load(configured(tmp_path))
    assert profiles_of(config)["gas1"].model == "cellar"
    assert build_site(config).channels == {"gas1": ("gas",)}
    report = check(tmp_path / "gateway.toml")
    assert any("0x0000+3" in request for bus in report.buses for request in bus.requests)


def test_what_is_wrong_with_an_own_profile_names_its_file_and_line_beside_the_device_that_wants_it(
    tmp_path: Path,
) -> None:
    own = own_model(tmp_path / "profiles", text=GENERIC.replace('unit = "%LEL"', 'unit = "%lel"'))
    path = configured(tmp_path)
    device, profile = findings(path)
    assert device.startswith(f"{path}:{line_of(path, 'profile = ')}: device[gas1].profile: {own} cannot be used")
    assert profile.startswith(f"{own}:{line_of(own, 'unit = ')}: channel[1].unit:")


def test_each_finding_of_an_own_profile_is_said_once_however_many_devices_are_of_that_model(tmp_path: Path) -> None:
    own_model(tmp_path / "profiles", text=GENERIC.replace("gap = 4", "gap = 400"))
    path = configured(tmp_path)
    text = path.read_text(encoding="utf-8")
    second = text[text.index("[[device]]") :].replace("gas1", "gas2").replace("unit = 1", "unit = 2")
    path.write_text(text + second, encoding="utf-8")
    found = findings(path)
    assert len([each for each in found if "cannot be used" in each]) == 2
    assert len([each for each in found if "gap:" in each]) == 1


def test_an_own_profile_never_takes_the_place_of_one_that_ships(tmp_path: Path) -> None:
    own = own_model(tmp_path / "profiles", "honeywell_xcd")
    path = configured(tmp_path, "honeywell_xcd")
    (found,) = findings(path)
    assert found.startswith(f"{path}:{line_of(path, 'profiles_dir')}: gateway.profiles_dir: ")
    assert str(own) in found
    assert "drivers/profiles/honeywell_xcd.toml" in found
    assert "another name" in found


def test_a_file_whose_model_has_another_name_is_refused(tmp_path: Path) -> None:
    own_model(tmp_path / "profiles").rename(tmp_path / "profiles" / "attic.toml")
    found = findings(configured(tmp_path, "attic"))
    assert any(re.search(r"attic\.toml:1: model: must be 'attic'.*not 'cellar'", each) for each in found)


def test_a_draft_that_no_device_names_keeps_no_gateway_from_starting(tmp_path: Path) -> None:
    own_model(tmp_path / "profiles", "draft", "half = ")
    own_model(tmp_path / "profiles")
    assert load(configured(tmp_path)).devices


def test_an_unknown_model_is_answered_with_the_sites_own_models_too(tmp_path: Path) -> None:
    own_model(tmp_path / "profiles")
    (found,) = findings(configured(tmp_path, "celler"))
    assert "did you mean 'cellar'?" in found
    assert "honeywell_xcd" in found


def test_a_folder_that_is_not_there_or_none_at_all_is_a_finding_with_its_remedy(tmp_path: Path) -> None:
    own_model(tmp_path / "profiles")
    for place in (tmp_path / "nowhere", tmp_path / "profiles" / "cellar.toml"):
        found = findings(configured(tmp_path, "honeywell_xcd", place))
        assert len(found) == 1
        assert "gateway.profiles_dir: " in found[0]
        assert "make the folder, or take this key out" in found[0]


def test_an_own_profile_that_is_no_text_or_endless_is_a_finding_and_no_traceback(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    for data in (b"\xff\xfe\x00", b"#" * 300_000, b""):
        (folder / "cellar.toml").write_bytes(data)
        assert all(str(folder) in each for each in findings(configured(tmp_path))[1:])
    (folder / "cellar.toml").unlink()
    (folder / "cellar.toml").mkdir()
    assert "there is no profile 'cellar'" in findings(configured(tmp_path))[0]


def test_the_simulated_site_stands_with_the_same_models(tmp_path: Path) -> None:
    own_model(tmp_path / "profiles", text=GENERIC.replace('order = "ABCD"', 'order = "CDAB"'))
    config = load(configured(tmp_path))
    instrument = Instrument(config.devices[0], 300, config.gateway.profiles_dir)
    instrument.set_value("combustible", "2.5")
    assert instrument.unit.answer(bytes([3, 0, 0, 0, 2])) == bytes([3, 4, 0, 0, 0x40, 0x20])


def test_what_the_gateway_will_read_by_is_the_file_as_it_was_checked(tmp_path: Path) -> None:
    path = own_model(tmp_path / "profiles")
    config = load(configured(tmp_path))
    assert config.own_profiles == {"cellar": sha256(path.read_bytes()).hexdigest()}
    path.write_text("changed while the gateway runs", encoding="utf-8")
    assert profiles_of(config)["gas1"].model == "cellar"
    assert load(configured(tmp_path, "honeywell_xcd")).own_profiles == {}
