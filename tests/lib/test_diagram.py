"""The command for many trials: right, and the same bytes however it is run, stopped, killed and resumed."""

import functools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from distributed import LocalCluster
from implicit_bias import SignedHadamardPower, diagram, flow_limit
from implicit_bias.problems import sparse_recovery
from scipy.optimize import linprog

SMALL = ["--n", "20", "--s", "2", "--trials", "9", "--quiet"]


@pytest.fixture(scope="module", autouse=True)
def once():
    """Each trial is computed once in this process: asked is what becomes of the file. Other processes compute it anew."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diagram, "recovered", functools.cache(diagram.recovered))
        yield


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The file of one process that nobody disturbs."""
    path = tmp_path_factory.mktemp("diagram") / "one.csv"
    assert diagram.main([*SMALL, "--output", str(path)]) == 0
    return path.read_bytes()


def run(path, *more):
    assert diagram.main([*SMALL, "--output", str(path), *more]) == 0
    return path.read_bytes()


@pytest.mark.parametrize("seed", range(4))
def test_a_trial_says_what_is_recovered(seed):
    """Basis pursuit by a linear program written here, the flow one scale at a time, the least norm by projection."""
    found = diagram.recovered(seed, 40, 2)
    for m, row in zip(range(4, 25, 2), found, strict=True):
        one = sparse_recovery(n=40, m=m, s=2, seed=seed)
        program = linprog(np.ones(80), A_eq=np.hstack([one.A, -one.A]), b_eq=one.y)
        points = [program.x[:40] - program.x[40:], np.linalg.pinv(one.A) @ one.y]
        points += [flow_limit(one.A, one.y, SignedHadamardPower(L), alpha=a).x for L in (2, 3) for a in diagram.SCALES]
        errors = np.linalg.norm(np.array(points) - one.x_true, axis=1) / np.linalg.norm(one.x_true)
        clear = np.abs(errors - 0.01) > 1e-6
        np.testing.assert_array_equal(row[clear], errors[clear] <= 0.01)


def test_the_file_holds_the_trials(tmp_path, expected):
    path = tmp_path / "some.csv"
    path.write_bytes(expected)
    trials = diagram.read(path)
    assert trials.shape == (9, 11, 18)
    for seed in (0, 8):
        np.testing.assert_array_equal(trials[seed], diagram.recovered(seed, 20, 2))


@pytest.mark.parametrize("stop", [0, 20, 48, 49, 50, 200, 333, 700])
def test_a_file_that_was_cut_anywhere_is_completed(stop, tmp_path, expected):
    path = tmp_path / "cut.csv"
    path.write_bytes(expected[:stop])
    assert run(path) == expected


def test_a_file_in_any_order_with_rubbish_is_completed(tmp_path, expected):
    head, *lines = expected.splitlines(keepends=True)
    path = tmp_path / "mixed.csv"
    path.write_bytes(head + b"".join([lines[7], lines[2], b"3,00000\n", b"\n", b"x" * 70 + b"\n", lines[5][:-9]]))
    assert run(path) == expected
    # Numbers that are written otherwise, or of no trial, and bytes that are no text.
    other = [
        b"00" + lines[1],
        "٣".encode() + lines[4][1:],
        b"9" * 20 + lines[6][1:],
        b"\xff\xfe" + lines[8],
        b" " + lines[0],
    ]
    path.write_bytes(head + b"".join(other) + lines[3])
    assert run(path) == expected
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mixed.csv"]


def test_a_link_stays_one(tmp_path, expected):
    (tmp_path / "link.csv").symlink_to("elsewhere.csv")
    assert run(tmp_path / "link.csv") == expected
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "elsewhere.csv").read_bytes() == expected


def test_trials_can_be_added(tmp_path, expected):
    path = tmp_path / "more.csv"
    run(path, "--trials", "5")
    assert run(path) == expected
    assert run(path, "--trials", "3") == expected  # what is there stays


