"""Customers that are written out for k6: one uses all that can be, the others what cannot."""

# ruff: noqa: RUF005, PERF403, SIM105, SIM222, SIM223, SIM905, PLR0133, PTH109

import os

LIMIT = 3
NAMES = ["anna", "ben"]


def everything(user):
    """Post what comes out of each kind of statement; the answers are {"n": ..., "list": [...]}."""
    found = {"id": user.id, "text": f"{LIMIT}/{user.id} {True} {None}", "names": NAMES}
    numbers = []
    for n in range(2, 10, 2):
        if n == 8:
            break
        if n % 4 == 0:
            continue
        numbers.append(n)
    else:
        numbers = []
    found["numbers"] = numbers
    found["last"] = numbers[-1]
    found["sliced"] = NAMES[1:] + ["c"]
    for index, name in enumerate(NAMES):
        found[name] = index
    for name in NAMES:
        if name == "carl":
            break
    else:
        found["nobody"] = True
    found["floor"] = -7 // 2
    found["modulo"] = -7 % 3
    found["empty"] = "yes" if not [] and not {} and not "" and [0] else "no"
    found["or"] = [] or None or "x"
    found["and"] = 1 and 0 and 2
    found["chain"] = 1 < LIMIT <= 3
    found["in"] = ["ben" in NAMES, "z" in found, "b" not in "abc", None is None]
    found["comprehension"] = [len(name) for name in NAMES if name != "ben"]
    found["helper"] = doubled(n=4) + doubled(1, by=3)
    found["extremes"] = [min(4, 2), max(NAMES and [1, 5]), sum([1, 2]), abs(-2), int("7")]
    found["texts"] = ["Bearer x".removeprefix("Bearer "), "a,b".split(","), "-".join(NAMES)]
    waits = 0
    while waits < LIMIT:
        waits += 1
    found["waits"] = waits
    answer = user.post("/first/12/x", json={"a": [1, {"b": None}]}, headers={"X-Own": "1"})
    found["ok"] = answer.ok and answer.status == 200
    found["answer"] = answer.json()["list"][0]
    found["missing"] = answer.json().get("nothing", "default")
    user.memory = {"seen": 1}
    user.memory["seen"] += 1
    found["memory"] = user.memory
    user.post("/all", json=found)
    user.get("/with", params={"q": ["a b", 1]})
    user.post("/form", data={"name": "ä", "n": 2})
    user.finish()


def doubled(n, by=2):
    """A function of the same module."""
    return n * by


def reads_files(user):
    """Calls what k6 does not have."""
    user.get("/" + os.getcwd())


def catches(user):
    """Has a statement that is not translated."""
    try:
        user.get("/")
    except ValueError:
        pass
