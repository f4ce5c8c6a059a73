"""One peer in a process of its own: `python -m peers.serve PEER FOLDER THREADS FIRST_BATCH PRECISION`.

Says `ready` after it has run the first batch once. Then it answers lines: `BATCH MILLISECONDS` with the seconds of each run that
fits into that time, `features` with those of all images.
"""

import sys
import time

from peers.engines import ENGINES, IMAGES


def times(engine, batch, milliseconds):
    seconds, started = [], time.perf_counter()
    while not seconds or time.perf_counter() - started < milliseconds / 1e3:
        run = time.perf_counter()
        engine.run(batch)
        seconds.append(time.perf_counter() - run)
    return seconds


def main():
    peer, folder, threads, first_batch, precision = sys.argv[1:]
    engine = ENGINES[peer](folder, int(threads), precision)
    engine.run(int(first_batch))
    print("ready", flush=True)
    for line in sys.stdin:
        numbers = engine.run(IMAGES).ravel() if line == "features\n" else times(engine, *map(int, line.split()))
        print(*numbers, flush=True)


main()
