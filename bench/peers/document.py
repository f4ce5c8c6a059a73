"""A document from the results, `docs/PERFORMANCE.md` unless another is asked for."""

import platform
from pathlib import Path

from peers.side import OURS, PEERS, PEERS_HELD_TO, REPOSITORY

DOCUMENT = "docs/PERFORMANCE.md"
TITLES = {
    OURS: "engraft",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "torch": "PyTorch",
    "keras": "Keras",
    "rten": "rten",
    "tract": "tract",
}
FLAGS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "asimd", "bf16", "i8mm")
HEAD = """# Performance

How fast `engraft` turns images into features, beside other engines on the same machine. Written by

```sh
python3 bench/peers.py --write{file}
```

All sides have the same graph and the same weights (noise that keeps activations in range), without classifier, pooled; their features
were compared first. They took turns, {when}, on {machine},
where the load average before a run was {load}. The figures are medians, and a ratio is of two sides in one run. Ours starts from the
bytes of an image and includes preprocessing; the others start from floats that are scaled and laid out for them. On Linux ours asks
for huge pages and ONNX Runtime is given them; the others take small pages, whose places a virtual machine looks up slowly.
[bench/README.md](../bench/README.md) says how each is set up. Versions: {versions}.
"""

OWN = """Images a second of engraft. One and two threads were measured in different runs, so that the scaling holds the machine's drift too;
more than 2 is nothing else.
"""


def write(records, networks, path=DOCUMENT):
    """Writes the document to a file in `docs`, named from the root of the repository."""
    by_place = {tuple(key.split("|")): record for key, record in records.items()}
    parts = [head(records, by_place, path)]
    for (precision, isa), title in titles(by_place).items():
        chosen = {key[:3]: record for key, record in by_place.items() if key[3:] == (precision, isa)}
        names = [name for name in networks if any(key[0] == name for key in chosen)]
        parts.append(section(title, chosen, names))
    (REPOSITORY / path).write_text("\n".join(parts))


def head(records, by_place, path):
    versions = {key[1]: record["version"] for key, record in by_place.items()}
    loads = [record["load"] for record in records.values()]
    dates = sorted({record["date"] for record in records.values()})
    return HEAD.format(
        file="" if path == DOCUMENT else f" {path}",
        when=f"on {dates[0]}" if len(dates) == 1 else f"from {dates[0]} to {dates[-1]}",
        machine=machine(),
        load=f"{sum(loads) / len(loads):.1f}",
        versions=", ".join(f"{TITLES[peer]} {versions[peer]}" for peer in PEERS if peer in versions),
    )


