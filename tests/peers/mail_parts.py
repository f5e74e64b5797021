"""What a mail holds, as Python's own reader of mail sees it: reads one, and prints the tree of its parts as JSON.

Each part has its `type`, and either `parts`, or `id`, `disposition` and `body` (in base64). `defects` are of all parts.
"""

import base64
import email
import email.policy
import json
import sys

defects = []


def shown(part):
    defects.extend(type(defect).__name__ for defect in part.defects)
    seen = {"type": part.get_content_type()}
    if part.is_multipart():
        return {**seen, "parts": [shown(inner) for inner in part.iter_parts()]}
    body = base64.b64encode(part.get_payload(decode=True)).decode()
    return {**seen, "id": part["Content-ID"], "disposition": part.get_content_disposition(), "body": body}


tree = shown(email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.default))
print(json.dumps({**tree, "defects": defects}))
