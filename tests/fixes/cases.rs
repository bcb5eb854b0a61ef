//! Code before and after.

use raceproof::fixes::Safety::{Manual, Safe, Unsafe};

use crate::{check, check_ignores, check_none};

/// A module whose function `work` several threads run.
fn threaded(body: &str) -> String {
    format!(
        "import threading\n\n{body}\n\ndef main():\n    threads = [threading.Thread(target=work) for _ in range(4)]\n    for thread in threads:\n        thread.start()\n    for thread in threads:\n        thread.join()\n"
    )
}

#[track_caller]
fn check_threaded(
    rule: &str,
    words: &str,
    safety: raceproof::fixes::Safety,
    before: &str,
    after: &str,
) {
    check(rule, words, safety, &threaded(before), &threaded(after));
}

#[test]
fn a_test_and_a_store_become_setdefault() {
    check_threaded(
        "check-then-act",
        "setdefault",
        Safe,
        "\
CACHE = {}


def work(key='a'):
    if key not in CACHE:  # first
        # the default
        CACHE[key] = []  # empty
",
        "\
CACHE = {}


def work(key='a'):
    # first
    # the default
    CACHE.setdefault(key, [])  # empty
",
    );
}

#[test]
fn setdefault_keeps_layout_and_parentheses() {
    check_threaded(
        "check-then-act",
        "setdefault",
        Safe,
        "\
CACHE = {}


def work(a=1, b=2):
    if not (a, b) in CACHE: CACHE[a, b] = {
        1: 2,  # two
    }
",
        "\
CACHE = {}


def work(a=1, b=2):
    CACHE.setdefault((a, b), {
        1: 2,  # two
    })
",
    );
}

#[test]
fn a_value_that_costs_something_is_not_made_in_vain() {
    check_none(
        "check-then-act",
        "setdefault",
        &threaded(
            "CACHE = {}\n\n\ndef work(key='a'):\n    if key not in CACHE:\n        CACHE[key] = open(key)\n",
        ),
    );
}

#[test]
fn a_test_and_a_removal_become_pop() {
    check_threaded(
        "check-then-act",
        "pop",
        Safe,
        "\
CACHE = {}


def work(key='a'):
    CACHE[key] = 1
    if key in CACHE:
        del CACHE[key]
",
        "\
CACHE = {}


def work(key='a'):
    CACHE[key] = 1
    CACHE.pop(key, None)
",
    );
}

#[test]
fn a_test_before_add_goes() {
    check_threaded(
        "check-then-act",
        "Drop the test",
        Safe,
        "\
SEEN = set()


def work(key='a'):
    if key not in SEEN:
        SEEN.add(key)  # once
",
        "\
SEEN = set()


def work(key='a'):
    SEEN.add(key)  # once
",
    );
}

#[test]
fn iteration_goes_over_a_copy() {
    check_threaded(
        "iterate-while-mutated",
        "copy",
        Safe,
        "\
CACHE = {}


def work():
    CACHE[threading.get_ident()] = 1
    for key, value in CACHE.items():  # all
        print(key, value)
",
        "\
CACHE = {}


def work():
    CACHE[threading.get_ident()] = 1
    for key, value in list(CACHE.items()):  # all
        print(key, value)
",
    );
}

#[test]
fn a_loop_that_changes_what_it_walks_over_is_looked_at_first() {
    check_threaded(
        "iterate-while-mutated",
        "copy",
        Unsafe,
        "\
QUEUE = [1]


def work():
    for item in QUEUE:
        if item < 100:
            QUEUE.append(item * 2)
",
        "\
QUEUE = [1]


def work():
    for item in list(QUEUE):
        if item < 100:
            QUEUE.append(item * 2)
",
    );
}

