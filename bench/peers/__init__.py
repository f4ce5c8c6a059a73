"""The parts of `bench/peers.py`: networks read once and rebuilt for every peer, and the dialogue with them."""
