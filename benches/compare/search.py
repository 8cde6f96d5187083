#!/usr/bin/env python3
"""Searches the same random unit vectors with facerecog and with faiss, one thread each, in turns.

Prints one JSON line for each comparison and keeps them in benches/results/<date>-<cpu>-search.csv. Run by
`make compare WORK=search`; `WORK=search-open` opens a gallery of 10 million rows.
"""

import contextlib
import os
import statistics
import subprocess
import sys
import time

import faiss
import numpy

from turns import FOLDER, TARGET, Child, compare, in_turns, keep, show

OURS = TARGET / "release/examples/compare_search"
DIMS = 128
ROWS = 1_000_000
ROWS_TO_OPEN = 10_000_000
PROBES = 10_000
BATCH = 64
ROUNDS_ONE = 40
ROUNDS_BATCH = 7


def unit_vectors(count, seed):
    """Random unit vectors in a file that both sides read, the same in every run."""
    path = FOLDER / f"{count}x{DIMS}-{seed}.f32"
    if not path.exists():
        values = numpy.random.default_rng(seed).standard_normal((count, DIMS), dtype=numpy.float32)
        values /= numpy.linalg.norm(values, axis=1, keepdims=True)
        values.tofile(path.with_suffix(".tmp"))
        path.with_suffix(".tmp").rename(path)
    return path, numpy.fromfile(path, dtype=numpy.float32).reshape(count, DIMS)


class Ours:
    def __init__(self, index, probes):
        self.ask = Child(OURS, "serve", index, probes).ask

    def one(self, first, count):
        return float(self.ask("one", first, count))

    def batch(self, first):
        return float(self.ask("many", first, BATCH))

    def nearest(self, count):
        return numpy.array(self.ask("rows", 0, count).split(), dtype=numpy.int64)


@contextlib.contextmanager
def multiplied():
    """Has IndexFlatIP multiply matrices. By itself it does so only for far more probes, and takes five times as long for
    a batch; for one probe it is the other way round."""
    threshold = faiss.cvar.distance_compute_blas_threshold
    faiss.cvar.distance_compute_blas_threshold = 20
    try:
        yield
    finally:
        faiss.cvar.distance_compute_blas_threshold = threshold


class Peer:
    """`scale` takes the vectors to what the index stores."""

    def __init__(self, name, index, rows, probes, scale=1.0):
        self.name, self.index, self.probes = name, index, numpy.ascontiguousarray(probes * numpy.float32(scale))
        index.add(rows if scale == 1.0 else rows * numpy.float32(scale))

    def one(self, first, count):
        start = time.perf_counter()
        for probe in range(first, first + count):
            self.index.search(self.probes[probe : probe + 1], 1)
        return (time.perf_counter() - start) * 1e3

    def batch(self, first):
        with multiplied():
            start = time.perf_counter()
            self.index.search(self.probes[first : first + BATCH], 1)
            return (time.perf_counter() - start) * 1e3


def one_probe(ours, peers):
    sides = [ours, *peers]
    times = in_turns(ROUNDS_ONE, [lambda number, side=side: side.one(number, 1) for side in sides])
    for peer, peer_times in zip(peers, times[1:]):
        yield compare(f"search 1M x{DIMS}, 1 probe", times[0], peer.name, peer_times)


def many_probes(ours, peers):
    """All times are for one probe. The ratio is to the peer's search for one probe at a time."""
    works = [lambda number: ours.batch(number * BATCH) / BATCH]
    for peer in peers:
        works.append(lambda number, peer=peer: peer.one(number * BATCH, BATCH) / BATCH)
        works.append(lambda number, peer=peer: peer.batch(number * BATCH) / BATCH)
    times = in_turns(ROUNDS_BATCH, works)
    for place, peer in enumerate(peers):
        one, batch = times[1 + 2 * place], times[2 + 2 * place]
        batch_ms = statistics.median(batch)
        yield compare(
            f"search 1M x{DIMS}, {BATCH} probes",
            times[0],
            peer.name,
            one,
            peer_way="one at a time",
            peer_batch_ms=round(batch_ms, 3),
            peer_batch_min_ms=round(min(batch), 3),
            batch_ratio=round(batch_ms / statistics.median(times[0]), 2),
        )


def agreement(ours, rows, probes):
    """How often our nearest row is that of the exact search: the one that faiss finds with f32. Where the two differ,
    distances in f64 decide: ours is right when it is nearer, and no farther away than f32 can tell, which are ties."""
    exact = faiss.IndexFlatIP(DIMS)
    exact.add(rows)
    found = ours.nearest(len(probes))
    with multiplied():
        expected = exact.search(probes, 1)[1][:, 0]
    equal, ties = len(probes), 0
    for probe in numpy.flatnonzero(found != expected):
        pair = rows[[expected[probe], found[probe]]].astype(numpy.float64)
        theirs, own = numpy.linalg.norm(pair - probes[probe].astype(numpy.float64), axis=1)
        if own > theirs * (1 + 2**-22):
            equal -= 1
        elif own > theirs:
            ties += 1
    return {"work": "search top-1 agreement", "probes": len(probes), "equal": equal, "ties": ties}


def search():
    load_before = os.getloadavg()[0]
    faiss.omp_set_num_threads(1)
    (rows_path, rows), (probes_path, probes) = unit_vectors(ROWS, 1), unit_vectors(PROBES, 2)
    index = FOLDER / "index-1M"
    subprocess.run([OURS, "make", index, rows_path, str(ROWS)], check=True)
    ours = Ours(index, probes_path)
    codes = faiss.IndexScalarQuantizer(DIMS, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT)
    peers = [
        Peer("faiss IndexFlatIP", faiss.IndexFlatIP(DIMS), rows, probes),
        Peer("faiss SQ8", codes, rows, probes, scale=127 / max(abs(rows).max(), abs(probes).max())),
    ]
    lines = [show(line) for measure in (one_probe, many_probes) for line in measure(ours, peers)]
    lines.append(show(agreement(ours, rows, probes)))
    keep("search", lines, load_before, f"faiss {faiss.__version__}, numpy {numpy.__version__}, one thread each")


def search_open():
    rows_path, _ = unit_vectors(100_000, 3)
    index = FOLDER / "index-10M"
    subprocess.run([OURS, "make", index, rows_path, str(ROWS_TO_OPEN)], check=True)
    runs = [subprocess.run([OURS, "open", index], check=True, capture_output=True, text=True) for _ in range(5)]
    times, private, rows = zip(*(map(float, run.stdout.split()) for run in runs))
    if set(rows) != {ROWS_TO_OPEN}:
        raise SystemExit(f"{index}: holds {rows[0]:.0f} rows; delete it")
    ours_ms = round(statistics.median(times), 3)
    show({"work": f"open 10M x{DIMS}", "ours_ms": ours_ms, "private_mib": round(max(private), 1)})


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    {"search": search, "search-open": search_open}[sys.argv[1]]()
