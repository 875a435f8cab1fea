"""Hooks for what no schema can express, used by tests/console/api/schemathesis.rs."""
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
    """Makes every Idempotency-Key unique, keeps the slug of the account, and does not revoke the key in use."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and re.fullmatch(r"[!-~]{1,255}", key):
        case.headers["Idempotency-Key"] = f"{key[:240]}-{next(number)}"
    slug = case.body.get("slug") if isinstance(case.body, dict) else None
    if case.method == "PATCH" and isinstance(slug, str) and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        case.body["slug"] = "acme"
    if (case.path_parameters or {}).get("id") == os.environ["GUILDHALL_KEY_ID"]:
        case.path_parameters["id"] = str(uuid.uuid4())


@schemathesis.check
def refused_for_state_only(ctx, response, case):
    """A request that fits the schema is refused with 422 only for reasons of state, with the codes for those."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code != 422:
        return
    codes = {error["code"] for error in json.loads(response.content).get("errors", [{"code": "none"}])}
    assert codes <= state, f"a request that fits the schema is refused: {sorted(codes - state)}"
