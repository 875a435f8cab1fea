"""What no schema can say, for the runs of schemathesis in tests/console/api/schemathesis.rs."""
import itertools
import json
import os
import re
import uuid

import schemathesis

number = itertools.count()
state = set(os.environ["GUILDHALL_STATE"].split(","))


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Each act has an Idempotency-Key of its own, the account keeps its slug, and the key that asks stays in force."""
    word = (case.headers or {}).get("Idempotency-Key")
    if isinstance(word, str) and re.fullmatch(r"[!#-~]{1,240}", word):
        case.headers["Idempotency-Key"] = f"{word}-{next(number)}"
    slug = case.body.get("slug") if isinstance(case.body, dict) else None
    if case.method == "PATCH" and isinstance(slug, str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        case.body["slug"] = "acme"
    if (case.path_parameters or {}).get("id") == os.environ["GUILDHALL_KEY_ID"]:
        case.path_parameters["id"] = str(uuid.uuid4())


@schemathesis.check
def refused_for_what_is_there(ctx, response, case):
    """What the schema allows is refused with 422 only for what is there, by codes that say so."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 422:
        return
    codes = {it["code"] for it in json.loads(response.content).get("errors", [{"code": "none"}])}
    assert codes <= state, f"the schema allows what is refused: {sorted(codes - state)}"
