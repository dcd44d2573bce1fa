"""The campaign: every attack in turn, and one table of what held.

    python -m tests.fakes.campaign --minutes 27
    python -m tests.fakes.campaign --only images,kills --minutes 5

Exits with 1 where something fell or was not tried, and says what. Needs the test requirements; a full disk is tried
where one can be mounted.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

# Before torch is loaded: children share it, and one thread each is what keeps them from waiting for each other.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}

from tests.fakes.campaign import annotators, disk, images, inputs, kills, processes, readers, requests, together
from tests.fakes.campaign.outcome import Attack, Outcome, table

ATTACKS = (
    Attack(kills, 0.34, "kill -9 at any change of the disk and the same call give what no kill does"),
    Attack(annotators, 0.12, "no acknowledged answer is lost or counts twice"),
    Attack(images, 0.11, "every fuzzed image is decoded or refused, within its memory"),
    Attack(readers, 0.05, "every fuzzed file is read or refused in one line, in 1 GB and 20 s"),
    Attack(inputs, 0.1, "hostile weights, votes, lists, arrays, names: one line, nothing runs"),
    Attack(requests, 0.09, "hostile addresses, headers, conditions: no page, leak or long work"),
    Attack(disk, 0.05, "on a full disk one line, nothing lost, reading works"),
    Attack(processes, 0.06, "eight processes on one workspace lose nothing"),
    Attack(together, 0.1, "two servers, 20 people, shell, notebook: nothing lost, memory flat"),
)


def campaign(minutes: float, chosen: Sequence[str] = ()) -> dict[Attack, Outcome]:
    """Runs the attacks in about so many minutes; the modules that children share are loaded first."""
    import duckdb  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import torch  # noqa: F401

    import avhcurate.cli  # noqa: F401

    attacks = [attack for attack in ATTACKS if not chosen or attack.name in chosen]
    whole = sum(attack.share for attack in attacks)
    outcomes = {}
    for attack in attacks:
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="campaign-") as place:
            outcome = outcomes[attack] = attack.module.attack(Path(place), 60 * minutes * attack.share / whole)
        outcome.figures["minutes"] = f"{(time.monotonic() - started) / 60:.1f}"
        print(f"{attack.name}: {outcome.tried:,} tried, {len(outcome.fell)} fell", file=sys.stderr, flush=True)
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=27)
    parser.add_argument("--only", default="", help=f"some of {', '.join(attack.name for attack in ATTACKS)}")
    options = parser.parse_args()
    outcomes = campaign(options.minutes, [name for name in options.only.split(",") if name])
    print(table(outcomes))
    faults = [f"{attack.name}: {line}" for attack, outcome in outcomes.items() for line in attack.faults(outcome)]
    for line in faults:
        print(f"FELL {line}")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
