"""Frozen features of eight networks: `engraft` against other engines, with the same weights, interleaved.

    python3 bench/peers.py                                     everything; less than 20 minutes once all is built
    python3 bench/peers.py --networks mobilenet_v2 --peers openvino,onnxruntime --threads 1
    python3 bench/peers.py --resume --write                    what is missing, then docs/PERFORMANCE.md

Installs pinned peers into `bench/.venv-peers` and builds the Rust ones the first time; what cannot be had is left out and said. All
sides get the same graph and the same weights of noise, and their features are compared before anything is timed. Then they take
turns. Ours starts from bytes and includes preprocessing; the others start from floats that are scaled and laid out for them.
"""

import argparse

from peers import results
from peers.document import DOCUMENT, write
from peers.install import available, build_ours, enter_venv, version
from peers.side import PEERS

NETWORKS = (
    "efficientnet_lite0",
    "mobilenet_v2",
    "efficientnet_b0",
    "resnet50",
    "xception",
    "densenet121",
    "inception_v3",
    "convnext_tiny",
)
# Peers that compute in bfloat16 on request.
BF16_PEERS = ("openvino", "torch")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")
    parser.add_argument("--networks", type=names, default=NETWORKS, help="names that `engraft models` lists")
    parser.add_argument("--peers", type=names, default=PEERS, help=", ".join(PEERS))
    parser.add_argument("--threads", type=lambda text: [int(x) for x in names(text)], default=(1, 2))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--turn-ms", type=int, default=300, help="length of a turn")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32")
    parser.add_argument("--isa", default="", help="our side held to avx2, like the peers that can be, or to portable")
    parser.add_argument("--resume", action="store_true", help="measure only what is not in the results yet")
    parser.add_argument(
        "--write", nargs="?", const=DOCUMENT, metavar="docs/FILE", help=f"write the results to {DOCUMENT}, or to that file"
    )
    return parser.parse_args()


def run(options, peers):
    from peers.export import export
    from peers.measure import measure

    program = build_ours()
    for network in options.networks:
        for threads in options.threads:
            keys = {peer: results.key(network, peer, threads, options) for peer in peers}
            known = results.load() if options.resume else {}
            missing = [peer for peer in peers if keys[peer] not in known]
            if not missing:
                continue
            records = measure(export(program, network), threads, missing, options)
            results.save({keys[peer]: record | {"version": version(peer)} for peer, record in records.items()})
            report(network, threads, records)


def report(network, threads, records):
    for peer, record in records.items():
        ours, theirs = (record[side]["seconds_per_image"] for side in ("ours", "theirs"))
        cells = [
            f"batch {batch}: {1 / ours.get(batch, ours['8']):6.1f} / {1 / seconds:6.1f} = {seconds / ours.get(batch, ours['8']):5.2f}"
            for batch, seconds in theirs.items()
        ]
        difference, load = record["difference"], record["load"]
        print(
            f"{network:18} {threads} thread{'s'[:threads > 1]} {peer:12}", *cells,
            f"differs by {difference:.0e}, load {load:.1f}", sep="   ", flush=True,
        )


def main():
    options = arguments()
    enter_venv()
    peers = [peer for peer in options.peers if options.precision == "f32" or peer in BF16_PEERS]
    run(options, available(peers))
    if options.write:
        write(results.load(), NETWORKS, options.write)
        print(f"written: {options.write}")


if __name__ == "__main__":
    main()
