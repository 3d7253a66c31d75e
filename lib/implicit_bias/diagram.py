"""How often sparse vectors are recovered, by many trials: ``python -m implicit_bias.diagram --n 400 --trials 500``.

The trials are independent, and run in this process, on several (``--workers 4``), or on the cluster of a scheduler of
`dask.distributed` (``--scheduler tcp://...``). What each trial recovers is written as it comes. A run that was stopped goes on
where it was, and the file is the same, to the byte, however many workers there were and however often it was stopped.
"""

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path

import numpy as np

from ._extras import extra, watched
from ._validation import as_positive
from .baselines import basis_pursuit, minimum_norm
from .limits import flow_limit
from .measures import recovery_error
from .parametrizations import SignedHadamardPower
from .problems import sparse_recovery

SCALES = np.geomspace(1e-1, 1e-8, 8)
METHODS = ("l1", "l2", *((depth, alpha) for depth in (2, 3) for alpha in SCALES))
SHARES = np.arange(10, 61, 5) / 100  # of the number of unknowns: how much is measured
RECOVERED = 0.01  # relative error
TRIAL, MASK = re.compile("0|[1-9][0-9]{0,8}"), re.compile("[0-3][0-9a-f]{4}")  # of the latter a bit for each method


def recovered(seed: int, n: int, s: int) -> np.ndarray:
    """What one random instance for each number of measurements is recovered by.

    The methods are basis pursuit, the least Euclidean norm, and the limit of the flow at depth 2 and at depth 3 from eight
    scales each, from 1e-1 to 1e-8. Recovered means a relative error of at most one percent.

    Taught in the chapter "Sparse recovery".

    Parameters
    ----------
    seed : int
        One for each trial.
    n, s : int
        Unknowns, at least 20, and how many of them are not zero. There are 10, 15, ..., 60 percent of `n` measurements.

    Returns
    -------
    ndarray of bool, shape (11, 18)
        Measurements by methods.

    Examples
    --------
    >>> found = recovered(0, n=40, s=1)
    >>> found[-1, :3].tolist(), found[:, 1].any().tolist()
    ([True, False, False], False)
    """
    found = []
    for m in _measurements(n):
        instance = sparse_recovery(n=n, m=m, s=s, seed=seed)
        points = [basis_pursuit(instance.A, instance.y).x, minimum_norm(instance.A, instance.y)]
        for depth in (2, 3):
            points += list(flow_limit(instance.A, instance.y, SignedHadamardPower(depth), alpha=SCALES[:, None]).x)
        found.append(recovery_error(np.array(points), instance.x_true) <= RECOVERED)
    return np.array(found)