def machine():
    """The processor and those of its abilities that matter here."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    values = {name.strip(): value for name, _, value in (line.partition(": ") for line in lines)}
    flags = values.get("flags", values.get("Features", "")).split()
    cores = sum(line.startswith("processor") for line in lines)
    # Under a hypervisor the name often lacks the processor's model number.
    parts = [values.get("model name", platform.machine())]
    parts += [f"{part} {values[key]}" for part, key in [("family", "cpu family"), ("model", "model")] if key in values]
    return f"{', '.join(parts)} ({cores} cores; {', '.join(f for f in FLAGS if f in flags)})"


def titles(by_place):
    """Heading of each combination of precision and instruction set, the usual one first."""
    places = sorted({key[3:] for key in by_place}, key=lambda place: place != ("f32", "best"))
    return {(precision, isa): heading(precision, isa) for precision, isa in places}


def heading(precision, isa):
    if isa == "best":
        return precision
    peers = " as OpenVINO, PyTorch and Keras are; others are not" if isa in PEERS_HELD_TO else ""
    return f"{precision}, ours held to {isa}{peers}"


def section(title, records, networks):
    peers = [peer for peer in PEERS if any(key[1] == peer for key in records)]
    parts = [f"## {title}\n", OWN, own_table(records, networks)]
    for threads in ("1", "2"):
        if any(key[2] == threads for key in records):
            parts.append(f"Times as fast as each peer, {threads} thread{'s'[: threads != '1']}, batch 1 / batch 8:\n")
            parts.append(ratio_table(records, networks, peers, threads))
    if "keras" in peers:
        parts.append(
            "The Keras column is a compiled call. Beside `predict` of 64 images by 32, batch 8 of ours is "
            f"{predict(records, networks)}.\n"
        )
    parts.append("From the start of the process to the first features, in seconds, with weights read from disk (one thread):\n")
    parts.append(side_table(records, networks, peers, "start_s", "{:.2f}"))
    parts.append("Peak resident memory in MB of a process that has run a batch of 8 (one thread):\n")
    parts.append(side_table(records, networks, peers, "memory_mb", "{:.0f}"))
    return "\n".join(parts)


def table(columns, rows):
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def own(records, network, threads):
    """Our seconds per image by batch, from the runs beside all peers: their median."""
    runs = [record["ours"]["seconds_per_image"] for key, record in records.items() if (key[0], key[2]) == (network, threads)]
    return {batch: middle([run[batch] for run in runs]) for batch in ("1", "8")} if runs else None


def middle(values):
    return sorted(values)[len(values) // 2]


def own_table(records, networks):
    columns = ["network", "1 thread, batch 1 / 8", "share of the peak", "2 threads, batch 1 / 8", "scaling"]
    rows = []
    for network in networks:
        one, two = (own(records, network, threads) for threads in ("1", "2"))
        speeds = [" / ".join(digits(1 / side[batch]) for batch in "18") if side else "" for side in (one, two)]
        share = peak_share(records, network) if one else ""
        scaling = " / ".join(f"{one[batch] / two[batch]:.2f}" for batch in "18") if one and two else ""
        rows.append([network, speeds[0], share, speeds[1], scaling])
    return table(columns, rows)


def peak_share(records, network):
    """What batch 1 reaches of the multiply-adds that one core did on registers alone in the same run."""
    runs = [record for key, record in records.items() if (key[0], key[2]) == (network, "1")]
    shares = [
        (run["gflop_per_image"] / run["ours"]["seconds_per_image"]["1"] / run["gflops_peak"], run["gflops_peak"])
        for run in runs
    ]
    share, peak = middle(shares)
    return f"{share:.0%} of {peak:.0f} GFLOP/s"


def ratio_table(records, networks, peers, threads):
    rows = [[name, *(ratio(records.get((name, peer, threads))) for peer in peers)] for name in networks]
    return table(["network", *(TITLES[peer] for peer in peers)], rows)


def ratio(record):
    if not record:
        return ""
    ours, theirs = (record[side]["seconds_per_image"] for side in ("ours", "theirs"))
    return " / ".join(f"{theirs[batch] / ours[batch]:.2f}" for batch in ("1", "8"))


def predict(records, networks):
    found = []
    for name in networks:
        record = records.get((name, "keras", "1"))
        if record:
            ours, theirs = record["ours"]["seconds_per_image"]["8"], record["theirs"]["seconds_per_image"]["64"]
            found.append(f"{theirs / ours:.2f} ({name})")
    return ", ".join(found) + " times as fast on one thread"


def side_table(records, networks, peers, figure, form):
    rows = []
    for name in networks:
        of_peer = {peer: records[name, peer, "1"] for peer in peers if (name, peer, "1") in records}
        if of_peer:
            ours = middle([record["ours"][figure] for record in of_peer.values()])
            theirs = [form.format(of_peer[peer]["theirs"][figure]) if peer in of_peer else "" for peer in peers]
            rows.append([name, form.format(ours), *theirs])
    return table(["network", *(TITLES[side] for side in [OURS, *peers])], rows)


def digits(number):
    """Three digits."""
    return f"{number:.0f}" if number >= 100 else f"{number:.1f}" if number >= 10 else f"{number:.2f}"
