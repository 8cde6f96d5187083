"""How both drivers end."""

import json
import shutil
import sys


def conclude(driver, report, failures, unclean, folder):
    """Prints what was not as demanded, then the report; the exit status. `folder` goes when all was."""
    failures = [*failures]
    if unclean:
        failures.append(f"did not end in good order: {unclean}")
    failures += [f"{report[key]} photos {key}" for key in ("lost", "twice") if report[key]]
    for failure in failures:
        print(f"{driver}: {failure}", file=sys.stderr)
    print(json.dumps(report))
    if not failures and folder:
        shutil.rmtree(folder)
    return 1 if failures else 0
