"""The house's own rules: sizes, names, clocks, broad excepts, packaging, import contracts. A breach names its place."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOPS = ("drivers", "edge", "hil", "sync")
CLOCK = Path("edge/host/system_clock.py")

FUNCTION_LINES_MAX = 60
FUNCTION_LINES_AIM = 25
MODULE_LINES_MAX = 400
NESTING_MAX = 3
POSITIONAL_MAX = 5

_BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match, ast.AsyncFor, ast.AsyncWith)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules() -> dict[Path, ast.Module]:
    """Every module of ours, parsed, by its path in the repository."""
    paths = sorted(path for top in TOPS for path in (ROOT / top).rglob("*.py"))
    return {path.relative_to(ROOT): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


@cache
def functions() -> tuple[tuple[Path, Function], ...]:
    """Every function of ours."""
    found = ((path, node) for path, tree in modules().items() for node in ast.walk(tree))
    return tuple((path, node) for path, node in found if isinstance(node, Function))


def lines(node: Function) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def nesting(node: ast.AST, level: int = 0) -> int:
    """How deep blocks lie in each other; ``elif`` is no deeper than its ``if``."""
    worst = level
    for field, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        alone = isinstance(node, ast.If) and field == "orelse" and len(children) == 1
        for child in children:
            if not isinstance(child, ast.AST) or isinstance(child, _DEFINITIONS):
                continue
            deeper = isinstance(child, _BLOCKS) and not (alone and isinstance(child, ast.If))
            worst = max(worst, nesting(child, level + deeper))
    return worst


def by_name_only(node: Function) -> bool:
    """A command's function: click calls it with every argument by its name."""
    return any("command" in ast.unparse(each) for each in node.decorator_list)


def test_modules_and_functions_stay_small() -> None:
    long_modules = [
        f"{path}: {count} lines"
        for path in modules()
        if (count := len((ROOT / path).read_text(encoding="utf-8").splitlines())) > MODULE_LINES_MAX
    ]
    long_functions = [f"{path}:{each.name}" for path, each in functions() if lines(each) > FUNCTION_LINES_MAX]
    assert not long_modules + long_functions
    sizes = [lines(each) for _, each in functions()]
    assert sum(size < FUNCTION_LINES_AIM for size in sizes) >= 0.9 * len(sizes)


def test_nesting_and_positional_parameters_are_bounded() -> None:
    deep = [f"{path}:{each.name}" for path, each in functions() if nesting(each) > NESTING_MAX]
    many = []
    for path, each in functions():
        names = [argument.arg for argument in (*each.args.posonlyargs, *each.args.args)]
        own = names[1:] if names[:1] in (["self"], ["cls"]) else names
        if len(own) > POSITIONAL_MAX and not by_name_only(each):
            many.append(f"{path}:{each.name}")
    assert not deep
    assert not many


@pytest.mark.parametrize(
    ("source", "depth"),
    [
        ("def f():\n if a:\n  pass\n elif b:\n  pass\n else:\n  pass", 1),
        ("def f():\n for a in b:\n  with c:\n   try:\n    if d:\n     pass\n   finally:\n    pass", 4),
        ("def f():\n if a:\n  def g():\n   if b:\n    pass", 1),
    ],
)
def test_the_measure_of_nesting_is_what_people_see(source: str, depth: int) -> None:
    assert nesting(ast.parse(source).body[0]) == depth


def _undocumented(node: ast.Module | ast.ClassDef, name: str) -> Iterator[str]:
    if ast.get_docstring(node) is None:
        yield name
    for child in node.body:
        if isinstance(child, Function | ast.ClassDef) and not child.name.startswith("_"):
            if isinstance(child, ast.ClassDef):
                yield from _undocumented(child, f"{name}:{child.name}")
            elif ast.get_docstring(child) is None:
                yield f"{name}:{child.name}"


def test_everything_public_says_what_it_promises() -> None:
    found = [each for path, tree in modules().items() if tree.body for each in _undocumented(tree, str(path))]
    assert not found


def test_only_one_module_reads_a_clock() -> None:
    found = []
    for path, tree in modules().items():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            taken = node.module if isinstance(node, ast.ImportFrom) else None
            read = isinstance(node, ast.Attribute) and node.attr in ("now", "utcnow", "today")
            clock = read and isinstance(node.value, ast.Name) and node.value.id in ("datetime", "date")
            if "time" in names or taken == "time" or clock:
                found.append(f"{path}:{getattr(node, 'lineno', 0)}")
    assert [each for each in found if not each.startswith(f"{CLOCK}:")] == []
    assert found


def _broad(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or any(
        isinstance(each, ast.Name) and each.id in ("Exception", "BaseException") for each in ast.walk(handler.type)
    )


def test_broad_excepts_are_at_the_top_of_a_thread_or_raise_again() -> None:
    """Those that swallow say why, and are in the loops and children of the daemon."""
    found = []
    for path, tree in modules().items():
        source = (ROOT / path).read_text(encoding="utf-8").splitlines()
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler) or not _broad(node) or isinstance(node.body[-1], ast.Raise):
                continue
            excused = re.search(r"# noqa: BLE001 - \w+", source[node.lineno - 1])
            if not excused or path.parts[:2] not in (("edge", "runtime"), ("edge", "app")):
                found.append(f"{path}:{node.lineno}")
    assert not found


def test_no_name_says_that_a_thing_has_no_purpose() -> None:
    vague = re.compile(r"(^|_)(utils?|managers?|helpers?)($|_)", re.IGNORECASE)
    found = [str(path) for path in modules() if any(vague.search(part) for part in path.with_suffix("").parts)]
    for path, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, Function | ast.ClassDef):
                words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", node.name)
                found += [f"{path}:{node.name}"] if vague.search(words) else []
    assert not found


