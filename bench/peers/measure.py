"""Sides that take turns, because a machine's speed drifts more within a minute than they differ."""

import os
import statistics
import time

import numpy as np

from peers.side import OURS, Side, SideFailed

BATCHES = (1, 8)
# What `predict` of Keras gets: 64 images in batches of 32.
PREDICT = 64
# A start that takes longer is measured once.
QUICK_START_S = 1.5
# Largest difference of two sides' features, as a part of the largest feature. In bfloat16 the weights, which are noise, let it grow.
BOUND = {"f32": 2e-4, "bf16": 0.2}


def measure(folder, threads, peers, options):
    """Records by peer, each with both sides' times of the same run."""
    load = os.getloadavg()[0]
    sides, starts = start(folder, threads, peers, options)
    differences = {name: difference(side, sides[OURS]) for name, side in sides.items()}
    for name, error in differences.items():
        assert error < BOUND[options.precision], f"{name} computes another network: differs by {error:.1e}"
    times = take_turns(sides, options)
    peak, multiply_adds = sides[OURS].ask("peak")
    for side in sides.values():
        side.close()
    memory = {name: memory_mb(name, folder, options) for name in sides} if threads == 1 else {}
    summaries = {
        name: {
            "seconds_per_image": times[name],
            "start_s": statistics.median(starts[name]),
            "memory_mb": memory.get(name),
        }
        for name in sides
    }
    return {
        name: {
            "ours": summaries[OURS],
            "theirs": summaries[name],
            "difference": differences[name],
            "load": load,
            "gflops_peak": peak * 2e-9,
            "gflop_per_image": multiply_adds * 2e-9,
            "date": time.strftime("%Y-%m-%d"),
        }
        for name in sides
        if name != OURS
    }


def start(folder, threads, peers, options):
    """All sides, ready, and the seconds that their starts took; one that fails is left out."""
    sides, starts = {}, {}
    for name in [OURS, *peers]:
        try:
            side = Side(name, folder, threads, 1, options.precision, options.isa)
        except SideFailed as error:
            if name == OURS:
                raise
            print(f"left out: {error}")
            continue
        sides[name], starts[name] = side, [side.start_s]
    for _ in range(2 if threads == 1 else 0):
        for name in sides:
            if starts[name][0] < QUICK_START_S:
                again = Side(name, folder, threads, 1, options.precision, options.isa)
                starts[name].append(again.start_s)
                again.close()
    return sides, starts


def difference(side, ours):
    want, found = np.array(ours.features()), np.array(side.features())
    return float(abs(found - want).max() / abs(want).max())


def take_turns(sides, options):
    """Median seconds per image, by side and batch."""
    seconds = {name: {} for name in sides}
    for _ in range(options.rounds):
        for batch in (*BATCHES, PREDICT):
            for name, side in sides.items():
                if batch in BATCHES or name == "keras":
                    seconds[name].setdefault(batch, []).extend(side.turn(batch, options.turn_ms))
    return {
        name: {str(batch): statistics.median(runs) / batch for batch, runs in batches.items()}
        for name, batches in seconds.items()
    }


def memory_mb(name, folder, options):
    """The peak of a process that has run one batch of 8 on one thread."""
    side = Side(name, folder, 1, BATCHES[-1], options.precision, options.isa)
    peak = side.peak_mb()
    side.close()
    return peak
