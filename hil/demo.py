"""``permitgate demo``: one story on a site without hardware, each step with what should happen and what did.

HQ and the gateway are processes of their own and speak their real protocols; the site and the link are in this one, so
that they outlive a gateway that is killed.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console

from edge.app.answers import COULD_NOT, NO, OK, program, write_json
from edge.host.system_clock import monotonic_ms
from edge.ports.errors import RefusedError
from hil.demo_steps import cast, hazards, morning, offline, proofs, refusals
from hil.demo_steps.stage import Stage
from hil.demo_steps.story import Finding, Findings, Outcome, Step, play, unplayed
from hil.gateway_process import descendants, end_all
from hil.site_command import converse

STEPS: tuple[Step, ...] = (*morning.STEPS, *refusals.STEPS, *hazards.STEPS, *offline.STEPS, *proofs.STEPS)
"""The story."""

_RUN_DIR_BYTES_MAX = 90
"""As in the configuration: a socket's name must still fit behind it."""


def run_demo(stay: bool, keep: Path | None, json_to: str | None) -> NoReturn:
    """Play the story; exit 0 if all came as expected, 1 otherwise, 3 if it was broken off.

    ``keep``: an empty or new folder in which everything stays. ``stay``: the site goes on until Ctrl-C.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console(file=sys.stderr if json_to == "-" else sys.stdout, highlight=False, soft_wrap=True)
    try:
        with _folders(keep) as (folder, run_dir), Stage(folder, run_dir) as stage:
            report = tell(stage, console, STEPS)
            write_json(report, json_to)
            _say_next(console, report, _kept_lines(folder, stage.link.port) if keep else _lost_lines())
            if stay:
                _stay(stage, console)
    except KeyboardInterrupt:
        # A command of one step may have been begun a moment ago, before anybody could take note of it.
        end_all(descendants(os.getpid()))
        console.print("broken off; everything that was started is ended / 已中断，所有进程均已结束", style="yellow")
        sys.exit(COULD_NOT)
    sys.exit(OK if report["ok"] else NO)


def tell(stage: Stage, console: Console, steps: Sequence[Step]) -> dict[str, Any]:
    """Play the steps one after the other, showing each as it happens; what ``--json`` writes."""
    began_ms = monotonic_ms()
    console.print(
        "SIMULATED · 模拟: real processes and protocols, no real hardware / 真实进程与协议，无真实硬件", style="bold"
    )
    outcomes: list[Outcome] = []
    for number, step in enumerate(steps, start=1):
        console.print(f"\n[{number:>2}/{len(steps)}] {step.en}", style="bold", markup=False)
        console.print(f"        {step.zh}", markup=False)
        console.print(f"   expected  {step.expected}", style="dim", markup=False)
        outcome = play(step, stage, Findings(lambda finding: _show(console, finding)))
        outcomes.append(outcome)
        verdict, style = ("as expected", "green") if outcome.ok else ("NOT AS EXPECTED", "bold red")
        console.print(f"   {verdict}, {outcome.ms / 1000:.1f} s", style=style, markup=False)
        if step.needed and not outcome.ok:
            break
    outcomes += unplayed(steps[len(outcomes) :])
    ok = all(outcome.ok for outcome in outcomes)
    return {
        "ok": ok,
        "simulated": True,
        "ms": monotonic_ms() - began_ms,
        "steps": [outcome.as_json() for outcome in outcomes],
    }


def _show(console: Console, finding: Finding) -> None:
    mark, style = ("✓", "") if finding.ok else ("✗", "red")
    console.print(f"     {mark} {finding}", style=style, markup=False)


def _say_next(console: Console, report: dict[str, Any], lines: Sequence[str]) -> None:
    good = sum(step["ok"] for step in report["steps"])
    words = f"{good} of {len(report['steps'])} steps as expected in {report['ms'] / 1000:.0f} s"
    zh = f"{len(report['steps'])} 步中 {good} 步符合预期"
    console.print(f"\n{words} / {zh}", style="bold green" if report["ok"] else "bold red", markup=False)
    console.print("try next / 接下来可以试:", markup=False)
    for line in lines:
        console.print(f"  {line}", markup=False)


def _lost_lines() -> list[str]:
    """What can be done next when nothing was kept."""
    lines = {
        "demo --keep DIR": "keep journal, tiles, keys and evidence pack / 保留全部结果",
        "demo --stay": "play on with the running site / 保持运行，继续操作",
        "pack verify --help": "what a stranger does with an evidence pack / 校验证据包",
    }
    return [f"{f'{program()} {command}':<42}  {words}" for command, words in lines.items()]


def _kept_lines(kept: Path, hq_port: int) -> list[str]:
    """What can be done with what was kept; ``hq_port`` is where its gateway looks for HQ."""
    config, run = f"--config {kept / 'gateway.toml'}", program()
    return [
        f"{run} journal search --kind access.decided {config}",
        f"{run} journal why N {config}        one decision in words / 一次判定的依据",
        f"{run} journal verify {config}",
        f"{run} pack verify {kept / 'packs' / f'{cast.HOT}.pgpack'} --vkeys {kept / 'vkeys'}",
        f"{kept / 'tiles'}: C2SP tlog-tiles, for anybody's verifier / 供第三方校验",
        "and all of it again, in three terminals / 在三个终端中再次运行:",
        f"  {run} site {config}",
        f"  {run} hq serve --dir {kept / 'hq'} --port {hq_port}",
        f"  {run} run {config}",
    ]


def _stay(stage: Stage, console: Console) -> None:
    config, run = f"--config {stage.config_path}", program()
    badges = stage.folder / "badges"
    console.print("\nthe site goes on until Ctrl-C or quit / 现场继续运行", style="bold")
    for line in (
        f"in another terminal / 另一终端:  {run} status {config}",
        f"                                 {run} permit ready {cast.HOT} {config}",
        f"                                 {run} hq freeze permit {cast.HOT} --by me --reason test "
        f"--dir {stage.hq_dir}",
        f"here / 此处:  tap r1 {badges / 'li.ndef'}   gas gas-1 12.5   rex d1   state   help   quit",
    ):
        console.print(f"  {line}", markup=False)
    try:
        converse(stage.site)
    except KeyboardInterrupt:
        console.print("")


@contextmanager
def _folders(keep: Path | None) -> Iterator[tuple[Path, Path]]:
    """Where everything goes, and where the sockets go: beside it unless its name is too long for a socket."""
    with ExitStack() as stack:
        folder = _new_folder(stack) if keep is None else _kept_folder(keep)
        run_dir = folder / "run"
        if len(str(run_dir).encode()) > _RUN_DIR_BYTES_MAX:
            run_dir = _new_folder(stack) / "run"
        yield folder, run_dir


def _new_folder(stack: ExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="permitgate-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _kept_folder(keep: Path) -> Path:
    folder = keep.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise RefusedError(f"--keep {keep}: {error.strerror}; choose another folder") from error
    if used:
        raise RefusedError(f"--keep {keep}: is not empty; choose a new folder")
    return folder