def read(path: str | Path | None = None) -> np.ndarray:
    """The trials of a file that the command has written.

    Parameters
    ----------
    path : str or Path, optional
        By default 500 trials with 400 unknowns, 20 of which are not zero, that come with the library.

    Returns
    -------
    ndarray of bool, shape (trials, 11, 18)
        See `recovered`; the trial with the seed 0 comes first.

    Raises
    ------
    ValueError
        If the file is not finished, or not one of the command.

    Examples
    --------
    >>> trials = read()
    >>> trials.shape
    (500, 11, 18)
    """
    source = files(__package__).joinpath("diagram.csv") if path is None else Path(path)
    first, *lines = source.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) or [""]
    trials = _parsed(lines)
    if not first.startswith("# n=") or not trials or list(trials) != list(range(len(lines))):
        raise ValueError(f"path must be a finished file of the command, got {source}: run the command again to its end")
    masks = np.array([[int(mask, 16) for mask in line.strip().split(",")[1:]] for line in trials.values()])
    return (masks[..., None] >> np.arange(len(METHODS))) % 2 == 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, see the module.

    Parameters
    ----------
    arguments : list of str, optional
        Those of the command line by default.

    Returns
    -------
    int
        0.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     file = f"{folder}/small.csv"
    ...     status = main(["--n", "20", "--trials", "2", "--output", file, "--quiet"])
    ...     read(file).shape
    (2, 11, 18)
    """
    parser = argparse.ArgumentParser(prog="python -m implicit_bias.diagram", description=__doc__.split("\n\n")[0])
    parser.add_argument("--n", type=int, default=400, help="unknowns (default: 400)")
    parser.add_argument("--s", type=int, help="how many of them are not zero (default: n / 20)")
    parser.add_argument(
        "--trials", type=int, default=500, help="random instances for each number of measurements (default: 500)"
    )
    parser.add_argument("--workers", type=int, help="processes on this machine (default: this one only)")
    parser.add_argument("--scheduler", help="address of a scheduler of dask.distributed, instead of --workers")
    parser.add_argument("--output", type=Path, help="where to write, and to go on (default: diagram-N-S.csv)")
    parser.add_argument("--quiet", action="store_true", help="show no progress, draw no picture")
    given = parser.parse_args(arguments)
    try:
        n, trials = as_positive("--n", given.n, integer=True), as_positive("--trials", given.trials, integer=True)
        if n < 20:
            raise ValueError(f"--n must be at least 20, got {n}: a tenth of it must be measurements")
        s = as_positive("--s", n // 20 if given.s is None else given.s, integer=True)
        if s > n:
            raise ValueError(f"--s must be at most {n}, the number of unknowns, got {s}")
        if given.workers is not None and given.scheduler is not None:
            raise ValueError("--workers must not be given together with --scheduler, which has workers of its own")
        workers = None if given.workers is None else as_positive("--workers", given.workers, integer=True)
        path = given.output or Path(f"diagram-{n}-{s}.csv")
        _complete(path, n, s, trials, given.scheduler, workers, given.quiet)
    except (OSError, ValueError) as error:  # of the first, that --output cannot be written
        parser.error(str(error))
    if not given.quiet:
        with extra("figures"):
            from .look import save
        save(partial(draw, rates=np.mean(read(path), axis=0)), path.with_suffix(".svg"))
        print(f"{path}, {path.with_suffix('.svg')}")
    return 0


def draw(fig: object, rates: np.ndarray) -> None:
    """Draw the share of the trials that are recovered against the share of measurements.

    Parameters
    ----------
    fig : matplotlib Figure
    rates : ndarray, shape (11, 18)
        Means over what `read` returns.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> draw(Figure(), read().mean(axis=0))
    """
    from .look import COLORS, DEPTH

    for ax, depth in zip(fig.subplots(1, 2, sharey=True), (2, 3), strict=True):
        ax.plot(SHARES, rates[:, 0], "s", ls=(0, (4, 3)), color=COLORS["l1"], ms=4, label="basis pursuit")
        for k, method in enumerate(METHODS):
            if method[0] == depth:
                visible = 0.3 + 0.7 * np.log10(method[1]) / -8
                label = f"flow from {method[1]:.0e}" if method[1] in SCALES[[0, -1]] else None
                ax.plot(SHARES, rates[:, k], color=DEPTH[depth]["color"], alpha=visible, label=label)
        ax.set(title=f"depth {depth}", xlabel="measurements / unknowns", ylim=(-0.04, 1.04))
        ax.legend(loc="lower right")
    fig.axes[0].set_ylabel("share recovered")


def _measurements(n):
    return [round(share * n) for share in SHARES]


def _parsed(lines):
    """Whole lines by trial: a process that was killed may have left half of one, and a disk that was full anything."""
    found = {}
    for line in lines:
        first, *masks = line.removesuffix("\n").split(",")
        whole = line.endswith("\n") and len(masks) == len(SHARES) and all(map(MASK.fullmatch, masks))
        if whole and TRIAL.fullmatch(first):
            found[int(first)] = line
    return found


def _complete(path, n, s, trials, scheduler, workers, quiet):
    """Add the trials that the file lacks, in the order in which they come, and sort it at the end."""
    header = f"# n={n} s={s} measurements={' '.join(map(str, _measurements(n)))}\n"
    done = {}
    if path.exists():
        if not path.is_file():
            raise ValueError(f"--output must be a file, {path} is something else")
        first, *lines = path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True) or [""]
        if not header.startswith(first):
            raise ValueError(
                f"--output must be a file of the same --n and --s, {path} begins with {first.strip()!r}: take another"
            )
        done = _parsed(lines)
    _write(path, header, done)
    missing = [trial for trial in range(trials) if trial not in done]
    with path.open("a", encoding="utf-8", newline="\n") as file:
        results = _results(missing, n, s, scheduler, workers)
        for trial, found in results if quiet or not missing else watched(results, len(missing), name="trials"):
            masks = found @ (1 << np.arange(len(METHODS)))
            done[trial] = ",".join([str(trial), *(f"{mask:05x}" for mask in masks)]) + "\n"
            file.write(done[trial])
            file.flush()
    _write(path, header, done)


def _write(path, header, done):
    """Replace the file at once, so that there is always a whole one; a link stays."""
    path = path.resolve()
    new = path.with_name(path.name + ".new")
    new.write_text(header + "".join(done[trial] for trial in sorted(done)), encoding="utf-8", newline="\n")
    new.replace(path)


def _results(missing, n, s, scheduler, workers) -> Iterator[tuple[int, np.ndarray]]:
    """The trials with what they recover, in any order. If a worker dies, the scheduler gives its trials to others."""
    if scheduler is None and workers is None:
        for trial in missing:
            yield trial, recovered(trial, n, s)
        return
    with extra("cluster"):
        from distributed import Client, as_completed
    local = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": ":0"}
    with Client(scheduler) if scheduler else Client(**local) as client:
        futures = {client.submit(recovered, trial, n, s, pure=False): trial for trial in missing}
        for future in as_completed(futures):
            yield futures[future], future.result()
            future.release()


if __name__ == "__main__":
    sys.exit(main())
