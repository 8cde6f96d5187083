"""face_recognition, and what every script that asks it about photos does."""

import concurrent.futures
import json
import sys
import warnings

warnings.filterwarnings("ignore", "pkg_resources")
import face_recognition  # noqa: E402, F401


def answer(of_photo, at_once):
    """For each path on standard input a line of JSON: what `of_photo` says of it. Photos are on all cores."""
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for said in pool.map(of_photo, sys.stdin.read().splitlines(), chunksize=at_once):
            print(json.dumps(said))
