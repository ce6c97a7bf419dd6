"""What the pages say can be typed: commands run or at least parse, code runs, links lead on."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from experiments.cli.main import parser
from tools import reference

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BIN = Path(sys.executable).parent
PAGES = sorted(
    [
        ROOT / "README.md",
        *DOCS.glob("*.md"),
        ROOT / "CONTRIBUTING.md",
        *DOCS.glob("how-to/*.md"),
        *DOCS.glob("incident/*.md"),
        *DOCS.glob("decisions/*.md"),
        *DOCS.glob("reference/*.md"),
    ]
)
RUN = [
    "tutorial.md",
    "how-to/your-own-customer.md",
    "how-to/your-own-process.md",
    "how-to/use-from-pytest.md",
    "how-to/gate-in-ci.md",
]
"""Pages whose commands are run, small; those of the others are only read."""
SCALE = "0.2"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXIT_CODE = re.compile(r"# exit code (\d+)")
SIMULATES = {"run", "compare", "sweep", "gate"}


def name(path):
    return path.relative_to(ROOT).as_posix()


def blocks(path):
    return FENCE.findall(path.read_text("utf-8"))


def commands(path):
    """The `ticketsim` commands of a page."""
    fenced = "\n".join(text for language, text in blocks(path) if language == "sh")
    page = path.read_text("utf-8").replace("\\\n", " ")
    indented = re.findall(r"^ {4}(ticketsim .*)$", page, re.MULTILINE)
    lines = [*fenced.replace("\\\n", " ").splitlines(), *indented]
    return [line for line in lines if line.startswith("ticketsim ")]


def words(command):
    """A command as typed, without comment, output file and ellipsis."""
    found = shlex.split(command, comments=True)[1:]
    return found[: found.index(">")] if ">" in found else found


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_command_is_one_that_there_is(path):
    for command in commands(path):
        if "..." not in command and "|" not in command:
            parser().parse_args(words(command))


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_code_and_configs_are_at_least_well_formed(path):
    for language, text in blocks(path):
        if language == "toml":
            tomllib.loads(text)
        elif language == "python" and not text.startswith(tuple(f"{n}(" for n in api_names())):
            compile(text, name(path), "exec")


def api_names():
    import ticketsim

    return ticketsim.__all__


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_every_link_leads_somewhere(path):
    text = re.sub(FENCE, "", path.read_text("utf-8"))
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("page", RUN)
def test_a_page_runs_as_it_is_written(page, tmp_path):
    for language, text in blocks(DOCS / page):
        first = text.partition("\n")[0]
        if re.fullmatch(r"# [\w-]+\.(toml|py)", first):
            (tmp_path / first.removeprefix("# ")).write_text(text)
        elif language == "python":
            run([sys.executable, "-c", text], tmp_path, 0)
        elif language == "sh":
            for line in text.splitlines():
                run_line(line, tmp_path)


def run_line(line, folder):
    program, *arguments = shlex.split(line, comments=True)
    if program not in {"ticketsim", "pytest"}:
        return  # setting up, which is done
    found = EXIT_CODE.search(line)
    if program == "ticketsim" and arguments[0] in SIMULATES and "--scale" not in arguments:
        end = arguments.index(">") if ">" in arguments else len(arguments)
        arguments[end:end] = ["--scale", SCALE]
    output = None
    if ">" in arguments:
        *arguments, _, output = arguments
    done = run([BIN / program, *arguments], folder, int(found[1]) if found else 0)
    if output:
        (folder / output).write_text(done.stdout)


def run(command, folder, exit_code):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == exit_code, f"{command}: {done.stderr}"
    return done


@pytest.mark.parametrize("page", ["config.md", "commands.md", "variants.md", "python.md"])
def test_the_reference_is_up_to_date(page):
    assert (DOCS / "reference" / page).read_text("utf-8") == reference.pages()[page], (
        "make reference"
    )


def test_every_key_of_the_schema_is_in_the_reference():
    from experiments.config.keys import keys_of
    from sim.world import World

    text = (DOCS / "reference" / "config.md").read_text("utf-8")
    for key in keys_of(World):
        leaf = key.path.rpartition(".")[2]
        assert leaf in text, key.path
