"""The agent: its loop, its engine on llama.cpp, its tools and bundles."""

import os

# OpenMP's threads wait for each other by spinning, by default so long that a busy machine stalls: beside two
# other programs on two cores, twelve plans of the shipped models took 0.8 to 40 s, and 0.7 to 1.3 s now;
# alone, 0.2 to 0.4 s either way. OpenMP reads it once, when llama.cpp or torch loads it: so before all else.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
