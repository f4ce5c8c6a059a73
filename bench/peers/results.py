"""What was measured so far, in a file that git ignores, so that a run can go on where another stopped."""

import json

from peers.side import BENCH

FILE = BENCH / ".results-peers.json"


def key(network, peer, threads, options):
    return "|".join([network, peer, str(threads), options.precision, options.isa or "best"])


def load():
    """Records by key."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def save(records):
    """Adds records, in place of those with the same keys."""
    merged = load() | records
    FILE.write_text(json.dumps(merged, indent=1))
    return merged
