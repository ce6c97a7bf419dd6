"""A run counted by hand from its files gives the numbers of its verdict."""

from experiments.cli.main import main
from tools.hand_count import counted, said


def test_the_verdict_is_what_the_files_say(tmp_path):
    """Too few connections and the code as it was: failures, refusals and lapsed bookings."""
    out = tmp_path / "run"
    few = ["--set", "service.max_connections=20", "--set", "policy.sweep_by_score=false"]
    assert main(["run", "smoke", "--workers=1", f"--out={out}", *few]) == 0
    hand, told = counted(out), said(out)
    assert hand.keys() == told.keys()
    for name, value in told.items():
        assert abs(hand[name] - value) < 1e-9, name
    assert hand["booking failed"] > 0