def command(path):
    return [sys.executable, "-m", "implicit_bias.diagram", *SMALL, "--output", str(path)]


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_a_command_that_is_killed_and_resumed_writes_the_same_bytes(tmp_path, expected):
    path, kills = tmp_path / "killed.csv", 0
    for more in (1, 3, 2):
        before = lines(path)
        process = subprocess.Popen(command(path))
        while lines(path) < max(1, before) + more and process.poll() is None:
            time.sleep(0.002)
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills
    subprocess.run(command(path), check=True)
    assert path.read_bytes() == expected


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_workers")
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_writes_the_same_bytes(workers, tmp_path, expected):
    assert run(tmp_path / "workers.csv", "--workers", str(workers)) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("loaded_workers")
def test_a_cluster_of_which_a_worker_is_killed_writes_the_same_bytes(tmp_path, expected):
    path = tmp_path / "cluster.csv"
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        process = subprocess.Popen([*command(path), "--scheduler", cluster.scheduler_address])
        while lines(path) < 3 and process.poll() is None:
            time.sleep(0.002)
        assert process.poll() is None
        os.kill(cluster.workers[0].pid, signal.SIGKILL)
        assert process.wait() == 0
    assert path.read_bytes() == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n", "19"], "--n must be at least 20"),
        (["--n", "-3"], "--n must be a positive integer"),
        (["--n", "20.5"], "--n"),
        (["--s", "0"], "--s must be a positive integer"),
        (["--s", "21"], "--s must be at most 20"),
        (["--trials", "0"], "--trials must be a positive integer"),
        (["--workers", "0"], "--workers must be a positive integer"),
        (
            ["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"],
            "--workers must not be given together with --scheduler",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments, message, tmp_path, capsys):
    with pytest.raises(SystemExit):
        diagram.main([*SMALL, "--output", str(tmp_path / "none.csv"), *arguments])
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_file_of_something_else_is_left_alone(tmp_path, expected, capsys):
    for text in (expected.replace(b"n=20", b"n=21"), b"my thesis\n", b"\xff\xfe\x00"):
        path = tmp_path / "other.csv"
        path.write_bytes(text)
        with pytest.raises(SystemExit):
            run(path)
        assert "--output must be a file of the same --n and --s" in capsys.readouterr().err
        assert path.read_bytes() == text


def test_what_is_no_file_is_left_alone(tmp_path, capsys):
    (tmp_path / "folder").mkdir()
    with pytest.raises(SystemExit):
        run(tmp_path / "folder")
    assert "--output must be a file" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("cut", [0, 30, 500, -1])
def test_an_unfinished_file_is_not_read(cut, tmp_path, expected):
    path = tmp_path / "cut.csv"
    path.write_bytes(expected[:cut])
    for content in (expected[:cut], b"\xff" + expected):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"^path must be a finished file"):
            diagram.read(path)


def test_a_picture_comes_at_the_end(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    diagram.main(["--n", "20", "--trials", "2"])
    assert capsys.readouterr().out == "diagram-20-1.csv, diagram-20-1.svg\n"
    assert "<svg" in (tmp_path / "diagram-20-1.svg").read_text(encoding="utf-8")


def test_the_table_that_comes_along_is_what_the_command_writes():
    """In part: the first and the last of its trials."""
    trials = diagram.read()
    for seed in (0, len(trials) - 1):
        np.testing.assert_array_equal(trials[seed], diagram.recovered(seed, 400, 20))
    rates = trials.mean(axis=0)
    assert np.all(rates[:, 1] == 0)  # the least Euclidean norm recovers nothing
    assert np.all(np.diff(rates[:, 0]) > -0.03) and rates[0, 0] < 0.05 and rates[-1, 0] == 1
    # A smaller start recovers more, and depth 3 more than depth 2.
    assert np.all(np.diff(rates[:, 2:10], axis=1) > -0.03) and np.all(rates[:, 10:14] >= rates[:, 2:6] - 0.03)
