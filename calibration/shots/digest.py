"""The hash of an experiment, whatever file it lies in."""

import hashlib

import numpy as np

from calibration.experiment import SHOT, Experiment


def sha256(experiment: Experiment) -> str:
    """Return the SHA-256 of an experiment: of its origin as JSON, a zero byte, and its shots as they lie in memory.

    The same for a store and for any file that the shots were exported to and read back from: every nan counts alike.
    """
    content = hashlib.sha256(experiment.origin.model_dump_json().encode() + b"\0")
    shots = np.array(experiment.shots, SHOT, copy=True)
    for name in SHOT.names or ():
        if shots[name].dtype.kind == "f":
            shots[name][np.isnan(shots[name])] = np.nan
    content.update(shots.view(np.uint8).data)
    return content.hexdigest()