#[test]
fn a_subclass_of_dict_is_copied_through_its_view() {
    let before = "\
from collections import defaultdict

SEEN = defaultdict(int)


def work():
    SEEN.setdefault(threading.get_ident(), 1)
    for key in SEEN:
        print(key)
";
    let after = before.replace("in SEEN:", "in list(SEEN.keys()):");
    check_threaded("iterate-while-mutated", "copy", Safe, before, &after);
    check_none(
        "iterate-while-mutated",
        "copy",
        &threaded(
            &before
                .replace("defaultdict(int)", "OrderedDict()")
                .replace("defaultdict", "OrderedDict"),
        ),
    );
}

#[test]
fn a_deque_has_no_atomic_copy() {
    check_none(
        "iterate-while-mutated",
        "copy",
        &threaded(
            "from collections import deque\n\nJOBS = deque()\n\n\ndef work():\n    JOBS.append(1)\n    for job in JOBS:\n        print(job)\n",
        ),
    );
}

#[test]
fn a_global_is_initialised_under_a_lock() {
    check_threaded(
        "lazy-init",
        "Initialise",
        Unsafe,
        "\
_instance = None


def work():
    global _instance
    if _instance is None:  # not yet
        # takes long
        _instance = [
            1,
        ]
    return _instance
",
        "\
_instance = None
_instance_lock = threading.Lock()


def work():
    global _instance
    if _instance is None:
        with _instance_lock:
            if _instance is None:  # not yet
                # takes long
                _instance = [
                    1,
                ]
    return _instance
",
    );
}

#[test]
fn an_attribute_is_initialised_under_a_new_lock() {
    check(
        "lazy-init",
        "Initialise",
        Unsafe,
        "\
\"\"\"A module.\"\"\"
from concurrent.futures import ThreadPoolExecutor


class Client:
    def __init__(self):
        self._session = None

    def session(self):
        if self._session is None:
            self._session = object()
        return self._session


def main():
    client = Client()
    with ThreadPoolExecutor() as pool:
        for _ in range(4):
            pool.submit(client.session)
",
        "\
\"\"\"A module.\"\"\"
import threading
from concurrent.futures import ThreadPoolExecutor


class Client:
    def __init__(self):
        self._session = None
        self._session_lock = threading.Lock()

    def session(self):
        if self._session is None:
            with self._session_lock:
                if self._session is None:
                    self._session = object()
        return self._session


def main():
    client = Client()
    with ThreadPoolExecutor() as pool:
        for _ in range(4):
            pool.submit(client.session)
",
    );
}

#[test]
fn a_lock_of_each_call_becomes_one_of_the_module() {
    check_threaded(
        "per-call-lock",
        "one lock",
        Unsafe,
        "\
total = 0


def work():
    global total
    lock = threading.Lock()  # guards total
    with lock:
        total += 1
",
        "\
total = 0


_work_lock = threading.Lock()  # guards total


def work():
    global total
    with _work_lock:
        total += 1
",
    );
}

#[test]
fn a_lock_made_in_the_with_statement_becomes_one_of_the_module() {
    check_threaded(
        "per-call-lock",
        "one lock",
        Unsafe,
        "\
total = 0


def work():
    global total
    with threading.Lock():
        total += 1
",
        "\
total = 0


_work_lock = threading.Lock()


def work():
    global total
    with _work_lock:
        total += 1
",
    );
}

const ACCOUNT: &str = "\
import threading


class Account:
    def __init__(self):
        self._lock = threading.Lock()
        self._cents = 0
        self._note = ''

    def deposit(self, cents):
        with self._lock:
            self._cents += cents

    def withdraw(self, cents):
        with self._lock:
            self._cents -= cents

";

#[test]
fn the_guard_of_the_others_is_held_here_too() {
    check(
        "inconsistent-lock",
        "Hold",
        Unsafe,
        &format!("{ACCOUNT}    def reset(self):\n        self._cents = 0  # back\n"),
        &format!(
            "{ACCOUNT}    def reset(self):\n        with self._lock:\n            self._cents = 0  # back\n"
        ),
    );
}

