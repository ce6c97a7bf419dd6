"""The command line as a user meets it: exit codes, one clear line, nothing half-written."""

import json
import os
import pty
import resource
import select
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.runs.storage.store import program_version

PROGRAM = Path(sys.executable).with_name("ticketsim")
QUICK = [
    "--set",
    "load.stages=[{ duration_s = 5.0, target = 20 }, { duration_s = 10.0, target = 20 }]",
    "--set",
    "load.graceful_stop_s=0.0",
]


def ticketsim(*arguments, **options):
    return subprocess.run(
        [PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        **options,
    )


BAD = {
    "unknown key": "[pool]\nconections = 3",
    "wrong type": '[pool]\nconnections = "10"',
    "negative duration": "[pool]\ntimeout_s = -1.0",
    "zero cores": "[host]\ncores = 0",
    "stages of no length": '[load]\nexecutor = "ramping-vus"\n'
    "stages = [{ duration_s = 0.0, target = 5 }]",
    "capacity 0": "[catalogue]\ncapacity = 0",
    "import path that does not exist": '[customer]\nscript = "no.such:buyer"',
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_bad_config_ends_with_104_one_line_and_nothing_written(tmp_path, capsys, text):
    config = tmp_path / "bad.toml"
    config.write_text(f'name = "bad"\n{text}\n')
    out = tmp_path / "out"
    assert main(["run", str(config), "--out", str(out), "--json"]) == 104
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"ticketsim: {config}: ")
    assert captured.err.count("\n") == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["bad.toml"]


def test_bad_options_end_with_1_and_one_line(capsys):
    for arguments in (
        ["run", "smoke", "--scale", "0"],
        ["run", "smoke", "--scale", "1.5"],
        ["run", "smoke", "--seed", "-1"],
        ["run", "smoke", "--replications", "none"],
        ["run"],
        ["frobnicate"],
    ):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 1
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1
        assert captured.out == ""


@pytest.mark.parametrize(
    "words",
    [["run"], ["compare", "--variants=F3"], ["fuzz", "--seeds=1"]],
    ids=lambda words: words[0],
)
def test_a_scale_that_leaves_nobody_is_refused_in_one_line(words, capsys):
    command, *options = words
    assert main([command, "smoke", *options, "--scale", "0.001", "--workers", "1"]) == 104
    told = capsys.readouterr().err
    assert told.startswith("ticketsim: --scale: 0.001: too small for smoke")
    assert told.count("\n") == 1


def test_help_answers_at_once():
    """In processor time, so that a busy machine does not fail it."""

    def seconds():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert ticketsim("-h").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    assert min(seconds() for _ in range(5)) < 0.150


@pytest.mark.parametrize("command", ["run", "list", "show", "schema", "serve"])
def test_every_command_has_help(command):
    with pytest.raises(SystemExit) as caught:
        main([command, "-h"])
    assert caught.value.code == 0


def test_list_names_the_shipped_configs(capsys):
    assert main(["list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert {"incident", "incident-fixed", "smoke"} <= set(names)


def test_show_prints_a_config_that_can_be_copied_and_changed(capsys):
    assert main(["show", "incident"]) == 0
    text = capsys.readouterr().out
    shown = tomllib.loads(text)
    assert shown["name"] == "incident"
    assert not {"observed", "explain"} & set(shown)
    assert main(["show", "incident", "--observed"]) == 0
    whole = tomllib.loads(capsys.readouterr().out)
    assert "explain" in whole
    of_the_incident = {"observed", "explain", "extends_observed"}
    assert shown == {key: whole[key] for key in whole if key not in of_the_incident}
    assert main(["show", "incidnet"]) == 104
    assert "did you mean incident?" in capsys.readouterr().err


def test_schema_is_json_of_configs_and_of_results(capsys):
    assert main(["schema"]) == 0
    assert "pool" in json.loads(capsys.readouterr().out)["properties"]
    assert main(["schema", "--output", "run"]) == 0
    assert "http_req_failed" not in json.loads(capsys.readouterr().out)["properties"]


def test_json_goes_to_standard_output_and_nothing_else_does(tmp_path):
    done = ticketsim("run", "smoke", *QUICK, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["config"] == "smoke"
    assert summary["errors"] is not None
    assert done.stderr == ""
    text = ticketsim("run", "smoke", *QUICK, cwd=tmp_path)
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout.startswith("smoke: ")
    assert 10 <= len(text.stdout.splitlines()) <= 20
    everything = ticketsim("run", "smoke", *QUICK, "--verbose", cwd=tmp_path).stdout
    assert everything.startswith(text.stdout.splitlines()[0])
    assert "k6 metrics" in everything
    quiet = ticketsim("run", "smoke", *QUICK, "--quiet", cwd=tmp_path)
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_a_customer_of_ones_own_is_imported_from_the_current_folder(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from sim.customers import buyer\n\ndef patient(user):\n    buyer.buyer(user)\n"
    )
    mine = ["--set", 'customer.script="mine:patient"']
    done = ticketsim("run", "smoke", *QUICK, *mine, "--json", "--quiet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    usual = ticketsim("run", "smoke", *QUICK, "--json", "--quiet")
    assert json.loads(done.stdout)["digest"] == json.loads(usual.stdout)["digest"]
    assert ticketsim("run", "smoke", *mine, cwd=tmp_path.parent).returncode == 104


def test_the_digest_is_the_same_in_another_process_and_with_another_hash_seed():
    digests = set()
    for hash_seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = ticketsim("run", "smoke", *QUICK, "--json", "--quiet", env=environment)
        digests.add(json.loads(done.stdout)["digest"])
    assert len(digests) == 1
    other = ticketsim("run", "smoke", *QUICK, "--json", "--quiet", "--seed", "2")
    assert json.loads(other.stdout)["digest"] not in digests


def test_replications_do_not_depend_on_the_number_of_workers():
    runs = [
        json.loads(
            ticketsim(
                *["run", "smoke", *QUICK, "--json", "--quiet", "--replications", "3"],
                *["--workers", workers],
            ).stdout
        )
        for workers in (1, 2)
    ]
    for run in runs:
        del run["wall_seconds"]
    assert runs[0] == runs[1]
    assert len({run["digest"] for run in runs[0]["runs"]}) == 3


def test_out_resumes_the_same_run_and_refuses_another(tmp_path):
    out = tmp_path / "out"
    arguments = ["run", "smoke", *QUICK, "--quiet", "--json", "--out", out]
    first = json.loads(ticketsim(*arguments).stdout)
    more = json.loads(ticketsim(*arguments, "--replications", "2").stdout)
    assert more["runs"][0] == first["runs"][0]
    assert more["replications"] == 2
    refused = ticketsim(*arguments, "--seed", "9")
    assert refused.returncode == 104
    assert refused.stderr.count("\n") == 1
    again = ticketsim("run", out / "config.toml", "--quiet", "--json")
    assert json.loads(again.stdout)["digest"] == more["digest"]


def test_a_place_that_cannot_be_written_ends_with_1_before_anything_runs(capsys):
    assert main(["run", "incident-as-planned", "--out", "/proc/ticketsim"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("ticketsim: --out /proc/ticketsim: cannot be written")
    assert captured.err.count("\n") == 1


def interrupted(arguments, ready):
    """Start on a terminal, press Ctrl-C once the progress bar shows `ready`; all that it said."""
    controller, terminal = pty.openpty()
    with subprocess.Popen(
        [PROGRAM, *arguments], stderr=terminal, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        os.close(terminal)
        shown = b""
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if select.select([controller], [], [], 0.1)[0]:
                try:
                    shown += os.read(controller, 65536)
                except OSError:
                    break
            if ready and ready in shown:
                os.killpg(process.pid, signal.SIGINT)
                ready = None
        if process.poll() is None and time.monotonic() >= deadline:
            os.killpg(process.pid, signal.SIGKILL)
        output = process.stdout.read()
        return process.wait(60), output, shown.decode()


@pytest.mark.parametrize("replications", [1, 2])
def test_ctrl_c_keeps_what_was_measured_and_says_so(tmp_path, replications):
    out = tmp_path / "out"
    code, output, shown = interrupted(
        [
            *["run", "incident-as-planned", "--scale", "0.1", "--json", "--out", str(out)],
            *["--replications", str(replications)],
        ],
        b" failed",
    )
    assert code == 130
    assert "PARTIAL" in shown
    summary = json.loads(output)
    assert summary["partial"]
    assert {run["ended"] for run in summary["runs"]} == {"interrupted"}
    assert json.loads((out / "manifest.json").read_text())["partial"]


def test_no_traceback_unless_asked_for(monkeypatch, capsys):
    def broken(_options):
        raise ZeroDivisionError("of all\nthings")

    monkeypatch.setattr("experiments.cli.list._list", broken)
    assert main(["list"]) == 1
    assert capsys.readouterr().err == (
        "ticketsim: ZeroDivisionError: of all things (--debug shows where)\n"
    )
    with pytest.raises(ZeroDivisionError):
        main(["list", "--debug"])


def test_the_version_is_the_one_that_results_are_resumed_by(tmp_path):
    found = ticketsim("--version", cwd=tmp_path)
    assert found.returncode == 0
    assert found.stdout == f"ticketsim {program_version()}\n"
    assert found.stderr == ""