def _packages_in_setup() -> list[str]:
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PACKAGES":
            found: list[str] = ast.literal_eval(node.value)
            return found
    raise AssertionError("setup.py names no PACKAGES")


def test_setup_lists_exactly_the_packages_that_are_there() -> None:
    there = {".".join(path.parent.parts) for path in modules() if path.name == "__init__.py"}
    homeless = {str(path) for path in modules() if ".".join(path.parent.parts) not in there}
    assert not homeless
    assert sorted(_packages_in_setup()) == sorted(there)


def _distributions_in_setup() -> set[str]:
    """What setup.py has installed, by the names that are imported."""
    imported = {"apscheduler": "apscheduler", "nfcpy": "nfc", "pyserial": "serial"}
    text = (ROOT / "setup.py").read_text(encoding="utf-8").split("install_requires=[", 1)[1].split("]", 1)[0]
    names = re.findall(r'"([A-Za-z0-9_-]+)', text)
    return {imported.get(name.lower(), name.lower().replace("-", "_")) for name in names}


def test_what_is_installed_is_imported_and_nothing_else_is() -> None:
    found = set()
    for tree in modules().values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                found.add(node.module.partition(".")[0])
    # ndef comes with nfcpy, securesystemslib with tuf; pymodbus opens serial lines with pyserial.
    foreign = found - set(sys.stdlib_module_names) - set(TOPS) - {"ndef", "securesystemslib"}
    assert foreign | {"serial"} == _distributions_in_setup()


def test_every_top_package_is_typed_and_ours_alone() -> None:
    assert all((ROOT / top / "py.typed").is_file() for top in TOPS)
    owners = packages_distributions()
    assert {top: set(owners.get(top, ())) for top in TOPS} == {top: {"permitgate"} for top in TOPS}


CONTRACTS = {"layers", "drivers", "hq", "formats", "core", "hil"}


def test_the_import_contracts_are_all_there() -> None:
    parser = ConfigParser()
    parser.read(ROOT / ".importlinter")
    found = {section.rpartition(":")[2] for section in parser.sections() if section.startswith("importlinter:contract")}
    assert found == CONTRACTS
    assert parser["importlinter"]["root_packages"].split() == ["edge", "drivers", "sync", "hil"]


def _tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout here")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def test_nothing_is_read_from_outside_the_repository() -> None:
    outside = re.compile(rb"\.\./sha" + rb"red|/work/(sha" + rb"red|ma" + rb"in)")
    found = [str(path.relative_to(ROOT)) for path in _tracked() if outside.search(path.read_bytes())]
    assert not found


def test_no_secret_database_or_pack_is_kept_in_the_repository() -> None:
    kinds = (".db", ".db-wal", ".pem", ".key", ".pgpack", ".sqlite")
    assert not [str(path.relative_to(ROOT)) for path in _tracked() if path.name.endswith(kinds)]


UNIT = ROOT / "systemd" / "permitgate.service"


def _analyse(unit: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not on this machine (apt-get install systemd)")
    command = ["systemd-analyze", *arguments, str(unit)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it is, with a program that exists here in the place of the installed one."""
    text = re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", UNIT.read_text(encoding="utf-8"))
    path = tmp_path / UNIT.name
    path.write_text(text, encoding="utf-8")
    return path


def test_systemd_takes_the_unit_without_a_warning(unit: Path) -> None:
    done = _analyse(unit, "verify", "--recursive-errors=yes")
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_systemd_would_say_if_a_key_of_the_unit_were_misspelt(unit: Path) -> None:
    unit.write_text(unit.read_text(encoding="utf-8").replace("WatchdogSec=", "WatchdogSecs="), encoding="utf-8")
    assert _analyse(unit, "verify", "--recursive-errors=yes").returncode != 0


def test_the_unit_leaves_the_daemon_little_that_it_does_not_need(unit: Path) -> None:
    done = _analyse(unit, "security", "--offline=true", "--threshold=25")
    assert done.returncode == 0, done.stdout


def test_the_unit_vouches_for_local_progress_and_does_not_retry_a_wrong_configuration() -> None:
    keys = dict(line.split("=", 1) for line in UNIT.read_text().splitlines() if re.match(r"[A-Za-z]+=", line))
    assert keys["Type"] == "notify"
    assert int(keys["WatchdogSec"]) >= 10
    assert keys["Restart"] == "on-failure"
    assert keys["RestartPreventExitStatus"] == "2"
    assert "PYTHONSAFEPATH=1" in keys["Environment"]
    assert "network-online" not in keys["After"]


def test_the_installer_places_what_it_says(tmp_path: Path) -> None:
    environment = {"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"}
    subprocess.run(["sh", str(ROOT / "systemd" / "install.sh")], env=environment, check=True, timeout=30)
    placed = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert placed == [
        "etc/systemd/system/permitgate.service",
        "etc/sysusers.d/permitgate.conf",
        "etc/tmpfiles.d/permitgate.conf",
        "usr/share/doc/permitgate/README.md",
        "usr/share/doc/permitgate/WIRING.md",
        "usr/share/doc/permitgate/config.example.toml",
    ]


def test_the_groups_of_the_unit_are_made_at_installation() -> None:
    made = set(re.findall(r"(?m)^m permitgate (\S+)$", (ROOT / "systemd/permitgate.sysusers").read_text()))
    wanted = re.findall(r"(?m)^SupplementaryGroups=(.*)$", UNIT.read_text())[0].split()
    assert made == set(wanted)
