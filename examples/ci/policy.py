"""Exit with 0 if verified statements allow the release on the terms of an approved statement."""

import json
import sys
from pathlib import Path
from typing import Any


def terms(predicate: dict[str, Any]) -> dict[str, Any]:
    """Return what a result rests on: digests by role, and the limits of the run."""
    terms: dict[str, Any] = {}
    for part in predicate["configuration"]:
        annotations = dict(part["annotations"])
        role = annotations.pop("role")
        if role == "record":
            terms |= annotations
            terms.pop("predictions", None)  # they differ from run to run; the demands may ask for fresh ones
        elif "threshold file" not in role:  # the demands have their content
            terms[role] = sorted([*terms.get(role, []), part["digest"]["sha256"]])
    return terms


approved = terms(json.loads(Path(sys.argv[1]).read_text())["predicate"])
if not approved.get("demands") or (approved["limit"], approved["unselected"]) != ("none", "0"):
    sys.exit(f"{sys.argv[1]}: not a statement on all demands and all images")
content = json.load(sys.stdin)
rows = content if isinstance(content, list) else [content]
is_released = False
is_blocked = False
for row in rows:
    predicate = row.get("verificationResult", {}).get("statement", row)["predicate"]
    result = predicate["result"]
    theirs = terms(predicate)
    others = sorted(name for name in approved | theirs if approved.get(name) != theirs.get(name))
    sys.stdout.write(f"{result} with {'other ' + ', '.join(others) if others else 'the approved terms'}\n")
    is_released |= result != "FAILED" and not others
    is_blocked |= result == "FAILED" and "demands" not in others
sys.exit(is_blocked or not is_released)
