"""Run a store's real writer, under the recorder: `python -m tests.faults.write STORE FOLDER SEED STEPS [PLANT]`."""

import random
import sys
from importlib import import_module
from pathlib import Path

if __name__ == "__main__":
    store, folder, seed, steps, *plant = sys.argv[1:]
    module = import_module(f"tests.faults.stores.{store}")
    module.write(Path(folder), random.Random(seed), int(steps), plant[0] if plant else "")