#[test]
fn what_is_held_for_a_statement_keeps_its_strings() {
    check(
        "inconsistent-lock",
        "Hold",
        Unsafe,
        &format!(
            "{ACCOUNT}    def reset(self):\n        self._cents = parse(\"\"\"\n  0\n\"\"\",\n            # nothing\n            1)\n"
        ),
        &format!(
            "{ACCOUNT}    def reset(self):\n        with self._lock:\n            self._cents = parse(\"\"\"\n  0\n\"\"\",\n                # nothing\n                1)\n"
        ),
    );
}

#[test]
fn an_inferred_guard_is_written_down() {
    let reset = "    def reset(self):\n        self._cents = 0\n";
    check(
        "inconsistent-lock",
        "Declare",
        Manual,
        &format!("{ACCOUNT}{reset}"),
        &format!(
            "{}{reset}",
            ACCOUNT.replace(
                "self._cents = 0\n",
                "self._cents = 0  # guarded-by: self._lock\n"
            )
        ),
    );
}

#[test]
fn a_finding_is_ignored_with_a_reason() {
    let reset = "    def reset(self):\n        self._cents = 0\n";
    check(
        "inconsistent-lock",
        "Ignore",
        Manual,
        &format!("{ACCOUNT}{reset}"),
        &format!(
            "{ACCOUNT}    def reset(self):\n        self._cents = 0  # raceproof: ignore[inconsistent-lock] reason\n"
        ),
    );
}

#[test]
fn a_declared_guard_is_held() {
    let class = "\
import threading


class Counter:
    def __init__(self):
        self._lock = threading.Lock()
        self.count = 0  # guarded-by: self._lock

";
    check(
        "missing-guard",
        "Hold",
        Unsafe,
        &format!("{class}    def add(self):\n        self.count += 1\n"),
        &format!(
            "{class}    def add(self):\n        with self._lock:\n            self.count += 1\n"
        ),
    );
}

#[test]
fn waiting_is_done_in_a_loop() {
    let class = "\
import threading


class Box:
    def __init__(self):
        self._ready = threading.Condition()
        self._items = []

    def put(self, item):
        with self._ready:
            self._items.append(item)
            self._ready.notify()

";
    check(
        "wait-without-loop",
        "while",
        Safe,
        &format!(
            "{class}    def get(self):\n        with self._ready:\n            if not self._items:  # empty\n                self._ready.wait()\n            return self._items.pop()\n"
        ),
        &format!(
            "{class}    def get(self):\n        with self._ready:\n            while not self._items:  # empty\n                self._ready.wait()\n            return self._items.pop()\n"
        ),
    );
}

#[test]
fn the_run_time_test_that_exists_is_used() {
    check(
        "gil-check",
        "_is_gil_enabled",
        Safe,
        "\
import sys

FREE = sys._is_free_threaded()  # at start
",
        "\
import sys

FREE = (sys.version_info >= (3, 13) and not sys._is_gil_enabled())  # at start
",
    );
    check(
        "gil-check",
        "_is_gil_enabled",
        Safe,
        "\
import sys

if hasattr(sys, '_is_free_threaded') and sys._is_free_threaded():
    print('free')
",
        "\
import sys

if (sys.version_info >= (3, 13) and not sys._is_gil_enabled()):
    print('free')
",
    );
}

#[test]
fn idle_ignores_go_and_the_rest_stays() {
    check_ignores(
        "\
x = 1  # raceproof: ignore[unlocked-counter, lock-order] no
y = 2
# raceproof: ignore
z = 3  # noqa  # raceproof: ignore
",
        "\
x = 1
y = 2
z = 3  # noqa
",
    );
    check_ignores("x = 1  # raceproof: ignore[x]", "x = 1");
    check_ignores("# raceproof: ignore[x]\r\nx = 1\r\n", "x = 1\r\n");
}
